use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use executor_sim::{block_for, block_for_good};
use fastrand::Rng;

use super::draw::draw;

/// Longer than any tree takes to stop.
const FOR_GOOD: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

/// For how long processes block, and how often: in a simulation, and in real time.
const SIMULATED_BLOCKS: [(Block, u32); 3] = [(Block::ForGood, 2), (Block::Long, 4), (Block::Short, 10)];
const REAL_BLOCKS: [(Block, u32); 2] = [(Block::Long, 1), (Block::Short, 15)];

#[derive(Clone, Copy)]
enum Block {
    ForGood,
    Long,
    Short,
}

/// An executor, as those that run on it know it: how many of its threads they may block.
///
/// Limits hold where the supervisor's own executor has a thread left (D3). So where supervisors run, one thread stays free.
pub(crate) struct Site {
    threads: usize,
    is_simulated: bool,
    /// It ends with its round, and releases what blocks for good.
    is_beside: bool,
    hosts_supervisors: AtomicBool,
    blocked: AtomicUsize,
}

impl Site {
    /// Makes the site of the main executor.
    pub(crate) fn new(threads: usize, is_simulated: bool) -> Arc<Self> {
        let hosts_supervisors = AtomicBool::new(true);
        Arc::new(Self { threads, is_simulated, is_beside: false, hosts_supervisors, blocked: AtomicUsize::new(0) })
    }

    /// Makes a site beside the main executor.
    pub(crate) fn beside(threads: usize, is_simulated: bool) -> Arc<Self> {
        let hosts_supervisors = AtomicBool::new(false);
        Arc::new(Self { threads, is_simulated, is_beside: true, hosts_supervisors, blocked: AtomicUsize::new(0) })
    }

    /// Notes that a supervisor is going to run here.
    pub(crate) fn host_supervisor(&self) {
        self.hosts_supervisors.store(true, SeqCst);
    }

    /// Draws how long a block lasts here.
    pub(crate) fn draw(&self, rng: &mut Rng) -> Duration {
        let table: &[_] = if self.is_simulated { &SIMULATED_BLOCKS } else { &REAL_BLOCKS };
        match (self.is_simulated, draw(rng, table)) {
            (_, Block::ForGood) => FOR_GOOD,
            (true, Block::Long) => 200 * MOMENT,
            (true, Block::Short) => rng.u32(1..40) * MOMENT,
            (false, Block::Long) => rng.u32(300..1000) * MOMENT,
            (false, Block::Short) => rng.u32(10..80) * MOMENT,
        }
    }

    /// Blocks the thread for so long. That needs a [turn](Self::turn).
    pub(crate) async fn block(&self, time: Duration) {
        match self.is_simulated {
            true if time >= FOR_GOOD && self.is_beside => block_for_good().await,
            true => block_for(time).await,
            false => thread::sleep(time),
        }
    }

    /// Returns a thread to block until this is dropped, if that leaves one to those that have to go on.
    pub(crate) fn turn(self: &Arc<Self>) -> Option<Turn> {
        let kept = usize::from(self.hosts_supervisors.load(SeqCst));
        let take = |blocked| (blocked + kept < self.threads).then_some(blocked + 1);
        self.blocked.fetch_update(SeqCst, SeqCst, take).ok().map(|_| Turn(self.clone()))
    }
}

/// The right to block a thread.
pub(crate) struct Turn(Arc<Site>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.blocked.fetch_sub(1, SeqCst);
    }
}

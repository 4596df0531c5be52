//! A million reservations and jobs under a bound of a thousand, on Tokio: never more alive than the bound, no memory that
//! grows with the flood, and a prompt shutdown, afterwards and in the middle. Fails if one of these is not so.
//!
//! `cargo run --release -p supervision-benches --bin flood [-- --smoke]`: with `--smoke` a twentieth of that.

use std::{
    alloc::System,
    env,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use executor_tokio::Tokio;
use futures_lite::future::yield_now;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use supervision_benches::measure::{Heap, resident};
use supervisor_core::{Supervisor, SupervisorError, SupervisorHandle, one_shot};
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const BOUND: usize = 1_000;
/// The largest live heap. A thousand children and the room for their messages take less than 2 MB.
const HEAP: f64 = 4e6;
/// The longest that a shutdown may take.
const PROMPT: Duration = Duration::from_secs(1);
/// The number of tasks that reserve room.
const CALLERS: usize = 16;

fn main() -> ExitCode {
    let jobs = if env::args().any(|argument| argument == "--smoke") { 50_000 } else { 1_000_000 };
    println!("| shutdown | jobs | seconds | most alive | largest heap | memory grew by | shutdown took | verdict |");
    println!("|---|---|---|---|---|---|---|---|");
    let is_met = [flood(jobs, false), flood(jobs, true)];
    if is_met.iter().all(|is_met| *is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a flood has come to.
#[derive(Default)]
struct Tally {
    alive: AtomicUsize,
    most: AtomicUsize,
    ended: AtomicUsize,
}

impl Tally {
    fn enter(self: &Arc<Self>) -> Present {
        self.most.fetch_max(self.alive.fetch_add(1, Relaxed) + 1, Relaxed);
        Present(self.clone())
    }
}

struct Present(Arc<Tally>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Relaxed);
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// Submits jobs, each when there is room for it. Returns how many were admitted before the supervisor stopped.
async fn submit(pool: SupervisorHandle, tally: Arc<Tally>, jobs: usize) -> usize {
    for admitted in 0..jobs {
        let permit = match pool.reserve().await {
            Ok(permit) => permit,
            Err(SupervisorError::ShuttingDown { .. } | SupervisorError::NotRunning { .. }) => return admitted,
            Err(error) => panic!("{error:#}"),
        };
        let tally = tally.clone();
        let job = one_shot("job", async move {
            let _present = tally.enter();
            yield_now().await;
        });
        if permit.spawn(job).is_err() {
            return admitted;
        }
    }
    jobs
}

/// Looks at the heap again and again. Returns the largest that it has seen, and the most children that the pool had.
async fn watch(pool: SupervisorHandle, is_over: Arc<AtomicBool>) -> (f64, usize) {
    let (mut heap, mut children) = (0.0_f64, 0);
    while !is_over.load(Relaxed) {
        heap = heap.max(Heap::now().bytes);
        children = children.max(pool.count().await.map_or(0, |count| count.specs));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (heap, children)
}

/// Floods a pool, and shuts it down: afterwards, or in the middle. Returns whether all is as it must be.
fn flood(jobs: usize, in_the_middle: bool) -> bool {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    let spawner = Tokio::try_from(runtime.handle().clone()).expect("it has a clock");
    runtime.block_on(async move {
        let pool = Supervisor::dynamic("pool").expect("a valid name").with_max_children(BOUND);
        let tree = pool.start_on(spawner).await.expect("a start without failure");
        let (tally, is_over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let (before, begin) = (resident(), Instant::now());
        let watched = tokio::spawn(watch(tree.handle(), is_over.clone()));
        let submit = |_| tokio::spawn(submit(tree.handle(), tally.clone(), jobs / CALLERS));
        let mut callers: Vec<_> = (0..CALLERS).map(submit).collect();
        let mut admitted = 0;
        if in_the_middle {
            while tally.ended.load(Relaxed) < jobs / 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } else {
            for caller in callers.drain(..) {
                admitted += caller.await.expect("no panic");
            }
            // A job that has not begun when the pool is asked to stop does not run.
            while tree.handle().count().await.is_ok_and(|count| count.specs > 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let (took, stop) = (begin.elapsed(), Instant::now());
        tree.shutdown().await.expect("a clean stop");
        for caller in callers {
            admitted += caller.await.expect("no panic");
        }
        let stopped = stop.elapsed();
        is_over.store(true, Relaxed);
        let (heap, children) = watched.await.expect("no panic");
        let most = tally.most.load(Relaxed).max(children);
        let is_whole = if in_the_middle { admitted < jobs } else { tally.ended.load(Relaxed) == admitted };
        let is_met = is_whole && most <= BOUND && heap <= HEAP && stopped <= PROMPT && tally.alive.load(Relaxed) == 0;
        println!(
            "| {} | {admitted} | {:.1} | {most} | {:.2} MB | {:.2} MB | {stopped:.0?} | {} |",
            if in_the_middle { "in the middle" } else { "afterwards" },
            took.as_secs_f64(),
            heap / 1e6,
            (resident() - before) / 1e6,
            if is_met { "met" } else { "MISSED" },
        );
        is_met
    })
}

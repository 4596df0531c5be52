//! Several replicas in virtual time: whatever happens to them, to their clocks, to the network and to the store, the work runs on one of
//! them at a time.
//!
//! `REPLICAS=10000 cargo test -p lease --release --test replicas` plays more of them than the test run does.

mod world;

use std::{
    env, fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_sim::{Sim, Threads, block_for, sweep};
use fastrand::Rng;
use lease::{Clock, Held, LeaseState, Leased, Memory, MemoryRow, Store, Token};
use supervisor_core::{Backoff, BoxError, ProcessShutdown, RestartStrategy, Supervisor, process, worker};

use self::world::{Granted, Log, Network, Replica, Work};

const SECOND: Duration = Duration::from_secs(1);

/// How often the world looks, as the thread of the last resort does.
const LOOK: Duration = Duration::from_millis(50);

/// How many worlds a test run plays.
const WORLDS: u64 = 50;

/// The clock of the store's machine.
struct StoreClock<F> {
    real: F,
    rate: f64,
}

impl<F: Fn() -> Duration + Send + Sync + 'static> Clock for StoreClock<F> {
    fn now(&self) -> Duration {
        (self.real)().mul_f64(self.rate)
    }
}

impl<F> fmt::Debug for StoreClock<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreClock")
    }
}

/// A store that all replicas reach.
#[derive(Clone, Debug)]
enum Shared {
    Counts(Memory),
    Row(Arc<MemoryRow>),
}

impl Shared {
    /// Makes the value of one more replica.
    fn start(
        &self,
        sim: &Sim,
        machine: (Threads, f64),
        random: &Arc<Mutex<Rng>>,
        work: impl Fn(u64, Held) -> Supervisor + Send + Sync + 'static,
    ) -> Replica {
        match self {
            Self::Counts(store) => begin(sim, machine, store.clone(), random, work),
            Self::Row(row) => begin(sim, machine, MemoryRow::clone(row), random, work),
        }
    }
}

impl Shared {
    /// A row has no end of its own: there is none who may take it over as long as it has not changed.
    fn granted(&self) -> Granted {
        match self.clone() {
            Self::Counts(store) => Arc::new(move || store.token()),
            Self::Row(row) => {
                Arc::new(move || row.row().filter(|row| row.holder.is_some()).map(|row| Token::new(row.epoch)))
            }
        }
    }
}

fn begin<S: Store>(
    sim: &Sim,
    machine: (Threads, f64),
    store: S,
    random: &Arc<Mutex<Rng>>,
    work: impl Fn(u64, Held) -> Supervisor + Send + Sync + 'static,
) -> Replica {
    let backoff = Backoff::exponential(SECOND, 10 * SECOND);
    let settings = |leased: Leased| {
        let leased = leased.with_backoff(backoff).with_max_failures(5);
        if is_tight(sim) { tight(leased) } else { leased }
    };
    // The store grants a little less than it is asked for.
    Replica::start(sim, machine, (store, 0.96), random, settings, work)
}

/// Whether the times of this world have as little room as they may, so that a small mistake shows.
fn is_tight(sim: &Sim) -> bool {
    sim.seed() % 4 < 2
}

fn tight(leased: Leased) -> Leased {
    let millis = Duration::from_millis;
    leased
        .with_duration(millis(2200))
        .with_stop_budget(millis(300))
        .with_abort_grace(millis(100))
        .with_margin(millis(100))
        .with_renewal_interval(millis(500))
        .with_request_limit(millis(500))
}

/// Makes work of a few workers that each do something in turn.
fn work(
    random: &Arc<Mutex<Rng>>,
    log: &Arc<Mutex<Log>>,
    granted: &Granted,
    pace: u32,
) -> impl Fn(u64, Held) -> Supervisor + Send + Sync + use<> {
    let (random, log, granted) = (random.clone(), log.clone(), granted.clone());
    move |replica, held| {
        let strategy = RestartStrategy::one_for_one().with_intensity_and_period(2, 10 * SECOND);
        let mut subtree = Supervisor::new("work").unwrap().with_restart_strategy(strategy);
        for name in ["a", "b"] {
            let (random, log, granted, held) = (random.clone(), log.clone(), granted.clone(), held.clone());
            subtree.add_worker(worker(name, move |shutdown| {
                act(replica, held.clone(), random.clone(), log.clone(), granted.clone(), pace, shutdown)
            }));
        }
        subtree
    }
}

async fn act(
    replica: u64,
    held: Held,
    random: Arc<Mutex<Rng>>,
    log: Arc<Mutex<Log>>,
    granted: Granted,
    pace: u32,
    shutdown: ProcessShutdown,
) -> Result<(), BoxError> {
    let work = Work::begin(replica, &held, &log, &granted);
    let draw = |n: u32| random.lock().unwrap().u32(..n);
    loop {
        work.step(&held);
        let pause = Duration::from_millis(u64::from(draw(1000))) / pace;
        if shutdown.run_until(process::sleep(pause)).await.is_none() {
            break;
        }
        match draw(200 * pace) {
            0 => return Err("it fails".into()),
            1 => panic!("it panics"),
            // Through the grace, and beyond the lease.
            2 => block_for(Duration::from_secs(u64::from(draw(40))) / pace).await,
            3 => block_for(Duration::from_millis(u64::from(draw(3000))) / pace).await,
            _ => {}
        }
    }
    // It takes its time to stop, and sometimes more than it has.
    for _ in 0..draw(16) {
        process::sleep(Duration::from_millis(500) / pace).await;
        work.step(&held);
    }
    Ok(())
}

/// What can happen to a replica.
fn strike(sim: &Sim, random: &Mutex<Rng>, replicas: &mut Vec<Replica>, log: &Mutex<Log>) {
    let draw = |n: usize| random.lock().unwrap().usize(..n);
    let index = draw(replicas.len().max(1));
    let Some(replica) = replicas.get(index) else { return };
    let is_paused = log.lock().unwrap().paused.contains(&replica.number);
    let kind = draw(11);
    log.lock().unwrap().note(format!("{:?} strike {kind} on replica {}", sim.elapsed(), replica.number));
    match kind {
        0 => replica.network.lock().unwrap().is_cut = true,
        1 => replica.network.lock().unwrap().is_deaf = true,
        2 => {
            *replica.network.lock().unwrap() = Network {
                loses_request: 3,
                loses_answer: 3,
                delay: SECOND / if is_tight(sim) { 4 } else { 1 },
                ..Network::default()
            }
        }
        3 => replica.network.lock().unwrap().delay = 3 * SECOND,
        4 | 5 => *replica.network.lock().unwrap() = Network { delay: SECOND / 50, ..Network::default() },
        6 => replicas.swap_remove(index).crash(log),
        7 if !is_paused => {
            replica.executor.pause();
            log.lock().unwrap().paused.push(replica.number);
        }
        8 | 9 if is_paused => {
            log.lock().unwrap().paused.retain(|paused| *paused != replica.number);
            // The thread of the last resort goes on at the same moment as the work.
            if replica.watcher.is_due() {
                replicas.swap_remove(index).crash(log);
            } else {
                replica.executor.resume();
                log.lock().unwrap().check("a replica goes on");
            }
        }
        10 => drop(replica.tree.handle().shutdown()),
        _ => {}
    }
}

/// Plays one world. Returns how often work began.
fn play(sim: &Sim) -> u64 {
    let random = Arc::new(Mutex::new(Rng::with_seed(sim.seed())));
    let log = Arc::new(Mutex::new(Log::default()));
    let store = match sim.seed() % 2 {
        0 => {
            let rate = rate(&random);
            Shared::Counts(Memory::with_clock(Arc::new(StoreClock { real: sim.clock(), rate })))
        }
        _ => Shared::Row(Arc::new(MemoryRow::new())),
    };
    let granted = store.granted();
    let mut replicas = Vec::new();
    let mut next_strike = SECOND;
    while sim.elapsed() < 90 * SECOND {
        while replicas.len() < 3 {
            let threads = [Threads::new(2), Threads::like_tokio(2), Threads::new(1)][random.lock().unwrap().usize(..3)];
            let machine = (threads, rate(&random));
            replicas.push(store.start(
                sim,
                machine,
                &random,
                work(&random, &log, &granted, if is_tight(sim) { 10 } else { 1 }),
            ));
        }
        sim.advance(LOOK);
        for replica in &mut replicas {
            while let Some(event) = replica.events.try_next() {
                let text = format!("{:?} replica {} {event}", sim.elapsed(), replica.number);
                log.lock().unwrap().note(text);
            }
        }
        while let Some(index) = replicas
            .iter()
            .position(|replica| !log.lock().unwrap().paused.contains(&replica.number) && replica.watcher.is_due())
        {
            replicas.swap_remove(index).crash(&log);
        }
        // A program whose tree has ended is over.
        while let Some(index) = replicas.iter().position(|replica| replica.status.snapshot().state == LeaseState::Idle)
        {
            replicas.swap_remove(index).crash(&log);
        }
        if sim.elapsed() >= next_strike {
            strike(sim, &random, &mut replicas, &log);
            next_strike = sim.elapsed()
                + Duration::from_millis(random.lock().unwrap().u64(200..if is_tight(sim) { 2000 } else { 6000 }));
        }
    }
    let log = log.lock().unwrap();
    let first = log.overlaps.first();
    assert!(first.is_none(), "{first:?}, after {:#?}", &log.history[log.history.len().saturating_sub(60)..]);
    log.began
}

/// Draws the rate of a clock: two of them differ by less than one percent.
fn rate(random: &Mutex<Rng>) -> f64 {
    0.995 + random.lock().unwrap().f64() / 100.0
}

#[test]
fn the_work_runs_on_one_replica_at_a_time() {
    let worlds = env::var("REPLICAS").map_or(WORLDS, |worlds| worlds.parse().expect("a number of worlds"));
    let began = Mutex::new(0);
    sweep(0..worlds, |sim| *began.lock().unwrap() += play(sim));
    let began = began.into_inner().unwrap();
    assert!(began > worlds * 4, "work began only {began} times in {worlds} worlds");
}

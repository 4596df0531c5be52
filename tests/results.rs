//! Monitors, tasks and reservations under faults, each run from its seed.

#[path = "harness/census.rs"]
mod census;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use census::Census;
use executor_sim::{Fault, Sim, sweep};
use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    ChildId, EventKind, Events, Exit, Monitor, Permit, ProcessId, RestartStrategy, Supervisor, SupervisorError,
    SupervisorHandle, one_shot, process, worker,
};

const SEEDS: u64 = 1_000;
const MOMENT: Duration = Duration::from_millis(1);

/// All that may end a process, or hold it up for a while.
fn faults(sim: &Sim, target: &str) {
    sim.fault(Fault::panic(target).one_in(4).within(5 * MOMENT).saying("scripted"));
    sim.fault(Fault::fail(target).one_in(4).within(5 * MOMENT));
    sim.fault(Fault::lose(target).one_in(5).within(5 * MOMENT));
    sim.fault(Fault::refuse(target).one_in(7));
    sim.fault(Fault::stall(target).one_in(6).within(3 * MOMENT).lasting(4 * MOMENT));
    sim.fault(Fault::block(target).one_in(9).within(3 * MOMENT).lasting(2 * MOMENT));
    sim.fault(Fault::delay_wakes(target, MOMENT).one_in(3));
}

fn unlimited(strategy: RestartStrategy) -> RestartStrategy {
    strategy.with_unlimited_restarts()
}

/// Sends a call, and does not wait for its answer: it is carried out all the same.
async fn send<T>(call: impl Future<Output = T>) {
    poll_once(pin!(call)).await;
}

/// The exits of processes, as the events of a tree that has ended tell them.
#[derive(Default)]
struct Exits {
    of_processes: BTreeMap<ProcessId, Exit>,
    first_of_children: BTreeMap<ChildId, Exit>,
    abandoned: BTreeSet<Option<ChildId>>,
}

impl Exits {
    fn of(sim: &Sim, mut events: Events) -> Self {
        let mut exits = Self::default();
        sim.run_until(async {
            while let Some(event) = events.next().await {
                let (process, child) = (event.process, event.id);
                match &event.kind {
                    EventKind::Exited(exit) => {
                        let twice = process.and_then(|process| exits.of_processes.insert(process, exit.clone()));
                        assert_eq!(twice, None, "one exit of a process");
                        if let Some(child) = child {
                            exits.first_of_children.entry(child).or_insert(exit.clone());
                        }
                    }
                    EventKind::Abandoned => drop(exits.abandoned.insert(child)),
                    _ => {}
                }
            }
        });
        exits
    }

    /// Checks what a monitor or a task was told about the only process, or the first one, of a child.
    fn check_first(&self, child: ChildId, told: &Exit) {
        match self.first_of_children.get(&child) {
            Some(exit) => assert_eq!(told, exit, "{child:?}"),
            // What is abandoned has no exit in the events: its supervisor has not waited for it.
            None if self.abandoned.contains(&Some(child)) => {}
            None => assert_eq!(told, &Exit::Aborted, "it never ran: {child:?}"),
        }
    }
}

/// A monitor, and the child that it watches.
type Watched = (ChildId, Monitor);

/// Monitors whatever runs, and children that were spawned just now, while it upsets their supervisor.
async fn watch(sim: &Sim, handle: &SupervisorHandle, mut draw: fastrand::Rng) -> Vec<Watched> {
    let mut monitors = Vec::new();
    for _ in 0..draw.usize(5..25) {
        let children = handle.children().await.unwrap_or_default();
        for child in &children {
            let [one, other] = [(), ()].map(|()| handle.monitor(child.id).ok());
            monitors.extend(one.into_iter().chain(other).map(|monitor| (child.id, monitor)));
        }
        if let Some(child) = draw.choice(&children) {
            match draw.u8(0..12) {
                0 => send(handle.kill_child(child.id)).await,
                1 => send(handle.reload_child(child.id)).await,
                2 => {
                    send(handle.terminate_child(child.id)).await;
                    send(handle.restart_child(child.id)).await;
                }
                3 => drop(handle.shutdown()),
                4..8 => {
                    let one = one_shot("one", yield_now());
                    // Its supervisor has not read it yet.
                    if let Ok(id) = handle.spawn(one) {
                        monitors.extend(handle.monitor(id).ok().map(|monitor| (id, monitor)));
                    }
                }
                _ => {}
            }
        }
        sim.sleep(MOMENT / 2).await;
    }
    monitors
}

#[test]
fn no_monitor_misses_an_exit_under_faults() {
    let tally = Mutex::new(BTreeMap::<_, u64>::new());
    sweep(0..SEEDS, |sim| {
        let mut draw = fastrand::Rng::with_seed(sim.seed());
        let strategies =
            [RestartStrategy::one_for_one(), RestartStrategy::one_for_all(), RestartStrategy::rest_for_one()];
        let strategy = strategies[draw.usize(0..strategies.len())];
        let mut inner = Supervisor::new("inner").unwrap().with_restart_strategy(unlimited(strategy));
        for name in ["a", "b", "c"] {
            inner.add_worker(worker(name, |shutdown| shutdown));
            faults(sim, &format!("root.inner.{name}"));
        }
        faults(sim, "root.inner.one");
        sim.fault(Fault::lose("root.inner").one_in(4).within(10 * MOMENT));
        let handle = inner.handle();
        let mut root = Supervisor::new("root").unwrap();
        root = root.with_restart_strategy(unlimited(RestartStrategy::one_for_one()));
        root.add_worker(inner);
        let events = root.handle().events();
        let told = sim.run_until(async {
            let Ok(tree) = root.start_on(sim.spawner()).await else { return Vec::new() };
            let monitors = watch(sim, &handle, draw).await;
            let _ = tree.shutdown().await;
            let mut told = Vec::new();
            for (child, monitor) in monitors {
                let process = monitor.process();
                // It resolves: a simulation in which nothing can go on any more is a failure.
                told.push((child, process, monitor.await));
            }
            told
        });
        let exits = Exits::of(sim, events);
        let mut tally = tally.lock().unwrap();
        for (child, process, exit) in told {
            match process {
                Some(process) => match exits.of_processes.get(&process) {
                    Some(told) => assert_eq!(told, &exit, "{process:?}"),
                    None => assert!(exits.abandoned.contains(&Some(child)), "no exit of {process:?}: {exit}"),
                },
                None => exits.check_first(child, &exit),
            }
            let how = match exit {
                Exit::Normal => "normal",
                Exit::Failed(_) => "failed",
                Exit::Panicked(_) => "panicked",
                Exit::Aborted => "aborted",
                Exit::Lost => "lost",
                _ => "other",
            };
            *tally.entry((process.is_some(), how)).or_default() += 1;
        }
    });
    assert_each(&tally.into_inner().unwrap(), 10);
}

/// Checks that each way to end came up so often. Or else nothing was tried.
fn assert_each<K: std::fmt::Debug>(tally: &BTreeMap<K, u64>, at_least: u64) {
    if std::env::var_os("SIM_SEED").is_none() {
        assert!(tally.len() >= 8 && tally.values().all(|count| *count >= at_least), "{tally:?}");
    }
}

/// How the pool is upset in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Upset {
    Nothing,
    Reload,
    Loss,
    Shutdown,
}

/// The clients of a pool in one run, and what their tasks were told.
#[derive(Clone)]
struct Clients {
    handle: SupervisorHandle,
    census: Census,
    upset: Upset,
    told: Arc<Mutex<Vec<Told>>>,
}

struct Told {
    task: ChildId,
    /// Whether the future of the task has come to its end.
    has_returned: Arc<AtomicBool>,
    result: Result<u32, Exit>,
}

impl Clients {
    /// Waits for room, and gives up after some time if it is told to.
    async fn reserve(&self, patience: Option<u32>) -> Option<Result<Permit, SupervisorError>> {
        let mut reserving = pin!(self.handle.reserve());
        for _ in 0..patience.unwrap_or(10_000) {
            let permit = poll_once(reserving.as_mut()).await;
            if permit.is_some() {
                return permit;
            }
            process::sleep(MOMENT / 4).await;
        }
        assert!(patience.is_some(), "no room came free");
        None
    }

    /// Reserves room, gives up waits, uses permits or drops them, and aborts tasks or drops their handles, all by chance.
    async fn draw_on(self, mut draw: fastrand::Rng) {
        let mut results = Vec::new();
        for number in 0..12_u32 {
            // Some waits are given up, while they wait or after they were given room.
            let patience = if draw.u8(0..3) == 0 { Some(draw.u32(0..5)) } else { None };
            let permit = match self.reserve(patience).await {
                None => continue,
                Some(Ok(permit)) => permit,
                Some(Err(refused)) => {
                    assert_ne!(self.upset, Upset::Nothing, "{refused}");
                    process::sleep(MOMENT).await;
                    continue;
                }
            };
            if draw.u8(0..5) == 0 {
                yield_now().await;
                continue;
            }
            let (census, time) = (self.census.clone(), draw.u32(0..4) * MOMENT);
            let has_returned = Arc::new(AtomicBool::new(false));
            let returns = has_returned.clone();
            let task = permit.spawn_task("task", async move {
                let _present = census.enter();
                process::sleep(time).await;
                returns.store(true, SeqCst);
                number
            });
            let task = match task {
                Ok(task) => task,
                Err(refused) => {
                    assert_ne!(self.upset, Upset::Nothing, "{refused}");
                    continue;
                }
            };
            match draw.u8(0..6) {
                0 => task.abort(),
                1 => continue,
                _ => {}
            }
            results.push((number, has_returned, task));
        }
        for (number, has_returned, task) in results {
            let id = task.id().expect("it was spawned");
            let result = task.await;
            assert!(result.as_ref().is_ok_and(|result| *result == number) || result.is_err());
            self.told.lock().unwrap().push(Told { task: id, has_returned, result });
        }
    }

    /// Upsets the pool.
    async fn upset(&self, sim: &Sim, root: &SupervisorHandle, draw: &mut fastrand::Rng) {
        for _ in 0..draw.u8(1..4) {
            sim.sleep(draw.u32(0..6) * MOMENT).await;
            let Some(pool) = root.find("pool").await.ok().and_then(|found| Some(found.first()?.id)) else { return };
            match self.upset {
                Upset::Reload => send(root.reload_child(pool)).await,
                Upset::Shutdown => drop(root.shutdown()),
                Upset::Nothing | Upset::Loss => {}
            }
        }
    }
}

#[test]
fn no_result_and_no_permit_is_lost_or_doubled_under_faults() {
    const ROOM: usize = 3;
    let tally = Mutex::new(BTreeMap::<_, u64>::new());
    sweep(0..SEEDS, |sim| {
        let mut draw = fastrand::Rng::with_seed(sim.seed());
        let upset = [Upset::Nothing, Upset::Reload, Upset::Loss, Upset::Shutdown][draw.usize(0..4)];
        let mut root = Supervisor::new("root").unwrap();
        root = root.with_restart_strategy(unlimited(RestartStrategy::one_for_one()));
        let pool = Supervisor::dynamic("pool").unwrap().with_max_children(ROOM);
        let handle = pool.handle();
        root.add_worker(pool);
        faults(sim, "root.pool.task");
        if upset == Upset::Loss {
            sim.fault(Fault::lose("root.pool").one_in(2).within(8 * MOMENT));
            sim.fault(Fault::panic("root.pool").one_in(2).within(8 * MOMENT));
        }
        let events = root.handle().events();
        let own = Clients { handle: handle.clone(), census: Census::default(), upset, told: Arc::default() };
        sim.run_until(async {
            let tree = root.start_on(sim.spawner()).await.unwrap();
            let mut clients = Supervisor::new("clients").unwrap();
            for client in 0..4 {
                let draw = fastrand::Rng::with_seed(sim.seed() * 4 + client);
                clients.add_worker(one_shot("client", own.clone().draw_on(draw)));
            }
            let clients = clients.start_on(sim.spawner()).await.unwrap();
            let children = clients.handle().children().await.unwrap();
            let exits: Vec<_> = children.iter().map(|client| clients.handle().monitor(client.id)).collect();
            own.upset(sim, &tree.handle(), &mut draw).await;
            // They come to their end, whatever happens to the pool.
            for exit in exits.into_iter().flatten() {
                assert_eq!(exit.await, Exit::Normal);
            }
            clients.shutdown().await.unwrap();
            if upset != Upset::Shutdown {
                // With all tasks gone, all room is there again, and no more than that. The pool may be lost once more.
                let mut permits = Vec::new();
                while permits.len() < ROOM {
                    match handle.reserve().await {
                        Ok(permit) => permits.push(permit),
                        Err(_) => {
                            permits.clear();
                            sim.sleep(MOMENT).await;
                        }
                    }
                }
                assert!(
                    matches!(handle.try_reserve(), Err(SupervisorError::AtCapacity { .. })) || upset == Upset::Loss
                );
            }
            let _ = tree.shutdown().await;
        });
        // A lost pool leaves children behind, which end while its next run starts others.
        assert!(own.census.most() <= ROOM || upset == Upset::Loss, "{} at once, {upset:?}", own.census.most());
        let exits = Exits::of(sim, events);
        for Told { task, has_returned, result } in own.told.lock().unwrap().drain(..) {
            let exit = result.map_or_else(|exit| exit, |_| Exit::Normal);
            exits.check_first(task, &exit);
            // What a fault ended after its last line has no result.
            assert!(has_returned.load(SeqCst) || exit != Exit::Normal, "a result of a task that has not returned");
            *tally.lock().unwrap().entry((upset, exit == Exit::Normal)).or_default() += 1;
        }
    });
    assert_each(&tally.into_inner().unwrap(), 500);
}

//! Random trees with scopes, in virtual time: with nested ones, faults, aborts, executors that end, and shutdowns at any
//! moment. Nothing of a scope may be there when the end of its owner is told, and no successor may start beside it.
//!
//! `OWNERS=10000 cargo test --all-features --test owners` plays more trees than the test run does.

#[path = "harness/draw.rs"]
mod draw;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    future::pending,
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use fastrand::Rng;
use supervision::{
    BoxError, ChildId, ChildSpec, EventKind, ProcessId, ProcessShutdown, RestartStrategy, RestartType,
    ShutdownStrategy, Spawner, Supervisor, SupervisorError, one_shot, process,
    sim::{Fault, Sim, SimSpawner, block_for, sweep},
    worker,
};
use supervisor_core::testing::{Entry, Probe};

use self::draw::{draw, one_in, pick};

/// How many trees a test run plays.
const TREES: u64 = 200;

/// What a process does.
#[derive(Clone, Copy, Debug)]
enum Act {
    UntilAsked,
    /// It takes so many milliseconds to stop.
    Slow(u64),
    /// It does not react to being asked.
    Deaf,
    Ends(u64),
    Fails(u64),
    Panics(u64),
}

/// What a process is, with what it starts in its scope.
#[derive(Clone, Debug)]
struct Plan {
    name: &'static str,
    act: Act,
    restart: RestartType,
    is_needed: bool,
    shutdown: ShutdownStrategy,
    children_first: bool,
    /// It stops its scope itself, when it is asked.
    drains: bool,
    placement: Option<usize>,
    scope: Arc<[Plan]>,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Plan {
    fn draw(rng: &mut Rng, depth: u32) -> Self {
        let some = |rng: &mut Rng| rng.u64(1..400);
        let act = match rng.u32(..10) {
            0..4 => Act::UntilAsked,
            4 => Act::Slow(some(rng)),
            5 => Act::Deaf,
            6 => Act::Ends(some(rng)),
            7 | 8 => Act::Fails(some(rng)),
            _ => Act::Panics(some(rng)),
        };
        let below = if depth == 0 { 0 } else { rng.usize(..4) };
        let restarts = [(RestartType::Permanent, 2), (RestartType::Transient, 1), (RestartType::Temporary, 2)];
        Self {
            name: NAMES[rng.usize(..NAMES.len())],
            act,
            restart: draw(rng, &restarts),
            is_needed: one_in(rng, 3),
            shutdown: match rng.u32(..5) {
                0 => ShutdownStrategy::Brutal,
                // Without a limit, one that does not react would never stop.
                1 if !matches!(act, Act::Deaf) => ShutdownStrategy::UNLIMITED,
                _ => ShutdownStrategy::Graceful(Duration::from_millis(some(rng))),
            },
            children_first: one_in(rng, 3),
            drains: one_in(rng, 3),
            placement: one_in(rng, 4).then(|| rng.usize(..2)),
            scope: (0..below).map(|_| Self::draw(rng, depth - 1)).collect(),
        }
    }

    fn spec(&self, play: &Play, owners: Arc<[ProcessId]>) -> ChildSpec {
        let (plan, own) = (self.clone(), play.clone());
        let spec = worker(self.name, move |shutdown| {
            let here = Here::enter(&own.probe, owners.clone());
            plan.clone().run(own.clone(), here, shutdown)
        });
        let spec = spec.with_restart_type(self.restart).with_shutdown_strategy(self.shutdown);
        let spec = if self.children_first { spec.with_children_first() } else { spec };
        match self.placement {
            Some(placement) => spec.with_placement(play.executors[placement].clone()),
            None => spec,
        }
    }

    async fn run(self, play: Play, here: Here, shutdown: ProcessShutdown) -> Result<(), BoxError> {
        let owners: Arc<[ProcessId]> = here.owners.iter().copied().chain([here.id]).collect();
        for child in &*self.scope {
            let spec = child.spec(&play, owners.clone());
            let spec = if child.is_needed { spec.with_significance() } else { spec };
            // It may be stopping already: then nothing starts.
            let _ = process::scope()?.spawn(spec);
        }
        let asked = shutdown.clone();
        let after = |time: u64| {
            let asked = asked.clone();
            async move { asked.run_until(process::sleep(Duration::from_millis(time))).await.is_some() }
        };
        let result = match self.act {
            Act::UntilAsked => {
                shutdown.await;
                Ok(())
            }
            Act::Slow(time) => {
                shutdown.await;
                process::sleep(Duration::from_millis(time)).await;
                Ok(())
            }
            Act::Deaf => pending().await,
            Act::Ends(time) => {
                after(time).await;
                Ok(())
            }
            Act::Fails(time) => {
                if after(time).await {
                    Err("boom".into())
                } else {
                    Ok(())
                }
            }
            // Without the hook, which would print it.
            Act::Panics(time) => {
                if after(time).await {
                    panic::resume_unwind(Box::new("boom"))
                } else {
                    Ok(())
                }
            }
        };
        if self.drains && !self.scope.is_empty() {
            let _ = process::scope()?.stop().await;
        }
        drop(here);
        result
    }
}

/// What the processes of one tree share.
#[derive(Clone)]
struct Play {
    probe: Probe,
    executors: Arc<[SimSpawner]>,
}

/// A process that is there, with its owners.
struct Here {
    probe: Probe,
    id: ProcessId,
    owners: Arc<[ProcessId]>,
}

impl Here {
    fn enter(probe: &Probe, owners: Arc<[ProcessId]>) -> Self {
        let id = process::current().expect("this runs in a process").id();
        probe.note(note("in", id, &owners));
        Self { probe: probe.clone(), id, owners }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.probe.note(note("out", self.id, &self.owners));
    }
}

fn note(what: &str, id: ProcessId, owners: &[ProcessId]) -> String {
    let owners: Vec<_> = owners.iter().map(ToString::to_string).collect();
    format!("{what} {id} {}", owners.join(" "))
}

/// What is known of the processes, from the notes and the events in their order.
#[derive(Default)]
struct Register {
    /// How many processes there are, by their owners and by themselves.
    present: BTreeMap<u64, usize>,
    ended: BTreeSet<u64>,
    latest: BTreeMap<ChildId, u64>,
    owned: usize,
}

impl Register {
    fn read(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            match entry {
                Entry::Note(note) => self.read_note(&note),
                Entry::Event(event) => {
                    let (Some(process), Some(child)) = (event.process, event.id) else { continue };
                    match event.kind {
                        EventKind::Started => {
                            let before = self.latest.insert(child, process.as_u64());
                            let left = before.map_or(0, |before| self.present_of(before));
                            assert_eq!(left, 0, "{event}: beside what an earlier process has left");
                        }
                        EventKind::Exited(_) | EventKind::StartFailed(_) => {
                            assert_eq!(self.present_of(process.as_u64()), 0, "{event}: before its scope has ended");
                            assert!(self.ended.insert(process.as_u64()), "{event}: told twice");
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn read_note(&mut self, note: &str) {
        let mut words = note.split_whitespace();
        let is_in = words.next() == Some("in");
        let ids: Vec<u64> = words.map(|id| id.parse().expect("a number")).collect();
        self.owned += usize::from(is_in && ids.len() > 1);
        for id in ids {
            let present = self.present.entry(id).or_default();
            *present = if is_in { *present + 1 } else { *present - 1 };
            assert!(!is_in || !self.ended.contains(&id), "{note}: process {id} has ended");
        }
    }

    fn present_of(&self, process: u64) -> usize {
        self.present.get(&process).copied().unwrap_or_default()
    }
}

/// Plays one tree. Returns how many processes ran in scopes.
fn play(sim: &Sim) -> usize {
    let mut rng = Rng::with_seed(sim.seed());
    // The last one is that of the tree itself, in some.
    let mut executors: Vec<_> = (0..3).map(|_| sim.executor()).collect();
    let probe = Probe::default();
    let own =
        Play { probe: probe.clone(), executors: executors.iter().take(2).map(|executor| executor.spawner()).collect() };
    let home = if one_in(&mut rng, 4) { executors[2].spawner() } else { sim.spawner() };
    let mut root = Supervisor::new("root").expect("a valid name").with_restart_strategy(
        RestartStrategy::one_for_one()
            .with_intensity_and_period(if one_in(&mut rng, 4) { 1 } else { 1000 }, Duration::from_secs(5)),
    );
    for _ in 0..rng.usize(1..4) {
        root.add_worker(Plan::draw(&mut rng, 3).spec(&own, Arc::new([])));
    }
    for _ in 0..rng.usize(..3) {
        let path = format!("root.{}.{}", pick(&mut rng, &NAMES), pick(&mut rng, &NAMES));
        let fault = match rng.u32(..4) {
            0 => Fault::panic(path),
            1 => Fault::lose(path),
            2 => Fault::refuse(path),
            _ => Fault::lose(format!("root.{}", pick(&mut rng, &NAMES))),
        };
        sim.fault(fault.one_in(3));
    }
    sim.run_until(async {
        let Ok(tree) = probe.start(root, home).await else { return };
        let handle = tree.handle();
        for _ in 0..rng.usize(..8) {
            sim.sleep(Duration::from_millis(rng.u64(..200))).await;
            let children = handle.children().await.unwrap_or_default();
            let child = (!children.is_empty()).then(|| pick(&mut rng, &children).id);
            match (rng.u32(..6), child) {
                (0, Some(child)) => drop(handle.kill_child(child).await),
                (1, Some(child)) => drop(handle.terminate_child(child).await),
                (2, Some(child)) => drop(handle.restart_child(child).await),
                (3, Some(child)) => drop(handle.reload_child(child).await),
                (4, _) if !executors.is_empty() => executors.swap_remove(rng.usize(..executors.len())).end(),
                _ => {}
            }
        }
        if one_in(&mut rng, 4) {
            drop(tree);
        } else {
            let _ = tree.shutdown().await;
        }
    });
    sim.run_until_idle();
    drop(executors);
    sim.run_until_idle();
    let mut register = Register::default();
    register.read(probe.take());
    let left: Vec<_> = register.present.iter().filter(|(_, present)| **present > 0).collect();
    assert!(left.is_empty(), "left at the end: {left:?}");
    register.owned
}

#[test]
fn s1_nothing_of_a_scope_lives_after_its_owner_has_ended() {
    let trees = env::var("OWNERS").map_or(TREES, |trees| trees.parse().expect("`OWNERS` is a number"));
    let owned = std::cell::Cell::new(0);
    sweep(0..trees, |sim| owned.set(owned.get() + play(sim)));
    assert!(owned.get() as u64 >= trees, "too few processes in scopes to prove anything: {}", owned.get());
}

#[test]
fn s1_trees_with_scopes_replay_from_their_seed() {
    for seed in 0..20 {
        Sim::check_determinism(seed, |sim| {
            play(sim);
        });
    }
}

/// A worker that is recorded while it is there.
fn recorded(name: &'static str, probe: Probe, owner: ProcessId) -> ChildSpec {
    worker(name, move |shutdown| {
        let here = Here::enter(&probe, Arc::new([owner]));
        async move {
            let _here = here;
            shutdown.await;
        }
    })
}

#[test]
fn s1_what_a_supervisor_in_a_scope_left_is_waited_for() {
    // The executor of the tree ends: its processes are lost one after the other, in an order that the seed decides. The
    // worker below the supervisor lives elsewhere.
    sweep(0..50, |sim| {
        let (home, elsewhere, probe) = (sim.executor(), sim.executor(), Probe::default());
        let (spawner, own) = (elsewhere.spawner(), probe.clone());
        let mut root = Supervisor::new("root").expect("a valid name");
        root.add_worker(worker("owner", move |shutdown: ProcessShutdown| {
            let (here, spawner, probe) = (Here::enter(&own, Arc::new([])), spawner.clone(), own.clone());
            async move {
                let inner = Supervisor::new("inner")?.with_child_placement(spawner);
                process::scope()?.spawn(inner.with_worker(recorded("child", probe, here.id)))?;
                shutdown.await;
                Ok::<_, SupervisorError>(())
            }
        }));
        sim.run_until(async {
            let _tree = probe.start(root, home.spawner()).await.expect("it starts");
            sim.sleep(Duration::from_millis(1)).await;
            home.end();
        });
        sim.run_until_idle();
        let mut register = Register::default();
        register.read(probe.take());
        assert_eq!((register.owned, register.ended.len()), (1, 3), "all have been there, and have ended");
    });
}

#[test]
fn n8_what_a_lost_supervisor_below_a_lost_one_left_is_waited_for() {
    let sim = Sim::with_seed(0);
    let (first, second, probe) = (sim.executor(), sim.executor(), Probe::default());
    let blocks = worker("blocks", |_| async {
        block_for(Duration::from_millis(300)).await;
        pending::<()>().await;
    });
    let inner = Supervisor::new("inner").expect("a valid name").with_worker(blocks).with_child_placement(sim.spawner());
    let outer = Supervisor::new("outer").expect("a valid name").with_child_placement(second.spawner());
    let outer: ChildSpec = outer.with_worker(inner).into();
    let mut root = Supervisor::new("root").expect("a valid name");
    root.add_worker(outer.with_placement(first.spawner()).with_restart_type(RestartType::Temporary));
    let tree = sim.run_until(probe.start(root, sim.spawner())).expect("it starts");
    // When the root hears of the first end, the process that blocks is in the care of the second supervisor.
    first.end();
    sim.advance(Duration::from_millis(10));
    second.end();
    sim.run_until(tree.shutdown()).expect("it has yielded within the grace");
    assert_eq!(sim.elapsed(), Duration::from_millis(300));
    let told = probe.take().into_iter().any(|entry| {
        matches!(entry, Entry::Event(event) if event.path == "root.outer.inner.blocks" && matches!(event.kind, EventKind::Exited(_)))
    });
    assert!(told, "its end is told before that of the tree");
}

/// How many children an owner has that panics.
const CROWD: usize = 10_000;

/// A child that is there.
struct Present(Arc<AtomicUsize>);

impl Present {
    fn enter(all: &Arc<AtomicUsize>) -> Self {
        all.fetch_add(1, SeqCst);
        Self(all.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Runs an owner that panics when all of its children are there. Returns how many of them were there when each of its
/// processes started.
async fn start_beside_a_crowd(spawner: Arc<dyn Spawner>) -> Vec<usize> {
    let (present, starts) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (tell, told) = async_channel::unbounded();
    let children = present.clone();
    let mut root = Supervisor::new("root").expect("a valid name");
    root.add_worker(worker("owner", move |shutdown: ProcessShutdown| {
        let (present, starts, tell) = (children.clone(), starts.clone(), tell.clone());
        async move {
            let _ = tell.send(present.load(SeqCst)).await;
            let scope = process::scope()?;
            if starts.fetch_add(1, SeqCst) > 0 {
                shutdown.await;
                return Ok::<_, SupervisorError>(());
            }
            for _ in 0..CROWD {
                let here = Present::enter(&present);
                scope.spawn(one_shot("child", async move {
                    let _here = here;
                    process::shutdown().await;
                }))?;
            }
            while scope.count().await?.active < CROWD {
                process::sleep(Duration::from_millis(1)).await;
            }
            // Without the hook, which would print it.
            panic::resume_unwind(Box::new("boom"))
        }
    }));
    let tree = root.start_on(spawner).await.expect("it starts");
    let beside = vec![told.recv().await.expect("it starts"), told.recv().await.expect("it starts again")];
    tree.shutdown().await.expect("a clean end");
    beside
}

#[test]
fn s1_ten_thousand_children_are_gone_before_the_successor() {
    let sim = Sim::with_seed(0);
    assert_eq!(sim.run_until(start_beside_a_crowd(Arc::new(sim.spawner()))), [0, 0]);
}

#[test]
fn s1_ten_thousand_children_are_gone_on_threads_too() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let spawner = supervision::Tokio::current().expect("a runtime");
        assert_eq!(start_beside_a_crowd(Arc::new(spawner)).await, [0, 0]);
    });
}

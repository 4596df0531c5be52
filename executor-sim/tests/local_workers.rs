//! Workers whose futures are not `Send`, in a simulation: as on real executors, each as if it had a thread of its own.

use std::{
    cell::Cell,
    future::pending,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use executor_sim::{Fault, Sim, Threads, block_for_good, sweep};
use supervisor_core::{
    ChildSpec, EventKind, Exit, ProcessShutdown, RestartStrategy, ShutdownStrategy, Supervisor, SupervisorError,
    local_worker, process, worker,
};

const SECOND: Duration = Duration::from_secs(1);

fn supervisor(name: &'static str) -> Supervisor {
    let patient = RestartStrategy::one_for_one().with_unlimited_restarts();
    Supervisor::new(name).unwrap().with_restart_strategy(patient)
}

/// The values that local workers hold: how many there are, and how many there were at most.
#[derive(Clone, Default)]
struct Held(Arc<AtomicUsize>, Arc<AtomicUsize>);

struct Value(Held);

impl Held {
    fn take(&self) -> Value {
        let present = self.0.fetch_add(1, SeqCst) + 1;
        self.1.fetch_max(present, SeqCst);
        Value(self.clone())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

/// A local worker that counts its own ticks, and holds a value.
fn ticker(name: &'static str, held: &Held) -> ChildSpec {
    let held = held.clone();
    local_worker(name, move |shutdown: ProcessShutdown| {
        let value = held.take();
        async move {
            let (ticks, _value) = (Rc::new(Cell::new(0)), value);
            while shutdown.run_until(process::sleep(SECOND)).await.is_some() {
                ticks.set(ticks.get() + 1);
            }
        }
    })
}

#[test]
fn p1_p2_p13_faults_lose_no_exit_of_a_local_worker() {
    sweep(0..1000, |sim| {
        let name = "root.inner.a";
        sim.fault(Fault::panic(name).nth(1).within(20 * SECOND));
        sim.fault(Fault::lose(name).nth(2).within(20 * SECOND));
        sim.fault(Fault::refuse(name).nth(3));
        sim.fault(Fault::stall(name).nth(4).within(20 * SECOND).lasting(SECOND));
        sim.fault(Fault::panic("root.inner").nth(1).after(70 * SECOND));
        let held = Held::default();
        let mut inner = supervisor("inner");
        inner.add_worker(ticker("a", &held));
        let mut root = supervisor("root");
        root.add_worker(inner);
        let record = sim.run_for(root, 200 * SECOND);

        let (mut started, mut ended) = (0, 0);
        for event in record.of(name) {
            match event.kind {
                EventKind::Started => started += 1,
                EventKind::Exited(_) | EventKind::StartFailed(_) => ended += 1,
                _ => {}
            }
        }
        assert!(started > 3);
        assert_eq!(started, ended, "{record}");
        assert_eq!((held.0.load(SeqCst), held.1.load(SeqCst)), (0, 1), "{record}");
    });
}

#[test]
fn p13_a_local_worker_that_is_lost_is_restarted() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::lose("root.a").nth(1).after(10 * SECOND));
    let held = Held::default();
    let mut root = supervisor("root");
    root.add_worker(ticker("a", &held));
    let record = sim.run_for(root, 60 * SECOND);
    let lost = record.of("root.a").filter(|event| matches!(event.kind, EventKind::Exited(Exit::Lost)));
    assert_eq!(lost.count(), 1, "{record}");
    assert!(record.outcome.is_ok());
    assert_eq!((held.0.load(SeqCst), held.1.load(SeqCst)), (0, 1));
}

#[test]
fn p13_a_local_worker_blocks_no_thread_of_its_executor() {
    let sim = Sim::with_threads(1, Threads::new(1));
    let mut root = supervisor("root");
    root.add_worker(
        local_worker("blocks", |_| async {
            let _local = Rc::new(());
            block_for_good().await;
        })
        .with_shutdown_strategy(ShutdownStrategy::Brutal),
    );
    let ticks = Arc::new(AtomicUsize::new(0));
    let counted = ticks.clone();
    root.add_worker(worker("ticks", move |shutdown| {
        let ticks = counted.clone();
        async move {
            while shutdown.run_until(process::sleep(SECOND)).await.is_some() {
                ticks.fetch_add(1, SeqCst);
            }
        }
    }));
    let record = sim.run_for(root, 60 * SECOND);
    assert!(ticks.load(SeqCst) >= 59, "{record}");
    let Err(SupervisorError::UncleanShutdown(unclean)) = &record.outcome else { panic!("{record}") };
    assert_eq!(unclean.len(), 1);
    assert_eq!(unclean[0].path, "root.blocks");
}

#[test]
fn p13_a_simulation_with_local_workers_replays() {
    Sim::check_determinism(7, |sim| {
        sim.fault(Fault::panic("root.a").within(50 * SECOND));
        let held = Held::default();
        let mut root = supervisor("root");
        for name in ["a", "b", "c"] {
            root.add_worker(ticker(name, &held));
        }
        root.add_worker(local_worker("deaf", |_| {
            let local = Rc::new(());
            async move {
                pending::<()>().await;
                drop(local);
            }
        }));
        sim.run_for(root, 60 * SECOND);
    });
}

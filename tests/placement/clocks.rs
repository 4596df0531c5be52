//! Real and virtual clocks above each other.

use std::sync::Arc;

use executor_smol::Smol;
use executor_tokio::{RuntimeConfiguration, Tokio};
use supervision::{ChildSpec, Placement, Spawner, Supervisor, SupervisorError, local_worker, worker};
use tokio::runtime::Builder;

use crate::supervisor;

const REAL_BELOW_VIRTUAL: &str = "an executor with a real clock cannot run below one with a virtual clock (a simulation, or a \
    paused Tokio clock), which does not wait for it; use the same clock for both";

/// Runs on executors in virtual time: a Tokio runtime whose clock is paused, and a simulation.
fn in_virtual_time(test: impl AsyncFn(Arc<dyn Spawner>)) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    runtime.block_on(test(Arc::new(spawner)));
    let sim = executor_sim::Sim::with_seed(1);
    sim.run_until(test(Arc::new(sim.spawner())));
}

#[test]
fn a_real_clock_below_a_virtual_one_is_invalid() {
    let forbidden = || worker("a", |_| async { panic!("nothing is started") });
    let real = || Placement::from(Smol::global());
    in_virtual_time(async |spawner| {
        let mut child = supervisor("root");
        child.add_worker(forbidden().with_placement(real()));
        let mut below = supervisor("inner").with_child_placement(real());
        below.add_worker(forbidden());
        let mut nested = supervisor("root");
        nested.add_worker(below);
        let mut beside = supervisor("root");
        beside.add_worker(ChildSpec::from(supervisor("inner")).with_placement(real()));
        let mut root = supervisor("root").with_child_placement(real());
        root.add_worker(forbidden());
        for (root, path) in [(child, "root.a"), (nested, "root.inner"), (beside, "root.inner"), (root, "root")] {
            let error = root.start_on(spawner.clone()).await.unwrap_err();
            assert!(matches!(error, SupervisorError::InvalidSpec { .. }));
            assert_eq!(error.to_string(), format!("`{path}` has an invalid specification: {REAL_BELOW_VIRTUAL}"));
        }
        // What is added to a tree that runs, too.
        let tree = supervisor("root").start_on(spawner).await.unwrap();
        let error = tree.handle().start_child(forbidden().with_placement(real())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`root.a` has an invalid specification: {REAL_BELOW_VIRTUAL}"));
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn a_runtime_with_a_real_clock_below_a_virtual_one_fails() {
    let forbidden = || worker("a", |_| async { panic!("nothing is started") });
    in_virtual_time(async |spawner| {
        let mut child = supervisor("root");
        child.add_worker(forbidden().with_placement(RuntimeConfiguration::single_threaded()));
        let mut inner = supervisor("inner").with_child_placement(RuntimeConfiguration::single_threaded());
        inner.add_worker(forbidden());
        let mut nested = supervisor("root");
        nested.add_worker(inner);
        for (root, path) in [(child, "root.a"), (nested, "root.inner")] {
            let error = root.start_on(spawner.clone()).await.unwrap_err();
            assert_eq!(format!("{error:#}"), format!("`{path}` failed to start: {REAL_BELOW_VIRTUAL}"));
        }
    });
}

#[test]
fn a_local_worker_on_a_paused_clock_of_tokio_fails() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    runtime.block_on(async {
        let mut root = supervisor("root");
        root.add_worker(local_worker("a", |_| async { panic!("nothing is started") }));
        let error = root.start_on(spawner).await.unwrap_err();
        assert_eq!(format!("{error:#}"), format!("`root.a` failed to start: {REAL_BELOW_VIRTUAL}"));
    });
}

#[test]
fn a_virtual_clock_below_a_real_one_is_valid() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let paused = || Placement::from(Tokio::try_from(runtime.handle().clone()).unwrap());
    let real = || Placement::from(Smol::global());
    let idle = || worker("a", |shutdown| shutdown);
    let root = |inner: Supervisor| {
        let mut root = supervisor("root");
        root.add_worker(inner);
        root.start_on(Smol::global())
    };
    runtime.block_on(async {
        // The supervisor goes by its own clock, which is a real one, wherever its children are.
        let mut inner = supervisor("inner").with_child_placement(paused());
        inner.add_worker(idle());
        inner.add_worker(idle().with_placement(real()));
        root(inner).await.unwrap().shutdown().await.unwrap();

        let mut deep = supervisor("deep");
        deep.add_worker(idle().with_placement(real()));
        let mut inner = supervisor("inner").with_child_placement(paused());
        inner.add_worker(deep);
        let error = root(inner).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`root.inner.deep.a` has an invalid specification: {REAL_BELOW_VIRTUAL}")
        );
    });
}

//! Subtrees on other executors.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use executor_smol::Smol;
use executor_tokio::{RuntimeConfiguration, Tokio};
use supervision::{
    ChildSpec, EventKind, Placement, RestartStrategy, ShutdownStrategy, Supervisor, SupervisorError, worker,
};
use tokio::runtime::Builder;

use crate::{Threads, on_both, supervisor};

#[test]
fn a_subtree_runs_where_it_is_placed() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("elsewhere").build().unwrap();
    let elsewhere = Tokio::try_from(runtime.handle().clone()).unwrap();
    let threads = Threads::default();
    let mut innermost = supervisor("innermost");
    innermost.add_worker(threads.worker("a"));
    let mut inner = supervisor("inner").with_child_placement(elsewhere);
    inner.add_worker(threads.worker("b"));
    inner.add_worker(innermost);
    let mut root = supervisor("root");
    root.add_worker(inner);
    root.add_worker(threads.worker("c"));
    smol::block_on(async {
        let tree = root.start_on(Smol::global()).await.unwrap();
        while threads.0.lock().unwrap().len() < 3 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
    });
    let mut ran_on = threads.take();
    ran_on.sort();
    assert_eq!(ran_on, ["elsewhere", "elsewhere", "smol-1"]);
}

#[test]
fn a_supervisor_that_is_placed_runs_there_with_all_below_it() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("elsewhere").build().unwrap();
    let elsewhere = Tokio::try_from(runtime.handle().clone()).unwrap();
    let threads = Threads::default();
    let mut inner = supervisor("inner");
    inner.add_worker(threads.worker("a"));
    let mut root = supervisor("root");
    root.add_worker(ChildSpec::from(inner).with_placement(elsewhere));
    smol::block_on(async {
        let tree = root.start_on(Smol::global()).await.unwrap();
        while threads.0.lock().unwrap().is_empty() {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
    });
    assert_eq!(threads.take(), ["elsewhere"]);
}

#[test]
fn failures_and_unclean_stops_climb_across_executors() {
    on_both(async |spawner| {
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = starts.clone();
        // Gives up at the first failure, on a runtime of its own, below a subtree on smol.
        let mut deepest = Supervisor::new("deepest")
            .unwrap()
            .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(5)))
            .with_child_placement(RuntimeConfiguration::single_threaded());
        deepest.add_worker(worker("brittle", move |shutdown| {
            let nth = counted.fetch_add(1, SeqCst);
            async move {
                if nth < 3 {
                    return Err("boom");
                }
                shutdown.await;
                Ok(())
            }
        }));
        let brief = ShutdownStrategy::Graceful(Duration::from_millis(10));
        deepest.add_worker(worker("deaf", |_| pending::<()>()).with_shutdown_strategy(brief));
        let mut middle = supervisor("middle").with_child_placement(Smol::global());
        middle.add_worker(deepest);
        let mut root = supervisor("root");
        root.add_worker(middle);
        let mut events = root.handle().events();
        let tree = root.start_on(spawner).await.unwrap();
        while starts.load(SeqCst) < 4 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        // It has climbed one supervisor, and no further.
        let Err(SupervisorError::UncleanShutdown(unclean)) = tree.shutdown().await else { panic!("one is deaf") };
        let named: Vec<_> = unclean.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["`root.middle.deepest.deaf` was aborted: did not stop in time"]);
        let mut gave_up = 0;
        while let Some(event) = events.next().await {
            gave_up += usize::from(matches!(event.kind, EventKind::GaveUp(_)));
        }
        assert_eq!(gave_up, 3);
    });
}

#[test]
fn an_executor_that_cannot_be_made_is_a_failed_start() {
    on_both(async |spawner| {
        let mut inner = supervisor("inner");
        inner =
            inner.with_child_placement(Placement::fresh(|name| Err::<Smol, _>(format!("no threads left for {name}"))));
        let mut root = supervisor("root");
        root.add_worker(inner);
        let error = root.start_on(spawner.clone()).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "`root.inner` failed to start: no threads left for root.inner");

        let panicking = Placement::fresh(|_| -> Result<Smol, String> { panic!("in the factory") });
        let error = supervisor("root").with_child_placement(panicking).start_on(spawner).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "`root` failed to start: panicked: in the factory");
    });
}

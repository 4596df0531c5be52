//! Workers from a closure with a set-up: the rules are those of `initialize`.

use std::{
    future::pending,
    num::ParseIntError,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use supervisor_core::{
    ChildSpec, ChildState, InitializationError, RestartType, StartFailure, SupervisorError, process, worker,
    worker_with_setup,
};

use crate::{
    actors::{Census, Diary, events, exits_of, root},
    harness::World,
};

mount! { everywhere, also added at run time:
    r1_a_set_up_closure_is_ready_when_it_returns
    r4_a_set_up_closure_that_fails_is_a_failed_start
    r5_a_set_up_closure_with_nothing_to_run_is_no_failure
    a3_a_set_up_closure_that_fails_at_a_restart_is_retried
    n1_a_set_up_closure_that_is_cut_short_is_dropped
}

mount! { virtual time, also added at run time:
    a2_a_set_up_closure_that_is_never_ready_times_out
}

fn number(text: &str) -> Result<u32, ParseIntError> {
    text.parse()
}

async fn r1_a_set_up_closure_is_ready_when_it_returns(world: World) {
    let (port, diary) = (Arc::new(OnceLock::new()), Diary::default());
    let (publish, written) = (port.clone(), diary.clone());
    let mut root = root();
    root.add_worker(worker_with_setup("listener", move |shutdown| {
        let port = publish.clone();
        async move {
            for _ in 0..10 {
                futures_lite::future::yield_now().await;
            }
            port.set(number("4317")?).expect("set once");
            Ok(async move {
                shutdown.await;
            })
        }
    }));
    root.add_worker(worker("client", move |shutdown| {
        written.write(format!("connects to {:?}", port.get()));
        shutdown
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["connects to Some(4317)"]);
    tree.shutdown().await.unwrap();
}

/// Returns the failure of a start with this child.
async fn failure(world: &World, spec: ChildSpec) -> StartFailure {
    let mut root = root();
    root.add_worker(spec);
    match world.start(root).await {
        Err(SupervisorError::FailedToStart { path, cause }) if path == "root.a" => cause,
        outcome => panic!("not a failed start of `root.a`: {outcome:?}"),
    }
}

async fn r4_a_set_up_closure_that_fails_is_a_failed_start(world: World) {
    let spec = worker_with_setup("a", async |_| {
        number("many")?;
        Ok(async {})
    });
    assert_eq!(format!("{:#}", failure(&world, spec).await), "failed to start: invalid digit found in string");
    let spec = worker_with_setup("a", async |_| {
        if process::current().is_some() {
            panic!("in the set-up");
        }
        Ok(pending::<()>())
    });
    assert_eq!(format!("{:#}", failure(&world, spec).await), "failed to start: panicked: in the set-up");
    let closure =
        |_| -> std::future::Ready<Result<std::future::Pending<()>, InitializationError>> { panic!("in the closure") };
    let failure = failure(&world, worker_with_setup("a", closure)).await;
    assert_eq!(format!("{failure:#}"), "failed to start: panicked: in the closure");
}

async fn r5_a_set_up_closure_with_nothing_to_run_is_no_failure(world: World) {
    let mut root = root();
    let spec = worker_with_setup("a", async |_| {
        if number("0")? == 0 {
            return Err(InitializationError::ignore());
        }
        Ok(async {})
    });
    root.add_worker(spec);
    let tree = world.start(root).await.unwrap();
    assert_eq!(tree.handle().children().await.unwrap()[0].state, ChildState::Stopped);
    tree.shutdown().await.unwrap();
}

async fn a3_a_set_up_closure_that_fails_at_a_restart_is_retried(world: World) {
    let (calls, diary) = (Arc::new(AtomicUsize::new(0)), Diary::default());
    let (counted, written) = (calls.clone(), diary.clone());
    let mut root = root();
    root.add_worker(worker_with_setup("a", move |shutdown| {
        let (call, diary) = (counted.fetch_add(1, SeqCst), written.clone());
        async move {
            if (1..4).contains(&call) {
                return Err("not yet".into());
            }
            Ok(async move {
                diary.write(format!("runs after call {call}"));
                if call == 0 {
                    return Err("boom");
                }
                shutdown.await;
                Ok(())
            })
        }
    }));
    let tree = world.start(root).await.unwrap();
    let mut lines = Vec::new();
    while lines.len() < 2 {
        futures_lite::future::yield_now().await;
        lines.extend(diary.take());
    }
    assert_eq!(lines, ["runs after call 0", "runs after call 4"]);
    world.probe.quiet().await;
    assert_eq!(exits_of(&events(&world.probe), "root.a"), ["failed: boom"]);
    tree.shutdown().await.unwrap();
}

async fn n1_a_set_up_closure_that_is_cut_short_is_dropped(world: World) {
    let census = Census::default();
    let counted = census.clone();
    let tree = world.start(root()).await.unwrap();
    let spec = worker_with_setup("slow", move |_| {
        let present = counted.enter();
        async move {
            let _present = present;
            pending::<()>().await;
            Ok(async {})
        }
    });
    tree.handle().spawn(spec.with_restart_type(RestartType::Permanent)).unwrap();
    while census.present() == 0 {
        futures_lite::future::yield_now().await;
    }
    tree.shutdown().await.unwrap();
    assert_eq!((census.ever(), census.present()), (1, 0));
}

async fn a2_a_set_up_closure_that_is_never_ready_times_out(world: World) {
    let limit = Duration::from_secs(3);
    let spec = worker_with_setup("a", async |_| {
        pending::<()>().await;
        Ok(async {})
    });
    assert_eq!(failure(&world, spec.with_start_timeout(limit)).await, StartFailure::TimedOut(limit));
}

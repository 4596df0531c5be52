//! Waiting until a tree is ready.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Wake, Waker},
};

use supervisor_core::{Backoff, EventKind, SupervisionTree, SupervisorError, worker};

use crate::stage::{HOUR, LIMIT, Stage, event, idle, supervisor};

stage! { also on one thread:
    b4_a_wait_that_begins_in_the_midst_of_a_turn_misses_nothing
    b4_a_change_that_no_event_tells_ends_the_wait
    b4_a_wait_ends_with_the_tree
}

/// A waker that runs a function.
struct Hook(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        let act = self.0.lock().unwrap().take();
        if let Some(act) = act {
            act();
        }
    }
}

type Waiting = Pin<Box<dyn Future<Output = Result<(), SupervisorError>> + Send>>;

/// No listener waits for the tree, and a child of it fails. In the turn in which the supervisor handles that, a task begins to
/// wait: in the waker of a call that is answered in that turn.
async fn b4_a_wait_that_begins_in_the_midst_of_a_turn_misses_nothing(stage: Stage) {
    let (fail, failures) = async_channel::unbounded::<()>();
    let mut root = supervisor("root");
    root.add_worker(worker("brittle", move |_| {
        let failures = failures.clone();
        async move {
            let _ = failures.recv().await;
            Err::<(), _>("boom")
        }
    }));
    let unknown = supervisor("elsewhere").add_worker(idle("unknown"));
    let tree = Arc::new(root.start_on(stage.spawner.clone()).await.unwrap());
    stage.sleep(LIMIT).await;
    let (begun, waiting_tree) = (Arc::<Mutex<Option<Waiting>>>::default(), tree.clone());
    let begin = begun.clone();
    let hook = Hook(Mutex::new(Some(Box::new(move || {
        let mut waiting: Waiting = Box::pin(async move { waiting_tree.ready().await });
        let polled = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            *begin.lock().unwrap() = Some(waiting);
        }
    }))));
    fail.try_send(()).unwrap();
    let handle = tree.handle();
    let mut call = Box::pin(handle.kill_child(unknown));
    // Where the supervisor runs on another thread it may have answered by now: then there is nothing to see.
    if call.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(hook)))).is_pending() {
        stage.sleep(LIMIT).await;
        assert!(call.await.is_err());
    }
    let waiting = begun.lock().unwrap().take();
    if let Some(waiting) = waiting {
        stage.in_time("ready", waiting).await.unwrap();
    }
    drop(fail);
    end(&stage, tree).await;
}

/// One that waits for its restart is terminated: nothing happens to a process, and the tree is ready by that.
async fn b4_a_change_that_no_event_tells_ends_the_wait(stage: Stage) {
    let mut root = supervisor("root").with_default_backoff(Backoff::constant(HOUR));
    let brittle = root.add_worker(worker("brittle", |_| async { Err::<(), _>("boom") }));
    let mut events = root.handle().events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    event(&mut events, |kind| matches!(kind, EventKind::Restarting { .. })).await;
    let handle = tree.handle();
    let terminate = async {
        stage.sleep(LIMIT).await;
        handle.terminate_child(brittle).await.unwrap();
    };
    let (ready, ()) = stage.in_time("ready", futures_lite::future::zip(tree.ready(), terminate)).await;
    ready.unwrap();
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

async fn b4_a_wait_ends_with_the_tree(stage: Stage) {
    let mut root = supervisor("root").with_default_backoff(Backoff::constant(HOUR));
    root.add_worker(worker("brittle", |_| async { Err::<(), _>("boom") }));
    let mut events = root.handle().events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    event(&mut events, |kind| matches!(kind, EventKind::Restarting { .. })).await;
    let handle = tree.handle();
    let stop = async {
        stage.sleep(LIMIT).await;
        handle.shutdown().unwrap();
    };
    let (ready, ()) = stage.in_time("the end", futures_lite::future::zip(tree.ready(), stop)).await;
    assert!(matches!(ready, Err(SupervisorError::NotRunning { .. })), "{ready:?}");
}

async fn end(stage: &Stage, tree: Arc<SupervisionTree>) {
    let tree = Arc::into_inner(tree).expect("no task waits any more");
    let _outcome = stage.in_time("the shutdown", tree.shutdown()).await;
}

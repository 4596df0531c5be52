//! What may be handed over, chained and compared.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use supervisor_core::{
    EventKind, Exit, Failure, InitializationError, ProcessShutdown, ShutdownStrategy, StopReason, Supervisable,
    SupervisorError, SupervisorFuture, one_shot,
};

use crate::{
    actors::{Bomb, events, idle, root, until},
    harness::World,
};

mount! { everywhere:
    events_are_compared_with_what_is_expected
    a_trigger_may_resolve_to_anything
    p9_the_output_of_a_trigger_may_panic_in_drop
    chained_children_start_in_the_order_of_the_chain
    all_incarnations_of_a_shared_worker_use_the_same_one
}

async fn events_are_compared_with_what_is_expected(world: World) {
    let tree = world.start(root()).await.unwrap();
    world.probe.quiet().await;
    events(&world.probe);
    tree.handle().spawn(one_shot("a", async { Err::<(), _>("no route") })).unwrap();
    world.probe.quiet().await;
    let failed = EventKind::Exited(Exit::Failed(Failure::new("no route")));
    let told: Vec<EventKind> = events(&world.probe).into_iter().map(|event| event.kind).collect();
    assert_eq!(told, [EventKind::Started, EventKind::Ready, failed.clone()]);
    assert_ne!(failed, EventKind::Exited(Exit::Panicked(Failure::new("no route"))));
    assert_ne!(failed, EventKind::Exited(Exit::Failed(Failure::new("no host"))));
    tree.shutdown().await.unwrap();
    assert_eq!(events(&world.probe).pop().unwrap().kind, EventKind::Ended(StopReason::Requested));
}

#[test]
fn errors_of_executors_are_compared_by_what_they_say() {
    let error = |text: &str| SupervisorError::executor(std::io::Error::other(text.to_owned()));
    assert_eq!(error("no reactor"), error("no reactor"));
    assert_ne!(error("no reactor"), error("no clock"));
    // A1: also without the sources, because an executor's text is not one of user code.
    for text in [format!("{}", error("no reactor")), format!("{:#}", error("no reactor"))] {
        assert_eq!(text, "cannot run the tree: no reactor");
    }
}

async fn a_trigger_may_resolve_to_anything(world: World) {
    let run = root().with_worker(idle("a")).run_on(world.spawner.clone());
    run.with_shutdown(async { Err::<u32, _>("the line is dead") }).await.unwrap();
}

async fn p9_the_output_of_a_trigger_may_panic_in_drop(world: World) {
    let run = root().with_worker(idle("a")).run_on(world.spawner.clone());
    run.with_shutdown(async { Bomb(Arc::new(true.into())) }).await.unwrap();
}

async fn chained_children_start_in_the_order_of_the_chain(world: World) {
    let mut root = root().with_worker(idle("a")).with_worker(idle("b"));
    let last = root.add_worker(idle("c"));
    let tree = world.start(root).await.unwrap();
    let children = tree.handle().children().await.unwrap();
    assert_eq!(children.iter().map(|child| &*child.name).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(children[2].id, last);
    tree.shutdown().await.unwrap();
}

/// A worker that counts how often it was set up.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Supervisable for Counter {
    fn name(&self) -> &str {
        "counter"
    }

    fn shutdown_strategy(&self) -> ShutdownStrategy {
        ShutdownStrategy::Graceful(Duration::from_secs(70))
    }

    async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        self.0.fetch_add(1, SeqCst);
        Ok(until(shutdown))
    }
}

async fn all_incarnations_of_a_shared_worker_use_the_same_one(world: World) {
    let counter = Arc::new(Counter::default());
    let mut root = root();
    let id = root.add_worker(counter.clone());
    let tree = world.start(root).await.unwrap();
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(counter.0.load(SeqCst), 2);
    let spec = tree.handle().child_spec(id).await.unwrap();
    assert_eq!((&*spec.name, spec.shutdown), ("counter", counter.shutdown_strategy()));
    tree.shutdown().await.unwrap();
    assert_eq!(Arc::strong_count(&counter), 1, "the tree has dropped it");
}

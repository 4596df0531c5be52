//! Children that fail: hosted and needed ones.

use futures_lite::future::yield_now;
use supervisor_core::{
    ChildSpec, ChildState, EventKind, Exit, RestartType, SupervisorError, SupervisorHandle, one_shot, process,
};

use super::{owner, spawn};
use crate::{
    actors::{Census, Strings, events, exits_of, present, root, set_up, state_of, until},
    harness::World,
};

mount! { everywhere:
    s4_a_hosted_child_that_fails_ends_nothing_else
    s4_restarts_are_counted_for_the_scope
    s5_a_needed_child_that_fails_ends_its_owner
    s5_a_needed_child_is_the_cause_though_its_owner_ends_first
    s5_a_needed_child_that_is_out_of_restarts_ends_its_owner
    s5_a_needed_child_that_ends_well_ends_nothing
    s5_a_needed_child_that_cannot_start_ends_its_owner
}

async fn s4_a_hosted_child_that_fails_ends_nothing_else(world: World) {
    let (strings, child, census) = (Strings::new(), Strings::new(), Census::default());
    let mut root = root();
    let (pulled, within) = (child.clone(), census.clone());
    root.add_worker(owner("owner", &strings, move |scope| {
        scope.spawn(pulled.worker("temporary")).unwrap();
        scope.spawn(present("sibling", &within)).unwrap();
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    child.pull(Err("boom"));
    child.pulled(&world.probe).await;
    let events = events(&world.probe);
    assert_eq!(exits_of(&events, "root.owner.temporary"), ["failed: boom"]);
    assert_eq!(census.present(), 1);
    assert_eq!(exits_of(&events, "root.owner"), [""; 0]);
    tree.shutdown().await.unwrap();
}

async fn s4_restarts_are_counted_for_the_scope(world: World) {
    let (strings, child, other) = (Strings::new(), Strings::new(), Strings::new());
    let mut root = root();
    let (first, second) = (child.clone(), other.clone());
    root.add_worker(owner("owner", &strings, move |scope| {
        let permanent = |strings: &Strings, name| strings.worker(name).with_restart_type(RestartType::Permanent);
        scope.spawn(permanent(&first, "a")).unwrap();
        scope.spawn(permanent(&second, "b")).unwrap();
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    // The scope has one restart. The first failure takes it; the second child has none left, and goes alone.
    for (strings, _) in [(&child, "a"), (&other, "b")] {
        strings.pull(Err("boom"));
        strings.pulled(&world.probe).await;
    }
    let told = events(&world.probe);
    let given_up: Vec<_> = told
        .iter()
        .filter(|event| matches!(event.kind, EventKind::NotRestarted { .. }))
        .map(|event| &event.path)
        .collect();
    assert_eq!(given_up, ["root.owner.b"]);
    let scope = tree.handle().supervisor("root.owner").await.unwrap();
    let names: Vec<_> = scope.children().await.unwrap().into_iter().map(|child| child.name).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(exits_of(&told, "root.owner"), [""; 0]);
    tree.shutdown().await.unwrap();
}

/// An owner with a needed child, whose string is the second one, and with others.
fn owner_of_needed(
    strings: &Strings,
    child: &Strings,
    restart_type: RestartType,
    others: impl Fn(&SupervisorHandle) + Send + Sync + Clone + 'static,
) -> ChildSpec {
    let child = child.clone();
    owner("owner", strings, move |scope| {
        spawn(scope, child.worker("needed").with_restart_type(restart_type).with_significance());
        others(scope);
    })
}

async fn s5_a_needed_child_that_fails_ends_its_owner(world: World) {
    let (strings, child, census) = (Strings::new(), Strings::new(), Census::default());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let within = census.clone();
    let spec = owner_of_needed(&strings, &child, RestartType::Temporary, move |scope| {
        spawn(scope, present("sibling", &within));
    });
    let owner = handle.spawn(spec.with_restart_type(RestartType::Temporary).with_typed_failures()).unwrap();
    world.probe.quiet().await;
    let monitor = handle.monitor(owner).unwrap();
    child.pull(Err("boom"));
    let exit = monitor.await;
    assert_eq!(census.present(), 0, "the others stop, too");
    let Exit::Failed(failure) = &exit else { panic!("{exit}") };
    assert_eq!(
        format!("{failure:#}"),
        "`root.owner` shut down because its significant child `root.owner.needed` failed: boom"
    );
    let error = failure.downcast_ref::<SupervisorError>();
    assert!(
        matches!(error, Some(SupervisorError::SignificantChildFailed { child, .. }) if child == "root.owner.needed"),
        "{error:?}"
    );
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn s5_a_needed_child_is_the_cause_though_its_owner_ends_first(world: World) {
    for own_end in [Ok(()), Err("nothing can be started")] {
        let (strings, child) = (Strings::new(), Strings::new());
        let ((gate, closed), (asks, asked)) = (async_channel::bounded::<()>(1), async_channel::bounded(1));
        let tree = world.start(root()).await.unwrap();
        let handle = tree.handle();
        let spec = owner_of_needed(&strings, &child, RestartType::Temporary, move |scope| {
            let (asks, closed) = (asks.clone(), closed.clone());
            let slow = async move {
                process::shutdown().await;
                asks.try_send(()).unwrap();
                let _ = closed.recv().await;
            };
            spawn(scope, one_shot("slow", slow));
        });
        let owner = handle.spawn(spec.with_restart_type(RestartType::Temporary)).unwrap();
        world.probe.quiet().await;
        let monitor = handle.monitor(owner).unwrap();
        child.pull(Err("boom"));
        // The scope waits for the slow one, and the owner ends meanwhile.
        asked.recv().await.unwrap();
        strings.pull(own_end);
        strings.taken().await;
        gate.close();
        let exit = monitor.await;
        assert!(matches!(&exit, Exit::Failed(failure) if format!("{failure:#}").ends_with("failed: boom")), "{exit}");
        world.probe.quiet().await;
        tree.shutdown().await.unwrap();
    }
}

async fn s5_a_needed_child_that_is_out_of_restarts_ends_its_owner(world: World) {
    let (strings, child) = (Strings::new(), Strings::new());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let spec = owner_of_needed(&strings, &child, RestartType::Permanent, |_| {});
    let owner = handle.spawn(spec.with_restart_type(RestartType::Transient)).unwrap();
    world.probe.quiet().await;
    let monitor = handle.monitor(owner).unwrap();
    child.pull(Err("first"));
    child.pulled(&world.probe).await;
    assert_eq!(state_of(&handle, owner).await, Some(ChildState::Running));
    child.pull(Err("second"));
    let exit = monitor.await;
    assert!(matches!(&exit, Exit::Failed(failure) if format!("{failure:#}").ends_with("failed: second")), "{exit}");
    world.probe.quiet().await;
    // It is a failure of the owner, so a transient one is restarted.
    assert_eq!(state_of(&handle, owner).await, Some(ChildState::Running));
    tree.shutdown().await.unwrap();
}

async fn s5_a_needed_child_that_ends_well_ends_nothing(world: World) {
    let (strings, child) = (Strings::new(), Strings::new());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let spec = owner_of_needed(&strings, &child, RestartType::Transient, |_| {});
    let owner = handle.spawn(spec).unwrap();
    world.probe.quiet().await;
    child.pull(Ok(()));
    child.pulled(&world.probe).await;
    assert_eq!(state_of(&handle, owner).await, Some(ChildState::Running));
    let scope = handle.supervisor("root.owner").await.unwrap();
    assert_eq!(scope.count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
}

async fn s5_a_needed_child_that_cannot_start_ends_its_owner(world: World) {
    let strings = Strings::new();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let (open, opened) = async_channel::bounded::<()>(1);
    let spec = owner("owner", &strings, move |scope| {
        let opened = opened.clone();
        let needed = set_up("needed", move |shutdown| {
            let opened = opened.clone();
            async move {
                if opened.recv().await.is_err() {
                    return Err("no route".into());
                }
                Ok(until(shutdown))
            }
        });
        // No caller hears of the failed start.
        scope.spawn(needed.with_significance()).unwrap();
    });
    let owner = handle.spawn(spec).unwrap();
    while handle.snapshot().await.find("root.owner.needed").is_none() {
        yield_now().await;
    }
    let monitor = handle.monitor(owner).unwrap();
    drop(open);
    let exit = monitor.await;
    assert!(matches!(&exit, Exit::Failed(failure) if format!("{failure:#}").ends_with("no route")), "{exit}");
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

//! Room for children under a bound: reserved, used and given back.

use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{RestartType, Supervisor, SupervisorError, worker};

use crate::{
    actors::{Census, idle, root},
    harness::World,
};

mount! { everywhere:
    a8_spawn_over_the_bound_tells_its_caller
    a8_reserved_room_counts_for_every_way_to_add
    a8_a_permit_that_is_dropped_gives_its_room_back
    a8_room_comes_free_with_the_end_of_a_child
    a8_callers_that_wait_for_room_get_it_in_their_order
    a8_a_wait_for_room_that_is_dropped_passes_it_on
    n1_a_wait_for_room_ends_when_the_supervisor_stops
    n7_a_permit_of_an_earlier_run_is_refused
    a_permit_is_given_back_by_a_child_that_is_refused
    without_a_bound_there_is_always_room
    a_flood_of_reservations_keeps_the_bound
}

fn pool(max: usize) -> Supervisor {
    Supervisor::dynamic("root").unwrap().with_max_children(max)
}

fn is_full<T: std::fmt::Debug>(answer: Result<T, SupervisorError>) -> bool {
    matches!(answer, Err(SupervisorError::AtCapacity { .. }))
}

async fn a8_spawn_over_the_bound_tells_its_caller(world: World) {
    let tree = world.start(pool(2)).await.unwrap();
    let handle = tree.handle();
    handle.spawn(idle("a")).unwrap();
    // Before the supervisor has read the first one, too.
    handle.spawn(idle("b")).unwrap();
    assert!(is_full(handle.spawn(idle("c"))));
    world.probe.quiet().await;
    let refused = handle.spawn_task("d", async {}).unwrap_err();
    assert!(matches!(&refused, SupervisorError::AtCapacity { path, max: 2 } if path == "root"), "{refused}");
    assert_eq!(handle.count().await.unwrap().specs, 2);
    tree.shutdown().await.unwrap();
}

async fn a8_reserved_room_counts_for_every_way_to_add(world: World) {
    let tree = world.start(pool(2)).await.unwrap();
    let handle = tree.handle();
    let permits = [handle.try_reserve().unwrap(), handle.reserve().await.unwrap()];
    assert!(is_full(handle.try_reserve()));
    assert!(is_full(handle.spawn(idle("a"))));
    assert!(is_full(handle.start_child(idle("a")).await));
    for permit in permits {
        permit.spawn(idle("a")).unwrap();
    }
    world.probe.quiet().await;
    assert_eq!(handle.count().await.unwrap().specs, 2);
    tree.shutdown().await.unwrap();
}

async fn a8_a_permit_that_is_dropped_gives_its_room_back(world: World) {
    let tree = world.start(pool(1)).await.unwrap();
    let handle = tree.handle();
    let permit = handle.try_reserve().unwrap();
    assert!(is_full(handle.try_reserve()));
    drop(permit);
    handle.try_reserve().unwrap().spawn(idle("a")).unwrap();
    tree.shutdown().await.unwrap();
}

async fn a8_room_comes_free_with_the_end_of_a_child(world: World) {
    let tree = world.start(pool(1)).await.unwrap();
    let handle = tree.handle();
    for round in 0..10 {
        let permit = handle.reserve().await.unwrap();
        assert_eq!(permit.spawn_task("task", async move { round }).unwrap().await, Ok(round));
    }
    tree.shutdown().await.unwrap();
}

async fn a8_callers_that_wait_for_room_get_it_in_their_order(world: World) {
    let tree = world.start(pool(1)).await.unwrap();
    let handle = tree.handle();
    let first = handle.try_reserve().unwrap();
    let mut waiting: Vec<_> = (0..5).map(|_| Box::pin(handle.reserve())).collect();
    for wait in &mut waiting {
        assert!(poll_once(wait).await.is_none());
    }
    let mut permit = first;
    for mut wait in waiting {
        drop(permit);
        // Room that came free belongs to the first one that waits.
        assert!(is_full(handle.try_reserve()));
        permit = poll_once(&mut wait).await.expect("it is its turn").unwrap();
    }
    drop(permit);
    tree.shutdown().await.unwrap();
}

async fn a8_a_wait_for_room_that_is_dropped_passes_it_on(world: World) {
    let tree = world.start(pool(1)).await.unwrap();
    let handle = tree.handle();
    let first = handle.try_reserve().unwrap();
    let [mut a, mut b, mut c] = [(), (), ()].map(|()| Box::pin(handle.reserve()));
    for wait in [&mut a, &mut b, &mut c] {
        assert!(poll_once(wait).await.is_none());
    }
    // One that is dropped while it waits, and one that was given room and has not looked.
    drop(a);
    drop(first);
    drop(b);
    let permit = poll_once(&mut c).await.expect("it is its turn").unwrap();
    drop(permit);
    drop(handle.try_reserve().unwrap());
    tree.shutdown().await.unwrap();
}

async fn n1_a_wait_for_room_ends_when_the_supervisor_stops(world: World) {
    let tree = world.start(pool(1)).await.unwrap();
    let handle = tree.handle();
    handle.start_child(idle("a")).await.unwrap();
    let mut wait = Box::pin(handle.reserve());
    assert!(poll_once(&mut wait).await.is_none());
    tree.shutdown().await.unwrap();
    // Also if the supervisor has ended by now.
    assert!(matches!(wait.await, Err(SupervisorError::ShuttingDown { .. })));
    assert!(matches!(handle.reserve().await, Err(SupervisorError::NotRunning { .. })));
}

async fn n7_a_permit_of_an_earlier_run_is_refused(world: World) {
    let (mut root, inner) = (root(), pool(1));
    let handle = inner.handle();
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let permit = handle.try_reserve().unwrap();
    tree.handle().terminate_child(id).await.unwrap();
    tree.handle().restart_child(id).await.unwrap();
    assert!(matches!(permit.spawn(idle("a")), Err(SupervisorError::NotRunning { .. })));
    drop(handle.try_reserve().unwrap());
    tree.shutdown().await.unwrap();
}

async fn a_permit_is_given_back_by_a_child_that_is_refused(world: World) {
    let tree = world.start(pool(1).with_unique_names()).await.unwrap();
    let handle = tree.handle();
    let invalid = handle.try_reserve().unwrap().spawn(worker("", |shutdown| shutdown));
    assert!(matches!(invalid, Err(SupervisorError::InvalidName { .. })));
    drop(handle.try_reserve().unwrap());
    tree.shutdown().await.unwrap();
}

async fn without_a_bound_there_is_always_room(world: World) {
    let tree = world.start(root()).await.unwrap();
    let permits: Vec<_> = (0..100).map(|_| tree.handle().try_reserve().unwrap()).collect();
    for permit in permits {
        permit.spawn(idle("a").with_restart_type(RestartType::Permanent)).unwrap();
    }
    world.probe.quiet().await;
    assert_eq!(tree.handle().count().await.unwrap().specs, 100);
    tree.shutdown().await.unwrap();
}

async fn a_flood_of_reservations_keeps_the_bound(world: World) {
    let (tree, census) = (world.start(pool(8)).await.unwrap(), Census::default());
    let handle = tree.handle();
    let mut results = Vec::new();
    for _ in 0..200 {
        let (permit, census) = (handle.reserve().await.unwrap(), census.clone());
        results.push(permit.spawn_task("task", async move {
            let _present = census.enter();
            yield_now().await;
            census.present()
        }));
    }
    for result in results {
        let alive = result.unwrap().await.unwrap();
        assert!((1..=8).contains(&alive), "{alive} at once");
    }
    tree.shutdown().await.unwrap();
}

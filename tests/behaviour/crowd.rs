//! Many callers at once, who ask anything of a tree whose children do anything: each is answered, and nothing stays behind.

use std::{
    cell::RefCell,
    future::{Future, pending, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use fastrand::Rng;
use futures_lite::future::poll_once;
use supervisor_core::{
    Backoff, ChildId, ChildSpec, RestartStrategy, RestartType, ShutdownOrder, ShutdownStrategy, Supervisor,
    SupervisorError, SupervisorHandle, one_shot, process, worker,
};

use crate::{
    actors::{Census, idle, set_up, until},
    harness::{
        World,
        draw::{draw, one_in, pick},
    },
};

mount! { everywhere:
    every_caller_of_a_crowd_is_answered
}

const ROUNDS: u64 = 6;
const CALLERS: u64 = 6;
const CALLS: usize = 25;

/// What callers do, and how often.
const DEEDS: [(Deed, u32); 8] = [
    (Deed::StartChild, 3),
    (Deed::Spawn, 2),
    (Deed::Terminate, 2),
    (Deed::Restart, 1),
    (Deed::Delete, 1),
    (Deed::Kill, 1),
    (Deed::ChildSpec, 1),
    (Deed::Children, 1),
];

#[derive(Clone, Copy)]
enum Deed {
    StartChild,
    Spawn,
    Terminate,
    Restart,
    Delete,
    Kill,
    ChildSpec,
    Children,
}

/// What children are added, each as often as any other.
const CHILDREN: [Kind; 8] =
    [Kind::Idle, Kind::Deaf, Kind::Brittle, Kind::Failing, Kind::Slow, Kind::NeverReady, Kind::Short, Kind::Nested];

#[derive(Clone, Copy)]
enum Kind {
    Idle,
    Deaf,
    Brittle,
    Failing,
    Slow,
    NeverReady,
    Short,
    Nested,
}

async fn every_caller_of_a_crowd_is_answered(world: World) {
    for round in 0..ROUNDS {
        let mut rng = Rng::with_seed(round);
        let census = Census::default();
        let pool = Supervisor::dynamic("pool").unwrap().with_max_children(20).with_restart_strategy(generous(&mut rng));
        let mode = [RestartStrategy::one_for_one(), RestartStrategy::one_for_all(), RestartStrategy::rest_for_one()];
        let strategy = *pick(&mut rng, &mode);
        let mut root = Supervisor::new("root")
            .unwrap()
            .with_restart_strategy(strategy.with_intensity_and_period(limit(&mut rng), Duration::from_secs(5)))
            .with_shutdown_order(*pick(&mut rng, &[ShutdownOrder::Reverse, ShutdownOrder::Concurrent]))
            .with_shutdown_budget(Duration::from_millis(50));
        let handles = [root.handle(), pool.handle()];
        root.add_worker(pool);
        root.add_worker(idle("idle"));
        let tree = world.start(root).await.unwrap();
        let ids = RefCell::new(Vec::new());
        let callers = (0..CALLERS).map(|caller| {
            let rng = Rng::with_seed(1000 * round + caller);
            Box::pin(call_anything(rng, &handles, &ids, &census)) as Pin<Box<dyn Future<Output = ()>>>
        });
        all(callers.collect()).await;
        // Some had to be aborted. But it ends.
        let _unclean = tree.shutdown().await;
        world.probe.quiet().await;
        world.probe.take();
        assert_eq!(census.present(), 0, "round {round}");
        for handle in &handles {
            assert!(matches!(handle.count().await, Err(SupervisorError::NotRunning { .. })));
        }
    }
}

async fn call_anything(mut rng: Rng, handles: &[SupervisorHandle], ids: &RefCell<Vec<ChildId>>, census: &Census) {
    for _ in 0..CALLS {
        let handle = pick(&mut rng, handles);
        let known = ids.borrow().clone();
        let id = (!known.is_empty()).then(|| *pick(&mut rng, &known));
        let mut call: Pin<Box<dyn Future<Output = ()>>> = match (draw(&mut rng, &DEEDS), id) {
            (Deed::StartChild, _) | (_, None) => {
                let spec = any_child(&mut rng, census);
                Box::pin(async {
                    if let Ok(id) = handle.start_child(spec).await {
                        ids.borrow_mut().push(id);
                    }
                })
            }
            (Deed::Spawn, _) => {
                if let Ok(id) = handle.spawn(any_child(&mut rng, census)) {
                    ids.borrow_mut().push(id);
                }
                continue;
            }
            (Deed::Terminate, Some(id)) => Box::pin(async move { drop(handle.terminate_child(id).await) }),
            (Deed::Restart, Some(id)) => Box::pin(async move { drop(handle.restart_child(id).await) }),
            (Deed::Delete, Some(id)) => Box::pin(async move { drop(handle.delete_child(id).await) }),
            (Deed::Kill, Some(id)) => Box::pin(async move { drop(handle.kill_child(id).await) }),
            (Deed::ChildSpec, Some(id)) => Box::pin(async move { drop(handle.child_spec(id).await) }),
            (Deed::Children, _) => Box::pin(async move { drop(handle.children().await) }),
        };
        if one_in(&mut rng, 8) {
            // A call that is not waited for is carried out all the same.
            let _ = poll_once(&mut call).await;
        } else {
            call.await;
        }
    }
}

/// Draws a child of any kind.
fn any_child(rng: &mut Rng, census: &Census) -> ChildSpec {
    let (counted, owned) = (census.clone(), census.enter());
    let moment = Duration::from_millis(1);
    let spec = match *pick(rng, &CHILDREN) {
        Kind::Idle => worker("idle", move |shutdown| {
            let (_owned, present) = (&owned, counted.enter());
            async move {
                let _present = present;
                shutdown.await;
            }
        }),
        Kind::Deaf => worker("deaf", move |_| {
            let (_owned, present) = (&owned, counted.enter());
            async move {
                let _present = present;
                pending::<()>().await;
            }
        })
        .with_shutdown_strategy(*pick(rng, &[ShutdownStrategy::Brutal, ShutdownStrategy::Graceful(moment)])),
        Kind::Brittle => worker("brittle", move |_| {
            let (_owned, present) = (&owned, counted.enter());
            async move {
                let _present = present;
                process::sleep(moment).await;
                Err::<(), _>("boom")
            }
        }),
        Kind::Failing => set_up("failing", move |_| {
            let _owned = &owned;
            async { Err("no route".into()) }
        }),
        Kind::Slow => set_up("slow", move |shutdown| {
            let _owned = &owned;
            async move {
                process::sleep(moment).await;
                Ok(until(shutdown))
            }
        }),
        Kind::NeverReady => set_up("never", move |_| {
            let _owned = &owned;
            pending()
        })
        .with_start_timeout(moment),
        Kind::Short => {
            return one_shot("short", async move {
                let _present = (owned, counted.enter());
            });
        }
        Kind::Nested => {
            let mut nested = Supervisor::new("nested").unwrap().with_restart_strategy(generous(rng));
            nested.add_worker(worker("inside", move |shutdown| {
                let (_owned, present) = (&owned, counted.enter());
                async move {
                    let _present = present;
                    shutdown.await;
                }
            }));
            nested.into()
        }
    };
    let spec = if rng.bool() { spec.with_backoff(Backoff::constant(moment)) } else { spec };
    spec.with_restart_type(*pick(rng, &[RestartType::Permanent, RestartType::Transient, RestartType::Temporary]))
}

fn generous(rng: &mut Rng) -> RestartStrategy {
    RestartStrategy::one_for_one().with_intensity_and_period(limit(rng), Duration::from_secs(5))
}

/// Some of the trees give up in the middle of it all. What fails below three supervisors fails as often as the product.
fn limit(rng: &mut Rng) -> usize {
    *pick(rng, &[1, 10, 40])
}

async fn all(mut futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    poll_fn(|cx| {
        futures.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if futures.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

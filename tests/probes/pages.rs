//! What each page says, and when.

use std::{future::pending, sync::mpsc, time::Duration};

use futures_lite::future::zip;
use supervision::{
    Backoff, ChildState, Probes, ProcessShutdown, Snapshot, Supervisor, SupervisorError, one_shot, process, worker,
};

use crate::{
    client::{address, ask, beside, get, root, serve, until},
    harness::World,
};

mount_in_real_time! { everywhere:
    a_tree_that_starts_is_live_and_not_ready
    the_child_that_is_not_ready_is_named_with_its_reason
    a_tree_that_stops_is_live_and_not_ready
    the_tree_is_served_as_data_and_as_a_picture
    the_numbers_are_those_that_the_program_renders
    only_what_is_below_the_supervisor_of_the_probes_counts
    a_slow_renderer_says_nothing_about_the_tree
}

mount_in_real_time! { on one thread:
    a_supervisor_is_not_live_while_it_is_blocked
}

async fn a_tree_that_starts_is_live_and_not_ready(world: World) {
    let probes = Probes::on_loopback(0);
    let (open, gate) = async_channel::bounded::<()>(1);
    let mut root = root();
    root.add_worker(probes.clone());
    let slow = worker("slow", move |shutdown: ProcessShutdown| {
        let gate = gate.clone();
        async move {
            let _open = gate.recv().await;
            process::ready();
            shutdown.await;
        }
    });
    // While the tree starts, it is waited for all the same.
    root.add_worker(slow.with_explicit_ready().with_readiness(false));
    root.add_worker(worker("behind", |shutdown| shutdown));
    let (tree, ()) = zip(world.start(root), async {
        let address = address(&probes).await;
        // The probes answer before the next child begins.
        let ready = loop {
            let ready = ask(address, "/readyz").await;
            assert_eq!((ready.status, ready.body.lines().next()), (503, Some("not ready: starting")));
            if ready.body.contains("\nroot.slow: starting") {
                break ready;
            }
        };
        assert!(ready.body.ends_with("\nroot.behind: waiting for its turn to start\n"), "{}", ready.body);
        let started = ask(address, "/startupz").await;
        assert_eq!((started.status, started.body.lines().next()), (503, Some("not started")));
        assert_eq!(ask(address, "/livez").await.status, 200);
        drop(open);
    })
    .await;
    let tree = tree.unwrap();
    let address = address(&probes).await;
    for (path, verdict) in [("/readyz", "ready\n"), ("/startupz", "started\n")] {
        let answer = ask(address, path).await;
        assert_eq!((answer.status, &*answer.body), (200, verdict));
    }
    let live = ask(address, "/livez").await;
    assert!(live.status == 200 && live.body.starts_with("live: answered within "), "{}", live.body);
    tree.shutdown().await.unwrap();
}

async fn the_child_that_is_not_ready_is_named_with_its_reason(world: World) {
    for counts in [true, false] {
        let probes = Probes::on_loopback(0);
        let mut api = Supervisor::new("api").unwrap();
        let listener = worker("listener", |_| async { Err::<(), _>("no route\nto host") });
        let hour = Backoff::constant(Duration::from_secs(3600));
        api.add_worker(listener.with_backoff(hour).with_readiness(counts));
        let mut root = root();
        root.add_worker(probes.clone());
        root.add_worker(api);
        let tree = world.start(root).await.unwrap();
        until(&tree.handle(), "root.api.listener", ChildState::Restarting).await;
        let address = address(&probes).await;
        let ready = ask(address, "/readyz").await;
        if counts {
            assert_eq!((ready.status, ready.body.lines().count()), (503, 2), "{}", ready.body);
            let line = ready.body.lines().nth(1).unwrap();
            assert!(line.starts_with("root.api.listener: waiting to restart, for "), "{line}");
            assert!(line.ends_with(r"last exit: failed: no route\nto host"), "{line}");
        } else {
            assert_eq!(ready.status, 200, "{}", ready.body);
        }
        // It has been ready.
        assert_eq!(ask(address, "/startupz").await.status, 200);
        let _ = tree.shutdown().await;
    }
}

async fn a_tree_that_stops_is_live_and_not_ready(world: World) {
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let probes = Probes::on_loopback(0);
    let mut root = root();
    root.add_worker(probes.clone());
    root.add_worker(worker("slow", move |shutdown: ProcessShutdown| {
        let stopped = stopped.clone();
        async move {
            shutdown.await;
            let _ = stopped.recv().await;
        }
    }));
    let tree = world.start(root).await.unwrap();
    let (handle, address) = (tree.handle(), address(&probes).await);
    let (stopped, ()) = zip(tree.shutdown(), async {
        until(&handle, "root.slow", ChildState::Stopping).await;
        let ready = ask(address, "/readyz").await;
        assert_eq!((ready.status, ready.body.lines().next()), (503, Some("not ready: shutting down")));
        assert!(ready.body.contains("\nroot.slow: stopping"), "{}", ready.body);
        assert_eq!(ask(address, "/livez").await.status, 200);
        assert_eq!(ask(address, "/startupz").await.status, 200);
        drop(stop);
    })
    .await;
    stopped.unwrap();
}

async fn a_supervisor_is_not_live_while_it_is_blocked(world: World) {
    let probes = Probes::on_loopback(0).with_liveness_limit(Duration::from_millis(200));
    let (tree, address) = serve(&world, &probes).await;
    let (blocks, is_blocked) = mpsc::channel::<()>();
    let (release, released) = mpsc::channel::<()>();
    tree.handle()
        .spawn(one_shot("blocker", async move {
            blocks.send(()).unwrap();
            // On the only thread of the executor.
            released.recv().unwrap();
            pending::<()>().await;
        }))
        .unwrap();
    let client = move || {
        is_blocked.recv().unwrap();
        let answers = [(); 2].map(|()| get(address, "/livez"));
        // What needs no answer of the supervisor is served all the same.
        let others = ["/readyz", "/tree", "/"].map(|path| get(address, path).status);
        release.send(()).unwrap();
        let mut after = get(address, "/livez");
        for _ in 0..100 {
            if after.status == 200 {
                break;
            }
            after = get(address, "/livez");
        }
        (answers, others, after)
    };
    let (answers, others, after) = beside(client).await;
    for answer in answers {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(answer.body.starts_with("not live: `root` has left its messages unread for "), "{}", answer.body);
        assert!(answer.body.contains("the limit is 200ms\n"), "{}", answer.body);
    }
    assert_eq!((others, after.status), ([200; 3], 200), "{}", after.body);
    let _aborted = tree.shutdown().await;
}

async fn the_tree_is_served_as_data_and_as_a_picture(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let data = ask(address, "/tree").await;
    assert!(data.head.contains("content-type: application/json"), "{}", data.head);
    let snapshot: Snapshot = serde_json::from_str(&data.body).unwrap();
    let paths: Vec<_> = snapshot.iter().map(|node| &*node.path).collect();
    assert_eq!(paths, ["root", "root.probes", "root.idle"]);
    let asked =
        |accept: &str| format!("GET /tree HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    let accepted = asked("text/plain");
    let accepted = beside(move || crate::client::send(address, accepted.as_bytes())).await;
    for picture in [ask(address, "/tree?picture").await, crate::client::Answer::of(&accepted)] {
        assert!(picture.head.contains("content-type: text/plain"), "{}", picture.head);
        assert!(picture.body.contains("probes") && picture.body.contains("idle"), "{}", picture.body);
    }
    tree.shutdown().await.unwrap();
}

async fn the_numbers_are_those_that_the_program_renders(world: World) {
    let (tree, address) = serve(&world, &Probes::on_loopback(0)).await;
    let none = ask(address, "/metrics").await;
    assert!(none.status == 404 && none.body.contains("`Probes::with_metrics`"), "{}", none.body);
    tree.shutdown().await.unwrap();

    let probes = Probes::on_loopback(0).with_metrics(|| "jobs_total 7\n".into());
    let (tree, address) = serve(&world, &probes).await;
    let numbers = ask(address, "/metrics").await;
    assert_eq!((numbers.status, &*numbers.body), (200, "jobs_total 7\n"));
    assert!(numbers.head.contains("content-type: text/plain; version=0.0.4"), "{}", numbers.head);
    tree.shutdown().await.unwrap();

    let probes = Probes::on_loopback(0).with_metrics(|| panic!("no numbers"));
    let (tree, address) = serve(&world, &probes).await;
    assert_eq!(ask(address, "/metrics").await.status, 500);
    assert_eq!(ask(address, "/livez").await.status, 200);
    let restarts = tree.snapshot().await.find("root.probes").map(|child| child.restarts);
    assert_eq!(restarts, Some(0));
    tree.shutdown().await.unwrap();
}

async fn only_what_is_below_the_supervisor_of_the_probes_counts(world: World) {
    let probes = Probes::on_loopback(0);
    let mut api = Supervisor::new("api").unwrap();
    api.add_worker(probes.clone());
    let mut root = root();
    root.add_worker(api);
    let hour = Backoff::constant(Duration::from_secs(3600));
    root.add_worker(worker("beside", |_| async { Err::<(), _>("boom") }).with_backoff(hour));
    let tree = world.start(root).await.unwrap();
    until(&tree.handle(), "root.beside", ChildState::Restarting).await;
    let address = address(&probes).await;
    assert_eq!(ask(address, "/readyz").await.status, 200);
    assert!(ask(address, "/tree").await.body.contains("\"root.api.probes\""));
    assert!(matches!(tree.shutdown().await, Ok(()) | Err(SupervisorError::UncleanShutdown(_))));
}

async fn a_slow_renderer_says_nothing_about_the_tree(world: World) {
    // Slower than the limit, so each question about the tree waits for it.
    let slow = || {
        std::thread::sleep(Duration::from_millis(300));
        "numbers 1\n".to_owned()
    };
    let probes = Probes::on_loopback(0).with_liveness_limit(Duration::from_millis(100)).with_metrics(slow);
    let mut root = root();
    root.add_worker(probes.clone());
    let tree = world.start(root).await.unwrap();
    let address = address(&probes).await;
    let rendering = beside(move || (0..6).map(|_| get(address, "/metrics").status).collect::<Vec<_>>());
    let asking = beside(move || (0..6).map(|_| get(address, "/livez").body).collect::<Vec<_>>());
    let (rendered, live) = zip(rendering, asking).await;
    assert!(rendered.iter().all(|status| *status == 200), "{rendered:?}");
    assert!(live.iter().all(|body| body.starts_with("live: ")), "{live:?}");
    tree.shutdown().await.unwrap();
}

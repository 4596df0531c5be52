//! Accounting: what the polls of a child take.

use std::time::Duration;

use futures_lite::future::yield_now;
use supervisor_core::{Accounting, ChildSpec, Snapshot, SupervisionTree, Supervisor, one_shot, process, worker};

use crate::{
    actors::{idle, root},
    harness::World,
};

mount! { everywhere, also added at run time:
    polls_and_wakes_of_a_counted_child_are_counted
    a_child_that_is_not_counted_has_no_numbers
    a_restart_keeps_the_totals_of_a_child
    a_counted_supervisor_counts_everything_below_it
    a_counted_root_counts_itself_and_every_child
    a_child_of_a_counted_scope_is_counted
    a_sum_has_the_counted_processes_only
    static_children_keep_their_totals_when_their_supervisor_restarts
}

/// Yields so many times in each of its incarnations, which are that and one more poll.
fn yielding(name: &'static str, times: usize) -> ChildSpec {
    worker(name, move |shutdown| async move {
        for _ in 0..times {
            yield_now().await;
        }
        shutdown.await;
    })
}

/// Reads the tree when this process has had so many polls. A poll is counted when it has returned, and so after all that it did.
async fn read(world: &World, tree: &SupervisionTree, path: &str, polls: u64) -> (Snapshot, Accounting) {
    loop {
        world.probe.quiet().await;
        let snapshot = tree.snapshot().await;
        let found = snapshot.find(path).unwrap_or_else(|| panic!("no {path} in\n{snapshot}"));
        let accounting = found.accounting.unwrap_or_else(|| panic!("{path} is not counted"));
        if accounting.polls >= polls {
            return (snapshot, accounting);
        }
        world.sleep(Duration::from_millis(1)).await;
    }
}

fn is_counted(snapshot: &Snapshot, path: &str) -> bool {
    snapshot.find(path).unwrap_or_else(|| panic!("no {path} in\n{snapshot}")).accounting.is_some()
}

async fn polls_and_wakes_of_a_counted_child_are_counted(world: World) {
    let mut root = root();
    root.add_worker(yielding("parser", 3).with_accounting());
    let tree = world.start(root).await.unwrap();
    let (_, parser) = read(&world, &tree, "root.parser", 4).await;
    assert_eq!((parser.polls, parser.wakes), (4, 3));
    assert!(parser.slowest_poll <= parser.busy);
    let handle = tree.handle();
    tree.shutdown().await.unwrap();
    let parser = handle.snapshot().await.find("root.parser").unwrap().accounting.unwrap();
    assert_eq!(parser.polls, 5, "the last poll is counted before the end is visible");
    assert!(parser.wakes >= 4, "the request to stop is a wake: {parser:?}");
}

async fn a_child_that_is_not_counted_has_no_numbers(world: World) {
    let mut root = root();
    root.add_worker(yielding("parser", 3));
    root.add_worker(idle("counted").with_accounting());
    let tree = world.start(root).await.unwrap();
    let (snapshot, _) = read(&world, &tree, "root.counted", 1).await;
    assert!(!is_counted(&snapshot, "root") && !is_counted(&snapshot, "root.parser"));
    tree.shutdown().await.unwrap();
}

async fn a_restart_keeps_the_totals_of_a_child(world: World) {
    let mut root = root();
    root.add_worker(yielding("parser", 2).with_accounting());
    let tree = world.start(root).await.unwrap();
    let (_, before) = read(&world, &tree, "root.parser", 3).await;
    tree.handle().reload_by_path("root.parser").await.unwrap();
    // One for its end, and three for the next one.
    let (snapshot, after) = read(&world, &tree, "root.parser", before.polls + 4).await;
    assert_eq!(after.polls, 7);
    assert!(after.wakes > before.wakes && after.busy >= before.busy && after.slowest_poll >= before.slowest_poll);
    assert!(snapshot.find("root.parser").unwrap().process.is_some());
    tree.shutdown().await.unwrap();
}

async fn static_children_keep_their_totals_when_their_supervisor_restarts(world: World) {
    let api = Supervisor::new("api").unwrap().with_worker(yielding("listener", 2)).with_accounting();
    let mut root = root();
    root.add_worker(api);
    let tree = world.start(root).await.unwrap();
    read(&world, &tree, "root.api.listener", 3).await;
    tree.handle().reload_by_path("root.api").await.unwrap();
    let (snapshot, listener) = read(&world, &tree, "root.api.listener", 7).await;
    assert_eq!(listener.polls, 7);
    assert_eq!(snapshot.find("root.api.listener").unwrap().restarts, 0, "it is a new one for its supervisor");
    tree.shutdown().await.unwrap();
}

async fn a_counted_supervisor_counts_everything_below_it(world: World) {
    let pool = Supervisor::dynamic("pool").unwrap();
    let added = pool.handle();
    let db = Supervisor::new("db").unwrap().with_worker(pool).with_worker(idle("cache"));
    let mut root = root();
    root.add_worker(ChildSpec::from(Supervisor::new("api").unwrap().with_worker(db)).with_accounting());
    root.add_worker(idle("other"));
    let tree = world.start(root).await.unwrap();
    added.start_child(yielding("connection", 1)).await.unwrap();
    // Also what an added supervisor has, and what that adds.
    let late = Supervisor::dynamic("late").unwrap();
    let latest = late.handle();
    added.start_child(late).await.unwrap();
    latest.start_child(yielding("job", 1)).await.unwrap();
    let (_, job) = read(&world, &tree, "root.api.db.pool.late.job", 2).await;
    assert_eq!((job.polls, job.wakes), (2, 1));
    let snapshot = tree.snapshot().await;
    for path in ["api", "api.db", "api.db.cache", "api.db.pool", "api.db.pool.connection", "api.db.pool.late"] {
        assert!(is_counted(&snapshot, path), "{path}");
    }
    assert!(!is_counted(&snapshot, "root") && !is_counted(&snapshot, "root.other"));
    tree.shutdown().await.unwrap();
}

async fn a_counted_root_counts_itself_and_every_child(world: World) {
    let root = root().with_accounting().with_worker(idle("cache"));
    let tree = world.start(root).await.unwrap();
    let (snapshot, own) = read(&world, &tree, "root", 1).await;
    assert!(own.polls >= 1);
    assert!(is_counted(&snapshot, "root.cache"));
    tree.shutdown().await.unwrap();
}

async fn a_child_of_a_counted_scope_is_counted(world: World) {
    let mut root = root();
    let server = |name| {
        worker(name, |shutdown| async move {
            process::scope().unwrap().start_child(yielding("request", 2)).await.unwrap();
            shutdown.await;
        })
    };
    root.add_worker(server("counted").with_accounting());
    root.add_worker(server("plain"));
    let tree = world.start(root).await.unwrap();
    let (snapshot, request) = read(&world, &tree, "root.counted.request", 3).await;
    assert_eq!((request.polls, request.wakes), (3, 2));
    assert!(is_counted(&snapshot, "root.counted"));
    world.probe.quiet().await;
    let snapshot = tree.snapshot().await;
    assert!(!is_counted(&snapshot, "root.plain") && !is_counted(&snapshot, "root.plain.request"));
    tree.shutdown().await.unwrap();
}

async fn a_sum_has_the_counted_processes_only(world: World) {
    let mut root = root();
    root.add_worker(yielding("a", 2).with_accounting());
    root.add_worker(yielding("b", 5).with_accounting());
    root.add_worker(yielding("c", 9));
    root.add_worker(one_shot("d", async {}));
    let tree = world.start(root).await.unwrap();
    read(&world, &tree, "root.a", 3).await;
    let (snapshot, b) = read(&world, &tree, "root.b", 6).await;
    let sum = snapshot.accounting_with_below().unwrap();
    assert_eq!((sum.polls, sum.wakes), (9, 7));
    assert!(sum.busy >= b.busy && sum.slowest_poll >= b.slowest_poll);
    assert_eq!(snapshot.find("c").unwrap().accounting_with_below(), None);
    tree.shutdown().await.unwrap();
}

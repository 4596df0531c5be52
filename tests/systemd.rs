//! What systemd is told of a tree. It is a datagram socket here, of which every message is read.
#![cfg(unix)]

#[macro_use]
#[path = "harness/mod.rs"]
mod harness;

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::net::{SocketAddr, UnixDatagram},
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use executor_tokio::Tokio;
use supervision::{
    AutoShutdown, Backoff, ChildSpec, ProcessShutdown, RestartStrategy, RestartType, ShutdownStrategy, Smol,
    SupervisionTree, Supervisor, SupervisorError, process, systemd::Systemd, worker, worker_with_setup,
};

use crate::harness::World;

const MOMENT: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
/// Nothing here takes so long in real time.
const LIMIT: Duration = Duration::from_secs(20);

mount! { with other threads:
    the_life_of_a_tree_is_told
    a_reload_is_told_from_its_begin_to_its_end
    several_reloads_at_once_are_one
    no_reload_is_told_before_the_tree_is_ready
    a_reload_that_outlasts_the_start_tells_no_second_ready
    a_tree_that_stops_at_once_tells_it
    a_socket_that_is_not_there_is_a_failed_start
    a_message_that_does_not_fit_is_sent_later
}

mount! { everywhere:
    outside_of_systemd_the_child_is_there_and_idle
}

// Of the virtual clocks, only that of a simulation has local workers.
mount! { sim_in_virtual_time, Sim, Static:
    ready_is_told_when_all_that_counts_is_ready
    a_restart_is_in_the_status
    a_text_of_the_program_begins_no_message
    stopping_is_told_when_the_root_begins_to_stop
    the_last_status_says_why_the_tree_ended
    a_long_drain_extends_the_timeout_until_its_limit
    a_drain_without_limit_is_for_systemd_to_end
    a_budget_above_is_a_limit_of_the_drain
    a_start_with_a_limit_extends_the_timeout
    a_start_that_hangs_without_limit_extends_nothing
    a_long_start_that_goes_on_extends_the_timeout
    a_running_tree_extends_no_timeout
    heartbeats_come_twice_in_their_time
    heartbeats_of_another_process_are_not_sent
    a_child_further_below_tells_the_same
}

/// The side of systemd.
struct Manager {
    socket: UnixDatagram,
    path: Option<PathBuf>,
    address: OsString,
}

impl Manager {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("supervision-systemd-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = env::temp_dir().join(name);
        let _ = std::fs::remove_file(&path);
        Self::on(UnixDatagram::bind(&path).unwrap(), path.clone().into(), Some(path))
    }

    fn on(socket: UnixDatagram, address: OsString, path: Option<PathBuf>) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self { socket, path, address }
    }

    fn systemd(&self) -> Systemd {
        self.systemd_with(&[])
    }

    fn systemd_with(&self, vars: &[(&str, &str)]) -> Systemd {
        self.try_systemd(vars).unwrap()
    }

    fn try_systemd(&self, vars: &[(&str, &str)]) -> Result<Systemd, SupervisorError> {
        Systemd::from_vars(|name| match name {
            "NOTIFY_SOCKET" => Some(self.address.clone()),
            name => vars.iter().find(|(var, _)| *var == name).map(|(_, value)| value.into()),
        })
    }

    /// Takes the next message, if there is one.
    fn take(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer) {
            Ok(length) => Some(String::from_utf8(buffer[..length].to_vec()).unwrap().trim_end().to_owned()),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                None
            }
        }
    }

    /// Waits for the next message.
    #[track_caller]
    fn next<'a>(&'a self, world: &'a World) -> impl Future<Output = String> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let begin = world.spawner.now();
            loop {
                if let Some(message) = self.take() {
                    return message;
                }
                assert!(world.spawner.now() - begin < LIMIT, "no message, at {place}");
                world.sleep(MOMENT / 20).await;
            }
        }
    }

    /// Reads everything for so long, with the tenths of a second at which it came.
    async fn read(&self, world: &World, time: Duration) -> Vec<(u32, String)> {
        let mut messages = Vec::new();
        for tenth in 0..(time.as_millis() / MOMENT.as_millis()) as u32 {
            messages.extend(std::iter::from_fn(|| self.take()).map(|message| (tenth, message)));
            world.sleep(MOMENT).await;
        }
        messages.extend(std::iter::from_fn(|| self.take()).map(|message| (u32::MAX, message)));
        messages
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn root(systemd: &Systemd) -> Supervisor {
    Supervisor::new("root").unwrap().with_worker(systemd.clone())
}

fn idle(name: &'static str) -> ChildSpec {
    worker(name, |shutdown| shutdown)
}

fn stops_in(name: &'static str, time: Duration) -> ChildSpec {
    worker(name, move |shutdown: ProcessShutdown| async move {
        shutdown.await;
        process::sleep(time).await;
    })
}

fn starts_in(name: &'static str, time: Duration) -> ChildSpec {
    worker_with_setup(name, move |shutdown: ProcessShutdown| async move {
        process::sleep(time).await;
        Ok(shutdown)
    })
}

fn texts(messages: &[(u32, String)]) -> Vec<&str> {
    messages.iter().map(|(_, message)| &**message).collect()
}

/// Returns at which tenths of a second a message came that begins so.
fn times(messages: &[(u32, String)], begin: &str) -> Vec<u32> {
    messages.iter().filter(|(_, message)| message.starts_with(begin)).map(|(tenth, _)| *tenth).collect()
}

/// Starts a tree, and waits until systemd knows that it is ready.
async fn started(world: &World, manager: &Manager, root: Supervisor) -> SupervisionTree {
    let tree = world.start(root).await.unwrap();
    while !manager.next(world).await.starts_with("READY=1") {}
    tree
}

async fn the_life_of_a_tree_is_told(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let tree = world.start(root(&systemd).with_worker(idle("w"))).await.unwrap();
    assert_eq!(manager.next(&world).await, "STATUS=starting");
    assert_eq!(manager.next(&world).await, "READY=1\nSTATUS=ready");
    tree.shutdown().await.unwrap();
    assert_eq!(manager.next(&world).await, "STOPPING=1\nSTATUS=stopping");
    assert_eq!(manager.take(), None);
}

async fn a_reload_is_told_from_its_begin_to_its_end(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let tree = started(&world, &manager, root(&systemd)).await;
    let reloading = systemd.reloading();
    let message = manager.next(&world).await;
    let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&message);
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.take(), None);
    drop(reloading);
    assert_eq!(manager.next(&world).await, "READY=1");
    tree.shutdown().await.unwrap();
    assert!(manager.next(&world).await.starts_with("STOPPING=1"));
    // systemd knows no reload of a service that has stopped.
    drop(systemd.reloading());
    assert_eq!(manager.take(), None);
}

async fn several_reloads_at_once_are_one(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let tree = started(&world, &manager, root(&systemd)).await;
    let reloads = (systemd.reloading(), systemd.clone().reloading());
    assert!(manager.next(&world).await.starts_with("RELOADING=1\n"));
    drop(reloads.0);
    assert_eq!(manager.take(), None);
    drop(reloads.1);
    assert_eq!(manager.next(&world).await, "READY=1");
    tree.shutdown().await.unwrap();
}

async fn no_reload_is_told_before_the_tree_is_ready(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let (release, released) = async_channel::bounded::<()>(1);
    let root = root(&systemd).with_worker(worker_with_setup("db", move |shutdown: ProcessShutdown| {
        let released = released.clone();
        async move {
            let _ = released.recv().await;
            Ok(shutdown)
        }
    }));
    let start = world.start(root);
    let told = async {
        assert_eq!(manager.next(&world).await, "STATUS=starting");
        assert_eq!(manager.next(&world).await, "STATUS=starting, waiting for root.db");
        drop(systemd.reloading());
        assert_eq!(manager.take(), None);
        release.send(()).await.unwrap();
        assert_eq!(manager.next(&world).await, "READY=1\nSTATUS=ready");
    };
    let (tree, ()) = futures_lite::future::zip(start, told).await;
    tree.unwrap().shutdown().await.unwrap();
}

async fn a_reload_that_outlasts_the_start_tells_no_second_ready(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let reloading = systemd.reloading();
    let tree = started(&world, &manager, root(&systemd)).await;
    drop(reloading);
    assert_eq!(manager.take(), None);
    // One that begins meanwhile is told, and ends with the last.
    let first = systemd.reloading();
    assert!(manager.next(&world).await.starts_with("RELOADING=1\n"));
    drop(first);
    assert_eq!(manager.next(&world).await, "READY=1");
    tree.shutdown().await.unwrap();
}

async fn a_tree_that_stops_at_once_tells_it(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    // The child is asked to stop in the same moment in which the root begins to stop.
    let tree = started(&world, &manager, root(&systemd)).await;
    tree.shutdown().await.unwrap();
    assert_eq!(manager.next(&world).await, "STOPPING=1\nSTATUS=stopping");
}

async fn outside_of_systemd_the_child_is_there_and_idle(world: World) {
    // No other variable is read then.
    let systemd = Systemd::from_vars(|name| (name == "WATCHDOG_USEC").then(|| "much".into())).unwrap();
    let tree = world.start(root(&systemd)).await.unwrap();
    let snapshot = tree.snapshot().await;
    assert!(snapshot.ready && snapshot.find("root.systemd").is_some_and(|child| child.ready), "{snapshot}");
    drop(systemd.reloading());
    tree.shutdown().await.unwrap();
}

async fn a_socket_that_is_not_there_is_a_failed_start(world: World) {
    let systemd = Systemd::from_vars(|name| (name == "NOTIFY_SOCKET").then(|| "/nowhere/notify".into())).unwrap();
    let error = world.start(root(&systemd)).await.unwrap_err();
    let text = format!("{error:#}");
    let expected = "`root.systemd` failed to start: cannot notify systemd at NOTIFY_SOCKET=\"/nowhere/notify\": \
                    No such file or directory (os error 2); if systemd has not started this program, start it with \
                    `env -u NOTIFY_SOCKET`";
    assert_eq!(text, expected);
}

async fn a_message_that_does_not_fit_is_sent_later(world: World) {
    let manager = Manager::new();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"filler", manager.path.as_ref().unwrap()).is_ok() {}
    let systemd = manager.systemd();
    let tree = world.start(root(&systemd)).await.unwrap();
    loop {
        match &*manager.next(&world).await {
            "filler" => {}
            message => {
                assert_eq!(message, "READY=1\nSTATUS=ready");
                break;
            }
        }
    }
    tree.shutdown().await.unwrap();
}

async fn ready_is_told_when_all_that_counts_is_ready(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let mut api = Supervisor::new("api").unwrap();
    api.add_worker(starts_in("db", 3 * SECOND));
    let root = root(&systemd).with_worker(api).with_worker(idle("last"));
    let (tree, messages) = futures_lite::future::zip(world.start(root), manager.read(&world, 5 * SECOND)).await;
    let told = texts(&messages);
    assert_eq!(told.first(), Some(&"STATUS=starting"), "{messages:?}");
    assert_eq!(told.last(), Some(&"READY=1\nSTATUS=ready"), "{messages:?}");
    assert!(told[1].starts_with("STATUS=starting, waiting for root.api.db"), "{messages:?}");
    assert_eq!(times(&messages, "READY=1").len(), 1);
    assert!((29..=31).contains(&times(&messages, "READY=1")[0]), "{messages:?}");
    tree.unwrap().shutdown().await.unwrap();
}

fn failing_once(text: &'static str, backoff: Duration) -> ChildSpec {
    let poller = worker("poller", move |shutdown: ProcessShutdown| async move {
        if process::current().expect("in a process").attempt() == 0 {
            process::sleep(SECOND / 2).await;
            return Err(text);
        }
        shutdown.await;
        Ok(())
    });
    poller.with_backoff(Backoff::constant(backoff))
}

async fn a_restart_is_in_the_status(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let root = root(&systemd).with_worker(failing_once("no luck", 5 * SECOND));
    let tree = started(&world, &manager, root).await;
    let messages = manager.read(&world, 8 * SECOND).await;
    let expected = ["STATUS=not ready: root.poller (restarting: failed: no luck)", "STATUS=ready"];
    assert_eq!(texts(&messages), expected, "{messages:?}");
    tree.shutdown().await.unwrap();
}

async fn a_text_of_the_program_begins_no_message(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let text =
        "no luck\nMAINPID=1\nand a text that is far too long for one line of the status of a service in a terminal";
    let tree = started(&world, &manager, root(&systemd).with_worker(failing_once(text, 5 * SECOND))).await;
    let messages = manager.read(&world, 3 * SECOND).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = &messages[0].1;
    assert!(message.starts_with("STATUS=not ready: root.poller (restarting: failed: no luck"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.ends_with("..)") && message.len() < 160, "{message}");
    tree.shutdown().await.unwrap();
}

async fn stopping_is_told_when_the_root_begins_to_stop(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let tree = started(&world, &manager, root(&systemd).with_worker(stops_in("slow", 3 * SECOND))).await;
    let (outcome, messages) = futures_lite::future::zip(tree.shutdown(), manager.read(&world, 4 * SECOND)).await;
    outcome.unwrap();
    assert!(times(&messages, "STOPPING=1")[0] <= 1, "{messages:?}");
    assert_eq!(times(&messages, "STOPPING=1").len(), 1, "{messages:?}");
    let told = texts(&messages);
    // The time until its abort.
    assert_eq!(told[0], "STOPPING=1\nSTATUS=stopping", "{messages:?}");
    assert!(told.contains(&"STATUS=stopping, waiting for root.slow (4s left)"), "{messages:?}");
    assert!(told.contains(&"STATUS=stopping, waiting for root.slow (3s left)"), "{messages:?}");
}

async fn the_last_status_says_why_the_tree_ended(world: World) {
    let failing = |name| worker(name, |_| async { Err::<(), _>("no luck") });
    let last = async |world: &World, child: ChildSpec, auto_shutdown| {
        let manager = Manager::new();
        let root = root(&manager.systemd()).with_auto_shutdown(auto_shutdown);
        let root = root.with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, SECOND));
        let root = root.with_worker(stops_in("slow", SECOND * 3 / 2)).with_worker(child);
        let read = manager.read(world, 5 * SECOND);
        let (_, messages) = futures_lite::future::zip(
            async {
                if let Ok(mut tree) = world.start(root).await {
                    let _ = tree.wait().await;
                }
            },
            read,
        )
        .await;
        let told: Vec<_> =
            texts(&messages).into_iter().filter(|message| message.contains("stopping")).map(str::to_owned).collect();
        (told.first().unwrap().clone(), told.last().unwrap().clone())
    };
    let reason = "gave up: more than 0 restarts in 1s; last failure: `root.w` failed: no luck";
    let (first, end) = last(&world, failing("w"), AutoShutdown::Never).await;
    assert_eq!(first, format!("STOPPING=1\nSTATUS=stopping: {reason}"));
    assert_eq!(end, format!("STATUS=stopping, waiting for root.slow (4s left): {reason}"));

    let db = worker_with_setup("db", |_| async { Err::<ProcessShutdown, _>("no disk".into()) });
    let (_, end) = last(&world, db, AutoShutdown::Never).await;
    let reason = "stopped because `root.db` failed to start: no disk";
    assert_eq!(end, format!("STATUS=stopping, waiting for root.slow (4s left): {reason}"));

    let job = worker("job", |_| async {}).with_restart_type(RestartType::Temporary).with_significance();
    let (_, end) = last(&world, job, AutoShutdown::AnySignificant).await;
    let reason = "shut down because its significant child `root.job` ended normally";
    assert_eq!(end, format!("STATUS=stopping, waiting for root.slow (4s left): {reason}"));
}

async fn a_long_drain_extends_the_timeout_until_its_limit(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let slow = stops_in("slow", 19 * SECOND).with_shutdown_strategy(ShutdownStrategy::Graceful(20 * SECOND));
    let tree = started(&world, &manager, root(&systemd).with_worker(slow)).await;
    let (outcome, messages) = futures_lite::future::zip(tree.shutdown(), manager.read(&world, 25 * SECOND)).await;
    outcome.unwrap();
    let extended = times(&messages, "EXTEND_TIMEOUT_USEC=15000000");
    assert_eq!(extended.len(), 4, "{messages:?}");
    assert!(extended.windows(2).all(|pair| pair[1] - pair[0] < 100), "asked again in time: {messages:?}");
}

async fn a_drain_without_limit_is_for_systemd_to_end(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let slow = stops_in("slow", 60 * SECOND).with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::MAX));
    let tree = started(&world, &manager, root(&systemd).with_worker(slow)).await;
    let (outcome, messages) = futures_lite::future::zip(tree.shutdown(), manager.read(&world, 65 * SECOND)).await;
    outcome.unwrap();
    assert_eq!(times(&messages, "EXTEND_TIMEOUT_USEC="), [0; 0], "{messages:?}");
    assert!(texts(&messages).contains(&"STATUS=stopping, waiting for root.slow (no limit)"), "{messages:?}");
}

async fn a_budget_above_is_a_limit_of_the_drain(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let slow = stops_in("slow", 60 * SECOND).with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::MAX));
    let inner = Supervisor::new("inner").unwrap().with_worker(slow);
    let root = root(&systemd).with_worker(inner).with_shutdown_budget(30 * SECOND);
    let tree = started(&world, &manager, root).await;
    let (outcome, messages) = futures_lite::future::zip(tree.shutdown(), manager.read(&world, 40 * SECOND)).await;
    assert!(matches!(outcome, Err(SupervisorError::UncleanShutdown(_))), "{outcome:?}");
    assert_eq!(times(&messages, "EXTEND_TIMEOUT_USEC=").len(), 6, "{messages:?}");
    let told = texts(&messages);
    assert!(told.contains(&"STATUS=stopping, waiting for root.inner.slow (29s left)"), "{messages:?}");
}

async fn a_start_with_a_limit_extends_the_timeout(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let db = starts_in("db", 19 * SECOND).with_start_timeout(20 * SECOND);
    let start = world.start(root(&systemd).with_worker(db));
    let (tree, messages) = futures_lite::future::zip(start, manager.read(&world, 25 * SECOND)).await;
    assert_eq!(times(&messages, "EXTEND_TIMEOUT_USEC=").len(), 4, "{messages:?}");
    assert!(texts(&messages).contains(&"STATUS=starting, waiting for root.db (18s left)"), "{messages:?}");
    tree.unwrap().shutdown().await.unwrap();
}

async fn a_start_that_hangs_without_limit_extends_nothing(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let start = world.start(root(&systemd).with_worker(starts_in("db", 60 * SECOND)));
    let (tree, messages) = futures_lite::future::zip(start, manager.read(&world, 65 * SECOND)).await;
    assert_eq!(times(&messages, "EXTEND_TIMEOUT_USEC="), [0; 0], "{messages:?}");
    tree.unwrap().shutdown().await.unwrap();
}

async fn a_long_start_that_goes_on_extends_the_timeout(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let mut root = root(&systemd);
    for name in ["a", "b", "c", "d", "e"] {
        root.add_worker(starts_in(name, 6 * SECOND));
    }
    let (tree, messages) = futures_lite::future::zip(world.start(root), manager.read(&world, 35 * SECOND)).await;
    let extended = times(&messages, "EXTEND_TIMEOUT_USEC=");
    assert!(extended.len() >= 4, "{messages:?}");
    assert!(extended.windows(2).all(|pair| pair[1] - pair[0] < 150), "asked again in time: {messages:?}");
    assert_eq!(times(&messages, "READY=1").len(), 1, "{messages:?}");
    tree.unwrap().shutdown().await.unwrap();
}

async fn a_running_tree_extends_no_timeout(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd();
    let tree = started(&world, &manager, root(&systemd).with_worker(failing_once("no luck", 20 * SECOND))).await;
    let messages = manager.read(&world, 25 * SECOND).await;
    // It would extend `RuntimeMaxSec`.
    assert_eq!(times(&messages, "EXTEND_TIMEOUT_USEC=").len(), 0, "{messages:?}");
    tree.shutdown().await.unwrap();
}

async fn heartbeats_come_twice_in_their_time(world: World) {
    let manager = Manager::new();
    let own = std::process::id().to_string();
    let systemd = manager.systemd_with(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", &own)]);
    let tree = started(&world, &manager, root(&systemd).with_worker(stops_in("slow", 3 * SECOND))).await;
    let signs = times(&manager.read(&world, 10 * SECOND).await, "WATCHDOG=1");
    assert!((9..=11).contains(&signs.len()), "{signs:?}");
    let (outcome, messages) = futures_lite::future::zip(tree.shutdown(), manager.read(&world, 4 * SECOND)).await;
    outcome.unwrap();
    assert!(times(&messages, "WATCHDOG=1").len() >= 2, "also while it drains: {messages:?}");
}

async fn heartbeats_of_another_process_are_not_sent(world: World) {
    let manager = Manager::new();
    // Of the parent, say: then its time has no meaning here.
    let systemd = manager.systemd_with(&[("WATCHDOG_USEC", "2000000"), ("WATCHDOG_PID", "1")]);
    let tree = started(&world, &manager, root(&systemd)).await;
    assert_eq!(manager.read(&world, 5 * SECOND).await, []);
    tree.shutdown().await.unwrap();
}

async fn a_child_further_below_tells_the_same(world: World) {
    let manager = Manager::new();
    let systemd = manager.systemd_with(&[("WATCHDOG_USEC", "2000000")]);
    let mut inner = Supervisor::new("inner").unwrap();
    inner.add_worker(systemd);
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(inner);
    root.add_worker(starts_in("db", 2 * SECOND));
    root.add_worker(stops_in("slow", 2 * SECOND));
    let (tree, messages) = futures_lite::future::zip(world.start(root), manager.read(&world, 3 * SECOND)).await;
    let ready = times(&messages, "READY=1\nSTATUS=ready");
    assert!(ready.len() == 1 && (19..=21).contains(&ready[0]), "{messages:?}");
    assert!(times(&messages, "WATCHDOG=1").len() >= 2, "{messages:?}");
    let stop = tree.unwrap().shutdown();
    let (_, messages) = futures_lite::future::zip(stop, manager.read(&world, 3 * SECOND)).await;
    assert!(times(&messages, "STOPPING=1")[0] <= 1, "{messages:?}");
}

/// The root is on an executor of one thread, which another child blocks. The child that tells has its own, so it could go on.
#[test]
fn a_blocked_root_gives_no_heartbeat() {
    let manager = Manager::new();
    let systemd = manager.systemd_with(&[("WATCHDOG_USEC", "400000")]);
    let (block, blocked) = async_channel::bounded::<()>(1);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Arc::new(std::sync::Mutex::new(released));
    let mut root = root(&systemd);
    root.add_worker(worker("blocker", move |shutdown: ProcessShutdown| {
        let (blocked, released) = (blocked.clone(), released.clone());
        async move {
            let _ = blocked.recv().await;
            let _ = released.lock().unwrap().recv();
            shutdown.await;
        }
    }));
    let executor = std::sync::Arc::new(::async_executor::Executor::new());
    let mut tree = std::thread::scope(|scope| {
        let (end, ended) = async_channel::bounded::<()>(1);
        let thread = &executor;
        scope.spawn(move || ::smol::block_on(thread.run(ended.recv())));
        // A test that fails releases it, too.
        let release = release;
        let tree = ::smol::block_on(root.start_on(Smol::on(&executor))).unwrap();
        let sign = |message: &str| message == "WATCHDOG=1";
        let wait = |wanted: &dyn Fn(&str) -> bool| {
            let begin = std::time::Instant::now();
            while !manager.take().is_some_and(|message| wanted(&message)) {
                assert!(begin.elapsed() < LIMIT, "no such message");
                std::thread::sleep(MOMENT / 20);
            }
        };
        wait(&sign);
        wait(&sign);
        ::smol::block_on(block.send(())).unwrap();
        std::thread::sleep(5 * MOMENT);
        while manager.take().is_some() {}
        std::thread::sleep(10 * MOMENT);
        let meanwhile: Vec<_> = std::iter::from_fn(|| manager.take()).collect();
        assert!(!meanwhile.iter().any(|message| sign(message)), "{meanwhile:?}");
        release.send(()).unwrap();
        wait(&sign);
        drop(end);
        tree
    });
    tree.handle().shutdown().unwrap();
    ::smol::block_on(executor.run(tree.wait())).unwrap();
}

/// A thread of Tokio that a timer has woken has the only driver of timers, and a poll that blocks keeps it. The root still runs
/// on the other thread. Whether the blocked thread has the driver is a matter of chance, so there are many programs at once.
#[test]
fn a_blocked_worker_silences_no_heartbeat() {
    let longest = std::thread::scope(|scope| {
        let programs: Vec<_> = (0..24).map(|_| scope.spawn(longest_silence_beside_a_blocked_worker)).collect();
        programs.into_iter().map(|program| program.join().unwrap()).max()
    });
    assert!(longest.unwrap() < 2 * SECOND, "{longest:?}");
}

fn longest_silence_beside_a_blocked_worker() -> Duration {
    let manager = Manager::new();
    let systemd = manager.systemd_with(&[("WATCHDOG_USEC", "1000000")]);
    let root = root(&systemd).with_worker(worker("blocker", |shutdown: ProcessShutdown| async move {
        process::sleep(SECOND).await;
        std::thread::sleep(3 * SECOND);
        shutdown.await;
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let tree = runtime.block_on(root.start_on(Tokio::try_from(runtime.handle().clone()).unwrap())).unwrap();
    let begin = std::time::Instant::now();
    let (mut last, mut longest) = (begin, Duration::ZERO);
    while begin.elapsed() < 4 * SECOND {
        let is_sign = manager.take().is_some_and(|message| message == "WATCHDOG=1");
        longest = longest.max(last.elapsed());
        if is_sign {
            last = std::time::Instant::now();
        }
        std::thread::sleep(MOMENT / 5);
    }
    runtime.block_on(tree.shutdown()).unwrap();
    longest
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_socket_is_reached() {
    use std::os::linux::net::SocketAddrExt;

    let name = format!("supervision-systemd-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = Manager::on(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}").into(), None);
    harness::simulate(0, harness::Children::Static, async |world| {
        let systemd = manager.systemd();
        let tree = started(&world, &manager, root(&systemd)).await;
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn an_environment_without_meaning_is_refused_before_the_start() {
    let manager = Manager::new();
    let own = std::process::id().to_string();
    let number = "; set it to a number of microseconds above zero, or unset it";
    for (vars, reason, remedy) in [
        (
            vec![("WATCHDOG_USEC", "much")],
            "WATCHDOG_USEC=\"much\" in the environment: invalid digit found in string",
            number,
        ),
        (vec![("WATCHDOG_USEC", "0")], "WATCHDOG_USEC=\"0\" in the environment: not a limit", number),
        (vec![("WATCHDOG_USEC", "2s"), ("WATCHDOG_PID", &own)], "WATCHDOG_USEC=\"2s\"", number),
        (
            vec![("WATCHDOG_USEC", "2"), ("WATCHDOG_PID", "me")],
            "WATCHDOG_PID=\"me\"",
            "; set it to the id of a process, or unset it",
        ),
    ] {
        let error = manager.try_systemd(&vars).unwrap_err();
        for text in [format!("{error}"), format!("{error:#}")] {
            assert!(text.contains(reason), "{text}");
            assert!(text.ends_with(remedy), "{text}");
        }
    }
    // It is for another process, so it has no meaning here.
    manager.systemd_with(&[("WATCHDOG_USEC", "much"), ("WATCHDOG_PID", "1")]);
    let long = format!("/{}", "x".repeat(200));
    for (address, reason) in [
        ("notify", "neither a path from `/` nor `@` and a name"),
        ("vsock:2:1234", "a socket of the family vsock, which is not supported"),
        (&long, ""),
    ] {
        let refused = Systemd::from_vars(|name| (name == "NOTIFY_SOCKET").then(|| address.into()));
        let text = refused.unwrap_err().to_string();
        assert!(text.contains(&format!("NOTIFY_SOCKET={address:?} in the environment: {reason}")), "{text}");
        assert!(text.ends_with("; set it to the address of a Unix socket, or unset it"), "{text}");
    }
}

/// Returns the log of a test in simulated time.
#[cfg(feature = "tracing")]
fn logged(test: impl AsyncFn(World)) -> String {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).without_time().finish();
    tracing::subscriber::with_default(subscriber, || harness::simulate(0, harness::Children::Static, test));
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[cfg(feature = "tracing")]
#[test]
fn a_socket_that_goes_away_is_logged_once() {
    let address = std::sync::Mutex::new(PathBuf::new());
    let log = logged(async |world| {
        let manager = Manager::new();
        let path = manager.path.clone().unwrap();
        address.lock().unwrap().clone_from(&path);
        let systemd = manager.systemd_with(&[("WATCHDOG_USEC", "2000000")]);
        let tree = started(&world, &manager, root(&systemd)).await;
        drop(manager);
        world.sleep(10 * SECOND).await;
        let manager = Manager::on(UnixDatagram::bind(&path).unwrap(), path.clone().into(), Some(path));
        assert!(times(&manager.read(&world, 10 * SECOND).await, "WATCHDOG=1").len() >= 9);
        tree.shutdown().await.unwrap();
    });
    let lines: Vec<_> = log.lines().filter(|line| line.contains("systemd at")).collect();
    let path = address.lock().unwrap();
    let [fails, works] = &lines[..] else { panic!("{log}") };
    let warning = format!("root.systemd cannot notify systemd at {path:?}: No such file or directory (os error 2); ");
    assert!(fails.trim_start().starts_with("WARN") && fails.contains(&warning), "{log}");
    let news = format!("root.systemd notifies systemd at {path:?} again");
    assert!(works.trim_start().starts_with("INFO") && works.contains(&news), "{log}");
}

#[cfg(feature = "tracing")]
#[test]
fn the_status_and_the_log_tell_the_same_limits() {
    let status = std::sync::Mutex::new(Vec::new());
    let log = logged(async |world| {
        let manager = Manager::new();
        let systemd = manager.systemd();
        let tree = started(&world, &manager, root(&systemd).with_worker(stops_in("slow", 9 * SECOND))).await;
        let _ = futures_lite::future::zip(tree.shutdown(), async {
            let messages = manager.read(&world, 15 * SECOND).await;
            status.lock().unwrap().extend(messages.into_iter().map(|(_, message)| message));
        })
        .await;
    });
    let status = status.into_inner().unwrap();
    let waits: Vec<_> = log.lines().filter_map(|line| line.split_once("still waiting for: ")).collect();
    // After 1, 2 and 4 seconds. After 5 it is aborted, and yields.
    assert_eq!(waits.len(), 3, "{log}");
    for (_, rest) in waits {
        let processes = rest.split(" path=").next().unwrap();
        assert!(status.contains(&format!("STATUS=stopping, waiting for {processes}")), "{processes}: {status:#?}");
    }
}

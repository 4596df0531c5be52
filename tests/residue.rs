//! What is kept of what is there, and that nothing is kept of what is gone: in bytes of the heap of this program alone.

use std::{
    alloc::System,
    future::pending,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use executor_tokio::Tokio;
use futures_lite::future::poll_once;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use supervisor_core::{
    Backoff, Process, ProcessShutdown, RestartStrategy, ShutdownStrategy, Spawner, SupervisionTree, Supervisor, Timer,
    one_shot, process, worker,
};
use tokio::{runtime::Builder, task::yield_now};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const HOUR: Duration = Duration::from_secs(3600);
const TIMES: usize = 2_000;
/// What may be left of so many: room that is kept for the next ones.
const SLACK: isize = 16 * 1024;

/// Runs a test alone: another one would be counted, too. The memory that the test runner itself takes meanwhile, a
/// kilobyte or so, is in the slack.
fn alone(test: impl Future<Output = ()>) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test);
}

fn root() -> Supervisor {
    Supervisor::new("root").unwrap().with_restart_strategy(RestartStrategy::one_for_one().with_unlimited_restarts())
}

async fn start(root: Supervisor) -> SupervisionTree {
    root.start_on(Tokio::current().unwrap()).await.unwrap()
}

/// Waits until the memory of what has just ended is freed.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

fn live() -> isize {
    let stats = HEAP.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}

/// Does it once, to have room made for it, and then many times: the heap is the same after that.
async fn leaves_nothing<F: Future<Output = ()>>(what: &str, mut action: impl FnMut() -> F) {
    for _ in 0..100 {
        action().await;
    }
    settle().await;
    let before = live();
    for _ in 0..TIMES {
        action().await;
    }
    settle().await;
    let left = live() - before;
    assert!(left <= SLACK, "{left} bytes are left of {TIMES} {what}");
}

#[test]
fn ended_watchdogs_leave_nothing() {
    alone(async {
        let mut root = root().with_default_backoff(Backoff::constant(Duration::from_millis(1)));
        let id = root.add_worker(worker("a", |shutdown| shutdown).with_watchdog(HOUR));
        let tree = start(root).await;
        let handle = tree.handle();
        leaves_nothing("restarts", || async {
            handle.kill_child(id).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        })
        .await;
        leaves_nothing("children that ended", || async {
            handle.start_child(one_shot("b", async {}).with_watchdog(HOUR)).await.unwrap();
            settle().await;
        })
        .await;
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn calls_that_gave_up_leave_nothing() {
    alone(async {
        let mut root = root();
        let deaf =
            root.add_worker(worker("deaf", |_| pending::<()>()).with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
        let tree = start(root).await;
        let handle = tree.handle();
        leaves_nothing("calls of `terminate_child`", || async {
            assert!(poll_once(pin!(handle.terminate_child(deaf))).await.is_none());
            yield_now().await;
        })
        .await;
        leaves_nothing("calls of `ready`", || async {
            assert!(poll_once(pin!(tree.ready())).await.is_none());
        })
        .await;
        leaves_nothing("calls of `start_child`", || async {
            let never = worker("never", |_| pending::<()>()).with_explicit_ready();
            let id = {
                let mut starting = pin!(handle.start_child(never));
                assert!(poll_once(&mut starting).await.is_none());
                yield_now().await;
                handle.find("never").await.unwrap()[0].id
            };
            handle.terminate_child(id).await.unwrap();
        })
        .await;
        handle.kill_child(deaf).await.unwrap();
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn tasks_that_waited_for_a_signal_leave_nothing() {
    alone(async {
        let (shutdown, handle) = ProcessShutdown::paired();
        leaves_nothing("waits", || async {
            let mut clone = shutdown.clone();
            assert!(poll_once(&mut clone).await.is_none());
        })
        .await;
        leaves_nothing("crowds of those who wait", || async {
            let mut crowd: Vec<_> = (0..40).map(|_| shutdown.clone()).collect();
            for clone in &mut crowd {
                assert!(poll_once(clone).await.is_none());
            }
        })
        .await;
        handle.trigger();
        let bell = tokio::sync::Notify::new();
        let bell = Arc::new(bell);
        leaves_nothing("signals that wrap a future", || async {
            let bell = bell.clone();
            let mut wrapped = ProcessShutdown::wrapped(async move { bell.notified().await });
            assert!(poll_once(&mut wrapped).await.is_none());
        })
        .await;
    });
}

#[test]
fn d4_restarts_that_no_longer_count_leave_nothing() {
    alone(async {
        let strategy = RestartStrategy::one_for_one().with_intensity_and_period(1_000_000, Duration::from_secs(1));
        let mut root = root().with_restart_strategy(strategy);
        let id = root.add_worker(worker("a", |shutdown| shutdown));
        let tree = start(root).await;
        let handle = tree.handle();
        let storm = || async {
            for _ in 0..TIMES {
                handle.kill_child(id).await.unwrap();
                while handle.count().await.unwrap().active == 0 {
                    yield_now().await;
                }
            }
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(2)).await;
                handle.kill_child(id).await.unwrap();
            }
            settle().await;
        };
        for _ in 0..10 {
            handle.kill_child(id).await.unwrap();
            yield_now().await;
        }
        settle().await;
        let before = live();
        storm().await;
        let left = live() - before;
        assert!(left <= SLACK, "{left} bytes are left of {TIMES} restarts");
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn ended_trees_leave_nothing() {
    alone(async {
        leaves_nothing("trees", || async {
            let mut inner = root();
            inner.add_worker(worker("b", |shutdown| async {
                let _ = process::current();
                shutdown.await
            }));
            let mut root = root();
            root.add_worker(worker("a", |shutdown| shutdown).with_watchdog(HOUR));
            root.add_worker(inner);
            start(root).await.shutdown().await.unwrap();
        })
        .await;
        leaves_nothing("trees that never ran", || async {
            let mut outer = root();
            outer.add_worker(root());
            let events = outer.handle().events();
            drop(outer);
            drop(events);
        })
        .await;
    });
}

#[test]
fn b3_an_idle_subscriber_takes_some_hundred_bytes() {
    const SUBSCRIBERS: usize = 1000;
    alone(async {
        let root = root();
        let mut subscribers = Vec::with_capacity(SUBSCRIBERS);
        let before = live();
        subscribers.extend((0..SUBSCRIBERS).map(|_| root.handle().events()));
        let each = (live() - before) / SUBSCRIBERS as isize;
        assert!(each < 512, "{each} bytes");
        subscribers.clear();
        let left = live() - before;
        assert!(left <= SLACK, "{left} bytes are left of {SUBSCRIBERS} subscribers");
    });
}

/// An executor that holds processes, and runs none.
#[derive(Clone, Debug)]
struct Held(Arc<Mutex<Vec<Process>>>, Arc<dyn Spawner>);

impl Spawner for Held {
    fn spawn(&self, process: Process) {
        self.0.lock().unwrap().push(process);
    }

    fn now(&self) -> Instant {
        self.1.now()
    }

    fn is_virtual(&self) -> bool {
        self.1.is_virtual()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.1.timer()
    }
}

#[test]
fn n8_to_wait_for_what_was_left_takes_no_more_as_it_goes() {
    alone(async {
        let held = Held(Arc::default(), Arc::new(Tokio::current().unwrap()));
        let mut inner = Supervisor::new("inner").unwrap().with_child_placement(held.clone());
        for n in 0..TIMES / 4 {
            inner.add_worker(
                worker(format!("w{n}"), |_| pending::<()>()).with_shutdown_strategy(ShutdownStrategy::Brutal),
            );
        }
        let mut root = root().with_abort_grace(HOUR);
        let id = root.add_worker(inner);
        let mut tree = start(root).await;
        let _stuck = tree.handle().terminate_child(id).await;
        tree.handle().shutdown().unwrap();
        settle().await;
        let before = live();
        let take = || held.0.lock().unwrap().pop();
        while let Some(process) = take() {
            drop(process);
            settle().await;
            let more = live() - before;
            assert!(more <= SLACK, "{more} bytes more with {} left", held.0.lock().unwrap().len());
        }
        tree.wait().await.unwrap();
    });
}

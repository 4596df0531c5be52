//! The floor is correct: what it leaves out makes it cheap, and not what it does wrong.

use std::{
    future::{Future, pending, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use futures_lite::future::yield_now;
use supervision_instructions::{
    executor::{AsyncExecutor, Executor, Spawn, TokioCurrent},
    floor::{BoxError, Handle, NotRunning, Order, Running, Settings, Stop, Strategy, Supervisor},
};

/// What happened, in order.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, what: &str, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {name}"));
    }

    /// Returns what has happened since the last call.
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).join(", ")
    }
}

/// Logs when it is dropped, which a panic does, too.
struct Drops(Log, &'static str);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.add("drop", self.1);
    }
}

const SETTINGS: Settings = Settings {
    strategy: Strategy::OneForOne,
    order: Order::Reverse,
    intensity: 100,
    period: Duration::from_secs(3600),
};

type Outcome = Result<(), BoxError>;
type Incarnation = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A child that fails this many times, and waits afterwards. It takes a while to stop.
fn failing(log: &Log, name: &'static str, times: usize) -> impl Fn(Stop) -> Incarnation + Send + Sync + 'static {
    let (log, left) = (log.clone(), AtomicUsize::new(times));
    move |stop| {
        let fails = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        let log = log.clone();
        Box::pin(async move {
            log.add("start", name);
            let _drops = Drops(log.clone(), name);
            // The siblings start first.
            yield_now().await;
            if fails {
                return Err(format!("{name} failed").into());
            }
            stop.await;
            log.add("asked", name);
            yield_now().await;
            Ok(())
        })
    }
}

fn parked(log: &Log, name: &'static str) -> impl Fn(Stop) -> Incarnation + Send + Sync + 'static {
    failing(log, name, 0)
}

/// Lets all tasks run until they wait.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

async fn stop(running: Running) {
    running.handle.stop();
    running.end.await.unwrap().unwrap();
}

/// Runs a test on each executor. No task may be left.
fn on_each<T: Test>(test: T) {
    on(&TokioCurrent::new(), &test);
    on(&AsyncExecutor::new(), &test);
}

fn on<E: Executor>(executor: &E, test: &impl Test) {
    executor.block_on(async {
        test.run(executor.handle()).await;
        settle().await;
    });
    assert!(executor.is_empty(), "a task is left");
}

trait Test {
    async fn run<S: Spawn>(&self, executor: S);
}

/// Declares tests that get an executor.
macro_rules! tests {
    ($(fn $name:ident($executor:ident) $body:block)*) => {
        $(
            #[test]
            fn $name() {
                struct Body;
                impl Test for Body {
                    async fn run<S: Spawn>(&self, $executor: S) $body
                }
                on_each(Body);
            }
        )*
    };
}

tests! {
    fn a_child_that_fails_is_restarted_alone(executor) {
        let log = Log::default();
        let mut supervisor = Supervisor::new(executor, SETTINGS);
        supervisor.add(failing(&log, "a", 2));
        supervisor.add(parked(&log, "b"));
        let running = supervisor.start();
        settle().await;
        assert_eq!(log.take(), "start a, start b, drop a, start a, drop a, start a");
        stop(running).await;
    }

    fn children_stop_in_reverse_each_gone_before_the_next(executor) {
        let log = Log::default();
        let mut supervisor = Supervisor::new(executor, SETTINGS);
        ["a", "b", "c"].into_iter().for_each(|name| supervisor.add(parked(&log, name)));
        let running = supervisor.start();
        settle().await;
        assert_eq!(log.take(), "start a, start b, start c");
        stop(running).await;
        assert_eq!(log.take(), "asked c, drop c, asked b, drop b, asked a, drop a");
    }

    fn children_stop_together_if_asked_at_once(executor) {
        let log = Log::default();
        let mut supervisor = Supervisor::new(executor, Settings { order: Order::Concurrent, ..SETTINGS });
        ["a", "b", "c"].into_iter().for_each(|name| supervisor.add(parked(&log, name)));
        let running = supervisor.start();
        settle().await;
        log.take();
        stop(running).await;
        assert_eq!(log.take(), "asked a, asked b, asked c, drop a, drop b, drop c");
    }

    fn one_for_all_stops_in_reverse_and_starts_in_order(executor) {
        let log = Log::default();
        let mut supervisor = Supervisor::new(executor, Settings { strategy: Strategy::OneForAll, ..SETTINGS });
        supervisor.add(parked(&log, "a"));
        supervisor.add(failing(&log, "b", 1));
        supervisor.add(parked(&log, "c"));
        let running = supervisor.start();
        settle().await;
        let expected = "start a, start b, start c, drop b, asked c, drop c, asked a, drop a, start a, start b, start c";
        assert_eq!(log.take(), expected);
        stop(running).await;
    }

    fn failures_of_one_group_restart_cost_one(executor) {
        let log = Log::default();
        let settings = Settings { strategy: Strategy::OneForAll, intensity: 1, ..SETTINGS };
        let mut supervisor = Supervisor::new(executor, settings);
        ["a", "b", "c"].into_iter().for_each(|name| supervisor.add(failing(&log, name, 1)));
        let running = supervisor.start();
        settle().await;
        assert_eq!(log.take(), "start a, start b, start c, drop a, drop b, drop c, start a, start b, start c");
        stop(running).await;
    }

    fn it_gives_up_with_the_last_failure_and_stops_the_rest(executor) {
        let log = Log::default();
        let mut supervisor = Supervisor::new(executor, Settings { intensity: 2, ..SETTINGS });
        supervisor.add(parked(&log, "a"));
        supervisor.add(failing(&log, "b", 9));
        let running = supervisor.start();
        let error = running.end.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "gave up; last failure: b failed");
        let expected = "start a, start b, drop b, start b, drop b, start b, drop b, asked a, drop a";
        assert_eq!(log.take(), expected);
        assert_eq!(running.handle.spawn(|_| pending()), Err(NotRunning));
    }

    fn a_panic_is_a_failure_wherever_it_comes_from(executor) {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("in a destructor");
            }
        }
        let log = Log::default();
        let (own, step) = (log.clone(), AtomicUsize::default());
        let mut supervisor = Supervisor::new(executor, SETTINGS);
        supervisor.add(move |stop| {
            let step = step.fetch_add(1, SeqCst);
            assert!(step != 0, "in the factory");
            own.add("start", &step.to_string());
            let incarnation: Incarnation = match step {
                1 => Box::pin(async { panic!("in a poll") }),
                2 => {
                    let panics = Panics;
                    Box::pin(poll_fn(move |_| {
                        let _ = &panics;
                        Poll::Ready(Ok(()))
                    }))
                }
                _ => Box::pin(async {
                    stop.await;
                    Ok(())
                }),
            };
            incarnation
        });
        let running = supervisor.start();
        settle().await;
        assert_eq!(log.take(), "start 1, start 2, start 3");
        stop(running).await;
    }

    fn a_child_that_ends_well_is_restarted_if_it_is_permanent(executor) {
        let log = Log::default();
        let (own, starts) = (log.clone(), AtomicUsize::default());
        let mut supervisor = Supervisor::new(executor, SETTINGS);
        supervisor.add(move |stop| {
            own.add("start", "a");
            let is_first = starts.fetch_add(1, SeqCst) == 0;
            async move {
                if !is_first {
                    stop.await;
                }
                Ok(())
            }
        });
        let running = supervisor.start();
        settle().await;
        assert_eq!(log.take(), "start a, start a");
        stop(running).await;
    }

    fn a_task_that_its_executor_drops_is_an_exit(executor) {
        /// Drops the first task.
        #[derive(Clone)]
        struct Drops<S>(S, Arc<AtomicUsize>);
        impl<S: Spawn> Spawn for Drops<S> {
            fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
                if self.1.fetch_add(1, SeqCst) > 0 {
                    self.0.spawn(future);
                }
            }
        }
        let log = Log::default();
        let spawned = Arc::new(AtomicUsize::default());
        let mut supervisor = Supervisor::new(Drops(executor, spawned.clone()), SETTINGS);
        supervisor.add(parked(&log, "a"));
        let running = supervisor.start();
        settle().await;
        assert_eq!((log.take().as_str(), spawned.load(SeqCst)), ("start a", 3), "the child twice, and the supervisor");
        stop(running).await;
    }

    fn a_child_that_was_added_runs_once(executor) {
        let log = Log::default();
        let running = Supervisor::new(executor, SETTINGS).start();
        for (name, end) in [("a", Ok(())), ("b", Err("failed".into()))] {
            let own = log.clone();
            let child = |_| async move {
                yield_now().await;
                own.add("start", name);
                end
            };
            assert_eq!(running.handle.start_child(child).await, Ok(0), "the place of the one before is free");
            settle().await;
            assert_eq!(log.take(), format!("start {name}"));
        }
        stop(running).await;
    }

    fn children_that_were_added_are_stopped(executor) {
        let log = Log::default();
        let running = Supervisor::new(executor, Settings { order: Order::Concurrent, ..SETTINGS }).start();
        running.handle.spawn(parked(&log, "a")).unwrap();
        assert_eq!(running.handle.start_child(parked(&log, "b")).await, Ok(1));
        settle().await;
        let handle = running.handle.clone();
        stop(running).await;
        assert_eq!(log.take(), "start a, start b, asked a, asked b, drop a, drop b");
        assert_eq!(handle.start_child(parked(&log, "c")).await, Err(NotRunning));
    }

    fn nothing_starts_after_the_request_to_stop(executor) {
        let log = Log::default();
        let mut supervisor = Supervisor::new(executor, Settings { strategy: Strategy::OneForAll, ..SETTINGS });
        let (own, handle) = (log.clone(), Arc::new(Mutex::new(None::<Handle>)));
        let asks = handle.clone();
        supervisor.add(failing(&log, "a", 1));
        supervisor.add(move |stop| {
            let (log, asks) = (own.clone(), asks.clone());
            async move {
                log.add("start", "b");
                stop.await;
                asks.lock().unwrap().take().unwrap().stop();
                Ok(())
            }
        });
        let running = supervisor.start();
        *handle.lock().unwrap() = Some(running.handle.clone());
        running.end.await.unwrap().unwrap();
        assert_eq!(log.take(), "start a, start b, drop a", "the group was to be restarted");
    }
}

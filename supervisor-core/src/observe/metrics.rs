//! Numbers for the `metrics` facade. Without the feature `metrics` there are none.
//!
//! Labels are dotted names of supervisors, never of children: so there are as many series as the program has supervisors,
//! however many children come and go.

#[cfg(feature = "metrics")]
mod numbers {
    use std::{
        collections::HashMap,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    };

    use metrics::{Gauge, counter, gauge, histogram};

    use crate::{
        error::Failure,
        incarnation::{Exit, ProcessId, guard},
        observe::{Event, EventKind},
    };

    /// The processes of a tree that are there, and their states, by the dotted name of their supervisor.
    #[derive(Clone, Default)]
    pub(crate) struct Metrics(Arc<Mutex<HashMap<String, States>>>);

    type States = HashMap<ProcessId, &'static str>;

    /// Whether anybody counts.
    pub(crate) const ARE_WANTED: bool = true;

    impl Metrics {
        /// P9: a recorder is foreign code. One that panics loses what it is told then.
        pub(crate) fn observe(&self, event: &Event) {
            if let Err(panic) = guard(|| self.count(event)) {
                warn_of(&panic);
            }
        }

        fn count(&self, event: &Event) {
            let supervisor = || supervisor(&event.path).to_owned();
            match &event.kind {
                EventKind::Started => self.set(event, Some("starting")),
                EventKind::Ready => {
                    self.set(event, Some("running"));
                    if let Some(took) = event.took {
                        histogram!("supervision_start_seconds", "supervisor" => supervisor())
                            .record(took.as_secs_f64());
                    }
                }
                EventKind::Stopping => self.set(event, Some("stopping")),
                EventKind::Exited(exit) => {
                    // A6: what was below is not told by it any more, and gauges must not stay up for what is gone.
                    if let Exit::Lost | Exit::Panicked(_) = exit {
                        self.forget_below(&event.path);
                    }
                    self.set(event, None);
                    counter!("supervision_exits_total", "supervisor" => supervisor(), "kind" => kind(exit))
                        .increment(1);
                    if let Some(took) = event.took {
                        histogram!("supervision_stop_seconds", "supervisor" => supervisor()).record(took.as_secs_f64());
                    }
                }
                EventKind::StartFailed(_) => {
                    self.set(event, None);
                    counter!("supervision_exits_total", "supervisor" => supervisor(), "kind" => "start_failed")
                        .increment(1);
                }
                EventKind::Ignored => {
                    self.set(event, None);
                    counter!("supervision_exits_total", "supervisor" => supervisor(), "kind" => "ignored").increment(1);
                }
                EventKind::Restarting { .. } => {
                    counter!("supervision_restarts_total", "supervisor" => supervisor()).increment(1);
                }
                EventKind::Aborted => counter!("supervision_aborted_total", "supervisor" => supervisor()).increment(1),
                EventKind::Unresponsive { .. } => {
                    counter!("supervision_unresponsive_total", "supervisor" => supervisor()).increment(1);
                }
                EventKind::Blocked { .. } => {
                    counter!("supervision_blocked_total", "supervisor" => supervisor()).increment(1);
                }
                EventKind::Stuck => counter!("supervision_stuck_total", "supervisor" => supervisor()).increment(1),
                EventKind::Abandoned => {
                    self.forget_below(&event.path);
                    self.set(event, None);
                    counter!("supervision_abandoned_total", "supervisor" => supervisor()).increment(1);
                }
                EventKind::GaveUp(_) => {
                    counter!("supervision_gave_up_total", "supervisor" => event.path.clone()).increment(1);
                }
                _ => {}
            }
        }

        /// Moves a process from one state to another, or out of them.
        fn set(&self, event: &Event, state: Option<&'static str>) {
            let (Some(process), supervisor) = (event.process, supervisor(&event.path)) else { return };
            let before = {
                let mut known = self.lock();
                let states = known.entry(supervisor.to_owned()).or_default();
                let before = match state {
                    Some(state) => states.insert(process, state),
                    None => states.remove(&process),
                };
                if states.is_empty() {
                    known.remove(supervisor);
                }
                before
            };
            if let Some(before) = before {
                processes(supervisor, before).decrement(1.0);
            }
            if let Some(state) = state {
                processes(supervisor, state).increment(1.0);
            }
        }

        /// A process is gone without a word. If it was a supervisor, nobody tells of what was below it.
        fn forget_below(&self, path: &str) {
            let is_at_or_below = |supervisor: &str| {
                supervisor.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let gone: Vec<_> = {
                let mut known = self.lock();
                let gone: Vec<_> = known.keys().filter(|supervisor| is_at_or_below(supervisor)).cloned().collect();
                gone.iter().filter_map(|supervisor| known.remove_entry(supervisor)).collect()
            };
            for (supervisor, states) in gone {
                states.into_values().for_each(|state| processes(&supervisor, state).decrement(1.0));
            }
        }

        fn lock(&self) -> MutexGuard<'_, HashMap<String, States>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[cold]
    #[cfg(feature = "tracing")]
    fn warn_of(panic: &Failure) {
        use std::sync::atomic::AtomicBool;

        static IS_TOLD: AtomicBool = AtomicBool::new(false);
        crate::trace::warn_of_foreign_panic(&IS_TOLD, "the `metrics` recorder", "the numbers that it failed on", panic);
    }

    #[cfg(not(feature = "tracing"))]
    fn warn_of(_panic: &Failure) {}

    fn processes(supervisor: &str, state: &'static str) -> Gauge {
        gauge!("supervision_processes", "supervisor" => supervisor.to_owned(), "state" => state)
    }

    /// The dotted name of the supervisor of a process.
    fn supervisor(path: &str) -> &str {
        path.rsplit_once('.').map_or("", |(above, _)| above)
    }

    fn kind(exit: &Exit) -> &'static str {
        match exit {
            Exit::Normal => "normal",
            Exit::Ignored => "ignored",
            Exit::Failed(_) => "failed",
            Exit::Panicked(_) => "panicked",
            Exit::Aborted => "aborted",
            Exit::Unresponsive { .. } => "unresponsive",
            Exit::Lost => "lost",
            Exit::Shutdown(_) => "shutdown",
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod numbers {
    use crate::observe::Event;

    #[derive(Clone, Default)]
    pub(crate) struct Metrics;

    pub(crate) const ARE_WANTED: bool = false;

    impl Metrics {
        #[inline]
        pub(crate) fn observe(&self, _event: &Event) {}
    }
}

pub(crate) use numbers::{ARE_WANTED, Metrics};

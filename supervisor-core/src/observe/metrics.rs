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

    use metrics::{counter, gauge, histogram};

    use crate::{
        observe::{Event, EventKind},
        process::{Exit, ProcessId},
    };

    /// What is known of the processes of a tree.
    #[derive(Clone, Default)]
    pub(crate) struct Metrics(Arc<Mutex<HashMap<ProcessId, Known>>>);

    struct Known {
        path: String,
        state: &'static str,
    }

    /// Whether anybody counts.
    pub(crate) const ARE_WANTED: bool = true;

    impl Metrics {
        pub(crate) fn observe(&self, event: &Event) {
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
                    self.set(event, None);
                    counter!("supervision_exits_total", "supervisor" => supervisor(), "kind" => kind(exit))
                        .increment(1);
                    if let Some(took) = event.took {
                        histogram!("supervision_stop_seconds", "supervisor" => supervisor()).record(took.as_secs_f64());
                    }
                    if let Exit::Lost | Exit::Panicked(_) = exit {
                        self.forget_below(&event.path);
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
                    self.set(event, None);
                    self.forget_below(&event.path);
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
            let Some(process) = event.process else { return };
            let mut known = self.lock();
            let before = match state {
                Some(state) => known.insert(process, Known { path: event.path.clone(), state }),
                None => known.remove(&process),
            };
            drop(known);
            let of = |state| gauge!("supervision_processes", "supervisor" => supervisor(&event.path).to_owned(), "state" => state);
            if let Some(before) = before {
                of(before.state).decrement(1.0);
            }
            if let Some(state) = state {
                of(state).increment(1.0);
            }
        }

        /// A supervisor is gone without a word: nobody tells of what was below it.
        fn forget_below(&self, path: &str) {
            let is_below = |known: &Known| known.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
            let mut known = self.lock();
            let gone: Vec<_> = known.iter().filter(|(_, known)| is_below(known)).map(|(id, _)| *id).collect();
            let gone: Vec<_> = gone.iter().filter_map(|id| known.remove(id)).collect();
            drop(known);
            for Known { path, state } in gone {
                gauge!("supervision_processes", "supervisor" => supervisor(&path).to_owned(), "state" => state)
                    .decrement(1.0);
            }
        }

        fn lock(&self) -> MutexGuard<'_, HashMap<ProcessId, Known>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
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

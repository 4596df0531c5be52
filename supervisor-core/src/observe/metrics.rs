//! Metrics for the `metrics` facade. Without the feature `metrics` there are none.
//!
//! Labels are dotted names of static supervisors, which are there whenever the root is, and of their static children, which are
//! the children that a supervisor has whenever it starts. An event below an added supervisor counts for the nearest static
//! supervisor above. So the program has one series for each specification, however many children come and go.

#[cfg(feature = "metrics")]
mod numbers {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    };

    use metrics::{Gauge, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

    use crate::{
        error::Failure,
        incarnation::{Exit, ProcessId, Tally, guard},
        observe::{Event, EventKind},
    };

    const PROCESSES: &str = "supervision_processes";
    const START: &str = "supervision_start_duration_seconds";
    const STOP: &str = "supervision_stop_duration_seconds";
    const EXITS: &str = "supervision_exits_total";
    const RESTARTS: &str = "supervision_restarts_total";
    const CHILD_EXITS: &str = "supervision_child_exits_total";
    const CHILD_RESTARTS: &str = "supervision_child_restarts_total";
    const ABORTS: &str = "supervision_aborts_total";
    const MISSED_HEARTBEATS: &str = "supervision_missed_heartbeats_total";
    const BLOCKED_POLLS: &str = "supervision_blocked_polls_total";
    const STUCK: &str = "supervision_stuck_processes_total";
    const ABANDONED: &str = "supervision_abandoned_processes_total";
    const GIVE_UPS: &str = "supervision_give_ups_total";
    const POLLS: &str = "supervision_polls_total";
    const WAKES: &str = "supervision_wakes_total";
    const BUSY: &str = "supervision_busy_nanoseconds_total";
    const CHILD_POLLS: &str = "supervision_child_polls_total";
    const CHILD_WAKES: &str = "supervision_child_wakes_total";
    const CHILD_BUSY: &str = "supervision_child_busy_nanoseconds_total";
    const CHILD_SLOWEST_POLL: &str = "supervision_child_slowest_poll_seconds";

    /// The live processes of a tree, with their states, by the dotted name of their supervisor.
    ///
    /// The map is sorted, because a recorder sees the order of iteration.
    #[derive(Clone, Default)]
    pub(crate) struct Metrics(Arc<Mutex<BTreeMap<String, States>>>);

    /// The state of each process, and how many segments of its supervisor's name are in the label: the same until it ends.
    type States = BTreeMap<ProcessId, (&'static str, usize)>;

    /// Whether there may be a recorder.
    pub(crate) const ARE_WANTED: bool = true;

    impl Metrics {
        /// Describes the metrics to the recorder. This is done for each tree, because a recorder may be new or local.
        pub(crate) fn describe() {
            guarded(describe);
        }

        /// Updates the metrics for an event. A recorder is foreign code (P9): if it panics, it loses that update.
        pub(crate) fn observe(&self, event: &Event, fixed: usize) {
            guarded(|| self.count(event, fixed));
        }

        /// Counts an event for a static child, in addition to its supervisor's counts.
        pub(crate) fn observe_static(kind: &EventKind, path: impl FnOnce() -> String) {
            let exit = kind.exit_kind();
            if exit.is_none() && !matches!(kind, EventKind::Restarting { .. }) {
                return;
            }
            let path = path();
            guarded(|| {
                let (supervisor, child) = path.rsplit_once('.').unwrap_or(("", &path));
                let (supervisor, child) = (supervisor.to_owned(), child.to_owned());
                match exit {
                    Some(kind) => {
                        counter!(CHILD_EXITS, "supervisor" => supervisor, "child" => child, "kind" => kind)
                            .increment(1);
                    }
                    None => {
                        counter!(CHILD_RESTARTS, "supervisor" => supervisor, "child" => child).increment(1);
                    }
                }
            });
        }

        /// Adds what the polls of a child have taken: to the numbers of its supervisor, and to its own if it is a static one.
        pub(crate) fn account(path: &str, fixed: usize, is_static: bool, tally: Tally) {
            let Tally { polls, wakes, busy, slowest_poll } = tally;
            // What is counted in one step has less than 500 years.
            let busy = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
            guarded(|| {
                let above = first(supervisor(path), fixed);
                for (name, number) in [(POLLS, polls), (WAKES, wakes), (BUSY, busy)] {
                    counter!(name, "supervisor" => above.to_owned()).increment(number);
                }
                if !is_static {
                    return;
                }
                let (above, child) = path.rsplit_once('.').unwrap_or(("", path));
                for (name, number) in [(CHILD_POLLS, polls), (CHILD_WAKES, wakes), (CHILD_BUSY, busy)] {
                    counter!(name, "supervisor" => above.to_owned(), "child" => child.to_owned()).increment(number);
                }
                let gauge = gauge!(CHILD_SLOWEST_POLL, "supervisor" => above.to_owned(), "child" => child.to_owned());
                gauge.set(slowest_poll.as_secs_f64());
            });
        }

        fn count(&self, event: &Event, fixed: usize) {
            let supervisor = || first(supervisor(&event.path), fixed).to_owned();
            let count = |name: &'static str| counter!(name, "supervisor" => supervisor()).increment(1);
            let measure = |name: &'static str| {
                if let Some(took) = event.took {
                    histogram!(name, "supervisor" => supervisor()).record(took.as_secs_f64());
                }
            };
            if let Some(kind) = event.kind.exit_kind() {
                // A6: a lost supervisor reports no exits of the processes below it. Gauges must not count these for ever.
                if let EventKind::Exited(Exit::Lost | Exit::Panicked(_)) = event.kind {
                    self.forget_below(&event.path);
                }
                self.set(event, fixed, None);
                counter!(EXITS, "supervisor" => supervisor(), "kind" => kind).increment(1);
            }
            match &event.kind {
                EventKind::Started => self.set(event, fixed, Some("starting")),
                EventKind::Ready => {
                    self.set(event, fixed, Some("running"));
                    measure(START);
                }
                EventKind::Stopping => self.set(event, fixed, Some("stopping")),
                EventKind::Exited(_) => measure(STOP),
                EventKind::Restarting { .. } => count(RESTARTS),
                EventKind::Aborted => count(ABORTS),
                EventKind::Unresponsive { .. } => count(MISSED_HEARTBEATS),
                EventKind::Blocked { .. } => count(BLOCKED_POLLS),
                EventKind::Stuck => count(STUCK),
                EventKind::Abandoned => {
                    self.forget_below(&event.path);
                    self.set(event, fixed, None);
                    count(ABANDONED);
                }
                EventKind::GaveUp(_) => {
                    counter!(GIVE_UPS, "supervisor" => first(&event.path, fixed).to_owned()).increment(1);
                }
                _ => {}
            }
        }

        /// Moves a process to another state. `None` removes it.
        fn set(&self, event: &Event, fixed: usize, state: Option<&'static str>) {
            let (Some(process), supervisor) = (event.process, supervisor(&event.path)) else { return };
            let before = {
                let mut known = self.lock();
                let states = known.entry(supervisor.to_owned()).or_default();
                let before = match state {
                    Some(state) => states.insert(process, (state, fixed)),
                    None => states.remove(&process),
                };
                if states.is_empty() {
                    known.remove(supervisor);
                }
                before
            };
            if let Some((before, fixed)) = before {
                processes(first(supervisor, fixed), before).decrement(1.0);
            }
            if let Some(state) = state {
                processes(first(supervisor, fixed), state).increment(1.0);
            }
        }

        /// Removes all processes below this path. Their supervisor is gone, and reports no exits for them.
        fn forget_below(&self, path: &str) {
            let is_at_or_below = |supervisor: &str| {
                supervisor.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let gone: Vec<_> = {
                let mut known = self.lock();
                let from_here = known.range(path.to_owned()..).map(|(supervisor, _)| supervisor);
                let with_prefix = from_here.take_while(|supervisor| supervisor.starts_with(path));
                let gone: Vec<_> = with_prefix.filter(|supervisor| is_at_or_below(supervisor)).cloned().collect();
                gone.iter().filter_map(|supervisor| known.remove_entry(supervisor)).collect()
            };
            for (supervisor, states) in gone {
                for (state, fixed) in states.into_values() {
                    processes(first(&supervisor, fixed), state).decrement(1.0);
                }
            }
        }

        fn lock(&self) -> MutexGuard<'_, BTreeMap<String, States>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Calls the recorder under a guard.
    fn guarded(recorder: impl FnOnce()) {
        if let Err(panic) = guard(recorder) {
            warn_of(&panic);
        }
    }

    fn describe() {
        describe_gauge!(PROCESSES, Unit::Count, "Processes that a supervisor has now, by state");
        describe_histogram!(START, Unit::Seconds, "Time from the start of a process until it was ready");
        describe_histogram!(STOP, Unit::Seconds, "Time from the request to stop a process until it ended");
        describe_counter!(EXITS, Unit::Count, "Processes that ended, or failed to start, by how");
        describe_counter!(RESTARTS, Unit::Count, "Restarts that a supervisor decided on");
        describe_counter!(
            CHILD_EXITS,
            Unit::Count,
            "Processes of a static child that ended, or failed to start, by how"
        );
        describe_counter!(CHILD_RESTARTS, Unit::Count, "Restarts of a static child");
        describe_counter!(
            ABORTS,
            Unit::Count,
            "Processes aborted because their time to stop or to start was up, or they were killed or unresponsive"
        );
        describe_counter!(MISSED_HEARTBEATS, Unit::Count, "Processes that missed the heartbeat of their watchdog");
        describe_counter!(BLOCKED_POLLS, Unit::Count, "Polls that were reported because they blocked a thread");
        describe_counter!(STUCK, Unit::Count, "Processes that were aborted but did not yield, and hold up a restart");
        describe_counter!(
            ABANDONED,
            Unit::Count,
            "Processes that were aborted but did not yield, and are not waited for"
        );
        describe_counter!(GIVE_UPS, Unit::Count, "Times that a supervisor was out of restarts and gave up");
        describe_counter!(POLLS, Unit::Count, "Polls of processes that are counted");
        describe_counter!(WAKES, Unit::Count, "Wakes of processes that are counted");
        describe_counter!(BUSY, Unit::Nanoseconds, "Time in polls of processes that are counted");
        describe_counter!(CHILD_POLLS, Unit::Count, "Polls of a static child that is counted");
        describe_counter!(CHILD_WAKES, Unit::Count, "Wakes of a static child that is counted");
        describe_counter!(CHILD_BUSY, Unit::Nanoseconds, "Time in polls of a static child that is counted");
        describe_gauge!(CHILD_SLOWEST_POLL, Unit::Seconds, "Slowest poll of a static child that is counted");
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
        gauge!(PROCESSES, "supervisor" => supervisor.to_owned(), "state" => state)
    }

    /// The dotted name of the supervisor of a process.
    fn supervisor(path: &str) -> &str {
        path.rsplit_once('.').map_or("", |(above, _)| above)
    }

    /// Returns the first segments of a dotted name, or all if it has fewer.
    fn first(path: &str, segments: usize) -> &str {
        match segments.checked_sub(1) {
            None => "",
            Some(last) => path.match_indices('.').nth(last).map_or(path, |(at, _)| &path[..at]),
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod numbers {
    use crate::{
        incarnation::Tally,
        observe::{Event, EventKind},
    };

    #[derive(Clone, Default)]
    pub(crate) struct Metrics;

    pub(crate) const ARE_WANTED: bool = false;

    impl Metrics {
        #[inline]
        pub(crate) fn describe() {}

        #[inline]
        pub(crate) fn observe(&self, _event: &Event, _fixed: usize) {}

        #[inline]
        pub(crate) fn account(_path: &str, _fixed: usize, _is_static: bool, _tally: Tally) {}

        #[inline]
        pub(crate) fn observe_static(_kind: &EventKind, _path: impl FnOnce() -> String) {}
    }
}

pub(crate) use numbers::{ARE_WANTED, Metrics};

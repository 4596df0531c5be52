//! The life of a child in the engine.
//!
//! ```text
//!                            .--------------------------(7)---------------------------.
//!                            v                                                        |
//!   Delayed --(6)--> PendingStart --(1)--> Starting --(2)--> Running --(3)--> [it ended] --(8)--> Stopped, or removed
//!      ^              ^  ^                    |                 |               ^    |              ^   |
//!      |              |  |                   (4)               (4)              |    |              |   |
//!      |              |  |                    v                 v               |   (5)             |   |
//!      |              |  '------(9)------- Stopping <-----------'               |    |              |   |
//!      |              |                      |  '-------------(12)--------------'    |              |   |
//!      |              |                      '------------------------(10)-----------+--------------'   |
//!      '--------------+--------------------------------------------------------------'                  |
//!                     '--------------------------------------(11)---------------------------------------'
//! ```
//!
//! 1. `begin_start`: its turn has come. A child without a set-up is `Running` at once.
//! 2. `handle_ready`
//! 3. `apply_policy`, of an exit of its own; `on_start_failed`, of one before it was ready, straight from `Starting`
//! 4. `stop_child`, where its supervisor or its group stops, or it is terminated, or reloaded; `abort`, where its time is up, it is
//!    killed, or misses its heartbeat
//! 5. `schedule_restart`, if it is to be restarted and a backoff says when
//! 6. `handle_deadline`, when that time has come; `reload_alone`, before that
//! 7. `schedule_restart`, if it is to be restarted at once, or with its group; `apply_policy` and `on_start_failed`, if its
//!    group is going to be restarted anyway
//! 8. `stop_or_remove`, if it is not to be restarted; `schedule_restart`, if there is no restart left; `apply_policy` and
//!    `on_start_failed`, if the supervisor stops
//! 9. `on_stopped`, if it is started again with its group, or reloaded, or an earlier run has left it behind
//! 10. `on_stopped`, if its supervisor stops, or it was terminated; `abandon`, if its supervisor stops without it;
//!     `handle_terminate_child`, `begin_stop` and `cancel_group`, straight from `PendingStart` and `Delayed`
//! 11. `handle_restart_child`; `begin_group`, which starts all of a group
//! 12. `on_stopped`, if its end counts as its own: it was killed, missed its heartbeat, or was not ready in time
//!
//! A child begins as `PendingStart`: a static one by `new`, one that is added by `handle_start_child`.
//!
//! A state that waits for something has at most one deadline, which `Children` keeps in order.

use std::time::{Duration, Instant};

use super::earlier;
use crate::{
    incarnation::{ChildId, Exit, ProcessKey},
    observe::{AbortReason, ChildState, RestartCause},
    strategy::ChildSettings,
};

/// A child as the engine sees it: the driver supplies it. The engine reads its settings, and its name if names have to
/// be unique.
pub(crate) trait Spec: Clone {
    fn name(&self) -> &str;

    fn settings(&self) -> &ChildSettings;
}

#[derive(Debug)]
pub(crate) struct Slot<C> {
    pub(super) id: ChildId,
    pub(crate) child: C,
    pub(crate) state: State,
    /// The number of its latest process. P5: a report of an earlier one is stale. Zero until this run has started one.
    pub(super) incarnation: u32,
    pub(super) attempt: Attempt,
    /// Whether it has started before under this supervisor. A3: from then on a failing start is a failed restart.
    pub(super) has_started: bool,
    /// Whether its process, a supervisor, has seen the request to stop (N8). Kept in every state, because a supervisor
    /// that stops by itself reports this once, and maybe before it is asked from here.
    pub(super) has_acknowledged: bool,
    /// Whether its latest process was stopped, and ended normally: then there is no end to remember.
    has_ended_well: bool,
    /// Most children have none, so they do not pay for the space.
    extra: Option<Box<Extra>>,
}

/// The size matters: many children are a slot each.
const _: () = assert!(size_of::<State>() == 16 && size_of::<Option<Box<Extra>>>() == 8);

/// The data that few children need: the last end, the failures in a row, the look of a watchdog.
#[derive(Debug, Default)]
struct Extra {
    end: Option<End>,
    /// Failures in a row, and when the first of them came.
    failures: u32,
    failing_since: Option<Instant>,
    /// The group restart that does not start it again, because it was terminated meanwhile (N2). Zero is none.
    left_out_of: u32,
    /// When its process is checked for a heartbeat; `None` without a watchdog.
    look: Option<Look>,
    /// Whether it is started again though it is temporary, because a call reloads it.
    is_kept: bool,
}

/// A check for a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub(super) due: Instant,
    /// Whether it repeats a check that came too late to prove anything.
    pub(super) is_repeated: bool,
    /// Whether it is under way, and no deadline any more: otherwise the supervisor would check again before it has the
    /// answer.
    pub(super) has_begun: bool,
}

/// The end of a process, and when it came.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) how: RestartCause,
    pub(crate) at: Instant,
}

/// The origin of a child's start, until it is ready: it decides what a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The supervisor's own: a failure ends the first start, or is one more failed restart.
    Own,
    /// A call that adds the child. R60: after a failure the child is removed again, and nothing is charged.
    Adding,
    /// A call that restarts it by hand. R64: after a failure it stays stopped, and nothing is charged.
    ByHand,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// No process, and no start is planned.
    Stopped,
    /// To be started when its turn comes.
    PendingStart,
    /// To be started at that time; `None` is beyond the range of the clock. Few children are in this state, and not for
    /// long, so the others do not pay for the space.
    Delayed { until: Box<Option<Instant>> },
    /// Its set-up is under way.
    Starting { since: Box<Instant> },
    /// Ready.
    Running { since: Instant },
    /// Being stopped.
    Stopping(Box<Stopping>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stopping {
    pub(super) phase: StopPhase,
    pub(super) then: AfterStop,
    /// When the stop began.
    pub(super) since: Instant,
    /// The number of the stop sequence that counts it; `None` if it stops alone.
    pub(super) stop_sequence: Option<u32>,
    /// Whether it knows that nothing will be started after it.
    pub(super) no_successor: bool,
    /// Whether it was not ready when it was stopped. N1: aborting a set-up is not unclean.
    pub(super) unready: bool,
    /// Whether it has had more time to yield, or to answer, because its supervisor was late to check.
    pub(super) has_had_more: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum StopPhase {
    /// Asked. R41: it is aborted at `until`; R42: never, if that is `None`. N8: a supervisor has to acknowledge by
    /// `ack_by`.
    Asked { until: Option<Instant>, ack_by: Option<Instant> },
    /// Aborted. D3: its grace ends at `until`. A supervisor that has acknowledged has no such limit (N8).
    Aborted { until: Option<Instant> },
    /// Aborted, and has not yielded. P2: nothing may run beside it, so it keeps its slot until its exit.
    Stuck,
}

/// How long a stop may still take. `None` is without limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StopLeft {
    /// Asked: until it is aborted.
    Asked(Option<Duration>),
    /// Aborted: until its grace is over.
    Aborted(Option<Duration>),
    /// Aborted, and its grace is over.
    Stuck,
}

/// The next step of a child when it has stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AfterStop {
    /// Its exit counts as its own: it was killed (R12), or missed its heartbeat (B2), after it had run since then.
    ApplyPolicy { since: Instant, unresponsive: bool },
    /// Its start has failed: it was not ready within the limit (A2), or was killed.
    FailStart { limit: Option<Duration> },
    /// It is started again: with its group, or alone, for a reload.
    Restart,
    /// An earlier run of the supervisor left it behind: its successor is started (P2).
    Start,
    /// It was terminated (R63).
    StayDown,
    /// The supervisor stops.
    SupervisorStops(AbortedBy),
}

/// What aborts a child whose supervisor stops, if it is aborted. The outcome tells it (A5).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AbortedBy {
    /// The stop of its supervisor: its time is up.
    Stop,
    /// A caller who killed it during that stop.
    Caller,
    /// A kill, a missed heartbeat or a limit, before that stop began. R44: it is absorbed, as if it had ended a moment earlier.
    Earlier,
}

/// The classes of states that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateClass {
    Stopped,
    PendingStart,
    Delayed,
    Starting,
    Running,
    Stopping,
    /// A supervisor that stops what is below it.
    Draining,
    Stuck,
}

impl StateClass {
    pub(super) const COUNT: usize = 8;
}

impl<C: Spec> Slot<C> {
    /// Makes a slot in the state `PendingStart`, because the child waits for its turn.
    pub(super) fn new(id: ChildId, child: C, attempt: Attempt) -> Self {
        Self {
            id,
            child,
            state: State::PendingStart,
            incarnation: 0,
            attempt,
            has_started: false,
            has_acknowledged: false,
            has_ended_well: false,
            extra: None,
        }
    }

    pub(super) fn settings(&self) -> &ChildSettings {
        self.child.settings()
    }

    /// Returns whether a report is about the current process. P5: reports of an earlier one change nothing, and neither
    /// does the late exit of an abandoned one (D3).
    pub(super) fn is_about(&self, process_key: ProcessKey) -> bool {
        self.incarnation == process_key.incarnation && self.state.is_live()
    }

    /// Returns the deadline of the child, if it has one.
    #[inline]
    pub(super) fn deadline(&self) -> Option<Instant> {
        let look = self.look().filter(|look| !look.has_begun).map(|look| look.due);
        look.or_else(|| self.state.deadline(&self.child))
    }

    /// Returns the next check for a heartbeat. Only a running child has one.
    pub(super) fn look(&self) -> Option<Look> {
        self.extra.as_ref()?.look
    }

    /// Sets the check. Only `Children::set_look` and `Children::set` call this, because they keep the deadlines.
    pub(super) fn set_look(&mut self, look: Option<Look>) {
        if look.is_some() || self.look().is_some() {
            self.extra.get_or_insert_default().look = look;
        }
    }

    /// Remembers the end of a process. Runs when it ended by itself, or in a way that is worth reporting.
    pub(super) fn remember(&mut self, how: RestartCause, at: Instant) {
        self.has_ended_well = false;
        self.extra.get_or_insert_default().end = Some(End { how, at });
    }

    /// Remembers that a process was stopped. A normal end takes no space.
    pub(super) fn remember_stop(&mut self, exit: &Exit, at: Instant) {
        match exit {
            Exit::Normal => {
                self.has_ended_well = true;
                if let Some(extra) = &mut self.extra {
                    extra.end = None;
                }
            }
            exit => self.remember(RestartCause::Exit(exit.clone()), at),
        }
    }

    /// Returns whether its latest process was stopped, and ended normally.
    pub(crate) fn has_ended_well(&self) -> bool {
        self.has_ended_well
    }

    /// Returns how its latest process ended, if one has ended in another way than by a normal stop.
    pub(crate) fn end(&self) -> Option<&End> {
        self.extra.as_ref()?.end.as_ref()
    }

    /// Returns the number of consecutive restarts after failures. B1: the backoff counts with this.
    pub(crate) fn failures(&self) -> u32 {
        self.extra.as_ref().map_or(0, |extra| extra.failures)
    }

    /// Counts a restart after a failure. `is_first` begins a new series.
    pub(super) fn count_failure(&mut self, is_first: bool, now: Instant) {
        let extra = self.extra.get_or_insert_default();
        if is_first {
            (extra.failures, extra.failing_since) = (0, Some(now));
        }
        extra.failures = extra.failures.saturating_add(1);
    }

    /// Returns when its current series of failures began. B1: one that has run for `reset_after` is well again.
    pub(crate) fn failing_since(&self, reset_after: Duration, now: Instant) -> Option<Instant> {
        let is_stable =
            matches!(self.state, State::Running { since } if now.saturating_duration_since(since) >= reset_after);
        self.extra.as_ref()?.failing_since.filter(|_| !is_stable)
    }

    /// Returns when its next start comes, if that has a time. `group` is the time at which a group restart begins to start.
    pub(crate) fn next_start(&self, group: Option<Instant>) -> Option<Instant> {
        match &self.state {
            State::Delayed { until } => **until,
            State::PendingStart => group,
            _ => None,
        }
    }

    #[cfg(test)]
    pub(super) fn set_failures(&mut self, failures: u32) {
        self.extra.get_or_insert_default().failures = failures;
    }

    /// Returns its new state when its group is going to start it again, if that differs: it is stopped, or being
    /// stopped. R18: a group restart starts these, too. Runs when the restart begins, so that it does not matter which
    /// of two is gone first.
    pub(super) fn revived(&self) -> Option<State> {
        match &self.state {
            State::Stopped => Some(State::PendingStart),
            State::Stopping(stopping) => match stopping.then {
                // It comes back as after any failed start of the supervisor's own: it joins the group when it is gone
                // (N2).
                AfterStop::FailStart { .. } if self.attempt == Attempt::Own => None,
                AfterStop::StayDown | AfterStop::FailStart { .. } => {
                    Some(State::stopping(Stopping { then: AfterStop::Restart, ..**stopping }))
                }
                // `ApplyPolicy` joins the group likewise. The others come back already, or do not occur during a
                // restart.
                AfterStop::ApplyPolicy { .. }
                | AfterStop::Restart
                | AfterStop::Start
                | AfterStop::SupervisorStops(_) => None,
            },
            State::PendingStart | State::Delayed { .. } | State::Starting { .. } | State::Running { .. } => None,
        }
    }

    pub(super) fn is_left_out_of(&self, group: u32) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.left_out_of == group)
    }

    /// Leaves it out of a group restart. Runs when it is terminated, or its start is cancelled, during this restart
    /// (N2).
    pub(super) fn leave_out_of(&mut self, group: u32) {
        self.extra.get_or_insert_default().left_out_of = group;
    }

    /// Returns whether it is started again though it is temporary.
    pub(super) fn is_kept(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.is_kept)
    }

    /// Keeps it over the end of its process, until it is ready again. Runs when a temporary child is reloaded.
    pub(super) fn set_kept(&mut self, is_kept: bool) {
        if is_kept != self.is_kept() {
            self.extra.get_or_insert_default().is_kept = is_kept;
        }
    }

    /// Returns how often it was started again; the count wraps after some four billion restarts. B4: for a supervisor
    /// this counts its own restarts, and not those of its children.
    pub(crate) fn restarts(&self) -> u32 {
        self.incarnation.saturating_sub(1)
    }

    /// Returns whether its process belongs to an earlier run. Such a process reports its exit itself.
    pub(super) fn is_left_behind(&self) -> bool {
        self.incarnation == 0
    }

    /// Returns since when it is in its state, as far as that is known.
    pub(crate) fn since(&self) -> Option<Instant> {
        match &self.state {
            State::Starting { since } => Some(**since),
            State::Running { since } => Some(*since),
            State::Stopping(stopping) => Some(stopping.since),
            State::Stopped | State::PendingStart | State::Delayed { .. } => self.end().map(|end| end.at),
        }
    }

    /// Returns how long its stop may still take, if it is stopping.
    pub(crate) fn stop_left(&self, now: Instant) -> Option<StopLeft> {
        let State::Stopping(stopping) = &self.state else { return None };
        let left = |until: Option<Instant>| until.map(|until| until.saturating_duration_since(now));
        Some(match stopping.phase {
            StopPhase::Asked { until, .. } => StopLeft::Asked(left(until)),
            StopPhase::Aborted { until } => StopLeft::Aborted(left(until)),
            StopPhase::Stuck => StopLeft::Stuck,
        })
    }

    /// Returns whether its process was aborted and has not yielded within its grace.
    pub(crate) fn is_stuck(&self) -> bool {
        matches!(&self.state, State::Stopping(stopping) if stopping.phase == StopPhase::Stuck)
    }

    /// Returns why its process was aborted, if it has been and a later request has not taken over.
    pub(crate) fn abort_reason(&self) -> Option<AbortReason> {
        let State::Stopping(stopping) = &self.state else { return None };
        match stopping.then {
            _ if !stopping.is_aborted() => None,
            AfterStop::ApplyPolicy { unresponsive: true, .. } => Some(AbortReason::MissedHeartbeat),
            AfterStop::FailStart { limit: Some(_) } => Some(AbortReason::NotReadyInTime),
            AfterStop::ApplyPolicy { unresponsive: false, .. }
            | AfterStop::FailStart { limit: None }
            | AfterStop::SupervisorStops(AbortedBy::Caller) => Some(AbortReason::Killed),
            AfterStop::Restart | AfterStop::Start | AfterStop::StayDown | AfterStop::SupervisorStops(_) => None,
        }
    }

    /// Returns the state as users see it.
    pub(crate) fn public_state(&self) -> ChildState {
        match self.state {
            State::Stopped => ChildState::Stopped,
            // It waits for its turn in a first start: no process of it has ended that would be restarted.
            State::PendingStart if self.incarnation == 0 => ChildState::Starting,
            State::PendingStart | State::Delayed { .. } => ChildState::Restarting,
            State::Starting { .. } => ChildState::Starting,
            State::Running { .. } => ChildState::Running,
            // P2: the process that stops is not of this run; this run is going to start one.
            State::Stopping(ref stopping) if stopping.then == AfterStop::Start => ChildState::Restarting,
            State::Stopping(_) => ChildState::Stopping,
        }
    }
}

impl StopLeft {
    pub(crate) fn time(self) -> Option<Duration> {
        match self {
            Self::Asked(time) | Self::Aborted(time) => time,
            Self::Stuck => None,
        }
    }

    /// Returns it below a supervisor that may take no longer than `limit` itself. A4: that ends the time to stop, and not the
    /// grace after it.
    pub(crate) fn within(self, limit: Option<Duration>) -> Self {
        match self {
            Self::Asked(time) => Self::Asked([time, limit].into_iter().flatten().min()),
            Self::Aborted(_) | Self::Stuck => self,
        }
    }
}

impl Stopping {
    pub(super) fn is_aborted(&self) -> bool {
        !matches!(self.phase, StopPhase::Asked { .. })
    }

    /// Returns whether it was asked, and its time to stop is up.
    pub(super) fn has_had_its_time(&self, now: Instant) -> bool {
        matches!(self.phase, StopPhase::Asked { until: Some(until), .. } if until <= now)
    }

    /// Returns the stop with more time. Runs when the grace of a process is over (D3). If the supervisor is late to
    /// check, the process may still be able to yield, or to answer: the cause of the delay may have delayed the
    /// process, too. So it has, once, as much time again as the supervisor was late, and no more than its grace.
    ///
    /// The limits of a stop and of a start are not extended like this. They say how long others wait, whatever the
    /// reason. A process that misses one is reported to have missed it, and no more.
    pub(super) fn with_more_time(self, grace: Duration, now: Instant) -> Option<Self> {
        let more = |due: Instant| {
            let late = now.saturating_duration_since(due);
            (!late.is_zero()).then(|| now.checked_add(late.min(grace)))
        };
        let phase = match self.phase {
            // However late the supervisor is, a stop has to end.
            _ if self.has_had_more => return None,
            StopPhase::Asked { until, ack_by } => StopPhase::Asked { until, ack_by: more(ack_by?)? },
            StopPhase::Aborted { until } => StopPhase::Aborted { until: more(until?)? },
            StopPhase::Stuck => return None,
        };
        Some(Self { phase, has_had_more: true, ..self })
    }
}

impl State {
    /// Returns whether there is a process.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Starting { .. } | Self::Running { .. } | Self::Stopping(_))
    }

    pub(super) fn stopping(stopping: Stopping) -> Self {
        Self::Stopping(Box::new(stopping))
    }

    /// Returns whether it was aborted because it was not ready in time, or killed before it was ready.
    pub(super) fn is_failing_to_start(&self) -> bool {
        matches!(self, Self::Stopping(stopping) if matches!(stopping.then, AfterStop::FailStart { .. }))
    }

    #[inline]
    pub(super) fn deadline(&self, child: &impl Spec) -> Option<Instant> {
        match self {
            Self::Stopped | Self::PendingStart | Self::Running { .. } => None,
            Self::Delayed { until } => **until,
            Self::Starting { since } => since.checked_add(child.settings().start_timeout()?),
            Self::Stopping(stopping) => match stopping.phase {
                StopPhase::Asked { until, ack_by } => earlier(until, ack_by),
                StopPhase::Aborted { until } => until,
                StopPhase::Stuck => None,
            },
        }
    }

    pub(super) fn class(&self) -> StateClass {
        match self {
            Self::Stopped => StateClass::Stopped,
            Self::PendingStart => StateClass::PendingStart,
            Self::Delayed { .. } => StateClass::Delayed,
            Self::Starting { .. } => StateClass::Starting,
            Self::Running { .. } => StateClass::Running,
            Self::Stopping(stopping) => match stopping.phase {
                StopPhase::Stuck => StateClass::Stuck,
                StopPhase::Asked { ack_by: None, .. } | StopPhase::Aborted { until: None } => StateClass::Draining,
                StopPhase::Asked { .. } | StopPhase::Aborted { .. } => StateClass::Stopping,
            },
        }
    }
}

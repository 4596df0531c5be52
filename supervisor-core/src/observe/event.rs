use std::{
    error::Error,
    fmt,
    time::{Duration, SystemTime},
};

use crate::{
    error::{GaveUp, RestartCause, StartFailure, SupervisorError},
    incarnation::{ChildId, Exit, ProcessId, StopReason},
    text::{OneLine, Rounded, limit},
};

/// Something that happened to a process.
///
/// Displayed, it is one line. Control characters in messages of user code are escaped. A line of more than 1,000 characters is
/// cut, and says by how much. The fields hold the whole text.
///
/// With the feature `serde` it can be serialized and deserialized: `docs/guide/snapshot-format.md` has the format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Event {
    /// Dotted name of the process, from the root.
    pub path: String,
    /// The child. All its processes have the same id. `None` for the root.
    #[cfg_attr(feature = "serde", serde(rename = "child_id"))]
    pub id: Option<ChildId>,
    /// The process. All events of one process have the same number, and no other process has it. `None` if the child has had no
    /// process yet, as for [`Refused`](EventKind::Refused).
    #[cfg_attr(feature = "serde", serde(rename = "process_id"))]
    pub process: Option<ProcessId>,
    /// The time of the event, from [`Spawner::system_time`](crate::Spawner::system_time) of the supervisor's executor. In a
    /// simulation this is 1970 plus the time since the simulation began.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::unix_milliseconds"))]
    pub at: SystemTime,
    /// What happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: EventKind,
    /// How long the supervisor had waited for this:
    ///
    /// - For [`Ready`](EventKind::Ready), the duration of the set-up.
    /// - For [`Exited`](EventKind::Exited), the duration of the stop, if the process was asked to stop.
    /// - For [`Aborted`](EventKind::Aborted), the time since the process was asked to stop; zero if it was killed.
    ///
    /// `None` if the supervisor did not wait, and for a process that is aborted because it missed its heartbeat or its start
    /// timeout.
    #[cfg_attr(feature = "serde", serde(rename = "took_seconds", with = "crate::format::seconds_or_none"))]
    pub took: Option<Duration>,
}

/// The kind of an [`Event`], with its data. Displayed, it is one line, as an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", content = "data", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum EventKind {
    /// The supervisor handed the process to its executor.
    Started,
    /// The process finished its set-up.
    Ready,
    /// The process had nothing to run.
    Ignored,
    /// The process ended before it was ready.
    StartFailed(StartFailure),
    /// The process ended.
    Exited(Exit),
    /// The supervisor restarts the child, at once or after a delay.
    Restarting {
        /// Number of consecutive restarts, including this one.
        attempt: u32,
        /// How long the supervisor waits before the restart. `Duration::MAX` is without limit.
        #[cfg_attr(feature = "serde", serde(rename = "delay_seconds", with = "crate::format::seconds"))]
        delay: Duration,
        /// Why the child is restarted.
        cause: RestartCause,
    },
    /// The child of a scope is not restarted any more, because the restarts of the scope are used up. The scope goes on without
    /// it; if the child is significant, the scope stops, and its owner ends.
    NotRestarted {
        /// How many restarts the scope allows within the period.
        intensity: usize,
        /// The period.
        #[cfg_attr(feature = "serde", serde(rename = "period_seconds", with = "crate::format::seconds"))]
        period: Duration,
    },
    /// The supervisor does not restart the child: the supervisor is stopping, or was lost, or the child was terminated. This
    /// comes once for each [`Restarting`](Self::Restarting) that no `Started` follows, and for each sibling that was waiting
    /// for its turn in the restart of its group. If a supervisor is [`Abandoned`](Self::Abandoned), that event stands for
    /// everything below it, and this one does not come.
    RestartCancelled,
    /// The supervisor stops the process. It asks the process to stop, or aborts it at once if its `ShutdownStrategy` says so.
    Stopping,
    /// The process missed its heartbeat. The supervisor aborts it for that.
    Unresponsive {
        /// The time within which each heartbeat is due.
        #[cfg_attr(feature = "serde", serde(rename = "within_seconds", with = "crate::format::seconds"))]
        within: Duration,
    },
    /// The supervisor aborts the process: the process did not stop or start in time, missed its heartbeat, or is killed.
    Aborted,
    /// The process has been in one poll for a long time, and blocks its thread. This comes while the poll lasts, if the program
    /// [watches its polls](crate::watch_polls).
    Blocked {
        /// How long the poll has lasted at least.
        #[cfg_attr(feature = "serde", serde(rename = "lasted_seconds", with = "crate::format::seconds"))]
        lasted: Duration,
    },
    /// The process was aborted but has not yielded. The supervisor is still waiting for it.
    Stuck,
    /// The process was aborted but never yielded. The supervisor no longer waits for it.
    Abandoned,
    /// The supervisor did not start a child that `spawn` had added. The error says why.
    Refused(SupervisorError),
    /// The child was terminated while the restart of its group waited for it. The restart is cancelled, and the siblings that
    /// it had stopped stay stopped. Restart them with `restart_child`, or wait for the group's next restart.
    LeftDown {
        /// The names of the siblings: each its own segment of the dotted name.
        siblings: Vec<String>,
    },
    /// The process is a supervisor that ran out of restarts.
    GaveUp(GaveUp),
    /// The process is a supervisor that stopped for this reason. Everything below it has ended.
    Ended(StopReason),
}

impl EventKind {
    /// Returns the name of the kind, such as `started` or `gave_up`, for fields of logs and for labels. The serialized form has
    /// the same name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Ignored => "ignored",
            Self::StartFailed(_) => "start_failed",
            Self::Exited(_) => "exited",
            Self::Restarting { .. } => "restarting",
            Self::NotRestarted { .. } => "not_restarted",
            Self::RestartCancelled => "restart_cancelled",
            Self::Stopping => "stopping",
            Self::Unresponsive { .. } => "unresponsive",
            Self::Aborted => "aborted",
            Self::Blocked { .. } => "blocked",
            Self::Stuck => "stuck",
            Self::Abandoned => "abandoned",
            Self::Refused(_) => "refused",
            Self::LeftDown { .. } => "left_down",
            Self::GaveUp(_) => "gave_up",
            Self::Ended(_) => "ended",
        }
    }

    /// Returns how a process ended, as a word for labels and fields. `None` if the event is no end.
    #[cfg(any(feature = "metrics", feature = "tracing"))]
    pub(crate) fn exit_kind(&self) -> Option<&'static str> {
        let Self::Exited(exit) = self else {
            return match self {
                Self::StartFailed(_) => Some("start_failed"),
                Self::Ignored => Some("ignored"),
                _ => None,
            };
        };
        Some(match exit {
            Exit::Normal => "normal",
            Exit::Ignored => "ignored",
            Exit::Failed(_) => "failed",
            Exit::Panicked(_) => "panicked",
            Exit::Aborted => "aborted",
            Exit::Unresponsive { .. } => "unresponsive",
            Exit::Lost => "lost",
            Exit::Shutdown(_) => "shutdown",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, .. } = self;
        let words = match kind {
            EventKind::Refused(error) => Refused { error, own: path }.to_string(),
            kind => Words(kind).to_string(),
        };
        OneLine(format_args!("{path} {words}")).fmt(f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(Words(self)).fmt(f)
    }
}

/// The error of a refused child. The line begins with the path of the child, which the error may contain again.
struct Refused<'a> {
    error: &'a SupervisorError,
    own: &'a str,
}

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only our own words lose the path: the text of user code stays as it is.
        let own = format!("`{}`", self.own);
        let known = self.error.to_string().replace(&format!("{own} "), "").replace(&format!(" of {own}"), "");
        match self.error.source() {
            Some(said) => write!(f, "refused: {known}: {said:#}"),
            None => write!(f, "refused: {known}"),
        }
    }
}

/// The text of an event without its path. Nothing is escaped or cut.
struct Words<'a>(&'a EventKind);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EventKind as Kind;

        match self.0 {
            Kind::Started => f.write_str("started"),
            Kind::Ready => f.write_str("is ready"),
            Kind::Ignored => f.write_str("has nothing to run"),
            Kind::StartFailed(failure) => write!(f, "{failure:#}"),
            Kind::Exited(exit) => exit.fmt(f),
            Kind::Restarting { attempt, delay, cause } => {
                match limit(*delay) {
                    Some(Duration::ZERO) => f.write_str("restarting")?,
                    Some(delay) => write!(f, "restarting in {}", Rounded(delay))?,
                    None => f.write_str("waiting without limit to restart")?,
                }
                write!(f, " (attempt {attempt}): {}", cause.words())
            }
            Kind::NotRestarted { intensity, period } => write!(
                f,
                "is not restarted any more: its scope has used up its restarts ({intensity} within {period:?})"
            ),
            Kind::RestartCancelled => f.write_str("restart cancelled"),
            Kind::Stopping => f.write_str("is stopping"),
            Kind::Unresponsive { within } => write!(f, "missed its heartbeat (none within {within:?})"),
            Kind::Aborted => f.write_str("aborting"),
            Kind::Blocked { lasted } => write!(f, "is blocking its thread: one poll has lasted {}", Rounded(*lasted)),
            Kind::Stuck => f.write_str("is stuck: aborted but has not yielded; still waiting"),
            Kind::Abandoned => f.write_str("abandoned: aborted but never yielded; no longer waiting"),
            Kind::Refused(error) => write!(f, "refused: {error:#}"),
            Kind::LeftDown { siblings } => write!(
                f,
                "was terminated during its group's restart; the restart is cancelled and these siblings stay stopped: {}",
                siblings.join(", ")
            ),
            Kind::GaveUp(gave_up) => gave_up.words().fmt(f),
            Kind::Ended(reason) => write!(f, "supervisor ended: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        error::{Failure, InvalidSpec, RestartRecord, UncleanProcess, UncleanStop},
        incarnation::Termination,
    };

    const PATH: &str = "root.inner";
    const SECOND: Duration = Duration::from_secs(1);

    fn gave_up() -> GaveUp {
        let record =
            RestartRecord::new(format!("{PATH}.a"), SECOND, &RestartCause::Exit(Exit::Failed(Failure::new("boom"))));
        GaveUp::new(PATH.into(), 1, 5 * SECOND, vec![record])
    }

    /// Each has the path of the supervisor itself, if it can have one.
    fn reasons() -> Vec<StopReason> {
        let child = || format!("{PATH}.a");
        let failed = || Exit::Failed(Failure::new("boom"));
        vec![
            StopReason::Requested,
            StopReason::Killed,
            StopReason::GaveUp(gave_up()),
            StopReason::AutoShutdown { path: PATH.into(), child: child(), exit: failed() },
            StopReason::FailedToStart { path: child(), cause: StartFailure::Failed(Failure::new("boom")) },
        ]
    }

    fn exits() -> Vec<Exit> {
        let failure = Failure::from_messages("outer", ["middle", "inner"].into_iter());
        let unclean =
            || vec![UncleanProcess::new(format!("{PATH}.a"), UncleanStop::Failed(Exit::Failed(Failure::new("boom"))))];
        let mut exits = vec![
            Exit::Normal,
            Exit::Ignored,
            Exit::Failed(failure),
            Exit::Panicked(Failure::new("boom")),
            Exit::Aborted,
            Exit::Unresponsive { within: SECOND },
            Exit::Lost,
        ];
        exits.extend(
            reasons().into_iter().map(|reason| Exit::Shutdown(Arc::new(Termination { reason, unclean: unclean() }))),
        );
        exits
    }

    fn start_failures() -> Vec<StartFailure> {
        let below = StartFailure::Failed(Failure::new("boom"));
        vec![
            below.clone(),
            StartFailure::Panicked(Failure::new("boom")),
            StartFailure::TimedOut(SECOND),
            StartFailure::Ended,
            StartFailure::Aborted,
            StartFailure::ShutDown,
            StartFailure::Lost,
            StartFailure::Below { path: format!("{PATH}.a"), cause: Box::new(below) },
            StartFailure::GaveUp(gave_up()),
        ]
    }

    fn refusals() -> Vec<SupervisorError> {
        let (own, above, id) = (|| PATH.to_owned(), || "root".to_owned(), ChildId::FIRST);
        vec![
            SupervisorError::AlreadyStarted { path: own(), id },
            SupervisorError::AlreadyPresent { path: own(), id },
            SupervisorError::AtCapacity { path: above(), max: 3 },
            SupervisorError::ShuttingDown { path: above() },
            SupervisorError::NotRunning { path: above() },
            SupervisorError::FailedToStart { path: own(), cause: StartFailure::Ended },
            SupervisorError::InvalidSpec { path: own(), reason: InvalidSpec::PeriodZero },
            SupervisorError::UncleanShutdown(vec![UncleanProcess::new(own(), UncleanStop::Aborted)]),
        ]
    }

    /// Each kind, with all that it can hold.
    fn kinds() -> Vec<EventKind> {
        use EventKind as Kind;

        let restarting = |delay, cause| Kind::Restarting { attempt: 1, delay, cause };
        let mut kinds = vec![
            Kind::Started,
            Kind::Ready,
            Kind::Ignored,
            Kind::NotRestarted { intensity: 1, period: 5 * SECOND },
            Kind::RestartCancelled,
            Kind::Stopping,
            Kind::Unresponsive { within: SECOND / 2 },
            Kind::Aborted,
            Kind::Blocked { lasted: SECOND },
            Kind::Stuck,
            Kind::Abandoned,
            Kind::LeftDown { siblings: vec!["b".into(), "c".into()] },
            Kind::GaveUp(gave_up()),
            restarting(Duration::MAX, RestartCause::Exit(Exit::Normal)),
            restarting(SECOND, RestartCause::Exit(Exit::Normal)),
        ];
        kinds.extend(start_failures().into_iter().map(Kind::StartFailed));
        kinds.extend(
            start_failures().into_iter().map(|failure| restarting(Duration::ZERO, RestartCause::Start(failure))),
        );
        kinds.extend(exits().into_iter().map(|exit| restarting(Duration::ZERO, RestartCause::Exit(exit))));
        kinds.extend(exits().into_iter().map(Kind::Exited));
        kinds.extend(reasons().into_iter().map(Kind::Ended));
        kinds.extend(refusals().into_iter().map(Kind::Refused));
        kinds
    }

    fn event(kind: EventKind) -> Event {
        let at = SystemTime::UNIX_EPOCH + SECOND;
        Event {
            path: PATH.into(),
            id: Some(ChildId::FIRST),
            process: ProcessId::from_u64(7),
            at,
            kind,
            took: Some(SECOND),
        }
    }

    #[test]
    fn no_event_tells_a_path_twice() {
        for kind in kinds() {
            let line = event(kind).to_string();
            let names = line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
            let mut paths: Vec<_> =
                names.map(|name| name.trim_matches('.')).filter(|name| name.contains("root")).collect();
            let all = paths.len();
            paths.sort_unstable();
            paths.dedup();
            assert_eq!(paths.len(), all, "{line}");
        }
    }

    #[test]
    fn what_user_code_says_of_its_own_path_is_kept() {
        let said = format!("cannot reach `{PATH}` of `{PATH}` now");
        let failed = || Failure::new(said.clone());
        let cause = || RestartCause::Exit(Exit::Failed(failed()));
        let refused = SupervisorError::FailedToStart { path: PATH.into(), cause: StartFailure::Failed(failed()) };
        for kind in [
            EventKind::Exited(Exit::Failed(failed())),
            EventKind::StartFailed(StartFailure::Failed(failed())),
            EventKind::Restarting { attempt: 1, delay: SECOND, cause: cause() },
            EventKind::Refused(refused),
        ] {
            let line = event(kind).to_string();
            assert!(line.ends_with(&format!(": {said}")), "{line}");
        }
    }

    #[test]
    fn each_kind_of_event_has_its_words() {
        let lines: Vec<_> = kinds().into_iter().map(|kind| event(kind).to_string()).collect();
        for words in [
            "started",
            "is ready",
            "restart cancelled",
            "is stopping",
            "missed its heartbeat (none within 500ms)",
            "aborting",
            "is blocking its thread: one poll has lasted 1s",
            "is stuck: aborted but has not yielded; still waiting",
            "abandoned: aborted but never yielded; no longer waiting",
            "was terminated during its group's restart; the restart is cancelled and these siblings stay stopped: b, c",
            "waiting without limit to restart (attempt 1): ended normally",
            "restarting in 1s (attempt 1): ended normally",
            "restarting (attempt 1): failed: outer: middle: inner",
            "restarting (attempt 1): failed to start: ended before it was ready",
            "failed: outer: middle: inner",
            "supervisor ended: was killed",
        ] {
            assert!(lines.contains(&format!("{PATH} {words}")), "{words}\n{}", lines.join("\n"));
        }
    }

    #[test]
    #[cfg(feature = "serde")]
    fn each_kind_of_event_is_read_as_it_was_written() {
        for kind in kinds() {
            let (event, name) = (event(kind.clone()), kind.name());
            let text = serde_json::to_string(&event).expect("it is written");
            let read: Event = serde_json::from_str(&text).expect("it is read");
            assert_eq!(read, event, "{text}");
            assert!(text.contains(&format!("\"kind\":\"{name}\"")), "{text}");
        }
    }
}

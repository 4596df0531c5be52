use std::{
    fmt,
    time::{Duration, SystemTime},
};

use crate::{
    error::{GaveUp, RestartCause, StartFailure, SupervisorError},
    incarnation::{ChildId, Exit, ProcessId, StopReason},
    text::{OneLine, limit},
};

/// Something that happened to a process.
///
/// Displayed, it is one line. Control characters in what user code says are escaped, and a line of more than 1,000 characters is
/// cut and says by how much. The fields hold the whole text.
///
/// With the feature `serde` it can be written and read: the page on events has the format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Event {
    /// Dotted name of the process that it happened to, from the root.
    pub path: String,
    /// The child that it happened to, over all its processes; `None` for the root.
    #[cfg_attr(feature = "serde", serde(rename = "child_id"))]
    pub id: Option<ChildId>,
    /// The process that it happened to: all events of one process have the same number, and no other process has it. `None`
    /// where the child has had no process yet, as for [`Refused`](EventKind::Refused).
    #[cfg_attr(feature = "serde", serde(rename = "process_id"))]
    pub process: Option<ProcessId>,
    /// When it was told, as [`Spawner::system_time`](crate::Spawner::system_time) of the supervisor's executor has it: in a
    /// simulation, the time since the simulation began, counted from 1970.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::unix_milliseconds"))]
    pub at: SystemTime,
    /// What happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: EventKind,
    /// How long it took until this: for [`Ready`](EventKind::Ready) the set-up, for [`Exited`](EventKind::Exited) the stop, where
    /// the process was stopped, for [`Aborted`](EventKind::Aborted) the time since it was asked to stop, and zero where it is
    /// killed. `None` where the supervisor did not wait for anything, and for a process that is aborted because it is
    /// unresponsive or its start takes too long.
    #[cfg_attr(feature = "serde", serde(rename = "took_seconds", with = "crate::format::seconds_or_none"))]
    pub took: Option<Duration>,
}

/// What happened to a process. Displayed, it is one line, as an [`Event`] is.
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
    /// The supervisor is going to start the child again.
    Restarting {
        /// Number of consecutive restarts, including this one.
        attempt: u32,
        /// How long the supervisor waits before it; `Duration::MAX` is for ever.
        #[cfg_attr(feature = "serde", serde(rename = "delay_seconds", with = "crate::format::seconds"))]
        delay: Duration,
        /// Why the child is restarted.
        cause: RestartCause,
    },
    /// The child is not started again: the supervisor stops, or was lost, or the child was terminated. Told once for each
    /// [`Restarting`](Self::Restarting) after which no `Started` comes, and for each sibling that waited for its turn in the
    /// restart of its group.
    RestartCancelled,
    /// The supervisor stops the process: it asks it to stop, or aborts it at once where that is how it is stopped.
    Stopping,
    /// The process missed its heartbeat, and is aborted for that.
    Unresponsive {
        /// The time within which it has to give one.
        #[cfg_attr(feature = "serde", serde(rename = "within_seconds", with = "crate::format::seconds"))]
        within: Duration,
    },
    /// The supervisor aborts the process: its time to stop, or to start, is up, or it was killed, or missed its heartbeat.
    Aborted,
    /// The process has been in one poll for a long time, and blocks its thread. Told while it does, if the program
    /// [watches its polls](crate::watch_polls).
    Blocked {
        /// How long the poll has lasted, at least.
        #[cfg_attr(feature = "serde", serde(rename = "lasted_seconds", with = "crate::format::seconds"))]
        lasted: Duration,
    },
    /// The process was aborted and has not yielded. What waits for its end goes on waiting.
    Stuck,
    /// The process was aborted and never yielded. The supervisor no longer waits for it.
    Abandoned,
    /// The child was to be started with `spawn`, and is not: why.
    Refused(SupervisorError),
    /// The child was terminated while the restart of its group waited for it. That restart is cancelled: these siblings, which
    /// it had stopped, stay stopped. Restart them by hand, or with the group's next restart.
    LeftDown {
        /// Their own segments of their dotted names.
        siblings: Vec<String>,
    },
    /// The process is a supervisor, and out of restarts.
    GaveUp(GaveUp),
    /// The process is a supervisor, and everything below it has ended: why it stopped.
    Ended(StopReason),
}

impl EventKind {
    /// Returns its name, `started` or `gave_up`: for fields of logs, and for labels. It is the one of the serialized form.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Ignored => "ignored",
            Self::StartFailed(_) => "start_failed",
            Self::Exited(_) => "exited",
            Self::Restarting { .. } => "restarting",
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
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, .. } = self;
        // The line begins with it, and what is told may name it again: of a supervisor that gave up, of a child that is
        // refused.
        let own = format!("`{path}`");
        let words = Words(kind).to_string().replace(&format!("{own} "), "").replace(&format!(" of {own}"), "");
        OneLine(format_args!("{path} {words}")).fmt(f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(Words(self)).fmt(f)
    }
}

/// What user code says may be anything, and of any length in here.
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
                    Some(delay) => write!(f, "restarting in {delay:.1?}")?,
                    None => f.write_str("waiting without limit to restart")?,
                }
                write!(f, " (attempt {attempt}): {}", cause.words())
            }
            Kind::RestartCancelled => f.write_str("restart cancelled"),
            Kind::Stopping => f.write_str("is stopping"),
            Kind::Unresponsive { within } => write!(f, "missed its heartbeat (none within {within:?})"),
            Kind::Aborted => f.write_str("aborting"),
            Kind::Blocked { lasted } => write!(f, "is blocking its thread: one poll has lasted {lasted:.1?}"),
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

    /// Of a supervisor that tells of itself where it can.
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
    fn each_kind_of_event_has_its_words() {
        let lines: Vec<_> = kinds().into_iter().map(|kind| event(kind).to_string()).collect();
        for words in [
            "started",
            "is ready",
            "restart cancelled",
            "is stopping",
            "missed its heartbeat (none within 500ms)",
            "aborting",
            "is blocking its thread: one poll has lasted 1.0s",
            "is stuck: aborted but has not yielded; still waiting",
            "abandoned: aborted but never yielded; no longer waiting",
            "was terminated during its group's restart; the restart is cancelled and these siblings stay stopped: b, c",
            "waiting without limit to restart (attempt 1): ended normally",
            "restarting in 1.0s (attempt 1): ended normally",
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

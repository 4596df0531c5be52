//! The log of events, through the `tracing` crate. Without the feature `tracing` there is none.
//!
//! One record is one line, and one crash is one warning. What follows from the crash (the abort, the restart) is logged at INFO
//! or below, because the warning has the cause.

#[cfg(feature = "tracing")]
mod lines {
    use tracing::{Level, enabled, event};

    use crate::{
        error::{GaveUp, StartFailure},
        incarnation::{Exit, ProcessId, StopReason},
        observe::{Event, EventKind, RestartCause},
        text::{OneLine, limit},
        trace,
    };

    /// Whether a subscriber wants the record of this event.
    pub(crate) fn wants(kind: &EventKind) -> bool {
        let wants = || match level(kind) {
            Level::ERROR => enabled!(target: "supervision", Level::ERROR),
            Level::WARN => enabled!(target: "supervision", Level::WARN),
            Level::INFO => enabled!(target: "supervision", Level::INFO),
            _ => enabled!(target: "supervision", Level::DEBUG),
        };
        trace::guarded(wants).unwrap_or(false)
    }

    pub(crate) fn log(happened: &Event) {
        trace::guarded(|| match &happened.kind {
            EventKind::GaveUp(gave_up) => write_verdict(happened, gave_up),
            // The end of a tree has another record, with the outcome.
            EventKind::Ended(_) if !happened.path.contains('.') => {}
            kind => match level(kind) {
                // Without `took`, another record has the reason: see `Event::took`.
                Level::WARN if matches!(kind, EventKind::Aborted) && happened.took.is_none() => debug(happened),
                Level::WARN => warn(happened),
                Level::INFO => info(happened),
                _ => debug(happened),
            },
        });
    }

    // In `tracing` the level of a record is a constant, so each level needs a function of its own.
    macro_rules! write_at {
        ($name:ident, $level:expr) => {
            fn $name(happened: &Event) {
                let Event { path, process, kind, took, .. } = happened;
                let (attempt, delay) = match kind {
                    EventKind::Restarting { attempt, delay, .. } => (Some(*attempt), limit(*delay)),
                    _ => (None, None),
                };
                event!(
                    target: "supervision",
                    $level,
                    path = %path,
                    process_id = process.map(ProcessId::as_u64),
                    event = kind.name(),
                    exit = kind.exit_kind(),
                    took_seconds = took.map(|took| took.as_secs_f64()),
                    attempt,
                    delay_seconds = delay.map(|delay| delay.as_secs_f64()),
                    "{happened}"
                );
            }
        };
    }

    write_at!(warn, Level::WARN);
    write_at!(info, Level::INFO);
    write_at!(debug, Level::DEBUG);

    /// Writes the whole history of a give-up (A1), with one record for each failure. Each failure was a warning when it
    /// happened, so these records are at INFO: at WARN, one crash would be two.
    fn write_verdict(happened: &Event, gave_up: &GaveUp) {
        let Event { path, process, kind, .. } = happened;
        let (process_id, event) = (process.map(ProcessId::as_u64), kind.name());
        let verdict = gave_up.verdict();
        event!(
            target: "supervision",
            Level::ERROR,
            path = %path,
            process_id,
            event,
            "{}",
            OneLine(format_args!("{path} {verdict}"))
        );
        for restart in &gave_up.restarts {
            let ago = restart.ago.as_secs_f64();
            event!(
                target: "supervision",
                Level::INFO,
                path = %path,
                process_id,
                event = "gave_up_for",
                child = %restart.path,
                ago_seconds = ago,
                "{}",
                OneLine(format_args!("{path} gave up for: {restart}"))
            );
        }
    }

    /// Returns the level of an event. WARN: an operator has to know, each cause once. INFO: what follows from that. DEBUG: all
    /// else.
    fn level(kind: &EventKind) -> Level {
        match kind {
            EventKind::GaveUp(_) => Level::ERROR,
            // The record of the child below, or that of the abort, has the failure.
            EventKind::StartFailed(StartFailure::Below { .. }) => Level::INFO,
            EventKind::StartFailed(StartFailure::Aborted) => Level::DEBUG,
            EventKind::Restarting { cause, .. } if is_told(cause) => Level::INFO,
            EventKind::StartFailed(_)
            // A permanent child that ended well.
            | EventKind::Restarting { .. }
            | EventKind::Unresponsive { .. }
            | EventKind::Aborted
            | EventKind::Blocked { .. }
            | EventKind::NotRestarted { .. }
            | EventKind::Stuck
            | EventKind::Refused(_)
            // N2, R28: siblings stay stopped though no call has terminated them.
            | EventKind::LeftDown { .. }
            | EventKind::Abandoned => Level::WARN,
            EventKind::RestartCancelled => Level::INFO,
            // The order to abort has a record, if the abort needs one.
            EventKind::Exited(Exit::Aborted | Exit::Unresponsive { .. }) => Level::DEBUG,
            EventKind::Exited(Exit::Shutdown(end)) if matches!(end.reason, StopReason::Killed) => Level::DEBUG,
            EventKind::Exited(exit) if !exit.is_normal() => Level::WARN,
            _ => Level::DEBUG,
        }
    }

    /// Whether the cause of a restart was logged when it happened, as a warning or as an error.
    fn is_told(cause: &RestartCause) -> bool {
        match cause {
            RestartCause::Start(_) => true,
            RestartCause::Exit(Exit::Shutdown(end)) => matches!(end.reason, StopReason::GaveUp(_) | StopReason::Killed),
            RestartCause::Exit(exit) => !exit.is_normal(),
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod lines {
    use crate::observe::{Event, EventKind};

    #[inline]
    pub(crate) fn wants(_kind: &EventKind) -> bool {
        false
    }

    #[inline]
    pub(crate) fn log(_happened: &Event) {}
}

pub(crate) use lines::{log, wants};

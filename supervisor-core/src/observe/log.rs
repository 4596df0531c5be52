//! What is logged of what happens, through the `tracing` crate. Without the feature `tracing` nothing is.
//!
//! One record is one line, and a crash is one warning: what follows from it (the abort, the restart) says no more than INFO
//! where the warning has told the cause.

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

    /// Whether anyone listens to this.
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
            // The end of a tree has a line of its own, with the outcome.
            EventKind::Ended(_) if !happened.path.contains('.') => {}
            kind => match level(kind) {
                // Another line says why: see the field.
                Level::WARN if matches!(kind, EventKind::Aborted) && happened.took.is_none() => debug(happened),
                Level::WARN => warn(happened),
                Level::INFO => info(happened),
                _ => debug(happened),
            },
        });
    }

    /// The level of an event is a constant in `tracing`.
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

    /// A1: the whole history, as the error has it, in one record for each failure. Each was a warning when it happened, so here
    /// it is told at INFO: at WARN, one crash would be two.
    fn write_verdict(happened: &Event, gave_up: &GaveUp) {
        let Event { path, process, kind, .. } = happened;
        let (process_id, event) = (process.map(ProcessId::as_u64), kind.name());
        let verdict = OneLine(format_args!("{path} {}", gave_up.verdict()));
        event!(target: "supervision", Level::ERROR, path = %path, process_id, event, "{verdict}");
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

    /// WARN: what an operator has to hear of, each cause once. INFO: what follows from it. DEBUG: what only someone who looks
    /// for it wants to know.
    fn level(kind: &EventKind) -> Level {
        match kind {
            EventKind::GaveUp(_) => Level::ERROR,
            // The failure has been told where it happened, or with the abort.
            EventKind::StartFailed(StartFailure::Below { .. }) => Level::INFO,
            EventKind::StartFailed(StartFailure::Aborted) => Level::DEBUG,
            EventKind::Restarting { cause, .. } if is_told(cause) => Level::INFO,
            EventKind::StartFailed(_)
            // A child that ended well, and has to run all the same.
            | EventKind::Restarting { .. }
            | EventKind::Unresponsive { .. }
            | EventKind::Aborted
            | EventKind::Blocked { .. }
            | EventKind::Stuck
            | EventKind::Refused(_)
            // N2, R28: siblings stay down that no one has terminated, which an operator has to know.
            | EventKind::LeftDown { .. }
            | EventKind::Abandoned => Level::WARN,
            EventKind::RestartCancelled => Level::INFO,
            // Where an abort is worth a line, that it was ordered was one.
            EventKind::Exited(Exit::Aborted | Exit::Unresponsive { .. }) => Level::DEBUG,
            EventKind::Exited(Exit::Shutdown(end)) if matches!(end.reason, StopReason::Killed) => Level::DEBUG,
            EventKind::Exited(exit) if !exit.is_normal() => Level::WARN,
            _ => Level::DEBUG,
        }
    }

    /// Whether the reason for a restart was logged when it came about, as a warning or as an error.
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

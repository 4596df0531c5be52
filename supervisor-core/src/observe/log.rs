//! What is logged of what happens, through the `tracing` crate. Without the feature `tracing` nothing is.

#[cfg(feature = "tracing")]
mod lines {
    use std::fmt;

    use tracing::{Level, enabled, event};

    use crate::{
        error::GaveUp,
        incarnation::{Exit, ProcessId},
        observe::{Event, EventKind},
        text::{OneLine, limit},
        trace,
    };

    /// Whether anybody listens to this.
    pub(crate) fn wants(kind: &EventKind) -> bool {
        let wants = || match level(kind) {
            Level::ERROR => enabled!(target: "supervision", Level::ERROR),
            Level::WARN => enabled!(target: "supervision", Level::WARN),
            _ => enabled!(target: "supervision", Level::DEBUG),
        };
        trace::guarded(wants).unwrap_or(false)
    }

    pub(crate) fn log(happened: &Event) {
        trace::guarded(|| write(happened));
    }

    fn write(happened: &Event) {
        let Event { path, process, kind, took, .. } = happened;
        let (id, event, took) = (process.map(ProcessId::as_u64), kind.name(), took.map(|took| took.as_secs_f64()));
        let (attempt, delay) = match kind {
            EventKind::Restarting { attempt, delay, .. } => {
                (Some(*attempt), limit(*delay).map(|delay| delay.as_secs_f64()))
            }
            _ => (None, None),
        };
        match (level(kind), kind) {
            // A1: the whole history, as the error has it.
            (Level::ERROR, EventKind::GaveUp(gave_up)) => {
                event!(target: "supervision", Level::ERROR, process = %path, id, event, "{}", History(gave_up));
            }
            (Level::WARN, _) => {
                event!(target: "supervision", Level::WARN, process = %path, id, event, took, attempt, delay, "{happened}");
            }
            _ => event!(target: "supervision", Level::DEBUG, process = %path, id, event, took, "{happened}"),
        }
    }

    /// A line for each failure that spent its budget. None of them breaks the lines of the log, or is too long for it.
    struct History<'a>(&'a GaveUp);

    impl fmt::Display for History<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            OneLine(format_args!("`{}` {}", self.0.path, self.0.verdict())).fmt(f)?;
            self.0.restarts.iter().try_for_each(|restart| write!(f, "\n  {}", OneLine(restart)))
        }
    }

    /// What an operator has to hear of, and what only someone who looks for it wants to know.
    fn level(kind: &EventKind) -> Level {
        match kind {
            EventKind::GaveUp(_) => Level::ERROR,
            EventKind::StartFailed(_)
            | EventKind::Restarting { .. }
            | EventKind::Unresponsive { .. }
            | EventKind::Aborted
            | EventKind::Blocked { .. }
            | EventKind::Stuck
            | EventKind::Refused(_)
            // N2, R28: siblings stay down that nobody has terminated, which somebody has to know.
            | EventKind::LeftDown { .. }
            | EventKind::Abandoned => Level::WARN,
            // Where an abort is worth a line, that it was ordered was one.
            EventKind::Exited(exit) if !exit.is_normal() && !matches!(exit, Exit::Aborted) => Level::WARN,
            _ => Level::DEBUG,
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

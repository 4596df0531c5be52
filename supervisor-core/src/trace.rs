//! Spans for processes and a log of what happens to them, through the `tracing` crate. Without the feature `tracing` all
//! of this is empty.

#[cfg(feature = "tracing")]
mod spans {
    use tracing::{Level, enabled, event, level_filters::LevelFilter};

    use crate::{
        observe::{Event, EventKind, RestartCause},
        process::{Control, Exit, Link, ProcessId},
    };

    pub(crate) use tracing::Span;

    /// The span of one process: its id and its dotted name. The name is made only if someone listens.
    pub(crate) fn process_span(id: ProcessId, control: &dyn Control, link: &dyn Link) -> Span {
        tracing::info_span!(
            target: "supervision",
            parent: None,
            "process",
            id = id.as_u64(),
            name = %link.path_of(control.segment()),
        )
    }

    /// Whether anybody listens to anything.
    pub(crate) fn is_heard() -> bool {
        LevelFilter::current() != LevelFilter::OFF
    }

    pub(crate) fn wants(kind: &EventKind) -> bool {
        match level(kind) {
            Level::ERROR => enabled!(target: "supervision", Level::ERROR),
            Level::WARN => enabled!(target: "supervision", Level::WARN),
            _ => enabled!(target: "supervision", Level::DEBUG),
        }
    }

    pub(crate) fn log(happened: &Event) {
        let Event { path, process, kind } = happened;
        let id = process.map(ProcessId::as_u64);
        match (level(kind), kind) {
            (_, EventKind::GaveUp(story)) => {
                event!(target: "supervision", Level::ERROR, process = %path, id, "{story:#}");
            }
            (Level::WARN, _) => event!(target: "supervision", Level::WARN, process = %path, id, "{happened}"),
            _ => event!(target: "supervision", Level::DEBUG, process = %path, id, "{happened}"),
        }
    }

    /// What an operator has to hear of, and what only someone who looks for it wants to know.
    fn level(kind: &EventKind) -> Level {
        match kind {
            EventKind::GaveUp(_) => Level::ERROR,
            EventKind::Restarting { cause: RestartCause::Exit(Exit::Normal), .. } => Level::DEBUG,
            EventKind::StartFailed(_)
            | EventKind::Restarting { .. }
            | EventKind::Aborted
            | EventKind::Stuck
            | EventKind::Abandoned => Level::WARN,
            EventKind::Exited(exit) if !exit.is_normal() => Level::WARN,
            _ => Level::DEBUG,
        }
    }

    /// Said once for a tree in a program that is built to abort on panic.
    pub(crate) fn warn_of_panic_abort() {
        if cfg!(panic = "abort") {
            event!(
                target: "supervision",
                Level::WARN,
                "this program is built with panic = \"abort\": a panic in any process ends the program, and is not supervised"
            );
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod spans {
    use crate::{
        observe::{Event, EventKind},
        process::{Control, Link, ProcessId},
    };

    #[derive(Debug)]
    pub(crate) struct Span;

    impl Span {
        #[inline]
        pub(crate) fn enter(&self) -> Entered {
            Entered
        }
    }

    pub(crate) struct Entered;

    #[inline]
    pub(crate) fn process_span(_id: ProcessId, _control: &dyn Control, _link: &dyn Link) -> Span {
        Span
    }

    #[inline]
    pub(crate) fn is_heard() -> bool {
        false
    }

    #[inline]
    pub(crate) fn wants(_kind: &EventKind) -> bool {
        false
    }

    #[inline]
    pub(crate) fn log(_happened: &Event) {}

    #[inline]
    pub(crate) fn warn_of_panic_abort() {}
}

pub(crate) use spans::{Span, is_heard, log, process_span, wants, warn_of_panic_abort};

//! Spans for processes, through the `tracing` crate. Without the feature `tracing` all of this is empty.

#[cfg(feature = "tracing")]
mod spans {
    use crate::process::{Control, Link, ProcessId};

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
}

#[cfg(not(feature = "tracing"))]
mod spans {
    use crate::process::{Control, Link, ProcessId};

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
}

pub(crate) use spans::{Span, process_span};

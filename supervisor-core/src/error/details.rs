//! The data of a failure other than its message. Most failures have none, and take no space for it.

use std::{backtrace::Backtrace, error::Error, panic::AssertUnwindSafe, sync::Arc};

use super::{BoxError, Failure, PanicLocation};
use crate::discard::Discard;

/// A condition of [`with_restart_if`](crate::ChildSpec::with_restart_if).
pub(crate) type RestartCondition = Arc<Discard<Box<dyn Fn(&(dyn Error + 'static)) -> bool + Send + Sync>>>;

/// The settings of a child for the errors that its processes return.
#[derive(Clone, Default)]
pub(crate) struct ErrorHandling {
    /// Whether the failure keeps the error.
    pub(crate) keeps: bool,
    pub(crate) restart_if: Option<RestartCondition>,
}

#[derive(Clone, Default)]
pub(super) struct Details {
    pub(super) source: Option<Failure>,
    pub(super) site: PanicSite,
    /// Nothing changes it, so a panic elsewhere leaves it complete.
    pub(super) error: Option<Arc<AssertUnwindSafe<Discard<BoxError>>>>,
    /// Whether the restart condition said no.
    pub(super) is_final: bool,
}

/// The place of a panic, as the hook of [`capture_panics`](crate::capture_panics) saw it.
#[derive(Clone, Default)]
pub(crate) struct PanicSite {
    pub(crate) location: Option<PanicLocation>,
    pub(crate) backtrace: Option<Arc<AssertUnwindSafe<Backtrace>>>,
}

impl Details {
    pub(super) fn is_empty(&self) -> bool {
        let Self { source, site, error, is_final } = self;
        source.is_none() && site.location.is_none() && site.backtrace.is_none() && error.is_none() && !is_final
    }
}

impl std::fmt::Debug for ErrorHandling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrorHandling")
            .field("keeps", &self.keeps)
            .field("has_condition", &self.restart_if.is_some())
            .finish()
    }
}

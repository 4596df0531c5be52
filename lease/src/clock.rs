use std::{
    fmt,
    time::{Duration, Instant},
};

/// A clock that counts all the time that passes, also while the machine sleeps.
///
/// It tells the time since some moment of its own, which no other machine knows: only differences count.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the time since that moment.
    fn now(&self) -> Duration;
}

/// The clock of the machine.
///
/// On Linux and Android `CLOCK_BOOTTIME`, which goes on while the machine sleeps, and so does `CLOCK_MONOTONIC` on macOS and iOS, and
/// the clock of [`Instant`](std::time::Instant) on Windows. Elsewhere `CLOCK_MONOTONIC`, which may stand still in that time.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineClock(());

impl Clock for MachineClock {
    #[cfg(unix)]
    fn now(&self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        // Neither is ever negative.
        Duration::try_from(rustix::time::clock_gettime(CLOCK)).unwrap_or_default()
    }

    #[cfg(not(unix))]
    fn now(&self) -> Duration {
        use std::sync::OnceLock;

        static FIRST: OnceLock<Instant> = OnceLock::new();
        FIRST.get_or_init(Instant::now).elapsed()
    }
}

/// The clock of a simulation: that of its executor.
pub(crate) struct VirtualClock<F> {
    now: F,
    first: Instant,
}

impl<F: Fn() -> Instant> VirtualClock<F> {
    pub(crate) fn new(now: F) -> Self {
        let first = now();
        Self { now, first }
    }
}

impl<F: Fn() -> Instant + Send + Sync + 'static> Clock for VirtualClock<F> {
    fn now(&self) -> Duration {
        (self.now)().saturating_duration_since(self.first)
    }
}

impl<F> fmt::Debug for VirtualClock<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock").finish_non_exhaustive()
    }
}

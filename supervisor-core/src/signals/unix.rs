use std::io;

use signal_hook::iterator::{Handle, Signals};

/// A wait for signals that needs no timer.
pub(super) struct Ear(Signals);

/// The other end of an ear: ends its wait.
#[derive(Debug)]
pub(super) struct Shut(Handle);

impl Ear {
    pub(super) fn open<const N: usize>(signals: [i32; N]) -> io::Result<(Self, Shut)> {
        let signals = Signals::new(signals)?;
        let shut = Shut(signals.handle());
        Ok((Self(signals), shut))
    }

    /// Listens until it is shut, or `hear` returns that it needs no more signals.
    pub(super) fn listen(mut self, mut hear: impl FnMut(i32) -> bool) {
        self.0.forever().all(&mut hear);
    }
}

impl Shut {
    pub(super) fn shut(&self) {
        self.0.close();
    }
}

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use signal_hook::{SigId, flag, low_level::unregister};

/// How often signals are checked on systems that offer no way to wait for one.
const EVERY: Duration = Duration::from_millis(100);

pub(super) struct Ear {
    /// Each signal, with whether it came since the last check.
    signals: Vec<(i32, Arc<AtomicBool>, SigId)>,
    is_shut: Arc<AtomicBool>,
}

/// The other end of an ear: ends its wait.
#[derive(Debug)]
pub(super) struct Shut(Arc<AtomicBool>);

impl Ear {
    pub(super) fn open<const N: usize>(signals: [i32; N]) -> io::Result<(Self, Shut)> {
        let is_shut = Arc::new(AtomicBool::new(false));
        let mut ear = Self { signals: Vec::new(), is_shut: is_shut.clone() };
        for signal in signals {
            let came = Arc::new(AtomicBool::new(false));
            let id = flag::register(signal, came.clone())?;
            ear.signals.push((signal, came, id));
        }
        Ok((ear, Shut(is_shut)))
    }

    /// Listens until it is shut, or `hear` returns that it needs no more signals.
    pub(super) fn listen(self, mut hear: impl FnMut(i32) -> bool) {
        while !self.is_shut.load(SeqCst) {
            if !self.signals.iter().filter(|(_, came, _)| came.swap(false, SeqCst)).all(|(signal, ..)| hear(*signal)) {
                return;
            }
            thread::sleep(EVERY);
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        for (_, _, id) in &self.signals {
            unregister(*id);
        }
    }
}

impl Shut {
    pub(super) fn shut(&self) {
        self.0.store(true, SeqCst);
    }
}

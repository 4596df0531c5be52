use std::{io, pin::Pin, sync::Arc, thread, time::Instant};

use async_executor::Executor;
use smol::channel::{self, Sender};
use supervisor_core::{BoxError, Process, Spawner, Timer};

use crate::Smol;

/// An executor on a thread of its own, for a local worker: a process keeps this, and so the thread.
///
/// Only that thread runs the executor, so each process is polled there. And it ends the executor when no process is left (P13).
#[derive(Clone, Debug)]
pub(crate) struct Local {
    smol: Smol,
    _stop: Arc<Sender<()>>,
}

impl Local {
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let executor = Arc::new(Executor::new());
        let smol = Smol::on(&executor);
        let (stop, stopped) = channel::bounded::<()>(1);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Nothing is ever sent: this resolves when the last owner has dropped the other end.
            let _ = async_io::block_on(executor.run(stopped.recv()));
            while executor.try_tick() {}
        })?;
        Ok(Self { smol, _stop: Arc::new(stop) })
    }
}

impl Spawner for Local {
    fn spawn(&self, process: Process) {
        self.smol.spawn(process);
    }

    fn now(&self) -> Instant {
        self.smol.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.smol.timer()
    }

    fn discard(&self, process: Process) {
        self.smol.discard(process);
    }

    fn local_executor(&self, name: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        self.smol.local_executor(name)
    }
}

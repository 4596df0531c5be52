use std::sync::Arc;

use crate::{TokioError, error::attempt};

/// Hears the signals that ask a program to stop: SIGINT and SIGTERM, or Ctrl-C where there are none.
///
/// From when it is made on, those signals no longer end the program by themselves.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Begins to listen. Has to be called inside of a runtime.
    ///
    /// # Errors
    ///
    /// [`TokioError::NoSignals`] on a runtime without IO, [`TokioError::Signals`] if the operating system refuses.
    #[cfg(unix)]
    pub fn listen() -> Result<Self, TokioError> {
        use tokio::signal::unix::{SignalKind, signal};

        let listen = |kind| {
            let signal = attempt(|| signal(kind)).ok_or(TokioError::NoSignals)?;
            signal.map_err(|error| TokioError::Signals(Arc::new(error)))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Begins to listen. Has to be called inside of a runtime.
    ///
    /// # Errors
    ///
    /// None here: what can go wrong shows when the first signal is waited for.
    #[cfg(not(unix))]
    pub fn listen() -> Result<Self, TokioError> {
        Ok(Self {})
    }

    /// Waits for the next such signal. Cancel-safe.
    #[cfg(unix)]
    pub async fn recv(&mut self) {
        use std::{future::poll_fn, task::Poll};

        poll_fn(|cx| match (self.interrupt.poll_recv(cx), self.terminate.poll_recv(cx)) {
            (Poll::Pending, Poll::Pending) => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }

    /// Waits for the next such signal. Cancel-safe.
    #[cfg(not(unix))]
    pub async fn recv(&mut self) {
        // Without signals there is nothing to wait for, and shutting down for that reason would be worse.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

use std::io;

use async_signal::Signal;
use futures_lite::StreamExt;

/// Hears the signals that ask a program to stop: SIGINT and SIGTERM, or Ctrl-C where there are none.
///
/// From when it is made on, those signals no longer end the program by themselves.
#[derive(Debug)]
pub struct Signals(async_signal::Signals);

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        let asked = [Signal::Int, Signal::Term];
        #[cfg(not(unix))]
        let asked = [Signal::Int];
        async_signal::Signals::new(asked).map(Self)
    }

    /// Waits for the next such signal. Cancel-safe.
    pub async fn recv(&mut self) {
        // An error says that nothing more can be heard, and shutting down for that reason would be worse.
        let Some(Ok(_)) = self.0.next().await else { return std::future::pending().await };
    }
}

use std::{
    error::Error,
    fmt,
    future::Future,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lease::{Acquisition, Bid, Claim, Holder, Mark, Patience, Renewal, Row, Store, Token};
use tokio::{runtime::Handle, time::sleep};
use tokio_postgres::{
    Config, NoTls, Socket,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{connection::Connector, requests::Requests};

type BoxError = Box<dyn Error + Send + Sync>;

/// How long it waits before it listens again to a server that it has lost.
const AGAIN: Duration = Duration::from_secs(1);

/// A lease in PostgreSQL: one row of the table in [`SCHEMA`](crate::SCHEMA).
///
/// Requests run on a Tokio runtime, wherever this is used from: a supervision tree may run on any executor. A request that is dropped is
/// aborted there; the next one goes over a new connection, unless it is a release.
pub struct Postgres {
    runtime: Handle,
    requests: Requests,
    patience: Mutex<Patience<Mark>>,
}

/// There is no Tokio runtime where a store was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Tokio runtime here; call this inside one, or use `Postgres::on(handle, ..)`")]
#[non_exhaustive]
pub struct NoRuntime;

impl Postgres {
    /// Makes a store for the lease with this name, over a connection without TLS. It runs on the Tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] outside of a Tokio runtime.
    pub fn new(config: Config, name: impl Into<String>) -> Result<Self, NoRuntime> {
        Self::with_tls(config, NoTls, name)
    }

    /// Makes a store for the lease with this name, over a connection that this protects. It runs on the Tokio runtime that this is called
    /// in.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] outside of a Tokio runtime.
    pub fn with_tls<T>(config: Config, tls: T, name: impl Into<String>) -> Result<Self, NoRuntime>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Ok(Self::on(Handle::try_current().map_err(|_| NoRuntime)?, config, tls, name))
    }

    /// Makes a store for the lease with this name, which runs its requests on this runtime. It has to be driven, with IO and time, for
    /// as long as the store is used. [`NoTls`] is a connection without TLS.
    pub fn on<T>(runtime: Handle, config: Config, tls: T, name: impl Into<String>) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let requests = Requests::new(Connector::new(config, tls), name.into());
        Self { runtime, requests, patience: Mutex::default() }
    }

    /// Starts a request on the runtime. The task ends when the answer is dropped. No future of a request is held here: they are large.
    fn run<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T, BoxError>> + Send + 'static,
    ) -> impl Future<Output = Result<T, BoxError>> {
        let answer = AbortOnDropHandle::new(self.runtime.spawn(request));
        async { answer.await? }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The settings of the connection have a password.
        f.debug_struct("Postgres").field("name", &self.requests.name()).finish_non_exhaustive()
    }
}

impl Store for Postgres {
    async fn acquire(&self, bid: &Bid<'_>) -> Result<Acquisition, BoxError> {
        // Each turn but the last means that another replica has changed the row.
        loop {
            let row = self.run(self.requests.clone().read()).await?;
            // After the answer. The clock is foreign code, which runs before the lock is taken.
            let now = bid.clock.now();
            let claim = self.patience.lock().unwrap_or_else(PoisonError::into_inner).judge(row.as_ref(), bid, now);
            if let Claim::HeldBy(other) = claim {
                return Ok(Acquisition::HeldBy(other));
            }
            let read = row.as_ref().map(Row::mark);
            let taken = self.run(self.requests.clone().take(bid.holder.clone(), bid.duration, read)).await?;
            if let Some(token) = taken {
                return Ok(Acquisition::Granted { token, duration: bid.duration });
            }
        }
    }

    async fn renew(&self, bid: &Bid<'_>, token: Token) -> Result<Renewal, BoxError> {
        self.run(self.requests.clone().renew(bid.holder.clone(), bid.duration, token)).await
    }

    async fn release(&self, holder: &Holder) -> Result<(), BoxError> {
        self.run(self.requests.clone().release(holder.clone())).await
    }

    async fn freed(&self) {
        while self.run(self.requests.clone().freed()).await.is_err() {
            // Its user asks from time to time in any case, so there is no hurry.
            let slept = self.run(async {
                sleep(AGAIN).await;
                Ok(())
            });
            if slept.await.is_err() {
                // The runtime has ended.
                std::future::pending().await
            }
        }
    }
}

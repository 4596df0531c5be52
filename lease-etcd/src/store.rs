use std::{error::Error, fmt, future::Future, time::Duration};

use etcd_client::Client;
use lease::{Acquisition, Bid, Holder, Renewal, Store, Token};
use tokio::{runtime::Handle, time::sleep};
use tokio_util::task::AbortOnDropHandle;

use crate::requests::Requests;

type BoxError = Box<dyn Error + Send + Sync>;

/// How long it waits before it listens again to a server that it has lost.
const AGAIN: Duration = Duration::from_secs(1);

/// A lease in etcd: one key, and for each grant a lease of etcd that the key belongs to.
///
/// Requests run on a Tokio runtime, wherever this is used from: a supervision tree may run on any executor. A request that is dropped is
/// aborted there.
///
/// The [`Token`] is the revision at which the key was created. The number of etcd's lease is that of the [`Holder`], so a release
/// finds it though the answer to the request was lost. A replica that waits writes nothing.
#[derive(Clone)]
pub struct Etcd {
    runtime: Handle,
    requests: Requests,
}

/// There is no Tokio runtime where a store was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no Tokio runtime here; call this inside one, or use `Etcd::on(handle, ..)`")]
#[non_exhaustive]
pub struct NoRuntime;

impl Etcd {
    /// Makes a store for the lease with this key, which runs its requests on the Tokio runtime that this is called in.
    ///
    /// The client has endpoints, TLS and credentials. Set its keepalives, also for idle connections: without them it takes the
    /// operating system's time to find that a connection is dead.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] outside of a Tokio runtime.
    pub fn new(client: Client, key: impl Into<String>) -> Result<Self, NoRuntime> {
        Ok(Self::on(Handle::try_current().map_err(|_| NoRuntime)?, client, key))
    }

    /// Makes a store for the lease with this key, which runs its requests on this runtime: the one in which the client was made. It has
    /// to be driven for as long as the store is used.
    pub fn on(runtime: Handle, client: Client, key: impl Into<String>) -> Self {
        Self { runtime, requests: Requests::new(client, key.into()) }
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

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd").field("key", &self.requests.key()).finish_non_exhaustive()
    }
}

impl Store for Etcd {
    async fn acquire(&self, bid: &Bid<'_>) -> Result<Acquisition, BoxError> {
        self.run(self.requests.clone().acquire(bid.holder.clone(), bid.duration)).await
    }

    async fn renew(&self, bid: &Bid<'_>, token: Token) -> Result<Renewal, BoxError> {
        self.run(self.requests.clone().renew(bid.holder.clone(), token)).await
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

//! The listener: axum's server.

use std::{future::IntoFuture, net::SocketAddr, time::Duration};

use axum::Router;
use supervision::{ChildSpec, ShutdownStrategy, worker_with_setup};
use tokio::net::TcpListener;

/// Returns the worker. A port that is taken is a failed start. Asked to stop, it answers the requests that are under way.
pub(crate) fn listener(address: SocketAddr, routes: Router) -> ChildSpec {
    let child = worker_with_setup("listener", move |shutdown| {
        let routes = routes.clone();
        async move {
            let listener = TcpListener::bind(address).await?;
            println!("listening on {}", listener.local_addr()?);
            Ok(axum::serve(listener, routes).with_graceful_shutdown(shutdown).into_future())
        }
    });
    // Longer than a request takes.
    child.with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(10)))
}

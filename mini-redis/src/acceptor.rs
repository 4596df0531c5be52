//! The listener.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use supervision::{
    ChildSpec, Probes, ProcessShutdown, Retained, RetainedGuard, SupervisorError, SupervisorHandle, one_shot_with,
    process, worker_with_setup,
};

use crate::{
    connection::serve,
    net::{AsyncWriteExt, TcpListener, TcpStream},
    protocol::write_error,
    server::Server,
};

/// How long to wait when the system has no connection to give, because it is out of file descriptors.
pub const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Returns the child that accepts connections, and starts a process for each under the given supervisor.
///
/// The socket outlives its process: clients that come during a restart wait for a moment, and are not refused.
pub fn acceptor(server: &Arc<Server>, connections: SupervisorHandle) -> ChildSpec {
    let (server, socket) = (server.clone(), Retained::new(None));
    worker_with_setup("acceptor", move |shutdown| {
        let (server, socket, connections) = (server.clone(), socket.clone(), connections.clone());
        async move {
            let mut socket = socket.take();
            if socket.is_none() {
                *socket = Some(listen(&server).await?);
            }
            Ok(async move { accept(&socket, &server, &connections, &shutdown).await })
        }
    })
}

/// Opens the socket, and says so on stdout. So says it where the probes are answered: they have started before.
///
/// # Errors
///
/// Those of the system, such as an address in use.
pub async fn listen(server: &Server) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(&*server.options.address).await?;
    if let Some(address) = server.options.probes.as_ref().and_then(Probes::local_addr) {
        println!("probes on {address}");
    }
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

async fn accept(
    socket: &RetainedGuard<Option<TcpListener>>,
    server: &Arc<Server>,
    connections: &SupervisorHandle,
    shutdown: &ProcessShutdown,
) -> Result<(), SupervisorError> {
    let Some(listener) = &**socket else { return Ok(()) };
    while let Some(accepted) = shutdown.run_until(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => admit(stream, server, connections).await?,
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                process::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
    Ok(())
}

/// Starts a process for the connection if there is room for it.
///
/// The connection is accepted first: a client over the bound hears at once that it is refused. If it should wait instead, use
/// `reserve().await` before `accept`.
async fn admit(stream: TcpStream, server: &Arc<Server>, connections: &SupervisorHandle) -> Result<(), SupervisorError> {
    match connections.try_reserve() {
        Ok(permit) => {
            let server = server.clone();
            permit.spawn(one_shot_with("connection", |shutdown| serve(stream, server, shutdown, process::sleep)))?;
        }
        Err(SupervisorError::AtCapacity { .. }) => refuse(stream, server).await,
        // This process is asked to stop, too.
        Err(SupervisorError::ShuttingDown { .. }) => {}
        Err(other) => return Err(other),
    }
    Ok(())
}

/// Tells a client that there is no room for it, as Redis does. The buffer of a new socket has room for that: this does not wait
/// for the client.
pub async fn refuse(mut stream: TcpStream, server: &Server) {
    let mut text = Vec::new();
    write_error(&mut text, "max number of clients reached");
    server.counters.refused.fetch_add(1, Relaxed);
    // A client that has gone already does not get it.
    let _ = stream.write_all(&text).await;
}

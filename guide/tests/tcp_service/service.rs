use std::{
    env, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use supervision::{
    Backoff, BoxError, ChildSpec, Probes, ProcessShutdown, RestartStrategy, ShutdownStrategy, Supervisor,
    SupervisorError, one_shot_with, process, worker, worker_with_setup,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// How long a request under way may take when the service stops.
const DRAIN: Duration = Duration::from_secs(10);

fn setting(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().init(); // before the tree starts
    let count = Arc::new(AtomicU64::new(0)); // made here, so that it survives restarts

    // A supervisor of its own, because the failures of the job should not count for the listener.
    let mut jobs = Supervisor::new("jobs")?
        .with_restart_strategy(RestartStrategy::one_for_one().with_unlimited_restarts())
        .with_default_backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)));
    // The service is ready without it.
    jobs.add_worker(reporter(setting("COLLECTOR", "127.0.0.1:9000"), count.clone()).with_readiness(false));

    let probes: SocketAddr = setting("PROBES", "127.0.0.1:8080").parse()?;
    let mut root = Supervisor::new("root")?.with_shutdown_budget(Duration::from_secs(20));
    root.add_worker(Probes::on(probes)); // first: it starts first, and stops last
    root.add_worker(jobs);
    root.add_worker(listener(setting("LISTEN", "127.0.0.1:7000"), count)); // last: it stops first
    supervision::run(root).until_signal().exit().await
}

/// Reports how many lines were served.
fn reporter(collector: String, count: Arc<AtomicU64>) -> ChildSpec {
    worker("reporter", move |shutdown| {
        let (collector, count) = (collector.clone(), count.clone());
        // It has nothing to flush. So the shutdown may drop it at any point.
        async move { shutdown.run_until(report(collector, count)).await.unwrap_or(Ok(())) }
    })
}

async fn report(collector: String, count: Arc<AtomicU64>) -> io::Result<()> {
    let mut collector = TcpStream::connect(collector).await?;
    loop {
        collector.write_all(format!("{}\n", count.load(Relaxed)).as_bytes()).await?;
        process::sleep(Duration::from_secs(10)).await;
    }
}

/// Binds the port, and then accepts connections.
fn listener(address: String, count: Arc<AtomicU64>) -> ChildSpec {
    let listener = worker_with_setup("listener", move |shutdown| {
        let (address, count) = (address.clone(), count.clone());
        async move {
            let listener = TcpListener::bind(&address).await?; // an error here is a failed start
            tracing::info!("listening on {address}");
            Ok(accept(listener, count, shutdown))
        }
    });
    // A little more than a connection has: the connections have to end before the listener does.
    listener.with_shutdown_strategy(ShutdownStrategy::Graceful(DRAIN + Duration::from_secs(1)))
}

async fn accept(
    listener: TcpListener,
    count: Arc<AtomicU64>,
    shutdown: ProcessShutdown,
) -> Result<(), SupervisorError> {
    // Below the limit of open files. One client more waits until there is room.
    let connections = process::scope_with(|scope| scope.with_max_children(500))?;
    while let Some(room) = shutdown.run_until(connections.reserve()).await {
        let room = room?;
        let (socket, peer) = match shutdown.run_until(listener.accept()).await {
            None => break,
            Some(Ok(accepted)) => accepted,
            Some(Err(error)) => {
                // Too many open files, or a client that has gone: no reason to end all connections.
                tracing::warn!(%error, "cannot accept");
                process::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let count = count.clone();
        let connection = one_shot_with("conn", async move |shutdown| {
            // A client that resets its connection is no failure of this process.
            if let Err(error) = serve(socket, count, shutdown).await {
                tracing::info!(%peer, %error, "connection lost");
            }
        });
        room.spawn(connection.with_shutdown_strategy(ShutdownStrategy::Graceful(DRAIN)))?;
    }
    drop(listener); // no new connections,
    connections.stop().await?; // and those that are there end
    Ok(())
}

/// Numbers lines, and sends them back. A line that was read is answered, also during a shutdown.
async fn serve(mut socket: TcpStream, count: Arc<AtomicU64>, shutdown: ProcessShutdown) -> io::Result<()> {
    let (read, mut write) = socket.split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = shutdown.run_until(lines.next_line()).await {
        let Some(line) = line? else { break }; // the client has closed the connection
        let number = count.fetch_add(1, Relaxed) + 1;
        write.write_all(format!("{number} {line}\n").as_bytes()).await?;
    }
    Ok(())
}

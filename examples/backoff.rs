//! A worker whose dependency goes away for a while and comes back, with the event stream of its tree printed.
//!
//! The dependency is a TCP server in this program. The worker connects in its set-up and fails when the connection breaks; a
//! backoff with jitter keeps it from burning its restarts, and from hammering a server that is down.
//!
//! `cargo run --example backoff` ends by itself.

use std::{net::SocketAddr, time::Duration};

use supervision::{
    Backoff, ChildSpec, EventKind, Events, InitializationError, ProcessShutdown, RestartStrategy, Supervisable,
    Supervisor, SupervisorFuture,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

const OUTAGE: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(quotes(listener));

    // The wait doubles from 20 ms, and a random part of it is used. A failure counts when it happens: allow as many
    // restarts as fit into the longest outage to survive.
    let feed = ChildSpec::from(Feed { address })
        .with_backoff(Backoff::exponential(Duration::from_millis(20), LONGEST_WAIT))
        .with_start_timeout(Duration::from_secs(5));
    let mut root = Supervisor::new("root")?
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(1000, Duration::from_secs(60)));
    root.add_worker(feed);
    let mut events = root.handle().events();
    let begin = Instant::now();
    let tree = supervision::start(root).await?;
    until_ready(&mut events, begin).await;

    println!("         -- the server goes away for {OUTAGE:?} --");
    server.abort();
    let _ = server.await;
    let back = tokio::spawn(async move {
        sleep(OUTAGE).await;
        quotes(TcpListener::bind(address).await.expect("the port is still ours")).await;
    });

    let attempts = until_ready(&mut events, begin).await;
    println!("         -- and was found again at attempt {attempts} --");
    assert!(attempts >= 2, "the first attempt cannot have succeeded");

    tree.shutdown().await?;
    while let Some(event) = events.next().await {
        println!("{:>7.3?}s {event}", begin.elapsed().as_secs_f64());
    }
    assert_eq!(events.lost(), 0);
    back.abort();
    Ok(())
}

/// Prints what happens until the feed is ready. Returns how many attempts that took.
async fn until_ready(events: &mut Events, begin: Instant) -> u32 {
    let mut attempts = 0;
    while let Some(event) = events.next().await {
        println!("{:>7.3?}s {event}", begin.elapsed().as_secs_f64());
        match &event.kind {
            EventKind::Restarting { attempt, delay, .. } => {
                assert!(*delay <= LONGEST_WAIT);
                attempts = *attempt;
            }
            EventKind::Ready => break,
            _ => {}
        }
    }
    attempts
}

/// A worker that reads quotes, for as long as the server sends some.
struct Feed {
    address: SocketAddr,
}

impl Supervisable for Feed {
    fn name(&self) -> &str {
        "feed"
    }

    async fn initialize(&self, mut shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        let stream = TcpStream::connect(self.address).await?;
        let mut lines = BufReader::new(stream).lines();
        // The connection works only when a first quote has come.
        lines.next_line().await?.ok_or("the server has hung up")?;
        Ok(Box::pin(async move {
            loop {
                tokio::select! {
                    () = shutdown.wait_for_shutdown() => return Ok(()),
                    line = lines.next_line() => line?.ok_or("the server has hung up")?,
                };
            }
        }))
    }
}

/// Serves as the dependency: sends a quote every 50 ms to each client.
async fn quotes(listener: TcpListener) {
    let mut clients = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        clients.spawn(async move {
            while stream.write_all(b"42\n").await.is_ok() {
                sleep(Duration::from_millis(50)).await;
            }
        });
    }
}

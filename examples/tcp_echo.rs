//! A supervised TCP server that survives its own crashes: the listener echoes lines, the line `crash` makes it panic, and
//! its successor binds the same port at once. A sibling counts the lines and never notices.
//!
//! `cargo run --example tcp_echo` drives itself with a client for 100 crashes, and checks that no line was lost that the
//! client had got back. `cargo run --example tcp_echo -- --serve` stays up, for `nc 127.0.0.1 PORT`.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use supervision::{
    InitializationError, ProcessShutdown, RestartStrategy, Supervisable, Supervisor, SupervisorFuture, worker,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::sleep,
};

const CRASHES: usize = 100;
const LINES_BEFORE_EACH_CRASH: usize = 5;

type Lines = mpsc::UnboundedSender<String>;

/// The counts of the sibling.
#[derive(Default)]
struct Counted {
    lines: BTreeSet<String>,
    starts: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let serve = std::env::args().any(|argument| argument == "--serve");
    // Any free port will do; but then it stays this one.
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;

    let (lines, received) = mpsc::unbounded_channel();
    let counted = Arc::new(Mutex::new(Counted::default()));
    // State that has to outlive a crash of the counter is handed to each of its incarnations.
    let (received, tally) = (Arc::new(tokio::sync::Mutex::new(received)), counted.clone());

    let mut root = Supervisor::new("root")?.with_restart_strategy(
        // A listener that crashes a hundred times on purpose needs a generous supervisor.
        RestartStrategy::one_for_one().with_intensity_and_period(2 * CRASHES, Duration::from_secs(5)),
    );
    root.add_worker(worker("counter", move |shutdown| count(received.clone(), tally.clone(), shutdown)));
    root.add_worker(Listener { address, lines });

    println!("listening on {address}");
    if serve {
        println!("try `nc {} {}`; the line `crash` crashes the listener; Ctrl-C ends", address.ip(), address.port());
        supervision::run(root).until_signal().exit().await
    }

    std::panic::set_hook(Box::new(|_| {})); // a hundred panics are on purpose
    let tree = supervision::start(root).await?;
    let (acknowledged, refused) = crash_it_again_and_again(address).await?;
    tree.shutdown().await?;

    let counted = counted.lock().expect("the counter never panics");
    let lost = acknowledged.difference(&counted.lines).count();
    println!("{CRASHES} crashes, {} lines sent and echoed, {lost} of them lost", acknowledged.len());
    println!("{refused} connections were refused while the listener was away");
    println!("the counter was started {} time(s) and knows {} lines", counted.starts, counted.lines.len());
    assert!(lost == 0 && counted.starts == 1, "supervision has failed");
    Ok(())
}

/// A worker that accepts connections and echoes their lines.
struct Listener {
    address: SocketAddr,
    lines: Lines,
}

impl Supervisable for Listener {
    fn name(&self) -> &str {
        "listener"
    }

    /// Becomes ready when the port is bound. The port is free: the predecessor's socket was dropped before its exit was
    /// seen.
    async fn initialize(&self, mut shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        let listener = TcpListener::bind(self.address).await?;
        let lines = self.lines.clone();
        Ok(Box::pin(async move {
            // Ends with this process, and all connections with it.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    () = shutdown.wait_for_shutdown() => return Ok(()),
                    accepted = listener.accept() => {
                        let (stream, _) = accepted?;
                        connections.spawn(echo(stream, lines.clone()));
                    }
                    Some(ended) = connections.join_next() => {
                        if let Ok(Ok(Ended::AskedToCrash)) = ended {
                            panic!("a client said so");
                        }
                    }
                }
            }
        }))
    }
}

enum Ended {
    ByClient,
    AskedToCrash,
}

/// Counts a line before it is echoed: what the client got back is safe.
async fn echo(stream: TcpStream, lines: Lines) -> io::Result<Ended> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read).lines();
    while let Some(line) = read.next_line().await? {
        if line == "crash" {
            return Ok(Ended::AskedToCrash);
        }
        let _ = lines.send(line.clone());
        write.write_all(format!("{line}\n").as_bytes()).await?;
    }
    Ok(Ended::ByClient)
}

/// Counts lines until it is asked to stop, and then the lines that are still under way.
async fn count(
    received: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>>,
    counted: Arc<Mutex<Counted>>,
    mut shutdown: ProcessShutdown,
) {
    let mut received = received.lock().await;
    let note = |line| counted.lock().expect("never poisoned").lines.insert(line);
    counted.lock().expect("never poisoned").starts += 1;
    loop {
        tokio::select! {
            () = shutdown.wait_for_shutdown() => break,
            Some(line) = received.recv() => {
                note(line);
            }
        }
    }
    // The listener started later, so it has stopped already: nothing more comes in.
    while let Ok(line) = received.try_recv() {
        note(line);
    }
}

/// Plays the client: a few lines, each waited for, and a crash; and again. Returns what it got back, and how often it
/// was refused.
async fn crash_it_again_and_again(address: SocketAddr) -> io::Result<(BTreeSet<String>, usize)> {
    let (mut acknowledged, mut refused) = (BTreeSet::new(), 0);
    for round in 0..CRASHES {
        let stream = loop {
            match TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(_) => {
                    refused += 1;
                    sleep(Duration::from_millis(1)).await;
                }
            }
        };
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read).lines();
        for number in 0..LINES_BEFORE_EACH_CRASH {
            let line = format!("line {number} of round {round}");
            write.write_all(format!("{line}\n").as_bytes()).await?;
            match read.next_line().await {
                Ok(Some(echoed)) if echoed == line => acknowledged.insert(line),
                // The crash of the round before may take this connection, too, if it was made in time.
                _ => break,
            };
        }
        let _ = write.write_all(b"crash\n").await;
        // Until the server is gone.
        while let Ok(Some(_)) = read.next_line().await {}
        if round % 20 == 19 {
            println!("{} crashes so far", round + 1);
        }
    }
    Ok((acknowledged, refused))
}

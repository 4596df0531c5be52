//! A supervised TCP server that survives its own crashes: a listener owns connections that echo lines, the line
//! `crash` makes one panic and the listener fail with it, and its successor binds the same port at once. A sibling counts the lines and never notices.
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

use supervision::{BoxError, ProcessShutdown, RestartStrategy, Supervisor, one_shot, process, worker};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
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
    let listener = worker("listener", move |shutdown| listen(address, lines.clone(), shutdown));
    root.add_worker(listener.with_explicit_ready());

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

/// Accepts connections, and gives each a process in the scope of this one. The port is free when a successor binds it: the
/// socket of its predecessor was dropped before, and so were all connections.
async fn listen(address: SocketAddr, lines: Lines, shutdown: ProcessShutdown) -> Result<(), BoxError> {
    let listener = TcpListener::bind(address).await?;
    let connections = process::scope()?;
    process::ready();
    while let Some(accepted) = shutdown.run_until(listener.accept()).await {
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // Too many open files, or a client that has gone: no reason to end all connections.
            Err(error) => {
                println!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let connection = one_shot("connection", echo(stream, lines.clone()));
        // The listener fails with it.
        connections.spawn(connection.with_significance())?;
    }
    Ok(())
}

/// Counts a line before it is echoed: what the client got back is safe.
async fn echo(stream: TcpStream, lines: Lines) {
    let (shutdown, (read, mut write)) = (process::shutdown(), stream.into_split());
    let mut read = BufReader::new(read).lines();
    // Until the client is gone, which is no failure.
    while let Some(Ok(Some(line))) = shutdown.run_until(read.next_line()).await {
        if line == "crash" {
            panic!("a client said so");
        }
        let _ = lines.send(line.clone());
        let _ = write.write_all(format!("{line}\n").as_bytes()).await;
    }
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
    let (mut acknowledged, mut refused, mut crashes) = (BTreeSet::new(), 0, 0);
    'connection: while crashes < CRASHES {
        let Ok(stream) = TcpStream::connect(address).await else {
            refused += 1;
            sleep(Duration::from_millis(1)).await;
            continue;
        };
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read).lines();
        for number in 0..LINES_BEFORE_EACH_CRASH {
            let line = format!("line {number} of round {crashes}");
            let _ = write.write_all(format!("{line}\n").as_bytes()).await;
            match read.next_line().await {
                Ok(Some(echoed)) if echoed == line => acknowledged.insert(line),
                // The crash before may take this connection, too, if it was made in time.
                _ => continue 'connection,
            };
        }
        let _ = write.write_all(b"crash\n").await;
        // Until the server is gone.
        while let Ok(Some(_)) = read.next_line().await {}
        crashes += 1;
        if crashes % 20 == 0 {
            println!("{crashes} crashes so far");
        }
    }
    Ok((acknowledged, refused))
}

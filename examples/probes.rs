//! A service that an orchestrator can ask: is it alive, is it ready, has it started?
//!
//! `cargo run --features probes --example probes` asks itself, and ends. With a port it serves until SIGTERM or Ctrl-C:
//! `cargo run --features probes --example probes -- 8080`, and `curl -i localhost:8080/readyz` beside it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use supervision::{Backoff, BoxError, Probes, Supervisor, SupervisorError, process, worker};

const MOMENT: Duration = Duration::from_millis(300);

fn tree(probes: Probes) -> Result<Supervisor, SupervisorError> {
    let mut root = Supervisor::new("root")?;
    root.add_worker(probes); // first: it answers while the others start, and while they stop
    let cache = worker("cache", |shutdown| async move {
        process::sleep(MOMENT).await; // warms up
        process::ready();
        shutdown.await;
    });
    root.add_worker(cache.with_explicit_ready());
    // Its source is down. The service works without it.
    let poller = worker("poller", |_| async { Err::<(), _>("connection refused") });
    root.add_worker(poller.with_backoff(Backoff::constant(Duration::from_secs(60))).with_readiness(false));
    root.add_worker(worker("listener", |shutdown| shutdown));
    Ok(root)
}

/// Returns the first line of an answer, and its body.
fn ask(address: SocketAddr, path: &str) -> Result<String, BoxError> {
    let mut connection = TcpStream::connect(address)?;
    write!(connection, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("not HTTP")?;
    Ok(format!("{}\n{body}", head.lines().next().unwrap_or_default()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if let Some(port) = std::env::args().nth(1) {
        let root = tree(Probes::on_loopback(port.parse()?))?;
        supervision::run(root).until_signal().exit().await
    }
    let probes = Probes::on_loopback(0);
    let root = tree(probes.clone())?;
    let handle = root.handle();
    let asking = std::thread::spawn(move || {
        let address = loop {
            match probes.local_addr() {
                Some(address) => break address,
                None => std::thread::yield_now(),
            }
        };
        let early = ask(address, "/readyz").map_err(|error| error.to_string())?;
        Ok::<_, String>((address, early))
    });
    let tree = supervision::start(root).await?;
    let (address, early) = tokio::task::spawn_blocking(|| asking.join().expect("no panic")).await??;
    println!("while the cache warms up:\n{early}");
    let asked = tokio::task::spawn_blocking(move || {
        for path in ["/livez", "/readyz", "/startupz", "/tree?picture", "/metrics"] {
            println!("{path}: {}", ask(address, path)?);
        }
        Ok::<_, BoxError>(())
    });
    asked.await??;
    assert!(handle.is_ready().await, "the poller does not count");
    tree.shutdown().await?;
    assert!(ask(address, "/livez").is_err(), "the port is closed");
    Ok(())
}

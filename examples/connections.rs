//! A TCP server with a process per connection, in the scope of its listener, with a bound.
//!
//! Over the bound a client gets a clear refusal. A connection that panics harms no other. A shutdown lets open requests
//! finish, within a budget, and names the connections that did not.
//!
//! `cargo run --example connections` drives itself with clients and checks all that. With `-- --serve` it stays up, for
//! `nc 127.0.0.1 PORT`.

use std::{io, net::SocketAddr, time::Duration};

use supervision::{BoxError, ProcessShutdown, Supervisor, SupervisorError, one_shot, process, worker};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, sleep},
};

const MAX_CONNECTIONS: usize = 8;
const DRAIN: Duration = Duration::from_secs(2);
const SLOW: Duration = Duration::from_millis(500);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let serve = std::env::args().any(|argument| argument == "--serve");
    // Any free port will do; but then it stays this one.
    let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;

    let listener = worker("listener", move |shutdown| listen(address, shutdown)).with_explicit_ready();
    let root = Supervisor::new("root")?.with_worker(listener);

    println!("listening on {address}, for {MAX_CONNECTIONS} connections");
    if serve {
        println!("lines are echoed; `slow` takes a while, `panic` panics, `hang` hangs; Ctrl-C ends");
        supervision::run(root).until_signal().exit().await
    }

    std::panic::set_hook(Box::new(|_| {})); // the one panic is on purpose
    let tree = supervision::start(root).await?;
    let connections = tree.supervisor("root.listener").await?;

    let mut clients = Vec::new();
    for n in 0..MAX_CONNECTIONS {
        let mut client = Client::connect(address).await?;
        assert_eq!(client.ask("hello").await?, "hello");
        clients.push(client);
        assert_eq!(connections.count().await?.active, n + 1);
    }
    println!("{} clients are served", clients.len());

    let refusal = Client::connect(address).await?.read_all().await?;
    println!("one more is told: {}", refusal.trim_end());
    assert!(refusal.starts_with("busy: "));

    let mut victim = clients.swap_remove(0);
    victim.send("panic").await?;
    assert_eq!(victim.read_all().await?, "", "its connection is closed");
    for client in &mut clients {
        assert_eq!(client.ask("still there?").await?, "still there?");
    }
    println!("a connection has panicked, and the other {} did not notice", clients.len());
    clients.push(connect_when_there_is_room(address).await?);

    let mut slow = clients.swap_remove(0);
    let mut hanging = clients.swap_remove(0);
    let mut rude = clients.swap_remove(0);
    slow.send("slow").await?;
    hanging.send("hang").await?;
    // It does not read the first answer, so the system resets the connection when it is closed.
    rude.send("hello").await?;
    rude.send("slow").await?;
    sleep(SLOW / 5).await;
    let begin = Instant::now();
    let reset = async {
        sleep(SLOW / 5).await;
        drop(rude);
    };
    let (outcome, answer, ()) = tokio::join!(tree.shutdown(), slow.read_all(), reset);
    println!("shutdown took {:.1?}; what was in flight was answered: {:?}", begin.elapsed(), answer?.trim_end());
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("one of them hangs: {outcome:?}") };
    for process in &unclean {
        println!("not clean: {process}");
    }
    assert_eq!(unclean.len(), 1, "a client that resets its connection is no failure");
    assert!(begin.elapsed() < DRAIN + Duration::from_secs(1), "the budget holds");
    Ok(())
}

/// Accepts connections, and gives each a process in the scope of this one. When it ends, it drops the socket: no client comes
/// in any more while the connections drain.
async fn listen(address: SocketAddr, shutdown: ProcessShutdown) -> Result<(), BoxError> {
    let listener = TcpListener::bind(address).await?;
    let connections =
        process::scope_with(|scope| scope.with_max_children(MAX_CONNECTIONS).with_shutdown_budget(DRAIN))?;
    process::ready();
    while let Some(accepted) = shutdown.run_until(listener.accept()).await {
        let (mut stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // Too many open files, or a client that has gone: no reason to end all connections.
            Err(error) => {
                println!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // The connection takes its place first, so that it is still here to be refused if there is none.
        match connections.try_reserve() {
            Ok(place) => {
                place.spawn(one_shot(format!("connection_{}", peer.port()), async move {
                    // What a client does wrong is no failure of this process.
                    if let Err(error) = serve(stream).await {
                        println!("the client {peer} is gone: {error}");
                    }
                }))?;
            }
            Err(SupervisorError::AtCapacity { max, .. }) => {
                // A client that has gone already does not get it.
                let _ = stream.write_all(format!("busy: there are {max} connections, try again\n").as_bytes()).await;
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}

/// Echoes lines. Asked to stop, it finishes its current line.
async fn serve(stream: TcpStream) -> io::Result<()> {
    let shutdown = process::shutdown();
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = shutdown.run_until(lines.next_line()).await {
        let Some(line) = line? else { break };
        match line.as_str() {
            "panic" => panic!("a client said so"),
            "hang" => std::future::pending().await,
            "slow" => sleep(SLOW).await,
            _ => {}
        }
        write.write_all(format!("{line}\n").as_bytes()).await?;
    }
    Ok(())
}

struct Client {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Client {
    async fn connect(address: SocketAddr) -> io::Result<Self> {
        let (read, write) = TcpStream::connect(address).await?.into_split();
        Ok(Self { lines: BufReader::new(read).lines(), write })
    }

    async fn send(&mut self, line: &str) -> io::Result<()> {
        self.write.write_all(format!("{line}\n").as_bytes()).await
    }

    async fn ask(&mut self, line: &str) -> io::Result<String> {
        self.send(line).await?;
        self.lines.next_line().await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Returns everything that comes until the connection is closed.
    async fn read_all(self) -> io::Result<String> {
        let mut text = String::new();
        self.lines.into_inner().read_to_string(&mut text).await?;
        Ok(text)
    }
}

/// Connects when there is room: the place of a connection is free when its process has ended, which takes a moment.
async fn connect_when_there_is_room(address: SocketAddr) -> io::Result<Client> {
    loop {
        let mut client = Client::connect(address).await?;
        match client.ask("hello").await {
            Ok(answer) if answer == "hello" => return Ok(client),
            _ => sleep(Duration::from_millis(10)).await,
        }
    }
}

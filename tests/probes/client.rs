//! A client that does what it is told, right or wrong.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use supervision::{ChildState, Probes, SupervisionTree, Supervisor, SupervisorHandle, worker};

use crate::harness::{World, children};

/// Longer than each limit of the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).expect("it listens");
    connection.set_read_timeout(Some(PATIENCE)).expect("a limit");
    connection.set_write_timeout(Some(PATIENCE)).expect("a limit");
    connection
}

/// Sends these bytes, and returns all that the server answers until it closes the connection.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = connect(address);
    // The server may have closed it before the end.
    let _ = connection.write_all(bytes);
    read_to_end(&mut connection)
}

pub(crate) fn read_to_end(connection: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match connection.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => answer.extend(&piece[..read]),
            // Closed with bytes that it has not read.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }
    String::from_utf8(answer).expect("text")
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    Answer::of(&send(address, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()))
}

/// Runs a client on a thread of its own.
pub(crate) async fn beside<R: Send + 'static>(client: impl FnOnce() -> R + Send + 'static) -> R {
    smol::unblock(client).await
}

pub(crate) async fn ask(address: SocketAddr, path: &'static str) -> Answer {
    beside(move || get(address, path)).await
}

/// Waits until the probes are there: also while their siblings start.
pub(crate) async fn address(probes: &Probes) -> SocketAddr {
    loop {
        match probes.local_addr() {
            Some(address) => return address,
            None => futures_lite::future::yield_now().await,
        }
    }
}

/// Waits until a child is in this state.
pub(crate) async fn until(handle: &SupervisorHandle, path: &str, state: ChildState) {
    while handle.snapshot().await.find(path).map(|child| child.state) != Some(state) {
        futures_lite::future::yield_now().await;
    }
}

pub(crate) fn root() -> Supervisor {
    children::supervisor("root", supervision::RestartStrategy::one_for_one())
}

/// Starts a tree with these probes and an idle worker.
pub(crate) async fn serve(world: &World, probes: &Probes) -> (SupervisionTree, SocketAddr) {
    let mut root = root();
    root.add_worker(probes.clone());
    root.add_worker(worker("idle", |shutdown| shutdown));
    let tree = world.start(root).await.expect("it starts");
    (tree, probes.local_addr().expect("it is ready"))
}

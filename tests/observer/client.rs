//! A client that sends what it is told, and a tree to ask for.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;
use supervision::{Probes, RestartStrategy, SupervisionTree, Supervisor, observer::Observer, process, worker};

pub(crate) const TOKEN: &str = "the-token-of-this-test";

/// Longer than each limit of the server.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A tree with an observer, whose child `flapping` fails every 20 ms.
pub(crate) struct Shown {
    pub(crate) tree: SupervisionTree,
    pub(crate) address: SocketAddr,
}

impl Shown {
    pub(crate) async fn new(observer: Observer) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, observer, "broken").await
    }

    pub(crate) async fn at(address: Ipv4Addr, observer: Observer, error: &'static str) -> Self {
        let probes = Probes::on((address, 0)).with_observer(observer).expect("good settings");
        let patient = RestartStrategy::one_for_one().with_intensity_and_period(usize::MAX, Duration::MAX);
        let mut root = Supervisor::new("root").unwrap().with_restart_strategy(patient);
        root.add_worker(probes.clone());
        let flapping = worker("flapping", move |shutdown| async move {
            match shutdown.run_until(process::sleep(Duration::from_millis(20))).await {
                Some(()) => Err(error),
                None => Ok(()),
            }
        });
        root.add_worker(flapping);
        root.add_worker(worker("idle", |shutdown| shutdown));
        let tree = supervision::start(root).await.expect("it starts");
        let port = probes.local_addr().expect("it is ready").port();
        Self { tree, address: (Ipv4Addr::LOCALHOST, port).into() }
    }

    /// Runs a client on a thread of its own, and then ends the tree.
    pub(crate) async fn ask<R: Send + 'static>(self, client: impl FnOnce(SocketAddr) -> R + Send + 'static) -> R {
        let address = self.address;
        let result = smol::unblock(move || client(address)).await;
        self.tree.shutdown().await.expect("it stops well");
        result
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).expect("it listens");
    connection.set_read_timeout(Some(PATIENCE)).expect("a limit");
    connection
}

/// Sends these bytes, and returns the answer.
pub(crate) fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut connection = connect(address);
    // The server may have closed it before the end.
    let _ = connection.write_all(bytes);
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// Asks with these headers, which end in line breaks.
pub(crate) fn ask(address: SocketAddr, what: &str, headers: &str) -> Answer {
    send(address, format!("{what} HTTP/1.1\r\n{headers}connection: close\r\n\r\n").as_bytes())
}

pub(crate) fn local(address: SocketAddr) -> String {
    format!("host: localhost:{}\r\n", address.port())
}

/// Returns the status of the answer to a request for the stream, which would not end.
pub(crate) fn status_of_events(address: SocketAddr, headers: &str) -> u16 {
    let mut connection = connect(address);
    connection.write_all(format!("GET /events HTTP/1.1\r\n{headers}\r\n").as_bytes()).expect("it reads");
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).expect("an answer");
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
}

/// The lines of a stream.
pub(crate) struct Stream {
    reader: BufReader<TcpStream>,
    decoded: VecDeque<u8>,
}

impl Stream {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut connection = connect(address);
        let request = format!("GET /events HTTP/1.1\r\n{}\r\n", local(address));
        connection.write_all(request.as_bytes()).expect("it reads");
        let mut reader = BufReader::new(connection);
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        assert!(line.contains(" 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            assert!(reader.read_line(&mut line).expect("a head") > 0, "no stream");
        }
        Self { reader, decoded: VecDeque::new() }
    }

    /// Returns the next line. Empty ones are between two messages.
    pub(crate) fn raw(&mut self) -> String {
        loop {
            if let Some(end) = self.decoded.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.decoded.drain(..=end).collect();
                return String::from_utf8(line).expect("text").trim_end_matches('\n').to_owned();
            }
            let mut size = String::new();
            self.reader.read_line(&mut size).expect("a size");
            let size =
                usize::from_str_radix(size.trim_end(), 16).unwrap_or_else(|_| panic!("the stream has ended: {size:?}"));
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).expect("a chunk");
            self.decoded.extend(&chunk[..size]);
        }
    }

    pub(crate) fn message(&mut self) -> Value {
        loop {
            let line = self.raw();
            if let Some(json) = line.strip_prefix("data: ") {
                return serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
            }
            assert_eq!(line, "");
        }
    }

    /// Returns the next message for which this is something.
    pub(crate) fn find<R>(&mut self, is_it: impl Fn(&Value) -> Option<R>) -> R {
        loop {
            if let Some(found) = is_it(&self.message()) {
                return found;
            }
        }
    }
}

/// Returns a child of the root in a snapshot.
pub(crate) fn child<'a>(snapshot: &'a Value, path: &str) -> &'a Value {
    let children = snapshot["children"].as_array().expect("children");
    children.iter().find(|child| child["path"] == path).unwrap_or_else(|| panic!("no {path} in {snapshot}"))
}

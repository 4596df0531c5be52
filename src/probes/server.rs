use std::{
    convert::Infallible,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    time::Duration,
};

use async_executor::{LocalExecutor, Task};
use async_io::{Async, Timer};
use hyper::{server::conn::http1, service::service_fn};
use supervisor_core::BoxError;

use super::{
    Client,
    pages::Pages,
    socket::{Clock, Socket},
};

/// The largest head of a request: its first line and its headers. A probe's has some hundred bytes.
const MAX_HEAD: usize = 8 << 10;

/// How long a client may take to send the head of its next request, from when it connects or has its last answer.
const HEAD_LIMIT: Duration = Duration::from_secs(5);

/// How long nothing is accepted after the system has refused a connection, because the program has no file descriptors left.
const REFUSED: Duration = Duration::from_millis(100);

/// The answer for a client beyond the bound, while all others are being answered.
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 27\r\n\r\nbusy: too many connections\n";

/// The listener, and the connections that it has accepted. All of them are gone when this is dropped.
pub(super) struct Server {
    listener: Async<TcpListener>,
    max_connections: usize,
}

impl Server {
    pub(super) fn bind(address: SocketAddr, max_connections: usize) -> Result<Self, BoxError> {
        let listener = Async::<TcpListener>::bind(address).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!("cannot listen on {address}: {error}; choose another port, or 0"),
            _ => format!("cannot listen on {address}: {error}"),
        })?;
        Ok(Self { listener, max_connections })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.get_ref().local_addr()
    }

    /// Serves the pages. Never ends by itself.
    pub(super) async fn serve(self, pages: Pages) {
        let (connections, pages) = (LocalExecutor::new(), Rc::new(pages));
        let asking = pages.clone();
        connections.spawn(async move { asking.liveness.run().await }).detach();
        let showing = pages.clone();
        connections
            .spawn(async move {
                if let Some(observer) = &showing.observer {
                    observer.run().await;
                }
            })
            .detach();
        connections.run(self.accept(&connections, &pages)).await
    }

    async fn accept(&self, connections: &LocalExecutor<'static>, pages: &Rc<Pages>) {
        let mut open = Open { places: self.max_connections, connections: Vec::new() };
        loop {
            let Ok((stream, address)) = self.listener.accept().await else {
                Timer::after(REFUSED).await;
                continue;
            };
            if !open.make_room() {
                refuse(stream.get_ref());
                continue;
            }
            let client = Rc::new(Client::new(address));
            let task = connections.spawn(serve_one(stream, client.clone(), pages.clone()));
            open.connections.push((client, task));
        }
    }
}

/// The connections that are served at once, in the order in which they were accepted.
struct Open {
    places: usize,
    connections: Vec<(Rc<Client>, Task<()>)>,
}

impl Open {
    /// Makes room for another connection: the oldest one that is silent is closed for it. So clients that connect and say nothing
    /// keep no probe out. Returns whether there is room.
    fn make_room(&mut self) -> bool {
        let has_place = |(client, task): &(Rc<Client>, Task<()>)| !client.is_released() && !task.is_finished();
        let (held, others): (Vec<_>, Vec<_>) = self.connections.drain(..).partition(has_place);
        self.connections = held;
        for (_, task) in others {
            task.detach();
        }
        if self.connections.len() < self.places {
            return true;
        }
        let silent = self.connections.iter().position(|(client, _)| client.is_silent());
        silent.map(|oldest| self.connections.remove(oldest)).is_some()
    }
}

/// Serves the requests of one connection, one after the other.
async fn serve_one(stream: Async<TcpStream>, client: Rc<Client>, pages: Rc<Pages>) {
    let _ = stream.get_ref().set_nodelay(true);
    let socket = Socket::new(stream, client.clone());
    let (client, pages) = (&client, &pages);
    let service = service_fn(|request| async move {
        client.is_asking.set(true);
        let answer = pages.answer(&request, client).await;
        client.is_asking.set(false);
        Ok::<_, Infallible>(answer)
    });
    let connection = http1::Builder::new()
        .timer(Clock)
        .header_read_timeout(HEAD_LIMIT)
        .max_header_size(MAX_HEAD)
        .max_buf_size(2 * MAX_HEAD)
        .serve_connection(socket, service);
    // A client that goes away, is too slow or sends garbage has had its answer, if there is one.
    let _ = connection.await;
}

/// Answers a client beyond the bound, and closes the connection. Never waits: what does not go through at once is lost.
fn refuse(mut stream: &TcpStream) {
    // A request that is there and is not read would make the system reset the connection, and the client might lose the answer.
    let _ = stream.read(&mut [0; 1024]);
    let _ = stream.write(BUSY.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

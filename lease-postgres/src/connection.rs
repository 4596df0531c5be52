use std::{error::Error, future::Future, pin::Pin, time::Duration};

use futures_lite::{Stream, StreamExt, stream::poll_fn};
use tokio::sync::{Mutex, watch};
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, Row, Socket,
    tls::{MakeTlsConnect, TlsConnect},
    types::{ToSql, Type},
};
use tokio_util::task::AbortOnDropHandle;

type BoxError = Box<dyn Error + Send + Sync>;

/// How long a server has to take the request that cancels a statement.
const LONGEST_CANCEL: Duration = Duration::from_secs(1);

/// What comes from the server between answers. It has to be polled for anything to happen on the connection.
type Messages = Pin<Box<dyn Stream<Item = Result<AsyncMessage, tokio_postgres::Error>> + Send>>;

type Connecting = Pin<Box<dyn Future<Output = Result<(Client, Messages), tokio_postgres::Error>> + Send>>;

type Cancelling = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// A way to the server, whatever protects it.
pub(crate) struct Connector {
    connect: Box<dyn Fn() -> Connecting + Send + Sync>,
    cancel: Box<dyn Fn(CancelToken) -> Cancelling + Send + Sync>,
}

impl Connector {
    pub(crate) fn new<T>(config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let same = tls.clone();
        Self {
            connect: Box::new(move || {
                let (config, tls) = (config.clone(), tls.clone());
                Box::pin(async move {
                    let (client, mut connection) = config.connect(tls).await?;
                    let messages: Messages = Box::pin(poll_fn(move |cx| connection.poll_message(cx)));
                    Ok((client, messages))
                })
            }),
            cancel: Box::new(move |statement| {
                let tls = same.clone();
                Box::pin(async move { statement.cancel_query(tls).await })
            }),
        }
    }
}

/// One connection at a time, for the requests of one lease. It is opened by the request that needs it.
///
/// One request has it at a time. A request that is dropped ends before the next one begins, and the server carries out what comes on a
/// connection in order: so a release that follows a request without an answer comes after that request.
pub(crate) struct Line {
    connector: Connector,
    /// Notifications with another payload are for other leases.
    name: String,
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    open: Option<Open>,
    /// The statement that the last connection has left without an answer.
    stale: Option<CancelToken>,
}

struct Open {
    client: Client,
    /// Changes with each notification.
    told: watch::Receiver<u64>,
    listens: bool,
    /// The requests in a row that were dropped before they were answered, and the one under way.
    unanswered: u32,
    /// Drives the connection, and closes it when this is dropped.
    _driver: AbortOnDropHandle<()>,
}

impl Line {
    pub(crate) fn new(connector: Connector, name: String) -> Self {
        Self { connector, name, slot: Mutex::default() }
    }

    /// Sends a statement, and waits for its rows.
    pub(crate) async fn query(&self, sql: &str, values: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, BoxError> {
        // A connection that has left a request without an answer may be dead, with nothing to show it.
        self.query_after(0, sql, values).await
    }

    /// Sends a statement that has to come after the last one, though that was not answered.
    pub(crate) async fn query_in_order(
        &self,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, BoxError> {
        self.query_after(1, sql, values).await
    }

    async fn query_after(
        &self,
        unanswered: u32,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, BoxError> {
        let mut slot = self.slot.lock().await;
        let open = self.open(&mut slot, unanswered).await?;
        open.unanswered += 1;
        // One message to the server, without a statement to prepare: it is sent as a whole or not at all.
        let answer = open.client.query_typed(sql, values).await;
        open.unanswered = 0;
        Ok(answer?)
    }

    /// Listens for notifications, and returns what changes with each of them from now on.
    pub(crate) async fn listen(&self, channel: &str) -> Result<watch::Receiver<u64>, BoxError> {
        let mut slot = self.slot.lock().await;
        let open = self.open(&mut slot, 0).await?;
        if !open.listens {
            open.unanswered += 1;
            let answer = open.client.batch_execute(&format!("LISTEN {channel}")).await;
            open.unanswered = 0;
            answer?;
            open.listens = true;
        }
        let mut told = open.told.clone();
        told.mark_unchanged();
        Ok(told)
    }

    /// Returns the connection, and opens it if there is none that is usable: one with no more than so many requests without an answer.
    async fn open<'a>(&self, slot: &'a mut Slot, unanswered: u32) -> Result<&'a mut Open, BoxError> {
        slot.open.take_if(|open| open.client.is_closed());
        if let Some(open) = slot.open.take_if(|open| open.unanswered > unanswered) {
            slot.stale = Some(open.client.cancel_token());
        }
        match &mut slot.open {
            Some(open) => Ok(open),
            none => {
                let (client, messages) = (self.connector.connect)().await?;
                let (tell, told) = watch::channel(0);
                let driver = AbortOnDropHandle::new(tokio::spawn(drive(messages, self.name.clone(), tell)));
                if let Some(statement) = slot.stale.take() {
                    // A statement that waits for a lock does not notice that its connection is gone. Without this each request would
                    // leave one more in the server. If it has ended meanwhile, nothing is cancelled. Beside the request: the server of
                    // that statement may be another one, which does not answer.
                    let cancel = (self.connector.cancel)(statement);
                    tokio::spawn(tokio::time::timeout(LONGEST_CANCEL, cancel));
                }
                Ok(none.insert(Open { client, told, listens: false, unanswered: 0, _driver: driver }))
            }
        }
    }
}

/// Polls a connection until it ends.
async fn drive(mut messages: Messages, name: String, tell: watch::Sender<u64>) {
    while let Some(Ok(message)) = messages.next().await {
        if matches!(message, AsyncMessage::Notification(note) if note.payload() == name) {
            tell.send_modify(|count| *count += 1);
        }
    }
}

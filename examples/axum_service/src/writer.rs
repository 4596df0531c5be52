//! The writer: puts rows into SQLite, in the order in which they come.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;
use supervision::{Backoff, BoxError, ChildSpec, ProcessShutdown, Retained, RuntimeConfiguration, worker_with_setup};
use tokio::sync::mpsc;

/// The most rows in one transaction.
const BATCH: usize = 100;

pub(crate) struct Row {
    pub(crate) question: String,
    pub(crate) answer: String,
}

/// What outlives a process of the writer, so that no row is lost with it.
struct Inbox {
    rows: mpsc::Receiver<Row>,
    /// Received, and not committed yet.
    in_hand: Vec<Row>,
}

/// Returns the worker. Its set-up opens the database. Calls of SQLite block, so it has a runtime with a thread of its own.
pub(crate) fn writer(database: PathBuf, rows: mpsc::Receiver<Row>) -> ChildSpec {
    let inbox = Retained::new(Inbox { rows, in_hand: Vec::new() });
    let child = worker_with_setup("writer", move |shutdown| {
        let (database, inbox) = (database.clone(), inbox.clone());
        async move {
            let connection = open(&database)?;
            Ok(write(connection, inbox, shutdown))
        }
    });
    child
        .with_placement(RuntimeConfiguration::single_threaded())
        .with_backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(2)))
}

fn open(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(database)?;
    connection.busy_timeout(Duration::from_millis(50))?;
    connection.execute_batch("create table if not exists results (question text not null, answer text not null)")?;
    Ok(connection)
}

async fn write(mut connection: Connection, inbox: Retained<Inbox>, shutdown: ProcessShutdown) -> Result<(), BoxError> {
    let mut inbox = inbox.take();
    let Inbox { rows, in_hand } = &mut *inbox;
    loop {
        // At the start: what the process before had in hand.
        commit(&mut connection, in_hand)?;
        match shutdown.run_until(rows.recv_many(in_hand, BATCH)).await {
            Some(0) => shutdown.clone().await, // all senders are gone
            Some(_) => {}
            None => break,
        }
    }
    // The producers have stopped before: their places in the tree are behind this one.
    while let Ok(row) = rows.try_recv() {
        in_hand.push(row);
    }
    Ok(commit(&mut connection, in_hand)?)
}

/// Commits the rows and forgets them. With no `.await` in between, a row is neither lost nor written twice.
fn commit(connection: &mut Connection, in_hand: &mut Vec<Row>) -> rusqlite::Result<()> {
    if in_hand.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for Row { question, answer } in &*in_hand {
        transaction.execute("insert into results values (?, ?)", [question, answer])?;
    }
    transaction.commit()?;
    in_hand.clear();
    Ok(())
}

//! One client.

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use futures_lite::future::{or, poll_once};
use supervision::ProcessShutdown;

use crate::{
    command::{Client, Output, execute},
    input::Input,
    net::{AsyncReadExt, AsyncWriteExt, TcpStream},
    protocol::write_error,
    server::Server,
};

/// So many bytes of replies are sent before further commands are executed. So a client that asks for much, and reads
/// nothing, costs no more than this and one reply.
const MAX_REPLIES: usize = 256 * 1024;

/// The connection of a client: its input that is not parsed yet, and its answers that are not sent yet.
#[derive(Debug)]
struct Connection<'a> {
    stream: TcpStream,
    server: &'a Server,
    client: Client,
    input: Input,
    output: Output,
}

/// What to do after some commands were executed.
enum Next {
    /// More input is needed.
    Read,
    /// There may be another command.
    Go,
    Close,
}

/// Serves a client until it goes, or the shutdown is requested between two commands.
///
/// `sleep` is that of the process, or that of the executor where there is no process.
///
/// # Errors
///
/// The connection is broken, or the log cannot be written. A client that stalls, or sends what is no command, is no error of
/// the server: it is disconnected, and counted.
pub async fn serve<S: Future>(
    stream: TcpStream,
    server: Arc<Server>,
    shutdown: ProcessShutdown,
    sleep: impl Fn(Duration) -> S,
) -> io::Result<()> {
    let id = server.counters.connections.fetch_add(1, Relaxed) + 1;
    let client = Client { id, name: Vec::new(), is_leaving: false };
    let input = Input::new(server.options.max_command);
    let mut connection = Connection { stream, server: &server, client, input, output: Output::default() };
    let patience = server.options.stall;
    loop {
        // An idle client may stay. One that has begun a command has to send the rest of it.
        let has_input = if connection.input.unused().is_empty() {
            shutdown.run_until(connection.read()).await.transpose()?
        } else {
            match shutdown.run_until(within(patience, &sleep, connection.read_command())).await {
                Some(None) => return connection.cut(),
                Some(Some(outcome)) => Some(outcome?),
                None => None,
            }
        };
        if has_input != Some(true) {
            return Ok(());
        }
        loop {
            let (next, written) = connection.execute();
            if let Some(written) = written {
                // The replies say that the changes are safe, so they wait until that is true.
                written.await.map_err(|_| io::Error::other("the log was not written"))?;
            }
            match within(patience, &sleep, connection.write()).await {
                None => return connection.cut(),
                Some(outcome) => outcome?,
            }
            match next {
                Next::Read => break,
                Next::Go => {}
                Next::Close => return Ok(()),
            }
        }
    }
}

/// Returns the future's output, or `None` if it takes too long.
async fn within<F: Future, S: Future>(limit: Duration, sleep: impl Fn(Duration) -> S, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    // Mostly it is ready, and needs no timer.
    if let Some(output) = poll_once(future.as_mut()).await {
        return Some(output);
    }
    let elapsed = async {
        sleep(limit).await;
        None
    };
    or(async { Some(future.await) }, elapsed).await
}

impl Connection<'_> {
    /// Reads what comes. Returns `false` at the end.
    async fn read(&mut self) -> io::Result<bool> {
        let count = self.stream.read(self.input.room()).await?;
        self.input.add(count);
        Ok(count > 0)
    }

    /// Reads until there is a command, or an error in its place.
    async fn read_command(&mut self) -> io::Result<bool> {
        while self.input.is_incomplete() {
            if !self.read().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Executes the commands that are complete, and hands their changes to the log. If there are any, the second value
    /// resolves when they are written.
    fn execute(&mut self) -> (Next, Option<oneshot::Receiver<()>>) {
        let Self { server, client, input, output, .. } = self;
        let (mut next, mut commands) = (Next::Read, 0);
        let mut store = server.store();
        loop {
            match input.command() {
                Ok(None) => break,
                Ok(Some(arguments)) => {
                    execute(server, &mut store, client, &arguments, output);
                    commands += 1;
                }
                Err(error) => {
                    write_error(&mut output.replies, format_args!("Protocol error: {error}"));
                    next = Next::Close;
                    break;
                }
            }
            if client.is_leaving {
                next = Next::Close;
                break;
            }
            if output.replies.len() >= MAX_REPLIES {
                next = Next::Go;
                break;
            }
        }
        let records = &mut output.records;
        // Still under the lock: the log has the changes in the order in which they were made.
        let written = (!records.is_empty()).then(|| server.log.append(std::mem::take(records)));
        drop(store);
        server.counters.commands.fetch_add(commands, Relaxed);
        (next, written)
    }

    /// Sends the replies.
    async fn write(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output.replies).await?;
        self.output.replies.clear();
        self.output.replies.shrink_to(MAX_REPLIES);
        Ok(())
    }

    fn cut(self) -> io::Result<()> {
        self.server.counters.cut.fetch_add(1, Relaxed);
        tracing::info!(client = self.client.id, "cut: the client has stalled");
        Ok(())
    }
}

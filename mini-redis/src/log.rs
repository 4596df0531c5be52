//! The append-only log, which loses nothing that was acknowledged.
//!
//! A connection hands its changes over while it holds the lock of the store, so the log has them in the order in which they
//! were made. It sends its replies when it hears that they were written. The flusher writes all that waits at once: the
//! more clients, the larger its batches.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Read, Write},
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use async_channel::{Receiver, Sender};
use supervision::{ChildSpec, ProcessShutdown, RestartType, Retained, ShutdownStrategy, process, worker};

use crate::{
    command::{apply, record_set},
    input::Input,
    options::Fsync,
    server::Server,
    store::{Store, now},
};

/// A batch is written when it has this many bytes, even if more changes wait.
const MAX_BATCH: usize = 1024 * 1024;
/// The log is rewritten at the start if it has this many records more than two for each key.
const REWRITE_BEYOND: usize = 10_000;
/// How often the log is synchronized under [`Fsync::EverySecond`].
pub const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The log, as the workers share it.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// Set when the log has been read.
    file: OnceLock<File>,
    /// Not bounded, and needs no bound: a connection hands over one entry, and waits for it.
    entries: Sender<Entry>,
    /// How many bytes were written by this program.
    written: AtomicU64,
    /// How many of these are on the disk.
    synced: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    records: Vec<u8>,
    written: oneshot::Sender<()>,
}

/// The receiving end, and what was taken from it. One flusher has it; the next one goes on with it.
#[derive(Debug)]
pub struct Inbox {
    entries: Receiver<Entry>,
    /// The records in hand, and the connections that wait for them.
    batch: Vec<u8>,
    waiting: Vec<oneshot::Sender<()>>,
    /// The length of the log without the batch. The file is longer if the batch was written in part.
    length: Option<u64>,
}

impl Log {
    /// Creates a log with its inbox. It is opened by [`load`](Self::load).
    pub fn new(path: PathBuf) -> (Self, Inbox) {
        let (sender, entries) = async_channel::unbounded();
        let (written, synced) = (AtomicU64::new(0), AtomicU64::new(0));
        let log = Self { path, file: OnceLock::new(), entries: sender, written, synced };
        (log, Inbox { entries, batch: Vec::new(), waiting: Vec::new(), length: None })
    }

    /// Hands records over. What this returns resolves when they are written; it fails if they never will be.
    pub fn append(&self, records: Vec<u8>) -> oneshot::Receiver<()> {
        let (written, is_written) = oneshot::channel();
        // If there is no inbox any more, the other end is dropped here, and the caller hears of it.
        let _ = self.entries.try_send(Entry { records, written });
        is_written
    }

    /// Opens the log, and applies its records to the store. Does nothing if that was done before: the store outlives the
    /// process that has filled it.
    ///
    /// A record that is incomplete is the last one, which was never acknowledged. It is cut off.
    pub fn load(&self, store: &mut Store, limit: usize) -> io::Result<()> {
        if self.file.get().is_some() {
            return Ok(());
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        let mut input = Input::new(limit);
        let (mut length, mut records, now) = (0, 0, now());
        loop {
            loop {
                let at = length - input.unused().len() as u64;
                match input.command() {
                    Ok(None) => break,
                    Ok(Some(record)) if apply(store, &record, now) => records += 1,
                    Ok(Some(_)) => return Err(self.damaged(at, "this is no record")),
                    Err(error) => return Err(self.damaged(at, &error.to_string())),
                }
            }
            match file.read(input.room())? {
                0 => break,
                count => {
                    input.add(count);
                    length += count as u64;
                }
            }
        }
        let rest = input.unused().len() as u64;
        if rest > 0 {
            tracing::warn!(bytes = rest, "cutting off the last record, which is incomplete");
            file.set_len(length - rest)?;
        }
        if records > 2 * store.len() + REWRITE_BEYOND {
            file = self.rewrite(store)?;
        }
        tracing::info!(records, keys = store.len(), path = %self.path.display(), "log read");
        let _ = self.file.set(file);
        Ok(())
    }

    /// Replaces the log by one that says the same without what was overwritten. After a crash there is the old one or the new
    /// one, complete.
    fn rewrite(&self, store: &Store) -> io::Result<File> {
        let path = self.path.with_extension("new");
        let mut new = BufWriter::new(File::create(&path)?);
        let mut record = Vec::new();
        for (key, value, expires_at) in store.iter() {
            record_set(&mut record, key, value, expires_at);
            new.write_all(&record)?;
            record.clear();
        }
        new.into_inner()?.sync_all()?;
        fs::rename(&path, &self.path)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        OpenOptions::new().append(true).open(&self.path)
    }

    fn damaged(&self, at: u64, why: &str) -> io::Error {
        let text = format!("{} is damaged at byte {at}: {why}", self.path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    fn file(&self) -> io::Result<&File> {
        self.file.get().ok_or_else(|| io::Error::other("the log was not read yet"))
    }

    /// Waits until the disk has what was written before this call. Blocks.
    pub fn sync(&self) -> io::Result<()> {
        let written = self.written.load(Relaxed);
        if self.synced.load(Relaxed) < written {
            self.file()?.sync_data()?;
            self.synced.fetch_max(written, Relaxed);
        }
        Ok(())
    }
}

impl Drop for Inbox {
    /// Tells those who wait that it will not be: a channel keeps what is in it as long as it has a sender.
    fn drop(&mut self) {
        self.entries.close();
        while self.entries.try_recv().is_ok() {}
    }
}

/// Returns the child that writes the log. It stops after the connections, so it has written all that they wait for.
pub fn flusher(server: &Arc<Server>, inbox: Inbox) -> ChildSpec {
    let (server, inbox) = (server.clone(), Retained::new(inbox));
    let flusher = worker("flusher", move |shutdown| {
        let (server, inbox) = (server.clone(), inbox.clone());
        async move { flush(&server, &mut inbox.take(), &shutdown).await }
    });
    // A disk may be slow. To be killed by the orchestrator loses no more than to be aborted here.
    flusher.with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(30)))
}

/// Writes entries until it is asked to stop, and then those that are left.
///
/// If this is aborted or fails, its entries stay in the inbox. The next call truncates what was written of them, and writes
/// them again.
pub async fn flush(server: &Arc<Server>, inbox: &mut Inbox, shutdown: &ProcessShutdown) -> io::Result<()> {
    loop {
        if inbox.waiting.is_empty() {
            match shutdown.run_until(inbox.entries.recv()).await {
                Some(Ok(entry)) => inbox.take(entry),
                // A log is never without a sender.
                Some(Err(_)) | None => break,
            }
        }
        inbox.take_waiting();
        inbox.write(server).await?;
    }
    while inbox.take_waiting() {
        inbox.write(server).await?;
    }
    sync(server).await
}

async fn sync(server: &Arc<Server>) -> io::Result<()> {
    let server = server.clone();
    blocking::unblock(move || server.log.sync()).await
}

impl Inbox {
    fn take(&mut self, entry: Entry) {
        self.batch.extend_from_slice(&entry.records);
        self.waiting.push(entry.written);
    }

    /// Takes what waits. Returns whether there is something to write.
    fn take_waiting(&mut self) -> bool {
        while self.batch.len() < MAX_BATCH {
            let Ok(entry) = self.entries.try_recv() else { break };
            self.take(entry);
        }
        !self.waiting.is_empty()
    }

    /// Writes the batch, and tells those who wait.
    async fn write(&mut self, server: &Arc<Server>) -> io::Result<()> {
        let log = &server.log;
        let mut file = log.file()?;
        let length = match self.length {
            // An earlier try may have written some of it.
            Some(length) => {
                if file.metadata()?.len() != length {
                    file.set_len(length)?;
                }
                length
            }
            None => file.metadata()?.len(),
        };
        self.length = Some(length);
        // Not on a thread of its own: this copies into the memory of the system, which takes microseconds. The
        // connections wait for it in any case.
        file.write_all(&self.batch)?;
        log.written.fetch_add(self.batch.len() as u64, Relaxed);
        if server.options.fsync == Fsync::Always {
            sync(server).await?;
        }
        // From here to the end there is no `.await`, so no batch is half done.
        self.length = Some(length + self.batch.len() as u64);
        self.batch.clear();
        self.batch.shrink_to(MAX_BATCH);
        for connection in self.waiting.drain(..) {
            // A connection that was killed does not wait any more.
            let _ = connection.send(());
        }
        Ok(())
    }
}

/// Returns the child that synchronizes the log each second.
///
/// A disk that has failed to synchronize may say later that all is well, though pages are lost. So this error is not retried:
/// the program ends, and its next start reads what the disk really has.
pub fn syncer(server: &Arc<Server>) -> ChildSpec {
    let server = server.clone();
    let syncer = worker("syncer", move |shutdown| {
        let server = server.clone();
        async move {
            while shutdown.run_until(process::sleep(SYNC_EVERY)).await.is_some() {
                sync(&server).await?;
            }
            Ok::<(), io::Error>(())
        }
    });
    // The end of a significant child is the end of the tree. An abort is no error: after that, the syncer is restarted.
    syncer.with_restart_type(RestartType::Transient).with_significance().with_restart_if(|_| false)
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::options::Options;

    /// Runs a test with a server and its inbox, in a folder of its own.
    fn with_server(name: &str, test: impl FnOnce(&Arc<Server>, Inbox)) {
        let directory = std::env::temp_dir().join(format!("mini-redis-unit-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let options = Options { directory: directory.clone(), fsync: Fsync::Always, ..Options::default() };
        let (server, inbox) = Server::new(options);
        server.load().unwrap();
        test(&Arc::new(server), inbox);
        fs::remove_dir_all(directory).unwrap();
    }

    /// Returns whether this was acknowledged. After a flush it is known.
    fn is_acknowledged(written: oneshot::Receiver<()>) -> bool {
        block_on(async { written.await.is_ok() })
    }

    fn text(server: &Server) -> String {
        fs::read_to_string(&server.log.path).unwrap()
    }

    /// Flushes what waits now.
    fn flush_now(server: &Arc<Server>, inbox: &mut Inbox) {
        let (shutdown, stop) = ProcessShutdown::paired();
        stop.trigger();
        block_on(flush(server, inbox, &shutdown)).unwrap();
    }

    #[test]
    fn entries_are_written_before_they_are_acknowledged() {
        with_server("order", |server, mut inbox| {
            let written = [server.log.append(b"one ".to_vec()), server.log.append(b"two ".to_vec())];
            assert!(written.iter().all(|written| written.try_recv().is_err()));
            flush_now(server, &mut inbox);
            assert_eq!(text(server), "one two ");
            assert!(written.into_iter().all(is_acknowledged));
        });
    }

    #[test]
    fn a_flusher_that_is_aborted_leaves_its_batch_to_the_next() {
        with_server("abort", |server, mut inbox| {
            let (first, second) = (server.log.append(b"one ".to_vec()), server.log.append(b"two ".to_vec()));
            let (shutdown, _stop) = ProcessShutdown::paired();
            // One poll: it writes, and then waits for the disk.
            let polled = block_on(futures_lite::future::poll_once(flush(server, &mut inbox, &shutdown)));
            assert!(polled.is_none());
            flush_now(server, &mut inbox);
            assert_eq!(text(server), "one two ", "each is there once");
            assert!(is_acknowledged(first) && is_acknowledged(second));
        });
    }

    #[test]
    fn a_batch_that_was_written_in_part_is_written_again() {
        with_server("part", |server, mut inbox| {
            let first = server.log.append(b"one ".to_vec());
            flush_now(server, &mut inbox);
            let second = server.log.append(b"two ".to_vec());
            // As a full disk leaves it.
            server.log.file().unwrap().write_all(b"tw").unwrap();
            flush_now(server, &mut inbox);
            assert_eq!(text(server), "one two ");
            assert!(is_acknowledged(first) && is_acknowledged(second));
        });
    }

    #[test]
    fn a_log_of_overwritten_keys_is_short_after_the_next_start() {
        with_server("rewrite", |server, mut inbox| {
            let mut records = Vec::new();
            for number in 0..=2 + REWRITE_BEYOND {
                record_set(&mut records, b"key", number.to_string().as_bytes(), None);
            }
            let _ = server.log.append(records);
            flush_now(server, &mut inbox);
            // The second start finds the log of the first one, and what was appended to it.
            for (count, appended) in [(1, "a"), (2, "b")] {
                let (server, mut inbox) = Server::new(server.options.clone());
                let server = Arc::new(server);
                server.load().unwrap();
                assert_eq!(server.store().get(b"key", 0), Some((2 + REWRITE_BEYOND).to_string().as_bytes()));
                assert_eq!(server.store().len(), count);
                let mut records = Vec::new();
                record_set(&mut records, appended.as_bytes(), b"", None);
                let _ = server.log.append(records);
                flush_now(&server, &mut inbox);
                assert!(text(&server).len() < 200);
            }
        });
    }

    #[test]
    fn an_inbox_that_is_dropped_acknowledges_nothing() {
        with_server("drop", |server, inbox| {
            let before = server.log.append(b"one ".to_vec());
            drop(inbox);
            let after = server.log.append(b"two ".to_vec());
            assert!(!is_acknowledged(before) && !is_acknowledged(after));
            assert_eq!(text(server), "");
        });
    }
}

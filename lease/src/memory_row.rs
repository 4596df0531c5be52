use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;
use futures_lite::future::yield_now;
use supervisor_core::BoxError;

use crate::{Acquisition, Bid, Claim, Holder, Mark, Patience, Renewal, Row, Store, Token};

/// A store in the memory of this process that counts no time: a row, as a database keeps it, with replicas that count for
/// themselves. For tests.
///
/// It decides with the same [`Patience`] as the store for PostgreSQL. A clone is another replica's value: the row is the same, and
/// the patience is its own.
#[derive(Debug, Default)]
pub struct MemoryRow {
    table: Arc<Table>,
    patience: Mutex<Patience<Mark>>,
}

#[derive(Debug, Default)]
struct Table {
    rows: Mutex<Rows>,
    freed: Event,
}

#[derive(Debug, Default)]
struct Rows {
    /// A sequence, which outlives the row.
    last: u64,
    row: Option<Row>,
}

impl MemoryRow {
    /// Makes a store for one lease.
    pub fn new() -> Self {
        Self::default()
    }

    /// Deletes the row, as an operator does by hand: its holder has the lease no longer, and does not know.
    pub fn delete(&self) {
        self.rows().row = None;
        self.table.freed.notify(usize::MAX);
    }

    /// Returns the row as it is now.
    pub fn row(&self) -> Option<Row> {
        self.rows().row.clone()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.table.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants the lease if the row is still what it was when it was read.
    fn swap(&self, read: Option<Mark>, bid: &Bid<'_>) -> Option<Token> {
        let mut rows = self.rows();
        if rows.row.as_ref().map(Row::mark) != read {
            return None;
        }
        rows.last += 1;
        let version = read.map_or(1, |mark| mark.version + 1);
        rows.row = Some(Row::new(rows.last, version, Some(bid.holder.to_string()), bid.duration));
        Some(Token::new(rows.last))
    }
}

impl Clone for MemoryRow {
    fn clone(&self) -> Self {
        Self { table: self.table.clone(), patience: Mutex::default() }
    }
}

impl Store for MemoryRow {
    async fn acquire(&self, bid: &Bid<'_>) -> Result<Acquisition, BoxError> {
        loop {
            let row = self.row();
            // After the row was read. The clock is foreign code, which runs before the lock is taken.
            let now = bid.clock.now();
            let claim = self.patience.lock().unwrap_or_else(PoisonError::into_inner).judge(row.as_ref(), bid, now);
            if let Claim::HeldBy(holder) = claim {
                return Ok(Acquisition::HeldBy(holder));
            }
            // As in a database, another replica may come between.
            yield_now().await;
            if let Some(token) = self.swap(row.as_ref().map(Row::mark), bid) {
                return Ok(Acquisition::Granted { token, duration: bid.duration });
            }
        }
    }

    async fn renew(&self, bid: &Bid<'_>, token: Token) -> Result<Renewal, BoxError> {
        let mut rows = self.rows();
        match rows.row.as_mut().filter(|row| row.epoch == token.as_u64() && is_held_by(row, bid.holder)) {
            Some(row) => {
                row.version += 1;
                row.duration = bid.duration;
                Ok(Renewal::Renewed(bid.duration))
            }
            None => Ok(Renewal::NotYours),
        }
    }

    async fn release(&self, holder: &Holder) -> Result<(), BoxError> {
        let freed = match self.rows().row.as_mut().filter(|row| is_held_by(row, holder)) {
            Some(row) => {
                row.version += 1;
                row.holder = None;
                true
            }
            None => false,
        };
        if freed {
            // The wakers are foreign code: the lock is not held.
            self.table.freed.notify(usize::MAX);
        }
        Ok(())
    }

    async fn freed(&self) {
        loop {
            // Before the look: a release between the two is not missed.
            let freed = self.table.freed.listen();
            if self.row().is_none_or(|row| row.holder.is_none()) {
                return;
            }
            freed.await;
        }
    }
}

fn is_held_by(row: &Row, holder: &Holder) -> bool {
    row.holder.as_deref() == Some(holder.as_str())
}

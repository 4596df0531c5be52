//! Mailboxes: queues of messages to a supervisor.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use crate::quiescence::InFlight;

/// A message under way.
pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    pub(crate) in_flight: InFlight,
}

/// A queue of messages, in the order in which they came. It has no waker; senders wake the supervisor separately.
///
/// The reader takes out all messages at once, so in the common case neither side allocates, and the two sides meet once
/// for many messages.
pub(crate) struct Mailbox<M> {
    unread: Mutex<Option<Unread<M>>>,
    /// The number of messages in `unread`, changed under the lock. A supervisor looks into its mailboxes several times in each
    /// turn, and mostly one is empty: reading this number costs a tenth of a lock.
    len: AtomicUsize,
}

struct Unread<M> {
    messages: VecDeque<Envelope<M>>,
    /// The time at which the first of them came.
    since: Option<Instant>,
}

/// Messages that a reader has taken out of a mailbox, and not read yet.
pub(crate) struct Taken<M>(VecDeque<Envelope<M>>);

/// The capacity that is kept for the next messages; more than that is freed.
const KEPT: usize = 1024;

impl<M> Mailbox<M> {
    pub(crate) fn new() -> Self {
        Self { unread: Mutex::new(Some(Unread { messages: VecDeque::new(), since: None })), len: AtomicUsize::new(0) }
    }

    /// Puts a message in. Returns the message if the mailbox is closed. `now` is called only for the first of several
    /// waiting messages.
    pub(crate) fn put(&self, envelope: Envelope<M>, now: impl FnOnce() -> Instant) -> Result<(), Envelope<M>> {
        match &mut *self.lock() {
            Some(unread) => {
                unread.since.get_or_insert_with(now);
                unread.messages.push_back(envelope);
                // A reader that was woken after this reads it: the wake comes after it, and what reads comes after the wake.
                self.len.store(unread.messages.len(), Ordering::Release);
                Ok(())
            }
            None => Err(envelope),
        }
    }

    /// Returns how many messages wait to be taken out.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Returns since when a message waits to be taken out.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.lock().as_ref()?.since
    }

    /// Returns the next message.
    #[inline]
    pub(crate) fn next(&self, taken: &mut Taken<M>) -> Option<Envelope<M>> {
        if taken.0.is_empty() {
            if taken.0.capacity() > KEPT {
                taken.0 = VecDeque::new();
            }
            if self.len() == 0 {
                return None;
            }
            if let Some(unread) = &mut *self.lock() {
                unread.since = None;
                mem::swap(&mut unread.messages, &mut taken.0);
                self.len.store(0, Ordering::Release);
            }
        }
        taken.0.pop_front()
    }

    /// Closes the mailbox: from now on it takes no message. Returns those that are left.
    pub(crate) fn close(&self) -> Taken<M> {
        let taken = self.lock().take().map(|unread| unread.messages).unwrap_or_default();
        self.len.store(0, Ordering::Release);
        Taken(taken)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Unread<M>>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Taken<M> {
    pub(crate) fn nothing() -> Self {
        Self(VecDeque::new())
    }

    /// Returns how many messages are left to read.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<M> Iterator for Taken<M> {
    type Item = Envelope<M>;

    fn next(&mut self) -> Option<Envelope<M>> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests;

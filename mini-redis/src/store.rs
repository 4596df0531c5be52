//! Keys, values, and when they expire.
//!
//! The connections share it under one lock, which they take once for all commands that a client has sent at once. The
//! child `store` fills it from the log before a connection can be made.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use supervision::{ChildSpec, worker_with_setup};

use crate::server::Server;

/// Milliseconds since 1970. Times that survive the program are times of the wall clock.
pub type Time = u64;

/// Returns the time of the wall clock.
pub fn now() -> Time {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as Time)
}

/// Returns the child that fills the store. It is ready when the log was read, so what is started after it finds all keys.
pub fn store(server: &Arc<Server>) -> ChildSpec {
    let server = server.clone();
    worker_with_setup("store", move |shutdown| {
        let server = server.clone();
        async move {
            blocking::unblock(move || server.load()).await?;
            Ok(shutdown)
        }
    })
}

/// A map of keys to values, some of which expire.
#[derive(Debug, Default)]
pub struct Store {
    entries: HashMap<Arc<[u8]>, Entry>,
    /// The keys that expire, by their time. Exactly those whose entry has one.
    expiries: BTreeSet<(Time, Arc<[u8]>)>,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    expires_at: Option<Time>,
}

impl Entry {
    fn is_live(&self, now: Time) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

impl Store {
    /// Returns the value of a key.
    pub fn get(&self, key: &[u8], now: Time) -> Option<&[u8]> {
        self.live(key, now).map(|entry| &*entry.value)
    }

    /// Returns when a key expires, if there is the key, and if it expires.
    pub fn expiry(&self, key: &[u8], now: Time) -> Option<Option<Time>> {
        self.live(key, now).map(|entry| entry.expires_at)
    }

    fn live(&self, key: &[u8], now: Time) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now))
    }

    /// Sets a key.
    pub fn set(&mut self, key: &[u8], value: &[u8], expires_at: Option<Time>) {
        match self.entries.get_mut(key) {
            Some(entry) => {
                // Uses the room of the old value.
                entry.value.clear();
                entry.value.extend_from_slice(value);
            }
            None => {
                self.entries.insert(key.into(), Entry { value: value.to_vec(), expires_at: None });
            }
        }
        self.set_expiry(key, expires_at);
    }

    /// Sets when a key expires. Does nothing if there is no such key.
    pub fn set_expiry(&mut self, key: &[u8], expires_at: Option<Time>) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let before = std::mem::replace(&mut entry.expires_at, expires_at);
        if before == expires_at {
            return;
        }
        let Some((key, _)) = self.entries.get_key_value(key) else { return };
        if let Some(at) = before {
            self.expiries.remove(&(at, key.clone()));
        }
        if let Some(at) = expires_at {
            self.expiries.insert((at, key.clone()));
        }
    }

    /// Removes a key. Returns whether it was there.
    pub fn remove(&mut self, key: &[u8], now: Time) -> bool {
        let Some((key, entry)) = self.entries.remove_entry(key) else { return false };
        let was_live = entry.is_live(now);
        if let Some(at) = entry.expires_at {
            self.expiries.remove(&(at, key));
        }
        was_live
    }

    /// Removes up to `max` keys that have expired. Returns how many it removed.
    pub fn sweep(&mut self, now: Time, max: usize) -> usize {
        let mut removed = 0;
        while removed < max && self.expiries.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.expiries.pop_first() {
                self.entries.remove(&key);
                removed += 1;
            }
        }
        removed
    }

    /// Returns all keys with their values, and when they expire.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], Option<Time>)> {
        self.entries.iter().map(|(key, entry)| (&**key, &*entry.value, entry.expires_at))
    }

    /// Removes all keys.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the number of keys. Those that have expired count until they are swept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_gone_at_its_time() {
        let mut store = Store::default();
        store.set(b"a", b"1", Some(10));
        assert_eq!(store.get(b"a", 9), Some(&b"1"[..]));
        assert_eq!(store.get(b"a", 10), None);
        assert_eq!(store.expiry(b"a", 10), None);
        assert!(!store.remove(b"a", 10), "it has expired before");
        assert!(store.is_empty() && store.expiries.is_empty());
    }

    #[test]
    fn a_sweep_removes_what_has_expired_and_no_more() {
        let mut store = Store::default();
        for at in 1..=5 {
            store.set(&[at], b"", Some(at.into()));
        }
        store.set(b"for ever", b"", None);
        assert_eq!((store.sweep(3, 2), store.sweep(3, 2), store.sweep(3, 2)), (2, 1, 0));
        assert_eq!(store.len(), 3);
    }

    #[test]
    fn a_key_that_is_set_again_has_only_its_last_expiry() {
        let mut store = Store::default();
        store.set(b"a", b"1", Some(10));
        store.set(b"a", b"2", Some(20));
        assert_eq!(store.sweep(15, 10), 0);
        store.set(b"a", b"3", None);
        assert_eq!(store.sweep(25, 10), 0);
        assert_eq!((store.get(b"a", 25), store.expiries.len()), (Some(&b"3"[..]), 0));
        store.set_expiry(b"a", Some(30));
        store.clear();
        assert_eq!(store.sweep(35, 10), 0);
    }
}

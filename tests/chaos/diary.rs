use std::{
    panic,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use supervisor_core::{process, testing::Probe};

use super::{life::SCRIPTED, site::Site};

/// The records of the workers of a tree, among the events of the tree.
#[derive(Clone)]
pub(crate) struct Diary {
    probe: Probe,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    /// Processes that have begun and not ended.
    present: AtomicUsize,
    /// Specifications that are still there, by dotted names.
    owned: Mutex<Vec<String>>,
    begun: AtomicUsize,
    calls: AtomicUsize,
    blocks: AtomicUsize,
    scopes: AtomicUsize,
}

/// While it lives, a process is there, or the specification of one.
pub(crate) struct Presence {
    counts: Arc<Counts>,
    of: Of,
    panics_in_drop: bool,
}

enum Of {
    /// With its number and its dotted name.
    Process(Probe, u64, String),
    /// With a dotted name.
    Specification(String),
}

impl Diary {
    pub(crate) fn new(probe: Probe) -> Self {
        Self { probe, counts: Arc::default() }
    }

    pub(crate) fn note(&self, text: &str) {
        self.probe.note(text);
    }

    /// Records that the process in which this is called has begun.
    pub(crate) fn begin(&self, panics_in_drop: bool) -> Presence {
        let me = process::current().expect("workers begin in their processes");
        let (id, name) = (me.id().as_u64(), me.path());
        self.probe.note(format!("begin {id} {name}"));
        self.counts.present.fetch_add(1, SeqCst);
        self.counts.begun.fetch_add(1, SeqCst);
        Presence { counts: self.counts.clone(), of: Of::Process(self.probe.clone(), id, name), panics_in_drop }
    }

    /// Records that a specification was made.
    pub(crate) fn owned(&self, path: &str) -> Presence {
        self.counts.owned().push(path.to_owned());
        Presence { counts: self.counts.clone(), of: Of::Specification(path.to_owned()), panics_in_drop: false }
    }

    /// Records that a call which may stop this child is about to be made.
    pub(crate) fn calls_on(&self, path: &str) {
        self.probe.note(format!("call 0 {path}"));
    }

    /// Records that a call was made, and answered.
    pub(crate) fn called(&self) {
        self.counts.calls.fetch_add(1, SeqCst);
    }

    /// Records that a scope was opened.
    pub(crate) fn opened(&self) {
        self.counts.scopes.fetch_add(1, SeqCst);
    }

    /// Returns how many scopes were opened.
    pub(crate) fn scopes(&self) -> usize {
        self.counts.scopes.load(SeqCst)
    }

    /// Blocks the thread that polls this, if one may be blocked there.
    pub(crate) async fn block(&self, site: &Arc<Site>, time: Duration) {
        if let Some(_turn) = site.turn() {
            self.counts.blocks.fetch_add(1, SeqCst);
            site.block(time).await;
        }
    }

    /// Returns how many polls have blocked their threads.
    pub(crate) fn blocks(&self) -> usize {
        self.counts.blocks.load(SeqCst)
    }

    /// Returns how many processes there are.
    pub(crate) fn present(&self) -> usize {
        self.counts.present.load(SeqCst)
    }

    /// Returns the dotted names of the specifications that exist.
    pub(crate) fn specifications(&self) -> Vec<String> {
        self.counts.owned().clone()
    }

    /// Returns how many processes there were.
    pub(crate) fn incarnations(&self) -> usize {
        self.counts.begun.load(SeqCst)
    }

    /// Returns how many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.counts.calls.load(SeqCst)
    }
}

impl Counts {
    fn owned(&self) -> MutexGuard<'_, Vec<String>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        match &self.of {
            Of::Specification(path) => {
                let mut owned = self.counts.owned();
                if let Some(index) = owned.iter().position(|other| other == path) {
                    owned.swap_remove(index);
                }
            }
            Of::Process(probe, id, name) => {
                probe.note(format!("end {id} {name}"));
                self.counts.present.fetch_sub(1, SeqCst);
                // A second panic at once would be the end of the program, in any Rust.
                if self.panics_in_drop && !thread::panicking() {
                    panic::panic_any(SCRIPTED);
                }
            }
        }
    }
}

//! Who is there.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

/// A counter of values that exist, and of the most that existed at once.
#[derive(Clone, Default)]
pub(crate) struct Census(Arc<Numbers>);

#[derive(Default)]
struct Numbers {
    present: AtomicUsize,
    most: AtomicUsize,
    ever: AtomicUsize,
}

pub(crate) struct Present(Census);

impl Census {
    pub(crate) fn enter(&self) -> Present {
        self.0.ever.fetch_add(1, SeqCst);
        let present = self.0.present.fetch_add(1, SeqCst) + 1;
        self.0.most.fetch_max(present, SeqCst);
        Present(self.clone())
    }

    pub(crate) fn present(&self) -> usize {
        self.0.present.load(SeqCst)
    }

    pub(crate) fn most(&self) -> usize {
        self.0.most.load(SeqCst)
    }

    pub(crate) fn ever(&self) -> usize {
        self.0.ever.load(SeqCst)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.0.present.fetch_sub(1, SeqCst);
    }
}

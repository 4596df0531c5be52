use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use fastrand::Rng;
use supervisor_core::Placement;

use super::{
    draw::{draw, pick},
    other::Other,
    site::Site,
    stage::Stage,
};

/// How many executors a simulated [`Fresh`](Placement::Fresh) has to give.
const READY: usize = 4;

/// How many threads executors have, and how often. One without a thread is not driven.
const THREADS: [(usize, u32); 3] = [(0, 1), (1, 3), (2, 4)];

/// An executor beside the main one, before it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SitePlan {
    threads: usize,
    like_tokio: bool,
    /// A new one for each start.
    is_fresh: bool,
}

/// The executors of a round.
#[derive(Clone)]
pub(crate) struct Sites {
    pub(crate) main: Arc<Site>,
    beside: Vec<Beside>,
    ended: Arc<AtomicUsize>,
}

#[derive(Clone)]
struct Beside {
    site: Arc<Site>,
    placement: Placement,
    /// Those that live.
    held: Arc<Mutex<Vec<Other>>>,
}

impl SitePlan {
    pub(crate) fn random(rng: &mut Rng) -> Vec<Self> {
        let count = rng.usize(..4);
        let plan = |_| Self { threads: draw(rng, &THREADS), like_tokio: rng.bool(), is_fresh: rng.bool() };
        (0..count).map(plan).collect()
    }
}

impl Sites {
    pub(crate) fn new(stage: &Stage<'_>, plans: &[SitePlan]) -> Self {
        let beside = plans.iter().map(|plan| Beside::new(stage, *plan)).collect();
        Self { main: stage.main.clone(), beside, ended: Arc::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.beside.len()
    }

    /// Returns the place with this number.
    pub(crate) fn place(&self, number: usize) -> (Arc<Site>, Placement) {
        let Beside { site, placement, .. } = &self.beside[number];
        (site.clone(), placement.clone())
    }

    /// Ends one of the executors.
    pub(crate) fn end_one(&self, rng: &mut Rng) {
        if self.beside.is_empty() {
            return;
        }
        let mut held = pick(rng, &self.beside).held();
        let last = held.pop();
        drop(held);
        self.ended.fetch_add(usize::from(last.is_some()), SeqCst);
    }

    /// Returns how many have ended while the tree ran.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(SeqCst)
    }

    /// Ends all that are left.
    pub(crate) fn end(&self) {
        // What ends may make another one.
        let end = |beside: &Beside| {
            let held = mem::take(&mut *beside.held());
            !held.is_empty()
        };
        while self.beside.iter().any(end) {}
    }
}

impl Beside {
    fn new(stage: &Stage<'_>, plan: SitePlan) -> Self {
        let SitePlan { threads, like_tokio, is_fresh } = plan;
        let held = Arc::<Mutex<Vec<Other>>>::default();
        let placement = if is_fresh {
            let ready = if stage.is_simulated() { READY } else { 0 };
            let ready: Vec<_> = (0..ready).map(|_| stage.other(threads, like_tokio)).collect();
            let (ready, family, held) = (Mutex::new(ready), stage.family(), held.clone());
            Placement::Fresh(Arc::new(move |_| {
                let other = match family {
                    Some(family) => Other::real(family, threads),
                    None => lock(&ready).pop().ok_or("no executor is left")?,
                };
                let spawner = other.spawner.clone();
                lock(&held).push(other);
                Ok(spawner)
            }))
        } else {
            let other = stage.other(threads, like_tokio);
            let spawner = other.spawner.clone();
            lock(&held).push(other);
            Placement::On(spawner)
        };
        Self { site: Site::beside(threads, stage.is_simulated()), placement, held }
    }

    fn held(&self) -> MutexGuard<'_, Vec<Other>> {
        lock(&self.held)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

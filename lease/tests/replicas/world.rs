//! Replicas in a simulation: each is a program of its own on a machine of its own, with a clock that has its own rate and jumps when
//! the machine sleeps. They share a store, over a network that loses requests and answers, and is late.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use executor_sim::{Sim, SimExecutor, Threads};
use lease::{
    Acquisition, Bid, Clock, Held, Holder, LeaseEvents, LeaseStatus, Leased, Renewal, Store, Token, Watch, Watched,
};
use supervisor_core::{BoxError, Spawner, SupervisionTree, Supervisor};

pub(crate) type True = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The clock of a machine, which also counts the time in which it sleeps.
#[derive(Clone)]
pub(crate) struct MachineClock {
    real: True,
    /// In millionths.
    rate: u64,
    ahead: Duration,
}

impl Clock for MachineClock {
    fn now(&self) -> Duration {
        let real = (self.real)();
        self.ahead + Duration::from_nanos((real.as_nanos() * u128::from(self.rate) / 1_000_000) as u64)
    }
}

impl fmt::Debug for MachineClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MachineClock")
    }
}

/// A network between one replica and the store.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Network {
    /// One request in so many is lost; 0 is none.
    pub loses_request: u32,
    /// One answer in so many is lost, after the store has carried the request out.
    pub loses_answer: u32,
    /// How long a message is under way, at most.
    pub delay: Duration,
    pub is_cut: bool,
    /// Requests arrive, and no answer comes back.
    pub is_deaf: bool,
}

/// The store as one replica reaches it.
pub(crate) struct Remote<S> {
    pub store: S,
    pub network: Arc<Mutex<Network>>,
    pub random: Arc<Mutex<fastrand::Rng>>,
    /// The part of the time that the store grants of what it is asked for.
    pub grants: f64,
}

impl<S> Remote<S> {
    /// What the store makes of a bid.
    fn granting<'a>(&self, bid: &Bid<'a>) -> Bid<'a> {
        Bid::new(bid.holder, bid.duration.mul_f64(self.grants), bid.drift, bid.clock)
    }

    fn one_in(&self, n: u32) -> bool {
        n > 0 && self.random.lock().unwrap().u32(..n) == 0
    }

    async fn travel(&self) {
        let delay = self.network.lock().unwrap().delay;
        let part = self.random.lock().unwrap().f64();
        supervisor_core::process::sleep(delay.mul_f64(part)).await;
    }

    async fn request(&self) {
        self.travel().await;
        let network = *self.network.lock().unwrap();
        if network.is_cut || self.one_in(network.loses_request) {
            std::future::pending::<()>().await;
        }
    }

    async fn answer(&self) {
        self.travel().await;
        let network = *self.network.lock().unwrap();
        if network.is_cut || network.is_deaf || self.one_in(network.loses_answer) {
            std::future::pending::<()>().await;
        }
    }
}

impl<S: Store> Store for Remote<S> {
    async fn acquire(&self, bid: &Bid<'_>) -> Result<Acquisition, BoxError> {
        self.request().await;
        let answer = self.store.acquire(&self.granting(bid)).await;
        self.answer().await;
        answer
    }

    async fn renew(&self, bid: &Bid<'_>, token: Token) -> Result<Renewal, BoxError> {
        self.request().await;
        let answer = self.store.renew(&self.granting(bid), token).await;
        self.answer().await;
        answer
    }

    async fn release(&self, holder: &Holder) -> Result<(), BoxError> {
        self.request().await;
        let answer = self.store.release(holder).await;
        self.answer().await;
        answer
    }

    async fn freed(&self) {
        if self.network.lock().unwrap().is_cut {
            std::future::pending::<()>().await;
        }
        self.store.freed().await;
    }
}

/// The work that runs on one replica at a time, as an observer of all of them sees it.
#[derive(Default)]
pub(crate) struct Log {
    /// The pieces of work that are there now: which replica, with which token.
    pub there: Vec<(u64, Token)>,
    pub last: Option<Token>,
    pub began: u64,
    pub overlaps: Vec<String>,
    /// Replicas that are paused: what is there does nothing.
    pub paused: Vec<u64>,
    pub steps: u64,
    /// What has happened, for a failure; until the first overlap.
    pub history: Vec<String>,
}

impl Log {
    pub(crate) fn note(&mut self, what: String) {
        if self.overlaps.is_empty() {
            self.history.push(what);
        }
    }

    /// Takes note of work that is there beside other work.
    pub(crate) fn check(&mut self, what: &str) {
        let awake: Vec<_> = self.there.iter().filter(|(replica, _)| !self.paused.contains(replica)).copied().collect();
        if awake.iter().any(|(replica, _)| *replica != awake[0].0) {
            self.overlaps.push(format!("{what}: {awake:?}"));
        }
    }
}

/// A piece of work: it is there until it is dropped.
pub(crate) struct Work {
    replica: u64,
    token: Token,
    log: Arc<Mutex<Log>>,
    granted: Granted,
}

/// The grant that the store would hold on to now, by its own clock.
pub(crate) type Granted = Arc<dyn Fn() -> Option<Token> + Send + Sync>;

impl Work {
    pub(crate) fn begin(replica: u64, held: &Held, log: &Arc<Mutex<Log>>, granted: &Granted) -> Self {
        let token = held.token();
        let mut locked = log.lock().unwrap();
        if locked.last.is_some_and(|last| token <= last) && !locked.there.contains(&(replica, token)) {
            let last = locked.last;
            locked.overlaps.push(format!("replica {replica} begins with {token} after {last:?}"));
        }
        locked.last = locked.last.max(Some(token));
        locked.began += 1;
        locked.there.push((replica, token));
        locked.check(&format!("replica {replica} begins"));
        drop(locked);
        Self { replica, token, log: log.clone(), granted: granted.clone() }
    }
}

impl Work {
    /// Does one step, if the lease is valid. A step after that is fenced by its token.
    pub(crate) fn step(&self, held: &Held) {
        if held.is_valid() {
            let mut log = self.log.lock().unwrap();
            log.steps += 1;
            if log.last.is_some_and(|last| self.token < last) {
                let last = log.last;
                log.overlaps.push(format!("replica {} makes a step with {} after {last:?}", self.replica, self.token));
            }
            // What counts as valid here is so in the store: it would give the lease to no other replica.
            let granted = (self.granted)();
            if granted != Some(self.token) {
                log.overlaps
                    .push(format!("replica {} counts on {}, and the store has {granted:?}", self.replica, self.token));
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = log.there.iter().position(|it| *it == (self.replica, self.token)) {
            log.there.swap_remove(index);
        }
    }
}

/// What watches the tenures of a replica in place of the thread: the test asks it at each step.
#[derive(Debug, Default)]
pub(crate) struct Watcher(Mutex<Vec<Watched>>);

impl Watch for Watcher {
    fn watch(&self, tenure: Watched) -> std::io::Result<()> {
        self.0.lock().unwrap().push(tenure);
        Ok(())
    }
}

impl Watcher {
    /// Returns whether the process has to end now.
    pub(crate) fn is_due(&self) -> bool {
        let mut watched = self.0.lock().unwrap();
        watched.retain(|tenure| !tenure.is_gone());
        watched.iter().any(Watched::is_due)
    }
}

/// One program on one machine.
pub(crate) struct Replica {
    pub number: u64,
    pub executor: SimExecutor,
    pub network: Arc<Mutex<Network>>,
    pub watcher: Arc<Watcher>,
    pub tree: SupervisionTree,
    pub status: LeaseStatus,
    pub events: LeaseEvents,
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Replica {
    /// Starts a program. `work` makes the subtree.
    pub(crate) fn start<S: Store>(
        sim: &Sim,
        (threads, rate): (Threads, f64),
        (store, grants): (S, f64),
        random: &Arc<Mutex<fastrand::Rng>>,
        settings: impl FnOnce(Leased) -> Leased,
        work: impl Fn(u64, Held) -> Supervisor + Send + Sync + 'static,
    ) -> Self {
        let number = NUMBERS.fetch_add(1, SeqCst);
        let executor = sim.executor_at_rate(threads, rate);
        let network = Arc::new(Mutex::new(Network { delay: Duration::from_millis(20), ..Network::default() }));
        let ahead = Duration::from_secs(random.lock().unwrap().u64(..10_000));
        let clock = MachineClock { real: Arc::new(sim.clock()), rate: (rate * 1e6).round() as u64, ahead };
        let watcher = Arc::new(Watcher::default());
        let remote = Remote { store, network: network.clone(), random: random.clone(), grants };
        let leased =
            settings(Leased::new("only", remote).with_clock(Arc::new(clock.clone())).with_watch(watcher.clone()));
        let status = leased.status();
        let events = status.events();
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(leased.run(move |held| work(number, held)).unwrap());
        let spawner: Arc<dyn Spawner> = Arc::new(executor.spawner());
        let tree = sim.run_until(root.start_on(spawner)).unwrap();
        Self { number, executor, network, watcher, tree, status, events }
    }

    /// Ends the program at once, without destructors.
    pub(crate) fn crash(self, log: &Mutex<Log>) {
        {
            let mut log = log.lock().unwrap();
            log.there.retain(|(replica, _)| *replica != self.number);
        }
        self.executor.crash();
    }
}

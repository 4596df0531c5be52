use crate::{
    executor::{AsyncExecutor, Executor, Smol, TokioCurrent, TokioMulti},
    subject::{Bare, BareJoinSet, ByHand, Floor, Subject, Supervision},
    workload::Workload,
};

/// A subject on its executor, by name.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    subject: &'static str,
    executor: &'static str,
    sample: fn(Workload) -> Vec<f64>,
    cannot: fn(Workload) -> Option<&'static str>,
}

impl Contestant {
    /// Makes the contestant of this subject.
    #[must_use]
    pub fn of<S: Subject>() -> Self {
        Self { subject: S::NAME, executor: S::Executor::NAME, sample: Workload::sample::<S>, cannot: S::cannot }
    }

    /// Returns its name in the tables.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} on {}", self.subject, self.executor)
    }

    /// Returns the name of the supervising library.
    #[must_use]
    pub fn subject(&self) -> &'static str {
        self.subject
    }

    /// Returns the name of the executor.
    #[must_use]
    pub fn executor(&self) -> &'static str {
        self.executor
    }

    /// Returns why it cannot carry a workload out, if it cannot.
    #[must_use]
    pub fn cannot(&self, workload: Workload) -> Option<&'static str> {
        (self.cannot)(workload)
    }

    /// Takes one sample, in this process: a number for each figure of the workload.
    #[must_use]
    pub fn sample(&self, workload: Workload) -> Vec<f64> {
        (self.sample)(workload)
    }
}

/// Returns supervision on each executor, each after the executor's bare spawn.
#[must_use]
pub fn executors() -> Vec<Contestant> {
    fn on<E: Executor>() -> [Contestant; 2] {
        [Contestant::of::<Bare<E>>(), Contestant::of::<Supervision<E>>()]
    }
    [on::<TokioMulti>(), on::<TokioCurrent>(), on::<Smol>(), on::<AsyncExecutor<1>>(), on::<AsyncExecutor<2>>()]
        .concat()
}

/// Returns what supervision is compared with, on each executor: a bare `JoinSet`, hand-written code, the floor, and, with the
/// feature `peers`, other crates. The first one on an executor is the one that the others are compared with.
#[must_use]
pub fn peers() -> Vec<Contestant> {
    vec![
        Contestant::of::<BareJoinSet<TokioMulti>>(),
        Contestant::of::<ByHand<TokioMulti>>(),
        Contestant::of::<Floor<TokioMulti>>(),
        Contestant::of::<Supervision<TokioMulti>>(),
        #[cfg(feature = "peers")]
        Contestant::of::<crate::subject::TaskSupervisor>(),
        #[cfg(feature = "peers")]
        Contestant::of::<crate::subject::Ractor>(),
        #[cfg(feature = "peers")]
        Contestant::of::<crate::subject::Kameo>(),
        Contestant::of::<BareJoinSet<TokioCurrent>>(),
        Contestant::of::<ByHand<TokioCurrent>>(),
        Contestant::of::<Floor<TokioCurrent>>(),
        Contestant::of::<Supervision<TokioCurrent>>(),
        Contestant::of::<Floor<Smol>>(),
        Contestant::of::<Supervision<Smol>>(),
    ]
}

//! The workloads, the same for every subject. One file each.

mod churn;
mod footprint;
mod group;
mod idle;
mod poll;
mod residue;
mod restart;
mod start;
mod stop;
mod wake;

use serde::{Deserialize, Serialize};

use crate::subject::{Order, Strategy, Subject};

/// A workload, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Workload {
    /// Parked children under one supervisor: until all run.
    Start {
        /// The number of children.
        children: usize,
    },
    /// The memory of children while they live, and what is left when they are gone.
    Footprint {
        /// The number of children.
        children: usize,
    },
    /// The memory that temporary children leave behind in a supervisor that goes on.
    Residue {
        /// The number of children that come and go.
        children: usize,
    },
    /// One child that fails again and again.
    Restart {
        /// How many parked children there are beside it.
        siblings: usize,
        /// How often it has failed before anything is measured.
        before: usize,
        /// How often it fails then.
        restarts: usize,
    },
    /// The allocations of a restart.
    RestartAllocations {
        /// The number of restarts.
        restarts: usize,
    },
    /// A failure of the first child in a group: until all run again.
    Group {
        /// Which children are restarted.
        strategy: Strategy,
        /// The number of children.
        children: usize,
    },
    /// A graceful stop of parked children.
    Stop {
        /// In which order.
        order: Order,
        /// The number of children.
        children: usize,
    },
    /// Short children under a dynamic supervisor, 64 alive at a time, added by one task.
    Churn {
        /// The number of children.
        children: usize,
    },
    /// The same, added by 64 tasks; each waits for the answer that its child runs, and for its end.
    Reply {
        /// The number of children.
        children: usize,
    },
    /// The same, added by 64 tasks; each waits for the result of its child.
    Result {
        /// The number of children.
        children: usize,
    },
    /// The same; each child sends its result by a channel that its caller has made.
    SentResult {
        /// The number of children.
        children: usize,
    },
    /// One child that yields again and again.
    Poll {
        /// The number of polls.
        polls: usize,
    },
    /// Two children that wake each other in turn.
    Wake {
        /// The number of wakes.
        wakes: usize,
    },
    /// Parked children, for a while.
    Idle {
        /// The number of children.
        children: usize,
        /// The time in seconds.
        seconds: u64,
    },
}

/// A figure that a workload yields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Its name, with its unit.
    pub name: &'static str,
    /// Whether more of it is better.
    pub is_rate: bool,
    /// Whether it is so close to nothing that a ratio to another would say nothing.
    pub is_rest: bool,
}

const fn cost(name: &'static str) -> Figure {
    Figure { name, is_rate: false, is_rest: false }
}

const fn rate(name: &'static str) -> Figure {
    Figure { is_rate: true, ..cost(name) }
}

const fn rest(name: &'static str) -> Figure {
    Figure { is_rest: true, ..cost(name) }
}

impl Workload {
    /// Returns the figures of a sample.
    #[must_use]
    pub fn figures(self) -> &'static [Figure] {
        match self {
            Self::Start { .. } => const { &[cost("ns per child")] },
            Self::Footprint { .. } => {
                const { &[cost("heap B per child"), cost("allocations per child"), cost("RSS B per child"), rest("B left")] }
            }
            Self::Residue { .. } => const { &[rest("B per ended child")] },
            Self::Restart { .. } => const { &[rate("restarts per second"), cost("p50 us"), cost("p99 us")] },
            Self::RestartAllocations { .. } => const { &[cost("allocations per restart")] },
            Self::Group { .. } => const { &[cost("ns per child")] },
            Self::Stop { .. } => const { &[cost("ns per child")] },
            Self::Churn { .. } | Self::Reply { .. } | Self::Result { .. } | Self::SentResult { .. } => {
                const { &[rate("children per second")] }
            }
            Self::Poll { .. } => const { &[cost("ns per poll")] },
            Self::Wake { .. } => const { &[cost("ns per wake")] },
            Self::Idle { .. } => const { &[rest("wakes"), rest("CPU us")] },
        }
    }

    /// Returns whether it needs a process of its own, and a counting allocator.
    #[must_use]
    pub fn needs_a_process(self) -> bool {
        matches!(
            self,
            Self::Footprint { .. } | Self::Residue { .. } | Self::RestartAllocations { .. } | Self::Idle { .. }
        )
    }

    /// Takes one sample: a number for each figure.
    pub(crate) fn sample<S: Subject>(self) -> Vec<f64> {
        match self {
            Self::Start { children } => start::sample::<S>(children),
            Self::Footprint { children } => footprint::sample::<S>(children),
            Self::Residue { children } => residue::sample::<S>(children),
            Self::Restart { siblings, before, restarts } => restart::sample::<S>(siblings, before, restarts),
            Self::RestartAllocations { restarts } => restart::allocations::<S>(restarts),
            Self::Group { strategy, children } => group::sample::<S>(strategy, children),
            Self::Stop { order, children } => stop::sample::<S>(order, children),
            Self::Churn { children } => churn::sample::<S>(children),
            Self::Reply { children } => churn::with_reply::<S>(children),
            Self::Result { children } => churn::with_result::<S>(children),
            Self::SentResult { children } => churn::with_sent_result::<S>(children),
            Self::Poll { polls } => poll::sample::<S>(polls),
            Self::Wake { wakes } => wake::sample::<S>(wakes),
            Self::Idle { children, seconds } => idle::sample::<S>(children, seconds),
        }
    }
}

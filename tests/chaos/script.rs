use std::time::Duration;

use fastrand::Rng;

use super::{
    draw::{draw, one_in, pick},
    scope::ScopePlan,
    site::Site,
};

const MOMENT: Duration = Duration::from_millis(1);

/// How starts go, and how often.
const STARTS: [(StartKind, u32); 6] = [
    (StartKind::Fails, 1),
    (StartKind::Ignores, 1),
    (StartKind::Panics, 1),
    (StartKind::Slowly, 5),
    (StartKind::Blocks, 1),
    (StartKind::Well, 31),
];

/// How lives go, and how often.
const LIVES: [(LifeKind, u32); 12] = [
    (LifeKind::Ends, 1),
    (LifeKind::Fails, 3),
    (LifeKind::Panics, 1),
    (LifeKind::Deaf, 1),
    (LifeKind::StopsSlowly, 1),
    (LifeKind::FailsToStop, 1),
    (LifeKind::Restless, 1),
    (LifeKind::AddsSiblings, 1),
    (LifeKind::TerminatesItself, 1),
    (LifeKind::Blocks, 3),
    (LifeKind::StopsBlocking, 1),
    (LifeKind::UntilAsked, 9),
];

/// The script from which the lives of a worker are drawn.
pub(crate) struct Script {
    rng: Rng,
    /// How many scopes the worker is in.
    depth: u32,
    /// Whether the next start may fail. Few first ones may, because that is the end of many a tree.
    may_fail: bool,
}

/// One life.
pub(crate) struct Role {
    pub(crate) start: Start,
    pub(crate) life: Life,
    pub(crate) scope: Option<ScopePlan>,
    pub(crate) panics_in_drop: bool,
}

/// The course of a start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Well,
    Slowly,
    Fails,
    Ignores,
    Panics,
    /// Blocks its thread before it is ready.
    Blocks(Duration),
}

/// The course of a life, once it is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Life {
    UntilAsked,
    Ends(Duration),
    Fails(Duration),
    Panics(Duration),
    /// Does not listen.
    Deaf,
    StopsSlowly(Duration),
    FailsToStop,
    /// Wakes up, and wakes up, and wakes up.
    Restless,
    AddsSiblings,
    TerminatesItself,
    /// Does something, and blocks its thread in the same poll.
    Blocks {
        /// A sleep that wakes it for that poll. With none, that is the poll in which it became ready.
        after: Duration,
        act: Act,
        time: Duration,
        ends: bool,
    },
    /// Blocks its thread when it is asked to stop.
    StopsBlocking(Duration),
}

/// The last thing that is done in a poll before it blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Nothing,
    Spawns,
    /// Terminates a sibling, and does not wait for the answer.
    Calls,
}

/// A [`Start`], before its times are drawn.
#[derive(Clone, Copy)]
enum StartKind {
    Fails,
    Ignores,
    Panics,
    Slowly,
    Blocks,
    Well,
}

/// A [`Life`], before its times are drawn.
#[derive(Clone, Copy)]
enum LifeKind {
    Ends,
    Fails,
    Panics,
    Deaf,
    StopsSlowly,
    FailsToStop,
    Restless,
    AddsSiblings,
    TerminatesItself,
    Blocks,
    StopsBlocking,
    UntilAsked,
}

impl Script {
    pub(crate) fn new(mut rng: Rng, depth: u32) -> Self {
        Self { may_fail: one_in(&mut rng, 20), rng, depth }
    }

    pub(crate) fn role(&mut self, site: &Site) -> Role {
        Role {
            start: self.start(site),
            life: self.life(site),
            scope: ScopePlan::random(&mut self.rng, self.depth),
            panics_in_drop: one_in(&mut self.rng, 20),
        }
    }

    fn start(&mut self, site: &Site) -> Start {
        let start = match draw(&mut self.rng, &STARTS) {
            StartKind::Fails => Start::Fails,
            StartKind::Ignores => Start::Ignores,
            StartKind::Panics => Start::Panics,
            StartKind::Slowly => Start::Slowly,
            StartKind::Blocks => Start::Blocks(site.draw(&mut self.rng)),
            StartKind::Well => Start::Well,
        };
        let may_fail = std::mem::replace(&mut self.may_fail, true);
        if may_fail || matches!(start, Start::Slowly) { start } else { Start::Well }
    }

    fn life(&mut self, site: &Site) -> Life {
        let time = self.rng.u32(..30) * MOMENT;
        match draw(&mut self.rng, &LIVES) {
            LifeKind::Ends => Life::Ends(time),
            LifeKind::Fails => Life::Fails(time),
            LifeKind::Panics => Life::Panics(time),
            LifeKind::Deaf => Life::Deaf,
            LifeKind::StopsSlowly => Life::StopsSlowly(time),
            LifeKind::FailsToStop => Life::FailsToStop,
            LifeKind::Restless => Life::Restless,
            LifeKind::AddsSiblings => Life::AddsSiblings,
            LifeKind::TerminatesItself => Life::TerminatesItself,
            LifeKind::Blocks => Life::Blocks {
                after: if self.rng.bool() { time } else { Duration::ZERO },
                act: *pick(&mut self.rng, &[Act::Nothing, Act::Spawns, Act::Calls]),
                time: site.draw(&mut self.rng),
                ends: self.rng.bool(),
            },
            LifeKind::StopsBlocking => Life::StopsBlocking(site.draw(&mut self.rng)),
            LifeKind::UntilAsked => Life::UntilAsked,
        }
    }
}

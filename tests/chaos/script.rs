use std::time::Duration;

use fastrand::Rng;

use super::{pick, site::Site};

const MOMENT: Duration = Duration::from_millis(1);

/// What the lives of a worker are drawn from.
pub(crate) struct Script {
    rng: Rng,
    /// Whether the next start may fail. Few first ones may, because that is the end of many a tree.
    may_fail: bool,
}

/// One life.
pub(crate) struct Role {
    pub(crate) start: Start,
    pub(crate) life: Life,
    pub(crate) panics_in_drop: bool,
}

/// How a start goes.
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

/// How a life goes, once it is ready.
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

impl Script {
    pub(crate) fn new(mut rng: Rng) -> Self {
        Self { may_fail: rng.u8(..20) == 0, rng }
    }

    pub(crate) fn role(&mut self, site: &Site) -> Role {
        Role { start: self.start(site), life: self.life(site), panics_in_drop: self.rng.u8(..20) == 0 }
    }

    fn start(&mut self, site: &Site) -> Start {
        let start = match self.rng.u8(..40) {
            0 => Start::Fails,
            1 => Start::Ignores,
            2 => Start::Panics,
            3..=7 => Start::Slowly,
            8 => Start::Blocks(site.draw(&mut self.rng)),
            _ => Start::Well,
        };
        let may_fail = std::mem::replace(&mut self.may_fail, true);
        if may_fail || matches!(start, Start::Slowly) { start } else { Start::Well }
    }

    fn life(&mut self, site: &Site) -> Life {
        let time = self.rng.u32(..30) * MOMENT;
        match self.rng.u8(..24) {
            0 => Life::Ends(time),
            1..=3 => Life::Fails(time),
            4 => Life::Panics(time),
            5 => Life::Deaf,
            6 => Life::StopsSlowly(time),
            7 => Life::FailsToStop,
            8 => Life::Restless,
            9 => Life::AddsSiblings,
            10 => Life::TerminatesItself,
            11..=13 => Life::Blocks {
                after: if self.rng.bool() { time } else { Duration::ZERO },
                act: *pick(&mut self.rng, &[Act::Nothing, Act::Spawns, Act::Calls]),
                time: site.draw(&mut self.rng),
                ends: self.rng.bool(),
            },
            14 => Life::StopsBlocking(site.draw(&mut self.rng)),
            _ => Life::UntilAsked,
        }
    }
}

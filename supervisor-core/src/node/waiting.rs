//! For whom a tree that stops waits.

use std::{fmt, sync::Arc, time::Duration};

use super::{Shared, locked_engine::Cursor};
use crate::{engine::StopLeft, observe::ChildState, text::Rounded};

/// The processes that are stopping, in start order, each with the time that it may still take: a supervisor is named only
/// where nothing below it is. One whose turn to stop has not come holds up nothing, and is not named.
pub(crate) struct StoppingProcesses {
    named: Vec<(String, StopLeft)>,
    /// How many others are stopping. A supervisor among them counts once, whatever is below it.
    more: usize,
}

/// A child that is stopping, with what is below it.
struct Found {
    path: String,
    left: StopLeft,
    shared: Option<Arc<Shared>>,
}

impl StoppingProcesses {
    /// So many are named. A line of a log has an end.
    const MOST: usize = 8;

    /// Those below a supervisor, read as a handle reads them: no two engines are locked at once. As a loop, so that no depth is
    /// too much for a stack.
    pub(crate) fn below(supervisor: &Shared) -> Self {
        let (mut this, mut to_look) = (Self { named: Vec::new(), more: 0 }, Vec::new());
        this.read(supervisor, &supervisor.path(), None, &mut to_look);
        while let Some(Found { path, left, shared }) = to_look.pop() {
            if shared.is_some_and(|shared| this.read(&shared, &path, left.time(), &mut to_look)) {
                continue;
            }
            match this.has_room() {
                true => this.named.push((path, left)),
                false => this.more += 1,
            }
        }
        this
    }

    fn has_room(&self) -> bool {
        self.named.len() < Self::MOST
    }

    /// Adds the first of a supervisor's children that are stopping to `to_look`, the very first one last, and counts the others.
    /// `limit`: how long the supervisor itself may still take. Returns whether there is any.
    fn read(&mut self, supervisor: &Shared, path: &str, limit: Option<Duration>, to_look: &mut Vec<Found>) -> bool {
        let Some((locked, Some(_))) = supervisor.look() else { return false };
        // A clock is foreign code, so it is called without the lock.
        let now = locked.now();
        let (count, awaited, budget) = {
            let engine = locked.lock();
            (engine.count_stopping(), engine.awaited(), engine.stop_budget_left(now))
        };
        let limit = [limit, budget].into_iter().flatten().min();
        let most = count.min(Self::MOST.saturating_sub(self.named.len()));
        let mut found = Vec::new();
        // The usual case, in a stop that has an order: one child is stopping, beside any number of others.
        let mut cursor = Cursor::default();
        if let (1, Some(awaited)) = (count, awaited) {
            cursor = Cursor::before(awaited);
        }
        while !cursor.is_at_end() && found.len() < most {
            let left = most - found.len();
            let stopping = locked.read(&mut cursor, |_, slot| {
                let left = slot.stop_left(now).filter(|_| slot.public_state() == ChildState::Stopping)?;
                Some((slot.child.clone(), left.within(limit)))
            });
            found.extend(stopping.into_iter().take(left).map(|(child, left)| Found {
                path: format!("{path}.{}", child.name()),
                left,
                shared: supervisor.below(&*child),
            }));
        }
        self.more += count.saturating_sub(found.len());
        to_look.extend(found.into_iter().rev());
        count > 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Returns whether one of those that are named has a limit.
    pub(crate) fn has_limit(&self) -> bool {
        self.named.iter().any(|(_, left)| left.time().is_some())
    }
}

impl fmt::Display for StoppingProcesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (path, left)) in self.named.iter().enumerate() {
            write!(f, "{}{path} (", if n == 0 { "" } else { ", " })?;
            match left {
                StopLeft::Asked(Some(time)) => write!(f, "{} left)", Rounded(*time)),
                StopLeft::Asked(None) => f.write_str("no limit)"),
                StopLeft::Aborted(Some(time)) => write!(f, "aborted, {} left)", Rounded(*time)),
                StopLeft::Aborted(None) => f.write_str("aborted)"),
                StopLeft::Stuck => f.write_str("stuck)"),
            }?;
        }
        if self.more == 0 { Ok(()) } else { write!(f, ", and {} more", self.more) }
    }
}

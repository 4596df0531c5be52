use std::{collections::BTreeMap, time::Duration};

use supervisor_core::EventKind;

use super::{At, End, Invariant, Seen, Setting, is_supervisor};
use crate::chaos::blueprint::{GRACE, LONGEST_STOP};

/// A worker that is stopping is gone within the time that it has, or its supervisor says within the abort grace that it is
/// stuck or abandoned. Unless that supervisor itself goes meanwhile.
pub(super) struct Stops {
    limits: BTreeMap<String, Duration>,
    tolerance: Duration,
    /// By process: since when, and its dotted name.
    stopping: BTreeMap<u64, (At, String)>,
}

impl Stops {
    pub(super) fn new(setting: &Setting) -> Self {
        let limits = setting.workers.iter().cloned().collect();
        Self { limits, tolerance: setting.tolerance, stopping: BTreeMap::new() }
    }

    fn end(&mut self, process: u64, at: At) -> Result<(), String> {
        let Some((since, path)) = self.stopping.remove(&process) else { return Ok(()) };
        let limit = self.limits.get(&path).copied().unwrap_or(LONGEST_STOP) + GRACE;
        let took = at - since;
        match took > limit + self.tolerance {
            true => Err(format!("the stop of {path} took {took:?}, and its limit is {limit:?}")),
            false => Ok(()),
        }
    }
}

impl Invariant for Stops {
    fn see_at(&mut self, seen: &Seen<'_>, at: At) -> Result<(), String> {
        let Seen::Event(event) = seen else { return Ok(()) };
        let Some(process) = event.process.map(|process| process.as_u64()) else { return Ok(()) };
        let is_end = matches!(
            event.kind,
            EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Abandoned | EventKind::Stuck
        );
        // A scope that was lost goes with its owner.
        if is_end {
            let below = format!("{}.", event.path);
            self.stopping.retain(|_, (_, path)| !path.starts_with(&below));
        }
        if is_supervisor(&event.path) {
            return Ok(());
        }
        if is_end {
            return self.end(process, at);
        }
        if let EventKind::Stopping = event.kind {
            self.stopping.entry(process).or_insert_with(|| (at, event.path.clone()));
        }
        Ok(())
    }

    fn finish(&self, _: &End<'_>) -> Result<(), String> {
        match self.stopping.values().next() {
            Some((_, path)) => Err(format!("the stop of {path} has no end")),
            None => Ok(()),
        }
    }
}

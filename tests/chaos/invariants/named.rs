use std::collections::BTreeSet;

use supervisor_core::{EventKind, StopReason, SupervisorError};

use super::{End, Invariant, Seen};

/// The outcome of a requested shutdown names each process that it left behind, or a supervisor above it.
#[derive(Default)]
pub(super) struct Named {
    is_asked: bool,
    /// Supervisors that were asked to stop since then. What another stop leaves behind is not in the outcome.
    stopping: BTreeSet<String>,
    abandoned: Vec<String>,
}

impl Invariant for Named {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::AskedToStop => {
                self.is_asked = true;
                self.stopping.insert("root".into());
            }
            Seen::Event(event) if self.is_asked && matches!(event.kind, EventKind::Stopping) => {
                self.stopping.insert(event.path.clone());
            }
            Seen::Event(event) if self.is_asked && matches!(event.kind, EventKind::Abandoned) => {
                let above = event.path.rsplit_once('.').map_or("", |(above, _)| above);
                if self.stopping.contains(above) {
                    self.abandoned.push(event.path.clone());
                }
            }
            // That was another stop: this supervisor runs again, or it stopped for a reason of its own.
            Seen::Event(event) if is_another(&event.kind) && event.path != "root" => {
                let below = format!("{}.", event.path);
                self.abandoned.retain(|path| !path.starts_with(&below));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&self, end: &End<'_>) -> Result<(), String> {
        let named: Vec<_> = match end.outcome {
            Ok(()) => Vec::new(),
            Err(SupervisorError::UncleanShutdown(unclean)) => unclean.iter().map(|unclean| &*unclean.path).collect(),
            // It ended for another reason.
            Err(_) => return Ok(()),
        };
        let is_named = |path: &str| {
            let covers =
                |name: &str| path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            named.iter().any(|name| covers(name))
        };
        match self.abandoned.iter().find(|path| !is_named(path)) {
            Some(path) => Err(format!("{path} was abandoned, and is not named in {:?}", end.outcome)),
            None => Ok(()),
        }
    }
}

fn is_another(kind: &EventKind) -> bool {
    match kind {
        EventKind::Started => true,
        EventKind::Ended(reason) => !matches!(reason, StopReason::Requested),
        _ => false,
    }
}

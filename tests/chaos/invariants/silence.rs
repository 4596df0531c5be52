use std::collections::BTreeSet;

use supervisor_core::EventKind;

use super::{Invariant, Seen, Setting, is_supervisor};

/// Once a supervisor is asked to stop, nothing is started below it. Where there are several threads, it may be in the middle of
/// a start when it is asked, so there this looks at what comes after its end.
pub(super) struct Silence {
    is_simulated: bool,
    stopping: BTreeSet<String>,
}

impl Silence {
    pub(super) fn new(setting: &Setting) -> Self {
        Self { is_simulated: setting.is_simulated, stopping: BTreeSet::new() }
    }
}

impl Invariant for Silence {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let event = match seen {
            Seen::Event(event) => event,
            Seen::AskedToStop if self.is_simulated => {
                self.stopping.insert("root".into());
                return Ok(());
            }
            _ => return Ok(()),
        };
        match &event.kind {
            EventKind::Started => {
                self.stopping.remove(&event.path);
                let above = event.path.rsplit_once('.').map_or("", |(above, _)| above);
                if self.stopping.contains(above) {
                    return Err(format!("{} is started though {above} was asked to stop", event.path));
                }
            }
            // The scope of a worker goes on until it is asked itself.
            EventKind::Stopping if self.is_simulated && is_supervisor(&event.path) => {
                self.stopping.insert(event.path.clone());
            }
            EventKind::Ended(_) => drop(self.stopping.insert(event.path.clone())),
            _ => {}
        }
        Ok(())
    }
}

//! The heartbeats of children with a watchdog (B2).

use crate::{
    Act, Id, Supervisor, Time,
    child::{Look, State, Then},
};

impl Supervisor {
    /// Handles whether a child has sent a heartbeat since the last check.
    pub fn heard(&mut self, id: Id, is_alive: bool, now: Time) {
        let Some(child) = self.find(id).filter(|_| !self.is_stopping()) else { return };
        let (State::Running { since }, Some(within), Some(look)) = (child.state, child.spec.watchdog, child.look)
        else {
            return;
        };
        let late = now - look.due;
        let due = if is_alive {
            return self.watch(id, now);
        } else if late > within {
            // Nothing is known at all: it has that time again.
            now + within
        } else if late.is_zero() || look.is_repeated {
            self.act(Act::Unresponsive(id));
            return self.abort(id, Then::Fail { since }, now);
        } else {
            // It may have lost as much time as the check was late. A miss is still found within twice its time.
            (now + late).min(look.due + within)
        };
        self.child_mut(id).look = Some(Look { due, is_repeated: true, has_begun: false });
    }

    /// Sets when the next heartbeat is due.
    pub(crate) fn watch(&mut self, id: Id, now: Time) {
        let child = self.child_mut(id);
        let look = |within| Look { due: now + within, is_repeated: false, has_begun: false };
        child.look = child.spec.watchdog.map(look);
    }

    /// Checks for a heartbeat, when its time has come. While the supervisor stops no child is checked.
    pub(crate) fn look_for_sign(&mut self, id: Id) {
        let is_stopping = self.is_stopping();
        if let Some(look) = &mut self.child_mut(id).look {
            look.has_begun = true;
        }
        if !is_stopping {
            self.act(Act::SampleHeartbeat(id));
        }
    }
}

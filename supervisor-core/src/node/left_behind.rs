use std::sync::Arc;

use super::{Child, Shared};
use crate::strategy::ChildKind;

/// Returns the processes below a supervisor that has ended, with their dotted names.
pub(crate) fn left_behind(supervisor: &Arc<Shared>, path: String) -> Vec<(String, Arc<dyn Child>)> {
    let (mut found, mut to_look) = (Vec::new(), vec![(path, supervisor.clone())]);
    while let Some((path, shared)) = to_look.pop() {
        // A supervisor that runs takes care of its own children. Its engine is not locked here: engines are locked from
        // the top down, and only those of supervisors that have ended.
        let Some((locked, None)) = shared.look() else { continue };
        for (_, below, _) in locked.lock().children() {
            let path = format!("{path}.{}", below.name());
            // A supervisor that is still there takes care of the processes below it. One that has ended may have left
            // some. A worker is there for as long as its scope is (S1).
            if below.cell().is_occupied() {
                found.push((path, below.clone()));
            } else if below.settings().kind == ChildKind::Supervisor {
                to_look.extend(below.shared().map(|shared| (path, shared.clone())));
            }
        }
    }
    found
}

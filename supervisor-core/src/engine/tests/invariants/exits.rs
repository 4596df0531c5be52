use super::*;

/// A rule: for each process that is started, exactly one end is reported.
#[derive(Default)]
pub(super) struct EachIncarnationEndsOnce {
    /// Whose latest process has not ended yet, as far as was told.
    open: BTreeSet<&'static str>,
}

impl Invariant for EachIncarnationEndsOnce {
    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        match effect {
            Effect::Start { key, .. } => {
                let name = moment.name(key.id);
                assert!(self.open.insert(name), "{name} starts, and no end of its last process was told");
            }
            Effect::Emit { child, kind, .. } => {
                let is_end = matches!(
                    **kind,
                    EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Ignored | EventKind::Abandoned
                );
                assert!(!is_end || self.open.remove(child.name), "{} ends without a process: {kind:?}", child.name);
            }
            _ => {}
        }
    }

    fn end(&mut self, _: Moment) {
        assert!(self.open.is_empty(), "no end was told of {:?}", self.open);
    }
}

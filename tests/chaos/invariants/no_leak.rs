use super::{End, Invariant};

/// A rule: when a tree has ended, nothing of it is left: no process, and no specification.
pub(super) struct NoLeak;

impl Invariant for NoLeak {
    fn finish(&self, End { diary, .. }: &End<'_>) -> Result<(), String> {
        match (diary.present(), &diary.specifications()[..]) {
            (0, []) => Ok(()),
            (processes, specifications) => Err(format!("{processes} processes and {specifications:?} are left")),
        }
    }
}

use super::{Invariant, Seen};
use crate::chaos::diary::Diary;

/// When a tree has ended, nothing of it is left: no process, and no specification.
pub(super) struct NoLeak;

impl Invariant for NoLeak {
    fn see(&mut self, _: &Seen<'_>) -> Result<(), String> {
        Ok(())
    }

    fn finish(&self, diary: &Diary) -> Result<(), String> {
        match (diary.present(), diary.specifications()) {
            (0, 0) => Ok(()),
            (processes, specifications) => {
                Err(format!("{processes} processes and {specifications} specifications are left"))
            }
        }
    }
}

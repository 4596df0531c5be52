//! Snapshots and events as data: what `docs/guide/snapshot-format.md` says, written, read, and read by another language.

mod events;
mod python;
mod snapshots;
mod stage;

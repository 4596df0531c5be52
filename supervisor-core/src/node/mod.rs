//! The parts of a tree that several sides use: what handles share with a supervisor, what its children see above them,
//! and what the supervisor knows of a child.
//!
//! They refer to each other, so they are one module: a [`Scope`] has the [`Shared`] of its supervisor, which has the
//! scope of the run and the [`LockedEngine`] with the [`Child`]ren, and a child that is a supervisor has a `Shared` of
//! its own. Nothing in here drives anything: `driver` does that.

mod asked_by;
mod check;
mod child;
mod command;
mod fresh_executor;
mod locked_engine;
mod lookup;
mod monitors;
mod origin;
mod room;
mod scope;
mod shared;
mod spec;
mod view;
mod waiting;

pub(crate) use self::{
    asked_by::AskedBy,
    check::{check, check_root},
    child::{Blueprint, Child, ChildFactory, ChildNode, Release},
    command::{Call, Command},
    locked_engine::{ChildrenEngine, LockedEngine},
    monitors::Monitors,
    origin::CallOrigin,
    room::Room,
    scope::{PlacedParent, Scope, Subject},
    shared::{Shared, Tenure},
    waiting::StoppingNames,
};
pub use monitors::Monitor;
pub use spec::{ChildSpec, IntoChildSpec};

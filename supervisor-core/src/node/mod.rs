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
mod dependents;
mod expected;
mod fresh_executor;
mod left_behind;
mod locked_engine;
mod lookup;
mod monitors;
mod origin;
mod readiness;
mod room;
mod scope;
mod shared;
mod spec;
mod stop_reason;
mod view;
mod waiting;

#[cfg(all(test, supervision_loom))]
pub(crate) use self::dependents::Dependents;
pub(crate) use self::{
    asked_by::AskedBy,
    check::{check, check_root},
    child::{Blueprint, Child, ChildFactory, ChildNode, Release},
    command::{Call, Command},
    dependents::{Owner, Scopes},
    left_behind::left_behind,
    locked_engine::{ChildrenEngine, LockedEngine},
    monitors::Monitors,
    origin::CallOrigin,
    room::Room,
    scope::{PlacedParent, Scope, Subject},
    shared::{Shared, Tenure},
    stop_reason::{gave_up, stop_reason},
    waiting::StoppingProcesses,
};
#[cfg(all(test, supervision_loom))]
pub(crate) use expected::Expected;
pub use monitors::Monitor;
pub use spec::{ChildSpec, IntoChildSpec};

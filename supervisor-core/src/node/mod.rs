//! The parts of a tree, each of which three sides know: what handles share with a supervisor, what its children have above
//! them, and what it knows of a child.
//!
//! These know each other, so they are one module: a [`Scope`] has the [`Shared`] of its supervisor, which has the scope of the
//! run and the [`LockedEngine`] in which the [`Child`]ren are, and a child that is a supervisor has a `Shared` of its own.
//! Nothing in here drives anything: that is what `driver` does.

mod check;
mod child;
mod command;
mod fresh_executor;
mod locked_engine;
mod lookup;
mod origin;
mod scope;
mod shared;
mod spec;
mod view;

pub(crate) use self::{
    check::{check, check_root},
    child::{Blueprint, Child, ChildFactory, ChildNode, Release},
    command::{Call, Command},
    locked_engine::{ChildrenEngine, LockedEngine},
    origin::CallOrigin,
    scope::{PlacedParent, Scope},
    shared::{Shared, Tenure},
};
pub use spec::{ChildSpec, IntoChildSpec};

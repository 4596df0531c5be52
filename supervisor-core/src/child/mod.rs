//! What is supervised, whatever it is: the specification of a child, and the seat that its incarnations take in turn.

mod check;
mod fresh_executor;
mod node;
mod spec;

pub(crate) use self::{
    check::{check, check_root},
    node::{Blueprint, Child, ChildFactory, ChildNode, Release},
};
pub use spec::ChildSpec;

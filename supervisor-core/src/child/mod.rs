//! What is supervised, whatever it is: the specification of a child, and the seat that its incarnations take in turn.

mod check;
mod relay;
mod seat;
mod spec;

pub(crate) use self::{
    check::{check, check_root},
    seat::{Blueprint, Body, Child, Release, Seat},
};
pub use spec::ChildSpec;

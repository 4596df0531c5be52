//! What is supervised, whatever it is: the specification of a child, and the seat that its incarnations take in turn.

mod relay;
mod seat;
mod spec;

pub(crate) use seat::{Body, Child, Release, Seat};
pub use spec::ChildSpec;
pub(crate) use spec::check;

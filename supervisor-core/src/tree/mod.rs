//! A running tree.

mod root;
mod run;
mod supervision_tree;

pub use run::{Run, RunFuture};
pub use supervision_tree::SupervisionTree;

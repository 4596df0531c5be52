//! What the report says: sections, as Markdown and as plots.

mod machine;
#[cfg(feature = "plots")]
mod plot;
mod section;

pub use self::{
    machine::machine,
    section::{Cell, Section},
};
#[cfg(feature = "plots")]
pub use plot::draw;

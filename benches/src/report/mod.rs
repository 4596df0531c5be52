//! What the report says: pages of sections, as Markdown and as plots.

mod machine;
mod numbers;
mod page;
#[cfg(feature = "plots")]
mod plot;
mod section;

#[cfg(feature = "plots")]
pub use self::plot::plot;
pub use self::{
    machine::machine,
    page::Page,
    section::{Cell, Column, Line, Section},
};

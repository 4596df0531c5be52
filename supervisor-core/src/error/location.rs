use std::{fmt, sync::Arc};

/// The place in the source code where a process panicked. Its `Display` form is `src/feed.rs:10:5`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PanicLocation {
    file: Arc<str>,
    line: u32,
    column: u32,
}

impl PanicLocation {
    pub(crate) fn new(file: &str, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }

    /// Returns the path of the source file, as the compiler got it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the number of the line. The first is 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the number of the column. The first is 1.
    pub fn column(&self) -> u32 {
        self.column
    }
}

impl fmt::Display for PanicLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

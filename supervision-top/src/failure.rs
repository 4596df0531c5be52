//! What can go wrong, in words, and the exit code for it.

use std::{fmt, io};

use crate::text::clean;

/// A failure that ends the program.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments make no sense.
    Usage(String),
    /// The program with the tree cannot be reached, or has gone away. It may come back.
    NoAnswer { address: String, why: String },
    /// It was reached, and refuses to show its tree.
    Refused { address: String, status: u16, why: String },
    /// What was reached, or read, is not what an observer writes.
    NotUnderstood { what: String, why: String },
    /// A file, or the terminal, cannot be used.
    File { what: String, error: io::Error },
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NoAnswer { .. } => 1,
            Self::Usage(_) => 2,
            Self::Refused { .. } => 3,
            Self::NotUnderstood { .. } => 4,
            Self::File { .. } => 5,
        }
    }

    /// Returns whether it helps to try again.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::NoAnswer { .. })
    }

    pub(crate) fn terminal(error: io::Error) -> Self {
        Self::File { what: "the terminal".into(), error }
    }
}

/// Parts of it come from elsewhere, so control characters are escaped.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Usage(why) => why.clone(),
            Self::NoAnswer { address, why } => format!("no answer from {address}: {why}"),
            Self::Refused { address, status: 401, why } => format!(
                "{address} needs a token, or another one (401: {why}); put it into a file and pass `--token-file FILE`, \
                 or set SUPERVISION_TOKEN"
            ),
            Self::Refused { address, status, why } => format!("{address} refuses to show its tree ({status}: {why})"),
            Self::NotUnderstood { what, why } => format!("{what} is not understood: {why}"),
            Self::File { what, error } => format!("cannot use {what}: {error}"),
        };
        f.write_str(&clean(&text))
    }
}

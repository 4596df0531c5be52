use crate::incarnation::Exit;

/// The rule for whether a child is started again when it has ended by itself.
///
/// | it ended | permanent | transient | temporary |
/// |---|---|---|---|
/// | normally | restarted | stays stopped | removed |
/// | as a supervisor that gave up, or shut itself down | restarted | stays stopped | removed |
/// | with an error, a panic, aborted, lost | restarted | restarted | removed |
#[expect(clippy::exhaustive_enums, reason = "what users set; OTP has these three")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum RestartType {
    /// Always restarted. The default, as in OTP: a supervised process is meant to run.
    #[default]
    Permanent,
    /// Restarted only if it failed.
    Transient,
    /// Never restarted, and removed when it has ended.
    Temporary,
}

impl RestartType {
    pub(crate) fn restarts_after(self, exit: &Exit) -> bool {
        match self {
            // B6: its restart condition says that no restart helps.
            _ if exit.is_final() => false,
            // R9: after any exit of its own.
            Self::Permanent => true,
            // R9, R54: only if it failed. R11: otherwise it stays listed, as stopped.
            Self::Transient => !exit.is_normal(),
            // R9, R10: never, and its specification goes with it.
            Self::Temporary => false,
        }
    }
}

/// The rule for whether a supervisor stops by itself when significant children have ended.
///
/// Only the end of a significant child that is not restarted counts: of a transient one that ended normally, or of a
/// temporary one. A child that is terminated, or stopped in a group restart, does not count.
#[expect(clippy::exhaustive_enums, reason = "what users set; OTP has these three")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum AutoShutdown {
    /// Never. The default.
    #[default]
    Never,
    /// When the first significant child has ended.
    AnySignificant,
    /// When the last significant child has ended.
    AllSignificant,
}

/// The kind of process that a child is.
#[expect(clippy::exhaustive_enums, reason = "a child supervises or it does not")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ChildKind {
    /// A worker: it does the work.
    Worker,
    /// A supervisor: it runs other children.
    Supervisor,
}

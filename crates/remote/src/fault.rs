//! Why something across the network failed.

use std::fmt::Display;

/// Why something failed, and whether to retry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not exist.
    #[error("{0} is not there")]
    Missing(String),
    /// The network or the server: it may be transient.
    #[error("{0}")]
    Passing(String),
    /// What exists cannot be what was asked for: not a regular file, or too large.
    #[error("{0}")]
    Impossible(String),
    /// Waiting will not help.
    #[error("{0}")]
    Final(String),
}

impl Fault {
    /// A final one: "cannot OPEN place: cause".
    pub fn ended(action: &str, place: impl Display, cause: impl Display) -> Fault {
        Fault::Final(format!("cannot {action} {place}: {cause}"))
    }

    /// A fault for something that is not read: "cannot READ place: cause".
    pub fn impossible(place: impl Display, cause: impl Display) -> Fault {
        Fault::Impossible(format!("cannot READ {place}: {cause}"))
    }

    /// A transient one.
    pub fn passing(action: &str, place: impl Display, cause: impl Display) -> Fault {
        Fault::Passing(format!("cannot {action} {place}: {cause}"))
    }
}

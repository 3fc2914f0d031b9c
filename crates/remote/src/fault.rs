//! Why something across the network failed.

use std::fmt::Display;

/// Why something failed, and whether it is worth trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// The network or the server: it may pass.
    #[error("{0}")]
    Passing(String),
    /// What is there cannot be what was asked for: no regular file, or too large.
    #[error("{0}")]
    Impossible(String),
    /// It will not get better by waiting.
    #[error("{0}")]
    Final(String),
}

impl Fault {
    /// A final one: "cannot OPEN place: cause".
    pub fn ended(action: &str, place: impl Display, cause: impl Display) -> Fault {
        Fault::Final(format!("cannot {action} {place}: {cause}"))
    }

    /// One of something that nobody reads: "cannot READ place: cause".
    pub fn impossible(place: impl Display, cause: impl Display) -> Fault {
        Fault::Impossible(format!("cannot READ {place}: {cause}"))
    }

    /// One that may pass.
    pub fn passing(action: &str, place: impl Display, cause: impl Display) -> Fault {
        Fault::Passing(format!("cannot {action} {place}: {cause}"))
    }
}

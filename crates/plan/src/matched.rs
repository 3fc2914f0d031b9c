//! By what a found disk was taken for a recorded one.

use serde::{Deserialize, Serialize};
use std::fmt;

/// By what a found disk was taken for a recorded one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatchedBy {
    /// The user named it.
    Choice,
    /// Its World Wide Name.
    Wwn,
    /// Its serial number.
    Serial,
    /// It bears the mark of an unfinished recovery of this machine.
    Unfinished,
    /// It holds the machine's own partition table, filesystem or swap area.
    Content,
    /// It hangs in the same place.
    HardwarePath,
    /// Nothing but its size.
    Size,
    /// No other disk would do.
    OnlyDisk,
}

impl MatchedBy {
    /// The disk itself says that it is the recorded one: what it holds may then be foreign in part.
    pub fn proves_identity(self) -> bool {
        match self {
            MatchedBy::Wwn | MatchedBy::Serial => true,
            MatchedBy::Choice
            | MatchedBy::Unfinished
            | MatchedBy::Content
            | MatchedBy::HardwarePath
            | MatchedBy::Size
            | MatchedBy::OnlyDisk => false,
        }
    }

    /// It could be another disk than the recorded one, and a person should look.
    pub fn is_weak(self) -> bool {
        match self {
            MatchedBy::HardwarePath | MatchedBy::Size | MatchedBy::OnlyDisk => true,
            MatchedBy::Choice | MatchedBy::Wwn | MatchedBy::Serial | MatchedBy::Unfinished | MatchedBy::Content => {
                false
            }
        }
    }
}

impl fmt::Display for MatchedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MatchedBy::Choice => "your choice",
            MatchedBy::Wwn => "WWN",
            MatchedBy::Serial => "serial number",
            MatchedBy::Unfinished => "unfinished recovery",
            MatchedBy::Content => "content",
            MatchedBy::HardwarePath => "hardware path",
            MatchedBy::Size => "size",
            MatchedBy::OnlyDisk => "the only disk",
        })
    }
}

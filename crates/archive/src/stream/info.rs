//! What a set is: JSON in its catalogue.

use crate::{ArchiveError, Secret};
use serde::{Deserialize, Serialize};

/// Describes a set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// The id of the set: 32 hex digits.
    pub set: String,
    /// Name of the machine.
    pub host: String,
    /// Its machine id; empty when it has none.
    pub machine_id: String,
    /// The program that wrote it.
    pub program: String,
    /// When the backup was started: RFC 3339.
    pub time: String,
    /// Entries, with the root directory.
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes.
    pub bytes: u64,
    /// The manifest, as at the beginning of the archive, but with the counts of the end.
    pub manifest: String,
}

impl Info {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(crate) fn from_json(json: &[u8]) -> Result<Info, String> {
        serde_json::from_slice(json).map_err(|error| format!("its description is damaged: {error}"))
    }
}

/// An id for a set: 32 hex digits.
pub(super) fn new_set() -> Result<String, ArchiveError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| ArchiveError::io("NAME", "the set", std::io::Error::other(error.to_string())))?;
    Ok(Secret::from_bytes(&bytes).expose().to_owned())
}

/// A machine's name as a header can have it.
pub(super) fn machine_name(host: &str) -> String {
    let mut name = String::new();
    for letter in host.chars().map(|letter| if letter.is_control() { '?' } else { letter }) {
        if name.len() + letter.len_utf8() > lifeboat_sys::tape::header::NAME_BYTES {
            break;
        }
        name.push(letter);
    }
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

//! What a set is: JSON in its catalogue.

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

//! The request for a backup.

use crate::FileTree;

/// What is to be backed up, and what the snapshot says about it.
pub struct BackupRequest<'a> {
    /// The file tree.
    pub source: &'a FileTree,
    /// Host name.
    pub host: String,
    /// Id of its system, machine-id(5); the latest snapshot of the same machine is the parent.
    pub machine_id: String,
    /// Tags.
    pub tags: Vec<String>,
    /// Program and version, e.g. `lifeboat 0.1.0`.
    pub program: String,
    /// Becomes `.lifeboat/machine.json`.
    pub machine: Vec<u8>,
    /// Further files of `.lifeboat/`: names, which are those of no other file there, and contents.
    pub beside: Vec<(String, Vec<u8>)>,
    /// Makes `.lifeboat/manifest.json` from the final counts of entries and bytes.
    pub manifest: &'a (dyn Fn(u64, u64) -> Result<Vec<u8>, String> + Sync),
    /// Read all files, even those that the latest snapshot has.
    pub reread: bool,
    /// When the backup begins, by the machine's clock; `None` means now.
    pub started: Option<jiff::Timestamp>,
}

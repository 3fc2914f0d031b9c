//! What binds machine, archive and rescue system together.
//!
//! The *archive manifest* travels in the snapshot as `.lifeboat/manifest.json`: it counts what the archive must hold.
//! The *medium manifest* lies on the medium as `/lifeboat/manifest.json` and, byte for byte the same, in the
//! initramfs. It names each file of the medium with its hash (except the initramfs, which holds it), so recovery
//! proves the archive whole before anything is wiped, and refuses a medium put together from two machines.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of both manifests.
pub const FORMAT: u32 = 1;

/// `.lifeboat/manifest.json` in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The release that wrote it.
    pub lifeboat: String,
    /// Name of the machine.
    pub machine_name: String,
    /// /etc/machine-id of the machine.
    pub machine_id: String,
    /// BLAKE3 of `machine.json`, hex.
    pub machine_blake3: String,
    /// When the backup began, RFC 3339 in UTC.
    pub started_at: String,
    /// Entries that the walk found: files, directories, links, devices, with the root directory, without `.lifeboat`.
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes.
    pub bytes: u64,
}

/// `manifest.json` on a medium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumManifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The release that wrote it.
    pub lifeboat: String,
    /// Random 128 bits in hex; names this medium, and the disc's volume id ends in its first 8 digits.
    pub medium_id: String,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// Name of the machine.
    pub machine_name: String,
    /// /etc/machine-id of the machine.
    pub machine_id: String,
    /// BLAKE3 of `machine.json`, hex.
    pub machine_blake3: String,
    /// Release of the kernel on the medium.
    pub kernel: String,
    /// The archive on the medium; `None` for rescue-only media.
    pub archive: Option<ArchiveRef>,
    /// The medium holds the key of the archive.
    pub embedded_key: bool,
    /// Each file of the medium below `/lifeboat/`, by its path there, except `manifest.json` and `initrd.img`.
    pub files: BTreeMap<String, FileDigest>,
}

/// Names an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveRef {
    /// Snapshot id, hex.
    pub snapshot: String,
    /// Repository id, hex.
    pub repository: String,
    /// Entries in the snapshot.
    pub entries: u64,
    /// Sum of the sizes of regular files, in bytes.
    pub bytes: u64,
}

/// Size and hash of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Size in bytes.
    pub size_bytes: u64,
    /// BLAKE3, hex.
    pub blake3: String,
}

//! What the rescue system found: made by `probe`, read by `plan`.

use crate::layout::Disk;
use serde::{Deserialize, Serialize};

/// The hardware under the rescue system, as far as a plan depends on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FoundHardware {
    /// Whole disks, sorted by path.
    pub disks: Vec<FoundDisk>,
    /// Booted through UEFI.
    pub uefi: bool,
    /// Modaliases of everything found, sorted.
    pub modaliases: Vec<String>,
    /// Types of filesystems, as mount(8) names them, that can be made and mounted here.
    #[serde(default)]
    pub filesystems: Vec<String>,
}

/// A disk that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundDisk {
    /// Kernel path, `/dev/vda`.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Identity.
    pub disk: Disk,
    /// What it holds now.
    pub content: DiskContent,
    /// Why it must not be written: it holds the archive or the rescue medium, it is mounted, it is read-only.
    pub lock: Option<String>,
}

/// What a found disk holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum DiskContent {
    /// No signature anywhere, and its first and last MiB are zeros.
    Blank,
    /// A partition table.
    Table {
        /// GPT disk GUID or MBR signature, spelled as in [`crate::layout::PartitionTable::id`].
        id: String,
        /// GPT partition GUIDs, upper case.
        partition_uuids: Vec<String>,
        /// UUIDs of the filesystems and swap areas on its partitions.
        content_uuids: Vec<String>,
        /// For people: `gpt, 3 partitions: vfat, ext4 "root", swap`.
        summary: String,
    },
    /// A filesystem or another signature on the whole disk.
    Whole {
        /// Its UUID.
        uuid: Option<String>,
        /// For people: `ext4 "data"`.
        summary: String,
    },
    /// No signature known to blkid, but the mark of a recovery that did not come to its end ([`crate::marker`]).
    Interrupted {
        /// The machine that was being recovered, as [`crate::marker::Marker::machine`].
        machine: String,
        /// The recorded disk whose place it takes.
        device: crate::layout::DeviceId,
    },
    /// No signature known to blkid, but bytes that are not zero.
    Unknown,
}

//! What a device holds.

use super::crypt::LuksHeader;
use super::group::GroupId;
use super::id::DeviceId;
use super::partition::PartitionTable;
use super::swap::Swap;
use crate::filesystem::Filesystem;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a device holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Content {
    /// Nothing that anyone recognises, and nothing mounted: left empty on recovery.
    Empty,
    /// A partition table.
    Table(PartitionTable),
    /// A filesystem; of one on several devices the first device holds it, the others are [`Member::Filesystem`].
    Filesystem(Filesystem),
    /// A swap area.
    Swap(Swap),
    /// Space for a boot loader that its installer fills (bios_grub).
    BootLoader,
    /// The container of MBR logical partitions.
    Extended,
    /// A LUKS header and encrypted data.
    Luks(LuksHeader),
    /// The journal, log or realtime section of a filesystem on another device.
    Journal(JournalDevice),
    /// A part of something that lies on several devices.
    Member(Member),
}

/// A part of something that lies on several devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Member {
    /// A device of an md array.
    Array {
        /// The array, which names this device among its members.
        array: DeviceId,
        /// Where the array's data begins on it, in bytes ("Data Offset").
        data_offset_bytes: u64,
    },
    /// A physical volume of LVM.
    Group {
        /// The group; `None` for a physical volume in no group.
        group: Option<GroupId>,
        /// UUID of the physical volume.
        uuid: String,
        /// Where its first extent begins, in bytes (`pe_start`).
        first_extent_bytes: u64,
        /// Extents that it has.
        extents: u64,
    },
    /// A further device of a filesystem.
    Filesystem {
        /// The device that holds the filesystem.
        filesystem: DeviceId,
        /// Its number in the filesystem (btrfs devid).
        devid: u64,
        /// Its own UUID in the filesystem.
        uuid: Option<String>,
    },
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Array { array, .. } => write!(f, "part of {array}"),
            Member::Group { group: Some(group), .. } => write!(f, "part of {group}"),
            Member::Group { group: None, .. } => f.write_str("unused LVM physical volume"),
            Member::Filesystem { filesystem, .. } => write!(f, "part of the filesystem on {filesystem}"),
        }
    }
}

/// A device that a filesystem on another one uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalDevice {
    /// What it is for.
    pub kind: JournalKind,
    /// UUID of an ext journal; the others bear that of their filesystem.
    pub uuid: Option<String>,
    /// The device that holds the filesystem, which names this one.
    pub filesystem: DeviceId,
    /// Size in bytes; may be smaller than its device.
    pub size_bytes: u64,
}

/// By what the log of an XFS is known when it has a device of its own: it bears no UUID but that of its filesystem (blkid's `LOGUUID`), for
/// which it must not be taken.
pub fn log_identity(filesystem_uuid: &str) -> String {
    format!("{filesystem_uuid}-log")
}

/// What a device is for that belongs to a filesystem on another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalKind {
    /// Journal of ext3 or ext4 (mke2fs -O journal_dev).
    Ext,
    /// Log of XFS (mkfs.xfs -l logdev=).
    XfsLog,
    /// Realtime section of XFS (mkfs.xfs -r rtdev=).
    XfsRealtime,
}

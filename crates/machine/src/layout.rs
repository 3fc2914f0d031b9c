//! Storage as a graph: devices with what they hold, mounts, swap.
//!
//! A device is identified inside one description by its [`DeviceId`]; kernel names are kept as information only, for
//! they change from boot to boot. A device is a node with one content. What lies on several devices is described once (an
//! array, a volume group, a filesystem), and the others point to it by [`Member`].
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@id`] | names of devices |
//! | [`mod@disk`] | whole disks |
//! | [`mod@partition`] | partition tables and their entries |
//! | [`mod@array`] | md arrays |
//! | [`mod@group`] | LVM volume groups and volumes |
//! | [`mod@crypt`] | LUKS |
//! | [`mod@content`] | what a device holds |
//! | [`mod@swap`] | swap areas and swap files |
//! | [`mod@graph`] | ways through the graph |
//! | [`mod@validate`] | whether a description holds together |
//! | [`mod@error`] | why it does not |

pub mod array;
pub mod content;
pub mod crypt;
pub mod disk;
pub mod error;
pub mod graph;
pub mod group;
pub mod id;
pub mod partition;
pub mod swap;
pub mod validate;

pub use array::{Array, ArrayLevel, ArrayMember, ArrayMetadata, ArrayRole, Consistency};
pub use content::{Content, JournalDevice, JournalKind, Member, log_identity};
pub use crypt::{Crypt, HeaderBackup, LuksHeader};
pub use disk::Disk;
pub use error::LayoutError;
pub use group::{
    Cache, CacheKind, Extents, GroupId, RaidImage, RaidSettings, Volume, VolumeGroup, VolumeShape, mapper_name,
    mapper_node,
};
pub use id::DeviceId;
pub use partition::{
    BIOS_BOOT_TYPE, ESP_TYPE, GPT_ENTRIES, Partition, PartitionRole, PartitionTable, TableKind, partition_path,
};
pub use swap::{Swap, SwapFile};

use crate::bytes::Name;
use crate::filesystem::Filesystem;
use serde::{Deserialize, Serialize};

/// All storage of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Devices, parents before children.
    pub devices: Vec<Device>,
    /// Volume groups, which their physical and logical volumes refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<VolumeGroup>,
    /// What was mounted of these devices, parents before children (`/` first).
    pub mounts: Vec<Mount>,
    /// Swap files in use.
    pub swap_files: Vec<SwapFile>,
}

/// One block device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its name in this description.
    pub id: DeviceId,
    /// Kernel path when recorded, `/dev/sda1`. Never used to find it again.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What it is.
    pub kind: DeviceKind,
    /// What it holds.
    pub content: Content,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DeviceKind {
    /// A whole disk.
    Disk(Disk),
    /// A partition of a device.
    Partition(Partition),
    /// An md array.
    Array(Array),
    /// A logical volume.
    Volume(Volume),
    /// An open LUKS mapping.
    Crypt(Crypt),
}

/// A mounted filesystem of a recorded device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// The device that holds it.
    pub device: DeviceId,
    /// Absolute mount point.
    pub mount_point: Name,
    /// Mount options needed to make it accessible in the same way, e.g. `noatime`; without `rw`.
    pub options: Vec<String>,
    /// btrfs: path of the mounted subvolume inside the filesystem, without leading slash; empty for the top level.
    pub subvolume: Option<Name>,
}

impl Device {
    /// Its partition table entry.
    pub fn partition(&self) -> Option<&Partition> {
        match &self.kind {
            DeviceKind::Partition(partition) => Some(partition),
            DeviceKind::Disk(_) | DeviceKind::Array(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => None,
        }
    }

    /// Its disk identity.
    pub fn disk(&self) -> Option<&Disk> {
        match &self.kind {
            DeviceKind::Disk(disk) => Some(disk),
            DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => None,
        }
    }

    /// What it is a part of.
    pub fn member(&self) -> Option<&Member> {
        match &self.content {
            Content::Member(member) => Some(member),
            Content::Empty
            | Content::Table(_)
            | Content::Filesystem(_)
            | Content::Swap(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Luks(_)
            | Content::Journal(_) => None,
        }
    }

    /// Its filesystem.
    pub fn filesystem(&self) -> Option<&Filesystem> {
        match &self.content {
            Content::Filesystem(filesystem) => Some(filesystem),
            Content::Empty
            | Content::Table(_)
            | Content::Swap(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Luks(_)
            | Content::Journal(_)
            | Content::Member(_) => None,
        }
    }
}

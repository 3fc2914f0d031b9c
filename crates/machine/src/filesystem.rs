//! What mkfs needs to make the same filesystem again.
//!
//! Every value is read from the filesystem itself (dumpe2fs, xfs_info, blkid, btrfs), not guessed from defaults, for
//! the mkfs of the rescue system may have other ones. A property that has no field here is refused by `probe`.

use crate::bytes::Name;
use crate::layout::id::DeviceId;
use serde::{Deserialize, Serialize};

/// A filesystem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filesystem {
    /// UUID as blkid prints it (vfat: `1234-ABCD`).
    pub uuid: String,
    /// Label, empty when none.
    pub label: Name,
    /// Size of the filesystem in bytes; may be smaller than its device.
    pub size_bytes: u64,
    /// Bytes in use, as statfs counts them, or size when it was not mounted.
    pub used_bytes: u64,
    /// Kind, features and tunables.
    pub options: FilesystemOptions,
    /// What its files take when they are restored. The snapshot knows that, not `machine.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Restored>,
}

/// What files of a filesystem take when they are restored, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restored {
    /// On the filesystem as it was: files share blocks and are compressed again, as far as restored ones can be.
    pub bytes: u64,
    /// On one that shares blocks, but does not compress.
    pub expanded_bytes: u64,
    /// On one that does neither.
    pub apart_bytes: u64,
}

/// Kind of a filesystem with all that its mkfs can set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FilesystemOptions {
    /// ext2, ext3 or ext4.
    Ext(ExtOptions),
    /// XFS.
    Xfs(XfsOptions),
    /// FAT12, FAT16 or FAT32.
    Vfat(VfatOptions),
    /// btrfs.
    Btrfs(BtrfsOptions),
}

/// ext2, ext3, ext4: mke2fs(8), tune2fs(8); read from `dumpe2fs -h`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtOptions {
    /// What it is mounted as: 2, 3 or 4.
    pub generation: u8,
    /// "Filesystem features" as dumpe2fs prints them, sorted, without states of the moment (needs_recovery, orphan_present).
    pub features: Vec<String>,
    /// "Block size" in bytes.
    pub block_bytes: u32,
    /// "Cluster size" in bytes with bigalloc.
    pub cluster_bytes: Option<u32>,
    /// "Inode size" in bytes.
    pub inode_bytes: u32,
    /// "Inode count".
    pub inodes: u64,
    /// "Block count".
    pub blocks: u64,
    /// "Reserved block count".
    pub reserved_blocks: u64,
    /// "Reserved blocks uid".
    pub reserved_uid: u32,
    /// "Reserved blocks gid".
    pub reserved_gid: u32,
    /// "Blocks per group".
    pub blocks_per_group: u32,
    /// "Inodes per group".
    pub inodes_per_group: u32,
    /// "Flex block group size".
    pub flex_group_blocks: Option<u32>,
    /// Its journal; `None` without one.
    pub journal: Option<Journal>,
    /// "Default mount options", empty when "(none)".
    pub default_mount_options: Vec<String>,
    /// "Mount options" (extended, tune2fs -E mount_opts), empty when none.
    pub extended_mount_options: String,
    /// "Errors behavior": `continue`, `remount-ro`, `panic`.
    pub errors: String,
    /// "Maximum mount count", -1 for none.
    pub max_mount_count: i32,
    /// "Check interval" in seconds.
    pub check_interval_seconds: u64,
    /// "Default directory hash".
    pub hash_algorithm: Option<String>,
    /// "Directory Hash Seed".
    pub hash_seed: Option<String>,
    /// "RAID stride" in blocks.
    pub raid_stride: Option<u32>,
    /// "RAID stripe width" in blocks.
    pub raid_stripe_width: Option<u32>,
    /// "MMP update interval" in seconds with the mmp feature.
    pub mmp_interval_seconds: Option<u32>,
    /// "Checksum seed" when the metadata_csum_seed feature pins it.
    pub checksum_seed: Option<String>,
    /// "Character encoding" with the casefold feature.
    pub encoding: Option<String>,
    /// "Character encoding flags".
    pub encoding_flags: Option<String>,
    /// Quota types kept in hidden inodes: `usr`, `grp`, `prj`.
    pub quotas: Vec<String>,
    /// "Desired extra isize" / "Required extra isize" in bytes.
    pub desired_extra_inode_bytes: Option<u32>,
    /// "Reserved GDT blocks" (mke2fs -E resize=); `None` leaves them to mke2fs.
    pub reserved_gdt_blocks: Option<u32>,
    /// Number of "Backup block groups" with sparse_super2 (mke2fs -E num_backup_sb=).
    pub backup_superblocks: Option<u32>,
    /// Size of the orphan file in bytes with orphan_file (mke2fs -E orphan_file_size=).
    pub orphan_file_bytes: Option<u64>,
    /// "Fast commit length" in blocks with fast_commit (mke2fs -J fast_commit_size=).
    pub fast_commit_blocks: Option<u32>,
}

/// Where the journal of ext3 or ext4 lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Journal {
    /// In the filesystem.
    Internal {
        /// "Journal size" in bytes.
        bytes: u64,
    },
    /// On another device, whose content is a [`crate::layout::JournalDevice`].
    External {
        /// The device.
        device: DeviceId,
    },
}

impl Journal {
    /// What it takes of the filesystem itself, in bytes.
    pub fn internal_bytes(&self) -> Option<u64> {
        match self {
            Journal::Internal { bytes } => Some(*bytes),
            Journal::External { .. } => None,
        }
    }
}

/// XFS: mkfs.xfs(8); read from `xfs_info` and `xfs_db -r -c version`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XfsOptions {
    /// meta-data `bsize` of the data section, in bytes.
    pub block_bytes: u32,
    /// `sectsz` of the meta-data section, in bytes.
    pub sector_bytes: u32,
    /// `isize`, in bytes.
    pub inode_bytes: u32,
    /// `agcount`.
    pub allocation_groups: u32,
    /// `agsize` in blocks.
    pub allocation_group_blocks: u64,
    /// data `blocks`.
    pub blocks: u64,
    /// data `imaxpct`.
    pub max_inode_percent: u32,
    /// data `sunit` in blocks.
    pub stripe_unit_blocks: u32,
    /// data `swidth` in blocks.
    pub stripe_width_blocks: u32,
    /// naming `bsize`, in bytes.
    pub directory_block_bytes: u32,
    /// log `blocks`.
    pub log_blocks: u64,
    /// log `version`.
    pub log_version: u32,
    /// log `sectsz` in bytes.
    pub log_sector_bytes: u32,
    /// log `sunit` in blocks.
    pub log_stripe_unit_blocks: u32,
    /// log `lazy-count`.
    pub lazy_count: bool,
    /// The on/off features of xfs_info by the name that mkfs.xfs takes (`crc`, `finobt`, `sparse`, `rmapbt`, `reflink`,
    /// `bigtime`, `inobtcount`, `nrext64`, `ftype`, `attr2`, `projid32bit`, `ascii-ci`, and of newer xfsprogs `exchange`,
    /// `parent`), each with its state, sorted; only those that the machine's xfs_info names.
    pub features: Vec<(String, bool)>,
    /// The device of its log, when the log is external (`logdev`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_device: Option<DeviceId>,
    /// Its realtime section.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime: Option<XfsRealtime>,
    /// The UUID in its metadata, when it got another one after it was made (xfs_admin -U).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_uuid: Option<String>,
}

/// The realtime section of an XFS (mkfs.xfs(8), `-r`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XfsRealtime {
    /// The device that holds it.
    pub device: DeviceId,
    /// realtime `extsz` in bytes.
    pub extent_bytes: u64,
    /// realtime `blocks`.
    pub blocks: u64,
}

/// FAT: mkfs.fat(8); read from the boot sector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VfatOptions {
    /// 12, 16 or 32.
    pub fat_bits: u8,
    /// Logical sector size in bytes.
    pub sector_bytes: u32,
    /// Sectors per cluster.
    pub cluster_sectors: u32,
    /// Reserved sectors before the first FAT.
    pub reserved_sectors: u32,
    /// Number of FATs.
    pub fats: u32,
    /// Root directory entries (FAT12 and FAT16).
    pub root_entries: u32,
    /// Media descriptor byte.
    pub media: u8,
    /// Hidden sectors field.
    pub hidden_sectors: u32,
    /// Sector of the backup boot sector (FAT32; mkfs.fat -b); `None` when there is none.
    pub backup_boot_sector: Option<u32>,
    /// BIOS drive number (mkfs.fat -D).
    pub drive_number: u8,
    /// Heads (mkfs.fat -g).
    pub heads: u16,
    /// Sectors per track (mkfs.fat -g).
    pub track_sectors: u16,
    /// The boot sector's own label, when it is another one than that of the root directory, which is the filesystem's label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_label: Option<Name>,
}

/// btrfs: mkfs.btrfs(8); read from `btrfs inspect-internal dump-super` and `btrfs subvolume list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BtrfsOptions {
    /// Node size in bytes.
    pub node_bytes: u32,
    /// Sector size in bytes.
    pub sector_bytes: u32,
    /// Checksum: `crc32c`, `xxhash`, `sha256`, `blake2`.
    pub checksum: String,
    /// Feature names as `mkfs.btrfs -O list-all` knows them, sorted.
    pub features: Vec<String>,
    /// Data profile: `single`, `dup`, and with several devices `raid0`, `raid1`, `raid1c3`, `raid10`, …
    pub data_profile: String,
    /// Metadata profile, likewise.
    pub metadata_profile: String,
    /// Block groups hold data and metadata together (mkfs.btrfs --mixed).
    pub mixed: bool,
    /// UUID of the device item.
    pub device_uuid: Option<String>,
    /// Number of this device in the filesystem (devid); the other devices are [`crate::layout::Member::Filesystem`].
    #[serde(default = "first_devid", skip_serializing_if = "is_first_devid")]
    pub devid: u64,
    /// The UUID in its metadata, when it got another one after it was made (btrfstune -m).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_uuid: Option<String>,
    /// Subvolumes, parents before children.
    pub subvolumes: Vec<Subvolume>,
    /// Path of the default subvolume inside the filesystem; empty for the top level.
    pub default_subvolume: Name,
}

fn first_devid() -> u64 {
    1
}

// serde hands over references.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_first_devid(devid: &u64) -> bool {
    *devid == first_devid()
}

/// A btrfs subvolume that recovery makes again. Snapshots are made as ordinary subvolumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subvolume {
    /// Path inside the filesystem, without leading slash.
    pub path: Name,
    /// Read-only property.
    pub read_only: bool,
    /// No_COW flag of its root.
    pub no_cow: bool,
}

impl FilesystemOptions {
    /// The type as mount(8) and blkid name it.
    pub fn mount_type(&self) -> &'static str {
        match self {
            FilesystemOptions::Ext(ext) if ext.generation == 2 => "ext2",
            FilesystemOptions::Ext(ext) if ext.generation == 3 => "ext3",
            FilesystemOptions::Ext(_) => "ext4",
            FilesystemOptions::Xfs(_) => "xfs",
            FilesystemOptions::Vfat(_) => "vfat",
            FilesystemOptions::Btrfs(_) => "btrfs",
        }
    }
}

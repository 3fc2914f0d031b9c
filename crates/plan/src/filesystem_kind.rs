//! Filesystems of another kind than recorded: what is made in their place, and what cannot be.

use crate::size::GRAIN;
use lifeboat_machine::Name;
use lifeboat_machine::filesystem::{BtrfsOptions, ExtOptions, Filesystem, FilesystemOptions, Journal, XfsOptions};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind that a recovery can make in place of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FilesystemKind {
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// ext3.
    Ext3,
    /// ext2.
    Ext2,
}

/// The features that mke2fs has given since e2fsprogs 1.43, all of which GRUB and every kernel since 4.x read; by generation
/// (mke2fs.conf(5), its stock file).
const EXT2: [&str; 6] = ["dir_index", "ext_attr", "filetype", "large_file", "resize_inode", "sparse_super"];
const EXT4: [&str; 8] =
    ["64bit", "dir_nlink", "extent", "extra_isize", "flex_bg", "has_journal", "huge_file", "metadata_csum"];
/// What mkfs.btrfs has made since btrfs-progs 5.15; older ones know all of these as well.
const BTRFS: [&str; 4] = ["extref", "free-space-tree", "no-holes", "skinny-metadata"];
/// Both mkfs.xfs and mke2fs choose it but on very small disks.
const BLOCK: u32 = 4096;
/// mke2fs makes an inode for as many bytes (mke2fs.conf(5), `inode_ratio`).
const BYTES_PER_INODE: u64 = 16_384;
/// How small files are on average at the worst: an inode for each must be there.
const BYTES_PER_FILE: u64 = 8192;

impl FilesystemKind {
    /// All of them, the usual ones first.
    pub const ALL: [FilesystemKind; 5] =
        [FilesystemKind::Ext4, FilesystemKind::Xfs, FilesystemKind::Btrfs, FilesystemKind::Ext3, FilesystemKind::Ext2];

    /// The type as mount(8) names it.
    pub fn name(self) -> &'static str {
        match self {
            FilesystemKind::Ext2 => "ext2",
            FilesystemKind::Ext3 => "ext3",
            FilesystemKind::Ext4 => "ext4",
            FilesystemKind::Xfs => "xfs",
            FilesystemKind::Btrfs => "btrfs",
        }
    }

    /// The kind of a recorded filesystem; `None` for FAT.
    pub fn of(filesystem: &Filesystem) -> Option<FilesystemKind> {
        FilesystemKind::ALL.into_iter().find(|kind| kind.name() == filesystem.options.mount_type())
    }

    /// GRUB's module that reads it.
    pub fn grub_module(self) -> &'static str {
        match self {
            FilesystemKind::Ext2 | FilesystemKind::Ext3 | FilesystemKind::Ext4 => "ext2",
            FilesystemKind::Xfs | FilesystemKind::Btrfs => self.name(),
        }
    }

    /// Bytes of a label: ext4(5), mkfs.xfs(8), mkfs.btrfs(8).
    pub fn label_bytes(self) -> usize {
        match self {
            FilesystemKind::Ext2 | FilesystemKind::Ext3 | FilesystemKind::Ext4 => 16,
            FilesystemKind::Xfs => 12,
            FilesystemKind::Btrfs => 255,
        }
    }

    /// What files may have of `from` that this kind cannot hold; `None` when it holds all. Flags: the kernel's
    /// EXT4_FL_USER_MODIFIABLE, fs/xfs/xfs_ioctl.c and fs/btrfs/ioctl.c; attributes: xattr(7).
    pub fn lacks(self, from: FilesystemKind) -> Option<&'static str> {
        let ext = |kind| matches!(kind, FilesystemKind::Ext2 | FilesystemKind::Ext3 | FilesystemKind::Ext4);
        Some(match self {
            FilesystemKind::Xfs if from == FilesystemKind::Btrfs => {
                "the flag No_COW, compression and what snapshots share"
            }
            FilesystemKind::Xfs => "chattr flags other than a, A, d, i and S",
            FilesystemKind::Btrfs if ext(from) => {
                "project ids and chattr flags other than a, A, C, c, d, D, i, m and S"
            }
            FilesystemKind::Btrfs => "project ids",
            FilesystemKind::Ext2 | FilesystemKind::Ext3 if from == FilesystemKind::Ext4 => {
                "files larger than 2 TiB and directories with more than 32,000 subdirectories"
            }
            FilesystemKind::Ext2 | FilesystemKind::Ext3 => {
                "files larger than 2 TiB, many or large extended attributes (4 KiB a file at most), No_COW"
            }
            FilesystemKind::Ext4 if ext(from) => return None,
            FilesystemKind::Ext4 => {
                "files larger than 16 TiB, many or large extended attributes (4 KiB a file at most), No_COW"
            }
        })
    }

    /// The label as far as it fits, cut between characters.
    pub fn label(self, label: &Name) -> Name {
        let mut end = label.0.len().min(self.label_bytes());
        // A byte 10xxxxxx goes on with a character of UTF-8.
        while end < label.0.len() && end > 0 && label.0[end] & 0xc0 == 0x80 {
            end -= 1;
        }
        Name(label.0[..end].to_vec())
    }

    /// What takes the place of a recorded filesystem on a partition of `device_bytes`: its UUID, its label, its content; all else
    /// as the mkfs of this kind chooses.
    pub fn instead_of(self, recorded: &Filesystem, device_bytes: u64) -> Filesystem {
        let blocks = device_bytes / u64::from(BLOCK);
        let size_bytes = blocks * u64::from(BLOCK);
        let options = match self {
            FilesystemKind::Ext2 => FilesystemOptions::Ext(ext(2, recorded, blocks)),
            FilesystemKind::Ext3 => FilesystemOptions::Ext(ext(3, recorded, blocks)),
            FilesystemKind::Ext4 => FilesystemOptions::Ext(ext(4, recorded, blocks)),
            FilesystemKind::Xfs => FilesystemOptions::Xfs(xfs(blocks)),
            FilesystemKind::Btrfs => FilesystemOptions::Btrfs(btrfs()),
        };
        let (uuid, label) = (recorded.uuid.clone(), self.label(&recorded.label));
        Filesystem { uuid, label, size_bytes, used_bytes: recorded.used_bytes, options, restored: None }
    }
}

impl fmt::Display for FilesystemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn ext(generation: u8, recorded: &Filesystem, blocks: u64) -> ExtOptions {
    let mut features: Vec<String> = EXT2.iter().map(|name| (*name).to_owned()).collect();
    match generation {
        2 => {}
        3 => features.push("has_journal".into()),
        _ => features.extend(EXT4.iter().map(|name| (*name).to_owned())),
    }
    features.sort();
    let size = blocks * u64::from(BLOCK);
    // How many files there are is not recorded, but an ext has room for them, and no other wastes less than a block on most.
    let known = match &recorded.options {
        FilesystemOptions::Ext(ext) => ext.inodes,
        FilesystemOptions::Xfs(_) | FilesystemOptions::Vfat(_) | FilesystemOptions::Btrfs(_) => {
            recorded.used_bytes / BYTES_PER_FILE
        }
    };
    let per_group = BLOCK * 8;
    ExtOptions {
        generation,
        features,
        block_bytes: BLOCK,
        cluster_bytes: None,
        inode_bytes: 256,
        inodes: (size / BYTES_PER_INODE).max(known).min(u64::from(u32::MAX) - 65_536),
        blocks,
        reserved_blocks: blocks / 20,
        reserved_uid: 0,
        reserved_gid: 0,
        blocks_per_group: per_group,
        inodes_per_group: 0,
        flex_group_blocks: (generation == 4).then_some(16),
        journal: (generation > 2).then(|| Journal::Internal { bytes: journal_bytes(size) }),
        default_mount_options: vec!["user_xattr".into(), "acl".into()],
        extended_mount_options: String::new(),
        errors: "continue".into(),
        max_mount_count: -1,
        check_interval_seconds: 0,
        hash_algorithm: Some("half_md4".into()),
        hash_seed: None,
        raid_stride: None,
        raid_stripe_width: None,
        mmp_interval_seconds: None,
        checksum_seed: None,
        encoding: None,
        encoding_flags: None,
        quotas: vec![],
        desired_extra_inode_bytes: None,
        reserved_gdt_blocks: None,
        backup_superblocks: None,
        orphan_file_bytes: None,
        fast_commit_blocks: None,
    }
}

/// The journal that mke2fs chooses for blocks of 4 KiB (e2fsprogs, lib/ext2fs/mkjournal.c, `ext2fs_default_journal_size`).
fn journal_bytes(size: u64) -> u64 {
    match size / GRAIN {
        0..128 => 4 * GRAIN,
        128..1024 => 16 * GRAIN,
        1024..2048 => 32 * GRAIN,
        2048..16_384 => 64 * GRAIN,
        16_384..32_768 => 128 * GRAIN,
        32_768..65_536 => 256 * GRAIN,
        65_536..131_072 => 512 * GRAIN,
        _ => 1024 * GRAIN,
    }
}

fn xfs(blocks: u64) -> XfsOptions {
    // Groups and log follow from the size and are left to mkfs.xfs; the numbers here are for what the content needs.
    let tebibytes = (blocks * u64::from(BLOCK)) >> 40;
    XfsOptions {
        block_bytes: BLOCK,
        sector_bytes: 512,
        inode_bytes: 512,
        allocation_groups: 4,
        allocation_group_blocks: blocks / 4,
        blocks,
        // mkfs.xfs(8), maxpct.
        max_inode_percent: match tebibytes {
            0 => 25,
            1..50 => 5,
            _ => 1,
        },
        stripe_unit_blocks: 0,
        stripe_width_blocks: 0,
        directory_block_bytes: BLOCK,
        // 64 MiB at least since xfsprogs 5.15, a two thousandth of the whole at more.
        log_blocks: (blocks / 2048).clamp(64 * GRAIN / u64::from(BLOCK), 2048 * GRAIN / u64::from(BLOCK)),
        log_version: 2,
        log_sector_bytes: 512,
        log_stripe_unit_blocks: 0,
        lazy_count: true,
        log_device: None,
        realtime: None,
        // Named ones would have to be known to every mkfs.xfs; its own choice fits the kernel that it came with.
        features: vec![("crc".into(), true), ("ftype".into(), true)],
        metadata_uuid: None,
    }
}

fn btrfs() -> BtrfsOptions {
    BtrfsOptions {
        node_bytes: 16_384,
        sector_bytes: BLOCK,
        checksum: "crc32c".into(),
        features: BTRFS.map(str::to_owned).to_vec(),
        data_profile: "single".into(),
        metadata_profile: "dup".into(),
        mixed: false,
        device_uuid: None,
        devid: 1,
        metadata_uuid: None,
        subvolumes: vec![],
        default_subvolume: Name::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_between_characters() {
        for (label, xfs) in [("root", "root"), ("0123456789abc", "0123456789ab"), ("0123456789a\u{fc}", "0123456789a")]
        {
            assert_eq!(FilesystemKind::Xfs.label(&Name::from(label)), Name::from(xfs), "{label}");
        }
    }
}

//! What becomes of each field that the programs of filesystems print (see [`Fields`]). A field that none of these lists
//! has is refused, since a recovery would lose it.

use lifeboat_storage::fields::{self, Fields};

/// `dumpe2fs -h` (e2fsprogs, lib/e2p/ls.c, and misc/dumpe2fs.c for the journal).
pub(crate) const DUMPE2FS: Fields = Fields {
    source: "`dumpe2fs -h`",
    kept: &[
        "Filesystem volume name",
        "Filesystem UUID",
        "Filesystem magic number",
        "Filesystem revision #",
        "Filesystem features",
        "Filesystem flags",
        "Default mount options",
        "Mount options",
        "Errors behavior",
        "Filesystem OS type",
        "Inode count",
        "Block count",
        "Reserved block count",
        "Block size",
        "Cluster size",
        "Group descriptor size",
        "First meta block group",
        "Reserved GDT blocks",
        "Blocks per group",
        "Inodes per group",
        "RAID stride",
        "RAID stripe width",
        "Flex block group size",
        "Maximum mount count",
        "Check interval",
        "Reserved blocks uid",
        "Reserved blocks gid",
        "First inode",
        "Inode size",
        "Desired extra isize",
        "Journal UUID",
        "Journal device",
        "Default directory hash",
        "Directory Hash Seed",
        "MMP update interval",
        "User quota inode",
        "Group quota inode",
        "Project quota inode",
        "Checksum seed",
        "Character encoding",
        "Character encoding flags",
        "Orphan file inode",
        "Backup block groups",
        "FS Error count",
        "Error count",
        "Journal length",
        "Journal size",
        "Total journal size",
        "Total journal blocks",
        "Fast commit length",
    ],
    ignored: &[
        ("Last mounted on", "the last mount's place; the next mount writes it"),
        ("Filesystem state", "state of the moment"),
        ("Overhead clusters", "follows from the layout"),
        ("Free blocks", "state of the moment"),
        ("Free inodes", "state of the moment"),
        ("First block", "follows from the size of a block"),
        ("Fragment size", "the size of a block; fragments were never implemented"),
        ("Fragments per group", "the same"),
        ("Clusters per group", "follows from the layout"),
        ("Inode blocks per group", "follows from the layout"),
        ("Filesystem created", "time of the mkfs; the new one is of the recovery"),
        ("Last mount time", "history of the old filesystem"),
        ("Last write time", "history of the old filesystem"),
        ("Mount count", "history of the old filesystem"),
        ("Last checked", "history of the old filesystem"),
        ("Next check after", "follows from interval and last check"),
        ("Lifetime writes", "history of the old filesystem"),
        ("Required extra isize", "follows from the features and mke2fs's default"),
        ("Journal inode", "8 by definition"),
        ("First orphan inode", "state of the moment"),
        ("Journal backup", "where the superblock keeps a copy of the journal's inode"),
        (
            "Encryption PW Salt",
            "salt for keys typed as passwords; encrypted directories come back in plain, and are warned of",
        ),
        ("MMP block number", "a place that mke2fs chooses"),
        ("MMP_block", "who has it mounted now"),
        ("Checksum type", "crc32c is the only one"),
        ("Checksum", "follows from the rest"),
        ("First error time", "errors of the old filesystem, warned of by their count"),
        ("First error function", "the same"),
        ("First error line #", "the same"),
        ("First error inode #", "the same"),
        ("First error block #", "the same"),
        ("First error err", "the same"),
        ("Last error time", "the same"),
        ("Last error function", "the same"),
        ("Last error line #", "the same"),
        ("Last error inode #", "the same"),
        ("Last error block #", "the same"),
        ("Last error err", "the same"),
        ("Journal features", "set by the kernel at the mount"),
        ("Max transaction length", "follows from the journal's size"),
        ("Journal sequence", "state of the moment"),
        ("Journal start", "state of the moment"),
        ("Journal first block", "follows from the layout"),
        ("Journal errno", "state of the moment"),
        ("Journal checksum type", "follows from the features"),
        ("Journal checksum", "follows from the rest"),
    ],
};

/// `btrfs inspect-internal dump-super` (btrfs-progs, kernel-shared/print-tree.c).
pub(crate) const DUMP_SUPER: Fields = Fields {
    source: "`btrfs inspect-internal dump-super`",
    kept: &[
        "csum_type",
        "flags",
        "fsid",
        "metadata_uuid",
        "label",
        "total_bytes",
        "sectorsize",
        "nodesize",
        "num_devices",
        "compat_flags",
        "compat_ro_flags",
        "incompat_flags",
        "dev_item.uuid",
        "dev_item.total_bytes",
        "dev_item.devid",
    ],
    ignored: &[
        ("superblock", "the head line"),
        ("csum_size", "follows from csum_type"),
        ("csum", "follows from the rest"),
        ("bytenr", "where superblocks are by definition"),
        ("magic", "checked in the superblock itself"),
        ("generation", "counts transactions"),
        ("root", "a place in the old filesystem"),
        ("sys_array_size", "follows from the chunks"),
        ("sys_chunk_array[2048]", "a place in the old filesystem"),
        ("backup_roots[4]", "places in the old filesystem"),
        ("chunk_root_generation", "counts transactions"),
        ("root_level", "a place in the old filesystem"),
        ("chunk_root", "a place in the old filesystem"),
        ("chunk_root_level", "a place in the old filesystem"),
        ("log_root", "state of the moment"),
        ("log_root_transid", "state of the moment"),
        ("log_root_level", "state of the moment"),
        ("bytes_used", "follows from the files"),
        ("leafsize", "the size of a node; deprecated"),
        ("stripesize", "the sector size; never used"),
        ("root_dir", "6 by definition"),
        ("cache_generation", "of the old free space cache"),
        ("uuid_tree_generation", "counts transactions"),
        ("block_group_root", "a place in the old filesystem"),
        ("block_group_root_generation", "counts transactions"),
        ("block_group_root_level", "a place in the old filesystem"),
        ("nr_global_roots", "of extent tree v2, whose flag is refused"),
        ("remap_root", "of the remap tree, whose flag is refused"),
        ("remap_root_generation", "of the remap tree, whose flag is refused"),
        ("remap_root_level", "of the remap tree, whose flag is refused"),
        ("dev_item.fsid", "the filesystem's own"),
        ("dev_item.type", "never used by the kernel"),
        ("dev_item.bytes_used", "follows from the files"),
        ("dev_item.io_align", "the sector size"),
        ("dev_item.io_width", "the sector size"),
        ("dev_item.sector_size", "the sector size"),
        ("dev_item.dev_group", "never used by the kernel"),
        ("dev_item.seek_speed", "never used by the kernel"),
        ("dev_item.bandwidth", "never used by the kernel"),
        ("dev_item.generation", "counts transactions"),
    ],
};

/// `xfs_info`; what it prints beyond this, and is not off, is refused.
pub(crate) const XFS_INFO: Fields = Fields {
    source: "`xfs_info`",
    kept: &["all that it prints"],
    ignored: &[("names of devices", "found by the mount"), ("anything unknown that is 0 or none", "it is off")],
};

/// The boot sector of FAT.
pub(crate) const FAT: Fields = Fields {
    source: "the boot sector of FAT (Microsoft, FAT32 File System Specification 1.03)",
    kept: &[
        "BPB_BytsPerSec to BPB_TotSec32, BPB_FATSz32, BPB_RootClus, BPB_BkBootSec, BS_DrvNum, BS_BootSig, BS_VolID, BS_VolLab",
    ],
    ignored: &[
        (
            "BS_jmpBoot, BS_OEMName, boot code",
            "mkfs.fat's; a loader that starts from there (DOS, syslinux) is none of those that are made bootable",
        ),
        ("BPB_ExtFlags", "mirroring of FATs; Linux keeps all of them"),
        ("BPB_FSVer", "0 by definition"),
        ("BPB_FSInfo and its sector", "counts of the moment"),
        ("BS_Reserved1", "dirty flags of the moment"),
        ("BS_FilSysType", "words without meaning, by the specification"),
    ],
};

/// The header of a swap area.
pub(crate) const SWAP: Fields = Fields {
    source: "the header of a swap area (union swap_header)",
    kept: &["magic, version, UUID, label, size of a page"],
    ignored: &[
        ("last_page", "follows from the size"),
        ("nr_badpages, badpages", "defects of the old disk"),
        ("boot bits", "1,024 bytes for a loader of another age; mkswap's"),
    ],
};

/// `sfdisk --json`; any other property is refused.
pub(crate) const SFDISK: Fields = Fields {
    source: "`sfdisk --json`",
    kept: &[
        "label, id, device, unit, firstlba, lastlba, table-length; node, start, size, type, uuid, name, attrs, bootable",
    ],
    ignored: &[("sectorsize", "the kernel's value counts"), ("grain", "an advice for new partitions")],
};

/// All lists, those of arrays, groups and encryption among them.
pub fn all() -> Vec<Fields> {
    [SFDISK, DUMPE2FS, DUMP_SUPER, XFS_INFO, FAT, SWAP].into_iter().chain(fields::ALL).collect()
}

/// The page of the handbook.
pub fn page() -> String {
    let mut out = String::from(
        "# What is read, and what is not kept\n\n<!-- Made by `make generate` from the lists beside the parsers. -->\n\n\
         Lifeboat asks the tools below what a machine's storage is. This page lists each field that does not come back, with the\n\
         reason. What sfdisk, dumpe2fs, btrfs or xfs_info print beyond it, an unknown state of a member of an array and an unknown\n\
         requirement of a LUKS header make `check` refuse the device, since a recovery might lose it.\n",
    );
    for fields in all() {
        out.push_str(&format!("\n## {}\n\nKept: {}.\n", fields.source, fields.kept.join(", ")));
        out.push_str("\n| not kept | why |\n| --- | --- |\n");
        for (name, why) in fields.ignored {
            out.push_str(&format!("| {} | {why} |\n", name.replace('*', "\\*")));
        }
    }
    out
}

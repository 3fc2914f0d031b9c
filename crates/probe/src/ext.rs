//! ext2, ext3, ext4: `dumpe2fs -h`.

use crate::fields::DUMPE2FS;
use crate::further::EXTERNAL;
use crate::prober::{label_field, uuid_text};
use lifeboat_machine::filesystem::{ExtOptions, Filesystem, FilesystemOptions, Journal};
use lifeboat_machine::{DeviceId, Name};
use std::collections::BTreeMap;

/// What `check` says where files may be sealed by fs-verity: their content is restored, by writing it.
pub(crate) const UNSEALED: &str = "it may hold files that are sealed by fs-verity; they come back with their content, and must be sealed again (fsverity enable)";
/// What `check` says where quotas are on: the kernel keeps their limits outside of all files.
pub(crate) const LIMITS: &str = "quotas are on; usage is counted anew, but limits of users, groups and projects are not part of the backup: keep them in a file";

/// Features that mke2fs(8) can set (misc/mke2fs.c, `ok_features`), except journal_dev.
const KNOWN_FEATURES: &[&str] = &[
    "64bit",
    "bigalloc",
    "casefold",
    "dir_index",
    "dir_nlink",
    "ea_inode",
    "encrypt",
    "ext_attr",
    "extent",
    "extra_isize",
    "fast_commit",
    "filetype",
    "flex_bg",
    "has_journal",
    "huge_file",
    "inline_data",
    "large_dir",
    "large_file",
    "meta_bg",
    "metadata_csum",
    "metadata_csum_seed",
    "mmp",
    "orphan_file",
    "project",
    "quota",
    "resize_inode",
    "sparse_super",
    "sparse_super2",
    "stable_inodes",
    "uninit_bg",
    "verity",
];
/// States of the moment, no properties.
const STATES: &[&str] = &["needs_recovery", "orphan_present"];
/// Where the superblock is on the device, and how long it is.
pub(crate) const SUPERBLOCK: (u64, usize) = (1024, 1024);

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ext {
    /// Without used bytes, generation and the size of the orphan file, which are not in the text.
    pub filesystem: Filesystem,
    /// Inode of the orphan file.
    pub orphan_file_inode: Option<u64>,
    /// What cannot be rebuilt.
    pub refusals: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Reads `dumpe2fs -h`; UUID and label come from the superblock itself, for dumpe2fs prints labels as they are.
pub(crate) fn parse(text: &str, superblock: &[u8]) -> Result<Ext, String> {
    let values = values(text);
    let get = |name: &str| values.get(name).map(String::as_str);
    let need = |name: &str| get(name).ok_or_else(|| format!("dumpe2fs does not report its \"{name}\""));
    let number = |name: &str| -> Result<u64, String> {
        leading(need(name)?).ok_or_else(|| format!("dumpe2fs reported an unexpected \"{name}\""))
    };
    let small = |name: &str| -> Result<u32, String> {
        u32::try_from(number(name)?).map_err(|_| format!("dumpe2fs reported an unexpected \"{name}\""))
    };
    let optional = |name: &str| get(name).and_then(leading).and_then(|number| u32::try_from(number).ok());
    let words = |name: &str| -> Vec<String> {
        get(name).filter(|text| *text != "(none)").unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    if superblock.get(0x38..0x3a) != Some(&[0x53, 0xef]) {
        return Err("its superblock has no ext magic number".to_owned());
    }

    let mut refusals = vec![];
    let mut warnings = vec![];
    let mut features = words("Filesystem features");
    features.retain(|feature| !STATES.contains(&feature.as_str()));
    features.sort();
    let has = |name: &str| features.iter().any(|feature| feature == name);
    for feature in features.iter().filter(|feature| !KNOWN_FEATURES.contains(&feature.as_str())) {
        refusals.push(match feature.as_str() {
            "journal_dev" => "it is the external journal of an ext filesystem".to_owned(),
            other => format!("it has the ext feature {other}, which Lifeboat cannot recreate"),
        });
    }
    for flag in words("Filesystem flags") {
        match flag.as_str() {
            "signed_directory_hash" => {}
            "unsigned_directory_hash" if cfg!(not(any(target_arch = "x86_64", target_arch = "x86"))) => {}
            "unsigned_directory_hash" => warnings.push("its directory hash is unsigned and becomes signed".to_owned()),
            other => refusals.push(format!("it has the ext flag {other}, which Lifeboat cannot recreate")),
        }
    }
    for name in values.keys().filter(|name| !DUMPE2FS.knows(name)) {
        let value = get(name).unwrap_or_default();
        refusals.push(format!("it has the ext property \"{name}: {value}\", which Lifeboat does not know"));
    }
    let external = get("Journal UUID").is_some_and(|uuid| uuid != "<none>") || get("Journal device").is_some();
    if get("Filesystem OS type").is_none_or(|os| os != "Linux") {
        refusals.push(format!("its creator OS is {}", get("Filesystem OS type").unwrap_or("not reported")));
    }
    if !get("Filesystem revision #").is_some_and(|revision| revision.starts_with('1')) {
        refusals.push("it has the original (revision 0) format".to_owned());
    }
    if optional("First inode").is_some_and(|first| first != 11) {
        refusals.push("its first inode is not 11".to_owned());
    }
    if has("64bit") && optional("Group descriptor size").is_some_and(|size| size != 64) {
        refusals.push("its group descriptors are not of 64 bytes".to_owned());
    }
    if get("FS Error count").or(get("Error count")).and_then(leading).unwrap_or(0) > 0 {
        warnings.push("the kernel has noted errors in it; try fsck".to_owned());
    }
    if optional("First meta block group").unwrap_or(0) > 0 {
        warnings.push("it was resized on line; its group descriptors move when it is recreated".to_owned());
    }
    if has("encrypt") {
        warnings.push(
            "it allows encrypted directories (fscrypt); those that are unlocked are saved, and are restored unencrypted"
                .to_owned(),
        );
    }
    if has("verity") {
        warnings.push(UNSEALED.to_owned());
    }

    let block_bytes = small("Block size")?;
    let blocks = number("Block count")?;
    let quotas = [("User", "usr"), ("Group", "grp"), ("Project", "prj")].iter().filter_map(|(name, short)| {
        optional(&format!("{name} quota inode")).filter(|inode| *inode != 0).map(|_| (*short).to_owned())
    });
    let quotas: Vec<String> = quotas.collect();
    if !quotas.is_empty() {
        warnings.push(format!("{LIMITS} (repquota and setquota, or edquota -p)"));
    }
    let options = ExtOptions {
        generation: 4,
        block_bytes,
        cluster_bytes: optional("Cluster size").filter(|_| has("bigalloc")),
        inode_bytes: small("Inode size")?,
        inodes: number("Inode count")?,
        blocks,
        reserved_blocks: number("Reserved block count")?,
        reserved_uid: small("Reserved blocks uid")?,
        reserved_gid: small("Reserved blocks gid")?,
        blocks_per_group: small("Blocks per group")?,
        inodes_per_group: small("Inodes per group")?,
        flex_group_blocks: optional("Flex block group size"),
        journal: match has("has_journal") {
            true if external => Some(Journal::External { device: DeviceId(EXTERNAL.into()) }),
            true => journal(&values, block_bytes),
            false => None,
        },
        default_mount_options: words("Default mount options"),
        extended_mount_options: get("Mount options").unwrap_or_default().to_owned(),
        errors: errors(need("Errors behavior")?)?.to_owned(),
        max_mount_count: need("Maximum mount count")?.parse().unwrap_or(-1),
        check_interval_seconds: number("Check interval")?,
        hash_algorithm: get("Default directory hash").map(str::to_owned),
        hash_seed: get("Directory Hash Seed").map(str::to_owned),
        raid_stride: optional("RAID stride"),
        raid_stripe_width: optional("RAID stripe width"),
        mmp_interval_seconds: optional("MMP update interval").filter(|_| has("mmp")),
        checksum_seed: get("Checksum seed").filter(|_| has("metadata_csum_seed")).map(str::to_owned),
        encoding: get("Character encoding").filter(|_| has("casefold")).map(str::to_owned),
        encoding_flags: get("Character encoding flags").filter(|_| has("casefold")).map(str::to_owned),
        quotas,
        desired_extra_inode_bytes: optional("Desired extra isize"),
        // Without a line there is none left: it grew that far.
        reserved_gdt_blocks: optional("Reserved GDT blocks").or(has("resize_inode").then_some(0)),
        backup_superblocks: has("sparse_super2").then(|| {
            u32::try_from(words("Backup block groups").iter().filter(|group| *group != "0").count()).unwrap_or(0)
        }),
        orphan_file_bytes: None,
        fast_commit_blocks: optional("Fast commit length").filter(|_| has("fast_commit")),
        features: features.clone(),
    };
    if options.journal.is_none() && has("has_journal") && refusals.is_empty() {
        return Err("dumpe2fs does not report the size of its journal".to_owned());
    }
    let size_bytes = blocks.saturating_mul(u64::from(block_bytes));
    Ok(Ext {
        filesystem: Filesystem {
            uuid: superblock.get(0x68..0x78).map(uuid_text).unwrap_or_default(),
            label: superblock.get(0x78..0x88).map(label_field).unwrap_or_else(|| Name(vec![])),
            size_bytes,
            used_bytes: size_bytes,
            restored: None,
            options: FilesystemOptions::Ext(options),
        },
        orphan_file_inode: get("Orphan file inode").and_then(leading),
        refusals,
        warnings,
    })
}

/// The size in `stat <INODE>` of debugfs.
pub(crate) fn parse_inode_size(text: &str) -> Option<u64> {
    leading(text.split("Size:").nth(1)?)
}

/// `Name:   value`, the first of each name: what follows the journal's or the MMP block's repeats some.
fn values(text: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with(char::is_whitespace)) {
        if let Some((name, value)) = line.split_once(':') {
            values.entry(name.trim().to_owned()).or_insert_with(|| value.trim().to_owned());
        }
    }
    values
}

fn errors(text: &str) -> Result<&'static str, String> {
    match text {
        "Continue" => Ok("continue"),
        "Remount read-only" => Ok("remount-ro"),
        "Panic" => Ok("panic"),
        other => Err(format!("its behaviour on errors, \"{other}\", is not known")),
    }
}

/// A journal in the filesystem.
fn journal(values: &BTreeMap<String, String>, block_bytes: u32) -> Option<Journal> {
    journal_bytes(values, block_bytes).map(|bytes| Journal::Internal { bytes })
}

fn journal_bytes(values: &BTreeMap<String, String>, block_bytes: u32) -> Option<u64> {
    if let Some(blocks) = values.get("Total journal blocks").and_then(|text| leading(text)) {
        return blocks.checked_mul(u64::from(block_bytes));
    }
    // Before e2fsprogs 1.45.7: a rounded "Journal size", and an exact "Journal length" in blocks.
    if let Some(blocks) = values.get("Journal length").and_then(|text| leading(text)) {
        return blocks.checked_mul(u64::from(block_bytes));
    }
    let text = values.get("Total journal size").or_else(|| values.get("Journal size"))?;
    let unit = match text.trim_end_matches(|c: char| c.is_ascii_lowercase()).chars().last() {
        Some('G') => 1 << 30,
        Some('M') => 1 << 20,
        _ if text.ends_with('k') => 1 << 10,
        _ => 1,
    };
    leading(text)?.checked_mul(unit)
}

/// The number at the beginning of a text.
fn leading(text: &str) -> Option<u64> {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[0x38..0x3a].copy_from_slice(&[0x53, 0xef]);
        bytes[0x68..0x78].copy_from_slice(&(0..16).collect::<Vec<u8>>());
        bytes[0x78..0x7d].copy_from_slice(b"a b\xffc");
        bytes
    }

    fn options(ext: &Ext) -> &ExtOptions {
        match &ext.filesystem.options {
            FilesystemOptions::Ext(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything_that_mke2fs_can_set() {
        let ext = parse(include_str!("../fixtures/dumpe2fs-all.txt"), &superblock()).unwrap();
        assert_eq!(ext.refusals, Vec::<String>::new());
        assert_eq!(ext.filesystem.uuid, "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(ext.filesystem.label.0, b"a b\xffc");
        assert_eq!(ext.filesystem.size_bytes, 300 << 20);
        assert_eq!(ext.orphan_file_inode, Some(13));
        let options = options(&ext);
        assert_eq!(options.features.len(), 28, "{:?}", options.features);
        assert_eq!((options.block_bytes, options.cluster_bytes), (1024, Some(16384)));
        assert_eq!(options.journal, Some(Journal::Internal { bytes: 8704 * 1024 }));
        assert_eq!(options.fast_commit_blocks, Some(512));
        assert_eq!(options.quotas, ["usr", "grp", "prj"]);
        assert_eq!(options.encoding.as_deref(), Some("utf8-12.1"));
        assert_eq!(options.extended_mount_options, "data=ordered");
        assert_eq!(options.default_mount_options, ["journal_data", "user_xattr", "acl"]);
        assert_eq!((options.max_mount_count, options.check_interval_seconds), (17, 86400));
        assert_eq!(options.errors, "remount-ro");
        assert_eq!((options.reserved_uid, options.reserved_gid), (7, 8));
        assert_eq!(options.mmp_interval_seconds, Some(7));
        assert!(options.checksum_seed.as_deref().is_some_and(|seed| seed.starts_with("0x")));
    }

    #[test]
    fn sparse_super2_and_ext2() {
        let ext = parse(include_str!("../fixtures/dumpe2fs-sparse2.txt"), &superblock()).unwrap();
        assert_eq!(options(&ext).backup_superblocks, Some(1));
        assert_eq!((options(&ext).raid_stride, options(&ext).raid_stripe_width), (Some(4), Some(8)));
        let ext = parse(include_str!("../fixtures/dumpe2fs-ext2.txt"), &superblock()).unwrap();
        assert_eq!(options(&ext).journal, None);
        assert_eq!(ext.refusals, Vec::<String>::new());
    }

    #[test]
    fn refusals() {
        let good = include_str!("../fixtures/dumpe2fs-ext2.txt");
        for (from, to, expected) in [
            ("Filesystem features:      ", "Filesystem features:      shared_blocks ", "shared_blocks"),
            ("Filesystem features:      ", "Filesystem features:      FEATURE_I23 ", "FEATURE_I23"),
            ("signed_directory_hash", "test_filesystem", "test_filesystem"),
            ("OS type:       Linux", "OS type:       Hurd", "Hurd"),
            ("1 (dynamic)", "0 (original)", "revision 0"),
            ("Inode count:", "Mirror groups:            2\nInode count:", "Mirror groups: 2"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let ext = parse(&text, &superblock()).unwrap();
            assert!(ext.refusals.iter().any(|r| r.contains(expected)), "{expected}: {:?}", ext.refusals);
        }
        assert!(parse("", &superblock()).is_err());
        assert!(parse(good, &[]).is_err());
    }

    #[test]
    fn journal_of_old_e2fsprogs() {
        let values = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(journal_bytes(&values("Journal size", "16M"), 4096), Some(16 << 20));
        assert_eq!(journal_bytes(&values("Total journal size", "4096k"), 4096), Some(4 << 20));
        assert_eq!(journal_bytes(&values("Journal length", "32768"), 4096), Some(128 << 20));
    }

    #[test]
    fn any_text_is_read() {
        use proptest::prelude::*;
        let good = include_str!("../fixtures/dumpe2fs-all.txt");
        proptest!(|(cut in 0..good.len(), noise in "\\PC{0,40}")| {
            let mut cut = cut;
            while !good.is_char_boundary(cut) { cut -= 1; }
            let text = format!("{}{noise}{}", &good[..cut], &good[cut..]);
            let _ = parse(&text, &superblock());
            let _ = parse(&good[..cut], &superblock());
            let _ = parse_inode_size(&noise);
        });
    }
}

//! ext2, ext3, ext4: mke2fs(8), then tune2fs(8) for what only it can set.

use super::crc::{crc32c, parse_uuid, print_uuid, uuid_with_crc};
use crate::error::RebuildError;
use lifeboat_machine::filesystem::{ExtOptions, Filesystem, Journal};
use lifeboat_machine::layout::JournalDevice;
use lifeboat_plan::FurtherDevice;
use lifeboat_sys::program::{DEBUGFS, E2FSCK, MKE2FS, TUNE2FS};
use lifeboat_sys::{Invocation, Runner};
use std::path::Path;

/// What mke2fs sets without being asked, even without a configuration (e2fsprogs, misc/mke2fs.c, default_mntopts).
const DEFAULT_MOUNT_OPTIONS: [&str; 2] = ["acl", "user_xattr"];
const MIB: u64 = 1 << 20;

/// Makes it.
pub(super) fn make(
    runner: &dyn Runner,
    device: &Path,
    filesystem: &Filesystem,
    ext: &ExtOptions,
    resized: bool,
    further: &[FurtherDevice],
) -> Result<Vec<String>, RebuildError> {
    for call in commands(device, filesystem, ext, resized, further)? {
        runner.run(&call)?;
    }
    Ok(vec![])
}

/// The calls that make it, in order.
pub(crate) fn commands(
    device: &Path,
    filesystem: &Filesystem,
    ext: &ExtOptions,
    resized: bool,
    further: &[FurtherDevice],
) -> Result<Vec<Invocation>, RebuildError> {
    let first_uuid = first_uuid(filesystem, ext);
    let journal = further.iter().find_map(|further| Some((further.device.as_str(), further.journal.as_ref()?)));
    let mut calls: Vec<Invocation> = journal.iter().map(|(node, journal)| journal_device(node, journal, ext)).collect();
    calls.push(mke2fs(device, filesystem, ext, resized, &first_uuid, journal.map(|(node, _)| node))?);
    if is_at_its_limit(ext, resized) {
        calls.push(Invocation::new(DEBUGFS).args(["-w", "-R", "feature resize_inode"]).arg(device));
        // It makes the inode that the feature announces, which is a change (1).
        calls.push(Invocation::new(E2FSCK).args(["-f", "-y"]).arg(device).accept(1));
    }
    calls.push(tune2fs(device, ext));
    if first_uuid != filesystem.uuid {
        calls.push(Invocation::new(TUNE2FS).args(["-f", "-U", &filesystem.uuid]).arg(device));
    }
    Ok(calls)
}

/// It grew until no block was left for more group descriptors. mke2fs reserves blocks wherever it makes the inode for them, and as
/// many as it can where it is told none (e2fsprogs, lib/ext2fs/initialize.c, `calc_reserved_gdt_blocks`).
fn is_at_its_limit(ext: &ExtOptions, resized: bool) -> bool {
    !resized && has(ext, "resize_inode") && ext.reserved_gdt_blocks == Some(0)
}

/// The UUID to begin with: another one when the checksum seed comes from a UUID of long ago.
fn first_uuid(filesystem: &Filesystem, ext: &ExtOptions) -> String {
    let seed = ext.checksum_seed.as_deref().filter(|_| has(ext, "metadata_csum_seed"));
    let seed = seed.and_then(|seed| u32::from_str_radix(seed.trim_start_matches("0x"), 16).ok());
    match (parse_uuid(&filesystem.uuid), seed) {
        (Some(uuid), Some(seed)) if crc32c(&uuid) != seed => print_uuid(uuid_with_crc(uuid, seed)),
        _ => filesystem.uuid.clone(),
    }
}

/// The call that makes the device of an external journal (mke2fs(8), "-O journal_dev"). Its blocks are those of its filesystem.
fn journal_device(node: &str, journal: &JournalDevice, ext: &ExtOptions) -> Invocation {
    let block = u64::from(ext.block_bytes.max(1));
    let mut call = Invocation::new(MKE2FS).env("MKE2FS_CONFIG", "/dev/null");
    call = call.args(["-F", "-q", "-O", "journal_dev", "-b", &block.to_string()]);
    if let Some(uuid) = &journal.uuid {
        call = call.args(["-U", uuid]);
    }
    call.args([node, &(journal.size_bytes / block).to_string()])
}

/// The call of mke2fs.
fn mke2fs(
    device: &Path,
    filesystem: &Filesystem,
    ext: &ExtOptions,
    resized: bool,
    uuid: &str,
    journal_node: Option<&str>,
) -> Result<Invocation, RebuildError> {
    // `none` first: then the list is all there is.
    let mut features = vec!["none"];
    let later = is_at_its_limit(ext, resized).then_some("resize_inode");
    features.extend(ext.features.iter().map(String::as_str).filter(|feature| Some(*feature) != later));
    let number = |value: u64| value.to_string();
    let mut call = Invocation::new(MKE2FS)
        // Neither features nor sizes from the configuration of the rescue system.
        .env("MKE2FS_CONFIG", "/dev/null")
        .args(["-F", "-q", "-O", &features.join(",")])
        .args(["-b", &number(ext.block_bytes.into()), "-I", &number(ext.inode_bytes.into())])
        .args(["-N", &number(ext.inodes), "-m", "0", "-e", &ext.errors, "-U", uuid]);
    if !filesystem.label.0.is_empty() {
        call = call.arg("-L").arg(filesystem.label.to_os_string());
    }
    if let Some(cluster) = ext.cluster_bytes.filter(|_| has(ext, "bigalloc")) {
        call = call.args(["-C", &number(cluster.into())]);
    } else if ext.blocks_per_group != 0 && ext.blocks_per_group != ext.block_bytes.saturating_mul(8) {
        call = call.args(["-g", &number(ext.blocks_per_group.into())]);
    }
    if has(ext, "flex_bg") {
        // Without a number in its superblock each group stands for itself; mke2fs would take 16.
        call = call.args(["-G", &number(ext.flex_group_blocks.unwrap_or(1).into())]);
    }
    if let Some(Journal::External { device: journal }) = &ext.journal {
        let Some(node) = journal_node else {
            return Err(RebuildError::unsupported("an external journal", device, format!("it was on {journal}")));
        };
        call = call.args(["-J", &format!("device={node}")]);
    }
    let journal = ext.journal.as_ref().and_then(Journal::internal_bytes);
    if let Some(journal) = journal.filter(|_| has(ext, "has_journal")) {
        let fast = ext.fast_commit_blocks.filter(|_| has(ext, "fast_commit"));
        let fast = fast.map(|blocks| u64::from(blocks) * u64::from(ext.block_bytes));
        // The size that is recorded includes the fast commit area, both are given in MiB.
        let mut journal_options = vec![format!("size={}", (journal - fast.unwrap_or(0).min(journal)) / MIB)];
        journal_options.extend(fast.map(|bytes| format!("fast_commit_size={}", bytes / MIB)));
        call = call.args(["-J", &journal_options.join(",")]);
        if journal < MIB {
            return Err(RebuildError::unsupported(
                "the journal",
                device,
                format!("mke2fs cannot make one of {journal} bytes"),
            ));
        }
    }
    let extended = extended_options(ext, resized);
    Ok(call.args(["-E", &extended.join(",")]).arg(device).arg(number(ext.blocks)))
}

fn extended_options(ext: &ExtOptions, resized: bool) -> Vec<String> {
    // A discard takes minutes on some disks; fstrim of the restored system does it in quiet.
    let mut out = vec!["nodiscard".to_owned()];
    if has(ext, "metadata_csum") || has(ext, "uninit_bg") {
        out.push("lazy_itable_init=1".into());
    }
    // Blocks of a journal that was never written are not read, for its superblock says that it is empty.
    if has(ext, "has_journal") {
        out.push("lazy_journal_init=1".into());
    }
    let mut add = |key: &str, value: Option<String>| out.extend(value.map(|value| format!("{key}={value}")));
    add("hash_seed", ext.hash_seed.clone());
    add("stride", ext.raid_stride.map(|v| v.to_string()));
    add("stripe_width", ext.raid_stripe_width.map(|v| v.to_string()));
    add("mmp_update_interval", ext.mmp_interval_seconds.filter(|_| has(ext, "mmp")).map(|v| v.to_string()));
    add("num_backup_sb", ext.backup_superblocks.filter(|_| has(ext, "sparse_super2")).map(|v| v.to_string()));
    // Without a unit it would count blocks.
    add(
        "orphan_file_size",
        ext.orphan_file_bytes.filter(|_| has(ext, "orphan_file")).map(|v| format!("{}K", v / 1024)),
    );
    add("resize", resize_limit(ext).filter(|_| !resized).map(|v| v.to_string()));
    if has(ext, "casefold") {
        add("encoding", ext.encoding.clone());
        add("encoding_flags", ext.encoding_flags.clone().filter(|flags| !flags.is_empty() && flags != "none"));
    }
    if has(ext, "quota") && !ext.quotas.is_empty() {
        let names: Vec<String> = ext.quotas.iter().map(|quota| format!("{quota}quota")).collect();
        add("quotatype", Some(names.join(":")));
    }
    out
}

/// The size in blocks up to which mke2fs must make the filesystem growable to reserve as many group descriptor blocks
/// as recorded: its own sum backwards (e2fsprogs, misc/mke2fs.c, parse_extended_opts).
fn resize_limit(ext: &ExtOptions) -> Option<u64> {
    let reserved = u64::from(ext.reserved_gdt_blocks.filter(|blocks| *blocks > 0 && has(ext, "resize_inode"))?);
    let per_group = u64::from(ext.block_bytes) * 8;
    let descriptor = if has(ext, "64bit") { 64 } else { 32 };
    let per_block = u64::from(ext.block_bytes) / descriptor;
    let groups = ext.blocks.div_ceil(per_group);
    let limit = (reserved + groups.div_ceil(per_block)) * per_block * per_group;
    Some(limit.min(u64::from(u32::MAX)))
}

/// The call of tune2fs.
fn tune2fs(device: &Path, ext: &ExtOptions) -> Invocation {
    let mut mount_options: Vec<String> = ext.default_mount_options.clone();
    let lacking = |option: &&&str| !ext.default_mount_options.iter().any(|recorded| recorded == **option);
    mount_options.extend(DEFAULT_MOUNT_OPTIONS.iter().filter(lacking).map(|option| format!("^{option}")));
    let mut call = Invocation::new(TUNE2FS)
        .args(["-r", &ext.reserved_blocks.to_string()])
        .args(["-u", &ext.reserved_uid.to_string(), "-g", &ext.reserved_gid.to_string()])
        .args(["-c", &ext.max_mount_count.to_string(), "-i", &format!("{}s", ext.check_interval_seconds)])
        .args(["-e", &ext.errors, "-o", &mount_options.join(",")]);
    if let Some(algorithm) = &ext.hash_algorithm {
        call = call.args(["-E", &format!("hash_alg={algorithm}")]);
    }
    if !ext.extended_mount_options.is_empty() {
        call = call.args(["-E", &format!("mount_opts={}", ext.extended_mount_options)]);
    }
    call.arg(device)
}

fn has(ext: &ExtOptions, feature: &str) -> bool {
    ext.features.iter().any(|name| name == feature)
}

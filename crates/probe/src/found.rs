//! [`found_hardware`]: the disks under the rescue system.

use crate::hardware;
use crate::identity;
use crate::prober::{Prober, blocks};
use crate::report::ProbeError;
use crate::signature::{self, Signature};
use crate::swap;
use crate::sysroot::Sysroot;
use crate::table;
use lifeboat_machine::found::{DiskContent, FoundDisk, FoundHardware};
use lifeboat_machine::layout::{ArrayLevel, DeviceId};
use lifeboat_machine::marker::{self, Marker};
use lifeboat_storage::blocks::{Block, Blocks};
use lifeboat_sys::modules::{Config, Index, LoadPlan};
use lifeboat_sys::program::{self, MKE2FS, MKFS_BTRFS, MKFS_XFS, Program};
use lifeboat_sys::{Invocation, Runner};
use std::collections::BTreeMap;

/// How much of a disk's beginning and end must be zeros for it to be blank.
const EDGE: u64 = 1 << 20;

/// Reads all whole disks, what they hold, and why some of them must not be written. Works without udev.
///
/// `locks` names disks or partitions (kernel paths, or links to them) that must not be written, each with its reason; a
/// lock on a partition or on a device made from disks locks these disks. Disks that are mounted, swapped to, part of
/// an active device or read-only are locked by themselves.
///
/// # Errors
/// [`ProbeError`] when /sys or /proc cannot be read.
pub fn found_hardware(runner: &dyn Runner, locks: &[(String, String)]) -> Result<FoundHardware, ProbeError> {
    let sysroot = Sysroot::default();
    read(&Prober::new(runner, &sysroot), locks)
}

pub(crate) fn read(prober: &Prober<'_>, locks: &[(String, String)]) -> Result<FoundHardware, ProbeError> {
    let blocks = blocks(prober)?;
    let in_use = in_use(prober, &blocks)?;
    let mut locked: BTreeMap<String, String> = BTreeMap::new();
    for (path, reason) in locks {
        for disk in blocks.linked(&prober.host, path).map(|block| blocks.disks_under(&block.name)).unwrap_or_default() {
            locked.entry(disk.name.clone()).or_insert_with(|| reason.clone());
        }
    }
    let mut disks: Vec<FoundDisk> = blocks
        .disks(prober.options.loop_devices)
        .map(|block| FoundDisk {
            path: block.path.clone(),
            size_bytes: block.size_bytes,
            disk: identity::disk(prober, block),
            content: content(prober, &blocks, block),
            lock: locked.get(&block.name).cloned().or_else(|| lock(&blocks, block, &in_use)),
        })
        .collect();
    disks.sort_by(|a, b| a.path.cmp(&b.path));
    lock_other_paths(&mut disks);
    Ok(FoundHardware {
        disks,
        uefi: prober.host("/sys/firmware/efi").exists(),
        modaliases: hardware::modaliases(&prober.host("/sys")),
        filesystems: filesystems(prober),
    })
}

/// A disk that is reached by several paths is locked by all of them.
fn lock_other_paths(disks: &mut [FoundDisk]) {
    let locked: Vec<(String, String, String)> =
        disks.iter().filter_map(|disk| Some((disk.disk.wwn.clone()?, disk.path.clone(), disk.lock.clone()?))).collect();
    for disk in disks.iter_mut().filter(|disk| disk.lock.is_none()) {
        let same = locked.iter().find(|(wwn, ..)| disk.disk.wwn.as_ref() == Some(wwn));
        disk.lock = same.map(|(_, path, why)| format!("it is another path to {path}: {why}"));
    }
}

/// The kernel mounts filesystems of this type, as mount(8) names it: it has the driver, or a module for it.
pub fn mountable(kind: &str) -> bool {
    let sysroot = Sysroot::default();
    // Only programs need a runner.
    drivers(&Prober::new(&lifeboat_sys::SystemRunner, &sysroot))(kind)
}

/// The kernel knows this level of md arrays: it has the driver, or a module for it.
pub fn has_raid_level(level: ArrayLevel) -> bool {
    let sysroot = Sysroot::default();
    let prober = Prober::new(&lifeboat_sys::SystemRunner, &sysroot);
    let known = std::fs::read_to_string(prober.host("/proc/mdstat")).unwrap_or_default();
    // `Personalities : [raid1] [raid6] [raid5] [raid4]`
    let active = known.lines().next().is_some_and(|line| line.contains(&format!("[{}]", level.name())));
    // MODULE_ALIAS("md-level-…") of each personality in drivers/md.
    let number = match level {
        ArrayLevel::Linear => -1,
        ArrayLevel::Raid0 => 0,
        ArrayLevel::Raid1 => 1,
        ArrayLevel::Raid4 => 4,
        ArrayLevel::Raid5 => 5,
        ArrayLevel::Raid6 => 6,
        ArrayLevel::Raid10 => 10,
    };
    active || !LoadPlan::new(&modules(&prober), &Config::default(), &format!("md-level-{number}")).is_unknown()
}

/// The kernel has this module, or it is built in.
pub fn has_module(name: &str) -> bool {
    let sysroot = Sysroot::default();
    let prober = Prober::new(&lifeboat_sys::SystemRunner, &sysroot);
    let loaded = prober.host("/sys/module").join(name.replace('-', "_")).exists();
    loaded || !LoadPlan::new(&modules(&prober), &Config::default(), name).is_unknown()
}

/// What depmod wrote about the modules of the running kernel.
fn modules(prober: &Prober<'_>) -> Index {
    let release = std::fs::read_to_string(prober.host("/proc/sys/kernel/osrelease")).unwrap_or_default();
    Index::read(&prober.host("/lib/modules").join(release.trim())).unwrap_or_default()
}

/// Reports for a type whether the kernel has a driver for it.
fn drivers(prober: &Prober<'_>) -> impl Fn(&str) -> bool {
    let known = std::fs::read_to_string(prober.host("/proc/filesystems")).unwrap_or_default();
    let modules = modules(prober);
    move |kind| {
        known.lines().any(|line| line.split_whitespace().next_back() == Some(kind))
            // Each filesystem's module has the alias `fs-TYPE` (linux/fs.h, MODULE_ALIAS_FS).
            || !LoadPlan::new(&modules, &Config::default(), &format!("fs-{kind}")).is_unknown()
    }
}

/// Types that can be made and mounted: their mkfs is here, and the kernel has a driver or a module for them.
fn filesystems(prober: &Prober<'_>) -> Vec<String> {
    let driver = drivers(prober);
    let made = [("ext2", MKE2FS), ("ext3", MKE2FS), ("ext4", MKE2FS), ("xfs", MKFS_XFS), ("btrfs", MKFS_BTRFS)];
    let here = |(kind, mkfs): &(&'static str, &'static Program)| prober.runner.has(mkfs) && driver(kind);
    made.into_iter().filter(here).map(|(kind, _)| kind.to_owned()).collect()
}

/// Kernel names of devices that are mounted or swapped to, and how.
fn in_use(prober: &Prober<'_>, blocks: &Blocks) -> Result<BTreeMap<String, String>, ProbeError> {
    let path = prober.host("/proc/self/mountinfo");
    let table = std::fs::read(&path).map_err(|source| ProbeError::Read { path, source })?;
    let mut found = BTreeMap::new();
    for mount in lifeboat_sys::mount::parse_mountinfo(&table) {
        let block = blocks.numbered(mount.device).or_else(|| match mount.device.0 {
            // btrfs shows an anonymous number.
            0 => mount.source.to_str().filter(|s| s.starts_with("/dev/")).and_then(|s| blocks.linked(&prober.host, s)),
            _ => None,
        });
        if let Some(block) = block {
            found.entry(block.name.clone()).or_insert_with(|| format!("is mounted on {}", mount.mount_point.display()));
        }
    }
    // A kernel without swap has no such file.
    let swaps = std::fs::read(prober.host("/proc/swaps")).unwrap_or_default();
    for active in swap::parse_swaps(&swaps).into_iter().filter(|active| !active.file) {
        if let Some(block) = blocks.linked(&prober.host, &active.path.to_string_lossy()) {
            found.entry(block.name.clone()).or_insert_with(|| "is in use as swap".to_owned());
        }
    }
    Ok(found)
}

fn lock(blocks: &Blocks, disk: &Block, in_use: &BTreeMap<String, String>) -> Option<String> {
    if disk.read_only {
        return Some(format!("{} is read-only", disk.path));
    }
    let above = blocks.above(&disk.name);
    let used = above.iter().find_map(|block| in_use.get(&block.name).map(|how| format!("{} {how}", block.path)));
    used.or_else(|| {
        let held = above.iter().find(|block| !block.holders.is_empty())?;
        let named = |holder: &String| {
            let what = blocks.named(holder).and_then(Block::stacked);
            what.map_or_else(|| holder.clone(), |what| format!("{holder}, {what}"))
        };
        let holders: Vec<String> = held.holders.iter().map(named).collect();
        let released = held.holders.iter().all(|holder| blocks.named(holder).is_some_and(Block::is_released_by_us));
        let way = if released { "; in the rescue system 'lifeboat storage release' stops it" } else { "" };
        Some(format!("{} is in use by {}{way}", held.path, holders.join(" and ")))
    })
}

fn content(prober: &Prober<'_>, blocks: &Blocks, disk: &Block) -> DiskContent {
    // What cannot be read is never taken for blank.
    let Ok(signature) = signature::read(prober, &disk.path) else { return DiskContent::Unknown };
    if signature.ambiguous {
        return DiskContent::Whole { uuid: None, summary: "several conflicting signatures".to_owned() };
    }
    if signature.table.is_some() {
        return table_content(prober, blocks, disk, &signature);
    }
    if signature.kind.is_some() {
        return DiskContent::Whole { uuid: signature.identity(), summary: describe(&signature) };
    }
    let marker = marker::offsets(disk.size_bytes)
        .into_iter()
        .filter_map(|offset| prober.read_device(&disk.path, offset, marker::LENGTH).ok())
        .find_map(|block| Marker::decode(&block));
    if let Some(marker) = marker {
        return DiskContent::Interrupted { machine: marker.machine, device: marker.device };
    }
    let blank = |offset: u64| {
        prober.read_device(&disk.path, offset, EDGE as usize).is_ok_and(|bytes| bytes.iter().all(|b| *b == 0))
    };
    if blank(0) && blank(disk.size_bytes.saturating_sub(EDGE)) { DiskContent::Blank } else { DiskContent::Unknown }
}

fn table_content(prober: &Prober<'_>, blocks: &Blocks, disk: &Block, signature: &Signature) -> DiskContent {
    let sector = prober.read_device(&disk.path, 0, 512).unwrap_or_default();
    let call = Invocation::new(program::SFDISK).arg("--json").arg(prober.host(&disk.path));
    let read = prober
        .runner
        .run(&call)
        .ok()
        .and_then(|output| table::parse(&output.stdout, &sector, &DeviceId(String::new())).ok());
    let kind = signature.table.as_deref().unwrap_or_default();
    let (id, partition_uuids) = match read {
        Some(read) => {
            let uuids = read.partitions.into_iter().filter_map(|partition| partition.uuid).collect();
            (read.table.id, uuids)
        }
        // A table that cannot be rebuilt, or one of another kind: it is still somebody's.
        None if kind == "dos" => {
            (table::mbr_signature(&sector).map_or(String::new(), |id| format!("0x{id:08x}")), vec![])
        }
        None => (String::new(), vec![]),
    };
    let mut summaries = vec![];
    let mut content_uuids = vec![];
    for part in blocks.partitions(&disk.name) {
        // An extended partition is two sectors long to the kernel, and holds nothing.
        if part.size_bytes <= 1024 {
            continue;
        }
        let found = signature::read(prober, &part.path).unwrap_or_default();
        content_uuids.extend(found.identity());
        summaries.push(describe(&found));
    }
    let kind = match kind {
        "dos" => "mbr",
        other => other,
    };
    let summary = match summaries.as_slice() {
        [] => format!("{kind}, no partitions"),
        [one] => format!("{kind}, 1 partition: {one}"),
        several => format!("{kind}, {} partitions: {}", several.len(), several.join(", ")),
    };
    DiskContent::Table { id, partition_uuids, content_uuids, summary }
}

/// `ext4 "root"`, for people.
fn describe(signature: &Signature) -> String {
    let kind = signature.kind.as_deref().or(signature.table.as_deref()).unwrap_or("empty");
    match &signature.label {
        Some(label) => format!("{kind} \"{}\"", lifeboat_machine::bytes::printable(label.as_bytes())),
        None => kind.to_owned(),
    }
}

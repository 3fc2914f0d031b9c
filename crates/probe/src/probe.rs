//! [`fn@probe`]: brings everything together.

use crate::arrays;
use crate::boot;
use crate::content;
use crate::crypts;
use crate::further::Further;
use crate::groups::Groups;
use crate::hardware;
use crate::layout;
use crate::left_out::{self, LeftOut};
use crate::mounts::{self, Class};
use crate::network;
use crate::os;
use crate::prober::{Options, Prober, blocks};
use crate::report::{Findings, ProbeError, Probed};
use crate::swap;
use crate::sysroot::Sysroot;
use crate::used::Use;
use lifeboat_machine::bytes::human;
use lifeboat_machine::layout::SwapFile;
use lifeboat_machine::machine::FORMAT;
use lifeboat_machine::{Layout, Machine, Name};
use lifeboat_storage::blocks::{Block, Blocks, Family, family};
use lifeboat_sys::Runner;
use lifeboat_sys::mount::MountInfo;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Reads a machine: the running one, or one whose root filesystem is in a folder or is mounted there.
///
/// Nothing is written, and only reads need root. What cannot be rebuilt is in [`Probed::refusals`].
///
/// The one architecture for which rescue media are made.
const ARCHITECTURE: &str = "x86_64";

/// # Errors
/// [`ProbeError`] when /proc or /sys cannot be read.
pub fn probe(runner: &dyn Runner, sysroot: &Sysroot) -> Result<Probed, ProbeError> {
    probe_with(runner, sysroot, &Options::default())
}

/// [`fn@probe`] with [`Options`].
///
/// # Errors
/// As [`fn@probe`].
pub fn probe_with(runner: &dyn Runner, sysroot: &Sysroot, options: &Options) -> Result<Probed, ProbeError> {
    let mut prober = Prober::new(runner, sysroot);
    prober.options = options.clone();
    read(&prober)
}

pub(crate) fn read(prober: &Prober<'_>) -> Result<Probed, ProbeError> {
    let mut findings = Findings::default();
    let sysroot = prober.sysroot;
    let root = sysroot.root().canonicalize();
    let root = root.map_err(|source| ProbeError::Read { path: sysroot.root().to_owned(), source })?;
    if sysroot.is_running_system() {
        wake_automounts(prober);
    }
    let table = prober.host("/proc/self/mountinfo");
    let table = std::fs::read(&table).map_err(|source| ProbeError::Read { path: table, source })?;
    let table = lifeboat_sys::mount::parse_mountinfo(&table);
    let blocks = blocks(prober)?;

    let own_mounts = sysroot.is_running_system() || mounts::is_mounted(&table, &root);
    let layout = if own_mounts {
        let used = in_use(prober, &blocks, &table, &root, &mut findings);
        let layout = layout::layout(prober, &blocks, &used, &mut findings);
        left_out::suggest(prober, &blocks, &layout, &used, &mut findings);
        if sysroot.is_running_system() {
            crate::bearers::twins(prober, &blocks, &layout).into_iter().for_each(|text| findings.warn(text));
        }
        layout
    } else {
        findings.warn(format!(
            "{} is a folder, not a mounted filesystem: the layout is left empty, so only files can be recovered",
            root.display()
        ));
        Layout::default()
    };
    layout.validate()?;
    let boot = boot::boot(prober, &layout, own_mounts, &mut findings);
    let architecture = os::architecture(sysroot);
    if architecture != ARCHITECTURE {
        let reason = format!("its architecture is {architecture}; rescue media are made for {ARCHITECTURE} only");
        findings.refuse("the machine", reason);
    }
    let machine = Machine {
        format: FORMAT,
        name: os::name(sysroot),
        machine_id: os::machine_id(sysroot),
        architecture,
        recorded_at: now(),
        os: os::os(sysroot),
        hardware: hardware::hardware(prober),
        layout,
        boot,
        network: network::network(prober, &mut findings),
    };
    Ok(Probed { machine, refusals: findings.refusals, warnings: findings.warnings })
}

/// The time, RFC 3339 in UTC, whole seconds.
fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// systemd mounts the EFI system partition on first use; a look into the directory is one.
fn wake_automounts(prober: &Prober<'_>) {
    for directory in ["/efi", "/boot", "/boot/efi"] {
        let _ = std::fs::read_dir(prober.host(directory)).map(|mut entries| entries.next().is_some());
    }
}

/// Finds out which mounts, swap areas and disks are part of the machine, and refuses what is of a kind that cannot be.
fn in_use(prober: &Prober<'_>, blocks: &Blocks, table: &[MountInfo], root: &Path, findings: &mut Findings) -> Use {
    let mut used = Use { groups: Groups::read(prober, blocks, findings), ..Use::default() };
    for mount in mounts::visible(table).into_iter().filter(|mount| mount.mount_point.starts_with(root)) {
        let (at, source) = (mount.mount_point.display(), mount.source.to_string_lossy());
        match mounts::class(mount) {
            Class::Network => {
                findings.warn(format!("the {} mount {at} of {source} is not part of the backup", mount.kind))
            }
            Class::Layered => findings.warn(format!("the {} mount {at} is not part of the backup", mount.kind)),
            Class::Zfs => findings.refuse(at, format!("it is on the ZFS dataset {source}, which cannot be rebuilt")),
            Class::Local | Class::Pseudo => {}
        }
    }
    let (local, partial) = mounts::local(table, root);
    for (source, at) in partial {
        if blocks.linked(&prober.host, &source).is_some_and(|block| kind_of(blocks, block) == Family::Disk) {
            findings.refuse_with_remedy(
                at.display(),
                format!("it is a directory of the filesystem on {source}, whose other files are not mounted anywhere"),
                format!("mount the whole of {source} as well"),
            );
        }
    }
    let archive_disks = archive_disks(prober, blocks, table, &local);
    let sticks = left_out::sticks(prober, blocks);
    let left_out = LeftOut::read(prober, blocks, findings);
    let mut saved: Vec<u32> = vec![];
    for mount in local {
        let at = mount.mount_point.display().to_string();
        let is_root = mount.mount_point == Path::new("/");
        let Some(block) = blocks.numbered(mount.device).or_else(|| blocks.linked(&prober.host, &mount.source)) else {
            saved.push(mount.id);
            findings.refuse(&at, format!("its device, {}, cannot be found in /sys/block", mount.source));
            continue;
        };
        if blocks.disks_under(&block.name).iter().any(|disk| sticks.contains(&disk.name)) {
            continue;
        }
        if blocks.disks_under(&block.name).iter().any(|disk| archive_disks.contains(&disk.name)) {
            findings.warn(format!("{at} is on the disk that the archive is written to; it is not part of the machine"));
            continue;
        }
        if crypts::is_volatile_mapping(prober, block) {
            // A /tmp that begins empty at each start; its disk belongs to the machine all the same.
            used.disks.extend(blocks.disks_under(&block.name).into_iter().map(|disk| disk.name.clone()));
            continue;
        }
        if left_out.has(blocks, block) && !is_root {
            findings
                .warn(format!("{at} is on a disk that the configuration leaves out; it is not part of the machine"));
            continue;
        }
        let unknown = arrays::unknown_layer(blocks, block, prober.options.loop_devices);
        match kind_of(blocks, block) {
            Family::Stacked(_) if unknown.is_none() => {}
            Family::Loop if prober.options.loop_devices => {}
            Family::Disk => {}
            Family::Loop if !is_root => {
                findings.warn(format!(
                    "{at} is mounted from a file through {}; the file is saved, the mount is not",
                    block.path
                ));
                continue;
            }
            Family::Ignored if !is_root => {
                tracing::debug!(mount = at, device = block.path, "not a disk");
                continue;
            }
            Family::Loop | Family::Ignored => {
                saved.push(mount.id);
                findings.refuse(&at, format!("the root filesystem is on {}, which is not a disk", block.path));
                continue;
            }
            Family::Stacked(kind) => {
                let what = unknown.unwrap_or_else(|| kind.to_owned());
                let remedy = lifeboat_storage::kinds::instead(&what).unwrap_or_default();
                let reason = format!("it is on {what} ({}), which cannot be rebuilt", block.path);
                findings.refuse_with_remedy(&at, reason, remedy);
                used.disks.extend(blocks.disks_under(&block.name).into_iter().map(|disk| disk.name.clone()));
                // What is below it has a refusal of its own only when it needs one.
                saved.push(mount.id);
                continue;
            }
        }
        let beside = mounts::beside(table, &mount, &saved).filter(|_| !is_root);
        saved.push(mount.id);
        if let Some(holder) = beside {
            findings.refuse_with_remedy(
                &at,
                format!(
                    "it is mounted below {} ({}), which is not part of the backup: no saved directory leads to it",
                    Path::new("/").join(holder.mount_point.strip_prefix(root).unwrap_or(&holder.mount_point)).display(),
                    holder.kind
                ),
                "unmount it, or mount it below a directory that is on a disk of this machine, such as /mnt",
            );
            used.beside.insert(block.name.clone());
            continue;
        }
        if let Some(hidden @ 1..) = lifeboat_sys::mount::entries_under(&mount.real_mount_point).filter(|_| !is_root) {
            findings.warn(format!(
                "{at} hides {hidden} entries in the directory under the mount; they are not part of the backup"
            ));
        }
        used.disks.extend(blocks.disks_under(&block.name).into_iter().map(|disk| disk.name.clone()));
        used.mounts.push((block.name.clone(), mount));
    }
    let shown = crate::again::warnings(prober.sysroot, table, root, used.mounts.iter().map(|(_, mount)| mount), &saved);
    shown.into_iter().for_each(|text| findings.warn(text));
    if !used.mounts.iter().any(|(_, mount)| mount.mount_point == Path::new("/"))
        && !findings.refusals.iter().any(|refusal| refusal.subject == "/")
    {
        findings.refuse("/", "the root filesystem is not on a disk of this machine");
    }
    swaps(prober, blocks, &left_out, &mut used, findings);
    if prober.sysroot.is_running_system() {
        unmounted(prober, blocks, &left_out, &mut used, findings);
        boot_disks(prober, blocks, &mut used);
    }
    used.further = Further::read(prober, blocks, &mut used.mounts, findings);
    arrays::with_their_arrays(blocks, &mut used);
    left_out.check(blocks, &used, findings);
    if prober.sysroot.is_running_system() {
        for disk in blocks.disks(prober.options.loop_devices) {
            // What is mounted of the disk of the archive, or of a stick, was named.
            let is_named = archive_disks.contains(&disk.name) || sticks.contains(&disk.name);
            if !used.disks.contains(&disk.name) && !is_named {
                findings.warn(format!(
                    "{} ({}) is not in use and not part of the backup",
                    disk.path,
                    human(disk.size_bytes)
                ));
            }
        }
    }
    used
}

/// The disks of the filesystem that the archive is written to: one that was mounted for it, not by fstab, and from whose
/// disks nothing else is mounted. `table` reports what is between, such as a network filesystem.
fn archive_disks(
    prober: &Prober<'_>,
    blocks: &Blocks,
    table: &[MountInfo],
    local: &[mounts::Used],
) -> BTreeSet<String> {
    // It need not exist yet.
    let archive = prober.options.archive.iter().flat_map(|path| path.ancestors());
    let Some(archive) = archive.filter_map(|path| path.canonicalize().ok()).next() else { return BTreeSet::new() };
    let depth = |path: &Path| if archive.starts_with(path) { path.components().count() } else { 0 };
    let innermost = mounts::visible(table).into_iter().max_by_key(|mount| depth(&mount.mount_point));
    let fstab = swap::parse_fstab(&prober.sysroot.read("/etc/fstab").unwrap_or_default());
    let Some(holder) = local.iter().find(|mount| {
        innermost.is_some_and(|innermost| innermost.mount_point == mount.real_mount_point)
            && mount.mount_point != Path::new("/")
            && !fstab.iter().any(|entry| entry.mount_point == mount.mount_point)
    }) else {
        return BTreeSet::new();
    };
    let disks = |mount: &mounts::Used| -> BTreeSet<String> {
        let block = blocks.numbered(mount.device).or_else(|| blocks.linked(&prober.host, &mount.source));
        let disks = block.map(|block| blocks.disks_under(&block.name)).unwrap_or_default();
        disks.into_iter().map(|disk| disk.name.clone()).collect()
    };
    let own = disks(holder);
    let shared = local.iter().any(|mount| mount.device != holder.device && !disks(mount).is_disjoint(&own));
    if shared { BTreeSet::new() } else { own }
}

/// The family of a device: that of its disk, for partitions.
fn kind_of(blocks: &Blocks, block: &Block) -> Family {
    let disk = block.partition.as_ref().and_then(|(_, disk)| blocks.named(disk)).unwrap_or(block);
    family(&disk.name)
}

/// A device as fstab names it.
fn fstab_device<'b>(prober: &Prober<'_>, blocks: &'b Blocks, source: &str) -> Option<&'b Block> {
    let path = match source.split_once('=') {
        Some((tag, value)) => {
            let value = value.trim_matches('"');
            let directory = match tag {
                "UUID" => "by-uuid",
                "LABEL" => "by-label",
                "PARTUUID" => "by-partuuid",
                "PARTLABEL" => "by-partlabel",
                "ID" => "by-id",
                _ => return None,
            };
            format!("/dev/disk/{directory}/{value}")
        }
        None => source.to_owned(),
    };
    path.starts_with("/dev/").then(|| blocks.linked(&prober.host, &path)).flatten()
}

/// Swap areas that are on, and those that fstab names.
fn swaps(prober: &Prober<'_>, blocks: &Blocks, left_out: &LeftOut, used: &mut Use, findings: &mut Findings) {
    let mut devices = vec![];
    let mut files = vec![];
    if let Ok(text) = std::fs::read(prober.host("/proc/swaps")) {
        for active in swap::parse_swaps(&text) {
            let Some(inside) = prober.sysroot.inside(&active.path) else { continue };
            match active.file {
                true => files.push(inside),
                // Another system's swap, when the sysroot is not the running one.
                false if prober.sysroot.is_running_system() => {
                    devices.extend(blocks.linked(&prober.host, &active.path.to_string_lossy()).cloned());
                }
                false => {}
            }
        }
    }
    let fstab = swap::parse_fstab(&prober.sysroot.read("/etc/fstab").unwrap_or_default());
    for entry in fstab.iter().filter(|entry| entry.kind == "swap") {
        if entry.source.starts_with('/') && !entry.source.starts_with("/dev/") {
            files.push(entry.source.clone().into());
        } else {
            devices.extend(fstab_device(prober, blocks, &entry.source).cloned());
        }
    }
    for device in devices.into_iter().filter(|device| !left_out.has(blocks, device)) {
        let unknown = arrays::unknown_layer(blocks, &device, prober.options.loop_devices);
        match kind_of(blocks, &device) {
            Family::Disk | Family::Stacked(_) if unknown.is_none() => {
                used.disks.extend(blocks.disks_under(&device.name).into_iter().map(|disk| disk.name.clone()));
                used.swaps.insert(device.name);
            }
            Family::Disk | Family::Stacked(_) => {
                let what = unknown.unwrap_or_default();
                let remedy = lifeboat_storage::kinds::instead(&what).unwrap_or_default();
                findings.refuse_with_remedy(
                    &device.path,
                    format!("it is swap on {what}, which cannot be rebuilt"),
                    remedy,
                );
            }
            Family::Ignored | Family::Loop => {}
        }
    }
    for path in files {
        let Ok(real) = prober.sysroot.resolve(&path) else { continue };
        // Links that lead to it are saved as links: the file itself is what is not saved, and made again.
        let Some(path) = prober.sysroot.inside(&real) else { continue };
        let known = |file: &SwapFile| file.path.as_path() == path;
        // An entry of fstab without file, or one that was deleted while in use, has nothing to be made again.
        let Ok(metadata) = real.metadata() else { continue };
        if used.swap_files.iter().any(known) || !metadata.is_file() {
            continue;
        }
        match content::read_swap(&real) {
            Ok((swap, _)) => used.swap_files.push(SwapFile {
                path: Name::from(path.as_path()),
                size_bytes: metadata.len(),
                swap,
                mode: metadata.mode() & 0o7777,
                uid: metadata.uid(),
                gid: metadata.gid(),
                xattrs: swap::xattrs(&real),
            }),
            Err(reason) => findings.warn(format!("the swap file {} is saved as a file: {reason}", path.display())),
        }
    }
}

/// Disks with filesystems that fstab wants mounted: they are recorded, so that the missing mount is refused by name.
fn unmounted(prober: &Prober<'_>, blocks: &Blocks, left_out: &LeftOut, used: &mut Use, findings: &mut Findings) {
    for entry in swap::parse_fstab(&prober.sysroot.read("/etc/fstab").unwrap_or_default()) {
        let mounted = used.mounts.iter().any(|(_, mount)| mount.mount_point == entry.mount_point);
        let optional = entry.options.iter().any(|option| matches!(option.as_str(), "noauto" | "bind" | "rbind"));
        if mounted || optional || entry.kind == "swap" || !entry.mount_point.is_absolute() {
            continue;
        }
        match fstab_device(prober, blocks, &entry.source) {
            Some(block) if left_out.has(blocks, block) => {}
            Some(block) if arrays::unknown_layer(blocks, block, prober.options.loop_devices).is_none() => {
                used.disks.extend(blocks.disks_under(&block.name).into_iter().map(|disk| disk.name.clone()));
            }
            Some(_) => {}
            None if entry.source.contains('=') || entry.source.starts_with("/dev/") => findings.warn(format!(
                "{} is in fstab, but its device {} does not exist; it is not part of the backup",
                entry.mount_point.display(),
                entry.source
            )),
            None => {}
        }
    }
}

/// A disk that only starts the machine: GRUB in its boot sector while no other disk has it.
fn boot_disks(prober: &Prober<'_>, blocks: &Blocks, used: &mut Use) {
    let starts = |disk: &&Block| {
        let sector = prober.read_device(&disk.path, 0, 512).unwrap_or_default();
        crate::loaders::grub_boot_code(&sector)
    };
    let disks: Vec<&Block> = blocks.disks(prober.options.loop_devices).filter(starts).collect();
    if !prober.host("/sys/firmware/efi").exists() && !disks.iter().any(|disk| used.disks.contains(&disk.name)) {
        used.disks.extend(disks.into_iter().map(|disk| disk.name.clone()));
    }
}

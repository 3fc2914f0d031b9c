//! What a device holds, in the model's words: asks blkid, then the filesystem's own program.

use crate::btrfs;
use crate::ext;
use crate::mounts::Used;
use crate::prober::Prober;
use crate::report::Findings;
use crate::signature::{self, Signature};
use crate::subvolumes;
use crate::swap;
use crate::vfat;
use crate::xfs;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, Subvolume};
use lifeboat_machine::layout::Swap;
use lifeboat_machine::{Content, Name};
use lifeboat_storage::kinds;
use lifeboat_sys::{Invocation, RunError, program};
use std::path::{Path, PathBuf};

/// Reads a device's filesystem or swap area. `mounts` are the visible mounts of it. What cannot be rebuilt is refused
/// under the device's name, and then counts as empty.
pub(crate) fn read(
    prober: &Prober<'_>,
    device: &str,
    signature: &Signature,
    mounts: &[&Used],
    findings: &mut Findings,
) -> Content {
    let kind = signature.kind.as_deref().unwrap_or_default();
    let read = match kind {
        "" => return Content::Empty,
        "ext2" | "ext3" | "ext4" | "ext4dev" | "jbd" => ext(prober, device, kind, mounts, findings),
        "xfs" => xfs(prober, device, mounts, findings),
        "vfat" | "msdos" => vfat(prober, device),
        "btrfs" => btrfs(prober, device, mounts, findings),
        "swap" | "swsuspend" => return swap(prober, device, findings),
        other => Err(foreign(other, signature.usage.as_deref())),
    };
    match read {
        Ok(mut filesystem) => {
            if let Some(used) = mounts.first().and_then(|mount| used_bytes(&mount.real_mount_point)) {
                filesystem.used_bytes = used.min(filesystem.size_bytes);
            }
            Content::Filesystem(filesystem)
        }
        Err(reason) => {
            let wipe = if mounts.is_empty() { "wipe it with wipefs if it is not needed" } else { "" };
            let remedy = kinds::instead(&reason).unwrap_or(wipe);
            findings.refuse_with_remedy(device, reason, remedy);
            Content::Empty
        }
    }
}

/// Why a signature is refused, in the words of who made it.
pub(crate) fn foreign(kind: &str, usage: Option<&str>) -> String {
    match (kinds::by_type(kind), usage) {
        (Some(known), _) => format!("it is {}; that cannot be rebuilt", known.holds),
        (None, Some("raid")) => format!("it is a {kind} RAID member, which cannot be rebuilt"),
        (None, Some("filesystem")) => format!("it is a {kind} filesystem, which cannot be rebuilt"),
        (None, _) => format!("it holds {kind}, which cannot be rebuilt"),
    }
}

fn refuse_all(device: &str, reasons: Vec<String>, findings: &mut Findings) {
    for reason in reasons {
        findings.refuse(device, reason);
    }
}

fn reported(result: Result<lifeboat_sys::Output, RunError>) -> Result<String, String> {
    result.map(|output| output.text()).map_err(|error| error.to_string())
}

fn superblock(prober: &Prober<'_>, device: &str, (offset, length): (u64, usize)) -> Result<Vec<u8>, String> {
    prober.read_device(device, offset, length).map_err(|error| format!("cannot READ its superblock: {error}"))
}

/// Bytes in use as statfs(2) counts them.
fn used_bytes(mount_point: &Path) -> Option<u64> {
    let counts = rustix::fs::statvfs(mount_point).ok()?;
    counts.f_blocks.checked_sub(counts.f_bfree)?.checked_mul(counts.f_frsize)
}

fn ext(
    prober: &Prober<'_>,
    device: &str,
    kind: &str,
    mounts: &[&Used],
    findings: &mut Findings,
) -> Result<Filesystem, String> {
    let path = prober.host(device);
    let text = reported(prober.runner.run(&Invocation::new(program::DUMPE2FS).arg("-h").arg(&path)))?;
    let ext::Ext { mut filesystem, orphan_file_inode, refusals, warnings } =
        ext::parse(&text, &superblock(prober, device, ext::SUPERBLOCK)?)?;
    if let FilesystemOptions::Ext(options) = &mut filesystem.options {
        let mounted_as = mounts.first().map_or(kind, |mount| mount.kind.as_str());
        options.generation = match mounted_as {
            "ext2" => 2,
            "ext3" => 3,
            _ => 4,
        };
        if let Some(inode) = orphan_file_inode.filter(|inode| *inode != 0) {
            let call = Invocation::new(program::DEBUGFS).arg("-R").arg(format!("stat <{inode}>")).arg(&path);
            let text = reported(prober.runner.run(&call))?;
            options.orphan_file_bytes =
                Some(ext::parse_inode_size(&text).ok_or("debugfs does not report the size of its orphan file")?);
        }
    }
    refuse_all(device, refusals, findings);
    for warning in warnings {
        findings.warn(format!("{device}: {warning}"));
    }
    Ok(filesystem)
}

fn xfs(prober: &Prober<'_>, device: &str, mounts: &[&Used], findings: &mut Findings) -> Result<Filesystem, String> {
    // xfs_info asks the kernel, which knows a growth that is still in the log; unmounted, the disk knows all.
    let call = match mounts.first() {
        Some(mount) => Invocation::new(program::XFS_INFO).arg(&mount.real_mount_point),
        None => Invocation::new(program::XFS_DB).args(["-r", "-c", "info"]).arg(prober.host(device)),
    };
    let text = reported(prober.runner.run(&call))?;
    let (filesystem, refusals) = xfs::parse(&text, &superblock(prober, device, (0, xfs::SUPERBLOCK))?)?;
    refuse_all(device, refusals, findings);
    if mounts.iter().flat_map(|mount| &mount.options).any(|option| xfs::counts_quotas(option)) {
        findings.warn(format!("{device}: {} (xfs_quota -x -c 'dump -f FILE' and 'restore')", ext::LIMITS));
    }
    Ok(filesystem)
}

fn vfat(prober: &Prober<'_>, device: &str) -> Result<Filesystem, String> {
    let fat = vfat::parse(&superblock(prober, device, (0, 512))?)?;
    let (offset, length) = fat.root_directory;
    let directory = superblock(prober, device, (offset, length))?;
    let mut filesystem = fat.filesystem;
    // blkid and udev know a filesystem by the label in its root directory only; the boot sector's own may be another one.
    filesystem.label = vfat::root_label(&directory).unwrap_or_default();
    if let FilesystemOptions::Vfat(options) = &mut filesystem.options {
        options.boot_label = Some(fat.boot_label).filter(|label| *label != filesystem.label);
    }
    Ok(filesystem)
}

fn btrfs(prober: &Prober<'_>, device: &str, mounts: &[&Used], findings: &mut Findings) -> Result<Filesystem, String> {
    let call = Invocation::new(program::BTRFS).args(["inspect-internal", "dump-super"]).arg(prober.host(device));
    let text = reported(prober.runner.run(&call))?;
    let (mut filesystem, refusals) = btrfs::parse_super(&text, &superblock(prober, device, btrfs::SUPERBLOCK)?)?;
    refuse_all(device, refusals, findings);
    if btrfs::may_be_sealed(&text) {
        findings.warn(format!("{device}: {}", ext::UNSEALED));
    }
    let FilesystemOptions::Btrfs(options) = &mut filesystem.options else { return Ok(filesystem) };
    let Some(mount) = mounts.first() else { return Ok(filesystem) };
    let at = &mount.real_mount_point;
    let ask = |arguments: &[&str]| {
        prober.runner.run(&Invocation::new(program::BTRFS).args(arguments).arg(at)).map_err(|error| error.to_string())
    };
    match btrfs::parse_profiles(&ask(&["filesystem", "df", "-b"])?.text()) {
        Ok((data, metadata)) => {
            for profile in [&data, &metadata] {
                let known = ["single", "dup", "raid0", "raid1", "raid1c3", "raid1c4", "raid10"];
                if !known.contains(&profile.as_str()) {
                    findings.refuse(device, format!("it has the btrfs profile {profile}"));
                }
            }
            (options.data_profile, options.metadata_profile) = (data, metadata);
        }
        Err(reason) => findings.refuse_with_remedy(device, reason, "run btrfs balance to its end"),
    }
    quotas(prober, device, &filesystem.uuid, findings);
    let listed = subvolumes::parse_list(&ask(&["subvolume", "list", "-a", "-q"])?.stdout);
    let read_only = subvolumes::parse_list(&ask(&["subvolume", "list", "-a", "-r", "-q"])?.stdout);
    let default = subvolumes::parse_default(&ask(&["subvolume", "get-default"])?.text());
    let mounted: Vec<(Name, PathBuf)> =
        mounts.iter().map(|mount| (subvolume_name(&mount.root), mount.real_mount_point.clone())).collect();
    for subvolume in listed {
        let is_default = default == Some(subvolume.id);
        if is_default {
            options.default_subvolume = subvolume.path.clone();
        }
        let Some(at) = subvolumes::reachable_at(&subvolume.path, &mounted) else {
            unreachable_subvolume(device, &subvolume, is_default, findings);
            continue;
        };
        options.subvolumes.push(Subvolume {
            read_only: read_only.iter().any(|known| known.id == subvolume.id),
            no_cow: no_cow(&at),
            path: subvolume.path,
        });
    }
    Ok(filesystem)
}

/// A subvolume that no mount leads to is not part of the backup.
fn unreachable_subvolume(device: &str, subvolume: &subvolumes::Listed, default: bool, findings: &mut Findings) {
    if subvolume.snapshot && !default {
        findings.warn(format!("{device}: the snapshot {} is not mounted and not part of the backup", subvolume.path));
    } else {
        findings.refuse_with_remedy(
            device,
            format!("its subvolume {} is not mounted, so its files would not be saved", subvolume.path),
            format!("mount it (mount -o subvol={} {device} …), or delete it if it is not needed", subvolume.path),
        );
    }
}

/// The subvolume that the root of a mount is: without leading slash.
pub(crate) fn subvolume_name(root: &Path) -> Name {
    Name::from(root.strip_prefix("/").unwrap_or(root))
}

/// Quota groups have no field in the model; only their absence can be rebuilt.
fn quotas(prober: &Prober<'_>, device: &str, uuid: &str, findings: &mut Findings) {
    let directory = prober.host("/sys/fs/btrfs").join(uuid).join("qgroups");
    if directory.is_dir() {
        findings.refuse_with_remedy(
            device,
            "it has btrfs quota groups, which cannot be rebuilt",
            "run btrfs quota disable",
        );
    }
}

fn no_cow(directory: &Path) -> bool {
    std::fs::File::open(directory)
        .ok()
        .and_then(|file| rustix::fs::ioctl_getflags(&file).ok())
        .is_some_and(|flags| flags.contains(rustix::fs::IFlags::NOCOW))
}

fn swap(prober: &Prober<'_>, device: &str, findings: &mut Findings) -> Content {
    match read_swap(&prober.host(device)) {
        Ok((swap, suspended)) => {
            if suspended {
                findings.warn(format!("{device}: it holds a hibernated system, which is not part of the backup"));
            }
            Content::Swap(swap)
        }
        Err(reason) => {
            findings.refuse_with_remedy(device, reason, "run mkswap on it");
            Content::Empty
        }
    }
}

/// Reads the swap area at the beginning of a device or file, and whether a system is suspended to it.
pub(crate) fn read_swap(path: &Path) -> Result<(Swap, bool), String> {
    let bytes = crate::prober::read_range(path, 0, swap::HEADER);
    let bytes = bytes.map_err(|error| format!("cannot READ its swap header: {error}"))?;
    match swap::parse_header(&bytes) {
        Some(swap::Area::Swap(area)) => Ok((area, false)),
        Some(swap::Area::Suspended(area)) => Ok((area, true)),
        Some(swap::Area::Old) => Err("it has a swap header from before Linux 2.2".to_owned()),
        None => Err("it has no swap header".to_owned()),
    }
}

/// Asks for the signature of a device; a device that cannot be read is refused.
pub(crate) fn signature(prober: &Prober<'_>, device: &str, findings: &mut Findings) -> Option<Signature> {
    match signature::read(prober, device) {
        Ok(signature) if signature.ambiguous => {
            findings.refuse_with_remedy(
                device,
                "it has several conflicting signatures",
                format!("remove the wrong one with wipefs; wipefs {device} lists them"),
            );
            None
        }
        Ok(signature) => Some(signature),
        Err(error) => {
            findings.refuse_with_remedy(
                device,
                format!("its content cannot be identified: {error}"),
                "run as root, outside containers that hide devices",
            );
            None
        }
    }
}

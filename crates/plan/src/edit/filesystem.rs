//! Filesystems that become one of another kind.

use super::refusal::Refusal;
use crate::filesystem_kind::FilesystemKind;
use crate::policy::Policy;
use crate::resize::{XFS_MINIMUM, needed_bytes};
use lifeboat_machine::boot::{InitramfsTool, Loader};
use lifeboat_machine::bytes::human;
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions};
use lifeboat_machine::{Content, Device, DeviceId, FoundHardware, Machine};
use std::path::Path;

/// Files that btrfs compressed are at most so many times as large elsewhere, as a rule: what zstd makes of programs.
const DECOMPRESSED: u64 = 2;
/// mkfs.btrfs refuses less than about 109 MiB.
const BTRFS_MINIMUM: u64 = 128 << 20;

/// Reports whether a partition can get a filesystem of another kind.
///
/// # Errors
/// Why it cannot.
pub fn check_filesystem(
    machine: &Machine,
    hardware: &FoundHardware,
    policy: &Policy,
    id: &DeviceId,
    kind: FilesystemKind,
) -> Result<(), Refusal> {
    match impossible(machine, hardware, policy, id, kind) {
        Some(reason) => Err(Refusal::of(id, reason)),
        None => Ok(()),
    }
}

fn impossible(
    machine: &Machine,
    hardware: &FoundHardware,
    policy: &Policy,
    id: &DeviceId,
    kind: FilesystemKind,
) -> Option<String> {
    let Some(device) = machine.layout.device(id) else {
        return Some("the machine has no such partition".into());
    };
    let Some(recorded) = device.filesystem() else { return Some("it holds no filesystem".into()) };
    let Some(was) = FilesystemKind::of(recorded) else {
        return Some("FAT cannot be changed: firmware and other systems read it, and it holds no Linux files".into());
    };
    if machine.layout.content_devices(id).len() > 1 {
        return Some("it lies on several devices, or has its journal on another one".into());
    }
    if was == kind {
        return Some(format!("it is already {kind}"));
    }
    if !hardware.filesystems.iter().any(|name| name == kind.name()) {
        return Some(format!(
            "this rescue system has no mkfs or no driver for {kind}, because the recorded machine did not have both"
        ));
    }
    if let FilesystemOptions::Ext(ext) = &recorded.options
        && let Some(feature) =
            ext.features.iter().find(|name| ["casefold", "encrypt", "verity"].contains(&name.as_str()))
    {
        return Some(format!("its files use {feature}, which {kind} does not support in that form"));
    }
    several_subvolumes(machine, id, recorded).or_else(|| unbootable(machine, id, was, kind)).or_else(|| {
        let size = policy.sizes.iter().find(|(of, _)| of == id).map_or(device.size_bytes, |(_, bytes)| *bytes);
        let least = needed_bytes(&instead(machine, device, recorded, kind)).max(match kind {
            FilesystemKind::Xfs => XFS_MINIMUM,
            FilesystemKind::Btrfs => BTRFS_MINIMUM,
            FilesystemKind::Ext2 | FilesystemKind::Ext3 | FilesystemKind::Ext4 => 0,
        });
        let enough = size >= least;
        (!enough).then(|| format!("{} is too small for {kind}; it needs at least {}", human(size), human(least)))
    })
}

/// Subvolumes exist in btrfs alone; one that is mounted can become the whole filesystem.
fn several_subvolumes(machine: &Machine, id: &DeviceId, recorded: &Filesystem) -> Option<String> {
    let FilesystemOptions::Btrfs(btrfs) = &recorded.options else { return None };
    let mut mounts = machine.layout.mounts.iter().filter(|mount| mount.device == *id);
    let mounted = mounts.next().and_then(|mount| mount.subvolume.as_ref()).filter(|path| !path.0.is_empty());
    let others = btrfs.subvolumes.iter().filter(|subvolume| Some(&subvolume.path) != mounted).count();
    let several = mounts.next().is_some() || others > 0;
    several.then(|| "it has several subvolumes, which only btrfs supports".into())
}

/// What starts the machine must find and read it.
fn unbootable(machine: &Machine, id: &DeviceId, was: FilesystemKind, kind: FilesystemKind) -> Option<String> {
    let holds = |path: &str| machine.layout.is_held_by(Path::new(path), id);
    // What the initramfs mounts.
    let early = holds("/") || holds("/usr");
    if early && machine.boot.initramfs == InitramfsTool::None && !machine.boot.loaders.is_empty() {
        return Some(format!("the machine boots from it and has no tool that adds {kind} to its initramfs"));
    }
    let line = &machine.boot.command_line;
    if early
        && machine.boot.efi_entries.iter().any(|entry| entry.arguments.is_some())
        && (line.contains("rootfstype=") || line.contains("rootflags="))
    {
        return Some("the firmware's boot entry passes its type or options to the kernel".into());
    }
    machine.boot.loaders.iter().find_map(|loader| match loader {
        Loader::GrubBios { directory, .. } => {
            let own = machine.layout.is_held_by(directory.as_path(), id);
            if own && kind == FilesystemKind::Xfs {
                return Some("GRUB's files lie on it, and many versions of GRUB cannot read a new XFS".to_owned());
            }
            let kernels = holds("/boot") && !own && was.grub_module() != kind.grub_module();
            kernels.then(|| format!("GRUB reads the kernel from it and was not installed with support for {kind}"))
        }
        Loader::GrubEfi { directory, .. } => {
            let read = holds("/boot") || machine.layout.is_held_by(directory.as_path(), id);
            let other = was.grub_module() != kind.grub_module();
            (read && other).then(|| {
                format!(
                    "GRUB for UEFI reads its files from it and is not reinstalled: it \
             supports {was}"
                )
            })
        }
        // The kernel lies on the ESP, or on FAT beside it.
        Loader::SystemdBoot { .. } => None,
    })
}

/// What takes the place of a recorded filesystem.
fn instead(machine: &Machine, device: &Device, recorded: &Filesystem, kind: FilesystemKind) -> Filesystem {
    let mut new = kind.instead_of(recorded, device.size_bytes);
    match (recorded.restored, kind) {
        // What neither shares blocks nor compresses takes them in full; nobody counted what such a filesystem had in use.
        (Some(restored), FilesystemKind::Ext2 | FilesystemKind::Ext3 | FilesystemKind::Ext4) => {
            new.used_bytes = new.used_bytes.max(restored.apart_bytes);
        }
        (Some(restored), FilesystemKind::Xfs) => {
            new.used_bytes = new.used_bytes.max(restored.expanded_bytes);
        }
        (None, kind) if compressed(machine, &device.id) && kind != FilesystemKind::Btrfs => {
            new.used_bytes *= DECOMPRESSED
        }
        _ => {}
    }
    new
}

/// What is mounted from a device compresses its files.
pub(crate) fn compressed(machine: &Machine, id: &DeviceId) -> bool {
    let mut mounts = machine.layout.mounts.iter().filter(|mount| mount.device == *id);
    mounts.any(|mount| mount.options.iter().any(|option| option.starts_with("compress")))
}

/// The machine with the filesystems that a policy chooses.
pub(super) fn changed(machine: &Machine, policy: &Policy) -> Machine {
    let mut new = machine.clone();
    for (id, kind) in &policy.filesystems {
        let Some(device) = machine.layout.device(id) else { continue };
        let Some(recorded) = device.filesystem().filter(|recorded| FilesystemKind::of(recorded).is_some()) else {
            continue;
        };
        let filesystem = instead(machine, device, recorded, *kind);
        for changed in new.layout.devices.iter_mut().filter(|device| device.id == *id) {
            changed.content = Content::Filesystem(filesystem.clone());
        }
        for mount in new.layout.mounts.iter_mut().filter(|mount| mount.device == *id) {
            // A mount of btrfs names its subvolume always, that of anything else never.
            mount.subvolume = (*kind == FilesystemKind::Btrfs).then(Default::default);
        }
    }
    new
}

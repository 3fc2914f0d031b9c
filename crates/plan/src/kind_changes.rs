//! What follows when filesystems are of another kind than recorded: fstab, command lines, initramfs.

use crate::consequence::twin;
use crate::filesystem_kind::FilesystemKind;
use crate::nodes::Nodes;
use crate::step::ChangedFilesystem;
use lifeboat_machine::{Device, Machine};

/// The kind that a device had, when it has another one now.
pub(crate) fn was(recorded: &Machine, device: &Device) -> Option<FilesystemKind> {
    let (old, new) = (twin(&recorded.layout, device)?.filesystem()?, device.filesystem()?);
    FilesystemKind::of(old).filter(|kind| kind.name() != new.options.mount_type())
}

/// The filesystems that changed, with all that configuration may call them.
pub(crate) fn changes(recorded: &Machine, machine: &Machine, nodes: &Nodes) -> Vec<ChangedFilesystem> {
    let one = |device: &Device| {
        let (from, new) = (was(recorded, device)?, device.filesystem()?);
        let old = twin(&recorded.layout, device)?.filesystem()?;
        let mut names = vec![format!("UUID={}", old.uuid), format!("/dev/disk/by-uuid/{}", old.uuid)];
        if !old.label.0.is_empty() {
            names.extend([format!("LABEL={}", old.label), format!("/dev/disk/by-label/{}", old.label)]);
        }
        if let Some(partition) = device.partition() {
            names.extend(partition.uuid.iter().map(|uuid| format!("PARTUUID={uuid}")));
            names.extend(partition.uuid.iter().map(|uuid| format!("/dev/disk/by-partuuid/{uuid}")));
            let label = partition.name.iter().filter(|name| !name.is_empty());
            names.extend(label.map(|name| format!("PARTLABEL={name}")));
        }
        names.extend(nodes.find(&device.id).map(str::to_owned));
        let mounts = machine.layout.mounts.iter().filter(|mount| mount.device == device.id);
        Some(ChangedFilesystem {
            from: from.name().to_owned(),
            to: new.options.mount_type().to_owned(),
            mount_points: mounts.map(|mount| mount.mount_point.clone()).collect(),
            names,
            name: format!("UUID={}", new.uuid),
            lost_label: (old.label != new.label).then(|| old.label.clone()),
        })
    };
    machine.layout.devices.iter().filter_map(one).collect()
}

/// Why the initramfs lacks a driver or a checker: what it mounts is of another kind.
pub(crate) fn initramfs_reason(recorded: &Machine, machine: &Machine) -> Option<String> {
    ["/", "/usr"].into_iter().find_map(|point| {
        let device = machine.layout.device(&machine.layout.mount_at(point)?.device)?;
        let from = was(recorded, device)?;
        Some(format!("{point} was {from} and is now {}", device.filesystem()?.options.mount_type()))
    })
}

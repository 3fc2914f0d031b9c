//! What follows when filesystems are of another kind than recorded: fstab, command lines, initramfs.

use crate::consequence::twin;
use crate::edit::compressed;
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

/// What a person should know of filesystems that changed: by a policy, by a move, or in a description that was edited.
pub(crate) fn notes(recorded: &Machine, machine: &Machine) -> Vec<String> {
    let mut notes = vec![];
    for device in &machine.layout.devices {
        let id = &device.id;
        let (Some(was), Some(new)) = (was(recorded, device), device.filesystem()) else { continue };
        let (Some(kind), Some(old)) = (FilesystemKind::of(new), twin(&recorded.layout, device)) else { continue };
        let mut note = format!("{id} becomes {kind} instead of {was}, as you chose");
        if let Some(what) = kind.lacks(was) {
            note.push_str(&format!(
                "; {kind} cannot hold {what}: files that have these are listed, and count as not fully restored"
            ));
        }
        notes.push(note);
        if old.filesystem().is_some_and(|old| old.label != new.label) {
            notes.push(format!("{id}: its label is shortened to \"{}\", the longest that {kind} allows", new.label));
        }
        if compressed(recorded, &old.id) {
            notes.push(format!("{id} was compressed, and {kind} cannot compress: it may need twice the space"));
        }
    }
    notes
}

/// Why the initramfs lacks a driver or a checker: what it mounts is of another kind.
pub(crate) fn initramfs_reason(recorded: &Machine, machine: &Machine) -> Option<String> {
    ["/", "/usr"].into_iter().find_map(|point| {
        let device = machine.layout.device(&machine.layout.mount_at(point)?.device)?;
        let from = was(recorded, device)?;
        Some(format!("{point} was {from} and is now {}", device.filesystem()?.options.mount_type()))
    })
}

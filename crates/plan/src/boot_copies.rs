//! Where what starts the machine lies on a mirror, each of its disks gets a loader or a boot entry: the machine shall start
//! when any of them is gone.

use lifeboat_machine::boot::{EfiEntry, Loader};
use lifeboat_machine::layout::{Array, ArrayLevel, ArrayRole, TableKind};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Machine, Member};

/// The disks whose boot sector gets GRUB: those that had it, and the others that its directory is mirrored on, where there
/// is room for it.
pub(crate) fn grub_disks(machine: &Machine, loader: &Loader) -> Vec<DeviceId> {
    let Loader::GrubBios { disks, directory } = loader else { return vec![] };
    let mut all = disks.clone();
    let mount = machine.layout.mount_holding(directory.as_path());
    let Some(holder) = mount.and_then(|mount| machine.layout.device(&mount.device)) else { return all };
    let DeviceKind::Array(array) = &holder.kind else { return all };
    if array.level != ArrayLevel::Raid1 {
        return all;
    }
    for disk in machine.layout.disks_under(&holder.id) {
        if !all.contains(&disk.id) && has_room(machine, disk) {
            all.push(disk.id.clone());
        }
    }
    all
}

/// GRUB for BIOS lies behind an MBR, or in a partition of its own on a GPT.
fn has_room(machine: &Machine, disk: &Device) -> bool {
    let Content::Table(table) = &disk.content else { return false };
    match table.kind {
        TableKind::Mbr => true,
        TableKind::Gpt => {
            machine.layout.partitions_of(&disk.id).iter().any(|(part, _)| part.content == Content::BootLoader)
        }
    }
}

/// The boot entries that were recorded, and for each EFI system partition that is mirrored one on every other disk.
pub(crate) fn efi_entries(machine: &Machine) -> Vec<EfiEntry> {
    let recorded = &machine.boot.efi_entries;
    let mut all = recorded.clone();
    for entry in recorded {
        for partition in mirrored(machine, &entry.device) {
            let known =
                |other: &EfiEntry| other.device == partition && other.loader.eq_ignore_ascii_case(&entry.loader);
            if !all.iter().any(known) {
                let disk = machine.layout.partition_disk(&partition).map_or("copy", |disk| &disk.id.0);
                let label = format!("{} ({disk})", entry.label);
                all.push(EfiEntry { label, device: partition, ..entry.clone() });
            }
        }
    }
    all
}

/// The other partitions that hold the same as one, byte for byte from their beginning.
fn mirrored(machine: &Machine, id: &DeviceId) -> Vec<DeviceId> {
    let Some(Member::Array { array, .. }) = machine.layout.device(id).and_then(Device::member) else { return vec![] };
    let Some(DeviceKind::Array(array)) = machine.layout.device(array).map(|device| &device.kind) else { return vec![] };
    let whole = |array: &Array| array.level == ArrayLevel::Raid1 && array.metadata.is_at_end();
    if !whole(array) {
        return vec![];
    }
    let active = array.members.iter().filter(|member| matches!(member.role, ArrayRole::Active { .. }));
    let partition = |id: &&DeviceId| machine.layout.device(id).is_some_and(|device| device.partition().is_some());
    active.map(|member| &member.device).filter(|other| *other != id).filter(partition).cloned().collect()
}

/// What a person should know about it.
pub(crate) fn notes(machine: &Machine) -> Vec<String> {
    let mut notes = vec![];
    for loader in &machine.boot.loaders {
        let Loader::GrubBios { disks, .. } = loader else { continue };
        for disk in grub_disks(machine, loader).iter().filter(|disk| !disks.contains(disk)) {
            notes.push(format!("GRUB is installed on {disk}, too: what it starts from is mirrored there"));
        }
    }
    let recorded = machine.boot.efi_entries.len();
    for entry in efi_entries(machine).iter().skip(recorded) {
        notes.push(format!("{} gets the EFI boot entry \"{}\": it is mirrored there", entry.device, entry.label));
    }
    notes
}

//! Partitions that lie in another order, or on another disk of the machine.

use super::changed::Changed;
use super::refusal::Refusal;
use crate::policy::Policy;
use crate::size::GRAIN;
use lifeboat_machine::boot::Loader;
use lifeboat_machine::layout::{ESP_TYPE, GPT_ENTRIES, Partition, PartitionRole, PartitionTable, TableKind};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Machine};
use std::path::Path;

/// EFI System Partition (UEFI specification, 5.3.3) and Extended Boot Loader Partition (UAPI, Boot Loader Specification).
const BOOT_TYPES: [&str; 2] = [ESP_TYPE, "BC13C2FF-59E6-4262-A352-B275FD6F7172"];

/// Where a partition shall lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spot {
    /// Before another one, on its disk.
    Before(DeviceId),
    /// Behind all others of a disk.
    End(DeviceId),
}

/// The partitions of a disk in the order in which they lie, without the container of logical ones.
fn recorded(machine: &Machine, disk: &DeviceId) -> Vec<DeviceId> {
    let mut parts = machine.layout.partitions_of(disk);
    parts.retain(|(_, partition)| partition.role != PartitionRole::Extended);
    parts.sort_by_key(|(_, partition)| partition.start_sector);
    parts.into_iter().map(|(device, _)| device.id.clone()).collect()
}

/// The partitions of a disk in the order in which a policy has them.
pub fn order(machine: &Machine, policy: &Policy, disk: &DeviceId) -> Vec<DeviceId> {
    if let Some((_, order)) = policy.order.iter().find(|(of, _)| of == disk) {
        return order.clone();
    }
    let mut order = recorded(machine, disk);
    order.retain(|id| !policy.order.iter().any(|(_, taken)| taken.contains(id)));
    order
}

/// A policy's order with one partition moved. Disks whose partitions lie as recorded are not named.
pub fn moved(machine: &Machine, policy: &Policy, id: &DeviceId, place: &Spot) -> Vec<(DeviceId, Vec<DeviceId>)> {
    let disks = machine.layout.disks().map(|(disk, _)| disk.id.clone());
    let mut orders: Vec<(DeviceId, Vec<DeviceId>)> =
        disks.map(|disk| (disk.clone(), order(machine, policy, &disk))).collect();
    for (disk, order) in &mut orders {
        order.retain(|other| other != id);
        match place {
            Spot::Before(next) => {
                if let Some(at) = order.iter().position(|other| other == next) {
                    order.insert(at, id.clone());
                }
            }
            Spot::End(of) if of == disk => order.push(id.clone()),
            Spot::End(_) => {}
        }
    }
    orders.retain(|(disk, order)| *order != recorded(machine, disk));
    orders
}

/// A policy's order with one partition back where it was: on its disk, before the first one that it lay before and that is
/// still there.
pub fn moved_back(machine: &Machine, policy: &Policy, id: &DeviceId) -> Vec<(DeviceId, Vec<DeviceId>)> {
    let Some(disk) = machine.layout.partition_disk(id).map(|disk| &disk.id).filter(|_| !policy.order.is_empty()) else {
        return policy.order.clone();
    };
    let now = order(machine, policy, disk);
    let next = recorded(machine, disk).into_iter().skip_while(|other| other != id).skip(1).find(|id| now.contains(id));
    moved(machine, policy, id, &next.map_or(Spot::End(disk.clone()), Spot::Before))
}

/// Reports whether partitions can lie where a policy has them.
///
/// # Errors
/// Why they cannot, with the partition that it is about.
pub fn check_order(machine: &Machine, policy: &Policy) -> Result<(), Refusal> {
    changed(machine, policy).map(|_| ())
}

/// The machine with its partitions at their new places.
pub(super) fn changed(machine: &Machine, policy: &Policy) -> Result<Changed, Refusal> {
    let mut new = Changed { machine: machine.clone(), growth: vec![], moved: vec![], notes: vec![] };
    if policy.order.is_empty() {
        return Ok(new);
    }
    complete(machine, policy)?;
    let disks: Vec<&Device> = machine.layout.disks().map(|(disk, _)| disk).collect();
    for disk in &disks {
        let (before, after) = (recorded(machine, &disk.id), order(machine, policy, &disk.id));
        if before == after {
            continue;
        }
        let Content::Table(table) = &disk.content else {
            return Err(Refusal::of(&after[0], format!("{} has no partition table", disk.id)));
        };
        for id in after.iter().filter(|id| !before.contains(id)) {
            if let Some(reason) = bound_to_its_disk(machine, id, table) {
                return Err(Refusal::of(id, reason));
            }
            new.moved.push(format!("{id} moves to {}", disk.id));
            new.notes.extend(grub_elsewhere(machine, id, disk));
        }
        if table.kind == TableKind::Mbr {
            logical(machine, &before, &after)?;
        }
        let shuffled = before.iter().filter(|id| after.contains(id)).ne(after.iter().filter(|id| before.contains(id)));
        if shuffled {
            new.moved.push(format!("{} in this order: {}; it was {}", disk.id, list(&after), list(&before)));
        }
        let growth = lay(machine, &mut new.machine, disk, &before, &after)?;
        new.growth.push((disk.id.clone(), growth));
    }
    boot_loaders(machine, &new.machine)?;
    Ok(new)
}

fn list(ids: &[DeviceId]) -> String {
    ids.iter().map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ")
}

/// Each partition of a disk that is named lies somewhere, and once.
fn complete(machine: &Machine, policy: &Policy) -> Result<(), Refusal> {
    let refuse = |id: &DeviceId, reason: &str| Err(Refusal::of(id, reason));
    let mut all: Vec<&DeviceId> = vec![];
    for (disk, order) in &policy.order {
        if machine.layout.device(disk).is_none_or(|device| device.disk().is_none()) {
            return refuse(disk, "the machine has no such disk");
        }
        for id in order {
            let partition = machine.layout.device(id).and_then(Device::partition);
            match partition {
                None => return refuse(id, "the machine has no such partition"),
                Some(partition) if partition.role == PartitionRole::Extended => {
                    return refuse(id, "its position follows from the partitions in it");
                }
                Some(_) if all.contains(&id) => return refuse(id, "it cannot be in two places"),
                Some(_) => all.push(id),
            }
        }
    }
    for (disk, _) in &policy.order {
        if let Some(id) = recorded(machine, disk).iter().find(|id| !all.contains(id)) {
            return refuse(id, "the order does not contain it");
        }
    }
    Ok(())
}

/// Why a partition cannot lie on another disk than its own.
fn bound_to_its_disk(machine: &Machine, id: &DeviceId, to: &PartitionTable) -> Option<String> {
    let device = machine.layout.device(id)?;
    let partition = device.partition()?;
    let from = machine.layout.partition_disk(id).map(|disk| &disk.content);
    let gpt = matches!(from, Some(Content::Table(table)) if table.kind == TableKind::Gpt);
    if !gpt || to.kind != TableKind::Gpt {
        return Some("a partition can move to another disk only if both disks have a GPT".into());
    }
    let boot_type = BOOT_TYPES.iter().any(|kind| partition.type_id.eq_ignore_ascii_case(kind));
    let starts = machine.boot.efi_entries.iter().any(|entry| entry.device == *id)
        || machine.boot.loaders.iter().any(|loader| match loader {
            Loader::GrubBios { .. } => false,
            Loader::GrubEfi { esp, .. } | Loader::SystemdBoot { esp, .. } => {
                machine.layout.is_held_by(esp.as_path(), id)
            }
        });
    if device.content == Content::BootLoader || boot_type || starts {
        return Some("the firmware boots the machine from this disk; try moving the other partitions instead".into());
    }
    if matches!(device.content, Content::Member(_)) {
        return Some("it is a part of something that lies on several disks; each part stays on its own".into());
    }
    // systemd-gpt-auto-generator(8) looks on the disk of the ESP alone.
    let root = machine.layout.is_held_by(Path::new("/"), id);
    let named = machine.boot.command_line.split_whitespace().any(|word| word.starts_with("root="));
    (root && !named)
        .then(|| "the kernel command line does not name the root filesystem, so it is searched for on this disk".into())
}

/// GRUB reads through the firmware, which need not show every disk.
fn grub_elsewhere(machine: &Machine, id: &DeviceId, disk: &Device) -> Option<String> {
    let own = |loader: &Loader| match loader {
        Loader::GrubBios { directory, disks } => {
            machine.layout.is_held_by(directory.as_path(), id) && !disks.contains(&disk.id)
        }
        Loader::GrubEfi { .. } | Loader::SystemdBoot { .. } => false,
    };
    let any = machine.boot.loaders.iter().any(own);
    any.then(|| format!("GRUB will read its files from {}: the BIOS must make that disk available to it", disk.id))
}

/// Logical partitions keep their order, for it decides their numbers, and lie together.
fn logical(machine: &Machine, before: &[DeviceId], after: &[DeviceId]) -> Result<(), Refusal> {
    let is_logical = |id: &DeviceId| {
        machine.layout.device(id).and_then(Device::partition).is_some_and(|p| p.role == PartitionRole::Logical)
    };
    let only = |ids: &[DeviceId]| -> Vec<DeviceId> { ids.iter().filter(|id| is_logical(id)).cloned().collect() };
    let (old, new) = (only(before), only(after));
    if let Some((id, _)) = new.iter().zip(&old).find(|(new, old)| new != old) {
        return Err(Refusal::of(id, "it is a logical partition, whose number follows from its position"));
    }
    let first = after.iter().position(is_logical);
    let last = after.iter().rposition(is_logical);
    let among = first.zip(last).and_then(|(first, last)| after[first..=last].iter().find(|id| !is_logical(id)));
    among.map_or(Ok(()), |id| Err(Refusal::of(id, "it is not a logical partition and cannot be placed among them")))
}

/// Gives the partitions of a disk their new places; reports how much more lies there.
fn lay(
    machine: &Machine,
    new: &mut Machine,
    disk: &Device,
    before: &[DeviceId],
    after: &[DeviceId],
) -> Result<i128, Refusal> {
    let sector = sector_bytes(disk);
    // Below it lie the table and, on an MBR, GRUB.
    let floor = table(disk).and_then(|table| table.first_lba).map_or(0, |lba| lba * sector).max(GRAIN);
    let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (mut end, mut growth) = (0, 0_i128);
    let mut taken: Vec<u32> = machine.layout.partitions_of(&disk.id).iter().map(|(_, p)| p.number).collect();
    for (index, id) in after.iter().enumerate() {
        let Some((device, old)) = machine.layout.device(id).and_then(|d| Some((d, d.partition()?))) else { continue };
        let own = old.parent == disk.id;
        let old_sector = machine.layout.partition_disk(id).map_or(sector, sector_bytes);
        let size = (old.sectors * old_sector).next_multiple_of(sector);
        let start = match own && index < same {
            true => old.start_sector * sector,
            // What must stay free before a logical partition: its extended boot record.
            false if old.role == PartitionRole::Logical => (end + GRAIN).next_multiple_of(GRAIN),
            false => end.max(floor).next_multiple_of(GRAIN),
        };
        end = start + size;
        let mut partition =
            Partition { parent: disk.id.clone(), start_sector: start / sector, sectors: size / sector, ..old.clone() };
        if !own {
            growth += i128::from(size.next_multiple_of(GRAIN));
            partition.number = free_number(disk, &taken)
                .ok_or_else(|| Refusal::of(id, format!("the table of {} is full", disk.id)))?;
            taken.push(partition.number);
        }
        put(new, &device.id, partition);
    }
    for id in before.iter().filter(|id| !after.contains(id)) {
        let left = machine.layout.device(id).map_or(0, |device| device.size_bytes / GRAIN * GRAIN);
        growth -= i128::from(left);
    }
    container(machine, new, disk);
    Ok(growth)
}

fn sector_bytes(disk: &Device) -> u64 {
    u64::from(disk.disk().map_or(512, |disk| disk.logical_sector_bytes.max(512)))
}

fn table(disk: &Device) -> Option<&PartitionTable> {
    if let Content::Table(table) = &disk.content { Some(table) } else { None }
}

fn free_number(disk: &Device, taken: &[u32]) -> Option<u32> {
    let entries = table(disk).and_then(|table| table.entries).unwrap_or(GPT_ENTRIES);
    (1..=entries).find(|number| !taken.contains(number))
}

fn put(machine: &mut Machine, id: &DeviceId, partition: Partition) {
    for device in machine.layout.devices.iter_mut().filter(|device| device.id == *id) {
        device.kind = DeviceKind::Partition(partition.clone());
    }
    // Parents come before children.
    let parent = machine.layout.devices.iter().position(|device| device.id == partition.parent);
    let own = machine.layout.devices.iter().position(|device| device.id == *id);
    if let (Some(parent), Some(own)) = (parent, own)
        && own < parent
    {
        let device = machine.layout.devices.remove(own);
        machine.layout.devices.insert(parent, device);
    }
}

/// The container of logical partitions goes where they are, with the distances that it had.
fn container(machine: &Machine, new: &mut Machine, disk: &Device) {
    let ends = |machine: &Machine| {
        let parts = machine.layout.partitions_of(&disk.id);
        let logical = || parts.iter().map(|(_, p)| *p).filter(|p| p.role == PartitionRole::Logical);
        let start = logical().map(|p| p.start_sector).min()?;
        Some((start, logical().map(|p| p.start_sector + p.sectors).max()?))
    };
    let parts = machine.layout.partitions_of(&disk.id);
    let extended = parts.iter().find(|(_, partition)| partition.role == PartitionRole::Extended);
    let (Some((id, old)), Some(was), Some(is)) = (extended, ends(machine), ends(new)) else { return };
    let start = is.0 - (was.0 - old.start_sector.min(was.0)).min(GRAIN / sector_bytes(disk)).min(is.0);
    let end = is.1 + (old.start_sector + old.sectors).saturating_sub(was.1);
    let partition = Partition { start_sector: start, sectors: end - start, ..(*old).clone() };
    put(new, &id.id, partition);
}

/// A boot loader that knows its second half by sectors is moved only where GRUB's installer writes it anew.
fn boot_loaders(machine: &Machine, new: &Machine) -> Result<(), Refusal> {
    for device in machine.layout.devices.iter().filter(|device| device.content == Content::BootLoader) {
        let start = |machine: &Machine| machine.layout.device(&device.id)?.partition().map(|p| p.start_sector);
        let disk = machine.layout.partition_disk(&device.id).map(|disk| &disk.id);
        let installed = machine.boot.loaders.iter().any(
            |loader| matches!(loader, Loader::GrubBios { disks, .. } if disk.is_some_and(|id| disks.contains(id))),
        );
        if start(machine) != start(new) && !installed {
            let reason = "its boot code is found by its position, and no GRUB was recorded that could be reinstalled";
            return Err(Refusal::of(&device.id, reason));
        }
    }
    Ok(())
}

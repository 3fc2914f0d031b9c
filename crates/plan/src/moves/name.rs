//! How people name devices, and what must not be lost.

use lifeboat_machine::layout::mapper_name;
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Machine};

/// The device that a person means: by its id, its kernel path, the path or name of an array, a volume or a mapping, its mount point, or
/// the label or UUID of what it holds. What several devices answer to is none.
pub fn find(machine: &Machine, name: &str) -> Option<DeviceId> {
    let layout = &machine.layout;
    if let Some(device) = layout.devices.iter().find(|device| device.id.0 == name) {
        return Some(device.id.clone());
    }
    if let Some(mount) = layout.mount_at(name) {
        return Some(mount.device.clone());
    }
    let own = |device: &&Device| {
        let below_mapper = |known: &str| name.strip_prefix("/dev/mapper/").unwrap_or(name) == known;
        device.path == name
            || match &device.kind {
                DeviceKind::Disk(disk) => [&disk.serial, &disk.wwn].into_iter().flatten().any(|known| known == name),
                DeviceKind::Partition(partition) => {
                    partition.uuid.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name))
                }
                DeviceKind::Array(array) => {
                    array.name.as_deref() == Some(name.strip_prefix("/dev/md/").unwrap_or(name)) || array.uuid == name
                }
                DeviceKind::Volume(volume) => layout.group(&volume.group).is_some_and(|group| {
                    name.strip_prefix("/dev/").unwrap_or(name) == format!("{}/{}", group.name, volume.name)
                        || below_mapper(&mapper_name(&group.name, &volume.name))
                }),
                DeviceKind::Crypt(crypt) => below_mapper(&crypt.name),
            }
    };
    let held = |device: &&Device| match &device.content {
        Content::Filesystem(filesystem) => filesystem.uuid == name || filesystem.label.to_string() == name,
        Content::Swap(swap) => swap.uuid.as_deref() == Some(name) || swap.label.to_string() == name,
        Content::Luks(header) => header.uuid == name,
        Content::Empty
        | Content::Table(_)
        | Content::BootLoader
        | Content::Extended
        | Content::Journal(_)
        | Content::Member(_) => false,
    };
    let only = |found: Vec<&Device>| match found.as_slice() {
        [device] => Some(device.id.clone()),
        _ => None,
    };
    only(layout.devices.iter().filter(own).collect())
        .or_else(|| only(layout.devices.iter().filter(held).collect()).filter(|_| !name.is_empty()))
}

/// A filesystem, by mount point or UUID, that one description has and another has not.
pub(crate) fn lost(before: &Machine, after: &Machine) -> Option<String> {
    for mount in &before.layout.mounts {
        let same = |other: &&lifeboat_machine::layout::Mount| {
            other.mount_point == mount.mount_point
                && after.layout.device(&other.device).is_some_and(|device| device.filesystem().is_some())
        };
        if after.layout.mounts.iter().find(same).is_none() {
            return Some(format!("the filesystem mounted at {}", mount.mount_point));
        }
    }
    let has = |uuid: &str| {
        after.layout.devices.iter().filter_map(Device::filesystem).any(|filesystem| filesystem.uuid == uuid)
    };
    let gone = before.layout.devices.iter().filter_map(Device::filesystem).find(|filesystem| !has(&filesystem.uuid));
    gone.map(|filesystem| format!("the filesystem {}", filesystem.uuid))
}

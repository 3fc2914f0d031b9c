//! What carries a partition table or a content: a found disk, or an array that is made.

use crate::matching::describe;
use lifeboat_machine::{Device, DeviceKind, FoundDisk, Layout};

/// What carries a partition table or a content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ground {
    /// Its node, `/dev/sda`.
    pub(crate) path: String,
    /// For people: path, model, serial number, size.
    pub(crate) title: String,
    /// Its size in bytes.
    pub(crate) size_bytes: u64,
    /// Its logical sectors in bytes.
    pub(crate) sector_bytes: u64,
}

impl Ground {
    pub(crate) fn of_disk(found: &FoundDisk) -> Ground {
        Ground {
            path: found.path.clone(),
            title: describe(found),
            size_bytes: found.size_bytes,
            sector_bytes: u64::from(found.disk.logical_sector_bytes.max(512)),
        }
    }
}

/// Logical sectors of a recorded device in bytes: those of its disks, the largest where they differ.
pub(crate) fn sector_bytes(layout: &Layout, device: &Device) -> u64 {
    let disks = layout.disks_under(&device.id).into_iter().filter_map(Device::disk);
    let largest = disks.map(|disk| disk.logical_sector_bytes).max().unwrap_or(512);
    let own = match &device.kind {
        DeviceKind::Array(array) => array.logical_block_bytes.unwrap_or(0),
        DeviceKind::Crypt(crypt) => layout.luks_header(crypt).map_or(0, |header| header.sector_bytes),
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Volume(_) => 0,
    };
    u64::from(largest.max(own).max(512))
}

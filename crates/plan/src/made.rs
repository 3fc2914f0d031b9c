//! Which kinds of devices and contents a plan makes. What is not among them is refused before anything else.

use crate::error::PlanError;
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{JournalKind, VolumeShape};
use lifeboat_machine::{Content, Device, DeviceKind, Machine};

/// Reports whether a plan can make everything that a machine's disks held.
///
/// # Errors
/// [`PlanError::Unmade`] with the first device that it cannot.
pub fn check_kinds(machine: &Machine) -> Result<(), PlanError> {
    machine.layout.devices.iter().try_for_each(|device| {
        match device_kind(device).or_else(|| content_kind(&device.content)).or_else(|| table_within(device)) {
            None => Ok(()),
            Some(what) => Err(PlanError::Unmade { device: device.id.clone(), what }),
        }
    })
}

/// What a device is, when no plan makes such.
fn device_kind(device: &Device) -> Option<&'static str> {
    match &device.kind {
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Crypt(_) => None,
        DeviceKind::Volume(volume) => match volume.shape {
            VolumeShape::Linear { .. }
            | VolumeShape::Striped { .. }
            | VolumeShape::Raid { .. }
            | VolumeShape::ThinPool { .. }
            | VolumeShape::Thin { .. } => None,
            VolumeShape::Cached { ref origin, .. } => match **origin {
                VolumeShape::Linear { .. } | VolumeShape::Striped { .. } | VolumeShape::Raid { .. } => None,
                VolumeShape::ThinPool { .. } | VolumeShape::Thin { .. } => Some("a thin pool or volume with a cache"),
                VolumeShape::Cached { .. } => Some("an LVM volume with two caches"),
            },
        },
    }
}

/// The kernel shows partitions of whole disks and arrays only; what lies in a table within a partition is not a device of
/// the machine.
fn table_within(device: &Device) -> Option<&'static str> {
    let whole = match &device.kind {
        DeviceKind::Disk(_) | DeviceKind::Array(_) => true,
        DeviceKind::Partition(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => false,
    };
    let within = !whole && matches!(device.content, Content::Table(_));
    within.then_some("a partition table on a device that is neither a whole disk nor an array")
}

/// What it holds, when no plan makes such.
fn content_kind(content: &Content) -> Option<&'static str> {
    match content {
        Content::Empty | Content::Table(_) | Content::Swap(_) | Content::BootLoader | Content::Extended => None,
        Content::Filesystem(filesystem) => match &filesystem.options {
            FilesystemOptions::Xfs(xfs) => xfs.realtime.as_ref().map(|_| "an XFS with a realtime section"),
            FilesystemOptions::Ext(_) | FilesystemOptions::Vfat(_) | FilesystemOptions::Btrfs(_) => None,
        },
        Content::Luks(header) if header.integrity.is_some() => Some("a LUKS device with integrity checksums"),
        Content::Luks(_) => None,
        Content::Journal(journal) => match journal.kind {
            JournalKind::Ext | JournalKind::XfsLog => None,
            JournalKind::XfsRealtime => Some("the realtime section of an XFS"),
        },
        Content::Member(_) => None,
    }
}

//! btrfs on several devices: what each of them must have, and what they are together.

use crate::resize::needed_bytes;
use crate::room;
use crate::room::Shortage;
use crate::size::GRAIN;
use lifeboat_machine::filesystem::{BtrfsOptions, Filesystem, FilesystemOptions};
use lifeboat_machine::{Device, DeviceId, Layout};

/// mkfs.btrfs needs this much of each device (btrfs-progs 6.2 to 7.1: 109 MiB with 16 KiB nodes, as measured).
const LEAST: u64 = 128 * GRAIN;

/// The btrfs of which a device is one of several, with its holder and all its devices; `None` for everything else.
pub(crate) fn of<'l>(layout: &'l Layout, holder: &'l DeviceId) -> Option<(&'l Filesystem, Vec<&'l Device>)> {
    let filesystem = layout.device(holder)?.filesystem()?;
    let FilesystemOptions::Btrfs(_) = &filesystem.options else { return None };
    let devices = layout.content_devices(holder);
    (devices.len() > 1).then_some((filesystem, devices))
}

/// Copies that a profile keeps of each byte, as a fraction of bytes on devices and bytes of data.
fn copies(btrfs: &BtrfsOptions, devices: u64) -> (u64, u64) {
    match btrfs.data_profile.as_str() {
        "dup" | "raid1" | "raid10" => (2, 1),
        "raid1c3" => (3, 1),
        "raid1c4" => (4, 1),
        "raid5" => (devices, (devices - 1).max(1)),
        "raid6" => (devices, devices.saturating_sub(2).max(1)),
        _ => (1, 1),
    }
}

/// The least that one of its devices must have, in bytes: as much of what the filesystem must have as it has of the filesystem.
pub(crate) fn share(layout: &Layout, holder: &DeviceId, device: &Device) -> Option<u64> {
    let (filesystem, devices) = of(layout, holder)?;
    let FilesystemOptions::Btrfs(btrfs) = &filesystem.options else { return None };
    let (raw, data) = copies(btrfs, devices.len() as u64);
    let all: u64 = devices.iter().map(|device| device.size_bytes).sum();
    let needed = u128::from(needed_bytes(filesystem)) * u128::from(raw) / u128::from(data);
    let share = needed * u128::from(device.size_bytes) / u128::from(all.max(1));
    Some(u64::try_from(share).unwrap_or(u64::MAX).max(LEAST).min(device.size_bytes))
}

/// The filesystem on devices of these sizes, and what of its files does not fit.
pub(crate) fn on(filesystem: &Filesystem, sizes: &[u64]) -> (Filesystem, Option<Shortage>) {
    let mut new = filesystem.clone();
    let FilesystemOptions::Btrfs(btrfs) = &filesystem.options else { return (new, None) };
    let sector = u64::from(btrfs.sector_bytes.max(1));
    new.size_bytes = sizes.iter().map(|size| size / sector * sector).sum();
    let (raw, data) = copies(btrfs, sizes.len() as u64);
    let usable = u128::from(new.size_bytes) * u128::from(data) / u128::from(raw.max(1));
    let usable = Filesystem { size_bytes: u64::try_from(usable).unwrap_or(u64::MAX), ..new.clone() };
    (new, room::shortage(&usable))
}

//! FAT: mkfs.fat(8).

use super::unsupported;
use crate::error::RebuildError;
use lifeboat_machine::filesystem::{Filesystem, VfatOptions};
use lifeboat_sys::program::MKFS_FAT;
use lifeboat_sys::{Invocation, Runner, block};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Makes it.
///
/// mkfs.fat rounds reserved sectors up to whole clusters unless told not to align. Which way the recorded one was made
/// is not recorded, so what came out decides whether it is made again without.
pub(super) fn make(
    runner: &dyn Runner,
    device: &Path,
    filesystem: &Filesystem,
    vfat: &VfatOptions,
) -> Result<Vec<String>, RebuildError> {
    let device_bytes = block::size_bytes(device).ok();
    runner.run(&mkfs(device, device_bytes, filesystem, vfat, true))?;
    // Devices that cannot be read here exist only on paper.
    let Ok(made) = reserved_sectors(device) else { return Ok(vec![]) };
    if made == vfat.reserved_sectors {
        return Ok(vec![]);
    }
    runner.run(&mkfs(device, device_bytes, filesystem, vfat, false))?;
    let made = reserved_sectors(device).map_err(RebuildError::io("READ", device))?;
    if made != vfat.reserved_sectors {
        let reason = format!("mkfs.fat reserves {made} sectors and not {}", vfat.reserved_sectors);
        return Err(unsupported("FAT", device, reason));
    }
    Ok(vec![])
}

/// The call of mkfs.fat for a device of this size.
pub(super) fn mkfs(
    device: &Path,
    device_bytes: Option<u64>,
    filesystem: &Filesystem,
    vfat: &VfatOptions,
    align: bool,
) -> Invocation {
    let mut call = Invocation::new(MKFS_FAT)
        .args(["-F", &vfat.fat_bits.to_string(), "-S", &vfat.sector_bytes.to_string()])
        .args(["-s", &vfat.cluster_sectors.to_string(), "-R", &vfat.reserved_sectors.to_string()])
        .args(["-f", &vfat.fats.to_string(), "-M", &format!("0x{:02x}", vfat.media)])
        .args(["-h", &vfat.hidden_sectors.to_string(), "-i", &filesystem.uuid.replace('-', "")])
        .args(["-D", &format!("0x{:02x}", vfat.drive_number), "-g", &format!("{}/{}", vfat.heads, vfat.track_sectors)])
        // -I: a filesystem on a whole disk is what was recorded.
        .args(["--mbr=n", "-I"]);
    if let Some(sector) = vfat.backup_boot_sector {
        call = call.args(["-b", &sector.to_string()]);
    }
    if vfat.fat_bits != 32 {
        call = call.args(["-r", &vfat.root_entries.to_string()]);
    }
    if !align {
        call = call.arg("-a");
    }
    if !filesystem.label.0.is_empty() {
        call = call.arg("-n").arg(filesystem.label.to_os_string());
    }
    call = call.arg(device);
    // mkfs.fat counts in KiB, so a size is passed only when the filesystem is really smaller than its device.
    match device_bytes {
        Some(size) if size / 1024 > filesystem.size_bytes / 1024 => {
            call.arg((filesystem.size_bytes / 1024).to_string())
        }
        _ => call,
    }
}

/// Offset 14 of the boot sector (Microsoft FAT specification, BPB_RsvdSecCnt).
fn reserved_sectors(device: &Path) -> std::io::Result<u32> {
    let mut field = [0; 2];
    File::open(device)?.read_exact_at(&mut field, 14)?;
    Ok(u16::from_le_bytes(field).into())
}

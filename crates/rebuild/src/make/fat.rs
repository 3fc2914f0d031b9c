//! FAT: mkfs.fat(8).

use crate::error::RebuildError;
use lifeboat_machine::Name;
use lifeboat_machine::filesystem::{Filesystem, VfatOptions};
use lifeboat_sys::program::MKFS_FAT;
use lifeboat_sys::{Invocation, Runner, block};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Length of a label (Microsoft FAT specification, BS_VolLab).
const LABEL_BYTES: usize = 11;
/// Makes mkfs.fat reserve the entry of a label that it would not take.
const PLACEHOLDER: &str = "LABEL";

/// Makes it.
///
/// mkfs.fat rounds reserved sectors up to whole clusters unless instructed not to align. Which way the recorded one was made
/// is not recorded, so what came out decides whether it is made again without.
pub(crate) fn make(
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
        return labels(device, filesystem, vfat).map(|()| vec![]);
    }
    runner.run(&mkfs(device, device_bytes, filesystem, vfat, false))?;
    let made = reserved_sectors(device).map_err(RebuildError::io("READ", device))?;
    if made != vfat.reserved_sectors {
        let reason = format!("mkfs.fat reserves {made} sectors and not {}", vfat.reserved_sectors);
        return Err(RebuildError::unsupported("FAT", device, reason));
    }
    labels(device, filesystem, vfat).map(|()| vec![])
}

/// Writes the labels as they were, each in its place: mkfs.fat writes the same one to the boot sector, its backup and the root
/// directory, and takes no bytes that its locale does not know.
fn labels(device: &Path, filesystem: &Filesystem, vfat: &VfatOptions) -> Result<(), RebuildError> {
    let io = |action| RebuildError::io(action, device);
    let file = OpenOptions::new().read(true).write(true).open(device).map_err(io("OPEN"))?;
    let mut sector = [0; 512];
    file.read_exact_at(&mut sector, 0).map_err(io("READ"))?;
    let write = |wanted: &Name, offset: u64| -> Result<(), RebuildError> {
        let mut found = [0; LABEL_BYTES];
        file.read_exact_at(&mut found, offset).map_err(io("READ"))?;
        let wanted = field(wanted);
        if found == wanted { Ok(()) } else { file.write_all_at(&wanted, offset).map_err(io("WRITE")) }
    };
    // The extended boot record follows the common part, 28 bytes later with FAT32.
    let place = if vfat.fat_bits == 32 { 71 } else { 43 };
    let boot = vfat.boot_label.as_ref().unwrap_or(&filesystem.label);
    write(boot, place)?;
    let bytes = u64::from(vfat.sector_bytes);
    if let Some(backup) = vfat.backup_boot_sector {
        write(boot, u64::from(backup) * bytes + place)?;
    }
    if !filesystem.label.0.is_empty() {
        let short = u64::from(u16::from_le_bytes([sector[22], sector[23]]));
        let long = u64::from(u32::from_le_bytes([sector[36], sector[37], sector[38], sector[39]]));
        let fat_sectors = if short == 0 { long } else { short };
        // mkfs.fat makes the label the root directory's first entry, and the root directory the first cluster.
        let root = u64::from(vfat.reserved_sectors) + u64::from(vfat.fats) * fat_sectors;
        write(&filesystem.label, root * bytes)?;
    }
    file.sync_all().map_err(io("WRITE"))
}

/// A label as its field holds it: padded with blanks, `NO NAME` for none.
fn field(label: &Name) -> [u8; LABEL_BYTES] {
    let mut out = [b' '; LABEL_BYTES];
    let bytes: &[u8] = if label.0.is_empty() { b"NO NAME" } else { &label.0 };
    for (place, byte) in out.iter_mut().zip(bytes) {
        *place = *byte;
    }
    // 0xe5 would mark a deleted entry.
    if out[0] == 0xe5 {
        out[0] = 0x05;
    }
    out
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
        let plain = filesystem.label.0.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        let label = if plain { filesystem.label.to_os_string() } else { PLACEHOLDER.into() };
        call = call.arg("-n").arg(label);
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

//! Optical drives and the discs in them (linux/cdrom.h, ECMA-119).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

// linux/cdrom.h
const CDROMEJECT: libc::Ioctl = 0x5309;
const CDROMCLOSETRAY: libc::Ioctl = 0x5319;
const CDROM_DRIVE_STATUS: libc::Ioctl = 0x5326;
const CDROM_DISC_STATUS: libc::Ioctl = 0x5327;
const CDROM_LOCKDOOR: libc::Ioctl = 0x5329;
/// The drive itself, and no slot of a changer.
const CDSL_CURRENT: libc::c_int = libc::c_int::MAX;
const CDS_NO_DISC: libc::c_int = 1;
const CDS_TRAY_OPEN: libc::c_int = 2;
const CDS_DRIVE_NOT_READY: libc::c_int = 3;
const CDS_AUDIO: libc::c_int = 100;

/// What is in a drive, as far as the drive itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tray {
    /// The tray is open.
    Open,
    /// There is no disc.
    Empty,
    /// A disc was put in, and is being looked at.
    Busy,
    /// There is a disc with music.
    Audio,
    /// There is a disc, or the drive does not say.
    Disc,
}

/// The optical drives below `sys` (/sys), in the order of their names.
pub fn drives(sys: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(sys.join("class/block")).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("sr").and_then(|rest| rest.parse::<u32>().ok());
    let mut names: Vec<(u32, String)> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| Some((number(&name)?, name)))
        .collect();
    names.sort();
    names.into_iter().map(|(_, name)| Path::new("/dev").join(name)).collect()
}

/// Opens a drive, whatever is in it: without O_NONBLOCK an empty drive cannot be opened, and an open tray is drawn in.
fn open(device: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(device)
}

/// What is in a drive. Nothing moves. A drive that cannot be asked counts as one with a disc: whoever reads it learns more.
///
/// # Errors
/// When the drive cannot be opened.
pub fn tray(device: &Path) -> io::Result<Tray> {
    let drive = open(device)?;
    // SAFETY: CDROM_DRIVE_STATUS takes an int by value.
    let status = unsafe { libc::ioctl(drive.as_raw_fd(), CDROM_DRIVE_STATUS, CDSL_CURRENT) };
    match status {
        CDS_NO_DISC => return Ok(Tray::Empty),
        CDS_TRAY_OPEN => return Ok(Tray::Open),
        CDS_DRIVE_NOT_READY => return Ok(Tray::Busy),
        _ => {}
    }
    // SAFETY: CDROM_DISC_STATUS takes no argument.
    let disc = unsafe { libc::ioctl(drive.as_raw_fd(), CDROM_DISC_STATUS) };
    Ok(if disc == CDS_AUDIO { Tray::Audio } else { Tray::Disc })
}

/// Draws the tray of a drive in.
///
/// # Errors
/// The system's error; drives of notebooks cannot.
pub fn close(device: &Path) -> io::Result<()> {
    let drive = open(device)?;
    // SAFETY: CDROMCLOSETRAY takes no argument.
    let result = unsafe { libc::ioctl(drive.as_raw_fd(), CDROMCLOSETRAY) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Where the primary volume descriptor of an ISO 9660 filesystem is: sector 16 (ECMA-119, 8.4).
pub const VOLUME_DESCRIPTOR_OFFSET: u64 = 16 * 2048;
/// How much of it [`volume_id`] needs.
pub const VOLUME_DESCRIPTOR_BYTES: usize = 2048;

/// The volume identifier in a primary volume descriptor, without trailing spaces. `None` when it is not one.
pub fn volume_id(descriptor: &[u8]) -> Option<String> {
    if descriptor.first() != Some(&1) || descriptor.get(1..6)? != b"CD001" {
        return None;
    }
    Some(String::from_utf8_lossy(descriptor.get(40..72)?).trim_end_matches([' ', '\0']).to_owned())
}

/// Opens the tray of a drive.
///
/// # Errors
/// The system's error; EBUSY while the disc is mounted.
pub fn eject(device: &Path) -> io::Result<()> {
    let drive = open(device)?;
    // SAFETY: CDROM_LOCKDOOR takes an int by value. A drive without a lock refuses, which does not matter.
    unsafe { libc::ioctl(drive.as_raw_fd(), CDROM_LOCKDOOR, 0) };
    // SAFETY: CDROMEJECT takes no argument.
    let result = unsafe { libc::ioctl(drive.as_raw_fd(), CDROMEJECT) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drives_in_their_order() {
        let sys = tempfile::tempdir().unwrap();
        assert!(drives(sys.path()).is_empty());
        for name in ["sr10", "sda", "sr0", "srx", "sr2"] {
            std::fs::create_dir_all(sys.path().join("class/block").join(name)).unwrap();
        }
        assert_eq!(drives(sys.path()), ["/dev/sr0", "/dev/sr2", "/dev/sr10"].map(PathBuf::from));
        // What is no drive is not asked further.
        let file = sys.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(tray(&file).unwrap(), Tray::Disc);
        assert!(close(&file).is_err() && tray(&sys.path().join("none")).is_err());
    }

    #[test]
    fn volume_ids() {
        let mut descriptor = vec![0_u8; VOLUME_DESCRIPTOR_BYTES];
        descriptor[..6].copy_from_slice(b"\x01CD001");
        descriptor[40..72].copy_from_slice(b"LIFEBOAT_0123ABCD               ");
        assert_eq!(volume_id(&descriptor).as_deref(), Some("LIFEBOAT_0123ABCD"));
        assert_eq!(volume_id(&descriptor[..50]), None);
        assert_eq!(volume_id(b""), None);
        descriptor[0] = 2;
        assert_eq!(volume_id(&descriptor), None);
    }
}

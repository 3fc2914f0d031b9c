//! Optical drives and the discs in them (linux/cdrom.h, ECMA-119).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

// linux/cdrom.h
const CDROMEJECT: libc::Ioctl = 0x5309;
const CDROM_LOCKDOOR: libc::Ioctl = 0x5329;

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
    // Without O_NONBLOCK an empty drive cannot be opened.
    let drive = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(device)?;
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

//! Tapes: drives, and the volumes of Lifeboat's streams on them.
//!
//! | module | holds |
//! | --- | --- |
//! | [`drive`] | a drive: ioctls, blocks, filemarks |
//! | [`error`] | why there is no volume |
//! | [`header`] | the header of a volume: pure |
//! | [`search`] | where on a tape it is |
//! | [`obdr`] | the beginning of a tape that boots by itself |
//!
//! [`TapeName`] is how people name a drive, [`identify`] says what the tape in one is.

pub mod drive;
pub mod error;
pub mod header;
pub mod obdr;
pub mod search;
#[cfg(test)]
mod testing;

use drive::Drive;
pub use error::TapeError;
pub use header::{HeaderError, VolumeHeader};
pub use search::Reach;
use search::{Miss, search};
use std::fmt;
use std::path::{Path, PathBuf};

/// How people name a tape: `tape` for any drive, `tape:/dev/nst0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeName(Option<PathBuf>);

impl TapeName {
    /// True when a text is meant as a tape, valid or not.
    pub fn is_meant(text: &str) -> bool {
        text == "tape" || text.starts_with("tape:")
    }

    /// Parses it. A drive that rewinds when it is closed (`/dev/st0`) is used by its name that does not.
    ///
    /// # Errors
    /// A message for people.
    pub fn parse(text: &str) -> Result<TapeName, String> {
        if text == "tape" {
            return Ok(TapeName(None));
        }
        let device = text.strip_prefix("tape:").filter(|device| device.len() > 5 && device.starts_with("/dev/"));
        let device = device.ok_or_else(|| format!("{text}: expected tape or tape:/dev/nst0"))?;
        match device.strip_prefix("/dev/st") {
            Some(rest) if rest.starts_with(|first: char| first.is_ascii_digit()) => {
                Ok(TapeName(Some(PathBuf::from(format!("/dev/nst{rest}")))))
            }
            _ => Ok(TapeName(Some(device.into()))),
        }
    }

    /// The drives that it names, at least one; `sys` is /sys.
    ///
    /// # Errors
    /// [`TapeError::NoDrives`].
    pub fn drives(&self, sys: &Path) -> Result<Vec<PathBuf>, TapeError> {
        let drives = drive::list(sys);
        match &self.0 {
            _ if drives.is_empty() => Err(TapeError::NoDrives),
            Some(device) => Ok(vec![device.clone()]),
            None => Ok(drives),
        }
    }
}

impl fmt::Display for TapeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("tape"),
            Some(device) => write!(f, "tape:{}", device.display()),
        }
    }
}

/// A volume in a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The drive.
    pub device: PathBuf,
    /// Filemarks before the header, which is the first block behind them.
    pub file: u32,
    /// The header.
    pub header: VolumeHeader,
}

/// Rewinds the tape in a drive, sets it to blocks of any size, and finds the header of a volume on it. `awaits` reports what takes
/// time. The tape stays behind the header.
///
/// # Errors
/// [`TapeError`].
pub fn identify(device: &Path, reach: Reach, awaits: &dyn Fn(String)) -> Result<Volume, TapeError> {
    awaits("the drive to load its cartridge".to_owned());
    let drive = Drive::open(device)?;
    awaits("the tape to rewind".to_owned());
    let mut drive = drive.ready()?;
    let device = device.to_owned();
    match search(&mut drive, reach, awaits) {
        Ok(found) => Ok(Volume { device, file: found.file, header: found.header }),
        Err(Miss::Foreign(begins_with)) => Err(TapeError::Foreign { device, begins_with }),
        Err(Miss::Header(source)) => Err(TapeError::Header { device, source }),
        Err(Miss::Blank) => Err(TapeError::Blank { device }),
        Err(Miss::Unreadable(source)) => Err(TapeError::Unreadable { device, source }),
        Err(Miss::Io(source)) => Err(TapeError::Io { verb: "READ the tape in", device, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, expected) in [
            ("tape", Ok(None)),
            ("tape:/dev/nst1", Ok(Some("/dev/nst1"))),
            ("tape:/dev/st1", Ok(Some("/dev/nst1"))),
            ("tape:/dev/tape/by-id/scsi-1-nst", Ok(Some("/dev/tape/by-id/scsi-1-nst"))),
            ("tape:", Err(())),
            ("tape:/dev/", Err(())),
            ("tape:nst0", Err(())),
            ("tapes", Err(())),
        ] {
            let name = TapeName::parse(text);
            assert_eq!(name.clone().map_err(|_| ()), expected.map(|device| TapeName(device.map(PathBuf::from))));
            if let Ok(name) = name {
                assert_eq!(TapeName::parse(&name.to_string()), Ok(name));
            }
        }
        assert!(TapeName::is_meant("tape:x") && TapeName::is_meant("tape") && !TapeName::is_meant("tapes"));
    }

    #[test]
    fn without_a_drive_the_name_does_not_matter() {
        let sys = tempfile::tempdir().unwrap();
        for text in ["tape", "tape:/dev/nst0"] {
            let error = TapeName::parse(text).unwrap().drives(sys.path()).unwrap_err();
            assert!(matches!(error, TapeError::NoDrives), "{error}");
        }
        std::fs::create_dir_all(sys.path().join("class/scsi_tape/nst3")).unwrap();
        let drives = |text: &str| TapeName::parse(text).unwrap().drives(sys.path()).unwrap();
        assert_eq!(drives("tape"), [PathBuf::from("/dev/nst3")]);
        assert_eq!(drives("tape:/dev/nst0"), [PathBuf::from("/dev/nst0")]);
    }

    #[test]
    fn reasons_for_a_closed_drive() {
        for (code, expected) in [
            (libc::ENOENT, "no such tape drive"),
            (libc::ENXIO, "no such tape drive"),
            (libc::EBUSY, "another program uses the drive"),
            (libc::ENOMEDIUM, "there is no cartridge in the drive"),
            (libc::EIO, "does not become ready"),
            (libc::EACCES, "Permission denied"),
        ] {
            let error = TapeError::opening(Path::new("/dev/nst0"), std::io::Error::from_raw_os_error(code)).to_string();
            assert!(
                error.starts_with("cannot ") && error.contains("/dev/nst0: ") && error.contains(expected),
                "{error}"
            );
        }
    }
}

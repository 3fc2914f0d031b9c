//! Sets of discs that are read on a running machine: their images, or the discs in a drive, which a person changes.

use crate::error::{CommandError, Kind};
use crate::job::stream::StreamPlace;
use crate::job::tapes;
use crate::session::Session;
use lifeboat_archive::stream::disc::short;
use lifeboat_archive::stream::{Disc, Discs, Images, ImagesError};
use lifeboat_machine::bytes::terminal;
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_restore::discs::{self, Held};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// What `discs:PLACE` names.
///
/// # Errors
/// Kind `Usage`.
pub fn parse(text: &str, place: &str) -> Result<StreamPlace, CommandError> {
    if place.is_empty() {
        let is_all = text == lifeboat_restore::stream_name::DISCS;
        if is_all && Path::new(text).symlink_metadata().is_ok() {
            return Err(CommandError::usage(format!(
                "{text} means the optical drives, and there is a folder or file {text} here"
            ))
            .hint(format!("./{text} for what is here, or discs:DRIVE (discs:/dev/sr0) for a drive")));
        }
        let missing = || CommandError::usage(format!("{text}: the drive, or the folder of the images, is missing"));
        return is_all.then_some(StreamPlace::Drives(None)).ok_or_else(missing);
    }
    if OnDisk::is_meant(place) {
        return Err(CommandError::usage(format!("{text}: only a recovery mounts the disk itself"))
            .hint("mounting it, and discs:/PATH of the folder there"));
    }
    Ok(of_path(Path::new(place)))
}

fn of_path(path: &Path) -> StreamPlace {
    let is_device = std::fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device());
    match is_device || path.starts_with("/dev/") {
        true => StreamPlace::Drives(Some(path.to_owned())),
        false => StreamPlace::Images(path.to_owned()),
    }
}

/// The set that is at a path, without being named as one: a disc of it in a drive, one of its images, or their folder.
pub fn meant(path: &Path) -> Option<StreamPlace> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    let is_set = if kind.is_dir() {
        // A repository may have many files, and a mounted medium is a folder, too.
        let is_other = path.join("config").exists() || path.join("lifeboat").exists();
        !is_other && matches!(Images::find(path), Ok(_) | Err(ImagesError::Several(_)))
    } else {
        (kind.is_file() || kind.is_block_device()) && Disc::open(path).is_ok()
    };
    is_set.then(|| of_path(path))
}

/// The images of a set; what else is there is reported.
///
/// # Errors
/// Kind `Failed`.
pub fn images(session: &Session, path: &Path) -> Result<Images, CommandError> {
    let found = Images::find(path).map_err(|error| {
        CommandError::new(Kind::Failed, format!("cannot OPEN the set of discs {}: {error}", path.display()))
    })?;
    for text in &found.notes {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
    Ok(found)
}

/// The disc in a drive, whichever it is of a set.
///
/// # Errors
/// Kind `Failed`, with what is there instead.
pub fn any(drive: Option<&Path>) -> Result<Disc, CommandError> {
    let devices = devices(drive)?;
    let mut there = vec![];
    for device in &devices {
        match discs::look(device, None, None) {
            Ok(disc) => return Ok(disc),
            Err(held) => there.push(named(device, &held)),
        }
    }
    Err(CommandError::new(Kind::Failed, format!("cannot FIND a disc of a set: {}", there.join("; "))))
}

fn devices(drive: Option<&Path>) -> Result<Vec<PathBuf>, CommandError> {
    let devices = match drive {
        Some(drive) => vec![drive.to_owned()],
        None => discs::devices(None, Path::new("/sys")),
    };
    match devices.is_empty() {
        true => Err(CommandError::new(Kind::Failed, "there is no optical drive, or no driver for it")),
        false => Ok(devices),
    }
}

fn named(device: &Path, held: &Held) -> String {
    match held {
        Held::Nothing | Held::Busy => format!("there is no disc in {}", device.display()),
        Held::Sibling(_, what) | Held::Other(what) => format!("in {} is {what}", device.display()),
    }
}

/// Discs that a person is asked for.
pub struct Asked {
    devices: Vec<PathBuf>,
    /// The set, once its first disc was seen.
    set: Option<String>,
}

impl Asked {
    /// In one drive, or in whichever there is.
    ///
    /// # Errors
    /// Kind `Failed` without a drive.
    pub fn new(drive: Option<PathBuf>) -> Result<Asked, CommandError> {
        Ok(Asked { devices: devices(drive.as_deref())?, set: None })
    }
}

impl Discs for Asked {
    fn disc(&mut self, number: u32) -> io::Result<Option<Disc>> {
        loop {
            let mut there = vec![];
            for device in &self.devices {
                match discs::look(device, self.set.as_deref(), Some(number)) {
                    Ok(disc) => {
                        self.set = Some(disc.header.set.clone());
                        return Ok(Some(disc));
                    }
                    Err(held) => there.push(named(device, &held)),
                }
            }
            let of = self.set.as_deref().map(|set| format!(" of set {}", short(set))).unwrap_or_default();
            let drives: Vec<String> = self.devices.iter().map(|device| device.display().to_string()).collect();
            // What is on a disc may be anything.
            let question = terminal(&format!(
                "{}. Put disc {number}{of} into {} and press Enter, or type stop: ",
                there.join("; "),
                drives.join(" or ")
            ));
            if let [drive] = &self.devices[..] {
                // Whoever changes it has a button, too.
                let _ = lifeboat_sys::optical::eject(drive);
            }
            if !tapes::answered(&question)? {
                return Ok(None);
            }
        }
    }

    fn label(&self) -> PathBuf {
        match &self.devices[..] {
            [drive] => drive.clone(),
            _ => PathBuf::from("the optical drives"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_set_is_left_to_others() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.iso"), vec![0; 100_000]).unwrap();
        assert_eq!(meant(dir.path()), None);
        assert_eq!(meant(&dir.path().join("x.iso")), None);
        assert_eq!(meant(&dir.path().join("none")), None);
        assert_eq!(meant(Path::new("nfs://host/path")), None);
    }
}

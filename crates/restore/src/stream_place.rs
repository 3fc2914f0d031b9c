//! Where a stream is that a machine is recovered from: files of this system (`stream:/mnt/usb/web1`) or of a disk that is mounted for
//! it (`stream:disk:LABEL=BACKUP:/web1`), tapes (`tape`, `tape:/dev/nst0`), or discs (`discs`, `discs:/dev/sr0`) and their images
//! (`discs:/mnt/usb/set`, `discs:disk:LABEL=BACKUP:/set`).

use crate::discs::{self, Drives, Held};
use crate::failure::Failure;
use crate::mounted::{self, Mounted};
use crate::network::Network;
use crate::on_disk::Search;
use crate::stream_name::{self, PREFIX};
use lifeboat_archive::Secret;
use lifeboat_archive::stream::tape::{Change, TapeSource};
use lifeboat_archive::stream::{DiscSource, FileSource, Images, ImagesError, Stream};
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_remote::patience::Listener;
use lifeboat_sys::Runner;
use lifeboat_sys::tape::drive::{Drive, WritableTape as _};
use lifeboat_sys::tape::{Reach, TapeError, TapeName, Volume, identify};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a drive is asked whether the next tape is in it.
const ASKED_EVERY: Duration = Duration::from_secs(5);
/// How long a tape is waited for; nobody may be there at night.
const PATIENCE: Duration = Duration::from_secs(12 * 60 * 60);

/// A stream's place, found; a disk stays mounted while this lives.
#[derive(Debug)]
pub struct StreamAt {
    kind: Kind,
    _mounted: Option<Mounted>,
}

#[derive(Debug)]
enum Kind {
    Files(PathBuf),
    /// The drive with the first volume.
    Tape(Volume),
    /// The drive that was named, and the id of the set.
    Drives(Option<PathBuf>, String),
    /// Images of discs, in a folder.
    Images(PathBuf),
}

impl StreamAt {
    /// Finds what `text` names; `None` when it is no stream. `scratch` is a folder for mount points; `set` is the id of the set of discs
    /// that is meant, where that is known: then they need not be there yet.
    ///
    /// # Errors
    /// [`Failure::Unusable`] with what is there instead; [`Failure::Tape`]; [`Failure::Locked`].
    pub fn find(
        text: &str,
        set: Option<&str>,
        scratch: &Path,
        search: Search,
        runner: &dyn Runner,
    ) -> Result<Option<StreamAt>, Failure> {
        let unusable = |reason: String| Failure::Unusable { what: text.to_owned(), reason };
        if TapeName::is_meant(text) {
            let volume = tape(text, Path::new("/sys"))?;
            return Ok(Some(StreamAt { kind: Kind::Tape(volume), _mounted: None }));
        }
        let of_discs = stream_name::discs(text);
        if let Some(device) = of_discs.and_then(drive) {
            let kind = Kind::Drives(device.clone(), drives(text, device.as_deref(), set, Path::new("/sys"))?);
            return Ok(Some(StreamAt { kind, _mounted: None }));
        }
        let Some(rest) = of_discs.or_else(|| text.strip_prefix(PREFIX)) else { return Ok(None) };
        let (path, guard) = match OnDisk::is_meant(rest) {
            false => (PathBuf::from(rest), None),
            true => {
                let place = OnDisk::parse(rest).map_err(&unusable)?;
                let (guard, path) = mounted::place(&place, search, scratch, runner)?;
                (path, guard)
            }
        };
        if !path.is_absolute() {
            return Err(unusable(
                "expected stream:/PATH, stream:disk:LABEL=LABEL:/PATH, discs, discs:/PATH or tape, where a machine is recovered"
                    .into(),
            ));
        }
        if of_discs.is_some() {
            Images::find(&path).map_err(|error| unusable(error.to_string()))?;
            return Ok(Some(StreamAt { kind: Kind::Images(path), _mounted: guard }));
        }
        FileSource::find(&path).map_err(|error| unusable(error.to_string()))?;
        Ok(Some(StreamAt { kind: Kind::Files(path), _mounted: guard }))
    }

    /// Opens the set.
    ///
    /// # Errors
    /// When it cannot be read, or another key opens it.
    pub fn open(&self, secret: &Secret, network: &Network) -> Result<Stream, Failure> {
        match &self.kind {
            Kind::Files(path) => {
                let source = FileSource::find(path).map_err(|source| Failure::Read { path: path.clone(), source })?;
                Ok(Stream::open(source, secret)?)
            }
            Kind::Tape(volume) => {
                let (device, set) = (volume.device.clone(), volume.header.set.clone());
                let drive = Drive::open(&device)?.ready()?;
                let change = change(device.clone(), set, Arc::clone(&network.listener));
                Ok(Stream::open(TapeSource::new(drive, change, Reach::Far, device), secret)?)
            }
            Kind::Drives(device, set) => {
                let drives = Drives::new(device.clone(), set.clone(), Arc::clone(&network.listener));
                Ok(Stream::open(DiscSource::new(drives), secret)?)
            }
            Kind::Images(path) => {
                let unusable = |error: ImagesError| Failure::Unusable {
                    what: path.display().to_string(),
                    reason: error.to_string(),
                };
                Ok(Stream::open(DiscSource::new(Images::find(path).map_err(unusable)?), secret)?)
            }
        }
    }

    /// The files, as a name of [`FileSource`]; `None` for tapes.
    pub fn path(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Files(path) => Some(path),
            Kind::Tape(_) | Kind::Drives(..) | Kind::Images(_) => None,
        }
    }

    /// The images of discs; `None` for anything else.
    pub fn images(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Images(path) => Some(path),
            Kind::Files(_) | Kind::Tape(_) | Kind::Drives(..) => None,
        }
    }
}

/// The drive that a place of discs names: `Some(None)` for all of them, `None` for images.
fn drive(place: &str) -> Option<Option<PathBuf>> {
    let is_device = |path: &Path| std::fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device());
    match place {
        "" => Some(None),
        // One that is not there is no folder, either.
        place if place.starts_with("/dev/") || is_device(Path::new(place)) => Some(Some(place.into())),
        _ => None,
    }
}

/// The id of the set of which a disc is in a drive, or that is meant anyway.
fn drives(text: &str, named: Option<&Path>, set: Option<&str>, sys: &Path) -> Result<String, Failure> {
    let devices = discs::devices(named, sys);
    if devices.is_empty() {
        let reason = "there is no optical drive, or no driver for it".to_owned();
        return Err(Failure::Unusable { what: text.to_owned(), reason });
    }
    if let Some(set) = set {
        return Ok(set.to_owned());
    }
    let mut there = vec![];
    for device in devices {
        let held = match discs::look(&device, None, None) {
            Ok(disc) => return Ok(disc.header.set),
            Err(Held::Nothing | Held::Busy) => "there is no disc in it".to_owned(),
            Err(Held::Sibling(_, what) | Held::Other(what)) => format!("in it is {what}"),
        };
        there.push(format!("{}: {held}", device.display()));
    }
    let reason = format!("no disc of a set was found ({}); try putting in disc 1", there.join("; "));
    Err(Failure::Unusable { what: text.to_owned(), reason })
}

/// The tape that `text` names.
///
/// # Errors
/// [`Failure::Tape`], of several drives the reason of the first with a tape.
pub fn tape(text: &str, sys: &Path) -> Result<Volume, Failure> {
    let unusable = |reason: String| Failure::Unusable { what: text.to_owned(), reason };
    let name = TapeName::parse(text).map_err(unusable)?;
    let mut reason = None;
    for device in name.drives(sys)? {
        match identify(&device, Reach::Far, &|_| ()) {
            Ok(volume) => return Ok(volume),
            // Of several drives the first with a tape gives the reason; an empty one only if all are empty.
            Err(error) if matches!(reason, None | Some(TapeError::NoCartridge { .. })) => reason = Some(error),
            Err(_) => {}
        }
    }
    Err(reason.unwrap_or(TapeError::NoDrives).into())
}

/// Waits until the tape of a volume is in the drive: somebody reads on the console that it is wanted.
fn change(device: PathBuf, set: String, listener: Listener) -> Change<Drive> {
    Box::new(move |number| {
        let began = Instant::now();
        let (mut said, mut is_out) = (String::new(), false);
        loop {
            let there = identify(&device, Reach::Far, &|_| {});
            if let Ok(volume) = &there {
                if volume.header.volume == number && volume.header.set == set {
                    if let Ok(drive) = Drive::open(&device).and_then(Drive::ready) {
                        return Ok(Some(drive));
                    }
                } else
                // Once: whoever puts a wrong tape in reads that, and need not look for the button.
                if !is_out && Drive::open(&device).is_ok_and(|mut drive| drive.unload().is_ok()) {
                    is_out = true;
                }
            }
            let text = wanted(number, &device, there.as_ref());
            // A drive that is still busy with the last tape is no news.
            if text != said && (there.is_ok() || began.elapsed() >= ASKED_EVERY) {
                listener(&text);
                said = text;
            }
            if began.elapsed() >= PATIENCE {
                let text = format!("nobody put the tape with volume {number} into {}", device.display());
                return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, text));
            }
            std::thread::sleep(ASKED_EVERY.min(began.elapsed().max(Duration::from_millis(100))));
        }
    })
}

/// What is said about the tape that is wanted.
fn wanted(number: u32, device: &Path, there: Result<&Volume, &TapeError>) -> String {
    let now = match there {
        Ok(volume) => format!("; in it is {}", volume.header),
        Err(TapeError::NoCartridge { .. }) => String::new(),
        Err(error) => format!("; {error}"),
    };
    format!("put the tape with volume {number} of the set into {}{now}", device.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;
    use lifeboat_sys::tape::VolumeHeader;

    #[test]
    fn places() {
        let dir = tempfile::tempdir().unwrap();
        let find = |text: &str| StreamAt::find(text, None, dir.path(), Search::Alone, &FakeRunner::new());
        assert!(find("/srv/repo").unwrap().is_none() && find("disk:LABEL=x:/repo").unwrap().is_none());
        let file = dir.path().join("web1");
        let text = format!("stream:{}", file.display());
        let failure = find(&text).unwrap_err().to_string();
        assert!(failure.contains("web1.001 exists"), "{failure}");
        std::fs::write(&file, "x").unwrap();
        assert!(find(&text).unwrap().is_some_and(|at| at.path() == Some(&file)));
        for text in ["stream:-", "stream:", "stream:web1"] {
            let failure = find(text).unwrap_err().to_string();
            assert!(failure.contains("stream:disk:LABEL="), "{failure}");
        }
    }

    #[test]
    fn discs_and_images() {
        let dir = tempfile::tempdir().unwrap();
        let find = |text: &str| StreamAt::find(text, None, dir.path(), Search::Alone, &FakeRunner::new());
        let text = format!("discs:{}", dir.path().display());
        let failure = find(&text).unwrap_err().to_string();
        assert!(failure.contains("there is no image of a disc of a set in it"), "{failure}");
        let failure = find("discs:/dev/lifeboat-none").unwrap_err().to_string();
        assert!(failure.contains("/dev/lifeboat-none") && failure.contains("try putting in disc 1"), "{failure}");
        let failure = find("discs:set").unwrap_err().to_string();
        assert!(failure.contains("discs:/PATH"), "{failure}");
        let sys = dir.path().join("sys");
        let failure = drives("discs", None, Some("00"), &sys).unwrap_err().to_string();
        assert!(failure.contains("there is no optical drive"), "{failure}");
        assert!(find("discsx").unwrap().is_none());
    }

    #[test]
    fn tapes_say_what_is_missing() {
        let sys = tempfile::tempdir().unwrap();
        let failure = tape("tape", sys.path()).unwrap_err().to_string();
        assert!(failure.starts_with("there is no tape drive"), "{failure}");
        std::fs::create_dir_all(sys.path().join("class/scsi_tape/nst4711")).unwrap();
        for text in ["tape", "tape:/dev/nst4711"] {
            let failure = tape(text, sys.path()).unwrap_err().to_string();
            assert!(failure.starts_with("cannot OPEN /dev/nst4711: there is no such tape drive"), "{failure}");
        }
        assert!(tape("tape:nst0", sys.path()).unwrap_err().to_string().contains("expected tape or tape:/dev/nst0"));
    }

    #[test]
    fn the_tape_that_is_wanted_and_the_one_that_is_there_are_named() {
        let header = VolumeHeader {
            set: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            volume: 1,
            machine: "web1".into(),
            time: "2026-11-24T03:12:45Z".into(),
            block_bytes: 65536,
        };
        let volume = Volume { device: "/dev/nst0".into(), file: 0, header };
        let text = wanted(2, Path::new("/dev/nst0"), Ok(&volume));
        assert!(text.contains("volume 2 of the set into /dev/nst0; in it is volume 1"), "{text}");
    }
}

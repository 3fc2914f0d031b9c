//! Tapes on the command line: what is in a drive before it is written, and changes of tapes by a person.

use crate::error::{CommandError, Kind};
use crate::session::Session;
use lifeboat_archive::stream::{Sink, Source, TapeSink, TapeSource};
use lifeboat_machine::bytes::terminal;
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_sys::tape::drive::Drive;
use lifeboat_sys::tape::{Reach, TapeError, TapeName, Volume, identify, obdr};
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The one drive that a name means.
fn device(name: &TapeName) -> Result<PathBuf, CommandError> {
    let drives = name.drives(Path::new("/sys"))?;
    match &drives[..] {
        [device] => Ok(device.clone()),
        drives => {
            let shown: Vec<String> = drives.iter().map(|device| device.display().to_string()).collect();
            Err(CommandError::usage(format!("there are several tape drives: {}", shown.join(", "))).hint(format!(
                "tape:{}",
                drives.first().map_or("/dev/nst0".into(), |device| device.display().to_string())
            )))
        }
    }
}

/// What is on the tape in a drive.
///
/// # Errors
/// When there is none, or it is no tape of Lifeboat.
pub fn volume(name: &TapeName) -> Result<Volume, CommandError> {
    Ok(identify(&device(name)?, Reach::Far, &|_| {})?)
}

/// Why a tape may not be overwritten; `None` when it may. `running` is the set that is being written: its volumes never may.
fn in_the_way(device: &Path, force: bool, running: Option<&str>) -> Result<Option<String>, TapeError> {
    judged(identify(device, Reach::Near, &|_| {}), force, running)
}

/// The same from what was found on the tape.
fn judged(found: Result<Volume, TapeError>, force: bool, running: Option<&str>) -> Result<Option<String>, TapeError> {
    use TapeError::{Blank, Foreign, Header, Io, Unreadable};
    match found {
        Err(Blank { .. }) => Ok(None),
        Ok(volume) if running == Some(volume.header.set.as_str()) => Ok(Some(format!(
            "the tape in {} is volume {} of the backup that is running; put in another one",
            volume.device.display(),
            volume.header.volume
        ))),
        Ok(_) | Err(Foreign { .. } | Header { .. } | Unreadable { .. } | Io { .. }) if force => Ok(None),
        Ok(volume) => {
            let text = format!("the tape in {} is {}", volume.device.display(), volume.header);
            Ok(Some(text + &hint(running)))
        }
        Err(error @ (Foreign { .. } | Header { .. } | Unreadable { .. })) => {
            Ok(Some(error.to_string() + &hint(running)))
        }
        Err(error) => Err(error),
    }
}

/// What the error of the first tape says as its hint.
fn hint(running: Option<&str>) -> String {
    running.map(|_| "; --force overwrites such tapes".to_owned()).unwrap_or_default()
}

/// A tape that may be written.
fn writable(device: &Path) -> Result<Drive, TapeError> {
    Drive::open_for_writing(device)?.ready()
}

/// A tape that is read.
fn readable(device: &Path) -> Result<Drive, TapeError> {
    Drive::open(device)?.ready()
}

/// Where volumes go; a tape that holds something is refused, unless forced.
///
/// # Errors
/// Kind `Refused` for such a tape, `Failed` for a drive that cannot be used.
pub fn sink(name: &TapeName, force: bool) -> Result<Box<dyn Sink>, CommandError> {
    let device = check(name, force)?;
    let drive = writable(&device)?;
    Ok(onto(drive, device, force))
}

/// Refuses a tape that holds something, unless forced, and a drive that cannot be written; returns the drive.
///
/// # Errors
/// As [`sink`].
pub fn check(name: &TapeName, force: bool) -> Result<PathBuf, CommandError> {
    let device = device(name)?;
    free(&device, force)?;
    writable(&device)?;
    Ok(device)
}

fn free(device: &Path, force: bool) -> Result<(), CommandError> {
    match in_the_way(device, force, None)? {
        None => Ok(()),
        Some(reason) => Err(CommandError::refused(format!("cannot WRITE the tape: {reason}"))
            .hint("a blank tape, or --force, which overwrites it")),
    }
}

/// Where volumes go behind a rescue system: the tape boots in drives that can show its beginning as a disc. What was written is read
/// back.
///
/// # Errors
/// As [`sink`]; kind `Failed` when the tape differs from what was written.
pub fn sink_behind(
    session: &Session,
    device: PathBuf,
    force: bool,
    iso: &Path,
    label: &str,
) -> Result<Box<dyn Sink>, CommandError> {
    let failed = |verb: &str, error: io::Error| {
        CommandError::new(Kind::Failed, format!("cannot {verb} the tape in {}: {error}", device.display()))
    };
    let total = std::fs::metadata(iso)?.len();
    let image = || std::fs::File::open(iso).map(io::BufReader::new);
    let began = Instant::now();
    let mut shown = Instant::now();
    let mut progress = |phase: &str, bytes: u64| {
        if shown.elapsed() >= Duration::from_millis(500) || bytes == total {
            shown = Instant::now();
            session.reporter.emit(&Event::Progress {
                phase: phase.into(),
                entries: 0,
                entries_total: 0,
                bytes,
                bytes_total: total,
                seconds: began.elapsed().as_secs_f64(),
            });
        }
    };
    // The rescue system took minutes: another tape may be in the drive by now.
    free(&device, force)?;
    let mut drive = writable(&device)?;
    obdr::write(&mut drive, label, &mut image()?, &mut |bytes| progress("image", bytes))
        .map_err(|error| failed("WRITE", error))?;
    drive.rewind().map_err(|error| failed("REWIND", error))?;
    obdr::read_back(&mut drive, label, &mut image()?, &mut |bytes| progress("verify", bytes))
        .map_err(|error| failed("VERIFY", error).hint("another tape, or cleaning the drive"))?;
    session.reporter.finish();
    Ok(onto(drive, device, force))
}

/// True when the drive says that it boots from tapes.
pub fn boots(device: &Path) -> bool {
    let name = device.canonicalize().unwrap_or_else(|_| device.to_owned());
    let inquiry = Path::new("/sys/class/scsi_tape").join(name.file_name().unwrap_or_default()).join("device/inquiry");
    std::fs::read(inquiry).is_ok_and(|inquiry| obdr::is_reported(&inquiry))
}

fn onto(drive: Drive, device: PathBuf, force: bool) -> Box<dyn Sink> {
    let label = device.clone();
    let change = move |number: u32, set: &str| {
        loop {
            if !asked(&device, number)? {
                return Ok(None);
            }
            let ready = in_the_way(&device, force, Some(set)).and_then(|reason| match reason {
                Some(reason) => Ok(Err(reason)),
                None => writable(&device).map(Ok),
            });
            match ready {
                Ok(Ok(drive)) => return Ok(Some(drive)),
                Ok(Err(reason)) => show(&format!("{reason}\n")),
                Err(error) => show(&format!("{error}\n")),
            }
        }
    };
    Box::new(TapeSink::new(drive, Box::new(change), label))
}

/// Where volumes come from.
///
/// # Errors
/// Kind `Failed` for a drive that cannot be used.
pub fn source(session: &Session, name: &TapeName) -> Result<impl Source + use<>, CommandError> {
    let device = device(name)?;
    session.reporter.note(format!("reading the tape in {}", device.display()));
    let label = device.clone();
    let change = move |number: u32| {
        // A set that is read once more begins with a tape that may still be there.
        let mut is_there = number == 1;
        loop {
            if !std::mem::take(&mut is_there) && !asked(&device, number)? {
                return Ok(None);
            }
            // A tape whose header cannot be read is passed on: it is named, and the next one is asked for.
            if let Some(text) = identify(&device, Reach::Far, &|_| {}).ok().and_then(|volume| wrong(&volume, number)) {
                show(&text);
                continue;
            }
            match readable(&device) {
                Ok(drive) => return Ok(Some(drive)),
                Err(error) => show(&format!("{error}\n")),
            }
        }
    };
    // After a backup onto several tapes the last one is in the drive.
    let found = identify(&label, Reach::Far, &|_| {}).ok();
    let is_later = found.is_some_and(|volume| volume.header.volume > 1) && is_asked();
    let drive = match is_later {
        true => change(1).map_err(|error: io::Error| CommandError::new(Kind::Failed, error.to_string()))?,
        false => Some(readable(&label)?),
    };
    let drive = drive.ok_or_else(|| {
        CommandError::new(Kind::Failed, format!("the tape with volume 1 is not in {}", label.display()))
    })?;
    Ok(TapeSource::new(drive, Box::new(change), Reach::Far, label))
}

/// What to say of a tape that has another volume than the one that is read next.
fn wrong(found: &Volume, number: u32) -> Option<String> {
    (found.header.volume != number)
        .then(|| format!("the tape in {} is {}; volume {number} is needed\n", found.device.display(), found.header))
}

/// True when somebody can be asked.
pub fn is_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a person for the tape of a volume; without a terminal there is nobody.
fn asked(device: &Path, number: u32) -> io::Result<bool> {
    answered(&format!("Put the tape for volume {number} into {} and press Enter, or type stop: ", device.display()))
}

/// Whether a person went on after being asked for a medium; without a terminal there is nobody.
pub fn answered(question: &str) -> io::Result<bool> {
    if !is_asked() {
        return Ok(false);
    }
    show(question);
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    Ok(read > 0 && !answer.trim().eq_ignore_ascii_case("stop"))
}

/// A tape's header may hold anything.
fn show(text: &str) {
    crate::output::tell(&terminal(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::tape::{HeaderError, VolumeHeader};

    const SET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    fn found() -> Volume {
        let (machine, time) = ("web1".into(), "2026-11-24T03:12:45Z".into());
        let header = VolumeHeader { set: SET.into(), volume: 1, machine, time, block_bytes: 65536 };
        Volume { device: "/dev/nst0".into(), file: 0, header }
    }

    #[test]
    fn a_volume_of_the_running_backup_is_never_overwritten() {
        for force in [false, true] {
            let reason = judged(Ok(found()), force, Some(SET)).unwrap().unwrap();
            assert!(reason.contains("volume 1 of the backup that is running"), "{reason}");
        }
        // One of another set is, with --force.
        let other = "00000000000000000000000000000000";
        assert_eq!(judged(Ok(found()), true, Some(other)).unwrap(), None);
        assert!(judged(Ok(found()), false, Some(other)).unwrap().is_some());
        assert!(judged(Ok(found()), false, None).unwrap().is_some());
    }

    #[test]
    fn the_tape_that_was_read_is_not_the_next_one() {
        assert!(wrong(&found(), 2).unwrap().contains("volume 2 is needed"));
        assert_eq!(wrong(&found(), 1), None);
    }

    #[test]
    fn only_a_blank_tape_is_written_without_force() {
        let device = || PathBuf::from("/dev/nst0");
        assert_eq!(judged(Err(TapeError::Blank { device: device() }), false, None).unwrap(), None);
        let unusable = || {
            let source = || io::Error::from_raw_os_error(5);
            [
                TapeError::Unreadable { device: device(), source: source() },
                TapeError::Io { verb: "READ the tape in", device: device(), source: source() },
                TapeError::Foreign { device: device(), begins_with: "a tar archive" },
                TapeError::Header { device: device(), source: HeaderError::Newer(9) },
            ]
        };
        for error in unusable() {
            assert!(!matches!(judged(Err(error), false, None), Ok(None)));
        }
        for error in unusable() {
            assert_eq!(judged(Err(error), true, None).unwrap(), None);
        }
    }
}

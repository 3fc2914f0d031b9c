//! Tapes on the command line: what is in a drive before it is written, and changes of tapes by a person.

use crate::error::CommandError;
use crate::session::Session;
use lifeboat_archive::stream::{Sink, Source, TapeSink, TapeSource};
use lifeboat_machine::bytes::terminal;
use lifeboat_sys::tape::drive::Drive;
use lifeboat_sys::tape::{Reach, TapeError, TapeName, identify};
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

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

/// Why a tape may not be overwritten; `None` when it may.
fn in_the_way(device: &Path, force: bool) -> Result<Option<String>, TapeError> {
    match identify(device, Reach::Near, &|_| {}) {
        Err(TapeError::Blank { .. }) => Ok(None),
        Ok(_) | Err(TapeError::Foreign { .. } | TapeError::Header { .. }) if force => Ok(None),
        Ok(volume) => Ok(Some(format!("the tape in {} is {}", device.display(), volume.header))),
        Err(error @ (TapeError::Foreign { .. } | TapeError::Header { .. })) => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// A rewound tape in variable mode that may be written.
fn writable(device: &Path) -> Result<Drive, TapeError> {
    let failed = |verb, source| TapeError::Io { verb, device: device.to_owned(), source };
    let mut drive = Drive::open_for_writing(device)?;
    drive.rewind().map_err(|error| failed("REWIND", error))?;
    drive.set_block_bytes(0).map_err(|error| failed("SET the block size of", error))?;
    Ok(drive)
}

/// Where volumes go; a tape that holds something is refused, unless forced.
///
/// # Errors
/// Kind `Refused` for such a tape, `Failed` for a drive that cannot be used.
pub fn sink(name: &TapeName, force: bool) -> Result<Box<dyn Sink>, CommandError> {
    let device = device(name)?;
    if let Some(reason) = in_the_way(&device, force)? {
        return Err(CommandError::refused(format!("cannot WRITE the tape: {reason}"))
            .hint("a blank tape, or --force, which overwrites it"));
    }
    let drive = writable(&device)?;
    let label = device.clone();
    let change = move |number: u32| {
        loop {
            if !asked(&device, number)? {
                return Ok(None);
            }
            let ready = in_the_way(&device, force).and_then(|reason| match reason {
                Some(reason) => Ok(Err(format!("{reason}; --force overwrites such tapes"))),
                None => writable(&device).map(Ok),
            });
            match ready {
                Ok(Ok(drive)) => return Ok(Some(drive)),
                Ok(Err(reason)) => show(&format!("{reason}\n")),
                Err(error) => show(&format!("{error}\n")),
            }
        }
    };
    Ok(Box::new(TapeSink::new(drive, Box::new(change), label)))
}

/// Where volumes come from.
///
/// # Errors
/// Kind `Failed` for a drive that cannot be used.
pub fn source(session: &Session, name: &TapeName) -> Result<impl Source + use<>, CommandError> {
    let device = device(name)?;
    session.reporter.note(format!("reading the tape in {}", device.display()));
    let rewound = |device: &Path| -> Result<Drive, TapeError> {
        let failed = |verb, source| TapeError::Io { verb, device: device.to_owned(), source };
        let mut drive = Drive::open(device)?;
        drive.rewind().map_err(|error| failed("REWIND", error))?;
        drive.set_block_bytes(0).map_err(|error| failed("SET the block size of", error))?;
        Ok(drive)
    };
    let drive = rewound(&device)?;
    let label = device.clone();
    let change = move |number: u32| {
        loop {
            if !asked(&device, number)? {
                return Ok(None);
            }
            match rewound(&device) {
                Ok(drive) => return Ok(Some(drive)),
                Err(error) => show(&format!("{error}\n")),
            }
        }
    };
    Ok(TapeSource::new(drive, Box::new(change), Reach::Far, label))
}

/// Asks a person for the tape of a volume; without a terminal there is nobody.
fn asked(device: &Path, number: u32) -> io::Result<bool> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(false);
    }
    show(&format!("Put the tape for volume {number} into {} and press Enter, or type stop: ", device.display()));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer)?;
    Ok(read > 0 && !answer.trim().eq_ignore_ascii_case("stop"))
}

fn show(text: &str) {
    let _ = io::stderr().lock().write_all(terminal(text).as_bytes());
}

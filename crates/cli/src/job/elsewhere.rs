//! An archive that is not on the medium: what `--source` may be, and whether it is there now.

use super::{archive, snapshot};
use crate::command::KeyArgs;
use crate::error::{CommandError, CommandResult};
use crate::session::Session;
use lifeboat_archive::Owner;
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_remote::Address;
use lifeboat_restore::stream_name;
use lifeboat_sys::tape::TapeName;

/// Refuses what no recovery would understand as `--source`.
pub fn understood(text: &str) -> CommandResult {
    // A recovery looks for a stream where it looks for a repository.
    let understood = match text.strip_prefix("stream:").unwrap_or(text) {
        tape if TapeName::is_meant(text) => TapeName::parse(tape).map(drop),
        _ if stream_name::discs(text).is_some() => match stream_name::discs(text).unwrap_or_default() {
            place if place.is_empty() || place.starts_with('/') => Ok(()),
            place if OnDisk::is_meant(place) => OnDisk::parse(place).map(drop),
            _ => Err(format!("'{text}': expected discs, discs:/dev/sr0 or discs:disk:UUID=…:/PATH")),
        },
        place if OnDisk::is_meant(place) => OnDisk::parse(place).map(drop),
        _ if stream_name::is_meant(text) => {
            Err(format!("'{text}': expected stream:disk:UUID=…:/PATH, a file on a disk"))
        }
        address => Address::parse(address).map(drop),
    };
    understood.map_err(CommandError::usage)?;
    if text.contains(char::is_whitespace) {
        return Err(CommandError::usage(format!(
            "'{text}': a kernel parameter cannot contain spaces; use UUID= or PARTUUID="
        )));
    }
    Ok(())
}

/// Checks whether the archive that recovery will need is there now. If it is not, that is a warning: it may come later.
pub fn check(session: &Session, key: &KeyArgs, source: &str, machine: &Machine) {
    let owner = Owner::new(&*machine.machine_id, &*machine.name);
    let warn = |text: String| session.reporter.emit(&Event::Warning { text });
    // A tape may be in a safe, and a stream is opened with its key.
    if stream_name::is_meant(source) {
        return;
    }
    // A medium on a web server is mostly put there afterwards.
    if matches!(Address::parse(source), Ok(Address::Http(_))) {
        return;
    }
    let checked = archive::open(session, Some(source), key)
        .and_then(|archive| Ok((archive.repository.latest_of(&owner)?, archive)));
    match checked {
        Ok((snapshot, archive)) => {
            session.reporter.note(format!("{source} holds a snapshot of {}", snapshot.time));
            snapshot::warn_unless_startable(session, &archive, &snapshot, machine);
        }
        Err(error) => warn(format!("no archive can be read from {source} now: {}", error.message())),
    }
}

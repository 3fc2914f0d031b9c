//! Headers of LUKS devices for the archive.

use crate::error::CommandError;
use crate::session::Session;
use lifeboat_machine::{Content, Machine};
use lifeboat_storage::luks;
use std::path::Path;

/// The backups of all LUKS headers of a machine, with their names in the archive: without them nobody could open what is recovered.
///
/// # Errors
/// When one cannot be read, or changed since the machine was read.
pub fn read(session: &Session, machine: &Machine) -> Result<Vec<(String, Vec<u8>)>, CommandError> {
    let mut headers = vec![];
    for device in &machine.layout.devices {
        let Content::Luks(header) = &device.content else { continue };
        let refused =
            |reason: String| CommandError::refused(format!("cannot SAVE the LUKS header of {}: {reason}", device.path));
        let examined = luks::examine(Path::new(&device.path)).map_err(refused)?;
        let examined = examined.ok_or_else(|| refused("it has none any more".into()))?;
        if examined.header != *header {
            return Err(refused("it changed meanwhile".into()).hint("taking the backup again"));
        }
        session.reporter.note(format!("the LUKS header of {}, with its key slots, is part of the backup", device.path));
        headers.push((header.backup_name(), examined.backup));
    }
    Ok(headers)
}

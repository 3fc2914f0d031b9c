//! Headers of LUKS devices for the archive.

use crate::error::CommandError;
use crate::session::Session;
use lifeboat_machine::{Content, DeviceKind, Event, EventSink as _, Machine};
use lifeboat_restore::keyring;
use lifeboat_storage::luks::{self, make};
use lifeboat_sys::{Runner as _, bounded};
use std::path::Path;
use zeroize::Zeroizing;

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

/// Warns of encrypted devices that no key file of the archive will open: an unattended recovery would refuse them.
pub fn warn_of_passphrases(session: &Session, machine: &Machine, sysroot: &Path) {
    let read = |path: &str| {
        let inside = sysroot.join(path.trim_start_matches('/'));
        bounded::read(&inside, keyring::LARGEST_KEY).ok().map(Zeroizing::new)
    };
    for device in &machine.layout.devices {
        let DeviceKind::Crypt(crypt) = &device.kind else { continue };
        let (parent, header) = (machine.layout.device(&crypt.parent), machine.layout.luks_header(crypt));
        let (Some(parent), Some(header)) = (parent, header) else { continue };
        let (keys, _) = keyring::key_files(&crypt.name, &header.uuid, &read);
        let opens = |key: &[u8]| session.runner.run(&make::try_key(Path::new(&parent.path), key)).is_ok();
        if !keys.iter().any(|(_, key)| opens(key)) {
            session.reporter.emit(&Event::Warning {
                text: format!(
                    "{}: no key file of this machine opens it, so a recovery asks for its passphrase, and an unattended one (nuke) refuses; \
                     {} is tried, too, when there is one",
                    parent.path,
                    keyring::OWN_KEY
                ),
            });
        }
    }
}

//! Probing, and refusing what cannot be protected.

use crate::error::CommandError;
use crate::guarded;
use crate::job::watch;
use crate::output::counted;
use crate::session::Session;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_probe::{Probed, Sysroot};
use lifeboat_sys::trusted::{self, OpenError};
use rustix::io::Errno;
use std::path::Path;

/// The largest machine description, in bytes: one of a thousand disks has some megabytes.
const LARGEST_DESCRIPTION: u64 = 64 << 20;

/// Reads the machine below `sysroot`; `archive` is where its archive is written.
pub fn probe(session: &Session, sysroot: &Path, archive: Option<&Path>) -> Result<Probed, CommandError> {
    check_sysroot(sysroot)?;
    if !rustix::process::geteuid().is_root() {
        return Err(CommandError::usage("Lifeboat needs root, to read every file and disk").hint("sudo lifeboat …"));
    }
    if let Some(archive) = archive {
        watch::reach(archive)?;
    }
    let (archive, leave_out) = (archive.map(Path::to_owned), session.config.machine.leave_out.clone());
    let options = lifeboat_probe::Options { archive, leave_out, ..lifeboat_probe::Options::default() };
    Ok(lifeboat_probe::probe_with(&session.runner, &Sysroot::new(sysroot), &options)?)
}

/// Refuses a folder if another user controls where its path leads: what it leads to would be saved, or go onto a medium.
fn check_sysroot(sysroot: &Path) -> Result<(), CommandError> {
    match trusted::open(sysroot) {
        Ok(_) => Ok(()),
        Err(error @ (OpenError::Untrusted { .. } | OpenError::Open { .. })) => {
            let text = format!("--sysroot {}: {error}, who could redirect it", sysroot.display());
            Err(CommandError::refused(text).hint("the path it leads to, without symbolic links"))
        }
        Err(OpenError::System { error, .. }) if [Errno::NOENT, Errno::NOTDIR].contains(&error) => {
            Err(CommandError::usage(format!("--sysroot {}: no such folder", sysroot.display())))
        }
        Err(error) => Err(CommandError::usage(format!("--sysroot {}: {error}", sysroot.display()))),
    }
}

/// Reports the warnings of a probe.
pub fn warn(session: &Session, probed: &Probed) {
    for text in &probed.warnings {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
}

/// Refuses a machine that Lifeboat could not rebuild, with exit code 3 and every reason.
pub fn refuse(session: &Session, probed: &Probed) -> Result<(), CommandError> {
    if probed.refusals.is_empty() {
        return Ok(());
    }
    for refusal in &probed.refusals {
        refusal.lines().iter().for_each(|line| session.reporter.line(line));
    }
    let count = counted(probed.refusals.len(), "refusal");
    let name = &probed.machine.name;
    Err(CommandError::refused(format!("{name} cannot be protected: {count}, nothing was touched")))
}

/// The machine for a backup or medium: read from `description` when given, otherwise probed and refused when it cannot
/// be rebuilt.
pub fn machine(
    session: &Session,
    sysroot: &Path,
    description: Option<&Path>,
    archive: Option<&Path>,
) -> Result<Machine, CommandError> {
    if let Some(path) = description {
        check_sysroot(sysroot)?;
        let (json, _) = guarded::read_at_most(path, LARGEST_DESCRIPTION)
            .map_err(|error| CommandError::usage(format!("cannot READ {}: {error}", path.display())))?;
        return Ok(Machine::from_json(&json)?);
    }
    let probed = probe(session, sysroot, archive)?;
    warn(session, &probed);
    refuse(session, &probed)?;
    Ok(probed.machine)
}

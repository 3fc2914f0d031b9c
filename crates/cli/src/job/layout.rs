//! Edited descriptions: read, and checked against the machine that they are of.

use crate::error::{CommandError, CommandResult, Kind};
use lifeboat_machine::Machine;
use lifeboat_plan::{Policy, consequence};
use std::path::Path;

/// The largest description, in bytes: one of a thousand disks has some megabytes.
const LARGEST: u64 = 64 << 20;

/// Reads a file that may be none of ours.
pub fn bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    lifeboat_sys::bounded::read(path, LARGEST)
        .map_err(|error| CommandError::usage(format!("cannot READ {}: {error}", path.display())))
}

/// Reads a description.
pub fn read(path: &Path) -> Result<Machine, CommandError> {
    let json = bytes(path)?;
    Machine::from_json(&json).map_err(|error| CommandError::refused(format!("{}: {error}", path.display())))
}

/// Refuses a description with which a backup of the machine could not be recovered.
pub fn check(recorded: &Machine, machine: &Machine) -> CommandResult {
    match lifeboat_plan::wanted(recorded, machine, &Policy::default()) {
        Ok(_) => Ok(()),
        Err(error) => Err(CommandError { kind: Kind::Refused, error: error.into(), hints: vec![] }),
    }
}

/// Refuses a layout for which the system below a root lacks packages.
pub fn check_packages(recorded: &Machine, machine: &Machine, root: &Path) -> CommandResult {
    let there = |file: &&str| root.join(file.trim_start_matches('/')).exists();
    match consequence::required(recorded, machine).iter().find(|one| !one.files.iter().any(there)) {
        None => Ok(()),
        Some(one) => Err(CommandError::refused(format!(
            "{} needs the package {}, which this system does not have",
            one.what, one.package
        ))
        .hint(format!("apt install {}, and a new backup", one.package))),
    }
}

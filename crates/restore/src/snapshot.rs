//! What a snapshot says about itself: the machine and the manifest in its `.lifeboat/`, and whether this rescue system can
//! recover it.

use crate::archived::Archived;
use crate::failure::Failure;
use lifeboat_archive::repository::listed;
use lifeboat_archive::{ArchiveError, Owner, Repository, SnapshotInfo};
use lifeboat_machine::{ArchiveManifest, FormatError, Machine, MediumManifest};
use std::path::Path;
use std::sync::Arc;

/// How many snapshots are tried to find one that fits: across the network each costs some round trips.
const LOOKED_AT: usize = 10;

/// Reads the machine and the manifest of a snapshot.
///
/// # Errors
/// [`Failure::Mismatch`] for another release's format; when they cannot be read or do not belong together.
pub fn read(repository: &Repository, snapshot: &SnapshotInfo) -> Result<(Machine, ArchiveManifest), Failure> {
    let what = format!("snapshot {}", snapshot.short_id());
    read_with(&what, &snapshot.program, &|path| repository.read_file(snapshot, path))
}

/// The same of what `what` names, from its own files.
///
/// # Errors
/// As [`read`].
pub fn read_with(
    what: &str,
    program: &str,
    read_file: &dyn Fn(&Path) -> Result<Vec<u8>, ArchiveError>,
) -> Result<(Machine, ArchiveManifest), Failure> {
    let program = if program.is_empty() { "another program" } else { program };
    let of_lifeboat = |error: ArchiveError| match error {
        ArchiveError::NotInSnapshot { .. } => Failure::Unusable {
            what: what.to_owned(),
            reason: format!("{error}; {} wrote it, but not as a backup of a machine", program),
        },
        other => other.into(),
    };
    let manifest = read_file(Path::new("/.lifeboat/manifest.json")).map_err(of_lifeboat)?;
    let manifest = ArchiveManifest::from_json(&manifest)
        .map_err(|error| Failure::Mismatch(format!("the manifest in {what} cannot be used: {error}")))?;
    let machine_json = read_file(Path::new("/.lifeboat/machine.json")).map_err(of_lifeboat)?;
    if blake3::hash(&machine_json).to_hex().as_str() != manifest.machine_blake3 {
        return Err(Failure::Mismatch(format!("machine.json and manifest.json in {what} do not belong together")));
    }
    let machine = Machine::from_json(&machine_json).map_err(|error| match error {
        // Only the manifest says which release wrote it.
        FormatError::Version { .. } => {
            Failure::Mismatch(format!("{what}: {error}, Lifeboat {}, or a medium made with it", manifest.lifeboat))
        }
        other => other.into(),
    })?;
    Ok((machine, manifest))
}

/// Snapshots that cannot be read, and may be newer than the one that is `taken` as the latest, for people.
pub fn doubts(repository: &Repository, taken: &SnapshotInfo) -> Vec<String> {
    let text = |cause: &str| format!("{cause}; it may be newer than {}, which is taken", taken.short_id());
    repository.unreadable_snapshots().iter().map(|unreadable| text(&unreadable.cause.to_string())).collect()
}

/// The machine that a medium is for.
pub fn owner(ours: &MediumManifest) -> Owner {
    Owner::new(&*ours.machine_id, &*ours.machine_name)
}

/// Refuses a snapshot of another machine than the rescue system's. Cloned machines may have the same id and different names, and
/// so has a renamed machine: such a snapshot is used if it was `named`.
///
/// # Errors
/// [`Failure::Mismatch`] with both names.
pub fn check_machine(
    archived: &Archived,
    machine: &Machine,
    ours: &MediumManifest,
    named: bool,
) -> Result<(), Failure> {
    let is_same = owner(ours).is(&Owner::new(&*machine.machine_id, &*machine.name));
    if is_same && (named || machine.name == ours.machine_name) {
        return Ok(());
    }
    if is_same {
        return Err(Failure::Mismatch(format!(
            "{what} is of machine '{}', this rescue system of '{}'; both have the machine id {}, so the \
             machine was renamed or is a clone; if it is the right one, try lifeboat.snapshot={id} on the kernel \
             command line, or --snapshot {id}",
            machine.name,
            ours.machine_name,
            ours.machine_id,
            what = archived.what(),
            id = archived.short_id(),
        )));
    }
    Err(Failure::Mismatch(format!(
        "{} belongs to machine '{}' ({}), this rescue system to '{}' ({})",
        archived.what(),
        machine.name,
        machine.machine_id,
        ours.machine_name,
        ours.machine_id
    )))
}

/// Adds the remedy to why a snapshot cannot be recovered: the latest one of this machine that can.
pub fn with_way_out(failure: Failure, refused: &Archived, ours: &MediumManifest) -> Failure {
    let (Failure::Mismatch(text), Archived::Snapshot(repository, refused)) = (&failure, refused) else {
        return failure;
    };
    let snapshots = repository.snapshots_of(&owner(ours)).unwrap_or_default();
    let fits = |snapshot: &&SnapshotInfo| {
        let archived = Archived::Snapshot(Arc::clone(repository), (*snapshot).clone());
        read(repository, snapshot).is_ok_and(|(machine, _)| check_machine(&archived, &machine, ours, false).is_ok())
    };
    let others = snapshots.iter().rev().filter(|other| other.id != refused.id);
    let way_out = match others.take(LOOKED_AT).find(fits) {
        Some(other) => format!(
            "the latest that can be recovered here is of {}; try lifeboat.snapshot={id} on the kernel command line, \
             or --snapshot {id}",
            other.time,
            id = other.short_id()
        ),
        None => "no other snapshot there can be recovered here; try another archive, or the medium of that machine or \
         release"
            .to_owned(),
    };
    Failure::Mismatch(format!("{text}; {way_out}"))
}

/// The latest snapshot of the rescue system's machine.
///
/// # Errors
/// When there is none, with the machines whose snapshots there are.
pub fn latest(repository: &Repository, ours: &MediumManifest) -> Result<SnapshotInfo, Failure> {
    match repository.latest_of(&owner(ours)) {
        Err(ArchiveError::Snapshot { .. }) => {}
        other => return Ok(other?),
    }
    let there = match &repository.machines()?[..] {
        [] => "it holds no snapshot of any machine".to_owned(),
        machines => format!("it holds snapshots of {} only", listed(machines)),
    };
    Err(Failure::Unusable {
        what: repository.location().display().to_string(),
        reason: format!("there is no snapshot of machine {}: {there}; try another archive", owner(ours)),
    })
}

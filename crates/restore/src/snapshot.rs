//! What a snapshot says of itself: the machine and the manifest in its `.lifeboat/`, and whether this rescue system can
//! recover it.

use crate::failure::Failure;
use lifeboat_archive::{ArchiveError, Repository, SnapshotInfo};
use lifeboat_machine::{ArchiveManifest, FormatError, Machine, MediumManifest};
use std::collections::BTreeSet;
use std::path::Path;

/// How many snapshots are looked at for one that fits: across the network each costs some round trips.
const LOOKED_AT: usize = 10;

/// Reads the machine and the manifest of a snapshot.
///
/// # Errors
/// [`Failure::Mismatch`] for what another release wrote in another format; when they cannot be read or do not belong together.
pub fn read(repository: &Repository, snapshot: &SnapshotInfo) -> Result<(Machine, ArchiveManifest), Failure> {
    let id = snapshot.short_id();
    let of_lifeboat = |error: ArchiveError| match error {
        ArchiveError::NotInSnapshot { .. } => Failure::Unusable {
            what: format!("snapshot {id}"),
            reason: format!("{error}; {} wrote it, but not as a backup of a machine", program(snapshot)),
        },
        other => other.into(),
    };
    let manifest = repository.read_file(snapshot, Path::new("/.lifeboat/manifest.json")).map_err(of_lifeboat)?;
    let manifest = ArchiveManifest::from_json(&manifest)
        .map_err(|error| Failure::Mismatch(format!("the manifest in snapshot {id} cannot be used: {error}")))?;
    let machine_json = repository.read_file(snapshot, Path::new("/.lifeboat/machine.json")).map_err(of_lifeboat)?;
    if blake3::hash(&machine_json).to_hex().as_str() != manifest.machine_blake3 {
        return Err(Failure::Mismatch(format!(
            "machine.json and manifest.json in snapshot {id} do not belong together"
        )));
    }
    let machine = Machine::from_json(&machine_json).map_err(|error| match error {
        // Only the manifest knows who wrote it.
        FormatError::Version { .. } => Failure::Mismatch(format!(
            "snapshot {id}: {error}, Lifeboat {}, or a medium that it made",
            manifest.lifeboat
        )),
        other => other.into(),
    })?;
    Ok((machine, manifest))
}

fn program(snapshot: &SnapshotInfo) -> &str {
    if snapshot.program.is_empty() { "another program" } else { &snapshot.program }
}

/// Refuses a snapshot of another machine than the rescue system's.
///
/// # Errors
/// [`Failure::Mismatch`] that names both.
pub fn check_machine(snapshot: &SnapshotInfo, machine: &Machine, ours: &MediumManifest) -> Result<(), Failure> {
    if machine.machine_id == ours.machine_id && machine.name == ours.machine_name {
        return Ok(());
    }
    Err(Failure::Mismatch(format!(
        "snapshot {} belongs to machine '{}' ({}), this rescue system to '{}' ({})",
        snapshot.short_id(),
        machine.name,
        machine.machine_id,
        ours.machine_name,
        ours.machine_id
    )))
}

/// Adds the way out to why a snapshot cannot be recovered: the latest one of this machine that can.
pub fn with_way_out(
    failure: Failure,
    repository: &Repository,
    refused: &SnapshotInfo,
    ours: &MediumManifest,
) -> Failure {
    let Failure::Mismatch(text) = failure else { return failure };
    let snapshots = repository.snapshots().unwrap_or_default();
    let fits = |snapshot: &&SnapshotInfo| {
        read(repository, snapshot).is_ok_and(|(machine, _)| check_machine(snapshot, &machine, ours).is_ok())
    };
    let others = snapshots.iter().rev().filter(|other| other.id != refused.id && other.host == ours.machine_name);
    let way_out = match others.take(LOOKED_AT).find(fits) {
        Some(other) => format!(
            "the latest that can be recovered here is of {}: lifeboat.snapshot={id} on the kernel command line, or \
             --snapshot {id}",
            other.time,
            id = other.short_id()
        ),
        None => "no other snapshot there can be recovered here; name another archive, or boot the medium of that machine or \
                 release"
            .to_owned(),
    };
    Failure::Mismatch(format!("{text}; {way_out}"))
}

/// The latest snapshot of the rescue system's machine.
///
/// # Errors
/// When there is none: whose snapshots are there instead.
pub fn latest(repository: &Repository, ours: &MediumManifest) -> Result<SnapshotInfo, Failure> {
    match repository.latest_of(&ours.machine_name) {
        Err(ArchiveError::Snapshot { .. }) => {}
        other => return Ok(other?),
    }
    let hosts: BTreeSet<String> = repository.snapshots()?.into_iter().map(|snapshot| snapshot.host).collect();
    let hosts: Vec<String> = hosts.into_iter().map(|host| format!("'{host}'")).collect();
    let there = match &hosts[..] {
        [] => "it holds no snapshot at all".to_owned(),
        hosts => format!("it holds snapshots of {} only", hosts.join(", ")),
    };
    Err(Failure::Unusable {
        what: repository.location().display().to_string(),
        reason: format!("no snapshot of machine '{}' is there: {there}; name another archive", ours.machine_name),
    })
}

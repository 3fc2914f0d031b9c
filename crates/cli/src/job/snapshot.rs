//! Which snapshot a command takes: the one that was named, the medium's own, or the latest of this machine. Another machine's is used
//! only when it is named, or when the repository has only that one's and its files go to a separate place.

use crate::error::CommandError;
use crate::job::archive::Archive;
use crate::session::Session;
use lifeboat_archive::repository::listed;
use lifeboat_archive::{ArchiveError, Owner, SnapshotInfo};
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_probe::Sysroot;
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem, is_rescue_system};
use lifeboat_restore::startable;
use std::path::Path;

/// Where the snapshot's files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To the places of the machine whose root it is.
    InPlace,
    /// Nowhere, or to a folder.
    Elsewhere,
}

/// The machine below `root`; in the rescue system the one that it was made for.
pub fn this_machine(root: &Path) -> Result<Owner, CommandError> {
    let directories = RescueDirectories::default();
    if root == Path::new("/") && is_rescue_system(&directories) {
        return Ok(lifeboat_restore::snapshot::owner(&RescueSystem::open(directories)?.manifest));
    }
    let (id, name) = lifeboat_probe::identity(&Sysroot::new(root));
    Ok(Owner::new(id, name))
}

fn warn_of_unreadable(session: &Session, archive: &Archive, taken: &SnapshotInfo) {
    for text in lifeboat_restore::snapshot::doubts(&archive.repository, taken) {
        session.reporter.emit(&Event::Warning { text });
    }
}

/// Refuses a snapshot whose tag names this machine and whose own manifest names another one: tags are anyone's who has the key.
fn check_mark(archive: &Archive, snapshot: &SnapshotInfo, machine: &Owner) -> Result<(), CommandError> {
    let Ok((described, _)) = super::archive::describe(&archive.repository, snapshot) else { return Ok(()) };
    if machine.is(&Owner::new(&*described.machine_id, &*described.name)) {
        return Ok(());
    }
    Err(CommandError::refused(format!(
        "snapshot {} is marked as of this machine, {machine}, but it is of '{}' ({})",
        snapshot.short_id(),
        described.name,
        described.machine_id
    ))
    .hint("--snapshot ID of another one; 'lifeboat list' shows all"))
}

/// Warns of a snapshot from which its machine would not start.
pub fn warn_unless_startable(session: &Session, archive: &Archive, snapshot: &SnapshotInfo, machine: &Machine) {
    let what = format!("snapshot {}", snapshot.short_id());
    let text = startable::remark(&what, machine, |paths| archive.repository.filled(snapshot, paths));
    if let Some(text) = text {
        session.reporter.emit(&Event::Warning { text });
    }
}

/// The snapshot to use. `root` is the root of the machine that asks.
pub fn choose(
    session: &Session,
    archive: &Archive,
    wanted: Option<&str>,
    root: &Path,
    what_for: Use,
) -> Result<SnapshotInfo, CommandError> {
    let of_medium =
        archive.source.manifest().and_then(|manifest| manifest.archive.as_ref()).map(|a| a.snapshot.as_str());
    if let Some(id) = wanted.filter(|id| *id != "latest").or(of_medium.filter(|_| wanted.is_none())) {
        return Ok(archive.repository.find_snapshot(id)?);
    }
    let machine = this_machine(root)?;
    let none = match archive.repository.latest_of(&machine) {
        Ok(snapshot) => {
            warn_of_unreadable(session, archive, &snapshot);
            check_mark(archive, &snapshot, &machine)?;
            if snapshot.host != machine.name {
                let text = format!(
                    "snapshot {} is of machine '{}', which has the same machine id as this one ('{}'): it was renamed \
                     or is a clone",
                    snapshot.short_id(),
                    snapshot.host,
                    machine.name
                );
                session.reporter.emit(&Event::Warning { text });
            }
            return Ok(snapshot);
        }
        Err(error @ ArchiveError::Snapshot { .. }) => error,
        Err(error) => return Err(error.into()),
    };
    let machines = archive.repository.machines()?;
    match &machines[..] {
        [] => Err(none.into()),
        [(owner, latest)] if what_for == Use::Elsewhere => {
            warn_of_unreadable(session, archive, latest);
            session.reporter.note(format!("snapshot {} is of machine {owner}, the only one there", latest.short_id()));
            Ok(latest.clone())
        }
        machines => Err(CommandError::refused(format!(
            "the repository has no snapshot of this machine, {machine}; it has those of {}",
            listed(machines)
        ))
        .hint("--snapshot ID takes another machine's; 'lifeboat list' shows all")),
    }
}

//! Copies one snapshot into another repository, e.g. onto a medium: its blobs are decrypted, checked and encrypted anew
//! by rustic, whose copy keeps trees and blobs as they are.

use super::store::{backends, guarded};
use super::{Repository, SnapshotInfo, no_cache, rustic_master};
use crate::ArchiveError;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{Credentials, OpenStatus};

fn open(repository: &Repository) -> Result<rustic_core::Repository<OpenStatus>, ArchiveError> {
    let path = repository.location();
    let damaged = || repository.store.damaged("config", "its key");
    let credentials = Credentials::Masterkey(rustic_master(&repository.master).ok_or_else(damaged)?);
    let backends = backends(path)?;
    guarded("OPEN", path, || rustic_core::Repository::new(&no_cache(), &backends)?.open(&credentials))
}

/// Copies `snapshot` of `from` into `to`; gives it as it is there, for its id is another one.
pub(super) fn run(from: &Repository, to: &Repository, snapshot: &SnapshotInfo) -> Result<SnapshotInfo, ArchiveError> {
    let source = open(from)?;
    let target = open(to)?;
    let before: Vec<String> = to.snapshots()?.into_iter().map(|known| known.id).collect();
    let chosen: Vec<SnapshotFile> = guarded("READ", from.location(), || source.get_snapshots(&[snapshot.id.as_str()]))?;
    guarded("COPY", to.location(), || source.to_indexed()?.copy(&target.to_indexed_ids()?, chosen.iter()))?;
    // A copy of the same snapshot that is there already has the same id as before.
    let after = to.snapshots()?;
    let added = after.iter().find(|known| !before.contains(&known.id)).or_else(|| after.last());
    added.cloned().ok_or_else(|| ArchiveError::Snapshot {
        wanted: snapshot.id.clone(),
        cause: "its copy is not in the repository it was written to".to_owned(),
    })
}

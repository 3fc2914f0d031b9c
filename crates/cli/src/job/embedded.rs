//! One snapshot of a repository for a medium: it alone is copied, into a repository with a key of its own.

use super::archive::{self, Archive};
use super::boot_check::OwnKey;
use super::medium::{Workshop, timed};
use super::medium_repository;
use super::snapshot::{self, Use};
use crate::command::KeyArgs;
use crate::error::CommandError;
use crate::session::Session;
use lifeboat_archive::{Secret, SnapshotInfo};
use lifeboat_machine::Machine;
use lifeboat_machine::manifest::{ArchiveManifest, ArchiveRef};
use std::path::Path;

/// A snapshot, and what is known of it.
pub struct Chosen {
    /// Its repository.
    pub archive: Archive,
    /// The machine's key.
    pub secret: Secret,
    /// The snapshot.
    pub snapshot: SnapshotInfo,
    /// The machine that it is of.
    pub machine: Machine,
    /// The most that it takes, in bytes.
    pub bytes: u64,
    manifest: ArchiveManifest,
}

impl Chosen {
    /// Chooses the latest snapshot of a repository, or the one that is named, for the machine below `root`.
    pub fn open(
        session: &Session,
        (from, key): (&str, &KeyArgs),
        named: Option<&str>,
        root: &Path,
    ) -> Result<Chosen, CommandError> {
        let archive = archive::open(session, Some(from), key)?;
        // A medium may be the source; then its key is not the one that opens the machine's own media.
        let secret = match archive.from_medium {
            true => OwnKey::find(session, key)?.secret.unwrap_or_else(|| archive.secret.clone()),
            false => archive.secret.clone(),
        };
        let snapshot = snapshot::choose(session, &archive, named, root, Use::Elsewhere)?;
        let (machine, manifest) = archive::describe(&archive.repository, &snapshot)?;
        snapshot::warn_unless_startable(session, &archive, &snapshot, &machine);
        let bytes = archive.repository.snapshot_bytes(&snapshot)?;
        Ok(Chosen { archive, secret, snapshot, machine, bytes, manifest })
    }

    /// Copies it into the repository of a workshop; returns what a manifest says of it, and the key of that repository if the medium is to hold
    /// it.
    pub fn copy(
        &self,
        session: &Session,
        workshop: &Workshop,
        embed_key: bool,
    ) -> Result<(ArchiveRef, Option<Secret>), CommandError> {
        let place = workshop.repository();
        let (copy, own) = medium_repository::create(&place, &self.secret, &self.machine.name, embed_key)?;
        let copied = timed(session, "copy", || Ok(self.archive.repository.copy_snapshot(&self.snapshot, &copy)?))?;
        let (entries, bytes) = (self.manifest.entries, self.manifest.bytes);
        let reference = ArchiveRef { snapshot: copied.id, repository: copy.id(), entries, bytes };
        drop(copy);
        medium_repository::keep_spare(&place)?;
        Ok((reference, own))
    }
}

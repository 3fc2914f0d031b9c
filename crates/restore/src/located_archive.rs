//! The archive of a recovery, found on the medium or elsewhere.

use crate::archived::{Archived, Set};
use crate::failure::Failure;
use crate::medium;
use crate::network::Network;
use crate::on_disk::Search;
use crate::recovery::AskKey;
use crate::rescue::RescueSystem;
use crate::source::Source;
use crate::stacks::Stacks;
use crate::stream_place::StreamAt;
use crate::view;
use lifeboat_archive::{ArchiveError, Place, Secret};
use lifeboat_machine::manifest::ArchiveRef;
use lifeboat_machine::{Event, EventSink};
use lifeboat_sys::Runner;
use std::sync::Arc;

/// An archive that belongs to this rescue system, as far as can be determined without its key.
#[derive(Debug)]
pub struct LocatedArchive {
    /// The repository.
    pub place: Place,
    /// What the medium's manifest says about it; `None` for a repository without a medium.
    pub archive: Option<ArchiveRef>,
    /// The key, if a medium carries it.
    pub key: Option<Secret>,
    /// Every byte of it was read and verified.
    pub verified: bool,
    /// Keeps what is mounted.
    pub source: Option<Source>,
}

impl LocatedArchive {
    /// On the medium that init found: every byte of it is read.
    ///
    /// # Errors
    /// Without a medium, or when it is damaged or holds no archive.
    pub fn on_medium(rescue: &RescueSystem, sink: &dyn EventSink) -> Result<LocatedArchive, Failure> {
        let medium = rescue.medium()?;
        let verified = prove(medium.verify(sink), rescue.parameters.damaged, sink)?;
        let Some(place) = medium.repository() else {
            return Err(medium::holds_no_archive(&medium.manifest));
        };
        let (key, archive) = (medium.key()?, medium.manifest.archive.clone());
        // The manifest covers no repository that is written again.
        let verified = verified && medium.manifest.repository.is_none();
        Ok(LocatedArchive { place, archive, key, verified, source: None })
    }

    /// At an address or a path. There is a repository, or a medium: then it must be the one that this rescue system
    /// belongs to. The local medium, if there is one, is checked and provides the key.
    ///
    /// # Errors
    /// When the place has no archive, or a medium of another rescue system.
    pub fn elsewhere(
        rescue: &RescueSystem,
        place: &str,
        network: &Network,
        runner: &dyn Runner,
        sink: &dyn EventSink,
    ) -> Result<LocatedArchive, Failure> {
        let mut key = key_of_medium(rescue, sink)?;
        let ours = |manifest: &[u8]| manifest == rescue.manifest_json;
        let source = Source::open_wanted(place, &rescue.directories.run, network, runner, &ours)?;
        sink.emit(&Event::Note { text: format!("the archive is at {}", source.repository.label().display()) });
        for layer in Stacks::here().map(|stacks| stacks.activated()).transpose()?.into_iter().flatten() {
            sink.emit(&Event::Note { text: format!("activated read-only: {layer}") });
        }
        let mut verified = false;
        if let Some(medium) = &source.medium {
            let on_medium = Failure::read(&medium.directory.join("manifest.json"))?;
            check(rescue, &on_medium, place, &medium.manifest.machine_name, &medium.manifest.medium_id)?;
        }
        if let Some(web) = &source.web {
            check(rescue, &web.manifest_json, place, &web.manifest.machine_name, &web.manifest.medium_id)?;
        }
        if let Some((view, manifest)) = source.near() {
            // One that is mounted or stored here is verified like one in a drive.
            verified = prove(view::verify(&view, manifest, sink), rescue.parameters.damaged, sink)?;
            verified &= manifest.repository.is_none();
        }
        if key.is_none() {
            key = source.key()?;
        }
        let archive = source.manifest().and_then(|manifest| manifest.archive.clone());
        Ok(LocatedArchive { place: source.repository.clone(), archive, key, verified, source: Some(source) })
    }
}

/// Verifies the local medium, if there is one; returns the key that it carries.
fn key_of_medium(rescue: &RescueSystem, sink: &dyn EventSink) -> Result<Option<Secret>, Failure> {
    if rescue.source.is_none() {
        return Ok(None);
    }
    let medium = rescue.medium()?;
    prove(medium.verify(sink), rescue.parameters.damaged, sink)?;
    medium.key()
}

/// A set of volumes that a machine is recovered from, still locked.
pub struct LocatedSet {
    at: Arc<StreamAt>,
    key: Option<Secret>,
}

impl LocatedSet {
    /// Finds it. The local medium, if there is one, is checked and provides the key.
    ///
    /// # Errors
    /// When the place has no set.
    pub fn at(
        rescue: &RescueSystem,
        place: &str,
        runner: &dyn Runner,
        sink: &dyn EventSink,
    ) -> Result<LocatedSet, Failure> {
        // Before every byte of the medium is read.
        let at = StreamAt::find(place, rescue.set_at(place), &rescue.directories.run, Search::Alone, runner)?
            .ok_or_else(|| Failure::Unusable { what: place.to_owned(), reason: "it is no stream".into() })?;
        let key = key_of_medium(rescue, sink)?;
        Ok(LocatedSet { at: Arc::new(at), key })
    }

    /// Opens it with the key that was found, or else with one that is asked for until it fits.
    ///
    /// # Errors
    /// When it cannot be read, or nobody has the key.
    pub fn open(self, ask: &AskKey<'_>, network: &Network) -> Result<Set, Failure> {
        let mut key = match self.key {
            Some(key) => key,
            None => ask(None)?,
        };
        loop {
            match self.at.open(&key, network) {
                Err(Failure::Archive(
                    error @ (ArchiveError::WrongKeyForStream { .. } | ArchiveError::PassphraseForStream),
                )) => key = ask(Some(error))?,
                Err(failure) => return Err(failure),
                Ok(stream) => return Ok(Set::new(self.at, stream)),
            }
        }
    }
}

/// Refuses a set when a person named another backup: it has this one alone.
///
/// # Errors
/// [`Failure::Unusable`].
pub fn check_wanted(rescue: &RescueSystem, archived: &Archived) -> Result<(), Failure> {
    match rescue.parameters.snapshot.as_deref() {
        Some(wanted) if wanted != "latest" && !archived.id().starts_with(wanted) => Err(Failure::Unusable {
            what: archived.location().display().to_string(),
            reason: format!("it has {}, and not {wanted}; try the tape or the file with that one", archived.what()),
        }),
        _ => Ok(()),
    }
}

fn check(rescue: &RescueSystem, manifest: &[u8], place: &str, machine: &str, medium: &str) -> Result<(), Failure> {
    if manifest == rescue.manifest_json {
        return Ok(());
    }
    Err(Failure::Mismatch(format!(
        "the medium at {place} is {medium} of machine '{machine}', but this rescue system belongs to {} of machine '{}'",
        rescue.manifest.medium_id, rescue.manifest.machine_name,
    )))
}

/// The result of checking a medium: whether it is intact. With `damaged`, what is left of a damaged one is wanted, and its archive must
/// be verified separately.
fn prove(verified: Result<(), Failure>, damaged: bool, sink: &dyn EventSink) -> Result<bool, Failure> {
    match verified {
        Ok(()) => Ok(true),
        Err(Failure::Damaged { file, problem }) if damaged => {
            let text =
                format!("the medium is damaged: {file} {problem}; the readable part of the archive on it is used");
            sink.emit(&Event::Warning { text });
            Ok(false)
        }
        Err(Failure::Damaged { file, problem }) if file.starts_with("repo/") => Err(Failure::Damaged {
            file,
            problem: format!(
                "{problem} (what is left can be recovered: lifeboat.damaged=restore on the kernel command line, 'lifeboat restore \
                 --damaged', or the interactive mode, which shows what is lost)"
            ),
        }),
        Err(failure) => Err(failure),
    }
}

//! The archive of a recovery, found on the medium or elsewhere.

use crate::failure::Failure;
use crate::medium;
use crate::network::Network;
use crate::rescue::RescueSystem;
use crate::source::{self, Source};
use crate::stacks::Stacks;
use lifeboat_archive::{Place, Secret};
use lifeboat_machine::manifest::ArchiveRef;
use lifeboat_machine::{Event, EventSink};
use lifeboat_sys::Runner;
use lifeboat_sys::tape::TapeName;
use std::path::Path;

/// An archive that belongs to this rescue system, as far as can be told without its key.
#[derive(Debug)]
pub struct Found {
    /// The repository.
    pub place: Place,
    /// What the medium's manifest says of it; `None` for a repository by itself.
    pub archive: Option<ArchiveRef>,
    /// The key, when a medium carries it.
    pub key: Option<Secret>,
    /// Every byte of it was read and is right.
    pub verified: bool,
    /// Keeps what is mounted.
    pub source: Option<Source>,
}

impl Found {
    /// On the medium that init found: every byte of it is read.
    ///
    /// # Errors
    /// Without a medium, or when it is damaged or holds no archive.
    pub fn on_medium(rescue: &RescueSystem, sink: &dyn EventSink) -> Result<Found, Failure> {
        let medium = rescue.medium()?;
        medium.verify(sink)?;
        let (Some(location), Some(archive)) = (medium.repository(), medium.manifest.archive.clone()) else {
            return Err(medium::holds_no_archive(&medium.manifest));
        };
        let key = medium.key()?;
        Ok(Found { place: Place::Sealed(location), archive: Some(archive), key, verified: true, source: None })
    }

    /// At an address or a path. What lies there is a repository by itself, or a medium: then it must be the one that this rescue system
    /// belongs to. The local medium, when there is one, is checked and gives the key.
    ///
    /// # Errors
    /// When the place gives no archive, or a medium of another rescue system.
    pub fn elsewhere(
        rescue: &RescueSystem,
        place: &str,
        network: &Network,
        runner: &dyn Runner,
        sink: &dyn EventSink,
    ) -> Result<Found, Failure> {
        if TapeName::is_meant(place) {
            // Said before every byte of the medium is read.
            source::tape(place, Path::new("/sys"))?;
        }
        let mut key = None;
        if rescue.source.is_some() {
            let medium = rescue.medium()?;
            medium.verify(sink)?;
            key = medium.key()?;
        }
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
            // A mounted medium is proven like one in a drive.
            medium.verify(sink)?;
            verified = true;
        }
        if let Some(web) = &source.web {
            check(rescue, &web.manifest_json, place, &web.manifest.machine_name, &web.manifest.medium_id)?;
        }
        if key.is_none() {
            key = source.key()?;
        }
        let archive = source.manifest().and_then(|manifest| manifest.archive.clone());
        Ok(Found { place: source.repository.clone(), archive, key, verified, source: Some(source) })
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

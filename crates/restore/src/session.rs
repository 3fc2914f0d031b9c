//! What a person does in the interactive mode, one call a step: open a source, choose a snapshot, look at the hardware,
//! recover the machine or some of its files. Nothing here asks or shows anything; `screen` does.

use crate::archived::{Archived, Set};
use crate::compare::{self, Access};
use crate::failure::Failure;
pub use crate::listed::{ListedFile, found_in};
use crate::located_archive::check_wanted;
use crate::medium::{self, Medium};
use crate::network::Network;
use crate::nuke;
use crate::observe::Observing;
use crate::on_disk::Search;
use crate::proof;
use crate::recovery::{Recovery, stage};
use crate::rescue::RescueSystem;
use crate::source::Source;
use crate::stacks::{self, Stacks};
use crate::stream_name;
use crate::stream_place::StreamAt;
use crate::view::{self, View};
use lifeboat_archive::{ArchiveError, Problem, Repository, RestoreOptions, Secret, Selection, SnapshotInfo, words};
use lifeboat_machine::{Event, EventSink, FoundHardware, Machine, MediumManifest};
use lifeboat_plan::{Plan, Policy};
use lifeboat_remote::patience::Listener;
use lifeboat_storage::Locked;
use lifeboat_sys::Runner;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Fewer words are a passphrase: the shortest key has this many (BIP-39).
const FEWEST_WORDS: usize = 12;
const NO_MATCH: &str = "this key does not match; try again";

/// A backup in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Id of its snapshot, hex.
    pub id: String,
    /// When it began, RFC 3339.
    pub time: String,
    /// Entries; 0 when not known.
    pub entries: u64,
    /// Bytes; 0 when not known.
    pub bytes: u64,
}

/// The result of an attempt to open a source.
#[derive(Debug)]
pub enum Opened {
    /// The machine's backups, oldest first, the default one, and why it is not the one that
    /// `lifeboat.snapshot=` names.
    Backups(Vec<Backup>, usize, Option<String>),
    /// The key must be typed, for this reason.
    KeyWanted(String),
    /// The passphrase of a disk must be typed, for this reason.
    DiskLocked(String),
}

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To their places on the machine's own disks, as they are.
    Machine,
    /// Below a folder.
    Folder(PathBuf),
}

/// The result of restoring files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredFiles {
    /// Entries restored.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that could not be restored, each with the reason.
    pub problems: Vec<(PathBuf, String)>,
}

/// Where the archive is.
enum Place {
    Medium(Medium),
    Source(Source),
    Stream(Arc<StreamAt>),
}

impl Place {
    /// The medium that is read completely before anything is wiped.
    fn near(&self) -> Option<(View<'_>, &MediumManifest)> {
        match self {
            Place::Medium(medium) => Some((medium.view(), &medium.manifest)),
            Place::Source(source) => source.near(),
            Place::Stream(_) => None,
        }
    }

    fn manifest(&self) -> Option<&MediumManifest> {
        match self {
            Place::Medium(medium) => Some(&medium.manifest),
            Place::Source(source) => source.manifest(),
            Place::Stream(_) => None,
        }
    }

    fn repository(&self) -> Option<lifeboat_archive::Place> {
        match self {
            Place::Medium(medium) => medium.repository(),
            Place::Source(source) => Some(source.repository.clone()),
            Place::Stream(_) => None,
        }
    }

    /// The key that a medium carries.
    fn key(&self) -> Result<Option<Secret>, Failure> {
        match self {
            Place::Medium(medium) => medium.key(),
            Place::Source(source) => source.key(),
            Place::Stream(_) => Ok(None),
        }
    }
}

/// An interactive recovery.
pub struct Session<'a> {
    rescue: &'a RescueSystem,
    /// How addresses are opened, and who hears of lost servers and of tapes that are wanted.
    network: Network,
    runner: &'a dyn Runner,
    sink: &'a dyn EventSink,
    interval: Duration,
    place: Option<Place>,
    /// The key that opened something, so that nobody has to type 24 words twice.
    key: Option<Secret>,
    /// What may have to be opened first, and the source that may be on it.
    locked: Option<(Vec<Locked>, String)>,
    backups: Vec<Archived>,
    recovery: Option<Recovery<'a>>,
}

impl<'a> Session<'a> {
    /// A session without a source. Progress comes every `interval`.
    pub fn new(
        rescue: &'a RescueSystem,
        runner: &'a dyn Runner,
        sink: &'a dyn EventSink,
        interval: Duration,
    ) -> Session<'a> {
        Session {
            rescue,
            network: rescue.network.clone(),
            runner,
            sink,
            interval,
            place: None,
            key: None,
            locked: None,
            backups: vec![],
            recovery: None,
        }
    }

    /// Tells `listener`, too, what servers and tapes are waited for.
    pub fn tell(&mut self, listener: Listener) {
        let before = Arc::clone(&self.network.listener);
        self.network.listener = Arc::new(move |text: &str| {
            before(text);
            listener(text);
        });
    }

    /// Opens the archive of the medium that the boot process found, or of another source.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(&mut self, source: Option<&str>) -> Result<Opened, Failure> {
        self.open_by(source, Search::Asking)
    }

    fn open_by(&mut self, source: Option<&str>, search: Search) -> Result<Opened, Failure> {
        self.close();
        let rescue = self.rescue;
        let place = match source.map(Cow::Borrowed).or_else(|| rescue.archive_elsewhere()) {
            None => Place::Medium(rescue.medium()?),
            Some(text) => {
                let (run, network) = (&rescue.directories.run, &self.network);
                let found = match stream_name::is_meant(&text) {
                    true => StreamAt::find(&text, rescue.set_at(&text), run, search, self.runner)
                        .and_then(|at| at.map(|at| Place::Stream(Arc::new(at))).ok_or_else(nothing_open)),
                    false => Source::open_asking(&text, run, network, self.runner, search).map(Place::Source),
                };
                match found {
                    Ok(place) => place,
                    Err(Failure::Locked { what, devices }) => {
                        let reason = stacks::wanted(&what, &devices, search);
                        self.locked = Some((devices, text.into_owned()));
                        return Ok(Opened::DiskLocked(reason));
                    }
                    Err(failure) => return Err(failure),
                }
            }
        };
        let mut key = place.key()?.or(self.key.clone());
        if key.is_none() && rescue.source.is_some() {
            // A rescue-only medium may carry the key of an archive elsewhere.
            key = rescue.medium()?.key()?;
        }
        if let (Some(manifest), None) = (place.manifest(), place.repository()) {
            return Err(medium::holds_no_archive(manifest));
        }
        self.place = Some(place);
        match key {
            Some(key) => self.unlock_with(&key),
            None => Ok(Opened::KeyWanted("the archive is encrypted, and the medium does not hold the key".into())),
        }
    }

    /// Tries what was typed on every locked disk, and opens the source that one of them may hold. With nothing typed
    /// the search continues without them. What is locked stays so until a source is opened again.
    fn unlock_disk(&mut self, devices: &[Locked], source: &str, passphrase: &str) -> Result<Opened, Failure> {
        if passphrase.is_empty() {
            return self.open_by(Some(source), Search::Alone);
        }
        let Some(stacks) = Stacks::here() else { return Err(nothing_open()) };
        match stacks::open_one(devices, |device| stacks.unlock(self.runner, device, passphrase.as_bytes()).map(drop)) {
            Ok(()) => self.open(Some(source)),
            Err(reason) => Ok(Opened::DiskLocked(reason)),
        }
    }

    /// Tries what was typed: recovery words, or a passphrase or key. For a disk nothing may be typed: then the archive is
    /// looked for without it, also on arrays and volume groups that lack members.
    ///
    /// # Errors
    /// When the archive cannot be read; a wrong key is not an error.
    pub fn unlock(&mut self, typed: &str) -> Result<Opened, Failure> {
        if let Some((devices, source)) = self.locked.clone() {
            return self.unlock_disk(&devices, &source, typed);
        }
        let typed = typed.trim();
        let mut mistake = None;
        if typed.split_whitespace().count() >= FEWEST_WORDS {
            match words::decode(typed) {
                Ok(key) => match self.unlock_with(&key) {
                    Ok(Opened::KeyWanted(_)) => {
                        mistake = Some("these recovery words belong to another archive".to_owned());
                    }
                    other => return other,
                },
                // A long passphrase is possible, too.
                Err(error) => mistake = Some(error.to_string()),
            }
        }
        match self.unlock_with(&Secret::new(typed))? {
            Opened::KeyWanted(reason) => Ok(Opened::KeyWanted(mistake.unwrap_or(reason))),
            opened => Ok(opened),
        }
    }

    fn unlock_with(&mut self, key: &Secret) -> Result<Opened, Failure> {
        if let Some(Place::Stream(at)) = &self.place {
            return self.unlock_set(Arc::clone(at), key);
        }
        let location = self.place.as_ref().and_then(Place::repository).ok_or_else(nothing_open)?;
        let repository = match Repository::open_at(&location, key) {
            Ok(repository) => repository,
            Err(ArchiveError::WrongKey { .. }) => {
                return Ok(Opened::KeyWanted(NO_MATCH.into()));
            }
            Err(error) => return Err(error.into()),
        };
        let archive = self.place.as_ref().and_then(Place::manifest).and_then(|manifest| manifest.archive.clone());
        medium::check_repository(archive.as_ref(), &repository)?;
        crate::snapshot::latest(&repository, &self.rescue.manifest)?;
        let snapshots: Vec<SnapshotInfo> = repository.snapshots_of(&crate::snapshot::owner(&self.rescue.manifest))?;
        let wanted = self.rescue.parameters.snapshot.as_deref().or(archive.as_ref().map(|a| a.snapshot.as_str()));
        let newest = snapshots.len() - 1;
        let (meant, note) = match wanted.filter(|id| *id != "latest").map(|id| repository.find_snapshot(id)) {
            None => (newest, None),
            Some(Ok(found)) => match snapshots.iter().position(|snapshot| snapshot.id == found.id) {
                Some(at) => (at, None),
                None => (newest, Some(format!("snapshot {} belongs to another machine; this is the latest", found.id))),
            },
            Some(Err(error)) => (newest, Some(format!("{error}; this is the latest"))),
        };
        self.key = Some(key.clone());
        let backups = snapshots.iter().map(|s| Backup {
            id: s.id.clone(),
            time: s.time.clone(),
            entries: s.entries,
            bytes: s.bytes,
        });
        let backups = backups.collect();
        let repository = Arc::new(repository);
        self.backups =
            snapshots.into_iter().map(|snapshot| Archived::Snapshot(Arc::clone(&repository), snapshot)).collect();
        Ok(Opened::Backups(backups, meant, note))
    }

    fn unlock_set(&mut self, at: Arc<StreamAt>, key: &Secret) -> Result<Opened, Failure> {
        let stream = match at.open(key, &self.network) {
            // A stream has no passphrase, so what was typed cannot be one.
            Err(Failure::Archive(ArchiveError::WrongKeyForStream { .. } | ArchiveError::PassphraseForStream)) => {
                return Ok(Opened::KeyWanted(NO_MATCH.into()));
            }
            other => other?,
        };
        let set = Set::new(at, stream);
        for text in set.notes() {
            self.sink.emit(&Event::Warning { text });
        }
        let (entries, bytes) = set.amount();
        let archived = Archived::Set(Arc::new(set));
        let backup = Backup { id: archived.id().to_owned(), time: archived.time().to_owned(), entries, bytes };
        let note = check_wanted(self.rescue, &archived).err().map(|failure| failure.to_string());
        self.key = Some(key.clone());
        self.backups = vec![archived];
        Ok(Opened::Backups(vec![backup], 0, note))
    }

    /// Selects one of the snapshots; returns the machine as it was then, and as it shall come back: the same, or as an edited
    /// description says.
    ///
    /// # Errors
    /// [`Failure::Mismatch`] for another machine's; when its description cannot be read.
    pub fn choose(&mut self, index: usize) -> Result<(Machine, Machine), Failure> {
        let archived = self.backups.get(index).cloned().ok_or_else(nothing_open)?;
        let mut recovery = Recovery::of(self.rescue, archived, true, self.runner, self.sink)?;
        recovery.report_every(self.interval);
        let machines = (recovery.machine.clone(), recovery.description.clone());
        self.recovery = Some(recovery);
        Ok(machines)
    }

    /// Tries the key files of the archive, or what was typed, on the machine's encrypted devices. Gives those that nothing opens so far,
    /// and whether what was typed opened one.
    ///
    /// # Errors
    /// When the archive lacks a header, or cryptsetup cannot be run.
    pub fn machine_keys(&self, typed: Option<&str>) -> Result<(Vec<String>, bool), Failure> {
        let keyring = self.chosen()?.keyring();
        let opened = match typed {
            Some(typed) => keyring.open_by_passphrase(self.runner, typed)?,
            None => {
                keyring.open_by_files(self.runner, self.sink)?;
                false
            }
        };
        Ok((keyring.locked().iter().map(ToString::to_string).collect(), opened))
    }

    /// Keeps the passphrase of a device that is encrypted anew.
    ///
    /// # Errors
    /// When no snapshot was chosen.
    pub fn new_passphrase(&self, uuid: &str, typed: &str) -> Result<(), Failure> {
        self.chosen()?.keyring().choose(uuid, typed);
        Ok(())
    }

    /// The disks of this hardware.
    ///
    /// # Errors
    /// [`Failure::Probe`].
    pub fn hardware(&self) -> Result<FoundHardware, Failure> {
        self.chosen()?.hardware()
    }

    /// Files of the snapshot whose path holds `text`, ignoring the case of ASCII letters; the first `limit` of them, and how many there are.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn search(&mut self, text: &str, limit: usize) -> Result<(Vec<ListedFile>, u64), Failure> {
        Ok(self.chosen()?.archived().with_table(|table| found_in(table, text, limit))?)
    }

    /// Rebuilds the machine by a plan that a person agreed to, after every byte of the archive was verified. Emits the
    /// final event when it succeeds; the caller emits it otherwise. With `damaged` the person wants what is left of an archive that
    /// is damaged. Returns the number of entries that are then missing or different.
    ///
    /// # Errors
    /// The [`Failure`], [`Failure::Lost`] for a damaged archive; [`Failure::touched_disks`] reports whether anything was written.
    pub fn carry_out(&self, plan: &Plan, policy: &Policy, damaged: bool) -> Result<u64, Failure> {
        let recovery = self.chosen()?;
        let _alone = self.rescue.alone()?;
        let began = Instant::now();
        let damaged = !self.prove(damaged || self.rescue.parameters.damaged)?.is_empty();
        if recovery.plan(policy)? != *plan {
            return Err(Failure::Mismatch(
                "the hardware changed since the plan was made; try starting again, and read the new plan".into(),
            ));
        }
        nuke::carry_out(recovery, self.rescue, &mut recovery.begin(plan.clone()), began, damaged, self.sink)
    }

    /// Returns what is lost, if `damaged` says that the rest is wanted.
    fn prove(&self, damaged: bool) -> Result<Vec<Problem>, Failure> {
        let Some(place) = &self.place else { return Err(nothing_open()) };
        if let Some((view, manifest)) = place.near() {
            match stage(self.sink, "medium", || view::verify(&view, manifest, self.sink)) {
                Ok(()) => return Ok(vec![]),
                // What counts is what this recovery needs.
                Err(Failure::Damaged { file, problem }) if place.repository().is_some() => {
                    self.sink.emit(&Event::Warning { text: format!("the medium is damaged: {file} {problem}") });
                }
                Err(failure) => return Err(failure),
            }
        }
        let near = place.repository().is_none_or(|repository| repository.folder().is_some());
        stage(self.sink, "archive", || proof::prove(self.chosen()?.archived(), near, damaged, self.interval, self.sink))
    }

    /// Restores paths, replacing what is there.
    ///
    /// # Errors
    /// When the destination cannot be used or is full. Entries that cannot be restored are listed in the result.
    pub fn restore_files(&self, paths: &[PathBuf], to: &Destination) -> Result<RestoredFiles, Failure> {
        let recovery = self.chosen()?;
        let _alone = (*to == Destination::Machine).then(|| self.rescue.alone()).transpose()?;
        let folder = match to {
            Destination::Folder(folder) => folder,
            Destination::Machine => &self.rescue.directories.target,
        };
        std::fs::create_dir_all(folder).map_err(|source| Failure::Write { path: folder.clone(), source })?;
        if *to == Destination::Machine {
            let missing = compare::mount_all(&recovery.description, folder, self.runner, Access::Writable);
            let missing = missing.and_then(|missing| match missing.first() {
                None => Ok(()),
                // Files of a filesystem that is not mounted would fill the one below.
                Some(line) => Err(Failure::Unusable { what: "the machine's disks".into(), reason: line.clone() }),
            });
            if let Err(failure) = missing {
                self.unmount(folder);
                return Err(failure);
            }
        }
        let observer = Observing::every(self.interval, self.sink, "extract");
        let result = stage(self.sink, "extract", || {
            let report = recovery.archived().restore(
                folder,
                &Selection::Paths(paths.to_vec()),
                &RestoreOptions { overwrite: true, sync: true, private: true, ..RestoreOptions::default() },
                &observer,
            );
            report.map_err(Failure::Extract)
        });
        if *to == Destination::Machine {
            self.unmount(folder);
        }
        let report = result?;
        if let Some(text) = report.copied() {
            self.sink.emit(&Event::Note { text });
        }
        Ok(RestoredFiles {
            entries: report.entries,
            bytes: report.bytes,
            problems: report.problems.into_iter().map(|problem| (problem.path, problem.message)).collect(),
        })
    }

    fn unmount(&self, folder: &Path) {
        if let Err(error) = lifeboat_sys::mount::unmount_below(folder) {
            self.sink.emit(&Event::Warning { text: error.to_string() });
        }
    }

    fn chosen(&self) -> Result<&Recovery<'a>, Failure> {
        self.recovery.as_ref().ok_or_else(nothing_open)
    }

    /// Forgets the source, and unmounts it when it was mounted here.
    fn close(&mut self) {
        self.recovery = None;
        self.backups.clear();
        self.place = None;
        self.locked = None;
    }
}

fn nothing_open() -> Failure {
    Failure::Unusable { what: "the archive".into(), reason: "no snapshot was chosen".into() }
}

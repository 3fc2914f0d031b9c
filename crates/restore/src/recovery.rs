//! A whole-machine recovery, stage by stage. The stages are those of `lifeboat restore` in the rescue system; each
//! emits its steps while it works and a `Stage` event when it is done.

use crate::archived::Archived;
use crate::clock;
use crate::edited;
use crate::failure::Failure;
use crate::journal::{Journal, Part};
use crate::keyring::Keyring;
use crate::located_archive::{LocatedArchive, LocatedSet, check_wanted};
use crate::medium;
use crate::network::Network;
use crate::observe::{CONSOLE_INTERVAL, Observing};
use crate::proof::{LISTED, prove};
use crate::rescue::RescueSystem;
use crate::room;
use crate::snapshot;
use crate::source::Source;
use crate::stacks::Stacks;
use crate::startable;
use crate::steps::{self, Steps};
use crate::stream_name;
use lifeboat_archive::{ArchiveError, Repository, RestoreOptions, Secret, Selection};
use lifeboat_machine::boot::Loader;
use lifeboat_machine::{ArchiveManifest, Event, EventSink, FoundHardware, Machine};
use lifeboat_plan::{Plan, Policy, Step};
use lifeboat_rebuild::Context;
use lifeboat_sys::Runner;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A recovery whose archive was verified to be readable.
pub struct Recovery<'a> {
    rescue: &'a RescueSystem,
    runner: &'a dyn Runner,
    sink: &'a dyn EventSink,
    archived: Archived,
    interval: Duration,
    keyring: Arc<Keyring>,
    /// The machine that will be rebuilt: the snapshot's.
    pub machine: Machine,
    /// How it shall come back: as it was, or as an edited description says.
    pub description: Machine,
    /// What the snapshot must hold.
    pub manifest: ArchiveManifest,
    /// Part of it is lost, and what is left is wanted.
    pub damaged: bool,
    /// What the machine starts from is not in the backup: the remark about it.
    pub lacks: Option<String>,
    /// Keeps what is mounted for the archive.
    _source: Option<Source>,
}

/// The result of extraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extracted {
    /// Entries restored.
    entries: u64,
    /// Entries with problems.
    problems: u64,
    /// Entries to be protected against changes once nothing else has to change.
    unprotected: u64,
}

/// How a machine that is not in use yet is restored.
fn whole() -> RestoreOptions {
    RestoreOptions { overwrite: true, sync: true, private: true, repeatable: true, ..RestoreOptions::default() }
}

/// The restored tree as the object of a comparison: all filesystems of the machine below `target`.
pub fn target_source(machine: &Machine, target: &Path) -> lifeboat_archive::FileTree {
    let mut source = lifeboat_archive::FileTree::new(target);
    for root in machine.layout.roots().into_iter().filter(|root| root != Path::new("/")) {
        source = source.mount(root);
    }
    for file in &machine.layout.swap_files {
        source = source.exclude(file.path.as_path());
    }
    source
}

/// Runs a stage and reports its time.
pub fn stage<T>(sink: &dyn EventSink, name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let began = Instant::now();
    let result = work()?;
    sink.emit(&Event::Stage { name: name.to_owned(), seconds: began.elapsed().as_secs_f64() });
    Ok(result)
}

/// Returns a key. It is first called with `None`, if no medium holds one, and after a wrong key with that error:
/// without a person to ask, it returns the error.
pub type AskKey<'a> = dyn Fn(Option<ArchiveError>) -> Result<Secret, Failure> + 'a;

/// Opens the archive with the key that was found, or else with one that is asked for until it fits.
fn unlock(found: &LocatedArchive, ask: &AskKey<'_>) -> Result<Repository, Failure> {
    let mut key = match &found.key {
        Some(key) => key.clone(),
        None => ask(None)?,
    };
    loop {
        match Repository::open_at(&found.place, &key) {
            Err(error @ ArchiveError::WrongKey { .. }) => key = ask(Some(error))?,
            other => return Ok(other?),
        }
    }
}

impl<'a> Recovery<'a> {
    /// Finds the archive, verifies that it is intact, opens it and checks that it belongs here. Writes nothing. `key` is
    /// called only if no medium holds the key.
    ///
    /// # Errors
    /// Any [`Failure`] that touches no disk.
    pub fn open(
        rescue: &'a RescueSystem,
        key: &AskKey<'_>,
        network: &Network,
        runner: &'a dyn Runner,
        sink: &'a dyn EventSink,
    ) -> Result<Recovery<'a>, Failure> {
        if let Some(place) = rescue.archive_elsewhere()
            && stream_name::is_meant(&place)
        {
            let found = stage(sink, "medium", || LocatedSet::at(rescue, &place, runner, sink))?;
            return stage(sink, "archive", || Self::open_set(rescue, found, key, network, runner, sink));
        }
        let found = stage(sink, "medium", || match rescue.archive_elsewhere() {
            Some(place) => LocatedArchive::elsewhere(rescue, &place, network, runner, sink),
            None => LocatedArchive::on_medium(rescue, sink),
        })?;
        stage(sink, "archive", || Self::open_archive(rescue, found, key, runner, sink))
    }

    fn open_archive(
        rescue: &'a RescueSystem,
        found: LocatedArchive,
        key: &AskKey<'_>,
        runner: &'a dyn Runner,
        sink: &'a dyn EventSink,
    ) -> Result<Recovery<'a>, Failure> {
        let repository = unlock(&found, key)?;
        for text in repository.damage() {
            sink.emit(&Event::Warning { text: text.clone() });
        }
        medium::check_repository(found.archive.as_ref(), &repository)?;
        let wanted = rescue.parameters.snapshot.as_deref();
        let snapshot = match wanted.or(found.archive.as_ref().map(|archive| archive.snapshot.as_str())) {
            Some("latest") | None => {
                let latest = snapshot::latest(&repository, &rescue.manifest)?;
                for text in snapshot::doubts(&repository, &latest) {
                    sink.emit(&Event::Warning { text });
                }
                latest
            }
            Some(wanted) => repository.find_snapshot(wanted)?,
        };
        let named = wanted.is_some_and(|wanted| wanted != "latest");
        if !found.verified {
            sink.emit(&Event::Note {
                text: format!(
                    "archive: snapshot {} of {} at {}",
                    snapshot.short_id(),
                    snapshot.time,
                    found.place.label().display()
                ),
            });
        }
        let archived = Archived::Snapshot(Arc::new(repository), snapshot);
        // Before everything is read: what cannot be recovered here at all is reported at once.
        let mut recovery = Self::of(rescue, archived.clone(), named, runner, sink)
            .map_err(|failure| snapshot::with_way_out(failure, &archived, &rescue.manifest))?;
        if !found.verified {
            let (near, damaged) = (found.place.folder().is_some(), rescue.parameters.damaged);
            let lost = prove(&archived, near, damaged, CONSOLE_INTERVAL, sink)?;
            recovery.damaged = !lost.is_empty();
        }
        recovery._source = found.source;
        Ok(recovery)
    }

    fn open_set(
        rescue: &'a RescueSystem,
        found: LocatedSet,
        ask: &AskKey<'_>,
        network: &Network,
        runner: &'a dyn Runner,
        sink: &'a dyn EventSink,
    ) -> Result<Recovery<'a>, Failure> {
        let set = found.open(ask, network)?;
        for text in set.notes() {
            sink.emit(&Event::Warning { text });
        }
        let archived = Archived::Set(Arc::new(set));
        check_wanted(rescue, &archived)?;
        let named = rescue.parameters.snapshot.as_deref().is_some_and(|wanted| wanted != "latest");
        sink.emit(&Event::Note {
            text: format!("archive: {} of {} at {}", archived.what(), archived.time(), archived.location().display()),
        });
        let mut recovery = Self::of(rescue, archived.clone(), named, runner, sink)?;
        let lost = prove(&archived, true, rescue.parameters.damaged, CONSOLE_INTERVAL, sink)?;
        recovery.damaged = !lost.is_empty();
        Ok(recovery)
    }

    /// A recovery of one backup of an open archive, whose bytes the caller verifies. Refuses another machine's, and one of
    /// another format; see [`snapshot::check_machine`] for `named`.
    ///
    /// # Errors
    /// [`Failure::Mismatch`]; when the backup's description cannot be read.
    pub fn of(
        rescue: &'a RescueSystem,
        archived: Archived,
        named: bool,
        runner: &'a dyn Runner,
        sink: &'a dyn EventSink,
    ) -> Result<Recovery<'a>, Failure> {
        let (mut machine, manifest) =
            snapshot::read_with(&archived.what(), &archived.program(), &|path| archived.read_file(path))?;
        snapshot::check_machine(&archived, &machine, &rescue.manifest, named)?;
        if let Some(text) = clock::remark(archived.time(), jiff::Timestamp::now()) {
            sink.emit(&Event::Warning { text });
        }
        room::from_backup(&mut machine, archived.room(), sink);
        room::report_encrypted(archived.encrypted(), &|_| true, sink);
        let lacks = startable::remark(&archived.what(), &machine, |paths| archived.filled(paths));
        if let Some(text) = &lacks {
            sink.emit(&Event::Warning { text: text.clone() });
        }
        let interval = crate::observe::CONSOLE_INTERVAL;
        let (damaged, _source) = (false, None);
        let description = edited::description(rescue.layout.as_ref(), &machine, sink)?;
        let run = &rescue.directories.run;
        let keyring = Arc::new(Keyring::new(archived.clone(), &description, run));
        Ok(Recovery {
            rescue,
            runner,
            sink,
            archived,
            interval,
            keyring,
            machine,
            description,
            manifest,
            damaged,
            lacks,
            _source,
        })
    }

    /// From now on progress comes at this interval: for a sink that can take more than a serial console.
    pub fn report_every(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Keys of the machine's encrypted devices.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The backup that is restored.
    pub fn archived(&self) -> &Archived {
        &self.archived
    }

    /// Computes the plan for the present hardware, and checks that everything that its steps need is here. Writes
    /// nothing.
    ///
    /// # Errors
    /// [`Failure::Plan`] when no plan is allowed and fits; [`Failure::NotReady`] with what its steps lack.
    pub fn plan(&self, policy: &Policy) -> Result<Plan, Failure> {
        stage(self.sink, "plan", || {
            let wanted = lifeboat_plan::wanted(&self.machine, &self.description, policy)?;
            let plan = lifeboat_plan::plan_wanted(&self.machine, &wanted, &self.hardware()?, policy)?;
            edited::check_packages(&self.archived, &self.machine, &wanted)?;
            self.keyring.follow(&wanted);
            self.keyring.open_by_files(self.runner, self.sink)?;
            lifeboat_rebuild::check(&self.context(&plan))?;
            Ok(plan)
        })
    }

    /// The journal of a recovery by this plan, with nothing done yet.
    pub fn begin(&self, plan: Plan) -> Journal {
        Journal::new(self.archived.id(), plan)
    }

    /// The disks of this hardware; the one that holds the medium is locked. Arrays and volume groups activated here that
    /// are not in use are released: they would keep their disks from being rebuilt.
    ///
    /// # Errors
    /// [`Failure::Probe`].
    pub fn hardware(&self) -> Result<FoundHardware, Failure> {
        if let Some(stacks) = Stacks::here() {
            stacks.release_ours(self.runner, self.sink)?;
        }
        let locks: Vec<(String, String)> = self
            .rescue
            .source
            .iter()
            .map(|source| (source.device.to_string_lossy().into_owned(), "it holds the recovery medium".to_owned()))
            .collect();
        Ok(lifeboat_probe::found_hardware(self.runner, &locks)?)
    }

    fn context<'b>(&'b self, plan: &'b Plan) -> Context<'b> {
        let secrets = Arc::clone(&self.keyring);
        Context { secrets, ..Context::new(self.runner, &self.rescue.directories.target, &self.machine, plan) }
    }

    /// What opens the encrypted devices of a recovery that has begun is asked of those that its plan makes.
    pub fn resume(&self, journal: &Journal) {
        if journal.is_begun() {
            self.keyring.resume(&journal.plan);
        }
    }

    /// Continues a recovery until `last` is done. What is already done is not repeated; filesystems that an interruption
    /// left unmounted are mounted first. The journal is written after each step.
    ///
    /// # Errors
    /// [`Failure::Rebuild`] with the step that failed; [`Failure::Extract`] when extraction had to stop, e.g. on a full
    /// disk; [`Failure::Verify`].
    pub fn carry_on(&self, journal: &mut Journal, last: Part) -> Result<(), Failure> {
        let target = &self.rescue.directories.target;
        std::fs::create_dir_all(target).map_err(|source| Failure::Write { path: target.clone(), source })?;
        self.resume(journal);
        self.keyring.open_by_files(self.runner, self.sink)?;
        if journal.is_unfinished() {
            self.mount_again(journal)?;
        }
        while let Some(part) = journal.next().filter(|part| *part <= last) {
            match part {
                Part::Rebuild => stage(self.sink, "rebuild", || self.apply(journal, part))?,
                Part::Extract => {
                    let extracted = self.extract(&journal.plan)?;
                    let differences = self.verify()?;
                    journal.entries = extracted.entries;
                    journal.unprotected = extracted.unprotected;
                    // An entry that could not be restored usually differs as well: the larger number is the right one.
                    journal.problems = extracted.problems.max(differences);
                    journal.done = journal.end_of(part);
                    journal.note_down(&self.rescue.directories.run, self.sink);
                }
                Part::Boot => stage(self.sink, "boot", || self.apply(journal, part))?,
            }
        }
        Ok(())
    }

    /// Mounts what was mounted when the recovery stopped.
    fn mount_again(&self, journal: &Journal) -> Result<(), Failure> {
        let context = self.context(&journal.plan);
        let failed = |step: &str| {
            let step = step.to_owned();
            move |source| Failure::Rebuild { step, source }
        };
        lifeboat_rebuild::unmount_all(&context).map_err(failed("unmount what is left of the stopped recovery"))?;
        for step in journal.steps_done() {
            lifeboat_rebuild::reactivate(&context, step).map_err(failed(&step.to_string()))?;
            if matches!(step, Step::Mount { .. }) {
                lifeboat_rebuild::apply(step, &context).map_err(failed(&step.to_string()))?;
            }
        }
        let target = &self.rescue.directories.target;
        // grub-install replaces its modules; an interrupted run leaves some of them, with new times.
        if let Some(Step::InstallLoader { loader: Loader::GrubBios { directory, .. }, .. }) =
            journal.plan.steps.get(journal.done)
        {
            let modules = directory.as_path().join("i386-pc");
            let inside = target.join(modules.strip_prefix("/").unwrap_or(&modules));
            // What only the interrupted run added is removed; links out of the target are not followed. The directory
            // itself stays, so that the one above keeps its times.
            if inside.canonicalize().is_ok_and(|path| path.starts_with(target)) {
                let failed = |source| Failure::Write { path: inside.clone(), source };
                for entry in std::fs::read_dir(&inside).map_err(failed)? {
                    std::fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
                }
            }
            let modules = Selection::Paths(vec![modules]);
            let options = RestoreOptions { unprotected: true, ..whole() };
            let observer = Observing::every(self.interval, self.sink, "extract");
            let again = self.archived.restore(target, &modules, &options, &observer);
            again.map_err(Failure::Extract)?;
        }
        Ok(())
    }

    /// Restores the files into the mounted target and verifies that all of them are there.
    ///
    /// # Errors
    /// [`Failure::Extract`] when it had to stop, e.g. on a full disk.
    fn extract(&self, plan: &Plan) -> Result<Extracted, Failure> {
        let number = plan.steps.iter().position(|step| *step == Step::Extract).unwrap_or(0) + 1;
        let (entries, bytes) = self.archived.amount(&self.manifest);
        let text = format!("restore {entries} entries, {}", lifeboat_machine::bytes::human(bytes));
        self.sink.emit(&Event::Step { number, total: plan.steps.len(), text });
        let report = stage(self.sink, "extract", || {
            let observer = Observing::every(self.interval, self.sink, "extract");
            self.archived
                .restore(
                    &self.rescue.directories.target,
                    &Selection::Everything,
                    &RestoreOptions { unprotected: true, ..whole() },
                    &observer,
                )
                .map_err(Failure::Extract)
        })?;
        let mut problems = report.problems.len() as u64;
        if report.entries + problems < entries {
            // The archive's own count says how many there must be.
            let missing = entries - report.entries - problems;
            self.sink
                .emit(&Event::Warning { text: format!("{missing} of {entries} entries are missing from the archive") });
            problems += missing;
        }
        Ok(Extracted { entries: report.entries, problems, unprotected: report.unprotected })
    }

    /// Compares what was restored with the archive: every entry's type, owner, mode, times, size, links and extended
    /// attributes. Contents were authenticated while they were written.
    ///
    /// # Errors
    /// [`Failure::Verify`] when archive or target cannot be read.
    fn verify(&self) -> Result<u64, Failure> {
        stage(self.sink, "verify", || {
            let observer = Observing::every(self.interval, self.sink, "verify");
            let source = target_source(&self.machine, &self.rescue.directories.target);
            let report = self.archived.compare_unprotected(&source, &observer);
            let report = report.map_err(Failure::Verify)?;
            for difference in report.differences.iter().take(LISTED) {
                self.sink.emit(&Event::Entry {
                    path: lifeboat_machine::Name::from(difference.path.as_path()).to_string(),
                    text: difference.detail.clone(),
                });
            }
            if let Some(text) = report.copied() {
                self.sink.emit(&Event::Note { text });
            }
            let more = report.differences.len().saturating_sub(LISTED);
            if more > 0 {
                let text = format!("{more} more entries differ; 'lifeboat compare' lists all of them");
                self.sink.emit(&Event::Warning { text });
            }
            Ok((report.differences.len() + report.problems.len()) as u64)
        })
    }

    /// Sets the flags that keep everybody from changing a file (chattr(1), `i` and `a`), when the boot loader, the initramfs
    /// and the configuration have been adapted. What cannot be set counts as a problem; the machine boots anyway.
    fn protect(&self, journal: &mut Journal) -> Result<(), Failure> {
        if journal.unprotected == 0 {
            return Ok(());
        }
        let observer = Observing::every(self.interval, self.sink, "protect");
        let target = &self.rescue.directories.target;
        let report = self.archived.protect(target, &observer).map_err(Failure::Extract)?;
        journal.problems += report.problems.len() as u64;
        journal.unprotected = 0;
        journal.note_down(&self.rescue.directories.run, self.sink);
        Ok(())
    }

    /// Leaves the target unmounted after a failure, so that the next attempt starts clean.
    pub fn abandon(&self, plan: &Plan) {
        if let Err(error) = lifeboat_rebuild::unmount_all(&self.context(plan)) {
            self.sink.emit(&Event::Warning { text: error.to_string() });
        }
    }

    fn apply(&self, journal: &mut Journal, part: Part) -> Result<(), Failure> {
        let end = journal.end_of(part);
        let last = journal.plan.steps[..end].last();
        let before_last = end - usize::from(last == Some(&Step::Finish));
        self.steps(journal, before_last)?;
        if before_last < end {
            self.protect(journal)?;
        }
        self.steps(journal, end)
    }

    /// Does the steps up to this one, several at a time.
    fn steps(&self, journal: &mut Journal, end: usize) -> Result<(), Failure> {
        let plan = journal.plan.clone();
        let context = self.context(&plan);
        let (range, done) = (journal.done..end, journal.ahead.clone());
        let limit = lifeboat_rebuild::usual_limit();
        let mut watch = Steps::new(&plan.steps, journal, &self.rescue.directories.run, self.sink);
        lifeboat_rebuild::apply_together(&context, range, done, limit, steps::INTERVAL, &mut watch);
        watch.result()
    }
}

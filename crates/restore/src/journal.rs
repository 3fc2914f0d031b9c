//! How far a recovery came, for resuming it: `recovery.json` in the rescue system's /run/lifeboat. It is
//! written after each finished step, and is gone after a reboot, like the rescue system itself.

use crate::failure::Failure;
use lifeboat_machine::{Event, EventSink, FoundHardware};
use lifeboat_plan::{Plan, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The parts in which a recovery can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Disks wiped, partitions and filesystems made and mounted.
    Rebuild,
    /// Files restored and compared with the archive.
    Extract,
    /// Made bootable, unmounted.
    Boot,
}

/// A running recovery, or one that stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The snapshot that is restored.
    pub snapshot: String,
    /// What is done.
    pub plan: Plan,
    /// How many of the plan's steps are done, counted from the first one.
    pub done: usize,
    /// Steps behind them that are done as well, by index: several are at work at the same time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ahead: BTreeSet<usize>,
    /// Entries restored.
    pub entries: u64,
    /// Entries that could not be restored, or differ.
    pub problems: u64,
    /// Entries that are protected against changes at the end.
    pub unprotected: u64,
}

impl Journal {
    /// A recovery that has not begun.
    pub fn new(snapshot: &str, plan: Plan) -> Journal {
        let (snapshot, ahead) = (snapshot.to_owned(), BTreeSet::new());
        Journal { snapshot, plan, done: 0, ahead, entries: 0, problems: 0, unprotected: 0 }
    }

    fn path(run: &Path) -> PathBuf {
        run.join("recovery.json")
    }

    /// Reads an existing one.
    ///
    /// # Errors
    /// When it exists but cannot be read.
    pub fn load(run: &Path) -> Result<Option<Journal>, Failure> {
        let path = Journal::path(run);
        if !path.exists() {
            return Ok(None);
        }
        let journal = serde_json::from_slice::<Journal>(&Failure::read(&path)?);
        let unusable = |reason: String| Failure::Unusable { what: path.display().to_string(), reason };
        let journal = journal.map_err(|error| unusable(error.to_string()))?;
        let last = journal.ahead.last().map_or(journal.done, |last| journal.done.max(last + 1));
        match last > journal.plan.steps.len() {
            true => Err(unusable("it counts more steps than its plan has".into())),
            false => Ok(Some(journal)),
        }
    }

    /// Writes it, completely or not at all.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub fn save(&self, run: &Path) -> Result<(), Failure> {
        let path = Journal::path(run);
        let part = path.with_extension("part");
        let json = serde_json::to_vec_pretty(self).map_err(std::io::Error::other);
        let written = json.and_then(|json| std::fs::write(&part, json)).and_then(|()| std::fs::rename(&part, &path));
        written.map_err(|source| Failure::Write { path, source })
    }

    /// The same while a recovery is under way: full memory is no reason to stop it.
    pub fn note_down(&self, run: &Path, sink: &dyn EventSink) {
        if let Err(failure) = self.save(run) {
            sink.emit(&Event::Warning { text: format!("{failure}; this recovery could not be resumed") });
        }
    }

    /// The number of steps after which a part is done.
    pub fn end_of(&self, part: Part) -> usize {
        let steps = &self.plan.steps;
        let extract = steps.iter().position(|step| *step == Step::Extract).unwrap_or(steps.len());
        match part {
            Part::Rebuild => extract,
            Part::Extract => (extract + 1).min(steps.len()),
            Part::Boot => steps.len(),
        }
    }

    /// The part that comes next; `None` when all is done.
    pub fn next(&self) -> Option<Part> {
        [Part::Rebuild, Part::Extract, Part::Boot].into_iter().find(|part| self.done < self.end_of(*part))
    }

    /// True when something was written to the disks, and something is still to be done.
    pub fn is_unfinished(&self) -> bool {
        self.is_begun() && self.next().is_some()
    }

    /// True when something was written to the disks.
    pub fn is_begun(&self) -> bool {
        self.done > 0 || !self.ahead.is_empty()
    }

    /// Counts a step as done.
    pub fn finished(&mut self, index: usize) {
        self.ahead.insert(index);
        while self.ahead.remove(&self.done) {
            self.done += 1;
        }
        let done = self.done;
        self.ahead.retain(|index| *index >= done);
    }

    /// The steps that are done, in the plan's order.
    pub fn steps_done(&self) -> impl Iterator<Item = &Step> {
        (0..self.done).chain(self.ahead.iter().copied()).filter_map(|index| self.plan.steps.get(index))
    }

    /// Refuses to continue when the disks are no longer those of the plan: device names can change.
    ///
    /// # Errors
    /// [`Failure::Unusable`] with the disk.
    pub fn check_disks(&self, hardware: &FoundHardware) -> Result<(), Failure> {
        for target in &self.plan.targets {
            let there = hardware.disks.iter().find(|found| found.path == target.path).is_some_and(|found| {
                let same = (&found.disk.serial, &found.disk.wwn) == (&target.serial, &target.wwn);
                found.size_bytes == target.size_bytes.1 && same
            });
            if !there {
                return Err(Failure::Unusable {
                    what: target.path.clone(),
                    reason: format!(
                        "it is not {}, for which the plan was made; try starting again with 'lifeboat restore'",
                        target.name
                    ),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::DeviceId;
    use lifeboat_plan::{MatchedBy, Target};

    fn journal() -> Journal {
        let target = Target {
            device: DeviceId("disk0".into()),
            path: "/dev/vdb".into(),
            name: "QEMU HARDDISK, serial LB7, 1.0 GiB".into(),
            matched_by: MatchedBy::Size,
            wwn: None,
            serial: Some("LB7".into()),
            loses: "nothing".into(),
            size_bytes: (1 << 30, 1 << 30),
        };
        let steps = vec![Step::Extract, Step::Finish];
        Journal::new("abc", Plan { targets: vec![target], steps, moved: vec![], notes: vec![] })
    }

    #[test]
    fn parts_follow_each_other_and_are_kept() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(Journal::load(run.path()).unwrap(), None);
        let mut journal = journal();
        assert_eq!((journal.next(), journal.is_unfinished()), (Some(Part::Extract), false));
        journal.done = journal.end_of(Part::Extract);
        assert_eq!((journal.next(), journal.is_unfinished()), (Some(Part::Boot), true));
        journal.save(run.path()).unwrap();
        assert_eq!(Journal::load(run.path()).unwrap(), Some(journal.clone()));
        journal.done = journal.end_of(Part::Boot);
        assert_eq!((journal.next(), journal.is_unfinished()), (None, false));
        std::fs::write(Journal::path(run.path()), "{\"done\": 1").unwrap();
        assert!(Journal::load(run.path()).unwrap_err().to_string().contains("recovery.json"));
    }

    #[test]
    fn steps_that_ended_out_of_turn_are_kept() {
        let run = tempfile::tempdir().unwrap();
        let mut journal = journal();
        journal.plan.steps = ["a", "b", "c", "d"].map(wipe).to_vec();
        journal.finished(0);
        journal.finished(2);
        assert_eq!((journal.done, journal.ahead.iter().copied().collect::<Vec<_>>()), (1, vec![2]));
        journal.save(run.path()).unwrap();
        let mut journal = Journal::load(run.path()).unwrap().unwrap();
        let done: Vec<String> = journal.steps_done().map(ToString::to_string).collect();
        assert_eq!(done, ["wipe a", "wipe c"]);
        journal.finished(1);
        assert_eq!((journal.done, journal.ahead.is_empty()), (3, true));
        // One that the plan does not have.
        journal.ahead = [4].into();
        journal.save(run.path()).unwrap();
        assert!(Journal::load(run.path()).unwrap_err().to_string().contains("more steps than its plan"));
    }

    fn wipe(disk: &str) -> Step {
        Step::WipeDisk { disk: disk.into(), device: DeviceId("disk0".into()) }
    }

    #[test]
    fn another_disk_under_the_same_name_is_refused() {
        let found = |size_bytes: u64, serial: &str| {
            let disk = serde_json::json!({
                "path": "/dev/vdb", "size_bytes": size_bytes, "content": { "type": "blank" }, "lock": null,
                "disk": {
                    "wwn": null, "serial": serial, "hardware_path": null, "model": "QEMU HARDDISK", "transport": "scsi",
                    "logical_sector_bytes": 512, "physical_sector_bytes": 512, "rotational": false, "removable": false,
                },
            });
            FoundHardware {
                disks: vec![serde_json::from_value(disk).unwrap()],
                uefi: false,
                ..FoundHardware::default()
            }
        };
        journal().check_disks(&found(1 << 30, "LB7")).unwrap();
        for hardware in [found(1 << 30, "LB8"), found(2 << 30, "LB7")] {
            assert!(journal().check_disks(&hardware).unwrap_err().to_string().contains("starting again"));
        }
    }
}

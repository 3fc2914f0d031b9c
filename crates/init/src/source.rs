//! Stage 3: finds the medium that belongs to this rescue system, and mounts it.
//!
//! | module | holds |
//! | --- | --- |
//! | [`wanted`] | `lifeboat.source=` |
//! | [`device`] | block devices that may hold a medium |
//! | [`identify`] | what a device holds |
//! | [`choose`] | which one is the medium, and why none is |
//! | [`tape`] | the tape that holds the archive |
//! | [`first_disc`] | what is kept of the first disc of a set |
//!
//! The medium is the one whose `/lifeboat/manifest.json` is, byte for byte, the one in the initramfs. Devices are examined
//! in two rounds: discs and USB sticks first (ISO 9660 and FAT anywhere), then, only if those had nothing, the
//! filesystems of disks, read-only and without replaying their journals. Then every event of a block device repeats this,
//! until the deadline.

pub mod choose;
pub mod device;
pub mod first_disc;
pub mod identify;
pub mod tape;
pub mod wanted;

use crate::children::Children;
use crate::hotplug::Hotplug;
use crate::report::Reporter;
use choose::{Choice, Seen};
use device::{BlockDevice, Bus};
use identify::{Holds, Verdict};
use lifeboat_machine::MediumManifest;
use lifeboat_machine::on_disk::DiskName;
use lifeboat_machine::run;
use lifeboat_machine::source::FoundMedium;
use lifeboat_sys::child::Setup;
use lifeboat_sys::modules::Loader;
use lifeboat_sys::mount::{HARMLESS, mount, read_only_options, unmount};
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wanted::Wanted;

/// How long blkid may take for one device.
const BLKID_PATIENCE: Duration = Duration::from_secs(10);

/// What the search needs.
pub struct Search<'a> {
    /// Where to look.
    pub wanted: &'a Wanted,
    /// Our manifest.
    pub manifest: &'a [u8],
    /// Loads filesystem modules, reports new devices.
    pub hotplug: &'a Hotplug,
    /// Is notified of what is found.
    pub reporter: &'a Reporter,
    /// Runs blkid, to find a disk by its label.
    pub children: &'a Children,
}

impl Search<'_> {
    /// Looks for the medium until it is found and mounted, or the time is over.
    ///
    /// # Errors
    /// Every device that was examined, with the reason why it is not the medium.
    pub fn run(&self, patience: Duration) -> Result<FoundMedium, Vec<Seen>> {
        let deadline = Instant::now() + patience;
        let mut reported = false;
        loop {
            let known = self.hotplug.block_events();
            let seen = match self.look() {
                Ok(source) => return Ok(source),
                Err(seen) => seen,
            };
            if !reported && Instant::now() < deadline {
                let empty = choose::empty_drives(&seen);
                self.reporter.note(format!("waiting for the medium, at most {} s{empty}", patience.as_secs()));
                reported = true;
            }
            if !self.hotplug.wait_for_block_event(known, deadline) {
                return Err(seen);
            }
            // One device sends several events; when its driver has finished they are all there.
            let _ = self.hotplug.settle(deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn look(&self) -> Result<FoundMedium, Vec<Seen>> {
        let loader = self.hotplug.loader();
        let devices: Vec<BlockDevice> =
            device::list(Path::new("/sys")).into_iter().filter(|device| self.is_wanted(device)).collect();
        let heads: Vec<(BlockDevice, Result<Holds, String>)> = devices
            .into_iter()
            .map(|device| {
                let holds = identify::read_head(&device.path())
                    .map(|head| Holds::detect(&head))
                    .map_err(|error| unreadable(device.bus, &error));
                (device, holds)
            })
            .collect();
        let first = |holds: &Holds| matches!(holds, Holds::Iso(_) | Holds::Vfat | Holds::Exfat);
        let mut seen = Vec::new();
        for round in [true, false] {
            for (device, holds) in &heads {
                let verdict = match holds {
                    Err(reason) if round => Verdict::Not(reason.clone()),
                    Ok(Holds::Nothing) if round => Verdict::Not(
                        if self.has_partitions(device, &heads) {
                            "it holds partitions"
                        } else {
                            "it holds no filesystem of the kinds that media use"
                        }
                        .into(),
                    ),
                    Ok(holds) if *holds != Holds::Nothing && first(holds) == round => {
                        self.examine(&loader, device, holds)
                    }
                    _ => continue,
                };
                seen.push((device.clone(), verdict));
            }
            let choice = choose::choose(&seen);
            if choice.chosen.is_some() {
                return self.take(&loader, choice, &heads).map_err(|reason| {
                    for (_, verdict) in seen.iter_mut().filter(|(_, verdict)| *verdict == Verdict::Ours) {
                        *verdict = Verdict::Not(reason.clone());
                    }
                    seen
                });
            }
        }
        Err(seen)
    }

    fn has_partitions(&self, device: &BlockDevice, heads: &[(BlockDevice, Result<Holds, String>)]) -> bool {
        heads.iter().any(|(other, _)| other.partition_of.as_deref() == Some(&device.name))
    }

    fn is_wanted(&self, device: &BlockDevice) -> bool {
        match self.wanted {
            Wanted::Anywhere | Wanted::Network | Wanted::OnDisk | Wanted::Tape(_) => true,
            Wanted::Bus(bus) => device.bus == *bus,
            Wanted::Disk(DiskName::Path(path)) => std::fs::canonicalize(path).is_ok_and(|path| path == device.path()),
            Wanted::Disk(DiskName::Token { key, value }) => {
                self.blkid(device, key).is_some_and(|found| found.trim_end_matches('\n') == value)
            }
        }
    }

    /// A property of a device as blkid(8) finds it by looking, without a cache.
    fn blkid(&self, device: &BlockDevice, key: &str) -> Option<String> {
        let tag = if key.starts_with("PART") { format!("PART_ENTRY_{}", part_key(key)) } else { key.to_owned() };
        let mut command = Command::new(lifeboat_sys::program::BLKID.find(Path::new("/"))?);
        command.args(["--probe", "--output", "value", "--match-tag", &tag]).arg(device.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.children.spawn(command, Setup::default()).ok()?;
        let mut text = String::new();
        child.stdout.take()?.read_to_string(&mut text).ok()?;
        child.wait(Some(BLKID_PATIENCE))?;
        Some(text)
    }

    fn examine(&self, loader: &Loader, device: &BlockDevice, holds: &Holds) -> Verdict {
        match self.mount(loader, device, holds) {
            Err(reason) => Verdict::Not(reason),
            Ok(()) => {
                let verdict = identify::judge(Path::new(run::MEDIUM), self.manifest);
                let _ = unmount(Path::new(run::MEDIUM));
                verdict
            }
        }
    }

    fn mount(&self, loader: &Loader, device: &BlockDevice, holds: &Holds) -> Result<(), String> {
        let Some(kind) = holds.filesystem() else { return Err("it holds no filesystem".into()) };
        let _ = std::fs::create_dir_all(run::MEDIUM);
        // The kernel would call its helper for the module; this process already has the index in memory.
        loader.load(&format!("fs-{kind}"));
        let mut reason = String::new();
        for options in read_only_options(kind) {
            let options: Vec<&str> = options.iter().copied().chain(HARMLESS).collect();
            match mount(device.path(), Path::new(run::MEDIUM), kind, &options) {
                Ok(()) => return Ok(()),
                Err(error) if reason.is_empty() => reason = error.to_string(),
                Err(_) => {}
            }
        }
        Err(reason)
    }

    fn take(
        &self,
        loader: &Loader,
        choice: Choice,
        heads: &[(BlockDevice, Result<Holds, String>)],
    ) -> Result<FoundMedium, String> {
        let Some(device) = choice.chosen else { return Err("it has disappeared".into()) };
        let holds = heads.iter().find(|(other, _)| *other == device).and_then(|(_, holds)| holds.as_ref().ok());
        self.mount(loader, &device, holds.unwrap_or(&Holds::Nothing))?;
        let path = device.path();
        if holds == Some(&Holds::Ext) && self.is_written_again() && identify::needs_recovery(&path) {
            self.replay(&path)?;
        }
        if !choice.also.is_empty() {
            let others: Vec<String> = choice.also.iter().map(|other| other.path().display().to_string()).collect();
            self.reporter.note(format!(
                "the same medium is also in {}; using {} (discs are preferred to USB disks, USB disks to other disks)",
                others.join(", "),
                path.display()
            ));
        }
        Ok(FoundMedium { kind: device.bus.word().to_owned(), device: path, mount: run::MEDIUM.into() })
    }
}

impl Search<'_> {
    /// Our medium is a stick that backups are written to.
    fn is_written_again(&self) -> bool {
        MediumManifest::from_json(self.manifest).is_ok_and(|manifest| manifest.repository.is_some())
    }

    /// Mounts our own stick once more, with its journal replayed: it was pulled, or the machine died, while a backup was written. Without
    /// that, folders of its repository may lack files that are there. A stick that is write-protected is taken as it is.
    fn replay(&self, device: &Path) -> Result<(), String> {
        let point = Path::new(run::MEDIUM);
        unmount(point).map_err(|error| error.to_string())?;
        let options: Vec<&str> = ["ro"].into_iter().chain(HARMLESS).collect();
        match mount(device, point, "ext4", &options) {
            Ok(()) => {
                self.reporter.note(format!(
                    "{} was not unmounted when it was last written; its journal was replayed",
                    device.display()
                ));
            }
            Err(error) => {
                let options: Vec<&str> = ["ro", "noload"].into_iter().chain(HARMLESS).collect();
                mount(device, point, "ext4", &options).map_err(|error| error.to_string())?;
                self.reporter.warn(format!(
                    "{} was not unmounted when it was last written, and its journal cannot be replayed ({error}); its latest backup may be \
                     incomplete",
                    device.display()
                ));
            }
        }
        match identify::judge(point, self.manifest) {
            Verdict::Ours => Ok(()),
            // It was being refreshed: its own menu starts the new rescue system.
            _ => {
                let _ = unmount(point);
                Err("it was being refreshed when it was pulled, and is complete now; try starting from it again".into())
            }
        }
    }
}

/// When probing, blkid names the properties of a partition differently.
fn part_key(key: &str) -> &str {
    if key == "PARTLABEL" { "NAME" } else { "UUID" }
}

fn unreadable(bus: Bus, error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::NOMEDIUM.raw_os_error() => match bus {
            Bus::Optical => choose::NO_DISC.into(),
            _ => "there is no medium in it".into(),
        },
        _ => format!("cannot READ it: {error}"),
    }
}

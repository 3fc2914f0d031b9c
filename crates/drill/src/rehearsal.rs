//! `lifeboat drill`: boots a medium in a virtual machine like the one it was made for, against blank disks, lets it
//! recover, and boots the result.

use crate::DrillError;
use crate::chooser::choose;
use crate::guest::Guest;
use crate::lab::scenario::await_end;
use crate::medium::{Medium, Menu};
use crate::phases::{Marks, phases};
use crate::report::{DrillReport, Screenshot, Target};
use crate::vm::event_port::from_console;
use crate::vm::keys::{self, Beside};
use crate::vm::{Acceleration, Controller, Pattern, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::Event;
use lifeboat_machine::boot::Firmware;
use lifeboat_sys::Runner;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What to rehearse, and how.
#[derive(Clone, Debug)]
pub struct DrillOptions {
    /// The medium.
    pub medium: PathBuf,
    /// The other discs of its set, each in a drive of its own: nobody changes them.
    pub further_discs: Vec<PathBuf>,
    /// Where the report, screenshots and console logs go; made when it is missing.
    pub report: PathBuf,
    /// Where the disks are made, sparse, and removed at the end.
    pub scratch: PathBuf,
    /// Where the choice of acceleration is remembered.
    pub cache: Option<PathBuf>,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Controller of the disks; the one most like the machine's own when `None`.
    pub controller: Option<Controller>,
    /// The disks are this many times as large as the machine's.
    pub size_factor: f64,
    /// The medium is plugged in as a USB stick.
    pub stick: bool,
    /// What shows that the recovered machine works.
    pub proof: Proof,
    /// How long the whole drill may take.
    pub deadline: Duration,
}

/// What shows that the recovered machine works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// A login prompt on its serial console.
    #[default]
    Login,
    /// A text, as a regular expression, on its serial console.
    Text(String),
    /// A command that ends with 0 in a shell on its serial console.
    Command(String),
}

/// What a drill reports while it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A part of the drill begins.
    Phase(String),
    /// The rescue system reported something.
    Event(Event),
}

/// The menu entry that recovers unattended.
const NUKE: &str = "nuke";
/// How the menu that comes with the rescue system ends.
const MENU_PAGE: &str = "Type a number, then Enter.";
/// Longer than any emulated firmware needs to find its boot device.
const FIRMWARE: Duration = Duration::from_secs(300);
/// The shortest wait, even when the deadline is over.
const LAST_LOOK: Duration = Duration::from_secs(10);

/// Rehearses a recovery. The report covers a failed recovery, too; an error means that there was no rehearsal.
///
/// # Errors
/// When the medium cannot be read, the machine cannot be made, or the report cannot be written.
pub fn drill(
    runner: &dyn Runner,
    options: &DrillOptions,
    observer: &mut dyn FnMut(Progress),
) -> Result<DrillReport, DrillError> {
    std::fs::create_dir_all(&options.report).map_err(DrillError::io("CREATE", &options.report))?;
    let scratch = tempfile::Builder::new().prefix("lifeboat-drill-").tempdir_in(&options.scratch);
    let scratch = scratch.map_err(DrillError::io("CREATE", &options.scratch))?;
    let medium = Medium::read(runner, &options.medium, scratch.path())?;
    if !medium.manifest.has_archive() {
        let what = "its medium holds no archive; try a medium made by 'lifeboat rescue'";
        return Err(DrillError::Unsupported(what.to_owned()));
    }
    let acceleration = Acceleration::probe(&medium.kernel, options.cache.as_deref())?;
    let spec = spec_of(&medium, options, acceleration, scratch.path())?;
    let mut run = Run { options, medium: &medium, acceleration, spec, observer, stage: Stage::default() };
    let result = run.recover().and_then(|()| run.prove());
    let report = run.into_report(result.err())?;
    crate::report::write(&report, &options.report)?;
    Ok(report)
}

/// A virtual machine like the recorded one, with blank disks.
fn spec_of(
    medium: &Medium,
    options: &DrillOptions,
    acceleration: Acceleration,
    scratch: &Path,
) -> Result<VmSpec, DrillError> {
    let machine = &medium.machine;
    if machine.architecture != "x86_64" {
        return Err(DrillError::Unsupported(format!(
            "it is a {} machine; drills support x86_64 only",
            machine.architecture
        )));
    }
    let firmware = match machine.boot.firmware {
        Firmware::Bios => VmFirmware::Bios,
        Firmware::Uefi { secure_boot } => {
            let variables = scratch.join("variables.fd");
            // The signature of a signed medium is tested as well, whatever the machine's firmware enforces today.
            if let Some(signer) = &medium.signer {
                // The machine's own boot loader may be signed by either.
                let beside = if secure_boot { Beside::Microsoft } else { Beside::Nobody };
                keys::enroll(&variables, signer, beside)?;
            }
            VmFirmware::Uefi { secure_boot: secure_boot || medium.signer.is_some(), variables }
        }
    };
    let mut spec = VmSpec::new(firmware).memory(options.memory_mib);
    if let (Some(_), Some(parameter)) = (&medium.signer, acceleration.parameter()) {
        // Only the creator of the machine can add to a signed command line (systemd-stub(7); since systemd 254).
        spec.oem_strings.push(format!("io.systemd.stub.kernel-cmdline-extra={parameter}"));
    }
    for (index, (device, disk)) in machine.layout.disks().enumerate() {
        let path = scratch.join(format!("disk{index}.img"));
        let granule = u64::from(disk.logical_sector_bytes.max(512));
        let size = (device.size_bytes as f64 * options.size_factor) as u64;
        image::blank(&path, size.next_multiple_of(granule))?;
        let controller = options.controller.unwrap_or(match disk.transport.as_deref() {
            Some("nvme") => Controller::Nvme,
            Some("sata" | "ata") => Controller::Ahci,
            Some("scsi" | "sas") => Controller::VirtioScsi,
            _ => Controller::VirtioBlk,
        });
        let mut virtual_disk = VmDisk::raw(path, &format!("drill-{index}")).on(controller);
        virtual_disk.sector_bytes = Some(disk.logical_sector_bytes).filter(|bytes| *bytes > 512);
        spec = spec.disk(virtual_disk);
    }
    Ok(spec)
}

/// What a drill has seen so far.
#[derive(Default)]
struct Stage {
    marks: Marks,
    events: Vec<(f64, Event)>,
    screenshots: Vec<Screenshot>,
    console_tail: String,
}

struct Run<'a> {
    options: &'a DrillOptions,
    medium: &'a Medium,
    acceleration: Acceleration,
    spec: VmSpec,
    observer: &'a mut dyn FnMut(Progress),
    stage: Stage,
}

impl Run<'_> {
    fn recover(&mut self) -> Result<(), DrillError> {
        (self.observer)(Progress::Phase("boot the medium".to_owned()));
        let mut spec = match self.options.stick || self.medium.stick {
            true => self.spec.clone().stick(&self.options.medium),
            false => self.spec.clone().disc(&self.options.medium),
        };
        spec.further_discs.clone_from(&self.options.further_discs);
        let mut vm = Vm::start(&spec, self.acceleration, &self.options.report.join("recovery"))?;
        let result = self.follow(&mut vm);
        let started = vm.started;
        self.stage.events = arrived(&vm, started);
        self.stage.console_tail = vm.console.tail();
        if result.is_err() {
            self.screenshot(&mut vm, "failure");
        }
        result
    }

    fn follow(&mut self, vm: &mut Vm) -> Result<(), DrillError> {
        let started = vm.started;
        let since = |at: Instant| Some(at.saturating_duration_since(started).as_secs_f64());
        let menu = &self.medium.menu;
        // A signed medium shows its menu when its kernel runs; with BIOS it starts like all others.
        let by_page = self.medium.signer.is_some() && matches!(self.spec.firmware, VmFirmware::Uefi { .. });
        let mark = if by_page { MENU_PAGE.to_owned() } else { menu_mark(menu) };
        let shown = vm.console.wait_for(&Pattern::text(&mark)?, FIRMWARE.min(self.options.deadline))?;
        self.stage.marks.menu = since(shown.at);
        self.screenshot(vm, "menu");
        match by_page {
            true => vm.console.send(format!("{NUKE}\r").as_bytes())?,
            false => choose(vm, menu, NUKE, self.acceleration.parameter())?,
        }
        self.stage.marks.chosen = since(Instant::now());
        (self.observer)(Progress::Phase("recover".to_owned()));
        // A medium that started another mode would wait for a person: no need to wait for the deadline.
        let ready = Pattern::regex(r"lifeboat: (ready (expert|interactive)|stage mode .*)\n")?;
        let left = self.options.deadline.saturating_sub(started.elapsed());
        let end = Pattern::regex(r"lifeboat: (RESTORED|FAILED) ")?;
        let (which, found) = vm.console.wait_for_any(&[&ready, &end], left)?;
        if which == 0 && found.text.contains("ready") {
            let reason = "the medium did not start in nuke mode, although that menu entry was chosen".to_owned();
            return Err(DrillError::Failed { reason });
        }
        if which == 0 {
            self.screenshot(vm, "recovering");
        }
        let left = self.options.deadline.saturating_sub(started.elapsed());
        let end = await_end(vm, left)?;
        for (_, event) in arrived(vm, started) {
            if !matches!(event, Event::Progress { .. } | Event::Step { .. }) {
                (self.observer)(Progress::Event(event));
            }
        }
        self.screenshot(vm, "recovered");
        if let Event::Failed { reason } = end.event {
            return Err(DrillError::Failed { reason });
        }
        vm.wait_off(self.options.deadline.saturating_sub(started.elapsed()).max(LAST_LOOK))?;
        self.stage.marks.off = since(Instant::now());
        Ok(())
    }

    fn prove(&mut self) -> Result<(), DrillError> {
        (self.observer)(Progress::Phase("boot the recovered machine".to_owned()));
        let mut spec = self.spec.clone();
        if let (VmFirmware::Uefi { secure_boot, .. }, Firmware::Uefi { secure_boot: enforced }) =
            (&mut spec.firmware, self.medium.machine.boot.firmware)
        {
            // A signed medium is rehearsed under Secure Boot; the machine as it was.
            *secure_boot = enforced;
        }
        let mut vm = Vm::start(&spec, self.acceleration, &self.options.report.join("booted"))?;
        // The clock continues where the recovery ended.
        let offset = self.stage.marks.off.unwrap_or(0.0);
        self.stage.marks.second_start = Some(offset);
        let left = self.options.deadline.saturating_sub(Duration::from_secs_f64(offset)).max(LAST_LOOK);
        let result = match &self.options.proof {
            Proof::Login => vm.console.wait_for(&Pattern::text("login:")?, left).map(drop),
            Proof::Text(pattern) => vm.console.wait_for(&Pattern::regex(pattern)?, left).map(drop),
            Proof::Command(command) => {
                Guest::login(&mut vm, left).and_then(|mut guest| guest.must(command, left)).map(drop)
            }
        };
        if result.is_ok() {
            self.stage.marks.well = Some(offset + vm.started.elapsed().as_secs_f64());
        }
        self.stage.console_tail = vm.console.tail();
        self.screenshot(&mut vm, "booted");
        result
    }

    /// Screenshots are an extra: one that fails is left out.
    fn screenshot(&mut self, vm: &mut Vm, name: &str) {
        let file = self.options.report.join(format!("{name}.png"));
        // QEMU's working directory is the same as ours only by accident.
        let path = std::path::absolute(&file).unwrap_or(file);
        match vm.qmp.screenshot(&path) {
            Ok(()) => self.stage.screenshots.push(Screenshot {
                name: name.to_owned(),
                at: vm.started.elapsed().as_secs_f64(),
                file: format!("{name}.png"),
            }),
            Err(error) => tracing::debug!(%error, name, "no screenshot"),
        }
    }

    fn into_report(self, error: Option<DrillError>) -> Result<DrillReport, DrillError> {
        let machine = &self.medium.machine;
        let disks = self.spec.disks.iter().zip(machine.layout.disks());
        let targets = disks.map(|(disk, (device, _))| Target {
            device: device.id.to_string(),
            controller: disk.controller.name().to_owned(),
            recorded_bytes: device.size_bytes,
            size_bytes: lifeboat_sys::block::size_bytes(&disk.image).unwrap_or(0),
        });
        let stage = self.stage;
        let restored = stage.events.iter().find_map(|(_, event)| match event {
            Event::Restored { entries, .. } => Some(*entries),
            _ => None,
        });
        Ok(DrillReport {
            passed: error.is_none(),
            reason: error.map(|error| error.to_string()),
            machine: machine.name.clone(),
            os: machine.os.pretty_name.clone(),
            firmware: match machine.boot.firmware {
                Firmware::Bios => "BIOS".to_owned(),
                Firmware::Uefi { .. } if self.medium.signer.is_some() => {
                    "UEFI with Secure Boot, trusting the medium's key".to_owned()
                }
                Firmware::Uefi { secure_boot: false } => "UEFI".to_owned(),
                Firmware::Uefi { secure_boot: true } => "UEFI with Secure Boot".to_owned(),
            },
            kernel: self.medium.manifest.kernel.clone(),
            medium: self.options.medium.display().to_string(),
            medium_id: self.medium.manifest.medium_id.clone(),
            medium_created_at: self.medium.manifest.created_at.clone(),
            medium_bytes: lifeboat_sys::block::size_bytes(&self.options.medium).unwrap_or(0),
            snapshot: self.medium.manifest.archive.as_ref().map(|archive| archive.snapshot.clone()),
            entries_expected: self.medium.manifest.archive.as_ref().map(|archive| archive.entries),
            entries_restored: restored,
            acceleration: self.acceleration,
            memory_mib: self.spec.memory_mib,
            targets: targets.collect(),
            phases: phases(&stage.marks, &stage.events),
            warnings: stage
                .events
                .iter()
                .filter_map(|(_, event)| match event {
                    Event::Warning { .. } | Event::Entry { .. } => Some(event.console_line()),
                    _ => None,
                })
                .collect(),
            screenshots: stage.screenshots,
            console_tail: stage.console_tail,
        })
    }
}

/// Events of a machine, from its port or, if that carried none, from its console, with seconds since power-on.
fn arrived(vm: &Vm, started: Instant) -> Vec<(f64, Event)> {
    let seconds = |at: Instant| at.saturating_duration_since(started).as_secs_f64();
    let port = vm.events.as_ref().map(|port| port.events()).unwrap_or_default();
    if !port.is_empty() {
        return port.into_iter().map(|arrived| (seconds(arrived.at), arrived.event)).collect();
    }
    let lines = vm.console.lines();
    lines.into_iter().filter_map(|(at, line)| Some((seconds(at), from_console(&line)?))).collect()
}

/// The beginning of the menu's first line, as much of it as a narrow console surely shows.
fn menu_mark(menu: &Menu) -> String {
    menu.first_title.chars().take(40).collect()
}

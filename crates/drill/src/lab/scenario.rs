//! A machine is recorded, lost, recovered, compared and booted again.
//!
//! A test reads like a story:
//!
//! ```no_run
//! # use lifeboat_drill::lab::{Lab, Scenario, Target};
//! # fn story(lab: &Lab, programs: &[std::path::PathBuf]) -> Result<(), lifeboat_drill::DrillError> {
//! let scenario = Scenario::new(lab, "debian12-bios-gpt-ext4", "target/e2e".as_ref())?;
//! let original = scenario.record(programs, "lifeboat rescue --out /run/medium/rescue.iso --mode nuke")?;
//! let recovered = scenario.recover(&original.medium, &Target::default())?;
//! scenario.compare(&original, &recovered)?;
//! scenario.boot(&recovered, &[])?;
//! # Ok(())
//! # }
//! ```

use super::lock::VmLock;
use super::machine::{Lab, LabMachine};
use crate::DrillError;
use crate::guest::Guest;
use crate::vm::event_port::{Arrived, from_console};
use crate::vm::{Acceleration, Controller, DirectKernel, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::Event;
use lifeboat_sys::SystemRunner;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// From power-on to a shell; emulated, on a host that does other work, minutes.
pub const BOOT: Duration = Duration::from_secs(600);
/// Recording a machine and building its medium.
pub const RECORD: Duration = Duration::from_secs(3600);
/// A whole recovery.
pub const RECOVER: Duration = Duration::from_secs(3600);
/// Where a machine keeps its medium until it is fetched: a tmpfs, so the machine's disk is as it was.
pub const MEDIUM_DIRECTORY: &str = "/run/medium";
/// Serial number of the original disk.
pub const SERIAL: &str = "lab-disk";

/// A scenario around one lab machine; no other runs on this host until it is dropped.
#[derive(Debug)]
pub struct Scenario {
    /// The machine.
    pub machine: LabMachine,
    /// How virtual machines run here.
    pub acceleration: Acceleration,
    /// Holds disks, media and logs; kept for later analysis.
    pub directory: PathBuf,
    /// Controller of the original's disk.
    pub controller: Controller,
    lab: Lab,
    _lock: VmLock,
}

/// A machine that was recorded and then lost.
#[derive(Clone, Debug)]
pub struct Original {
    /// Its disk as it was at the end, a qcow2 image.
    pub disk: PathBuf,
    /// The medium that it made.
    pub medium: PathBuf,
    /// The output of the recording.
    pub output: String,
}

/// What a medium is booted on.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// Controller of the new disk.
    pub controller: Controller,
    /// Size of the new disk in bytes; that of the original when `None`.
    pub size_bytes: Option<u64>,
    /// The medium is a USB stick, not a disc.
    pub stick: bool,
    /// A disk to recover onto; a blank one is made when `None`.
    pub disk: Option<PathBuf>,
    /// Further disks.
    pub more: Vec<VmDisk>,
    /// Memory in MiB; 2048 when `None`.
    pub memory_mib: Option<u32>,
    /// Other firmware than the machine's own, with variables as it leaves the factory.
    pub firmware: Option<VmFirmware>,
    /// Discs in further drives.
    pub further_discs: Vec<PathBuf>,
    /// Further arguments of QEMU, such as a network card.
    pub extra: Vec<String>,
    /// A rescue system that is loaded as by a network boot; the medium itself is in no drive.
    pub netboot: Option<DirectKernel>,
    /// It starts by itself from a card among `extra`; the medium is in no drive.
    pub network: bool,
}

/// A machine after its recovery.
#[derive(Debug)]
pub struct Recovered {
    /// Its disk, raw.
    pub disk: PathBuf,
    /// The machine to boot it in: the same firmware variables and controller, no medium.
    pub spec: VmSpec,
    /// What happened, with times since power-on.
    pub events: Vec<(Duration, Event)>,
    /// From power-on to power-off.
    pub took: Duration,
}

/// A running recovery.
pub struct Recovery {
    /// The machine that was booted from the medium.
    pub vm: Vm,
    /// Its disk, raw.
    pub disk: PathBuf,
    /// The machine without the medium.
    pub spec: VmSpec,
}

impl Recovery {
    /// Waits until the recovery has powered the machine off.
    ///
    /// # Errors
    /// [`DrillError::Failed`] with the reason when the recovery says FAILED.
    pub fn end(self) -> Result<Recovered, DrillError> {
        let Recovery { mut vm, disk, spec } = self;
        let end = await_end(&mut vm, RECOVER)?;
        if let Event::Failed { reason } = end.event {
            return Err(DrillError::Failed { reason });
        }
        vm.wait_off(BOOT)?;
        let took = vm.started.elapsed();
        let started = vm.started;
        let arrived = vm.events.as_ref().map(|port| port.events()).unwrap_or_default();
        let events = arrived.into_iter().map(|a| (a.at.saturating_duration_since(started), a.event)).collect();
        Ok(Recovered { disk, spec, events, took })
    }
}

impl Scenario {
    /// Prepares the machine and waits for its turn. Disks and logs go below `directory`.
    ///
    /// # Errors
    /// When the machine cannot be made.
    pub fn new(lab: &Lab, name: &str, directory: &Path) -> Result<Scenario, DrillError> {
        let lock = VmLock::acquire(&lab.machines()?)?;
        let machine = lab.machine(name)?;
        let acceleration = machine.acceleration(lab)?;
        let directory = directory.join(name);
        std::fs::create_dir_all(&directory).map_err(DrillError::io("CREATE", &directory))?;
        let directory = directory.canonicalize().map_err(DrillError::io("OPEN", &directory))?;
        let controller = Controller::default();
        Ok(Scenario { machine, acceleration, directory, controller, lab: lab.clone(), _lock: lock })
    }

    /// Starts the original machine on a fresh copy of its disk; returns it with the disk.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_original(&self) -> Result<(Vm, PathBuf), DrillError> {
        self.start_original_with(|_| ())
    }

    /// The same with changes to the machine, such as a network card.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_original_with(&self, adjust: impl FnOnce(&mut VmSpec)) -> Result<(Vm, PathBuf), DrillError> {
        let disk = self.directory.join("original.qcow2");
        image::overlay(&SystemRunner, &self.machine.disk, &disk)?;
        let firmware = self.machine.firmware_at(&self.directory.join("original.vars.fd"), true)?;
        let mut spec = VmSpec::new(firmware).memory(3072).disk(VmDisk::qcow2(&disk, SERIAL).on(self.controller));
        spec.bay = true;
        adjust(&mut spec);
        Ok((Vm::start(&spec, self.acceleration, &self.directory.join("original"))?, disk))
    }

    /// Boots the machine, installs `programs`, runs `command`, which leaves its medium as
    /// `/run/medium/rescue.iso`, fetches the medium, and cuts the power.
    ///
    /// # Errors
    /// When any of this fails; a command that does not end with 0 is [`DrillError::Guest`].
    pub fn record(&self, programs: &[PathBuf], command: &str) -> Result<Original, DrillError> {
        self.record_with(programs, command, |_| ())
    }

    /// The same with changes to the machine, such as a network card.
    ///
    /// # Errors
    /// As [`Scenario::record`].
    pub fn record_with(
        &self,
        programs: &[PathBuf],
        command: &str,
        adjust: impl FnOnce(&mut VmSpec),
    ) -> Result<Original, DrillError> {
        let (mut vm, disk) = self.start_original_with(adjust)?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.install(&SystemRunner, programs, "/usr/local/bin")?;
        let tmpfs = format!("mkdir -p {MEDIUM_DIRECTORY} && mount -t tmpfs -o size=2500m tmpfs {MEDIUM_DIRECTORY}");
        guest.must(&tmpfs, BOOT)?;
        let output = guest.must(command, RECORD)?;
        let medium = self.directory.join("rescue.iso");
        guest.fetch(&format!("{MEDIUM_DIRECTORY}/rescue.iso"), &medium, RECORD)?;
        guest.settle()?;
        vm.power_cut();
        Ok(Original { disk, medium, output })
    }

    /// As [`Scenario::record`], but reuses what the same programs recorded before with the same command, if it still exists.
    ///
    /// # Errors
    /// As [`Scenario::record`].
    pub fn recorded(&self, programs: &[PathBuf], command: &str) -> Result<Original, DrillError> {
        self.recorded_with(programs, command, |_| ())
    }

    /// The same with changes to the machine, which are made only when it is recorded.
    ///
    /// # Errors
    /// As [`Scenario::record`].
    pub fn recorded_with(
        &self,
        programs: &[PathBuf],
        command: &str,
        adjust: impl FnOnce(&mut VmSpec),
    ) -> Result<Original, DrillError> {
        let stamp = self.directory.join("recorded");
        let mut facts = format!("{command}\n{}\n{:?}\n", self.machine.disk.display(), self.controller);
        for program in programs {
            let status = std::fs::metadata(program).and_then(|status| Ok((status.len(), status.modified()?)));
            facts.push_str(&format!("{} {:?}\n", program.display(), status.map_err(DrillError::io("READ", program))?));
        }
        let [disk, medium, output] = ["original.qcow2", "rescue.iso", "output"].map(|name| self.directory.join(name));
        let known = std::fs::read_to_string(&stamp).is_ok_and(|text| text == facts);
        if let (true, true, true, Ok(output)) =
            (known, disk.exists(), medium.exists(), std::fs::read_to_string(&output))
        {
            return Ok(Original { disk, medium, output });
        }
        let original = self.record_with(programs, command, adjust)?;
        std::fs::write(&output, &original.output).map_err(DrillError::io("WRITE", &output))?;
        std::fs::write(&stamp, facts).map_err(DrillError::io("WRITE", &stamp))?;
        Ok(original)
    }

    /// Boots the medium against a new disk and waits until the recovery has powered the machine off.
    ///
    /// # Errors
    /// [`DrillError::Failed`] with the reason when the recovery says FAILED.
    pub fn recover(&self, medium: &Path, target: &Target) -> Result<Recovered, DrillError> {
        self.start_recovery(medium, target)?.end()
    }

    /// Boots the medium against a new disk.
    ///
    /// # Errors
    /// When the machine does not start.
    pub fn start_recovery(&self, medium: &Path, target: &Target) -> Result<Recovery, DrillError> {
        let disk = self.directory.join("recovered.img");
        match &target.disk {
            Some(given) if *given == disk => {}
            Some(given) => std::fs::copy(given, &disk).map(drop).map_err(DrillError::io("COPY", given))?,
            None => {
                let size = match target.size_bytes {
                    Some(size) => size,
                    None => lifeboat_sys::block::size_bytes(&self.machine.disk)
                        .map_err(DrillError::io("READ", &self.machine.disk))?,
                };
                image::blank(&disk, size)?;
            }
        }
        let firmware = match &target.firmware {
            Some(firmware) => firmware.clone(),
            None => self.machine.firmware_at(&self.directory.join("recovered.vars.fd"), false)?,
        };
        let memory = target.memory_mib.unwrap_or(2048);
        let mut spec = VmSpec::new(firmware).memory(memory).disk(VmDisk::raw(&disk, "new-disk").on(target.controller));
        spec.disks.extend(target.more.iter().cloned());
        spec.extra.extend(target.extra.iter().cloned());
        let mut booted = match (&target.netboot, target.stick) {
            (Some(kernel), _) => spec.clone().kernel(kernel.clone()),
            (None, _) if target.network => spec.clone(),
            (None, true) => spec.clone().stick(medium),
            (None, false) => spec.clone().disc(medium),
        };
        booted.further_discs.clone_from(&target.further_discs);
        let vm = Vm::start(&booted, self.acceleration, &self.directory.join("recovery"))?;
        Ok(Recovery { vm, disk, spec })
    }

    /// Compares the disks with stock tools, by `lab/compare-disks.sh`, under the exceptions in `lab/ignore/MACHINE`.
    /// A disk of another size is compared without sizes.
    ///
    /// # Errors
    /// [`DrillError::Different`] with every difference.
    pub fn compare(&self, original: &Original, recovered: &Recovered) -> Result<(), DrillError> {
        self.compare_with(original, recovered, &[], &[])
    }

    /// As [`Scenario::compare`], with further exceptions (extended regular expressions over the lines of differences) and
    /// options of the script.
    ///
    /// # Errors
    /// As [`Scenario::compare`].
    pub fn compare_with(
        &self,
        original: &Original,
        recovered: &Recovered,
        exceptions: &[&str],
        options: &[&str],
    ) -> Result<(), DrillError> {
        let raw = self.directory.join("original.img");
        image::flatten(&SystemRunner, &original.disk, &raw)?;
        let script = self.lab.scripts.join("compare-disks.sh");
        let mut command = Command::new(&script);
        command.arg(&raw).arg(&recovered.disk).args(options);
        let ignore = self.lab.scripts.join("ignore").join(&self.machine.name);
        let known = if ignore.is_file() {
            std::fs::read_to_string(&ignore).map_err(DrillError::io("READ", &ignore))?
        } else {
            String::new()
        };
        let list = self.directory.join("ignore");
        std::fs::write(&list, format!("{known}{}\n", exceptions.join("\n"))).map_err(DrillError::io("WRITE", &list))?;
        command.arg("--ignore-file").arg(&list);
        let size = |path: &Path| lifeboat_sys::block::size_bytes(path).map_err(DrillError::io("READ", path));
        if size(&raw)? != size(&recovered.disk)? {
            command.arg("--resized");
        }
        let output = command.env("XDG_CACHE_HOME", &self.lab.cache).stdin(Stdio::null()).output();
        let output = output.map_err(DrillError::io("RUN", &script))?;
        let _ = std::fs::remove_file(&raw);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.code() {
            Some(0) => Ok(()),
            Some(1) if !text.trim().is_empty() => Err(DrillError::Different { differences: text }),
            _ => {
                let reported = String::from_utf8_lossy(&output.stderr);
                Err(DrillError::Lab { name: self.machine.name.clone(), reason: format!("{text}{reported}") })
            }
        }
    }

    /// Boots the recovered machine without the medium and waits for a root shell on it, in which `checks` must succeed.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn boot(&self, recovered: &Recovered, checks: &[&str]) -> Result<(), DrillError> {
        let mut vm = Vm::start(&recovered.spec, self.acceleration, &self.directory.join("booted"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        for check in checks {
            guest.must(check, BOOT)?;
        }
        guest.run("poweroff", BOOT)?;
        vm.wait_off(BOOT)
    }
}

/// Waits for the event that ends a recovery.
///
/// # Errors
/// As [`await_event`].
pub fn await_end(vm: &mut Vm, deadline: Duration) -> Result<Arrived, DrillError> {
    await_event(vm, "the end of the recovery", deadline, Event::is_final)
}

/// Waits for an event, from power-on, on the event port or on the console, whichever reports it first: a machine may
/// fail before it has a port, and a serial line may garble what it says.
///
/// # Errors
/// [`DrillError::Deadline`] or, when the machine ends without it, [`DrillError::Ended`].
pub fn await_event(
    vm: &mut Vm,
    awaited: &str,
    deadline: Duration,
    wanted: impl Fn(&Event) -> bool,
) -> Result<Arrived, DrillError> {
    /// How often the console is checked while listening to the port.
    const LOOK: Duration = Duration::from_millis(250);
    let end = Instant::now() + deadline;
    loop {
        let running = vm.is_running();
        let left = end.saturating_duration_since(Instant::now());
        match &vm.events {
            Some(port) => {
                if let Ok(found) = port.wait_for(awaited, left.min(LOOK), &wanted) {
                    return Ok(found);
                }
            }
            None => vm.console.wait_for_more(left.min(LOOK)),
        }
        let on_console = vm.console.lines().into_iter().find_map(|(at, line)| {
            let event = from_console(&line).filter(&wanted)?;
            Some(Arrived { at, event })
        });
        match on_console {
            Some(found) => return Ok(found),
            // The last output arrives before the end, and both were read after it.
            None if !running => {
                let status = "it has disappeared".to_owned();
                return Err(DrillError::Ended { status, awaited: awaited.to_owned(), tail: vm.console.tail() });
            }
            None if left.is_zero() => {
                return Err(DrillError::Deadline { awaited: awaited.to_owned(), deadline, tail: vm.console.tail() });
            }
            None => {}
        }
    }
}

//! A running virtual machine.

use super::acceleration::Acceleration;
use super::arguments::{BAY, OVMF, OVMF_CODE, OVMF_CODE_SECURE, OVMF_VARS, OVMF_VARS_SECURE, Places, arguments};
use super::console::Console;
use super::event_port::EventPort;
use super::qmp::Qmp;
use super::spec::{VmFirmware, VmSpec};
use crate::DrillError;
use lifeboat_sys::RunError;
use lifeboat_sys::program::{Program, QEMU_SYSTEM_X86_64, SETPRIV};
use serde_json::json;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// QEMU opens its sockets within milliseconds; a loaded host may need longer.
const START: Duration = Duration::from_secs(30);
/// How long a process that dropped its connections needs to end.
const GOING: Duration = Duration::from_secs(2);
/// The interval for polling a process or socket that cannot be waited for.
const POLL: Duration = Duration::from_millis(20);
/// Where sockets are: always here, because their paths must be short.
pub(crate) const TEMPORARY: &str = "/tmp";

/// A virtual machine; ends with a power cut when it is dropped.
#[derive(Debug)]
pub struct Vm {
    /// The first serial port.
    pub console: Console,
    /// The second, when there is one.
    pub second_serial: Option<Console>,
    /// Events, when the machine has the port.
    pub events: Option<EventPort>,
    /// The monitor.
    pub qmp: Qmp,
    /// When its processors started.
    pub started: Instant,
    places: Places,
    child: Child,
    /// Holds the sockets.
    _sockets: Option<tempfile::TempDir>,
}

impl Vm {
    /// Starts a machine; `logs` gets `console.log` and `qemu.log`.
    ///
    /// # Errors
    /// When QEMU or firmware is missing, or QEMU refuses the machine.
    pub fn start(spec: &VmSpec, acceleration: Acceleration, logs: &Path) -> Result<Vm, DrillError> {
        std::fs::create_dir_all(logs).map_err(DrillError::io("CREATE", logs))?;
        let sockets = tempfile::Builder::new().prefix("lifeboat-vm-").tempdir_in(TEMPORARY);
        let sockets = sockets.map_err(DrillError::io("CREATE", TEMPORARY))?;
        let places = Places { sockets: sockets.path().to_owned(), logs: logs.to_owned() };
        let mut vm = Vm::start_at(spec, acceleration, places)?;
        vm._sockets = Some(sockets);
        Ok(vm)
    }

    pub(crate) fn start_at(spec: &VmSpec, acceleration: Acceleration, places: Places) -> Result<Vm, DrillError> {
        prepare_firmware(&spec.firmware)?;
        let log = places.qemu_log();
        let output = std::fs::File::create(&log).map_err(DrillError::io("CREATE", &log))?;
        let errors = output.try_clone().map_err(DrillError::io("CREATE", &log))?;
        let qemu = find(QEMU_SYSTEM_X86_64)?;
        // If this process dies without running destructors, the kernel ends QEMU (prctl(2), PR_SET_PDEATHSIG).
        let mut command = Command::new(find(SETPRIV)?);
        lifeboat_sys::child::ordinary_environment(&mut command);
        command
            .args(["--pdeathsig", "KILL"])
            .arg(qemu)
            .args(arguments(spec, acceleration, &places))
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Ctrl-C on a terminal reaches this process, which then decides.
            .process_group(0);
        let child = command.spawn().map_err(DrillError::io("RUN", SETPRIV.name))?;
        let mut child = KillOnDrop(Some(child));
        let connected = Connections::open(spec, &places, child.get());
        let Some(mut child) = child.0.take() else { return Err(ended("unknown", "its start", &places)) };
        match connected {
            Ok(Connections { console, second_serial, events, qmp }) => {
                let started = Instant::now();
                Ok(Vm { console, second_serial, events, qmp, started, places, child, _sockets: None })
            }
            Err(error) => {
                // A QEMU that is about to end says why in its log; sockets only report that it is gone.
                let status = exit_within(&mut child, GOING);
                let _ = child.kill();
                let _ = child.wait();
                Err(status.map_or(error, |status| ended(&status.to_string(), "its start", &places)))
            }
        }
    }

    /// Waits until the machine has powered off (or, without `reboots`, rebooted).
    ///
    /// # Errors
    /// [`DrillError::Deadline`].
    pub fn wait_off(&mut self, deadline: Duration) -> Result<(), DrillError> {
        if self.is_running() && exit_within(&mut self.child, deadline).is_none() {
            let awaited = "the machine to power off".to_owned();
            return Err(DrillError::Deadline { awaited, deadline, tail: self.console.tail() });
        }
        Ok(())
    }

    /// Plugs a raw image into the bay as a SCSI disk with this serial number; the guest finds it at [`bay_path`].
    ///
    /// # Errors
    /// When QEMU refuses, for example because the machine has no bay.
    pub fn plug(&mut self, image: &Path, serial: &str) -> Result<(), DrillError> {
        let file = json!({"driver": "file", "filename": image.to_string_lossy(), "cache": {"no-flush": true}});
        self.qmp.execute("blockdev-add", json!({"driver": "raw", "node-name": serial, "file": file}))?;
        let device = json!({"driver": "scsi-hd", "bus": format!("{BAY}.0"), "id": format!("{serial}-device"),
            "drive": serial, "serial": serial});
        self.qmp.execute("device_add", device).map(drop)
    }

    /// Pulls a disk out of the bay again.
    ///
    /// # Errors
    /// When the guest does not let go of it.
    pub fn unplug(&mut self, serial: &str) -> Result<(), DrillError> {
        self.qmp.take_events();
        self.qmp.unplug(&format!("{serial}-device"))?;
        self.qmp.wait_for_event("DEVICE_DELETED", START)?;
        self.qmp.execute("blockdev-del", json!({"node-name": serial})).map(drop)
    }

    /// Whether the machine is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Cuts the power.
    pub fn power_cut(mut self) {
        self.kill();
    }

    /// Where all console output is kept.
    pub fn console_log(&self) -> PathBuf {
        self.places.console_log()
    }

    fn kill(&mut self) {
        // QEMU is the only process of its group. One that has already ended has been waited for: nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where udev in a guest puts the link to a disk plugged into the bay.
pub fn bay_path(serial: &str) -> String {
    format!("/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{serial}")
}

impl Drop for Vm {
    fn drop(&mut self) {
        self.kill();
    }
}

/// All lines to a machine.
struct Connections {
    console: Console,
    second_serial: Option<Console>,
    events: Option<EventPort>,
    qmp: Qmp,
}

impl Connections {
    /// Connects them all, then starts the processors, so that nothing is missed.
    fn open(spec: &VmSpec, places: &Places, mut child: Option<&mut Child>) -> Result<Connections, DrillError> {
        let mut open = |path: PathBuf| connect(child.as_deref_mut(), path, places);
        let monitor = open(places.monitor())?;
        let console = Console::new(open(places.serial())?, places.serial())?;
        let second_serial = match spec.second_serial {
            true => Some(Console::new(open(places.second_serial())?, places.second_serial())?),
            false => None,
        };
        let events = match spec.events {
            true => Some(EventPort::new(open(places.events())?, &places.events())?),
            false => None,
        };
        let mut qmp = Qmp::new(monitor, places.monitor())?;
        qmp.resume()?;
        Ok(Connections { console, second_serial, events, qmp })
    }
}

/// How a child ended, if it does so soon.
fn exit_within(child: &mut Child, deadline: Duration) -> Option<std::process::ExitStatus> {
    let end = Instant::now() + deadline;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < end => std::thread::sleep(POLL),
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
}

/// A child that does not outlive an early return.
struct KillOnDrop(Option<Child>);

impl KillOnDrop {
    fn get(&mut self) -> Option<&mut Child> {
        self.0.as_mut()
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn connect(mut child: Option<&mut Child>, path: PathBuf, places: &Places) -> Result<UnixStream, DrillError> {
    let end = Instant::now() + START;
    loop {
        match UnixStream::connect(&path) {
            Ok(stream) => return Ok(stream),
            Err(_) if Instant::now() < end => {}
            Err(source) => return Err(DrillError::Io { action: "CONNECT TO", path, source }),
        }
        if let Some(Ok(Some(status))) = child.as_mut().map(|child| child.try_wait()) {
            return Err(ended(&status.to_string(), "its start", places));
        }
        std::thread::sleep(POLL);
    }
}

fn ended(status: &str, awaited: &str, places: &Places) -> DrillError {
    let tail = std::fs::read_to_string(places.qemu_log()).unwrap_or_default();
    DrillError::Ended { status: status.to_owned(), awaited: awaited.to_owned(), tail }
}

fn find(program: &'static Program) -> Result<PathBuf, DrillError> {
    let missing = RunError::Missing { name: program.name, package: program.package };
    program.find(Path::new("/")).ok_or(DrillError::Run(missing))
}

/// Makes the variable store of a machine that has none yet.
fn prepare_firmware(firmware: &VmFirmware) -> Result<(), DrillError> {
    let VmFirmware::Uefi { secure_boot, variables } = firmware else { return Ok(()) };
    let (code, template) = match secure_boot {
        true => (OVMF_CODE_SECURE, OVMF_VARS_SECURE),
        false => (OVMF_CODE, OVMF_VARS),
    };
    for name in [code, template] {
        let path = Path::new(OVMF).join(name);
        if !path.exists() {
            return Err(DrillError::Firmware { path });
        }
    }
    if !variables.exists() {
        std::fs::copy(Path::new(OVMF).join(template), variables).map_err(DrillError::io("CREATE", variables))?;
    }
    Ok(())
}

//! Drivers for everything the machine has, and for whatever is plugged in later.
//!
//! One thread listens to the kernel's events, several others load modules, all for the whole life of the rescue system.
//!
//! **When have devices settled?** The kernel has no such notion, so this is the reasoning. finit_module(2) returns
//! after the module's init function, which has probed the devices that it found, and after `async_synchronize_full()`
//! (kernel/module, do_init_module), which waits for the asynchronous part: SCSI host scans, SATA ports, NVMe. Each device
//! found has sent its event before that. So, once (1) nothing waits to be loaded and no load is under way, and (2) a
//! synthetic event sent after that has come back through the socket, so that every event before it was read, and (3) those
//! events brought no new modalias, then everything that the drivers knew of is there. What comes later in its own time
//! (USB devices, most of all) sends its events then: to get a certain device, wait with [`Hotplug::wait_for_block_event`].

use crate::children::Children;
use crate::report::{Reporter, locked};
use crate::sysfs;
use lifeboat_sys::child::Setup;
use lifeboat_sys::modules::{LoadError, Loader, fnmatch};
use lifeboat_sys::uevent::{Received, Uevent, UeventSocket, synthesise};
use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A device that every kernel has, to send synthetic events from.
const BARRIER_DEVICE: &str = "/sys/devices/virtual/mem/null";
/// How long a barrier may take to come back. It is far below a second unless the machine is stalled.
const BARRIER_PATIENCE: Duration = Duration::from_secs(10);
/// Buses and functions that lead neither to storage nor to a network nor to a keyboard, and whose modules take seconds:
/// they wait until the boot waits for a person ([`Hotplug::load_deferred`]). What a program needs of them before that, such as
/// a fast cipher, the kernel asks for by name. Everything that is not listed here is essential.
const DEFERRED: [(&str, &str); 10] = [
    ("cpu:*", "ciphers and checksums, which test themselves when loaded; power management"),
    ("input:*", "event interfaces of input devices; the console needs none"),
    ("serio:ty01*", "PS/2 mice, whose probing takes a second; keyboards are ty06"),
    ("dmi:*", "extras of laptops"),
    ("wmi:*", "extras of laptops"),
    ("i2c:*", "sensors"),
    ("platform:pcspkr*", "the beeper"),
    ("pci:*bc03sc*", "display controllers: the firmware's frame buffer serves the console"),
    ("pci:*bc04sc*", "sound"),
    ("pci:*bc0Csc05*", "SMBus, for sensors"),
];
/// Threads that load modules: most of the time they wait for hardware, so there are more than processors.
const WORKERS: usize = 8;

#[derive(Default)]
struct State {
    pending: VecDeque<String>,
    /// Modaliases that are not essential.
    deferred: Vec<String>,
    /// Nothing is deferred any more.
    everything: bool,
    /// Modaliases that have been queued at least once.
    seen: HashSet<String>,
    /// Modaliases that are being worked on.
    active: Vec<String>,
    /// The last barrier that came back.
    barrier: u64,
    barriers_sent: u64,
    block_events: u64,
    tape_events: u64,
    errors: Vec<LoadError>,
    listening: bool,
}

/// Loads drivers as devices appear.
pub struct Hotplug {
    loader: Mutex<Arc<Loader>>,
    state: Mutex<State>,
    changed: Condvar,
    reporter: Arc<Reporter>,
}

impl Hotplug {
    /// Starts the threads. Without a socket only devices that are there at a cold plug get drivers.
    pub fn start(loader: Loader, socket: Option<UeventSocket>, reporter: Arc<Reporter>) -> Arc<Hotplug> {
        let hotplug = Arc::new(Hotplug {
            loader: Mutex::new(Arc::new(loader)),
            state: Mutex::new(State { listening: socket.is_some(), ..State::default() }),
            changed: Condvar::new(),
            reporter,
        });
        for number in 0..WORKERS {
            let worker = Arc::clone(&hotplug);
            let _ = std::thread::Builder::new().name(format!("loader {number}")).spawn(move || worker.work());
        }
        if let Some(socket) = socket {
            let listener = Arc::clone(&hotplug);
            let _ = std::thread::Builder::new().name("uevents".into()).spawn(move || listener.listen(&socket));
        }
        hotplug
    }

    /// The loader, for modules that are requested by name.
    pub fn loader(&self) -> Arc<Loader> {
        Arc::clone(&locked(&self.loader))
    }

    /// Queues the modaliases of all devices; with `again` those of devices without a driver, even if they were tried before.
    pub fn cold_plug(&self, again: bool) {
        if again {
            locked(&self.state).seen.clear();
            self.loader().forget_failures();
        }
        sysfs::walk_modaliases(Path::new("/sys/devices"), again, &mut |modalias| self.queue(modalias));
    }

    /// Uses another index from now on, because more modules came with the tools image.
    pub fn replace_loader(&self, loader: Loader) {
        *locked(&self.loader) = Arc::new(loader);
    }

    /// Waits until devices have settled (see above).
    ///
    /// # Errors
    /// What was still awaited at the deadline.
    pub fn settle(&self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        loop {
            let before = self.idle(deadline)?;
            self.pass_barrier(deadline.min(Instant::now() + BARRIER_PATIENCE))?;
            if self.idle(deadline)? == before {
                return Ok(());
            }
        }
    }

    /// Waits until nothing is queued or being loaded; reports how many modaliases there have been.
    fn idle(&self, deadline: Instant) -> Result<usize, String> {
        let mut state = locked(&self.state);
        while !(state.pending.is_empty() && state.active.is_empty()) {
            state = self.wait(state, deadline).map_err(|state| {
                let names = state.active.iter().chain(&state.pending).map(String::as_str);
                format!("the drivers of {}", names.take(5).collect::<Vec<_>>().join(", "))
            })?;
        }
        Ok(state.seen.len())
    }

    fn pass_barrier(&self, deadline: Instant) -> Result<(), String> {
        let number = {
            let mut state = locked(&self.state);
            if !state.listening {
                return Ok(());
            }
            state.barriers_sent += 1;
            state.barriers_sent
        };
        // Kernels before 4.13 have no synthetic events with an id: there the queue may hold a few more events.
        if synthesise(Path::new(BARRIER_DEVICE), &barrier_uuid(number)).is_err() {
            return Ok(());
        }
        let mut state = locked(&self.state);
        while state.barrier < number {
            state = self.wait(state, deadline).map_err(|_| "the kernel's device events".to_owned())?;
        }
        Ok(())
    }

    /// How many events of block devices there have been.
    pub fn block_events(&self) -> u64 {
        locked(&self.state).block_events
    }

    /// Waits until a block device has appeared, changed or gone after the first `known` events; false at the deadline.
    pub fn wait_for_block_event(&self, known: u64, deadline: Instant) -> bool {
        self.wait_for_event(|state| state.block_events, known, deadline)
    }

    /// How many events of tape drives there have been. A cartridge that is put in sends none.
    pub fn tape_events(&self) -> u64 {
        locked(&self.state).tape_events
    }

    /// As [`Hotplug::wait_for_block_event`], for tape drives.
    pub fn wait_for_tape_event(&self, known: u64, deadline: Instant) -> bool {
        self.wait_for_event(|state| state.tape_events, known, deadline)
    }

    fn wait_for_event(&self, count: fn(&State) -> u64, known: u64, deadline: Instant) -> bool {
        let mut state = locked(&self.state);
        while count(&state) == known {
            match self.wait(state, deadline) {
                Ok(next) => state = next,
                Err(_) => return false,
            }
        }
        true
    }

    /// Modules that did not load since the last call, except those that found no device.
    pub fn take_errors(&self) -> Vec<LoadError> {
        std::mem::take(&mut locked(&self.state).errors)
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        deadline: Instant,
    ) -> Result<MutexGuard<'a, State>, MutexGuard<'a, State>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(state);
        }
        Ok(self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }

    fn queue(&self, modalias: String) {
        let mut state = locked(&self.state);
        if state.seen.insert(modalias.clone()) {
            if !state.everything && is_deferred(&modalias) {
                state.deferred.push(modalias);
            } else {
                state.pending.push_back(modalias);
                self.changed.notify_all();
            }
        }
    }

    /// From now on loads what is not essential, too.
    pub fn load_deferred(&self) {
        let mut state = locked(&self.state);
        state.everything = true;
        let mut deferred = std::mem::take(&mut state.deferred);
        // A second cold plug has queued some again.
        deferred.sort();
        deferred.dedup();
        state.pending.extend(deferred);
        self.changed.notify_all();
    }

    fn work(&self) {
        loop {
            let modalias = {
                let mut state = locked(&self.state);
                loop {
                    if let Some(modalias) = state.pending.pop_front() {
                        state.active.push(modalias.clone());
                        break modalias;
                    }
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            };
            let loaded = self.loader().load(&modalias);
            if !loaded.new.is_empty() {
                self.reporter.log(format!("{modalias}: loaded {}", loaded.new.join(", ")).as_bytes());
            }
            let mut state = locked(&self.state);
            if let Some(index) = state.active.iter().position(|active| *active == modalias) {
                state.active.swap_remove(index);
            }
            let matters = |error: &LoadError| !matches!(error, LoadError::Load { no_device: true, .. });
            state.errors.extend(loaded.errors.into_iter().filter(matters));
            self.changed.notify_all();
        }
    }

    fn listen(&self, socket: &UeventSocket) {
        loop {
            match socket.receive() {
                Ok(Received::Event(event)) => self.take(&event),
                Ok(Received::Overrun) => {
                    self.cold_plug(false);
                    let mut state = locked(&self.state);
                    state.block_events += 1;
                    state.tape_events += 1;
                    self.changed.notify_all();
                }
                Err(error) => {
                    self.reporter.warn(format!(
                        "cannot READ device events: {error}; devices plugged in from now on are not seen"
                    ));
                    locked(&self.state).listening = false;
                    self.changed.notify_all();
                    return;
                }
            }
        }
    }

    fn take(&self, event: &Uevent) {
        if let Some(number) = event.get("SYNTH_UUID").and_then(barrier_number) {
            let mut state = locked(&self.state);
            state.barrier = state.barrier.max(number);
            self.changed.notify_all();
            return;
        }
        if event.action != "remove"
            && let Some(modalias) = event.get("MODALIAS")
        {
            self.queue(modalias.to_owned());
        }
        match event.get("SUBSYSTEM") {
            Some("block") => {
                locked(&self.state).block_events += 1;
                self.changed.notify_all();
            }
            Some("scsi_tape") => {
                locked(&self.state).tape_events += 1;
                self.changed.notify_all();
            }
            // The name of a port comes after the port, with a `change` (drivers/char/virtio_console.c).
            Some("virtio-ports") if event.action != "remove" => watch_port(&self.reporter),
            _ => {}
        }
    }
}

/// Lets the reporter send events through the virtio-serial port, when there is one.
pub fn watch_port(reporter: &Reporter) {
    let ports = Path::new("/sys/class/virtio-ports");
    for name in sysfs::names(ports) {
        if sysfs::attribute(&ports.join(&name), "name").as_deref() == Some(lifeboat_machine::event::EVENT_PORT)
            && let Err(error) = reporter.add_port(&name, &Path::new("/dev").join(&name))
        {
            reporter.log(format!("cannot OPEN /dev/{name}: {error}").as_bytes());
        }
    }
}

/// Runs the `install` commands of modprobe.d as children.
pub fn install_commands(children: Arc<Children>) -> lifeboat_sys::modules::load::RunCommand {
    Box::new(move |text| {
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", text]).env("CMDLINE_OPTS", "");
        let status = children.spawn(command, Setup::default())?.wait(Some(Duration::from_secs(60)));
        Ok(status.is_some_and(|status| status.success()))
    })
}

fn is_deferred(modalias: &str) -> bool {
    DEFERRED.iter().any(|(pattern, _)| fnmatch(pattern, modalias))
}

/// The id of a barrier, in the shape that the kernel wants.
fn barrier_uuid(number: u64) -> String {
    format!("11feb0a7-0000-4000-8000-{number:012x}")
}

fn barrier_number(uuid: &str) -> Option<u64> {
    u64::from_str_radix(uuid.strip_prefix("11feb0a7-0000-4000-8000-")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::modules::{Config, Index};

    fn hotplug(config: &str, command: lifeboat_sys::modules::load::RunCommand) -> Arc<Hotplug> {
        let mut settings = Config::default();
        settings.add(config);
        let loader = Loader::new(Path::new("/nonexistent"), Index::default(), settings).with_commands(command);
        Hotplug::start(loader, None, Arc::default())
    }

    fn event(variables: &[(&str, &str)]) -> Uevent {
        Uevent {
            action: "add".into(),
            device_path: "/devices/x".into(),
            variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn settled_means_that_every_load_has_returned() {
        let loads = Arc::new(Mutex::new(Vec::new()));
        let done = Arc::clone(&loads);
        let hotplug = hotplug(
            "alias pci:* slow\ninstall slow x\nalias usb:* bad\ninstall bad y\n",
            Box::new(move |command| {
                std::thread::sleep(Duration::from_millis(30));
                locked(&done).push(command.to_owned());
                Ok(command == "x")
            }),
        );
        hotplug.take(&event(&[("MODALIAS", "pci:1")]));
        hotplug.take(&event(&[("MODALIAS", "pci:1")]));
        hotplug.take(&event(&[("MODALIAS", "usb:2")]));
        hotplug.settle(Duration::from_secs(20)).unwrap();
        assert_eq!(locked(&loads).len(), 2);
        assert_eq!(hotplug.take_errors().len(), 1);
        assert!(hotplug.take_errors().is_empty());
    }

    #[test]
    fn a_driver_that_hangs_is_named_at_the_deadline() {
        let hotplug = hotplug(
            "alias pci:* hangs\ninstall hangs x\n",
            Box::new(|_| {
                std::thread::sleep(Duration::from_secs(3));
                Ok(true)
            }),
        );
        hotplug.take(&event(&[("MODALIAS", "pci:1")]));
        assert_eq!(hotplug.settle(Duration::from_millis(50)), Err("the drivers of pci:1".to_owned()));
    }

    #[test]
    fn block_events_wake_and_barriers_do_not_count() {
        let hotplug = hotplug("", Box::new(|_| Ok(true)));
        let known = hotplug.block_events();
        assert!(!hotplug.wait_for_block_event(known, Instant::now() + Duration::from_millis(20)));
        hotplug.take(&event(&[("SUBSYSTEM", "mem"), ("SYNTH_UUID", &barrier_uuid(3))]));
        assert_eq!((hotplug.block_events(), locked(&hotplug.state).barrier), (known, 3));
        hotplug.take(&event(&[("SUBSYSTEM", "block"), ("DEVNAME", "sda")]));
        assert!(hotplug.wait_for_block_event(known, Instant::now()));
        let known = hotplug.tape_events();
        assert!(!hotplug.wait_for_tape_event(known, Instant::now()));
        hotplug.take(&event(&[("SUBSYSTEM", "scsi_tape"), ("DEVNAME", "nst0")]));
        assert!(hotplug.wait_for_tape_event(known, Instant::now()));
    }

    #[test]
    fn storage_network_and_keyboards_are_never_deferred() {
        for (modalias, deferred) in [
            ("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", false),
            ("pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00", false),
            ("pci:v00008086d0000293Asv00001AF4sd00001100bc0Csc03i20", false),
            ("usb:v0627p0001d0000dc00dsc00dp00ic03isc00ip00in00", false),
            ("hid:b0003g0001v00000627p00000001", false),
            ("scsi:t-0x05", false),
            ("acpi:VMBUS:", false),
            ("pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00", true),
            ("pci:v00008086d00002930sv00001AF4sd00001100bc0Csc05i00", true),
            ("cpu:type:x86,ven0002fam000Fmod006B:feature:,0000,", true),
        ] {
            assert_eq!(is_deferred(modalias), deferred, "{modalias}");
        }
        let hotplug = hotplug("alias serio:* mouse\ninstall mouse x\n", Box::new(|_| Ok(false)));
        hotplug.take(&event(&[("MODALIAS", "serio:ty01pr00id00ex00")]));
        hotplug.settle(Duration::from_secs(20)).unwrap();
        assert!(hotplug.take_errors().is_empty());
        hotplug.load_deferred();
        hotplug.settle(Duration::from_secs(20)).unwrap();
        assert_eq!(hotplug.take_errors().len(), 1);
    }

    #[test]
    fn barriers_have_the_shape_of_a_uuid() {
        assert_eq!(barrier_uuid(0x2a).len(), 36);
        assert_eq!(barrier_number(&barrier_uuid(0x2a)), Some(0x2a));
        assert_eq!(barrier_number("6bf0c2ad-3d5a-4f8a-9c1a-1c2d3e4f5a6b"), None);
    }
}

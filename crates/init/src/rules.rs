//! Stage 5: devices that still have no driver, and udev's rules.
//!
//! udevd names things (links below /dev/disk, properties of disks) for the tools and for people. Nothing in the boot
//! depends on it: an image without it, or a udevd that hangs, costs only convenience.

use crate::children::ending;
use crate::state::Init;
use crate::sysfs;
use lifeboat_sys::child::Setup;
use rustix::process::Signal;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Paths of the daemon: merged /usr, and Debian 11's.
const DAEMONS: [&str; 2] = ["/usr/lib/systemd/systemd-udevd", "/lib/systemd/systemd-udevd"];
/// How long rules may run.
const RULES_PATIENCE: Duration = Duration::from_secs(20);
/// How long drivers may take the second time.
const DRIVERS_PATIENCE: Duration = Duration::from_secs(30);

/// Retries devices without a driver, starts udevd, and lists what is left.
pub fn run(init: &mut Init) {
    // With the modules of the tools image there may be a driver for a device that had none.
    if init.tools_mounted && !sysfs::driverless(Path::new("/sys")).is_empty() {
        init.use_tools_modules();
        if let Err(awaited) = init.hotplug.settle(DRIVERS_PATIENCE) {
            init.reporter.warn(format!("{awaited} did not arrive within {} s; continuing", DRIVERS_PATIENCE.as_secs()));
        }
        for error in init.hotplug.take_errors() {
            init.reporter.warn(error.to_string());
        }
    }
    if let Some(daemon) = DAEMONS.iter().find(|path| Path::new(path).exists()) {
        apply_rules(init, daemon);
    }
    for device in sysfs::driverless(Path::new("/sys")) {
        init.reporter.warn(format!(
            "no driver for the {} {}: no module claims {}, or the module did not bind to the device",
            device.what, device.name, device.modalias
        ));
    }
}

/// Only for what recoveries ask udev about: disks, network links and tapes; rules for the other thousand devices of a
/// machine would take seconds.
fn apply_rules(init: &Init, daemon: &str) {
    let steps: [(&str, &[&str]); 3] = [
        (daemon, &["--daemon", "--resolve-names=never"]),
        (
            "/usr/bin/udevadm",
            &[
                "trigger",
                "--action=add",
                "--subsystem-match=block",
                "--subsystem-match=net",
                "--subsystem-match=scsi_tape",
            ],
        ),
        ("/usr/bin/udevadm", &["settle", "--timeout=20"]),
    ];
    for (program, arguments) in steps {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let ended = init.children.spawn(command, Setup::default()).map(|child| {
            let status = child.wait(Some(RULES_PATIENCE));
            // It must not start working later, while a recovery works on the disks.
            child.signal(Signal::KILL);
            status
        });
        let trouble = match ended {
            Ok(Some(status)) if status.success() => continue,
            Ok(Some(status)) => format!("it {}", ending(status)),
            Ok(None) => format!("it did not end within {} s", RULES_PATIENCE.as_secs()),
            Err(error) => error.to_string(),
        };
        init.reporter.warn(format!("cannot RUN {program} {}: {trouble}", arguments.join(" ")));
        return;
    }
}

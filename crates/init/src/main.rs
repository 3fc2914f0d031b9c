//! `lifeboat-init`: PID 1 of the rescue system (design, section 4; docs, "The boot process").
//!
//! As PID 1 it goes through the stages of [`boot`] and never ends. Under the name `modprobe`, or with that word as its
//! first argument, it is the kernel's helper that loads modules; `reboot` and `poweroff` ask PID 1 ([`helper`]);
//! `network-up` brings the network up later than the boot ([`network::command`]).
//!
//! | module | holds |
//! | --- | --- |
//! | [`boot`] | the seven stages, in order: the one place to see what happens when |
//! | [`state`] | [`state::Init`]: all that the stages share |
//! | [`report`] | events to every console, the log, kmsg and the virtio-serial port, never blocking |
//! | [`clock`] | CLOCK_BOOTTIME |
//! | [`foundation`] | stage 1: mounts, consoles, device nodes |
//! | [`root`] | stage 1: `root.squashfs` under a tmpfs overlay becomes `/` |
//! | [`hotplug`] | stage 2: cold plug, uevents, parallel loading, and when it has settled |
//! | [`sysfs`] | reading /sys |
//! | [`network`] | stage 3: the network, when something needs it |
//! | [`source`] | stage 3: block devices, what they are, which one is the medium |
//! | [`tools`] | stage 4: `tools.img` |
//! | [`rules`] | stage 5: udevd, and devices without a driver |
//! | [`ssh`] | `lifeboat.ssh`: sshd |
//! | [`subsystems`] | md, LVM, LUKS, multipath |
//! | [`menu`] | asks for the mode, on media without a boot loader's menu |
//! | [`mode`] | stage 7: the child that does the work, shells |
//! | [`children`] | children of PID 1, and zombies |
//! | [`recovery`] | `lifeboat restore` as a child: its events, its end |
//! | [`seat`] | at which console the person sits |
//! | [`shell`] | a shell on every console |
//! | [`finish`] | reboot, power off |

mod boot;
mod children;
mod clock;
mod finish;
mod foundation;
mod handover;
mod helper;
mod hotplug;
mod loader;
mod menu;
mod mode;
mod network;
mod recovery;
mod report;
mod root;
mod rules;
mod seat;
mod shell;
mod source;
mod ssh;
mod state;
mod subsystems;
mod sysfs;
mod tools;

use rustix::process::Signal;
use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let name = arguments.first().and_then(|path| Path::new(path).file_name());
    match name.and_then(OsStr::to_str) {
        Some("modprobe") => return helper::modprobe(&arguments[1..]),
        // PID 1 takes them as Ctrl-Alt-Del and as the end of power.
        Some("reboot") => return helper::ask_init(Signal::INT),
        Some("poweroff") => return helper::ask_init(Signal::TERM),
        Some("network-up") => return network::command::run(&arguments[1..]),
        _ => {}
    }
    if arguments.get(1).is_some_and(|word| word == "modprobe") {
        return helper::modprobe(&arguments[2..]);
    }
    if std::process::id() != 1 {
        eprintln!(
            "lifeboat-init is PID 1 of the rescue system and does nothing elsewhere; \
             `lifeboat-init modprobe NAME…` loads kernel modules"
        );
        return ExitCode::from(2);
    }
    boot::run()
}

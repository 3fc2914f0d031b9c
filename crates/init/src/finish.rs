//! The end: everything is written and unmounted, the disc is ejected, the machine restarts or powers off.

use crate::children::Children;
use crate::report::Reporter;
use lifeboat_machine::parameters::After;
use lifeboat_machine::source::FoundMedium;
use lifeboat_sys::mount::MountError;
use lifeboat_sys::{mount, optical, power};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long programs may take to end after SIGTERM, and again after SIGKILL.
const PROGRAMS_PATIENCE: Duration = Duration::from_secs(3);
/// How long consoles may take for the last lines.
const LINES_PATIENCE: Duration = Duration::from_secs(3);
/// How long a mount may be busy after all programs have ended.
const BUSY_PATIENCE: Duration = Duration::from_secs(3);

/// PID 1 never ends: the kernel would panic.
pub fn wait_forever() -> ExitCode {
    loop {
        std::thread::park();
    }
}

/// Ends programs, unmounts, ejects the disc when asked to, then restarts or powers off. Returns only when the kernel refuses.
pub fn end(reporter: &Reporter, children: &Children, after: After, eject: Option<&FoundMedium>) {
    if !children.close() {
        return;
    }
    reporter.note(match after {
        After::Poweroff => "powering off",
        After::Reboot | After::Shell => "restarting",
    });
    reporter.flush(LINES_PATIENCE);
    for signal in [power::Everyone::Terminate, power::Everyone::Kill] {
        power::signal_everyone(signal);
        if children.wait_for_none(PROGRAMS_PATIENCE) {
            break;
        }
    }
    unmount_all(reporter);
    if let Some(source) = eject
        && let Err(error) = optical::eject(&source.device)
    {
        reporter.warn(format!("cannot EJECT the disc in {}: {error}; remove it by hand", source.device.display()));
    }
    reporter.flush(LINES_PATIENCE);
    let error = match after {
        After::Poweroff => power::power_off(),
        After::Reboot | After::Shell => power::reboot(),
    };
    reporter.warn(format!("the kernel refused to power off or restart: {error}; switch the machine off by hand"));
}

/// The same from the thread that collects children, which must continue.
pub fn in_background(reporter: &Arc<Reporter>, children: &Arc<Children>, after: After) {
    let (reporter, children) = (Arc::clone(reporter), Arc::clone(children));
    let _ = std::thread::Builder::new().name("end".into()).spawn(move || end(&reporter, &children, after, None));
}

/// Without a root there is no shell: power off when that was asked for, otherwise wait for Ctrl-Alt-Del.
pub fn without_root(reporter: &Reporter, children: &Children, after: Option<After>) {
    if after == Some(After::Poweroff) {
        end(reporter, children, After::Poweroff, None);
    }
    reporter.note("press Ctrl-Alt-Del to restart");
}

/// Unmounts everything that does not have to stay, the last mounted first. What stays busy is synced and left, and
/// reported when it is mounted for writing: drivers that are still being loaded may hold the medium for some seconds.
fn unmount_all(reporter: &Reporter) {
    rustix::fs::sync();
    // A loop device releases its file some moments after its last unmount (loop_release), without any event.
    let deadline = Instant::now() + BUSY_PATIENCE;
    loop {
        let failures = unmount_once();
        if failures.is_empty() {
            break;
        }
        if Instant::now() >= deadline {
            for (failure, _) in failures.iter().filter(|(_, writable)| *writable) {
                reporter.warn(failure.to_string());
            }
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    rustix::fs::sync();
}

/// What is still busy, and whether it is mounted for writing.
fn unmount_once() -> Vec<(MountError, bool)> {
    let stays =
        |path: &Path| ["/", "/lifeboat", "/proc", "/sys", "/dev", "/run"].iter().any(|stay| path == Path::new(stay));
    let table = mount::table().unwrap_or_default();
    let mut failures = Vec::new();
    for entry in table.iter().rev().filter(|entry| !stays(&entry.mount_point)) {
        if let Err(error) = mount::unmount(&entry.mount_point)
            // On filesystems in memory nothing is lost.
            && entry.source.as_encoded_bytes().starts_with(b"/")
        {
            failures.push((error, !entry.options.split(',').any(|option| option == "ro")));
        }
    }
    failures
}

//! Stage 7: what the rescue system does.

use crate::children::Children;
use crate::clock;
use crate::finish;
use crate::handover;
use crate::recovery::{self, Outcome};
use crate::report::Reporter;
use crate::seat;
use crate::shell;
use crate::source::device;
use crate::source::tape;
use crate::source::wanted::Wanted;
use crate::state::{Init, stage_event};
use lifeboat_machine::layout::DeviceKind;
use lifeboat_machine::parameters::After;
use lifeboat_machine::run;
use lifeboat_machine::source::RecordedSource;
use lifeboat_machine::{Event, EventSink as _, Mode};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait for as many disks as the machine had.
const DISKS_PATIENCE: Duration = Duration::from_secs(30);
/// Lines of the kernel below this level go to the consoles (proc_sys_kernel(5)).
const KERNEL_LEVEL: &str = "/proc/sys/kernel/printk";
/// What a person at a console should know.
const EXPERT_PAGE: &str = include_str!("expert.txt");

/// What a person should know when the machine is back, except for some entries.
const PARTIAL_PAGE: &str = "The machine is bootable: it was restored except for the entries listed above. A shell follows.\n\
    \x20 reboot                           remove the medium, and boot the restored machine\n\
    \x20 less /run/lifeboat/log           the whole log, with every such entry\n\
    \x20 lifeboat logs --help             save the log elsewhere, before the restart deletes it\n\
    \x20 lifeboat restore                 start again: shows the plan, asks once";

/// Chooses the mode and runs it.
pub fn run(init: Init) {
    let mode = init.parameters.mode.unwrap_or(Mode::Interactive);
    let mistakes = &init.parameters.mistakes;
    // A mode that was mistyped was not meant to wait for a person, either.
    if !mistakes.is_empty() && (mode.unattended() || init.parameters.mode.is_none()) {
        return fail(
            &init,
            format!("nothing was touched, because kernel parameters are wrong: {}", mistakes.join("; ")),
        );
    }
    for mistake in mistakes {
        init.reporter.warn(format!("ignored: {mistake}"));
    }
    match mode {
        Mode::Nuke | Mode::Compare => unattended(&init, mode),
        Mode::Interactive => interactive(&init),
        Mode::Expert => expert(&init),
    }
}

fn unattended(init: &Init, mode: Mode) {
    if let Err(reason) = prepare(init) {
        return fail(init, format!("nothing was touched: {reason}"));
    }
    wait_for_disks(init);
    report_start(init, mode);
    let command = recovery::command(mode, main_console(init));
    let outcome = recovery::unattended(&init.reporter, &init.children, command);
    let stays = std::fs::read(run::AFTER).ok().and_then(|json| serde_json::from_slice::<After>(&json).ok());
    after(init, outcome, stays == Some(After::Shell));
}

/// Writes what the child reads. An error names what is missing.
fn prepare(init: &Init) -> Result<(), String> {
    handover::tell_parameters(init)?;
    if let Some(fault) = init.identity.faults.first() {
        return Err(fault.clone());
    }
    match (&init.tape, &init.source) {
        (Some(volume), medium) => handover::write_json(run::SOURCE, &tape::recorded(volume, medium.as_ref()))?,
        (None, Some(medium)) => handover::write_json(run::SOURCE, &RecordedSource::Medium(medium.clone()))?,
        (None, None) => {}
    }
    match (&init.wanted, &init.network_failures[..]) {
        (Wanted::Network, []) | (Wanted::OnDisk, _) => Ok(()),
        (Wanted::Network, reasons) => Err(format!("there is no network for the archive: {}", reasons.join("; "))),
        (Wanted::Tape(name), _) if init.tape.is_none() => {
            Err(format!("no tape from which this recovery can start was found for lifeboat.source={name} (see above)"))
        }
        _ if init.source.is_some() || init.tape.is_some() => Ok(()),
        _ => Err("the medium that belongs to this rescue system was not found (see above)".into()),
    }
}

/// Waits until there are as many disks as the machine had. Slow disks (USB, big SAS shelves) come later
/// than the medium; which one replaces which is for the recovery to decide.
fn wait_for_disks(init: &Init) {
    let Some(machine) = &init.identity.machine else { return };
    let wanted = machine.layout.devices.iter().filter(|device| matches!(device.kind, DeviceKind::Disk(_))).count();
    let medium = init.source.as_ref().map(|source| source.device.clone()).unwrap_or_default();
    let deadline = Instant::now() + DISKS_PATIENCE;
    let mut reported = false;
    loop {
        let known = init.hotplug.block_events();
        let devices = device::list(Path::new("/sys"));
        let medium_disk = devices.iter().find(|device| device.path() == medium).map(|device| device.disk().to_owned());
        let found = devices
            .iter()
            .filter(|device| {
                device.partition_of.is_none() && device.bus != device::Bus::Optical && device.size_bytes > 0
            })
            .filter(|device| Some(&device.name) != medium_disk.as_ref())
            .count();
        if found >= wanted {
            return;
        }
        if !reported {
            reported = true;
            let seconds = DISKS_PATIENCE.as_secs();
            init.reporter.note(format!("waiting for disks: {found} of {wanted} are present; at most {seconds} s"));
        }
        if !init.hotplug.wait_for_block_event(known, deadline) {
            init.reporter.warn(format!("disks of the machine: {wanted}, disks found: {found}; continuing"));
            return;
        }
    }
}

fn report_start(init: &Init, mode: Mode) {
    let seconds = clock::now().saturating_sub(init.started).as_secs_f64();
    init.reporter.note(format!("mode {mode} starts {seconds:.2} s after init"));
    init.reporter.emit(&stage_event("mode", clock::now()));
}

fn interactive(init: &Init) {
    if let Err(reason) = prepare(init) {
        init.reporter.warn(reason);
    }
    report_start(init, Mode::Interactive);
    init.load_everything();
    loop {
        init.reporter.emit(&Event::Ready { mode: Mode::Interactive });
        let console = seat::taken(&init.reporter, &init.consoles);
        let level = std::fs::read_to_string(KERNEL_LEVEL).unwrap_or_default();
        // The kernel's warnings would be printed over the screen; they are in its log.
        let _ = std::fs::write(KERNEL_LEVEL, "1");
        let _ = std::fs::remove_file(run::AFTER);
        let command = recovery::command(Mode::Interactive, &console);
        let result = recovery::interactive(&init.reporter, &init.children, command, &console);
        let _ = std::fs::write(KERNEL_LEVEL, level.split_whitespace().next().unwrap_or("4"));
        let choice = std::fs::read(run::AFTER).ok().and_then(|json| serde_json::from_slice::<After>(&json).ok());
        match follows(result.as_ref().copied().map_err(String::as_str), choice, init.parameters.after) {
            Follows::Shells => {
                if let Err(reason) = result {
                    init.reporter
                        .warn(format!("the interactive mode failed: {reason}; the expert mode starts instead"));
                }
                return expert_ready(init);
            }
            Follows::End(outcome, after) => return end(init, outcome, after),
            Follows::AskAgain => init.reporter.note("the terminal of the interactive mode was lost; it starts again"),
        }
    }
}

/// What follows the interactive mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follows {
    Shells,
    End(Option<Outcome>, After),
    AskAgain,
}

/// What the person chose counts; without one, because the terminal was lost, the machine does not restart unless a
/// parameter asked for it.
fn follows(result: Result<Option<Outcome>, &str>, choice: Option<After>, asked: Option<After>) -> Follows {
    match (result, choice) {
        (Err(_), None) | (_, Some(After::Shell)) => Follows::Shells,
        (result, Some(after)) => Follows::End(result.ok().flatten(), after),
        (Ok(None), None) => Follows::AskAgain,
        (Ok(Some(outcome)), None) => match decide(outcome, Some(asked.unwrap_or(After::Shell))) {
            After::Shell => Follows::Shells,
            after => Follows::End(Some(outcome), after),
        },
    }
}

fn expert(init: &Init) {
    if let Err(reason) = prepare(init) {
        init.reporter.warn(reason);
    }
    report_start(init, Mode::Expert);
    expert_ready(init);
}

fn expert_ready(init: &Init) {
    init.reporter.emit(&Event::Ready { mode: Mode::Expert });
    init.reporter.text(EXPERT_PAGE);
    init.reporter.flush(Duration::from_secs(2));
    init.load_everything();
    shell::on_all(&init.reporter, &init.children, &init.consoles);
}

fn main_console(init: &Init) -> &str {
    init.consoles.last().map_or("console", String::as_str)
}

fn fail(init: &Init, reason: String) {
    init.reporter.emit(&Event::Failed { reason });
    after(init, Outcome::Failed, false);
}

/// What follows an outcome: the parameter, or the default for the outcome. After a failure only a power-off that was requested
/// keeps the machine from waiting for a person.
pub fn decide(outcome: Outcome, asked: Option<After>) -> After {
    match (outcome, asked) {
        (Outcome::Failed | Outcome::Partial, Some(After::Poweroff)) => After::Poweroff,
        (Outcome::Failed | Outcome::Partial, _) => After::Shell,
        (Outcome::Restored, asked) => asked.unwrap_or(After::Reboot),
        (Outcome::Compared, asked) => asked.unwrap_or(After::Shell),
    }
}

/// `stays`: the recovery has a reason why the machine must not restart by itself.
fn after(init: &Init, outcome: Outcome, stays: bool) {
    let asked = if stays {
        init.parameters.after.filter(|after| *after == After::Poweroff).or(Some(After::Shell))
    } else {
        init.parameters.after
    };
    match decide(outcome, asked) {
        After::Shell if outcome == Outcome::Failed => {
            init.load_everything();
            shells_after_failure(&init.reporter, &init.children, &init.consoles);
        }
        After::Shell if outcome == Outcome::Partial => {
            init.load_everything();
            init.reporter.text(PARTIAL_PAGE);
            init.reporter.flush(Duration::from_secs(2));
            shell::on_all(&init.reporter, &init.children, &init.consoles);
        }
        After::Shell => {
            init.load_everything();
            init.reporter.text("A shell follows. `reboot` or Ctrl-Alt-Del restarts the machine.");
            shell::on_all(&init.reporter, &init.children, &init.consoles);
        }
        after => end(init, Some(outcome), after),
    }
}

fn end(init: &Init, outcome: Option<Outcome>, after: After) {
    let disc = init.source.as_ref().filter(|source| {
        source.kind == device::Bus::Optical.word() && !init.parameters.no_eject && outcome == Some(Outcome::Restored)
    });
    finish::end(&init.reporter, &init.children, after, disc);
}

/// Shells, and what to do next.
pub fn shells_after_failure(reporter: &Arc<Reporter>, children: &Arc<Children>, consoles: &[String]) {
    reporter.text(
        "The recovery failed; the reason is shown above. A shell follows.\n\
         \x20 less /run/lifeboat/log           the whole log\n\
         \x20 lifeboat restore --resume        continue where it stopped\n\
         \x20 lifeboat restore                 start again: shows the plan, asks once\n\
         \x20 Ctrl-Alt-Del                     restart",
    );
    reporter.flush(Duration::from_secs(2));
    shell::on_all(reporter, children, consoles);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows() {
        for (outcome, asked, expected) in [
            (Outcome::Restored, None, After::Reboot),
            (Outcome::Restored, Some(After::Shell), After::Shell),
            (Outcome::Restored, Some(After::Poweroff), After::Poweroff),
            (Outcome::Compared, None, After::Shell),
            (Outcome::Compared, Some(After::Reboot), After::Reboot),
            (Outcome::Failed, None, After::Shell),
            (Outcome::Failed, Some(After::Reboot), After::Shell),
            (Outcome::Failed, Some(After::Poweroff), After::Poweroff),
            (Outcome::Partial, None, After::Shell),
            (Outcome::Partial, Some(After::Reboot), After::Shell),
            (Outcome::Partial, Some(After::Poweroff), After::Poweroff),
        ] {
            assert_eq!(decide(outcome, asked), expected, "{outcome:?} {asked:?}");
        }
    }

    #[test]
    fn what_follows_the_interactive_mode() {
        use After::{Poweroff, Reboot, Shell};
        let (restored, failed) = (Ok(Some(Outcome::Restored)), Ok(Some(Outcome::Failed)));
        for (result, choice, asked, expected) in [
            (restored, Some(Reboot), None, Follows::End(Some(Outcome::Restored), Reboot)),
            (failed, Some(Reboot), None, Follows::End(Some(Outcome::Failed), Reboot)),
            (failed, Some(Shell), Some(Poweroff), Follows::Shells),
            (Ok(None), Some(Poweroff), None, Follows::End(None, Poweroff)),
            (Ok(None), Some(Shell), None, Follows::Shells),
            (Ok(None), None, None, Follows::AskAgain),
            (restored, None, None, Follows::Shells),
            (restored, None, Some(Poweroff), Follows::End(Some(Outcome::Restored), Poweroff)),
            (failed, None, Some(Reboot), Follows::Shells),
            (Err("it died"), None, None, Follows::Shells),
        ] {
            assert_eq!(follows(result, choice, asked), expected, "{result:?} {choice:?} {asked:?}");
        }
    }

    #[test]
    fn the_page_fits_on_a_screen() {
        assert!(EXPERT_PAGE.lines().count() <= 20);
        assert!(EXPERT_PAGE.lines().all(|line| line.len() < 80 && line.is_ascii()));
        assert!(PARTIAL_PAGE.lines().all(|line| line.len() < 120 && line.is_ascii()));
        assert!(PARTIAL_PAGE.contains("bootable") && PARTIAL_PAGE.contains("  reboot "));
    }
}

//! `lifeboat schedule`

use crate::command::ScheduleArgs;
use crate::config::{Config, PATH};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::keys;
use crate::session::Session;
use crate::state::Task;
use crate::units::{self, Abilities, Planned};
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_remote::Address;
use lifeboat_sys::program::{QEMU_SYSTEM_X86_64, SENDMAIL, SYSTEMCTL};
use lifeboat_sys::tape::TapeName;
use lifeboat_sys::{Invocation, Runner as _};
use std::path::Path;

/// There while systemd is PID 1 (sd_booted(3)).
const RUNNING: &str = "/run/systemd/system";

pub fn run(session: &Session, args: &ScheduleArgs) -> CommandResult {
    let root = &args.sysroot;
    if args.show {
        return show(session, root);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(CommandError::usage("'lifeboat schedule' changes units of systemd and needs root")
            .hint("sudo lifeboat schedule"));
    }
    if root == Path::new("/") && !Path::new(RUNNING).is_dir() {
        return Err(CommandError::refused("cannot START timers: systemd does not run this machine")
            .hint("cron: a line '30 1 * * * root lifeboat backup' in /etc/cron.d/lifeboat")
            .hint("--sysroot DIR, for a system in a folder"));
    }
    let plan = match args.off {
        true => all(|_| Err("turned off".to_owned())),
        false => planned(session, root)?,
    };
    units::apply(&session.runner, root, &plan, &session.config.schedule.delay)?;
    report(session, &plan);
    if !args.off {
        warn(session, &plan);
    }
    Ok(())
}

fn all(when: impl Fn(Task) -> Result<String, String>) -> Vec<Planned> {
    Task::ALL.into_iter().map(|task| Planned { task, when: when(task) }).collect()
}

/// What is to run, checked before anything is changed.
fn planned(session: &Session, root: &Path) -> Result<Vec<Planned>, CommandError> {
    let config = &session.config;
    let plan = units::plan(config, abilities(root));
    if plan.iter().all(|planned| planned.when.is_err()) {
        let why: Vec<String> = plan
            .iter()
            .filter_map(|planned| Some(format!("{}: {}", planned.task.name(), planned.when.as_ref().err()?)))
            .collect();
        return Err(CommandError::usage(format!("nothing can run by itself: {}", why.join("; ")))
            .hint(format!("set 'repository' in {PATH}"))
            .hint("man lifeboat.toml"));
    }
    for Planned { task, when } in &plan {
        let Ok(time) = when else { continue };
        units::understood(&session.runner, time, &config.schedule.delay).map_err(|why| {
            CommandError::usage(format!("[schedule] {}: {why}", task.name())).hint("man systemd.time")
        })?;
        if units::installed(root, *task).is_none() {
            let name = units::timer(*task);
            return Err(CommandError::new(Kind::Failed, format!("cannot FIND {name}: it comes with the package"))
                .hint("install Lifeboat again: 'make install' or the package puts it there"));
        }
    }
    Ok(plan)
}

fn abilities(root: &Path) -> Abilities {
    Abilities { kvm: Path::new("/dev/kvm").exists(), qemu: QEMU_SYSTEM_X86_64.find(root).is_some() }
}

fn report(session: &Session, plan: &[Planned]) {
    for Planned { task, when } in plan {
        let (on, text) = match when {
            Ok(time) => (true, time),
            Err(why) => (false, why),
        };
        session.reporter.value(
            &serde_json::json!({"task": task.name(), "on": on, "when": when.as_ref().ok(), "why": when.as_ref().err()}),
        );
        session.reporter.line(format!("{:<8} {:<4} {text}", task.name(), if on { "on" } else { "off" }));
    }
}

/// What would make the first run fail.
fn warn(session: &Session, plan: &[Planned]) {
    let config = &session.config;
    let warn = |text: String| session.reporter.emit(&Event::Warning { text });
    let is_on = |task: Task| plan.iter().any(|planned| planned.task == task && planned.when.is_ok());
    if is_on(Task::Backup) {
        let place = config.repository.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let tape = TapeName::is_meant(&place);
        if tape {
            warn("a tape that may be written must be in the drive at each backup: one that holds something is not overwritten".into());
        } else if !Address::is_meant(&place) && !Path::new(&place).join("keys").is_dir() {
            warn(format!("there is no repository at {place} now; make it once: lifeboat backup --init"));
        }
        if config.key_command.is_none() && !keys::file(None, config).exists() {
            let first = if tape { "backup" } else { "backup --init" };
            warn(format!(
                "there is no key yet in {}; the first 'lifeboat {first}' makes it",
                keys::file(None, config).display()
            ));
        }
    }
    if config.notify.mail.is_empty() && config.notify.webhook.is_none() {
        warn("nobody is told when a run fails; set 'mail' or 'webhook' in [notify]".into());
    } else if !config.notify.mail.is_empty() && SENDMAIL.find(Path::new("/")).is_none() {
        warn(
            "this machine has no sendmail, so no mail about failures can leave it; try a package such as msmtp-mta"
                .into(),
        );
    } else {
        session.reporter.note("'lifeboat notify' sends a test message to whoever is told of failures");
    }
}

fn show(session: &Session, root: &Path) -> CommandResult {
    let config: &Config = &session.config;
    let plan = units::plan(config, abilities(root));
    for Planned { task, when } in &plan {
        let on = units::is_on(root, *task);
        let time = units::time(root, *task).filter(|_| on);
        let next = next(session, root, *task).filter(|_| on);
        session.reporter.value(&serde_json::json!({
            "task": task.name(), "on": on, "when": time, "next": next, "configured": when.as_ref().ok(),
            "why_not": when.as_ref().err(),
        }));
        let mut line =
            format!("{:<8} {:<4} {}", task.name(), if on { "on" } else { "off" }, time.clone().unwrap_or_default());
        if let Some(next) = next {
            line.push_str(&format!(", next {next}"));
        }
        match (on, when) {
            (true, Ok(wanted)) if time.as_ref() != Some(wanted) => {
                line.push_str(&format!(" ({PATH} says {wanted}; 'lifeboat schedule' applies it)"));
            }
            (true, Err(why)) => line.push_str(&format!(" (could not run: {why}; 'lifeboat schedule' turns it off)")),
            (false, Ok(wanted)) => line.push_str(&format!("'lifeboat schedule' turns it on: {wanted}")),
            (false, Err(why)) => line.push_str(why),
            (true, Ok(_)) => {}
        }
        session.reporter.line(line.trim_end());
    }
    Ok(())
}

/// When a timer elapses next, as systemd says it.
fn next(session: &Session, root: &Path, task: Task) -> Option<String> {
    if root != Path::new("/") || !Path::new(RUNNING).is_dir() {
        return None;
    }
    let call = Invocation::new(SYSTEMCTL).args(["show", "-P", "NextElapseUSecRealtime"]).arg(units::timer(task));
    let text = session.runner.run(&call).ok()?.text();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty() && text != "n/a")
}

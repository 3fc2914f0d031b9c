//! The timers of the routine: what [schedule] means in systemd's terms. The units come with the package, with usual times and turned
//! off; what is chosen is a file beside each timer, so that an upgrade of the package changes no time.

use crate::config::Config;
use crate::job::stream::StreamPlace;
use crate::state::Task;
use lifeboat_sys::program::{SYSTEMCTL, SYSTEMD_ANALYZE};
use lifeboat_sys::{Invocation, RunError, Runner, durable};
use std::path::{Path, PathBuf};

/// Where units may be, systemd.unit(5).
const FOLDERS: [&str; 4] =
    ["etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];
/// Where what an administrator chose goes.
const CHOSEN: &str = "etc/systemd/system";
/// The file beside a timer.
const DROP_IN: &str = "schedule.conf";

/// A task and whether it runs by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The task.
    pub task: Task,
    /// When, as systemd's calendar expression, or why not.
    pub when: Result<String, String>,
}

/// What of the machine decides which tasks can run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// There is /dev/kvm: a rehearsal takes minutes, not hours.
    pub kvm: bool,
    /// QEMU is installed.
    pub qemu: bool,
}

/// The name of a task's timer.
pub fn timer(task: Task) -> String {
    format!("lifeboat-{}.timer", task.name())
}

/// Decides what runs by itself.
pub fn plan(config: &Config, abilities: Abilities) -> Vec<Planned> {
    let schedule = &config.schedule;
    Task::ALL
        .into_iter()
        .map(|task| {
            let (time, obstacle) = match task {
                Task::Backup => (&schedule.backup, no_place(config)),
                Task::Verify => (&schedule.verify, no_reading(config)),
                Task::Medium => (&schedule.medium, no_medium(config).or_else(|| no_archive(config))),
                Task::Drill => (&schedule.drill, no_medium(config).or_else(|| no_rehearsal(config, abilities))),
                Task::Prune => (&schedule.prune, no_rules(config)),
            };
            let when = match (time.as_str(), obstacle) {
                ("off", _) => Err("turned off in [schedule]".to_owned()),
                (_, Some(obstacle)) => Err(obstacle),
                (time, None) => Ok(time.to_owned()),
            };
            Planned { task, when }
        })
        .collect()
}

fn no_repository(config: &Config) -> Option<String> {
    config.repository.is_none().then(|| "no 'repository' is set".to_owned())
}

/// What the configured place is, if it is a stream or a tape.
fn stream(config: &Config) -> Result<Option<StreamPlace>, String> {
    let text = config.repository.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    StreamPlace::parse(&text).map_err(|error| error.message())
}

/// Why no timer can write a backup to what is configured.
fn no_place(config: &Config) -> Option<String> {
    no_repository(config).or_else(|| match stream(config) {
        Err(why) => Some(why),
        Ok(Some(StreamPlace::File(_) | StreamPlace::Volumes(..))) => {
            Some("'repository' is a stream in files: each is written once, and never replaced".to_owned())
        }
        Ok(Some(StreamPlace::Pipe)) => Some("'repository' is a pipe".to_owned()),
        Ok(Some(StreamPlace::Drives(_) | StreamPlace::Images(_))) => {
            Some("'repository' is a set of discs, which only 'lifeboat media set' writes".to_owned())
        }
        Ok(Some(StreamPlace::Tape(_)) | None) => None,
    })
}

/// Why no timer can verify what is configured.
fn no_reading(config: &Config) -> Option<String> {
    no_repository(config).or_else(|| match stream(config) {
        Err(why) => Some(why),
        Ok(Some(StreamPlace::Pipe)) => Some("'repository' is a pipe".to_owned()),
        Ok(_) => None,
    })
}

/// Why nothing is forgotten by itself.
fn no_rules(config: &Config) -> Option<String> {
    no_repository(config).or_else(|| match stream(config) {
        Err(why) => Some(why),
        Ok(Some(_)) => Some("'repository' is a stream, which is one backup".to_owned()),
        Ok(None) => config
            .retention
            .policy()
            .is_empty()
            .then(|| "no rule is set in [retention], so nothing is removed".to_owned()),
    })
}

fn no_medium(config: &Config) -> Option<String> {
    config.schedule.medium_file.is_none().then(|| "no 'medium_file' is set in [schedule]".to_owned())
}

fn no_archive(config: &Config) -> Option<String> {
    let obstacle = no_repository(config).or_else(|| match stream(config) {
        Err(why) => Some(why),
        Ok(Some(_)) => Some(
            "'repository' is a stream, and a medium takes its archive from a repository ('medium_archive' in [schedule])"
                .to_owned(),
        ),
        Ok(None) => None,
    });
    obstacle.filter(|_| config.schedule.medium_archive)
}

fn no_rehearsal(config: &Config, abilities: Abilities) -> Option<String> {
    let obstacles = [
        (!config.schedule.medium_embed_key, "the medium carries no key ('medium_embed_key' in [schedule])"),
        (!config.schedule.medium_archive, "the medium holds no archive, and a rehearsal has no network"),
        (!abilities.kvm, "this machine has no /dev/kvm"),
        (!abilities.qemu, "QEMU is not installed (package qemu-system-x86)"),
    ];
    obstacles.iter().find(|(there, _)| *there).map(|(_, why)| (*why).to_owned())
}

/// The file beside a timer.
fn drop_in(time: &str, delay: &str) -> String {
    // The empty assignment drops the time that the unit came with (systemd.timer(5)).
    format!(
        "# Written by 'lifeboat schedule' from /etc/lifeboat.toml.\n[Timer]\nOnCalendar=\nOnCalendar={time}\nRandomizedDelaySec={delay}\n"
    )
}

/// Where a timer's own file is below a root.
pub fn installed(root: &Path, task: Task) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| root.join(folder).join(timer(task))).find(|path| path.is_file())
}

/// The task's timer is turned on below a root.
pub fn is_on(root: &Path, task: Task) -> bool {
    root.join(CHOSEN).join("timers.target.wants").join(timer(task)).symlink_metadata().is_ok()
}

/// The time that is set for a task that is on.
pub fn time(root: &Path, task: Task) -> Option<String> {
    let chosen = root.join(CHOSEN).join(format!("{}.d", timer(task))).join(DROP_IN);
    let text = [Some(chosen), installed(root, task)]
        .into_iter()
        .flatten()
        .find_map(|path| std::fs::read_to_string(path).ok())?;
    text.lines()
        .rev()
        .find_map(|line| line.strip_prefix("OnCalendar=").filter(|time| !time.is_empty()).map(str::to_owned))
}

/// Asks systemd whether it understands a time and a delay; the error is for people.
///
/// # Errors
/// Why not.
pub fn understood(runner: &dyn Runner, time: &str, delay: &str) -> Result<(), String> {
    for (verb, text) in [("calendar", time), ("timespan", delay)] {
        if text.contains(char::is_control) {
            return Err(format!("{text:?} is no time"));
        }
        match runner.run(&Invocation::new(SYSTEMD_ANALYZE).args([verb, "--", text])) {
            Ok(_) => {}
            Err(RunError::Failed { message, .. }) => {
                return Err(format!("systemd does not understand '{text}': {message}"));
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// What goes wrong when timers are turned on or off.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// A file cannot be written or removed.
    #[error("cannot WRITE {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// systemctl failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Turns each task's timer on or off below a root; on the running system at once.
///
/// # Errors
/// [`UnitsError`].
pub fn apply(runner: &dyn Runner, root: &Path, plan: &[Planned], delay: &str) -> Result<(), UnitsError> {
    let running = root == Path::new("/");
    for planned in plan {
        let folder = root.join(CHOSEN).join(format!("{}.d", timer(planned.task)));
        let path = folder.join(DROP_IN);
        let failed = |source| UnitsError::Write { path: path.clone(), source };
        match &planned.when {
            Ok(time) => {
                durable::make_directories(&folder, 0o755).map_err(failed)?;
                readable(&folder, 0o755).map_err(failed)?;
                let temporary = folder.join(".schedule.conf.new");
                durable::write(&path, &temporary, drop_in(time, delay).as_bytes(), 0o644).map_err(failed)?;
                readable(&path, 0o644).map_err(failed)?;
            }
            Err(_) => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                // Others may have files of their own there.
                _ => drop(std::fs::remove_dir(&folder)),
            },
        }
    }
    let systemctl = || match running {
        true => Invocation::new(SYSTEMCTL),
        false => Invocation::new(SYSTEMCTL).arg(format!("--root={}", root.display())),
    };
    if running {
        runner.run(&systemctl().arg("daemon-reload"))?;
    }
    for planned in plan {
        let call = match (&planned.when, running) {
            (Ok(_), true) => systemctl().args(["enable", "--now"]),
            (Ok(_), false) => systemctl().arg("enable"),
            (Err(_), _) if !is_on(root, planned.task) => continue,
            (Err(_), true) => systemctl().args(["disable", "--now"]),
            (Err(_), false) => systemctl().arg("disable"),
        };
        runner.run(&call.arg(timer(planned.task)))?;
        // A timer that runs already keeps its old time until it is started anew.
        if planned.when.is_ok() && running {
            runner.run(&systemctl().arg("restart").arg(timer(planned.task)))?;
        }
    }
    Ok(())
}

/// Units are no secret, whatever the umask.
fn readable(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;

    fn config(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    fn on(config: &Config, kvm: bool) -> Vec<&'static str> {
        let plan = plan(config, Abilities { kvm, qemu: true });
        plan.iter().filter(|planned| planned.when.is_ok()).map(|planned| planned.task.name()).collect()
    }

    #[test]
    fn what_can_run_is_decided_by_configuration_and_machine() {
        let repository = "repository = '/srv/repo'\n[schedule]\n";
        for (text, kvm, names) in [
            (String::new(), true, &[][..]),
            (repository.to_owned(), true, &["backup", "verify"]),
            (format!("{repository}verify = 'off'"), true, &["backup"]),
            (format!("{repository}[retention]\nkeep_daily = 7"), true, &["backup", "verify", "prune"]),
            ("repository = 'tape:/dev/nst0'\n[retention]\nkeep_daily = 7".to_owned(), true, &["backup", "verify"]),
            (format!("{repository}medium_file = '/m.iso'"), true, &["backup", "medium", "verify"]),
            (
                format!("{repository}medium_file = '/m.iso'\nmedium_embed_key = true"),
                true,
                &["backup", "medium", "verify", "drill"],
            ),
            (
                format!("{repository}medium_file = '/m.iso'\nmedium_embed_key = true"),
                false,
                &["backup", "medium", "verify"],
            ),
            ("[schedule]\nmedium_file = '/m.iso'".to_owned(), true, &[]),
            // A file is written once; a person puts in the next tape.
            ("repository = 'stream:/srv/set'\n[schedule]\nmedium_file = '/m.iso'".to_owned(), true, &["verify"]),
            (
                "repository = 'tape:/dev/nst0'\n[schedule]\nmedium_file = '/m.iso'".to_owned(),
                true,
                &["backup", "verify"],
            ),
            ("repository = 'stream:-'".to_owned(), true, &[]),
            ("repository = 'stream:'".to_owned(), true, &[]),
            (
                "repository = 'tape:/dev/nst0'\n[schedule]\nmedium_file = '/m.iso'\nmedium_archive = false".to_owned(),
                true,
                &["backup", "medium", "verify"],
            ),
            ("[schedule]\nmedium_file = '/m.iso'\nmedium_archive = false".to_owned(), true, &["medium"]),
        ] {
            assert_eq!(on(&config(&text), kvm), names, "{text}");
        }
    }

    #[test]
    fn what_is_chosen_is_written_beside_the_timer_and_taken_away_again() {
        let root = tempfile::tempdir().unwrap();
        let config = config("repository = '/srv/repo'\n[schedule]\nbackup = 'hourly'\nverify = 'off'\n");
        let runner = FakeRunner::lenient();
        apply(&runner, root.path(), &plan(&config, Abilities::default()), "5min").unwrap();
        let file = root.path().join("etc/systemd/system/lifeboat-backup.timer.d/schedule.conf");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("OnCalendar=\nOnCalendar=hourly\nRandomizedDelaySec=5min\n"), "{text}");
        assert_eq!(time(root.path(), Task::Backup).as_deref(), Some("hourly"));
        let calls: Vec<String> = runner.calls().iter().map(Invocation::command_line).collect();
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert!(calls[0].ends_with(" enable lifeboat-backup.timer"), "{calls:?}");
        let off: Vec<Planned> = Task::ALL.into_iter().map(|task| Planned { task, when: Err("off".into()) }).collect();
        apply(&runner, root.path(), &off, "5min").unwrap();
        assert!(!file.exists() && !file.parent().unwrap().exists());
    }
}

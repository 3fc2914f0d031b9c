//! The commands of `[hooks]` around a backup.

use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::session::Session;
use lifeboat_archive::BackupReport;
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_moment::policy::BeforeFailed;
use lifeboat_moment::{Command, Hook, Hooks, Taken, hook};
use lifeboat_sys::ending;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long commands may take when a signal ends the backup: whoever stops it, or shuts the machine down, waits for them.
const WHEN_ENDING: Duration = Duration::from_secs(30);

type Environment = Vec<(&'static str, OsString)>;

/// The commands of one backup. What `before` began, [`Around::end`] ends, or a signal that ends us.
pub struct Around<'a> {
    session: &'a Session,
    environment: Environment,
    _ending: Option<(ending::Registration, ending::MoreTime)>,
}

/// How a backup ended.
enum Outcome<'a> {
    Saved(&'a BackupReport),
    Failed(&'a CommandError),
}

impl<'a> Around<'a> {
    /// Checks who else could change the commands, and runs those of `before`.
    ///
    /// # Errors
    /// Kind `Refused` for commands of others, kind `Failed` when one failed; nothing was written then.
    pub fn begin(session: &'a Session, machine: &Machine) -> Result<Around<'a>, CommandError> {
        let hooks = &session.config.hooks;
        for words in [&hooks.before, &hooks.after_snapshots, &hooks.after, &hooks.failure].iter().flat_map(|c| &c.0) {
            check(words)?;
        }
        let environment: Environment = vec![
            ("LIFEBOAT_MACHINE", OsString::from(&machine.name)),
            ("LIFEBOAT_MACHINE_ID", OsString::from(&machine.machine_id)),
        ];
        let registered = (!hooks.is_empty()).then(|| {
            let (hooks, environment) = (hooks.clone(), environment.clone());
            let ending = ending::register(move || interrupted(&hooks, &environment));
            (ending, ending::more_time(WHEN_ENDING))
        });
        let around = Around { session, environment, _ending: registered };
        let result = around.run(Hook::Before, &[]);
        match result {
            Err(error) if hooks.before_failed == BeforeFailed::Continue => {
                session.reporter.emit(&Event::Warning { text: format!("{:#}", error.error) });
                Ok(around)
            }
            Err(mut error) => {
                error.error = anyhow::anyhow!("{:#}; nothing was saved", error.error);
                // An earlier command may have stopped something that has to go on.
                around.close(&Outcome::Failed(&error));
                Err(error)
            }
            Ok(()) => Ok(around),
        }
    }

    /// Runs those of `after_snapshots`; they learn which filesystems are read from snapshots.
    ///
    /// # Errors
    /// Kind `Failed` when one failed.
    pub fn snapshots_taken(&self, taken: &Taken<'_>) -> CommandResult {
        let (snapshots, live) = taken.mount_points();
        let lines = |paths: &[&Path]| {
            let paths: Vec<OsString> = paths.iter().map(|path| path.as_os_str().to_owned()).collect();
            paths.join(std::ffi::OsStr::new("\n"))
        };
        self.run(Hook::AfterSnapshots, &[("LIFEBOAT_SNAPSHOTS", lines(&snapshots)), ("LIFEBOAT_LIVE", lines(&live))])
    }

    /// Runs those of `failure` and `after`, and passes the result on.
    ///
    /// # Errors
    /// That of the backup; kind `Failed` when a command failed after a backup that did not.
    pub fn end(self, result: Result<BackupReport, CommandError>) -> Result<BackupReport, CommandError> {
        let outcome = match &result {
            Ok(report) => Outcome::Saved(report),
            Err(error) => Outcome::Failed(error),
        };
        match (self.close(&outcome), &result) {
            (Some(error), Ok(report)) => {
                let text = format!("snapshot {} was saved, but then: {:#}", &report.snapshot, error.error);
                Err(CommandError::new(Kind::Failed, text))
            }
            _ => result,
        }
    }

    /// Returns the first command that failed; all are reported.
    fn close(&self, outcome: &Outcome<'_>) -> Option<CommandError> {
        let mut learns: Environment = vec![];
        let (result, hooks) = match outcome {
            Outcome::Saved(report) => {
                learns.push(("LIFEBOAT_SNAPSHOT", OsString::from(&report.snapshot)));
                (if report.problems.is_empty() { "done" } else { "partial" }, &[Hook::After][..])
            }
            Outcome::Failed(error) => {
                learns.push(("LIFEBOAT_ERROR", OsString::from(format!("{:#}", error.error).replace('\0', ""))));
                ("failed", &[Hook::Failure, Hook::After][..])
            }
        };
        learns.push(("LIFEBOAT_RESULT", OsString::from(result)));
        let mut first = None;
        for hook in hooks {
            if let Err(error) = self.run(*hook, &learns) {
                self.session.reporter.emit(&Event::Warning { text: format!("{:#}", error.error) });
                first.get_or_insert(error);
            }
        }
        first
    }

    /// Runs the commands of one hook. Those of `before` stop at the first that fails, the others all get their turn.
    fn run(&self, hook: Hook, learns: &[(&'static str, OsString)]) -> CommandResult {
        let hooks = &self.session.config.hooks;
        let mut first: CommandResult = Ok(());
        for words in commands(hooks, hook) {
            let environment = environment(hook, &self.environment, learns);
            let command = Command { words, environment: &environment, limit: hooks.timeout(), ends_with_us: true };
            let said = &mut |line: &str| self.session.reporter.note(format!("hook {}: {line}", hook.name()));
            if let Err(error) = hook::run(&command, said) {
                let error = CommandError::new(Kind::Failed, format!("the hook '{}' failed: {error}", hook.name()));
                first = first.and(Err(error));
                if hook == Hook::Before {
                    break;
                }
            }
        }
        first
    }
}

/// The commands of a hook; what was begun last is ended first.
fn commands(hooks: &Hooks, hook: Hook) -> Vec<&[String]> {
    let (list, backwards) = match hook {
        Hook::Before => (&hooks.before, false),
        Hook::AfterSnapshots => (&hooks.after_snapshots, true),
        Hook::After => (&hooks.after, true),
        Hook::Failure => (&hooks.failure, false),
    };
    let list = list.0.iter().map(Vec::as_slice);
    if backwards { list.rev().collect() } else { list.collect() }
}

fn environment(hook: Hook, all: &Environment, learns: &[(&'static str, OsString)]) -> Environment {
    let own = [("LIFEBOAT_HOOK", OsString::from(hook.name()))];
    own.into_iter().chain(all.iter().cloned()).chain(learns.iter().cloned()).collect()
}

/// A signal ends the backup. Nobody reads what the commands say any more.
fn interrupted(hooks: &Hooks, all: &Environment) {
    let learns = [("LIFEBOAT_RESULT", OsString::from("interrupted"))];
    for hook in [Hook::Failure, Hook::After] {
        for words in commands(hooks, hook) {
            let environment = environment(hook, all, &learns);
            let limit = hooks.timeout().min(WHEN_ENDING);
            let command = Command { words, environment: &environment, limit, ends_with_us: false };
            let _ = hook::run(&command, &mut |_| {});
        }
    }
}

/// Refuses a command that others could change: its program, and each file among its arguments, for it may be a script.
fn check(words: &[String]) -> CommandResult {
    let words = words.iter().map(Path::new).enumerate();
    for (_, path) in words.filter(|(number, path)| *number == 0 || path.is_absolute() && path.is_file()) {
        guarded::refuse_path(&format!("the hook {}", path.display()), path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn no_word_is_a_file_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        std::fs::write(&script, "").unwrap();
        let words = ["/bin/sh", "-eu", "none", "/none", script.to_str().unwrap()].map(str::to_owned);
        for (mode, refused) in [(0o755, false), (0o757, true)] {
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&words).is_err_and(|error| error.kind == Kind::Refused), refused, "{mode:o}");
        }
    }
}

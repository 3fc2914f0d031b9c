//! The interactive mode: hands `screen` the rescue system and the terminal, and reports to init how it ended.

use super::recover::{InitSink, usual_umask};
use super::terminal::{Nobody, look_here};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::network;
use crate::job::telling::Told;
use crate::output::{counted, entries_of};
use crate::session::Session;
use lifeboat_machine::parameters::After;
use lifeboat_machine::{Event, EventSink};
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem};
use lifeboat_screen::{Disks, Ending, Outcome};
use lifeboat_sys::console::Console;
use rustix::process::{Pid, Signal};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::Duration;

/// How long a serial line may be blocked before we give up: XOFF lasts as long as a person reads.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the person chose as the next action, for init: a word of `lifeboat.after=`, as JSON.
const AFTER: &str = "after.json";

/// Standard output without waiting for ever.
struct Line(Console);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes, PATIENCE)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs it. `root` is the directory of another rescue system than the running one, for tests.
pub fn run(session: &Session, root: Option<&Path>) -> CommandResult {
    usual_umask();
    let from_init = InitSink::is_wanted();
    let sink: Box<dyn EventSink> = if from_init { Box::new(InitSink::open()?) } else { Box::new(Nobody) };
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(CommandError::usage("the interactive mode needs a terminal")
            .hint("run it on a console, or through 'ssh -t'"));
    }
    let directories = root.map_or_else(RescueDirectories::default, RescueDirectories::below);
    let mut rescue = RescueSystem::open(directories).inspect_err(|failure| {
        sink.emit(&Event::Failed { reason: failure.to_string() });
    })?;
    rescue.network = match from_init {
        true => network::with_sink(InitSink::open()?)?,
        false => network::with_sink(Nobody)?,
    };
    let credentials = rescue.network.credentials.clone();
    let sink: Box<dyn EventSink> = Box::new(Told::of(sink, &rescue, &credentials));
    lifeboat_sys::signal::ignore_hangup();
    keep_errors_away(&rescue.directories.run);
    let output = Console::open(Path::new("/proc/self/fd/1"))
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot OPEN the terminal: {error}")))?;
    let ending = lifeboat_screen::run(&rescue, &session.runner, &*sink, Box::new(Line(output)), look_here())
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot USE the terminal: {error}")))?;
    follow(&ending, &rescue.directories.run, from_init || root.is_some())?;
    report(ending, &*sink)
}

/// Messages of libraries and panics go to a file instead of over the screen.
fn keep_errors_away(run: &Path) {
    if io::stderr().is_terminal()
        && let Ok(file) = File::options().append(true).create(true).open(run.join("interactive.log"))
    {
        // Without it the screen may be overwritten, and Ctrl-L redraws it.
        let _ = rustix::stdio::dup2_stderr(&file);
    }
}

/// Leaves the person's choice to init, or asks it at once if init does not wait for us.
fn follow(ending: &Ending, run: &Path, init_reads_it: bool) -> CommandResult {
    let Some(after) = ending.after else { return Ok(()) };
    if init_reads_it {
        let path = run.join(AFTER);
        return std::fs::write(&path, serde_json::to_vec(&after)?)
            .map_err(|error| CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", path.display())));
    }
    let signal = match after {
        After::Shell => return Ok(()),
        After::Reboot => Signal::INT,
        After::Poweroff => Signal::TERM,
    };
    // PID 1 of the rescue system takes them as Ctrl-Alt-Del and as the end of power.
    rustix::process::kill_process(Pid::INIT, signal)
        .map_err(|errno| CommandError::new(Kind::Failed, format!("cannot SIGNAL PID 1: {errno}")))
}

/// The final event, and the exit code.
fn report(ending: Ending, sink: &dyn EventSink) -> CommandResult {
    match ending.outcome {
        // The recovery itself has reported its success.
        None | Some(Outcome::Restored { missing: 0, .. }) => Ok(()),
        Some(Outcome::Restored { missing, .. }) => Err(super::recover::missing(missing)),
        Some(Outcome::Files(report)) => {
            let text = format!("restored {} of the archive", entries_of(report.entries));
            sink.emit(&Event::Note { text });
            match report.problems.len() {
                0 => Ok(()),
                count => {
                    Err(CommandError::new(Kind::Partial, format!("{} could not be restored", counted(count, "entry"))))
                }
            }
        }
        Some(Outcome::Failed { reason, disks }) => {
            sink.emit(&Event::Failed { reason: reason.clone() });
            let kind = match disks {
                Disks::Untouched => Kind::Refused,
                Disks::Written => Kind::Failed,
                Disks::Rebuilt => Kind::Partial,
            };
            Err(CommandError::new(kind, reason))
        }
    }
}

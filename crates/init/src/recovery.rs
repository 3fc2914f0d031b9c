//! `lifeboat restore` as a child: its events go to all watchers, its output to the log, and however it ends, there
//! is one final line.

use crate::children::{Children, ending};
use crate::report::{Reporter, locked};
use crate::shell;
use lifeboat_machine::{Event, EventSink as _, Mode};
use lifeboat_sys::child::Setup;
use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, PipeReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The descriptor on which the child writes its events, one JSON object a line.
const EVENTS_DESCRIPTOR: i32 = 3;
/// Its exit code when files were restored, but not all of them (design, section 5).
const PARTIAL: i32 = 5;
/// Longer lines are not events.
const LONGEST_LINE: u64 = 1 << 20;
/// How many of the child's last lines are shown when it dies.
const LAST_WORDS: usize = 20;
/// How long the pipes may stay open after the child's end, because something that it started still holds them.
const PIPES_PATIENCE: Duration = Duration::from_secs(5);

/// The outcome of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The machine is restored.
    Restored,
    /// The comparison is done.
    Compared,
    /// The machine is bootable, but not every entry was restored.
    Partial,
    /// It failed.
    Failed,
}

/// Runs the child of an unattended mode to its end and reports that end.
pub fn unattended(reporter: &Arc<Reporter>, children: &Children, command: Command) -> Outcome {
    match supervise(reporter, children, command, None) {
        Ok(Ended { outcome: Some(Outcome::Failed), status: Some(status), .. }) if status.code() == Some(PARTIAL) => {
            Outcome::Partial
        }
        Ok(Ended { outcome: Some(outcome), .. }) => outcome,
        Ok(ended) => {
            for line in &ended.last_lines {
                reporter.warn(format!("last output of 'lifeboat restore': {line}"));
            }
            let reason = match ended.status {
                Some(status) => {
                    format!(
                        "recovery {} before it reported a result; see {}",
                        ending(status),
                        lifeboat_machine::run::LOG
                    )
                }
                None => "recovery reported no result".to_owned(),
            };
            failed(reporter, reason)
        }
        Err(error) => failed(reporter, format!("cannot RUN {}: {error}", crate::handover::PROGRAM)),
    }
}

/// Runs the child of the interactive mode on a console; returns the outcome, if there is one. `Err` says why it could not
/// do its work.
pub fn interactive(
    reporter: &Arc<Reporter>,
    children: &Children,
    command: Command,
    console: &str,
) -> Result<Option<Outcome>, String> {
    reporter.flush(Duration::from_secs(2));
    reporter.mute(console, true);
    let result = supervise(reporter, children, command, Some(console));
    reporter.mute(console, false);
    match result {
        Ok(Ended { outcome: Some(outcome), .. }) => Ok(Some(outcome)),
        Ok(Ended { status: Some(status), .. }) if status.success() || status.code() == Some(PARTIAL) => Ok(None),
        Ok(Ended { status: Some(status), last_lines, .. }) => {
            let words: Vec<String> = last_lines.into_iter().rev().take(3).rev().collect();
            Err(format!("it {}: {}", ending(status), words.join("; ")))
        }
        Ok(_) => Err("it reported no result".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn failed(reporter: &Reporter, reason: String) -> Outcome {
    reporter.emit(&Event::Failed { reason });
    Outcome::Failed
}

struct Ended {
    status: Option<std::process::ExitStatus>,
    outcome: Option<Outcome>,
    last_lines: Vec<String>,
}

fn supervise(
    reporter: &Arc<Reporter>,
    children: &Children,
    mut command: Command,
    console: Option<&str>,
) -> io::Result<Ended> {
    let (events, events_end) = io::pipe()?;
    let (words, words_end) = io::pipe()?;
    command.env("LIFEBOAT_EVENTS_FD", EVENTS_DESCRIPTOR.to_string()).current_dir("/");
    match console {
        Some(console) => {
            shell::on_terminal(&mut command, console)?;
            // Its screen must not be overwritten by its reports, nor the other way round.
            command.stderr(words_end.try_clone()?);
        }
        None => {
            command.stdin(Stdio::null()).stdout(words_end.try_clone()?).stderr(words_end.try_clone()?);
        }
    }
    drop(words_end);
    let setup = Setup {
        new_session: true,
        controlling_terminal: console.is_some(),
        descriptor: Some((events_end.into(), EVENTS_DESCRIPTOR)),
    };
    let child = children.spawn(command, setup)?;
    let outcome = Arc::new(Mutex::new(None));
    let last_lines = Arc::new(Mutex::new(VecDeque::new()));
    let (reporter_1, outcome_1) = (Arc::clone(reporter), Arc::clone(&outcome));
    let events_done = read_lines(events, move |line| forward(&reporter_1, &outcome_1, line));
    let (reporter_2, words_2) = (Arc::clone(reporter), Arc::clone(&last_lines));
    let words_done = read_lines(words, move |line| {
        reporter_2.log(line);
        let mut words = locked(&words_2);
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(String::from_utf8_lossy(line).into_owned());
    });
    let status = child.wait(None);
    // Everything that the child wrote counts, including what is still in the pipes.
    for done in [events_done, words_done] {
        let _ = done.recv_timeout(PIPES_PATIENCE);
    }
    let outcome = *locked(&outcome);
    let last_lines = locked(&last_lines).iter().cloned().collect();
    Ok(Ended { status, outcome, last_lines })
}

/// Calls `take` with each line in a thread of its own; the channel closes at the end of the pipe.
fn read_lines(pipe: PipeReader, mut take: impl FnMut(&[u8]) + Send + 'static) -> Receiver<()> {
    let (alive, done) = channel();
    let read = move || {
        let _alive = alive;
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => take(line.strip_suffix(b"\n").unwrap_or(&line)),
            }
        }
    };
    let _ = std::thread::Builder::new().name("child's lines".into()).spawn(read);
    done
}

fn forward(reporter: &Reporter, outcome: &Mutex<Option<Outcome>>, line: &[u8]) {
    match serde_json::from_slice::<Event>(line) {
        Ok(event) => {
            let ended = match &event {
                Event::Restored { .. } => Some(Outcome::Restored),
                Event::Compared { .. } => Some(Outcome::Compared),
                Event::Failed { .. } => Some(Outcome::Failed),
                _ => None,
            };
            let mut outcome = locked(outcome);
            if outcome.is_none() {
                *outcome = ended;
            }
            reporter.emit(&event);
        }
        Err(error) => {
            reporter
                .log(format!("an event that cannot be read ({error}): {}", String::from_utf8_lossy(line)).as_bytes());
        }
    }
}

/// The call of the recovery program.
pub fn command(mode: Mode, console: &str) -> Command {
    let mut command = Command::new(crate::handover::PROGRAM);
    command.args(["restore", "--mode", &mode.to_string()]).env_clear().envs(shell::environment(console));
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::children::tests::children;

    fn run(script: &str) -> (Outcome, String) {
        let folder = tempfile::tempdir().unwrap();
        let console = folder.path().join("console");
        std::fs::File::create(&console).unwrap();
        let reporter = Arc::new(Reporter::default());
        reporter.add_console("x", &console).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let outcome = unattended(&reporter, children(), command);
        reporter.flush(Duration::from_secs(5));
        (outcome, std::fs::read_to_string(&console).unwrap().replace('\r', ""))
    }

    #[test]
    fn events_become_lines_and_the_final_one_counts() {
        let (outcome, lines) = run(
            "echo '{\"event\":\"stage\",\"name\":\"plan\",\"seconds\":0.5}' >&3; echo noise; echo noise >&2; echo nonsense >&$LIFEBOAT_EVENTS_FD; \
             printf '{\"event\":\"restored\",\"entries\":3,\"seconds\":1.5}' >&3; exit 5",
        );
        assert_eq!(outcome, Outcome::Restored);
        assert_eq!(lines, "lifeboat: stage plan 0.50\nlifeboat: RESTORED 3 entries in 1.5 s\n");
    }

    #[test]
    fn a_silent_death_is_a_failure_with_last_lines() {
        let (outcome, lines) = run("echo thread main panicked >&2; kill -9 $$");
        assert_eq!(outcome, Outcome::Failed);
        assert_eq!(
            lines,
            "lifeboat: warning: last output of 'lifeboat restore': thread main panicked\nlifeboat: FAILED recovery was killed \
             (signal 9; the kernel log shows whether memory ran out) before it reported a result; see /run/lifeboat/log\n"
        );
    }

    #[test]
    fn the_second_final_event_is_not_reported() {
        let failed = "{\"event\":\"failed\",\"reason\":\"one\"}";
        let (outcome, lines) = run(&format!("echo '{failed}' >&3; echo '{failed}' >&3; exit 1"));
        assert_eq!((outcome, lines.as_str()), (Outcome::Failed, "lifeboat: FAILED one\n"));
    }

    #[test]
    fn a_machine_that_starts_is_distinguished_from_one_that_does_not() {
        let failed = "echo '{\"event\":\"failed\",\"reason\":\"2 of 9 entries\"}' >&3";
        for (code, expected) in [(5, Outcome::Partial), (1, Outcome::Failed), (3, Outcome::Failed)] {
            let (outcome, lines) = run(&format!("{failed}; exit {code}"));
            assert_eq!((outcome, lines.as_str()), (expected, "lifeboat: FAILED 2 of 9 entries\n"), "{code}");
        }
        // Without output there is nothing to go by.
        assert_eq!(run("exit 5").0, Outcome::Failed);
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipes_does_not_keep_us() {
        let begun = std::time::Instant::now();
        let (outcome, _) = run("sleep 30 & echo '{\"event\":\"failed\",\"reason\":\"one\"}' >&3");
        assert_eq!(outcome, Outcome::Failed);
        assert!(begun.elapsed() < Duration::from_secs(25));
    }

    #[test]
    fn the_child_has_the_pipe_of_events_once() {
        let (_, lines) = run(
            "ours=$(readlink /proc/$$/fd/3); for fd in /proc/$$/fd/*; do readlink $fd; done | grep -cF \"$ours\" >&2; \
             kill -9 $$",
        );
        assert!(lines.contains("last output of 'lifeboat restore': 1\n"), "{lines}");
    }
}

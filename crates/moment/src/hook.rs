//! Commands before and after a backup: each in a process group of its own, within a time limit, without our environment and
//! descriptors; what they say goes to the log.

use lifeboat_machine::bytes::printable;
use lifeboat_sys::ending;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::ffi::OsString;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// When a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before anything else.
    Before,
    /// Once the snapshots are taken.
    AfterSnapshots,
    /// At the end, whatever the result.
    After,
    /// After a failure.
    Failure,
}

impl Hook {
    /// Its name in the configuration and in LIFEBOAT_HOOK.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Before => "before",
            Hook::AfterSnapshots => "after_snapshots",
            Hook::After => "after",
            Hook::Failure => "failure",
        }
    }
}

/// A command that is run.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    /// The program, by its whole path, and its arguments.
    pub words: &'a [String],
    /// What it learns, beside PATH and HOME.
    pub environment: &'a [(&'static str, OsString)],
    /// How long it may take.
    pub limit: Duration,
    /// A signal to us ends it; not, if it runs because of one.
    pub ends_with_us: bool,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// It could not be started.
    #[error("cannot RUN {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// It ended in another way than with code 0.
    #[error("cannot RUN {program}: it ended with {how}{said}")]
    Failed {
        /// The program.
        program: String,
        /// `code 3`, `signal 11`.
        how: String,
        /// Its last line.
        said: String,
    },
    /// It took too long.
    #[error(
        "cannot RUN {program}: it did not end within {seconds} s, and was stopped; a higher 'timeout_seconds' in [hooks] gives it more time"
    )]
    Late {
        /// The program.
        program: String,
        /// The limit.
        seconds: u64,
    },
}

/// How long a command may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);
/// How often we look where the kernel has no event for the end of a process (before Linux 5.3).
const LOOK: Duration = Duration::from_millis(50);
/// The longest line that is passed on, in bytes.
const LONGEST: usize = 2000;
/// Lines that are passed on of each command.
const LINES: usize = 1000;

/// Runs a command to its end; `said` gets each line that it says. What it leaves running lives on, without us reading what that says.
///
/// # Errors
/// [`HookError`].
pub fn run(command: &Command<'_>, said: &mut dyn FnMut(&str)) -> Result<(), HookError> {
    let [program, arguments @ ..] = command.words else { return Ok(()) };
    let shown = printable(program.as_bytes());
    let start = |source: std::io::Error| HookError::Start { program: shown.clone(), source };
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| start(error.into()))?;
    rustix::io::ioctl_fionbio(&read, true).map_err(|error| start(error.into()))?;
    let mut call = std::process::Command::new(program);
    call.args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .envs(command.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(write.try_clone().map_err(start)?)
        .stderr(write)
        .process_group(0);
    let mut child = call.spawn().map_err(start)?;
    // Our ends of the pipe for its output go with it.
    drop(call);
    let group = Pid::from_child(&child);
    let registration = command.ends_with_us.then(|| {
        ending::register(move || {
            let _ = rustix::process::kill_process_group(group, Signal::TERM);
        })
    });
    let mut lines = Lines { read: Some(read), rest: vec![], passed: 0, last: String::new(), said };
    let status = wait(&mut child, &mut lines, Instant::now() + command.limit);
    let status = match status {
        Some(status) => status,
        None => {
            let _ = rustix::process::kill_process_group(group, Signal::TERM);
            if wait(&mut child, &mut lines, Instant::now() + GRACE).is_none() {
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
                let _ = child.wait();
            }
            // Its children may still be there: a shell that ends does not end them.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            lines.finish();
            return Err(HookError::Late { program: shown, seconds: command.limit.as_secs() });
        }
    };
    drop(registration);
    if command.ends_with_us {
        // The signal that ends us ended it, too.
        ending::wait_when_ending();
    }
    lines.finish();
    if status.success() {
        return Ok(());
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    };
    let last = if lines.last.is_empty() { String::new() } else { format!(": {}", lines.last) };
    Err(HookError::Failed { program: shown, how, said: last })
}

/// Waits for the end of a child, and passes on what it says meanwhile; `None` when the time is up.
fn wait(child: &mut Child, lines: &mut Lines<'_>, deadline: Instant) -> Option<ExitStatus> {
    let pidfd = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty()).ok();
    loop {
        lines.take();
        if let Ok(Some(status)) = child.try_wait() {
            lines.take();
            return Some(status);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let left = if pidfd.is_some() { left } else { left.min(LOOK) };
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        let fds = [pidfd.as_ref(), lines.read.as_ref()];
        let mut polled: Vec<PollFd<'_>> =
            fds.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN)).collect();
        match rustix::event::poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => std::thread::sleep(LOOK.min(left)),
        }
    }
}

/// What a command says, line by line.
struct Lines<'a> {
    /// `None` once nobody writes any more.
    read: Option<OwnedFd>,
    rest: Vec<u8>,
    passed: usize,
    last: String,
    said: &'a mut dyn FnMut(&str),
}

impl Lines<'_> {
    /// Takes what is there now.
    fn take(&mut self) {
        let mut buffer = [0_u8; 8192];
        while let Some(read) = &self.read {
            match rustix::io::read(read, &mut buffer) {
                Ok(0) => self.read = None,
                Ok(length) => {
                    for byte in &buffer[..length] {
                        match byte {
                            b'\n' => self.pass(),
                            byte if self.rest.len() < LONGEST => self.rest.push(*byte),
                            _ => {}
                        }
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.read = None,
            }
        }
    }

    fn pass(&mut self) {
        let text = printable(&std::mem::take(&mut self.rest));
        if text.trim().is_empty() {
            return;
        }
        self.passed += 1;
        if self.passed < LINES {
            (self.said)(&text);
        } else if self.passed == LINES {
            (self.said)("(more lines are left out)");
        }
        self.last = text;
    }

    fn finish(&mut self) {
        if !self.rest.is_empty() {
            self.pass();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> (Result<(), HookError>, Vec<String>) {
        let words = ["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()];
        let environment = [("LIFEBOAT_HOOK", OsString::from("before"))];
        let mut lines = vec![];
        let command = Command { words: &words, environment: &environment, limit, ends_with_us: true };
        let result = run(&command, &mut |line| lines.push(line.to_owned()));
        (result, lines)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_it_says_and_how_it_ends() {
        let (result, lines) = shell("echo one; printf 'two\\033[2J' >&2; exit 3", LONG);
        assert_eq!(lines, ["one", "two\\x1b[2J"]);
        assert_eq!(result.unwrap_err().to_string(), "cannot RUN /bin/sh: it ended with code 3: two\\x1b[2J");
        let (result, _) = shell("kill -9 $$", LONG);
        assert!(result.unwrap_err().to_string().ends_with("signal 9"));
        let words = ["/nowhere/hook".to_owned()];
        let command = Command { words: &words, environment: &[], limit: LONG, ends_with_us: true };
        assert!(matches!(run(&command, &mut |_| {}), Err(HookError::Start { .. })));
    }

    #[test]
    fn it_gets_nothing_of_ours() {
        let secret = tempfile::NamedTempFile::new().unwrap();
        let (result, lines) = shell("env | sort; ls -l /proc/self/fd/; pwd", LONG);
        result.unwrap();
        let names: Vec<&str> =
            lines.iter().filter(|line| !line.contains(' ')).filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert_eq!(names, ["HOME", "LC_ALL", "LIFEBOAT_HOOK", "PATH", "PWD"]);
        let path = secret.path().to_str().unwrap();
        assert!(!lines.iter().any(|line| line.contains(path)), "{lines:?}");
        assert_eq!(lines.last().unwrap(), "/");
    }

    #[test]
    fn the_whole_group_is_stopped_when_the_time_is_up() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sh -c 'trap \"\" TERM; echo $$ > {}; sleep 1000' & wait", pid.display());
        let (result, _) = shell(&script, Duration::from_secs(2));
        assert!(matches!(result, Err(HookError::Late { seconds: 2, .. })), "{result:?}");
        let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        // Killed, and collected by whoever is its parent now.
        let gone = || std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "));
        let began = Instant::now();
        while !gone() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(LOOK);
        }
        assert!(gone());
    }

    #[test]
    fn what_it_leaves_running_is_not_waited_for() {
        let began = Instant::now();
        let (result, lines) = shell("sleep 30 & echo $!", LONG);
        result.unwrap();
        assert!(began.elapsed() < Duration::from_secs(20));
        let pid = Pid::from_raw(lines[0].parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }

    #[test]
    fn who_talks_without_end_is_cut() {
        let (result, lines) = shell("yes | head -100000", LONG);
        result.unwrap();
        assert_eq!((lines.len(), lines[LINES - 1].as_str()), (LINES, "(more lines are left out)"));
    }
}

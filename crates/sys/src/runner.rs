//! Runs external programs, always the same way: absolute path, C locale, no terminal, output captured.

use crate::program::Program;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// One call of a program, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What to run.
    pub program: &'static Program,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it reads; nothing when `None`.
    pub stdin: Option<Vec<u8>>,
    /// Variables beside the fixed ones (`PATH`, `LC_ALL=C`).
    pub environment: Vec<(OsString, OsString)>,
    /// Run inside this root directory (chroot(2)).
    pub root: Option<PathBuf>,
    /// Exit codes besides 0 that are not failures.
    pub accepted: Vec<i32>,
}

/// What a program returned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

/// Why a program failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not installed.
    #[error(
        "cannot FIND the program {name}: it is in none of /usr/sbin, /usr/bin, /sbin, /bin; try installing the package {package}"
    )]
    Missing {
        /// Program name.
        name: &'static str,
        /// Debian package.
        package: &'static str,
    },
    /// Could not be started.
    #[error("cannot RUN {command}: {source}")]
    Start {
        /// The call.
        command: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// Ended with an exit code that was not accepted, or by a signal (code -1).
    #[error("cannot RUN {command}: it ended with code {code}: {message}")]
    Failed {
        /// The call.
        command: String,
        /// Exit code, -1 for a signal.
        code: i32,
        /// The end of what it said.
        message: String,
    },
}

/// Runs programs.
pub trait Runner: Send + Sync {
    /// Runs one call to its end.
    ///
    /// # Errors
    /// [`RunError`] when it is missing, cannot be started, or ends with a code that is not accepted.
    fn run(&self, call: &Invocation) -> Result<Output, RunError>;

    /// Reports whether a program is installed.
    fn has(&self, program: &'static Program) -> bool;
}

impl Invocation {
    /// A call of `program` without arguments.
    pub fn new(program: &'static Program) -> Self {
        Invocation { program, arguments: vec![], stdin: None, environment: vec![], root: None, accepted: vec![] }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Gives it something to read.
    pub fn stdin(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(data.into());
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it inside a root directory.
    pub fn in_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = Some(root.into());
        self
    }

    /// Accepts another exit code than 0.
    pub fn accept(mut self, code: i32) -> Self {
        self.accepted.push(code);
        self
    }

    /// The call as a person would type it.
    pub fn command_line(&self) -> String {
        let mut line = String::new();
        if let Some(root) = &self.root {
            line.push_str(&format!("chroot {} ", root.display()));
        }
        line.push_str(self.program.name);
        for argument in &self.arguments {
            let text = argument.to_string_lossy();
            line.push(' ');
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                line.push_str(&text);
            } else {
                line.push_str(&format!("'{}'", text.replace('\'', "'\\''")));
            }
        }
        line
    }
}

impl Output {
    /// Standard output as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs programs of the running system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRunner;

/// Runs programs of the running system that a signal which ends us must not end: a volume manager that is killed halfway leaves
/// suspended devices behind. It also runs programs while a signal ends us.
#[derive(Clone, Copy, Debug, Default)]
pub struct UninterruptedRunner;

impl Runner for SystemRunner {
    fn run(&self, call: &Invocation) -> Result<Output, RunError> {
        crate::ending::wait_when_ending();
        let result = run(call, true);
        // The signal that ends us ended the program, too: its failure is not worth a message.
        crate::ending::wait_when_ending();
        accept(call, result?)
    }

    fn has(&self, program: &'static Program) -> bool {
        program.find(Path::new("/")).is_some()
    }
}

impl Runner for UninterruptedRunner {
    fn run(&self, call: &Invocation) -> Result<Output, RunError> {
        accept(call, run(call, false)?)
    }

    fn has(&self, program: &'static Program) -> bool {
        SystemRunner.has(program)
    }
}

/// Runs a call to its end, in whatever way it ends; `ends_with_us`: a signal that ends us ends the program, too.
fn run(call: &Invocation, ends_with_us: bool) -> Result<Output, RunError> {
    let root = call.root.as_deref().unwrap_or(Path::new("/"));
    let found =
        call.program.find(root).ok_or(RunError::Missing { name: call.program.name, package: call.program.package })?;
    let inside = match &call.root {
        Some(root) => Path::new("/").join(found.strip_prefix(root).unwrap_or(&found)),
        None => found,
    };
    let start = |source| RunError::Start { command: call.command_line(), source };
    let mut command = Command::new(inside);
    command
        .args(&call.arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("HOME", "/")
        .envs(call.environment.iter().map(|(name, value)| (name, value)))
        .stdin(if call.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(root) = call.root.clone() {
        let chroot = move || {
            rustix::process::chroot(&root)?;
            rustix::process::chdir("/")?;
            Ok(())
        };
        // SAFETY: between fork and exec only the chroot(2) and chdir(2) system calls are made; `root` was allocated before.
        unsafe { command.pre_exec(chroot) };
    }
    tracing::debug!(command = call.command_line(), "run");
    // The terminal sends its signals to all processes of a group.
    if !ends_with_us {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(start)?;
    let registration = if ends_with_us { crate::ending::register_child(&child) } else { None };
    // The writer has a thread of its own, so that a program that fills its output pipe first cannot block us.
    let writer = child.stdin.take().zip(call.stdin.clone()).map(|(mut pipe, data)| {
        std::thread::spawn(move || {
            // A program that ends without reading all gives EPIPE; its exit code reports whether that matters.
            let _ = pipe.write_all(&data);
        })
    });
    let output = child.wait_with_output().map_err(start)?;
    if let Some(writer) = writer {
        let _ = writer.join();
    }
    drop(registration);
    Ok(Output { code: output.status.code().unwrap_or(-1), stdout: output.stdout, stderr: output.stderr })
}

fn accept(call: &Invocation, output: Output) -> Result<Output, RunError> {
    if output.code == 0 || call.accepted.contains(&output.code) {
        return Ok(output);
    }
    let reported = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    let text = String::from_utf8_lossy(reported);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let message = lines[lines.len().saturating_sub(6)..].join("; ");
    Err(RunError::Failed { command: call.command_line(), code: output.code, message })
}

/// Plays back answers and records calls, for tests without disks.
///
/// Answers are matched by the beginning of [`Invocation::command_line`], each used once, in the order given; a call
/// without an answer succeeds with empty output when `lenient`, and is [`RunError::Missing`] otherwise.
#[derive(Debug, Default)]
pub struct FakeRunner {
    answers: Mutex<VecDeque<(String, Output)>>,
    calls: Mutex<Vec<Invocation>>,
    lenient: bool,
}

impl FakeRunner {
    /// A runner without answers, which refuses calls without one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A runner for which every call without an answer succeeds with empty output.
    pub fn lenient() -> Self {
        FakeRunner { lenient: true, ..Self::default() }
    }

    /// Answers the next call whose command line starts with `prefix`.
    pub fn answer(self, prefix: &str, stdout: impl Into<Vec<u8>>) -> Self {
        self.answer_with(prefix, Output { code: 0, stdout: stdout.into(), stderr: vec![] })
    }

    /// Answers with an exit code and error output.
    pub fn answer_with(self, prefix: &str, output: Output) -> Self {
        locked(&self.answers).push_back((prefix.to_owned(), output));
        self
    }

    /// The calls made so far.
    pub fn calls(&self) -> Vec<Invocation> {
        locked(&self.calls).clone()
    }

    /// The command lines of the calls made so far.
    pub fn command_lines(&self) -> Vec<String> {
        self.calls().iter().map(Invocation::command_line).collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Runner for FakeRunner {
    fn run(&self, call: &Invocation) -> Result<Output, RunError> {
        locked(&self.calls).push(call.clone());
        let line = call.command_line();
        let mut answers = locked(&self.answers);
        match answers.iter().position(|(prefix, _)| line.starts_with(prefix.as_str())) {
            Some(index) => match answers.remove(index) {
                Some((_, output)) => accept(call, output),
                None => Ok(Output::default()),
            },
            None if self.lenient => Ok(Output::default()),
            None => Err(RunError::Missing { name: call.program.name, package: call.program.package }),
        }
    }

    fn has(&self, _program: &'static Program) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{BLKID, SFDISK};

    #[test]
    fn command_lines_can_be_pasted() {
        let call = Invocation::new(SFDISK).arg("--dump").arg("/dev/a b").in_root("/target");
        assert_eq!(call.command_line(), "chroot /target sfdisk --dump '/dev/a b'");
    }

    #[test]
    fn failures_carry_the_end_of_what_was_reported() {
        let runner = FakeRunner::new().answer_with(
            "blkid",
            Output { code: 4, stdout: vec![], stderr: b"first\n\nblkid: error: /dev/x: No such file\n".to_vec() },
        );
        let error = runner.run(&Invocation::new(BLKID).arg("/dev/x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot RUN blkid /dev/x: it ended with code 4: first; blkid: error: /dev/x: No such file"
        );
    }

    #[test]
    fn a_program_that_talks_before_it_reads_does_not_block() {
        let runner = SystemRunner;
        let big = vec![b'x'; 1 << 20];
        let call =
            Invocation::new(&Program { name: "cat", package: "coreutils", rescue: crate::program::Rescue::Never })
                .stdin(big.clone());
        assert_eq!(runner.run(&call).unwrap().stdout.len(), big.len());
    }
}

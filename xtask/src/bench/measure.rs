//! Runs one program as a whole and reports its wall time and its peak memory.

use anyhow::{Context as _, bail};
use lifeboat_sys::usage;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// One call of a program.
pub struct Call {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
    directory: Option<PathBuf>,
}

#[cfg(test)]
impl Call {
    /// The program and its arguments.
    pub fn words(&self) -> Vec<OsString> {
        [self.program.clone()].into_iter().chain(self.arguments.iter().cloned()).collect()
    }
}

/// What a call used.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Wall time.
    pub seconds: f64,
    /// Largest resident set of the program, in bytes.
    pub peak_memory_bytes: u64,
}

impl Call {
    /// A call of a program, by name or by path.
    pub fn new(program: impl AsRef<OsStr>) -> Call {
        Call { program: program.as_ref().to_owned(), arguments: vec![], environment: vec![], directory: None }
    }

    /// A pipeline: fails when any part of it fails. `$1` and so on are the arguments added later.
    pub fn pipeline(line: &str) -> Call {
        Call::new("bash").args(["-o", "pipefail", "-c", line, "bash"])
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, arguments: I) -> Call {
        self.arguments.extend(arguments.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Call {
        self.environment.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in a directory.
    pub fn within(mut self, directory: &Path) -> Call {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Starts it; its output goes to `log`.
    pub fn start(&self, log: &Path) -> anyhow::Result<Child> {
        let out = File::create(log).with_context(|| format!("cannot WRITE {}", log.display()))?;
        let err = out.try_clone().context("cannot share the log")?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.spawn().with_context(|| format!("cannot RUN {}", self.program.to_string_lossy()))
    }

    /// Runs it to its end; its output goes to `log`.
    pub fn measure(&self, log: &Path) -> anyhow::Result<Measured> {
        let name = self.program.to_string_lossy();
        let begin = Instant::now();
        let child = self.start(log)?;
        let finished = usage::wait(child).with_context(|| format!("cannot WAIT for {name}"))?;
        let seconds = begin.elapsed().as_secs_f64();
        if !finished.status.success() {
            let reported = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = reported.lines().collect();
            let end = lines[lines.len().saturating_sub(8)..].join("\n");
            bail!("{name} {:?} ended with {}:\n{end}", self.arguments, finished.status);
        }
        Ok(Measured { seconds, peak_memory_bytes: finished.peak_memory_bytes })
    }
}

/// The middle one of several values, the mean of the middle two when their number is even.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => (sorted[count / 2 - 1] + sorted[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_pipeline_fails_with_its_first_part() {
        let log = std::env::temp_dir().join(format!("xtask-measure-{}", std::process::id()));
        let error = Call::pipeline("echo told >&2; false | cat").measure(&log).unwrap_err();
        assert!(error.to_string().contains("told"), "{error}");
        assert!(Call::pipeline("test \"$1\" = 'a b'").args(["a b"]).measure(&log).is_ok());
        std::fs::remove_file(log).unwrap();
    }
}

//! Why a drill or a virtual machine failed.

use lifeboat_machine::FormatError;
use lifeboat_sys::RunError;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that can go wrong around a virtual machine.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// A program is missing or failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file or socket.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `OPEN`, `READ`, `WRITE`, …
        action: &'static str,
        /// What.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// No firmware of the wanted kind.
    #[error("cannot FIND the firmware {}; try installing the package ovmf", path.display())]
    Firmware {
        /// The file that is missing.
        path: PathBuf,
    },
    /// The virtual machine ended unexpectedly.
    #[error("the virtual machine ended ({status}) while waiting for {awaited}{}", reported(tail))]
    Ended {
        /// How it ended.
        status: String,
        /// What was awaited.
        awaited: String,
        /// The end of its console, or QEMU's message.
        tail: String,
    },
    /// A deadline passed.
    #[error("timed out after {} s waiting for {awaited}{}", deadline.as_secs(), reported(tail))]
    Deadline {
        /// What was awaited.
        awaited: String,
        /// How long.
        deadline: Duration,
        /// The end of the console.
        tail: String,
    },
    /// QEMU refused a command.
    #[error("the virtual machine refused {command}: {reason}")]
    Qmp {
        /// The QMP command.
        command: String,
        /// QEMU's description.
        reason: String,
    },
    /// A pattern that is not a regular expression.
    #[error("cannot READ the pattern {pattern:?}: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A command inside the guest ended with another code than 0.
    #[error("in the virtual machine `{command}` ended with code {code}{}", reported(output))]
    Guest {
        /// The command.
        command: String,
        /// Its exit code.
        code: i32,
        /// The end of its output.
        output: String,
    },
    /// A lab machine could not be made, or its disks could not be compared.
    #[error("cannot MAKE or compare the lab machine {name}: {reason}")]
    Lab {
        /// The machine.
        name: String,
        /// Why.
        reason: String,
    },
    /// The recovery ended with FAILED.
    #[error("the recovery FAILED: {reason}")]
    Failed {
        /// The reason that it gave.
        reason: String,
    },
    /// The recovered disks are not the same as the original ones.
    #[error("the recovered machine differs from the original:\n{differences}")]
    Different {
        /// One line for each difference.
        differences: String,
    },
    /// The medium holds no usable description.
    #[error("cannot READ {file} on the medium {}: {reason}", medium.display())]
    Medium {
        /// The medium.
        medium: PathBuf,
        /// The file on it.
        file: &'static str,
        /// Why.
        reason: String,
    },
    /// The machine description cannot be used.
    #[error(transparent)]
    Machine(#[from] FormatError),
    /// The machine cannot be rehearsed here.
    #[error("cannot REHEARSE this machine: {0}")]
    Unsupported(String),
}

impl DrillError {
    /// An I/O error at a path.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> DrillError {
        let path = path.into();
        move |source| DrillError::Io { action, path, source }
    }
}

/// The tail of a console as the last part of a message, on lines of its own.
fn reported(tail: &str) -> String {
    let tail = tail.trim();
    if tail.is_empty() { String::new() } else { format!("; last output:\n{tail}") }
}

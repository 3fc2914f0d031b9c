//! What probing gives beside the machine: refusals, warnings, errors.

use lifeboat_machine::Machine;
use std::path::PathBuf;

/// A machine, and what is to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// The machine. Complete only when there is no refusal.
    pub machine: Machine,
    /// What Lifeboat could not rebuild; the machine must not be backed up while there is one.
    pub refusals: Vec<Refusal>,
    /// What a person should know: what is not part of the backup, what looks odd.
    pub warnings: Vec<String>,
}

/// Something that Lifeboat could not rebuild (design, principle 2: refuse, never drop).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about: a device, `/dev/sda3`, or a mount point, `/srv`.
    pub subject: String,
    /// Why: `it is an LVM physical volume`.
    pub reason: String,
    /// What a person can do about it; empty when nothing.
    pub remedy: String,
}

/// Why a machine could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A file or directory that everything depends on.
    #[error("cannot READ {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The description does not hold together: a fault of Lifeboat.
    #[error("the machine that was read is inconsistent: {0}; please report this")]
    Inconsistent(#[from] lifeboat_machine::layout::LayoutError),
}

/// Collects refusals and warnings while the machine is read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub refusals: Vec<Refusal>,
    pub warnings: Vec<String>,
}

impl Findings {
    /// Notes a refusal; one subject is not refused twice for the same reason.
    pub fn refuse(&mut self, subject: impl ToString, reason: impl Into<String>, remedy: impl Into<String>) {
        let refusal = Refusal { subject: subject.to_string(), reason: reason.into(), remedy: remedy.into() };
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }

    /// Notes a warning.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

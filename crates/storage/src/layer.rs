//! A layer of storage that is made of other storage, and what came of activating it.

use lifeboat_sys::{Invocation, Program, RunError};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A layer that was activated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// What it is.
    pub kind: LayerKind,
    /// The tool's name of it: `/dev/md127`, a volume group, a device-mapper name.
    pub name: String,
}

/// Kinds of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    /// An md array.
    Md,
    /// A volume group of LVM.
    Lvm,
    /// An opened LUKS device.
    Luks,
    /// Several paths to one disk.
    Multipath,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            LayerKind::Md => "md array",
            LayerKind::Lvm => "LVM volume group",
            LayerKind::Luks => "encrypted (LUKS) device",
            LayerKind::Multipath => "multipath device",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// A LUKS device that needs a passphrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Its node, `/dev/sdb2`.
    pub device: String,
    /// Its UUID.
    pub uuid: String,
}

/// What came of an activation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activated {
    /// What is active now and was not before.
    pub layers: Vec<Layer>,
    /// What needs a passphrase.
    pub locked: Vec<Locked>,
    /// What could not be activated, and why.
    pub problems: Vec<Problem>,
}

/// Why a layer was not activated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Members are missing, and the rest was not started without them.
    Waits {
        /// The layer, for people.
        what: String,
        /// What is missing, for people.
        missing: String,
    },
    /// It cannot be activated.
    Failed {
        /// The layer, for people.
        what: String,
        /// Why, and what would help.
        reason: String,
    },
    /// More layers lie upon each other than are activated.
    TooDeep {
        /// The uppermost that is active.
        layer: Layer,
        /// How many lie below it.
        depth: usize,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Waits { what, missing } => write!(f, "{what} waits for missing devices: {missing}"),
            Problem::Failed { what, reason } => write!(f, "cannot ACTIVATE {what}: {reason}"),
            Problem::TooDeep { layer, depth } => {
                write!(f, "{layer} lies on {depth} other layers; layers above it are not activated: see 'lsblk'")
            }
        }
    }
}

impl Activated {
    /// Notes that a layer cannot be activated.
    pub(crate) fn failed(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.problems.push(Problem::Failed { what: what.into(), reason: reason.into() });
    }

    /// Notes that a layer lacks members.
    pub(crate) fn waits(&mut self, what: impl Into<String>, missing: impl Into<String>) {
        self.problems.push(Problem::Waits { what: what.into(), missing: missing.into() });
    }

    /// Notes what a tool reported.
    pub(crate) fn tool_failed(&mut self, what: impl Into<String>, error: &RunError) {
        if let RunError::Failed { message, .. } = error
            && !message.is_empty()
        {
            return self.failed(what, message);
        }
        self.failed(what, error.to_string());
    }
}

/// Whether arrays and groups that lack members are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// They are left: the missing disk may still come.
    Wait,
    /// They are started when the rest is enough to read everything.
    Start,
}

/// Why layers could not be listed, activated or released.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A program failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// sysfs could not be read.
    #[error("cannot READ {path}: {source}")]
    Sysfs {
        /// The directory.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The passphrase does not fit.
    #[error("this passphrase does not open {device}; try again")]
    Passphrase {
        /// The LUKS device.
        device: String,
    },
    /// The record of what was activated cannot be used.
    #[error("cannot {action} {path}: {source}")]
    Record {
        /// `READ` or `WRITE`.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// A call of a tool that makes its device nodes itself.
pub(crate) fn tool(program: &'static Program) -> Invocation {
    Invocation::new(program).env("DM_DISABLE_UDEV", "1").env("MDADM_NO_UDEV", "1").env("LVM_SUPPRESS_FD_WARNINGS", "1")
}

//! Storage that is made from other storage (md arrays, LVM, LUKS, multipath), on disks of the rescue system that are not
//! rebuilt: an archive may lie on it, and a person may look at it. It is activated read-only, so that nothing on the
//! disks below changes: no superblock is written, no array resynchronised, no journal replayed.
//!
//! | module | holds |
//! | --- | --- |
//! | [`devices`] | what blkid and sysfs tell of the block devices |
//! | [`md`], [`lvm`], [`luks`], [`multipath`] | one kind of layer each |
//! | [`iscsi`] | disks of a server, which are disks like others |
//! | [`record`] | what was activated here, so that it can be released |
//! | [`release`] | the way back |
//!
//! Device nodes are made by the tools themselves (`DM_DISABLE_UDEV`, `MDADM_NO_UDEV`): the rescue system's udevd has no
//! rules that complete a cookie or assemble anything, and must not be waited for.

pub mod devices;
pub mod iscsi;
pub mod luks;
pub mod lvm;
pub mod md;
pub mod multipath;
pub mod record;
pub mod release;

use devices::BlockDevices;
use lifeboat_sys::{Invocation, Program, RunError, Runner};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// A layer that was activated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// What it is.
    pub kind: Kind,
    /// The tool's name of it: `/dev/md127`, a volume group, a device-mapper name.
    pub name: String,
}

/// Kinds of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
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
            Kind::Md => "md array",
            Kind::Lvm => "LVM volume group",
            Kind::Luks => "encrypted (LUKS) device",
            Kind::Multipath => "multipath device",
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
    pub problems: Vec<String>,
}

/// Whether arrays and groups that lack members are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// They are left: the missing disk may still come.
    Wait,
    /// They are started when the rest is enough to read everything.
    Start,
}

/// Storeys of storage that are activated upon each other.
const MOST_STOREYS: usize = 8;

/// Activates everything that needs no passphrase, layer upon layer until nothing new appears, and writes down what was
/// activated in `run` (/run/lifeboat). `sys` is /sys.
///
/// # Errors
/// [`RunError`] when the devices cannot be listed. What a single layer lacks is among [`Activated::problems`].
pub fn activate(runner: &dyn Runner, sys: &Path, run: &Path, incomplete: Incomplete) -> Result<Activated, StackError> {
    let mut activated = Activated::default();
    // Each round adds a storey; nobody stacks more than these, and a tool that claims success without effect ends here.
    for storey in 0..=MOST_STOREYS {
        let devices = BlockDevices::read(runner, sys)?;
        let mut round = Activated::default();
        for layer in [multipath::activate, md::activate, lvm::activate] {
            layer(runner, &devices, incomplete, &mut round);
        }
        round.layers.retain(|layer| !activated.layers.contains(layer));
        activated.problems = round.problems;
        activated.locked = luks::locked(&devices);
        if round.layers.is_empty() {
            break;
        }
        if storey == MOST_STOREYS {
            let latest = &round.layers[0];
            activated.problems.push(format!(
                "{latest} was activated on top of {MOST_STOREYS} others; what lies on it is left: see 'lsblk'"
            ));
        }
        record::add(run, &round.layers)?;
        activated.layers.append(&mut round.layers);
    }
    Ok(activated)
}

/// Why layers could not be listed, activated or released.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A program failed.
    #[error(transparent)]
    Run(#[from] RunError),
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
fn tool(program: &'static Program) -> Invocation {
    Invocation::new(program).env("DM_DISABLE_UDEV", "1").env("MDADM_NO_UDEV", "1").env("LVM_SUPPRESS_FD_WARNINGS", "1")
}

/// Adds what a tool complained of.
fn complain(activated: &mut Activated, layer: &str, error: &RunError) {
    let reason = match error {
        RunError::Failed { message, .. } if !message.is_empty() => message.clone(),
        other => other.to_string(),
    };
    activated.problems.push(format!("cannot ACTIVATE {layer}: {reason}"));
}

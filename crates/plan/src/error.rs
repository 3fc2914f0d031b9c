//! Why there is no plan. Each message says what was found and what to pass to allow it.

use crate::bounds::TableProblem;
use lifeboat_machine::DeviceId;

/// Why a machine cannot be rebuilt on this hardware; nothing was touched.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// A parameter names a disk that is not there.
    #[error(
        "cannot FIND the disk {id} of {parameter}; available disks: {available}; a disk named on the kernel command \
         line or in the [unattended] table must be present; try without it, or {parameter} (--{}) with one that is \
         present",
        .parameter.trim_start_matches("lifeboat.")
    )]
    NoSuchDisk {
        /// `lifeboat.map` or `lifeboat.wipe`.
        parameter: &'static str,
        /// What was passed.
        id: String,
        /// The found disks with their ids.
        available: String,
    },
    /// `lifeboat.map` names a recorded disk that the machine did not have.
    #[error("cannot FIND the recorded disk {device} of lifeboat.map; the machine had: {available}")]
    NoSuchDevice {
        /// What was passed.
        device: DeviceId,
        /// The recorded disks.
        available: String,
    },
    /// Two recorded disks would go onto one.
    #[error("cannot PUT both {first} and {second} onto {path}; try lifeboat.map with a different disk for each")]
    Twice {
        /// A recorded disk.
        first: DeviceId,
        /// Another one.
        second: DeviceId,
        /// The found disk.
        path: String,
    },
    /// The disk must not be written.
    #[error("cannot WIPE {disk} in place of {device}: {reason}")]
    Locked {
        /// The recorded disk.
        device: DeviceId,
        /// The found disk.
        disk: String,
        /// Why it is locked.
        reason: String,
    },
    /// Several disks would do.
    #[error("cannot CHOOSE a disk for {device}: {candidates} fit equally well; try {parameter}")]
    Ambiguous {
        /// The recorded disk.
        device: DeviceId,
        /// The disks.
        candidates: String,
        /// The parameter that decides.
        parameter: String,
    },
    /// The disk holds something that is not the machine's.
    #[error("cannot WIPE {disk}: it holds {holds}, which is not this machine's; try {parameter} to allow wiping it")]
    Foreign {
        /// The found disk.
        disk: String,
        /// What it holds.
        holds: String,
        /// The parameter that allows it.
        parameter: String,
    },
    /// No disk can take the place of a recorded one.
    #[error("cannot FIND a disk for {device} ({recorded}): {reasons}")]
    NoDisk {
        /// The recorded disk.
        device: DeviceId,
        /// What it was.
        recorded: String,
        /// Each disk with the reason against it.
        reasons: String,
    },
    /// The data does not fit.
    #[error("cannot FIT {device} onto {disk}: it needs at least {needed}{hint}")]
    TooSmall {
        /// The recorded disk.
        device: DeviceId,
        /// The found disk.
        disk: String,
        /// Smallest size that would do.
        needed: String,
        /// What would help, with its own punctuation.
        hint: &'static str,
    },
    /// The volumes of a group do not fit.
    #[error(
        "cannot FIT the volumes of the group {group} onto its disks: they have {has}, and at least {needed} is needed; try larger disks"
    )]
    Group {
        /// The group.
        group: String,
        /// What its physical volumes have.
        has: String,
        /// What would do.
        needed: String,
    },
    /// The parts of a volume cannot lie on disks of their own.
    #[error(
        "cannot PLACE the parts of the volume {volume}: each needs {extents} on a disk of its own, and there are not enough such disks; \
         try disks of the recorded number and size"
    )]
    Spread {
        /// The volume.
        volume: String,
        /// What each part needs.
        extents: String,
    },
    /// What a restore writes is more than a filesystem can hold.
    #[error("cannot FIT the files of {what} onto {disk}: {shortage}; try a larger disk, or another snapshot")]
    Room {
        /// The filesystem and its device.
        what: String,
        /// The found disk.
        disk: String,
        /// What it needs and what it has.
        shortage: String,
    },
    /// A partition cannot be changed as the policy wants it.
    #[error("cannot CHANGE {device}: {reason}")]
    Edit {
        /// The recorded partition.
        device: DeviceId,
        /// Why, and what would do.
        reason: String,
    },
    /// Sector sizes do not go together.
    #[error("cannot MAKE {what} on {disk}: {reason}")]
    Geometry {
        /// What.
        what: String,
        /// The found disk.
        disk: String,
        /// Why.
        reason: String,
    },
    /// The table that was computed is none that the disk can hold.
    #[error("cannot PARTITION {disk} in place of {device}: {problem}; try a larger disk, or other sizes in the editor")]
    Table {
        /// The recorded disk.
        device: DeviceId,
        /// The found disk.
        disk: String,
        /// Why.
        problem: TableProblem,
    },
    /// The firmware starts none of the machine's boot loaders.
    #[error(
        "cannot BOOT the restored machine here: it has boot loaders for {recorded} only, but the rescue system was \
         booted through {found}; try switching the firmware to {recorded}"
    )]
    FirmwareMismatch {
        /// `BIOS` or `UEFI`.
        recorded: &'static str,
        /// `BIOS` or `UEFI`.
        found: &'static str,
    },
    /// The machine has a kind of storage that no plan makes.
    #[error("cannot MAKE {device}: it is {what}, which this release cannot recreate")]
    Unmade {
        /// The recorded device.
        device: DeviceId,
        /// What it is.
        what: &'static str,
    },
    /// The description has no disk to rebuild.
    #[error("cannot PLAN a recovery: the machine description has {0}")]
    Description(String),
}

//! Moves: a machine's description on other storage than it was recorded on. Each is a pure function from one valid description to
//! another one; what follows in the restored system is told by [`crate::consequence`].
//!
//! No move makes content smaller: where a layer needs room of its own (a LUKS header, the superblock of an array), the device below
//! becomes larger in the description, and so does its disk. The size solver then fits all of it onto the disks that are there, or says
//! by how much they are too small.
//!
//! | module | holds |
//! | --- | --- |
//! | `draft` | a description in the making: contents transferred, partitions made and removed |
//! | `mirror` | arrays dropped, disks mirrored |
//! | `volume` | filesystems onto LVM volumes and back |
//! | `encryption` | LUKS added and removed |
//! | `disk` | partitions onto other disks, disks that come and go |
//! | `name` | how people name devices |

mod disk;
mod draft;
mod encryption;
mod mirror;
mod name;
mod volume;

pub(crate) use disk::stack;
pub use name::find;
pub(crate) use name::lost;

use crate::edit::{self, Refusal};
use crate::filesystem_kind::FilesystemKind;
use crate::policy::Policy;
use draft::Draft;
use lifeboat_machine::{DeviceId, FoundHardware, Machine};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One change of what a machine's filesystems lie on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "move", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Move {
    /// The content of an array goes onto one device, and the array is dropped: RAID 1 to one disk.
    ArrayToDisk {
        /// The array.
        array: DeviceId,
        /// Its member that stays; `None` for its first active one.
        keep: Option<DeviceId>,
    },
    /// Everything on a disk is mirrored on a second one: one disk to RAID 1.
    Mirror {
        /// The disk.
        disk: DeviceId,
        /// The second one.
        second: SecondDisk,
    },
    /// The content of a device goes onto a volume of LVM.
    ToVolume {
        /// The device.
        device: DeviceId,
        /// The group: one that the machine has, or a new one.
        group: String,
        /// The volume, which is new.
        volume: String,
        /// Empty disks that become the physical volumes of a new group; none for the device itself.
        disks: Vec<DeviceId>,
    },
    /// The content of a volume of LVM goes onto a partition.
    FromVolume {
        /// The volume.
        volume: DeviceId,
    },
    /// A device is encrypted with LUKS2. The passphrase is nowhere in here.
    Encrypt {
        /// The device.
        device: DeviceId,
        /// Name of the mapping below /dev/mapper; `None` for one made of the device's name.
        name: Option<String>,
        /// The file of the restored system whose content opens it; `None` for a passphrase that a person types.
        key_file: Option<String>,
    },
    /// A device of LUKS is no longer encrypted.
    Decrypt {
        /// The device, or its open mapping.
        device: DeviceId,
    },
    /// A filesystem becomes one of another kind.
    Filesystem {
        /// The device that holds it.
        device: DeviceId,
        /// The kind.
        kind: FilesystemKind,
    },
    /// A partition, or all that is on a disk, goes to another disk. A disk on which nothing is left is dropped.
    ToDisk {
        /// The partition or disk.
        device: DeviceId,
        /// The other disk.
        disk: DeviceId,
    },
    /// A disk that the machine did not have.
    AddDisk(SecondDisk),
}

/// A disk that takes part in a move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondDisk {
    /// One that the machine had, and that is empty.
    Known(DeviceId),
    /// A new one.
    New {
        /// Its serial number or WWN, by which it is found; `None` for any that fits.
        identity: Option<String>,
        /// Its size in bytes; `None` for that of the machine's first disk.
        size_bytes: Option<u64>,
    },
}

/// A machine after moves, in their order.
///
/// # Errors
/// The first one that cannot be made, with what would do.
pub fn apply(machine: &Machine, moves: &[Move]) -> Result<Machine, Refusal> {
    moves.iter().try_fold(machine.clone(), |machine, one| one.apply(&machine))
}

impl Move {
    /// The machine after this move: a valid description that has all filesystems of the one before.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub fn apply(&self, machine: &Machine) -> Result<Machine, Refusal> {
        let mut draft = Draft::new(machine);
        match self {
            Move::ArrayToDisk { array, keep } => draft.array_to_disk(array, keep.as_ref())?,
            Move::Mirror { disk, second } => draft.mirror(disk, second)?,
            Move::ToVolume { device, group, volume, disks } => draft.to_volume(device, group, volume, disks)?,
            Move::FromVolume { volume } => draft.from_volume(volume)?,
            Move::Encrypt { device, name, key_file } => draft.encrypt(device, name.as_deref(), key_file.as_deref())?,
            Move::Decrypt { device } => draft.decrypt(device)?,
            Move::Filesystem { device, kind } => return filesystem(machine, device, *kind),
            Move::ToDisk { device, disk } => draft.to_disk(device, disk)?,
            Move::AddDisk(second) => draft.second_disk(second, None).map(drop)?,
        }
        draft.finish(machine, self.device())
    }

    /// The device that it is about.
    pub fn device(&self) -> DeviceId {
        match self {
            Move::ArrayToDisk { array, .. } => array.clone(),
            Move::Mirror { disk, .. } => disk.clone(),
            Move::ToVolume { device, .. }
            | Move::Encrypt { device, .. }
            | Move::Decrypt { device }
            | Move::Filesystem { device, .. }
            | Move::ToDisk { device, .. } => device.clone(),
            Move::FromVolume { volume } => volume.clone(),
            Move::AddDisk(SecondDisk::Known(disk)) => disk.clone(),
            Move::AddDisk(SecondDisk::New { .. }) => DeviceId("disk".into()),
        }
    }
}

/// Any hardware: what the rescue system can make is asked when the plan is made.
fn filesystem(machine: &Machine, device: &DeviceId, kind: FilesystemKind) -> Result<Machine, Refusal> {
    let hardware = FoundHardware {
        filesystems: FilesystemKind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
        ..FoundHardware::default()
    };
    let policy = Policy { filesystems: vec![(device.clone(), kind)], ..Policy::default() };
    edit::check_filesystem(machine, &hardware, &policy, device, kind)?;
    Ok(edit::with_filesystems(machine, &policy))
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::ArrayToDisk { array, keep: Some(keep) } => write!(f, "{array} is dropped, its content is on {keep}"),
            Move::ArrayToDisk { array, keep: None } => write!(f, "{array} is dropped, its content is on one disk"),
            Move::Mirror { disk, second: SecondDisk::Known(second) } => write!(f, "{disk} is mirrored on {second}"),
            Move::Mirror { disk, .. } => write!(f, "{disk} is mirrored on a new disk"),
            Move::ToVolume { device, group, volume, .. } => write!(f, "{device} goes onto the volume {group}/{volume}"),
            Move::FromVolume { volume } => write!(f, "{volume} goes onto a partition"),
            Move::Encrypt { device, .. } => write!(f, "{device} is encrypted"),
            Move::Decrypt { device } => write!(f, "{device} is no longer encrypted"),
            Move::Filesystem { device, kind } => write!(f, "{device} becomes {kind}"),
            Move::ToDisk { device, disk } => write!(f, "{device} goes to {disk}"),
            Move::AddDisk(_) => write!(f, "a disk is added"),
        }
    }
}

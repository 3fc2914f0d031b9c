//! What a move is, as a value.

use crate::filesystem_kind::FilesystemKind;
use lifeboat_machine::DeviceId;
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

impl Move {
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

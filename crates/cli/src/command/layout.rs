//! `lifeboat layout edit`

use clap::Args;
use std::path::PathBuf;

/// What the help of `layout plan` ends with.
pub const PLAN_NOTE: &str = "\
Disks for --onto are described so; only the size is needed.
  {\"disks\": [{\"size\": \"500 GiB\", \"sector_bytes\": 4096, \"serial\": \"S1\", \"wwn\": \"0x5000\", \"path\": \"/dev/sdb\"}],
   \"uefi\": true}
Without \"uefi\" the firmware is that of the machine.";

/// `layout edit`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct LayoutEditArgs {
    /// The description to start from: what 'lifeboat layout show --json' prints, or lifeboat/machine.json of a medium
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where the new description goes
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub moves: MoveArgs,
}

/// The moves, in the order in which they are made.
#[derive(Args, Clone, Debug, Default)]
pub struct MoveArgs {
    /// Drop an array: its content goes onto one of its members, MEMBER or the first; for RAID 1 and every other level
    #[arg(long, value_name = "ARRAY[:MEMBER]")]
    pub raid1_to_disk: Vec<String>,
    /// Put the content of an LVM volume onto a partition; a group without volumes is dropped
    #[arg(long, value_name = "VOLUME")]
    pub from_lvm: Vec<String>,
    /// Remove the encryption (LUKS) of a device
    #[arg(long, value_name = "DEVICE")]
    pub decrypt: Vec<String>,
    /// Add a disk that the machine did not have, found by its serial number or WWN, or any that fits
    #[arg(long, value_name = "SIZE[:SERIAL]")]
    pub add_disk: Vec<String>,
    /// Move a partition, or all that is on a disk, to another disk; a disk on which nothing is left is dropped
    #[arg(long = "move", value_name = "DEVICE:DISK")]
    pub to_disk: Vec<String>,
    /// Make a filesystem one of another kind: ext4, xfs, btrfs, ext3, ext2
    #[arg(long, value_name = "DEVICE:KIND")]
    pub filesystem: Vec<String>,
    /// Mirror all that is on a disk on a second one: an empty disk of the description, or a new one, found by its serial number
    /// or WWN, or any that fits
    #[arg(long, value_name = "DISK[:SECOND]")]
    pub disk_to_raid1: Vec<String>,
    /// Put the content of a device onto a new LVM volume, in a group of that name: one that is there, a new one on empty
    /// disks, or a new one on the device itself
    #[arg(long, value_name = "DEVICE:GROUP/VOLUME[:DISK,...]")]
    pub to_lvm: Vec<String>,
    /// Encrypt a device (LUKS2), under a name below /dev/mapper; the recovery asks for the passphrase
    #[arg(long, value_name = "DEVICE[:NAME]")]
    pub encrypt: Vec<String>,
    /// The key of devices encrypted with --encrypt is the content of this file of the machine, instead of a passphrase: needed for
    /// nuke
    #[arg(long, value_name = "PATH", requires = "encrypt")]
    pub luks_key: Option<String>,
}

//! `lifeboat storage`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `storage`
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// List what is active, on which disks, and what is not
    Show,
    /// Assemble md arrays and activate volume groups and multipath, read-only: nothing on the disks changes
    Activate(StorageActivateArgs),
    /// Open a LUKS device, read-only; asks for its passphrase, or reads it from standard input
    Unlock(StorageUnlockArgs),
    /// Stop everything that is not in use, so that the disks below can be rebuilt
    Release,
}

/// `storage activate`
#[derive(Args, Clone, Debug)]
pub struct StorageActivateArgs {
    /// Start arrays and groups that lack members, too, as far as the rest holds all data
    #[arg(long)]
    pub incomplete: bool,
}

/// `storage unlock`
#[derive(Args, Clone, Debug)]
pub struct StorageUnlockArgs {
    /// The device, e.g. /dev/sdb2
    #[arg(value_name = "DEVICE")]
    pub device: PathBuf,
}

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
    /// Log in at an iSCSI target; names and passwords for CHAP must be in /etc/iscsi/iscsid.conf first
    Login(StorageLoginArgs),
    /// Stop everything that is not in use, so that the disks below can be rebuilt
    Release,
}

/// `storage activate`
#[derive(Args, Clone, Debug)]
pub struct StorageActivateArgs {
    /// Start arrays and groups that lack members as well, if the rest holds all data
    #[arg(long)]
    pub incomplete: bool,
}

/// `storage login`
#[derive(Args, Clone, Debug)]
pub struct StorageLoginArgs {
    /// Name of the target and its portal, e.g. iqn.2026-01.net.example:store@192.0.2.7
    #[arg(value_name = "NAME@HOST[:PORT]")]
    pub target: String,
}

/// `storage unlock`
#[derive(Args, Clone, Debug)]
pub struct StorageUnlockArgs {
    /// The device, e.g. /dev/sdb2
    #[arg(value_name = "DEVICE")]
    pub device: PathBuf,
}

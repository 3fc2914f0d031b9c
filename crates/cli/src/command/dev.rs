//! `lifeboat dev`: for developers and the curious.

use super::MediumArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `dev`
#[derive(Debug, Subcommand)]
pub enum DevCommand {
    /// What the rescue system of this machine would hold, sorted by size, and why each file is there
    Image(DevImageArgs),
    /// What is inside a medium, an initramfs or a tools.img, sorted by size, and why each file is there
    Show(DevShowArgs),
    /// Removes the snapshots of a backup if it is killed; backups start this themselves
    #[command(hide = true)]
    Keep(DevKeepArgs),
    /// Removes snapshots of backups that were killed, and thaws what they froze; the units start this when a backup has ended
    #[command(hide = true)]
    Release,
}

/// `dev keep`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct DevKeepArgs {
    /// The name of the run
    #[arg(value_name = "RUN")]
    pub run: String,
}

/// `dev image`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct DevImageArgs {
    /// Folder that gets kernel, initrd.img and tools.img
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub medium: MediumArgs,
}

/// `dev show`
#[derive(Args, Clone, Debug)]
#[allow(missing_docs)]
pub struct DevShowArgs {
    /// A medium (image file, device or mount point), an initrd.img or a tools.img
    #[arg(value_name = "MEDIUM")]
    pub what: PathBuf,
    /// Whole paths and reasons, however long the lines become
    #[arg(long)]
    pub wide: bool,
}

//! What a recovery may do, and the mode that it runs in.

use clap::{Args, ValueEnum};

/// The modes that a menu can start by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MenuMode {
    /// Guided recovery on the screen or a serial console
    Interactive,
    /// Unattended recovery
    Nuke,
    /// Archive against disks, read-only
    Compare,
    /// A shell
    Expert,
}

/// What a recovery may do to the hardware.
#[derive(Args, Clone, Debug, Default)]
pub struct PolicyArgs {
    /// Keep all sizes, even on a larger disk
    #[arg(long)]
    pub no_resize: bool,
    /// Continue although the firmware found here starts none of the machine's boot loaders
    #[arg(long)]
    pub any_firmware: bool,
    /// Allow a disk to be wiped although it holds foreign data: WWN, serial, hardware path or /dev path; may be repeated
    #[arg(long, value_name = "DISK")]
    pub wipe: Vec<String>,
    /// Put a recorded disk onto another one, e.g. disk0:/dev/sdb; may be repeated
    #[arg(long, value_name = "DEVICE:DISK")]
    pub map: Vec<String>,
}

//! What is in use on a machine.

use crate::further::Further;
use crate::groups::Groups;
use crate::mounts::Used;
use lifeboat_machine::layout::SwapFile;
use std::collections::BTreeSet;

/// What is in use, by kernel names of devices.
#[derive(Debug, Default)]
pub(crate) struct Use {
    /// Mounts and the device of each.
    pub mounts: Vec<(String, Used)>,
    /// Devices that are swapped to, or that fstab names for it.
    pub swaps: BTreeSet<String>,
    /// Whole disks that must be recorded.
    pub disks: BTreeSet<String>,
    /// Devices that are refused for where they are mounted.
    pub beside: BTreeSet<String>,
    /// Swap files.
    pub swap_files: Vec<SwapFile>,
    /// What LVM has, on whatever disks.
    pub groups: Groups,
    /// Further devices of what is mounted.
    pub further: Further,
}

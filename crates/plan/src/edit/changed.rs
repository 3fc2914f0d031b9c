//! A machine with what a policy changes.

use lifeboat_machine::{DeviceId, Machine};

/// A machine with what a policy changes, as if it had been recorded that way; but for sizes and partitions left out, which
/// depend on the disk.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The machine.
    pub machine: Machine,
    /// Bytes by which more lies on a disk than when it was recorded; fewer when negative.
    pub growth: Vec<(DeviceId, i128)>,
    /// What lies elsewhere than recorded.
    pub moved: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

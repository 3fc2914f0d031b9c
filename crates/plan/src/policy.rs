//! What a plan may do.

use crate::filesystem_kind::FilesystemKind;
use crate::moves::Move;
use lifeboat_machine::DeviceId;
use serde::{Deserialize, Serialize};

/// The limits of a plan.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Keep all sizes, even on a larger disk.
    pub no_resize: bool,
    /// Disks that may be wiped though they hold foreign data: WWN, serial, hardware path or kernel path. Without it
    /// only blank disks and the original disks are written.
    pub wipe: Vec<String>,
    /// Where a recorded disk goes: its id here, and the WWN, serial, hardware path or kernel path of a found disk.
    pub map: Vec<(DeviceId, String)>,
    /// Sizes in bytes that partitions shall have; they are rounded down to whole MiB more or less than recorded.
    #[serde(default)]
    pub sizes: Vec<(DeviceId, u64)>,
    /// Partitions that are not made again; only those that hold nothing of the archive. Their space goes to others.
    #[serde(default)]
    pub drop: Vec<DeviceId>,
    /// Filesystems that become one of another kind.
    #[serde(default)]
    pub filesystems: Vec<(DeviceId, FilesystemKind)>,
    /// Disks whose partitions shall lie in another order than recorded: all that lie on them, in that order. What comes from another
    /// disk gets a free number; all others keep theirs. Disks that are not named keep what no other one takes.
    #[serde(default)]
    pub order: Vec<(DeviceId, Vec<DeviceId>)>,
    /// What the machine's filesystems shall lie on instead, one change after the other; before everything else here, which is
    /// about the devices that there are then.
    #[serde(default)]
    pub moves: Vec<Move>,
    /// Go on though the firmware found here starts none of the machine's boot loaders; a note then says so.
    pub any_firmware: bool,
}

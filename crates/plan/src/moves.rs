//! Moves: a machine's description on other storage than it was recorded on. Each is a pure function from one valid description to
//! another one; what follows in the restored system is told by [`crate::consequence`].
//!
//! No move makes content smaller: where a layer needs room of its own (a LUKS header, the superblock of an array), the device below
//! becomes larger in the description, and so does its disk. The size solver then fits all of it onto the disks that are there, or says
//! by how much they are too small.
//!
//! | module | holds |
//! | --- | --- |
//! | `kind` | what a move is |
//! | `draft` | a description in the making: contents transferred, partitions made and removed |
//! | `mirror` | arrays dropped, disks mirrored |
//! | `volume` | filesystems onto LVM volumes and back |
//! | `encryption` | LUKS added and removed |
//! | `disk` | partitions onto other disks, disks that come and go |
//! | `name` | how people name devices |

mod disk;
mod draft;
mod encryption;
mod kind;
mod mirror;
mod name;
mod volume;

pub(crate) use disk::{bootable, stack};
pub use kind::{Move, SecondDisk};
pub use name::find;
pub(crate) use name::lost;

use crate::edit::{self, Refusal};
use crate::filesystem_kind::FilesystemKind;
use crate::policy::Policy;
use draft::Draft;
use lifeboat_machine::{DeviceId, FoundHardware, Machine};

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
            Move::ToVolume { device, group, volume, disks } => draft.move_to_volume(device, group, volume, disks)?,
            Move::FromVolume { volume } => draft.move_from_volume(volume)?,
            Move::Encrypt { device, name, key_file } => draft.encrypt(device, name.as_deref(), key_file.as_deref())?,
            Move::Decrypt { device } => draft.decrypt(device)?,
            Move::Filesystem { device, kind } => return filesystem(machine, device, *kind),
            Move::ToDisk { device, disk } => draft.move_to_disk(device, disk)?,
            Move::AddDisk(second) => draft.second_disk(second, None).map(drop)?,
        }
        draft.finish(machine, self.device())
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

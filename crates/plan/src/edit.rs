//! What a policy changes about the partitions of a disk, before the size solver fits them onto another one: as if they
//! had been recorded that way.

mod changed;
mod filesystem;
mod place;
mod refusal;

pub use changed::Changed;
pub use filesystem::check_filesystem;
pub(crate) use filesystem::compressed;
pub use place::{Spot, check_order, moved, moved_back, order};

pub use refusal::Refusal;

use crate::error::PlanError;
use crate::policy::Policy;
use crate::resize::{maximum_bytes, minimum_bytes};
use crate::size::{GRAIN, Give, Region};
use lifeboat_machine::bytes::human;
use lifeboat_machine::layout::{Partition, PartitionRole};
use lifeboat_machine::{Content, Device, DeviceId, FoundHardware, Machine};

/// A recorded partition with its table entry.
pub type Entry<'a> = (&'a Device, &'a Partition);

/// The partitions of a disk after the policy's changes, in disk order.
#[derive(Clone, Debug)]
pub struct Edited<'a> {
    /// Those that are made.
    pub parts: Vec<Entry<'a>>,
    /// Their recorded sizes in bytes.
    pub old_sizes: Vec<u64>,
    /// Where they lie.
    pub regions: Vec<Region>,
    /// How far the end of what was usable moves along, in bytes.
    pub moved: i128,
}

/// Makes a policy's changes, or reports why they cannot be made.
///
/// # Errors
/// [`PlanError::Edit`] with what would do.
pub fn changed(machine: &Machine, hardware: &FoundHardware, policy: &Policy) -> Result<Changed, PlanError> {
    for (id, kind) in &policy.filesystems {
        check_filesystem(machine, hardware, policy, id, *kind)?;
    }
    let with_filesystems = filesystem::changed(machine, policy);
    for (id, bytes) in &policy.sizes {
        check_size(&with_filesystems, id, *bytes)?;
    }
    for id in &policy.drop {
        check_drop(machine, id)?;
    }
    let placed = place::changed(&with_filesystems, policy)?;
    Ok(Changed { machine: placed.machine, growth: placed.growth, moved: placed.moved, notes: placed.notes })
}

/// The machine with the filesystems that a policy chooses.
pub fn with_filesystems(machine: &Machine, policy: &Policy) -> Machine {
    filesystem::changed(machine, policy)
}

/// Reports whether a partition can have a size.
///
/// # Errors
/// Why it cannot.
pub fn check_size(machine: &Machine, id: &DeviceId, bytes: u64) -> Result<(), Refusal> {
    let refuse = |reason: String| Err(Refusal::of(id, reason));
    let Some((device, partition)) = machine.layout.device(id).and_then(|d| Some((d, d.partition()?))) else {
        return refuse("the machine has no such partition".into());
    };
    if partition.role == PartitionRole::Extended {
        return refuse("its size follows from the partitions in it".into());
    }
    let (least, most) = match &device.content {
        Content::Filesystem(filesystem) => {
            (minimum_bytes(filesystem).next_multiple_of(GRAIN).min(device.size_bytes), maximum_bytes(filesystem))
        }
        Content::Swap(_) | Content::Empty => (GRAIN, u64::MAX),
        Content::BootLoader
        | Content::Extended
        | Content::Table(_)
        | Content::Luks(_)
        | Content::Journal(_)
        | Content::Member(_) => (device.size_bytes, device.size_bytes),
    };
    if least >= most && bytes != device.size_bytes {
        return refuse("its content cannot be resized".into());
    }
    if bytes < least.min(device.size_bytes) {
        return refuse(format!("{} is too small; it needs at least {}", human(bytes), human(least)));
    }
    match bytes > most {
        true => refuse(format!("its filesystem can be {} at most", human(most))),
        false => Ok(()),
    }
}

/// Reports whether a partition can be left out.
///
/// # Errors
/// Why it cannot.
pub fn check_drop(machine: &Machine, id: &DeviceId) -> Result<(), Refusal> {
    match undroppable(machine, id) {
        Some(reason) => Err(Refusal::of(id, reason)),
        None => Ok(()),
    }
}

fn undroppable(machine: &Machine, id: &DeviceId) -> Option<String> {
    let Some((device, partition)) = machine.layout.device(id).and_then(|d| Some((d, d.partition()?))) else {
        return Some("the machine has no such partition".into());
    };
    if let Some(mount) = machine.layout.mounts.iter().find(|mount| mount.device == *id) {
        return Some(format!("the archive holds files from it, at {}", mount.mount_point));
    }
    if machine.boot.efi_entries.iter().any(|entry| entry.device == *id) || device.content == Content::BootLoader {
        return Some("the machine boots from it".into());
    }
    if matches!(device.content, Content::Swap(_)) {
        return Some("the machine's fstab names it as swap; try making it small instead".into());
    }
    if matches!(device.content, Content::Luks(_) | Content::Journal(_) | Content::Member(_)) {
        return Some("other devices of the machine depend on it".into());
    }
    (partition.role != PartitionRole::Primary).then(|| "the numbers of other logical partitions would change".into())
}

/// The partitions among `parts` that the policy leaves out.
pub fn dropped(parts: &[Entry<'_>], policy: &Policy) -> Vec<DeviceId> {
    parts.iter().map(|(part, _)| part.id.clone()).filter(|id| policy.drop.contains(id)).collect()
}

/// Applies a policy that was checked. `regions` are those of `parts`, in disk order; alignments are kept, for everything
/// moves by whole [`GRAIN`]s.
pub fn apply<'a>(parts: Vec<Entry<'a>>, regions: Vec<Region>, policy: &Policy) -> Edited<'a> {
    let mut edited = Edited { parts: vec![], old_sizes: vec![], regions: vec![], moved: 0 };
    for (entry, mut region) in parts.into_iter().zip(regions) {
        let id = &entry.0.id;
        region.start = moved_end(region.start, edited.moved);
        if policy.drop.contains(id) {
            edited.moved -= i128::from(region.size / GRAIN * GRAIN);
            continue;
        }
        edited.old_sizes.push(region.size);
        if let Some((_, wanted)) = policy.sizes.iter().find(|(of, _)| of == id) {
            let grains = (i128::from(*wanted) - i128::from(region.size)).div_euclid(i128::from(GRAIN));
            let more = grains * i128::from(GRAIN);
            region.size = moved_end(region.size, more);
            (region.minimum, region.maximum, region.give) = (region.size, region.size, Give::Fixed);
            edited.moved += more;
        }
        edited.parts.push(entry);
        edited.regions.push(region);
    }
    edited
}

/// A place on a disk after everything before it moved.
pub fn moved_end(place: u64, by: i128) -> u64 {
    u64::try_from(i128::from(place) + by).unwrap_or(0)
}

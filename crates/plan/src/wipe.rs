//! Which disks may be wiped: blank ones, the machine's own, and those that the user names.
//!
//! A recovery that lost its power leaves one of three things: the disk as it was, the mark of an unfinished recovery
//! ([`lifeboat_machine::marker`]), or the machine's own partition table with anything behind it. Each is recognised here,
//! so that the next boot goes on (docs/decisions/0002-interrupted-recovery.md).

use crate::error::PlanError;
use crate::matching::{Match, answers_to, best_id, describe};
use crate::policy::Policy;
use lifeboat_machine::layout::{JournalDevice, JournalKind, log_identity};
use lifeboat_machine::marker::Marker;
use lifeboat_machine::{Content, Device, DeviceKind, DiskContent, FoundDisk, Machine, Member};

/// Reports whether the disk of a match may be wiped.
///
/// # Errors
/// [`PlanError::Foreign`] with what it holds and the parameter that would allow it.
pub fn allowed(machine: &Machine, m: &Match, policy: &Policy) -> Result<(), PlanError> {
    let found = m.found;
    let ours = found.content == DiskContent::Blank
        || begun(machine, m.device, found)
        || same_table(m.device, found)
        || bears_own_array(machine, m.device, found)
        || (m.by.proves_identity() && shares_content(machine, m.device, found));
    if ours || policy.wipe.iter().any(|id| answers_to(found, id)) {
        return Ok(());
    }
    Err(PlanError::Foreign {
        disk: describe(found),
        holds: holds(&found.content),
        parameter: format!("lifeboat.wipe={}", best_id(std::slice::from_ref(found), found)),
    })
}

/// A recovery of this machine was writing to the disk in this place.
pub fn begun(machine: &Machine, device: &Device, found: &FoundDisk) -> bool {
    let DiskContent::Interrupted { machine: name, device: id } = &found.content else { return false };
    *name == Marker::of(machine, id).machine && *id == device.id
}

/// The disk carries the recorded table, or the filesystem that was recorded on the whole disk.
pub fn same_table(device: &Device, found: &FoundDisk) -> bool {
    match &found.content {
        DiskContent::Table { id, .. } => {
            let Content::Table(table) = &device.content else { return false };
            // An all-zero MBR signature is none.
            id.eq_ignore_ascii_case(&table.id) && id.chars().any(|c| c != '0' && c != 'x' && c != '-')
        }
        DiskContent::Whole { uuid: Some(uuid), .. } => {
            own_uuid(device).is_some_and(|recorded| uuid.eq_ignore_ascii_case(recorded))
        }
        DiskContent::Whole { uuid: None, .. }
        | DiskContent::Blank
        | DiskContent::Interrupted { .. }
        | DiskContent::Unknown => false,
    }
}

/// The whole disk is a member of the array, or the log of the filesystem, that the recorded disk was a member or the log of.
pub fn bears_own_array(machine: &Machine, device: &Device, found: &FoundDisk) -> bool {
    let DiskContent::Whole { uuid: Some(uuid), .. } = &found.content else { return false };
    whole_uuid(machine, device).is_some_and(|own| own.eq_ignore_ascii_case(uuid))
}

/// The UUID of the array or filesystem that a device is a member or the log of, as blkid prints it.
fn whole_uuid(machine: &Machine, device: &Device) -> Option<String> {
    if let Content::Journal(JournalDevice { kind: JournalKind::XfsLog, filesystem, .. }) = &device.content {
        return machine.layout.device(filesystem)?.filesystem().map(|filesystem| log_identity(&filesystem.uuid));
    }
    let array = match device.member()? {
        Member::Array { array, .. } => array,
        Member::Filesystem { filesystem, .. } => {
            return machine.layout.device(filesystem)?.filesystem().map(|filesystem| filesystem.uuid.clone());
        }
        Member::Group { .. } => return None,
    };
    match &machine.layout.device(array)?.kind {
        DeviceKind::Array(array) => Some(array.member_uuid()),
        DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_) => None,
    }
}

/// The UUID by which what a device holds is known, as blkid prints it.
fn own_uuid(device: &Device) -> Option<&str> {
    match &device.content {
        Content::Filesystem(filesystem) => Some(&filesystem.uuid),
        Content::Swap(swap) => swap.uuid.as_deref(),
        Content::Luks(header) => Some(&header.uuid),
        Content::Member(Member::Group { uuid, .. }) => Some(uuid),
        // Their members bear the UUID of the whole; an array or a filesystem on several devices is known by all of them.
        Content::Member(Member::Array { .. } | Member::Filesystem { .. }) => None,
        Content::Journal(journal) => journal.uuid.as_deref(),
        Content::Empty | Content::Table(_) | Content::BootLoader | Content::Extended => None,
    }
}

/// Something on the disk is as recorded, and nothing on it comes from elsewhere.
fn shares_content(machine: &Machine, device: &Device, found: &FoundDisk) -> bool {
    let DiskContent::Table { partition_uuids, content_uuids, .. } = &found.content else { return false };
    let parts = machine.layout.partitions_of(&device.id);
    let known_partitions: Vec<&str> = parts.iter().filter_map(|(_, partition)| partition.uuid.as_deref()).collect();
    let own = |part: &Device| own_uuid(part).map(str::to_owned).or_else(|| whole_uuid(machine, part));
    let known_contents: Vec<String> = parts.iter().filter_map(|(part, _)| own(part)).collect();
    let known = |list: &[String], uuid: &String| list.iter().any(|k| k.eq_ignore_ascii_case(uuid));
    let shared = partition_uuids.iter().any(|uuid| known_partitions.iter().any(|k| k.eq_ignore_ascii_case(uuid)))
        || content_uuids.iter().any(|uuid| known(&known_contents, uuid));
    shared && content_uuids.iter().all(|uuid| known(&known_contents, uuid))
}

/// What a disk holds, for people.
pub fn holds(content: &DiskContent) -> String {
    match content {
        DiskContent::Blank => "nothing".into(),
        DiskContent::Table { summary, .. } | DiskContent::Whole { summary, .. } => summary.clone(),
        DiskContent::Interrupted { machine, .. } => format!("an unfinished recovery of machine {machine}"),
        DiskContent::Unknown => "unrecognised data".into(),
    }
}

//! Lays a recorded disk out on a found one: sizes, positions, partition table.

use crate::bounds::{self, MBR_SECTORS};
use crate::demand::demand;
use crate::edit::{self, Changed, Edited};
use crate::error::PlanError;
use crate::ground::{Ground, sector_bytes};
use crate::policy::Policy;
use crate::resize::{maximum_bytes, on_sectors, resized};
use crate::room;
use crate::several;
use crate::size::{self, GRAIN, Give, Region, Span};
use lifeboat_machine::bytes::human;
use lifeboat_machine::filesystem::Filesystem;
use lifeboat_machine::layout::{Partition, PartitionRole, PartitionTable, TableKind};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, FoundDisk, Layout};

/// A recorded disk as it will be on a found one.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskLayout {
    /// The table, `None` for a disk without one.
    pub table: Option<PartitionTable>,
    /// The disk itself or its partitions, with what they will hold; in the order of their numbers.
    pub parts: Vec<Part>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// A device as it will be.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The recorded device, with new geometry and content.
    pub device: Device,
    /// Its filesystem has another size than the recorded one.
    pub resized: bool,
}

/// Lays a disk of a machine with its policy's changes out on `found`.
///
/// # Errors
/// When it does not fit, or sector sizes do not go together.
pub fn lay_out(
    changed: &Changed,
    disk: &DeviceId,
    found: &FoundDisk,
    policy: &Policy,
) -> Result<DiskLayout, PlanError> {
    lay_out_on(changed, disk, &Ground::of_disk(found), policy)
}

/// The same for any device that can have a table: a disk, or an array.
pub(crate) fn lay_out_on(
    changed: &Changed,
    disk: &DeviceId,
    ground: &Ground,
    policy: &Policy,
) -> Result<DiskLayout, PlanError> {
    let Some(device) = changed.machine.layout.device(disk) else {
        return Err(PlanError::Description(format!("no {disk}")));
    };
    match &device.content {
        Content::Table(table) => partitioned(changed, device, table, ground, policy),
        Content::Empty
        | Content::Filesystem(_)
        | Content::Swap(_)
        | Content::BootLoader
        | Content::Extended
        | Content::Luks(_)
        | Content::Journal(_)
        | Content::Member(_) => whole(&changed.machine.layout, device, ground, !policy.no_resize),
    }
}

/// A filesystem, swap area or member on the device itself.
fn whole(layout: &Layout, device: &Device, ground: &Ground, resize: bool) -> Result<DiskLayout, PlanError> {
    let needs = demand(layout, device, resize);
    // One of several devices has a part of its filesystem.
    let own = device.filesystem().filter(|_| several::of(layout, &device.id).is_none());
    let region = Region {
        start: 0,
        size: device.size_bytes,
        minimum: needs.minimum,
        maximum: own.map_or(u64::MAX, maximum_bytes),
        give: if resize { Give::Free } else { Give::Fixed },
    };
    // The filesystem may be smaller than its disk: then only its own size counts.
    let used_size = own.map_or(device.size_bytes, |f| f.size_bytes);
    let fits_as_it_is = ground.size_bytes >= used_size && (!resize || ground.size_bytes <= device.size_bytes);
    let size = if fits_as_it_is {
        device.size_bytes
    } else {
        let end = ground.size_bytes / GRAIN * GRAIN;
        match size::solve(&[region], device.size_bytes, end) {
            Ok(spans) => spans[0].size.min(ground.size_bytes),
            Err(_) => return Err(too_small(device, ground, region.minimum, resize)),
        }
    };
    let mut notes = vec![];
    let span = Span { start: 0, size };
    let part = part(layout, device, span, device.size_bytes, ground, &mut notes)?;
    Ok(DiskLayout { table: None, parts: vec![part], notes })
}

fn partitioned(
    changed: &Changed,
    device: &Device,
    table: &PartitionTable,
    ground: &Ground,
    policy: &Policy,
) -> Result<DiskLayout, PlanError> {
    let (layout, resize) = (&changed.machine.layout, !policy.no_resize);
    let growth = changed.growth.iter().find(|(of, _)| *of == device.id).map_or(0, |(_, bytes)| *bytes);
    let old_sector = sector_bytes(layout, device);
    let new_sector = ground.sector_bytes;
    let mut parts: Vec<(&Device, &Partition)> = layout.partitions_of(&device.id);
    parts.retain(|(_, partition)| partition.role != PartitionRole::Extended || !holds_logical(layout, device));
    parts.sort_by_key(|(_, partition)| partition.start_sector);
    let recorded: Vec<Region> = parts
        .iter()
        .map(|(part, partition)| {
            region(layout, part, partition.start_sector * old_sector, partition.sectors * old_sector, resize)
        })
        .collect();
    if let Some(pair) = recorded.windows(2).find(|pair| pair[0].start + pair[0].size > pair[1].start) {
        return Err(PlanError::Description(format!(
            "partitions of {} that overlap at byte {}",
            device.id, pair[1].start
        )));
    }
    let mut notes: Vec<String> =
        edit::dropped(&parts, policy).iter().map(|part| format!("{part} is left out, as you chose")).collect();
    let Edited { parts, old_sizes, regions: recorded, moved } = edit::apply(parts, recorded, policy);
    let ends = Ends::of(table, device.size_bytes, old_sector, ground.size_bytes, new_sector);
    let misfit = |region: &Region| {
        !region.start.is_multiple_of(new_sector) || !region.size.is_multiple_of(new_sector) || region.start < ends.first
    };
    let regions = if old_sector != new_sector && recorded.iter().any(misfit) {
        notes.push(format!(
            "partitions of {} move to multiples of 1 MiB, because {} has another sector size",
            device.id, ground.path
        ));
        let lead = |role| if role == PartitionRole::Logical { GRAIN } else { 0 };
        let leads: Vec<u64> = parts.iter().map(|(_, partition)| lead(partition.role)).collect();
        size::realign(&recorded, &leads, new_sector)
    } else {
        recorded.clone()
    };
    // What was put together in another order may reach a little further than before.
    let reach = regions.last().map_or(0, |region| region.start + region.size);
    let spans = size::solve(&regions, edit::moved_end(ends.old, moved + growth).max(reach), ends.new)
        .map_err(|error| too_small(device, ground, ground.size_bytes + error.missing, resize))?;
    if table.kind == TableKind::Mbr && ground.size_bytes / new_sector > MBR_SECTORS {
        notes.push(format!(
            "{} has an MBR, which reaches {} only; the rest of {} stays unused",
            device.id,
            human(MBR_SECTORS * new_sector),
            ground.path
        ));
    }
    let mut new_parts = vec![];
    for (((recorded_part, partition), span), old_size) in parts.iter().zip(&spans).zip(&old_sizes) {
        if table.kind == TableKind::Mbr && (span.start + span.size) / new_sector > MBR_SECTORS {
            return Err(PlanError::Geometry {
                what: format!("{} ({})", recorded_part.id, recorded_part.path),
                disk: ground.title.clone(),
                reason: format!("an MBR reaches {} only with its sectors", human(MBR_SECTORS * new_sector)),
            });
        }
        let mut new = part(layout, recorded_part, *span, *old_size, ground, &mut notes)?;
        if let DeviceKind::Partition(geometry) = &mut new.device.kind {
            geometry.start_sector = span.start / new_sector;
            geometry.sectors = span.size / new_sector;
            if geometry.has_unwritable_name() {
                // Recorded by a release that did not refuse it yet.
                notes.push(format!(
                    "{} loses its name \"{}\", which sfdisk cannot write",
                    recorded_part.id,
                    text(&geometry.name)
                ));
                geometry.name = None;
            }
            debug_assert_eq!(geometry.number, partition.number);
        }
        new_parts.push(new);
    }
    let cut = match extended(layout, device, &new_parts, old_sector, new_sector, ends.new) {
        Some((extended, cut)) => {
            new_parts.push(extended);
            cut.then(|| new_parts.len() - 1)
        }
        None => new_parts.iter().zip(&old_sizes).position(|(part, old_size)| {
            part.device.content == Content::Extended && part.device.size_bytes < *old_size
        }),
    };
    if let Some(part) = cut.and_then(|index| new_parts.get(index)) {
        notes.push(format!("the extended partition {} becomes smaller; its end was unused", part.device.id));
    }
    new_parts.sort_by_key(|part| part.device.partition().map_or(0, |partition| partition.number));
    let entries: Vec<&Partition> = new_parts.iter().filter_map(|part| part.device.partition()).collect();
    let table = ends.table(table, new_sector, &entries);
    bounds::check(&table, &entries, ground.size_bytes / new_sector, new_sector)
        .map_err(|problem| PlanError::Table { device: device.id.clone(), disk: ground.title.clone(), problem })?;
    Ok(DiskLayout { table: Some(table), parts: new_parts, notes })
}

fn text(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or_default()
}

fn holds_logical(layout: &Layout, disk: &Device) -> bool {
    layout.partitions_of(&disk.id).iter().any(|(_, partition)| partition.role == PartitionRole::Logical)
}

/// The container of the logical partitions, with the distances to the first and last of them as recorded; but its end needs
/// no place of its own, so it is cut where usable space (`end`, in bytes) or the next partition says so. Second, whether it was.
fn extended(
    layout: &Layout,
    disk: &Device,
    new: &[Part],
    old_sector: u64,
    new_sector: u64,
    end: u64,
) -> Option<(Part, bool)> {
    let recorded = layout.partitions_of(&disk.id);
    let (container, geometry) = recorded.iter().find(|(_, p)| p.role == PartitionRole::Extended)?;
    let logical = |p: &&Partition| p.role == PartitionRole::Logical;
    let span =
        |parts: &mut dyn Iterator<Item = (u64, u64)>| parts.fold((u64::MAX, 0), |(a, b), (s, e)| (a.min(s), b.max(e)));
    let old = span(
        &mut recorded.iter().map(|(_, p)| *p).filter(logical).map(|p| (p.start_sector, p.start_sector + p.sectors)),
    );
    let fresh = span(
        &mut new
            .iter()
            .filter_map(|part| part.device.partition())
            .filter(logical)
            .map(|p| (p.start_sector, p.start_sector + p.sectors)),
    );
    if old.0 == u64::MAX {
        return None;
    }
    let (lead, tail) =
        (old.0 - geometry.start_sector.min(old.0), (geometry.start_sector + geometry.sectors).max(old.1) - old.1);
    let others = || new.iter().filter_map(|part| part.device.partition()).filter(|p| p.role != PartitionRole::Logical);
    let before = others().map(|p| p.start_sector + p.sectors).filter(|end| *end <= fresh.0).max().unwrap_or(1);
    let behind = others().map(|p| p.start_sector).filter(|start| *start >= fresh.1).min().unwrap_or(u64::MAX);
    // With other sectors the distances are kept in bytes, but for the boot record's one sector at least.
    let (lead, tail) = match old_sector == new_sector {
        true => (lead, tail),
        false => ((lead * old_sector / new_sector).max(1), 0),
    };
    let mut device = (*container).clone();
    let start = fresh.0.saturating_sub(lead).max(before);
    let wanted = fresh.1 + tail;
    let end = wanted.min(end / new_sector).min(behind).max(fresh.1);
    if let DeviceKind::Partition(partition) = &mut device.kind {
        partition.start_sector = start;
        partition.sectors = end - start;
    }
    device.size_bytes = (end - start) * new_sector;
    Some((Part { device, resized: false }, end < wanted))
}

/// Where usable space ends on both disks, and begins on the new one; in bytes.
struct Ends {
    first: u64,
    old: u64,
    new: u64,
    same: bool,
    other_sectors: bool,
}

impl Ends {
    fn of(table: &PartitionTable, old_size: u64, old_sector: u64, new_size: u64, new_sector: u64) -> Ends {
        let same = old_size == new_size && old_sector == new_sector;
        let other_sectors = old_sector != new_sector;
        let first = if same { 0 } else { bounds::first_sector(table, new_sector) * new_sector };
        match table.kind {
            TableKind::Mbr => {
                let end = |size: u64, sector: u64| (size / sector).min(MBR_SECTORS) * sector;
                Ends { old: end(old_size, old_sector), new: end(new_size, new_sector), first, same, other_sectors }
            }
            TableKind::Gpt => {
                let old = table
                    .last_lba
                    .map_or(old_size - bounds::reserve(table, old_sector).min(old_size), |lba| (lba + 1) * old_sector);
                let new = if same {
                    old
                } else {
                    (new_size / new_sector * new_sector).saturating_sub(bounds::reserve(table, new_sector))
                };
                Ends { first, old, new, same, other_sectors }
            }
        }
    }

    fn table(&self, recorded: &PartitionTable, sector: u64, entries: &[&Partition]) -> PartitionTable {
        let mut table = recorded.clone();
        if table.kind == TableKind::Gpt && !self.same {
            table.last_lba = Some((self.new / sector).saturating_sub(1));
            // What was first in sectors of another size means nothing here. sfdisk's own default is one MiB, and it refuses
            // whatever begins before what the table says.
            let least = bounds::first_sector(recorded, sector);
            let begin = entries.iter().map(|partition| partition.start_sector).min().unwrap_or(u64::MAX);
            let wanted = if self.other_sectors { GRAIN / sector } else { recorded.first_lba.unwrap_or(GRAIN / sector) };
            table.first_lba = Some(wanted.min(begin).max(least));
        }
        table
    }
}

fn region(layout: &Layout, part: &Device, start: u64, size: u64, resize: bool) -> Region {
    let fixed = Region { start, size, minimum: size, maximum: size, give: Give::Fixed };
    if part.content == Content::Extended && resize {
        // One that holds nothing: a place that others may have.
        return Region { minimum: GRAIN.min(size), give: Give::Unused, ..fixed };
    }
    let demand = demand(layout, part, resize);
    if demand.give == Give::Fixed {
        return fixed;
    }
    let minimum = demand.minimum.next_multiple_of(GRAIN).min(size);
    Region { start, size, minimum, maximum: demand.maximum.max(size), give: demand.give }
}

fn part(
    layout: &Layout,
    device: &Device,
    span: Span,
    old_size: u64,
    ground: &Ground,
    notes: &mut Vec<String>,
) -> Result<Part, PlanError> {
    let mut new = Part { device: device.clone(), resized: false };
    new.device.size_bytes = span.size;
    let sector = u32::try_from(ground.sector_bytes).unwrap_or(u32::MAX);
    if let Content::Filesystem(recorded) = &device.content {
        let (mut filesystem, note) = on_sectors(recorded, sector).map_err(|reason| PlanError::Geometry {
            what: format!("{} on {}", title(recorded), device.id),
            disk: ground.title.clone(),
            reason,
        })?;
        notes.extend(note.map(|note| format!("{}: {note}", device.id)));
        if several::of(layout, &device.id).is_some() {
            // Its size is known when all of its devices are laid out.
            new.device.content = Content::Filesystem(filesystem);
            return Ok(new);
        }
        // Partitions change by whole grains; what an array has may be a few chunks less.
        let other_size = span.size != old_size && span.size / GRAIN != old_size / GRAIN;
        if other_size || filesystem.size_bytes > span.size {
            filesystem = resized(&filesystem, span.size);
            new.resized = true;
            notes.push(size_note(recorded, &filesystem, &device.id));
        }
        if let Some(shortage) = room::shortage(&filesystem) {
            return Err(PlanError::Room {
                what: format!("{} on {}", title(recorded), device.id),
                disk: ground.title.clone(),
                shortage: shortage.text(),
            });
        }
        new.device.content = Content::Filesystem(filesystem);
    }
    Ok(new)
}

/// That a filesystem has another size now, for people.
pub(crate) fn size_note(recorded: &Filesystem, new: &Filesystem, id: &DeviceId) -> String {
    let verb = if new.size_bytes > recorded.size_bytes { "grows" } else { "shrinks" };
    let (before, after) = (human(recorded.size_bytes), human(new.size_bytes));
    format!("{} on {id} {verb} from {before} to {after}", title(recorded))
}

/// A filesystem for people: `ext4 "root"`.
pub fn title(filesystem: &Filesystem) -> String {
    let kind = filesystem.options.mount_type();
    if filesystem.label.0.is_empty() { kind.to_owned() } else { format!("{kind} \"{}\"", filesystem.label) }
}

pub(crate) fn too_small(device: &Device, ground: &Ground, needed: u64, resize: bool) -> PlanError {
    PlanError::TooSmall {
        device: device.id.clone(),
        disk: ground.title.clone(),
        needed: human(needed),
        hint: if resize { "" } else { "; try it without lifeboat.resize=no" },
    }
}

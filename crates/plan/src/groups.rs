//! Volume groups: how large each volume becomes on physical volumes of other sizes, and which extents it takes.
//!
//! Where every physical volume is at least as large as it was, each volume keeps its extents, and one that grows takes more behind
//! them. Where one is smaller, all volumes are laid out anew, on the physical volumes that they lay on as far as possible.

use crate::demand::{self, Demand};
use crate::error::PlanError;
use crate::size::{self, Give, Region, Span};
use lifeboat_machine::bytes::human;
use lifeboat_machine::layout::{Extents, RaidImage, Volume, VolumeGroup, VolumeShape};
use lifeboat_machine::{Device, DeviceId, DeviceKind, Layout};
use std::collections::BTreeMap;

/// A volume in its new size and place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    /// With the extents that it gets; those of RAID volumes say which physical volumes its images take.
    pub(crate) volume: Volume,
    /// Extents that it shows.
    pub(crate) extents: u64,
    /// The same in bytes; of a thin volume the size that it pretends to have.
    pub(crate) size_bytes: u64,
    /// The physical volumes that it and its metadata may lie on.
    pub(crate) physical: Vec<DeviceId>,
    /// Those that the cache in front of it may lie on.
    pub(crate) fast: Vec<DeviceId>,
}

/// How a volume takes extents.
struct Form {
    /// Parts of one length: stripes, images, or one.
    legs: Vec<Vec<Extents>>,
    /// Parts whose extents it shows.
    data: u64,
    /// Extents for metadata of its own, beside each leg.
    beside: u64,
    /// Extents for metadata, anywhere.
    anywhere: u64,
    /// Each leg lies on physical volumes that no other leg of it lies on.
    apart: bool,
    /// Each leg lies in one piece.
    whole: bool,
    /// What the cache in front of it takes; it keeps its size.
    fast: Vec<Extents>,
    /// It keeps its size: how much it needs beside its legs depends on it.
    fixed: bool,
}

fn form(shape: &VolumeShape, extent: u64) -> Option<Form> {
    let data = shape.data_parts();
    let plain =
        |legs| Form { legs, data, beside: 0, anywhere: 0, apart: false, whole: false, fast: vec![], fixed: false };
    Some(match shape {
        VolumeShape::Linear { extents } => plain(vec![extents.clone()]),
        VolumeShape::Striped { extents, .. } => {
            Form { apart: true, whole: true, ..plain(extents.iter().map(|extents| vec![extents.clone()]).collect()) }
        }
        VolumeShape::Raid { images, settings, integrity_block_bytes, .. } => Form {
            beside: 1 + settings.integrity_extents,
            apart: true,
            fixed: integrity_block_bytes.is_some(),
            ..plain(images.iter().map(|image| image.extents.clone()).collect())
        },
        // As much again is kept to repair the metadata of any pool (lvmthin(7), pmspare).
        VolumeShape::ThinPool { extents, metadata_bytes, .. } => {
            Form { anywhere: 2 * metadata_bytes.div_ceil(extent.max(1)), ..plain(vec![extents.clone()]) }
        }
        VolumeShape::Cached { origin, cache } => {
            let origin = form(origin, extent)?;
            let metadata = 2 * cache.metadata_bytes.unwrap_or(0).div_ceil(extent.max(1));
            Form { fast: cache.extents.clone(), anywhere: origin.anywhere + metadata, ..origin }
        }
        VolumeShape::Thin { .. } => return None,
    })
}

impl Form {
    fn length(&self) -> u64 {
        self.legs.iter().map(|leg| count(leg)).max().unwrap_or(0)
    }

    /// Extents that it takes of the group with legs of this length.
    fn taken(&self, length: u64) -> u64 {
        self.legs.len() as u64 * (length + self.beside) + self.anywhere + count(&self.fast)
    }

    /// The longest legs with which it takes no more than this.
    fn length_of(&self, taken: u64) -> u64 {
        (taken.saturating_sub(self.anywhere + count(&self.fast)) / (self.legs.len() as u64).max(1))
            .saturating_sub(self.beside)
    }
}

fn count(extents: &[Extents]) -> u64 {
    extents.iter().map(|extents| extents.count).sum()
}

/// The volumes of a group, as recorded.
fn volumes<'l>(layout: &'l Layout, group: &VolumeGroup) -> Vec<(&'l Device, &'l Volume)> {
    let of = |device: &'l Device| match &device.kind {
        DeviceKind::Volume(volume) if volume.group == group.id => Some((device, volume)),
        DeviceKind::Volume(_)
        | DeviceKind::Disk(_)
        | DeviceKind::Partition(_)
        | DeviceKind::Array(_)
        | DeviceKind::Crypt(_) => None,
    };
    layout.devices.iter().filter_map(of).collect()
}

/// A volume's extents as a region of bytes, one volume behind the other.
fn region(layout: &Layout, device: &Device, form: &Form, extent: u64, start: u64, resize: bool) -> Region {
    let size = form.taken(form.length()) * extent;
    let Demand { minimum, maximum, give } = demand::demand(layout, device, resize);
    if give == Give::Fixed || form.fixed {
        return Region { start, size, minimum: size, maximum: size, give: Give::Fixed };
    }
    let bytes = |bytes: u64| match bytes.div_ceil(extent).div_ceil(form.data.max(1)) {
        legs if bytes < u64::MAX / 2 => form.taken(legs).saturating_mul(extent),
        _ => u64::MAX,
    };
    Region { start, size, minimum: bytes(minimum).min(size), maximum: bytes(maximum).max(size), give }
}

/// Those of a group's volumes that take extents by themselves.
fn regions<'l>(layout: &'l Layout, group: &VolumeGroup, resize: bool) -> Vec<(&'l Device, &'l Volume, Form, Region)> {
    let mut start = 0;
    let mut out = vec![];
    for (device, volume) in volumes(layout, group) {
        let Some(form) = form(&volume.shape, group.extent_bytes) else { continue };
        let region = region(layout, device, &form, group.extent_bytes, start, resize);
        start += region.size;
        out.push((device, volume, form, region));
    }
    out
}

/// What the physical volumes of a group must have together, in bytes of extents.
pub(crate) fn demand_of(layout: &Layout, group: &VolumeGroup, resize: bool) -> Demand {
    let regions = regions(layout, group, resize);
    let any = |give: Give| regions.iter().any(|(.., region)| region.give == give);
    let give = [Give::Free, Give::Reluctant].into_iter().find(|give| any(*give));
    // What no volume has taken can be given away even where no volume can change.
    let minimum = regions.iter().map(|(.., region)| region.minimum).sum();
    let maximum = if any(Give::Free) { u64::MAX } else { 0 };
    Demand { minimum, maximum, give: if resize { give.unwrap_or(Give::Reluctant) } else { Give::Fixed } }
}

/// Lays out the volumes of a group on physical volumes that have these extents now.
///
/// # Errors
/// When they do not fit.
pub(crate) fn place(
    layout: &Layout,
    group: &VolumeGroup,
    recorded: &[(DeviceId, u64)],
    now: &[(DeviceId, u64)],
    resize: bool,
) -> Result<BTreeMap<DeviceId, Placed>, PlanError> {
    let extent = group.extent_bytes;
    let all = regions(layout, group, resize);
    let plain: Vec<Region> = all.iter().map(|(.., region)| *region).collect();
    let total = |list: &[(DeviceId, u64)]| list.iter().map(|(_, count)| count * extent).sum::<u64>();
    let least = |missing: u64| PlanError::Group {
        group: group.name.clone(),
        has: human(total(now)),
        needed: human(total(now) + missing),
    };
    let kept = recorded.iter().all(|(id, count)| now.iter().any(|(other, more)| other == id && more >= count));
    let spans = match kept && total(now) == total(recorded) {
        true => plain.iter().map(|region| Span { start: region.start, size: region.size }).collect(),
        false => size::solve(&plain, total(recorded), total(now)).map_err(|error| least(error.missing))?,
    };
    let mut room = Room::new(now);
    let mut beside: BTreeMap<DeviceId, Option<Beside>> = BTreeMap::new();
    let mut fast: BTreeMap<DeviceId, Vec<Extents>> = BTreeMap::new();
    if kept {
        let taken = all.iter().flat_map(|(_, _, form, _)| form.legs.iter().flatten().chain(&form.fast));
        taken.for_each(|extents| room.take(extents));
        // Nobody recorded where their metadata lay; it found room before, and must again.
        for (device, _, form, _) in &all {
            beside.insert(device.id.clone(), room.keep_back(form, &form.legs, &form.fast));
        }
    }
    for (device, volume, form, _) in all.iter().filter(|(_, _, form, _)| !form.fast.is_empty()) {
        // A cache lies on the fast disks that it lay on, so it chooses before all others.
        let found = match kept {
            true => Some(form.fast.clone()),
            false => room.leg(&form.fast, count(&form.fast), false, false, &[]),
        };
        let Some(found) = found else {
            return Err(PlanError::Spread {
                volume: format!("the cache of {}/{}", group.name, volume.name),
                extents: human(count(&form.fast) * extent),
            });
        };
        fast.insert(device.id.clone(), found);
    }
    let mut placed = BTreeMap::new();
    // Those whose parts must keep apart choose first: what lies in one piece anywhere fits into what they leave.
    let mut order: Vec<_> = all.iter().zip(&spans).collect();
    order.sort_by_key(|((_, _, form, _), _)| !form.apart);
    for ((device, volume, form, region), span) in order {
        let same = kept && span.size == region.size;
        let length = if span.size == region.size { form.length() } else { form.length_of(span.size / extent) };
        let found = if same { Some(form.legs.clone()) } else { room.legs(form, length, kept) };
        let (length, legs) = match found {
            Some(legs) => (length, legs),
            // It cannot grow where it is: the rest stays free.
            None if kept => (form.length(), form.legs.clone()),
            None => {
                return Err(PlanError::Spread {
                    volume: format!("{}/{}", group.name, volume.name),
                    extents: human(length * extent),
                });
            }
        };
        let fast = fast.remove(&device.id).unwrap_or_default();
        let on = match beside.remove(&device.id) {
            // What it needs beside its extents found room before; if not here, then somewhere.
            Some(on) => on.unwrap_or_else(|| {
                let all: Vec<DeviceId> = now.iter().map(|(id, _)| id.clone()).collect();
                Beside { legs: all.clone(), anywhere: all }
            }),
            None => room.keep_back(form, &legs, &fast).ok_or_else(|| least(extent * (form.anywhere + form.beside)))?,
        };
        let devices = |extents: &Extents| extents.device.clone();
        let own = legs.iter().flatten().map(devices).chain(on.legs);
        // Metadata that may lie anywhere is that of a thin pool, or of the cache.
        let (physical, fast_on) = match fast.is_empty() {
            true => (each_once(own.chain(on.anywhere)), vec![]),
            false => (each_once(own), each_once(fast.iter().map(devices).chain(on.anywhere))),
        };
        let extents = length * form.data;
        let shape = with_legs(&volume.shape, legs, fast);
        let new = Volume { shape, ..(*volume).clone() };
        let size_bytes = extents * extent;
        placed.insert(device.id.clone(), Placed { volume: new, extents, size_bytes, physical, fast: fast_on });
    }
    for (device, volume) in volumes(layout, group) {
        if form(&volume.shape, extent).is_none() {
            let size_bytes = device.size_bytes;
            placed.insert(
                device.id.clone(),
                Placed {
                    volume: volume.clone(),
                    extents: size_bytes / extent,
                    size_bytes,
                    physical: vec![],
                    fast: vec![],
                },
            );
        }
    }
    Ok(placed)
}

fn each_once(ids: impl Iterator<Item = DeviceId>) -> Vec<DeviceId> {
    let mut out = vec![];
    for id in ids {
        if !out.contains(&id) {
            out.push(id);
        }
    }
    out
}

fn with_legs(shape: &VolumeShape, mut legs: Vec<Vec<Extents>>, fast: Vec<Extents>) -> VolumeShape {
    let mut new = shape.clone();
    match &mut new {
        VolumeShape::Linear { extents } | VolumeShape::ThinPool { extents, .. } => {
            *extents = legs.pop().unwrap_or_default()
        }
        VolumeShape::Striped { extents, .. } => *extents = legs.into_iter().flatten().collect(),
        VolumeShape::Raid { images, .. } => {
            let image = |(image, extents): (&RaidImage, Vec<Extents>)| RaidImage { extents, ..image.clone() };
            *images = images.iter().zip(legs).map(image).collect();
        }
        VolumeShape::Cached { origin, cache } => {
            **origin = with_legs(origin, legs, vec![]);
            cache.extents = fast;
        }
        VolumeShape::Thin { .. } => {}
    }
    new
}

/// Where what a volume needs beside its extents finds room.
struct Beside {
    /// Beside each leg.
    legs: Vec<DeviceId>,
    /// What may lie anywhere.
    anywhere: Vec<DeviceId>,
}

/// Extents of physical volumes that nothing has taken.
struct Room {
    free: Vec<(DeviceId, Vec<(u64, u64)>)>,
}

impl Room {
    fn new(physical: &[(DeviceId, u64)]) -> Room {
        Room { free: physical.iter().map(|(id, count)| (id.clone(), vec![(0, *count)])).collect() }
    }

    fn take(&mut self, extents: &Extents) {
        let (from, to) = (extents.first, extents.first + extents.count);
        for (_, free) in self.free.iter_mut().filter(|(id, _)| *id == extents.device) {
            let pieces = free.iter().flat_map(|(a, b)| [(*a, (*b).min(from)), ((*a).max(to), *b)]);
            *free = pieces.filter(|(a, b)| a < b).collect();
        }
    }

    /// Sets aside what a volume needs beside its legs, from the ends: on the physical volumes of each leg, and for what may lie anywhere
    /// on those first, of a cache on the cache's. Gives the physical volumes that it takes; `None` when there is too little.
    fn keep_back(&mut self, form: &Form, legs: &[Vec<Extents>], fast: &[Extents]) -> Option<Beside> {
        let mut on: Vec<DeviceId> = vec![];
        for last in legs.iter().filter_map(|leg| leg.last()) {
            if self.cut(&last.device, form.beside) < form.beside {
                return None;
            }
            if !on.contains(&last.device) {
                on.push(last.device.clone());
            }
        }
        let mut missing = form.anywhere;
        let mut anywhere = vec![];
        let others: Vec<DeviceId> = self.free.iter().map(|(id, _)| id.clone()).collect();
        for id in fast.iter().map(|extents| &extents.device).chain(&on).chain(&others) {
            let taken = self.cut(id, missing);
            missing -= taken;
            if taken > 0 && !anywhere.contains(id) {
                anywhere.push(id.clone());
            }
        }
        (missing == 0).then_some(Beside { legs: on, anywhere })
    }

    /// Takes up to so many extents from the end of a physical volume's room; gives how many.
    fn cut(&mut self, id: &DeviceId, count: u64) -> u64 {
        let mut missing = count;
        for (_, free) in self.free.iter_mut().filter(|(other, _)| other == id) {
            while missing > 0 {
                let Some((first, end)) = free.pop() else { break };
                let taken = (end - first).min(missing);
                missing -= taken;
                if end - taken > first {
                    free.push((first, end - taken));
                }
            }
        }
        count - missing
    }

    /// Extents for all legs of a volume; nothing is taken when one of them has no place.
    fn legs(&mut self, form: &Form, length: u64, kept: bool) -> Option<Vec<Vec<Extents>>> {
        let before = self.free.clone();
        let mut legs: Vec<Vec<Extents>> = vec![];
        for (index, old) in form.legs.iter().enumerate() {
            // With legs apart, those that have their place, and, where places are kept, those that have theirs already.
            let mut others: Vec<DeviceId> = vec![];
            if form.apart {
                others.extend(legs.iter().flatten().map(|extents| extents.device.clone()));
                let later = if kept { &form.legs[index + 1..] } else { &[] };
                others.extend(later.iter().flatten().map(|extents| extents.device.clone()));
            }
            let Some(leg) = self.leg(old, length, kept, form.whole, &others) else {
                self.free = before;
                return None;
            };
            legs.push(leg);
        }
        Some(legs)
    }

    /// Extents for a leg: those that it had, as far as it keeps them, and more on the same physical volumes, then on others. Not on
    /// `others`, where the rest of the volume lies.
    fn leg(
        &mut self,
        old: &[Extents],
        length: u64,
        kept: bool,
        whole: bool,
        others: &[DeviceId],
    ) -> Option<Vec<Extents>> {
        let mut leg: Vec<Extents> = vec![];
        if kept {
            let mut left = length;
            for extents in old {
                let count = extents.count.min(left);
                left -= count;
                if count > 0 {
                    leg.push(Extents { count, ..extents.clone() });
                }
            }
        }
        let mut order: Vec<DeviceId> = old.iter().map(|extents| extents.device.clone()).collect();
        let mut rest: Vec<(u64, DeviceId)> = self
            .free
            .iter()
            .map(|(id, free)| (free.iter().map(|(first, end)| end - first).sum(), id.clone()))
            .collect();
        // Of equal ones the first.
        rest.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        order.extend(rest.into_iter().map(|(_, id)| id));
        order.dedup();
        let mut missing = length - count(&leg);
        if whole {
            if missing == 0 {
                return Some(leg);
            }
            // One piece: what it had goes on, or all of it lies elsewhere.
            let fits = |id: &DeviceId, free: &(u64, u64)| {
                let extends = leg.last().is_some_and(|last| last.device == *id && last.first + last.count == free.0);
                if extends { free.1 - free.0 >= missing } else { leg.is_empty() && free.1 - free.0 >= length }
            };
            let (id, first) = order.iter().filter(|id| !others.contains(id)).find_map(|id| {
                let (_, free) = self.free.iter().find(|(other, _)| other == id)?;
                free.iter().find(|free| fits(id, free)).map(|free| (id.clone(), free.0))
            })?;
            let new = Extents { device: id, first, count: missing };
            self.take(&new);
            return Some(match leg.pop() {
                Some(old) => vec![Extents { count: length, ..old }],
                None => vec![new],
            });
        }
        for id in order.iter().filter(|id| !others.contains(id)) {
            while missing > 0 {
                let Some((first, end)) =
                    self.free.iter().find(|(other, _)| other == id).and_then(|(_, free)| free.first().copied())
                else {
                    break;
                };
                let new = Extents { device: id.clone(), first, count: (end - first).min(missing) };
                missing -= new.count;
                self.take(&new);
                leg.push(new);
            }
        }
        (missing == 0).then_some(leg)
    }
}

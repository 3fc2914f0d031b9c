//! The size solver: how the partitions of a disk change when it is larger or smaller. Pure numbers, in bytes.
//!
//! Sizes change and positions shift by whole [`GRAIN`]s, so whatever alignment a partition had, it keeps, and so does
//! its distance to what lies before it (an extended boot record, for instance). Order never changes.

/// Unit in which sizes change, in bytes: the alignment that every partitioning tool of the last decade uses.
pub const GRAIN: u64 = 1 << 20;

/// How far a partition's size may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Give {
    /// Never.
    Fixed,
    /// It holds nothing: it shrinks before anything else does, and never grows.
    Unused,
    /// It shrinks when nothing else is left to shrink.
    Reluctant,
    /// It takes what a larger disk has more, and gives what a smaller one lacks.
    Free,
}

/// A partition as recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where it begins.
    pub start: u64,
    /// Its length.
    pub size: u64,
    /// What its content needs.
    pub minimum: u64,
    /// What its content can fill.
    pub maximum: u64,
    /// How far it may change.
    pub give: Give,
}

/// Where a partition comes to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: u64,
    /// Its length.
    pub size: u64,
}

/// The content does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall {
    /// Bytes missing.
    pub missing: u64,
}

/// Lays partitions out anew. `regions` are in disk order and do not overlap; usable space ended at `old_end` and ends at
/// `new_end` now.
///
/// More space goes to one partition: the last free one that is not small beside the largest. Less space than the
/// partitions reach is taken from the unused ones, then from the free ones in proportion to what they can spare, then from
/// the reluctant ones.
///
/// # Errors
/// [`TooSmall`] when all that can be spared is not enough.
pub fn solve(regions: &[Region], old_end: u64, new_end: u64) -> Result<Vec<Span>, TooSmall> {
    let mut sizes: Vec<u64> = regions.iter().map(|region| region.size).collect();
    let reach = regions.last().map_or(0, |region| region.start + region.size);
    if new_end > old_end {
        let surplus = (new_end - old_end) / GRAIN * GRAIN;
        if let Some(index) = grower(regions) {
            let room = regions[index].maximum.saturating_sub(regions[index].size) / GRAIN * GRAIN;
            sizes[index] += surplus.min(room);
        }
    } else if reach > new_end {
        let mut lacking = (reach - new_end).div_ceil(GRAIN) * GRAIN;
        for give in [Give::Unused, Give::Free, Give::Reluctant] {
            lacking -= shrink(regions, &mut sizes, give, lacking);
        }
        if lacking > 0 {
            return Err(TooSmall { missing: lacking });
        }
    }
    Ok(place(regions, &sizes))
}

fn grower(regions: &[Region]) -> Option<usize> {
    let free = |region: &&Region| region.give == Give::Free;
    let largest = regions.iter().filter(free).map(|region| region.size).max()?;
    regions.iter().rposition(|region| free(&region) && region.size >= largest / 4)
}

fn spare(region: &Region, size: u64) -> u64 {
    size.saturating_sub(region.minimum) / GRAIN * GRAIN
}

/// Takes up to `lacking` bytes from the regions of one kind; reports how much it took.
fn shrink(regions: &[Region], sizes: &mut [u64], give: Give, lacking: u64) -> u64 {
    let spares: Vec<u64> = regions
        .iter()
        .zip(sizes.iter())
        .map(|(region, size)| if region.give == give { spare(region, *size) } else { 0 })
        .collect();
    let total: u64 = spares.iter().sum();
    let wanted = lacking.min(total);
    if wanted == 0 {
        return 0;
    }
    let mut taken = 0;
    for (size, spare) in sizes.iter_mut().zip(&spares) {
        // u128: a product of two sizes of exabyte disks.
        let share = (u128::from(wanted) * u128::from(*spare) / u128::from(total)) as u64 / GRAIN * GRAIN;
        *size -= share;
        taken += share;
    }
    // What rounding left over, from the last ones that can still spare it.
    for ((size, region), original) in sizes.iter_mut().zip(regions).rev().zip(spares.iter().rev()) {
        let rest = if *original > 0 { spare(region, *size).min(wanted - taken) } else { 0 };
        *size -= rest;
        taken += rest;
    }
    taken
}

/// Positions for new sizes: each region moves by what those before it grew or shrank.
fn place(regions: &[Region], sizes: &[u64]) -> Vec<Span> {
    let mut moved: i128 = 0;
    let mut spans = Vec::with_capacity(regions.len());
    for (region, size) in regions.iter().zip(sizes) {
        // Never negative: what lies before has shrunk by at most its own length.
        spans.push(Span { start: (i128::from(region.start) + moved) as u64, size: *size });
        moved += i128::from(*size) - i128::from(region.size);
    }
    spans
}

/// Moves partitions to multiples of [`GRAIN`] and rounds their sizes up to whole sectors, for a disk whose sectors are
/// larger than those of the recorded one. `leads` is what must stay free before each (an extended boot record).
pub fn realign(regions: &[Region], leads: &[u64], sector: u64) -> Vec<Region> {
    let mut end = 0;
    let mut out = Vec::with_capacity(regions.len());
    for (region, lead) in regions.iter().zip(leads) {
        let start = region.start.max(end + lead).next_multiple_of(GRAIN);
        let size = region.size.next_multiple_of(sector);
        end = start + size;
        out.push(Region { start, size, minimum: region.minimum, maximum: region.maximum.max(size), give: region.give });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GIB: u64 = 1 << 30;

    fn region(start: u64, size: u64, minimum: u64, give: Give) -> Region {
        Region { start, size, minimum, maximum: u64::MAX, give }
    }

    #[test]
    fn root_before_swap_grows_and_swap_moves() {
        let regions = [region(GRAIN, 9 * GIB, GIB, Give::Free), region(GRAIN + 9 * GIB, GIB, GIB, Give::Fixed)];
        let spans = solve(&regions, 10 * GIB + 2 * GRAIN, 20 * GIB + 2 * GRAIN).unwrap();
        assert_eq!(spans[0], Span { start: GRAIN, size: 19 * GIB });
        assert_eq!(spans[1], Span { start: GRAIN + 19 * GIB, size: GIB });
    }

    #[test]
    fn a_small_last_filesystem_does_not_take_it_all() {
        let regions = [region(GRAIN, 9 * GIB, GIB, Give::Free), region(10 * GIB, GIB, GRAIN, Give::Free)];
        let spans = solve(&regions, 11 * GIB, 12 * GIB).unwrap();
        assert_eq!((spans[0].size, spans[1].size), (10 * GIB, GIB));
    }

    #[test]
    fn boot_shrinks_only_when_it_must() {
        let regions = [region(GRAIN, GIB, GIB / 2, Give::Reluctant), region(2 * GIB, 2 * GIB, GIB, Give::Free)];
        let sizes = |end| solve(&regions, 4 * GIB, end).map(|spans| (spans[0].size, spans[1].size));
        assert_eq!(sizes(3 * GIB), Ok((GIB, GIB)));
        assert_eq!(sizes(3 * GIB - 7 * GRAIN), Ok((GIB - 7 * GRAIN, GIB)));
        assert_eq!(sizes(2 * GIB), Err(TooSmall { missing: GIB / 2 }));
    }

    #[test]
    fn what_no_filesystem_can_fill_stays_free() {
        let mut full = region(GRAIN, GIB, 0, Give::Free);
        full.maximum = GIB + 5 * GRAIN;
        assert_eq!(solve(&[full], 2 * GIB, 4 * GIB).unwrap()[0].size, GIB + 5 * GRAIN);
    }

    fn disks() -> impl Strategy<Value = (Vec<Region>, u64)> {
        let one = (0..4 * GRAIN, 1..3000u64, 0..100u64, 0..4u8);
        (proptest::collection::vec(one, 0..8), 0..5 * GRAIN).prop_map(|(parts, tail)| {
            let mut end = 34 * 512;
            let mut regions = vec![];
            for (gap, size, percent, give) in parts {
                let (start, size) = ((end + gap) / 512 * 512 + 512, size * 512 * 1024 + 512);
                end = start + size;
                let give = [Give::Fixed, Give::Reluctant, Give::Free, Give::Unused][usize::from(give)];
                regions.push(region(start, size, size * percent / 100, give));
            }
            (regions, end + tail)
        })
    }

    proptest! {
        #[test]
        fn whatever_the_disk((regions, old_end) in disks(), permille in 0..3000u64) {
            let new_end = old_end * permille / 1000;
            match solve(&regions, old_end, new_end) {
                Ok(spans) => {
                    prop_assert_eq!(spans.len(), regions.len());
                    let mut end = 0;
                    for (span, region) in spans.iter().zip(&regions) {
                        prop_assert!(span.start >= end, "overlap");
                        prop_assert_eq!(span.start % GRAIN, region.start % GRAIN, "alignment");
                        prop_assert_eq!(span.size % 512, region.size % 512);
                        prop_assert!(span.size >= region.minimum.min(region.size), "below minimum");
                        prop_assert!(region.give != Give::Fixed || span.size == region.size);
                        end = span.start + span.size;
                    }
                    prop_assert!(end <= new_end || regions.is_empty(), "{end} beyond {new_end}");
                }
                Err(TooSmall { missing }) => {
                    prop_assert!(missing > 0 && new_end < old_end);
                    let least: u64 = regions.iter().map(|r| if r.give == Give::Fixed { 0 } else { spare(r, r.size) }).sum();
                    let reach = regions.last().map_or(0, |r| r.start + r.size);
                    prop_assert!(reach - least > new_end, "it would have fitted");
                }
            }
        }

        #[test]
        fn the_same_disk_changes_nothing((regions, end) in disks()) {
            let spans = solve(&regions, end, end).unwrap();
            for (span, region) in spans.iter().zip(&regions) {
                prop_assert_eq!((span.start, span.size), (region.start, region.size));
            }
        }

        #[test]
        fn realigned_for_larger_sectors((regions, _) in disks()) {
            let leads = vec![GRAIN; regions.len()];
            let mut end = 0;
            for (new, old) in realign(&regions, &leads, 4096).iter().zip(&regions) {
                prop_assert!(new.start >= end + GRAIN && new.start % GRAIN == 0 && new.size % 4096 == 0);
                prop_assert!(new.size >= old.size);
                end = new.start + new.size;
            }
        }
    }
}

//! A computed table against the disk that gets it: what sfdisk would refuse after the wipe is found before.

use lifeboat_machine::layout::{GPT_ENTRIES, Partition, PartitionRole, PartitionTable, TableKind};

/// Sectors that an MBR can count: starts and lengths have 32 bits.
pub const MBR_SECTORS: u64 = 1 << 32;
/// Bytes of a GPT entry (UEFI specification, 5.3.3), and how many entries are always given room to.
const ENTRY_BYTES: u64 = 128;
const ENTRIES_BYTES: u64 = 16_384;

/// Why a disk cannot hold a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableProblem {
    /// It ends behind the usable space.
    #[error("partition {number} ends at sector {end}, past the last usable sector, {last}")]
    BehindEnd {
        /// Its number.
        number: u32,
        /// Its last sector.
        end: u64,
        /// The last sector that a partition may have.
        last: u64,
    },
    /// It begins where the table itself lies.
    #[error("partition {number} begins at sector {start}, before the first usable sector, {first}")]
    BeforeFirst {
        /// Its number.
        number: u32,
        /// Its first sector.
        start: u64,
        /// The first sector that a partition may have.
        first: u64,
    },
    /// It has no sector.
    #[error("partition {0} would have no sectors")]
    Nothing(u32),
    /// Two of them share sectors.
    #[error("partitions {0} and {1} overlap")]
    Overlap(u32, u32),
    /// A logical partition outside of the extended one.
    #[error("logical partition {0} lies outside the extended partition")]
    Outside(u32),
    /// There is no sector for the boot record that describes a logical partition.
    #[error("no sector is left before logical partition {0} for its boot record")]
    NoBootRecord(u32),
    /// The table has no entry of this number.
    #[error("the table has {entries} entries; partition {number} is not one of them")]
    NoEntry {
        /// Its number.
        number: u32,
        /// Entries that there are.
        entries: u32,
    },
    /// A start or length that an MBR cannot count.
    #[error("partition {0} begins or ends beyond the sectors that an MBR can address")]
    Uncountable(u32),
}

/// What GPT keeps at the end of a disk in bytes: the entries and the header.
pub fn reserve(table: &PartitionTable, sector: u64) -> u64 {
    entry_sectors(table, sector) * sector + sector
}

fn entry_sectors(table: &PartitionTable, sector: u64) -> u64 {
    entries_bytes(table).max(ENTRIES_BYTES).div_ceil(sector)
}

/// What the entries of a GPT take.
fn entries_bytes(table: &PartitionTable) -> u64 {
    u64::from(table.entries.unwrap_or(GPT_ENTRIES)) * ENTRY_BYTES
}

/// The first sector that a partition may have: behind the MBR, or behind the protective one, the header and the entries.
pub fn first_sector(table: &PartitionTable, sector: u64) -> u64 {
    match table.kind {
        TableKind::Mbr => 1,
        TableKind::Gpt => 2 + entries_bytes(table).div_ceil(sector),
    }
}

/// Checks a table and its entries, in sectors of `sector` bytes, against a disk of `disk_sectors`.
///
/// # Errors
/// The first [`TableProblem`].
pub fn check(
    table: &PartitionTable,
    entries: &[&Partition],
    disk_sectors: u64,
    sector: u64,
) -> Result<(), TableProblem> {
    let gpt = table.kind == TableKind::Gpt;
    let first = table.first_lba.filter(|_| gpt).unwrap_or(0).max(first_sector(table, sector));
    let last = match table.kind {
        TableKind::Mbr => disk_sectors.min(MBR_SECTORS).saturating_sub(1),
        TableKind::Gpt => {
            // What libfdisk leaves to the entries' copy: no more than they are.
            let copy = entries_bytes(table).div_ceil(sector) + 2;
            let most = disk_sectors.saturating_sub(copy);
            table.last_lba.map_or(most, |last| last.min(most))
        }
    };
    for partition in entries {
        let (number, start) = (partition.number, partition.start_sector);
        if partition.sectors == 0 {
            return Err(TableProblem::Nothing(number));
        }
        if start < first {
            return Err(TableProblem::BeforeFirst { number, start, first });
        }
        let end = start.saturating_add(partition.sectors - 1);
        if end > last {
            return Err(TableProblem::BehindEnd { number, end, last });
        }
        if !gpt && (start >= MBR_SECTORS || partition.sectors >= MBR_SECTORS) {
            return Err(TableProblem::Uncountable(number));
        }
        if let Some(entries) = table.entries.filter(|entries| gpt && number > *entries) {
            return Err(TableProblem::NoEntry { number, entries });
        }
    }
    apart(entries)?;
    logical(entries)
}

fn end(partition: &Partition) -> u64 {
    partition.start_sector.saturating_add(partition.sectors)
}

/// No two of one level share a sector.
fn apart(entries: &[&Partition]) -> Result<(), TableProblem> {
    for inside in [false, true] {
        let mut level: Vec<&&Partition> =
            entries.iter().filter(|p| (p.role == PartitionRole::Logical) == inside).collect();
        level.sort_by_key(|partition| partition.start_sector);
        if let Some([a, b]) = level.windows(2).find(|pair| end(pair[0]) > pair[1].start_sector) {
            return Err(TableProblem::Overlap(a.number, b.number));
        }
    }
    Ok(())
}

/// Logical partitions lie in the extended one, each behind a sector for its boot record.
fn logical(entries: &[&Partition]) -> Result<(), TableProblem> {
    let mut logical: Vec<&&Partition> = entries.iter().filter(|p| p.role == PartitionRole::Logical).collect();
    logical.sort_by_key(|partition| partition.start_sector);
    let extended = entries.iter().find(|p| p.role == PartitionRole::Extended);
    let mut free = extended.map_or(0, |partition| partition.start_sector);
    for partition in logical {
        if !extended.is_some_and(|e| e.start_sector <= partition.start_sector && end(partition) <= end(e)) {
            return Err(TableProblem::Outside(partition.number));
        }
        if partition.start_sector < free + 1 {
            return Err(TableProblem::NoBootRecord(partition.number));
        }
        free = end(partition);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::DeviceId;

    fn table(kind: TableKind, entries: Option<u32>) -> PartitionTable {
        PartitionTable { kind, id: String::new(), first_lba: None, last_lba: None, entries, boot_code: None }
    }

    fn part(number: u32, start_sector: u64, sectors: u64, role: PartitionRole) -> Partition {
        Partition {
            parent: DeviceId("disk0".into()),
            number,
            start_sector,
            sectors,
            type_id: "83".into(),
            uuid: None,
            name: None,
            attributes: None,
            bootable: false,
            role,
        }
    }

    use PartitionRole::{Extended, Logical, Primary};

    #[test]
    fn what_sfdisk_would_refuse() {
        let mbr = table(TableKind::Mbr, None);
        for (parts, disk, expected) in [
            (vec![(1, 1, 99, Primary)], 100, Ok(())),
            (vec![(1, 1, 100, Primary)], 100, Err(TableProblem::BehindEnd { number: 1, end: 100, last: 99 })),
            (vec![(1, 0, 9, Primary)], 100, Err(TableProblem::BeforeFirst { number: 1, start: 0, first: 1 })),
            (vec![(1, 9, 0, Primary)], 100, Err(TableProblem::Nothing(1))),
            (vec![(1, 1, 9, Primary), (3, 9, 9, Primary)], 100, Err(TableProblem::Overlap(1, 3))),
            (vec![(2, 5, 50, Extended), (5, 6, 10, Logical), (6, 17, 38, Logical)], 100, Ok(())),
            (
                vec![(2, 5, 50, Extended), (5, 6, 10, Logical), (6, 16, 38, Logical)],
                100,
                Err(TableProblem::NoBootRecord(6)),
            ),
            (vec![(2, 5, 50, Extended), (5, 5, 10, Logical)], 100, Err(TableProblem::NoBootRecord(5))),
            (vec![(2, 5, 50, Extended), (5, 50, 6, Logical)], 100, Err(TableProblem::Outside(5))),
            (vec![(5, 50, 6, Logical)], 100, Err(TableProblem::Outside(5))),
            // 3 TiB: the disk goes on where the table cannot.
            (vec![(1, MBR_SECTORS - 9, 9, Primary)], 6 << 30, Ok(())),
            (
                vec![(1, MBR_SECTORS - 9, 10, Primary)],
                6 << 30,
                Err(TableProblem::BehindEnd { number: 1, end: MBR_SECTORS, last: MBR_SECTORS - 1 }),
            ),
        ] {
            let parts: Vec<Partition> = parts.into_iter().map(|(n, s, l, role)| part(n, s, l, role)).collect();
            let parts: Vec<&Partition> = parts.iter().collect();
            assert_eq!(check(&mbr, &parts, disk, 512), expected, "{parts:?}");
        }
    }

    #[test]
    fn a_gpt_keeps_room_for_itself_at_both_ends() {
        let one = |start, sectors| part(1, start, sectors, Primary);
        // 128 entries are 32 sectors of 512 bytes, or 4 of 4096.
        for (sector, first, last) in [(512, 34, 999 - 33), (4096, 6, 999 - 5)] {
            let gpt = table(TableKind::Gpt, Some(128));
            assert_eq!(check(&gpt, &[&one(first, last - first + 1)], 1000, sector), Ok(()), "{sector}");
            let early = check(&gpt, &[&one(first - 1, 9)], 1000, sector);
            assert_eq!(early, Err(TableProblem::BeforeFirst { number: 1, start: first - 1, first }), "{sector}");
            let late = check(&gpt, &[&one(first, last - first + 2)], 1000, sector);
            assert_eq!(late, Err(TableProblem::BehindEnd { number: 1, end: last + 1, last }), "{sector}");
        }
        let four = table(TableKind::Gpt, Some(4));
        assert_eq!(check(&four, &[&one(3, 9)], 1000, 512), Ok(()));
        let fifth = part(5, 30, 9, Primary);
        assert_eq!(check(&four, &[&fifth], 1000, 512), Err(TableProblem::NoEntry { number: 5, entries: 4 }));
        let many = table(TableKind::Gpt, Some(1024));
        assert_eq!(
            check(&many, &[&one(257, 9)], 1000, 512),
            Err(TableProblem::BeforeFirst { number: 1, start: 257, first: 258 })
        );
    }
}

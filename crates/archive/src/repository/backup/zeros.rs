//! Holes in the content of files. restic's format has none: a hole is a series of blobs of zeros, each named again and again,
//! 32 bytes in memory and 67 in the directory for each 8 MiB. A file may have a hole of 8 EiB; so a snapshot has a limit, and
//! files beyond it are squeezed: their content leaves out large holes, which are in `.lifeboat/extras.jsonl` with the true
//! size. Lifeboat restores them exactly; a stock restic writes their data without the holes in between.

use super::*;
use crate::file_table::is_large;

/// Blobs of zeros in one snapshot: holes of 8 TiB, 70 MB of names. The files with the fewest come first.
const MOST: u64 = 1 << 20;

/// Blobs of zeros, and which files may have them.
pub(super) struct Zeros {
    /// Size and id of the smallest and of the largest one.
    pub(super) sizes: [(usize, Id); 2],
    /// Files with large holes, and how many blobs they may have.
    allowed: HashMap<usize, u64>,
}

impl Zeros {
    /// Decides for the files of a table; those that are taken over have their blobs already.
    pub(super) fn plan(table: &FileTable, taken: &parent::Taken) -> Self {
        Self::within(MOST, table, taken)
    }

    fn within(most: u64, table: &FileTable, taken: &parent::Taken) -> Self {
        let mut left = most;
        let mut wanted = vec![];
        for index in 0..table.records.len() {
            let blobs = blobs(table.holes(index));
            match blobs {
                0 => {}
                _ if taken.has(index) => left = left.saturating_sub(blobs),
                _ => wanted.push((blobs, index)),
            }
        }
        wanted.sort_unstable();
        let mut allowed = HashMap::new();
        for (blobs, index) in wanted {
            let Some(rest) = left.checked_sub(blobs) else { break };
            left = rest;
            allowed.insert(index, blobs);
        }
        let sizes = [chunker::MIN, chunker::MAX].map(|size| (size, crypto::hash(&vec![0; size])));
        Zeros { sizes, allowed }
    }

    /// Reports whether the holes that a file has now fit into what it may have.
    pub(super) fn fit(&self, index: usize, holes: &[(u64, u64)]) -> bool {
        let blobs = blobs(holes);
        blobs == 0 || self.allowed.get(&index).is_some_and(|allowed| blobs <= *allowed)
    }

    /// The blob for the beginning of a large hole. Each hole has at least one of the smallest, by which a stock restic
    /// recognises that a file has holes (restic, `ZeroChunk`).
    pub(super) fn first(&self, hole: u64) -> (usize, Id) {
        let [smallest, largest] = self.sizes;
        if hole >= (smallest.0 + largest.0) as u64 { largest } else { smallest }
    }
}

/// How many blobs the large holes of a file become.
fn blobs(holes: &[(u64, u64)]) -> u64 {
    let (smallest, largest) = (chunker::MIN as u64, chunker::MAX as u64);
    let of = |length: u64| {
        let large = length.saturating_sub(smallest) / largest;
        large + (length - large * largest) / smallest
    };
    holes.iter().filter(|(_, length)| is_large(*length)).fold(0, |sum, (_, length)| sum.saturating_add(of(*length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_are_counted_as_they_are_made() {
        let zeros = Zeros { sizes: [(chunker::MIN, [0; 32]), (chunker::MAX, [1; 32])], allowed: HashMap::new() };
        for length in [0, 1, 512 << 10, 600 << 10, 8 << 20, (8 << 20) + (512 << 10), 1 << 30, (1 << 30) + 12345] {
            let (mut left, mut made) = (length, 0);
            while is_large(left) {
                left -= zeros.first(left).0 as u64;
                made += 1;
            }
            assert_eq!(blobs(&[(4096, length)]), made, "{length}");
        }
        assert_eq!(blobs(&[(0, u64::MAX >> 1)]), (1 << 40) - 1 + 15);
    }

    #[test]
    fn small_files_come_before_giants() {
        let mut table = FileTable::default();
        for length in [1 << 62, 16 << 20, 80 << 20] {
            table.push(Record::new(Kind::File), b"", More { holes: vec![(0, length)], ..More::default() });
        }
        let zeros = Zeros::within(100, &table, &parent::Taken::default());
        let fit: Vec<bool> = (0..3).map(|index| zeros.fit(index, table.holes(index))).collect();
        assert_eq!(fit, [false, true, true]);
        // A file that became a giant since the walk no longer fits; one without holes always does.
        assert!(!zeros.fit(1, &[(0, 1 << 40)]) && zeros.fit(7, &[(0, 100)]));
    }
}

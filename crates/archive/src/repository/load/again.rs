//! Trees that are read again and again.

use crate::file_table::Id;
use std::collections::HashSet;

pub(super) const TOO_OFTEN: &str = "the same directories are in one another so often that it was made to take long";

/// Trees that are read again and again: thirty of them, each with two names for the next one, are a thousand million entries. When that
/// has cost more than what the snapshot says that it holds could, what was read before is not read again; all else is.
pub(super) struct Again {
    /// What was read costs so much, in entries.
    all: u64,
    /// The most that it may cost, without what is in [`Again::known`].
    budget: u64,
    /// What was read since that passed [`Again::FREE`], each tree once, and what it costs.
    trees: HashSet<Id>,
    known: u64,
    /// Directories that were not read.
    pub(super) skipped: usize,
}

impl Again {
    /// Of so much there is no question.
    const FREE: u64 = 1_000_000;
    /// The content of a directory is there so often at most: snapshots of a volume that are saved as directories.
    const TIMES: u64 = 1000;
    /// To read a directory that leads on costs as much as so many entries.
    const WAY: u64 = 20;
    /// No snapshot is believed to hold more entries: the table of so many takes what memory a large machine has.
    const MOST: u64 = 1 << 27;
    /// So many of the directories that were not read are named.
    pub(super) const NAMED: usize = 1000;

    pub(super) fn new(entries: u64) -> Again {
        // Each directory is an entry itself.
        let budget = Again::FREE + Again::FREE / 2 + entries.min(Again::MOST).saturating_mul(1 + Again::WAY);
        Again { all: 0, budget, trees: HashSet::new(), known: 0, skipped: 0 }
    }

    /// Counts a directory with so many entries, and so many directories among them.
    pub(super) fn count(&mut self, tree: Id, entries: usize, directories: usize) {
        let cost = entries as u64 + if directories > 0 { Again::WAY } else { 0 };
        self.all = self.all.saturating_add(cost);
        if self.all >= Again::FREE && self.trees.insert(tree) {
            self.known += cost;
        }
    }

    pub(super) fn is_too_often(&self, tree: &Id) -> bool {
        self.all > self.budget.saturating_add(Again::TIMES.saturating_mul(self.known)) && self.trees.contains(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_equal_directories_are_read_when_the_snapshot_says_so() {
        let counted = |entries: u64| {
            let mut again = Again::new(entries);
            let tree = [1; 32];
            (0..12_000)
                .filter(|_| {
                    let skipped = again.is_too_often(&tree);
                    again.count(tree, 150, 1);
                    !skipped
                })
                .count()
        };
        assert!(counted(0) < 12_000);
        assert_eq!(counted(12_000 * 150), 12_000);
        // What was not read before is always read.
        let mut again = Again::new(0);
        for number in 0..3_000_000_u64 {
            let mut tree = [0; 32];
            tree[..8].copy_from_slice(&(number % 3).to_le_bytes());
            again.count(tree, 1, 1);
        }
        assert!(again.is_too_often(&[0; 32]) && !again.is_too_often(&[9; 32]));
    }
}

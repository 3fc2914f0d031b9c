//! Which files of an extraction share blocks, and in which order they can be written for that.

use crate::directories::Identity;
use crate::file_table::FileTable;
use crate::shared::{self, Share};
use rustix::fd::OwnedFd;
use std::collections::HashMap;
use std::sync::Mutex;

/// What the files of one extraction share.
#[derive(Default)]
pub(super) struct Sharing {
    /// By record, then by offset.
    shares: Vec<(usize, Share)>,
    /// Files that wait for others, with the number of the round in which they can be written.
    rounds: HashMap<usize, usize>,
    /// Files that others take from, once they are complete.
    complete: Mutex<HashMap<usize, Option<Identity>>>,
    /// Nobody else can write to the target.
    pub(super) private: bool,
}

impl Sharing {
    /// For the files that are `wanted`; of hard links only the leading one may be.
    pub(super) fn of(table: &FileTable, private: bool, wanted: impl Fn(usize) -> bool) -> Self {
        let records = &table.records;
        let lists = |record: usize| table.xattrs(record).iter().find(|xattr| xattr.name == b"system.posix_acl_access");
        let may = |from: usize, to: usize| {
            let trusted = || shared::trusted(&records[from], &records[to]) && lists(from) == lists(to);
            shared::alike(&records[from], &records[to]) && (private || trusted())
        };
        let shares = table.shared.solve(|record| record < records.len() && wanted(record), may);
        let (mut rounds, mut complete) = (HashMap::new(), HashMap::new());
        // A file takes only from those before it, or from itself.
        for (record, share) in shares.iter().filter(|(record, share)| share.from != *record) {
            let round = rounds.get(&share.from).copied().unwrap_or(0) + 1;
            let own = rounds.entry(*record).or_insert(round);
            *own = round.max(*own);
            complete.insert(share.from, None);
        }
        Sharing { shares, rounds, complete: Mutex::new(complete), private }
    }

    /// Splits files, which keep their order, into rounds: what a file takes from is in an earlier one.
    pub(super) fn rounds(&self, files: Vec<usize>) -> Vec<Vec<usize>> {
        let mut rounds = vec![vec![]];
        for file in files {
            let round = self.rounds.get(&file).copied().unwrap_or(0);
            if rounds.len() <= round {
                rounds.resize(round + 1, vec![]);
            }
            rounds[round].push(file);
        }
        rounds
    }

    /// What a file takes, ascending.
    pub(super) fn of_record(&self, record: usize) -> &[(usize, Share)] {
        let begin = self.shares.partition_point(|(of, _)| *of < record);
        let end = self.shares.partition_point(|(of, _)| *of <= record);
        &self.shares[begin..end]
    }

    /// Notes that a file is complete.
    pub(super) fn note(&self, record: usize, file: &OwnedFd) {
        if let Some(place) = crate::report::locked(&self.complete).get_mut(&record) {
            *place = rustix::fs::fstat(file).ok().map(|status| (status.st_dev, status.st_ino));
        }
    }

    /// The identity of a file when it was complete.
    pub(super) fn complete(&self, record: usize) -> Option<Identity> {
        crate::report::locked(&self.complete).get(&record).copied().flatten()
    }
}

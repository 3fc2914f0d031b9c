//! Which marks are old enough: the time of grace is over, and who used the repository when they were made has ended.

use super::super::index::{Index, Marked};
use super::super::lock::Lock;
use super::PruneOptions;
use crate::ArchiveError;
use crate::file_table::Id;
use std::collections::{BTreeSet, HashMap, HashSet};

/// What is known of holders, so that each is looked for once.
#[derive(Default)]
struct Known<'a> {
    gone: HashMap<&'a BTreeSet<String>, bool>,
    alone: Option<bool>,
}

impl<'a> Known<'a> {
    fn are_gone(&mut self, marked: &'a Marked, lock: &Lock) -> Result<bool, ArchiveError> {
        match &marked.holders {
            Some(holders) => match self.gone.get(holders) {
                Some(known) => Ok(*known),
                None => {
                    let are_gone = lock.are_gone(holders)?;
                    self.gone.insert(holders, are_gone);
                    Ok(are_gone)
                }
            },
            // Who used it then is not known: nobody may.
            None => match self.alone {
                Some(alone) => Ok(alone),
                None => Ok(*self.alone.insert(lock.others()?.is_empty())),
            },
        }
    }
}

/// The packs whose marks are old enough, each with the index file that marks it. Without a lock, in a dry run, only the time counts.
pub(super) fn marks(
    index: &Index,
    lock: Option<&Lock>,
    options: &PruneOptions,
) -> Result<HashSet<(Id, Id)>, ArchiveError> {
    let mut known = Known::default();
    let mut ripe = HashSet::new();
    for (id, marked) in &index.marked {
        if !marked.pack.time.as_deref().is_some_and(|time| options.is_over(time)) {
            continue;
        }
        let are_gone = match lock {
            Some(lock) => known.are_gone(marked, lock)?,
            None => true,
        };
        if are_gone {
            ripe.insert((*id, marked.file));
        }
    }
    Ok(ripe)
}

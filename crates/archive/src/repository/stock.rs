//! What a repository really has: the packs that its index names are compared with those that exist, before a backup relies on
//! them, and again before its snapshot names them. What a backup stored again is then removed from the index where it was lost.

use super::index::Index;
use super::index_file::{BlobKind, IndexFile};
use super::indexes::Unnamed;
use super::lock::Lock;
use super::store::Store;
use crate::file_table::Id;
use crate::{ArchiveError, Observer};
use rustic_core::FileType;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Packs and their sizes in bytes.
pub(crate) type Sizes = HashMap<Id, u64>;

/// The index without the packs that are missing or cut short.
#[derive(Default)]
pub(crate) struct Stock {
    pub(crate) index: Index,
    /// The packs that are missing or cut short.
    pub(crate) bad: HashSet<Id>,
    /// Those that are cut short. They are also among the damaged ones: their beginning is stored again from them.
    pub(crate) short: HashSet<Id>,
    /// The blobs that only they have.
    pub(crate) lost: Vec<(BlobKind, Id)>,
    /// What packs hold that no index names.
    pub(crate) unnamed: Unnamed,
    /// Packs in which something cannot be read, and what.
    pub(crate) damaged: BTreeMap<Id, BTreeSet<(BlobKind, Id)>>,
}

/// Lists the packs with their sizes.
pub(crate) fn sizes(store: &Store) -> Result<Sizes, ArchiveError> {
    Ok(store.list_with_sizes(FileType::Pack)?.into_iter().collect())
}

impl Stock {
    /// Reads the index and checks which packs are there at full length.
    pub(crate) fn take(store: &Store) -> Result<Stock, ArchiveError> {
        // The list comes second: a pack that is in the index was written before.
        let mut index = store.read_indexes()?;
        let sizes = sizes(store)?;
        let listed: Vec<(Id, u64)> = sizes.iter().map(|(id, size)| (*id, *size)).collect();
        let unnamed = store.unnamed(&index, &listed)?;
        for pack in &unnamed.packs {
            index.add(IndexFile { packs: vec![pack.clone()], ..IndexFile::default() });
        }
        index.complete = true;
        let is_bad = |number: usize| sizes.get(&index.packs[number]).is_none_or(|size| *size < index.lengths[number]);
        let numbers: HashSet<u32> = (0..index.packs.len()).filter(|n| is_bad(*n)).map(|n| n as u32).collect();
        let bad: HashSet<Id> = numbers.iter().map(|number| index.packs[*number as usize]).collect();
        let packs = index.packs.clone();
        let short: HashSet<Id> = bad.iter().copied().filter(|pack| sizes.contains_key(pack)).collect();
        let is_there = |number: u32| !numbers.contains(&number) || short.contains(&packs[number as usize]);
        let lost = if bad.is_empty() { vec![] } else { index.keep_packs(&is_there) };
        let mut stock = Stock { index, bad, short, lost, unnamed, damaged: BTreeMap::new() };
        stock.distrust(store, &sizes)?;
        Ok(stock)
    }

    /// Forgets trees that were found damaged, and all others except those that were `read` and are intact.
    pub(crate) fn distrust_trees(&mut self, read: &HashSet<Id>) {
        let lost = self.index.keep_trees(&|id| read.contains(id));
        self.lost.extend(lost.into_iter().map(|id| (BlobKind::Tree, id)));
    }

    /// How many packs are damaged in place.
    pub(crate) fn damaged_packs(&self) -> usize {
        self.damaged.keys().filter(|pack| !self.short.contains(*pack)).count()
    }

    /// Reports what the repository lost, and removes it from the index where it is stored again.
    pub(crate) fn report_losses(&self, stored_again: u64, store: &Store, lock: &Lock, observer: &dyn Observer) {
        let is_noted = !self.index.damaged.is_empty();
        if self.bad.is_empty() && stored_again == 0 && !is_noted {
            return;
        }
        let mended = self.mend(store).and_then(|named| {
            self.clear(store, lock, &named)?;
            Ok(named)
        });
        let rest = match &mended {
            Ok(named) => self.damaged.keys().chain(&self.bad).any(|pack| named.contains(pack)),
            Err(error) => {
                observer.warning(&format!("the index of the repository still names what is lost: {error}"));
                true
            }
        };
        let count = |packs: usize, what: &str| match packs {
            0 => None,
            1 => Some(format!("a pack is {what}")),
            packs => Some(format!("{packs} packs are {what}")),
        };
        let reported = [count(self.bad.len(), "missing or cut short"), count(self.damaged_packs(), "damaged")];
        let reported: Vec<String> = reported.into_iter().flatten().collect();
        let reported = match reported.is_empty() {
            // Packs that only had to be removed.
            true if stored_again == 0 => return,
            true => "directories of the previous snapshot are damaged".to_owned(),
            false => reported.join(", "),
        };
        let result = match rest {
            false => "everything that was lost is stored again",
            true => "earlier snapshots may lack files: `lifeboat verify` names them",
        };
        observer.warning(&format!(
            "the repository is damaged: {reported}; what this backup needs of them was stored again ({stored_again} pieces); {result}"
        ));
    }

    /// Removes from the index files what was lost and is stored elsewhere by now. Nothing that exists only there is touched.
    /// Returns the packs in which something is still named.
    pub(crate) fn mend(&self, store: &Store) -> Result<HashSet<Id>, ArchiveError> {
        let is_bad = |pack: &Id| self.bad.contains(pack) || self.damaged.contains_key(pack);
        if self.bad.is_empty() && self.damaged.is_empty() {
            return Ok(HashSet::new());
        }
        let mut files: Vec<(Id, IndexFile)> = vec![];
        for id in store.list(FileType::Index)? {
            let json = store.read_file(FileType::Index, &id)?;
            let file = serde_json::from_slice(&json);
            files.push((id, file.map_err(|error| store.damaged("an index", error))?));
        }
        let packs = || files.iter().flat_map(|(_, file)| &file.packs);
        let whole: HashSet<(BlobKind, Id)> = packs()
            .filter(|pack| !is_bad(&pack.id))
            .flat_map(|pack| pack.blobs.iter().map(|blob| (blob.kind, blob.id)))
            .collect();
        let mut named = HashSet::new();
        let mut old = vec![];
        for (id, mut file) in files {
            if !file.packs.iter().any(|pack| is_bad(&pack.id)) {
                continue;
            }
            let count = |file: &IndexFile| file.packs.iter().map(|pack| pack.blobs.len()).sum::<usize>();
            let before = count(&file);
            for pack in file.packs.iter_mut().filter(|pack| is_bad(&pack.id)) {
                pack.blobs.retain(|blob| !whole.contains(&(blob.kind, blob.id)));
            }
            file.packs.retain(|pack| !pack.blobs.is_empty());
            named.extend(file.packs.iter().map(|pack| pack.id));
            if count(&file) == before {
                continue;
            }
            if !file.packs.is_empty() || !file.packs_to_delete.is_empty() {
                store.write_index(&file)?;
            }
            old.push(id);
        }
        for id in old {
            store.remove(FileType::Index, &id)?;
        }
        Ok(named)
    }
}

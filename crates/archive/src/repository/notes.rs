//! What was found damaged in packs, as the repository's own memory: `verify` and restores record it, the next backup of any machine
//! stores it again as far as it has it, and removes the damaged packs when nothing needs them any more.
//!
//! Notes are index files without packs, with a field that restic ignores; so every store keeps them, and readers of the repository can
//! read them. They are not proof: the pack is read again before anything is done.

use super::blobs::Blobs;
use super::index::{Index, Location};
use super::index_file::{BlobKind, Damage, IndexFile, Notes};
use super::indexes::portions;
use super::lock::Lock;
use super::stock::{self, Sizes, Stock};
use super::store::Store;
use super::{Repository, writer};
use crate::file_table::Id;
use crate::report::locked;
use crate::{ArchiveError, Observer};
use rustic_core::FileType;
use std::collections::{BTreeMap, BTreeSet, HashSet};

impl Store {
    /// Notes that a blob cannot be read where it should be.
    pub(crate) fn found_damaged(&self, pack: &Id, blob: Option<(BlobKind, Id)>) {
        locked(&self.found).entry(*pack).or_default().blobs.extend(blob);
    }

    /// Writes notes that replace those in the files `old`.
    fn write_notes(&self, notes: &Notes, old: &[Id]) -> Result<(), ArchiveError> {
        for part in portions(notes.clone(), |(_, damage)| damage.blobs.len()) {
            self.write_index(&IndexFile::of_notes(&part.into_iter().collect()))?;
        }
        old.iter().try_for_each(|id| self.remove(FileType::Index, id))
    }
}

/// How much of a repository was examined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// All of it: what was not found is not damaged.
    All,
    Part,
}

impl Repository {
    /// Records what was found damaged since the last time; `index` is the one that was read before.
    pub(super) fn note_damage(&self, index: &Index, looked: Looked, observer: &dyn Observer) {
        let found = std::mem::take(&mut *locked(&self.store.found));
        let old = &index.damaged;
        let mut notes = if looked == Looked::Part { old.clone() } else { Notes::new() };
        for (pack, damage) in found {
            let unneeded = old.get(&pack).is_some_and(|old| old.unneeded);
            let noted = notes.entry(pack).or_default();
            noted.blobs.extend(damage.blobs);
            noted.unneeded = unneeded;
        }
        // A medium gets no more backups.
        if notes == *old || self.store.sealed {
            return;
        }
        if let Err(error) = self.store.write_notes(&notes, &index.note_files) {
            observer.warning(&format!("{error}; the next backup therefore does not know what is damaged"));
        }
    }
}

impl Stock {
    /// Reads the packs that are truncated or noted as damaged, forgets what cannot be read in them, and keeps those that are damaged.
    pub(super) fn distrust(&mut self, store: &Store, sizes: &Sizes) -> Result<(), ArchiveError> {
        let notes = &self.index.damaged;
        if notes.is_empty() && self.short.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u32> = (0..self.index.packs.len() as u32)
            .filter(|number| {
                let pack = &self.index.packs[*number as usize];
                let is_noted = notes.get(pack).is_some_and(|damage| !damage.unneeded);
                self.short.contains(pack) || (is_noted && !self.bad.contains(pack))
            })
            .collect();
        let wanted: HashSet<u32> = numbers.iter().copied().collect();
        let mut reader = Blobs::new(store, &self.index)?;
        let mut bad: BTreeMap<Id, BTreeSet<(BlobKind, Id)>> = BTreeMap::new();
        for (location, kind, id) in self.index.lying_in(&wanted) {
            let pack = self.index.packs[location.pack as usize];
            let blobs = bad.entry(pack).or_default();
            if !reader.is_whole_at(location, &id) {
                if let Some(lost) = store.lost() {
                    return Err(lost);
                }
                blobs.insert((kind, id));
            }
        }
        for number in numbers {
            let pack = self.index.packs[number as usize];
            let has_header = || sizes.get(&pack).is_some_and(|size| store.read_pack_header(&pack, *size).is_ok());
            // It was repaired, or could be read after all.
            if bad.get(&pack).is_none_or(BTreeSet::is_empty) && has_header() {
                bad.remove(&pack);
            } else {
                bad.entry(pack).or_default();
            }
        }
        let packs = self.index.packs.clone();
        let is_good = |kind: BlobKind, id: &Id, location: &Location| {
            bad.get(&packs[location.pack as usize]).is_none_or(|blobs| !blobs.contains(&(kind, *id)))
        };
        if !bad.is_empty() {
            let lost = self.index.keep(&is_good);
            self.lost.extend(lost);
        }
        self.damaged = bad;
        locked(&store.found).clear();
        Ok(())
    }

    /// Stores again what is intact in damaged packs, so that nothing needs them any more.
    pub(super) fn salvage(
        &self,
        store: &Store,
        writer: &writer::Writer<'_>,
        worker: &mut writer::Worker,
    ) -> Result<(), ArchiveError> {
        let is_damaged = |number: &u32| self.damaged.contains_key(&self.index.packs[*number as usize]);
        let numbers: HashSet<u32> = (0..self.index.packs.len() as u32).filter(is_damaged).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let mut reader = Blobs::new(store, &self.index)?;
        for (location, kind, id) in self.index.lying_in(&numbers) {
            let mut places = self.index.copies(kind, &id).iter().copied().chain(self.index.get(kind, &id));
            if places.any(|place| !numbers.contains(&place.pack)) || !writer.claim_again(kind, id) {
                continue;
            }
            match reader.get_packed(kind, &id) {
                Ok((packed, length)) => writer.put_packed(worker, kind, id, packed, length)?,
                Err(error) => match store.lost() {
                    Some(lost) => return Err(lost),
                    None => tracing::warn!(%error, pack = location.pack, "it was whole a moment ago"),
                },
            }
        }
        Ok(())
    }

    /// Nobody needs a pack that is noted so. The note is no proof: what an index names stays, and what the pack itself lists must be elsewhere.
    fn is_unneeded(&self, store: &Store, sizes: &Sizes, pack: &Id) -> bool {
        if self.index.packs.contains(pack) {
            return false;
        }
        let header = sizes.get(pack).map(|size| store.read_pack_header(pack, *size));
        let is_elsewhere = |kind: BlobKind, id: &Id| self.index.get(kind, id).is_some();
        match header {
            Some(Ok(header)) => header.blobs.iter().all(|blob| is_elsewhere(blob.kind, &blob.id)),
            Some(Err(_)) | None => true,
        }
    }

    /// Removes damaged packs in which no index names anything any more, if nobody else is using the repository, and records those
    /// that stay. `named` are the packs that are still needed.
    pub(super) fn clear(&self, store: &Store, lock: &Lock, named: &HashSet<Id>) -> Result<(), ArchiveError> {
        let mut notes = Notes::new();
        let waiting = self.index.damaged.iter().filter(|(_, damage)| damage.unneeded).map(|(pack, _)| *pack);
        let mut free: Vec<Id> =
            self.damaged.keys().copied().filter(|pack| !named.contains(pack)).chain(waiting).collect();
        // Readers may have read the index before this one was written.
        let alone = free.is_empty() || lock.is_alone();
        let sizes = if free.is_empty() { Sizes::new() } else { stock::sizes(store)? };
        free.retain(|pack| self.damaged.contains_key(pack) || self.is_unneeded(store, &sizes, pack));
        for pack in free {
            if sizes.contains_key(&pack) && !(alone && store.remove(FileType::Pack, &pack).is_ok()) {
                notes.insert(pack, Damage { unneeded: true, ..Damage::default() });
            }
        }
        for (pack, blobs) in self.damaged.iter().filter(|(pack, _)| named.contains(*pack)) {
            notes.insert(*pack, Damage { blobs: blobs.clone(), unneeded: false });
        }
        if notes == self.index.damaged {
            return Ok(());
        }
        store.write_notes(&notes, &self.index.note_files)
    }
}

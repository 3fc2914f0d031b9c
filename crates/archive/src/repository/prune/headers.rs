//! What packs list themselves. An index may be wrong, by a defect or on purpose: nothing goes because of what it says alone. The header of
//! a pack is authenticated with the repository's key, and lists all that the pack holds.

use super::super::blobs::Blobs;
use super::super::index::Location;
use super::super::index_file::{BlobKind, IndexBlob};
use super::super::store::{self, Store};
use super::needed::Needed;
use super::plan::{Plan, Shelf};
use crate::ArchiveError;
use crate::file_table::Id;
use rayon::prelude::*;
use rustic_core::FileType;
use std::collections::{HashMap, HashSet};

type Key = (BlobKind, Id);

/// Blobs that a thread reads at a time; they are together.
const BATCH: usize = 1024;

/// What the headers confirm.
#[derive(Default)]
pub(super) struct Sure {
    /// Packs that can be marked, once what is needed in them was copied.
    pub(super) going: Vec<u32>,
    /// What must be copied.
    pub(super) copy: Vec<Key>,
    /// Packs that can be removed.
    pub(super) ripe: Vec<u32>,
    /// Packs that were marked, but hold what is nowhere else.
    pub(super) put_back: Vec<u32>,
    /// What the packs hold that were read.
    pub(super) contents: HashMap<u32, Vec<IndexBlob>>,
    /// Why other packs stay.
    pub(super) kept: Vec<String>,
}

impl Sure {
    /// Takes out the packs that hold what could not be copied.
    pub(super) fn without(&mut self, failed: &HashSet<Key>) {
        let contents = &self.contents;
        let is_whole = |number: &u32| {
            contents.get(number).is_none_or(|blobs| !blobs.iter().any(|blob| failed.contains(&(blob.kind, blob.id))))
        };
        self.going.retain(is_whole);
        self.ripe.retain(is_whole);
    }
}

/// Reads the headers of the packs that are to go, and of those that keep what is needed of these.
pub(super) fn checked(store: &Store, shelf: &Shelf, needed: &Needed, plan: &Plan) -> Result<Sure, ArchiveError> {
    let mut sure = Sure::default();
    let candidates: Vec<u32> = plan.going().chain(&plan.ripe).copied().collect();
    let mut understood: HashSet<u32> = HashSet::new();
    for (number, header) in read(store, shelf, &candidates)? {
        match header {
            Ok(blobs) => {
                sure.contents.insert(number, blobs);
                understood.insert(number);
            }
            Err(error) => sure.kept.push(format!("{error}; this pack stays")),
        }
    }
    // What the index says of them must be true, or it is not known what it means.
    let held: HashMap<u32, HashSet<(BlobKind, Id, u32, u32)>> = understood
        .iter()
        .map(|number| {
            let blobs = sure.contents[number].iter();
            (*number, blobs.map(|blob| (blob.kind, blob.id, blob.offset, blob.length)).collect())
        })
        .collect();
    for (place, kind, id) in shelf.index.places() {
        let pack = shelf.pack(&place);
        let is_false = held.get(&pack).is_some_and(|held| !held.contains(&(kind, id, place.offset, place.length)));
        if is_false && understood.remove(&pack) {
            let name = store::name(FileType::Pack, &shelf.index.packs[pack as usize]);
            let blob = super::super::crypto::hex(&id[..4]);
            sure.kept.push(format!(
                "the index says that {name} holds the blob {blob}, which it does not: this pack stays; try `restic \
                 repair index`"
            ));
        }
    }
    let goes = |number: u32| understood.contains(&number);
    // Where else what is needed of them should be.
    let mut elsewhere: HashSet<u32> = HashSet::new();
    for number in &understood {
        let homes = sure.contents[number].iter().filter_map(|blob| needed.home(blob.kind, &blob.id));
        elsewhere.extend(homes.filter(|home| !goes(*home)));
    }
    let elsewhere: Vec<u32> = elsewhere.into_iter().collect();
    let mut there: HashSet<(u32, Key)> = HashSet::new();
    for (number, header) in read(store, shelf, &elsewhere)? {
        let blobs = header.unwrap_or_default();
        there.extend(blobs.iter().map(|blob| (number, (blob.kind, blob.id))));
    }
    // What stays is read: of two copies the damaged one may have been chosen.
    let homes: HashSet<(u32, Key)> = understood
        .iter()
        .flat_map(|number| &sure.contents[number])
        .filter_map(|blob| Some((needed.home(blob.kind, &blob.id)?, (blob.kind, blob.id))))
        .filter(|home| there.contains(home))
        .collect();
    for bad in unreadable(store, shelf, homes)? {
        there.remove(&bad);
    }
    let mut copy: HashSet<Key> = HashSet::new();
    let is_elsewhere = |blob: &IndexBlob| match needed.home(blob.kind, &blob.id) {
        None => true,
        Some(home) => there.contains(&(home, (blob.kind, blob.id))),
    };
    for number in plan.going().filter(|number| goes(**number)) {
        let blobs = sure.contents[number].iter().filter(|blob| !is_elsewhere(blob));
        copy.extend(blobs.map(|blob| (blob.kind, blob.id)));
        sure.going.push(*number);
    }
    for number in plan.ripe.iter().filter(|number| goes(**number)) {
        let is_copied = |blob: &IndexBlob| copy.contains(&(blob.kind, blob.id));
        let is_safe = sure.contents[number].iter().all(|blob| is_elsewhere(blob) || is_copied(blob));
        if is_safe { sure.ripe.push(*number) } else { sure.put_back.push(*number) }
    }
    sure.copy = copy.into_iter().collect();
    Ok(sure)
}

/// Which of these blobs cannot be read in the pack that is to keep them.
fn unreadable(store: &Store, shelf: &Shelf, homes: HashSet<(u32, Key)>) -> Result<Vec<(u32, Key)>, ArchiveError> {
    let place = |(home, (kind, id)): &(u32, Key)| {
        let copies = shelf.index.copies(*kind, id).iter().copied();
        shelf.index.get(*kind, id).into_iter().chain(copies).find(|place| shelf.pack(place) == *home)
    };
    let mut homes: Vec<_> = homes.into_iter().map(|home| (place(&home), home)).collect();
    homes.sort_unstable_by_key(|(place, home)| (*place, home.1));
    let read = |batch: &[(Option<Location>, (u32, Key))]| {
        let mut reader = Blobs::new(store, &shelf.index)?;
        let mut is_whole = |place: &Option<Location>, id: &Id| place.is_some_and(|place| reader.is_whole_at(place, id));
        let bad = batch.iter().filter(|(place, (_, (_, id)))| !is_whole(place, id)).map(|(_, home)| *home);
        Ok(bad.collect())
    };
    let bad: Result<Vec<Vec<_>>, ArchiveError> = homes.par_chunks(BATCH).map(read).collect();
    match store.lost() {
        Some(lost) => Err(lost),
        None => Ok(bad?.concat()),
    }
}

/// A pack's number, and what its header lists.
type Header = (u32, Result<Vec<IndexBlob>, ArchiveError>);

fn read(store: &Store, shelf: &Shelf, packs: &[u32]) -> Result<Vec<Header>, ArchiveError> {
    let read = |number: &u32| {
        let header = store.read_pack_header(&shelf.index.packs[*number as usize], shelf.size(*number));
        (*number, header.map(|pack| pack.blobs))
    };
    let headers: Vec<Header> = packs.par_iter().map(read).collect();
    match store.lost() {
        Some(lost) => Err(lost),
        None => Ok(headers),
    }
}

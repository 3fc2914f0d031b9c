//! The repository as it is, and which packs stay, are rewritten, wait, or go.

use super::super::index::{Index, Location};
use super::super::index_file::{BlobKind, Damage, IndexBlob, IndexPack};
use super::super::store::Store;
use super::needed::{NOWHERE, Needed};
use super::{Amount, PruneOptions, PruneReport};
use crate::ArchiveError;
use crate::file_table::Id;
use rustic_core::FileType;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

/// How well a pack can be relied on; the first is best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// An index names it.
    Named,
    /// No index names it, but its own header can be read.
    Unnamed,
    /// It waits to be removed.
    Waiting,
    /// Something in it was found damaged: it is left to backups, which store that again.
    Doubtful,
    /// It is not there, or shorter than the index says.
    Missing,
}

/// All packs, with all places of all blobs, by the numbers of the index. A pack that several index files name has several numbers; the
/// first stands for all.
pub(super) struct Shelf {
    pub(super) index: Index,
    sizes: HashMap<Id, u64>,
    /// The number that stands for each.
    first: Vec<u32>,
    standing: Vec<Standing>,
    /// Packs that no index names, and whose headers cannot be read.
    illegible: u64,
}

/// What happens to packs, by their numbers.
#[derive(Default)]
pub(super) struct Plan {
    /// Nobody needs anything in them.
    pub(super) useless: Vec<u32>,
    /// What is needed in them is copied.
    pub(super) rewritten: Vec<u32>,
    /// They were lost, and nobody needs them.
    pub(super) missing: Vec<u32>,
    /// No index names them, but snapshots need them.
    pub(super) to_name: Vec<u32>,
    /// They were marked, but are needed again.
    pub(super) put_back: Vec<u32>,
    /// They were marked, and can go.
    pub(super) ripe: Vec<u32>,
    /// They were marked, and not long enough ago.
    pub(super) waiting: Vec<u32>,
    /// Bytes that stay although nobody needs them.
    unused: u64,
    /// Bytes that are to be copied.
    copied: u64,
}

impl Shelf {
    pub(super) fn read(store: &Store) -> Result<Shelf, ArchiveError> {
        let mut index = store.read_indexes()?;
        // Second: a pack that is in the index was written before.
        let listed = store.list_with_sizes(FileType::Pack)?;
        let named = index.packs.len();
        let unnamed = store.unnamed(&index, &listed)?;
        index.add_behind(unnamed.packs);
        let waiting = index.packs.len();
        index.add_waiting(&listed);
        index.complete = true;
        let sizes: HashMap<Id, u64> = listed.into_iter().collect();
        let mut numbers: HashMap<Id, u32> = HashMap::new();
        let (mut first, mut standing) = (vec![], vec![]);
        for (number, id) in index.packs.iter().enumerate() {
            first.push(*numbers.entry(*id).or_insert(number as u32));
            let is_short = sizes.get(id).is_none_or(|size| *size < index.lengths[number]);
            standing.push(match index.damaged.get(id) {
                _ if is_short => Standing::Missing,
                Some(Damage { unneeded: false, .. }) => Standing::Doubtful,
                _ if number < named => Standing::Named,
                _ if number < waiting => Standing::Unnamed,
                _ => Standing::Waiting,
            });
        }
        let illegible = unnamed.bad.len() as u64;
        let mut shelf = Shelf { index, sizes, first, standing, illegible };
        // One of several entries may be the wrong one.
        for number in 0..shelf.first.len() {
            let stands = shelf.first[number] as usize;
            shelf.standing[stands] = shelf.standing[stands].max(shelf.standing[number]);
        }
        Ok(shelf)
    }

    /// The number that stands for the pack of a place.
    pub(super) fn pack(&self, place: &Location) -> u32 {
        self.first[place.pack as usize]
    }

    fn standing(&self, number: u32) -> Standing {
        self.standing[number as usize]
    }

    /// The numbers that stand for a pack.
    fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.first.len() as u32).filter(|number| self.first[*number as usize] == *number)
    }

    pub(super) fn size(&self, number: u32) -> u64 {
        self.sizes.get(&self.index.packs[number as usize]).copied().unwrap_or(0)
    }

    pub(super) fn amount<'a>(&self, numbers: impl Iterator<Item = &'a u32>) -> Amount {
        let sizes: Vec<u64> = numbers.map(|number| self.size(*number)).collect();
        Amount { packs: sizes.len() as u64, bytes: sizes.iter().sum() }
    }

    /// A pack for an index file: with what its header lists, where that was read.
    pub(super) fn listed(&self, number: u32, contents: &HashMap<u32, Vec<IndexBlob>>) -> IndexPack {
        let id = self.index.packs[number as usize];
        let marked = || Some(self.index.marked.get(&id)?.pack.blobs.clone());
        let known = || {
            let places = self.index.lying_in(&HashSet::from([number])).into_iter();
            let blob = |(place, kind, id): (Location, BlobKind, Id)| IndexBlob {
                id,
                kind,
                offset: place.offset,
                length: place.length,
                uncompressed_length: place.uncompressed_length,
            };
            places.map(blob).collect()
        };
        let blobs = contents.get(&number).cloned().or_else(marked).unwrap_or_else(known);
        IndexPack { size: Some(self.size(number)), ..IndexPack::new(id, blobs) }
    }

    /// Chooses the pack that is to keep each blob: of several one that is needed most anyway.
    pub(super) fn settle(&self, needed: &mut Needed) {
        let mut weight = vec![0_u64; self.first.len()];
        let mut several = vec![];
        needed.for_each(&mut |kind, id, _| {
            let Some(place) = self.index.get(kind, id) else { return NOWHERE };
            if !self.index.copies(kind, id).is_empty() {
                several.push((kind, *id));
                return NOWHERE;
            }
            let pack = self.pack(&place);
            weight[pack as usize] += u64::from(place.length);
            if self.standing(pack) == Standing::Missing { NOWHERE } else { pack }
        });
        // The same choice in each run.
        several.sort_unstable();
        let mut chosen: HashMap<(BlobKind, Id), u32> = HashMap::new();
        for (kind, id) in several {
            let places = self.index.get(kind, &id).into_iter().chain(self.index.copies(kind, &id).iter().copied());
            let packs = places.map(|place| (self.pack(&place), place.length));
            let there = packs.filter(|(pack, _)| self.standing(*pack) != Standing::Missing);
            let best = there.min_by_key(|(pack, _)| (self.standing(*pack), Reverse(weight[*pack as usize]), *pack));
            if let Some((pack, length)) = best {
                weight[pack as usize] += u64::from(length);
                chosen.insert((kind, id), pack);
            }
        }
        needed.for_each(&mut |kind, id, home| chosen.get(&(kind, *id)).copied().unwrap_or(home));
    }

    /// Bytes of each pack that are needed there.
    fn needed_bytes(&self, needed: &Needed) -> Vec<u64> {
        let mut bytes = vec![0_u64; self.first.len()];
        let mut counted: HashSet<(BlobKind, Id)> = HashSet::new();
        for (place, kind, id) in self.index.places() {
            let pack = self.pack(&place);
            let is_alone = || self.index.copies(kind, &id).is_empty();
            if needed.home(kind, &id) == Some(pack) && (is_alone() || counted.insert((kind, id))) {
                bytes[pack as usize] += u64::from(place.length);
            }
        }
        bytes
    }

    /// Packs that were marked, but are needed.
    pub(super) fn waiting_and_needed(&self, needed: &Needed) -> Vec<u32> {
        let bytes = self.needed_bytes(needed);
        let numbers = self.numbers().filter(|number| self.standing(*number) == Standing::Waiting);
        numbers.filter(|number| bytes[*number as usize] > 0).collect()
    }

    /// Marks that say nothing any more: the pack is gone, or in the index.
    pub(super) fn settled_marks(&self) -> impl Iterator<Item = Id> + '_ {
        let waits: HashSet<Id> = self
            .numbers()
            .filter(|number| self.standing(*number) == Standing::Waiting)
            .map(|number| self.index.packs[number as usize])
            .collect();
        self.index.marked.keys().copied().filter(move |id| !waits.contains(id))
    }

    /// Decides. `ripe` are marks that are old enough, with the files that hold them.
    pub(super) fn plan(&self, needed: &Needed, ripe: &HashSet<(Id, Id)>, options: &PruneOptions) -> Plan {
        let bytes = self.needed_bytes(needed);
        let mut plan = Plan::default();
        let mut partly = vec![];
        for number in self.numbers() {
            let (used, id) = (bytes[number as usize], self.index.packs[number as usize]);
            let content = u64::from(self.index.ends[number as usize]);
            match (self.standing(number), used) {
                (Standing::Named | Standing::Unnamed, 0) => plan.useless.push(number),
                (Standing::Named, used) if used < content => partly.push((content - used, used, number)),
                (Standing::Named, _) => {}
                (Standing::Unnamed, used) => {
                    plan.to_name.push(number);
                    plan.unused += content.saturating_sub(used);
                }
                (Standing::Waiting, 0) => {
                    let file = self.index.marked.get(&id).map(|marked| marked.file);
                    let is_ripe = file.is_some_and(|file| ripe.contains(&(id, file)));
                    if is_ripe { plan.ripe.push(number) } else { plan.waiting.push(number) }
                }
                (Standing::Waiting, _) => plan.put_back.push(number),
                (Standing::Missing, 0) => plan.missing.push(number),
                (Standing::Missing | Standing::Doubtful, _) => {}
            }
        }
        // Those that free most for what is copied come first.
        partly.sort_by(|(unused, used, one), (other_unused, other_used, other)| {
            let free = |unused: u64, used: u64| unused as f64 / (unused + used) as f64;
            free(*other_unused, *other_used).total_cmp(&free(*unused, *used)).then(one.cmp(other))
        });
        let limit = options.max_unused.beside(bytes.iter().sum());
        let mut unused: u64 = partly.iter().map(|(unused, _, _)| unused).sum();
        for (free, used, number) in partly {
            let fits = options.max_repack.is_none_or(|most| plan.copied.saturating_add(used) <= most);
            if unused > limit && fits {
                unused -= free;
                plan.copied += used;
                plan.rewritten.push(number);
            }
        }
        plan.unused += unused;
        plan
    }
}

impl Plan {
    /// Packs that are to be marked.
    pub(super) fn going(&self) -> impl Iterator<Item = &u32> {
        self.useless.iter().chain(&self.rewritten)
    }

    pub(super) fn report(&self, shelf: &Shelf, needed: &Needed, snapshots: u64) -> PruneReport {
        PruneReport {
            snapshots,
            all: Amount { packs: shelf.sizes.len() as u64, bytes: shelf.sizes.values().sum() },
            needed: shelf.needed_bytes(needed).iter().sum(),
            useless: shelf.amount(self.useless.iter()),
            rewritten: shelf.amount(self.rewritten.iter()),
            copied: self.copied,
            marked: shelf.amount(self.going()),
            removed: shelf.amount(self.ripe.iter()),
            waiting: shelf.amount(self.waiting.iter()),
            put_back: shelf.amount(self.put_back.iter()),
            unused: self.unused,
            not_understood: shelf.illegible,
        }
    }
}

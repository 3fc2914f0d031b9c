//! The index files of a repository: reading them, and working without damaged or lost ones. Every pack lists its blobs in
//! a header of its own at its end, so whatever no index names is found there, and a backup records it again.

use super::index::{Index, Unreadable};
use super::index_file::{IndexFile, IndexPack};
use super::store::{self, Store};
use super::{crypto, pack};
use crate::file_table::Id;
use crate::report::locked;
use crate::{ArchiveError, Observer};
use lifeboat_sys::bounded::Same;
use rayon::prelude::*;
use rustic_core::FileType;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

/// Bytes read from the end of a pack at first: the header of some hundred blobs.
const TAIL: u64 = 16 << 10;
/// A longer header is rejected: restic's limit.
const LONGEST_HEADER: u64 = 16 << 20;

/// How often index files are listed again while others replace them.
const TRIES: usize = 5;

/// Bytes that are read of a pack at a time.
const PIECE: u64 = 8 << 20;
/// Bytes of a nonce.
const NONCE: usize = 16;
/// Blobs of an index file: readers take no file of more than 64 MiB, and each blob is some 160 bytes of JSON.
pub(super) const INDEX_BLOBS: usize = 50_000;

/// Packs by the nonce of their header.
type Heads = HashMap<Vec<u8>, Vec<Id>>;

/// The packs that no index file names.
#[derive(Debug, Default)]
pub(crate) struct Unnamed {
    pub(crate) packs: Vec<IndexPack>,
    /// Those without a readable header: which, and why.
    pub(crate) bad: Vec<(Id, String)>,
}

impl Store {
    /// Reads all index files. Where one cannot be read, packs are read instead.
    pub(crate) fn load_index(&self) -> Result<Index, ArchiveError> {
        let mut index = self.read_indexes()?;
        if !index.unreadable.is_empty() {
            self.complete(&mut index)?;
        }
        Ok(index)
    }

    /// Reads the index files that can be read.
    pub(crate) fn read_indexes(&self) -> Result<Index, ArchiveError> {
        let mut files: BTreeMap<Id, Result<IndexFile, ArchiveError>> = BTreeMap::new();
        let mut listed = self.list_with_sizes(FileType::Index)?;
        for _ in 0..TRIES {
            let new: Vec<&(Id, u64)> = listed.iter().filter(|(id, _)| !files.contains_key(id)).collect();
            let read: Vec<_> = new.par_iter().map(|file| self.read_index(file)).collect();
            files.extend(new.into_iter().map(|(id, _)| *id).zip(read));
            if files.values().all(Result::is_ok) || self.lost().is_some() {
                break;
            }
            // What a prune or a backup replaced meanwhile is in newer files, which were written before.
            let again = self.list_with_sizes(FileType::Index)?;
            let there: HashSet<Id> = again.iter().map(|(id, _)| *id).collect();
            if files.iter().all(|(id, file)| file.is_ok() || there.contains(id)) {
                break;
            }
            files.retain(|id, _| there.contains(id));
            listed = again;
        }
        let mut index = Index::default();
        for (id, file) in &mut files {
            let file = std::mem::replace(file, Ok(IndexFile::default()));
            match file {
                Ok(file) => {
                    if !file.lifeboat_damaged.is_empty() {
                        index.note_files.push(*id);
                    }
                    index.files.insert(*id);
                    index.add_marked(id, &file);
                    index.add(file);
                }
                Err(error) => {
                    if let Some(lost) = self.lost() {
                        return Err(lost);
                    }
                    let is_damaged = matches!(error, ArchiveError::Damaged { .. });
                    index.unreadable.push(Unreadable { id: *id, cause: error.to_string(), is_damaged });
                }
            }
        }
        Ok(index)
    }

    pub(crate) fn read_index(&self, listed: &(Id, u64)) -> Result<IndexFile, ArchiveError> {
        let json = self.read_listed_file(FileType::Index, listed)?;
        serde_json::from_slice(&json).map_err(|error| self.damaged(store::name(FileType::Index, &listed.0), error))
    }

    /// Adds to the index what packs list and it does not, for reading; returns these. Packs that wait to be removed are
    /// among what can be read, as long as they are there.
    pub(crate) fn complete(&self, index: &mut Index) -> Result<Unnamed, ArchiveError> {
        let sizes = self.list_with_sizes(FileType::Pack)?;
        let unnamed = self.unnamed(index, &sizes)?;
        index.add_behind(unnamed.packs.clone());
        index.add_waiting(&sizes);
        index.complete = true;
        Ok(unnamed)
    }

    /// Reads the headers of the packs that no index names.
    pub(crate) fn unnamed(&self, index: &Index, sizes: &[(Id, u64)]) -> Result<Unnamed, ArchiveError> {
        let named: HashSet<&Id> = index.packs.iter().collect();
        // What is in damaged packs that only wait to be removed is elsewhere, and nobody needs what a prune marked.
        let is_unneeded =
            |id: &Id| index.damaged.get(id).is_some_and(|damage| damage.unneeded) || index.marked.contains_key(id);
        let packs = sizes.iter().filter(|(id, _)| !named.contains(id) && !is_unneeded(id));
        let packs: Vec<&(Id, u64)> = packs.collect();
        let heads = Mutex::new(Heads::new());
        let read = |(id, size): &&(Id, u64)| self.read_head(id, *size, Some(&heads));
        let read: Vec<_> = packs.par_iter().map(read).collect();
        let heads = heads.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let several: HashSet<Id> = heads.into_values().filter(|packs| packs.len() > 1).flatten().collect();
        let mut contents = HashMap::new();
        let mut unnamed = Unnamed::default();
        for ((id, size), result) in packs.into_iter().zip(read) {
            // A header belongs to one pack: the one whose content fits its name. So does a blob, as a rule.
            let is_known =
                |pack: &IndexPack| pack.blobs.first().is_some_and(|blob| index.get(blob.kind, &blob.id).is_some());
            let result = result.and_then(|head| {
                let is_doubtful = several.contains(id) || head.as_ref().is_some_and(is_known);
                if is_doubtful && !self.fits(id, *size, &mut contents)? {
                    return Err(store::mismatch(self, FileType::Pack, id));
                }
                head.map_or_else(|| self.read_pack_header(id, *size), Ok)
            });
            match result {
                Ok(pack) => unnamed.packs.push(pack),
                Err(error) => match self.lost() {
                    Some(lost) => return Err(lost),
                    None => unnamed.bad.push((*id, error.to_string())),
                },
            }
        }
        Ok(unnamed)
    }

    /// Whether the content of a pack is the one of its name. What is the same file is read once.
    fn fits(&self, id: &Id, size: u64, known: &mut HashMap<Same, Id>) -> Result<bool, ArchiveError> {
        let same = self.same(FileType::Pack, id);
        if let Some(content) = same.iter().find_map(|same| known.get(same)) {
            return Ok(content == id);
        }
        let mut hasher = Sha256::new();
        let mut offset = 0;
        while offset < size {
            let length = (size - offset).min(PIECE);
            let (offset_32, length_32) = (u32::try_from(offset), u32::try_from(length));
            let (Ok(from), Ok(many)) = (offset_32, length_32) else { return Ok(false) };
            hasher.update(&self.read_part(id, from, many)?);
            offset += length;
        }
        let content: Id = hasher.finalize().into();
        known.extend(same.into_iter().map(|same| (same, content)));
        Ok(content == *id)
    }

    /// A pack's own header, at its end.
    pub(super) fn read_pack_header(&self, id: &Id, size: u64) -> Result<IndexPack, ArchiveError> {
        let gone = || self.damaged(store::name(FileType::Pack, id), "it has no header");
        self.read_head(id, size, None)?.ok_or_else(gone)
    }

    /// The same; `None` where the header is one that is among `heads` already.
    fn read_head(&self, id: &Id, size: u64, heads: Option<&Mutex<Heads>>) -> Result<Option<IndexPack>, ArchiveError> {
        let damaged = |cause: String| self.damaged(store::name(FileType::Pack, id), cause);
        let size = u32::try_from(size).map_err(|_| damaged(format!("{size} bytes are too many for a pack")))?;
        let read = |length: u64| {
            let length = length.min(size.into()) as u32;
            self.read_part(id, size - length, length)
        };
        let mut tail = read(TAIL)?;
        let length = pack::header_length(&tail).map_err(|error| damaged(error.to_string()))?;
        // Each entry stands for a blob, which is at least its encryption.
        let entries = length.saturating_sub(crypto::OVERHEAD as u64) / pack::LONGEST_ENTRY;
        let least = length.saturating_add(entries.saturating_mul(crypto::OVERHEAD as u64));
        if length > LONGEST_HEADER || least > size.into() {
            return Err(damaged("its header is longer than the pack".to_owned()));
        }
        if let Some(heads) = heads {
            // It begins with the nonce of its encryption, which is another one each time.
            let start = (tail.len() as u64).checked_sub(length);
            let nonce = match start.and_then(|start| tail.get(start as usize..)?.first_chunk::<NONCE>()) {
                Some(nonce) => nonce.to_vec(),
                None => self.read_part(id, size - length.min(size.into()) as u32, NONCE as u32)?,
            };
            let mut heads = locked(heads);
            let packs = heads.entry(nonce).or_default();
            packs.push(*id);
            if packs.len() > 1 {
                return Ok(None);
            }
        }
        let blobs = |tail: &[u8]| {
            let blobs = pack::read_tail(&self.key, tail, size).map_err(|error| damaged(error.to_string()))?;
            Ok(Some(IndexPack::new(*id, blobs)))
        };
        if length <= tail.len() as u64 {
            return blobs(&tail);
        }
        // Somebody may have left thousands of them.
        self.once(id, || {
            tail = read(length)?;
            blobs(&tail)
        })
    }

    /// Writes packs into as many index files as they need; returns their ids.
    pub(crate) fn write_packs(
        &self,
        packs: Vec<IndexPack>,
        file: impl Fn(Vec<IndexPack>) -> IndexFile,
    ) -> Result<Vec<Id>, ArchiveError> {
        let parts = portions(packs, |pack| pack.blobs.len());
        parts.into_iter().map(|part| Ok(self.write_index(&file(part))?.0)).collect()
    }

    /// Records what packs list and no index names, and removes damaged index files: all that they listed is in the
    /// packs. The index must be complete. Reports what was done.
    pub(crate) fn mend_index(
        &self,
        index: &Index,
        unnamed: Unnamed,
        observer: &dyn Observer,
    ) -> Result<(), ArchiveError> {
        let packs = unnamed.packs.len();
        self.write_packs(unnamed.packs, |packs| IndexFile { packs, ..IndexFile::default() })?;
        // Somebody may have left thousands of them.
        let listed = if index.unreadable.is_empty() { vec![] } else { self.list_with_sizes(FileType::Index)? };
        let listed: HashMap<Id, u64> = listed.into_iter().collect();
        // Once more, so that a transient error of memory or bus removes nothing.
        self.doubt();
        for broken in &index.unreadable {
            observer.warning(&broken.cause);
            let again = listed.get(&broken.id).map(|size| self.read_index(&(broken.id, *size)));
            if broken.is_damaged && matches!(again, Some(Err(ArchiveError::Damaged { .. }))) {
                match self.remove(FileType::Index, &broken.id) {
                    Ok(()) => observer.warning(&format!(
                        "{} was removed: its entries are now in another index",
                        store::name(FileType::Index, &broken.id)
                    )),
                    Err(error) => observer.warning(&format!("{error}; try `restic repair index`, which removes it")),
                }
            }
        }
        if packs > 0 {
            let text = format!(
                "{packs} packs were not in any readable index; their headers were read, and the index was written again"
            );
            observer.warning(&text);
        }
        // Without a damaged index these are leftovers of an interrupted backup, or what another one is writing.
        for (id, cause) in unnamed.bad.iter().filter(|_| !index.unreadable.is_empty()) {
            observer.warning(&format!(
                "pack {} is in no index, and its content is unknown: {cause}",
                crypto::hex(&id[..4])
            ));
        }
        Ok(())
    }
}

/// Divides what goes into index files into parts that each have a good size; `blobs` says how many an item has.
pub(super) fn portions<T>(items: impl IntoIterator<Item = T>, blobs: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut parts, mut sum) = (vec![], 0);
    for item in items {
        sum += blobs(&item);
        match parts.last_mut() {
            Some(part) if sum <= INDEX_BLOBS => Vec::push(part, item),
            _ => {
                sum = blobs(&item);
                parts.push(vec![item]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_file_has_so_many_blobs_unless_one_pack_has_more() {
        let parts = |sizes: &[usize]| portions(sizes.to_vec(), |size| *size);
        assert_eq!(parts(&[]), Vec::<Vec<usize>>::new());
        assert_eq!(parts(&[0, INDEX_BLOBS, 0]), [vec![0, INDEX_BLOBS, 0]]);
        let (half, more) = (INDEX_BLOBS / 2, INDEX_BLOBS + 1);
        assert_eq!(
            parts(&[half, half, 1, more, half, half]),
            [vec![half, half], vec![1], vec![more], vec![half, half]]
        );
    }
}

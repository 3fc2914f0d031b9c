//! Reads blobs, with few and large reads: neighbours in a pack are mostly wanted one after the other.

use super::crypto::{NONCE, OVERHEAD, hex};
use super::index::{Index, Location};
use super::index_file::BlobKind;
use super::pack::Opener;
use super::store::Store;
use crate::ArchiveError;
use crate::file_table::Id;

/// Bytes read at once across the network, where each read is a round trip.
const WINDOW: u32 = 4 << 20;
/// The same of a local folder: what is read stays in the processor's cache until it is decrypted.
const LOCAL_WINDOW: u32 = 1 << 20;
/// Windows kept by each reader.
const WINDOWS: usize = 3;

/// Part of a pack.
struct Window {
    pack: u32,
    start: u32,
    bytes: Vec<u8>,
    /// Larger for windows used more recently.
    used: u64,
}

/// What a reader keeps between blobs, for one store and one index.
pub(crate) struct Buffers {
    opener: Opener,
    windows: Vec<Window>,
    /// Bytes of one.
    window: u32,
    clock: u64,
    sealed: Vec<u8>,
}

impl Buffers {
    pub(crate) fn new(store: &Store) -> Result<Buffers, ArchiveError> {
        let opener = Opener::new(store.key.clone()).map_err(|error| store.failed("READ", error))?;
        let window = if store.folder.is_some() { LOCAL_WINDOW } else { WINDOW };
        Ok(Buffers { opener, windows: vec![], window, clock: 0, sealed: vec![] })
    }
}

/// Reads blobs; each thread has its own.
pub(crate) struct Blobs<'a> {
    store: &'a Store,
    index: &'a Index,
    buffers: Buffers,
    /// The largest number of a pack that something was read from.
    pub(crate) highest_pack: u32,
}

impl<'a> Blobs<'a> {
    pub(crate) fn new(store: &'a Store, index: &'a Index) -> Result<Self, ArchiveError> {
        Ok(Blobs::with(store, index, Buffers::new(store)?))
    }

    /// With buffers that were used with the same store and index before.
    pub(crate) fn with(store: &'a Store, index: &'a Index, buffers: Buffers) -> Self {
        Blobs { store, index, buffers, highest_pack: 0 }
    }

    /// Its buffers, for later.
    pub(crate) fn into_buffers(self) -> Buffers {
        self.buffers
    }

    /// A blob as it is packed, without its encryption, with its uncompressed length (0 when it is not compressed); its
    /// content is checked anyway.
    pub(crate) fn get_packed(&mut self, kind: BlobKind, id: &Id) -> Result<(&[u8], u32), ArchiveError> {
        let length = self.find(kind, id)?;
        Ok((self.text(), length))
    }

    /// The content of a blob.
    pub(crate) fn get(&mut self, kind: BlobKind, id: &Id) -> Result<&[u8], ArchiveError> {
        match self.find(kind, id)? {
            0 => Ok(self.text()),
            length => Ok(self.buffers.opener.decompressed(length)),
        }
    }

    /// The decrypted text in place: between nonce and tag.
    fn text(&self) -> &[u8] {
        let text = NONCE..(self.buffers.sealed.len() + NONCE).saturating_sub(OVERHEAD);
        self.buffers.sealed.get(text).unwrap_or_default()
    }

    /// Reads and opens a blob, at the first of its places where it is intact; returns its uncompressed length.
    fn find(&mut self, kind: BlobKind, id: &Id) -> Result<u32, ArchiveError> {
        let Some(location) = self.index.get(kind, id) else {
            return Err(self.store.damaged(format!("blob {}", hex(&id[..4])), "it is in no index"));
        };
        let mut result = self.open_or_note(location, kind, id);
        for other in self.index.copies(kind, id) {
            if result.is_ok() || self.store.lost().is_some() {
                break;
            }
            result = self.open_or_note(*other, kind, id).or(result);
        }
        result
    }

    /// Reports whether a blob can be read at one place.
    pub(crate) fn is_whole_at(&mut self, location: Location, id: &Id) -> bool {
        self.open(location, BlobKind::Data, id).is_ok()
    }

    /// Reads and opens a blob at one place; notes that it is damaged there.
    fn open_or_note(&mut self, location: Location, kind: BlobKind, id: &Id) -> Result<u32, ArchiveError> {
        let result = self.open(location, kind, id);
        if matches!(&result, Err(error) if error.is_damage()) && self.store.lost().is_none() {
            self.store.found_damaged(&self.index.packs[location.pack as usize], Some((kind, *id)));
        }
        result
    }

    /// What is read around a blob: start and length. Files are in the order in which they are restored. A directory is behind those
    /// that are in it, and they are from the last one to the first, so what is wanted next is before it.
    fn window_around(&self, location: Location, kind: BlobKind) -> (u32, u32) {
        let end = location.offset.saturating_add(location.length);
        let length = location.length.max(self.buffers.window);
        match kind {
            BlobKind::Tree => {
                let start = end.saturating_sub(length);
                (start, end - start)
            }
            BlobKind::Data => {
                let left = self.index.ends[location.pack as usize].saturating_sub(location.offset);
                (location.offset, length.min(left))
            }
        }
    }

    /// Reads and opens a blob at one place.
    fn open(&mut self, location: Location, kind: BlobKind, id: &Id) -> Result<u32, ArchiveError> {
        let what = || format!("blob {}", hex(&id[..4]));
        let pack = &self.index.packs[location.pack as usize];
        self.buffers.clock += 1;
        let end = location.offset.saturating_add(location.length);
        let found = self.buffers.windows.iter_mut().find(|window| {
            window.pack == location.pack
                && window.start <= location.offset
                && end <= window.start + window.bytes.len() as u32
        });
        self.buffers.sealed.clear();
        match found {
            Some(window) => {
                window.used = self.buffers.clock;
                let start = (location.offset - window.start) as usize;
                self.buffers.sealed.extend_from_slice(&window.bytes[start..start + location.length as usize]);
            }
            None => {
                let whole = self.window_around(location, kind);
                // The memory of the window that was used longest ago.
                let oldest = self.buffers.windows.iter().enumerate().min_by_key(|(_, window)| window.used);
                let oldest = oldest.filter(|_| self.buffers.windows.len() >= WINDOWS).map(|(number, _)| number);
                let mut bytes = oldest.map(|number| self.buffers.windows.swap_remove(number).bytes).unwrap_or_default();
                let mut read = |(start, length): (u32, u32)| {
                    self.store.read_part_into(pack, start, length, &mut bytes).map(|()| start)
                };
                let start = read(whole).or_else(|error| match self.store.lost() {
                    Some(lost) => Err(lost),
                    // The beginning of a truncated pack may still be there.
                    None if whole.1 > location.length => read((location.offset, location.length)),
                    None => Err(error),
                });
                let start = start.map_err(|error| match self.store.lost() {
                    Some(lost) => lost,
                    None if error.is_damage() => error,
                    None => self.store.damaged(format!("pack {}", hex(&pack[..4])), error),
                })?;
                let from = (location.offset - start) as usize;
                let blob = bytes.get(from..from + location.length as usize);
                self.buffers
                    .sealed
                    .extend_from_slice(blob.ok_or_else(|| self.store.damaged(what(), "it is cut short"))?);
                let window = Window { pack: location.pack, start, bytes, used: self.buffers.clock };
                self.buffers.windows.push(window);
            }
        }
        let opened = self.buffers.opener.open(&mut self.buffers.sealed, location.uncompressed_length, id);
        let opened = opened.map(|_| location.uncompressed_length);
        if opened.is_ok() {
            self.highest_pack = self.highest_pack.max(location.pack);
        }
        opened.map_err(|error| self.store.damaged(format!("{} in pack {}", what(), hex(&pack[..4])), error))
    }
}

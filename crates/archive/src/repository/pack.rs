//! Pack files: encrypted blobs one after the other, then an encrypted header that lists them, then its length.
//!
//! Source: restic's doc/design.rst, "Pack Format".

use super::crypto::{Key, NotAuthentic, OVERHEAD, hash};
use super::index_file::{BlobKind, IndexBlob};
use crate::file_table::Id;
use std::io;

/// Packs are written when they reach this size, in bytes. Larger ones cost memory (each thread fills one), smaller ones files.
pub(crate) const TARGET: usize = 16 << 20;
/// Blobs that the header of one pack lists at most: its size stays below 0.5 MB.
const MAX_BLOBS: usize = 10_000;
/// zstd's level. A Debian tree of 1.2 GB becomes 462, 416, 405, 395 MB at level -1, 1, 2, 3, in 4.1, 4.4, 4.8, 5.4 s of
/// processor time for the whole backup.
pub(crate) const LEVEL: i32 = 1;

/// Random bytes, fetched many at a time.
struct Nonces {
    bytes: [u8; 4096],
    used: usize,
}

impl Nonces {
    fn next(&mut self) -> io::Result<[u8; 16]> {
        if self.used >= self.bytes.len() {
            getrandom::fill(&mut self.bytes).map_err(|error| io::Error::other(error.to_string()))?;
            self.used = 0;
        }
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&self.bytes[self.used..self.used + 16]);
        self.used += 16;
        Ok(nonce)
    }
}

/// Compresses and encrypts.
pub(crate) struct Sealer {
    key: Key,
    compressor: zstd::bulk::Compressor<'static>,
    nonces: Nonces,
}

impl Sealer {
    pub(crate) fn new(key: Key, level: i32) -> io::Result<Self> {
        let compressor = zstd::bulk::Compressor::new(level)?;
        Ok(Sealer { key, compressor, nonces: Nonces { bytes: [0; 4096], used: 4096 } })
    }
}

/// A pack that is being filled.
pub(crate) struct Builder {
    kind: BlobKind,
    bytes: Vec<u8>,
    blobs: Vec<IndexBlob>,
}

fn too_large() -> io::Error {
    io::Error::other("a blob is larger than 4 GiB")
}

/// Reports whether content begins like a text that the repository itself encrypts: JSON, a version byte with a zstd frame, or the
/// header of a pack. All are encrypted with one key, and nothing in the format says what a text is for (restic's doc/design.rst,
/// "Packs", "Unpacked Data Format"). If such content of a user's file were stored as it is, whoever can write to the store could copy its
/// encrypted bytes to where a snapshot or an index is looked for. A zstd frame, which holds all other content, passes for none.
fn passes_for_a_text(data: &[u8]) -> bool {
    matches!(data.first(), Some(0..=3 | b'{' | b'['))
}

/// A finished pack.
pub(crate) struct Pack {
    pub(crate) bytes: Vec<u8>,
    pub(crate) blobs: Vec<IndexBlob>,
}

impl Builder {
    pub(crate) fn new(kind: BlobKind) -> Self {
        Builder { kind, bytes: vec![], blobs: vec![] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.blobs.is_empty()
    }

    /// Gives an empty one memory of a pack that was written.
    pub(crate) fn reuse(&mut self, mut memory: Vec<u8>) {
        if self.is_empty() {
            memory.clear();
            self.bytes = memory;
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= TARGET || self.blobs.len() >= MAX_BLOBS
    }

    /// Adds a blob.
    pub(crate) fn add(&mut self, sealer: &mut Sealer, id: Id, data: &[u8]) -> io::Result<()> {
        if data.len() > LARGEST as usize {
            return Err(too_large());
        }
        let start = self.start(sealer, data.len())?;
        let text = self.bytes.len();
        self.bytes.reserve(zstd::zstd_safe::compress_bound(data.len()));
        let mut place = io::Cursor::new(&mut self.bytes);
        place.set_position(text as u64);
        let packed = sealer.compressor.compress_to_buffer(data, &mut place)?;
        // What does not get smaller is stored as it is.
        let mut uncompressed_length = u32::try_from(data.len()).map_err(|_| too_large())?;
        if is_blown_up(uncompressed_length, packed as u64) {
            // A reader would take it for a bomb: a directory of files with equal attributes. A frame that is skipped makes it as large as it
            // has to be (RFC 8878, section 3.1.2).
            let lacks = u64::from(uncompressed_length) / MOST_TIMES + 1 - packed as u64;
            let lacks = u32::try_from(lacks).map_err(|_| too_large())?;
            self.bytes.extend_from_slice(&SKIPPABLE.to_le_bytes());
            self.bytes.extend_from_slice(&lacks.to_le_bytes());
            self.bytes.resize(self.bytes.len() + lacks as usize, 0);
        } else if packed >= data.len() && !passes_for_a_text(data) {
            self.bytes.truncate(text);
            self.bytes.extend_from_slice(data);
            uncompressed_length = 0;
        }
        self.end(sealer, id, start, uncompressed_length)
    }

    /// Adds a blob that is compressed already; 0 as its uncompressed length means that it is not.
    pub(crate) fn add_packed(
        &mut self,
        sealer: &mut Sealer,
        id: Id,
        packed: &[u8],
        uncompressed_length: u32,
    ) -> io::Result<()> {
        if uncompressed_length == 0 && passes_for_a_text(packed) {
            return self.add(sealer, id, packed);
        }
        let start = self.start(sealer, packed.len())?;
        self.bytes.extend_from_slice(packed);
        self.end(sealer, id, start, uncompressed_length)
    }

    /// Makes room for a blob and writes its nonce; returns where it starts.
    fn start(&mut self, sealer: &mut Sealer, length: usize) -> io::Result<usize> {
        let start = self.bytes.len();
        if self.bytes.capacity() == 0 && length < TARGET {
            self.bytes.reserve_exact(TARGET + (9 << 20));
        }
        self.bytes.extend_from_slice(&sealer.nonces.next()?);
        Ok(start)
    }

    /// Encrypts the blob that starts there, and lists it.
    fn end(&mut self, sealer: &mut Sealer, id: Id, start: usize, uncompressed_length: u32) -> io::Result<()> {
        sealer.key.seal(&mut self.bytes, start);
        let offset = u32::try_from(start).map_err(|_| too_large())?;
        let length = u32::try_from(self.bytes.len() - start).map_err(|_| too_large())?;
        self.blobs.push(IndexBlob { id, kind: self.kind, offset, length, uncompressed_length });
        Ok(())
    }

    /// Appends the header and starts again.
    pub(crate) fn finish(&mut self, sealer: &mut Sealer) -> io::Result<Pack> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let blobs = std::mem::take(&mut self.blobs);
        let start = bytes.len();
        bytes.extend_from_slice(&sealer.nonces.next()?);
        for blob in &blobs {
            let compressed = blob.uncompressed_length != 0;
            bytes.push(u8::from(blob.kind == BlobKind::Tree) + if compressed { 2 } else { 0 });
            bytes.extend_from_slice(&blob.length.to_le_bytes());
            if compressed {
                bytes.extend_from_slice(&blob.uncompressed_length.to_le_bytes());
            }
            bytes.extend_from_slice(&blob.id);
        }
        sealer.key.seal(&mut bytes, start);
        let length = u32::try_from(bytes.len() - start).map_err(|_| io::Error::other("a pack header is too large"))?;
        bytes.extend_from_slice(&length.to_le_bytes());
        Ok(Pack { bytes, blobs })
    }
}

/// What is wrong with a pack or a blob.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadBlob {
    #[error(transparent)]
    NotAuthentic(#[from] NotAuthentic),
    #[error("it cannot be decompressed: {0}")]
    Zstd(io::Error),
    #[error("its content does not match its id")]
    WrongContent,
    #[error("its header does not fit: {0}")]
    Header(&'static str),
}

/// Decrypts and decompresses; contexts are kept for the next blob.
pub(crate) struct Opener {
    key: Key,
    decompressor: zstd::bulk::Decompressor<'static>,
    buffer: Vec<u8>,
}

/// A blob larger than this, in bytes, is rejected: restic writes trees of any size, but a directory of two million files has less.
pub(in crate::repository) const LARGEST: u32 = 1 << 30;
/// Blobs of this size, in bytes, may be as small as they like in the pack;
const MODEST: u32 = 64 << 20;
/// of larger ones, the names and hashes of a directory, so many times their size in the pack is the most.
const MOST_TIMES: u64 = 256;
/// What a frame begins with that readers skip.
const SKIPPABLE: u32 = 0x184d_2a50;
/// The longest entry of a header, in bytes: kind, two lengths, and the id.
pub(super) const LONGEST_ENTRY: u64 = 41;

/// Reports whether a blob of this size that has `packed` bytes is taken for one that was made to need memory.
fn is_blown_up(uncompressed_length: u32, packed: u64) -> bool {
    uncompressed_length > MODEST && u64::from(uncompressed_length) > MOST_TIMES * packed
}

impl Opener {
    pub(crate) fn new(key: Key) -> io::Result<Self> {
        Ok(Opener { key, decompressor: zstd::bulk::Decompressor::new()?, buffer: vec![] })
    }

    /// The result of [`Opener::open`] for a compressed blob.
    pub(crate) fn decompressed(&self, uncompressed_length: u32) -> &[u8] {
        self.buffer.get(..uncompressed_length as usize).unwrap_or_default()
    }

    /// The content of a sealed blob, which is overwritten; checked against its id.
    pub(crate) fn open<'a>(
        &'a mut self,
        sealed: &'a mut [u8],
        uncompressed_length: u32,
        id: &Id,
    ) -> Result<&'a [u8], BadBlob> {
        let text = self.key.open(sealed)?;
        let content = if uncompressed_length == 0 {
            text
        } else {
            if uncompressed_length > LARGEST || is_blown_up(uncompressed_length, text.len() as u64) {
                return Err(BadBlob::Header("a blob is too large"));
            }
            let length = uncompressed_length as usize;
            if self.buffer.len() < length {
                self.buffer.resize(length, 0);
            }
            let got =
                self.decompressor.decompress_to_buffer(text, &mut self.buffer[..length]).map_err(BadBlob::Zstd)?;
            if got != length {
                return Err(BadBlob::WrongContent);
            }
            &self.buffer[..length]
        };
        if hash(content) != *id {
            return Err(BadBlob::WrongContent);
        }
        Ok(content)
    }
}

/// The blobs that the header of a whole pack lists.
pub(crate) fn read_header(key: &Key, pack: &[u8]) -> Result<Vec<IndexBlob>, BadBlob> {
    let size = u32::try_from(pack.len()).map_err(|_| BadBlob::Header("the pack is too large"))?;
    read_tail(key, pack, size)
}

/// Bytes of the header and its length, from the end of a pack.
pub(crate) fn header_length(tail: &[u8]) -> Result<u64, BadBlob> {
    let (_, length) = tail.split_last_chunk::<4>().ok_or(BadBlob::Header("the pack is too short"))?;
    Ok(u64::from(u32::from_le_bytes(*length)) + 4)
}

/// The blobs that the header lists in the last bytes of a pack, which has `size` bytes.
pub(crate) fn read_tail(key: &Key, tail: &[u8], size: u32) -> Result<Vec<IndexBlob>, BadBlob> {
    let (rest, length) = tail.split_last_chunk::<4>().ok_or(BadBlob::Header("the pack is too short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let start = rest.len().checked_sub(length).ok_or(BadBlob::Header("it is longer than the pack"))?;
    // Where it begins in the pack.
    let blobs_end = (size as usize).checked_sub(length + 4).ok_or(BadBlob::Header("it is longer than the pack"))?;
    let mut sealed = rest[start..].to_vec();
    let mut header = key.open(&mut sealed)?;
    let mut blobs = vec![];
    let mut offset = 0_u32;
    while let Some((kind, rest)) = header.split_first() {
        let short = BadBlob::Header("an entry is cut off");
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let short = BadBlob::Header("an entry is cut off");
        let (uncompressed_length, rest) = match kind {
            0 | 1 => (0, rest),
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
                (u32::from_le_bytes(*length), rest)
            }
            _ => return Err(BadBlob::Header("an entry has an unknown type")),
        };
        let (id, rest) = rest.split_first_chunk::<32>().ok_or(BadBlob::Header("an entry is cut off"))?;
        let length = u32::from_le_bytes(*length);
        let kind = if kind & 1 == 1 { BlobKind::Tree } else { BlobKind::Data };
        blobs.push(IndexBlob { id: *id, kind, offset, length, uncompressed_length });
        offset = offset.checked_add(length).ok_or(BadBlob::Header("the lengths overflow"))?;
        header = rest;
    }
    if offset as usize != blobs_end || blobs.iter().any(|blob| (blob.length as usize) < OVERHEAD) {
        return Err(BadBlob::Header("the lengths do not add up"));
    }
    Ok(blobs)
}

/// Encodes one of the repository's own files: a zstd frame after a byte 2, encrypted.
pub(crate) fn seal_file(key: &Key, json: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut text = vec![2];
    text.append(&mut zstd::bulk::compress(json, LEVEL)?);
    key.encrypt(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> Key {
        Key::from_bytes([7; 64])
    }

    fn pack(contents: &[Vec<u8>]) -> Pack {
        let mut sealer = Sealer::new(key(), LEVEL).unwrap();
        let mut builder = Builder::new(BlobKind::Data);
        for content in contents {
            builder.add(&mut sealer, hash(content), content).unwrap();
        }
        builder.finish(&mut sealer).unwrap()
    }

    #[test]
    fn a_pack_comes_back() {
        let contents = [vec![b'a'; 5000], b"tiny".to_vec(), vec![]];
        let pack = pack(&contents);
        let blobs = read_header(&key(), &pack.bytes).unwrap();
        assert_eq!(blobs, pack.blobs);
        let mut opener = Opener::new(key()).unwrap();
        for (blob, content) in blobs.iter().zip(&contents) {
            let mut sealed = pack.bytes[blob.offset as usize..(blob.offset + blob.length) as usize].to_vec();
            assert_eq!(opener.open(&mut sealed, blob.uncompressed_length, &blob.id).unwrap(), content);
        }
    }

    /// A directory of thousands of files with one large attribute each gets so small that it passes for a bomb.
    #[test]
    fn what_is_written_can_be_read_however_small_it_gets() {
        let mut sealer = Sealer::new(key(), LEVEL).unwrap();
        let mut builder = Builder::new(BlobKind::Tree);
        let mut content = b"{\"nodes\":[".to_vec();
        content.resize(MODEST as usize + 5, b'x');
        let id = hash(&content);
        builder.add(&mut sealer, id, &content).unwrap();
        let pack = builder.finish(&mut sealer).unwrap();
        let blob = &pack.blobs[0];
        let mut sealed = pack.bytes[blob.offset as usize..][..blob.length as usize].to_vec();
        let mut opener = Opener::new(key()).unwrap();
        assert!(blob.length < 400_000);
        let read = opener.open(&mut sealed, blob.uncompressed_length, &id).unwrap();
        assert!(read == content);
        assert_eq!(read_header(&sealer.key, &pack.bytes).unwrap().len(), 1);
    }

    #[test]
    fn no_content_is_stored_so_that_it_passes_for_a_text_of_the_repository() {
        let frame = zstd::bulk::compress(b"{\"tree\":\"\"}", LEVEL).unwrap();
        let header = [&[1, 200, 0, 0, 0][..], &hash(b"tree")].concat();
        let contents = [b"{}".to_vec(), b"[]".to_vec(), [&[2][..], &frame].concat(), header, vec![0], vec![3; 2]];
        let plain = |pack: &Pack| {
            pack.blobs.iter().any(|blob| {
                let mut sealed = pack.bytes[blob.offset as usize..(blob.offset + blob.length) as usize].to_vec();
                let text = key().open(&mut sealed).unwrap().to_vec();
                !text.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
            })
        };
        let stored = pack(&contents);
        assert!(!plain(&stored));
        let blobs = read_header(&key(), &stored.bytes).unwrap();
        let mut opener = Opener::new(key()).unwrap();
        for (blob, content) in blobs.iter().zip(&contents) {
            let mut sealed = stored.bytes[blob.offset as usize..(blob.offset + blob.length) as usize].to_vec();
            assert_eq!(opener.open(&mut sealed, blob.uncompressed_length, &blob.id).unwrap(), content);
        }
        // Nor when it comes from a repository in which it was.
        let mut sealer = Sealer::new(key(), LEVEL).unwrap();
        let mut builder = Builder::new(BlobKind::Data);
        for content in &contents {
            builder.add_packed(&mut sealer, hash(content), content, 0).unwrap();
        }
        assert!(!plain(&builder.finish(&mut sealer).unwrap()));
    }

    #[test]
    fn the_wrong_blob_is_noticed() {
        let pack = pack(&[b"one content".to_vec(), b"two content".to_vec()]);
        let mut opener = Opener::new(key()).unwrap();
        let (one, two) = (&pack.blobs[0], &pack.blobs[1]);
        let mut sealed = pack.bytes[one.offset as usize..(one.offset + one.length) as usize].to_vec();
        assert!(matches!(opener.open(&mut sealed, 0, &two.id), Err(BadBlob::WrongContent)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_as_a_header(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), cut in 0_usize..400) {
            prop_assert!(read_header(&key(), &bytes).is_err());
            // Authentic, but nonsense.
            bytes.truncate(cut);
            let mut sealed = key().encrypt(&bytes).unwrap();
            let length = sealed.len() as u32;
            sealed.extend_from_slice(&length.to_le_bytes());
            let _ = read_header(&key(), &sealed);
        }
    }
}

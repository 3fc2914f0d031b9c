//! Reads one volume: its header, its frames, its trailer. Damage costs the chunks that are damaged, and the frames that they are in.

use super::Identity;
use super::age::{CHUNK_BYTES, Chunks, HEADER_BYTES, HeaderError as AgeError, TAG_BYTES};
use super::frame::{self, Head, PLACE_BYTES, Place, SKIPPABLE_BYTES};
use super::source::Input;
use super::trailer::{Sealer, Trailer, TrailerError};
use lifeboat_sys::tape::VolumeHeader;
use std::io;

/// An encrypted chunk.
const SEALED_BYTES: usize = CHUNK_BYTES + TAG_BYTES;
/// How much is read at once.
const READ_BYTES: usize = 1 << 20;
/// Chunks of nothing but zeros in a row, behind which a volume is given up: 256 MiB that somebody appended, perhaps without storing them.
const ZEROS_MAX: u32 = 4096;

/// A volume that is being read.
pub(crate) struct VolumeReader {
    input: Box<dyn Input>,
    pub(crate) header: VolumeHeader,
    chunks: Chunks,
    /// The number of the next chunk.
    number: u64,
    /// Encrypted bytes that were read, from `raw_at` on; before the end of the input the last block may be the trailer.
    raw: Vec<u8>,
    raw_at: usize,
    /// Where in the input what was read ends.
    position: u64,
    /// Up to where in the input trailers were looked for.
    looked: u64,
    /// Chunks of zeros in a row.
    zeros: u32,
    /// The input has ended; what it ended with.
    trailer: Option<Result<Trailer, TrailerError>>,
    hasher: Option<blake3::Hasher>,
    payload: u64,
    /// Decrypted bytes, from `plain_at` on.
    plain: Vec<u8>,
    plain_at: usize,
    /// Decrypted bytes to pass over.
    skip: u64,
    /// Something was lost: the next place is looked for.
    is_lost: bool,
}

/// Why a volume cannot be read at all.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The system's error.
    Io(io::Error),
    /// It is not a volume, or damaged where it begins.
    NotAVolume(String),
    /// It is for another key.
    OtherKey,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        OpenError::Io(error)
    }
}

/// What comes next in a volume.
#[derive(Debug)]
pub(crate) enum Item {
    /// A frame, still compressed.
    Frame(Place, Vec<u8>),
    /// Something cannot be read.
    Lost(String),
    /// The volume ends.
    End,
}

/// Reads the header of a volume: the first block, of a size that it says itself.
pub(crate) fn header(input: &mut dyn Input) -> Result<(VolumeHeader, Vec<u8>), OpenError> {
    let mut block = vec![0; lifeboat_sys::tape::header::TEXT_BYTES];
    let got = input.read(&mut block)?;
    block.truncate(got);
    let header = VolumeHeader::parse(&block).map_err(|error| OpenError::NotAVolume(error.to_string()))?;
    let rest = header.block_bytes as usize - block.len();
    let start = block.len();
    block.resize(start + rest, 0);
    if input.read(&mut block[start..])? < rest {
        return Err(OpenError::NotAVolume("it ends in its header".to_owned()));
    }
    Ok((header, block))
}

impl VolumeReader {
    pub(crate) fn open(
        mut input: Box<dyn Input>,
        identity: &Identity,
        sealer: &Sealer,
    ) -> Result<VolumeReader, OpenError> {
        let (header, block) = header(&mut *input)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&block);
        let mut start = vec![0; HEADER_BYTES];
        let got = input.read(&mut start)?;
        let mut chunks = Chunks::open(&start[..got], identity).map_err(|error| match error {
            AgeError::OtherKey => OpenError::OtherKey,
            AgeError::Damaged => OpenError::NotAVolume("the beginning of its encrypted part is damaged".to_owned()),
        })?;
        chunks.bind(&sealer.of_header(&header));
        hasher.update(&start);
        Ok(VolumeReader {
            input,
            header,
            chunks,
            number: 0,
            raw: vec![],
            raw_at: 0,
            position: (block.len() + HEADER_BYTES) as u64,
            looked: 0,
            zeros: 0,
            trailer: None,
            hasher: Some(hasher),
            payload: HEADER_BYTES as u64,
            plain: vec![],
            plain_at: 0,
            skip: 0,
            is_lost: false,
        })
    }

    /// Goes to a place in the plaintext; false when the input cannot.
    pub(crate) fn seek(&mut self, plain: u64) -> io::Result<bool> {
        let chunk = plain / CHUNK_BYTES as u64;
        let at = u64::from(self.header.block_bytes) + HEADER_BYTES as u64 + chunk * SEALED_BYTES as u64;
        if !self.input.seek(at)? {
            return Ok(false);
        }
        (self.number, self.skip) = (chunk, plain % CHUNK_BYTES as u64);
        (self.raw_at, self.plain_at) = (0, 0);
        (self.position, self.looked, self.zeros) = (at, at, 0);
        self.raw.clear();
        self.plain.clear();
        (self.trailer, self.hasher, self.is_lost) = (None, None, false);
        Ok(true)
    }

    /// What the volume ended with, once [`Item::End`] was returned.
    pub(crate) fn end(&self) -> Result<Trailer, String> {
        match &self.trailer {
            Some(Ok(trailer)) if !trailer.fits(&self.header) => Err("its trailer belongs to another volume".to_owned()),
            Some(Ok(trailer)) => {
                let is_whole = trailer.payload == self.payload
                    && self.hasher.as_ref().is_some_and(|hasher| *hasher.finalize().as_bytes() == trailer.blake3);
                match is_whole || self.hasher.is_none() {
                    true => Ok(trailer.clone()),
                    false => Err("its content does not match its trailer".to_owned()),
                }
            }
            Some(Err(TrailerError::Absent)) | None => Err("it was cut: it has no trailer".to_owned()),
            Some(Err(TrailerError::Damaged)) => Err("its trailer is damaged".to_owned()),
            Some(Err(TrailerError::Forged)) => Err("its trailer was not written with this key".to_owned()),
        }
    }

    /// The trailer, even of a volume whose content does not match.
    pub(crate) fn trailer(&self) -> Option<&Trailer> {
        self.trailer.as_ref().and_then(|trailer| trailer.as_ref().ok())
    }

    /// The next frame.
    pub(crate) fn next(&mut self, sealer: &Sealer) -> io::Result<Item> {
        loop {
            if self.is_lost {
                let found = frame::find(&self.plain[self.plain_at..], self.chunks.places());
                match found {
                    Some(count) => {
                        self.plain_at += count;
                        self.is_lost = false;
                    }
                    None => {
                        self.plain_at = self.plain_at.max(self.plain.len().saturating_sub(PLACE_BYTES - 1));
                        match self.more(sealer)? {
                            More::Chunk => continue,
                            More::Damaged(text) => return Ok(Item::Lost(text)),
                            More::End => return Ok(Item::End),
                        }
                    }
                }
            }
            let ready = &self.plain[self.plain_at..];
            let wanted = match frame::head(ready, self.chunks.places()) {
                Some(Head::Frame(place)) => PLACE_BYTES + place.compressed as usize,
                Some(Head::Padding(bytes)) => {
                    let bytes = SKIPPABLE_BYTES as u64 + u64::from(bytes);
                    let here = bytes.min(ready.len() as u64);
                    self.plain_at += here as usize;
                    self.skip = bytes - here;
                    continue;
                }
                None if ready.len() < PLACE_BYTES => PLACE_BYTES,
                None => {
                    self.is_lost = true;
                    return Ok(Item::Lost(self.lost("its frames are damaged")));
                }
            };
            if ready.len() >= wanted
                && let Some(Head::Frame(place)) = frame::head(ready, self.chunks.places())
            {
                let packed = ready[PLACE_BYTES..wanted].to_vec();
                self.plain_at += wanted;
                return Ok(Item::Frame(place, packed));
            }
            match self.more(sealer)? {
                More::Chunk => {}
                More::Damaged(text) => {
                    self.is_lost = true;
                    return Ok(Item::Lost(text));
                }
                More::End if self.plain.len() == self.plain_at => return Ok(Item::End),
                More::End => {
                    self.plain_at = self.plain.len();
                    return Ok(Item::Lost(self.lost("it ends in a frame")));
                }
            }
        }
    }

    fn lost(&self, what: &str) -> String {
        format!("volume {}: {what}", self.header.volume)
    }

    /// Decrypts the next chunk.
    fn more(&mut self, sealer: &Sealer) -> io::Result<More> {
        if self.plain_at > 0 {
            self.plain.drain(..self.plain_at);
            self.plain_at = 0;
        }
        // One byte more tells whether it is the last chunk.
        while self.trailer.is_none() && self.available() <= SEALED_BYTES {
            self.read(sealer)?;
        }
        let available = self.available();
        if available == 0 {
            return Ok(More::End);
        }
        let count = available.min(SEALED_BYTES);
        let is_last = count == available;
        let number = self.number;
        self.number += 1;
        let range = self.raw_at..self.raw_at + count;
        self.raw_at += count;
        // Decrypting overwrites them, and where the input ends without a trailer, some of them may be none of the payload.
        let is_cut = !matches!(self.trailer, None | Some(Ok(_)));
        let copy = if is_cut { self.raw[range.clone()].to_vec() } else { vec![] };
        let is_zero = self.raw[range.clone()].iter().all(|byte| *byte == 0);
        let opened = self.chunks.unseal(number, is_last, &mut self.raw[range.clone()]).map(|plain| plain.len());
        if let Some(length) = opened {
            self.zeros = 0;
            let skip = self.passed_over(length);
            self.plain.extend_from_slice(&self.raw[range.start + skip..range.start + length]);
            return Ok(More::Chunk);
        }
        self.zeros = if is_zero { self.zeros + 1 } else { 0 };
        let plain = if is_cut { self.cut_short(number, is_last, &copy) } else { None };
        match plain.or_else(|| self.in_a_copy(number, is_last, count)) {
            Some(plain) => {
                let skip = self.passed_over(plain.len());
                self.plain.extend_from_slice(&plain[skip..]);
                Ok(More::Chunk)
            }
            None if is_last && is_cut => Ok(More::End),
            None if self.zeros > ZEROS_MAX => {
                self.trailer = Some(Err(TrailerError::Absent));
                self.raw_at = self.raw.len();
                Ok(More::End)
            }
            None => {
                self.skip = self.skip.saturating_sub(CHUNK_BYTES as u64);
                self.plain.clear();
                let from = self.start_of(number);
                Ok(More::Damaged(self.lost(&format!("bytes {from} to {} are damaged", from + count as u64))))
            }
        }
    }

    /// How many of the decrypted bytes of a chunk are to be passed over.
    fn passed_over(&mut self, length: usize) -> usize {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(length);
        self.skip -= skip as u64;
        skip
    }

    /// Where a chunk begins in the input.
    fn start_of(&self, chunk: u64) -> u64 {
        u64::from(self.header.block_bytes) + HEADER_BYTES as u64 + chunk * SEALED_BYTES as u64
    }

    /// A chunk that is damaged here, from another copy of the volume.
    fn in_a_copy(&mut self, number: u64, is_last: bool, count: usize) -> Option<Vec<u8>> {
        let at = self.start_of(number);
        for copy in 0.. {
            let mut chunk = vec![0; count];
            if !self.input.other(copy, at, &mut chunk) {
                break;
            }
            if let Some(plain) = self.chunks.unseal(number, is_last, &mut chunk) {
                // The hash of the whole is that of what was read here; each chunk has a tag of its own.
                self.hasher = None;
                return Some(plain.to_vec());
            }
        }
        None
    }

    /// A chunk at the end of an input without a trailer. Where the volume was cut, the last one that is whole is not the last of the payload;
    /// where the trailer is damaged, the payload ends with a block, and what is behind it is not a part of it.
    fn cut_short(&mut self, number: u64, is_last: bool, chunk: &[u8]) -> Option<Vec<u8>> {
        let unseal = |last: bool, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            self.chunks.unseal(number, last, &mut bytes).map(|plain| plain.to_vec())
        };
        if is_last && let Some(plain) = unseal(false, chunk) {
            return Some(plain);
        }
        let (start, block) = (self.start_of(number), u64::from(self.header.block_bytes));
        let ends = (1..).map(|blocks| (start / block + blocks) * block - start);
        let ends = ends.take_while(|end| *end < chunk.len() as u64).filter(|end| *end > TAG_BYTES as u64);
        let plain = ends.into_iter().find_map(|end| unseal(true, &chunk[..end as usize]))?;
        self.trailer = Some(Err(TrailerError::Damaged));
        self.raw_at = self.raw.len();
        Some(plain)
    }

    /// Encrypted bytes of the payload that are ready: the last block may be the trailer.
    fn available(&self) -> usize {
        let ready = self.raw.len() - self.raw_at;
        match self.trailer {
            Some(_) => ready,
            None => ready.saturating_sub(self.header.block_bytes as usize),
        }
    }

    fn read(&mut self, sealer: &Sealer) -> io::Result<()> {
        self.raw.drain(..self.raw_at);
        self.raw_at = 0;
        let (block, start) = (self.header.block_bytes as usize, self.raw.len());
        let before = start.saturating_sub(block);
        self.raw.resize(start + READ_BYTES, 0);
        let got = self.input.read(&mut self.raw[start..])?;
        self.raw.truncate(start + got);
        self.position += got as u64;
        if let Some((at, trailer)) = self.end_in(sealer) {
            // What follows it is not a part of the volume: a copy may have been padded.
            self.raw.truncate(at);
            self.trailer = Some(Ok(trailer));
        } else if got < READ_BYTES {
            let split = self.raw.len().checked_sub(block);
            let trailer = split.map_or(Err(TrailerError::Absent), |at| Trailer::parse(&self.raw[at..], sealer));
            if let (Some(at), false) = (split, trailer == Err(TrailerError::Absent)) {
                self.raw.truncate(at);
            }
            // A trailer that was cut is no payload.
            let partial = (self.position % block as u64) as usize;
            let at = self.raw.len().saturating_sub(partial);
            self.trailer = Some(match trailer {
                Err(TrailerError::Absent) if Trailer::begins(&self.raw[at..]) => {
                    self.raw.truncate(at);
                    Err(TrailerError::Damaged)
                }
                other => other,
            });
        }
        let now = if self.trailer.is_some() { self.raw.len() } else { self.raw.len().saturating_sub(block) };
        let now = now.max(before);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.raw[before.min(now)..now]);
        }
        self.payload += (now - before.min(now)) as u64;
        Ok(())
    }
}

impl VolumeReader {
    /// The trailer among the blocks that were read and not looked at, and where it begins. It is authentic, so it is the end, wherever the
    /// input ends.
    fn end_in(&mut self, sealer: &Sealer) -> Option<(usize, Trailer)> {
        let block = u64::from(self.header.block_bytes);
        let start = self.position - self.raw.len() as u64;
        let mut at = self.looked.max(start).next_multiple_of(block);
        let mut found = None;
        while found.is_none() && at + block <= self.position {
            let here = (at - start) as usize;
            let bytes = &self.raw[here..here + block as usize];
            if Trailer::begins(bytes) {
                found = Trailer::parse(bytes, sealer).ok().map(|trailer| (here, trailer));
            }
            at += block;
        }
        self.looked = at;
        found
    }
}

/// What became of a chunk.
enum More {
    Chunk,
    Damaged(String),
    End,
}

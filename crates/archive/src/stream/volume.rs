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
        self.position = at;
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
        let is_cut = !matches!(self.trailer, None | Some(Ok(_)));
        let mut copy = if is_last && is_cut { self.raw[range.clone()].to_vec() } else { vec![] };
        let opened = match self.chunks.unseal(number, is_last, &mut self.raw[range]) {
            // Where the volume was cut there may be more.
            None if is_last && is_cut => self.chunks.unseal(number, false, &mut copy),
            opened => opened,
        };
        match opened {
            Some(plain) => {
                let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(plain.len());
                self.skip -= skip as u64;
                self.plain.extend_from_slice(&plain[skip..]);
                Ok(More::Chunk)
            }
            None if is_last && is_cut => Ok(More::End),
            None => {
                self.skip = self.skip.saturating_sub(CHUNK_BYTES as u64);
                self.plain.clear();
                let from = u64::from(self.header.block_bytes) + HEADER_BYTES as u64 + number * SEALED_BYTES as u64;
                Ok(More::Damaged(self.lost(&format!("bytes {from} to {} are damaged", from + count as u64))))
            }
        }
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
        if got < READ_BYTES {
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

/// What became of a chunk.
enum More {
    Chunk,
    Damaged(String),
    End,
}

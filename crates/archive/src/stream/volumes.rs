//! Writes volumes: header, encrypted frames in full blocks, trailer.

use super::age::{CHUNK_BYTES, Chunks, HEADER_BYTES, Recipient, TAG_BYTES, file_bytes};
use super::by_hand;
use super::frame::{self, PLACE_BYTES, Place, SKIPPABLE_BYTES};
use super::sink::Sink;
use super::trailer::{EndOfSet, Sealer, Trailer};
use lifeboat_sys::tape::VolumeHeader;
use std::io;

/// Blocks are handed over when so many bytes are ready.
const FLUSH_BYTES: usize = 1 << 20;

/// Where a frame was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The volume.
    pub(crate) volume: u32,
    /// Where its place begins in the plaintext of the payload.
    pub(crate) at: u64,
    /// Where it begins in the archive.
    pub(crate) offset: u64,
}

/// A volume that is being written.
struct Open {
    chunks: Chunks,
    /// The number of the chunk that is being filled.
    number: u64,
    chunk: Vec<u8>,
    /// Plaintext so far.
    plain: u64,
    /// Not yet handed over.
    ready: Vec<u8>,
    hasher: blake3::Hasher,
    payload: u64,
    /// The medium ends soon.
    full: bool,
}

/// Writes a set.
pub(crate) struct VolumeWriter {
    sink: Box<dyn Sink>,
    /// Of the first volume.
    header: VolumeHeader,
    recipient: Recipient,
    sealer: Sealer,
    number: u32,
    open: Option<Open>,
    /// What was handed over in all volumes.
    pub(crate) bytes: u64,
}

impl VolumeWriter {
    pub(crate) fn new(sink: Box<dyn Sink>, header: VolumeHeader, recipient: Recipient, sealer: Sealer) -> Self {
        VolumeWriter { sink, header, recipient, sealer, number: 0, open: None, bytes: 0 }
    }

    /// For messages.
    pub(crate) fn label(&self) -> std::path::PathBuf {
        self.sink.label()
    }

    fn block_bytes(&self) -> usize {
        self.header.block_bytes as usize
    }

    /// Writes a frame, into the next volume if it does not fit into this one.
    pub(crate) fn frame(&mut self, place: &Place, packed: &[u8]) -> io::Result<Written> {
        let bytes = (PLACE_BYTES + packed.len()) as u64;
        if let Some(open) = &self.open
            && (open.full || !self.fits(open.plain + bytes))
        {
            self.close(None)?;
        }
        if self.open.is_none() {
            self.begin()?;
            // The first disc of a set has the rescue system, and may have no room beside it: then its volume is empty.
            if self.number == 1 && !self.fits(bytes) {
                self.close(None)?;
                self.begin()?;
            }
            if !self.fits(bytes) {
                return Err(io::Error::other("a volume is too small for a single frame; try larger volumes"));
            }
        }
        let Some(open) = &self.open else { return Err(io::Error::other("no volume is open")) };
        let (at, place_bytes) = (open.plain, place.encode(open.chunks.places()));
        self.put(&place_bytes)?;
        self.put(packed)?;
        Ok(Written { volume: self.number, at, offset: place.offset })
    }

    /// A volume with so much plaintext fits, with padding, header and trailer.
    fn fits(&self, plain: u64) -> bool {
        let block = self.block_bytes() as u64;
        let most = file_bytes(plain + SKIPPABLE_BYTES as u64).next_multiple_of(block) + block;
        self.sink.capacity().is_none_or(|capacity| most + 2 * block <= capacity)
    }

    fn begin(&mut self) -> io::Result<()> {
        self.number += 1;
        self.sink.begin(self.number)?;
        let header = VolumeHeader { volume: self.number, ..self.header.clone() };
        let mut block = header.encode().map_err(|error| io::Error::other(error.to_string()))?;
        // Readers look at the header proper only; people also at the rest.
        let help = by_hand::TEXT.as_bytes();
        if let Some(place) = block.get_mut(by_hand::START..by_hand::START + help.len()) {
            place.copy_from_slice(help);
        }
        let (start, mut chunks) = Chunks::create(&self.recipient)?;
        chunks.bind(&self.sealer.of_header(&header));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&block);
        self.bytes += block.len() as u64;
        let full = self.sink.write(&block, self.block_bytes())?;
        self.sink.mark()?;
        self.open = Some(Open {
            chunks,
            number: 0,
            chunk: Vec::with_capacity(CHUNK_BYTES + TAG_BYTES),
            plain: 0,
            ready: start,
            hasher,
            payload: 0,
            full,
        });
        Ok(())
    }

    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Err(io::Error::other("no volume is open")) };
        open.plain += bytes.len() as u64;
        while !bytes.is_empty() {
            // Only when more follows it is clear that a chunk is not the last one.
            if open.chunk.len() == CHUNK_BYTES {
                open.seal(false)?;
            }
            let count = bytes.len().min(CHUNK_BYTES - open.chunk.len());
            open.chunk.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
        }
        if open.ready.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands whole blocks over.
    fn flush(&mut self) -> io::Result<()> {
        let block = self.block_bytes();
        let Some(open) = &mut self.open else { return Ok(()) };
        let whole = open.ready.len() - open.ready.len() % block;
        let blocks = &open.ready[..whole];
        open.hasher.update(blocks);
        open.payload += whole as u64;
        self.bytes += whole as u64;
        open.full |= self.sink.write(blocks, block)?;
        open.ready.drain(..whole);
        Ok(())
    }

    /// Pads and ends the volume.
    fn close(&mut self, end: Option<EndOfSet>) -> io::Result<()> {
        let Some(plain) = self.open.as_ref().map(|open| open.plain) else { return Ok(()) };
        let padded = padded(plain, self.block_bytes() as u64);
        if padded > plain {
            self.put(&frame::padding((padded - plain) as usize))?;
        }
        if let Some(open) = &mut self.open {
            open.seal(true)?;
        }
        self.flush()?;
        let Some(open) = self.open.take() else { return Ok(()) };
        self.sink.mark()?;
        let trailer = Trailer {
            set: self.header.set.clone(),
            volume: self.number,
            payload: open.payload,
            blake3: *open.hasher.finalize().as_bytes(),
            end,
        };
        let block = trailer.encode(self.block_bytes(), &self.sealer);
        self.bytes += block.len() as u64;
        self.sink.write(&block, self.block_bytes())?;
        self.sink.end(end.is_some())
    }

    /// Ends the set; returns the number of its volumes.
    pub(crate) fn finish(&mut self, end: EndOfSet) -> io::Result<u32> {
        self.close(Some(end))?;
        Ok(self.number)
    }
}

impl Open {
    fn seal(&mut self, last: bool) -> io::Result<()> {
        self.chunks.seal(self.number, last, &mut self.chunk)?;
        self.number += 1;
        self.ready.extend_from_slice(&self.chunk);
        self.chunk.clear();
        Ok(())
    }
}

/// The least plaintext from `plain` on with which the encrypted file fills whole blocks; either as much, or more by at least the
/// head of a skippable frame.
fn padded(plain: u64, block: u64) -> u64 {
    let sealed = (CHUNK_BYTES + TAG_BYTES) as u64;
    let mut target = file_bytes(plain).next_multiple_of(block);
    loop {
        let body = target - HEADER_BYTES as u64;
        let filled = body - TAG_BYTES as u64 * body.div_ceil(sealed);
        // Some lengths do not occur: a chunk has a byte before its tag.
        if file_bytes(filled) == target && (filled == plain || filled >= plain + SKIPPABLE_BYTES as u64) {
            return filled;
        }
        target += block;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_fills_whole_blocks() {
        let near = |centre: u64| centre.saturating_sub(40).max(1)..centre + 40;
        for block in [4096, 65536, 65536 + 512, 1 << 20] {
            let places = [1, 3912, 65536, 131_072, 65_552 * 16, block, block * 3].into_iter().flat_map(near);
            for plain in places {
                let filled = padded(plain, block);
                assert!(file_bytes(filled).is_multiple_of(block), "{plain} {block}");
                assert!(filled == plain || filled - plain >= 8, "{plain} {block}");
                assert!(file_bytes(filled) - file_bytes(plain) <= 2 * block, "{plain} {block}");
            }
        }
    }
}

//! The last block of a volume: text that `dd` shows; parsed and written here, without any I/O.
//!
//! ```text
//! LIFEBOAT TRAILER 1
//! set 0f1e2d3c4b5a69788796a5b4c3d2e1f0
//! volume 1
//! payload 681574400
//! blake3 64 hex digits: of the volume's header and payload
//! end yes
//! catalogue 1 52428800
//! entries 12345
//! bytes 67890
//! seal 64 hex digits: keyed BLAKE3 of the lines above
//! ```
//!
//! Zeros fill the block. `end no` says that another volume follows; a set without a volume that says `end yes` was cut.

use crate::Secret;
use lifeboat_sys::tape::VolumeHeader;
use std::str::FromStr;

/// What it begins with.
const MAGIC: &str = "LIFEBOAT TRAILER 1\n";
/// The text is in the first bytes of the block; the rest are zeros.
const TEXT_BYTES: usize = 512;
/// Binds the seal to its purpose.
const CONTEXT: &str = "lifeboat 2026 stream trailer";

/// What a volume holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// As in the header: 32 lower-case hex digits.
    pub set: String,
    /// Number of the volume; the first is 1.
    pub volume: u32,
    /// Bytes between header and trailer; a multiple of the size of blocks.
    pub payload: u64,
    /// BLAKE3 of header and payload.
    pub blake3: [u8; 32],
    /// What the end of the set says; `None` when another volume follows.
    pub end: Option<EndOfSet>,
}

/// What only the last volume of a set says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndOfSet {
    /// The volume in which the catalogue begins.
    pub catalogue_volume: u32,
    /// Where in the plaintext of that volume's payload.
    pub catalogue_offset: u64,
    /// Entries in the set, with the root directory.
    pub entries: u64,
    /// Sum of the sizes of regular files.
    pub bytes: u64,
}

/// What seals trailers of a key.
pub(crate) struct Sealer([u8; 32]);

impl Sealer {
    pub(crate) fn of(secret: &Secret) -> Sealer {
        Sealer(blake3::derive_key(CONTEXT, secret.expose().as_bytes()))
    }

    /// The seal of a header: what its lines say, whatever else is in its block.
    pub(crate) fn of_header(&self, header: &VolumeHeader) -> [u8; 32] {
        let text =
            format!("{}\n{}\n{}\n{}\n{}", header.set, header.volume, header.machine, header.time, header.block_bytes);
        *blake3::keyed_hash(&self.0, text.as_bytes()).as_bytes()
    }

    fn seal(&self, text: &str) -> String {
        blake3::keyed_hash(&self.0, text.as_bytes()).to_hex().to_string()
    }
}

/// Why a block is not a trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrailerError {
    /// It does not begin as one.
    Absent,
    /// It begins as one.
    Damaged,
    /// The holder of another key wrote it, or it was changed.
    Forged,
}

impl Trailer {
    /// The whole block.
    pub(crate) fn encode(&self, block_bytes: usize, sealer: &Sealer) -> Vec<u8> {
        let text = self.text();
        let mut block = format!("{text}seal {}\n", sealer.seal(&text)).into_bytes();
        block.resize(block_bytes, 0);
        block
    }

    fn text(&self) -> String {
        let end = self.end.unwrap_or_default();
        format!(
            "{MAGIC}set {}\nvolume {}\npayload {}\nblake3 {}\nend {}\ncatalogue {} {}\nentries {}\nbytes {}\n",
            self.set,
            self.volume,
            self.payload,
            blake3::Hash::from_bytes(self.blake3),
            if self.end.is_some() { "yes" } else { "no" },
            end.catalogue_volume,
            end.catalogue_offset,
            end.entries,
            end.bytes
        )
    }

    /// Reads a block. Any bytes may be given.
    pub(crate) fn parse(block: &[u8], sealer: &Sealer) -> Result<Trailer, TrailerError> {
        let (trailer, text, seal) = Trailer::read(block)?;
        // blake3::Hash compares in constant time.
        let expected = blake3::keyed_hash(&sealer.0, text.as_bytes());
        match blake3::Hash::from_hex(seal) {
            Ok(seal) if seal == expected => Ok(trailer),
            _ => Err(TrailerError::Forged),
        }
    }

    /// The same without a look at the seal: the trailer, what is sealed, and the seal.
    pub(crate) fn read(block: &[u8]) -> Result<(Trailer, &str, &str), TrailerError> {
        use TrailerError::{Absent, Damaged};
        if !block.starts_with(MAGIC.as_bytes()) {
            return Err(Absent);
        }
        let field = block.get(..TEXT_BYTES).ok_or(Damaged)?;
        let length = field.iter().position(|byte| *byte == 0).unwrap_or(TEXT_BYTES);
        let text = std::str::from_utf8(&field[..length]).map_err(|_| Damaged)?;
        let (signed, seal) = text.rsplit_once("seal ").ok_or(Damaged)?;
        let seal = seal.strip_suffix('\n').ok_or(Damaged)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if seal.len() != 64 || !seal.bytes().all(is_hex) {
            return Err(Damaged);
        }
        let mut lines = signed.lines().skip(1);
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ');
        let mut fields = || {
            let (set, volume, payload) =
                (value("set")?.to_owned(), number(value("volume")?)?, number(value("payload")?)?);
            let blake3 = *blake3::Hash::from_hex(value("blake3")?).ok()?.as_bytes();
            let is_end = value("end")? == "yes";
            let (catalogue_volume, catalogue_offset) = value("catalogue")?.split_once(' ')?;
            let end = EndOfSet {
                catalogue_volume: number(catalogue_volume)?,
                catalogue_offset: number(catalogue_offset)?,
                entries: number(value("entries")?)?,
                bytes: number(value("bytes")?)?,
            };
            Some(Trailer { set, volume, payload, blake3, end: is_end.then_some(end) })
        };
        let trailer = fields().ok_or(Damaged)?;
        // One spelling for each trailer.
        if trailer.text() != signed || block[length..].iter().any(|byte| *byte != 0) {
            return Err(Damaged);
        }
        Ok((trailer, signed, seal))
    }

    /// Bytes are the beginning of a trailer, perhaps cut.
    pub(crate) fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC.as_bytes())
    }

    /// It belongs to the volume with this header.
    pub(crate) fn fits(&self, header: &VolumeHeader) -> bool {
        self.set == header.set && self.volume == header.volume
    }
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn trailer() -> Trailer {
        Trailer {
            set: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            volume: 3,
            payload: 681_574_400,
            blake3: [7; 32],
            end: Some(EndOfSet { catalogue_volume: 3, catalogue_offset: 5, entries: 12, bytes: u64::MAX }),
        }
    }

    fn sealer(byte: u8) -> Sealer {
        Sealer::of(&Secret::from_bytes(&[byte; 32]))
    }

    #[test]
    fn it_comes_back_and_only_with_its_key() {
        for trailer in [trailer(), Trailer { end: None, ..trailer() }] {
            let block = trailer.encode(4096, &sealer(1));
            assert_eq!(block.len(), 4096);
            assert_eq!(Trailer::parse(&block, &sealer(1)), Ok(trailer.clone()));
            assert_eq!(Trailer::parse(&block, &sealer(2)), Err(TrailerError::Forged));
        }
        assert_eq!(Trailer::parse(b"LIFEBOAT", &sealer(1)), Err(TrailerError::Absent));
        assert_eq!(Trailer::parse(MAGIC.as_bytes(), &sealer(1)), Err(TrailerError::Damaged));
    }

    #[test]
    fn no_changed_byte_is_accepted() {
        let block = trailer().encode(4096, &sealer(1));
        for position in 0..block.len() {
            let mut damaged = block.clone();
            damaged[position] ^= 0x20;
            assert!(Trailer::parse(&damaged, &sealer(1)).is_err(), "{position}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            let mut block = MAGIC.as_bytes().to_vec();
            let _ = Trailer::parse(&bytes, &sealer(1));
            block.extend_from_slice(&bytes);
            let _ = Trailer::parse(&block, &sealer(1));
        }
    }
}

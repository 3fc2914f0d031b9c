//! Frames: pieces of the tar archive, each compressed by itself. A skippable frame before each one says where in the archive it
//! belongs, so that a reader finds its way again behind damage; another kind pads the end of a volume. Stock zstd passes over both
//! (RFC 8878, 3.1.2).

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// Bytes of tar in a frame; fewer only before the catalogue and at the end.
pub(crate) const FRAME_BYTES: usize = 4 << 20;
/// The most that a frame may have compressed: what zstd makes of random bytes is less.
const COMPRESSED_MAX: usize = FRAME_BYTES + (64 << 10);
/// Magic numbers of the frames that say where the next one belongs, and of those that pad.
const PLACE_MAGIC: [u8; 4] = 0x184d_2a51_u32.to_le_bytes();
const PADDING_MAGIC: [u8; 4] = 0x184d_2a50_u32.to_le_bytes();
/// A frame of either kind begins with magic and length.
pub(crate) const SKIPPABLE_BYTES: usize = 8;
const MARK: &[u8; 4] = b"LBF1";
/// Of [`Place::encode`].
pub(crate) const PLACE_BYTES: usize = CHECKED_BYTES + CHECK_BYTES;
/// What the check of a place is of, and its own length.
const CHECKED_BYTES: usize = SKIPPABLE_BYTES + 4 + 8 + 4 + 4 + 4;
const CHECK_BYTES: usize = 16;
/// In a frame in which no member begins.
const NO_MEMBER: u32 = u32::MAX;

/// What places are made and known with: who has a file in the archive does not have it, so nothing in that file is taken for a place.
pub(crate) type PlaceKey = [u8; 32];

/// What comes before a compressed frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where it begins in the archive.
    pub(crate) offset: u64,
    /// Its bytes in the archive.
    pub(crate) length: u32,
    /// The same, compressed.
    pub(crate) compressed: u32,
    /// Where the first member begins in it.
    pub(crate) member: Option<u32>,
}

/// What begins in the plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A frame: its place, and then its bytes.
    Frame(Place),
    /// So many bytes to pass over behind the head.
    Padding(u32),
}

impl Place {
    pub(crate) fn encode(&self, key: &PlaceKey) -> [u8; PLACE_BYTES] {
        let mut out = [0; PLACE_BYTES];
        out[..4].copy_from_slice(&PLACE_MAGIC);
        out[4..8].copy_from_slice(&((PLACE_BYTES - SKIPPABLE_BYTES) as u32).to_le_bytes());
        out[8..12].copy_from_slice(MARK);
        out[12..20].copy_from_slice(&self.offset.to_le_bytes());
        out[20..24].copy_from_slice(&self.length.to_le_bytes());
        out[24..28].copy_from_slice(&self.compressed.to_le_bytes());
        out[28..32].copy_from_slice(&self.member.unwrap_or(NO_MEMBER).to_le_bytes());
        let check = check(key, &out[..CHECKED_BYTES]);
        out[CHECKED_BYTES..].copy_from_slice(&check);
        out
    }
}

fn check(key: &PlaceKey, bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = blake3::keyed_hash(key, bytes);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hash.as_bytes()[..CHECK_BYTES]);
    check
}

/// Reads what begins in the first [`PLACE_BYTES`] of the plaintext; of padding fewer are needed. `None` for anything else.
pub(crate) fn head(bytes: &[u8], key: &PlaceKey) -> Option<Head> {
    let number = |at: usize| -> Option<u32> { Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) };
    if bytes.starts_with(&PADDING_MAGIC) {
        return number(4).map(Head::Padding);
    }
    let all = bytes.get(..PLACE_BYTES)?;
    let place = Place {
        offset: u64::from_le_bytes(all[12..20].try_into().ok()?),
        length: number(20)?,
        compressed: number(24)?,
        member: Some(number(28)?).filter(|member| *member != NO_MEMBER),
    };
    let fits = place.length > 0
        && place.length as usize <= FRAME_BYTES
        && place.compressed as usize <= COMPRESSED_MAX
        && place.member.is_none_or(|member| member < place.length && member % 512 == 0)
        && place.offset.is_multiple_of(512)
        && place.offset < u64::MAX / 2;
    (fits && place.encode(key) == all).then_some(Head::Frame(place))
}

/// Where the next frame begins behind damage: the number of bytes before it.
pub(crate) fn find(bytes: &[u8], key: &PlaceKey) -> Option<usize> {
    (0..bytes.len().saturating_sub(PLACE_BYTES - 1))
        .find(|at| bytes[*at..].starts_with(&PLACE_MAGIC) && head(&bytes[*at..], key).is_some())
}

/// The head of padding that has `total` bytes with it, at least [`SKIPPABLE_BYTES`].
pub(crate) fn padding(total: usize) -> Vec<u8> {
    let mut out = PADDING_MAGIC.to_vec();
    out.extend_from_slice(&((total - SKIPPABLE_BYTES) as u32).to_le_bytes());
    out.resize(total, 0);
    out
}

/// Compresses frames.
pub(crate) struct Packer(Compressor<'static>);

impl Packer {
    pub(crate) fn new(level: i32) -> std::io::Result<Packer> {
        let mut compressor = Compressor::new(level)?;
        // The length is in the place already, but `zstd -l` and other tools show it from here.
        compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        Ok(Packer(compressor))
    }

    /// The compressed frame.
    pub(crate) fn pack(&mut self, tar: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(zstd::zstd_safe::compress_bound(tar.len()));
        self.0.compress_to_buffer(tar, &mut out)?;
        Ok(out)
    }
}

/// Uncompresses frames.
pub(crate) struct Unpacker(Decompressor<'static>);

impl Unpacker {
    pub(crate) fn new() -> std::io::Result<Unpacker> {
        Ok(Unpacker(Decompressor::new()?))
    }

    /// The tar bytes of a frame; an error when it is not what its place says.
    pub(crate) fn unpack(&mut self, frame: &[u8], place: &Place) -> Result<Vec<u8>, String> {
        let unpacked = self.0.decompress(frame, place.length as usize).map_err(|error| error.to_string())?;
        if unpacked.len() != place.length as usize {
            return Err(format!("it has {} bytes instead of {}", unpacked.len(), place.length));
        }
        Ok(unpacked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: PlaceKey = [7; 32];

    #[test]
    fn a_frame_comes_back_and_is_found_behind_rubbish() {
        let tar: Vec<u8> = (0..FRAME_BYTES).map(|at| (at / 7) as u8).collect();
        let packed = Packer::new(3).unwrap().pack(&tar).unwrap();
        let compressed = packed.len() as u32;
        let place = Place { offset: 1 << 40, length: tar.len() as u32, compressed, member: Some(512) };
        assert_eq!(head(&place.encode(&KEY), &KEY), Some(Head::Frame(place)));
        assert_eq!(Unpacker::new().unwrap().unpack(&packed, &place).unwrap(), tar);
        let mut stream = vec![0x51; 77];
        stream.extend(place.encode(&KEY));
        stream.extend(&packed);
        assert_eq!(find(&stream, &KEY), Some(77));
        assert_eq!(find(&stream[78..], &KEY), None);
        // Whoever does not have the key makes no place.
        assert_eq!((find(&stream, &[8; 32]), head(&stream[77..], &[8; 32])), (None, None));
        let wrong = Place { length: place.length - 512, ..place };
        assert!(Unpacker::new().unwrap().unpack(&packed, &wrong).is_err());
    }

    #[test]
    fn random_bytes_fit() {
        let mut tar = vec![0; FRAME_BYTES];
        getrandom::fill(&mut tar).unwrap();
        assert!(Packer::new(3).unwrap().pack(&tar).unwrap().len() < COMPRESSED_MAX);
    }

    #[test]
    fn zstd_passes_over_padding() {
        for total in [SKIPPABLE_BYTES, 9, 70_000] {
            assert_eq!(padding(total).len(), total);
            assert_eq!(head(&padding(total), &KEY), Some(Head::Padding((total - SKIPPABLE_BYTES) as u32)));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut after = PLACE_MAGIC.to_vec();
            let _ = (head(&bytes, &KEY), find(&bytes, &KEY));
            after.extend(&bytes);
            let _ = (head(&after, &KEY), find(&after, &KEY));
        }
    }
}

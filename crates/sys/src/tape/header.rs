//! The header of a stream volume: text that `dd` shows, in the first block; parsed and written here, without any I/O.
//!
//! ```text
//! LIFEBOAT STREAM 1
//! set 0f1e2d3c4b5a69788796a5b4c3d2e1f0
//! volume 1
//! machine web1
//! time 2026-11-24T03:12:45Z
//! block 65536
//! check dc37eacc2b66814f
//! ```
//!
//! Zeros fill the block. It is in this crate because the writer of volumes (`archive`) and the search for them at boot
//! (`init`) share only this crate.

use std::fmt;
use std::ops::RangeInclusive;

/// What every version begins with; the number of the version follows.
pub const MAGIC: &str = "LIFEBOAT STREAM ";
/// The version that is written, and the only one that is understood.
pub const VERSION: u32 = 1;
/// The text is in the first bytes of the block; what follows is ignored.
pub const TEXT_BYTES: usize = 512;
/// Sizes of a block that a volume may have, multiples of 512. The upper end is what drives and host adapters take in one
/// command.
pub const BLOCK_BYTES: RangeInclusive<u32> = 4096..=1 << 20;
/// The longest name of a machine, in bytes.
pub const NAME_BYTES: usize = 255;

/// Says what a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeHeader {
    /// Names the set of volumes that belong together: 32 lower-case hex digits.
    pub set: String,
    /// Number in the set; the first is 1.
    pub volume: u32,
    /// Name of the machine whose archive it is; no control characters.
    pub machine: String,
    /// When the set was started: RFC 3339 in UTC, to the second.
    pub time: String,
    /// Size of every block of the volume, including the header's own ([`BLOCK_BYTES`]).
    pub block_bytes: u32,
}

/// Why something is not a header, or cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It does not begin as one.
    #[error("it does not begin with '{}'", MAGIC.trim_end())]
    Absent,
    /// Of a later release.
    #[error("its header has version {0}, and this release supports {VERSION}; try the release that wrote it")]
    Newer(u32),
    /// It begins as one.
    #[error("its header is damaged: {0}")]
    Damaged(&'static str),
    /// A field that cannot be written.
    #[error("cannot WRITE a volume header: {0}")]
    Field(&'static str),
}

impl VolumeHeader {
    /// Reads the header at the beginning of a volume's first block. Any bytes may be given; fewer than [`TEXT_BYTES`] are not a
    /// header.
    ///
    /// # Errors
    /// [`HeaderError`], but not `Field`.
    pub fn parse(block: &[u8]) -> Result<VolumeHeader, HeaderError> {
        let rest = block.strip_prefix(MAGIC.as_bytes()).ok_or(HeaderError::Absent)?;
        let end = rest.iter().take(11).position(|byte| *byte == b'\n');
        let digits = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(VERSION) => {}
            Some(later) if later > VERSION => return Err(HeaderError::Newer(later)),
            _ => return Err(HeaderError::Damaged("it has no version")),
        }
        let field = block.get(..TEXT_BYTES).ok_or(HeaderError::Damaged("it is cut off"))?;
        let length = field.iter().position(|byte| *byte == 0).unwrap_or(TEXT_BYTES);
        let text = std::str::from_utf8(&field[..length]).map_err(|_| HeaderError::Damaged("it is not text"))?;
        let mut lines = text.lines().skip(1);
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
        let mut fields = || {
            Some(VolumeHeader {
                set: value("set")?,
                volume: value("volume")?.parse().ok()?,
                machine: value("machine")?,
                time: value("time")?,
                block_bytes: value("block")?.parse().ok()?,
            })
        };
        let header = fields().ok_or(HeaderError::Damaged("a line is missing"))?;
        header.check().map_err(HeaderError::Damaged)?;
        // One spelling for each header; this compares the check line, too.
        if header.text() != text || field[length..].iter().any(|byte| *byte != 0) {
            return Err(HeaderError::Damaged("its check line does not match"));
        }
        Ok(header)
    }

    /// The whole block, `block_bytes` long.
    ///
    /// # Errors
    /// [`HeaderError::Field`] for a value that the format does not have.
    pub fn encode(&self) -> Result<Vec<u8>, HeaderError> {
        self.check().map_err(HeaderError::Field)?;
        let mut block = self.text().into_bytes();
        block.resize(self.block_bytes as usize, 0);
        Ok(block)
    }

    fn check(&self) -> Result<(), &'static str> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.set.len() != 32 || !self.set.bytes().all(hex) {
            return Err("the set is not 32 lower-case hex digits");
        }
        if self.volume == 0 {
            return Err("the first volume has number 1");
        }
        if self.machine.is_empty() || self.machine.len() > NAME_BYTES || self.machine.chars().any(char::is_control) {
            return Err("the machine's name is empty, too long or has control characters");
        }
        // 2026-11-24T03:12:45Z
        let shape = b"dddd-dd-ddTdd:dd:ddZ";
        let fits = |(have, want): (u8, &u8)| if *want == b'd' { have.is_ascii_digit() } else { have == *want };
        if self.time.len() != shape.len() || !self.time.bytes().zip(shape).all(fits) {
            return Err("the time is not of the form 2026-11-24T03:12:45Z");
        }
        if !BLOCK_BYTES.contains(&self.block_bytes) || !self.block_bytes.is_multiple_of(512) {
            return Err("the size of blocks is not a multiple of 512 from 4096 to 1048576");
        }
        Ok(())
    }

    /// At most 402 bytes: the longest name is 255.
    fn text(&self) -> String {
        let VolumeHeader { set, volume, machine, time, block_bytes } = self;
        let text = format!(
            "{MAGIC}{VERSION}\nset {set}\nvolume {volume}\nmachine {machine}\ntime {time}\nblock {block_bytes}\n"
        );
        let check = checksum(text.as_bytes());
        format!("{text}check {check:016x}\n")
    }
}

impl fmt::Display for VolumeHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "volume {} of set {} of machine {}, {}", self.volume, &self.set, self.machine, self.time)
    }
}

/// FNV-1a, 64 bits: against damage, not against tampering.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn header() -> VolumeHeader {
        VolumeHeader {
            set: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            volume: 1,
            machine: "web1".into(),
            time: "2026-11-24T03:12:45Z".into(),
            block_bytes: 65536,
        }
    }

    #[test]
    fn a_header_is_one_block_of_text_and_comes_back() {
        let block = header().encode().unwrap();
        assert_eq!(block.len(), 65536);
        let text = "LIFEBOAT STREAM 1\nset 0f1e2d3c4b5a69788796a5b4c3d2e1f0\nvolume 1\nmachine web1\n\
                    time 2026-11-24T03:12:45Z\nblock 65536\ncheck ";
        assert!(block.starts_with(format!("{text}dc37eacc2b66814f\n\0").as_bytes()));
        assert_eq!(VolumeHeader::parse(&block), Ok(header()));
        // The rest of the block is not needed, and is ignored.
        assert_eq!(VolumeHeader::parse(&block[..TEXT_BYTES]), Ok(header()));
        let longest = VolumeHeader { machine: "ü".repeat(127), volume: u32::MAX, block_bytes: 1 << 20, ..header() };
        assert!(longest.text().len() < TEXT_BYTES);
        assert_eq!(VolumeHeader::parse(&longest.encode().unwrap()), Ok(longest));
    }

    #[test]
    fn every_flipped_bit_of_the_text_is_seen() {
        let block = header().encode().unwrap();
        for position in 0..TEXT_BYTES {
            for bit in 0..8 {
                let mut damaged = block[..TEXT_BYTES].to_vec();
                damaged[position] ^= 1 << bit;
                VolumeHeader::parse(&damaged).unwrap_err();
            }
        }
    }

    #[test]
    fn what_is_no_header_gives_the_reason() {
        let block = header().encode().unwrap();
        let with = |from: &str, to: &str| String::from_utf8(block.clone()).unwrap().replace(from, to).into_bytes();
        for (bytes, expected) in [
            (vec![], HeaderError::Absent),
            (vec![0; TEXT_BYTES], HeaderError::Absent),
            (block[..TEXT_BYTES - 1].to_vec(), HeaderError::Damaged("it is cut off")),
            (with("STREAM 1", "STREAM 2"), HeaderError::Newer(2)),
            (with("STREAM 1", "STREAM 0"), HeaderError::Damaged("it has no version")),
            (with("STREAM 1\n", "STREAM 99999999999\n"), HeaderError::Damaged("it has no version")),
            (with("volume", "volums"), HeaderError::Damaged("a line is missing")),
            (with("volume 1", "volume 01"), HeaderError::Damaged("its check line does not match")),
            (with("web1", "web2"), HeaderError::Damaged("its check line does not match")),
            (with("volume 1", "volume 0"), HeaderError::Damaged("the first volume has number 1")),
        ] {
            assert_eq!(VolumeHeader::parse(&bytes), Err(expected));
        }
    }

    #[test]
    fn what_the_format_has_no_place_for_is_not_written() {
        let wrong = [
            VolumeHeader { set: "0F1E2D3C4B5A69788796A5B4C3D2E1F0".into(), ..header() },
            VolumeHeader { set: "0f".into(), ..header() },
            VolumeHeader { volume: 0, ..header() },
            VolumeHeader { machine: String::new(), ..header() },
            VolumeHeader { machine: "a\nvolume 2".into(), ..header() },
            VolumeHeader { machine: "x".repeat(256), ..header() },
            VolumeHeader { time: "yesterday".into(), ..header() },
            VolumeHeader { block_bytes: 512, ..header() },
            VolumeHeader { block_bytes: 4097, ..header() },
            VolumeHeader { block_bytes: 2 << 20, ..header() },
        ];
        for header in wrong {
            assert!(matches!(header.encode(), Err(HeaderError::Field(_))), "{header:?}");
        }
    }

    #[test]
    fn any_bytes_are_read() {
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..1024), text in "LIFEBOAT STREAM 1\\PC{0,200}")| {
            let _ = VolumeHeader::parse(&bytes);
            let mut block = text.into_bytes();
            block.resize(block.len().max(TEXT_BYTES), 0);
            if let Ok(header) = VolumeHeader::parse(&block) {
                prop_assert_eq!(&header.encode().unwrap()[..TEXT_BYTES], &block[..TEXT_BYTES]);
            }
        });
    }
}

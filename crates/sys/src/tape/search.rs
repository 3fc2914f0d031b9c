//! Finds the header of a stream volume on a tape.
//!
//! On a tape of its own it is the first block. On an OBDR tape it comes after the 20 blocks of 512 bytes and the ISO, and a
//! filemark or several: drives differ in how many there are (some cannot seek over the one that the kernel writes between head and ISO).
//! So the first block behind each filemark is read until one is a header.

use super::drive::{Block, Tape};
use super::header::{BLOCK_BYTES, HeaderError, VolumeHeader};
use std::io;

/// How many files of a tape are examined: head, ISO, stream, and empty ones between them.
pub const FILES: u32 = 8;
/// Blocks of an OBDR tape before the ISO.
const OBDR_BLOCK_BYTES: usize = 512;
/// Sizes of the buffer: what a block usually is, then the largest that a header's can be; the last for drives and host
/// adapters that take no more.
const BUFFERS: [usize; 3] = [256 << 10, *BLOCK_BYTES.end() as usize, 64 << 10];

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Behind filemarks only when the tape begins like an OBDR tape: a boot must not read through somebody's library.
    Near,
    /// Behind filemarks whatever the tape begins with, for a tape that was named explicitly.
    Far,
}

/// Where a header is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Filemarks before it.
    pub file: u32,
    /// The header.
    pub header: VolumeHeader,
}

/// What was found instead of a header; [`super::TapeError`] adds the device.
#[derive(Debug)]
pub enum Miss {
    /// The tape begins with this.
    Foreign(&'static str),
    /// A header, but not one to be used.
    Header(HeaderError),
    /// The drive or the tape failed.
    Io(io::Error),
    /// The first block cannot be read, though something may be recorded there.
    Unreadable(io::Error),
    /// Nothing is recorded on the tape, as the drive reports it.
    Blank,
}

enum Head {
    /// The first block of a file.
    Data(Vec<u8>),
    /// A block that cannot be a header.
    Huge,
    Filemark,
    EndOfData,
}

/// Looks for a header from the beginning of the tape, where it must be. `awaits` reports what takes time.
///
/// # Errors
/// [`Miss`].
pub fn search(tape: &mut dyn Tape, reach: Reach, awaits: &dyn Fn(String)) -> Result<Located, Miss> {
    let mut begins_with = None;
    let mut file = 0;
    while file < FILES {
        let (what, go_on) = match head(tape) {
            Err(error) if file == 0 => {
                return Err(if tape.is_blank() { Miss::Blank } else { Miss::Unreadable(error) });
            }
            Err(error) => return Err(Miss::Io(error)),
            Ok(Head::EndOfData) if file == 0 => return Err(Miss::Blank),
            Ok(Head::EndOfData) => break,
            // It was passed already.
            Ok(Head::Filemark) => {
                begins_with.get_or_insert("a filemark");
                file += 1;
                continue;
            }
            Ok(Head::Huge) => ("blocks too large for a header", false),
            Ok(Head::Data(block)) => match VolumeHeader::parse(&block) {
                Ok(header) if header.block_bytes as usize == block.len() => return Ok(Located { file, header }),
                Ok(_) => {
                    return Err(Miss::Header(HeaderError::Damaged("the size of its block differs from its header")));
                }
                Err(HeaderError::Absent) => (describe(&block), block.len() == OBDR_BLOCK_BYTES),
                Err(other) => return Err(Miss::Header(other)),
            },
        };
        begins_with.get_or_insert(what);
        if file == 0 && reach == Reach::Near && !go_on {
            break;
        }
        awaits(format!("filemark {} of the tape", file + 1));
        match tape.space_files(1) {
            Ok(()) => file += 1,
            // There are no more.
            Err(error) if error.raw_os_error() == Some(libc::EIO) => break,
            Err(error) => return Err(Miss::Io(error)),
        }
    }
    Err(Miss::Foreign(begins_with.unwrap_or("nothing")))
}

fn head(tape: &mut dyn Tape) -> io::Result<Head> {
    let mut refused = None;
    let mut too_large = false;
    for size in BUFFERS {
        if too_large && size < BUFFERS[1] {
            break;
        }
        let mut buffer = vec![0; size];
        match tape.read_block(&mut buffer) {
            Ok(Block::Data(count)) => {
                buffer.truncate(count);
                return Ok(Head::Data(buffer));
            }
            Ok(Block::Filemark) => return Ok(Head::Filemark),
            Ok(Block::EndOfData) => return Ok(Head::EndOfData),
            Ok(Block::TooLarge) => {
                too_large = true;
                tape.back_blocks(1)?;
            }
            // The drive's or the host adapter's limit; nothing moved.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOVERFLOW)) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    match refused {
        Some(error) if !too_large => Err(error),
        _ => Ok(Head::Huge),
    }
}

/// What a block that is not a header belongs to, for people.
fn describe(block: &[u8]) -> &'static str {
    let at = |offset: usize, magic: &[u8]| block.get(offset..offset + magic.len()) == Some(magic);
    if at(257, b"ustar") {
        "a tar archive"
    } else if at(0, b"07070") {
        "a cpio archive"
    } else if at(0, b"VOL1") {
        "an ANSI label, as LTFS and backup programs write it"
    } else if at(0, b"REAR-") {
        "a label of Relax-and-Recover"
    } else if at(0, b"LIFEBOAT") {
        "a block of a Lifeboat volume that is not a header"
    } else if at(24, &0x0000_ea6c_u32.to_le_bytes()) || at(24, &0x0000_ea6b_u32.to_le_bytes()) {
        "a dump of a filesystem"
    } else if block.iter().all(|byte| *byte == 0) {
        "zeros"
    } else {
        "other data"
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::super::testing::FakeTape;
    use super::*;
    use std::cell::RefCell;

    fn find(mut tape: FakeTape, reach: Reach) -> (Result<Located, Miss>, usize) {
        let steps = RefCell::new(0);
        let found = search(&mut tape, reach, &|_| *steps.borrow_mut() += 1);
        (found, steps.into_inner())
    }

    fn volume(block_bytes: u32) -> Option<Vec<u8>> {
        Some(VolumeHeader { block_bytes, ..header() }.encode().unwrap())
    }

    /// The parts of an OBDR tape, with `marks` filemarks after the head and after the ISO.
    fn obdr(marks: [usize; 2]) -> Vec<Option<Vec<u8>>> {
        let mut records = vec![Some(vec![0; 512]); 20];
        records.extend(vec![None; marks[0]]);
        records.extend(vec![Some(vec![7; 2048]); 30]);
        records.extend(vec![None; marks[1]]);
        records.push(volume(65536));
        records
    }

    fn tar() -> Vec<Option<Vec<u8>>> {
        let mut block = vec![b'x'; 10240];
        block[257..262].copy_from_slice(b"ustar");
        vec![Some(block), None]
    }

    #[test]
    fn the_first_block_of_a_tape_of_any_block_size() {
        for size in [4096, 65536, 256 << 10, 512 << 10, 1 << 20] {
            let (found, steps) = find(FakeTape::new(vec![volume(size), None]), Reach::Near);
            let found = found.unwrap();
            assert_eq!((found.file, found.header.block_bytes, steps), (0, size, 0));
        }
    }

    #[test]
    fn behind_the_iso_however_many_filemarks_there_are() {
        for (marks, file) in [([0, 1], 1), ([1, 1], 2), ([1, 2], 3), ([2, 2], 4)] {
            let (found, _) = find(FakeTape::new(obdr(marks)), Reach::Near);
            assert_eq!(found.unwrap().file, file, "{marks:?}");
        }
    }

    #[test]
    fn foreign_tapes_are_left_at_once_unless_somebody_named_them() {
        let mut behind = tar();
        behind.push(volume(65536));
        let (found, steps) = find(FakeTape::new(behind.clone()), Reach::Near);
        assert!(matches!(found, Err(Miss::Foreign("a tar archive"))), "{found:?}");
        assert_eq!(steps, 0);
        let (found, steps) = find(FakeTape::new(behind), Reach::Far);
        assert_eq!((found.unwrap().file, steps), (1, 1));
        // It ends, whether the tape does or not.
        let endless: Vec<_> = (0..100).flat_map(|_| tar()).collect();
        for tape in [tar(), vec![None; 100], endless] {
            let (found, steps) = find(FakeTape::new(tape), Reach::Far);
            assert!(matches!(found, Err(Miss::Foreign(_))), "{found:?}");
            assert!(steps <= FILES as usize);
        }
        let huge = find(FakeTape::new(vec![Some(vec![0; 2 << 20]), None]), Reach::Far).0;
        assert!(matches!(huge, Err(Miss::Foreign("blocks too large for a header"))), "{huge:?}");
        let empty = find(FakeTape::new(vec![]), Reach::Near).0;
        assert!(matches!(empty, Err(Miss::Blank)), "{empty:?}");
    }

    #[test]
    fn drives_that_take_only_small_blocks() {
        let tape = FakeTape { limit: 64 << 10, ..FakeTape::new(vec![volume(32768), None]) };
        assert_eq!(find(tape, Reach::Near).0.unwrap().header.block_bytes, 32768);
        let none = FakeTape { limit: 0, ..FakeTape::new(vec![volume(32768)]) };
        assert!(matches!(find(none, Reach::Near).0, Err(Miss::Unreadable(_))));
    }

    #[test]
    fn damaged_headers_and_tapes() {
        let short = volume(65536).map(|block| block[..4096].to_vec());
        let newer = Some([b"LIFEBOAT STREAM 9\n".as_slice(), &[0; 4096]].concat());
        let unreadable = || FakeTape { broken_at: Some((0, libc::EIO)), ..FakeTape::new(vec![]) };
        // What cannot be read is blank only when the drive says so.
        assert!(matches!(find(unreadable(), Reach::Near).0, Err(Miss::Unreadable(_))));
        let blank = FakeTape { blank: true, ..unreadable() };
        assert!(matches!(find(blank, Reach::Near).0, Err(Miss::Blank)));
        let broken = FakeTape { broken_at: Some((51, libc::EIO)), ..FakeTape::new(obdr([0, 1])) };
        assert!(matches!(find(broken, Reach::Near).0, Err(Miss::Io(_))));
        for (block, expected) in [
            (short, HeaderError::Damaged("the size of its block differs from its header")),
            (newer, HeaderError::Newer(9)),
        ] {
            let found = find(FakeTape::new(vec![block]), Reach::Near).0;
            assert!(matches!(&found, Err(Miss::Header(error)) if *error == expected), "{found:?}");
        }
    }

    #[test]
    fn foreign_blocks_have_names() {
        for (block, name) in [
            (&b"070701"[..], "a cpio archive"),
            (b"VOL1LTFS", "an ANSI label, as LTFS and backup programs write it"),
            (b"REAR-000", "a label of Relax-and-Recover"),
            (&[0; 512], "zeros"),
            (b"?", "other data"),
        ] {
            assert_eq!(describe(block), name);
        }
    }
}

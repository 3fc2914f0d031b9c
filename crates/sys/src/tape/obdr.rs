//! The beginning of a tape that boots by itself (One-Button Disaster Recovery): 20 blocks of 512 bytes, a bootable ISO in blocks of
//! 2048 bytes, and a filemark. In CD mode the drive shows the ISO to the firmware as a disc (HP Ultrium and DAT manuals, "Tape-based
//! disaster recovery"). Volumes of a stream follow; [`super::search()`] finds them.

use super::drive::{Block, Tape, WritableTape};
use std::io::{self, ErrorKind, Read};

/// Blocks before the ISO.
pub const HEAD_BLOCKS: usize = 20;
/// Their size.
pub const HEAD_BLOCK_BYTES: usize = 512;
/// The size of the ISO's blocks, which are the sectors of a disc.
pub const ISO_BLOCK_BYTES: usize = 2048;
/// The sector with the boot record of El Torito; a drive that does not find it there gives the tape out.
const BOOT_RECORD: usize = 17;
/// Vendor-specific bytes of the standard INQUIRY data (SPC, from byte 36 on): there a drive with OBDR says so.
const VENDOR_SPECIFIC: std::ops::Range<usize> = 36..56;

/// True when a drive's INQUIRY data says that it boots from tapes.
pub fn is_reported(inquiry: &[u8]) -> bool {
    let end = VENDOR_SPECIFIC.end.min(inquiry.len());
    inquiry.get(VENDOR_SPECIFIC.start..end).is_some_and(|bytes| bytes.windows(6).any(|part| part == b"$DR-10"))
}

/// True when the drive will take an image that begins with these bytes for a bootable disc.
pub fn boots(beginning: &[u8]) -> bool {
    let record = beginning.get(BOOT_RECORD * ISO_BLOCK_BYTES..(BOOT_RECORD + 1) * ISO_BLOCK_BYTES);
    record.is_some_and(|record| record.starts_with(b"\0CD001\x01EL TORITO SPECIFICATION"))
}

/// Writes head, ISO and filemark to a tape that is at its beginning, in variable mode. `label` is for people who look at the first block.
/// `written` gets the bytes of the ISO so far.
///
/// # Errors
/// The tape's or the image's; [`ErrorKind::InvalidData`] for an image that does not boot.
pub fn write(
    tape: &mut dyn WritableTape,
    label: &str,
    iso: &mut dyn Read,
    written: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut beginning = vec![0; (BOOT_RECORD + 1) * ISO_BLOCK_BYTES];
    iso.read_exact(&mut beginning)?;
    if !boots(&beginning) {
        return Err(io::Error::new(ErrorKind::InvalidData, "the image has no boot record of El Torito in sector 17"));
    }
    for number in 0..HEAD_BLOCKS {
        tape.write_block(&head(number, label))?;
    }
    let mut done = 0;
    for block in beginning.chunks(ISO_BLOCK_BYTES) {
        tape.write_block(block)?;
        done += block.len() as u64;
    }
    let mut block = [0; ISO_BLOCK_BYTES];
    while fill(iso, &mut block)? {
        tape.write_block(&block)?;
        done += block.len() as u64;
        written(done);
    }
    tape.write_filemark()
}

/// Reads what [`write`] wrote from a tape that is at its beginning, and compares it. The tape stays behind the filemark.
///
/// # Errors
/// The tape's or the image's; [`ErrorKind::InvalidData`] where they differ.
pub fn read_back(tape: &mut dyn Tape, label: &str, iso: &mut dyn Read, read: &mut dyn FnMut(u64)) -> io::Result<()> {
    let differs = |what: String| io::Error::new(ErrorKind::InvalidData, what);
    // A block that is larger than it should be is no reason to read on.
    let mut buffer = [0; ISO_BLOCK_BYTES];
    for number in 0..HEAD_BLOCKS {
        match tape.read_block(&mut buffer)? {
            Block::Data(count) if buffer[..count] == head(number, label)[..] => {}
            _ => return Err(differs(format!("block {number} of its head differs from what was written"))),
        }
    }
    let (mut expected, mut done) = ([0; ISO_BLOCK_BYTES], 0);
    while fill(iso, &mut expected)? {
        match tape.read_block(&mut buffer)? {
            Block::Data(ISO_BLOCK_BYTES) if buffer == expected => done += ISO_BLOCK_BYTES as u64,
            _ => {
                let sector = done / ISO_BLOCK_BYTES as u64;
                return Err(differs(format!("sector {sector} of the image differs from what was written")));
            }
        }
        read(done);
    }
    match tape.read_block(&mut buffer)? {
        Block::Filemark => Ok(()),
        _ => Err(differs("there is no filemark behind the image".to_owned())),
    }
}

fn head(number: usize, label: &str) -> [u8; HEAD_BLOCK_BYTES] {
    let mut block = [0; HEAD_BLOCK_BYTES];
    if number == 0 {
        let text = label.as_bytes();
        let count = text.len().min(HEAD_BLOCK_BYTES - 1);
        block[..count].copy_from_slice(&text[..count]);
    }
    block
}

/// Fills the block; false at the end of the image.
fn fill(iso: &mut dyn Read, block: &mut [u8; ISO_BLOCK_BYTES]) -> io::Result<bool> {
    let mut count = 0;
    while count < block.len() {
        match iso.read(&mut block[count..]) {
            Ok(0) if count == 0 => return Ok(false),
            Ok(0) => return Err(io::Error::new(ErrorKind::InvalidData, "the image does not end with a whole sector")),
            Ok(got) => count += got,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeTape;
    use super::*;

    fn image(sectors: usize) -> Vec<u8> {
        let mut image: Vec<u8> = (0..sectors * ISO_BLOCK_BYTES).map(|at| (at / 7) as u8).collect();
        image[BOOT_RECORD * ISO_BLOCK_BYTES..][..30].copy_from_slice(b"\0CD001\x01EL TORITO SPECIFICATION");
        image
    }

    fn written(image: &[u8]) -> FakeTape {
        let mut tape = FakeTape::new(vec![]);
        write(&mut tape, "LIFEBOAT web1", &mut &image[..], &mut |_| {}).unwrap();
        tape
    }

    #[test]
    fn what_is_written_is_read_back() {
        let image = image(30);
        let mut tape = written(&image);
        let lengths: Vec<usize> = tape.records.iter().map(|record| record.as_ref().map_or(0, Vec::len)).collect();
        assert_eq!(lengths, [vec![512; 20], vec![2048; 30], vec![0]].concat());
        assert!(tape.records[0].as_ref().unwrap().starts_with(b"LIFEBOAT web1\0"));
        assert!(tape.records[1..20].iter().flatten().flatten().all(|byte| *byte == 0));
        let mut last = 0;
        read_back(&mut tape, "LIFEBOAT web1", &mut &image[..], &mut |bytes| last = bytes).unwrap();
        assert_eq!((tape.place, last), (51, image.len() as u64));
    }

    #[test]
    fn damage_is_named() {
        let image = image(30);
        for (record, with, expected) in [
            (3, Some(vec![1; 512]), "block 3 of its head"),
            (25, Some(vec![1; 2048]), "sector 5 of the image"),
            (25, Some(image[5 * 2048..][..1024].to_vec()), "sector 5 of the image"),
            (49, None, "sector 29 of the image"),
            (50, Some(vec![1; 2048]), "no filemark"),
        ] {
            let mut tape = written(&image);
            tape.records[record] = with;
            let error = read_back(&mut tape, "LIFEBOAT web1", &mut &image[..], &mut |_| {}).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn what_does_not_boot_or_fit_is_an_error() {
        let mut tape = FakeTape::new(vec![]);
        for image in [vec![0; 40 * 2048], image(30)[..30 * 2048 - 1].to_vec()] {
            let error = write(&mut tape, "x", &mut &image[..], &mut |_| {}).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        }
        let mut small = FakeTape { room: 40, ..FakeTape::new(vec![]) };
        let error = write(&mut small, "x", &mut &image(30)[..], &mut |_| {}).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    }

    #[test]
    fn drives_that_boot_say_so() {
        let mut inquiry = [0x20; 96];
        assert!(!is_reported(&inquiry) && !is_reported(b"$DR-10") && !is_reported(&[]));
        inquiry[43..49].copy_from_slice(b"$DR-10");
        assert!(is_reported(&inquiry) && !is_reported(&inquiry[..48]));
    }
}

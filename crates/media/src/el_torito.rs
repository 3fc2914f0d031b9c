//! Reads an image back as firmware does: ISO 9660 volume descriptors, El Torito boot catalogue, partition table.
//!
//! ECMA-119, chapter 8; "El Torito" Bootable CD-ROM Format Specification 1.0, chapter 2.

use std::io::{self, Read, Seek, SeekFrom};

/// Size of a sector of a disc.
const SECTOR: u64 = 2048;
/// Sector of the boot record volume descriptor.
const BOOT_RECORD: u64 = 17;
/// Sector of the primary volume descriptor.
const PRIMARY: u64 = 16;

/// What firmware sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootRecord {
    /// Volume id.
    pub volume_id: String,
    /// Size of the filesystem in bytes.
    pub size_bytes: u64,
    /// The first 512 bytes of the boot image for BIOS are not zeros.
    pub bios: bool,
    /// The boot image for UEFI is a FAT filesystem.
    pub uefi: bool,
    /// The first sector has boot code and a partition table.
    pub usb: bool,
    /// Where the boot catalogue is, in bytes.
    pub catalogue_offset: u64,
    /// Where the boot image for UEFI is, in bytes.
    pub efi_offset: Option<u64>,
}

/// Reads the boot record.
///
/// # Errors
/// When it cannot be read, or does not follow the specifications; the message says what is wrong.
pub fn read<R: Read + Seek>(image: &mut R) -> io::Result<BootRecord> {
    let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
    let mut record = BootRecord::default();
    let first = sector(image, 0)?;
    record.usb = first[510..512] == [0x55, 0xaa] && first[..440].iter().any(|byte| *byte != 0);
    let primary = sector(image, PRIMARY)?;
    if primary[..6] != *b"\x01CD001" {
        return Err(wrong("it has no ISO 9660 volume descriptor"));
    }
    record.volume_id = String::from_utf8_lossy(&primary[40..72]).trim_end().to_owned();
    record.size_bytes = u64::from(le32(&primary[80..84])) * SECTOR;
    let boot = sector(image, BOOT_RECORD)?;
    if boot[..7] != *b"\x00CD001\x01" || !boot[7..].starts_with(b"EL TORITO SPECIFICATION") {
        return Err(wrong("it has no El Torito boot record in sector 17"));
    }
    record.catalogue_offset = u64::from(le32(&boot[71..75])) * SECTOR;
    let catalogue = sector(image, u64::from(le32(&boot[71..75])))?;
    let sum = catalogue[..32]
        .chunks_exact(2)
        .fold(0_u16, |sum, pair| sum.wrapping_add(u16::from_le_bytes([pair[0], pair[1]])));
    if catalogue[0] != 1 || catalogue[30..32] != [0x55, 0xaa] || sum != 0 {
        return Err(wrong("its El Torito boot catalogue is damaged"));
    }
    // The first entry belongs to the platform of the validation entry; each section header names its own.
    let mut platform = catalogue[1];
    let mut offset = 32;
    while offset + 32 <= catalogue.len() {
        let entry = &catalogue[offset..offset + 32];
        match entry[0] {
            0x90 | 0x91 => platform = entry[1],
            0x88 => {
                let content = sector(image, u64::from(le32(&entry[8..12])))?;
                match platform {
                    0 => record.bios |= content[..512].iter().any(|byte| *byte != 0),
                    // A FAT boot sector: its jump and its signature.
                    0xef => {
                        record.uefi |= matches!(content[0], 0xeb | 0xe9) && content[510..512] == [0x55, 0xaa];
                        record.efi_offset = Some(u64::from(le32(&entry[8..12])) * SECTOR);
                    }
                    _ => {}
                }
            }
            _ => break,
        }
        offset += 32;
    }
    Ok(record)
}

fn sector<R: Read + Seek>(image: &mut R, number: u64) -> io::Result<[u8; SECTOR as usize]> {
    let mut bytes = [0; SECTOR as usize];
    image.seek(SeekFrom::Start(number * SECTOR))?;
    image.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn le32(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn damage_is_named() {
        let mut image = vec![0; 64 * 2048];
        assert!(read(&mut Cursor::new(&image)).unwrap_err().to_string().contains("no ISO 9660"));
        image[16 * 2048..16 * 2048 + 6].copy_from_slice(b"\x01CD001");
        assert!(read(&mut Cursor::new(&image)).unwrap_err().to_string().contains("sector 17"));
        assert!(read(&mut Cursor::new(&image[..4000])).is_err());
    }

    #[test]
    fn hostile_images_do_not_panic() {
        use proptest::prelude::*;
        let mut image = vec![0; 24 * 2048];
        image[16 * 2048..16 * 2048 + 6].copy_from_slice(b"\x01CD001");
        image[17 * 2048..17 * 2048 + 30].copy_from_slice(b"\x00CD001\x01EL TORITO SPECIFICATION");
        proptest!(|(place in 0u32..30, bytes in proptest::collection::vec(any::<u8>(), 256))| {
            let mut image = image.clone();
            image[17 * 2048 + 71..17 * 2048 + 75].copy_from_slice(&place.to_le_bytes());
            image[20 * 2048..20 * 2048 + 256].copy_from_slice(&bytes);
            let _ = read(&mut Cursor::new(&image));
        });
    }
}

//! GUID partition tables (UEFI 2.10, chapter 5): a whole one as bytes, and one that is read back. Nothing here touches a disk.
//!
//! A table is there twice, behind the first sector and before the end of the disk, and each copy has checksums of its own.

use std::io;

/// The array of entries: 128 of 128 bytes, as everybody makes it (5.3.2: at least 16,384 bytes).
const ENTRIES_BYTES: u64 = 16 << 10;
const ENTRY_BYTES: usize = 128;
const HEADER_BYTES: usize = 92;
const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
/// UTF-16 units of a partition's name.
const NAME_UNITS: usize = 36;
/// GRUB's and everybody's boot code ends before the disk's signature.
pub const BOOT_CODE_BYTES: usize = 440;

/// A GUID as it is on disks: the first three fields are little-endian (UEFI 2.10, appendix A).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// From the text form, with or without dashes.
    pub fn parse(text: &str) -> Option<Guid> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let number = u128::from_str_radix(&digits, 16).ok()?;
        Some(Guid(swapped(number.to_be_bytes())))
    }

    /// One that belongs to this one: `number` changes its last byte.
    #[must_use]
    pub fn part(self, number: u8) -> Guid {
        let mut bytes = self.0;
        bytes[15] ^= number;
        Guid(bytes)
    }
}

impl std::fmt::Display for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, byte) in swapped(self.0).iter().enumerate() {
            let dash = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02X}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Guid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

fn swapped(mut bytes: [u8; 16]) -> [u8; 16] {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// Types of partitions.
pub mod kinds {
    use super::Guid;

    /// EFI system partition (UEFI 2.10, 5.3.3): C12A7328-F81F-11D2-BA4B-00A0C93EC93B.
    pub const EFI_SYSTEM: Guid =
        Guid([0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b]);
    /// GRUB's partition for BIOS: 21686148-6449-6E6F-744E-656564454649.
    pub const BIOS_BOOT: Guid = Guid(*b"Hah!IdontNeedEFI");
    /// Linux filesystem data: 0FC63DAF-8483-4772-8E79-3D69D8477DE4.
    pub const LINUX: Guid =
        Guid([0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4]);
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GptPartition {
    /// Its type.
    pub kind: Guid,
    /// Its own GUID.
    pub id: Guid,
    /// Where it begins, in bytes; a multiple of the sector size.
    pub offset: u64,
    /// Its size in bytes; a multiple of the sector size.
    pub bytes: u64,
    /// Its name; cut to 36 UTF-16 units.
    pub name: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpt {
    /// The disk's GUID.
    pub disk: Guid,
    /// Size of the disk in bytes; what is no whole sector does not count.
    pub size_bytes: u64,
    /// Size of a logical sector in bytes.
    pub sector_bytes: u64,
    /// The partitions, the first in the first entry.
    pub partitions: Vec<GptPartition>,
}

impl Gpt {
    /// Bytes at each end of the disk that no partition may use: boot sector, header and entries; entries and header.
    pub fn reserved(sector_bytes: u64) -> (u64, u64) {
        let entries = ENTRIES_BYTES.next_multiple_of(sector_bytes);
        (2 * sector_bytes + entries, entries + sector_bytes)
    }

    fn sectors(&self) -> u64 {
        self.size_bytes / self.sector_bytes
    }

    /// The beginning of the disk up to the end of the entries: a protective MBR with this boot code (at most
    /// [`BOOT_CODE_BYTES`] of it), the header, the entries.
    pub fn beginning(&self, boot_code: &[u8]) -> Vec<u8> {
        let mut bytes = self.protective_mbr(boot_code);
        bytes.resize(self.sector_bytes as usize, 0);
        let entries = self.entries();
        bytes.extend(self.header(1, self.sectors() - 1, 2, &entries));
        bytes.extend(entries);
        bytes
    }

    /// Where the copy at the end is, in bytes, and the copy: the entries, then the header in the last sector.
    pub fn end(&self) -> (u64, Vec<u8>) {
        let mut bytes = self.entries();
        let last = self.sectors() - 1;
        let first = last - bytes.len() as u64 / self.sector_bytes;
        let header = self.header(last, 1, first, &bytes);
        bytes.extend(header);
        (first * self.sector_bytes, bytes)
    }

    /// A partition that covers the disk (UEFI 2.10, 5.2.3), and an empty one that is active: without an active one, some BIOSes do not boot
    /// from a disk (xorriso and Fedora's media have the same).
    fn protective_mbr(&self, boot_code: &[u8]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        let code = boot_code.len().min(BOOT_CODE_BYTES);
        sector[..code].copy_from_slice(&boot_code[..code]);
        let covered = u32::try_from(self.sectors() - 1).unwrap_or(u32::MAX);
        sector[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]);
        sector[458..462].copy_from_slice(&covered.to_le_bytes());
        sector[462..478].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    fn entries(&self) -> Vec<u8> {
        let mut bytes = vec![0; ENTRIES_BYTES.next_multiple_of(self.sector_bytes) as usize];
        for (entry, partition) in bytes.chunks_exact_mut(ENTRY_BYTES).zip(&self.partitions) {
            entry[..16].copy_from_slice(&partition.kind.0);
            entry[16..32].copy_from_slice(&partition.id.0);
            let first = partition.offset / self.sector_bytes;
            let last = first + partition.bytes / self.sector_bytes - 1;
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&last.to_le_bytes());
            for (place, unit) in entry[56..].chunks_exact_mut(2).zip(partition.name.encode_utf16().take(NAME_UNITS)) {
                place.copy_from_slice(&unit.to_le_bytes());
            }
        }
        bytes
    }

    /// A sector.
    fn header(&self, own: u64, other: u64, entries_at: u64, entries: &[u8]) -> Vec<u8> {
        let (before, behind) = Gpt::reserved(self.sector_bytes);
        let mut bytes = vec![];
        bytes.extend(SIGNATURE);
        bytes.extend(REVISION.to_le_bytes());
        bytes.extend((HEADER_BYTES as u32).to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(own.to_le_bytes());
        bytes.extend(other.to_le_bytes());
        bytes.extend((before / self.sector_bytes).to_le_bytes());
        bytes.extend((self.sectors() - behind / self.sector_bytes - 1).to_le_bytes());
        bytes.extend(self.disk.0);
        bytes.extend(entries_at.to_le_bytes());
        bytes.extend(((ENTRIES_BYTES as usize / ENTRY_BYTES) as u32).to_le_bytes());
        bytes.extend((ENTRY_BYTES as u32).to_le_bytes());
        bytes.extend(crc32(&entries[..ENTRIES_BYTES as usize]).to_le_bytes());
        let sum = crc32(&bytes);
        bytes[16..20].copy_from_slice(&sum.to_le_bytes());
        bytes.resize(self.sector_bytes as usize, 0);
        bytes
    }

    /// Reads the table behind the first sector; `read` returns that many bytes at an offset, fewer at the end of the disk.
    ///
    /// # Errors
    /// That of `read`; InvalidData, with what is wrong, where there is no table with right checksums.
    pub fn read(size_bytes: u64, sector_bytes: u64, read: &dyn Fn(u64, u64) -> io::Result<Vec<u8>>) -> io::Result<Gpt> {
        let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
        let header = read(sector_bytes, HEADER_BYTES as u64)?;
        let (Some(head), Some(signature)) = (header.first_chunk::<HEADER_BYTES>(), header.get(..8)) else {
            return Err(wrong("it is too small for a partition table"));
        };
        if signature != SIGNATURE {
            return Err(wrong("it has no GPT partition table"));
        }
        let mut summed = *head;
        summed[16..20].fill(0);
        let (count, size) = (le32(&head[80..]), le32(&head[84..]));
        if crc32(&summed) != le32(&head[16..]) || size as usize != ENTRY_BYTES || count > 1024 {
            return Err(wrong("its GPT partition table is damaged"));
        }
        let length = u64::from(count) * u64::from(size);
        let entries = read(le64(&head[72..]).saturating_mul(sector_bytes), length)?;
        if entries.len() as u64 != length || crc32(&entries) != le32(&head[88..]) {
            return Err(wrong("the entries of its GPT partition table are damaged"));
        }
        let mut disk = [0; 16];
        disk.copy_from_slice(&head[56..72]);
        let partitions = entries.chunks_exact(ENTRY_BYTES).filter(|entry| entry[..16] != [0; 16]);
        let partitions = partitions.map(|entry| partition(entry, sector_bytes)).collect::<Option<_>>();
        let partitions = partitions.ok_or_else(|| wrong("its GPT partition table has an impossible partition"))?;
        Ok(Gpt { disk: Guid(disk), size_bytes, sector_bytes, partitions })
    }
}

fn partition(entry: &[u8], sector_bytes: u64) -> Option<GptPartition> {
    let guid = |at: usize| entry.get(at..at + 16)?.try_into().ok().map(Guid);
    let (first, last) = (le64(&entry[32..]), le64(&entry[40..]));
    let units: Vec<u16> = entry[56..].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    Some(GptPartition {
        kind: guid(0)?,
        id: guid(16)?,
        offset: first.checked_mul(sector_bytes)?,
        bytes: last.checked_sub(first)?.checked_add(1)?.checked_mul(sector_bytes)?,
        name: String::from_utf16_lossy(&units[..end]),
    })
}

fn le32(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
}

fn le64(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The checksum of headers and entries (UEFI 2.10, 5.3.2: that of ISO 3309, polynomial 0x04C11DB7). Tables are small: bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(size_bytes: u64, sector_bytes: u64) -> Gpt {
        let disk = Guid::parse("0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9").unwrap();
        let part = |number, kind, offset: u64, bytes, name: &str| GptPartition {
            kind,
            id: disk.part(number),
            offset: offset << 20,
            bytes,
            name: name.to_owned(),
        };
        let (_, behind) = Gpt::reserved(sector_bytes);
        let end = (size_bytes / sector_bytes * sector_bytes - behind) >> 20 << 20;
        let partitions = vec![
            part(1, kinds::BIOS_BOOT, 1, 1 << 20, "BIOS boot"),
            part(2, kinds::LINUX, 2, end - (2 << 20), "wéb1 2026-11-30 0a1b2c3d, and more than fits"),
        ];
        Gpt { disk, size_bytes, sector_bytes, partitions }
    }

    fn image(gpt: &Gpt) -> Vec<u8> {
        let mut bytes = vec![0; gpt.size_bytes as usize];
        let beginning = gpt.beginning(&[0xeb; 600]);
        bytes[..beginning.len()].copy_from_slice(&beginning);
        let (at, end) = gpt.end();
        bytes[at as usize..at as usize + end.len()].copy_from_slice(&end);
        bytes
    }

    fn read(bytes: &[u8], sector: u64) -> io::Result<Gpt> {
        Gpt::read(bytes.len() as u64, sector, &|at, length| {
            let at = (at as usize).min(bytes.len());
            Ok(bytes[at..(at + length as usize).min(bytes.len())].to_vec())
        })
    }

    #[test]
    fn guids_as_text() {
        let text = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
        assert_eq!(Guid::parse(text), Some(kinds::EFI_SYSTEM));
        assert_eq!(kinds::EFI_SYSTEM.to_string(), text);
        assert_eq!(kinds::BIOS_BOOT.to_string(), "21686148-6449-6E6F-744E-656564454649");
        assert_eq!(kinds::LINUX.to_string(), "0FC63DAF-8483-4772-8E79-3D69D8477DE4");
        assert_eq!(Guid::parse("c12a7328"), None);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn it_is_read_as_it_was_made_and_one_flipped_bit_is_seen() {
        for (size, sector) in [(64 << 20, 512), ((64 << 20) + 7 * 512 + 13, 512), ((64 << 20) + 4096, 4096)] {
            let gpt = table(size, sector);
            let bytes = image(&gpt);
            let mut expected = gpt.clone();
            expected.partitions[1].name = "wéb1 2026-11-30 0a1b2c3d, and more t".to_owned();
            assert_eq!(read(&bytes, sector).unwrap(), expected);
            assert_eq!((bytes[439], bytes[440]), (0xeb, 0), "boot code ends before the signature");
            for at in [sector as usize + 60, 2 * sector as usize + 33, 2 * sector as usize + 16_000] {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert!(read(&damaged, sector).unwrap_err().to_string().contains("damaged"));
            }
        }
        assert!(read(&[0; 4096], 512).unwrap_err().to_string().contains("no GPT"));
        assert!(read(&[0; 512], 512).unwrap_err().to_string().contains("too small"));
    }

    #[test]
    fn hostile_tables_do_not_panic() {
        use proptest::prelude::*;
        let bytes = image(&table(64 << 20, 512));
        proptest!(|(at in 512_usize..2048, new in proptest::collection::vec(any::<u8>(), 1..64))| {
            let mut bytes = bytes[..1 << 20].to_vec();
            bytes[at..at + new.len()].copy_from_slice(&new);
            // Checksums that fit: what is behind them must not panic either.
            let sum = crc32(&bytes[1024..1024 + 16384]);
            bytes[512 + 88..512 + 92].copy_from_slice(&sum.to_le_bytes());
            bytes[512 + 16..512 + 20].fill(0);
            let sum = crc32(&bytes[512..512 + 92]);
            bytes[512 + 16..512 + 20].copy_from_slice(&sum.to_le_bytes());
            let _ = read(&bytes, 512);
        });
    }
}

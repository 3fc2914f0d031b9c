//! The layout of EFI programs: PE32+ for x86-64 ("PE Format", Microsoft; UEFI 2.10, 2.1.1).

use crate::error::SecureBootError;
use std::io::{self, Read, Seek, SeekFrom};

/// Headers of real programs have some hundred bytes.
const MOST_HEADERS: u64 = 64 << 10;
/// IMAGE_FILE_MACHINE_AMD64 and the magic of PE32+.
const AMD64: u16 = 0x8664;
const PE32_PLUS: u16 = 0x20b;
/// Fields of the optional header, from its beginning.
const SECTION_ALIGNMENT: usize = 32;
const FILE_ALIGNMENT: usize = 36;
const IMAGE_SIZE: usize = 56;
const HEADERS_SIZE: usize = 60;
const CHECKSUM: usize = 64;
const DIRECTORIES: usize = 108;
/// The directory entry of the signatures (IMAGE_DIRECTORY_ENTRY_SECURITY).
const SECURITY: usize = 112 + 4 * 8;
/// Size of a line in the table of sections.
const LINE: usize = 40;

/// A program's headers.
#[derive(Clone, Debug)]
pub struct Pe {
    /// All bytes before the first section, `SizeOfHeaders` of them.
    pub headers: Vec<u8>,
    /// The sections, in the order of the table.
    pub sections: Vec<Section>,
    /// Size of the file in bytes.
    pub file_bytes: u64,
    coff: usize,
    optional: usize,
    table: usize,
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: [u8; 8],
    /// Where it is loaded, from the beginning of the image.
    pub address: u32,
    /// Its size in memory, which is that of its content.
    pub size: u32,
    /// Where it is in the file.
    pub file_offset: u32,
    /// Its size in the file, rounded up.
    pub file_size: u32,
    /// `IMAGE_SCN_…`.
    pub flags: u32,
}

impl Section {
    /// Its name as text.
    pub fn name(&self) -> String {
        let end = self.name.iter().position(|byte| *byte == 0).unwrap_or(8);
        String::from_utf8_lossy(&self.name[..end]).into_owned()
    }

    fn line(&self) -> Vec<u8> {
        let words = [self.size, self.address, self.file_size, self.file_offset, 0, 0, 0, self.flags];
        self.name.iter().copied().chain(words.into_iter().flat_map(u32::to_le_bytes)).collect()
    }
}

impl Pe {
    /// Reads the headers.
    ///
    /// # Errors
    /// The system's error; `InvalidData` if it is not an EFI program.
    pub fn read<F: Read + Seek>(file: &mut F) -> io::Result<Pe> {
        let file_bytes = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let mut bytes = vec![];
        file.take(MOST_HEADERS).read_to_end(&mut bytes)?;
        Ok(Pe::parse(bytes, file_bytes).map_err(SecureBootError::Pe)?)
    }

    fn parse(mut headers: Vec<u8>, file_bytes: u64) -> Result<Pe, &'static str> {
        if !headers.starts_with(b"MZ") {
            return Err("it does not begin with MZ");
        }
        let short = "its headers are cut off";
        let signature = read_u32(&headers, 0x3c).ok_or(short)? as usize;
        let coff = signature.saturating_add(4);
        if signature < 0x40 || headers.get(signature..coff) != Some(b"PE\0\0") {
            return Err("it has no PE header");
        }
        let optional = coff + 20;
        let optional_size = usize::from(read_u16(&headers, coff + 16).ok_or(short)?);
        if read_u16(&headers, coff) != Some(AMD64) || read_u16(&headers, optional) != Some(PE32_PLUS) {
            return Err("it is for another processor");
        }
        if optional_size < SECURITY + 8 || read_u32(&headers, optional + DIRECTORIES).ok_or(short)? < 5 {
            return Err("it has no space for a signature");
        }
        let table = optional + optional_size;
        let count = usize::from(read_u16(&headers, coff + 2).ok_or(short)?);
        let size = read_u32(&headers, optional + HEADERS_SIZE).ok_or(short)? as usize;
        if size > headers.len() || table + count * LINE > size {
            return Err(short);
        }
        headers.truncate(size);
        let sections = headers[table..].chunks_exact(LINE).take(count).map(|line| {
            let word = |index: usize| read_u32(line, 8 + index * 4).unwrap_or(0);
            let mut name = [0; 8];
            name.copy_from_slice(&line[..8]);
            Section { name, size: word(0), address: word(1), file_size: word(2), file_offset: word(3), flags: word(7) }
        });
        let sections: Vec<Section> = sections.collect();
        Ok(Pe { sections, headers, file_bytes, coff, optional, table })
    }

    /// Offset of the checksum, 4 bytes that no digest covers.
    pub fn checksum_offset(&self) -> u64 {
        (self.optional + CHECKSUM) as u64
    }

    /// Offset of the directory entry of the signatures, 8 bytes that no digest covers.
    pub fn security_offset(&self) -> u64 {
        (self.optional + SECURITY) as u64
    }

    /// Offset and size of the signatures; both 0 if there are none.
    pub fn signatures(&self) -> (u32, u32) {
        let at = self.optional + SECURITY;
        (read_u32(&self.headers, at).unwrap_or(0), read_u32(&self.headers, at + 4).unwrap_or(0))
    }

    /// Where the last section ends in the file, when headers and sections follow each other without gaps: then a digest over
    /// the file from its beginning is the one over headers and sections that firmware computes.
    pub fn content_end(&self) -> Option<u64> {
        let mut filled: Vec<&Section> = self.sections.iter().filter(|section| section.file_size > 0).collect();
        filled.sort_by_key(|section| section.file_offset);
        let mut end = self.headers.len() as u64;
        for section in filled {
            if u64::from(section.file_offset) != end {
                return None;
            }
            end += u64::from(section.file_size);
        }
        Some(end)
    }

    /// Alignment of sections in memory and in the file.
    pub fn alignments(&self) -> (u32, u32) {
        let read = |offset: usize| read_u32(&self.headers, self.optional + offset).unwrap_or(0).max(1);
        (read(SECTION_ALIGNMENT), read(FILE_ALIGNMENT))
    }

    /// The headers of the program with these sections instead, without symbols, checksum and signatures; `None` if the table lacks
    /// room for them.
    pub fn headers_with(&self, sections: &[Section]) -> Option<Vec<u8>> {
        let mut headers = self.headers.clone();
        let end = self.table + sections.len() * LINE;
        let first = self.sections.iter().map(|section| section.address).min().unwrap_or(0);
        if end > headers.len() || headers.len() > first as usize {
            return None;
        }
        headers[self.table..].fill(0);
        for (place, section) in headers[self.table..end].chunks_exact_mut(LINE).zip(sections) {
            place.copy_from_slice(&section.line());
        }
        let (alignment, _) = self.alignments();
        let last = sections.iter().map(|section| u64::from(section.address) + u64::from(section.size)).max()?;
        let image = u32::try_from(last.next_multiple_of(u64::from(alignment))).ok()?;
        let mut put = |at: usize, bytes: &[u8]| headers[at..at + bytes.len()].copy_from_slice(bytes);
        put(self.coff + 2, &u16::try_from(sections.len()).ok()?.to_le_bytes());
        put(self.coff + 8, &[0; 8]);
        put(self.optional + IMAGE_SIZE, &image.to_le_bytes());
        put(self.optional + CHECKSUM, &[0; 4]);
        put(self.optional + SECURITY, &[0; 8]);
        Some(headers)
    }
}

/// A little-endian number.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

impl From<SecureBootError> for io::Error {
    fn from(error: SecureBootError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Cursor;

    /// A program with one section, as a stub is laid out: 512-byte alignments, room in the table, symbols behind the sections.
    pub(crate) fn program() -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(0, b"MZ");
        put(0x3c, &0x80_u32.to_le_bytes());
        put(0x80, b"PE\0\0");
        put(0x84, &AMD64.to_le_bytes());
        put(0x86, &1_u16.to_le_bytes());
        put(0x84 + 8, &0x600_u32.to_le_bytes());
        put(0x84 + 12, &9_u32.to_le_bytes());
        put(0x84 + 16, &240_u16.to_le_bytes());
        let optional = 0x98;
        put(optional, &PE32_PLUS.to_le_bytes());
        put(optional + SECTION_ALIGNMENT, &0x200_u32.to_le_bytes());
        put(optional + FILE_ALIGNMENT, &0x200_u32.to_le_bytes());
        put(optional + IMAGE_SIZE, &0x4200_u32.to_le_bytes());
        put(optional + HEADERS_SIZE, &0x400_u32.to_le_bytes());
        put(optional + CHECKSUM, &[1, 2, 3, 4]);
        put(optional + DIRECTORIES, &16_u32.to_le_bytes());
        let text = Section {
            name: *b".text\0\0\0",
            address: 0x4000,
            size: 0x123,
            file_offset: 0x400,
            file_size: 0x200,
            flags: 0x6000_0020,
        };
        put(optional + 240, &text.line());
        bytes.extend([0xc3; 0x200]);
        bytes.extend(b"symbols");
        bytes
    }

    #[test]
    fn headers_are_read_and_written() {
        let pe = Pe::read(&mut Cursor::new(program())).unwrap();
        assert_eq!(pe.sections.len(), 1);
        assert_eq!(pe.sections[0].name(), ".text");
        assert_eq!(pe.content_end(), Some(0x600));
        assert_eq!(pe.alignments(), (0x200, 0x200));
        let mut more = pe.sections.clone();
        more.push(Section { name: *b".cmdline", address: 0x5000, size: 0x201, file_offset: 0x600, ..more[0].clone() });
        let headers = pe.headers_with(&more).unwrap();
        let again = Pe::parse(headers, 0x800).unwrap();
        assert_eq!(again.sections, more);
        assert_eq!(again.sections[1].name(), ".cmdline");
        assert_eq!(read_u32(&again.headers, again.optional + IMAGE_SIZE), Some(0x5400));
        // No symbols, no checksum.
        assert_eq!(again.headers[again.coff + 8..again.coff + 16], [0; 8]);
        assert_eq!(again.headers[again.optional + CHECKSUM..][..4], [0; 4]);
        assert!(pe.headers_with(&vec![more[0].clone(); 20]).is_none());
        more[1].file_offset = 0x800;
        assert_eq!(Pe::parse(pe.headers_with(&more).unwrap(), 0x800).unwrap().content_end(), None);
    }

    #[test]
    fn what_is_no_program_is_named() {
        let wrong = |bytes: &[u8]| Pe::read(&mut Cursor::new(bytes)).unwrap_err().to_string();
        assert!(wrong(b"\x7fELF").contains("MZ"));
        assert!(wrong(&program()[..0x90]).contains("cut"));
        assert!(wrong(&program()[..0x3ff]).contains("cut"));
        let mut other = program();
        other[0x84] = 0x4c;
        assert!(wrong(&other).contains("another processor"));
    }

    #[test]
    fn damaged_headers_do_not_panic() {
        use proptest::prelude::*;
        proptest!(|(changes in proptest::collection::vec((0usize..0x200, any::<u8>()), 1..8))| {
            let mut bytes = program();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if let Ok(pe) = Pe::read(&mut Cursor::new(bytes)) {
                let _ = (pe.content_end(), pe.headers_with(&pe.sections), pe.signatures());
            }
        });
    }
}

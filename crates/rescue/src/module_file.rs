//! Module files: unpacking them, and what their `.modinfo` section says.

use crate::error::RescueError;
use goblin::container::{Container, Ctx};
use goblin::elf::{Elf, SectionHeader};
use std::io::Read as _;
use std::path::Path;

/// No module is larger than this when unpacked; a damaged one that claims to be must not fill the memory.
const MAX_BYTES: u64 = 256 << 20;

/// The suffixes of packed files that [`unpack`] knows.
pub const SUFFIXES: [&str; 3] = ["xz", "zst", "gz"];

/// The name without a suffix of [`SUFFIXES`].
pub fn plain_name(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, suffix)) if SUFFIXES.contains(&suffix) => stem,
        _ => name,
    }
}

/// Reads a file, unpacked when its name ends in `.xz`, `.zst` or `.gz`. The signature at the end of a module is inside
/// the packed data, so it survives.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn unpack(path: &Path) -> Result<Vec<u8>, RescueError> {
    let packed = std::fs::read(path).map_err(RescueError::io("READ", path))?;
    let mut out = Vec::new();
    let suffix = path.extension().and_then(|suffix| suffix.to_str());
    let result = match suffix {
        Some("xz") => liblzma::read::XzDecoder::new_multi_decoder(&packed[..]).take(MAX_BYTES).read_to_end(&mut out),
        Some("zst") => zstd::stream::read::Decoder::new(&packed[..])
            .and_then(|decoder| decoder.take(MAX_BYTES).read_to_end(&mut out)),
        Some("gz") => flate2::read::MultiGzDecoder::new(&packed[..]).take(MAX_BYTES).read_to_end(&mut out),
        _ => return Ok(packed),
    };
    result.map_err(RescueError::io("UNPACK", path))?;
    Ok(out)
}

/// The `key=value` pairs of `.modinfo`. `None` for bytes that are not an ELF file; empty without the section.
pub fn modinfo(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let header = Elf::parse_header(bytes).ok()?;
    let little = header.endianness().ok()?;
    let container = if header.container().ok()?.is_big() { Container::Big } else { Container::Little };
    let ctx = Ctx::new(container, little);
    // Only the section table is read: symbols and relocations are most of a module, and of no interest here.
    let shoff = usize::try_from(header.e_shoff).ok()?;
    if shoff == 0 || shoff >= bytes.len() {
        return Some(vec![]);
    }
    let sections = SectionHeader::parse(bytes, shoff, usize::from(header.e_shnum), ctx).ok()?;
    let names = sections.get(usize::from(header.e_shstrndx)).and_then(|section| slice(bytes, section))?;
    let found = sections.iter().find(|section| c_string(names, section.sh_name) == b".modinfo");
    let Some(content) = found.and_then(|section| slice(bytes, section)) else { return Some(vec![]) };
    let pairs = content
        .split(|b| *b == 0)
        .filter_map(|entry| {
            let text = String::from_utf8_lossy(entry);
            text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
        })
        .collect();
    Some(pairs)
}

fn slice<'a>(bytes: &'a [u8], section: &SectionHeader) -> Option<&'a [u8]> {
    let start = usize::try_from(section.sh_offset).ok()?;
    let length = usize::try_from(section.sh_size).ok()?;
    bytes.get(start..start.checked_add(length)?)
}

fn c_string(names: &[u8], offset: usize) -> &[u8] {
    let rest = names.get(offset..).unwrap_or_default();
    &rest[..rest.iter().position(|b| *b == 0).unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn packed_files_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let content = b"module bytes".repeat(1000);
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(dir.path().join(name), bytes).unwrap();
            dir.path().join(name)
        };
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&content).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(&content).unwrap();
        let zst = zstd::encode_all(&content[..], 1).unwrap();
        for (name, bytes) in [
            ("a.ko", content.clone()),
            ("a.ko.gz", gz.finish().unwrap()),
            ("a.ko.xz", xz.finish().unwrap()),
            ("a.ko.zst", zst),
        ] {
            assert_eq!(unpack(&write(name, &bytes)).unwrap(), content, "{name}");
            if name != "a.ko" {
                let error = unpack(&write(name, &bytes[..bytes.len() / 2])).unwrap_err().to_string();
                assert!(error.starts_with("cannot UNPACK "), "{error}");
            }
        }
        assert_eq!(plain_name("x/e1000.ko.zst"), "x/e1000.ko");
        assert_eq!(plain_name("x/e1000.ko"), "x/e1000.ko");
    }

    #[test]
    fn hostile_modules_do_not_panic() {
        use proptest::prelude::*;
        let own = std::fs::read("/proc/self/exe").unwrap();
        let start = own[..4096.min(own.len())].to_vec();
        proptest!(|(position in 0usize..64, byte in any::<u8>(), length in 0usize..4096)| {
            let mut bytes = start.clone();
            bytes[position] = byte;
            modinfo(&bytes[..length]);
        });
        assert_eq!(modinfo(b"not elf"), None);
    }
}

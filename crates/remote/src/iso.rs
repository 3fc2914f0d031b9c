//! ISO 9660 with Rock Ridge names, read in pieces (ECMA-119; IEEE P1282): so an image on a web server is used in place,
//! without a copy and without memory for one. Images come from the network: every number in them is checked.

use crate::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

const SECTOR: u64 = 2048;
/// Directories are contiguous; this much of them is read at once.
const WINDOW: u64 = 256 * 1024;
/// A directory of a medium has some hundred entries.
const LONGEST_DIRECTORY: u64 = 16 << 20;
/// How deeply nested folders are followed.
const DEEPEST: usize = 16;
/// All directories of an image together: a medium with a million packs has less.
const LONGEST_DIRECTORIES: u64 = 256 << 20;

/// Reads parts of an image; shorter only at its end.
pub trait ReadAt: Send + Sync {
    /// `length` bytes from `offset` on.
    ///
    /// # Errors
    /// [`Fault`].
    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault>;
}

/// Where a file is: offsets and lengths in bytes.
pub type Extents = Vec<(u64, u64)>;

struct Entry {
    name: String,
    extents: Extents,
    directory: bool,
}

struct Reader<'a> {
    source: &'a dyn ReadAt,
    what: &'a str,
    window: Mutex<Option<(u64, Vec<u8>)>>,
}

/// All files below the directory `top` (one name; empty for the root) of an image, by their paths there.
///
/// # Errors
/// When it is not an image, or is broken; `what` names it.
pub fn files(source: &dyn ReadAt, what: &str, top: &str) -> Result<BTreeMap<String, Extents>, Fault> {
    let reader = Reader { source, what, window: Mutex::new(None) };
    let descriptor = reader.read(16 * SECTOR, SECTOR)?;
    if descriptor.get(..6) != Some(b"\x01CD001") {
        return Err(reader.broken("it has no volume descriptor"));
    }
    let root = record(descriptor.get(156..190).unwrap_or_default(), None)
        .ok_or_else(|| reader.broken("its root directory is damaged"))?;
    let skip = reader.skip(&root.extents)?;
    let folder = if top.is_empty() {
        root.extents
    } else {
        let entries = reader.directory(&root.extents, skip)?;
        let folder = entries.into_iter().find(|entry| entry.directory && entry.name == top);
        folder.ok_or_else(|| reader.broken(&format!("it has no folder '{top}'")))?.extents
    };
    let mut files = BTreeMap::new();
    // A folder that is found twice would be walked for ever.
    let mut seen = BTreeSet::new();
    let mut bytes = 0_u64;
    let mut open = vec![(String::new(), folder, 0)];
    while let Some((prefix, extents, depth)) = open.pop() {
        if extents.iter().any(|(start, _)| !seen.insert(*start)) {
            return Err(reader.broken("its folders form a loop"));
        }
        bytes = extents.iter().fold(bytes, |sum, (_, size)| sum.saturating_add(*size));
        if bytes > LONGEST_DIRECTORIES {
            return Err(reader.broken("its folders are impossibly large"));
        }
        for entry in reader.directory(&extents, skip)? {
            let path = format!("{prefix}{}", entry.name);
            if !entry.directory {
                // Of two files with one name it is unknown which one another reader takes.
                if files.insert(path, entry.extents).is_some() {
                    return Err(reader.broken("two of its files have the same name"));
                }
            } else if depth < DEEPEST {
                open.push((format!("{path}/"), entry.extents, depth + 1));
            } else {
                return Err(reader.broken("its folders are nested too deeply"));
            }
        }
    }
    Ok(files)
}

/// Part of a file.
///
/// # Errors
/// [`Fault`].
pub fn read(source: &dyn ReadAt, extents: &Extents, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
    let (mut skip, mut left, mut bytes) = (offset, length, vec![]);
    for (start, size) in extents {
        if left == 0 {
            break;
        }
        if skip >= *size {
            skip -= size;
            continue;
        }
        let count = left.min(size - skip);
        bytes.extend(source.read_at(start.saturating_add(skip), count)?);
        (skip, left) = (0, left - count);
    }
    Ok(bytes)
}

impl Reader<'_> {
    fn broken(&self, cause: &str) -> Fault {
        Fault::ended("READ", self.what, format!("it is not an image of a medium: {cause}"))
    }

    /// Reads through the window.
    fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let part = |start: u64, bytes: &[u8]| {
            let from = usize::try_from(offset.checked_sub(start)?).ok()?;
            bytes.get(from..from.checked_add(usize::try_from(length).ok()?)?).map(<[u8]>::to_vec)
        };
        if let Some(found) = window.as_ref().and_then(|(start, bytes)| part(*start, bytes)) {
            return Ok(found);
        }
        let bytes = self.source.read_at(offset, length.max(WINDOW))?;
        let found = part(offset, &bytes).ok_or_else(|| self.broken("it ends too early"));
        *window = Some((offset, bytes));
        found
    }

    /// How many bytes of each system use field do not belong to SUSP (the SP entry of the root's own record).
    fn skip(&self, root: &Extents) -> Result<usize, Fault> {
        let Some((offset, _)) = root.first() else { return Err(self.broken("its root directory is empty")) };
        let bytes = self.read(*offset, SECTOR)?;
        let length = usize::from(bytes.first().copied().unwrap_or(0));
        let area = bytes.get(34..length).unwrap_or_default();
        match area {
            [b'S', b'P', 7, 1, 0xBE, 0xEF, skip, ..] => Ok(usize::from(*skip)),
            _ => Err(self.broken("it has no Rock Ridge names")),
        }
    }

    fn directory(&self, extents: &Extents, skip: usize) -> Result<Vec<Entry>, Fault> {
        let mut entries: Vec<Entry> = vec![];
        let mut continued = false;
        for (start, size) in extents {
            if *size > LONGEST_DIRECTORY {
                return Err(self.broken("a folder is impossibly large"));
            }
            let bytes = self.read(*start, *size)?;
            // Records do not cross sectors; the rest of a sector is zeros.
            for sector in bytes.chunks(SECTOR as usize) {
                let mut rest = sector;
                while let Some(length @ 1..) = rest.first().map(|length| usize::from(*length)) {
                    let raw = rest.get(..length).ok_or_else(|| self.broken("a record is cut off"))?;
                    rest = &rest[length..];
                    let name = self.name(raw, skip)?;
                    let entry = record(raw, name).ok_or_else(|| self.broken("a record is damaged"))?;
                    // Flag 128: the file continues in the next record.
                    let more = raw.get(25).is_some_and(|flags| flags & 128 != 0);
                    match entries.last_mut().filter(|_| continued) {
                        Some(last) => last.extents.extend(entry.extents),
                        None if entry.name.is_empty() => {}
                        None => entries.push(entry),
                    }
                    continued = more;
                }
            }
        }
        Ok(entries)
    }

    /// The name of a record: NM entries, which may continue elsewhere (CE). `None` for `.` and `..`.
    fn name(&self, raw: &[u8], skip: usize) -> Result<Option<String>, Fault> {
        let length = usize::from(raw.get(32).copied().unwrap_or(0));
        if matches!(raw.get(33..33 + length), Some([0 | 1]) | None) {
            return Ok(Some(String::new()));
        }
        // The name is padded to an even position.
        let start = 33 + length + usize::from(length.is_multiple_of(2)) + skip;
        let mut area = raw.get(start..).unwrap_or_default().to_vec();
        let mut name = vec![];
        for _ in 0..DEEPEST {
            let mut next = None;
            let mut rest = area.as_slice();
            while let [a, b, length, _, ..] = rest {
                let length = usize::from(*length);
                if length < 4 || length > rest.len() {
                    break;
                }
                let body = &rest[4..length];
                match (a, b) {
                    (b'N', b'M') => name.extend(body.get(1..).unwrap_or_default()),
                    (b'C', b'E') => {
                        let number = |at: usize| {
                            let bytes = body.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
                            bytes.map_or(0, u32::from_le_bytes)
                        };
                        next = Some((u64::from(number(0)) * SECTOR + u64::from(number(8)), u64::from(number(16))));
                    }
                    _ => {}
                }
                rest = &rest[length..];
            }
            match next {
                Some((offset, size)) if size <= SECTOR => area = self.read(offset, size)?,
                _ => break,
            }
        }
        let name = String::from_utf8(name).map_err(|_| self.broken("a name is not UTF-8"))?;
        if name.contains('/') || name == ".." {
            return Err(self.broken("a name is impossible"));
        }
        Ok((!name.is_empty()).then_some(name))
    }
}

/// A directory record (ECMA-119, 9.1), with its Rock Ridge name when it has one.
fn record(raw: &[u8], name: Option<String>) -> Option<Entry> {
    let number = |at: usize| Some(u64::from(u32::from_le_bytes(raw.get(at..at + 4)?.try_into().ok()?)));
    let (start, size, flags) = (number(2)? * SECTOR, number(10)?, *raw.get(25)?);
    let plain = || {
        let length = usize::from(*raw.get(32)?);
        let bytes = raw.get(33..33 + length)?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        Some(text.split(';').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase())
    };
    let name = name.or_else(plain)?;
    let size = if flags & 2 != 0 { size.div_ceil(SECTOR) * SECTOR } else { size };
    Some(Entry { name, extents: vec![(start, size)], directory: flags & 2 != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Vec<u8>);

    impl ReadAt for Bytes {
        fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
            let from = (offset as usize).min(self.0.len());
            Ok(self.0[from..(from + length as usize).min(self.0.len())].to_vec())
        }
    }

    fn image(folder: &std::path::Path) -> Bytes {
        let tree = folder.join("tree");
        let repository = tree.join("lifeboat/repo/data/ab");
        std::fs::create_dir_all(&repository).unwrap();
        let name = "ab".repeat(32);
        std::fs::write(repository.join(&name), vec![7; 300_000]).unwrap();
        std::fs::write(tree.join("lifeboat/manifest.json"), "{}").unwrap();
        std::fs::write(tree.join("lifeboat").join("n".repeat(240)), "long").unwrap();
        let out = folder.join("x.iso");
        let made = std::process::Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-R", "-o"])
            .args([&out, &tree])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Bytes(std::fs::read(out).unwrap())
    }

    #[test]
    fn an_image_of_xorriso() {
        let folder = tempfile::tempdir().unwrap();
        let image = image(folder.path());
        let files = files(&image, "x.iso", "lifeboat").unwrap();
        let name = format!("repo/data/ab/{}", "ab".repeat(32));
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, ["manifest.json", &"n".repeat(240), &name]);
        assert_eq!(read(&image, &files["manifest.json"], 0, 2).unwrap(), b"{}");
        assert_eq!(read(&image, &files[&name], 299_990, 100).unwrap(), [7; 10]);
        assert_eq!(read(&image, &files[&"n".repeat(240)], 1, 3).unwrap(), b"ong");
    }

    #[test]
    fn broken_images_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let Bytes(whole) = image(folder.path());
        assert!(files(&Bytes(vec![0; 100_000]), "x", "lifeboat").is_err());
        assert!(files(&Bytes(whole.clone()), "x", "elsewhere").unwrap_err().to_string().contains("no folder"));
        assert!(files(&Bytes(whole[..34_000].to_vec()), "x", "lifeboat").is_err());
        use proptest::prelude::*;
        proptest!(|(flips in proptest::collection::vec((32_768_usize..60_000, any::<u8>()), 1..20))| {
            let mut bytes = whole.clone();
            for (at, value) in flips {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            let _ = files(&Bytes(bytes), "x", "lifeboat");
        });
    }
}

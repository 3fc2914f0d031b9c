//! A directory of a snapshot as a tar archive, in the pax format (pax(1), POSIX.1-2008): names of any length and bytes, times to
//! the nanosecond, extended attributes as GNU tar, bsdtar and restic write them (`SCHILY.xattr.`). Holes are written as zeros.

use crate::ArchiveError;
use crate::file_table::{Entry, Kind};
use crate::pax::{decimal, record};
use crate::repository::contents::{Contents, Number, WriteError};
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;

/// Size of a tar block, in bytes.
const BLOCK: usize = 512;

/// What went into a tar archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries.
    pub entries: u64,
    /// Entries that could not be read, each with the reason. They are not in the tar archive.
    pub problems: Vec<crate::Problem>,
}

/// Writes an entry and all below it as a tar archive; its names begin at the root of the snapshot, without the first slash.
///
/// # Errors
/// What `out` answers; when the repository is gone. A damaged file is a problem, and left out.
pub fn write(contents: &Contents, top: Number, out: &mut dyn Write) -> Result<Written, WriteError> {
    let links: HashMap<Number, Number> =
        contents.hard_links().into_iter().map(|(name, first, _)| (name, first)).collect();
    let mut firsts: HashMap<Number, Vec<u8>> = HashMap::new();
    let mut reader = contents.reader()?;
    let mut written = Written::default();
    let mut open = vec![top];
    while let Some(number) = open.pop() {
        let entry = contents.entry(number);
        let name = name(&entry);
        let children: Vec<Number> = contents.children(number).collect();
        open.extend(children.into_iter().rev());
        // Tar has no sockets; GNU tar leaves them out as well.
        if entry.kind == Kind::Socket {
            continue;
        }
        let first = links.get(&number);
        if let Some(leader) = first.and_then(|first| firsts.get(first)) {
            header(&entry, &name, Some(leader), out)?;
            written.entries += 1;
            continue;
        }
        if entry.kind == Kind::File {
            // Only a file that is whole in the index is announced; a blob that turns out to be damaged cannot be taken back.
            let problem = |error: ArchiveError| crate::Problem { path: entry.path.clone(), message: error.to_string() };
            if let Err(error) = contents.pieces(number) {
                written.problems.push(problem(error));
                continue;
            }
            header(&entry, &name, None, out)?;
            let mut counted = Counted { out, bytes: 0 };
            let result = contents.write_pieces(&mut reader, number, &mut counted);
            let bytes = counted.bytes;
            match result {
                Ok(()) => {}
                Err(WriteError::Archive(error)) if error.is_damage() => {
                    written.problems.push(problem(error));
                    // The announced length is kept, so that what follows stays readable.
                    zeros(entry.size.saturating_sub(bytes), out)?;
                }
                Err(error) => return Err(error),
            }
            pad(entry.size, out)?;
        } else {
            header(&entry, &name, None, out)?;
        }
        written.entries += 1;
        if let Some(first) = first {
            firsts.insert(*first, name);
        }
    }
    out.write_all(&[0; 2 * BLOCK])?;
    out.flush()?;
    Ok(written)
}

/// The path without the first slash, of directories with one at the end.
fn name(entry: &Entry) -> Vec<u8> {
    let path = entry.path.as_os_str().as_bytes();
    let mut name = path.strip_prefix(b"/").unwrap_or(path).to_vec();
    if name.is_empty() {
        name.push(b'.');
    }
    if entry.kind == Kind::Directory {
        name.push(b'/');
    }
    name
}

/// Writes the headers of an entry; `linked` is the name of which it is another one.
fn header(entry: &Entry, name: &[u8], linked: Option<&Vec<u8>>, out: &mut dyn Write) -> Result<(), WriteError> {
    let target = match (&linked, &entry.target) {
        (Some(name), _) => name.to_vec(),
        (None, Some(target)) => target.as_os_str().as_bytes().to_vec(),
        (None, None) => vec![],
    };
    let size = if entry.kind == Kind::File && linked.is_none() { entry.size } else { 0 };
    let mut more = vec![];
    if name.len() > 100 || !name.is_ascii() {
        record(&mut more, b"path", name);
    }
    if target.len() > 100 || !target.is_ascii() {
        record(&mut more, b"linkpath", &target);
    }
    if !fits(size, 11) {
        record(&mut more, b"size", size.to_string().as_bytes());
    }
    for (key, id) in [(&b"uid"[..], entry.uid), (b"gid", entry.gid)] {
        if !fits(id.into(), 7) {
            record(&mut more, key, id.to_string().as_bytes());
        }
    }
    let seconds = entry.mtime.seconds;
    if entry.mtime.nanoseconds != 0 || u64::try_from(seconds).map_or(true, |seconds| !fits(seconds, 11)) {
        record(&mut more, b"mtime", decimal(entry.mtime).as_bytes());
    }
    for xattr in entry.xattrs.iter().filter(|_| linked.is_none()) {
        record(&mut more, &[b"SCHILY.xattr.", &xattr.name[..]].concat(), &xattr.value);
    }
    if !more.is_empty() {
        let announced = Fields { kind: b'x', size: more.len() as u64, mode: 0o600, ..Fields::default() };
        out.write_all(&announced.block(b"pax-header", b""))?;
        out.write_all(&more)?;
        pad(more.len() as u64, out)?;
    }
    let kind = match (linked, entry.kind) {
        (Some(_), _) => b'1',
        (None, Kind::File) => b'0',
        (None, Kind::Symlink) => b'2',
        (None, Kind::CharDevice) => b'3',
        (None, Kind::BlockDevice) => b'4',
        (None, Kind::Directory) => b'5',
        (None, Kind::Fifo | Kind::Socket) => b'6',
    };
    let fields = Fields {
        kind,
        size,
        mode: entry.mode.into(),
        owner: (entry.uid.into(), entry.gid.into()),
        seconds: u64::try_from(seconds).unwrap_or(0),
        device: entry.device.unwrap_or_default(),
    };
    out.write_all(&fields.block(name, &target)).map_err(WriteError::from)
}

/// The numbers of a header block.
#[derive(Default)]
struct Fields {
    kind: u8,
    size: u64,
    mode: u64,
    owner: (u64, u64),
    seconds: u64,
    device: (u32, u32),
}

impl Fields {
    /// The block; what does not fit is in the records before it.
    fn block(&self, name: &[u8], target: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(place) = block.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        };
        put(0, &name[..name.len().min(100)]);
        put(100, octal(self.mode, 7).as_bytes());
        put(108, octal(self.owner.0, 7).as_bytes());
        put(116, octal(self.owner.1, 7).as_bytes());
        put(124, octal(self.size, 11).as_bytes());
        put(136, octal(self.seconds, 11).as_bytes());
        put(148, b"        ");
        put(156, &[self.kind]);
        put(157, &target[..target.len().min(100)]);
        put(257, b"ustar\x0000");
        put(329, octal(self.device.0.into(), 7).as_bytes());
        put(337, octal(self.device.1.into(), 7).as_bytes());
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        let text = format!("{sum:06o}\0 ");
        block[148..156].copy_from_slice(text.as_bytes());
        block
    }
}

/// So many octal digits can hold a number.
fn fits(number: u64, digits: u32) -> bool {
    number < 1 << (3 * digits)
}

/// A number in so many octal digits; zero when it does not fit, for a record has it then.
fn octal(number: u64, digits: usize) -> String {
    let number = if fits(number, digits as u32) { number } else { 0 };
    format!("{number:0digits$o}")
}

/// Fills the last block.
fn pad(size: u64, out: &mut dyn Write) -> Result<(), WriteError> {
    let rest = (size % BLOCK as u64) as usize;
    if rest > 0 {
        out.write_all(&[0; BLOCK][rest..])?;
    }
    Ok(())
}

fn zeros(mut count: u64, out: &mut dyn Write) -> Result<(), WriteError> {
    while count > 0 {
        let part = count.min(1 << 16);
        out.write_all(&vec![0; part as usize])?;
        count -= part;
    }
    Ok(())
}

/// Counts what was written.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

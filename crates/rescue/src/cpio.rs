//! The cpio "newc" format, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Reproducible: the caller gives nodes in order, owner and times are 0, inodes are numbered from 1.

use crate::error::RescueError;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// inode(7)
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFCHR: u32 = 0o020_000;
/// Header, name and data each end on a multiple of this.
const ALIGNMENT: u64 = 4;

/// Writes one archive.
pub struct Writer<W: Write> {
    out: W,
    written: u64,
    inode: u32,
    links: BTreeMap<u64, u32>,
}

struct Header<'a> {
    path: &'a Path,
    inode: u32,
    mode: u32,
    links: u32,
    size: u64,
    device: (u32, u32),
}

impl<W: Write> Writer<W> {
    /// A writer at the beginning of an archive.
    pub fn new(out: W) -> Self {
        Writer { out, written: 0, inode: 0, links: BTreeMap::new() }
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// [`RescueError::Cpio`] for a path that the format cannot hold, [`RescueError::Io`] from the output.
    pub fn directory(&mut self, path: &Path, mode: u32) -> Result<(), RescueError> {
        let inode = self.next_inode();
        self.node(&Header { path, inode, mode: S_IFDIR | mode, links: 2, size: 0, device: (0, 0) }, io::empty())
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As for directories.
    pub fn symlink(&mut self, path: &Path, target: &Path) -> Result<(), RescueError> {
        let inode = self.next_inode();
        let bytes = target.as_os_str().as_bytes();
        let header = Header { path, inode, mode: S_IFLNK | 0o777, links: 1, size: bytes.len() as u64, device: (0, 0) };
        self.node(&header, bytes)
    }

    /// Adds a character device.
    ///
    /// # Errors
    /// As for directories.
    pub fn character_device(&mut self, path: &Path, mode: u32, device: (u32, u32)) -> Result<(), RescueError> {
        let inode = self.next_inode();
        self.node(&Header { path, inode, mode: S_IFCHR | mode, links: 1, size: 0, device }, io::empty())
    }

    /// Adds a regular file of exactly `size` bytes.
    ///
    /// # Errors
    /// As for directories; when `data` ends early; when `size` is 4 GiB or more.
    pub fn file(&mut self, path: &Path, mode: u32, size: u64, data: impl Read) -> Result<(), RescueError> {
        let inode = self.next_inode();
        self.node(&Header { path, inode, mode: S_IFREG | mode, links: 1, size, device: (0, 0) }, data)
    }

    /// Adds one name of a file that has `names` of them. `key` identifies the file. The kernel takes the data from the
    /// name that comes first, so the others have none.
    ///
    /// # Errors
    /// As for files.
    pub fn hard_link(
        &mut self,
        path: &Path,
        mode: u32,
        key: u64,
        names: u32,
        size: u64,
        data: impl Read,
    ) -> Result<(), RescueError> {
        let mode = S_IFREG | mode;
        if let Some(inode) = self.links.get(&key).copied() {
            return self.node(&Header { path, inode, mode, links: names, size: 0, device: (0, 0) }, io::empty());
        }
        let inode = self.next_inode();
        self.links.insert(key, inode);
        self.node(&Header { path, inode, mode, links: names, size, device: (0, 0) }, data)
    }

    /// Ends the archive and returns the output and the number of bytes.
    ///
    /// # Errors
    /// From the output.
    pub fn finish(mut self) -> Result<(W, u64), RescueError> {
        let path = Path::new("TRAILER!!!");
        self.node(&Header { path, inode: 0, mode: 0, links: 1, size: 0, device: (0, 0) }, io::empty())?;
        self.out.flush().map_err(RescueError::io("WRITE", Path::new("the initramfs")))?;
        Ok((self.out, self.written))
    }

    fn next_inode(&mut self) -> u32 {
        self.inode += 1;
        self.inode
    }

    fn node(&mut self, header: &Header<'_>, data: impl Read) -> Result<(), RescueError> {
        let refuse = |reason| RescueError::Cpio { path: header.path.to_owned(), reason };
        let name = header.path.strip_prefix("/").unwrap_or(header.path).as_os_str().as_bytes();
        if name.is_empty() || name.contains(&0) {
            return Err(refuse("its name is empty"));
        }
        // The kernel refuses names of PATH_MAX (4096) bytes with their NUL.
        let name_size = u32::try_from(name.len() + 1).ok().filter(|size| *size <= 4096);
        let name_size = name_size.ok_or_else(|| refuse("its name is longer than 4095 bytes"))?;
        let size = u32::try_from(header.size).map_err(|_| refuse("it is larger than 4 GiB"))?;
        let fields = [
            header.inode,
            header.mode,
            0,
            0,
            header.links,
            0,
            size,
            0,
            0,
            header.device.0,
            header.device.1,
            name_size,
            0,
        ];
        let mut head = b"070701".to_vec();
        for field in fields {
            head.extend(format!("{field:08X}").bytes());
        }
        head.extend(name);
        head.push(0);
        let write = RescueError::io("WRITE", header.path);
        self.put(&head).and_then(|()| self.pad()).map_err(write)?;
        let copied =
            io::copy(&mut data.take(header.size), &mut self.out).map_err(RescueError::io("COPY", header.path))?;
        self.written += copied;
        if copied != header.size {
            return Err(refuse("it became shorter while it was read"));
        }
        self.pad().map_err(RescueError::io("WRITE", header.path))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad(&mut self) -> io::Result<()> {
        let missing = (ALIGNMENT - self.written % ALIGNMENT) % ALIGNMENT;
        self.put(&[0; ALIGNMENT as usize][..missing as usize])
    }
}

/// One node that [`read`] meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Absolute path.
    pub path: PathBuf,
    /// Type and permission bits.
    pub mode: u32,
    /// Size of the data, in bytes.
    pub size_bytes: u64,
}

impl Met {
    /// It is a regular file or a symbolic link.
    pub fn is_file_or_link(&self) -> bool {
        [S_IFREG, S_IFLNK].contains(&(self.mode & S_IFMT))
    }
}

/// Magic numbers of compressed archives (RFC 1952, RFC 8878).
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Reads concatenated archives, each plain or compressed, with zeros between them, as the kernel does.
///
/// # Errors
/// As [`read`]; [`RescueError::Io`] for an input without one.
pub fn read_all(
    mut input: impl BufRead,
    name: &Path,
    mut visit: impl FnMut(&Met, &mut dyn Read) -> io::Result<()>,
) -> Result<(), RescueError> {
    let failed = || RescueError::io("READ", name);
    let mut any = false;
    loop {
        let begin = loop {
            let buffer = input.fill_buf().map_err(failed())?;
            match buffer.iter().position(|byte| *byte != 0) {
                Some(0) => break <[u8; 4]>::try_from(buffer.get(..4).unwrap_or_default()).unwrap_or_default(),
                // After the first archive; zeros alone are not one.
                Some(zeros) if any => input.consume(zeros),
                None if any && !buffer.is_empty() => {
                    let zeros = buffer.len();
                    input.consume(zeros);
                }
                None if any => return Ok(()),
                _ => return Err(failed()(io::ErrorKind::UnexpectedEof.into())),
            }
        };
        any = true;
        if begin == ZSTD {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut input).map_err(failed())?.single_frame();
            read(&mut decoder, name, &mut visit)?;
            io::copy(&mut decoder, &mut io::sink()).map_err(failed())?;
        } else if begin.starts_with(&GZIP) {
            let mut decoder = flate2::bufread::GzDecoder::new(&mut input);
            read(&mut decoder, name, &mut visit)?;
            io::copy(&mut decoder, &mut io::sink()).map_err(failed())?;
        } else {
            read(&mut input, name, &mut visit)?;
        }
    }
}

/// Reads an archive that is not compressed; `visit` receives each node and may read its data.
///
/// # Errors
/// [`RescueError::Format`] for anything but such an archive, [`RescueError::Io`] when `input` fails.
pub fn read(
    mut input: impl Read,
    name: &Path,
    mut visit: impl FnMut(&Met, &mut dyn Read) -> io::Result<()>,
) -> Result<(), RescueError> {
    let wrong = |reason: &str| RescueError::Format { path: name.to_owned(), reason: reason.to_owned() };
    loop {
        let mut header = [0; 110];
        input.read_exact(&mut header).map_err(RescueError::io("READ", name))?;
        if !header.starts_with(b"070701") {
            return Err(wrong("it is not a cpio archive, or it is compressed"));
        }
        let field = |number: usize| {
            let digits = header.get(6 + 8 * number..14 + 8 * number).unwrap_or_default();
            let text = std::str::from_utf8(digits).unwrap_or_default();
            u32::from_str_radix(text, 16).map_err(|_| wrong("a number in a header is none"))
        };
        let (mode, size_bytes, name_size) = (field(1)?, u64::from(field(6)?), u64::from(field(11)?));
        if !(1..=4096).contains(&name_size) {
            return Err(wrong("a name is longer than 4096 bytes, or empty"));
        }
        let mut path = vec![0; name_size as usize];
        input.read_exact(&mut path).map_err(RescueError::io("READ", name))?;
        path.pop();
        skip(&mut input, padding(110 + name_size)).map_err(RescueError::io("READ", name))?;
        if path == b"TRAILER!!!" {
            return Ok(());
        }
        let met = Met { path: Path::new("/").join(OsStr::from_bytes(&path)), mode, size_bytes };
        let mut data = (&mut input).take(size_bytes);
        visit(&met, &mut data).map_err(RescueError::io("READ", name))?;
        let rest = data.limit() + padding(size_bytes);
        skip(&mut input, rest).map_err(RescueError::io("READ", name))?;
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(ALIGNMENT) - size
}

fn skip(input: impl Read, bytes: u64) -> io::Result<()> {
    match io::copy(&mut input.take(bytes), &mut io::sink())? == bytes {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        writer.directory(Path::new("/lifeboat"), 0o755).unwrap();
        writer.character_device(Path::new("/dev-console"), 0o600, (5, 1)).unwrap();
        writer.file(Path::new("/lifeboat/odd"), 0o600, 5, &b"12345"[..]).unwrap();
        writer.symlink(Path::new("/lib"), Path::new("usr/lib")).unwrap();
        writer.hard_link(Path::new("/one"), 0o644, 7, 2, 3, &b"abc"[..]).unwrap();
        writer.hard_link(Path::new("/two"), 0o644, 7, 2, 3, &b"abc"[..]).unwrap();
        writer.finish().unwrap().0
    }

    #[test]
    fn an_independent_reader_reads_it() {
        let bytes = sample();
        assert_eq!(bytes.len() % 4, 0);
        let mut rest = &bytes[..];
        let mut seen = Vec::new();
        loop {
            let mut reader = cpio::newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            let entry = reader.entry();
            assert_eq!((entry.mtime(), entry.uid(), entry.gid()), (0, 0, 0));
            seen.push((entry.name().to_owned(), entry.mode(), entry.ino(), entry.nlink(), content));
            rest = reader.finish().unwrap();
        }
        let names: Vec<&str> = seen.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["lifeboat", "dev-console", "lifeboat/odd", "lib", "one", "two"]);
        assert_eq!(seen[2].4, b"12345");
        assert_eq!(seen[3].4, b"usr/lib");
        assert_eq!((seen[4].2, seen[5].2, seen[5].3), (5, 5, 2));
        assert_eq!((seen[4].4.len(), seen[5].4.len()), (3, 0));
    }

    #[test]
    fn a_stock_cpio_unpacks_it() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("a.cpio");
        std::fs::write(&archive, sample()).unwrap();
        let out = std::process::Command::new("cpio")
            .args(["--extract", "--make-directories", "--quiet", "--file"])
            .arg(&archive)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        use std::os::unix::fs::MetadataExt as _;
        let (one, two) = (dir.path().join("one").metadata().unwrap(), dir.path().join("two").metadata().unwrap());
        assert_eq!(one.ino(), two.ino());
        assert_eq!(std::fs::read(dir.path().join("two")).unwrap(), b"abc");
        assert_eq!(std::fs::read(dir.path().join("lifeboat/odd")).unwrap(), b"12345");
    }

    #[test]
    fn archives_one_behind_the_other() {
        let names = |bytes: &[u8]| -> Result<Vec<String>, String> {
            let mut names = vec![];
            // A small buffer: an archive may begin anywhere in it.
            let input = io::BufReader::with_capacity(64, bytes);
            read_all(input, Path::new("i"), |met, data| {
                let mut content = String::new();
                data.take(5).read_to_string(&mut content)?;
                names.push(format!("{}{content}", met.path.display()));
                Ok(())
            })
            .map_err(|error| error.to_string())?;
            Ok(names)
        };
        let alone = names(&sample()).unwrap();
        assert_eq!(alone[2], "/lifeboat/odd12345");
        let zstd = zstd::encode_all(&sample()[..], 3).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&sample()).unwrap();
        let gzip = gzip.finish().unwrap();
        for (first, zeros) in [(zstd.clone(), 0), (zstd.clone(), 511), (gzip, 4), (sample(), 1000)] {
            let both = [first, vec![0; zeros], sample()].concat();
            let (twice, found) = ([alone.clone(), alone.clone()].concat(), names(&both));
            // Without zeros between them a reader must not take the second one's beginning for the first one's end.
            assert_eq!(found.unwrap(), twice, "{zeros}");
        }
        assert!(names(&[vec![0; 600], sample()].concat()).is_err(), "zeros are no archive");
        assert!(names(&zstd[..zstd.len() / 2]).unwrap_err().starts_with("cannot READ"));
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        let mut writer = Writer::new(Vec::new());
        let error = writer.file(Path::new("/big"), 0o600, 1 << 32, io::empty()).unwrap_err();
        assert_eq!(error.to_string(), "cannot STORE /big in the initramfs: it is larger than 4 GiB");
        assert!(writer.file(Path::new("/short"), 0o600, 9, &b"1"[..]).is_err());
        assert!(writer.directory(Path::new(&"x".repeat(4096)), 0o755).is_err());
        assert!(writer.directory(Path::new("/"), 0o755).is_err());
    }
}

//! An image of a medium on this machine, as a file or a block device, read without the kernel's iso9660 driver, without a loop device
//! and, for a file, without root.

use crate::Fault;
use crate::iso;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// `O_EXCL` of a block device: while this is open, nothing mounts or partitions it (open(2)).
const EXCLUSIVE: i32 = rustix::fs::OFlags::EXCL.bits() as i32;
/// A pipe in place of an image must not hang.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// The image.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    path: PathBuf,
    size: u64,
}

impl ImageFile {
    /// Opens a regular file or a block device; a device that is not in use is reserved while this lives.
    ///
    /// # Errors
    /// [`Fault`] when it is neither, or cannot be read.
    pub fn open(path: &Path) -> Result<ImageFile, Fault> {
        let fail = |error: std::io::Error| Fault::ended("OPEN", path.display(), error);
        let open = |flags: i32| File::options().read(true).custom_flags(flags | NONBLOCK).open(path);
        let kind = std::fs::metadata(path).map_err(fail)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(Fault::ended("OPEN", path.display(), "it is not a file or a block device"));
        }
        // A mounted device is busy, too; then its mount keeps others away.
        let opened = if kind.is_block_device() { open(EXCLUSIVE).or_else(|_| open(0)) } else { open(0) };
        let mut file = opened.map_err(fail)?;
        let size = file.seek(SeekFrom::End(0)).map_err(fail)?;
        Ok(ImageFile { file, path: path.to_owned(), size })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl iso::ReadAt for ImageFile {
    fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let length = length.min(self.size.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let fail = |error| Fault::ended("READ", self.path.display(), format!("at byte {offset}: {error}"));
        self.file.read_exact_at(&mut bytes, offset).map_err(fail)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::ReadAt as _;

    #[test]
    fn parts_end_where_the_file_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let image = ImageFile::open(&path).unwrap();
        assert_eq!(image.size(), 10);
        assert_eq!(image.read_at(8, 100).unwrap(), b"89");
        assert_eq!(image.read_at(u64::MAX, u64::MAX).unwrap(), b"");
        for (path, message) in [
            (Path::new("/dev/null"), "not a file or a block device"),
            (folder.path(), "not a file or a block device"),
            (Path::new("/no"), "No such"),
        ] {
            let error = ImageFile::open(path).unwrap_err().to_string();
            assert!(error.starts_with("cannot OPEN") && error.contains(message), "{error}");
        }
    }
}

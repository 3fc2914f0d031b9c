//! A new file that gets its name when it is whole: until then it is `NAME.partial`, which a failure and a signal remove.

use crate::durable;
use crate::ending::{self, Registration};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const PARTIAL: &str = ".partial";

/// A file that is being written; unless it is finished, nothing stays of it.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    partial: PathBuf,
    finished: bool,
    _ending: Registration,
}

impl NewFile {
    /// The name of a file until it is whole.
    pub fn partial(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(PARTIAL);
        name.into()
    }

    /// Begins a file. Neither it nor the unfinished one may exist.
    ///
    /// # Errors
    /// The system's error; kind `AlreadyExists` names the one that is in the way.
    pub fn create(path: &Path, mode: u32) -> io::Result<NewFile> {
        let partial = NewFile::partial(path);
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial);
        let file = opened.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&partial),
            _ => error,
        })?;
        let left = partial.clone();
        let _ending = ending::register(move || drop(std::fs::remove_file(left)));
        Ok(NewFile { file, path: path.to_owned(), partial, finished: false, _ending })
    }

    /// Gives it its name, once its bytes are on the disk.
    ///
    /// # Errors
    /// The system's error; then nothing stays of it.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        let renamed = rustix::fs::renameat_with(CWD, &self.partial, CWD, &self.path, RenameFlags::NOREPLACE);
        match renamed {
            // Filesystems that cannot do that.
            Err(Errno::INVAL) => rustix::fs::rename(&self.partial, &self.path)?,
            renamed => renamed?,
        }
        self.finished = true;
        durable::sync_name(&self.path)
    }
}

fn exists(path: &Path) -> io::Error {
    let text = format!("{} exists already; try another name, or remove it first", path.display());
    io::Error::new(io::ErrorKind::AlreadyExists, text)
}

impl io::Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_file_is_there_when_it_is_whole_and_replaces_none() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        let names = || std::fs::read_dir(scratch.path()).unwrap().count();
        let mut file = NewFile::create(&path, 0o600).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        let error = NewFile::create(&path, 0o600).unwrap_err();
        assert!(error.to_string().contains("file.partial exists already"), "{error}");
        drop(file);
        assert_eq!(names(), 0);
        let mut file = NewFile::create(&path, 0o600).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), names()), (b"whole".to_vec(), 1));
        assert_eq!(NewFile::create(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        // Somebody makes the file meanwhile.
        let other = scratch.path().join("other");
        let file = NewFile::create(&other, 0o600).unwrap();
        std::fs::write(&other, "other").unwrap();
        assert_eq!(file.finish().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((std::fs::read(&other).unwrap(), names()), (b"other".to_vec(), 2));
    }
}

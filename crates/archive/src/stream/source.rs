//! Where volumes are read from: files, or a pipe. Tapes are read in `super::tape`.

use super::sink::FileSink;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// One volume that can be read.
pub trait Input: Send {
    /// Fills the buffer as far as there is something.
    ///
    /// # Errors
    /// The system's.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Goes to a byte; false when it cannot.
    ///
    /// # Errors
    /// The system's.
    fn seek(&mut self, _to: u64) -> io::Result<bool> {
        Ok(false)
    }
    /// Its length, where that is known.
    fn length(&self) -> Option<u64> {
        None
    }
}

/// Where the volumes of a set are.
pub trait Source: Send {
    /// Opens a volume; the first is 1. `None` when there is none with this number.
    ///
    /// # Errors
    /// The system's.
    fn open(&mut self, number: u32) -> io::Result<Option<Box<dyn Input>>>;
    /// The number of the last volume there, where that is known.
    fn last(&self) -> Option<u32>;
    /// For messages.
    fn label(&self) -> PathBuf;
}

/// Files that [`FileSink`] wrote: one, or `NAME.001` and so on.
pub struct FileSource {
    path: PathBuf,
    /// Number of the last file; 0 for a single one without a number.
    last: u32,
}

impl FileSource {
    /// Looks which files there are.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(path: &Path) -> io::Result<FileSource> {
        if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
            return Ok(FileSource { path: path.to_owned(), last: 0 });
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut last = 0;
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            let Some(own) = path.file_name() else { continue };
            let digits =
                name.as_encoded_bytes().strip_prefix(own.as_encoded_bytes()).and_then(|rest| rest.strip_prefix(b"."));
            let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|text| text.parse().ok());
            last = number.unwrap_or(0).max(last);
        }
        if last == 0 {
            let text = format!("neither this file nor {} exists", FileSink::volume_path(path, 1).display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(FileSource { path: path.to_owned(), last })
    }
}

struct FileInput(File, u64);

impl Input for FileInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        fill(&mut self.0, buffer)
    }

    fn seek(&mut self, to: u64) -> io::Result<bool> {
        self.0.seek(SeekFrom::Start(to)).map(|_| true)
    }

    fn length(&self) -> Option<u64> {
        Some(self.1)
    }
}

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match from.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

impl Source for FileSource {
    fn open(&mut self, number: u32) -> io::Result<Option<Box<dyn Input>>> {
        let path = match self.last {
            0 if number == 1 => self.path.clone(),
            0 => return Ok(None),
            _ => FileSink::volume_path(&self.path, number),
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        // A pipe or a device has no length.
        match metadata.is_file() {
            true => Ok(Some(Box::new(FileInput(file, metadata.len())))),
            false => Ok(Some(Box::new(PipeInput(file)))),
        }
    }

    fn last(&self) -> Option<u32> {
        Some(self.last.max(1))
    }

    fn label(&self) -> PathBuf {
        self.path.clone()
    }
}

struct PipeInput<R: Read + Send>(R);

impl<R: Read + Send> Input for PipeInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        fill(&mut self.0, buffer)
    }
}

/// A pipe: standard input. It can be read once.
pub struct PipeSource<R: Read + Send + 'static>(pub Option<R>);

impl<R: Read + Send + 'static> Source for PipeSource<R> {
    fn open(&mut self, number: u32) -> io::Result<Option<Box<dyn Input>>> {
        match self.0.take() {
            Some(reader) if number == 1 => Ok(Some(Box::new(PipeInput(reader)))),
            _ => Ok(None),
        }
    }

    fn last(&self) -> Option<u32> {
        None
    }

    fn label(&self) -> PathBuf {
        PathBuf::from("standard input")
    }
}

//! Where volumes are read from: files, or a pipe. Tapes are read in `super::tape`.

use super::sink::FileSink;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
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
    /// Fills the buffer from a byte on with what another copy of the volume has there, the first one with number 0; false when there are
    /// not so many. What is read next does not change.
    fn other(&mut self, _copy: usize, _at: u64, _buffer: &mut [u8]) -> bool {
        false
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
    /// Whether somebody changes the media: then nothing is read once more that was read already.
    fn is_changed_by_hand(&self) -> bool {
        false
    }
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
        let folder = lifeboat_sys::names::folder_of(path);
        let mut numbers: Vec<u32> = vec![];
        for entry in std::fs::read_dir(folder)? {
            let name = entry?.file_name();
            let Some(own) = path.file_name() else { continue };
            let digits =
                name.as_encoded_bytes().strip_prefix(own.as_encoded_bytes()).and_then(|rest| rest.strip_prefix(b"."));
            let number =
                digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|text| text.parse::<u32>().ok());
            numbers.extend(number);
        }
        // A file with a number that no set with so few volumes reaches is none of it: each missing volume is looked for and listed.
        let most = STRAY_FACTOR * (u32::try_from(numbers.len()).unwrap_or(u32::MAX / STRAY_FACTOR) + STRAY_FACTOR);
        let last = numbers.into_iter().filter(|number| *number <= most).max().unwrap_or(0);
        if last == 0 {
            let text = format!("neither this file nor {} exists", FileSink::volume_path(path, 1).display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        Ok(FileSource { path: path.to_owned(), last })
    }
}

/// So many times the number of files there, and some more, may be the number of the last volume.
const STRAY_FACTOR: u32 = 10;

/// What is passed over at once where a file cannot be read.
const SKIPPED_BYTES: u64 = 64 << 10;
/// Places in a row that cannot be read, behind which a file is given up.
const UNREADABLE_MAX: u32 = 1024;

/// The medium, or the filesystem's checksums, say that a place is damaged; another place may be readable.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let damage = [Errno::IO, Errno::NODATA, Errno::ILSEQ, Errno::BADMSG, Errno::UCLEAN];
    error.raw_os_error().is_some_and(|code| damage.iter().any(|errno| errno.raw_os_error() == code))
}

struct FileInput<F> {
    file: F,
    length: u64,
    at: u64,
    /// Places in a row that could not be read.
    unreadable: u32,
}

impl<F: Read + Seek + Send> Input for FileInput<F> {
    /// Zeros stand for what cannot be read, so that what follows keeps its place; they are no valid part of a volume, and are
    /// reported as damage.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.file.read(&mut buffer[done..]) {
                Ok(0) => break,
                Ok(count) => {
                    done += count;
                    self.at += count as u64;
                    self.unreadable = 0;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_unreadable(&error) && self.at < self.length && self.unreadable < UNREADABLE_MAX => {
                    self.unreadable += 1;
                    let next = ((self.at / SKIPPED_BYTES + 1) * SKIPPED_BYTES).min(self.length);
                    let count = (next - self.at).min((buffer.len() - done) as u64);
                    buffer[done..done + count as usize].fill(0);
                    done += count as usize;
                    self.at += count;
                    self.file.seek(SeekFrom::Start(self.at))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn seek(&mut self, to: u64) -> io::Result<bool> {
        self.at = self.file.seek(SeekFrom::Start(to))?;
        Ok(true)
    }

    fn length(&self) -> Option<u64> {
        Some(self.length)
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
        let is_numbered = self.last > 0;
        // Opening a pipe waits for a writer; a volume among others is a file.
        let flags = if is_numbered { rustix::fs::OFlags::NONBLOCK.bits() as i32 } else { 0 };
        let file = match File::options().read(true).custom_flags(flags).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if is_numbered && !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        // A pipe or a device has no length.
        match metadata.is_file() {
            true => Ok(Some(Box::new(FileInput { file, length: metadata.len(), at: 0, unreadable: 0 }))),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that cannot be read from one place to another.
    struct Damaged(io::Cursor<Vec<u8>>, std::ops::Range<u64>);

    impl Read for Damaged {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let at = self.0.position();
            if self.1.contains(&at) {
                return Err(io::Error::from_raw_os_error(5));
            }
            let most =
                if at < self.1.start { (self.1.start - at).min(buffer.len() as u64) } else { buffer.len() as u64 };
            self.0.read(&mut buffer[..most as usize])
        }
    }

    impl Seek for Damaged {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn what_cannot_be_read_is_zeros_and_the_rest_keeps_its_place() {
        let length = 1_000_000;
        let whole: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8 + 1).collect();
        let bad = 200_000..310_000;
        let file = Damaged(io::Cursor::new(whole.clone()), bad);
        let mut input = FileInput { file, length: length.into(), at: 0, unreadable: 0 };
        let mut read = vec![];
        let mut part = vec![0; 70_000];
        loop {
            match input.read(&mut part).unwrap() {
                0 => break,
                got => read.extend_from_slice(&part[..got]),
            }
        }
        // Up to the next multiple of 64 KiB behind it.
        let lost = 200_000..327_680;
        assert_eq!(read.len(), whole.len());
        assert_eq!((&read[..lost.start], &read[lost.end..]), (&whole[..lost.start], &whole[lost.end..]));
        assert!(read[lost].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_file_that_went_away_ends() {
        let length = 1 << 30;
        let mut input = FileInput { file: Damaged(io::Cursor::new(vec![]), 0..length), length, at: 0, unreadable: 0 };
        let mut part = vec![0; 1 << 20];
        let passed = (0..200).take_while(|_| input.read(&mut part).is_ok()).count();
        assert_eq!(passed, 64);
    }
}

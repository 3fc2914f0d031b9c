//! Where volumes go: one file, files of a size, standard output. Tapes are in [`super::tape`].

use lifeboat_sys::ending::{self, Registration};
use lifeboat_sys::new_file::{Named, NewFile};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Takes volumes, one after the other.
pub trait Sink: Send {
    /// The id of the set, where it was given beforehand: 32 lower-case hex digits.
    fn set(&self) -> Option<String> {
        None
    }
    /// The most bytes that the volume may have that was begun last, with header and trailer; `None` when only the end of a medium tells.
    fn capacity(&self) -> Option<u64> {
        None
    }
    /// Begins the volume with this number; the first is 1.
    ///
    /// # Errors
    /// The system's, or what else keeps it from being written.
    fn begin(&mut self, number: u32) -> io::Result<()>;
    /// Writes whole blocks. Returns true when the end of the medium is near: only what is begun and the trailer still fit.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn write(&mut self, blocks: &[u8], block_bytes: usize) -> io::Result<bool>;
    /// Separates header, payload and trailer where the medium has marks.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn mark(&mut self) -> io::Result<()> {
        Ok(())
    }
    /// Completes the volume; `last` when no other follows.
    ///
    /// # Errors
    /// As [`Sink::begin`].
    fn end(&mut self, last: bool) -> io::Result<()>;
    /// What is being written, for messages.
    fn label(&self) -> PathBuf;
}

/// Files: a single one, or one for each volume, `NAME.001` and so on.
pub struct FileSink {
    path: PathBuf,
    volume_bytes: Option<u64>,
    open: Option<NewFile>,
    /// Complete ones.
    done: Vec<Named>,
    finished: bool,
    /// What a signal removes.
    registered: Vec<Registration>,
}

impl FileSink {
    /// For one file of any size, or for files that have at most `volume_bytes`.
    pub fn new(path: &Path, volume_bytes: Option<u64>) -> Self {
        FileSink { path: path.to_owned(), volume_bytes, open: None, done: vec![], finished: false, registered: vec![] }
    }

    /// The file of a volume.
    pub fn volume_path(path: &Path, number: u32) -> PathBuf {
        suffixed(path, &format!(".{number:03}"))
    }

    fn remove_on_signals(&mut self, volume: Named) {
        self.registered.push(ending::register(move || volume.remove()));
    }

    fn place(&self, number: u32) -> PathBuf {
        match self.volume_bytes {
            Some(_) => FileSink::volume_path(&self.path, number),
            None => self.path.clone(),
        }
    }
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Sink for FileSink {
    fn capacity(&self) -> Option<u64> {
        self.volume_bytes
    }

    fn begin(&mut self, number: u32) -> io::Result<()> {
        self.open = Some(NewFile::create(&self.place(number), 0o600)?);
        Ok(())
    }

    fn write(&mut self, blocks: &[u8], _: usize) -> io::Result<bool> {
        if let Some(file) = &mut self.open {
            file.write_all(blocks)?;
        }
        Ok(false)
    }

    fn end(&mut self, last: bool) -> io::Result<()> {
        let Some(file) = self.open.take() else { return Ok(()) };
        let volume = file.finish()?;
        self.done.push(volume.clone());
        self.finished = last;
        match last {
            true => self.registered.clear(),
            false => self.remove_on_signals(volume),
        }
        Ok(())
    }

    fn label(&self) -> PathBuf {
        self.path.clone()
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        // Volumes without the end of their set only take room.
        if !self.finished {
            self.done.iter().for_each(Named::remove);
        }
    }
}

/// A pipe: standard output.
pub struct PipeSink<W: io::Write + Send>(pub W);

impl<W: io::Write + Send> Sink for PipeSink<W> {
    fn begin(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, blocks: &[u8], _: usize) -> io::Result<bool> {
        self.0.write_all(blocks)?;
        Ok(false)
    }

    fn end(&mut self, _: bool) -> io::Result<()> {
        self.0.flush()
    }

    fn label(&self) -> PathBuf {
        PathBuf::from("standard output")
    }
}

//! Volumes on tapes: header, filemark, payload, filemark, trailer, filemark; always in variable mode, a block with each call.
//!
//! What is read is never trusted to be where filemarks or file numbers say, and never to end where a drive says so: some return
//! other data behind the last filemark. A volume ends with its trailer.

use super::sink::Sink;
use super::source::{Input, Source, is_unreadable};
use super::trailer::Trailer;
use lifeboat_sys::tape::VolumeHeader;
use lifeboat_sys::tape::drive::{Block, Tape, WritableTape};
use lifeboat_sys::tape::search::{Miss, Reach, search};
use std::io;
use std::path::PathBuf;

/// The largest block that a drive takes in one command.
const BLOCK_MAX: usize = 1 << 20;
/// Filemarks and unreadable places that are passed in a row; a volume has no two filemarks without a block between them.
const MARKS_MAX: u32 = 3;
/// Blocks that cannot be read in a row, behind which a tape is given up.
const UNREADABLE_MAX: u32 = 64;

/// Gives the tape for a volume: from the second on, and the first again when a set is read once more. `None` when nobody has it.
pub type Change<T> = Box<dyn FnMut(u32) -> io::Result<Option<T>> + Send>;

/// Gives a tape for a volume of the set with this id, from the second on; it must not hold another volume of the set.
pub type NextTape<T> = Box<dyn FnMut(u32, &str) -> io::Result<Option<T>> + Send>;

/// Writes volumes to tapes.
pub struct TapeSink<T: WritableTape> {
    /// `None` while the tape is changed: a drive can be opened once.
    tape: Option<T>,
    change: NextTape<T>,
    /// The set that is being written, from its first header.
    set: String,
    label: PathBuf,
}

impl<T: WritableTape> TapeSink<T> {
    /// Begins with a tape that is at the place for the first volume.
    pub fn new(tape: T, change: NextTape<T>, label: PathBuf) -> Self {
        TapeSink { tape: Some(tape), change, set: String::new(), label }
    }

    fn tape(&mut self) -> io::Result<&mut T> {
        self.tape.as_mut().ok_or_else(|| io::Error::other("there is no tape"))
    }
}

fn is_end(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NOSPC.raw_os_error())
}

impl<T: WritableTape> Sink for TapeSink<T> {
    fn begin(&mut self, number: u32) -> io::Result<()> {
        if number > 1 {
            let text = || format!("the tape is full, and there is no tape for volume {number}");
            // Whoever changes the tape must not take the full one for the next. A drive that keeps it is no reason to fail.
            if let Some(mut full) = self.tape.take() {
                let _ = full.unload();
            }
            self.tape = Some((self.change)(number, &self.set)?.ok_or_else(|| io::Error::other(text()))?);
        }
        Ok(())
    }

    fn write(&mut self, blocks: &[u8], block_bytes: usize) -> io::Result<bool> {
        let mut is_near = false;
        if self.set.is_empty()
            && let Ok(header) = VolumeHeader::parse(blocks)
        {
            self.set = header.set;
        }
        let tape = self.tape()?;
        for block in blocks.chunks(block_bytes) {
            match tape.write_block(block) {
                Err(error) if is_end(&error) => {
                    is_near = true;
                    // Once: a drive may say so with every second block until the tape itself ends.
                    tape.write_block(block).map_err(|error| match is_end(&error) {
                        true => io::Error::other("the tape ended before its volume could be completed"),
                        false => error,
                    })?;
                }
                written => written?,
            }
        }
        Ok(is_near)
    }

    fn mark(&mut self) -> io::Result<()> {
        self.tape()?.write_filemark()
    }

    fn end(&mut self, _: bool) -> io::Result<()> {
        self.tape()?.write_filemark()
    }

    fn label(&self) -> PathBuf {
        self.label.clone()
    }
}

/// Reads volumes from tapes.
pub struct TapeSource<T: Tape + Send + 'static> {
    /// The tape in the drive, until it is read.
    tape: Option<T>,
    change: Change<T>,
    /// Nobody can be asked for tapes any more.
    is_over: bool,
    reach: Reach,
    label: PathBuf,
}

impl<T: Tape + Send + 'static> TapeSource<T> {
    /// Begins with a tape that was rewound.
    pub fn new(tape: T, change: Change<T>, reach: Reach, label: PathBuf) -> Self {
        TapeSource { tape: Some(tape), change, is_over: false, reach, label }
    }
}

impl<T: Tape + Send + 'static> Source for TapeSource<T> {
    fn open(&mut self, number: u32) -> io::Result<Option<Box<dyn Input>>> {
        let tape = match self.tape.take() {
            Some(tape) => Some(tape),
            None if !self.is_over => (self.change)(number).inspect_err(|_| self.is_over = true)?,
            None => None,
        };
        let Some(mut tape) = tape else { return Ok(None) };
        match search(&mut tape, self.reach, &|_| {}) {
            Ok(_) => {}
            Err(Miss::Foreign(what)) => {
                return Err(io::Error::other(format!("the tape has no volume of a stream: it begins with {what}")));
            }
            Err(Miss::Header(error)) => return Err(io::Error::other(error.to_string())),
            Err(Miss::Blank) => return Err(io::Error::other("the tape is blank")),
            Err(Miss::Unreadable(error)) => {
                return Err(io::Error::other(format!("the beginning of the tape cannot be read: {error}")));
            }
            Err(Miss::Io(error)) => return Err(error),
        }
        // The search has passed the header.
        tape.back_blocks(1)?;
        Ok(Some(Box::new(TapeInput {
            tape,
            block: vec![0; BLOCK_MAX],
            at: 0,
            end: 0,
            usual: 0,
            unreadable: 0,
            is_over: false,
        })))
    }

    fn last(&self) -> Option<u32> {
        None
    }

    fn label(&self) -> PathBuf {
        self.label.clone()
    }
}

struct TapeInput<T> {
    tape: T,
    block: Vec<u8>,
    at: usize,
    end: usize,
    /// The length of the last block that could be read: all have the same.
    usual: usize,
    /// Blocks in a row that could not be read.
    unreadable: u32,
    is_over: bool,
}

impl<T: Tape + Send> TapeInput<T> {
    /// Reads the next block; false behind the trailer, or where nothing more comes. Zeros stand for a block that cannot be read, so
    /// that what follows keeps its place; they are no valid part of a volume, and are reported as damage.
    fn next(&mut self) -> io::Result<bool> {
        let mut marks = 0;
        while !self.is_over && marks < MARKS_MAX {
            let block = match self.tape.read_block(&mut self.block) {
                Err(error) if is_unreadable(&error) && self.usual > 0 => {
                    self.unreadable += 1;
                    if self.unreadable > UNREADABLE_MAX {
                        break;
                    }
                    self.block[..self.usual].fill(0);
                    (self.at, self.end) = (0, self.usual);
                    return Ok(true);
                }
                block => block?,
            };
            match block {
                Block::Data(count) => {
                    (self.at, self.end) = (0, count);
                    (self.usual, self.unreadable) = (count, 0);
                    self.is_over = Trailer::begins(&self.block[..count]);
                    return Ok(count > 0);
                }
                Block::Filemark => marks += 1,
                Block::EndOfData => break,
                Block::TooLarge => return Err(io::Error::other("a block is larger than 1 MiB")),
            }
        }
        self.is_over = true;
        Ok(false)
    }
}

impl<T: Tape + Send> Input for TapeInput<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            if self.at == self.end && !self.next()? {
                break;
            }
            let count = (buffer.len() - done).min(self.end - self.at);
            buffer[done..done + count].copy_from_slice(&self.block[self.at..self.at + count]);
            self.at += count;
            done += count;
        }
        Ok(done)
    }
}

//! A tape in memory, for tests.

use super::drive::{Block, Tape, WritableTape};
use std::io;

/// A tape as st gives it to programs: blocks, and filemarks (`None`).
pub(super) struct FakeTape {
    pub(super) records: Vec<Option<Vec<u8>>>,
    pub(super) place: usize,
    /// The most that the drive takes in one command.
    pub(super) limit: usize,
    /// What reading gives from this record on.
    pub(super) broken_at: Option<(usize, i32)>,
    pub(super) blank: bool,
    /// Records that fit.
    pub(super) room: usize,
}

impl FakeTape {
    pub(super) fn new(records: Vec<Option<Vec<u8>>>) -> FakeTape {
        FakeTape { records, place: 0, limit: 2 << 20, broken_at: None, blank: false, room: usize::MAX }
    }
}

impl WritableTape for FakeTape {
    fn write_block(&mut self, block: &[u8]) -> io::Result<()> {
        if self.records.len() == self.room {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        self.records.push(Some(block.to_vec()));
        Ok(())
    }

    fn write_filemark(&mut self) -> io::Result<()> {
        self.records.push(None);
        Ok(())
    }

    fn unload(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Tape for FakeTape {
    fn space_files(&mut self, count: u32) -> io::Result<()> {
        for _ in 0..count {
            let mark = self.records[self.place..].iter().position(Option::is_none);
            self.place += mark.ok_or(io::Error::from_raw_os_error(libc::EIO))? + 1;
        }
        Ok(())
    }

    fn back_blocks(&mut self, count: u32) -> io::Result<()> {
        self.place -= count as usize;
        Ok(())
    }

    fn is_blank(&mut self) -> bool {
        self.blank
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> io::Result<Block> {
        if buffer.len() > self.limit {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        if let Some((place, code)) = self.broken_at
            && self.place >= place
        {
            return Err(io::Error::from_raw_os_error(code));
        }
        let Some(record) = self.records.get(self.place) else { return Ok(Block::EndOfData) };
        self.place += 1;
        Ok(match record {
            None => Block::Filemark,
            Some(block) if block.len() > buffer.len() => Block::TooLarge,
            Some(block) => {
                buffer[..block.len()].copy_from_slice(block);
                Block::Data(block.len())
            }
        })
    }
}

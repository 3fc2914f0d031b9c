//! The members of an archive, from the frames of a set. What cannot be read is passed over up to the next member that can.

use super::pax::{self, Block, Found, UNIT};
use super::set::{Event, SetReader};
use super::trailer::EndOfSet;
use crate::ArchiveError;

/// Reads members.
pub(crate) struct Members {
    set: SetReader,
    /// The frame, where it begins in the archive, and how much of it is used.
    tar: Vec<u8>,
    start: u64,
    at: usize,
    /// Where the first member begins in it.
    member: Option<u32>,
    /// Bytes of the current member that are left, with padding.
    content: u64,
    padding: u64,
    /// The next member must be looked for; why, if something was lost.
    is_lost: bool,
    is_over: bool,
    pub(crate) end: Option<EndOfSet>,
    /// What was lost, and what else is wrong.
    pub(crate) troubles: Vec<String>,
}

/// What there is.
enum Next {
    Bytes,
    /// What follows does not continue what was before.
    Gap,
    Over,
}

impl Members {
    pub(crate) fn new(set: SetReader) -> Members {
        Members {
            set,
            tar: vec![],
            start: 0,
            at: 0,
            member: None,
            content: 0,
            padding: 0,
            is_lost: true,
            is_over: false,
            end: None,
            troubles: vec![],
        }
    }

    /// Makes sure that the frame has unused bytes.
    fn fill(&mut self) -> Result<Next, ArchiveError> {
        while self.at == self.tar.len() {
            if self.is_over {
                return Ok(Next::Over);
            }
            match self.set.next() {
                Event::Frame(place, tar) => {
                    let continues = place.offset == self.start + self.tar.len() as u64;
                    (self.start, self.at, self.member) = (place.offset, 0, place.member);
                    self.tar = tar;
                    if !continues {
                        return Ok(Next::Gap);
                    }
                }
                Event::Lost(text) => {
                    self.troubles.push(text);
                    // No frame continues here.
                    (self.tar, self.start, self.at) = (vec![], u64::MAX / 2 + 1, 0);
                }
                Event::Problem(text) => self.troubles.push(text),
                Event::End(end) => {
                    self.end = end;
                    self.is_over = true;
                }
                Event::Failed(error) => return Err(error),
            }
        }
        Ok(Next::Bytes)
    }

    /// The next member. `None` at the end, or when nothing more can be read.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, ArchiveError> {
        loop {
            if !self.is_lost {
                self.pass_over()?;
            }
            if self.is_lost && !self.find()? {
                return Ok(None);
            }
            match self.headers()? {
                Headers::Member(found) => {
                    self.content = found.size;
                    self.padding = found.size.next_multiple_of(UNIT as u64) - found.size;
                    return Ok(Some(found));
                }
                Headers::End => {
                    self.drain()?;
                    return Ok(None);
                }
                Headers::Lost => self.is_lost = true,
            }
        }
    }

    /// Reads on to the end of the set: its last trailer tells whether it is whole.
    fn drain(&mut self) -> Result<(), ArchiveError> {
        while !self.is_over {
            self.at = self.tar.len();
            self.fill()?;
        }
        Ok(())
    }

    /// Up to `most` bytes of the current member's content that are not yet read; nothing at its end.
    ///
    /// The inner error says that the content is lost.
    pub(crate) fn read(&mut self, most: u64) -> Result<Result<&[u8], String>, ArchiveError> {
        if self.is_lost {
            return Ok(Err(self.loss()));
        }
        if self.content == 0 {
            return Ok(Ok(&[]));
        }
        if !matches!(self.fill()?, Next::Bytes) {
            self.is_lost = true;
            return Ok(Err(self.loss()));
        }
        let count = self.content.min(most).min((self.tar.len() - self.at) as u64) as usize;
        let from = self.at;
        self.at += count;
        self.content -= count as u64;
        Ok(Ok(&self.tar[from..from + count]))
    }

    /// All of the current member's content, up to a limit.
    pub(crate) fn read_all(&mut self, limit: u64) -> Result<Result<Vec<u8>, String>, ArchiveError> {
        if self.content > limit {
            return Ok(Err(format!("it has more than {limit} bytes")));
        }
        let mut all = vec![];
        while self.content > 0 {
            let left = self.content;
            match self.read(left)? {
                Ok(bytes) => all.extend_from_slice(bytes),
                Err(cause) => return Ok(Err(cause)),
            }
        }
        Ok(Ok(all))
    }

    /// Why something is lost.
    pub(crate) fn loss(&self) -> String {
        self.troubles.last().cloned().unwrap_or_else(|| "its place in the archive cannot be found".to_owned())
    }

    /// Passes over what is left of the current member.
    fn pass_over(&mut self) -> Result<(), ArchiveError> {
        let mut left = self.content + self.padding;
        (self.content, self.padding) = (0, 0);
        while left > 0 {
            match self.fill()? {
                Next::Bytes => {
                    let count = left.min((self.tar.len() - self.at) as u64);
                    self.at += count as usize;
                    left -= count;
                }
                Next::Gap | Next::Over => {
                    self.is_lost = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Finds the next member behind a gap; false when there is none.
    fn find(&mut self) -> Result<bool, ArchiveError> {
        (self.content, self.padding) = (0, 0);
        loop {
            if let Some(member) = self.member.take().map(|member| member as usize)
                && member >= self.at
                && member < self.tar.len()
            {
                self.at = member;
                self.is_lost = false;
                return Ok(true);
            }
            self.at = self.tar.len();
            if matches!(self.fill()?, Next::Over) {
                return Ok(false);
            }
        }
    }

    /// The headers of a member.
    fn headers(&mut self) -> Result<Headers, ArchiveError> {
        let mut extended = vec![];
        loop {
            let mut block = [0; UNIT];
            if extended.is_empty() && !matches!(self.fill()?, Next::Bytes) {
                return Ok(Headers::Lost);
            }
            if !self.take(&mut block)? {
                return Ok(Headers::Lost);
            }
            match pax::parse(&block, &extended) {
                Ok(Block::End) => return Ok(Headers::End),
                Ok(Block::Member(found)) => return Ok(Headers::Member(found)),
                Ok(Block::Extended(size)) if extended.is_empty() => {
                    extended.resize(size.next_multiple_of(UNIT as u64) as usize, 0);
                    if !self.take(&mut extended)? {
                        return Ok(Headers::Lost);
                    }
                    extended.truncate(size as usize);
                }
                Ok(Block::Extended(_)) => {
                    self.troubles.push("two extended headers of the archive follow each other".to_owned());
                    return Ok(Headers::Lost);
                }
                Err(cause) => {
                    self.troubles.push(cause);
                    return Ok(Headers::Lost);
                }
            }
        }
    }

    /// Fills a buffer; false behind a gap.
    fn take(&mut self, buffer: &mut [u8]) -> Result<bool, ArchiveError> {
        let mut done = 0;
        while done < buffer.len() {
            match self.fill()? {
                Next::Bytes => {
                    let count = (buffer.len() - done).min(self.tar.len() - self.at);
                    buffer[done..done + count].copy_from_slice(&self.tar[self.at..self.at + count]);
                    self.at += count;
                    done += count;
                }
                Next::Gap | Next::Over => return Ok(false),
            }
        }
        Ok(true)
    }
}

enum Headers {
    Member(Found),
    End,
    Lost,
}

//! SFTP version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH speaks it, over the two ends of a pipe.

use crate::Limits;
use crate::files::ENDLESS;
use lifeboat_sys::bounded;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No packet is larger: OpenSSH's own limit (SFTP_MAX_MSG_LENGTH).
const LONGEST_PACKET: u32 = 256 * 1024;
/// Bytes that one request reads or writes; every server accepts as much (section 3 of the draft).
const PIECE: usize = 32 * 1024;
/// Requests in flight at the same time: 2 MiB, which fills a fast line at 20 ms.
const WINDOW: usize = 64;

const INIT: u8 = 1;
const VERSION: u8 = 2;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const WRITE: u8 = 6;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const REMOVE: u8 = 13;
const MKDIR: u8 = 14;
const STAT: u8 = 17;
const EXTENDED: u8 = 200;
const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;

const OK: u32 = 0;
const EOF: u32 = 1;
const NO_SUCH_FILE: u32 = 2;

const FLAG_READ: u32 = 1;
const FLAG_WRITE_NEW: u32 = 2 | 8 | 16;
const ATTR_SIZE: u32 = 1;
const ATTR_OWNER: u32 = 2;
const ATTR_MODE: u32 = 4;
const ATTR_TIMES: u32 = 8;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("it is not there")]
    Missing,
    /// The server refuses.
    #[error("{0}")]
    Refused(String),
    /// A file that cannot have the size that the server reports.
    #[error("{0}")]
    TooLarge(io::Error),
    /// The connection.
    #[error("{0}")]
    Connection(#[from] io::Error),
}

/// An entry of a directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) directory: bool,
}

/// A session.
pub(super) struct Session<R, W> {
    input: R,
    output: W,
    silence: Duration,
    next: u32,
    extensions: Vec<String>,
    /// How fast content may come and go.
    pub(super) limits: Arc<Limits>,
}

fn broken(what: &str) -> Trouble {
    Trouble::Connection(io::Error::new(io::ErrorKind::InvalidData, format!("the server's answer is not valid: {what}")))
}

/// Reads fields of a packet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Trouble> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| broken("it is too short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, Trouble> {
        let bytes = self.take(4)?.try_into().map_err(|_| broken("it is too short"))?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn long(&mut self) -> Result<u64, Trouble> {
        let bytes = self.take(8)?.try_into().map_err(|_| broken("it is too short"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn text(&mut self) -> Result<&'a [u8], Trouble> {
        let length = self.number()? as usize;
        self.take(length)
    }

    /// Size, and whether it is a directory.
    fn attributes(&mut self) -> Result<(u64, bool), Trouble> {
        let flags = self.number()?;
        let size = if flags & ATTR_SIZE != 0 { self.long()? } else { 0 };
        if flags & ATTR_OWNER != 0 {
            self.long()?;
        }
        let mode = if flags & ATTR_MODE != 0 { self.number()? } else { 0 };
        if flags & ATTR_TIMES != 0 {
            self.long()?;
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.number()? {
                self.text()?;
                self.text()?;
            }
        }
        Ok((size, mode & 0o170_000 == 0o040_000))
    }
}

fn text(packet: &mut Vec<u8>, bytes: &[u8]) {
    packet.extend((bytes.len() as u32).to_be_bytes());
    packet.extend(bytes);
}

impl<R: Read + AsFd, W: Write> Session<R, W> {
    /// Greets the server. An answer may take as long as `silence`.
    pub(super) fn start(input: R, output: W, silence: Duration) -> Result<Self, Trouble> {
        let mut session = Session { input, output, silence, next: 0, extensions: vec![], limits: Arc::default() };
        session.send(INIT, &3_u32.to_be_bytes())?;
        let (kind, body) = session.receive()?;
        let mut fields = Fields(&body);
        if kind != VERSION || fields.number()? < 3 {
            return Err(Trouble::Refused("the server does not support SFTP version 3".into()));
        }
        while !fields.0.is_empty() {
            let name = String::from_utf8_lossy(fields.text()?).into_owned();
            fields.text()?;
            session.extensions.push(name);
        }
        Ok(session)
    }

    fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), Trouble> {
        let length = (body.len() as u32 + 1).to_be_bytes();
        let packet = [&length, &[kind][..], body].concat();
        self.output.write_all(&packet)?;
        Ok(self.output.flush()?)
    }

    /// Sends a request; returns its number.
    fn request(&mut self, kind: u8, body: &[u8]) -> Result<u32, Trouble> {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        self.send(kind, &[&id.to_be_bytes(), body].concat())?;
        Ok(id)
    }

    fn receive(&mut self) -> Result<(u8, Vec<u8>), Trouble> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let length = u32::from_be_bytes(length);
        if length == 0 || length > LONGEST_PACKET {
            return Err(broken("its length is impossible"));
        }
        let mut packet = vec![0; length as usize];
        self.fill(&mut packet)?;
        let body = packet.split_off(1);
        Ok((packet.first().copied().unwrap_or(0), body))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.silence;
        let mut done = 0;
        while done < buffer.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let ready = match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&timeout)) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.map_err(io::Error::from)?,
            };
            if ready == 0 {
                let seconds = self.silence.as_secs();
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {seconds} s")).into());
            }
            match self.input.read(&mut buffer[done..]) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended").into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The answer to a request when only one is in flight.
    fn answer(&mut self, id: u32) -> Result<(u8, Vec<u8>), Trouble> {
        let (kind, body) = self.receive()?;
        let mut fields = Fields(&body);
        if fields.number()? != id {
            return Err(broken("it belongs to another request"));
        }
        let rest = fields.0.to_vec();
        Ok((kind, rest))
    }

    fn call(&mut self, kind: u8, body: &[u8]) -> Result<(u8, Vec<u8>), Trouble> {
        let id = self.request(kind, body)?;
        self.answer(id)
    }

    /// A call that is answered by a status.
    fn command(&mut self, kind: u8, body: &[u8]) -> Result<(), Trouble> {
        match self.call(kind, body)? {
            (STATUS, body) => status(&body).map(drop),
            _ => Err(broken("a status was expected")),
        }
    }

    fn handle(&mut self, kind: u8, body: &[u8]) -> Result<Vec<u8>, Trouble> {
        match self.call(kind, body)? {
            (HANDLE, body) => Ok(Fields(&body).text()?.to_vec()),
            (STATUS, body) => Err(status(&body).err().unwrap_or_else(|| broken("a handle was expected"))),
            _ => Err(broken("a handle was expected")),
        }
    }

    fn close(&mut self, handle: &[u8]) -> Result<(), Trouble> {
        let mut body = vec![];
        text(&mut body, handle);
        self.command(CLOSE, &body)
    }

    /// The entries of a directory, without `.` and `..`, if there are at most `most`.
    pub(super) fn list(&mut self, path: &str, most: usize) -> Result<Vec<Entry>, Trouble> {
        let mut body = vec![];
        text(&mut body, path.as_bytes());
        let handle = self.handle(OPENDIR, &body)?;
        let mut entries = vec![];
        let mut ask = vec![];
        text(&mut ask, &handle);
        loop {
            match self.call(READDIR, &ask)? {
                (NAME, body) => {
                    let mut fields = Fields(&body);
                    let count = fields.number()?;
                    // Endless empty lists would keep us for ever.
                    if count == 0 {
                        break;
                    }
                    if entries.len() > most {
                        return Err(Trouble::TooLarge(io::Error::other(ENDLESS)));
                    }
                    for _ in 0..count {
                        let name = String::from_utf8_lossy(fields.text()?).into_owned();
                        fields.text()?;
                        let (size, directory) = fields.attributes()?;
                        if name != "." && name != ".." {
                            entries.push(Entry { name, size, directory });
                        }
                    }
                }
                (STATUS, body) => {
                    if status(&body)? != EOF {
                        return Err(broken("a list was expected"));
                    }
                    break;
                }
                _ => return Err(broken("a list was expected")),
            }
        }
        self.close(&handle)?;
        Ok(entries)
    }

    /// Size of a file in bytes.
    pub(super) fn size(&mut self, path: &str) -> Result<u64, Trouble> {
        let mut body = vec![];
        text(&mut body, path.as_bytes());
        match self.call(STAT, &body)? {
            (ATTRS, body) => Ok(Fields(&body).attributes()?.0),
            (STATUS, body) => Err(status(&body).err().unwrap_or_else(|| broken("attributes were expected"))),
            _ => Err(broken("attributes were expected")),
        }
    }

    /// A whole file, unless it is larger than `largest` bytes: its memory would be allocated before anything of it is verified.
    pub(super) fn read_whole(&mut self, path: &str, largest: u64) -> Result<Vec<u8>, Trouble> {
        match self.size(path)? {
            size if size > largest => Err(Trouble::TooLarge(bounded::too_large(size, largest))),
            size => self.read(path, 0, size),
        }
    }

    /// Part of a file; shorter when the file ends earlier.
    pub(super) fn read(&mut self, path: &str, offset: u64, length: u64) -> Result<Vec<u8>, Trouble> {
        let mut body = vec![];
        text(&mut body, path.as_bytes());
        body.extend(FLAG_READ.to_be_bytes());
        body.extend(0_u32.to_be_bytes());
        let handle = self.handle(OPEN, &body)?;
        let length = usize::try_from(length).map_err(|_| broken("its size is impossible"))?;
        let mut bytes = vec![0; length];
        let mut valid = length;
        let mut open: HashMap<u32, (usize, usize)> = HashMap::new();
        let mut next = 0;
        while next < length || !open.is_empty() {
            while next < length && open.len() < WINDOW {
                let size = PIECE.min(length - next);
                open.insert(self.ask_piece(&handle, offset + next as u64, size)?, (next, size));
                next += size;
            }
            let (kind, body) = self.receive()?;
            let mut fields = Fields(&body);
            let (at, size) = open.remove(&fields.number()?).ok_or_else(|| broken("it was not requested"))?;
            match kind {
                DATA => {
                    let data = fields.text()?;
                    if data.is_empty() || data.len() > size {
                        return Err(broken("a part of another length was received"));
                    }
                    bytes[at..at + data.len()].copy_from_slice(data);
                    self.limits.after_receiving(data.len());
                    // A server may send less than requested; the rest is requested again.
                    if data.len() < size {
                        let (at, size) = (at + data.len(), size - data.len());
                        open.insert(self.ask_piece(&handle, offset + at as u64, size)?, (at, size));
                    }
                }
                STATUS if status(fields.0)? == EOF => valid = valid.min(at),
                _ => return Err(broken("data were expected")),
            }
        }
        self.close(&handle)?;
        bytes.truncate(valid);
        Ok(bytes)
    }

    fn ask_piece(&mut self, handle: &[u8], offset: u64, size: usize) -> Result<u32, Trouble> {
        let mut body = vec![];
        text(&mut body, handle);
        body.extend(offset.to_be_bytes());
        body.extend((size as u32).to_be_bytes());
        self.request(READ, &body)
    }

    /// Writes a new file, or overwrites an existing one.
    pub(super) fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Trouble> {
        let mut body = vec![];
        text(&mut body, path.as_bytes());
        body.extend(FLAG_WRITE_NEW.to_be_bytes());
        body.extend(ATTR_MODE.to_be_bytes());
        body.extend(0o600_u32.to_be_bytes());
        let handle = self.handle(OPEN, &body)?;
        let mut open = 0;
        for (number, piece) in bytes.chunks(PIECE).enumerate() {
            let mut body = vec![];
            text(&mut body, &handle);
            body.extend(((number * PIECE) as u64).to_be_bytes());
            text(&mut body, piece);
            self.limits.before_sending(piece.len());
            self.request(WRITE, &body)?;
            open += 1;
            if open == WINDOW {
                self.written()?;
                open -= 1;
            }
        }
        for _ in 0..open {
            self.written()?;
        }
        if self.extensions.iter().any(|name| name == "fsync@openssh.com") {
            let mut body = vec![];
            text(&mut body, b"fsync@openssh.com");
            text(&mut body, &handle);
            self.command(EXTENDED, &body)?;
        }
        self.close(&handle)
    }

    fn written(&mut self) -> Result<(), Trouble> {
        match self.receive()? {
            (STATUS, body) => {
                let mut fields = Fields(&body);
                fields.number()?;
                status(fields.0).map(drop)
            }
            _ => Err(broken("a status was expected")),
        }
    }

    /// Renames a file, replacing an existing one.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Trouble> {
        let mut body = vec![];
        if self.extensions.iter().any(|name| name == "posix-rename@openssh.com") {
            text(&mut body, b"posix-rename@openssh.com");
            text(&mut body, from.as_bytes());
            text(&mut body, to.as_bytes());
            return self.command(EXTENDED, &body);
        }
        const RENAME: u8 = 18;
        match self.remove(to) {
            Ok(()) | Err(Trouble::Missing) => {}
            other => return other,
        }
        text(&mut body, from.as_bytes());
        text(&mut body, to.as_bytes());
        self.command(RENAME, &body)
    }

    /// Removes a file.
    pub(super) fn remove(&mut self, path: &str) -> Result<(), Trouble> {
        let mut body = vec![];
        text(&mut body, path.as_bytes());
        self.command(REMOVE, &body)
    }

    /// Creates a directory; an existing one is fine.
    pub(super) fn make_directory(&mut self, path: &str) -> Result<(), Trouble> {
        let mut body = vec![];
        text(&mut body, path.as_bytes());
        body.extend(ATTR_MODE.to_be_bytes());
        body.extend(0o700_u32.to_be_bytes());
        match self.command(MKDIR, &body) {
            // Version 3 has no code for "exists".
            Err(Trouble::Refused(_)) if self.size(path).is_ok() => Ok(()),
            other => other,
        }
    }
}

/// The code of a status that is not an error.
fn status(body: &[u8]) -> Result<u32, Trouble> {
    let mut fields = Fields(body);
    match fields.number()? {
        code @ (OK | EOF) => Ok(code),
        NO_SUCH_FILE => Err(Trouble::Missing),
        6 | 7 => Err(io::Error::new(io::ErrorKind::NotConnected, "the server lost its connection").into()),
        _ => {
            let reported = fields.text().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
            let printable: String = reported.chars().filter(|c| !c.is_control()).take(200).collect();
            Err(Trouble::Refused(if printable.is_empty() { "the server refuses".into() } else { printable }))
        }
    }
}

#[cfg(test)]
mod tests;

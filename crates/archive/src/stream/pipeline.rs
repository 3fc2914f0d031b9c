//! Takes the archive as bytes, compresses it frame by frame in parallel, and has it written in order.
//!
//! The thread that reads files fills a frame; some threads compress frames; one encrypts and writes them. What is under way at once
//! is limited, so that memory is.

use super::frame::{FRAME_BYTES, Packer, Place};
use super::trailer::EndOfSet;
use super::volumes::{VolumeWriter, Written};
use crate::ArchiveError;
use crate::report::locked;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A frame on its way.
struct Frame {
    tar: Vec<u8>,
    place: Place,
    packed: SyncSender<io::Result<(Place, Vec<u8>)>>,
}

/// What the writing thread is asked to do.
enum Order {
    Frame(Receiver<io::Result<(Place, Vec<u8>)>>),
    /// To report when everything before it is written, and where.
    Flush(SyncSender<Vec<Written>>),
    Finish(EndOfSet),
}

/// Takes the bytes of an archive.
pub(crate) struct Pipeline {
    tar: Vec<u8>,
    /// Where `tar` begins in the archive.
    start: u64,
    member: Option<u32>,
    frames: Option<SyncSender<Frame>>,
    orders: Option<SyncSender<Order>>,
    spare: Receiver<Vec<u8>>,
    writing: Option<JoinHandle<io::Result<Done>>>,
    label: PathBuf,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) volumes: u32,
    pub(crate) bytes: u64,
}

impl Pipeline {
    pub(crate) fn start(volumes: VolumeWriter, level: i32) -> Result<Pipeline, ArchiveError> {
        let label = volumes.label();
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let (frames, jobs) = sync_channel::<Frame>(1);
        let (orders, to_write) = sync_channel(threads + 1);
        let (give_back, spare) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let failed = |error: io::Error| ArchiveError::io("WRITE", &label, error);
        for _ in 0..threads {
            let (jobs, give_back) = (Arc::clone(&jobs), give_back.clone());
            let mut packer = Packer::new(level).map_err(failed)?;
            let work = move || {
                loop {
                    let job = locked(&jobs).recv();
                    let Ok(Frame { tar, place, packed }) = job else { break };
                    let result = packer.pack(&tar);
                    let result = result.map(|out| (Place { compressed: out.len() as u32, ..place }, out));
                    let _ = packed.send(result);
                    let _ = give_back.send(tar);
                }
            };
            std::thread::Builder::new().name("compress".into()).spawn(work).map_err(failed)?;
        }
        let writing = std::thread::Builder::new()
            .name("write".into())
            .spawn(move || write(volumes, &to_write))
            .map_err(failed)?;
        Ok(Pipeline {
            tar: Vec::with_capacity(FRAME_BYTES),
            start: 0,
            member: None,
            frames: Some(frames),
            orders: Some(orders),
            spare,
            writing: Some(writing),
            label,
        })
    }

    /// Where the next byte belongs in the archive.
    pub(crate) fn offset(&self) -> u64 {
        self.start + self.tar.len() as u64
    }

    /// Notes that a member begins here.
    pub(crate) fn begin_member(&mut self) {
        self.member.get_or_insert(self.tar.len() as u32);
    }

    /// Adds bytes.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), ArchiveError> {
        while !bytes.is_empty() {
            let count = bytes.len().min(FRAME_BYTES - self.tar.len());
            self.tar.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            self.send_full()?;
        }
        Ok(())
    }

    /// The frame that is being filled, and how many bytes still fit into it; [`Pipeline::filled`] comes after.
    pub(crate) fn room(&mut self) -> (&mut Vec<u8>, usize) {
        let room = FRAME_BYTES - self.tar.len();
        (&mut self.tar, room)
    }

    /// Bytes were appended to the frame.
    pub(crate) fn filled(&mut self) -> Result<(), ArchiveError> {
        self.send_full()
    }

    /// Adds zeros up to a multiple of 512 bytes.
    pub(crate) fn pad(&mut self) -> Result<(), ArchiveError> {
        let count = self.offset().next_multiple_of(512) - self.offset();
        self.put(&[0; 512][..count as usize])
    }

    /// Adds zeros.
    pub(crate) fn zeros(&mut self, mut count: u64) -> Result<(), ArchiveError> {
        let zeros = [0; 4096];
        while count > 0 {
            let now = count.min(zeros.len() as u64);
            self.put(&zeros[..now as usize])?;
            count -= now;
        }
        Ok(())
    }

    fn send_full(&mut self) -> Result<(), ArchiveError> {
        if self.tar.len() >= FRAME_BYTES { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<(), ArchiveError> {
        if self.tar.is_empty() {
            return Ok(());
        }
        let mut next = self.spare.try_recv().unwrap_or_else(|_| Vec::with_capacity(FRAME_BYTES));
        next.clear();
        let tar = std::mem::replace(&mut self.tar, next);
        let place = Place { offset: self.start, length: tar.len() as u32, compressed: 0, member: self.member.take() };
        self.start += tar.len() as u64;
        let (packed, result) = sync_channel(1);
        let sent = self.orders.as_ref().is_some_and(|orders| orders.send(Order::Frame(result)).is_ok())
            && self.frames.as_ref().is_some_and(|frames| frames.send(Frame { tar, place, packed }).is_ok());
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    /// Ends the frame, waits until all is written, and returns where the frames since the last flush are.
    pub(crate) fn flush(&mut self) -> Result<Vec<Written>, ArchiveError> {
        self.send()?;
        let (sender, receiver) = sync_channel(1);
        let asked = self.orders.as_ref().is_some_and(|orders| orders.send(Order::Flush(sender)).is_ok());
        match receiver.recv() {
            Ok(written) if asked => Ok(written),
            _ => Err(self.failure()),
        }
    }

    /// Ends the set.
    pub(crate) fn finish(mut self, end: EndOfSet) -> Result<Done, ArchiveError> {
        self.send()?;
        if let Some(orders) = self.orders.take() {
            let _ = orders.send(Order::Finish(end));
        }
        self.frames = None;
        self.joined()
    }

    fn failure(&mut self) -> ArchiveError {
        (self.orders, self.frames) = (None, None);
        match self.joined() {
            Err(error) => error,
            Ok(_) => self.ended(),
        }
    }

    fn ended(&self) -> ArchiveError {
        let cause = "a thread ended".to_owned();
        ArchiveError::Stream { action: "WRITE", path: self.label.clone(), cause }
    }

    fn joined(&mut self) -> Result<Done, ArchiveError> {
        let Some(writing) = self.writing.take() else { return Err(self.ended()) };
        match writing.join() {
            Ok(result) => result.map_err(|error| ArchiveError::io("WRITE", &self.label, error)),
            Err(_) => Err(self.ended()),
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Without the end of the set what was written is removed by its sink, before anyone looks.
        (self.orders, self.frames) = (None, None);
        if let Some(writing) = self.writing.take() {
            let _ = writing.join();
        }
    }
}

/// The writing thread; it ends with an error when it was not asked to finish.
fn write(mut volumes: VolumeWriter, orders: &Receiver<Order>) -> io::Result<Done> {
    let mut written = vec![];
    while let Ok(order) = orders.recv() {
        match order {
            Order::Frame(packed) => {
                let (place, packed) = packed.recv().map_err(|_| io::Error::other("a compressing thread ended"))??;
                written.push(volumes.frame(&place, &packed)?);
            }
            Order::Flush(sender) => drop(sender.send(std::mem::take(&mut written))),
            Order::Finish(end) => {
                let count = volumes.finish(end)?;
                return Ok(Done { volumes: count, bytes: volumes.bytes });
            }
        }
    }
    Err(io::Error::other("it was not completed"))
}

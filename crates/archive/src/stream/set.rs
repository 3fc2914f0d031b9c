//! Reads the volumes of a set one after the other, and unpacks their frames in parallel. A missing or damaged part is reported and
//! passed over.

use super::Identity;
use super::frame::{Place, Unpacker};
use super::source::{Input, Source};
use super::trailer::{EndOfSet, Sealer};
use super::volume::{Item, OpenError, VolumeReader};
use super::volumes::Written;
use crate::ArchiveError;
use crate::report::locked;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What reading a set brings.
pub(crate) enum Event {
    /// A frame of the archive.
    Frame(Place, Vec<u8>),
    /// A part of the archive cannot be read; what follows may be another part.
    Lost(String),
    /// Something is wrong, but nothing that was read.
    Problem(String),
    /// There is no more. The end of the set, when its record was found.
    End(Option<EndOfSet>),
    /// Nothing more can be read.
    Failed(ArchiveError),
}

/// A frame that is to be unpacked.
struct Job {
    place: Place,
    packed: Vec<u8>,
    done: SyncSender<Result<Vec<u8>, String>>,
}

/// What is on its way from the reading thread.
enum Passed {
    Frame(Place, Receiver<Result<Vec<u8>, String>>),
    Other(Event),
    /// All before was taken; the next volume is opened when this is answered. A tape is not changed for a reader that has enough.
    NextVolume(SyncSender<()>),
}

/// What opens a set.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) identity: Identity,
    pub(crate) sealer: Arc<Sealer>,
}

/// The events of a set that is read in another thread.
pub(crate) struct SetReader {
    events: Option<Receiver<Passed>>,
    label: PathBuf,
    reading: Option<JoinHandle<()>>,
}

/// How long a reader that nobody needs any more is waited for: it ends with the block that it reads, but a drive may take its time.
const END_PATIENCE: Duration = Duration::from_secs(10);

impl Drop for SetReader {
    /// What is read is closed when this returns: a drive can be opened once, and a disk is unmounted next.
    fn drop(&mut self) {
        self.events = None;
        let Some(reading) = self.reading.take() else { return };
        let began = Instant::now();
        while !reading.is_finished() && began.elapsed() < END_PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What is read.
pub(crate) enum Wanted {
    /// Everything, from a volume on, with its trailers checked.
    From(u32),
    /// From a place in the plaintext of a volume to the end.
    FromPlace(Written),
    /// Some frames, as runs of neighbours: where each begins, and how many there are.
    Frames(Vec<(Written, usize)>),
}

impl SetReader {
    /// Starts to read; `set` is the id that volumes must have.
    pub(crate) fn start(
        source: Arc<Mutex<dyn Source>>,
        keys: Keys,
        set: String,
        first: Option<VolumeReader>,
        wanted: Wanted,
        read: Arc<Mutex<u64>>,
    ) -> Result<SetReader, ArchiveError> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let label = locked(&source).label();
        let failed = |error: io::Error| ArchiveError::io("READ", &label, error);
        let (events, receiver) = sync_channel(threads + 1);
        let (jobs, to_unpack) = sync_channel::<Job>(1);
        let to_unpack = Arc::new(Mutex::new(to_unpack));
        for _ in 0..threads {
            let to_unpack = Arc::clone(&to_unpack);
            let mut unpacker = Unpacker::new().map_err(failed)?;
            let work = move || {
                loop {
                    let job = locked(&to_unpack).recv();
                    let Ok(Job { place, packed, done }) = job else { break };
                    let _ = done.send(unpacker.unpack(&packed, &place));
                }
            };
            std::thread::Builder::new().name("unpack".into()).spawn(work).map_err(failed)?;
        }
        let mut reading = Reading { source, keys, set, events, jobs, read, end: 0 };
        let work = move || {
            // Nobody listens any more.
            let _ = reading.run(first, wanted);
        };
        let reading = std::thread::Builder::new().name("read".into()).spawn(work).map_err(failed)?;
        Ok(SetReader { events: Some(receiver), label, reading: Some(reading) })
    }

    /// The next event; after [`Event::End`] or [`Event::Failed`] there is none.
    pub(crate) fn next(&mut self) -> Event {
        let mut passed = self.events.as_ref().and_then(|events| events.recv().ok());
        while let Some(Passed::NextVolume(go_on)) = &passed {
            let _ = go_on.send(());
            passed = self.events.as_ref().and_then(|events| events.recv().ok());
        }
        match passed {
            Some(Passed::Frame(place, tar)) => match tar.recv() {
                Ok(Ok(tar)) => Event::Frame(place, tar),
                Ok(Err(cause)) => Event::Lost(format!("a frame is damaged: {cause}")),
                Err(_) => self.ended(),
            },
            Some(Passed::Other(event)) => event,
            Some(Passed::NextVolume(_)) | None => self.ended(),
        }
    }

    fn ended(&mut self) -> Event {
        self.events = None;
        let cause = "a thread ended".to_owned();
        Event::Failed(ArchiveError::Stream { action: "READ", path: self.label.clone(), cause })
    }
}

/// Nobody listens.
struct Closed;

struct Reading {
    source: Arc<Mutex<dyn Source>>,
    keys: Keys,
    set: String,
    events: SyncSender<Passed>,
    jobs: SyncSender<Job>,
    read: Arc<Mutex<u64>>,
    /// Where in the archive the last frame ended.
    end: u64,
}

/// Counts what is read.
struct Counted(Box<dyn Input>, Arc<Mutex<u64>>);

impl Input for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.0.read(buffer)?;
        *locked(&self.1) += got as u64;
        Ok(got)
    }

    fn seek(&mut self, to: u64) -> io::Result<bool> {
        self.0.seek(to)
    }

    fn other(&mut self, copy: usize, at: u64, buffer: &mut [u8]) -> bool {
        self.0.other(copy, at, buffer)
    }

    fn length(&self) -> Option<u64> {
        self.0.length()
    }
}

impl Reading {
    fn event(&self, event: Event) -> Result<(), Closed> {
        self.events.send(Passed::Other(event)).map_err(|_| Closed)
    }

    fn frame(&mut self, place: Place, packed: Vec<u8>) -> Result<(), Closed> {
        if place.offset < self.end {
            return self
                .event(Event::Lost("a frame belongs before the one that it follows; it is not used".to_owned()));
        }
        self.end = place.offset + u64::from(place.length);
        let (done, result) = sync_channel(1);
        self.events.send(Passed::Frame(place, result)).map_err(|_| Closed)?;
        self.jobs.send(Job { place, packed, done }).map_err(|_| Closed)
    }

    fn run(&mut self, first: Option<VolumeReader>, wanted: Wanted) -> Result<(), Closed> {
        match wanted {
            Wanted::Frames(runs) => {
                let mut open: Option<VolumeReader> = None;
                for (start, count) in runs {
                    self.some(&mut open, start, count)?;
                }
                drop(open);
                self.event(Event::End(None))
            }
            Wanted::FromPlace(place) => self.all(None, place.volume, Some(place.at)),
            Wanted::From(number) => self.all(first, number, None),
        }
    }

    /// A run of frames.
    fn some(&mut self, open: &mut Option<VolumeReader>, start: Written, count: usize) -> Result<(), Closed> {
        let (mut number, mut at, mut left) = (start.volume, start.at, count);
        self.end = start.offset;
        while left > 0 {
            if open.as_ref().is_none_or(|volume| volume.header.volume != number) {
                *open = self.open(number)?.0;
            }
            let Some(volume) = open else { return Ok(()) };
            match volume.seek(at) {
                Ok(true) => {}
                Ok(false) | Err(_) => {
                    return self.event(Event::Lost(format!("volume {number}: it cannot be positioned")));
                }
            }
            loop {
                match volume.next(&self.keys.sealer) {
                    Ok(Item::Frame(place, _)) if left == count && place.offset != start.offset => {
                        return self.event(Event::Lost(format!(
                            "volume {number}: another frame is where the catalogue has the one of byte {} of the archive",
                            start.offset
                        )));
                    }
                    Ok(Item::Frame(place, packed)) => {
                        self.frame(place, packed)?;
                        left -= 1;
                        if left == 0 {
                            return Ok(());
                        }
                    }
                    Ok(Item::Lost(text)) => {
                        left = left.saturating_sub(1);
                        self.event(Event::Lost(text))?;
                    }
                    Ok(Item::End) => break,
                    Err(error) => return self.event(Event::Lost(format!("volume {number}: {error}"))),
                }
            }
            (number, at) = (number + 1, 0);
        }
        Ok(())
    }

    /// Everything up to the end of the set.
    fn all(&mut self, first: Option<VolumeReader>, mut number: u32, mut at: Option<u64>) -> Result<(), Closed> {
        let mut first = first;
        let last = locked(&self.source).last();
        loop {
            let (volume, is_there) = match first.take() {
                Some(volume) => (Some(volume), true),
                None => {
                    self.is_wanted()?;
                    self.open(number)?
                }
            };
            let mut end = None;
            if let Some(mut volume) = volume {
                if let Some(at) = at.take()
                    && !matches!(volume.seek(at), Ok(true))
                {
                    self.event(Event::Lost(format!("volume {number}: it cannot be positioned")))?;
                }
                self.volume(&mut volume)?;
                if let Err(text) = volume.end() {
                    self.event(Event::Problem(format!("volume {number}: {text}")))?;
                }
                end = volume.trailer().and_then(|trailer| trailer.end);
            }
            if end.is_some() {
                return self.event(Event::End(end));
            }
            let are_more = match last {
                Some(last) => number < last,
                // Whatever became of this one: where there was a medium, there may be a next one.
                None => is_there,
            };
            if !are_more {
                self.event(Event::Problem(format!(
                    "the set was cut: there is no end of it behind volume {number}, so at least one more volume, or the rest of this one, is \
                     missing"
                )))?;
                return self.event(Event::End(None));
            }
            number += 1;
        }
    }

    /// Waits until everything that was read so far was taken.
    fn is_wanted(&self) -> Result<(), Closed> {
        let (go_on, wanted) = sync_channel(1);
        self.events.send(Passed::NextVolume(go_on)).map_err(|_| Closed)?;
        wanted.recv().map_err(|_| Closed)
    }

    /// All frames of a volume.
    fn volume(&mut self, volume: &mut VolumeReader) -> Result<(), Closed> {
        loop {
            match volume.next(&self.keys.sealer) {
                Ok(Item::Frame(place, packed)) => self.frame(place, packed)?,
                Ok(Item::Lost(text)) => self.event(Event::Lost(text))?,
                Ok(Item::End) => return Ok(()),
                Err(error) => {
                    return self.event(Event::Lost(format!("volume {}: {error}", volume.header.volume)));
                }
            }
        }
    }

    /// Opens a volume of this set; `None` after an event that says why not. And whether the source had anything in its place.
    fn open(&self, number: u32) -> Result<(Option<VolumeReader>, bool), Closed> {
        let opened = open(&self.source, &self.keys, number, &self.read);
        let lost = |text: String| self.event(Event::Lost(text)).map(|()| (None, true));
        match opened {
            Ok(Some(volume)) if volume.header.set != self.set => lost(format!(
                "volume {number}: another set is in its place: {}; try the one of set {}",
                volume.header, self.set
            )),
            Ok(Some(volume)) if volume.header.volume != number => {
                lost(format!("volume {number}: volume {} is in its place", volume.header.volume))
            }
            Ok(Some(volume)) => Ok((Some(volume), true)),
            Ok(None) => lost(format!("volume {number} is missing")).map(|_| (None, false)),
            // Whoever waited for it gave up: what was restored so far is not to be taken for all that there is.
            Err(OpenError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                let error = ArchiveError::io("READ", locked(&self.source).label(), error);
                self.event(Event::Failed(error)).and(Err(Closed))
            }
            Err(OpenError::Io(error)) => lost(format!("volume {number}: {error}")),
            Err(OpenError::NotAVolume(text)) => lost(format!("volume {number}: {text}")),
            Err(OpenError::OtherKey) => lost(format!("volume {number}: the key does not match")),
        }
    }
}

/// Opens a volume, whatever it is of; what is read from it is counted.
pub(crate) fn open(
    source: &Arc<Mutex<dyn Source>>,
    keys: &Keys,
    number: u32,
    read: &Arc<Mutex<u64>>,
) -> Result<Option<VolumeReader>, OpenError> {
    let input = locked(source).open(number)?;
    let Some(input) = input else { return Ok(None) };
    VolumeReader::open(Box::new(Counted(input, Arc::clone(read))), &keys.identity, &keys.sealer).map(Some)
}

//! A set that can be read: what it holds, and how its contents come.

use super::catalogue::{self, Catalogue, NO_MEMBER};
use super::info::Info;
use super::limits::{CATALOGUE_MAX, OWN_MAX};
use super::members::Members;
use super::pax::{Found, sparse_map};
use super::set::{self, Keys, SetReader, Wanted};
use super::source::{Source, is_unreadable};
use super::trailer::{EndOfSet, Sealer, Trailer};
use super::volume::{self, OpenError, VolumeReader};
use super::volumes::Written;
use super::{CATALOGUE_NAME, HEAD_NAME, Identity};
use crate::extract::{ContentStream, StreamedFile};
use crate::file_table::{FileTable, Kind};
use crate::report::locked;
use crate::selection::{Choice, OWN_DIRECTORY};
use crate::{ArchiveError, Secret, Selection};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lifeboat_sys::tape::VolumeHeader;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// So many blocks behind the end of the last volume are passed over when its end is looked for.
const PADDING_BLOCKS: usize = 64;

/// An opened set.
pub struct Stream {
    source: Arc<Mutex<dyn Source>>,
    keys: Keys,
    label: PathBuf,
    /// Of the volume that was opened first.
    header: VolumeHeader,
    info: Info,
    pub(super) catalogue: Catalogue,
    /// The catalogue is that of the end, so it knows what was saved and where.
    pub(super) is_final: bool,
    /// The catalogue was found at the end before anything else was read, so parts of the set can be read alone.
    is_seekable: bool,
    /// Our own files at the beginning of the archive, as far as they were read.
    own: BTreeMap<String, Vec<u8>>,
    own_is_read: bool,
    /// Why one of them could not be read.
    own_lost: BTreeMap<String, String>,
    /// A volume, or members, from which nothing but the beginning was read yet: a pipe is read once.
    first: Option<VolumeReader>,
    begun: Option<Members>,
    /// What is wrong with the set, as far as it was noticed on opening.
    pub(super) notes: Vec<String>,
    read: Arc<Mutex<u64>>,
}

impl Stream {
    /// Opens a set: reads its table, from its end where that can be reached, else from its beginning.
    ///
    /// # Errors
    /// [`ArchiveError::WrongKeyForStream`], [`ArchiveError::DamagedStream`] when no table can be read, [`ArchiveError::Io`].
    pub fn open(source: impl Source + 'static, secret: &Secret) -> Result<Stream, ArchiveError> {
        let keys = Keys { identity: Identity::of(secret)?, sealer: Arc::new(Sealer::of(secret)) };
        let label = source.label();
        let source: Arc<Mutex<dyn Source>> = Arc::new(Mutex::new(source));
        let read = Arc::new(Mutex::new(0));
        let damaged = |cause: String| ArchiveError::DamagedStream { path: label.clone(), cause };
        let mut notes = vec![];
        let first = match set::open(&source, &keys, 1, &read) {
            Ok(Some(volume)) if volume.header.volume != 1 => {
                // Of several files the last one may have the catalogue; elsewhere volumes come in their order.
                if locked(&source).last().is_none_or(|last| last == 1) {
                    let cause = format!(
                        "volume 1 of the set is needed first, and this is {}; try again with volume 1 of that set",
                        volume.header
                    );
                    return Err(ArchiveError::Stream { action: "READ", path: label, cause });
                }
                notes.push(format!("volume 1: {} is in its place", volume.header));
                None
            }
            Ok(Some(volume)) => Some(volume),
            Ok(None) => {
                notes.push("volume 1 is missing".to_owned());
                None
            }
            Err(OpenError::OtherKey) => return Err(ArchiveError::WrongKeyForStream { path: label.clone() }),
            Err(OpenError::Io(error)) if is_unreadable(&error) => {
                notes.push(format!("volume 1: {error}"));
                None
            }
            Err(OpenError::Io(error)) => return Err(ArchiveError::io("READ", &label, error)),
            Err(OpenError::NotAVolume(cause)) => {
                notes.push(format!("volume 1: {cause}"));
                None
            }
        };
        let mut stream = Stream {
            source,
            keys,
            label: label.clone(),
            header: match &first {
                Some(volume) => volume.header.clone(),
                None => VolumeHeader {
                    set: String::new(),
                    volume: 0,
                    machine: String::new(),
                    time: String::new(),
                    block_bytes: 0,
                },
            },
            info: Info::default(),
            catalogue: Catalogue::default(),
            is_final: false,
            is_seekable: false,
            own: BTreeMap::new(),
            own_is_read: false,
            own_lost: BTreeMap::new(),
            first,
            begun: None,
            notes,
            read,
        };
        match stream.end_of_set() {
            Ok(Some(end)) => match stream.read_end(end) {
                Ok(catalogue) => {
                    stream.catalogue = catalogue;
                    (stream.is_final, stream.is_seekable) = (true, true);
                }
                Err(cause) => stream.notes.push(format!("its catalogue cannot be read: {cause}")),
            },
            Ok(None) => {}
            Err(cause) => stream.notes.push(cause),
        }
        if !stream.is_final {
            if stream.first.is_none() {
                let cause = stream.notes.join("; ");
                return Err(damaged(cause));
            }
            stream.read_head()?;
        }
        stream.info = Info::from_json(&stream.catalogue.info).map_err(damaged)?;
        if stream.info.set != stream.header.set {
            let cause = format!(
                "its headers are of set {}, but what is in it is of set {}",
                stream.header.set, stream.info.set
            );
            return Err(damaged(cause));
        }
        Ok(stream)
    }

    /// What the set is.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Its entries.
    pub fn table(&self) -> &FileTable {
        &self.catalogue.table
    }

    /// What is wrong with the set, as far as it was noticed on opening.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn is_changed_by_hand(&self) -> bool {
        locked(&self.source).is_changed_by_hand()
    }

    /// Where it is, for messages.
    pub fn label(&self) -> &Path {
        &self.label
    }

    /// Bytes that were read from volumes so far.
    pub fn bytes_read(&self) -> u64 {
        *locked(&self.read)
    }

    /// One of our own files in the archive, e.g. `machine.json`.
    ///
    /// # Errors
    /// When the beginning of the archive cannot be read, or has no such file.
    pub fn own_file(&mut self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        // All at once: a tape that is rewound for each would take minutes.
        if !self.own_is_read {
            let mut members = self.members(Wanted::From(1))?;
            self.read_own(&mut members, false)?;
            self.own_is_read = true;
        }
        let missing = || ArchiveError::NotInSnapshot {
            path: Path::new("/").join(OsStr::from_bytes(OWN_DIRECTORY)).join(name),
            snapshot: self.info.set.get(..8).unwrap_or_default().to_owned(),
        };
        if let Some(cause) = self.own_lost.get(name) {
            return Err(ArchiveError::DamagedStream {
                path: self.label.clone(),
                cause: format!("its {name}: {cause}"),
            });
        }
        self.own.get(name).cloned().ok_or_else(missing)
    }

    /// From now on the set is what its end says that was saved. Before, it was what the walk had found.
    pub(super) fn take_end(&mut self, end: Catalogue) {
        if let Ok(info) = Info::from_json(&end.info) {
            self.info = info;
        }
        self.catalogue = end;
        self.is_final = true;
    }

    /// The end of the set, if the last volume is known and can be reached.
    fn end_of_set(&mut self) -> Result<Option<EndOfSet>, String> {
        let Some(last) = locked(&self.source).last() else { return Ok(None) };
        let input = locked(&self.source).open(last).map_err(|error| format!("volume {last}: {error}"))?;
        let Some(mut input) = input else { return Ok(None) };
        let Some(length) = input.length() else { return Ok(None) };
        let (header, _) = match volume::header(&mut *input) {
            Ok(header) => header,
            Err(OpenError::NotAVolume(cause)) => return Err(format!("volume {last}: {cause}")),
            Err(OpenError::Io(error)) => return Err(format!("volume {last}: {error}")),
            Err(OpenError::OtherKey) => return Ok(None),
        };
        if self.header.set.is_empty() {
            self.header = header.clone();
        }
        if header.set != self.header.set {
            return Err(format!("volume {last}: another set is in its place: {header}"));
        }
        let block = u64::from(header.block_bytes);
        let blocks = length / block;
        if blocks == 0 {
            return Err(format!("volume {last}: it was cut"));
        }
        // A copy may have been padded: the end of a volume is a block.
        let mut bytes = vec![0; header.block_bytes as usize];
        for at in (0..blocks).rev().take(PADDING_BLOCKS) {
            let got = input.seek(at * block).and_then(|_| input.read(&mut bytes));
            let got = got.map_err(|error| format!("volume {last}: {error}"))?;
            if let Ok(trailer) = Trailer::parse(&bytes[..got], &self.keys.sealer) {
                return Ok(Some(trailer).filter(|trailer| trailer.fits(&header)).and_then(|trailer| trailer.end));
            }
        }
        Ok(None)
    }

    fn start(&self, first: Option<VolumeReader>, wanted: Wanted) -> Result<Members, ArchiveError> {
        let (source, read) = (Arc::clone(&self.source), Arc::clone(&self.read));
        SetReader::start(source, self.keys.clone(), self.header.set.clone(), first, wanted, read).map(Members::new)
    }

    /// Members from the beginning, or some of them.
    pub(super) fn members(&mut self, wanted: Wanted) -> Result<Members, ArchiveError> {
        let first = if matches!(wanted, Wanted::From(_)) { self.first.take() } else { None };
        self.start(first, wanted)
    }

    /// All members: where only the beginning was read, those behind it.
    pub(super) fn all_members(&mut self) -> Result<Members, ArchiveError> {
        match self.begun.take() {
            Some(members) => Ok(members),
            None => self.members(Wanted::From(1)),
        }
    }

    /// Members with what is chosen: the whole archive, or the frames that hold it.
    pub(super) fn chosen_members(&mut self, selection: &Selection) -> Result<Members, ArchiveError> {
        if !self.is_seekable || *selection == Selection::Everything {
            return self.all_members();
        }
        let runs = runs(&self.catalogue, selection);
        self.members(Wanted::Frames(runs))
    }

    fn read_end(&mut self, end: EndOfSet) -> Result<Catalogue, String> {
        let place = Written { volume: end.catalogue_volume, at: end.catalogue_offset, offset: 0 };
        let mut members = self.start(None, Wanted::FromPlace(place)).map_err(|error| error.to_string())?;
        let path = super::own_path(CATALOGUE_NAME);
        loop {
            match members.next().map_err(|error| error.to_string())? {
                Some(found) if found.path == path => {
                    let bytes = members.read_all(CATALOGUE_MAX).map_err(|error| error.to_string())??;
                    return catalogue::decode(&bytes);
                }
                Some(_) => {}
                None => return Err(members.loss()),
            }
        }
    }

    fn read_head(&mut self) -> Result<(), ArchiveError> {
        let mut members = self.members(Wanted::From(1))?;
        let label = self.label.clone();
        let damaged = |cause| ArchiveError::DamagedStream { path: label.clone(), cause };
        let head = self.read_own(&mut members, true)?;
        let head = head.ok_or_else(|| damaged(format!("the table at its beginning is missing: {}", members.loss())))?;
        self.catalogue = catalogue::decode(&head).map_err(damaged)?;
        (self.begun, self.own_is_read) = (Some(members), true);
        Ok(())
    }

    /// Reads our own files up to the table of entries, which is returned when it is wanted.
    fn read_own(&mut self, members: &mut Members, with_table: bool) -> Result<Option<Vec<u8>>, ArchiveError> {
        while let Some(found) = members.next()? {
            let Some(name) = own_name(&found.path) else { return Ok(None) };
            if name == HEAD_NAME {
                return Ok(if with_table { members.read_all(CATALOGUE_MAX)?.ok() } else { None });
            }
            match members.read_all(OWN_MAX)? {
                Ok(content) => drop(self.own.insert(name.to_owned(), content)),
                Err(cause) => drop(self.own_lost.insert(name.to_owned(), cause)),
            }
        }
        Ok(None)
    }
}

/// The name of one of our own files; empty for their directory.
fn own_name(path: &[u8]) -> Option<&str> {
    let rest = path.strip_prefix(OWN_DIRECTORY)?;
    if rest.is_empty() {
        return Some("");
    }
    std::str::from_utf8(rest.strip_prefix(b"/")?).ok()
}

/// The frames that hold what is chosen, as runs of neighbours.
fn runs(catalogue: &Catalogue, selection: &Selection) -> Vec<(Written, usize)> {
    let Catalogue { table, offsets, frames, .. } = catalogue;
    let (choices, _) = selection.choose(table);
    let mut ends: Vec<u64> = offsets.iter().copied().filter(|offset| *offset != NO_MEMBER).collect();
    ends.sort_unstable();
    // Of several names the one that was saved first has the content; the others are links, and only pass by.
    let mut groups = std::collections::HashSet::new();
    for index in (0..table.records.len()).filter(|index| choices[*index] == Choice::Yes) {
        if let (Kind::File, Some(group)) = (table.records[index].kind, catalogue::group(table, index)) {
            groups.insert(group);
        }
    }
    let mut wanted = vec![false; frames.len()];
    for (index, offset) in offsets.iter().enumerate().filter(|(_, offset)| **offset != NO_MEMBER) {
        if !catalogue::group(table, index).is_some_and(|group| groups.contains(&group)) {
            continue;
        }
        let end = ends.get(ends.partition_point(|other| other <= offset)).copied().unwrap_or(u64::MAX);
        let from = frames.partition_point(|frame| frame.offset <= *offset).saturating_sub(1);
        let to = frames.partition_point(|frame| frame.offset < end);
        wanted.get_mut(from..to).into_iter().flatten().for_each(|wanted| *wanted = true);
    }
    let mut runs: Vec<(Written, usize)> = vec![];
    let mut before = false;
    for (frame, wanted) in frames.iter().zip(wanted) {
        match runs.last_mut() {
            Some((_, count)) if wanted && before => *count += 1,
            _ if wanted => runs.push((*frame, 1)),
            _ => {}
        }
        before = wanted;
    }
    runs
}

/// The contents of a set for a restore.
pub(super) struct Contents<'a> {
    members: &'a mut Members,
    table: &'a FileTable,
    is_final: bool,
    /// What the end of the archive says, when it came by.
    end: Option<Catalogue>,
    seen: Vec<bool>,
}

impl<'a> Contents<'a> {
    pub(super) fn new(members: &'a mut Members, stream_table: &'a FileTable, is_final: bool) -> Self {
        let seen = vec![false; stream_table.records.len()];
        Contents { members, table: stream_table, is_final, end: None, seen }
    }

    /// Files that came, but that the end of the archive calls left out: their reading failed after it had begun.
    pub(super) fn incomplete(&self) -> Vec<usize> {
        let Some(end) = &self.end else { return vec![] };
        let left_out = |index: &usize| end.table.records.get(*index).is_some_and(|record| record.left_out);
        (0..self.seen.len()).filter(|index| self.seen[*index]).filter(left_out).collect()
    }

    /// The catalogue at the end, if it came by.
    pub(super) fn into_end(self) -> Option<Catalogue> {
        self.end
    }

    /// Why the content of a member cannot be used, after its map was read.
    fn prepare(&mut self, found: &Found, streamed: &StreamedFile) -> Result<Option<String>, ArchiveError> {
        let (record, _, holes) = streamed.as_read(self.table);
        let size = record.size;
        let map = if holes.is_empty() { vec![] } else { sparse_map(size, holes) };
        let stored: u64 = crate::file_table::data(size, holes).map(|(_, length)| length).sum();
        if found.is_sparse == holes.is_empty() || found.size != stored + map.len() as u64 {
            return Ok(Some("its content does not have the size that its entry says".to_owned()));
        }
        let mut at = 0;
        while at < map.len() {
            match self.members.read((map.len() - at) as u64)? {
                Ok(part) if map[at..].starts_with(part) => at += part.len(),
                Ok(_) => return Ok(Some("its map of holes is not that of its entry".to_owned())),
                Err(cause) => return Ok(Some(cause)),
            }
        }
        Ok(None)
    }
}

impl ContentStream for Contents<'_> {
    fn next_file(&mut self, wanted: &dyn Fn(usize) -> Option<usize>) -> Result<Option<StreamedFile>, ArchiveError> {
        while let Some(found) = self.members.next()? {
            if own_name(&found.path) == Some(CATALOGUE_NAME) && !self.is_final {
                self.end = self.members.read_all(CATALOGUE_MAX)?.ok().and_then(|bytes| catalogue::decode(&bytes).ok());
            }
            if found.kind != b'0' || own_name(&found.path).is_some() {
                continue;
            }
            let path = Path::new("/").join(OsStr::from_bytes(&found.path));
            let Some(member) = self.table.find(&path) else { continue };
            let Some(index) = wanted(member) else { continue };
            self.seen[index] = true;
            let changed = match &found.changed {
                Some(text) if !self.is_final => {
                    let entry = STANDARD.decode(text).ok().and_then(|entry| catalogue::decode_entry(&entry));
                    let Some(entry) = entry else {
                        let unusable = Some("its own record in the archive is damaged".to_owned());
                        return Ok(Some(StreamedFile { index, changed: None, unusable }));
                    };
                    Some(entry)
                }
                _ => None,
            };
            let mut streamed = StreamedFile { index, changed, unusable: None };
            streamed.unusable = self.prepare(&found, &streamed)?;
            return Ok(Some(streamed));
        }
        Ok(None)
    }

    fn read(&mut self, most: u64) -> Result<Result<&[u8], String>, ArchiveError> {
        match self.members.read(most)? {
            Ok([]) => Ok(Err("its content ends early".to_owned())),
            other => Ok(other),
        }
    }

    fn missing(&self, index: usize) -> Option<String> {
        let left_out = |end: &Catalogue| end.table.records.get(index).is_some_and(|record| record.left_out);
        // The backup reported it.
        if self.end.as_ref().is_some_and(left_out) {
            return None;
        }
        Some(self.members.loss())
    }
}

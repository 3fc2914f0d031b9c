//! Volumes on discs, or in images of discs: each disc of a set has one, the file `lifeboat/volume-NNN` of an ISO 9660 filesystem. It is
//! read where it is, without being mounted: a disc in a drive is changed at any time, and an image needs no root.

use super::source::{Input, Source};
use crate::report::locked;
use lifeboat_remote::image_file::ImageFile;
use lifeboat_remote::iso::{self, Extents, ReadAt as _};
use lifeboat_sys::optical::{self, VOLUME_DESCRIPTOR_BYTES, VOLUME_DESCRIPTOR_OFFSET};
use lifeboat_sys::tape::VolumeHeader;
use lifeboat_sys::tape::header::TEXT_BYTES;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The folder of a disc that is ours.
pub const FOLDER: &str = "lifeboat";
/// What names of volumes begin with.
const PREFIX: &str = "volume-";
/// What is passed over at once where a disc cannot be read: four blocks of a DVD's error correction have 128 KiB, of a CD's much less.
const SKIPPED_BYTES: u64 = 64 << 10;
/// Places in a row that cannot be read, behind which a disc is given up.
const UNREADABLE_MAX: u32 = 1024;

/// The file of a volume, in [`FOLDER`]; disc and volume have the same number.
pub fn volume_name(number: u32) -> String {
    format!("{PREFIX}{number:03}")
}

/// Why something is no disc of a set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscError {
    /// It cannot be read.
    #[error("it cannot be read ({0})")]
    Unreadable(String),
    /// It has no filesystem of a disc.
    #[error("it has no files of a disc: it is blank, or holds something else")]
    Foreign,
    /// It is another disc.
    #[error("it is the disc {label:?}, which has no volume of a set")]
    Other {
        /// Its volume id.
        label: String,
    },
    /// What should be a volume is none.
    #[error("its volume cannot be used: {0}")]
    Damaged(String),
}

/// A disc of a set, or its image.
#[derive(Debug)]
pub struct Disc {
    /// The drive or the file.
    pub path: PathBuf,
    /// What its volume says that it is.
    pub header: VolumeHeader,
    /// The volume id of its filesystem.
    pub label: String,
    image: ImageFile,
    extents: Extents,
    length: u64,
}

impl Disc {
    /// Opens what is in a drive, or an image.
    ///
    /// # Errors
    /// [`DiscError`], with what is there instead.
    pub fn open(path: &Path) -> Result<Disc, DiscError> {
        let unreadable = |fault: lifeboat_remote::Fault| DiscError::Unreadable(fault.to_string());
        let image = ImageFile::open(path).map_err(unreadable)?;
        let descriptor = image.read_at(VOLUME_DESCRIPTOR_OFFSET, VOLUME_DESCRIPTOR_BYTES as u64).map_err(unreadable)?;
        let label = optical::volume_id(&descriptor).ok_or(DiscError::Foreign)?;
        let other = || DiscError::Other { label: label.clone() };
        let files = iso::files(&image, &path.display().to_string(), FOLDER).map_err(|_| other())?;
        let is_volume = |name: &&String| name.starts_with(PREFIX) && !name.contains('/');
        let name = files.keys().find(is_volume).cloned().ok_or_else(other)?;
        let extents = files.get(&name).cloned().unwrap_or_default();
        let length = extents.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
        let text = iso::read(&image, &extents, 0, TEXT_BYTES as u64).map_err(unreadable)?;
        let header = VolumeHeader::parse(&text).map_err(|error| DiscError::Damaged(error.to_string()))?;
        if name != volume_name(header.volume) {
            return Err(DiscError::Damaged(format!("{name} is {header}")));
        }
        Ok(Disc { path: path.to_owned(), header, label, image, extents, length })
    }

    /// What it is, for people: `disc 2 of set 0a1b2c3d of machine web1, 2026-11-24T03:12:45Z`.
    pub fn what(&self) -> String {
        let VolumeHeader { set, volume, machine, time, .. } = &self.header;
        format!("disc {volume} of set {} of machine {machine}, {time}", short(set))
    }

    /// Fills the buffer from a place of the volume.
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        let bytes =
            iso::read(&self.image, &self.extents, at, buffer.len() as u64).map_err(|fault| fault.to_string())?;
        if bytes.len() != buffer.len() {
            return Err(format!("it ends at byte {}", at.saturating_add(bytes.len() as u64)));
        }
        buffer.copy_from_slice(&bytes);
        Ok(())
    }
}

/// The beginning of a set's id, as people know it.
pub fn short(set: &str) -> &str {
    set.get(..8).unwrap_or(set)
}

/// Gives the discs of a set.
pub trait Discs: Send {
    /// The disc with this number; the first is 1. `None` when nobody has it.
    ///
    /// # Errors
    /// When whoever waited for it gave up: kind `TimedOut`.
    fn disc(&mut self, number: u32) -> io::Result<Option<Disc>>;
    /// Whether somebody can be asked for a copy of a disc that cannot be read.
    fn has_copies(&self) -> bool {
        false
    }
    /// Another copy of a disc that cannot be read at a place, and was in this drive; or the same one again, when the rest of it will have
    /// to do.
    ///
    /// # Errors
    /// As [`Discs::disc`].
    fn copy(&mut self, number: u32, _unreadable: &Path, _cause: &str) -> io::Result<Option<Disc>> {
        self.disc(number)
    }
    /// Other copies of a disc that need nobody to put them in.
    fn others(&mut self, _number: u32) -> Vec<Disc> {
        vec![]
    }
    /// The number of the last disc, where that is known.
    fn last(&self) -> Option<u32> {
        None
    }
    /// For messages.
    fn label(&self) -> PathBuf;
}

/// Reads the volumes of a set of discs.
pub struct DiscSource {
    discs: Arc<Mutex<dyn Discs>>,
}

impl DiscSource {
    /// Of the discs that are given.
    pub fn new(discs: impl Discs + 'static) -> DiscSource {
        DiscSource { discs: Arc::new(Mutex::new(discs)) }
    }
}

impl Source for DiscSource {
    fn open(&mut self, number: u32) -> io::Result<Option<Box<dyn Input>>> {
        let disc = locked(&self.discs).disc(number)?;
        let Some(disc) = disc else { return Ok(None) };
        let input = DiscInput {
            length: disc.length,
            number,
            disc: Some(disc),
            discs: Arc::clone(&self.discs),
            at: 0,
            unreadable: 0,
            is_asked: false,
            others: None,
        };
        Ok(Some(Box::new(input)))
    }

    fn last(&self) -> Option<u32> {
        locked(&self.discs).last()
    }

    fn is_changed_by_hand(&self) -> bool {
        locked(&self.discs).has_copies()
    }

    fn label(&self) -> PathBuf {
        locked(&self.discs).label()
    }
}

struct DiscInput {
    /// `None` while another copy is waited for: a drive opens its tray only when nobody reads.
    disc: Option<Disc>,
    number: u32,
    length: u64,
    discs: Arc<Mutex<dyn Discs>>,
    at: u64,
    /// Places in a row that could not be read.
    unreadable: u32,
    /// A copy was asked for: whoever puts in the same disc again wants what is left of it.
    is_asked: bool,
    /// Other copies, once they were looked for.
    others: Option<Vec<Disc>>,
}

impl DiscInput {
    fn read_at(&self, buffer: &mut [u8]) -> Result<(), String> {
        match &self.disc {
            Some(disc) => disc.read_at(self.at, buffer),
            None => Err("there is no disc".to_owned()),
        }
    }

    /// Asks for a copy; false when there is none.
    fn replace(&mut self, cause: &str) -> io::Result<bool> {
        if self.is_asked || !locked(&self.discs).has_copies() {
            return Ok(false);
        }
        self.is_asked = true;
        let path = self.disc.take().map(|disc| disc.path).unwrap_or_default();
        self.disc = locked(&self.discs).copy(self.number, &path, cause)?;
        match &self.disc {
            Some(disc) if disc.length == self.length => Ok(true),
            Some(disc) => {
                Err(io::Error::other(format!("{} in {} has another length", disc.what(), disc.path.display())))
            }
            None => Ok(false),
        }
    }

    /// Reads some bytes. Zeros stand for what no copy has, so that what follows keeps its place; they are no valid part of a volume, and
    /// are reported as damage.
    fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let next = ((self.at / SKIPPED_BYTES + 1) * SKIPPED_BYTES).min(self.length);
        let count = buffer.len().min(usize::try_from(next - self.at).unwrap_or(usize::MAX));
        loop {
            if self.read_at(buffer).is_ok() {
                self.unreadable = 0;
                return Ok(buffer.len());
            }
            let Err(cause) = self.read_at(&mut buffer[..count]) else {
                self.unreadable = 0;
                return Ok(count);
            };
            if self.replace(&cause)? {
                continue;
            }
            self.unreadable += 1;
            if self.unreadable > UNREADABLE_MAX {
                return Err(io::Error::other(cause));
            }
            buffer[..count].fill(0);
            return Ok(count);
        }
    }
}

impl Input for DiscInput {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let mut done = 0;
        while done < wanted {
            let count = self.some(&mut buffer[done..wanted])?;
            done += count;
            self.at += count as u64;
        }
        Ok(done)
    }

    fn seek(&mut self, to: u64) -> io::Result<bool> {
        self.at = to;
        Ok(true)
    }

    fn other(&mut self, copy: usize, at: u64, buffer: &mut [u8]) -> bool {
        let others = self.others.get_or_insert_with(|| locked(&self.discs).others(self.number));
        others.get(copy).is_some_and(|disc| disc.read_at(at, buffer).is_ok())
    }

    fn length(&self) -> Option<u64> {
        Some(self.length)
    }
}

/// The images of a set's discs, in one folder.
#[derive(Debug)]
pub struct Images {
    /// What was named: the folder, or one of the images.
    named: PathBuf,
    found: BTreeMap<u32, PathBuf>,
    copies: Vec<(u32, PathBuf)>,
    set: String,
    /// What else is there.
    pub notes: Vec<String>,
}

/// Why there are no images of a set.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What was named is no image of a disc of a set.
    #[error("{0}")]
    Disc(#[from] DiscError),
    /// There is none.
    #[error("there is no image of a disc of a set in it")]
    None,
    /// There are several sets.
    #[error("there are images of several sets in it: {}; try naming the image of the first disc of one", .0.join(", "))]
    Several(Vec<String>),
}

impl Images {
    /// Those in a folder, or of the set that one image belongs to.
    ///
    /// # Errors
    /// [`ImagesError`].
    pub fn find(path: &Path) -> Result<Images, ImagesError> {
        let (folder, wanted) = match std::fs::metadata(path)?.is_dir() {
            true => (path, None),
            false => (lifeboat_sys::names::folder_of(path), Some(Disc::open(path)?.header.set)),
        };
        let mut files: Vec<PathBuf> = vec![];
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?.path();
            // Links, too: images are large, and may lie on several disks.
            if entry.extension().is_some_and(|kind| kind.eq_ignore_ascii_case("iso")) && entry.is_file()
                || entry == path
            {
                files.push(entry);
            }
        }
        files.sort();
        let mut sets: BTreeMap<String, (String, BTreeMap<u32, PathBuf>)> = BTreeMap::new();
        let (mut notes, mut copies) = (vec![], vec![]);
        for file in files {
            // Other images may lie beside them.
            let Ok(disc) = Disc::open(&file) else { continue };
            let VolumeHeader { set, volume, machine, time, .. } = &disc.header;
            let (_, found) = sets
                .entry(set.clone())
                .or_insert_with(|| (format!("{} of {machine}, {time}", short(set)), BTreeMap::new()));
            match found.get(volume) {
                Some(other) if wanted.as_ref().is_none_or(|wanted| wanted == set) => {
                    let text = "it is read only where that one is damaged";
                    notes.push(format!("{} is another copy of {}; {text}", file.display(), other.display()));
                    copies.push((*volume, file));
                }
                Some(_) => {}
                None => drop(found.insert(*volume, file)),
            }
        }
        if let Some(wanted) = &wanted {
            sets.retain(|set, _| set == wanted);
        }
        let names = || sets.values().map(|(name, _)| name.clone()).collect();
        match sets.len() {
            0 => Err(ImagesError::None),
            1 => {
                let (set, (_, found)) = sets.pop_first().unwrap_or_default();
                Ok(Images { named: path.to_owned(), found, copies, set, notes })
            }
            _ => Err(ImagesError::Several(names())),
        }
    }

    /// The id of the set.
    pub fn set(&self) -> &str {
        &self.set
    }

    /// The images, by the numbers of their discs.
    pub fn files(&self) -> &BTreeMap<u32, PathBuf> {
        &self.found
    }
}

impl Discs for Images {
    fn disc(&mut self, number: u32) -> io::Result<Option<Disc>> {
        let Some(path) = self.found.get(&number) else { return Ok(None) };
        Disc::open(path).map(Some).map_err(|error| io::Error::other(format!("{}: {error}", path.display())))
    }

    fn others(&mut self, number: u32) -> Vec<Disc> {
        let copies = self.copies.iter().filter(|(of, _)| *of == number);
        let discs = copies.filter_map(|(_, path)| Disc::open(path).ok());
        discs.filter(|disc| disc.header.set == self.set && disc.header.volume == number).collect()
    }

    fn last(&self) -> Option<u32> {
        self.found.keys().next_back().copied()
    }

    fn label(&self) -> PathBuf {
        self.named.clone()
    }
}

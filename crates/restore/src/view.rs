//! The files of a medium from its top, wherever it is: in a folder, in an image, on a web server. A medium is
//! verified through this.

use crate::failure::Failure;
use lifeboat_machine::EventSink;
use lifeboat_machine::manifest::{FileDigest, MediumManifest};
use lifeboat_machine::{Event, boot_list::BOOT_LIST};
use lifeboat_remote::image_file::ImageFile;
use lifeboat_remote::iso::ReadAt as _;
use lifeboat_remote::tree::Tree;
use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// How often [`verify`] reports, in bytes.
const REPORT_EVERY: u64 = 64 << 20;
/// How much is read at a time.
const CHUNK: u64 = 4 << 20;
/// What filesystems and systems leave at the top of what they mount.
const LEFT_BY_SYSTEMS: [&str; 2] = ["lost+found", "System Volume Information"];
/// How deeply folders of a medium may be nested.
const DEEPEST: usize = 32;

/// A medium's files.
#[derive(Debug)]
pub enum View<'a> {
    /// In a folder; the image that is mounted there, if it can be read.
    Folder(PathBuf, Option<ImageFile>),
    /// On a web server, or in an image that is not mounted.
    Tree(&'a Tree),
}

impl View<'_> {
    /// All files by their paths from the top, or only those below one folder; `None` where they cannot be listed.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn paths(&self, below: Option<&str>) -> Result<Option<Vec<String>>, Failure> {
        let root = match self {
            View::Tree(tree) => {
                let wanted = |path: &&str| below.is_none_or(|folder| Path::new(path).starts_with(folder));
                return Ok(tree.paths().map(|paths| paths.filter(wanted).map(str::to_owned).collect()));
            }
            View::Folder(root, _) => root,
        };
        let mut paths = vec![];
        let mut folders = vec![(below.map_or(root.clone(), |folder| root.join(folder)), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let read = |source| Failure::Read { path: folder.clone(), source };
            for entry in std::fs::read_dir(&folder).map_err(read)? {
                let entry = entry.map_err(read)?;
                let left =
                    depth == 0 && below.is_none() && LEFT_BY_SYSTEMS.iter().any(|name| entry.file_name() == *name);
                let path = entry.path();
                if left {
                } else if entry.file_type().map_err(read)?.is_dir() && depth < DEEPEST {
                    folders.push((path, depth + 1));
                } else {
                    paths.push(path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned());
                }
            }
        }
        paths.sort();
        Ok(Some(paths))
    }

    /// Size of a file in bytes; the error says what is wrong.
    fn size(&self, path: &str) -> Result<u64, String> {
        match self {
            View::Folder(root, _) => Ok(open(&root.join(path))?.1),
            View::Tree(tree) => tree.file_size(path).map_err(|fault| format!("cannot be opened: {fault}")),
        }
    }

    /// A small file as a whole.
    pub(crate) fn read(&self, path: &str, longest: u64) -> Result<Vec<u8>, String> {
        let size = self.size(path)?;
        if size > longest {
            return Err(format!("has {size} bytes, which is impossible"));
        }
        let mut bytes = vec![];
        self.pieces(path, size, &mut |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// Passes on a file in pieces.
    fn pieces(&self, path: &str, size: u64, take: &mut dyn FnMut(&[u8])) -> Result<(), String> {
        let mut done = 0;
        let file = match self {
            View::Folder(root, _) => Some(open(&root.join(path))?.0),
            View::Tree(_) => None,
        };
        let mut buffer = vec![0; usize::try_from(CHUNK.min(size)).unwrap_or(0)];
        while done < size {
            let length = CHUNK.min(size - done);
            match (self, &file) {
                (View::Tree(tree), _) => {
                    take(&tree.read_anywhere(path, done, length).map_err(|fault| fault.to_string())?)
                }
                (_, Some(file)) => {
                    let piece = buffer.get_mut(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
                    let read = file.read_exact_at(piece, done);
                    read.map_err(|error| format!("cannot be read at byte {done}: {error}"))?;
                    take(piece);
                }
                (View::Folder(..), None) => {}
            }
            done += length;
        }
        Ok(())
    }

    /// Compares a file with its recorded digest; the error says what is wrong. Names come from the medium: they must stay inside.
    pub(crate) fn check(&self, path: &str, expected: &FileDigest, progress: &dyn Fn(u64)) -> Result<(), String> {
        let normal = |part| matches!(part, std::path::Component::Normal(_));
        if path.is_empty() || path.contains('\0') || !Path::new(path).components().all(normal) {
            return Err("has an impossible name in the manifest".into());
        }
        let size = self.size(path)?;
        if size != expected.size_bytes {
            return Err(format!("has {size} bytes instead of {}", expected.size_bytes));
        }
        let mut hasher = blake3::Hasher::new();
        self.pieces(path, size, &mut |piece| {
            hasher.update(piece);
            progress(piece.len() as u64);
        })?;
        if hasher.finalize().to_hex().as_str() != expected.blake3 {
            return Err("does not have the hash that its manifest names".into());
        }
        Ok(())
    }

    /// Size of the image that holds the files, if its bytes can be read.
    pub(crate) fn image_bytes(&self) -> Option<u64> {
        match self {
            View::Folder(_, image) => image.as_ref().map(ImageFile::size),
            View::Tree(tree) => tree.image_bytes(),
        }
    }

    /// Bytes of the image; fewer at its end, none where there is no image.
    pub(crate) fn read_image(&self, at: u64, length: u64) -> Result<Vec<u8>, String> {
        let bytes = match self {
            View::Folder(_, Some(image)) => image.read_at(at, length),
            View::Folder(_, None) => Ok(vec![]),
            View::Tree(tree) => tree.read_raw(at, length),
        };
        bytes.map_err(|fault| fault.to_string())
    }

    /// Compares a part of the image with its recorded digest.
    pub(crate) fn check_range(&self, offset: u64, expected: &FileDigest) -> Result<(), String> {
        let mut hasher = blake3::Hasher::new();
        while hasher.count() < expected.size_bytes {
            let length = CHUNK.min(expected.size_bytes - hasher.count());
            let bytes = self.read_image(offset.saturating_add(hasher.count()), length)?;
            if bytes.is_empty() {
                return Err("is cut off".into());
            }
            hasher.update(&bytes);
        }
        match hasher.finalize().to_hex().as_str() == expected.blake3 {
            true => Ok(()),
            false => Err("was changed".into()),
        }
    }
}

/// Opens a regular file, and nothing else: a pipe in its place must not hang.
fn open(path: &Path) -> Result<(File, u64), String> {
    const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(NONBLOCK).open(path);
    let file = file.map_err(|error| format!("cannot be opened: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("cannot be opened: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a regular file".into());
    }
    Ok((file, metadata.len()))
}

/// Reads every byte of every file that the manifest names and compares sizes and hashes; a file below `/lifeboat/` that the
/// manifest does not name is damage as well.
///
/// # Errors
/// [`Failure::Damaged`] for the first changed file, in the order of the manifest.
pub fn verify(view: &View<'_>, manifest: &MediumManifest, sink: &dyn EventSink) -> Result<(), Failure> {
    let began = Instant::now();
    let files: Vec<_> = manifest.files.iter().collect();
    let total: u64 = files.iter().map(|(_, digest)| digest.size_bytes).sum();
    for path in view.paths(Some("lifeboat"))?.into_iter().flatten() {
        let Some(name) = path.strip_prefix("lifeboat/") else { continue };
        let is_volume = manifest.first_volume() == Some(name);
        if !["manifest.json", "initrd.img", BOOT_LIST].contains(&name)
            && !manifest.files.contains_key(name)
            && !is_volume
        {
            return Err(Failure::Damaged { file: name.to_owned(), problem: "is not in its manifest".into() });
        }
    }
    let (next, done_bytes, reported) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let check_some = || -> Result<(), (usize, Failure)> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((name, digest)) = files.get(index) else { return Ok(()) };
            let checked = view.check(&format!("lifeboat/{name}"), digest, &|bytes| {
                let done = done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
                let mark = done / REPORT_EVERY;
                if reported.fetch_max(mark, Ordering::Relaxed) < mark {
                    sink.emit(&Event::Progress {
                        phase: "verify".into(),
                        entries: index as u64,
                        entries_total: files.len() as u64,
                        bytes: done,
                        bytes_total: total,
                        seconds: began.elapsed().as_secs_f64(),
                    });
                }
            });
            checked.map_err(|problem| (index, Failure::Damaged { file: (*name).clone(), problem }))?;
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from).min(4);
    let mut failures: Vec<(usize, Failure)> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(check_some)).collect();
        handles
            .into_iter()
            .filter_map(|handle| match handle.join() {
                Ok(result) => result.err(),
                Err(_) => {
                    Some((usize::MAX, Failure::Mismatch("the check of the medium ended with an internal error".into())))
                }
            })
            .collect()
    });
    failures.sort_by_key(|(index, _)| *index);
    failures.into_iter().next().map_or(Ok(()), |(_, failure)| Err(failure))
}

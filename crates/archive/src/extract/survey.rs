//! What a restore will meet in its target: what is new, what will be replaced, what stays as it is. Nothing is changed.

use super::extraction::Keep;
use super::place;
use crate::file_table::{FileTable, Kind, Time};
use crate::links::Links;
use crate::report::Problem;
use crate::selection::Choice;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Entries that are named in a summary.
const NAMED: usize = 10;

/// What a restore will do to its target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Entries that will be restored.
    pub entries: u64,
    /// Sum of the sizes of regular files among them, in bytes.
    pub bytes: u64,
    /// The same without holes, each inode once: what will be written.
    pub data_bytes: u64,
    /// Entries among them that are not in the target.
    pub new: u64,
    /// Directories among them that are there: they get their attributes, and keep what else is in them.
    pub directories: u64,
    /// Entries among them, no directories, in whose place something is.
    pub replaced: u64,
    /// The first of these.
    pub named: Vec<PathBuf>,
    /// How many of these were changed here after the time that they have in the archive.
    pub newer: u64,
    /// Chosen entries that are left as they are in the target.
    pub kept: u64,
    /// Bytes that are free where it goes; `None` when that is not known.
    pub free_bytes: Option<u64>,
    /// What a restore cannot restore, as far as it is known before contents are read.
    pub problems: Vec<Problem>,
}

/// Inspects the target for all that is chosen, and takes out of the choice what is to be kept. Without `root` there is no
/// target yet.
pub(super) fn look(table: &FileTable, root: Option<&OwnedFd>, choices: &mut [Choice], keep: Keep) -> Survey {
    let mut survey = Survey::default();
    let mut kept = HashSet::new();
    let mut open: Vec<(usize, Option<Arc<OwnedFd>>)> = vec![];
    if let Some(root) = root {
        let free = rustix::fs::fstatvfs(root).map(|status| status.f_bavail.saturating_mul(status.f_frsize));
        survey.free_bytes = free.ok();
    }
    let root = root.and_then(|root| rustix::io::fcntl_dupfd_cloexec(root, 0).ok()).map(Arc::new);
    if choices.first() == Some(&Choice::Yes) {
        match (&root, keep) {
            (Some(_), Keep::Existing) => {
                kept.insert(0);
            }
            (Some(_), _) => survey.directories += 1,
            (None, _) => survey.new += 1,
        }
    }
    open.extend(table.children(0).rev().map(|child| (child, root.clone())));
    while let Some((index, parent)) = open.pop() {
        if choices[index] == Choice::No {
            continue;
        }
        let name = OsStr::from_bytes(table.name(index));
        let there = parent.as_ref().and_then(|parent| {
            // What cannot be read is reported by the restore itself.
            rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).ok()
        });
        let is_directory = there.is_some_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory);
        if choices[index] == Choice::Yes {
            match there {
                None => survey.new += 1,
                Some(status) if table.records[index].kind == Kind::Directory && is_directory => match keep {
                    Keep::Existing if !place::is_unfinished(&status) => {
                        kept.insert(index);
                    }
                    _ => survey.directories += 1,
                },
                Some(status) => {
                    let stays = match keep {
                        Keep::Nothing => false,
                        Keep::Existing => true,
                        Keep::Newer => modified(&status) >= table.records[index].mtime,
                        Keep::Same => is_same(table, index, &status, parent.as_deref()),
                    };
                    match stays {
                        true => {
                            kept.insert(index);
                        }
                        false => survey.replace(table, index, &status),
                    }
                }
            }
        }
        if table.records[index].kind == Kind::Directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = parent
                .filter(|_| is_directory)
                .and_then(|parent| rustix::fs::openat(&*parent, name, flags, Mode::empty()).ok().map(Arc::new));
            open.extend(table.children(index).rev().map(|child| (child, opened.clone())));
        }
    }
    if keep == Keep::Same {
        whole_groups(table, choices, &mut kept, &mut survey);
    }
    take_out(table, choices, &kept);
    survey.count(table, choices);
    survey.kept = kept.len() as u64;
    survey
}

impl Survey {
    fn replace(&mut self, table: &FileTable, index: usize, status: &Stat) {
        self.replaced += 1;
        if self.named.len() < NAMED {
            self.named.push(table.path(index));
        }
        self.newer += u64::from(modified(status) > table.records[index].mtime);
    }

    fn count(&mut self, table: &FileTable, choices: &[Choice]) {
        let links = Links::of(table, |index| choices[index] == Choice::Yes);
        for index in (0..table.records.len()).filter(|index| choices[*index] == Choice::Yes) {
            self.entries += 1;
            if table.records[index].kind == Kind::File {
                self.bytes = self.bytes.saturating_add(table.records[index].size);
                if links.first(index) == index {
                    self.data_bytes = self.data_bytes.saturating_add(table.stored(index));
                }
            }
        }
    }
}

/// Names of one inode are kept together or not at all: they would no longer be links to one another.
fn whole_groups(table: &FileTable, choices: &[Choice], kept: &mut HashSet<usize>, survey: &mut Survey) {
    let links = Links::of(table, |index| choices[index] == Choice::Yes);
    let linked = |index: &usize| choices[*index] == Choice::Yes && table.records[*index].link_key().is_some();
    let names: Vec<usize> = (0..table.records.len()).filter(linked).collect();
    let broken: HashSet<usize> =
        names.iter().filter(|name| !kept.contains(*name)).map(|name| links.first(*name)).collect();
    for name in names {
        if broken.contains(&links.first(name)) && kept.remove(&name) {
            survey.replaced += 1;
        }
    }
}

/// Kept directories still lead to what is in them.
fn take_out(table: &FileTable, choices: &mut [Choice], kept: &HashSet<usize>) {
    for index in kept {
        choices[*index] = match table.records[*index].kind {
            Kind::Directory => Choice::Way,
            _ => Choice::No,
        };
    }
}

fn modified(status: &Stat) -> Time {
    Time { seconds: status.st_mtime, nanoseconds: u32::try_from(status.st_mtime_nsec).unwrap_or(0) }
}

/// Type, size, modification time, owner and mode are those of the archive; so the content is taken to be the same.
fn is_same(table: &FileTable, index: usize, status: &Stat, parent: Option<&OwnedFd>) -> bool {
    let record = &table.records[index];
    let kind = match record.kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::BlockDevice => FileType::BlockDevice,
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Socket => FileType::Socket,
    };
    let size = || record.kind != Kind::File || u64::try_from(status.st_size) == Ok(record.size);
    let target = || {
        record.kind != Kind::Symlink
            || parent.is_some_and(|parent| {
                let name = OsStr::from_bytes(table.name(index));
                rustix::fs::readlinkat(parent, name, vec![])
                    .is_ok_and(|target| target.as_bytes() == table.target(index))
            })
    };
    let mode = || record.kind == Kind::Symlink || status.st_mode & 0o7777 == u32::from(record.mode);
    FileType::from_raw_mode(status.st_mode) == kind
        && size()
        && modified(status) == record.mtime
        && (status.st_uid, status.st_gid) == (record.uid, record.gid)
        && status.st_rdev == record.device * u64::from(matches!(record.kind, Kind::BlockDevice | Kind::CharDevice))
        && mode()
        && target()
}

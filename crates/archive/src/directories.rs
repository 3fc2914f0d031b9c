//! Directories of a tree, each opened from an open one, so that a deep tree costs no more than a flat one, and
//! nobody who may rename things in it can redirect the path.
//!
//! No link is followed on the way down (openat2(2)). On the way up `..` is accepted only if it is the known directory: device
//! and inode must match. Few descriptors are kept: what was closed is reached by `..` again, or from the top.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

/// How many bytes of path go into one system call; PATH_MAX is 4096 with the final NUL.
const PATH_BYTES: usize = 4000;
/// NAME_MAX, with a slash.
const NAME_BYTES: usize = 256;
/// Descriptors kept at once.
const KEPT: usize = 24;
/// Directories nearer to the top than this are opened from there, in one call.
const NEAR: usize = 12;
/// How far up `..` is used; beyond that the path from the top is shorter.
const CLIMB: usize = 64;
/// How often a call is repeated when something was renamed meanwhile (openat2(2), EAGAIN).
const ATTEMPTS: usize = 100;

/// The identity of a directory: device and inode.
pub(crate) type Identity = (u64, u64);

/// The tree, in numbers of records.
pub(crate) trait Tree {
    /// The parent of a directory that is not a top.
    fn parent(&self, index: usize) -> usize;
    /// Its name there.
    fn name(&self, index: usize) -> &[u8];
    /// The descriptor of a top: where paths begin.
    fn top(&self, index: usize) -> Option<&OwnedFd>;
    /// The identity of a directory when it was seen; `None` when that is not known.
    fn identity(&self, index: usize) -> Option<Identity>;
    /// How many directories got other names since the beginning; never while one is just getting it.
    fn renamed(&self) -> u64 {
        0
    }
}

/// Device and inode of what is open.
pub(crate) fn identity(fd: &OwnedFd) -> Result<Identity, Errno> {
    rustix::fs::fstat(fd).map(|status| (status.st_dev, status.st_ino))
}

/// Opens a directory below another one, with no link on the way. Where reading without changing access times is not allowed
/// (O_NOATIME of another's directory), it is opened as usual.
pub(crate) fn open_below(from: &OwnedFd, path: &OsStr, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = resolve | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let mut left = ATTEMPTS;
    loop {
        let (quietly, plainly) = (flags | OFlags::NOATIME, flags);
        let opened = match rustix::fs::openat2(from, path, quietly, Mode::empty(), resolve) {
            Err(Errno::PERM) => rustix::fs::openat2(from, path, plainly, Mode::empty(), resolve),
            opened => opened,
        };
        match opened {
            Err(Errno::AGAIN) if left > 0 => left -= 1,
            opened => return opened,
        }
    }
}

/// Opens directories, and remembers the last ones.
pub(crate) struct Directories {
    resolve: ResolveFlags,
    /// Each is somewhere below the one before.
    open: VecDeque<(usize, Arc<OwnedFd>)>,
}

/// Where a path begins.
enum Begin {
    Kept(usize),
    Top,
    Climb(usize),
}

impl Directories {
    /// For the inside of one mount.
    pub(crate) fn within_a_mount() -> Self {
        Directories { resolve: ResolveFlags::NO_XDEV, open: VecDeque::new() }
    }

    /// For a tree with mounts in it.
    pub(crate) fn across_mounts() -> Self {
        Directories { resolve: ResolveFlags::empty(), open: VecDeque::new() }
    }

    /// Opens the directory of a record, whatever it is now.
    pub(crate) fn open(&mut self, tree: &dyn Tree, index: usize) -> Result<Arc<OwnedFd>, Errno> {
        if let Some((_, fd)) = self.open.back().filter(|(last, _)| *last == index) {
            return Ok(Arc::clone(fd));
        }
        let mut renamed = tree.renamed();
        loop {
            match self.find(tree, index) {
                Err(Errno::NOENT) if renamed != tree.renamed() => renamed = tree.renamed(),
                found => return found,
            }
        }
    }

    /// Opens one that is not the last one, by the names that directories have now.
    fn find(&mut self, tree: &dyn Tree, index: usize) -> Result<Arc<OwnedFd>, Errno> {
        let (begin, way) = self.way(tree, index);
        let climbed = match begin {
            Begin::Climb(to) => self.climb(tree, to),
            Begin::Kept(position) => {
                self.open.truncate(position + 1);
                Ok(())
            }
            Begin::Top => {
                self.open.clear();
                Ok(())
            }
        };
        match climbed {
            Ok(()) => self.descend(tree, index, &way),
            // It was moved: only the path from the top shows where it should be.
            Err(_) => {
                self.open.clear();
                let (_, way) = self.way(tree, index);
                self.descend(tree, index, &way)
            }
        }
    }

    /// Opens the directory of a record.
    ///
    /// # Errors
    /// ESTALE when another one is in its place.
    pub(crate) fn open_same(&mut self, tree: &dyn Tree, index: usize) -> Result<Arc<OwnedFd>, Errno> {
        let was_open = self.open.back().is_some_and(|(last, _)| *last == index);
        let fd = self.open(tree, index)?;
        match tree.identity(index) {
            Some(wanted) if !was_open && identity(&fd)? != wanted => {
                self.open.pop_back();
                Err(Errno::STALE)
            }
            _ => Ok(fd),
        }
    }

    /// Where to start, and the directories from there down to `index`, the last one first.
    fn way(&self, tree: &dyn Tree, index: usize) -> (Begin, Vec<usize>) {
        let mut way = vec![];
        let mut above: Vec<usize> = vec![];
        let mut at = index;
        loop {
            if let Some(position) = self.open.iter().rposition(|(kept, _)| *kept == at) {
                return (Begin::Kept(position), way);
            }
            if tree.top(at).is_some() {
                return (Begin::Top, way);
            }
            if way.len() == NEAR {
                above = self.above(tree);
                if let Some(position) = way.iter().position(|passed| above.contains(passed)) {
                    let to = way[position];
                    way.truncate(position);
                    return (Begin::Climb(to), way);
                }
            }
            if above.contains(&at) {
                return (Begin::Climb(at), way);
            }
            way.push(at);
            at = tree.parent(at);
        }
    }

    /// The directories above the highest one that is kept, the nearest first, as far as `..` is used.
    fn above(&self, tree: &dyn Tree) -> Vec<usize> {
        let mut above = vec![];
        let Some((mut at, _)) = self.open.front().map(|(kept, fd)| (*kept, fd)) else { return above };
        while above.len() < CLIMB && tree.top(at).is_none() {
            at = tree.parent(at);
            if tree.top(at).is_some() || tree.identity(at).is_none() {
                break;
            }
            above.push(at);
        }
        above
    }

    /// Goes up to a directory above the highest one that is kept.
    fn climb(&mut self, tree: &dyn Tree, to: usize) -> Result<(), Errno> {
        let (mut at, mut fd) = self.open.drain(..).next().ok_or(Errno::NOENT)?;
        while at != to {
            at = tree.parent(at);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let up = rustix::fs::openat(&*fd, "..", flags, Mode::empty())?;
            if tree.identity(at) != Some(identity(&up)?) {
                return Err(Errno::STALE);
            }
            fd = Arc::new(up);
        }
        self.open.push_back((at, fd));
        Ok(())
    }

    /// Goes down from the last directory that is kept, or from the top.
    fn descend(&mut self, tree: &dyn Tree, index: usize, way: &[usize]) -> Result<Arc<OwnedFd>, Errno> {
        let mut path = Vec::with_capacity(NAME_BYTES);
        for (position, at) in way.iter().enumerate().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(tree.name(*at));
            if position > 0 && path.len() + NAME_BYTES <= PATH_BYTES {
                continue;
            }
            let name = OsStr::from_bytes(&path);
            let opened = match self.open.back() {
                Some((_, fd)) => open_below(fd, name, OFlags::RDONLY, self.resolve),
                // The path is never empty here, and its first directory is in a top.
                None => {
                    let top = way.last().and_then(|first| tree.top(tree.parent(*first)));
                    open_below(top.ok_or(Errno::NOENT)?, name, OFlags::RDONLY, self.resolve)
                }
            };
            self.keep(*at, opened?);
            path.clear();
        }
        match self.open.back() {
            Some((last, fd)) if *last == index => Ok(Arc::clone(fd)),
            _ => {
                let top = tree.top(index).ok_or(Errno::NOENT)?;
                let opened = open_below(top, OsStr::new("."), OFlags::RDONLY, self.resolve)?;
                Ok(self.keep(index, opened))
            }
        }
    }

    fn keep(&mut self, index: usize, fd: OwnedFd) -> Arc<OwnedFd> {
        if self.open.len() >= KEPT {
            self.open.pop_front();
        }
        let fd = Arc::new(fd);
        self.open.push_back((index, Arc::clone(&fd)));
        fd
    }
}

/// Why a file could not be read: its directory could not be opened.
pub(crate) fn without_directory(error: Errno) -> String {
    match error {
        Errno::NOENT => "cannot OPEN: its directory vanished during the backup".to_owned(),
        Errno::STALE | Errno::LOOP | Errno::NOTDIR | Errno::XDEV => {
            "cannot OPEN: its directory was replaced during the backup".to_owned()
        }
        error => format!("cannot OPEN its directory: {}", std::io::Error::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// A chain of directories `d`, each below the one before; record 0 is the top.
    struct Nest {
        top: OwnedFd,
        seen: Vec<Option<Identity>>,
    }

    impl Tree for Nest {
        fn parent(&self, index: usize) -> usize {
            index - 1
        }
        fn name(&self, _: usize) -> &[u8] {
            b"d"
        }
        fn top(&self, index: usize) -> Option<&OwnedFd> {
            (index == 0).then_some(&self.top)
        }
        fn identity(&self, index: usize) -> Option<Identity> {
            self.seen[index]
        }
    }

    fn nest(root: &Path, depth: usize) -> Nest {
        let top = OwnedFd::from(std::fs::File::open(root).unwrap());
        let mut fd = OwnedFd::from(std::fs::File::open(root).unwrap());
        let mut seen = vec![Some(identity(&fd).unwrap())];
        for _ in 0..depth {
            rustix::fs::mkdirat(&fd, "d", Mode::RWXU).unwrap();
            fd = rustix::fs::openat(&fd, "d", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
            seen.push(Some(identity(&fd).unwrap()));
        }
        Nest { top, seen }
    }

    #[test]
    fn every_way_leads_to_the_same_directory() {
        let folder = tempfile::tempdir().unwrap();
        let nest = nest(folder.path(), 3000);
        let mut directories = Directories::within_a_mount();
        let mut order: Vec<usize> = (0..=3000).chain((0..=3000).rev()).collect();
        // Jumps of every length, up and down.
        order.extend((1..1500).map(|step| (step * 977) % 3001));
        for index in order {
            let fd = directories.open_same(&nest, index).unwrap();
            assert_eq!(Some(identity(&fd).unwrap()), nest.seen[index], "{index}");
            assert!(directories.open.len() <= KEPT);
        }
    }

    #[test]
    fn what_was_moved_is_not_climbed_out_of() {
        let folder = tempfile::tempdir().unwrap();
        let nest = nest(folder.path(), 100);
        let deep = |depth: usize| folder.path().join(vec!["d"; depth].join("/"));
        let mut directories = Directories::within_a_mount();
        directories.open_same(&nest, 100).unwrap();
        // Directory 70 is moved, so its `..` leads to a foreign directory; another one is put in its place.
        let stranger = folder.path().join("stranger");
        std::fs::create_dir(&stranger).unwrap();
        std::fs::rename(deep(70), stranger.join("x")).unwrap();
        std::fs::create_dir(deep(70)).unwrap();
        assert_eq!(identity(&directories.open_same(&nest, 69).unwrap()).unwrap(), nest.seen[69].unwrap());
        assert_eq!(directories.open_same(&nest, 70).map(drop), Err(Errno::STALE));
        assert_eq!(directories.open_same(&nest, 75).map(drop), Err(Errno::NOENT));
    }

    #[test]
    fn links_are_followed_nowhere_on_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let nest = nest(folder.path(), 9);
        let middle = folder.path().join("d/d/d");
        std::fs::rename(&middle, folder.path().join("away")).unwrap();
        for target in ["../../away", "/"] {
            symlink(target, &middle).unwrap();
            for index in [3, 4, 9] {
                let opened = Directories::across_mounts().open(&nest, index).map(drop);
                assert!(matches!(opened, Err(Errno::LOOP | Errno::NOTDIR)), "{index} {target}: {opened:?}");
            }
            std::fs::remove_file(&middle).unwrap();
        }
    }
}

//! Reads a snapshot's trees into a [`FileTable`]. A tree that cannot be read costs only what is below it.

use super::blobs::Blobs;
use super::index_file::BlobKind;
use super::node::{self, Node};
use super::store::Store;
use crate::file_table::{FileTable, Id, Kind, More, Record};
use crate::selection::OWN_DIRECTORY;
use crate::{ArchiveError, Selection, extras};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Links that are followed on the way to chosen paths: the kernel follows 40 (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// What was read of a snapshot.
pub(crate) struct Loaded {
    pub(crate) table: FileTable,
    /// Directories whose trees cannot be read: what was in them is missing from the table. And why.
    pub(crate) lost: Vec<(PathBuf, String)>,
}

impl Loaded {
    /// The paths and reasons as problems.
    pub(crate) fn problems(&self) -> impl Iterator<Item = crate::Problem> + '_ {
        self.lost.iter().map(|(path, cause)| {
            let message = match path.starts_with(own_path()) && path != &own_path() {
                true => format!(
                    "inode flags, holes and other extras are missing from all entries, and large holes from contents: \
                     {cause}"
                ),
                false => format!("everything in this directory is missing: {cause}"),
            };
            crate::Problem { path: path.clone(), message }
        })
    }

    /// A directory above `path`, or the path itself, was lost.
    pub(crate) fn has_lost(&self, path: &Path) -> bool {
        self.lost.iter().any(|(lost, _)| path.starts_with(lost))
    }
}

fn own_path() -> PathBuf {
    Path::new("/").join(OsStr::from_bytes(OWN_DIRECTORY))
}

/// The directories that must be read for a selection.
struct Wanted {
    /// `None` for all.
    paths: Option<Vec<PathBuf>>,
    /// Paths that links may still add: an archive's links can form loops.
    left: usize,
}

impl Wanted {
    fn new(selection: &Selection) -> Wanted {
        // With Lifeboat's own.
        let with_own = |paths: &[PathBuf]| paths.iter().map(|path| plain(path)).chain([own_path()]).collect();
        let paths: Option<Vec<PathBuf>> = selection.paths().map(with_own);
        let left = MOST_LINKS * paths.as_ref().map_or(0, Vec::len);
        Wanted { paths, left }
    }

    /// A directory is on the way to what is wanted, or in it.
    fn has(&self, directory: &Path) -> bool {
        let leads = |path: &PathBuf| path.starts_with(directory) || directory.starts_with(path);
        self.paths.as_ref().is_none_or(|paths| paths.iter().any(leads))
    }

    /// A link is on the way: what it leads to is wanted, too. Returns whether that is new.
    fn follow(&mut self, link: &Path, target: &[u8]) -> bool {
        let Some(paths) = &mut self.paths else { return false };
        let target = Path::new(OsStr::from_bytes(target));
        let parent = link.parent().unwrap_or(Path::new("/"));
        let led: Vec<PathBuf> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(link).ok())
            .map(|rest| plain(&parent.join(target).join(rest)))
            .collect();
        let before = paths.len();
        for path in led {
            if self.left > 0 && !paths.contains(&path) {
                self.left -= 1;
                paths.push(path);
            }
        }
        paths.len() > before
    }
}

/// An absolute path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => {
                plain.pop();
            }
            _ => {}
        }
    }
    plain
}

/// Reads the trees below `root` that a selection needs, and the extras.
///
/// # Errors
/// When the root's own tree cannot be read, or the server is gone.
pub(crate) fn table(
    store: &Store,
    blobs: &mut Blobs<'_>,
    root: Id,
    selection: &Selection,
) -> Result<Loaded, ArchiveError> {
    let mut wanted = Wanted::new(selection);
    let mut loaded = Loaded { table: FileTable::default(), lost: vec![] };
    let mut record = Record::new(Kind::Directory);
    record.mode = 0o755;
    loaded.table.push(record, b"", More::default());
    let mut open = vec![(0, root)];
    // Not wanted, as far as known by now.
    let mut closed: Vec<(usize, Id)> = vec![];
    let mut again = Again::default();
    while let Some((index, id)) = open.pop() {
        let mut directories = match directory(store, blobs, &mut loaded.table, index, &id) {
            Ok(directories) => directories,
            Err(error) if index == 0 => return Err(error),
            Err(error) => {
                if let Some(lost) = store.lost() {
                    return Err(lost);
                }
                loaded.lost.push((loaded.table.path(index), error.to_string()));
                continue;
            }
        };
        if again.is_endless(id, loaded.table.children(index).len(), directories.len()) {
            let cause =
                "the same directories are in one another so often that it was made to take long; the rest is not read";
            loaded.lost.push((PathBuf::from("/"), cause.to_owned()));
            break;
        }
        directories.reverse();
        if wanted.paths.is_none() {
            open.extend(directories);
            continue;
        }
        let (read, passed): (Vec<_>, Vec<_>) =
            directories.into_iter().partition(|(child, _)| wanted.has(&loaded.table.path(*child)));
        open.extend(read);
        closed.extend(passed);
        let links = loaded.table.children(index).filter(|child| loaded.table.records[*child].kind == Kind::Symlink);
        let mut led = false;
        for link in links {
            led |= wanted.follow(&loaded.table.path(link), loaded.table.target(link));
        }
        if led {
            let (read, passed): (Vec<_>, Vec<_>) =
                closed.into_iter().partition(|(child, _)| wanted.has(&loaded.table.path(*child)));
            open.extend(read);
            closed = passed;
        }
    }
    let whole = loaded.lost.is_empty() && closed.is_empty();
    apply_extras(store, blobs, &mut loaded, whole)?;
    if let Some(index) = loaded.table.child(0, OWN_DIRECTORY) {
        loaded.table.leave_out(index);
    }
    Ok(loaded)
}

/// Trees that are read again and again: thirty of them, each with two names for the next one, are a thousand million entries.
#[derive(Default)]
struct Again {
    /// What was read costs so much, in entries.
    all: usize,
    /// What was read since that passed [`Again::FREE`], each tree once, and what it costs.
    trees: HashSet<Id>,
    known: usize,
}

impl Again {
    /// Of so much there is no question.
    const FREE: usize = 1_000_000;
    /// The content of a directory is there so often at most: snapshots of a volume that are saved as directories.
    const TIMES: usize = 1000;
    /// To read a directory that leads on costs as much as so many entries.
    const WAY: usize = 20;

    /// Counts a directory with so many entries, and so many directories among them.
    fn is_endless(&mut self, tree: Id, entries: usize, directories: usize) -> bool {
        let cost = entries + if directories > 0 { Again::WAY } else { 0 };
        self.all = self.all.saturating_add(cost);
        if self.all < Again::FREE {
            return false;
        }
        if self.trees.insert(tree) {
            self.known += cost;
        }
        self.all > Again::FREE + Again::FREE / 2 + Again::TIMES.saturating_mul(self.known)
    }
}

fn apply_extras(store: &Store, blobs: &mut Blobs<'_>, loaded: &mut Loaded, whole: bool) -> Result<(), ArchiveError> {
    let path = own_path().join("extras.jsonl");
    let Some(index) = loaded.table.find(&path) else { return Ok(()) };
    let applied = match content(blobs, &loaded.table, index) {
        Ok(text) => extras::apply(&text, &mut loaded.table, whole),
        Err(error) => match store.lost() {
            Some(lost) => return Err(lost),
            None => Err(error.to_string()),
        },
    };
    if let Err(cause) = applied {
        loaded.lost.push((path, cause));
    }
    Ok(())
}

/// Adds the children of one directory; returns its directories with their trees. Of a refused tree nothing is added.
fn directory(
    store: &Store,
    blobs: &mut Blobs<'_>,
    table: &mut FileTable,
    index: usize,
    id: &Id,
) -> Result<Vec<(usize, Id)>, ArchiveError> {
    let tree = blobs.get(BlobKind::Tree, id)?;
    nodes(table, index, tree)
        .map_err(|error| store.damaged(format!("the directory {}", table.path(index).display()), error))
}

/// The same from the tree's text.
pub(crate) fn nodes(table: &mut FileTable, index: usize, tree: &[u8]) -> Result<Vec<(usize, Id)>, String> {
    let start = table.records.len();
    let mut directories = vec![];
    let read = node::for_each(tree, &mut |node| {
        let child = add(table, index, &node)?;
        // Sorted names are part of the format; look-ups rely on it. With two equal ones it would be unclear which is meant.
        if child > start && table.name(child - 1) >= table.name(child) {
            return Err("its names are not sorted, or not unique".to_owned());
        }
        if table.records[child].kind == Kind::Directory {
            directories.push((child, node.subtree.ok_or("a directory has no tree")?.0));
        }
        Ok(())
    });
    if let Err(error) = read {
        table.truncate(start);
        return Err(error);
    }
    let count = table.records.len() - start;
    (table.records[index].start, table.records[index].count) = (start as u32, count as u32);
    Ok(directories)
}

/// Adds one node.
fn add(table: &mut FileTable, parent: usize, node: &Node<'_>) -> Result<usize, String> {
    let name = node::unquote(&node.name).ok_or("a name is escaped wrongly")?;
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) || name.len() > 255
    {
        return Err(format!("{:?} is not a valid name", node.name));
    }
    let kind = node.kind().ok_or_else(|| format!("{:?} is not a known type", node.kind))?;
    let time = |time: &Option<std::borrow::Cow<'_, str>>| match time {
        None => Ok(Default::default()),
        Some(text) => node::parse_time(text).ok_or_else(|| format!("{text:?} is not a time")),
    };
    let mut record = Record::new(kind);
    record.parent = parent as u32;
    record.mode = node.permissions();
    record.mtime = time(&node.mtime)?;
    record.ctime = time(&node.ctime)?;
    (record.uid, record.gid) = (node.uid, node.gid);
    (record.inode, record.filesystem, record.device) = (node.inode, node.device_id, node.device);
    record.size = if kind == Kind::File { node.size } else { 0 };
    record.links = u32::try_from(node.links).unwrap_or(u32::MAX);
    let xattrs = node.xattrs().ok_or("an extended attribute is not base64")?;
    let target = match kind {
        Kind::Symlink => {
            node.target().filter(|target| !target.is_empty() && !target.contains(&0)).ok_or("a link has no target")?
        }
        _ => vec![],
    };
    if let (Kind::File, Some(ids)) = (kind, &node.content) {
        record.start = table.ids.len() as u32;
        record.count = ids.len() as u32;
        table.ids.extend(ids.iter().map(|id| id.0));
    }
    Ok(table.push(record, &name, More { xattrs, target, ..More::default() }))
}

/// The content of a file.
pub(crate) fn content(blobs: &mut Blobs<'_>, table: &FileTable, index: usize) -> Result<Vec<u8>, ArchiveError> {
    let mut text = Vec::new();
    for id in table.content(index) {
        text.extend_from_slice(blobs.get(BlobKind::Data, id)?);
    }
    Ok(text)
}

/// The content of one file, found by walking down its path only; `None` when it does not exist.
pub(crate) fn file(
    store: &Store,
    blobs: &mut Blobs<'_>,
    root: Id,
    path: &Path,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut table = FileTable::default();
    match walk(store, blobs, root, path, &mut table)? {
        Some((index, _)) if table.records[index].kind == Kind::File => content(blobs, &table, index).map(Some),
        _ => Ok(None),
    }
}

/// Whether a path is there, and not as an empty directory; only its own directories are read.
pub(crate) fn is_filled(store: &Store, blobs: &mut Blobs<'_>, root: Id, path: &Path) -> Result<bool, ArchiveError> {
    let mut table = FileTable::default();
    let Some((index, tree)) = walk(store, blobs, root, path, &mut table)? else { return Ok(false) };
    if table.records[index].kind != Kind::Directory {
        return Ok(true);
    }
    directory(store, blobs, &mut table, index, &tree)?;
    Ok(!table.children(index).is_empty())
}

/// Walks down a path; returns the number of the entry in the `table`, and the tree of the last directory on the way or, if it is one, its
/// own.
fn walk(
    store: &Store,
    blobs: &mut Blobs<'_>,
    root: Id,
    path: &Path,
    table: &mut FileTable,
) -> Result<Option<(usize, Id)>, ArchiveError> {
    let mut tree = root;
    table.push(Record::new(Kind::Directory), b"", More::default());
    let mut index = 0;
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        let directories = directory(store, blobs, table, index, &tree)?;
        let Some(child) = table.child(index, name.as_encoded_bytes()) else { return Ok(None) };
        index = child;
        if let Some((_, id)) = directories.iter().find(|(directory, _)| *directory == child) {
            tree = *id;
        }
    }
    Ok(Some((index, tree)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(paths: &[&str]) -> Wanted {
        Wanted::new(&Selection::Paths(paths.iter().map(PathBuf::from).collect()))
    }

    #[test]
    fn only_what_leads_there_is_read() {
        let mut some = wanted(&["/usr/share/doc", "srv/./data/../www"]);
        for yes in ["/", "/usr", "/usr/share", "/usr/share/doc", "/usr/share/doc/x/y", "/srv/www", "/.lifeboat"] {
            assert!(some.has(Path::new(yes)), "{yes}");
        }
        for no in ["/usr/share/docs", "/usr/lib", "/srv/data", "/home"] {
            assert!(!some.has(Path::new(no)), "{no}");
        }
        assert!(wanted(&["/"]).has(Path::new("/home/x")));
        assert!(Wanted::new(&Selection::Everything).has(Path::new("/home/x")));
        assert!(!some.follow(Path::new("/lib"), b"usr/lib"));
    }

    #[test]
    fn links_on_the_way_are_followed() {
        let mut some = wanted(&["/lib/modules/x", "/var/run"]);
        assert!(some.follow(Path::new("/lib"), b"usr/lib"));
        assert!(some.has(Path::new("/usr/lib/modules/x")) && !some.has(Path::new("/usr/bin")));
        assert!(some.follow(Path::new("/usr/lib/modules"), b"../../opt/./modules"));
        assert!(some.has(Path::new("/opt/modules/x/y")) && !some.has(Path::new("/opt/other")));
        assert!(some.follow(Path::new("/var/run"), b"/run"));
        assert!(some.has(Path::new("/run/lock")));
        // A loop.
        assert!(!some.follow(Path::new("/var/run"), b"/run"));
        let mut circle = wanted(&["/a"]);
        let mut led = 0;
        while circle.follow(Path::new("/a"), b"a/a") && led < 1000 {
            led += 1;
        }
        assert!(led < 1000);
        assert!(circle.paths.unwrap().len() <= 2 + 2 * MOST_LINKS);
    }

    /// Thirty directories, each with two names for the next one, are a thousand million entries.
    #[test]
    fn directories_in_one_another_end() {
        use crate::repository::writer::{State, Writer};
        let folder = tempfile::tempdir().unwrap();
        let key = crate::Secret::generate().unwrap();
        let options = crate::RepositoryOptions::default();
        let repository = crate::Repository::init(&folder.path().join("r"), &key, &options).unwrap();
        let store = &repository.store;
        let empty = crate::repository::index::Index::default();
        let state = State::new(&empty);
        let root = std::thread::scope(|scope| {
            let (writer, disk) = Writer::start(scope, store, &empty, &state);
            let mut worker = writer.worker().unwrap();
            let mut tree = writer.put(&mut worker, BlobKind::Tree, b"{\"nodes\":[]}\n").unwrap();
            for _ in 0..30 {
                let node = |name: &str| {
                    let time = "2026-01-01T00:00:00Z";
                    format!(
                        "{{\"name\":\"{name}\",\"type\":\"dir\",\"mode\":2147484141,\"mtime\":\"{time}\",\"atime\":\"{time}\",\
                         \"ctime\":\"{time}\",\"uid\":0,\"gid\":0,\"content\":null,\"subtree\":\"{}\"}}",
                        crate::repository::crypto::hex(&tree)
                    )
                };
                let text = format!("{{\"nodes\":[{},{}]}}\n", node("a"), node("b"));
                tree = writer.put(&mut worker, BlobKind::Tree, text.as_bytes()).unwrap();
            }
            writer.finish(worker).unwrap();
            drop(writer);
            disk.join().unwrap().unwrap();
            tree
        });
        let index = store.load_index().unwrap();
        let loaded = table(store, &mut Blobs::new(store, &index).unwrap(), root, &Selection::Everything).unwrap();
        assert!(loaded.lost[0].1.contains("made to take long"), "{:?}", loaded.lost);
        assert!(loaded.table.records.len() < 5_000_000);
    }
}

//! Reads a snapshot's trees into a [`FileTable`]. A tree that cannot be read costs only what is below it.

mod again;
mod nodes;

use super::blobs::Blobs;
use super::index_file::BlobKind;
use super::store::Store;
use crate::file_table::{FileTable, Id, Kind, More, Record};
use crate::selection::OWN_DIRECTORY;
use crate::{ArchiveError, Selection, extras};
use again::{Again, TOO_OFTEN};
pub(crate) use nodes::{Nodes, nodes};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

/// Links that are followed on the way to chosen paths: the kernel follows 40 (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// What was read of a snapshot.
pub(crate) struct Loaded {
    pub(crate) table: FileTable,
    /// What is missing from the table.
    pub(crate) lost: Vec<Lost>,
}

/// What is missing, and why.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// A directory whose tree cannot be read, with all that is in it; or one entry.
    pub(crate) path: PathBuf,
    is_directory: bool,
    cause: String,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if self.is_directory { "directory" } else { "entry" };
        write!(f, "its {what} {} cannot be read: {}", self.path.display(), self.cause)
    }
}

impl Lost {
    fn directory(path: PathBuf, cause: String) -> Lost {
        Lost { path, is_directory: true, cause }
    }

    fn has(&self, path: &Path) -> bool {
        if self.is_directory { path.starts_with(&self.path) } else { path == self.path }
    }
}

impl Loaded {
    /// The paths and reasons as problems.
    pub(crate) fn problems(&self) -> impl Iterator<Item = crate::Problem> + '_ {
        self.lost.iter().map(|Lost { path, is_directory, cause }| {
            let message = match (path.starts_with(own_path()) && path != &own_path(), is_directory) {
                (true, _) => format!(
                    "inode flags, holes and other extras are missing from all entries, and large holes from contents: \
                     {cause}"
                ),
                (false, true) => format!("everything in this directory is missing: {cause}"),
                (false, false) => format!("it is missing: {cause}"),
            };
            crate::Problem { path: path.clone(), message }
        })
    }

    /// A directory above `path`, or the path itself, was lost.
    pub(crate) fn has_lost(&self, path: &Path) -> bool {
        self.lost.iter().any(|lost| lost.has(path))
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

/// Reads the trees below `root` that a selection needs, and the extras. `entries` is how many the snapshot says that there are; 0 when it does
/// not.
///
/// # Errors
/// When the root's own tree cannot be read, or the server is gone.
pub(crate) fn table(
    store: &Store,
    blobs: &mut Blobs<'_>,
    (root, entries): (Id, u64),
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
    let mut again = Again::new(entries);
    while let Some((index, id)) = open.pop() {
        if again.is_too_often(&id) {
            again.skipped += 1;
            if again.skipped <= Again::NAMED {
                loaded.lost.push(Lost::directory(loaded.table.path(index), TOO_OFTEN.to_owned()));
            }
            continue;
        }
        let Nodes { mut directories, bad } = match directory(store, blobs, &mut loaded.table, index, &id) {
            Ok(nodes) => nodes,
            Err(error) if index == 0 => return Err(error),
            Err(error) => {
                if let Some(lost) = store.lost() {
                    return Err(lost);
                }
                loaded.lost.push(Lost::directory(loaded.table.path(index), error.to_string()));
                continue;
            }
        };
        if !bad.is_empty() {
            let path = loaded.table.path(index);
            let entry = |(name, cause): (String, String)| Lost { path: path.join(name), is_directory: false, cause };
            loaded.lost.extend(bad.into_iter().map(entry));
        }
        again.count(id, loaded.table.children(index).len(), directories.len());
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
    if again.skipped > Again::NAMED {
        let cause = format!("{} more directories are not read: {TOO_OFTEN}", again.skipped - Again::NAMED);
        loaded.lost.push(Lost { path: PathBuf::from("/"), is_directory: false, cause });
    }
    let whole = loaded.lost.is_empty() && closed.is_empty();
    apply_extras(store, blobs, &mut loaded, whole)?;
    if let Some(index) = loaded.table.child(0, OWN_DIRECTORY) {
        loaded.table.leave_out(index);
    }
    Ok(loaded)
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
        loaded.lost.push(Lost::directory(path, cause));
    }
    Ok(())
}

/// Adds the children of one directory. Of a refused tree nothing is added.
fn directory(
    store: &Store,
    blobs: &mut Blobs<'_>,
    table: &mut FileTable,
    index: usize,
    id: &Id,
) -> Result<Nodes, ArchiveError> {
    let tree = blobs.get(BlobKind::Tree, id)?;
    nodes(table, index, tree)
        .map_err(|error| store.damaged(format!("the directory {}", table.path(index).display()), error))
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
        let directories = directory(store, blobs, table, index, &tree)?.directories;
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
        let loaded = table(store, &mut Blobs::new(store, &index).unwrap(), (root, 0), &Selection::Everything).unwrap();
        assert!(loaded.lost[0].cause.contains("made to take long"), "{:?}", loaded.lost);
        assert!(loaded.table.records.len() < 5_000_000);
    }
}

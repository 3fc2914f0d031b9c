//! `lifeboat ls`: what is in a snapshot.

use crate::command::LsArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{archive, look, stream};
use crate::listing::{self, LONG, Owners};
use crate::session::Session;
use lifeboat_archive::{Entry, Kind as EntryKind, Listing, Selection, SnapshotInfo};
use lifeboat_machine::Name;
use lifeboat_machine::bytes::printable;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// A name that no entry can have: wanting it in a folder reads the folder, and nothing below it.
const NOTHING: &str = "\0";
/// Rows that are laid out at once: a snapshot of a million entries is not kept as text.
const BATCH: usize = 4096;

pub fn run(session: &Session, args: &LsArgs) -> CommandResult {
    let (wanted, mut paths) = look::split(&args.what)?;
    if paths.is_empty() {
        paths.push(PathBuf::from("/"));
    }
    if let Some(place) = archive::stream(session, args.from.from.as_deref())? {
        let mut stream = stream::open(session, &place, &args.from.key)?;
        stream::check_snapshot(stream.info(), wanted)?;
        let names = args.long && !args.numeric && stream::is_at_hand(&place);
        let mut read = |path: &str| stream.read_file(Path::new(path)).unwrap_or_default();
        let owners = if names { Owners::parse(&read("/etc/passwd"), &read("/etc/group")) } else { Owners::default() };
        let id = stream.info().set.clone();
        list(session, args, &paths, (stream.listing(), &id, &owners))?;
        return super::streams::damaged(&stream);
    }
    let archive = look::open(session, &args.from)?;
    let snapshot = look::one(session, &archive, wanted)?;
    let mut lost = 0;
    let read = if args.recursive { paths.clone() } else { paths.iter().map(|path| path.join(NOTHING)).collect() };
    let selection = Selection::Paths(read);
    let contents = look::contents(session, &archive, &snapshot, &selection, &mut lost)?;
    let owners = if args.long && !args.numeric { owners(&archive.repository, &snapshot) } else { Owners::default() };
    list(session, args, &paths, (contents.listing(), &snapshot.id, &owners))?;
    look::whole(lost)
}

/// Lists what is at some paths of a backup, with its id and the names of owners.
fn list(
    session: &Session,
    args: &LsArgs,
    paths: &[PathBuf],
    (contents, id, owners): (Listing<'_>, &str, &Owners),
) -> CommandResult {
    let mut missing = 0;
    for (position, path) in paths.iter().enumerate() {
        let Some(number) = contents.find(path) else {
            let short = id.get(..8).unwrap_or(id);
            session.reporter.warning(format!("{} is not in snapshot {short}", path.display()));
            missing += 1;
            continue;
        };
        let is_open = contents.kind(number) == EntryKind::Directory && !args.directory;
        if is_open && paths.len() > 1 && !args.recursive {
            if position > 0 {
                session.reporter.line("");
            }
            session.reporter.line(format!("{}:", shown(path)));
        }
        let mut list = Printer { session, contents, id, args, owners, rows: vec![] };
        match (args.recursive, is_open) {
            (true, true) => list.tree(number),
            (_, true) => contents.children(number).for_each(|child| list.add(child, contents.name(child))),
            _ => list.add(number, path.as_os_str().as_bytes()),
        }
        list.flush();
    }
    if missing > 0 {
        let count = crate::output::counted(missing, "path");
        return Err(CommandError::new(Kind::Failed, format!("{count} could not be found (listed above)"))
            .hint("lifeboat find NAME, which looks in all snapshots of a repository"));
    }
    Ok(())
}

/// The names that the archived machine has for owners and groups.
pub fn owners(repository: &lifeboat_archive::Repository, snapshot: &SnapshotInfo) -> Owners {
    // Without these files, numbers are shown.
    let read = |path: &str| repository.read_file(snapshot, Path::new(path)).unwrap_or_default();
    Owners::parse(&read("/etc/passwd"), &read("/etc/group"))
}

/// A path on one line.
pub fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

/// An entry as a JSON value, with restic's names where it has them.
pub fn json(entry: &Entry, snapshot: &str) -> serde_json::Value {
    serde_json::json!({
        "snapshot": snapshot, "path": Name::from(entry.path.as_path()), "type": listing::kind(entry.kind),
        "mode": entry.mode, "uid": entry.uid, "gid": entry.gid, "size": entry.size, "links": entry.links,
        "mtime": format!("{}.{:09}", entry.mtime.seconds, entry.mtime.nanoseconds),
        "target": entry.target.as_deref().map(Name::from),
    })
}

struct Printer<'a> {
    session: &'a Session,
    contents: Listing<'a>,
    id: &'a str,
    args: &'a LsArgs,
    owners: &'a Owners,
    rows: Vec<Vec<String>>,
}

impl Printer<'_> {
    fn add(&mut self, number: usize, name: &[u8]) {
        let reporter = &self.session.reporter;
        if reporter.json() {
            reporter.value(&json(&self.contents.entry(number), self.id));
        } else if self.args.long {
            self.rows.push(listing::long(&self.contents.entry(number), &printable(name), self.owners));
            if self.rows.len() >= BATCH {
                self.flush();
            }
        } else {
            reporter.lines(printable(name));
        }
    }

    /// Everything below, and the folder itself, by path.
    fn tree(&mut self, top: usize) {
        let mut open = vec![top];
        while let Some(number) = open.pop() {
            if self.session.reporter.is_lost() {
                return;
            }
            if number != 0 {
                let path = self.contents.entry(number).path;
                self.add(number, path.as_os_str().as_bytes());
            }
            let mut children: Vec<usize> = self.contents.children(number).collect();
            children.reverse();
            open.extend(children);
        }
    }

    fn flush(&mut self) {
        for line in listing::table(&LONG, &std::mem::take(&mut self.rows)) {
            self.session.reporter.lines(line);
        }
    }
}

//! Reads a snapshot's trees into a [`Table`].

use super::blobs::Blobs;
use super::index::BlobKind;
use super::node::{self, Node};
use super::store::Store;
use crate::selection::OWN_DIRECTORY;
use crate::table::{Id, Kind, More, Record, Table};
use crate::{ArchiveError, extras};
use std::path::Path;

/// Reads all trees below `root`, and the extras.
pub(crate) fn table(store: &Store, blobs: &mut Blobs<'_>, root: Id) -> Result<Table, ArchiveError> {
    let mut table = Table::default();
    let mut record = Record::new(Kind::Directory);
    record.mode = 0o755;
    table.push(record, b"", More::default());
    let mut open = vec![(0, root)];
    while let Some((index, id)) = open.pop() {
        let mut directories = directory(store, blobs, &mut table, index, &id)?;
        directories.reverse();
        open.extend(directories);
    }
    let own = Path::new("/.lifeboat/extras.jsonl");
    if let Some(index) = table.find(own) {
        let text = content(blobs, &table, index)?;
        extras::apply(&text, &mut table).map_err(|error| store.damaged(own.display().to_string(), error))?;
    }
    if let Some(index) = table.child(0, OWN_DIRECTORY) {
        table.leave_out(index);
    }
    Ok(table)
}

/// Adds the children of one directory; gives its directories with their trees.
fn directory(
    store: &Store,
    blobs: &mut Blobs<'_>,
    table: &mut Table,
    index: usize,
    id: &Id,
) -> Result<Vec<(usize, Id)>, ArchiveError> {
    let tree = blobs.get(BlobKind::Tree, id)?;
    let start = table.records.len();
    let mut directories = vec![];
    let read = node::for_each(tree, &mut |node| {
        let child = add(table, index, &node)?;
        // Sorted names are part of the format; looking things up relies on it.
        if child > start && table.name(child - 1) >= table.name(child) {
            return Err("its names are not sorted".to_owned());
        }
        if table.records[child].kind == Kind::Directory {
            directories.push((child, node.subtree.ok_or("a directory has no tree")?.0));
        }
        Ok(())
    });
    read.map_err(|error| store.damaged(format!("the directory {}", table.path(index).display()), error))?;
    let count = table.records.len() - start;
    (table.records[index].start, table.records[index].count) = (start as u32, count as u32);
    Ok(directories)
}

/// Adds one node.
fn add(table: &mut Table, parent: usize, node: &Node<'_>) -> Result<usize, String> {
    let name = node::unquote(&node.name).ok_or("a name is escaped wrongly")?;
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) || name.len() > 255
    {
        return Err(format!("{:?} is no name", node.name));
    }
    let kind = node.kind().ok_or_else(|| format!("{:?} is an unknown type", node.kind))?;
    let time = |time: &Option<std::borrow::Cow<'_, str>>| match time {
        None => Ok(Default::default()),
        Some(text) => node::parse_time(text).ok_or_else(|| format!("{text:?} is no time")),
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
    if let (Kind::File, Some(ids)) = (kind, &node.content) {
        record.start = table.ids.len() as u32;
        record.count = ids.len() as u32;
        table.ids.extend(ids.iter().map(|id| id.0));
    }
    let xattrs = node.xattrs().ok_or("an extended attribute is not base64")?;
    let target = match kind {
        Kind::Symlink => {
            node.target().filter(|target| !target.is_empty() && !target.contains(&0)).ok_or("a link has no target")?
        }
        _ => vec![],
    };
    Ok(table.push(record, &name, More { xattrs, target, ..More::default() }))
}

/// The content of a file.
pub(crate) fn content(blobs: &mut Blobs<'_>, table: &Table, index: usize) -> Result<Vec<u8>, ArchiveError> {
    let mut text = Vec::new();
    for id in table.content(index) {
        text.extend_from_slice(blobs.get(BlobKind::Data, id)?);
    }
    Ok(text)
}

/// The content of one file, found by walking down its path only; `None` when it is not there.
pub(crate) fn file(
    store: &Store,
    blobs: &mut Blobs<'_>,
    root: Id,
    path: &Path,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let mut tree = root;
    let mut table = Table::default();
    table.push(Record::new(Kind::Directory), b"", More::default());
    let mut index = 0;
    for part in path.components() {
        let std::path::Component::Normal(name) = part else { continue };
        let directories = directory(store, blobs, &mut table, index, &tree)?;
        let Some(child) = table.child(index, name.as_encoded_bytes()) else { return Ok(None) };
        index = child;
        if let Some((_, id)) = directories.iter().find(|(directory, _)| *directory == child) {
            tree = *id;
        }
    }
    if table.records[index].kind != Kind::File {
        return Ok(None);
    }
    content(blobs, &table, index).map(Some)
}

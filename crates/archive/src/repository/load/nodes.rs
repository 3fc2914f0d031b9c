//! The nodes of a tree, as entries of a table.

use super::super::node::{self, Node};
use crate::file_table::{FileTable, Id, Kind, More, NAME_MAX, Record};

/// What a tree holds beside what is added to the table.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    /// Its directories with their trees.
    pub(crate) directories: Vec<(usize, Id)>,
    /// Entries that are not in the table: a name for people, and why.
    pub(crate) bad: Vec<(String, String)>,
}

/// So many bad entries of one tree are named.
const NAMED_IN_TREE: usize = 1000;

/// Adds the children of a directory from the text of its tree. An entry that cannot be is left out, and its siblings are not.
///
/// # Errors
/// When the text is no tree; then nothing is added.
pub(crate) fn nodes(table: &mut FileTable, index: usize, tree: &[u8]) -> Result<Nodes, String> {
    let start = table.records.len();
    let mut nodes = Nodes::default();
    let mut unnamed = 0;
    let read = node::for_each(tree, &mut |node| {
        match add(table, index, &node, start) {
            Ok((child, subtree)) => nodes.directories.extend(subtree.map(|tree| (child, tree))),
            Err(cause) if nodes.bad.len() < NAMED_IN_TREE => {
                // It may be anything; a path of this name is only shown.
                nodes.bad.push((node.name.escape_debug().to_string().replace('/', "_"), cause));
            }
            Err(_) => unnamed += 1,
        }
        Ok(())
    });
    if let Err(error) = read {
        table.truncate(start);
        return Err(error);
    }
    if unnamed > 0 {
        nodes.bad.push(("*".to_owned(), format!("{unnamed} more entries of this directory cannot be used")));
    }
    let count = table.records.len() - start;
    (table.records[index].start, table.records[index].count) = (start as u32, count as u32);
    Ok(nodes)
}

/// Adds one node, whose siblings begin at `start`; returns its number and, of a directory, its tree.
fn add(table: &mut FileTable, parent: usize, node: &Node<'_>, start: usize) -> Result<(usize, Option<Id>), String> {
    let name = node::unquote(&node.name).ok_or("its name is escaped wrongly")?;
    let is_valid = !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0);
    if !is_valid || name.len() > NAME_MAX {
        return Err("this is not a valid name".to_owned());
    }
    // Sorted names are part of the format; look-ups rely on it. Of two equal ones the first counts: with both it would be unclear which is
    // meant.
    let last = table.records.len().checked_sub(1).filter(|last| *last >= start);
    match last.map(|last| table.name(last).cmp(&name[..])) {
        Some(std::cmp::Ordering::Equal) => return Err("its name is there twice".to_owned()),
        Some(std::cmp::Ordering::Greater) => return Err("its name is not in its place among the others".to_owned()),
        _ => {}
    }
    let kind = node.kind().ok_or_else(|| format!("{:?} is not a known type", node.kind))?;
    let subtree = match kind {
        Kind::Directory => Some(node.subtree.ok_or("it is a directory without a tree")?.0),
        _ => None,
    };
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
    Ok((table.push(record, &name, More { xattrs, target, ..More::default() }), subtree))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries of a tree with these names.
    fn entries(names: &[&str]) -> (Vec<String>, Vec<(String, String)>) {
        let time = "2026-01-01T00:00:00Z";
        let node = |name: &&str| {
            format!(
                "{{\"name\":\"{name}\",\"type\":\"file\",\"mode\":420,\"mtime\":\"{time}\",\"atime\":\"{time}\",\"ctime\":\"{time}\",\
                 \"uid\":0,\"gid\":0,\"content\":[]}}"
            )
        };
        let list: Vec<String> = names.iter().map(node).collect();
        let mut table = FileTable::default();
        table.push(Record::new(Kind::Directory), b"", More::default());
        let read = nodes(&mut table, 0, format!("{{\"nodes\":[{}]}}", list.join(",")).as_bytes()).unwrap();
        let names = table.children(0).map(|child| String::from_utf8_lossy(table.name(child)).into_owned());
        (names.collect(), read.bad)
    }

    #[test]
    fn a_bad_entry_costs_no_sibling() {
        let (names, bad) = entries(&["a", "b", "b", "a/c", "..", "c", "aa", "d"]);
        assert_eq!(names, ["a", "b", "c", "d"]);
        let causes: Vec<&str> = bad.iter().map(|(_, cause)| cause.as_str()).collect();
        let (twice, invalid) = ("its name is there twice", "this is not a valid name");
        assert_eq!(causes, [twice, invalid, invalid, "its name is not in its place among the others"]);
        assert!(bad.iter().all(|(name, _)| !name.contains('/')), "{bad:?}");
        // Filesystems of Windows have names of 255 UTF-16 units.
        let long = "\u{6f22}".repeat(255);
        assert_eq!(entries(&[&long]).0, [long.as_str()]);
        assert_eq!(entries(&[&"x".repeat(4096), "y"]).0, ["y"]);
        let many = vec!["x"; 5000];
        let (names, bad) = entries(&many);
        assert_eq!((names.len(), bad.len()), (1, NAMED_IN_TREE + 1));
    }
}

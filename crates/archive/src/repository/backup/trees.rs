//! Stores the directories of a table as trees, from the leaves up.

use super::*;

/// Stores all trees, with Lifeboat's own directory in the root; returns the root's tree. `before` is the progress: its totals
/// stay, and each directory is one more entry.
pub(super) fn store(
    (observer, before): (&dyn Observer, &Progress),
    writer: &Writer<'_>,
    mut worker: Worker,
    table: &FileTable,
    own: &FileTable,
    summary: &mut Summary,
) -> Result<Id, ArchiveError> {
    let mut trees: HashMap<usize, Id> = HashMap::new();
    let mut json = String::new();
    let own_tree = tree(writer, &mut worker, &mut json, own, 0, &mut trees, None)?;
    let mut directories = 0_u64;
    let at = |directories: u64| Progress {
        phase: "store",
        entries: (before.entries + directories).min(before.entries_total),
        ..before.clone()
    };
    // Children come after their directories, so going backwards meets them first.
    for index in (0..table.records.len()).rev() {
        let record = &table.records[index];
        if record.kind != Kind::Directory || record.left_out {
            continue;
        }
        let own = (index == 0).then_some((own, &own_tree));
        let id = tree(writer, &mut worker, &mut json, table, index, &mut trees, own)?;
        trees.insert(index, id);
        directories += 1;
        if directories.is_multiple_of(1024) {
            observer.progress(&at(directories));
            // One huge directory must not hold its memory to the end.
            json.shrink_to(1 << 20);
        }
        if writer.has_failed() {
            break;
        }
    }
    writer.finish(worker)?;
    observer.progress(&at(directories));
    summary.dirs_new = directories;
    Ok(trees.get(&0).copied().unwrap_or_default())
}

/// Stores one directory.
fn tree(
    writer: &Writer<'_>,
    worker: &mut Worker,
    json: &mut String,
    table: &FileTable,
    index: usize,
    trees: &mut HashMap<usize, Id>,
    mut own: Option<(&FileTable, &Id)>,
) -> Result<Id, ArchiveError> {
    json.clear();
    json.push_str("{\"nodes\":[");
    let separate = |json: &mut String| {
        if !json.ends_with('[') {
            json.push(',');
        }
    };
    for child in table.children(index) {
        if table.records[child].left_out {
            continue;
        }
        if let Some((own, id)) = own.take_if(|_| table.name(child) > OWN_DIRECTORY) {
            separate(json);
            node::push(json, own, 0, Some(id));
        }
        separate(json);
        let subtree = trees.remove(&child);
        node::push(json, table, child, subtree.as_ref());
    }
    if let Some((own, id)) = own {
        separate(json);
        node::push(json, own, 0, Some(id));
    }
    json.push_str("]}\n");
    writer.put(worker, BlobKind::Tree, json.as_bytes())
}

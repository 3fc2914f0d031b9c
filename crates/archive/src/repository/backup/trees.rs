//! Stores the directories of a table as trees, from the leaves up.

use super::*;
use crate::repository::pack::LARGEST;

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

/// The largest tree, in bytes: what readers take, less what Lifeboat's own directory and punctuation take.
pub(super) const MOST: usize = LARGEST as usize - (1 << 20);
/// A node has no more beside its name, its content and its attributes.
const BESIDE: usize = 512;
/// An id as text with its punctuation.
const ID: usize = 67;

/// Leaves out what makes a directory larger than readers take, with what is below it: millions of entries, or thousands with large attributes.
/// Each such directory is a problem.
pub(super) fn leave_out_too_large(table: &mut FileTable, most: usize, problems: &Problems<'_>) {
    let mut json = String::new();
    for index in 0..table.records.len() {
        if table.records[index].kind != Kind::Directory || table.records[index].left_out {
            continue;
        }
        let bound: usize = table.children(index).map(|child| at_most(table, child)).sum();
        if bound <= most {
            continue;
        }
        let mut sizes = vec![];
        for child in table.children(index).filter(|child| !table.records[*child].left_out) {
            json.clear();
            let subtree = (table.records[child].kind == Kind::Directory).then_some([0; 32]);
            node::push(&mut json, table, child, subtree.as_ref());
            sizes.push((child, json.len() + 1));
        }
        leave_out(table, index, &sizes, most, problems);
    }
}

/// Leaves entries of a directory out until it has its size: first those of the owner who takes the most of it, so that nobody can have what is
/// somebody else's left out; root's last, and directories after all else of their owner.
fn leave_out(table: &mut FileTable, index: usize, sizes: &[(usize, usize)], most: usize, problems: &Problems<'_>) {
    let mut sum: usize = sizes.iter().map(|(_, size)| size).sum();
    let mut owners: HashMap<u32, usize> = HashMap::new();
    for (child, size) in sizes {
        *owners.entry(table.records[*child].uid).or_default() += size;
    }
    let mut owners: Vec<(u32, usize)> = owners.into_iter().collect();
    owners.sort_by_key(|(uid, taken)| (*uid == 0, std::cmp::Reverse(*taken)));
    for (uid, _) in owners {
        let mut dropped = 0_u64;
        for directories in [false, true] {
            for (child, size) in sizes.iter().rev() {
                let record = &table.records[*child];
                if sum > most && record.uid == uid && (record.kind == Kind::Directory) == directories {
                    table.leave_out(*child);
                    sum -= size;
                    dropped += 1;
                }
            }
        }
        if dropped > 0 {
            let cause = format!(
                "the directory is too large for an archive: {dropped} of its entries, all of user {uid}, are not in it"
            );
            problems.add(table.path(index), cause);
        }
    }
}

/// The most characters that a node takes: a byte takes six at most, in base64 three take four; a target is there twice.
fn at_most(table: &FileTable, child: usize) -> usize {
    let record = &table.records[child];
    let ids = if record.kind == Kind::File { record.count as usize } else { 0 };
    let xattrs = table.xattrs(child).iter().map(|xattr| 64 + 6 * xattr.name.len() + 4 * xattr.value.len().div_ceil(3));
    BESIDE + 6 * table.name(child).len() + 8 * table.target(child).len() + ID * ids + xattrs.sum::<usize>()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::{More, Xattr};

    #[test]
    fn what_is_too_large_for_a_reader_is_left_out_and_named() {
        let mut table = FileTable::default();
        let mut directory = Record::new(Kind::Directory);
        (directory.start, directory.count) = (1, 100);
        table.push(directory, b"", More::default());
        for number in 0..100 {
            let mut record = Record::new(if number == 99 { Kind::Directory } else { Kind::File });
            record.start = if number == 99 { 101 } else { 0 };
            record.count = u32::from(number == 99);
            record.uid = if [49, 99].contains(&number) { 0 } else { 1000 };
            let xattrs = vec![Xattr { name: b"user.a".to_vec(), value: vec![7; 300] }];
            table.push(record, format!("{number:02}").as_bytes(), More { xattrs, ..More::default() });
        }
        table.push(Record::new(Kind::File), b"below", More::default());
        let problems = Problems::new(&crate::report::Quiet);
        leave_out_too_large(&mut table, 100_000, &problems);
        assert!(table.records.iter().all(|record| !record.left_out));
        leave_out_too_large(&mut table, 20_000, &problems);
        let left: Vec<usize> = (0..table.records.len()).filter(|index| !table.records[*index].left_out).collect();
        // Those of one user go, the file and the directory of root stay with what is in it.
        assert!(left.len() > 10 && left.len() < 40 && [50, 100, 101].iter().all(|one| left.contains(one)), "{left:?}");
        let problems = problems.into_list();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("all of user 1000"), "{}", problems[0].message);
        let mut json = String::new();
        for child in table.children(0).filter(|child| !table.records[*child].left_out) {
            node::push(&mut json, &table, child, None);
            assert!(at_most(&table, child) >= json.len());
            json.clear();
        }
    }
}

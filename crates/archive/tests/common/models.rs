//! Random trees, and what their snapshots must hold.

use super::files_below;
use lifeboat_archive::{Repository, SnapshotInfo};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The content of a tree.
pub type Model = BTreeMap<PathBuf, Vec<u8>>;

/// xorshift64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count / 8 + 1).flat_map(|_| self.next().to_le_bytes()).take(count).collect()
    }
}

/// What is in a tree.
pub fn model(tree: &Path) -> Model {
    let read = |path: PathBuf| (path.strip_prefix(tree).unwrap().to_owned(), std::fs::read(&path).unwrap());
    files_below(tree).into_iter().map(read).collect()
}

/// What is wrong with a snapshot; nothing when it holds the model.
pub fn wrong(repository: &Repository, snapshot: &SnapshotInfo, model: &Model) -> Option<String> {
    let table = match repository.table(snapshot) {
        Ok(table) => table,
        Err(error) => return Some(error.to_string()),
    };
    for name in ["manifest.json", "machine.json", "extras.jsonl", "room.json"] {
        if let Err(error) = repository.read_file(snapshot, &Path::new("/.lifeboat").join(name)) {
            return Some(error.to_string());
        }
    }
    let files = table.entries().filter(|entry| entry.kind == lifeboat_archive::Kind::File).count();
    if files != model.len() {
        return Some(format!("{files} files instead of {}", model.len()));
    }
    model.iter().find_map(|(path, content)| match repository.read_file(snapshot, &Path::new("/").join(path)) {
        Ok(read) if read == *content => None,
        Ok(_) => Some(format!("{} has another content", path.display())),
        Err(error) => Some(error.to_string()),
    })
}

//! Entry points for fuzzing: parsers of a repository's parts, without a repository. Not part of the interface.

pub mod streams;

use crate::file_table::{FileTable, Kind, More, Record};
use crate::repository::crypto::{self, Key};
use crate::repository::index::Index;
use crate::repository::index_file::IndexFile;
use crate::repository::keys::Candidate;
use crate::repository::{load, pack, snapshot};
use crate::{ArchiveError, extras};

/// Reads a tree into a table; returns the names.
///
/// # Errors
/// What is wrong with it.
pub fn tree(json: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut table = FileTable::default();
    table.push(Record::new(Kind::Directory), b"", More::default());
    load::nodes(&mut table, 0, json).inspect_err(|_| assert_eq!(table.records.len(), 1, "nothing is left of it"))?;
    Ok(table.children(0).map(|child| table.name(child).to_vec()).collect())
}

/// Applies extras to a table with a file and a directory.
///
/// # Errors
/// What is wrong with them.
pub fn extras(text: &[u8]) -> Result<(), String> {
    let mut table = FileTable::default();
    let mut root = Record::new(Kind::Directory);
    (root.start, root.count) = (1, 2);
    table.push(root, b"", More::default());
    let mut file = Record::new(Kind::File);
    file.size = 1 << 40;
    table.push(file, b"a", More::default());
    table.push(Record::new(Kind::Directory), b"b", More::default());
    let _ = extras::apply(text, &mut table.clone(), false);
    extras::apply(text, &mut table, true)
}

/// Reads an authentic pack header; returns the lengths of its blobs.
///
/// # Errors
/// What is wrong with it.
pub fn pack_header(header: &[u8]) -> Result<Vec<u32>, String> {
    let key = Key::from_bytes([7; 64]);
    // As many bytes before it as it says, or none.
    let lengths = header.chunks(37).filter_map(|entry| entry.get(1..5)?.try_into().ok().map(u32::from_le_bytes));
    let before = lengths.fold(0_u32, u32::saturating_add).min(1 << 20);
    let mut tail = key.encrypt(header).map_err(|error| error.to_string())?;
    let length = tail.len() as u32;
    tail.extend_from_slice(&length.to_le_bytes());
    let size = before.saturating_add(tail.len() as u32);
    let blobs = pack::read_tail(&key, &tail, size).map_err(|error| error.to_string())?;
    Ok(blobs.iter().map(|blob| blob.length).collect())
}

/// Reads an index file into an index.
///
/// # Errors
/// What is wrong with it.
pub fn index(json: &[u8]) -> Result<usize, String> {
    let file: IndexFile = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let mut index = Index::default();
    index.add(file);
    Ok(index.packs.len())
}

/// Reads a snapshot file.
///
/// # Errors
/// What is wrong with it.
pub fn snapshot(json: &[u8]) -> Result<(), String> {
    let snapshot = snapshot::parse(&[1; 32], json)?;
    let _ = (snapshot.is_ahead(), snapshot.short_id().len());
    Ok(())
}

/// Reads a key file; returns the work that it requires.
///
/// # Errors
/// What is wrong with it.
pub fn key_file(json: &[u8]) -> Result<u64, ArchiveError> {
    let read = Candidate::read(json, &crypto::hash(json));
    read.map(|candidate| candidate.work()).map_err(|cause| ArchiveError::Manifest { cause })
}

//! Streams in the tests.

use lifeboat_archive::stream::{self, FileSink, FileSource, Stream, StreamReport};
use lifeboat_archive::{FileTree, Quiet, Secret};
use std::path::Path;

/// Saves a tree into files below a path.
pub fn save(tree: &FileTree, path: &Path, volume_bytes: Option<u64>, key: &Secret) -> StreamReport {
    let manifest = super::machine_manifest("id-1", "test");
    let request = super::machine_request(tree, "id-1", "test", &manifest);
    stream::backup(&request, Box::new(FileSink::new(path, volume_bytes)), key, None, &Quiet).unwrap()
}

/// Opens what was saved.
pub fn open(path: &Path, key: &Secret) -> Stream {
    Stream::open(FileSource::find(path).unwrap(), key).unwrap()
}

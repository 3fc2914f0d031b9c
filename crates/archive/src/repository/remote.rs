//! Rustic's view of a repository across the network.

use bytes::Bytes;
use lifeboat_remote::{Fault, Files, Kind};
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use std::sync::Arc;

/// Files that other code fetches.
pub(super) struct Remote(pub(super) Arc<dyn Files>);

/// The same kind of file across the network.
pub(crate) fn kind(of: FileType) -> Kind {
    match of {
        FileType::Config => Kind::Config,
        FileType::Index => Kind::Index,
        FileType::Key => Kind::Key,
        FileType::Snapshot => Kind::Snapshot,
        FileType::Pack => Kind::Pack,
    }
}

fn failed(fault: Fault) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "the server does not answer as expected", fault)
}

/// The name of a file at a place across the network.
pub(crate) fn name(of: FileType, id: &crate::file_table::Id) -> String {
    if of == FileType::Config { String::new() } else { super::crypto::hex(id) }
}

fn rustic_name(of: FileType, id: &Id) -> String {
    if of == FileType::Config { String::new() } else { id.to_hex().to_string() }
}

impl ReadBackend for Remote {
    fn location(&self) -> String {
        self.0.place()
    }

    fn list_with_size(&self, of: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if of == FileType::Config {
            return Ok(match self.0.read(Kind::Config, "") {
                Ok(bytes) => vec![(Id::default(), u32::try_from(bytes.len()).unwrap_or(u32::MAX))],
                Err(Fault::Missing(_) | Fault::Impossible(_)) => vec![],
                Err(fault) => return Err(failed(fault)),
            });
        }
        let files = self.0.list(kind(of)).map_err(failed)?;
        // A file with another name was being written.
        let known = |(name, size): (String, u64)| {
            let id: Id = name.parse().ok()?;
            (name.len() == 64).then(|| (id, u32::try_from(size).unwrap_or(u32::MAX)))
        };
        Ok(files.into_iter().filter_map(known).collect())
    }

    fn read_full(&self, of: FileType, id: &Id) -> RusticResult<Bytes> {
        self.0.read(kind(of), &rustic_name(of, id)).map(Bytes::from).map_err(failed)
    }

    fn read_partial(&self, of: FileType, id: &Id, _: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let part = self.0.read_part(kind(of), &rustic_name(of, id), offset.into(), length.into());
        part.map(Bytes::from).map_err(failed)
    }

    fn warmup_path(&self, of: FileType, id: &Id) -> String {
        kind(of).path(&rustic_name(of, id))
    }
}

impl WriteBackend for Remote {
    fn create(&self) -> RusticResult<()> {
        self.0.create().map_err(failed)
    }

    fn write_bytes(&self, of: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        let content = content.into_vec().concat();
        self.0.write(kind(of), &rustic_name(of, id), &content).map_err(failed)
    }

    fn remove(&self, of: FileType, id: &Id, _: bool) -> RusticResult<()> {
        self.0.remove(kind(of), &rustic_name(of, id)).map_err(failed)
    }
}

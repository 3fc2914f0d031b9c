//! The proof that a snapshot can be restored, without reading it all: every tree is read and followed, every blob is in the
//! index, every pack is there in its whole length. Contents are authenticated when they are read.

use super::blobs::Blobs;
use super::index::BlobKind;
use super::{Repository, SnapshotInfo, crypto, load};
use crate::ArchiveError;
use crate::table::Kind;
use rustic_core::FileType;
use std::collections::HashMap;

pub(super) fn run(repository: &Repository, snapshot: &SnapshotInfo) -> Result<(), ArchiveError> {
    let store = &repository.store;
    let index = store.load_index()?;
    let sizes: HashMap<_, _> = store.list_with_sizes(FileType::Pack)?.into_iter().collect();
    // Reading the trees proves them.
    let table = load::table(store, &mut Blobs::new(store, &index)?, snapshot.tree)?;
    let mut needed = vec![false; index.packs.len()];
    for (number, _) in table.records.iter().enumerate().filter(|(_, record)| record.kind == Kind::File) {
        for id in table.content(number) {
            let location = index.get(BlobKind::Data, id).ok_or_else(|| {
                let path = table.path(number);
                store.damaged(format!("{}", path.display()), format!("blob {} is in no index", crypto::hex(&id[..4])))
            })?;
            needed[location.pack as usize] = true;
        }
    }
    for (number, _) in needed.iter().enumerate().filter(|(_, needed)| **needed) {
        let (pack, end) = (index.packs[number], index.ends[number]);
        let name = || format!("pack {}", crypto::hex(&pack[..4]));
        match sizes.get(&pack) {
            None => return Err(store.damaged(name(), "it is missing")),
            Some(size) if *size < end => {
                return Err(store.damaged(name(), format!("it has {size} bytes, at least {end} are needed")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

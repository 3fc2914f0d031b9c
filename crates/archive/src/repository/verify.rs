//! The proof that a repository is whole: every byte is read, decrypted and hashed, every tree followed, every count
//! compared.

use super::blobs::Blobs;
use super::index::{Index, IndexBlob, IndexFile};
use super::pack::{self, Opener};
use super::snapshot::SnapshotInfo;
use super::store::Store;
use super::{Repository, crypto, load};
use crate::report::{Problems, Progress, VerifyReport};
use crate::table::{Id, Kind};
use crate::{ArchiveError, Observer};
use rustic_core::FileType;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(super) fn run(repository: &Repository, observer: &dyn Observer) -> Result<VerifyReport, ArchiveError> {
    let store = &repository.store;
    let problems = Problems::new(observer);
    let note = |message: String| problems.add(PathBuf::new(), message);
    let bytes = AtomicU64::new(0);
    for id in store.list(FileType::Key)? {
        match store.read_raw(FileType::Key, &id) {
            Ok(key) if crypto::hash(&key) == id => {}
            Ok(_) => note(
                store
                    .damaged(format!("key {}", crypto::hex(&id[..4])), "its content does not match its name")
                    .to_string(),
            ),
            Err(error) => note(error.to_string()),
        }
    }
    let mut expected: HashMap<Id, Vec<IndexBlob>> = HashMap::new();
    let mut index = Index::default();
    for id in store.list(FileType::Index)? {
        let file = store.read_file(FileType::Index, &id).and_then(|json| {
            serde_json::from_slice::<IndexFile>(&json)
                .map_err(|error| store.damaged(format!("index {}", crypto::hex(&id[..4])), error))
        });
        match file {
            Ok(file) => {
                for pack in &file.packs {
                    expected.entry(pack.id).or_default().extend(pack.blobs.iter().cloned());
                }
                index.add(file);
            }
            Err(error) => note(error.to_string()),
        }
    }
    let listed: HashSet<Id> = store.list(FileType::Pack)?.into_iter().collect();
    for pack in expected.keys().filter(|pack| !listed.contains(*pack)) {
        note(format!("pack {} is missing", crypto::hex(&pack[..4])));
    }
    let mut packs: Vec<Id> = listed.into_iter().collect();
    packs.sort_unstable();
    let blobs = read_packs(store, &packs, &expected, &bytes, observer, &problems);
    let mut report = VerifyReport { packs: packs.len() as u64, blobs, ..VerifyReport::default() };
    for id in store.list(FileType::Snapshot)? {
        report.snapshots += 1;
        let entries =
            super::snapshot::one(store, &id).and_then(|snapshot| check_snapshot(store, &index, &snapshot, &problems));
        match entries {
            Ok(entries) => report.entries += entries,
            Err(error) => note(error.to_string()),
        }
    }
    report.bytes = bytes.into_inner();
    report.problems = super::with_warnings(problems);
    Ok(report)
}

/// Reads all packs in parallel; gives the number of blobs.
fn read_packs(
    store: &Store,
    packs: &[Id],
    expected: &HashMap<Id, Vec<IndexBlob>>,
    bytes: &AtomicU64,
    observer: &dyn Observer,
    problems: &Problems<'_>,
) -> u64 {
    let (next, done, blobs) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let work = || {
        let mut opener = match Opener::new(store.key.clone()) {
            Ok(opener) => opener,
            Err(error) => return problems.add(PathBuf::new(), store.failed("READ", error).to_string()),
        };
        while let Some(id) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
            match read_pack(store, &mut opener, id, expected.get(id).map(Vec::as_slice).unwrap_or_default()) {
                Ok((count, size)) => {
                    blobs.fetch_add(count, Ordering::Relaxed);
                    bytes.fetch_add(size, Ordering::Relaxed);
                }
                Err(error) => problems.add(PathBuf::new(), error),
            }
            observer.progress(&Progress {
                phase: "verify",
                entries: done.fetch_add(1, Ordering::Relaxed) + 1,
                entries_total: packs.len() as u64,
                bytes: bytes.load(Ordering::Relaxed),
                bytes_total: 0,
            });
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    blobs.into_inner()
}

/// Reads one pack; gives the number of its blobs and its size in bytes.
fn read_pack(store: &Store, opener: &mut Opener, id: &Id, expected: &[IndexBlob]) -> Result<(u64, u64), String> {
    let name = || format!("pack {}", crypto::hex(&id[..4]));
    let damaged = |cause: String| store.damaged(name(), cause).to_string();
    let mut bytes = store.read_raw(FileType::Pack, id).map_err(|error| error.to_string())?;
    if crypto::hash(&bytes) != *id {
        return Err(damaged("its content does not match its name".to_owned()));
    }
    let blobs = pack::read_header(&store.key, &bytes).map_err(|error| damaged(error.to_string()))?;
    let size = bytes.len() as u64;
    for blob in &blobs {
        // The header's lengths add up to what is there.
        let sealed = &mut bytes[blob.offset as usize..(blob.offset + blob.length) as usize];
        opener
            .open(sealed, blob.uncompressed_length, &blob.id)
            .map_err(|error| damaged(format!("blob {}: {error}", crypto::hex(&blob.id[..4]))))?;
    }
    if let Some(blob) = expected.iter().find(|blob| !blobs.contains(blob)) {
        return Err(damaged(format!("the index names blob {}, which it does not have", crypto::hex(&blob.id[..4]))));
    }
    Ok((blobs.len() as u64, size))
}

/// Follows all trees of a snapshot and compares its counts; gives its entries.
fn check_snapshot(
    store: &Store,
    index: &Index,
    snapshot: &SnapshotInfo,
    problems: &Problems<'_>,
) -> Result<u64, ArchiveError> {
    use crate::extract::ContentSource as _;
    let mut blobs = Blobs::new(store, index)?;
    let table = load::table(store, &mut blobs, snapshot.tree)?;
    let content = super::content::RepositoryContent { store, index };
    for number in (0..table.records.len()).filter(|number| table.records[*number].kind == Kind::File) {
        let lengths = table.content(number).iter().map(|id| content.length(id));
        match lengths.sum::<Option<u64>>() {
            Some(length) if length == table.content_bytes(number) => {}
            Some(length) => {
                let wanted = table.content_bytes(number);
                let message = format!("snapshot {}: {length} bytes instead of {wanted}", snapshot.short_id());
                problems.add(table.path(number), message);
            }
            None => {
                problems.add(table.path(number), format!("snapshot {}: part of it is missing", snapshot.short_id()))
            }
        }
    }
    let path = Path::new("/.lifeboat/manifest.json");
    if let Some(manifest) = table.find(path) {
        let json = load::content(&mut blobs, &table, manifest)?;
        let value: serde_json::Value =
            serde_json::from_slice(&json).map_err(|error| store.damaged("a manifest", error))?;
        for (field, found) in [("entries", table.len()), ("bytes", table.bytes())] {
            let wanted = value.get(field).and_then(serde_json::Value::as_u64);
            if wanted.is_some_and(|wanted| wanted != found) {
                let wanted = wanted.unwrap_or_default();
                let message =
                    format!("snapshot {}: its manifest says {wanted} {field}, it holds {found}", snapshot.short_id());
                problems.add(path, message);
            }
        }
    }
    Ok(table.len())
}

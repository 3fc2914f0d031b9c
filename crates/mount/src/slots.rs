//! The snapshots that are loaded. A snapshot of a million entries takes some hundred megabytes, so only few are kept.

use crate::folders::Folder;
use lifeboat_archive::repository::SharedIndex;
use lifeboat_archive::repository::contents::Number;
use lifeboat_archive::{ArchiveError, Contents, Repository};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Snapshots that are kept at most.
const MOST: usize = 4;

/// A snapshot that is loaded.
pub(crate) struct Loaded {
    pub(crate) contents: Contents,
    /// Of entries with several names: the first name, and how many there are.
    links: HashMap<Number, (Number, u32)>,
}

impl Loaded {
    /// The entry that stands for the inode, and how many names it has in the snapshot.
    pub(crate) fn inode(&self, number: Number) -> (Number, u32) {
        self.links.get(&number).copied().unwrap_or((number, 1))
    }
}

/// The snapshots, and those that are loaded.
pub(crate) struct Slots {
    repository: Arc<Repository>,
    folders: Vec<Folder>,
    index: Mutex<SharedIndex>,
    /// One lock for each: while one is loaded, the others can be used.
    loaded: Vec<Mutex<Option<Arc<Loaded>>>>,
    /// Which were used, the last one at the end.
    order: Mutex<Vec<usize>>,
}

impl Slots {
    pub(crate) fn new(repository: Arc<Repository>, folders: Vec<Folder>) -> Slots {
        let loaded = folders.iter().map(|_| Mutex::new(None)).collect();
        Slots { repository, folders, index: Mutex::default(), loaded, order: Mutex::default() }
    }

    pub(crate) fn folder(&self, slot: usize) -> Option<&Folder> {
        self.folders.get(slot)
    }

    /// Reports whether a snapshot is loaded.
    pub(crate) fn is_loaded(&self, slot: usize) -> bool {
        self.loaded.get(slot).is_some_and(|place| place.try_lock().is_ok_and(|place| place.is_some()))
    }

    /// A snapshot, loaded; with it, what of it cannot be read, when it was loaded just now.
    pub(crate) fn get(&self, slot: usize) -> Result<(Arc<Loaded>, Vec<String>), ArchiveError> {
        let no_such = || ArchiveError::Snapshot { wanted: slot.to_string(), cause: "there is none".to_owned() };
        let place = self.loaded.get(slot).ok_or_else(no_such)?;
        let snapshot = &self.folders.get(slot).ok_or_else(no_such)?.snapshot;
        let mut place = locked(place);
        let mut problems = vec![];
        let loaded = match &*place {
            Some(loaded) => Arc::clone(loaded),
            None => {
                let contents = self.repository.contents_with(snapshot, &mut locked(&self.index))?;
                let tell = |problem: &lifeboat_archive::Problem| {
                    format!("snapshot {}: {}: {}", snapshot.short_id(), problem.path.display(), problem.message)
                };
                problems.extend(contents.problems().iter().map(tell));
                let links = contents.hard_links().into_iter().map(|(name, first, count)| (name, (first, count)));
                let loaded = Arc::new(Loaded { links: links.collect(), contents });
                *place = Some(Arc::clone(&loaded));
                loaded
            }
        };
        drop(place);
        self.used(slot);
        Ok((loaded, problems))
    }

    /// Forgets the one that was not used for the longest time, when there are too many.
    fn used(&self, slot: usize) {
        let mut order = locked(&self.order);
        if order.last() == Some(&slot) {
            return;
        }
        order.retain(|other| *other != slot);
        order.push(slot);
        while order.len() > MOST {
            let oldest = order.remove(0);
            if let Ok(mut place) = self.loaded[oldest].try_lock() {
                *place = None;
            }
        }
    }
}

/// Locks; a poisoned lock only means that another thread panicked, which fails its own request.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Stores that do what stores should not.

use lifeboat_remote::folder::Folder;
use lifeboat_remote::{Fault, Files, Kind, Patience};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a store does at some time.
#[derive(Default)]
pub struct Until {
    /// It dies after so many changes.
    pub changes: Option<u64>,
    /// Nothing but a lock can be removed.
    pub adds_only: bool,
}

pub struct Store {
    folder: Folder,
    until: Until,
    changes: AtomicU64,
}

pub fn at(location: &Path, until: Until) -> Store {
    let patience = Patience::with("the share", Arc::new(|_| ()), Duration::from_secs(20), Duration::from_secs(600));
    Store { folder: Folder::new(location, "test", patience), until, changes: AtomicU64::new(0) }
}

impl Store {
    fn change(&self) -> Result<(), Fault> {
        let number = self.changes.fetch_add(1, Ordering::SeqCst);
        match self.until.changes {
            Some(last) if number >= last => Err(Fault::Final("it was killed".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Files for Store {
    fn place(&self) -> String {
        self.folder.place()
    }
    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault> {
        self.folder.list(kind)
    }
    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault> {
        self.folder.read(kind, name)
    }
    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        self.folder.read_part(kind, name, offset, length)
    }
    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.change()?;
        self.folder.write(kind, name, bytes)
    }
    fn remove(&self, kind: Kind, name: &str) -> Result<(), Fault> {
        if self.until.adds_only && kind != Kind::Lock {
            return Err(Fault::Final("cannot REMOVE: HTTP status 403 Forbidden".to_owned()));
        }
        // The first question whether it may is no change.
        if name != "0".repeat(64) {
            self.change()?;
        }
        self.folder.remove(kind, name)
    }
    fn create(&self) -> Result<(), Fault> {
        self.folder.create()
    }
    fn given_up(&self) -> Option<String> {
        None
    }
}

//! One scenario at a time: two emulated machines on one small host miss each other's deadlines.

use crate::DrillError;
use std::fs::File;
use std::path::Path;

/// Held while virtual machines run; released when dropped, also by the death of the process.
#[derive(Debug)]
pub struct VmLock {
    _file: File,
}

impl VmLock {
    /// Waits until no other process and no other thread holds the lock in `cache`.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn acquire(cache: &Path) -> Result<VmLock, DrillError> {
        let path = cache.join("vm.lock");
        let file = File::create(&path).map_err(DrillError::io("CREATE", &path))?;
        file.lock().map_err(DrillError::io("LOCK", &path))?;
        Ok(VmLock { _file: file })
    }
}

//! What was activated here: the file `layers.json` in the rescue system's run directory. What somebody else activated is
//! not in it, and is never released without being asked for.

use crate::layer::{Layer, StorageError};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The file.
const FILE: &str = "layers.json";

fn failed(action: &'static str, run: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = run.join(FILE);
    move |source| StorageError::Record { action, path, source }
}

/// Reads it; empty when nothing was activated.
///
/// # Errors
/// [`StorageError::Record`].
pub fn read(run: &Path) -> Result<Vec<Layer>, StorageError> {
    match std::fs::read(run.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(failed("READ", run)(error)),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed("READ", run)(error.into())),
    }
}

/// Replaces it.
///
/// # Errors
/// [`StorageError::Record`].
pub fn write(run: &Path, layers: &[Layer]) -> Result<(), StorageError> {
    let text = serde_json::to_vec_pretty(layers).map_err(|error| failed("WRITE", run)(error.into()))?;
    std::fs::write(run.join(FILE), text).map_err(failed("WRITE", run))
}

/// Adds layers.
///
/// # Errors
/// [`StorageError::Record`].
pub fn add(run: &Path, layers: &[Layer]) -> Result<(), StorageError> {
    // Several layers are made at the same time.
    static ADDING: Mutex<()> = Mutex::new(());
    let _alone = ADDING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = read(run)?;
    all.extend(layers.iter().filter(|layer| !all.contains(layer)).cloned().collect::<Vec<_>>());
    write(run, &all)
}

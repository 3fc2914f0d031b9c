//! The settings as they are now: a token that is added or removed counts from the next request on, without a restart.

use crate::settings::{self, Settings, SettingsError, Stamp};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// The settings of a running server.
#[derive(Debug)]
pub struct Live {
    folder: PathBuf,
    current: RwLock<(Stamp, Arc<Settings>)>,
}

impl Live {
    /// Reads the settings of a folder.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(folder: &Path) -> Result<Live, SettingsError> {
        // The stamp is taken first: what is written in between is read again.
        let stamp = settings::stamp(folder);
        let current = RwLock::new((stamp, Arc::new(settings::read(folder)?)));
        Ok(Live { folder: folder.to_owned(), current })
    }

    /// The settings. When the file has changed it is read again; one that cannot be used is reported, and changes nothing.
    pub fn get(&self) -> Arc<Settings> {
        let stamp = settings::stamp(&self.folder);
        {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            if current.0 == stamp {
                return current.1.clone();
            }
        }
        let read = settings::read(&self.folder);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.0 = stamp;
        match read {
            Ok(settings) => {
                tracing::info!("the settings were read again; there are {} tokens", settings.tokens.len());
                current.1 = Arc::new(settings);
            }
            Err(error) => tracing::error!("{error}; the settings from before stay in force"),
        }
        current.1.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::durable;

    #[test]
    fn a_change_counts_and_a_mistake_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(settings::FILE);
        let write = |text: &str| durable::write(&path, &folder.path().join("new"), text.as_bytes(), 0o600).unwrap();
        write("overdue = 5");
        let live = Live::new(folder.path()).unwrap();
        assert_eq!(live.get().overdue, 5);
        write("overdue = 66");
        assert_eq!(live.get().overdue, 66);
        write("overdue = 'no'");
        assert_eq!(live.get().overdue, 66);
        write("overdue = 7");
        assert_eq!(live.get().overdue, 7);
    }
}

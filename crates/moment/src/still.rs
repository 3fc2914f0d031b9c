//! Filesystems that are frozen, with somebody who thaws them whatever happens.

use crate::error::MomentError;
use crate::run::Run;
use lifeboat_sys::ending::{self, Registration};
use lifeboat_sys::freeze::{self, Watchdog, Watched};
use rustix::fd::{AsFd as _, OwnedFd};
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Frozen filesystems. Dropped, they are thawed.
#[derive(Debug)]
pub struct Frozen {
    /// Those that are still frozen.
    directories: Vec<(PathBuf, OwnedFd)>,
    watchdog: Option<Watchdog>,
    /// A signal that ends us thaws first: a service manager may end the watcher with us.
    _ending: Option<Registration>,
}

impl Frozen {
    /// Freezes the filesystems of these directories, one after another, for at most this long.
    ///
    /// # Errors
    /// When one cannot be frozen; none is frozen then.
    pub fn freeze(run: &Run, mount_points: &[&Path], limit: Duration) -> Result<Frozen, MomentError> {
        let open = |path: &Path| -> Result<(PathBuf, OwnedFd), MomentError> {
            let file = File::open(path).map_err(|error| MomentError::system("OPEN", path, error))?;
            Ok((path.to_owned(), file.into()))
        };
        let opened = mount_points.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
        // Most of what has to be written is written before anybody waits.
        for (_, directory) in &opened {
            let _ = rustix::fs::syncfs(directory);
        }
        // Nothing below writes to a file until all is thawed: the run's own record is in memory.
        run.note_frozen(mount_points)?;
        let watched: Vec<_> = opened.iter().map(|(_, directory)| directory.as_fd()).collect();
        let watchdog = Watchdog::start(&watched, limit).map_err(|error| {
            MomentError::system("WATCH over", mount_points.first().copied().unwrap_or(Path::new("/")), error)
        })?;
        // Registered before anything is frozen, so that no signal comes between.
        let own = opened.iter().map(|(_, directory)| directory.try_clone()).collect::<Result<Vec<OwnedFd>, _>>();
        let own = own.map_err(|error| {
            MomentError::system("WATCH over", mount_points.first().copied().unwrap_or(Path::new("/")), error)
        })?;
        let ending = ending::register(move || {
            for directory in own {
                // EINVAL: it is thawed already.
                let _ = freeze::thaw(directory);
            }
        });
        let mut frozen = Frozen { directories: vec![], watchdog: Some(watchdog), _ending: Some(ending) };
        for (path, directory) in opened {
            // Nothing is frozen any more once a signal has thawed.
            ending::wait_when_ending();
            match freeze::freeze(&directory) {
                Ok(()) => frozen.directories.push((path, directory)),
                // Dropped, it thaws the others.
                Err(error) => return Err(MomentError::system("FREEZE", path, error)),
            }
        }
        Ok(frozen)
    }

    /// Thaws one of them.
    pub fn thaw_one(&mut self, mount_point: &Path) {
        if let Some(position) = self.directories.iter().position(|(path, _)| path == mount_point) {
            let (_, directory) = self.directories.swap_remove(position);
            // EINVAL: the watcher was faster; it says so in the end.
            let _ = freeze::thaw(&directory);
        }
    }

    /// Thaws all; reports whether they stayed frozen until now.
    pub fn thaw(mut self) -> Watched {
        self.thaw_all();
        self.watchdog.take().map_or(Watched::InTime, Watchdog::finish)
    }

    fn thaw_all(&mut self) {
        for (_, directory) in self.directories.drain(..) {
            let _ = freeze::thaw(&directory);
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.thaw_all();
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.finish();
        }
    }
}

/// Refuses what must not be frozen: what is written to meanwhile, by the backup or by everybody.
///
/// # Errors
/// [`MomentError::NotToBeFrozen`], and what cannot be looked at.
pub fn allowed(mount_point: &Path, kind: &str, written: &[PathBuf]) -> Result<(), MomentError> {
    let refused = |why: String| Err(MomentError::NotToBeFrozen { path: mount_point.to_owned(), why });
    if kind == "btrfs" {
        return refused("it is btrfs, which has snapshots; set use = 'auto' in [snapshots] instead".into());
    }
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev());
    let own = device(mount_point).map_err(|error| MomentError::system("OPEN", mount_point, error))?;
    // A path that does not exist yet is made in the nearest folder that does.
    let nearest = |path: &Path| path.ancestors().find_map(|folder| device(folder).ok());
    match written.iter().find(|path| nearest(path) == Some(own)) {
        Some(path) => refused(format!(
            "{} is on it, and whoever writes there during the backup would wait for its end",
            path.display()
        )),
        None => Ok(()),
    }
}

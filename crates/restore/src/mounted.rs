//! What is mounted for a while, to read an archive from it.

use crate::failure::Failure;
use crate::on_disk::{self, Search};
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_sys::Runner;
use lifeboat_sys::ending::{Registration, register_mount};
use lifeboat_sys::mount::MountError;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was mounted here, in a folder that only root may enter; it is unmounted on drop, and when a signal ends us.
#[derive(Debug)]
pub struct Mounted {
    point: PathBuf,
    folder: PathBuf,
    _ending: Registration,
}

impl Mounted {
    /// Unmounts it now.
    ///
    /// # Errors
    /// When something there is still in use, or cannot be written.
    pub fn close(self) -> Result<(), MountError> {
        lifeboat_sys::mount::unmount(&self.point)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Nothing can be done about a failure here: what was written is synced, the directories are empty.
        let _ = lifeboat_sys::mount::unmount(&self.point);
        let _ = std::fs::remove_dir(&self.point);
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Mounts something at a new mount point below `scratch`; returns the guard, which unmounts it, and the mount point.
pub(crate) fn mounted(
    scratch: &Path,
    mount: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(Mounted, PathBuf), Failure> {
    let folder = private_folder(scratch)?;
    let point = folder.join("mounted");
    // The guard comes first, so that a failed mount leaves no folder behind.
    let registration = register_mount(point.clone(), folder.clone());
    let guard = Mounted { point: point.clone(), folder, _ending: registration };
    std::fs::create_dir(&point).map_err(|source| Failure::Write { path: point.clone(), source })?;
    mount(&point)?;
    Ok((guard, point))
}

/// A path on a local disk, which is mounted for it unless it is already.
pub(crate) fn place(
    place: &OnDisk,
    search: Search,
    scratch: &Path,
    runner: &dyn Runner,
) -> Result<(Option<Mounted>, PathBuf), Failure> {
    let device = on_disk::device(place, search, runner)?;
    let (guard, root) = match on_disk::mount_point(&device) {
        Some(point) => (None, point),
        None => {
            let (guard, point) = mounted(scratch, |point| on_disk::mount(&device, point, runner))?;
            (Some(guard), point)
        }
    };
    Ok((guard, root.join(place.path.trim_start_matches('/'))))
}

/// A new folder that nobody else may enter, whatever the mount in it allows. What already has the name is left alone: below /tmp
/// somebody else may have made it.
fn private_folder(scratch: &Path) -> Result<PathBuf, Failure> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = scratch.join(format!("lifeboat-medium-{}-{number}", std::process::id()));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(Failure::Write { path: folder, source }),
        }
    }
}

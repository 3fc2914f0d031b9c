//! Snapshots of btrfs subvolumes. They lie in the top level of their filesystem, which is mounted nowhere for it.

use crate::error::MomentError;
use lifeboat_machine::Name;
use lifeboat_sys::mount::{self, MountError};
use lifeboat_sys::subvolume;
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// The top level of a btrfs.
#[derive(Debug)]
pub struct TopLevel {
    directory: OwnedFd,
}

impl TopLevel {
    /// Mounts it, for writing.
    ///
    /// # Errors
    /// EBUSY or EROFS when the filesystem is mounted read-only.
    pub fn open(device: &Path) -> Result<TopLevel, MountError> {
        let mounted = mount::detached(device, "btrfs", &["subvolid=5"])?;
        // The descriptor is O_PATH; ioctls need a real one. The mount lives as long as it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&mounted, ".", flags, Mode::empty());
        let source = |error: Errno| MountError { action: "MOUNT", path: device.to_owned(), source: error.into() };
        Ok(TopLevel { directory: opened.map_err(source)? })
    }

    /// A path in it, for this process alone.
    pub fn path(&self, below: &str) -> PathBuf {
        let top = PathBuf::from(format!("/proc/self/fd/{}", self.directory.as_raw_fd()));
        // With a slash at the end it is the directory, not the link to it.
        top.join(if below.is_empty() { "." } else { below })
    }

    /// Takes a read-only snapshot of a subvolume, under this name.
    ///
    /// # Errors
    /// The system's, such as ETXTBSY for a subvolume with an active swap file.
    pub fn take(&self, original: &Name, name: &str) -> Result<(), MomentError> {
        let taken = subvolume::open(&self.directory, original.as_path())
            .and_then(|original| subvolume::snapshot(&original, &self.directory, name));
        let shown = if original.0.is_empty() { "the top level".to_owned() } else { original.to_string() };
        taken.map_err(|error| MomentError::system("take a SNAPSHOT of", shown, error))
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, name: &str) -> Result<(), MomentError> {
        match subvolume::remove(&self.directory, name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(MomentError::system("REMOVE", name, error)),
        }
    }

    /// Names in it that speak of runs.
    pub fn of_runs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("")).into_iter().flatten().filter_map(Result::ok);
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| crate::run::id_of(name).is_some()).collect();
        names.sort();
        names
    }
}

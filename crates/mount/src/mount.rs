//! Mounting, and lasting until somebody unmounts.

use crate::ahead::Ahead;
use crate::decoder::Decoder;
use crate::filesystem::Snapshots;
use crate::folders::{Folder, Machines};
use crate::slots::Slots;
use fuser::{Config, MountOption, Session, SessionACL};
use lifeboat_archive::Repository;
use rustix::mount::UnmountFlags;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

/// How the filesystem is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Other users than the one who mounts may look in, as far as the modes of the files allow.
    pub allow_other: bool,
    /// Decoded content that is kept at most, in bytes.
    pub cache_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { allow_other: false, cache_bytes: 128 << 20 }
    }
}

/// Why it could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no FUSE here.
    #[error("cannot MOUNT: this kernel has no FUSE (/dev/fuse is missing); try `modprobe fuse`")]
    NoFuse,
    /// The folder cannot be used.
    #[error("cannot MOUNT on {path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The folder holds something, which the mount would hide.
    #[error("cannot MOUNT on {path}: the folder is not empty; try an empty one")]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The kernel, or fusermount3, refused.
    #[error("cannot MOUNT on {path}: {source}; try it as root, or install the package fuse3")]
    Refused {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// It ended otherwise than by being unmounted.
    #[error("cannot CONTINUE the filesystem on {path}: {source}")]
    Ended {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Mounts snapshots, in the order of writing, on an empty folder, and answers until it is unmounted: by umount(8), or by a
/// signal that ends this process. `mounted` is called as soon as files can be read, `warn` for each thing that cannot be read, once.
///
/// # Errors
/// When it cannot be mounted.
pub fn mount(
    repository: Arc<Repository>,
    folders: Vec<Folder>,
    point: &Path,
    options: &Options,
    mounted: &dyn Fn(),
    warn: &dyn Fn(&str),
) -> Result<(), MountError> {
    let folder = |source| MountError::Folder { path: point.to_owned(), source };
    if std::fs::read_dir(point).map_err(folder)?.next().is_some() {
        return Err(MountError::NotEmpty { path: point.to_owned() });
    }
    let point = std::fs::canonicalize(point).map_err(folder)?;
    if !Path::new("/dev/fuse").exists() {
        return Err(MountError::NoFuse);
    }
    let (messages, told) = channel();
    let decoder = Arc::new(Decoder::new(options.cache_bytes, messages));
    let machines = Machines::of(&folders);
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let ahead = Ahead::start(&decoder, processors.saturating_sub(1).clamp(1, 4)).map_err(folder)?;
    let kernel = ahead.kernel();
    let filesystem = Snapshots::new(Slots::new(repository, folders), machines, decoder, ahead);
    let threads = processors.clamp(2, 8);
    let mut config = Config::default();
    (config.n_threads, config.clone_fd) = (Some(threads), true);
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
        MountOption::DefaultPermissions,
        MountOption::FSName("lifeboat".to_owned()),
        MountOption::Subtype("lifeboat".to_owned()),
    ];
    let refused = |source| MountError::Refused { path: point.clone(), source };
    let mut session = Session::new(filesystem, &point, &config).map_err(refused)?;
    let registration = {
        let (mut unmounter, point) = (session.unmount_callable(), point.clone());
        lifeboat_sys::ending::register(move || {
            if unmounter.unmount().is_err() {
                // Somebody has a file open there: detached, it goes with the last of them.
                let _ = rustix::mount::unmount(&point, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
            }
        })
    };
    let _ = kernel.set(session.notifier());
    let running = std::thread::Builder::new().name("mount".into()).spawn(move || session.run()).map_err(refused)?;
    read_more_at_once(&point);
    mounted();
    // The senders live as long as the filesystem.
    for text in told {
        warn(&text);
    }
    let ended = running.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended")));
    drop(registration);
    ended.map_err(|source| MountError::Ended { path: point, source })
}

/// The kernel asks for 128 KiB of a file at once, unless it may read further ahead. Only root may say so; without it everything works, more slowly.
fn read_more_at_once(point: &Path) {
    /// In KiB, as the file has it (Documentation/ABI/testing/sysfs-class-bdi); FUSE's own limit of a request is 1 MiB.
    const AT_ONCE: u32 = 1024;
    let Ok(metadata) = std::fs::metadata(point) else { return };
    let (major, minor) = (rustix::fs::major(metadata.dev()), rustix::fs::minor(metadata.dev()));
    let file = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    let now = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok());
    if now.is_some_and(|now| now < AT_ONCE) {
        let _ = std::fs::write(&file, AT_ONCE.to_string());
    }
}

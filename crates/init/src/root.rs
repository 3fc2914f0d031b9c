//! From the initramfs to the real root: `root.squashfs` below a tmpfs overlay becomes `/`, in this same process.
//!
//! The squashfs stays where it is, in the initramfs's memory: only the pages that are read get a second copy. An
//! initramfs without it holds the same files itself ("plain cpio"), and there is nothing to do.

use lifeboat_sys::loop_device::{LoopDevice, LoopError};
use lifeboat_sys::modules::load::load_file;
use lifeboat_sys::modules::{LoadError, module_name};
use lifeboat_sys::mount::{MountError, mount, move_mount};
use std::io;
use std::path::{Path, PathBuf};

/// What the initramfs holds besides this program.
const LIFEBOAT: &str = "/lifeboat";
/// The root, packed.
const SQUASHFS: &str = "/lifeboat/root.squashfs";
/// Modules that must be there before it can be mounted, one file name a line, in the order of loading.
const EARLY_LIST: &str = "/lifeboat/modules/early.list";

/// Why the root could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A file or directory.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// `READ`, `MAKE`, `ENTER`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A module that the root needs.
    #[error(transparent)]
    Module(#[from] LoadError),
    /// The loop device.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// A mount.
    #[error(transparent)]
    Mount(#[from] MountError),
}

/// Loads the early modules, mounts the root and enters it. `false` when the initramfs itself is the root.
///
/// # Errors
/// [`RootError`]; then nothing but this program is there.
pub fn enter() -> Result<bool, RootError> {
    load_early_modules()?;
    if !Path::new(SQUASHFS).exists() {
        return Ok(false);
    }
    let (lower, writable, new) = (Path::new("/.lower"), Path::new("/.writable"), Path::new("/.root"));
    for directory in [lower, writable, new] {
        make_directory(directory)?;
    }
    let squashfs = LoopDevice::attach(Path::new(SQUASHFS))?;
    mount(squashfs.path(), lower, "squashfs", &["ro", "nodev"])?;
    mount("tmpfs", writable, "tmpfs", &["mode=0755"])?;
    for directory in ["upper", "work"] {
        make_directory(&writable.join(directory))?;
    }
    mount("overlay", new, "overlay", &["lowerdir=/.lower", "upperdir=/.writable/upper", "workdir=/.writable/work"])?;
    for directory in ["/proc", "/sys", "/dev", "/run"] {
        let target = new.join(&directory[1..]);
        make_directory(&target)?;
        move_mount(Path::new(directory), &target)?;
    }
    let lifeboat = new.join(&LIFEBOAT[1..]);
    make_directory(&lifeboat)?;
    mount(LIFEBOAT, &lifeboat, "none", &["bind"])?;
    // As switch_root(8): the initramfs cannot be unmounted, so the new root is moved over it and entered.
    let step =
        |source: rustix::io::Errno| RootError::File { action: "ENTER", path: new.to_owned(), source: source.into() };
    rustix::process::chdir(new).map_err(step)?;
    rustix::mount::mount_move(".", "/").map_err(step)?;
    rustix::process::chroot(".").map_err(step)?;
    rustix::process::chdir("/").map_err(step)?;
    Ok(true)
}

fn make_directory(path: &Path) -> Result<(), RootError> {
    match std::fs::create_dir(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(RootError::File { action: "MAKE", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn load_early_modules() -> Result<(), RootError> {
    let list = match std::fs::read_to_string(EARLY_LIST) {
        Ok(list) => list,
        // A kernel with everything built in needs none.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(RootError::File { action: "READ", path: EARLY_LIST.into(), source }),
    };
    let directory = Path::new(LIFEBOAT).join("modules");
    for line in list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = module_name(line).unwrap_or_else(|| line.to_owned());
        load_file(&name, &directory.join(line), "")?;
    }
    Ok(())
}

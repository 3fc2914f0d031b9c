//! The name and the lock of one run. What a run makes carries its name; a run lives while it holds the lock on its file, which the
//! kernel releases however the process ends.

use crate::error::MomentError;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where runs have their files: in memory, for a restart ends all runs.
pub const FOLDER: &str = "/run/lifeboat-snapshots";
/// Hexadecimal digits of a name.
const DIGITS: usize = 12;
/// Before the name of a run in the names of logical volumes, and the tag that they carry.
const VOLUME: &str = "lifeboat-";
/// Before it in the names of subvolumes.
const SUBVOLUME: &str = ".lifeboat-snapshot-";

/// A run that lives.
#[derive(Debug)]
pub struct Run {
    id: String,
    path: PathBuf,
    file: File,
}

impl Run {
    /// Begins one.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub fn begin(folder: &Path) -> Result<Run, MomentError> {
        let failed = |path: &Path, error: std::io::Error| MomentError::system("CREATE", path, error);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| failed(folder, error))?;
        // So that nobody takes the file for a leftover before it is locked.
        let _looking = looking(folder)?;
        let mut bytes = [0; DIGITS / 2];
        let random = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
        random.map_err(|error| MomentError::system("READ", "/dev/urandom", error))?;
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = folder.join(&id);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|error| failed(&path, error))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(&path, error.into()))?;
        Ok(Run { id, path, file })
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A name for its logical volume with this number.
    pub fn volume(&self, number: usize) -> String {
        format!("{VOLUME}{}-{number}", self.id)
    }

    /// A name for its subvolume with this number.
    pub fn subvolume(&self, number: usize) -> String {
        format!("{SUBVOLUME}{}-{number}", self.id)
    }

    /// Records what is about to be frozen.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_frozen(&self, mount_points: &[&Path]) -> Result<(), MomentError> {
        let text: Vec<&[u8]> = mount_points.iter().map(|path| path.as_os_str().as_bytes()).collect();
        let text = text.join(&0);
        let written = self.file.set_len(0).and_then(|()| self.file.write_all_at(&text, 0));
        written.map_err(|error| MomentError::system("WRITE", &self.path, error))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// While this is held no run begins, and nobody else looks for leftovers.
pub(crate) fn looking(folder: &Path) -> Result<File, MomentError> {
    let directory = File::open(folder).map_err(|error| MomentError::system("OPEN", folder, error))?;
    let locked = rustix::fs::flock(&directory, FlockOperation::LockExclusive);
    locked.map_err(|error| MomentError::system("LOCK", folder, error))?;
    Ok(directory)
}

/// Whether a run lives.
pub(crate) fn lives(folder: &Path, id: &str) -> bool {
    let Ok(file) = File::open(folder.join(id)) else { return false };
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)
}

/// Waits until a run has ended.
///
/// # Errors
/// When that cannot be seen.
pub fn await_end(folder: &Path, id: &str) -> Result<(), MomentError> {
    let path = folder.join(id);
    match File::open(&path) {
        Ok(file) => rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|error| MomentError::system("LOCK", path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(MomentError::system("OPEN", path, error)),
    }
}

/// The files of runs that are no more: names, and what was recorded as frozen.
pub(crate) fn dead(folder: &Path) -> Vec<(PathBuf, Vec<PathBuf>)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| is_id(name) && !lives(folder, name))
        .map(|name| {
            let path = folder.join(name);
            let text = std::fs::read(&path).unwrap_or_default();
            let frozen = text.split(|byte| *byte == 0).filter(|path| !path.is_empty());
            let frozen = frozen.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec())));
            let frozen = frozen.collect();
            (path, frozen)
        })
        .collect()
}

fn is_id(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The run that a name of a logical volume or subvolume speaks of.
pub(crate) fn id_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(VOLUME).or_else(|| name.strip_prefix(SUBVOLUME))?;
    let (id, number) = rest.split_once('-')?;
    (is_id(id) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::begin(folder.path()).unwrap();
        assert_eq!(id_of(&run.volume(3)), Some(run.id()));
        assert_eq!(id_of(&run.subvolume(12)), Some(run.id()));
        for name in [
            "lifeboat-data",
            "lifeboat-0123456789ab",
            "lifeboat-0123456789ab-",
            "x-0123456789ab-1",
            "lifeboat-0123456789AB-1",
        ] {
            assert_eq!(id_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_run_lives_as_long_as_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::begin(&folder.path().join("runs")).unwrap();
        let at = folder.path().join("runs");
        assert!(lives(&at, run.id()) && dead(&at).is_empty());
        run.note_frozen(&[Path::new("/a"), Path::new("/b c")]).unwrap();
        // As after SIGKILL: the lock is gone, the file is not.
        let id = run.id().to_owned();
        std::fs::copy(at.join(&id), at.join("0123456789ab")).unwrap();
        assert_eq!(dead(&at), [(at.join("0123456789ab"), vec!["/a".into(), "/b c".into()])]);
        drop(run);
        assert!(!at.join(&id).exists() && !lives(&at, &id));
        await_end(&at, &id).unwrap();
    }
}

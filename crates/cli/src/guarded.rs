//! Files that decide what root does, or that hold a secret: who else may write or read them.

use crate::error::{CommandError, CommandResult, Kind};
use lifeboat_sys::trusted::{self, OpenError};
use rustix::fs::Mode;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Larger ones are not our files: a configuration, a key or a list of passwords has a few kilobytes.
pub const LARGEST: u64 = 1 << 20;

/// What others may do with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Its content may be changed, or the file be replaced, by somebody who is neither root nor the user who runs this.
    pub write: bool,
    /// It may be read by others than its owner.
    pub read: bool,
    /// Its mode, for messages.
    pub mode: u32,
}

/// Reads a whole file, and checks what others may do with it.
///
/// # Errors
/// The system's error; a file that is too large.
pub fn read(path: &Path) -> std::io::Result<(Vec<u8>, Others)> {
    read_at_most(path, LARGEST)
}

/// The same for a file, or pipe, of at most so many bytes.
///
/// # Errors
/// As [`read`].
pub fn read_at_most(path: &Path, limit: u64) -> std::io::Result<(Vec<u8>, Others)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    // A pipe has no size, and /dev/zero never ends.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0) + 1);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::other("it is larger than a file of this kind"));
    }
    Ok((bytes, others(path, &metadata)))
}

/// Why others could replace what we write and read by its path in a folder, which need not exist yet.
pub fn open_folder(folder: &Path) -> Option<String> {
    let here = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = here.ancestors().find(|above| above.symlink_metadata().is_ok())?;
    match trusted::only_ours(there) {
        // Whoever uses it reports what the system says.
        Ok(_) | Err(OpenError::System { .. }) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Refuses such a folder.
///
/// # Errors
/// Kind `Refused`, with the remedy.
pub fn refuse_folder(what: &str, folder: &Path) -> Result<(), CommandError> {
    let Some(why) = open_folder(folder) else { return Ok(()) };
    let text = format!("cannot USE {what} {}: {why}, who could replace what is written there", folder.display());
    Err(CommandError::refused(text).hint("a folder that only root can change, below /root or /var/lib"))
}

/// Makes a folder, with those above it that are missing, in which we write files with names that anybody could guess.
///
/// # Errors
/// Kind `Refused`, with the remedy, when others can change what leads to it or put something into it, as everybody can into a sticky one.
pub fn own_folder(what: &str, folder: &Path) -> CommandResult {
    let text = match trusted::own(folder, Mode::RWXU) {
        Ok(_) => return Ok(()),
        Err(error @ OpenError::System { .. }) => {
            return Err(CommandError::new(Kind::Failed, format!("cannot CREATE {what}: {error}")));
        }
        Err(error) => error.to_string(),
    };
    let text =
        format!("cannot USE {what} {}: {text}, who could lead what is written there elsewhere", folder.display());
    Err(CommandError::refused(text).hint("a folder that is new, or that only root can change"))
}

/// Only regular files have an owner that matters: a pipe comes from whoever started this.
fn others(path: &Path, metadata: &Metadata) -> Others {
    if !metadata.is_file() {
        return Others::default();
    }
    let replaced = std::path::absolute(path).and_then(|path| changeable(&path)).is_ok_and(|culprit| culprit.is_some());
    Others {
        write: open_to_others(metadata) || replaced,
        read: metadata.mode() & 0o077 != 0,
        mode: metadata.mode() & 0o7777,
    }
}

/// Somebody other than root and us may write: by owner, by group, or everybody.
fn open_to_others(metadata: &Metadata) -> bool {
    let us = [0, rustix::process::geteuid().as_raw()];
    let ours = [0, rustix::process::getegid().as_raw()];
    let group = metadata.mode() & 0o020 != 0 && !ours.contains(&metadata.gid());
    !us.contains(&metadata.uid()) || group || metadata.mode() & 0o002 != 0
}

/// Refuses a file that decides what is done here and that others may write to.
///
/// # Errors
/// Kind `Refused`, with the remedy.
pub fn refuse_writable(what: &str, path: &Path, others: Others) -> Result<(), CommandError> {
    if !others.write {
        return Ok(());
    }
    let shown = path.display();
    let text = format!(
        "cannot USE {what} {shown}: other users can write or replace it (mode {:04o}) and so control what this \
         command does",
        others.mode
    );
    Err(CommandError::new(Kind::Refused, text).hint(format!(
        "checking its content, then chown root: {shown} && chmod go-w {shown}, and the same for its folder"
    )))
}

/// Refuses a program, or a script, that others may write to, replace, or lead elsewhere: by a folder or a link on the way as well.
///
/// # Errors
/// Kind `Refused` with the remedy; kind `Usage` when it is not there.
pub fn refuse_path(what: &str, path: &Path) -> Result<(), CommandError> {
    let missing = |error: std::io::Error| CommandError::usage(format!("cannot OPEN {what}: {error}"));
    let metadata = std::fs::symlink_metadata(path).map_err(missing)?;
    if !metadata.is_file() && !metadata.is_symlink() {
        return Err(CommandError::usage(format!("cannot USE {what}: it is not a file")));
    }
    let refused = |culprit: &Path, mode: u32| {
        let text = format!(
            "cannot USE {what}: other users can change {} (mode {:04o}) and so control what root runs",
            culprit.display(),
            mode & 0o7777
        );
        let shown = culprit.display();
        CommandError::new(Kind::Refused, text)
            .hint(format!("checking its content, then chown root: {shown} && chmod go-w {shown}"))
    };
    match changeable(path).map_err(missing)? {
        None => Ok(()),
        Some((culprit, mode)) => Err(refused(&culprit, mode)),
    }
}

/// The first of a file and what leads to it that other users can change.
pub fn culprit(path: &Path) -> Option<PathBuf> {
    changeable(path).ok().flatten().map(|(culprit, _)| culprit)
}

/// The first of a file and what leads to it, as written and where its links lead, that others can change; with its mode.
fn changeable(path: &Path) -> std::io::Result<Option<(PathBuf, u32)>> {
    for way in [path.to_owned(), std::fs::canonicalize(path)?] {
        for place in way.ancestors() {
            let metadata = std::fs::symlink_metadata(place)?;
            // The mode of a link counts for nothing (symlink(7)), and in a sticky folder only owners replace their files.
            let sticky = metadata.is_dir() && metadata.mode() & 0o1000 != 0 && is_ours(&metadata);
            let open = match metadata.is_symlink() {
                true => !is_ours(&metadata),
                false => open_to_others(&metadata) || (metadata.mode() & 0o020 != 0 && trusted::has_list(place)),
            };
            if !sticky && open {
                return Ok(Some((place.to_owned(), metadata.mode())));
            }
        }
    }
    Ok(None)
}

/// It belongs to root or us.
fn is_ours(metadata: &Metadata) -> bool {
    [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn with_modes(file: u32, folder: u32) -> Others {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "x").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(file)).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(folder)).unwrap();
        read(&path).unwrap().1
    }

    #[test]
    fn who_else_may_write() {
        for (file, folder, write, read) in [
            (0o600, 0o700, false, false),
            (0o644, 0o755, false, true),
            (0o640, 0o755, false, true),
            (0o666, 0o755, true, true),
            (0o602, 0o755, true, true),
            // Everybody may replace it, but not write to it.
            (0o600, 0o777, true, false),
            (0o600, 0o1777, false, false),
        ] {
            let others = with_modes(file, folder);
            assert_eq!((others.write, others.read), (write, read), "{file:o} in {folder:o}");
        }
    }

    #[test]
    fn programs_that_others_may_change() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let mode =
            |path: &str, mode| std::fs::set_permissions(at(path), std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::create_dir_all(at("outer/inner")).unwrap();
        std::fs::write(at("outer/inner/hook"), "").unwrap();
        std::os::unix::fs::symlink(at("outer/inner/hook"), at("link")).unwrap();
        for path in ["outer", "outer/inner", "outer/inner/hook"] {
            mode(path, 0o755);
        }
        for path in ["outer/inner/hook", "link"] {
            refuse_path("the hook", &at(path)).unwrap();
            for (culprit, bits) in [("outer", 0o777), ("outer/inner", 0o757), ("outer/inner/hook", 0o702)] {
                mode(culprit, bits);
                let error = refuse_path("the hook", &at(path)).unwrap_err();
                assert_eq!(error.kind, Kind::Refused);
                assert!(error.text().contains(&format!("can change {}", at(culprit).display())), "{}", error.text());
                mode(culprit, 0o755);
            }
        }
        assert_eq!(refuse_path("the hook", &at("none")).unwrap_err().kind, Kind::Usage);
        assert_eq!(refuse_path("the hook", &at("outer")).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn folders_that_others_may_change() {
        let dir = tempfile::tempdir().unwrap();
        let (outer, inner) = (dir.path().join("outer"), dir.path().join("outer/inner"));
        std::fs::create_dir_all(&inner).unwrap();
        for (mode, refused) in [(0o755, false), (0o777, true), (0o1777, false)] {
            std::fs::set_permissions(&outer, std::fs::Permissions::from_mode(mode)).unwrap();
            for folder in [&outer, &inner, &inner.join("new/folder")] {
                let result = refuse_folder("--report", folder);
                assert_eq!(result.is_err(), refused, "{mode:o} {}", folder.display());
            }
        }
    }

    #[test]
    fn a_folder_of_our_own_is_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let (outer, own) = (dir.path().join("outer"), dir.path().join("outer/own"));
        own_folder("--report", &own).unwrap();
        assert_eq!(own.metadata().unwrap().mode() & 0o777, 0o700);
        for (path, mode, refused) in [
            (&outer, 0o777, true),
            (&outer, 0o1777, false),
            (&own, 0o755, false),
            (&own, 0o1777, true),
            (&own, 0o757, true),
        ] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            let made = own_folder("--report", &own);
            assert_eq!(made.is_err(), refused, "{mode:o} {}", path.display());
            assert!(made.is_ok() || made.is_err_and(|error| error.kind == Kind::Refused));
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        std::fs::write(outer.join("file"), "").unwrap();
        assert_eq!(own_folder("--report", &outer.join("file")).unwrap_err().kind, Kind::Failed);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&own, Some(1234), None).unwrap();
            assert_eq!(own_folder("--report", &own).unwrap_err().kind, Kind::Refused);
        }
    }

    #[test]
    fn what_is_no_file_belongs_to_nobody_else_and_has_an_end() {
        assert_eq!(read(Path::new("/dev/null")).unwrap(), (vec![], Others::default()));
        assert!(read(Path::new("/dev/zero")).is_err());
        assert!(read(Path::new("/etc")).is_err());
    }
}

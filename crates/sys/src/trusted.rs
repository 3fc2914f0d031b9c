//! Folders that a person names, opened so that nobody else decides where their path leads.
//!
//! A symbolic link on the way is followed only where no other user could have made it: it belongs to root or our own user, and
//! so does every folder that led there, none of which others can write to (in a sticky one nobody can replace another's link).

use crate::confined::{MOST_LINKS, parts};
use rustix::fd::{AsFd, AsRawFd as _, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Why a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Somebody else can decide where the path leads.
    #[error("{} is a symbolic link {whose}", link.display())]
    Untrusted {
        /// The link.
        link: PathBuf,
        /// Who could have made it.
        whose: String,
    },
    /// Somebody else can replace what is in it, or itself.
    #[error("{} can be changed by {who}", folder.display())]
    Open {
        /// It, or one above it.
        folder: PathBuf,
        /// Who can.
        who: String,
    },
    /// The system's error.
    #[error("{}: {}", path.display(), std::io::Error::from(*error))]
    System {
        /// As far as the path was followed.
        path: PathBuf,
        /// The reason.
        error: Errno,
    },
}

/// Opens a folder for reading.
///
/// # Errors
/// [`OpenError`].
pub fn open(path: &Path) -> Result<OwnedFd, OpenError> {
    walk(path, None, false).map(|(folder, _)| folder)
}

/// Opens a folder that is used by its path: nobody else can change what is in it or in a folder above it, so that the path
/// leads to the same files as long as we use it. In a sticky one, nobody can replace what is ours.
///
/// # Errors
/// [`OpenError`].
pub fn only_ours(path: &Path) -> Result<OwnedFd, OpenError> {
    let (folder, others) = walk(path, None, false)?;
    let status = rustix::fs::fstat(&folder).map_err(|error| OpenError::System { path: path.to_owned(), error })?;
    let others = others.or_else(|| open_to_held(&folder, &status).map(|who| (path.to_owned(), who)));
    match others {
        None => Ok(folder),
        Some((folder, who)) => Err(OpenError::Open { folder, who }),
    }
}

/// Opens a folder in which we use names that anybody could guess, and creates what is missing of it with this mode: nobody else can change what
/// leads to it, and nobody else can put anything into it, as everybody can into a sticky one.
///
/// # Errors
/// [`OpenError`].
pub fn own(path: &Path, mode: Mode) -> Result<OwnedFd, OpenError> {
    let (folder, others) = walk(path, Some(mode), true)?;
    let mut status = rustix::fs::fstat(&folder).map_err(|error| OpenError::System { path: path.to_owned(), error })?;
    status.st_mode &= !0o1000;
    match others.or_else(|| open_to_held(&folder, &status).map(|who| (path.to_owned(), who))) {
        None => Ok(folder),
        Some((folder, who)) => Err(OpenError::Open { folder, who }),
    }
}

/// As [`open`], and creates what is missing of it with this mode.
///
/// # Errors
/// [`OpenError`].
pub fn make(path: &Path, mode: Mode) -> Result<OwnedFd, OpenError> {
    walk(path, Some(mode), false).map(|(folder, _)| folder)
}

/// Which users other than root and our own can replace what is in a folder, by its mode.
fn open_to(status: &Stat) -> Option<String> {
    let own = rustix::process::geteuid().as_raw();
    let sticky = status.st_mode & 0o1000 != 0;
    if ![0, own].contains(&status.st_uid) {
        Some(format!("user {}", status.st_uid))
    } else if status.st_mode & 0o002 != 0 && !sticky {
        Some("everybody".to_owned())
    } else if status.st_mode & 0o020 != 0 && status.st_gid != 0 && !sticky {
        Some(format!("group {}", status.st_gid))
    } else {
        None
    }
}

/// Which users other than root and our own can replace what is in a folder that is open or held, and has this status.
pub fn open_to_held(folder: impl AsFd, status: &Stat) -> Option<String> {
    open_to(status).or_else(|| {
        let path = || PathBuf::from(format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd()));
        let by_list = status.st_mode & 0o1020 == 0o020 && has_list(&path());
        by_list.then(|| "those whom its access control list names".to_owned())
    })
}

/// Reports whether an entry has an access control list: then the bits of the group are its mask, whoever the group is (acl(5)).
pub fn has_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0_u8; 0]).is_ok()
}

/// A folder and who could redirect its path.
type Walked = (OwnedFd, Option<(PathBuf, String)>);

/// `alone` refuses to make anything where others could redirect the path.
fn walk(path: &Path, make: Option<Mode>, alone: bool) -> Result<Walked, OpenError> {
    let here = if path.is_absolute() { PathBuf::new() } else { std::env::current_dir().unwrap_or_default() };
    let mut left = parts(&here.join(path));
    let mut way = PathBuf::from("/");
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::System { path, error }
    };
    let hold = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = || rustix::fs::openat(rustix::fs::CWD, "/", hold, Mode::empty());
    let mut folder = root().map_err(fail(&way))?;
    // Who could redirect the path from here on; once somebody could, it stays so.
    let mut others = None;
    let mut links = 0;
    while let Some(part) = left.pop() {
        let status = rustix::fs::fstat(&folder).map_err(fail(&way))?;
        others = others.or_else(|| open_to_held(&folder, &status).map(|who| (way.clone(), who)));
        let next = if part == ".." { way.parent().unwrap_or(&way).to_owned() } else { way.join(&part) };
        let open = || rustix::fs::openat(&folder, &part, hold, Mode::empty());
        let held = match (open(), make) {
            (Err(Errno::NOENT), Some(mode)) => {
                if let Some((folder, who)) = others.as_ref().filter(|_| alone) {
                    return Err(OpenError::Open { folder: folder.clone(), who: who.clone() });
                }
                match rustix::fs::mkdirat(&folder, &part, mode) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(fail(&next)(error)),
                }
                open().map_err(fail(&next))?
            }
            (held, _) => held.map_err(fail(&next))?,
        };
        let status = rustix::fs::fstat(&held).map_err(fail(&next))?;
        match FileType::from_raw_mode(status.st_mode) {
            FileType::Directory => (folder, way) = (held, next),
            FileType::Symlink => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(fail(&next)(Errno::LOOP));
                }
                if let Some(whose) = untrusted(&status, others.as_ref()) {
                    return Err(OpenError::Untrusted { link: next, whose });
                }
                let target = rustix::fs::readlinkat(&held, "", Vec::new()).map_err(fail(&next))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    (folder, way) = (root().map_err(fail(Path::new("/")))?, PathBuf::from("/"));
                }
                left.extend(parts(&target));
            }
            _ => return Err(fail(&next)(Errno::NOTDIR)),
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&folder, ".", flags, Mode::empty()).map_err(fail(&way))?;
    Ok((opened, others))
}

/// Who owns a link that must not be followed; `others` can change a folder before it.
fn untrusted(link: &Stat, others: Option<&(PathBuf, String)>) -> Option<String> {
    let own = rustix::process::geteuid().as_raw();
    match others {
        Some((folder, who)) => Some(format!("in a folder that {who} can change ({})", folder.display())),
        None if ![0, own].contains(&link.st_uid) => Some(format!("of user {}", link.st_uid)),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::AtFlags;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    fn inode(folder: &OwnedFd) -> u64 {
        rustix::fs::fstat(folder).unwrap().st_ino
    }

    #[test]
    fn own_links_are_followed_as_the_kernel_does() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path();
        std::fs::create_dir_all(top.join("real/deep")).unwrap();
        symlink("real", top.join("link")).unwrap();
        symlink(top.join("link/deep/.."), top.join("absolute")).unwrap();
        symlink("circle", top.join("circle")).unwrap();
        for path in ["real", "link", "absolute", "real/deep/..", "link/./deep/../../absolute"] {
            assert_eq!(inode(&open(&top.join(path)).unwrap()), top.join("real").metadata().unwrap().ino(), "{path}");
        }
        assert!(matches!(open(&top.join("circle")), Err(OpenError::System { error: Errno::LOOP, .. })));
        assert!(matches!(open(&top.join("none")), Err(OpenError::System { error: Errno::NOENT, .. })));
        let made = make(&top.join("link/new/folder"), Mode::RWXU).unwrap();
        let status = top.join("real/new/folder").metadata().unwrap();
        assert_eq!((inode(&made), status.mode() & 0o777), (status.ino(), 0o700));
        std::fs::write(top.join("file"), "").unwrap();
        assert!(matches!(make(&top.join("file"), Mode::RWXU), Err(OpenError::System { error: Errno::NOTDIR, .. })));
        assert!(matches!(make(&top.join("file/x"), Mode::RWXU), Err(OpenError::System { .. })));
    }

    #[test]
    fn links_below_a_folder_that_others_can_write_to_are_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path();
        std::fs::create_dir_all(top.join("shared/inner")).unwrap();
        std::fs::create_dir(top.join("real")).unwrap();
        symlink("../real", top.join("shared/link")).unwrap();
        symlink("../../real", top.join("shared/inner/link")).unwrap();
        let mode = |mode| std::fs::set_permissions(top.join("shared"), std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o755);
        assert!(open(&top.join("shared/link")).is_ok() && open(&top.join("shared/inner/link")).is_ok());
        mode(0o777);
        for path in ["shared/link", "shared/inner/link", "shared/../shared/inner/../link"] {
            let error = open(&top.join(path)).unwrap_err();
            assert!(matches!(error, OpenError::Untrusted { .. }), "{path}: {error}");
            assert!(error.to_string().contains("in a folder that everybody can change"), "{error}");
        }
        // Without a link there is nothing to redirect.
        assert!(open(&top.join("shared/inner")).is_ok() && open(&top.join("shared/../real")).is_ok());
        // As /tmp: nobody can replace another's link, and this one is ours.
        mode(0o1777);
        assert!(open(&top.join("shared/link")).is_ok());
    }

    #[test]
    fn a_folder_is_only_ours_when_all_above_it_are() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path();
        std::fs::create_dir_all(top.join("a/b/c")).unwrap();
        let mode =
            |path: &str, mode| std::fs::set_permissions(top.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
        let open = || only_ours(&top.join("a/b/c"));
        ["a", "a/b", "a/b/c"].iter().for_each(|path| mode(path, 0o755));
        open().unwrap();
        for path in ["a", "a/b", "a/b/c"] {
            mode(path, 0o777);
            let error = open().unwrap_err();
            assert_eq!(error.to_string(), format!("{} can be changed by everybody", top.join(path).display()));
            mode(path, 0o1777);
            open().unwrap();
            mode(path, 0o755);
        }
        // A list with an entry for user 4242 with all rights: the group's bits are its mask.
        let mut list = vec![2, 0, 0, 0];
        for (tag, rights, id) in
            [(1, 7, u32::MAX), (2, 7, 4242), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)]
        {
            list.extend_from_slice(&u16::to_le_bytes(tag));
            list.extend_from_slice(&u16::to_le_bytes(rights));
            list.extend_from_slice(&u32::to_le_bytes(id));
        }
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(top.join("a/b"), "system.posix_acl_access", &list, flags).is_err() {
            eprintln!("left out: the filesystem has no access control lists");
            return;
        }
        let error = open().unwrap_err();
        assert!(
            error.to_string().ends_with("a/b can be changed by those whom its access control list names"),
            "{error}"
        );
    }

    #[test]
    fn links_of_others_are_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path();
        std::fs::create_dir(top.join("real")).unwrap();
        symlink("real", top.join("link")).unwrap();
        if rustix::fs::chownat(
            rustix::fs::CWD,
            top.join("link"),
            Some(rustix::fs::Uid::from_raw(1000)),
            None,
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .is_err()
        {
            eprintln!("left out: it needs root");
            return;
        }
        let error = make(&top.join("link/new"), Mode::RWXU).unwrap_err();
        assert!(error.to_string().ends_with("is a symbolic link of user 1000"), "{error}");
        assert!(!top.join("real/new").exists());
    }
}

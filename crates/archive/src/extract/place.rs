//! Where entries are created: the target, its directories as found or created, and names that entries have until they
//! are complete.

use crate::ArchiveError;
use crate::directories::{Identity, identity, open_below};
use lifeboat_sys::names::link;
use lifeboat_sys::trusted::{self, OpenError};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags, StatxFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// What entries are called until they are complete: this, the number of the process, and a number.
const TEMPORARY: &str = ".lifeboat-";

/// The mode of a directory until it has its attributes: closed to others. The sticky bit has no effect in it, and marks it.
const UNFINISHED: Mode = Mode::RWXU.union(Mode::SVTX);

/// The directory that is restored into.
pub(super) struct Target {
    pub(super) root: OwnedFd,
    pub(super) path: PathBuf,
    /// The directories in which something is restored, by record.
    pub(super) directories: HashMap<usize, Directory>,
}

/// A directory of the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory {
    pub(super) identity: Identity,
    /// It existed before.
    pub(super) was_there: bool,
    /// A restore that ended early left it.
    pub(super) was_unfinished: bool,
    /// Somebody else could rename what is in it, or in one above it, before this restore.
    pub(super) is_exposed: bool,
    /// New entries inherit something from it: an ACL, inode flags, a project id.
    pub(super) passes_on: bool,
    /// It belongs to another user than the restoring one.
    pub(super) is_of_another: bool,
    /// It is new, and what is created in it has the owner and group of this process, and exactly the mode that it is created with.
    pub(super) is_plain: bool,
    /// The directory above it, or itself, that has another name until all below it is complete ([`super::staging`]).
    pub(super) group: Option<usize>,
}

impl Target {
    /// Opens it.
    ///
    /// # Errors
    /// When it is not a directory, nothing can be written there, or, except in a recovery, its path leads through a link that
    /// another user could have made.
    pub(super) fn open(path: &Path, private: bool) -> Result<Self, ArchiveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |error: Errno| ArchiveError::io("OPEN", path, error);
        let root = match private {
            true => rustix::fs::openat(rustix::fs::CWD, path, flags, Mode::empty()).map_err(failed)?,
            false => trusted::open(path).map_err(|error| match error {
                OpenError::Untrusted { .. } | OpenError::Open { .. } => {
                    ArchiveError::Untrusted { path: path.to_owned(), cause: error.to_string() }
                }
                OpenError::System { error, .. } => failed(error),
            })?,
        };
        let identity = identity(&root).map_err(failed)?;
        let status = rustix::fs::fstat(&root).map_err(failed)?;
        let is_exposed = !private && trusted::open_to_held(&root, &status).is_some();
        // Reported once, and not for each entry.
        if rustix::fs::fstatvfs(&root).is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::RDONLY)) {
            return Err(ArchiveError::io("WRITE", path, Errno::ROFS));
        }
        let top = Directory {
            identity,
            was_there: true,
            was_unfinished: false,
            is_exposed,
            passes_on: passes_on(&root),
            is_of_another: status.st_uid != rustix::process::geteuid().as_raw(),
            is_plain: false,
            group: None,
        };
        Ok(Target { root, path: path.to_owned(), directories: HashMap::from([(0, top)]) })
    }

    /// Prepares it: nobody else can change it if it is itself restored, and leftovers of earlier restores are removed.
    pub(super) fn prepare(&mut self, chosen: bool, private: bool) -> Result<(), ArchiveError> {
        if private {
            return Ok(());
        }
        let failed = |error| ArchiveError::io("OPEN", &self.path, error);
        match trusted::open_to_held(&self.root, &rustix::fs::fstat(&self.root).map_err(failed)?) {
            Some(_) if chosen => close(&self.root).map_err(|error| ArchiveError::io("CLOSE", &self.path, error))?,
            Some(who) => {
                let cause = format!("the folder can be changed by {who}");
                return Err(ArchiveError::Untrusted { path: self.path.clone(), cause });
            }
            None => {}
        }
        tidy(&self.root, false);
        Ok(())
    }

    /// Waits until everything is on the disk.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        rustix::fs::syncfs(&self.root)
    }
}

/// A directory of an archive that is to be created or found.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a OsStr,
    /// It inherits something from its parent.
    pub(super) passed_on: bool,
    /// Its parent is exposed.
    pub(super) exposed: bool,
    /// Its owner in the archive.
    pub(super) owner: u32,
    /// It is to be restored; otherwise it only leads to what is.
    pub(super) chosen: bool,
    /// If it was chosen, what is in its way may be replaced.
    pub(super) replace: bool,
    /// Nobody else writes to the target.
    pub(super) private: bool,
    /// User and group of this process.
    pub(super) own: (u32, u32),
}

/// Why a directory cannot be created or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// It leads to what was chosen, and is a link here.
    Link,
    /// It leads to what was chosen, and is not a directory here.
    NoDirectory,
    /// It leads to what was chosen, and belongs to somebody who is neither root nor the owner in the archive.
    Owner(u32),
    /// Something else exists there and may not be replaced.
    Taken,
    /// What was done, and the system's error.
    Failed(&'static str, Errno),
}

impl Blocked {
    /// For people, about the directory itself or an entry below it.
    pub(super) fn message(self, directory: &Path, itself: bool) -> String {
        let way = directory.display();
        let below = if itself { String::new() } else { format!(" {way}") };
        match self {
            Blocked::Link => {
                format!(
                    "cannot RESTORE: {way} is a symbolic link in the target; try the path it leads to, or another \
                     folder"
                )
            }
            Blocked::NoDirectory => {
                format!("cannot RESTORE: {way} is not a directory in the target; try another folder")
            }
            Blocked::Owner(owner) => format!(
                "cannot RESTORE: {way} belongs to user {owner} in the target and to another user in the archive; try \
                 another folder"
            ),
            Blocked::Taken => format!("cannot MAKE the directory{below}: something else is there"),
            Blocked::Failed(what, Errno::STALE) => format!("cannot {what}{below}: it was replaced during the restore"),
            Blocked::Failed(what, error) => format!("cannot {what}{below}: {}", std::io::Error::from(error)),
        }
    }
}

/// Creates a directory, or finds it; returns it with its descriptor. Nobody else can change what is in a chosen one until
/// it has the attributes of the archive.
pub(super) fn directory(parent: &OwnedFd, wanted: &Wanted<'_>) -> Result<(Directory, OwnedFd), Blocked> {
    let Wanted { name, chosen, .. } = *wanted;
    let failed = |what: &'static str| move |error| Blocked::Failed(what, error);
    let make = || rustix::fs::mkdirat(parent, name, UNFINISHED);
    let is_new = match make() {
        Ok(()) => true,
        Err(Errno::EXIST) => {
            let status = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
            let status = status.map_err(failed("READ the status of"))?;
            match FileType::from_raw_mode(status.st_mode) {
                FileType::Directory => false,
                FileType::Symlink if !chosen => return Err(Blocked::Link),
                _ if !chosen => return Err(Blocked::NoDirectory),
                _ if !wanted.replace => return Err(Blocked::Taken),
                _ => {
                    rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(failed("REPLACE"))?;
                    make().map_err(failed("MAKE the directory"))?;
                    true
                }
            }
        }
        Err(error) => return Err(Blocked::Failed("MAKE the directory", error)),
    };
    let opened = open_below(parent, name, OFlags::RDONLY, ResolveFlags::empty());
    let opened = opened.and_then(|fd| rustix::fs::fstat(&fd).map(|status| (fd, status)));
    let (fd, status) = opened.map_err(failed("OPEN the directory"))?;
    let identity = (status.st_dev, status.st_ino);
    let own = wanted.own.0;
    let was_unfinished = !is_new && is_unfinished(&status);
    let found = Directory {
        identity,
        was_there: !is_new,
        was_unfinished,
        is_exposed: false,
        passes_on: false,
        is_of_another: false,
        is_plain: false,
        group: None,
    };
    if is_new {
        // The owner of the parent could have given its name to another one since.
        let is_other = || status.st_uid != own || status.st_mode & 0o777 != 0o700 || is_older(&fd);
        if !wanted.private && is_other() {
            return Err(Blocked::Failed("OPEN the directory", Errno::STALE));
        }
        if wanted.passed_on {
            super::attributes::forget_inherited(&fd, true);
        }
        // A new file gets the group of its directory or that of the process (open(2), "O_CREAT"); here they are the same.
        let is_plain = (status.st_uid, status.st_gid) == wanted.own && lifeboat_sys::inode::keeps_modes(&fd);
        return Ok((Directory { is_exposed: wanted.exposed, is_plain, ..found }, fd));
    }
    let is_open = !wanted.private && trusted::open_to_held(&fd, &status).is_some();
    if !wanted.private {
        if !chosen && ![0, own, wanted.owner].contains(&status.st_uid) {
            return Err(Blocked::Owner(status.st_uid));
        }
        // Its name could have been given to somebody else's directory.
        if chosen && wanted.exposed && status.st_uid != wanted.owner && !was_unfinished {
            return Err(Blocked::Owner(status.st_uid));
        }
        if chosen && is_open {
            close(&fd).map_err(failed("CLOSE the directory, which others can write to,"))?;
        }
    }
    let is_exposed = !wanted.private && (wanted.exposed || is_open);
    let passes_on = !wanted.private && passes_on(&fd);
    Ok((Directory { is_exposed, passes_on, is_of_another: status.st_uid != own, ..found }, fd))
}

/// How much older than the beginning an entry must be to count as older: clocks of filesystems tick slowly, and clocks are set.
const OLDER: Duration = Duration::from_secs(60);

/// True for an entry that was there before this process restored anything: it was exchanged for one that was just made. Where the
/// filesystem does not know when an entry was made, nobody can say.
fn is_older(entry: &OwnedFd) -> bool {
    static BEGAN: OnceLock<SystemTime> = OnceLock::new();
    let began = *BEGAN.get_or_init(SystemTime::now);
    let Ok(status) = rustix::fs::statx(entry, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME) else { return false };
    if !StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::BTIME) {
        return false;
    }
    let Ok(seconds) = u64::try_from(status.stx_btime.tv_sec) else { return false };
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + OLDER < began
}

/// Reports whether an entry was just made by this process: it is not older than that, and not `known` for another one that was made.
pub(super) fn is_new(entry: &OwnedFd, known: &mut HashSet<Identity>) -> bool {
    !is_older(entry) && identity(entry).is_ok_and(|identity| known.insert(identity))
}

/// Takes a directory over until it has the attributes of the archive.
fn close(directory: &OwnedFd) -> Result<(), Errno> {
    rustix::fs::fchown(directory, Some(rustix::process::geteuid()), Some(rustix::process::getegid()))?;
    // The group's bits are the mask of an ACL, so nobody named in it gets in either (acl(5)).
    rustix::fs::fchmod(directory, UNFINISHED)
}

/// Reports whether a restore that ended early left a directory without its attributes.
pub(super) fn is_unfinished(status: &Stat) -> bool {
    // A directory gets set-gid from the one that it is in (inode(7)).
    status.st_uid == rustix::process::geteuid().as_raw() && status.st_mode & 0o5777 == UNFINISHED.as_raw_mode()
}

/// Reports whether new entries of a directory inherit something from it.
fn passes_on(directory: &OwnedFd) -> bool {
    let mut nothing = [0_u8; 0];
    rustix::fs::fgetxattr(directory, "system.posix_acl_default", &mut nothing).is_ok()
        || lifeboat_sys::inode::flags(directory).is_ok_and(|flags| flags & lifeboat_sys::inode::SETTABLE != 0)
}

/// Removes leftovers of restores that ended early; directories among them only from one that was `unfinished`: a restore makes them in no other, and elsewhere
/// somebody may have given a directory such a name.
pub(super) fn tidy(directory: &OwnedFd, unfinished: bool) {
    let Ok(entries) = Dir::read_from(directory) else { return };
    let names: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.file_name().to_owned()).collect();
    for name in names.iter().filter(|name| is_left_over(name.to_bytes())) {
        if rustix::fs::unlinkat(directory, name.as_c_str(), AtFlags::empty()) == Err(Errno::ISDIR) && unfinished {
            let _ = remove_left_over(directory, OsStr::from_bytes(name.to_bytes()));
        }
    }
}

/// Removes a directory with all that is below it, if it is as this process would have made it: any other one of such a name belongs to somebody.
fn remove_left_over(directory: &OwnedFd, name: &OsStr) -> std::io::Result<()> {
    let fd = open_below(directory, name, OFlags::RDONLY, ResolveFlags::NO_XDEV)?;
    let status = rustix::fs::fstat(&fd)?;
    if status.st_uid != rustix::process::geteuid().as_raw() || status.st_mode & 0o777 != 0o700 {
        return Ok(());
    }
    let beside = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
    // It follows no links (std::fs::remove_dir_all, "Platform-specific behavior").
    std::fs::remove_dir_all(beside.join(name))
}

/// Reports whether a name is that of an incomplete entry of a process that no longer exists.
fn is_left_over(name: &[u8]) -> bool {
    let numbers = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix(TEMPORARY)?.split_once('-'));
    let Some((process, number)) = numbers else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let process = process.parse().ok().filter(|_| is_number(process) && is_number(number));
    let process = process.and_then(rustix::process::Pid::from_raw);
    process.is_some_and(|process| rustix::process::test_kill_process(process) == Err(Errno::SRCH))
}

/// Where an entry was created: under its name, or under another one or none until it is complete.
pub(super) struct Put {
    name: OsString,
    at: At,
}

/// The name that an entry has now.
enum At {
    Name,
    Temporary(OsString),
    /// None; whether it may replace what is there.
    Unnamed {
        replaces: bool,
    },
}

impl Put {
    /// The name that it has now.
    pub(super) fn name(&self) -> &OsStr {
        match &self.at {
            At::Temporary(temporary) => temporary,
            At::Name | At::Unnamed { .. } => &self.name,
        }
    }

    /// Gives a file its name, replacing what was there.
    pub(super) fn name_it(self, parent: &OwnedFd, file: &OwnedFd) -> Result<(), Errno> {
        let At::Unnamed { replaces } = self.at else { return self.rename(parent) };
        match link(file, parent, &self.name) {
            // Something has that name, and only rename(2) replaces.
            Err(Errno::EXIST) if replaces => {
                put(&self.name, Naming::Complete, |name| link(file, parent, name))?.0.rename(parent)
            }
            linked => linked,
        }
    }

    /// Gives it its name, replacing what was there.
    pub(super) fn rename(self, parent: &OwnedFd) -> Result<(), Errno> {
        let At::Temporary(temporary) = self.at else { return Ok(()) };
        let rename = || rustix::fs::renameat(parent, &temporary, parent, &self.name);
        let result = match rename() {
            Ok(()) => Ok(()),
            // A directory is in the way; an empty one can be replaced as well.
            Err(Errno::ISDIR) => rustix::fs::unlinkat(parent, &self.name, AtFlags::REMOVEDIR).and_then(|()| rename()),
            result => result,
        };
        if result.is_err() {
            let _ = rustix::fs::unlinkat(parent, &temporary, AtFlags::empty());
        }
        result
    }

    /// Like [`Put::rename`], for one more name of an inode: of two links to one inode rename(2) removes neither.
    pub(super) fn rename_link(self, parent: &OwnedFd) -> Result<(), Errno> {
        let At::Temporary(temporary) = &self.at else { return self.rename(parent) };
        let temporary = temporary.clone();
        let result = self.rename(parent);
        let _ = rustix::fs::unlinkat(parent, &temporary, AtFlags::empty());
        result
    }

    /// Removes what is not complete.
    pub(super) fn remove(self, parent: &OwnedFd) {
        if !matches!(self.at, At::Unnamed { .. }) {
            let _ = rustix::fs::unlinkat(parent, self.name(), AtFlags::empty());
        }
    }
}

/// A file without a name in a directory: when its process ends, nothing of it is left. `None` where the filesystem has no such files.
pub(super) fn unnamed(parent: &OwnedFd, name: &OsStr, mode: Mode, replaces: bool) -> Option<(Put, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, ".", flags, mode).ok()?;
    Some((Put { name: name.to_owned(), at: At::Unnamed { replaces } }, file))
}

/// How an entry gets its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// At once; if something exists there, it cannot be created.
    New,
    /// At once; if something exists there, the complete entry replaces it.
    Replace,
    /// When it is complete, so that nobody ever sees half of it.
    Complete,
}

/// A name that no other entry of this process has.
pub(super) fn temporary_name() -> OsString {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PROCESS: OnceLock<u32> = OnceLock::new();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = PROCESS.get_or_init(std::process::id);
    OsString::from(format!("{TEMPORARY}{process}-{number}"))
}

/// Creates an entry with `make`, which gets the name; returns it with the result of `make`.
pub(super) fn put<T>(
    name: &OsStr,
    naming: Naming,
    make: impl Fn(&OsStr) -> Result<T, Errno>,
) -> Result<(Put, T), Errno> {
    if naming != Naming::Complete {
        match make(name) {
            Ok(made) => return Ok((Put { name: name.to_owned(), at: At::Name }, made)),
            Err(Errno::EXIST) if naming == Naming::Replace => {}
            Err(error) => return Err(error),
        }
    }
    loop {
        let temporary = temporary_name();
        match make(&temporary) {
            Ok(made) => return Ok((Put { name: name.to_owned(), at: At::Temporary(temporary) }, made)),
            // Left by a process with the same number.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_dead_processes_left_is_left_over() {
        // Larger than any process number (PID_MAX_LIMIT, proc_sys_kernel(5)).
        assert!(is_left_over(b".lifeboat-4194305-0"));
        let own = format!(".lifeboat-{}-7", std::process::id());
        for name in [
            own.as_bytes(),
            b".lifeboat-1-0",
            b".lifeboat-4194305-",
            b".lifeboat--1",
            b".lifeboat-4194305-x",
            b".lifeboat",
        ] {
            assert!(!is_left_over(name), "{}", String::from_utf8_lossy(name));
        }
        assert!(!is_left_over(b".lifeboat-+4194305-0") && !is_left_over(b"lifeboat-4194305-0"));
    }
}

//! Mounting, unmounting, and the mount table (proc_pid_mountinfo(5)).

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::OpenTreeFlags;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Why a mount failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {source}")]
pub struct MountError {
    /// `MOUNT` or `UNMOUNT`.
    pub action: &'static str,
    /// The mount point.
    pub path: PathBuf,
    /// The system's error.
    pub source: std::io::Error,
}

/// One line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountInfo {
    /// Mount id.
    pub id: u32,
    /// Id of the mount that it is on.
    pub parent: u32,
    /// `major:minor` of the filesystem as st_dev shows it.
    pub device: (u32, u32),
    /// Directory of the filesystem that is the root of this mount.
    pub root: PathBuf,
    /// Mount point.
    pub mount_point: PathBuf,
    /// Per-mount options.
    pub options: String,
    /// Filesystem type.
    pub kind: String,
    /// Source, e.g. `/dev/sda1`.
    pub source: OsString,
    /// Per-superblock options.
    pub super_options: String,
}

/// Mounts `source` at `target` with mount(2).
///
/// `options` are the filesystem's own ("subvol=@,compress=zstd"); flags such as `ro`, `nosuid`, `noatime` are translated.
///
/// # Errors
/// [`MountError`] with the system's error.
pub fn mount(source: impl AsRef<Path>, target: &Path, kind: &str, options: &[&str]) -> Result<(), MountError> {
    use rustix::mount::MountFlags;
    let mut flags = MountFlags::empty();
    let mut data = Vec::new();
    for option in options {
        match *option {
            "ro" => flags |= MountFlags::RDONLY,
            "rw" | "defaults" => {}
            "nosuid" => flags |= MountFlags::NOSUID,
            "nodev" => flags |= MountFlags::NODEV,
            "noexec" => flags |= MountFlags::NOEXEC,
            "noatime" => flags |= MountFlags::NOATIME,
            "nodiratime" => flags |= MountFlags::NODIRATIME,
            "relatime" => flags |= MountFlags::RELATIME,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            "bind" => flags |= MountFlags::BIND,
            "rbind" => flags |= MountFlags::BIND | MountFlags::REC,
            "sync" => flags |= MountFlags::SYNCHRONOUS,
            "dirsync" => flags |= MountFlags::DIRSYNC,
            "lazytime" => flags |= MountFlags::LAZYTIME,
            "silent" => flags |= MountFlags::SILENT,
            other => data.push(other),
        }
    }
    let data = std::ffi::CString::new(data.join(",")).unwrap_or_default();
    let data = (!data.as_bytes().is_empty()).then_some(data.as_c_str());
    rustix::mount::mount(source.as_ref(), target, kind, flags, data).map_err(|errno| MountError {
        action: "MOUNT",
        path: target.to_owned(),
        source: errno.into(),
    })
}

/// Moves a mount to another place (mount(2), MS_MOVE).
///
/// # Errors
/// [`MountError`] with the system's error.
pub fn move_mount(from: &Path, to: &Path) -> Result<(), MountError> {
    rustix::mount::mount_move(from, to).map_err(|errno| MountError {
        action: "MOUNT",
        path: to.to_owned(),
        source: errno.into(),
    })
}

/// Unmounts what is mounted at `target`, without detaching it lazily, so that an error reports open files.
///
/// # Errors
/// [`MountError`] with the system's error.
pub fn unmount(target: &Path) -> Result<(), MountError> {
    rustix::mount::unmount(target, rustix::mount::UnmountFlags::NOFOLLOW).map_err(|errno| MountError {
        action: "UNMOUNT",
        path: target.to_owned(),
        source: errno.into(),
    })
}

/// Unmounts everything at and below `directory`, last mounted first.
///
/// # Errors
/// The first [`MountError`]; the others are tried anyway.
pub fn unmount_below(directory: &Path) -> Result<(), MountError> {
    let mut first = Ok(());
    for mount in table().unwrap_or_default().iter().rev().filter(|m| m.mount_point.starts_with(directory)) {
        let result = unmount(&mount.mount_point);
        if first.is_ok() {
            first = result;
        }
    }
    first
}

/// A private copy of the filesystem that `directory` is on, as seen from there, without other mounts: what is
/// under other mounts is visible (open_tree(2), Linux 5.2).
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, EINVAL for an unbindable mount, ENOSYS on old kernels.
pub fn without_mounts(directory: impl AsFd) -> Result<OwnedFd, Errno> {
    let copy = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = rustix::mount::open_tree(directory, "", copy)?;
    // The descriptor is O_PATH; reading needs a real one.
    rustix::fs::openat(&tree, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// A filesystem that is mounted nowhere: it is reached through the descriptor alone, nobody else sees it, and the kernel lets go of
/// it when the last descriptor is closed, by a process that is killed, too (fsopen(2), fsmount(2), Linux 5.2). `options` as for
/// [`mount`]; of the flags only `ro` counts, the others are set: nothing on it runs, gives privileges or is a device.
///
/// # Errors
/// [`MountError`], with what the filesystem itself says about it.
pub fn detached(source: &Path, kind: &str, options: &[&str]) -> Result<OwnedFd, MountError> {
    use rustix::mount as fs;
    let failed = |errno: Errno, context: Option<&OwnedFd>| {
        let said = context.map(messages).unwrap_or_default();
        let cause = std::io::Error::from(errno);
        let source_error = if said.is_empty() { cause } else { std::io::Error::other(format!("{cause}: {said}")) };
        MountError { action: "MOUNT", path: source.to_owned(), source: source_error }
    };
    let context = fs::fsopen(kind, fs::FsOpenFlags::FSOPEN_CLOEXEC).map_err(|errno| failed(errno, None))?;
    let set = |option: &str| match option.split_once('=') {
        Some((key, value)) => fs::fsconfig_set_string(&context, key, value),
        None => fs::fsconfig_set_flag(&context, option),
    };
    fs::fsconfig_set_string(&context, "source", source).map_err(|errno| failed(errno, Some(&context)))?;
    for option in options {
        set(option).map_err(|errno| failed(errno, Some(&context)))?;
    }
    fs::fsconfig_create(&context).map_err(|errno| failed(errno, Some(&context)))?;
    let mut attributes = fs::MountAttrFlags::MOUNT_ATTR_NOSUID
        | fs::MountAttrFlags::MOUNT_ATTR_NODEV
        | fs::MountAttrFlags::MOUNT_ATTR_NOEXEC
        | fs::MountAttrFlags::MOUNT_ATTR_NOATIME;
    if options.contains(&"ro") {
        attributes |= fs::MountAttrFlags::MOUNT_ATTR_RDONLY;
    }
    fs::fsmount(&context, fs::FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(|errno| failed(errno, Some(&context)))
}

/// What the kernel says about a failed mount: each read gives one message, such as `e ext4: …`.
fn messages(context: &OwnedFd) -> String {
    /// More than any filesystem says.
    const MOST: usize = 16;
    let mut found = vec![];
    let mut buffer = [0_u8; 1024];
    while found.len() < MOST {
        let Ok(length @ 1..) = rustix::io::read(context, &mut buffer) else { break };
        let text = String::from_utf8_lossy(&buffer[..length]).trim().to_owned();
        found.push(text.strip_prefix("e ").map_or(text.clone(), str::to_owned));
    }
    found.join("; ")
}

/// How many entries the directory below the mount on `mount_point` has. `None` where that cannot be seen.
pub fn entries_under(mount_point: &Path) -> Option<usize> {
    let parent = std::fs::File::open(mount_point.parent()?).ok()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let under =
        rustix::fs::openat(without_mounts(&parent).ok()?, mount_point.file_name()?, flags, Mode::empty()).ok()?;
    let entries = rustix::fs::Dir::read_from(&under).ok()?;
    let names = entries.filter_map(Result::ok).filter(|entry| !matches!(entry.file_name().to_bytes(), b"." | b".."));
    Some(names.count())
}

/// The mount table of this process.
///
/// # Errors
/// When /proc is not mounted.
pub fn table() -> std::io::Result<Vec<MountInfo>> {
    Ok(parse_mountinfo(&std::fs::read("/proc/self/mountinfo")?))
}

/// Files on a foreign filesystem do not run, give no privileges and are not devices.
pub const HARMLESS: [&str; 3] = ["nosuid", "nodev", "noexec"];

/// Ways to mount a filesystem of a type that leave its device unchanged, the best one first: the kernel replays a journal
/// for a read-only mount, too (ext4(5), xfs(5), btrfs(5)). XFS refuses a second filesystem with one UUID unless it is
/// asked not to check.
pub fn read_only_options(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "ext3" | "ext4" => &[&["ro", "noload"]],
        "xfs" => &[&["ro", "norecovery", "nouuid"]],
        // `rescue=` came with Linux 5.9, and what it replaced was removed later.
        "btrfs" => &[&["ro", "rescue=nologreplay"], &["ro", "nologreplay"]],
        _ => &[&["ro"]],
    }
}

/// Reads mountinfo text; lines that do not have the documented form are left out.
pub fn parse_mountinfo(text: &[u8]) -> Vec<MountInfo> {
    text.split(|b| *b == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<MountInfo> {
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let separator = fields.iter().position(|field| *field == b"-")?;
    if separator < 6 || fields.len() < separator + 4 {
        return None;
    }
    let text = |index: usize| std::str::from_utf8(fields[index]).ok();
    let (major, minor) = text(2)?.split_once(':')?;
    Some(MountInfo {
        id: text(0)?.parse().ok()?,
        parent: text(1)?.parse().ok()?,
        device: (major.parse().ok()?, minor.parse().ok()?),
        root: PathBuf::from(unescape(fields[3])),
        mount_point: PathBuf::from(unescape(fields[4])),
        options: text(5)?.to_owned(),
        kind: text(separator + 1)?.to_owned(),
        source: unescape(fields[separator + 2]),
        super_options: String::from_utf8_lossy(fields[separator + 3]).into_owned(),
    })
}

/// Undoes the `\040` escapes of the mount table.
pub fn unescape(field: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(field.len());
    let mut i = 0;
    while i < field.len() {
        let octal = (field[i] == b'\\')
            .then(|| field.get(i + 1..i + 4))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                i += 4;
            }
            None => {
                out.push(field[i]);
                i += 1;
            }
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_with_blanks_and_optional_fields() {
        let text =
            b"36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\nnonsense\n";
        let table = parse_mountinfo(text);
        assert_eq!(table.len(), 1);
        assert_eq!(table[0].mount_point, Path::new("/mnt 2"));
        assert_eq!(table[0].device, (98, 0));
        assert_eq!(table[0].kind, "ext3");
        assert_eq!(table[0].super_options, "rw,errors=continue");
    }

    #[test]
    fn the_running_table_has_a_root() {
        assert!(table().unwrap().iter().any(|mount| mount.mount_point == Path::new("/")));
    }
}

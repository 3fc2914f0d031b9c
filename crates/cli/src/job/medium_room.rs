//! Room for a medium in the making, known before the first byte is written: the folder for temporary files is chosen by it, and what
//! fits nowhere is refused with figures.

use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use lifeboat_machine::bytes::human;
use lifeboat_sys::mount::MountInfo;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where temporary files go by default: it survives a boot, and is not a tmpfs (file-hierarchy(7)).
pub const DEFAULT: &str = "/var/tmp";
/// What is left on the filesystem of the running system: its services must be able to go on writing.
const RESERVE: u64 = 256 << 20;
/// With so little left there, the work is aborted.
const LAST: u64 = RESERVE / 4;
/// How often to check: the fastest disks of today write some 5 GB a second, usual ones less than [`LAST`] in this time.
const LOOK: Duration = Duration::from_millis(50);
/// What a rescue system takes while it is built: its files unpacked, and its images. Estimated, with room to spare: 0.5 GiB without firmware, 0.9 with all
/// of Debian's.
const RESCUE_SYSTEM: u64 = 1 << 30;
const WITHOUT_FIRMWARE: u64 = 640 << 20;
/// What a signed medium takes in addition: kernel and initramfs in one program, and the partition that holds it; the image has it again.
const SIGNED: u64 = 512 << 20;
/// The least that an image has beside its archive; its true size is known when the rescue system is built.
const IMAGE: u64 = 64 << 20;
/// What an entry costs in a repository, including its share of the index.
const ENTRY: u64 = 512;

/// The most that will be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The archive on the medium.
    pub archive: u64,
    /// What of it is in the folder for temporary files at once.
    pub staged: u64,
    /// While the rescue system is built.
    pub rescue_system: u64,
    /// For the signed program, in both places.
    pub signed: u64,
}

impl Need {
    /// With an archive of this size.
    pub fn new(archive: u64, firmware: bool, signed: bool) -> Need {
        let rescue_system = if firmware { RESCUE_SYSTEM } else { WITHOUT_FIRMWARE };
        Need { archive, staged: archive, rescue_system, signed: if signed { SIGNED } else { 0 } }
    }

    /// The same, when so much of the archive is in the folder for temporary files at once.
    pub fn staging(self, staged: u64) -> Need {
        Need { staged, ..self }
    }

    /// In the folder for temporary files.
    pub fn work(self) -> u64 {
        self.staged.saturating_add(self.rescue_system).saturating_add(self.signed)
    }

    /// At the image's place.
    pub fn image(self) -> u64 {
        self.archive.saturating_add(IMAGE).saturating_add(self.signed / 2)
    }
}

/// A filesystem and its spare room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Space {
    device: u64,
    free: u64,
}

/// The spare room at a folder; nothing is taken from the running system's reserve.
fn space(folder: &Path) -> std::io::Result<Space> {
    let device = std::fs::metadata(folder)?.dev();
    let filesystem = rustix::fs::statvfs(folder)?;
    let free = filesystem.f_bavail.saturating_mul(filesystem.f_frsize);
    let running = std::fs::metadata("/").is_ok_and(|root| root.dev() == device);
    Ok(Space { device, free: free.saturating_sub(if running { RESERVE } else { 0 }) })
}

/// The spare room at a folder, for people.
pub fn spare(folder: &Path) -> Option<u64> {
    space(folder).ok().map(|space| space.free)
}

/// Whether everything fits, when temporary files go to `work` and the image to `out`.
fn fits(need: Need, work: Space, out: Space) -> bool {
    if work.device == out.device {
        return need.work().saturating_add(need.image()) <= work.free;
    }
    need.work() <= work.free && need.image() <= out.free
}

/// Where temporary files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub folder: PathBuf,
    /// What a person should know: it fits only if the archive can be compressed.
    pub doubt: Option<String>,
}

/// The folder for temporary files: what `--work-dir` names, else /var/tmp, else the folder of the image, where that has room. Files
/// mostly shrink to half or less: where all of it would not fit, but half would, it is tried, with a warning.
///
/// # Errors
/// When it fits nowhere, with the figures.
pub fn work_folder(named: Option<&Path>, out_folder: &Path, need: Need) -> Result<Place, CommandError> {
    let at = |folder: &Path| {
        space(folder)
            .map_err(|error| CommandError::new(Kind::Failed, format!("cannot USE {}: {error}", folder.display())))
    };
    let out = at(out_folder)?;
    let mut candidates = vec![];
    let mut theirs = String::new();
    match named {
        Some(folder) => {
            guarded::refuse_folder("--work-dir", folder)?;
            candidates.push((folder, at(folder).map_err(|error| error.hint("--work-dir DIR"))?));
        }
        None => {
            candidates.extend(at(Path::new(DEFAULT)).ok().map(|space| (Path::new(DEFAULT), space)));
            // Keys and what is sealed go through it.
            match guarded::open_folder(out_folder) {
                None => candidates.push((out_folder, out)),
                Some(why) => theirs = format!(" (temporary files do not go there: {why})"),
            }
        }
    }
    let mut figures: Vec<String> =
        candidates.iter().map(|(folder, space)| format!("{} has {}", folder.display(), human(space.free))).collect();
    if !candidates.iter().any(|(folder, _)| *folder == out_folder) {
        figures.push(format!("{} has {}{theirs}", out_folder.display(), human(out.free)));
    }
    let text = format!(
        "the medium: it may take up to {} for temporary files and {} for the image in {}; {} to spare",
        human(need.work()),
        human(need.image()),
        out_folder.display(),
        figures.join(" and "),
    );
    let compressed = Need { archive: need.archive / 2, staged: need.staged.min(need.archive / 2), ..need };
    for (need, doubt) in [(need, None), (compressed, Some(&text))] {
        if let Some((folder, _)) = candidates.iter().find(|(_, work)| fits(need, *work, out)) {
            return Ok(Place { folder: (*folder).to_owned(), doubt: doubt.cloned() });
        }
    }
    Err(CommandError::new(Kind::Failed, format!("cannot MAKE {text}; nothing was written")).hint(
        "--work-dir DIR on a disk with more room, --out on another disk, or --exclude PATH for what you do not need",
    ))
}

/// While this lives, this program cannot fill the filesystem of the running system.
#[derive(Debug)]
pub struct Guard(Option<(Sender<()>, JoinHandle<()>)>);

impl Guard {
    /// Watches what is written to these folders, as far as they are on the running system's own filesystem. When nearly
    /// nothing is left there, all that was created is removed and the program ends with 1.
    pub fn watch(folders: &[&Path], json: bool) -> Guard {
        let root = std::fs::metadata("/").map(|root| root.dev());
        let running = |folder: &&&Path| matches!((&root, std::fs::metadata(folder)), (Ok(root), Ok(folder)) if *root == folder.dev());
        let Some(folder) = folders.iter().find(running).map(|folder| folder.to_path_buf()) else { return Guard(None) };
        let (stop, stopped) = channel();
        let watching = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
                if left(&folder).is_some_and(|left| left < LAST) {
                    end(&folder, json);
                }
            }
        };
        Guard(Some((stop, std::thread::spawn(watching))))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((stop, watching)) = self.0.take() {
            drop(stop);
            // It ends at once; it prints any message itself.
            let _ = watching.join();
        }
    }
}

/// What is left on a filesystem for everybody.
fn left(folder: &Path) -> Option<u64> {
    let filesystem = rustix::fs::statvfs(folder).ok()?;
    Some(filesystem.f_bavail.saturating_mul(filesystem.f_frsize))
}

fn end(folder: &Path, json: bool) -> ! {
    lifeboat_sys::ending::take_away();
    let text = format!(
        "cannot MAKE the medium: only {} are left in {}, on the disk that this machine runs on; unfinished files were \
         removed",
        human(LAST),
        folder.display()
    );
    CommandError::new(Kind::Failed, text).hint("--work-dir DIR on another disk with more room").print(json);
    std::process::exit(Kind::Failed.code().into())
}

/// Refuses to write `bytes` more to a folder that has no room for them.
pub fn check(folder: &Path, bytes: u64, what: &str) -> CommandResult {
    let Ok(space) = space(folder) else { return Ok(()) };
    if bytes <= space.free {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Failed,
        format!(
            "cannot WRITE {what}: it takes {}, but {} has {} free",
            human(bytes),
            folder.display(),
            human(space.free)
        ),
    )
    .hint("--out on a disk with more room"))
}

/// The most that files below these roots take in a repository. Holes are not counted, hard links once, excluded paths (of the
/// archive) not at all. What is mounted below a root is not even looked at: the server of a network filesystem may be gone, and
/// a look at its mount point would never come back.
pub fn of_files(sysroot: &Path, roots: &[PathBuf], is_out: &dyn Fn(&Path) -> bool) -> u64 {
    let sysroot = &std::fs::canonicalize(sysroot).unwrap_or_else(|_| sysroot.to_owned());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(top) = rustix::fs::openat(rustix::fs::CWD, sysroot, flags, Mode::empty()) else { return 0 };
    let table = lifeboat_sys::mount::table().unwrap_or_default();
    let inside = |mount: &MountInfo| Some(Path::new("/").join(mount.mount_point.strip_prefix(sysroot).ok()?));
    let mounted: HashSet<PathBuf> = table.iter().filter_map(inside).collect();
    let mut seen = HashSet::new();
    let mut sum = 0_u64;
    for root in roots {
        let outside = |inside: &Path| sysroot.join(inside.strip_prefix("/").unwrap_or(inside));
        let Ok(device) = std::fs::symlink_metadata(outside(root)).map(|metadata| metadata.dev()) else { continue };
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            if is_out(&folder) {
                continue;
            }
            // What cannot be read is not saved either; the backup reports it.
            let Some(directory) = opened(&top, &folder) else { continue };
            let Ok(entries) = Dir::read_from(&directory) else { continue };
            for entry in entries.flatten() {
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name == "." || name == ".." {
                    continue;
                }
                let path = folder.join(name);
                if mounted.contains(&path) {
                    continue;
                }
                let Ok(status) = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                if status.st_dev != device || is_out(&path) {
                    continue;
                }
                sum = sum.saturating_add(ENTRY);
                let kind = FileType::from_raw_mode(status.st_mode);
                if kind == FileType::Directory {
                    folders.push(path);
                } else if kind == FileType::RegularFile
                    && (status.st_nlink == 1 || seen.insert((device, status.st_ino)))
                {
                    let allocated = u64::try_from(status.st_blocks).unwrap_or(0).saturating_mul(512);
                    sum = sum.saturating_add(u64::try_from(status.st_size).unwrap_or(0).min(allocated));
                }
            }
        }
    }
    // Encryption, pack headers, the index.
    sum.saturating_add(sum / 64)
}

/// A folder of what is measured. A link that was swapped in for a part of its path leads nowhere.
fn opened(top: &OwnedFd, folder: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let inside = Path::new(".").join(folder.strip_prefix("/").unwrap_or(folder));
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(top, &inside, flags, Mode::empty(), resolve).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_filesystem_must_hold_both() {
        let need = Need { archive: 100 << 20, staged: 100 << 20, rescue_system: 50 << 20, signed: 0 };
        let here = |free: u64| Space { device: 1, free: free << 20 };
        let there = |free: u64| Space { device: 2, free: free << 20 };
        assert!(fits(need, here(150), there(164)));
        assert!(!fits(need, here(149), there(164)));
        assert!(!fits(need, here(150), there(163)));
        assert!(fits(need, here(314), here(314)));
        assert!(!fits(need, here(313), here(313)));
        let signed = Need { signed: 40 << 20, ..need };
        assert!(fits(signed, here(190), there(184)));
        assert!(!fits(signed, here(189), there(184)) && !fits(signed, here(190), there(183)));
        let set = need.staging(10 << 20);
        assert!(
            fits(set, here(60), there(164)) && !fits(set, here(59), there(164)) && !fits(set, here(60), there(163))
        );
        assert!(!fits(
            Need { archive: u64::MAX, staged: u64::MAX, rescue_system: u64::MAX, signed: 0 },
            here(1),
            there(1)
        ));
    }

    #[test]
    fn what_fits_nowhere_is_refused_with_figures() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let small = Need { archive: 1, staged: 1, rescue_system: 1, signed: 0 };
        let place = work_folder(Some(folder.path()), folder.path(), small).unwrap();
        assert_eq!(place, Place { folder: folder.path().to_owned(), doubt: None });
        // All of it would not fit, but what compression leaves may.
        let free = space(folder.path()).unwrap().free;
        let large = Need { archive: free / 4 * 3, staged: free / 4 * 3, rescue_system: 1, signed: 0 };
        let doubt = work_folder(Some(folder.path()), folder.path(), large).unwrap().doubt.unwrap();
        assert!(doubt.starts_with("the medium: it may take up to ") && doubt.contains(" has "), "{doubt}");
        let error = work_folder(None, folder.path(), Need::new(1 << 60, true, false)).unwrap_err();
        let text = error.error.to_string();
        assert!(text.starts_with("cannot MAKE the medium: it may take up to "), "{text}");
        assert!(
            text.contains("/var/tmp has ") && text.contains(&format!("{} has ", folder.path().display())),
            "{text}"
        );
        assert!(error.hints[0].contains("--work-dir"));
        assert!(work_folder(Some(Path::new("/nowhere")), folder.path(), small).is_err());
        // Its room does not count where others can change it, and the message says why.
        let shared = folder.path().join("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = work_folder(None, &shared, Need::new(1 << 60, true, false)).unwrap_err();
        let why = format!("(temporary files do not go there: {} can be changed by everybody)", shared.display());
        assert!(error.text().contains(&why), "{}", error.text());
        assert!(check(folder.path(), 1, "x").is_ok());
        assert!(check(folder.path(), u64::MAX, "x.iso").unwrap_err().error.to_string().contains("cannot WRITE x.iso"));
    }

    #[test]
    fn holes_links_and_exclusions_cost_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        put("a/file", &[1; 1 << 20]);
        let roots = [PathBuf::from("/")];
        let none = |_: &Path| false;
        let one = of_files(dir.path(), &roots, &none);
        assert!((1 << 20..1_100_000).contains(&one), "{one}");
        std::fs::hard_link(dir.path().join("a/file"), dir.path().join("a/again")).unwrap();
        let hole = std::fs::File::create(dir.path().join("a/hole")).unwrap();
        hole.set_len(1 << 40).unwrap();
        put("skipped/big", &[2; 1 << 20]);
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        let more = of_files(dir.path(), &roots, &|path: &Path| path == Path::new("/skipped"));
        assert!(more < one + 10 * ENTRY, "{more}");
        assert!(of_files(dir.path(), &roots, &none) > one + (1 << 20));
        assert_eq!(of_files(dir.path(), &[PathBuf::from("/none")], &none), 0);
    }
}

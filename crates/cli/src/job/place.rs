//! The place of a repository that is written: whether one exists, may be created there, and would be lost with
//! the machine.

use crate::config::Config;
use crate::error::{CommandError, Kind};
use crate::job::stream::{self, StreamPlace};
use lifeboat_archive::Place;
use lifeboat_machine::Machine;
use lifeboat_machine::bytes::printable;
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_remote::Address;
use lifeboat_restore::{Stick, stream_name};
use lifeboat_sys::mount::MountInfo;
use lifeboat_sys::tape::TapeName;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What a backup may do when there is no repository.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Making {
    /// Create one.
    pub init: bool,
    /// Create it even on a filesystem that is being backed up.
    pub own_disk: bool,
}

/// Reports whether there is a repository at a place.
///
/// # Errors
/// When the place cannot be accessed: a folder that may not be entered does not count as one without a repository.
pub fn is_repository(place: &Place) -> Result<bool, CommandError> {
    if let Some(folder) = place.folder() {
        for part in ["config", "keys"] {
            match std::fs::metadata(folder.join(part)) {
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    let text = format!("cannot OPEN the repository {}: {error}", folder.display());
                    return Err(CommandError::new(Kind::Failed, text));
                }
                _ => {}
            }
        }
    }
    Ok(place.is_repository()?)
}

/// A place as the record has it: absolute, where it is a folder or files.
pub fn shown(place: &str) -> String {
    let absolute =
        |path: &str| std::path::absolute(path).map_or_else(|_| path.to_owned(), |path| path.display().to_string());
    match place.strip_prefix(stream::PREFIX) {
        Some("-") => place.to_owned(),
        Some(files) => format!("{}{}", stream::PREFIX, absolute(files)),
        None if is_no_path(place) => place.to_owned(),
        None => absolute(place),
    }
}

/// A place that is named otherwise than by its path.
fn is_no_path(place: &str) -> bool {
    Address::is_meant(place)
        || OnDisk::is_meant(place)
        || TapeName::is_meant(place)
        || Stick::is_meant(place)
        || stream_name::discs(place).is_some()
}

/// The folder that the configured archive is in: a disk that is mounted for it alone is no part of the machine. `None` where none is
/// configured, or it is on a server, a tape or a pipe.
pub fn configured_folder(config: &Config) -> Option<PathBuf> {
    let text = config.repository.as_ref()?.display().to_string();
    match StreamPlace::parse(&text) {
        Ok(Some(stream)) => stream.folder().map(Path::to_owned),
        Ok(None) if is_no_path(&text) => None,
        Ok(None) => Some(text.into()),
        Err(_) => None,
    }
}

/// Asks before creating a repository where there is none, or refuses. One created silently in an empty mount point would take every
/// later backup, and nothing would leave the machine.
///
/// # Errors
/// Kind `Refused`, with what to look at and how to ask for it.
pub fn may_be_made(place: &Place, saved: Option<&Path>, making: Making) -> Result<(), CommandError> {
    let shown = place.label();
    let shown = shown.display();
    let looked = match place.folder() {
        Some(folder) => format!("is its disk or share mounted? findmnt --target {}", nearest(folder).display()),
        None => "is the address right?".to_owned(),
    };
    if let Some(root) = saved {
        let lost = format!(
            "it would be on the filesystem of {}, which is being backed up, and would be lost with it",
            root.display()
        );
        if making.init && making.own_disk {
            return Ok(());
        }
        let refused =
            CommandError::refused(format!("cannot OPEN the repository {shown}: it does not exist, and {lost}"));
        return Err(refused.hint(looked).hint("--init --own-disk, which makes a new repository there all the same"));
    }
    if making.init || (!making.own_disk && asked(&format!("There is no repository at {shown}. Make a new one there?"))?)
    {
        return Ok(());
    }
    Err(CommandError::refused(format!("cannot OPEN the repository {shown}: it does not exist"))
        .hint(looked)
        .hint("--init, once, which makes a new repository there"))
}

/// A question for the person at the terminal; without a terminal the answer is no.
fn asked(question: &str) -> Result<bool, CommandError> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Ok(false);
    }
    crate::output::tell(&format!("{} Type yes, or anything else to stop: ", printable(question.as_bytes())));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

/// The mount point or folder among the saved ones that contains a folder, which need not exist.
pub fn on_saved(folder: &Path, machine: &Machine, sysroot: &Path) -> Option<PathBuf> {
    let table = lifeboat_sys::mount::table().ok()?;
    let sysroot = std::fs::canonicalize(sysroot).ok()?;
    let mut roots = vec![sysroot.clone()];
    let mounted = machine.layout.roots();
    roots.extend(mounted.iter().map(|root| sysroot.join(root.strip_prefix("/").unwrap_or(root))));
    saved_root(&nearest(folder), &roots, &table).map(Path::to_owned)
}

/// The part of a path that exists, with its links followed.
fn nearest(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    absolute.ancestors().find_map(|path| std::fs::canonicalize(path).ok()).unwrap_or(absolute)
}

/// Of the trees that are saved, the one whose filesystem holds `path`. A tree that is not a mount of its own is saved from its top; of
/// one that is, all of the filesystem is lost with it, wherever else it is mounted.
fn saved_root<'r>(path: &Path, roots: &'r [PathBuf], table: &[MountInfo]) -> Option<&'r Path> {
    let holder = innermost(path, table)?;
    let lies_on = |root: &&PathBuf| {
        let Some(mount) = innermost(root, table) else { return false };
        if mount.mount_point == **root {
            // Subvolumes of one btrfs have device numbers of their own.
            mount.device == holder.device
                || (mount.kind == "btrfs" && holder.kind == "btrfs" && mount.source == holder.source)
        } else {
            mount.id == holder.id && path.starts_with(root)
        }
    };
    // The nearest tree describes the place best.
    roots
        .iter()
        .filter(lies_on)
        .max_by_key(|root| if path.starts_with(root) { root.components().count() } else { 0 })
        .map(PathBuf::as_path)
}

/// The mount that a path leads into: of several at one place, the last.
fn innermost<'t>(path: &Path, table: &'t [MountInfo]) -> Option<&'t MountInfo> {
    table
        .iter()
        .filter(|mount| path.starts_with(&mount.mount_point))
        .max_by_key(|mount| mount.mount_point.components().count())
}

/// The warning at each backup into a repository that would be lost with the machine.
pub fn warning(place: &Path, root: &Path) -> String {
    format!(
        "the repository {} is on the filesystem of {}, which is being backed up, and would be lost with it; keep \
         another copy elsewhere",
        printable(place.as_os_str().as_bytes()),
        root.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<MountInfo> {
        let text = "\
20 1 8:2 / / rw - ext4 /dev/sda2 rw
21 20 8:3 / /home rw - ext4 /dev/sda3 rw
22 20 8:17 / /mnt/usb rw - ext4 /dev/sdb1 rw
23 20 0:40 / /mnt/nas rw - nfs4 nas:/x rw
24 20 0:31 /@srv /srv rw - btrfs /dev/sdc1 rw
25 20 0:32 /@old /mnt/old rw - btrfs /dev/sdc1 rw
26 20 8:3 /ann /mnt/bound rw - ext4 /dev/sda3 rw
27 22 0:50 / /mnt/usb/cache rw - tmpfs tmpfs rw
";
        lifeboat_sys::mount::parse_mountinfo(text.as_bytes())
    }

    #[test]
    fn a_repository_is_lost_with_the_filesystem_that_it_lies_on() {
        let roots: Vec<PathBuf> = ["/", "/home", "/srv"].map(PathBuf::from).to_vec();
        let table = table();
        for (path, root) in [
            ("/var/backup/repo", Some("/")),
            // The share is not mounted that night.
            ("/mnt/other/repo", Some("/")),
            ("/home/repo", Some("/home")),
            ("/mnt/bound/repo", Some("/home")),
            ("/srv/repo", Some("/srv")),
            ("/mnt/old/repo", Some("/srv")),
            ("/mnt/usb/repo", None),
            ("/mnt/usb/cache/repo", None),
            ("/mnt/nas/repo", None),
        ] {
            assert_eq!(saved_root(Path::new(path), &roots, &table), root.map(Path::new), "{path}");
        }
    }

    #[test]
    fn of_a_folder_only_what_is_in_it_is_saved() {
        let roots = [PathBuf::from("/var/system")];
        let table = table();
        for (path, root) in [
            ("/var/system/mnt/nas", Some("/var/system")),
            ("/var/repo", None),
            ("/var/system2/repo", None),
            ("/mnt/nas", None),
        ] {
            assert_eq!(saved_root(Path::new(path), &roots, &table), root.map(Path::new), "{path}");
        }
    }

    #[test]
    fn the_record_has_whole_names_of_files_alone() {
        let here = std::env::current_dir().unwrap();
        let here = here.display();
        for (place, text) in [
            ("repo", format!("{here}/repo")),
            ("/srv/repo", "/srv/repo".into()),
            ("stream:set", format!("stream:{here}/set")),
            ("stream:/srv/n,size=650M", "stream:/srv/n,size=650M".into()),
            ("stream:-", "stream:-".into()),
            ("tape:/dev/nst0", "tape:/dev/nst0".into()),
            ("discs:/srv/set", "discs:/srv/set".into()),
            ("sftp://host/repo", "sftp://host/repo".into()),
            ("disk:UUID=1:/repo", "disk:UUID=1:/repo".into()),
            ("usb:0a1b2c3d", "usb:0a1b2c3d".into()),
        ] {
            assert_eq!(shown(place), text);
        }
    }

    #[test]
    fn the_folder_of_what_is_configured() {
        for (place, folder) in [
            ("/srv/repo", Some("/srv/repo")),
            ("stream:/mnt/usb/set", Some("/mnt/usb")),
            ("stream:/mnt/usb/n,size=650M", Some("/mnt/usb")),
            ("stream:-", None),
            ("stream:", None),
            ("tape:/dev/nst0", None),
            ("s3://host/bucket", None),
            ("usb", None),
        ] {
            let config = Config { repository: Some(place.into()), ..Config::default() };
            assert_eq!(configured_folder(&config).as_deref(), folder.map(Path::new), "{place}");
        }
        assert_eq!(configured_folder(&Config::default()), None);
    }

    #[test]
    fn without_being_asked_for_nothing_is_made() {
        let place = Place::Folder("/nonexistent/repo".into());
        let own = Some(Path::new("/"));
        let making = |init, own_disk| Making { init, own_disk };
        for (saved, wanted, allowed) in [
            (None, making(false, false), false),
            (None, making(true, false), true),
            (own, making(false, false), false),
            (own, making(true, false), false),
            (own, making(false, true), false),
            (own, making(true, true), true),
            (None, making(true, true), true),
            (None, making(false, true), false),
        ] {
            let result = may_be_made(&place, saved, wanted);
            assert_eq!(result.is_ok(), allowed, "{saved:?} {wanted:?}");
            if let Err(error) = result {
                assert_eq!(error.kind, Kind::Refused);
                assert!(
                    error.text().contains("/nonexistent/repo") && error.text().contains("--init"),
                    "{}",
                    error.text()
                );
            }
        }
    }
}

//! Where saved files show a second time: bind mounts, and filesystems that are mounted at several places.
//!
//! Their files are saved once. After a recovery such a place is the directory below the mount; whatever mounts it at start is
//! configuration, and comes back with the files. What a person mounted by hand does not, and a person is told.

use crate::mounts::{self, Class, Used};
use crate::swap::{self, FstabEntry};
use crate::sysroot::Sysroot;
use lifeboat_sys::mount::MountInfo;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Where mount units lie that survive a restart (systemd.unit(5)).
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];
/// So many places are told of one by one. Some programs make hundreds.
const ONE_BY_ONE: usize = 8;

/// A place that shows saved files once more, and the saved directory that it shows.
#[derive(Debug, PartialEq)]
struct Again {
    at: PathBuf,
    of: PathBuf,
}

/// Tells of each place that no configuration mounts. `used` are the mounts that are saved, `kept` the ids of these and of refused
/// ones.
pub(crate) fn warnings<'u>(
    sysroot: &Sysroot,
    table: &[MountInfo],
    root: &Path,
    used: impl Iterator<Item = &'u Used>,
    kept: &[u32],
) -> Vec<String> {
    let fstab = swap::parse_fstab(&sysroot.read("/etc/fstab").unwrap_or_default());
    let used: Vec<&Used> = used.collect();
    let mut found = again(table, root, &used, kept);
    found.retain(|again| !in_fstab(sysroot, &fstab, &again.at) && !has_unit(sysroot, &again.at));
    let rest = found.split_off(found.len().min(ONE_BY_ONE));
    let mut reported: Vec<String> = found
        .iter()
        .map(|Again { at, of }| {
            format!(
                "{at} shows the files of {of}, which are saved there only. Neither /etc/fstab nor a mount unit mentions {at}, so after a \
                 recovery it is not mounted",
                at = at.display(),
                of = of.display()
            )
        })
        .collect();
    if !rest.is_empty() {
        let names: Vec<String> = rest.iter().map(|again| again.at.display().to_string()).collect();
        reported.push(format!(
            "{} other mounts show saved files once more and are not in /etc/fstab either: {}",
            names.len(),
            names.join(", ")
        ));
    }
    reported
}

/// The places, outermost ones only: what is mounted on one of them goes with it.
fn again(table: &[MountInfo], root: &Path, used: &[&Used], kept: &[u32]) -> Vec<Again> {
    let mut found = vec![];
    for mount in mounts::visible(table) {
        if mounts::class(mount) != Class::Local || kept.contains(&mount.id) {
            continue;
        }
        let Ok(relative) = mount.mount_point.strip_prefix(root) else { continue };
        if mount.root.as_os_str().as_bytes().ends_with(b"//deleted") {
            continue;
        }
        let at = Path::new("/").join(relative);
        let holders = used.iter().filter(|used| used.device == mount.device);
        let holder = holders
            .filter_map(|used| Some((used, mount.root.strip_prefix(&used.root).ok()?)))
            .min_by_key(|(_, rest)| rest.components().count());
        let Some((holder, rest)) = holder else { continue };
        let of: PathBuf = holder.mount_point.join(rest).components().collect();
        // A folder that is bound onto itself shows nothing new. A place in memory is gone after a restart anyway.
        if of != at && mounts::holder(table, mount.id, &mount.mount_point).is_some_and(|below| kept.contains(&below.id))
        {
            found.push(Again { at, of });
        }
    }
    found
}

/// fstab mounts it, or binds a directory with all that is mounted there. Its paths may lead through links.
fn in_fstab(sysroot: &Sysroot, fstab: &[FstabEntry], at: &Path) -> bool {
    fstab.iter().any(|entry| {
        let resolved = || sysroot.resolve(&entry.mount_point).ok().and_then(|path| sysroot.inside(&path));
        let all = entry.options.iter().any(|option| option == "rbind");
        let here = |point: &Path| if all { at.starts_with(point) } else { at == point };
        entry.mount_point.is_absolute() && (here(&entry.mount_point) || resolved().is_some_and(|point| here(&point)))
    })
}

fn has_unit(sysroot: &Sysroot, at: &Path) -> bool {
    let name = unit_name(at);
    UNITS.iter().any(|directory| sysroot.exists(Path::new(directory).join(&name)))
}

/// As `systemd-escape --path --suffix=mount`.
fn unit_name(at: &Path) -> String {
    let mut name = String::new();
    let path = at.strip_prefix("/").unwrap_or(at).as_os_str().as_bytes();
    for (index, byte) in path.iter().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if index == 0 => name.push_str("\\x2e"),
            b'.' | b':' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => name.push(char::from(*byte)),
            other => name.push_str(&format!("\\x{other:02x}")),
        }
    }
    format!("{name}.mount")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::mount::parse_mountinfo;

    #[test]
    fn places_that_show_saved_files_once_more() {
        let table = "\
27 1 8:2 / / rw - ext4 /dev/sda2 rw
28 27 8:1 / /efi rw - vfat /dev/sda1 rw
29 27 8:1 / /boot/efi rw - vfat /dev/sda1 rw
30 27 8:2 /etc /jail/etc rw - ext4 /dev/sda2 rw
31 27 8:2 /var/lib/app /var/lib/app rw - ext4 /dev/sda2 rw
32 27 0:25 / /run rw - tmpfs tmpfs rw
33 32 8:2 /home /run/user/home rw - ext4 /dev/sda2 rw
34 27 8:2 / /mirror rw - ext4 /dev/sda2 rw
35 34 8:1 / /mirror/efi rw - vfat /dev/sda1 rw
36 27 8:33 / /not/saved rw - ext4 /dev/sdc1 rw
37 27 0:50 /@data /data rw - btrfs /dev/sdd1 rw,subvolid=257,subvol=/@data
38 27 0:50 /@data/www /srv/www rw - btrfs /dev/sdd1 rw,subvolid=257,subvol=/@data
39 27 0:50 / /pool rw - btrfs /dev/sdd1 rw,subvolid=5,subvol=/
";
        let table = parse_mountinfo(table.as_bytes());
        let (local, _) = mounts::local(&table, Path::new("/"));
        let used: Vec<&Used> = local.iter().filter(|used| used.source != "/dev/sdc1").collect();
        let kept: Vec<u32> = used.iter().map(|used| used.id).collect();
        let found: Vec<(String, String)> = again(&table, Path::new("/"), &used, &kept)
            .into_iter()
            .map(|again| (again.at.display().to_string(), again.of.display().to_string()))
            .collect();
        let expected = [("/boot/efi", "/efi"), ("/jail/etc", "/etc"), ("/mirror", "/"), ("/srv/www", "/data/www")];
        assert_eq!(found, expected.map(|(at, of)| (at.to_owned(), of.to_owned())));
    }

    #[test]
    fn what_configuration_mounts_is_not_told() {
        let directory = tempfile::tempdir().unwrap();
        for made in ["etc/systemd/system", "srv/real", "jail"] {
            std::fs::create_dir_all(directory.path().join(made)).unwrap();
        }
        std::os::unix::fs::symlink("/srv/real", directory.path().join("link")).unwrap();
        std::fs::write(directory.path().join("etc/systemd/system/var-my\\x2ddata.mount"), "").unwrap();
        let sysroot = Sysroot::new(directory.path());
        let fstab =
            swap::parse_fstab(b"/etc /jail none rbind\n/a /link/ none bind\n/dev/sda1 /boot/efi vfat defaults\n");
        for (at, known) in [
            ("/boot/efi", true),
            ("/boot", false),
            ("/boot/efi/deep", false),
            ("/srv/real", true),
            ("/jail/deep/er", true),
            ("/jailed", false),
            ("/var/my-data", true),
            ("/var/my/data", false),
        ] {
            let at = Path::new(at);
            assert_eq!(in_fstab(&sysroot, &fstab, at) || has_unit(&sysroot, at), known, "{}", at.display());
        }
    }

    #[test]
    fn names_of_units() {
        for (path, name) in [
            ("/srv/www", "srv-www.mount"),
            ("/.a/b-c d", "\\x2ea-b\\x2dc\\x20d.mount"),
            ("/x.y/\u{e4}", "x.y-\\xc3\\xa4.mount"),
        ] {
            assert_eq!(unit_name(Path::new(path)), name);
        }
    }
}

//! Which mounts matter: visible ones, of local filesystems, once each.

use lifeboat_sys::mount::MountInfo;
use std::path::{Path, PathBuf};

/// Filesystems that live on other machines (mount(8), util-linux `mnt_fstype_is_netfs`, and FUSE ones).
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "ceph",
    "cifs",
    "coda",
    "fuse.ceph",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncp",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "pvfs2",
    "smb3",
    "smbfs",
    "virtiofs",
    "vboxsf",
    "davfs",
    "fuse.davfs2",
];

/// What a mount is to a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// On a block device of this machine.
    Local,
    /// On another machine.
    Network,
    /// Made from other mounts or by a program: overlay, FUSE.
    Layered,
    /// The kernel's own, or in memory.
    Pseudo,
    /// A pool of its own kind of devices.
    Zfs,
}

/// Reports what a mount is.
pub(crate) fn class(mount: &MountInfo) -> Class {
    let kind = mount.kind.as_str();
    if NETWORK.contains(&kind) {
        Class::Network
    } else if kind == "zfs" {
        Class::Zfs
    } else if matches!(kind, "overlay" | "aufs" | "fuse" | "unionfs" | "ecryptfs") || kind.starts_with("fuse.") {
        Class::Layered
    } else if mount.device.0 != 0 || matches!(kind, "btrfs" | "bcachefs" | "fuseblk") {
        // Anonymous devices have major number 0; btrfs has one though it is on disks.
        Class::Local
    } else {
        Class::Pseudo
    }
}

/// Mounts that a path leads to: those not covered by a later mount on the same place or on a directory above.
pub(crate) fn visible(table: &[MountInfo]) -> Vec<&MountInfo> {
    let covered = |mount: &MountInfo| {
        table.iter().any(|other| {
            let on_top = other.parent == mount.id && other.mount_point == mount.mount_point;
            let above = other.parent == mount.parent
                && other.id != mount.id
                && other.mount_point != mount.mount_point
                && mount.mount_point.starts_with(&other.mount_point);
            on_top || above
        })
    };
    // What is on a covered mount is covered too; a chain longer than the table would be a loop.
    let hidden = |mount: &MountInfo| {
        let mut mount = mount;
        for _ in 0..table.len() {
            if covered(mount) {
                // A mount on the root of a mount at the same place hides what is on it, not itself.
                return true;
            }
            match table.iter().find(|other| other.id == mount.parent && other.id != mount.id) {
                Some(parent) if parent.mount_point == mount.mount_point => return false,
                Some(parent) => mount = parent,
                None => return false,
            }
        }
        false
    };
    table.iter().filter(|mount| !hidden(mount)).collect()
}

/// A filesystem as it is mounted: one entry for each filesystem, or for each mounted subvolume of a btrfs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Used {
    /// Mount id.
    pub id: u32,
    /// `major:minor` of the mount, and its source.
    pub device: (u32, u32),
    pub source: String,
    pub kind: String,
    /// Path inside the filesystem that is mounted; `/` except for subvolumes.
    pub root: PathBuf,
    /// Where it is for this process.
    pub real_mount_point: PathBuf,
    /// Where it is in the system that is read.
    pub mount_point: PathBuf,
    pub options: Vec<String>,
}

/// The local mounts at and below `sysroot`, without bind mounts, parents before children; and, second, sources and mount
/// points of those of which only a folder is mounted.
pub(crate) fn local(table: &[MountInfo], sysroot: &Path) -> (Vec<Used>, Vec<(String, PathBuf)>) {
    let mut used: Vec<Used> = vec![];
    let mut partial = vec![];
    let inside: Vec<&MountInfo> = visible(table)
        .into_iter()
        .filter(|mount| class(mount) == Class::Local && mount.mount_point.starts_with(sysroot))
        .collect();
    for mount in &inside {
        let subvolume = mount.kind == "btrfs" && is_subvolume(mount);
        let whole = mount.root == Path::new("/") || subvolume;
        let same = |known: &&Used| known.device == mount.device && known.root == mount.root;
        if !whole {
            // A bind mount of a folder; its filesystem is mounted as a whole elsewhere, or else it is not all there.
            let elsewhere = inside.iter().any(|other| {
                other.device == mount.device
                    && mount.root.starts_with(&other.root)
                    && (other.root == Path::new("/") || (other.kind == "btrfs" && is_subvolume(other)))
            });
            if !elsewhere {
                partial.push((mount.source.to_string_lossy().into_owned(), mount.mount_point.clone()));
            }
            continue;
        }
        if used.iter().any(|known| same(&known)) {
            continue;
        }
        let relative = mount.mount_point.strip_prefix(sysroot).unwrap_or(&mount.mount_point);
        used.push(Used {
            id: mount.id,
            device: mount.device,
            source: mount.source.to_string_lossy().into_owned(),
            kind: mount.kind.clone(),
            root: mount.root.clone(),
            real_mount_point: mount.mount_point.clone(),
            mount_point: Path::new("/").join(relative),
            options: options(mount),
        });
    }
    used.sort_by_key(|mount| mount.mount_point.components().count());
    (used, partial)
}

/// The mount that holds the directory on which `mount` lies, when it is none of those that are saved: no saved directory leads
/// there then, and what was mounted is not found again.
pub(crate) fn beside<'t>(table: &'t [MountInfo], mount: &Used, saved: &[u32]) -> Option<&'t MountInfo> {
    holder(table, mount.id, &mount.real_mount_point).filter(|holder| !saved.contains(&holder.id))
}

/// The mount that holds the directory on which another one lies.
pub(crate) fn holder<'t>(table: &'t [MountInfo], id: u32, mount_point: &Path) -> Option<&'t MountInfo> {
    let mut at = table.iter().find(|entry| entry.id == id)?;
    // Of mounts on one another at one place, such as an automount and what it brought, the lowest one counts.
    for _ in 0..table.len() {
        at = table.iter().find(|entry| entry.id == at.parent && entry.id != at.id)?;
        if at.mount_point != mount_point {
            return Some(at);
        }
    }
    None
}

/// A local filesystem is mounted, as a whole, on exactly this directory.
pub(crate) fn is_mounted(table: &[MountInfo], directory: &Path) -> bool {
    local(table, directory).0.iter().any(|mount| mount.real_mount_point == directory)
}

/// The mounted root is a subvolume, not a folder bound from one: the kernel reports the subvolume's path in `subvol=`.
fn is_subvolume(mount: &MountInfo) -> bool {
    // It is the last option, and the name stands as it is: commas in it end nothing (fs/btrfs/super.c, btrfs_show_options).
    let options = format!(",{}", mount.super_options);
    let Some((_, name)) = options.split_once(",subvol=") else { return false };
    // Options were read as text; of two names that differ in bytes that are no text only, one is never inside the other.
    lifeboat_sys::mount::unescape(name.as_bytes()).to_string_lossy() == mount.root.to_string_lossy()
}

/// The options that decide how files are stored and named. Those that only restrict access (`ro`, `nosuid`, `noexec`)
/// would hinder a recovery; they come back with fstab.
fn options(mount: &MountInfo) -> Vec<String> {
    const NAMES: &[&str] = &[
        "autodefrag",
        "codepage",
        "compress",
        "compress-force",
        "data",
        "datacow",
        "discard",
        "dmask",
        "fmask",
        "gid",
        "gquota",
        "grpquota",
        "iocharset",
        "jqfmt",
        "grpjquota",
        "usrjquota",
        "lazytime",
        "logdev",
        "noatime",
        "nodatacow",
        "nodatasum",
        "nodiratime",
        "pquota",
        "prjquota",
        "quota",
        "shortname",
        "strictatime",
        "uid",
        "umask",
        "uquota",
        "usrquota",
        "utf8",
    ];
    let mut found: Vec<String> = vec![];
    for option in mount.options.split(',').chain(mount.super_options.split(',')) {
        let name = option.split('=').next().unwrap_or_default();
        if NAMES.contains(&name) && !found.iter().any(|known| known == option) {
            found.push(option.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::mount::parse_mountinfo;

    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
23 27 0:22 / /sys rw - sysfs sysfs rw
27 1 8:2 / / rw,noatime - ext4 /dev/root rw,errors=remount-ro
28 27 8:3 / /home rw,nosuid - xfs /dev/sda3 rw,attr2,prjquota
29 27 8:3 /user/data /srv/data rw - xfs /dev/sda3 rw,attr2,prjquota
30 27 8:2 / /mnt/root rw - ext4 /dev/root rw
31 27 0:40 / /net rw - nfs4 server:/export rw
32 27 8:17 / /old rw - ext4 /dev/sdb1 rw
33 32 8:18 / /old rw - ext4 /dev/sdb2 rw
34 27 8:33 / /a/b rw - ext4 /dev/sdc1 rw
35 27 8:34 / /a rw - ext4 /dev/sdc2 rw
36 27 0:50 /@data /data rw - btrfs /dev/sdd1 rw,compress=zstd:3,subvolid=257,subvol=/@data
37 27 0:50 /@data/folder /bound rw - btrfs /dev/sdd1 rw,subvolid=257,subvol=/@data
38 27 0:51 / /lib/docker rw - overlay overlay rw,lowerdir=/x
39 28 8:4 / /home/deep rw - vfat /dev/sda4 rw,umask=0077,iocharset=ascii
40 27 8:5 /only /part rw - ext4 /dev/sda5 rw
";

    #[test]
    fn which_are_real() {
        let table = parse_mountinfo(TABLE.as_bytes());
        let (used, partial) = local(&table, Path::new("/"));
        let points: Vec<_> = used.iter().map(|m| (m.mount_point.to_str().unwrap(), m.source.as_str())).collect();
        assert_eq!(
            points,
            [
                ("/", "/dev/root"),
                ("/home", "/dev/sda3"),
                ("/old", "/dev/sdb2"),
                ("/a", "/dev/sdc2"),
                ("/data", "/dev/sdd1"),
                ("/home/deep", "/dev/sda4"),
            ]
        );
        assert_eq!(partial, [("/dev/sda5".to_owned(), PathBuf::from("/part"))]);
        assert_eq!(used[0].options, ["noatime"]);
        assert_eq!(used[1].options, ["prjquota"]);
        assert_eq!(used[4].options, ["compress=zstd:3"]);
        assert_eq!(used[5].options, ["umask=0077", "iocharset=ascii"]);
    }

    #[test]
    fn below_a_sysroot() {
        let table = parse_mountinfo(TABLE.as_bytes());
        let (used, _) = local(&table, Path::new("/home"));
        let points: Vec<_> = used.iter().map(|m| m.mount_point.to_str().unwrap()).collect();
        assert_eq!(points, ["/", "/deep"]);
        assert_eq!(used[1].real_mount_point, Path::new("/home/deep"));
    }

    #[test]
    fn what_lies_in_memory_is_beside_what_is_saved() {
        let table = "\
27 1 8:2 / / rw - ext4 /dev/sda2 rw
30 27 0:25 / /run rw - tmpfs tmpfs rw
31 30 8:17 / /run/media/ann/PHOTOS rw - ext4 /dev/sdb1 rw
32 27 0:30 / /boot/efi rw - autofs systemd-1 rw
33 32 8:1 / /boot/efi rw - vfat /dev/sda1 rw
34 27 0:31 / /srv rw - nfs4 server:/srv rw
35 34 8:18 / /srv/local rw - ext4 /dev/sdb2 rw
36 27 8:2 /etc /jail/etc rw - ext4 /dev/sda2 rw
37 36 8:19 / /jail/etc/data rw - ext4 /dev/sdb3 rw
";
        let table = parse_mountinfo(table.as_bytes());
        let (used, _) = local(&table, Path::new("/"));
        let saved: Vec<u32> = used.iter().map(|mount| mount.id).collect();
        let beside: Vec<_> = used
            .iter()
            .filter(|mount| mount.mount_point != Path::new("/"))
            .map(|mount| {
                let holder = beside(&table, mount, &saved).map(|holder| holder.kind.as_str());
                (mount.mount_point.to_str().unwrap(), holder)
            })
            .collect();
        assert_eq!(
            beside,
            [
                ("/boot/efi", None),
                ("/srv/local", Some("nfs4")),
                ("/jail/etc/data", Some("ext4")),
                ("/run/media/ann/PHOTOS", Some("tmpfs")),
            ]
        );
    }

    #[test]
    fn subvolumes_whatever_their_names() {
        let table = b"\
50 1 0:50 /@a,b /1 rw - btrfs /dev/sdd1 rw,compress=zstd:3,subvolid=257,subvol=/@a,b
51 1 0:50 /@a,b/folder /2 rw - btrfs /dev/sdd1 rw,subvolid=257,subvol=/@a,b
52 1 0:50 /@g\xff /3 rw - btrfs /dev/sdd1 rw,subvolid=258,subvol=/@g\xff
53 1 0:50 /@\\040x,subvol=y /4 rw - btrfs /dev/sdd1 rw,subvolid=259,subvol=/@\\040x,subvol=y
";
        let table = parse_mountinfo(table);
        let (used, partial) = local(&table, Path::new("/"));
        let points: Vec<_> = used.iter().map(|m| m.mount_point.to_str().unwrap()).collect();
        assert_eq!((points, partial.len()), (vec!["/1", "/3", "/4"], 0));
    }

    #[test]
    fn classes() {
        let table = parse_mountinfo(TABLE.as_bytes());
        let classes: Vec<Class> = table.iter().map(class).collect();
        assert_eq!(classes[..3], [Class::Pseudo, Class::Pseudo, Class::Local]);
        assert_eq!((classes[6], classes[13]), (Class::Network, Class::Layered));
    }

    #[test]
    fn any_table_ends() {
        use proptest::prelude::*;
        proptest!(|(entries in proptest::collection::vec((0u32..6, 0u32..6, 0usize..4), 0..12))| {
            let points = ["/", "/a", "/a/b", "/c"];
            let text: String = entries.iter().map(|(id, parent, point)| {
                format!("{id} {parent} 8:{id} / {} rw - ext4 /dev/sda{id} rw\n", points[*point])
            }).collect();
            let _ = local(&parse_mountinfo(text.as_bytes()), Path::new("/"));
        });
    }
}

//! A place on a local disk (`disk:LABEL=backup:/repo`): its filesystem is found and mounted, and nothing on it is written.

use crate::failure::Failure;
use crate::stacks::Stacks;
use lifeboat_machine::on_disk::{DiskName, OnDisk};
use lifeboat_storage::{Blocks, Incomplete, Locked, kinds, multipath};
use lifeboat_sys::mount::{HARMLESS, read_only_options};
use lifeboat_sys::program::{BLKID, MOUNT};
use lifeboat_sys::{Invocation, Runner};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a disk may take to appear: USB disks spin up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often to run blkid.
const LOOK: Duration = Duration::from_millis(500);
/// How long to look elsewhere before a person is asked for a passphrase.
const LOCKED_PATIENCE: Duration = Duration::from_secs(3);
/// Where sysfs is.
const SYS: &str = "/sys";

/// When a search gives up because of what is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Nobody will be asked for a passphrase: everything else is tried first, even what lacks members.
    Alone,
    /// A person is asked, and need not wait for a disk that spins up before typing.
    Asking,
}

/// What follows a search of the disks.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Take,
    Wait,
    /// What is locked is listed.
    Locked,
    Missing,
    Several,
}

impl Search {
    fn next(self, found: usize, locked: usize, waited: Duration) -> Next {
        let until_locked = match self {
            Search::Alone => PATIENCE,
            Search::Asking => LOCKED_PATIENCE,
        };
        match found {
            0 if locked > 0 && waited >= until_locked => Next::Locked,
            0 if waited < PATIENCE => Next::Wait,
            0 => Next::Missing,
            1 => Next::Take,
            _ => Next::Several,
        }
    }
}

/// The one device with a filesystem of this name; waits for it. In the rescue system, md arrays, volume groups and
/// multipath are activated for it, and what is encrypted is listed.
///
/// # Errors
/// [`Failure::Unusable`] when it does not appear, when several have the name, or when it holds no filesystem;
/// [`Failure::Locked`] when it may be on an encrypted device.
pub fn device(place: &OnDisk, search: Search, runner: &dyn Runner) -> Result<PathBuf, Failure> {
    let unusable = |reason: String| Failure::Unusable { what: place.to_string(), reason };
    let (began, stacks) = (Instant::now(), Stacks::here());
    loop {
        let waited = began.elapsed();
        let mut found = look(place, runner)?;
        let mut locked = vec![];
        let mut problems = vec![];
        if let (Some(stacks), false) = (&stacks, found.len() == 1) {
            // What lacks a member is started only when nothing else can be expected.
            let incomplete = if waited < PATIENCE { Incomplete::Wait } else { Incomplete::Start };
            let activated = stacks.activate(runner, incomplete)?;
            (locked, problems) = (activated.locked, activated.problems);
            found = stacks.distinct(runner, look(place, runner)?)?;
        }
        match search.next(found.len(), locked.len(), waited) {
            Next::Take => break inside(place, found.swap_remove(0), stacks.is_some(), Path::new(SYS), runner),
            Next::Wait => std::thread::sleep(LOOK),
            Next::Locked => break Err(Failure::Locked { what: place.to_string(), devices: locked }),
            Next::Missing => {
                let seconds = PATIENCE.as_secs();
                let problems: String = problems.iter().map(|problem| format!("{problem}; ")).collect();
                break Err(unusable(format!("no disk has this name; waited {seconds} s; {problems}try: lsblk -f")));
            }
            Next::Several => {
                let list: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
                break Err(unusable(format!("{} all have this name; use UUID= or PARTUUID=", list.join(" and "))));
            }
        }
    }
}

/// The device itself; what an opened LUKS device holds when that was named instead of the filesystem in it; and what multipath
/// made of a path to a disk.
fn inside(
    place: &OnDisk,
    device: PathBuf,
    rescue_system: bool,
    sys: &Path,
    runner: &dyn Runner,
) -> Result<PathBuf, Failure> {
    let unusable = |reason: String| Err(Failure::Unusable { what: place.to_string(), reason });
    let shown = device.display().to_string();
    let held = kind(&device, runner)?;
    let member = match (held.as_str(), kinds::by_type(&held)) {
        (kinds::LUKS, _) => {
            let devices = Blocks::identified(runner, sys)?;
            // A name below /dev/disk is a link.
            let real = std::fs::canonicalize(&device).unwrap_or_default();
            let container = devices.at(&shown).or_else(|| devices.at(&real.to_string_lossy()));
            let opened = container.and_then(|container| devices.named(container.holders.first()?));
            return match (opened, container) {
                (Some(opened), _) => inside(place, opened.path.clone().into(), rescue_system, sys, runner),
                (None, Some(container)) if rescue_system => {
                    let locked = Locked { device: container.path.clone(), uuid: container.holds.uuid.clone() };
                    Err(Failure::Locked { what: place.to_string(), devices: vec![locked] })
                }
                _ => unusable(format!("{shown} is encrypted (LUKS) and not open; try: cryptsetup open {shown} NAME")),
            };
        }
        (_, known) => {
            let devices = Blocks::listed(sys).unwrap_or_default();
            let path = devices.linked(Path::new("/"), &shown);
            if let Some(joined) = path.and_then(|path| multipath::through(&devices, path)) {
                return inside(place, joined.path.clone().into(), rescue_system, sys, runner);
            }
            match known {
                Some(known) if known.layer.is_some() => known.holds,
                _ => return Ok(device),
            }
        }
    };
    unusable(format!("{shown} is {member}; try naming the filesystem on it, by LABEL= or UUID= as lsblk -f shows them"))
}

fn look(place: &OnDisk, runner: &dyn Runner) -> Result<Vec<PathBuf>, Failure> {
    match &place.device {
        DiskName::Path(path) => Ok(vec![PathBuf::from(path)].into_iter().filter(|path| path.exists()).collect()),
        token => named(&token.to_string(), runner),
    }
}

/// The devices that a token names: `UUID=…`. blkid(8) ends with 2 when nothing matches it.
pub(crate) fn named(token: &str, runner: &dyn Runner) -> Result<Vec<PathBuf>, Failure> {
    let call = Invocation::new(BLKID).args(["-c", "/dev/null", "-o", "device", "-t", token]).accept(2);
    let output = runner.run(&call)?;
    Ok(output.text().lines().map(PathBuf::from).collect())
}

/// Where the device is mounted already, with its whole tree.
pub fn mount_point(device: &Path) -> Option<PathBuf> {
    let device = std::fs::canonicalize(device).ok()?;
    let mounts = lifeboat_sys::mount::table().ok()?;
    let same = |source: &Path| std::fs::canonicalize(source).is_ok_and(|source| source == device);
    mounts
        .into_iter()
        .find(|mount| mount.root == Path::new("/") && same(Path::new(&mount.source)))
        .map(|m| m.mount_point)
}

/// The path of the place where its filesystem is mounted now.
pub fn mounted_path(place: &OnDisk, runner: &dyn Runner) -> Option<PathBuf> {
    let device = match &place.device {
        DiskName::Path(path) => PathBuf::from(path),
        token => named(&token.to_string(), runner).ok()?.into_iter().next()?,
    };
    Some(mount_point(&device)?.join(place.path.trim_start_matches('/')))
}

/// Type of what a device or file holds, as blkid(8) names it; empty when it knows no type.
fn kind(device: &Path, runner: &dyn Runner) -> Result<String, Failure> {
    let call = Invocation::new(BLKID).args(["-p", "-o", "value", "-s", "TYPE"]).arg(device).accept(2);
    Ok(runner.run(&call)?.text().trim().to_owned())
}

/// The filesystems that media and disks with archives have. No other kernel driver gets to read a foreign image: most of
/// them were never meant for maliciously crafted images.
const TYPES: [&str; 9] = ["iso9660", "udf", "ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "exfat"];

/// Mounts a block device, or an image file through a read-only loop device. A journal is not replayed: that would write, and
/// cannot be done on a loop device that is read-only.
///
/// # Errors
/// [`Failure::Unusable`] for a filesystem that no medium has; [`Failure::Run`] with the error of mount.
pub fn mount(device: &Path, point: &Path, runner: &dyn Runner) -> Result<(), Failure> {
    let kind = kind(device, runner)?;
    if !TYPES.contains(&kind.as_str()) {
        let reason = match kind.as_str() {
            "" => "it holds no filesystem".to_owned(),
            other => format!(
                "it holds {other}, and what is mounted here is one of {}; try mounting it yourself and naming the folder",
                TYPES.join(", ")
            ),
        };
        return Err(Failure::Unusable { what: device.display().to_string(), reason });
    }
    // mount(8) makes the loop device read-only for `ro`, and frees it with the last use.
    let file = device.is_file().then_some("loop");
    read_only(&kind, |options| {
        let options: Vec<&str> = options.iter().copied().chain(HARMLESS).chain(file).collect();
        // The type is given: otherwise mount(8) would probe the image once more, with a possibly different result.
        let call = Invocation::new(MOUNT).args(["-t", &kind, "-o", &options.join(",")]).arg(device).arg(point);
        runner.run(&call).map(drop)
    })?;
    Ok(())
}

/// Calls `mount` with options that keep the kernel from replaying a journal.
///
/// # Errors
/// That of `mount`; of several attempts the first one's, whose options current kernels know.
pub(crate) fn read_only<E>(kind: &str, mount: impl Fn(&[&'static str]) -> Result<(), E>) -> Result<(), E> {
    let mut first = None;
    for options in read_only_options(kind) {
        match mount(options) {
            Ok(()) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    first.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::{FakeRunner, Output};

    #[test]
    fn what_is_locked_ends_a_search_early_only_when_a_person_is_asked() {
        let (at_once, soon, late) = (Duration::ZERO, LOCKED_PATIENCE, PATIENCE);
        for (search, found, locked, waited, next) in [
            (Search::Asking, 0, 1, at_once, Next::Wait),
            (Search::Asking, 0, 1, soon, Next::Locked),
            (Search::Alone, 0, 1, soon, Next::Wait),
            // By then what lacks members has been started.
            (Search::Alone, 0, 1, late, Next::Locked),
            (Search::Asking, 0, 0, soon, Next::Wait),
            (Search::Alone, 0, 0, late, Next::Missing),
            (Search::Alone, 1, 1, late, Next::Take),
            (Search::Asking, 2, 0, at_once, Next::Several),
        ] {
            assert_eq!(search.next(found, locked, waited), next, "{search:?} {found} {locked} {waited:?}");
        }
    }

    /// A sysfs with a LUKS container; `open` it has a mapper device.
    fn sysfs(open: bool) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let class = root.path().join("block");
        std::fs::create_dir_all(&class).unwrap();
        let mut files = vec!["lbtest/lbtest1/partition"];
        if open {
            files.extend(["lbtest/lbtest1/holders/dm-77", "dm-77/slaves/lbtest1"]);
            for (file, text) in [("dev", "254:77"), ("size", "8")] {
                std::fs::create_dir_all(class.join("dm-77")).unwrap();
                std::fs::write(class.join("dm-77").join(file), text).unwrap();
            }
        }
        for device in ["lbtest", "lbtest/lbtest1"] {
            std::fs::create_dir_all(class.join(device)).unwrap();
            std::fs::write(class.join(device).join("dev"), "8:0").unwrap();
            std::fs::write(class.join(device).join("size"), "16").unwrap();
        }
        for file in files {
            let file = class.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "1").unwrap();
        }
        root
    }

    fn named_container(open: bool, rescue_system: bool) -> Result<PathBuf, Failure> {
        let place = OnDisk::parse("disk:/dev/lbtest1:/repo").unwrap();
        let runner = FakeRunner::new()
            .answer("blkid -p -o value -s TYPE /dev/lbtest1", "crypto_LUKS\n")
            .answer("blkid -c /dev/null -o export", "DEVNAME=/dev/lbtest1\nUUID=64f0\nTYPE=crypto_LUKS\n")
            .answer("blkid -p -o value -s TYPE /dev/dm-77", "ext4\n");
        inside(&place, "/dev/lbtest1".into(), rescue_system, sysfs(open).path(), &runner)
    }

    #[test]
    fn a_luks_container_may_be_named_in_place_of_its_filesystem() {
        assert_eq!(named_container(true, true).unwrap(), Path::new("/dev/dm-77"));
        match named_container(false, true).unwrap_err() {
            Failure::Locked { devices, .. } => {
                assert_eq!(devices, [Locked { device: "/dev/lbtest1".into(), uuid: "64f0".into() }]);
            }
            other => panic!("{other}"),
        }
        let elsewhere = named_container(false, false).unwrap_err().to_string();
        assert!(elsewhere.ends_with("try: cryptsetup open /dev/lbtest1 NAME"), "{elsewhere}");
    }

    #[test]
    fn a_path_that_multipath_has_is_used_through_it() {
        let sys = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("lbtest/dev", "8:16"),
            ("lbtest/size", "16"),
            ("lbtest/holders/dm-77/x", ""),
            ("lbtest/lbtest1/partition", "1"),
            ("lbtest/lbtest1/dev", "8:17"),
            ("lbtest/lbtest1/size", "8"),
            ("dm-77/dev", "254:77"),
            ("dm-77/size", "16"),
            ("dm-77/dm/name", "mpatha"),
            ("dm-77/dm/uuid", "mpath-3600"),
            ("dm-77/holders/dm-78/x", ""),
            ("dm-78/dev", "254:78"),
            ("dm-78/size", "8"),
            ("dm-78/dm/name", "mpatha-part1"),
            ("dm-78/dm/uuid", "part1-mpath-3600"),
        ] {
            let file = sys.path().join("block").join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        // What blkid reports about a path depends on what udev knows.
        for (named, kind, used) in
            [("/dev/lbtest1", "ext4\n", "/dev/dm-78"), ("/dev/lbtest", "mpath_member\n", "/dev/dm-77")]
        {
            let place = OnDisk::parse(&format!("disk:{named}:/repo")).unwrap();
            let runner = FakeRunner::new()
                .answer(&format!("blkid -p -o value -s TYPE {named}"), kind)
                .answer(&format!("blkid -p -o value -s TYPE {used}"), "ext4\n");
            assert_eq!(inside(&place, named.into(), true, sys.path(), &runner).unwrap(), Path::new(used));
        }
    }

    #[test]
    fn a_member_of_a_layer_says_what_to_name() {
        let place = OnDisk::parse("disk:/dev/lbtest1:/repo").unwrap();
        for (kind, says) in [("LVM2_member\n", "LVM physical volume"), ("linux_raid_member\n", "member of an md array")]
        {
            let runner = FakeRunner::new().answer("blkid", kind);
            let error =
                inside(&place, "/dev/lbtest1".into(), true, Path::new("/none"), &runner).unwrap_err().to_string();
            assert!(
                error.contains(says) && error.contains("naming the filesystem on it, by LABEL= or UUID="),
                "{error}"
            );
        }
    }

    #[test]
    fn nothing_is_written_to_what_is_mounted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let image = file.path().to_str().unwrap();
        for (device, kind, options) in [
            ("/dev/lbtest1", "ext4", "ro,noload,nosuid,nodev,noexec"),
            ("/dev/lbtest1", "xfs", "ro,norecovery,nouuid,nosuid,nodev,noexec"),
            ("/dev/lbtest1", "iso9660", "ro,nosuid,nodev,noexec"),
            (image, "iso9660", "ro,nosuid,nodev,noexec,loop"),
            (image, "ext4", "ro,noload,nosuid,nodev,noexec,loop"),
        ] {
            let runner = FakeRunner::lenient().answer("blkid", kind);
            mount(Path::new(device), Path::new("/point"), &runner).unwrap();
            assert_eq!(runner.command_lines()[1], format!("mount -t {kind} -o {options} {device} /point"));
        }
    }

    #[test]
    fn filesystems_that_no_medium_has_are_never_mounted() {
        for (kind, says) in [("ntfs", "it holds ntfs"), ("squashfs", "naming the folder"), ("", "no filesystem")] {
            let runner = FakeRunner::new().answer("blkid", kind);
            let error = mount(Path::new("/dev/lbtest1"), Path::new("/point"), &runner).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert_eq!(runner.command_lines().len(), 1, "blkid only");
        }
    }

    #[test]
    fn btrfs_of_a_kernel_before_5_9() {
        let refused = || Output { code: 32, stdout: vec![], stderr: b"wrong fs type, bad option".to_vec() };
        let runner = FakeRunner::lenient().answer("blkid", "btrfs").answer_with("mount", refused());
        mount(Path::new("/dev/lbtest1"), Path::new("/point"), &runner).unwrap();
        let calls = runner.command_lines();
        assert_eq!(
            calls[1..],
            [
                "mount -t btrfs -o ro,rescue=nologreplay,nosuid,nodev,noexec /dev/lbtest1 /point",
                "mount -t btrfs -o ro,nologreplay,nosuid,nodev,noexec /dev/lbtest1 /point"
            ]
        );
        let runner = FakeRunner::new().answer("blkid", "btrfs").answer_with("mount", refused());
        let error = mount(Path::new("/dev/lbtest1"), Path::new("/point"), &runner).unwrap_err().to_string();
        assert!(error.contains("bad option"), "{error}");
    }
}

//! Real filesystems on loop devices, mounted, and probed as a sysroot. Needs root.
#![allow(clippy::unwrap_used, reason = "a test panics")]

use lifeboat_machine::filesystem::{BtrfsOptions, ExtOptions, Filesystem, FilesystemOptions, XfsOptions};
use lifeboat_machine::{Content, Name};
use lifeboat_probe::{Options, Probed, Sysroot, probe_with};
use lifeboat_sys::SystemRunner;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A filesystem in a file, on a loop device, mounted; taken down when dropped.
struct Mounted {
    directory: tempfile::TempDir,
    device: String,
    mounts: Vec<PathBuf>,
}

impl Mounted {
    fn new(mib: u64, mkfs: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        let image = image.to_str().unwrap();
        run(&[mkfs, &[image]].concat());
        let device = run(&["losetup", "--find", "--show", image]).trim().to_owned();
        let mut mounted = Mounted { directory, device, mounts: vec![] };
        mounted.mount("root", &[]);
        mounted
    }

    fn mount(&mut self, name: &str, options: &[&str]) {
        let target = self.path(name);
        std::fs::create_dir_all(&target).unwrap();
        let device = self.device.clone();
        run(&[&["mount"], options, &[&device, target.to_str().unwrap()]].concat());
        self.mounts.push(target);
    }

    fn unmount(&mut self) {
        while let Some(mount) = self.mounts.pop() {
            run(&["umount", mount.to_str().unwrap()]);
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn probe(&self) -> Probed {
        let sysroot = Sysroot::new(self.path("root"));
        probe_with(&SystemRunner, &sysroot, &Options { loop_devices: true, ..Options::default() }).unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        for mount in self.mounts.iter().rev() {
            let _ = Command::new("umount").arg(mount).status();
        }
        let _ = Command::new("losetup").args(["-d", &self.device]).status();
    }
}

fn run(words: &[&str]) -> String {
    let output = Command::new(words[0])
        .args(&words[1..])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The one filesystem of a probed machine, after checks that hold for all of them.
fn filesystem(probed: &Probed) -> &Filesystem {
    assert_eq!(probed.refusals, vec![]);
    let layout = &probed.machine.layout;
    assert_eq!(layout.devices.len(), 1, "{:?}", layout.devices);
    assert_eq!(layout.mount_at("/").unwrap().device, layout.devices[0].id);
    let Content::Filesystem(filesystem) = &layout.devices[0].content else { panic!("{:?}", layout.devices[0]) };
    assert!(filesystem.used_bytes > 0 && filesystem.used_bytes < filesystem.size_bytes, "{filesystem:?}");
    filesystem
}

fn ext(filesystem: &Filesystem) -> &ExtOptions {
    match &filesystem.options {
        FilesystemOptions::Ext(options) => options,
        other => panic!("{other:?}"),
    }
}

fn xfs(filesystem: &Filesystem) -> &XfsOptions {
    match &filesystem.options {
        FilesystemOptions::Xfs(options) => options,
        other => panic!("{other:?}"),
    }
}

fn btrfs(filesystem: &Filesystem) -> &BtrfsOptions {
    match &filesystem.options {
        FilesystemOptions::Btrfs(options) => options,
        other => panic!("{other:?}"),
    }
}

const UUID: &str = "8a2a5ac2-0c45-4d70-a9e2-6a2c4a2ab1c0";

#[test]
fn root_ext4() {
    let mut mounted = Mounted::new(
        64,
        &[
            "mke2fs",
            "-q",
            "-t",
            "ext4",
            "-U",
            UUID,
            "-L",
            "a b\n",
            "-b",
            "1024",
            "-O",
            "orphan_file,fast_commit,stable_inodes",
            "-E",
            "orphan_file_size=32",
        ],
    );
    let probed = mounted.probe();
    let filesystem = filesystem(&probed);
    assert_eq!((filesystem.uuid.as_str(), &filesystem.label), (UUID, &Name::from("a b\n")));
    assert_eq!(filesystem.size_bytes, 64 << 20);
    assert_eq!((ext(filesystem).generation, ext(filesystem).block_bytes), (4, 1024));
    assert_eq!(ext(filesystem).orphan_file_bytes, Some(32 * 1024));
    assert!(ext(filesystem).fast_commit_blocks.is_some());
    assert!(!ext(filesystem).features.contains(&"needs_recovery".to_owned()));
    mounted.unmount();
    // Without its mount it is a folder.
    let probed = mounted.probe();
    assert!(probed.machine.layout.devices.is_empty());
}

#[test]
fn root_xfs() {
    let mounted = Mounted::new(
        400,
        &["mkfs.xfs", "-q", "-L", "data", "-m", &format!("uuid={UUID},rmapbt=1"), "-i", "size=1024", "-d", "agcount=3"],
    );
    let probed = mounted.probe();
    let filesystem = filesystem(&probed);
    assert_eq!((filesystem.uuid.as_str(), &filesystem.label), (UUID, &Name::from("data")));
    assert_eq!((xfs(filesystem).inode_bytes, xfs(filesystem).allocation_groups), (1024, 3));
    assert!(xfs(filesystem).features.contains(&("rmapbt".to_owned(), true)));
    assert_eq!(filesystem.size_bytes, xfs(filesystem).blocks * 4096);
}

#[test]
fn root_btrfs() {
    let mut mounted = Mounted::new(300, &["mkfs.btrfs", "-q", "-U", UUID, "-L", "tree", "--csum", "xxhash"]);
    let top = mounted.path("root");
    let at = |path: &str| top.join(path).to_str().unwrap().to_owned();
    run(&["btrfs", "subvolume", "create", &at("@")]);
    run(&["btrfs", "subvolume", "create", &at("@home")]);
    run(&["btrfs", "subvolume", "create", &at("@/var lib")]);
    run(&["chattr", "+C", &at("@/var lib")]);
    run(&["btrfs", "subvolume", "snapshot", "-r", &at("@home"), &at("@/snap")]);
    let probed = mounted.probe();
    let all = filesystem(&probed).clone();
    assert_eq!((all.uuid.as_str(), &all.label, all.size_bytes), (UUID, &Name::from("tree"), 300 << 20));
    assert_eq!((btrfs(&all).checksum.as_str(), btrfs(&all).data_profile.as_str()), ("xxhash", "single"));
    assert_eq!(btrfs(&all).metadata_profile, "dup");
    let device_uuid = run(&["btrfs", "inspect-internal", "dump-super", &mounted.device]);
    assert!(device_uuid.contains(btrfs(&all).device_uuid.as_deref().unwrap()));
    let subvolumes: Vec<_> =
        btrfs(&all).subvolumes.iter().map(|s| (s.path.to_string(), s.read_only, s.no_cow)).collect();
    let expected = [("@", false, false), ("@/snap", true, false), ("@/var lib", false, true), ("@home", false, false)];
    assert_eq!(subvolumes, expected.map(|(path, read_only, no_cow)| (path.to_owned(), read_only, no_cow)));
    assert_eq!(probed.machine.layout.mounts[0].subvolume, Some(Name::from("")));

    // Mounted as distributions do: by subvolumes, the top level out of sight.
    run(&["btrfs", "subvolume", "set-default", &at("@")]);
    mounted.unmount();
    mounted.mount("root", &["-o", "compress=zstd:3"]);
    let refused = mounted.probe();
    assert_eq!(refused.refusals.len(), 1, "{:?}", refused.refusals);
    assert!(refused.refusals[0].reason.contains("subvolume @home is not mounted"), "{:?}", refused.refusals);
    std::fs::create_dir_all(mounted.path("root/home")).unwrap();
    std::fs::write(mounted.path("root/home/forgotten"), "").unwrap();
    mounted.mount("root/home", &["-o", "subvol=@home"]);
    let probed = mounted.probe();
    let hides = |warning: &&String| warning.contains("/home hides 1 entries in the directory under the mount");
    assert_eq!(probed.warnings.iter().filter(hides).count(), 1, "{:?}", probed.warnings);
    assert_eq!(probed.refusals, vec![]);
    let mounts: Vec<_> =
        probed.machine.layout.mounts.iter().map(|m| (m.mount_point.clone(), m.subvolume.clone().unwrap())).collect();
    assert_eq!(mounts, [(Name::from("/"), Name::from("@")), (Name::from("/home"), Name::from("@home"))]);
    assert!(probed.machine.layout.mounts[0].options.contains(&"compress=zstd:3".to_owned()));
    let Content::Filesystem(again) = &probed.machine.layout.devices[0].content else { panic!() };
    assert_eq!(btrfs(again).subvolumes, btrfs(&all).subvolumes);
    assert_eq!(btrfs(again).default_subvolume, Name::from("@"));
}

#[test]
fn root_running_machine_is_read_without_error() {
    // Whatever it is: reading it gives a description that can be written and read again.
    let probed = lifeboat_probe::probe(&SystemRunner, &Sysroot::default()).unwrap();
    lifeboat_machine::Machine::from_json(&probed.machine.to_json()).unwrap();
    assert!(!probed.machine.architecture.is_empty() && !probed.machine.boot.kernel.is_empty());
    lifeboat_probe::found_hardware(&SystemRunner, &[]).unwrap();
    assert!(Path::new("/proc/self/mountinfo").exists());
}

#[test]
fn root_swap_files_behind_links_are_recorded_where_they_lie() {
    let mounted = Mounted::new(100, &["mkfs.ext4", "-q", "-F"]);
    let root = mounted.path("root");
    for directory in ["etc", "var/swap", "opt"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    let file = root.join("var/swap/one,two");
    std::fs::write(&file, vec![0; 1 << 20]).unwrap();
    run(&["mkswap", "-q", file.to_str().unwrap()]);
    // As if its UUID had never been.
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1036..1052].fill(0);
    std::fs::write(&file, bytes).unwrap();
    run(&["chmod", "640", file.to_str().unwrap()]);
    run(&["chown", "3:6", file.to_str().unwrap()]);
    std::os::unix::fs::symlink("/opt/way", root.join("swapfile")).unwrap();
    std::os::unix::fs::symlink("../var/swap/one,two", root.join("opt/way")).unwrap();
    std::os::unix::fs::symlink("var/swap", root.join("direct")).unwrap();
    let fstab = "/swapfile none swap sw 0 0\n/direct/one,two none swap sw 0 0\n";
    std::fs::write(root.join("etc/fstab"), fstab).unwrap();
    let probed = mounted.probe();
    let [found] = &probed.machine.layout.swap_files[..] else { panic!("{:?}", probed.machine.layout.swap_files) };
    assert_eq!(found.path, Name::from("/var/swap/one,two"));
    assert_eq!((found.mode, found.uid, found.gid, found.swap.uuid.as_deref()), (0o640, 3, 6, None));
}

#[test]
fn root_a_disk_below_memory_is_refused_by_name() {
    let mut mounted = Mounted::new(64, &["mkfs.ext4", "-q", "-F"]);
    let other = Mounted::new(64, &["mkfs.ext4", "-q", "-F"]);
    let tmp = mounted.path("root/tmp");
    std::fs::create_dir_all(&tmp).unwrap();
    run(&["mount", "-t", "tmpfs", "none", tmp.to_str().unwrap()]);
    mounted.mounts.push(tmp.clone());
    let place = tmp.join("a disk");
    std::fs::create_dir_all(&place).unwrap();
    run(&["mount", &other.device, place.to_str().unwrap()]);
    mounted.mounts.push(place);
    let probed = mounted.probe();
    mounted.unmount();
    let [refusal] = &probed.refusals[..] else { panic!("{:?}", probed.refusals) };
    assert_eq!(refusal.subject, "/tmp/a disk");
    assert!(refusal.reason.contains("below /tmp (tmpfs)"), "{}", refusal.reason);
    assert!(probed.machine.layout.mount_at("/tmp/a disk").is_none());
}

//! Builds rescue systems from the running system and from a small made-up machine, and looks into them.
//!
//! Needs root (chroot) and mksquashfs, unsquashfs, cpio, modprobe.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_rescue::{Embedded, Inputs, RescueSystem, Root, build, check_closure, write_initramfs};
use lifeboat_sys::SystemRunner;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const RELEASE: &str = "6.1.0-1-test";

/// A machine whose programs are those of the running system, by links to directories, and whose kernel is made up: its
/// modules are ELF files with a `.modinfo`, made by the assembler's format of `fixtures/module.gen.sh`.
fn machine(dir: &Path) -> PathBuf {
    let root = dir.join("machine");
    std::fs::create_dir_all(root.join("boot")).unwrap();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::create_dir_all(root.join("usr/lib/modules").join(RELEASE)).unwrap();
    // A merged /usr, as a copy that shares its data: only what programs and libraries need.
    for link in ["bin", "sbin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{link}"), root.join(link)).unwrap();
    }
    for directory in ["bin", "sbin", "lib64"] {
        copy(&Path::new("/usr").join(directory), &root.join("usr").join(directory));
    }
    for directory in ["x86_64-linux-gnu", "udev", "systemd", "terminfo"] {
        let source = Path::new("/usr/lib").join(directory);
        if source.is_dir() {
            copy(&source, &root.join("usr/lib").join(directory));
        }
    }
    for file in ["passwd", "group", "mke2fs.conf", "ld.so.conf"] {
        if Path::new("/etc").join(file).exists() {
            std::fs::copy(Path::new("/etc").join(file), root.join("etc").join(file)).unwrap();
        }
    }
    copy(Path::new("/etc/alternatives"), &root.join("etc/alternatives"));
    std::fs::write(root.join("boot").join(format!("vmlinuz-{RELEASE}")), "kernel").unwrap();
    modules(&root.join("usr/lib/modules").join(RELEASE));
    std::fs::create_dir_all(root.join("usr/lib/firmware/test")).unwrap();
    std::fs::write(root.join("usr/lib/firmware/test/nic.bin"), "firmware").unwrap();
    root
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    // Hard links where the filesystem allows it: nothing here is written to.
    let copy = |option: &str| Command::new("cp").args(["--archive", option]).args([from, to]).output().unwrap();
    if !copy("--link").status.success() {
        let output = copy("--reflink=auto");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn modules(directory: &Path) {
    let module = include_bytes!("../fixtures/module.ko");
    for path in ["drivers/block/loop", "fs/squashfs/squashfs", "fs/overlayfs/overlay", "fs/ext4/ext4", "fs/jbd2/jbd2"] {
        let path = directory.join("kernel").join(path).with_extension("ko");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, module).unwrap();
    }
    let packed = directory.join("kernel/drivers/net/ethernet/test/nic.ko.zst");
    std::fs::create_dir_all(packed.parent().unwrap()).unwrap();
    std::fs::write(packed, zstd::encode_all(&module[..], 3).unwrap()).unwrap();
    std::fs::create_dir_all(directory.join("kernel/net/mac80211")).unwrap();
    std::fs::write(directory.join("kernel/net/mac80211/mac80211.ko"), module).unwrap();
    std::fs::create_dir_all(directory.join("kernel/sound")).unwrap();
    std::fs::write(directory.join("kernel/sound/snd.ko"), module).unwrap();
    std::fs::write(
        directory.join("modules.dep"),
        "kernel/drivers/block/loop.ko:\nkernel/fs/squashfs/squashfs.ko:\nkernel/fs/overlayfs/overlay.ko:\n\
         kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\nkernel/fs/jbd2/jbd2.ko:\n\
         kernel/drivers/net/ethernet/test/nic.ko.zst:\nkernel/net/mac80211/mac80211.ko:\nkernel/sound/snd.ko:\n",
    )
    .unwrap();
    std::fs::write(
        directory.join("modules.alias"),
        "# Aliases\nalias pci:v00001234d00005678sv*sd*bc*sc*i* nic\nalias pci:v0000AAAA* snd\n",
    )
    .unwrap();
    std::fs::write(directory.join("modules.builtin"), "kernel/drivers/tty/serial/8250.ko\n").unwrap();
}

fn built(root: &Path, work: &Path) -> (RescueSystem, Vec<u8>) {
    // Any dynamic program stands in for ours.
    let inputs = Inputs::new(root, "/usr/bin/env", "/usr/bin/true", work);
    let system = build(&inputs, &SystemRunner).unwrap();
    let embedded = [Embedded { path: "lifeboat/machine.json".into(), bytes: b"{}".to_vec(), mode: 0o600 }];
    let out = work.join("initrd.img");
    let initramfs = write_initramfs(&system, &embedded, &out).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    assert_eq!(bytes.len() as u64, initramfs.size_bytes);
    for file in [&out, &work.join("root.squashfs"), &work.join("tools.img")] {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600, "{}", file.display());
    }
    (system, bytes)
}

#[test]
fn root_a_rescue_system_is_whole_and_built_again_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let root = machine(dir.path());
    let (system, first) = built(&root, &dir.path().join("one"));
    let (_, second) = built(&root, &dir.path().join("another place"));
    assert!(first == second, "two builds differ");
    let tools = |name: &str| std::fs::read(dir.path().join(name).join("tools.img")).unwrap();
    assert!(tools("one") == tools("another place"), "two builds of tools.img differ");
    assert!(matches!(system.root, Root::Squashfs(_)));
    assert_eq!(system.early_modules, ["loop", "squashfs", "overlay"]);

    // The initramfs, by a stock cpio.
    let unpacked = dir.path().join("initramfs");
    std::fs::create_dir(&unpacked).unwrap();
    let status = Command::new("cpio")
        .args(["--extract", "--make-directories", "--quiet", "--file"])
        .arg(dir.path().join("one/initrd.img"))
        .current_dir(&unpacked)
        .status()
        .unwrap();
    assert!(status.success());
    let early = std::fs::read_to_string(unpacked.join("lifeboat/modules/early.list")).unwrap();
    assert_eq!(early, "loop.ko\nsquashfs.ko\noverlay.ko\n");
    assert_eq!(std::fs::read(unpacked.join("lifeboat/machine.json")).unwrap(), b"{}");
    assert_eq!(check_closure(&unpacked).unwrap(), []);
    let init = Command::new("chroot").arg(&unpacked).arg("/init").status().unwrap();
    assert!(init.success(), "init does not run in its own initramfs");

    // The root.
    let staging = dir.path().join("root");
    unsquash(&unpacked.join("lifeboat/root.squashfs"), &staging);
    assert_eq!(check_closure(&staging).unwrap(), []);
    for (program, argument) in [
        ("sfdisk", "--version"),
        ("mount", "--version"),
        ("bash", "--version"),
        ("blkid", "-V"),
        ("lifeboat", "--version"),
        ("ls", "--version"),
        ("tar", "--version"),
        ("mke2fs", "-V"),
        ("lsblk", "--version"),
        ("udevadm", "--version"),
    ] {
        if !staging.join("usr/bin").join(program).exists() && !staging.join("usr/sbin").join(program).exists() {
            assert_eq!(program, "udevadm", "{program} is missing");
            continue;
        }
        let output =
            Command::new("chroot").arg(&staging).args([program, argument]).env("PATH", "/usr/sbin:/usr/bin").output();
        let output = output.unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let id = Command::new("chroot").arg(&staging).args(["/usr/bin/id", "-un"]).output().unwrap();
    assert_eq!(id.stdout, b"root\n", "name look-ups work");
    let release = staging.join("usr/lib/modules").join(RELEASE);
    assert!(release.join("kernel/drivers/net/ethernet/test/nic.ko").is_file(), "modules are unpacked");
    assert!(!release.join("kernel/sound/snd.ko").exists() && !release.join("kernel/net/mac80211").exists());
    assert_eq!(std::fs::read(staging.join("usr/lib/firmware/test/nic.bin")).unwrap(), b"firmware");
    assert!(!std::fs::read_to_string(release.join("modules.alias")).unwrap().contains("snd"));
    for (name, expected) in [
        ("ext4", vec!["kernel/fs/jbd2/jbd2.ko", "kernel/fs/ext4/ext4.ko"]),
        ("pci:v00001234d00005678sv00000000sd00000000bc02sc00i00", vec!["kernel/drivers/net/ethernet/test/nic.ko"]),
    ] {
        // A stock modprobe reads our indexes.
        let output = Command::new("modprobe")
            .args(["--show-depends", "--set-version", RELEASE, "--dirname"])
            .arg(&staging)
            .arg(name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.lines().count(), expected.len(), "{name}: {text}");
        for (line, path) in text.lines().zip(expected) {
            assert!(line.trim_end().ends_with(path), "{name}: {text}");
        }
    }
    // The finished images list the same as the builder did.
    let work = dir.path().join("look");
    std::fs::create_dir(&work).unwrap();
    let images = lifeboat_rescue::look::initramfs(&dir.path().join("one/initrd.img"), &work, &SystemRunner).unwrap();
    let files = |contents: &[lifeboat_rescue::Content]| {
        let files =
            contents.iter().filter(|content| content.why != "directory" && content.path != "/lifeboat/contents");
        files.map(|content| (content.path.clone(), content.why.clone())).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(images.iter().map(|image| image.name).collect::<Vec<_>>(), ["initramfs", "root"]);
    assert!(files(&system.contents).is_subset(&files(&images[1].contents)));
    let mut all = images.iter().flat_map(|image| &image.contents);
    assert_eq!(all.find(|content| content.why.starts_with("unknown")), None);
    let init = images[0].contents.iter().find(|content| content.path == "/lifeboat/init").unwrap();
    assert_eq!(
        (init.size_bytes, init.why.as_str()),
        (std::fs::metadata("/usr/bin/true").unwrap().len(), "the kernel starts it")
    );
    let tools = lifeboat_rescue::look::tools(system.tools.as_deref().unwrap(), &work, &SystemRunner).unwrap();
    assert!(
        tools.contents.iter().any(|content| content.path.ends_with("mac80211.ko") && content.why.starts_with("module"))
    );

    // init is there once: the root has a link to it.
    assert_eq!(std::fs::read_link(staging.join("usr/bin/lifeboat-init")).unwrap(), Path::new("/lifeboat/init"));
    assert_eq!(std::fs::read_link(unpacked.join("init")).unwrap(), Path::new("/lifeboat/init"));

    // A kernel that unpacks zstd gets the same files in less room.
    let config = "CONFIG_SQUASHFS=m\nCONFIG_SQUASHFS_ZSTD=y\nCONFIG_RD_ZSTD=y\n";
    std::fs::write(root.join("boot").join(format!("config-{RELEASE}")), config).unwrap();
    let (packed, less) = built(&root, &dir.path().join("packed"));
    assert!(less.len() + 500_000 < first.len(), "{} and {}", less.len(), first.len());
    assert_eq!(packed.early_modules, system.early_modules);
    let work = dir.path().join("look at the packed one");
    std::fs::create_dir(&work).unwrap();
    let initrd = dir.path().join("packed/initrd.img");
    let again = lifeboat_rescue::look::initramfs(&initrd, &work, &SystemRunner).unwrap();
    let sizes = |image: &lifeboat_rescue::look::Image| -> std::collections::BTreeMap<String, u64> {
        let varies = ["/lifeboat/root.squashfs", "/lifeboat/contents"];
        let same = image.contents.iter().filter(|content| !varies.contains(&content.path.as_str()));
        same.map(|content| (content.path.clone(), content.size_bytes)).collect()
    };
    assert_eq!(sizes(&again[0]), sizes(&images[0]));

    let reasons: Vec<_> = system.contents.iter().filter(|content| content.why.is_empty()).collect();
    assert!(reasons.is_empty(), "{reasons:?}");

    let tools = dir.path().join("tools");
    unsquash(system.tools.as_deref().unwrap(), &tools);
    let top: Vec<_> = std::fs::read_dir(&tools).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(top, ["usr"]);
    let release = tools.join("usr/lib/modules").join(RELEASE);
    assert!(release.join("kernel/net/mac80211/mac80211.ko").is_file());
    let dep = std::fs::read_to_string(release.join("modules.dep")).unwrap();
    assert!(dep.contains("mac80211") && dep.contains("ext4"), "its index names the modules of both images");
}

#[test]
fn root_a_large_module_stays_packed_where_the_kernel_unpacks_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = machine(dir.path());
    let directory = root.join("usr/lib/modules").join(RELEASE);
    // Bytes that no compressor shrinks, behind what an ELF reader looks at.
    let mut large = include_bytes!("../fixtures/module.ko").to_vec();
    let mut state = 1_u64;
    for _ in 0..25 << 10 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        large.extend_from_slice(&(state ^ state >> 29).to_le_bytes());
    }
    let file = directory.join("kernel/drivers/net/ethernet/test/nic.ko.zst");
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, zstd::encode_all(&large[..], 3).unwrap()).unwrap();
    let config = root.join("boot").join(format!("config-{RELEASE}"));
    let squashfs = "CONFIG_SQUASHFS=m\nCONFIG_SQUASHFS_ZSTD=y\n";
    for (options, name) in [
        ("CONFIG_MODULE_COMPRESS_ZSTD=y\nCONFIG_MODULE_DECOMPRESS=y\n", "nic.ko.zst"),
        ("CONFIG_MODULE_COMPRESS_XZ=y\nCONFIG_MODULE_DECOMPRESS=y\n", "nic.ko"),
        ("CONFIG_MODULE_COMPRESS_ZSTD=y\n# CONFIG_MODULE_DECOMPRESS is not set\n", "nic.ko"),
    ] {
        std::fs::write(&config, format!("{squashfs}{options}")).unwrap();
        let work = tempfile::tempdir().unwrap();
        let (system, _) = built(&root, &work.path().join("build"));
        let Root::Squashfs(image) = &system.root else { panic!("the root is no squashfs") };
        let staging = work.path().join("root");
        unsquash(image, &staging);
        let release = Path::new("usr/lib/modules").join(RELEASE);
        let inside = format!("kernel/drivers/net/ethernet/test/{name}");
        assert!(staging.join(&release).join(&inside).is_file(), "{options}");
        let dep = std::fs::read_to_string(staging.join(&release).join("modules.dep")).unwrap();
        assert!(dep.lines().any(|line| line == format!("{inside}:")), "{dep}");
        let mut modprobe = Command::new("modprobe");
        modprobe.args(["--show-depends", "-S", RELEASE, "-d"]).arg(&staging).arg("nic");
        let shown = String::from_utf8(shown_of(&mut modprobe)).unwrap();
        assert!(shown.trim_end().ends_with(&inside), "{shown}");
        // What it names is found whichever way it is kept.
        assert!(staging.join("usr/lib/firmware/test/nic.bin").is_file(), "{options}");
    }
}

fn shown_of(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn root_what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = machine(dir.path());
    let fail = |change: &dyn Fn(&mut Inputs)| {
        let mut inputs = Inputs::new(&root, "/usr/bin/env", "/usr/bin/true", dir.path().join("work"));
        change(&mut inputs);
        build(&inputs, &SystemRunner).unwrap_err().to_string()
    };
    let error = fail(&|inputs| inputs.kernel_release = Some("9.9".into()));
    assert!(error.contains("there is no /lib/modules/9.9/modules.dep"), "{error}");
    let error = fail(&|inputs| inputs.extra.programs = vec!["no-such-program".into()]);
    assert!(error.starts_with("cannot FIND the program no-such-program"), "{error}");
    let error = fail(&|inputs| inputs.extra.modules = vec!["zfs".into()]);
    assert!(error.starts_with("cannot FIND the module zfs"), "{error}");
    std::fs::remove_file(root.join("usr/sbin/sfdisk")).unwrap();
    let error = fail(&|_| {});
    assert!(error.contains("sfdisk") && error.ends_with("try installing the package fdisk"), "{error}");
    std::fs::remove_file(root.join("usr/lib/modules").join(RELEASE).join("kernel/fs/ext4/ext4.ko")).unwrap();
    assert!(!dir.path().join("work/root.squashfs").exists());
}

#[test]
fn root_a_kernel_without_squashfs_gets_the_same_files_as_cpio() {
    let dir = tempfile::tempdir().unwrap();
    let root = machine(dir.path());
    std::fs::write(root.join("boot").join(format!("config-{RELEASE}")), "# CONFIG_SQUASHFS is not set\n").unwrap();
    let work = dir.path().join("work");
    let system = build(&Inputs::new(&root, "/usr/bin/env", "/usr/bin/true", &work), &SystemRunner).unwrap();
    assert!(matches!(system.root, Root::Cpio(_)) && system.tools.is_none());
    let out = dir.path().join("initrd.img");
    let initramfs = write_initramfs(&system, &[], &out).unwrap();
    for path in ["/init", "/usr/bin/lifeboat", "/usr/sbin/sfdisk", "/etc/passwd", "/lifeboat/modules/early.list"] {
        assert!(initramfs.contents.iter().any(|content| content.path == path), "{path}");
    }
    let list = Command::new("cpio").args(["--list", "--quiet", "--file"]).arg(&out).output().unwrap();
    assert!(list.status.success());
}

fn unsquash(image: &Path, target: &Path) {
    let status = Command::new("unsquashfs").args(["-quiet", "-no-progress", "-dest"]).arg(target).arg(image).output();
    assert!(status.unwrap().status.success());
}

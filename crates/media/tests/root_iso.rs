//! Writes images from the GRUB of the running system and reads them with stock tools. Needs root for the loop mount.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use lifeboat_media::{MediumInputs, Menu, MenuOptions, el_torito, write_iso};
use lifeboat_sys::SystemRunner;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

fn files(dir: &Path) -> BTreeMap<String, PathBuf> {
    let lifeboat = dir.join("with = and \\ in it");
    std::fs::create_dir_all(lifeboat.join("repo/data/ab")).unwrap();
    let hash = "ab".repeat(32);
    std::fs::write(lifeboat.join("repo/data/ab").join(&hash), vec![7; 3_000_000]).unwrap();
    std::fs::write(lifeboat.join("repo/config"), "config").unwrap();
    std::fs::write(lifeboat.join("kernel"), "kernel").unwrap();
    std::fs::write(lifeboat.join("initrd.img"), "initrd").unwrap();
    ["kernel", "initrd.img", "repo"].iter().map(|name| ((*name).to_owned(), lifeboat.join(name))).collect()
}

#[test]
fn root_an_image_holds_everything_and_boots_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let (manifest, menu) =
        (common::manifest(), Menu::new(&common::machine(), &common::manifest(), &MenuOptions::default()));
    let seen = Mutex::new(vec![]);
    let write = |name: &str| {
        let inputs = MediumInputs {
            sysroot: Path::new("/"),
            work: &dir.path().join("work"),
            out: &dir.path().join(name),
            keep_old: false,
            files: &files,
            manifest: &manifest,
            menu: &menu,
            seal: None,
            signing: None,
            progress: &|progress| seen.lock().unwrap().push(progress),
        };
        write_iso(&inputs, &SystemRunner).unwrap()
    };
    let report = write("one.iso");
    assert!(report.bios && report.uefi);
    assert_eq!(report.volume_id, "DB_1___REBOOT_20261124_0A1B2C3D");
    assert_eq!(report.path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let record = el_torito::read(&mut std::fs::File::open(&report.path).unwrap()).unwrap();
    assert!(record.bios && record.uefi && record.usb);
    assert!(seen.lock().unwrap().iter().all(|progress| progress.bytes <= progress.bytes_total));

    // Both ways for firmware to find the ESP of a stick, and xorriso's own opinion.
    let table = Command::new("sfdisk").arg("--dump").arg(&report.path).output().unwrap();
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("label: gpt") && table.contains("C12A7328-F81F-11D2-BA4B-00A0C93EC93B"), "{table}");
    let system = Command::new("xorriso")
        .args(["-indev"])
        .arg(&report.path)
        .args(["-report_el_torito", "plain"])
        .output()
        .unwrap();
    let system = String::from_utf8_lossy(&system.stdout).into_owned();
    assert!(system.contains("BIOS") && system.contains("UEFI"), "{system}");

    let mount = dir.path().join("mnt");
    std::fs::create_dir(&mount).unwrap();
    let status = Command::new("mount").args(["-o", "loop,ro"]).arg(&report.path).arg(&mount).output().unwrap();
    if status.status.success() {
        let hash = "ab".repeat(32);
        let pack = std::fs::read(mount.join("lifeboat/repo/data/ab").join(hash));
        let menu = std::fs::read_to_string(mount.join("boot/grub/grub.cfg"));
        let marker = mount.join("boot/grub/medium-0a1b2c3d4e5f60718293a4b5c6d7e8f9").is_file();
        assert!(Command::new("umount").arg(&mount).status().unwrap().success());
        assert_eq!(pack.unwrap().len(), 3_000_000);
        assert!(menu.unwrap().contains("menuentry") && marker);
    } else {
        // A kernel without iso9660: the same look through xorriso.
        let out = dir.path().join("pack");
        let path = format!("/lifeboat/repo/data/ab/{}", "ab".repeat(32));
        let status = Command::new("xorriso")
            .args(["-osirrox", "on", "-indev"])
            .arg(&report.path)
            .args(["-extract", &path])
            .arg(&out)
            .output();
        assert!(status.unwrap().status.success());
        assert_eq!(std::fs::read(out).unwrap().len(), 3_000_000);
    }
}

#[test]
fn root_what_is_missing_is_named_and_no_half_image_stays() {
    let dir = tempfile::tempdir().unwrap();
    let all = files(dir.path());
    let (manifest, menu) =
        (common::manifest(), Menu::new(&common::machine(), &common::manifest(), &MenuOptions::default()));
    let out = dir.path().join("out.iso");
    let fail = |sysroot: &Path, files: &BTreeMap<String, PathBuf>| {
        let work = dir.path().join("work");
        let inputs = MediumInputs {
            sysroot,
            work: &work,
            out: &out,
            keep_old: false,
            files,
            manifest: &manifest,
            menu: &menu,
            seal: None,
            signing: None,
            progress: &|_| {},
        };
        write_iso(&inputs, &SystemRunner).unwrap_err().to_string()
    };
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let error = fail(&empty, &all);
    assert!(error.contains("has no GRUB files; try installing grub-pc-bin"), "{error}");
    let mut without = all.clone();
    without.remove("kernel");
    let error = fail(Path::new("/"), &without);
    assert!(error.contains("lifeboat/kernel"), "{error}");
    let mut outside = all.clone();
    outside.insert("../x".into(), all["kernel"].clone());
    assert!(fail(Path::new("/"), &outside).contains("not a path below lifeboat/"));
    let mut gone = all.clone();
    gone.insert("tools.img".into(), dir.path().join("not there"));
    assert!(fail(Path::new("/"), &gone).contains("not there"));
    assert!(!out.exists());
}

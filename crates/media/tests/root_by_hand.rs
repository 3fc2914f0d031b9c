//! Follows RECOVER-BY-HAND.txt literally, as far as it goes without a medium: tables, filesystems, swap. Files stand in for
//! disks and their partitions. Needs root for the mount of a btrfs file.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use lifeboat_media::recover_by_hand;
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// The commands under the headings that begin with these numbers.
fn commands(page: &str, numbers: &[&str]) -> String {
    let mut wanted = false;
    let mut script = String::from("set -eu\n");
    for line in page.lines() {
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            wanted = numbers.iter().any(|number| line.starts_with(number));
        }
        if let Some(command) = line.strip_prefix("    ").filter(|_| wanted) {
            script.push_str(command);
            script.push('\n');
        }
    }
    script
}

fn output(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(path).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn root_tables_and_filesystems_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let machine = common::machine();
    let script = commands(&recover_by_hand(&machine, &common::manifest()), &["1.", "3.", "4."]);
    // A name without a digit at its end, so that its partitions are the files d1, d2, …
    let disk = dir.path().join("d");
    for device in &machine.layout.devices {
        let name = device.id.0.replace("disk0p", "d").replace("disk0", "d");
        File::create(dir.path().join(name)).unwrap().set_len(device.size_bytes).unwrap();
    }
    let result = Command::new("bash")
        .arg("-c")
        .arg(&script)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("disk0", &disk)
        .env("disk1", dir.path().join("disk1"))
        .output()
        .unwrap();
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));

    let table = output("sfdisk", &["--dump"], &disk);
    for part in [
        "label-id: 0F5A3C1E-7B2D-4A6F-9C8E-1D2B3A4C5E6F",
        "start=        2048, size=      131072, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=11111111-1111-4111-8111-111111111111",
        "name=\"EFI \\x22\\x24system\\x22\"",
        "attrs=\"LegacyBIOSBootable\"",
        "size=     1433600",
    ] {
        assert!(table.contains(part), "{part} in {table}");
    }
    let blkid = |name: &str| output("blkid", &["-p", "-o", "export"], &dir.path().join(name));
    for (name, parts) in [
        ("d1", vec!["TYPE=vfat", "UUID=1234-ABCD", "LABEL=ESP"]),
        ("d2", vec!["TYPE=ext4", "UUID=0a0a0a0a-0b0b-4c0c-8d0d-0e0e0e0e0e0e", "LABEL=root\\ fs"]),
        ("d3", vec!["TYPE=swap", "UUID=0f0f0f0f-0b0b-4c0c-8d0d-0e0e0e0e0e0e", "LABEL=sw"]),
        ("d4", vec!["TYPE=xfs", "UUID=2d2d2d2d-0b0b-4c0c-8d0d-0e0e0e0e0e0e", "LABEL=var"]),
        ("disk1", vec!["TYPE=btrfs", "UUID=1c1c1c1c-0b0b-4c0c-8d0d-0e0e0e0e0e0e"]),
    ] {
        let found = blkid(name);
        assert!(parts.iter().all(|part| found.contains(part)), "{name}: {parts:?} in {found}");
    }
    let features = output("dumpe2fs", &["-h"], &dir.path().join("d2"));
    assert!(features.contains("metadata_csum") && !features.contains("64bit"), "{features}");
    for (key, value) in [
        ("Inode count:", "65536"),
        ("Block count:", "262144"),
        ("Reserved block count:", "13107"),
        ("Reserved GDT blocks:", "127"),
        ("Flex block group size:", "16"),
        ("Default mount options:", "user_xattr acl"),
        ("Default directory hash:", "half_md4"),
        ("Directory Hash Seed:", "0e0e0e0e-0b0b-4c0c-8d0d-0e0e0e0e0e0e"),
        ("Total journal size:", "32M"),
    ] {
        let line = features.lines().find_map(|line| line.strip_prefix(key));
        assert_eq!(line.map(str::trim), Some(value), "{key} in {features}");
    }
    let xfs = output("xfs_db", &["-r", "-c", "info"], &dir.path().join("d4"));
    for part in ["agcount=4, agsize=44800 blks", "bigtime=0", "blocks=179200, imaxpct=25", "blocks=16384, version=2"] {
        assert!(xfs.contains(part), "{part} in {xfs}");
    }
    let btrfs = output("btrfs", &["inspect-internal", "dump-super"], &dir.path().join("disk1"));
    assert!(btrfs.contains("EXTENDED_IREF") && !btrfs.contains("NO_HOLES"), "{btrfs}");
}

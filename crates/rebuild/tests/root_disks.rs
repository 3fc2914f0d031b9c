//! Disks as images and loop devices: wiping, marks, partition tables, mounts, subvolumes, swap files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Image, LINUX, Loop, Table, empty_machine, empty_plan, entry, gpt, mbr, swap_file, text_of};
use lifeboat_machine::filesystem::Subvolume;
use lifeboat_machine::layout::{PartitionRole, PartitionTable, TableKind};
use lifeboat_machine::marker::{LENGTH, Marker, offsets};
use lifeboat_machine::{DeviceId, Name};
use lifeboat_plan::Step;
use lifeboat_rebuild::{Context, apply, unmount_all};
use lifeboat_sys::{FakeRunner, Output, SystemRunner};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

const MIB: u64 = 1 << 20;

fn do_step(step: Step) -> Result<Vec<String>, lifeboat_rebuild::RebuildError> {
    let (machine, plan) = (empty_machine(), empty_plan());
    apply(&step, &Context::new(&SystemRunner, "/nonexistent", &machine, &plan))
}

fn wipe(disk: &str) -> Step {
    Step::WipeDisk { disk: disk.into(), device: DeviceId("disk0".into()) }
}

fn write_table(disk: &str, (table, entries): Table) -> Step {
    Step::WriteTable { disk: disk.into(), table, entries, partitions: vec![] }
}

fn marks(image: &Image) -> usize {
    let bytes = std::fs::read(image.path()).unwrap();
    offsets(image.size).iter().filter(|at| Marker::decode(&bytes[**at as usize..]).is_some()).count()
}

/// `sfdisk --dump` in the words of a script: without device names and what follows from the rest.
fn dump(disk: &str) -> Vec<String> {
    let text = text_of("sfdisk", &["--dump", disk]);
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("device:") && !line.starts_with("sector-size:"))
        .map(|line| {
            let line = line.strip_prefix(disk).map(|rest| rest.trim_start_matches('p')).unwrap_or(line);
            let mut out = String::new();
            // Columns are aligned with blanks behind `=`.
            for c in line.chars() {
                if c != ' ' || !out.ends_with(['=', ' ']) {
                    out.push(c);
                }
            }
            out
        })
        .collect();
    lines.sort();
    lines
}

fn sorted((table, entries): &Table) -> Vec<String> {
    let script = lifeboat_rebuild::sfdisk::script(table, entries);
    // In the C locale sfdisk prints UTF-8 as bytes.
    let script = script.replace("größer", "gr\\xc3\\xb6\\xc3\\x9fer");
    let mut lines: Vec<String> = script.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn root_tables_come_out_as_written() {
    for table in [gpt(), mbr()] {
        let image = Image::new(64 * MIB);
        do_step(wipe(&image.text())).unwrap();
        do_step(write_table(&image.text(), table.clone())).unwrap();
        assert_eq!(dump(&image.text()), sorted(&table));
        assert_eq!(marks(&image), 0, "the mark goes when the table stands");
        // A second time, over what the first one left.
        do_step(wipe(&image.text())).unwrap();
        do_step(write_table(&image.text(), table.clone())).unwrap();
        assert_eq!(dump(&image.text()), sorted(&table));
    }
}

#[test]
fn root_tables_on_sectors_of_4096() {
    let disk = Loop::new(64 * MIB, 4096);
    let head = common::table(TableKind::Gpt, "11111111-2222-3333-4444-555555555555", Some(6), Some(16_378));
    let table = (head, vec![entry(1, 256, 1024, LINUX, PartitionRole::Primary)]);
    do_step(wipe(disk.text())).unwrap();
    do_step(write_table(disk.text(), table.clone())).unwrap();
    assert_eq!(dump(disk.text()), sorted(&table));
}

#[test]
fn root_wiping_leaves_the_mark_and_nothing_else() {
    let image = Image::new(64 * MIB);
    text_of("mkfs.ext4", &["-F", "-q", &image.text()]);
    do_step(wipe(&image.text())).unwrap();
    assert_eq!(marks(&image), 2);
    let bytes = std::fs::read(image.path()).unwrap();
    let [first, second] = offsets(image.size)[..] else { panic!() };
    let zero = |from: u64, to: u64| bytes[from as usize..to as usize].iter().all(|byte| *byte == 0);
    assert!(zero(0, first) && zero(first + LENGTH as u64, MIB) && zero(second + LENGTH as u64, image.size));
    assert_eq!(text_of("wipefs", &[&image.text()]), "");
}

#[test]
fn root_every_moment_of_a_power_cut_is_recognised() {
    // A device, for probe looks at devices only.
    let disk = Loop::new(64 * MIB, 512);
    let content = || lifeboat_probe::content_of(&SystemRunner, disk.text());
    text_of("mkfs.ext4", &["-F", "-q", disk.text()]);
    // The program that removes signatures is never run: the power goes right behind the mark.
    let fails = FakeRunner::new().answer_with("wipefs", Output { code: 1, stdout: vec![], stderr: b"power".to_vec() });
    let (machine, plan) = (empty_machine(), empty_plan());
    let context = Context::new(&fails, "/nonexistent", &machine, &plan);
    apply(&wipe(disk.text()), &context).unwrap_err();
    assert_eq!(marks(&disk.image), 2);
    assert!(matches!(content(), Ok(lifeboat_machine::Content::Filesystem(_))), "it still is what it was");
    // The table is written, but the power goes before its end: its parts without the protective MBR are no table.
    apply(&wipe(disk.text()), &Context::new(&SystemRunner, "/nonexistent", &machine, &plan)).unwrap();
    let header = b"EFI PART half a header";
    std::fs::OpenOptions::new().write(true).open(&disk.path).unwrap().write_all_at(header, 512).unwrap();
    assert!(matches!(content(), Ok(lifeboat_machine::Content::Empty)), "nothing but the mark tells whose it is");
    assert_eq!(marks(&disk.image), 2);
}

#[test]
fn root_a_mounted_disk_is_not_wiped() {
    let disk = Loop::new(64 * MIB, 512);
    text_of("mkfs.ext4", &["-F", "-q", disk.text()]);
    let target = tempfile::tempdir().unwrap();
    lifeboat_sys::mount::mount(&disk.path, target.path(), "ext4", &[]).unwrap();
    let error = do_step(wipe(disk.text())).unwrap_err().to_string();
    lifeboat_sys::mount::unmount(target.path()).unwrap();
    assert!(error.contains("is mounted at"), "{error}");
}

#[test]
fn root_boot_code_keeps_the_table() {
    let image = Image::new(64 * MIB);
    let (table, entries) = mbr();
    // 600 bytes of 0xff: more than there is room for.
    let full = PartitionTable { boot_code: Some("/".repeat(800)), ..table };
    do_step(write_table(&image.text(), (full, entries))).unwrap();
    let bytes = std::fs::read(image.path()).unwrap();
    assert!(bytes[..440].iter().all(|byte| *byte == 0xff));
    assert_eq!(dump(&image.text()), sorted(&mbr()));
}

#[test]
fn root_btrfs_tree() {
    let disk = Loop::new(300 * MIB, 512);
    text_of("mkfs.btrfs", &["-q", disk.text()]);
    let target = tempfile::tempdir().unwrap();
    let (machine, mut plan) = (empty_machine(), empty_plan());
    let subvolume = |path: &str, read_only, no_cow| Subvolume { path: Name::from(path), read_only, no_cow };
    let subvolumes =
        vec![subvolume("@", false, false), subvolume("@/var/lib", true, false), subvolume("@db", false, true)];
    // Finish finds read-only subvolumes in the plan.
    let make = Step::MakeSubvolumes { device: disk.text().to_owned(), subvolumes, default: Name::from("@") };
    plan.steps.push(make.clone());
    let context = Context::new(&SystemRunner, target.path(), &machine, &plan);
    let device = disk.text().to_owned();
    let mount = |point: &str, subvolume: &str| Step::Mount {
        device: device.clone(),
        mount_point: Name::from(point),
        kind: "btrfs".into(),
        options: vec!["noexec".into(), "compress=zstd:1".into()],
        subvolume: Some(Name::from(subvolume)),
    };
    apply(&make, &context).unwrap();
    apply(&mount("/", "@"), &context).unwrap();
    apply(&mount("/srv/my db", "@db"), &context).unwrap();
    std::fs::write(target.path().join("srv/my db/file"), "x").unwrap();
    let mut file = swap_file("/swap/file", 20 * MIB, Some("aaaaaaaa-0000-4000-8000-000000000001"), "sw");
    (file.mode, file.uid, file.gid) = (0o640, 7, 6);
    file.xattrs = vec![("user.made-by".into(), Name::from("hand"))];
    // Twice: a step can be done again.
    for _ in 0..2 {
        apply(&Step::MakeSwapFile { file: file.clone() }, &context).unwrap();
    }
    let swap = target.path().join("swap/file");
    assert!(text_of("blkid", &["-p", swap.to_str().unwrap()]).contains("aaaaaaaa-0000-4000-8000-000000000001"));
    let status = std::fs::metadata(&swap).unwrap();
    assert_eq!((status.mode() & 0o7777, status.uid(), status.gid()), (0o640, 7, 6));
    assert!(text_of("getfattr", &["-d", swap.to_str().unwrap()]).contains("user.made-by=\"hand\""));
    let flags = |path: &Path| text_of("lsattr", &["-d", path.to_str().unwrap()]);
    assert!(flags(&swap).split(' ').next().unwrap().contains('C'));
    assert!(flags(&target.path().join("srv/my db")).split(' ').next().unwrap().contains('C'));
    apply(&Step::Finish, &context).unwrap();
    // Mounted without a subvolume, the default one appears, and its inner one is read-only.
    lifeboat_sys::mount::mount(&disk.path, target.path(), "btrfs", &[]).unwrap();
    let read_only = std::fs::write(target.path().join("var/lib/file"), "x");
    let default = target.path().join("swap/file").exists();
    unmount_all(&context).unwrap();
    assert!(default);
    assert_eq!(read_only.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
}

#[test]
fn root_the_running_system_is_lent_and_taken_back() {
    let target = tempfile::tempdir().unwrap();
    let (mut machine, plan) = (empty_machine(), empty_plan());
    machine.boot.initramfs = lifeboat_machine::boot::InitramfsTool::Dracut;
    let before = lifeboat_sys::mount::table().unwrap();
    let runner = FakeRunner::lenient();
    let context = Context::new(&runner, target.path(), &machine, &plan);
    apply(&Step::RebuildInitramfs { reason: String::new() }, &context).unwrap();
    assert_eq!(runner.calls().len(), 1);
    for place in ["dev", "proc", "sys", "run"] {
        assert!(target.path().join(place).is_dir(), "{place}");
    }
    let names =
        |table: Vec<lifeboat_sys::mount::MountInfo>| table.into_iter().map(|m| m.mount_point).collect::<Vec<_>>();
    let after = names(lifeboat_sys::mount::table().unwrap());
    assert!(after.iter().all(|point| !point.starts_with(target.path())), "{after:?}");
    let system =
        |point: &&std::path::PathBuf| ["/dev", "/proc", "/sys", "/run"].iter().any(|top| point.starts_with(top));
    for point in names(before).iter().filter(system) {
        assert!(after.contains(point), "{} is gone", point.display());
    }
}

#[test]
fn root_a_swap_file_on_a_filesystem_without_extents() {
    let target = tempfile::tempdir().unwrap();
    let disk = Loop::new(64 * MIB, 512);
    text_of("mke2fs", &["-q", "-F", "-t", "ext2", disk.text()]);
    lifeboat_sys::mount::mount(&disk.path, target.path(), "ext2", &[]).unwrap();
    text_of("touch", &["-d", "2001-02-03 04:05:06.789", target.path().to_str().unwrap()]);
    let (machine, plan) = (empty_machine(), empty_plan());
    let context = Context::new(&SystemRunner, target.path(), &machine, &plan);
    let file = swap_file("/swapfile", 20 * MIB, None, "");
    apply(&Step::MakeSwapFile { file }, &context).unwrap();
    let header = std::fs::read(target.path().join("swapfile")).unwrap();
    assert_eq!(header[1036..1052], [0; 16], "it had no UUID");
    let swap = std::fs::metadata(target.path().join("swapfile")).unwrap();
    let root = std::fs::metadata(target.path()).unwrap();
    unmount_all(&context).unwrap();
    assert!(swap.blocks() * 512 >= 20 * MIB, "{} blocks", swap.blocks());
    assert_eq!(swap.mode() & 0o7777, 0o600);
    // ext2 with small inodes keeps whole seconds.
    let expected = text_of("date", &["-d", "2001-02-03 04:05:06", "+%s"]);
    assert_eq!(root.mtime().to_string(), expected.trim(), "the directory keeps its time");
}

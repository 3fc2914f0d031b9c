//! What is asked before the first step, and what is read back after each: on loop devices.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Image, LINUX, Loop, empty_machine, empty_plan, entry, gpt, mbr, swap_file, table, text_of};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, Subvolume};
use lifeboat_machine::layout::{PartitionRole, Swap, TableKind};
use lifeboat_machine::{Content, DeviceId, Name};
use lifeboat_plan::{MatchedBy, Plan, Step, Target};
use lifeboat_rebuild::{Context, RebuildError, apply, check, read_back, unmount_all};
use lifeboat_sys::SystemRunner;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const MIB: u64 = 1 << 20;

fn content(path: &str) -> Content {
    lifeboat_probe::content_of(&SystemRunner, path).unwrap_or_else(|refusals| panic!("{refusals:?}"))
}

fn filesystem(path: &str) -> Filesystem {
    match content(path) {
        Content::Filesystem(filesystem) => filesystem,
        other => panic!("{other:?}"),
    }
}

fn make(device: &str, filesystem: Filesystem) -> Step {
    Step::MakeFilesystem { device: device.into(), filesystem, resized: false, was: None, further: vec![] }
}

fn target(path: &str) -> Target {
    Target {
        device: DeviceId("disk0".into()),
        path: path.into(),
        name: String::new(),
        matched_by: MatchedBy::OnlyDisk,
        wwn: None,
        serial: None,
        loses: String::new(),
        size_bytes: (0, 0),
    }
}

fn checked(plan: &Plan) -> Result<(), String> {
    let (machine, scratch) = (empty_machine(), tempfile::tempdir().unwrap());
    let mut context = Context::new(&SystemRunner, "/nonexistent", &machine, plan);
    context.scratch = scratch.path().to_owned();
    let result = check(&context).map_err(|error| error.to_string());
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "trials leave nothing");
    result
}

fn done(step: &Step, plan: &Plan, directory: &Path) -> Result<Vec<String>, RebuildError> {
    let machine = empty_machine();
    apply(step, &Context::new(&SystemRunner, directory, &machine, plan))
}

#[test]
fn root_a_uuid_that_is_in_use_elsewhere_is_refused() {
    for mkfs in ["mkfs.btrfs", "mkfs.ext2", "mkfs.xfs", "mkswap"] {
        let (old, new) = (Loop::new(320 * MIB, 512), Loop::new(320 * MIB, 512));
        text_of(mkfs, &["-q", old.text()]);
        let step = match content(old.text()) {
            Content::Filesystem(filesystem) => make(new.text(), filesystem),
            Content::Swap(swap) => Step::MakeSwap { device: new.text().into(), swap },
            other => panic!("{other:?}"),
        };
        let mut plan = Plan { targets: vec![target(new.text())], steps: vec![step], ..empty_plan() };
        let error = checked(&plan).unwrap_err();
        assert!(error.contains(&format!("{} has the same UUID", old.text())), "{mkfs}: {error}");
        assert!(error.contains(&format!("unplugging {}", old.text())), "{mkfs}: {error}");
        // A disk that is wiped bears nothing any more.
        plan.targets.push(target(old.text()));
        assert_eq!(checked(&plan), Ok(()), "{mkfs}");
    }
}

#[test]
fn root_what_mkfs_does_not_know_is_refused_before_the_first_step() {
    let made = |mkfs: &[&str], mib: u64| {
        let image = Image::new(mib * MIB);
        text_of(mkfs[0], &[&mkfs[1..], &[&image.text()]].concat());
        filesystem(&image.text())
    };
    let mut ext = made(&["mke2fs", "-q", "-F", "-t", "ext4"], 100);
    let mut xfs = made(&["mkfs.xfs", "-q"], 320);
    let mut btrfs = made(&["mkfs.btrfs", "-q"], 320);
    let fat = made(&["mkfs.fat", "-F", "32"], 100);
    for good in [&ext, &xfs, &btrfs, &fat] {
        let (new, kind) = (Loop::new(320 * MIB, 512), good.options.mount_type());
        let plan =
            Plan { targets: vec![target(new.text())], steps: vec![make(new.text(), good.clone())], ..empty_plan() };
        assert_eq!(checked(&plan), Ok(()), "{kind}");
        assert_eq!(std::fs::read(new.image.path()).unwrap().iter().find(|byte| **byte != 0), None, "{kind}");
    }
    if let FilesystemOptions::Ext(options) = &mut ext.options {
        options.features.push("warp".into());
    }
    if let FilesystemOptions::Xfs(options) = &mut xfs.options {
        options.inode_bytes = 4096;
    }
    if let FilesystemOptions::Btrfs(options) = &mut btrfs.options {
        options.checksum = "md5".into();
    }
    let steps = [ext, xfs, btrfs].map(|filesystem| make("/dev/nowhere", filesystem)).to_vec();
    let error = checked(&Plan { steps, ..empty_plan() }).unwrap_err();
    for program in ["mke2fs -n", "mkfs.xfs -N", "mkfs.btrfs"] {
        assert!(error.contains(&format!("cannot RUN {program}")), "{program}: {error}");
    }
}

#[test]
fn root_a_kernel_without_the_driver_is_named() {
    let mount = Step::Mount {
        device: "/dev/nowhere".into(),
        mount_point: Name::from("/"),
        kind: "warpfs".into(),
        options: vec![],
        subvolume: None,
    };
    let error = checked(&Plan { steps: vec![mount], ..empty_plan() }).unwrap_err();
    assert!(error.starts_with("cannot MOUNT warpfs: this kernel, "), "{error}");
}

#[test]
fn root_a_mounted_disk_is_refused_before_the_first_step() {
    let disk = Loop::new(64 * MIB, 512);
    text_of("mkfs.ext4", &["-F", "-q", disk.text()]);
    let place = tempfile::tempdir().unwrap();
    lifeboat_sys::mount::mount(&disk.path, place.path(), "ext4", &[]).unwrap();
    let wipe = Step::WipeDisk { disk: disk.text().into(), device: DeviceId("disk0".into()) };
    let result = checked(&Plan { steps: vec![wipe], ..empty_plan() });
    lifeboat_sys::mount::unmount(place.path()).unwrap();
    assert!(result.unwrap_err().contains("is mounted at"));
}

#[test]
fn root_what_differs_from_the_plan_is_named() {
    let image = Image::new(320 * MIB);
    for mkfs in ["mkfs.ext4", "mkfs.btrfs"] {
        text_of("wipefs", &["--all", &image.text()]);
        text_of(mkfs, &["-q", "-L", "data", &image.text()]);
        let good = filesystem(&image.text());
        assert_eq!(read_back::filesystem(&SystemRunner, image.path(), &good, false).unwrap(), Vec::<String>::new());
        let mut other = good.clone();
        (other.label, other.size_bytes) = (Name::from("date"), good.size_bytes + 4096);
        match &mut other.options {
            FilesystemOptions::Ext(ext) => ext.features.retain(|name| name != "extent"),
            FilesystemOptions::Btrfs(btrfs) => btrfs.node_bytes = 32_768,
            _ => {}
        }
        let error = read_back::filesystem(&SystemRunner, image.path(), &other, false).unwrap_err();
        let RebuildError::NotAsPlanned { differences, .. } = error else { panic!("{error}") };
        let what: Vec<&str> = differences.iter().map(|difference| difference.what.as_str()).collect();
        let third = if mkfs == "mkfs.ext4" { "list of features too many" } else { "node size" };
        assert_eq!(what, ["label", "size in bytes", third], "{mkfs}");
    }
    // And what is no filesystem at all.
    text_of("wipefs", &["--all", &image.text()]);
    text_of("mkswap", &[&image.text()]);
    let error =
        read_back::swap(&SystemRunner, image.path(), &Swap { uuid: None, label: Name::default(), page_bytes: 4096 });
    assert!(error.unwrap_err().to_string().contains("its UUID is "));
}

#[test]
fn root_a_table_that_came_out_otherwise_is_named() {
    for (table, entries) in [gpt(), mbr()] {
        let image = Image::new(64 * MIB);
        let step =
            Step::WriteTable { disk: image.text(), table: table.clone(), entries: entries.clone(), partitions: vec![] };
        done(&step, &empty_plan(), Path::new("/nonexistent")).unwrap();
        read_back::table(&SystemRunner, image.path(), &table, &entries).unwrap();
        let mut others = entries.clone();
        others[0].sectors -= 1;
        others[1].type_id = if table.kind == TableKind::Gpt { LINUX.replace('0', "1") } else { "f".into() };
        others.pop();
        let error = read_back::table(&SystemRunner, image.path(), &table, &others).unwrap_err();
        let RebuildError::NotAsPlanned { differences, .. } = error else { panic!("{error}") };
        let what: Vec<&str> = differences.iter().map(|difference| difference.what.as_str()).collect();
        let second = format!("type of partition {}", others[1].number);
        assert_eq!(what, ["partitions", "length in sectors of partition 1", &second]);
    }
    // sfdisk itself refuses what does not fit; where it would cut instead, the length shows it.
    let image = Image::new(64 * MIB);
    let (head, one) = (table(TableKind::Mbr, "0x1", None, None), entry(1, 2048, 9, "83", PartitionRole::Primary));
    let error = read_back::table(&SystemRunner, image.path(), &head, &[one]).unwrap_err().to_string();
    assert!(error.contains("partition table"), "{error}");
}

#[test]
fn root_steps_that_stopped_are_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Loop::new(320 * MIB, 512);
    for mkfs in ["mkfs.btrfs", "mkfs.ext3", "mkfs.xfs"] {
        let image = Image::new(320 * MIB);
        text_of(mkfs, &["-q", &image.text()]);
        let step = make(disk.text(), filesystem(&image.text()));
        for _ in 0..2 {
            done(&step, &empty_plan(), directory.path()).unwrap_or_else(|error| panic!("{mkfs}: {error}"));
        }
    }
    text_of("wipefs", &["--all", disk.text()]);
    text_of("mkfs.btrfs", &["-q", disk.text()]);
    let subvolume = |path: &str| Subvolume { path: Name::from(path), read_only: false, no_cow: false };
    let step = |names: &[&str]| Step::MakeSubvolumes {
        device: disk.text().into(),
        subvolumes: names.iter().map(|name| subvolume(name)).collect(),
        default: Name::default(),
    };
    done(&step(&["@", "@/deep"]), &empty_plan(), directory.path()).unwrap();
    done(&step(&["@", "@/deep", "@home"]), &empty_plan(), directory.path()).unwrap();
}

#[test]
fn root_subvolumes_are_mounted_whatever_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Loop::new(320 * MIB, 512);
    text_of("mkfs.btrfs", &["-q", disk.text()]);
    let names: [&[u8]; 5] = [b"@", b"@c,d", b"@g\xff", b"2026-11-28 10:00,subvolid=5", b"a\nb\\040c"];
    let subvolumes = names.iter().map(|name| Subvolume { path: Name(name.to_vec()), read_only: false, no_cow: false });
    let make =
        Step::MakeSubvolumes { device: disk.text().into(), subvolumes: subvolumes.collect(), default: Name::default() };
    done(&make, &empty_plan(), directory.path()).unwrap();
    let mount = |index: usize, name: &[u8]| Step::Mount {
        device: disk.text().into(),
        mount_point: Name::from(if index == 0 { "/".to_owned() } else { format!("/{index}") }.as_str()),
        kind: "btrfs".into(),
        options: vec!["compress=zstd:3".into()],
        subvolume: Some(Name(name.to_vec())),
    };
    for (index, name) in names.iter().enumerate() {
        done(&mount(index, name), &empty_plan(), directory.path()).unwrap_or_else(|error| panic!("{index}: {error}"));
    }
    let table = lifeboat_sys::mount::table().unwrap();
    let roots: Vec<Name> = table
        .iter()
        .filter(|mount| mount.mount_point.starts_with(directory.path()))
        .map(|mount| Name::from(mount.root.strip_prefix("/").unwrap()))
        .collect();
    let (machine, plan) = (empty_machine(), empty_plan());
    unmount_all(&Context::new(&SystemRunner, directory.path(), &machine, &plan)).unwrap();
    assert_eq!(roots, names.map(|name| Name(name.to_vec())));
}

/// Fields of FAT that mkfs.fat has no option for.
#[test]
fn root_fat_has_its_labels_in_their_places() {
    for (bits, mib, offset) in [("12", 4, 43), ("16", 64, 43), ("32", 100, 71)] {
        for (label, boot) in
            [("DATA", "OTHER      "), ("", "ONLY BOOT  "), ("DATA", "NO NAME    "), ("K\u{9a}HL", "K\u{9a}HL")]
        {
            let image = Image::new(mib * MIB);
            let placeholder = if label.is_empty() { vec![] } else { vec!["-n", "DATA"] };
            text_of("mkfs.fat", &[&["-F", bits], &placeholder[..], &[&image.text()]].concat());
            let file = std::fs::OpenOptions::new().read(true).write(true).open(image.path()).unwrap();
            let bytes = |text: &str| {
                let mut out: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
                out.resize(11, b' ');
                out
            };
            let sector = std::fs::read(image.path()).unwrap()[..512].to_vec();
            let number =
                |at: usize, length: usize| sector[at..at + length].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
            let fat_sectors = if number(22, 2) == 0 { number(36, 4) } else { number(22, 2) };
            if !label.is_empty() {
                file.write_all_at(&bytes(label), (number(14, 2) + number(16, 1) * fat_sectors) * 512).unwrap();
            }
            let copies = if bits == "32" { vec![0, 6 * 512] } else { vec![0] };
            for copy in &copies {
                file.write_all_at(&bytes(boot), copy + offset).unwrap();
            }
            let recorded = filesystem(&image.text());
            assert_eq!(recorded.label.0, bytes(label).trim_ascii_end(), "{bits} {boot}");
            let again = Loop::new(mib * MIB, 512);
            let notes = done(&make(again.text(), recorded.clone()), &empty_plan(), Path::new("/nonexistent")).unwrap();
            assert_eq!(notes, Vec::<String>::new());
            let made = std::fs::read(again.image.path()).unwrap();
            for copy in copies {
                let at = usize::try_from(copy + offset).unwrap();
                assert_eq!(made[at..at + 11], bytes(boot), "{bits} at {at}");
            }
            assert_eq!(filesystem(again.text()), recorded);
        }
    }
}

#[test]
fn root_what_was_changed_after_mkfs_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let again = |original: &Image, describe: &dyn Fn(&str) -> String| {
        let disk = Loop::new(original.size, 512);
        let step = make(disk.text(), filesystem(&original.text()));
        let notes = done(&step, &empty_plan(), directory.path()).unwrap();
        assert!(notes.iter().all(|note| note.contains("UUID_SUB")), "{notes:?}");
        assert_eq!(describe(disk.text()), describe(&original.text()));
    };
    // Grown by 10 MiB: less than mkfs.xfs makes an allocation group of.
    let mut grown = Image::new(400 * MIB);
    text_of("mkfs.xfs", &["-q", "-d", "agcount=5", &grown.text()]);
    grown.size = 410 * MIB;
    std::fs::OpenOptions::new().write(true).open(grown.path()).unwrap().set_len(grown.size).unwrap();
    let device = text_of("losetup", &["--find", "--show", &grown.text()]).trim().to_owned();
    lifeboat_sys::mount::mount(&device, directory.path(), "xfs", &[]).unwrap();
    text_of("xfs_growfs", &[directory.path().to_str().unwrap()]);
    lifeboat_sys::mount::unmount(directory.path()).unwrap();
    text_of("losetup", &["--detach", &device]);
    let groups =
        |path: &str| text_of("xfs_db", &["-r", "-c", "sb 0", "-c", "p agcount agblocks dblocks uuid meta_uuid", path]);
    again(&grown, &groups);
    assert!(groups(&grown.text()).contains("agcount = 6"));
    // Another UUID than the metadata bear.
    let xfs = Image::new(400 * MIB);
    text_of("mkfs.xfs", &["-q", &xfs.text()]);
    text_of("xfs_admin", &["-U", "generate", &xfs.text()]);
    again(&xfs, &groups);
    let btrfs = Image::new(300 * MIB);
    text_of("mkfs.btrfs", &["-q", &btrfs.text()]);
    text_of("btrfstune", &["-f", "-m", &btrfs.text()]);
    let uuids = |path: &str| {
        let text = text_of("btrfs", &["inspect-internal", "dump-super", path]);
        text.lines().filter(|line| line.starts_with("fsid") || line.starts_with("metadata_uuid")).collect::<String>()
    };
    again(&btrfs, &uuids);
    // flex_bg without a number of groups, as tune2fs leaves it.
    let ext = Image::new(100 * MIB);
    text_of("mke2fs", &["-q", "-F", "-t", "ext3", &ext.text()]);
    text_of("tune2fs", &["-O", "flex_bg", &ext.text()]);
    let flex = |path: &str| {
        let text = text_of("dumpe2fs", &["-h", path]);
        text.lines().filter(|line| line.starts_with("Flex") || line.contains("features")).collect::<String>()
    };
    again(&ext, &flex);
}

/// With blocks of 1024 bytes the descriptors of a large filesystem do not fit into one group, and mke2fs takes meta_bg.
#[test]
fn root_descriptors_that_are_laid_out_otherwise_stop_nothing() {
    let image = Image::new(64 * MIB);
    text_of("mke2fs", &["-q", "-F", "-t", "ext4", "-b", "1024", "-O", "^has_journal", &image.text()]);
    // What the image itself is stands for what was made: only the layout differs.
    let mut planned = filesystem(&image.text());
    if let FilesystemOptions::Ext(ext) = &mut planned.options {
        ext.features.retain(|name| name != "resize_inode");
        ext.features.push("meta_bg".into());
    }
    assert!(read_back::filesystem(&SystemRunner, image.path(), &planned, true).is_ok());
    assert!(read_back::filesystem(&SystemRunner, image.path(), &planned, false).is_err());
}

#[test]
fn root_swap_keeps_what_it_had_and_what_it_had_not() {
    for (uuid, label) in [(None, &b"sw\xe4p"[..]), (Some("aaaaaaaa-0000-4000-8000-000000000009"), b""), (None, b"")] {
        let disk = Loop::new(4 * MIB, 512);
        let mut file = swap_file("/x", 0, uuid, "");
        file.swap.label = Name(label.to_vec());
        let step = Step::MakeSwap { device: disk.text().into(), swap: file.swap.clone() };
        for _ in 0..2 {
            done(&step, &empty_plan(), Path::new("/nonexistent")).unwrap();
        }
        assert_eq!(content(disk.text()), Content::Swap(file.swap));
    }
}

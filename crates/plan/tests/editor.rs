//! Filesystems of another kind, partitions in another order or on another disk.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::boot::{EfiEntry, InitramfsTool, Loader};
use lifeboat_machine::filesystem::{BtrfsOptions, FilesystemOptions, Subvolume};
use lifeboat_machine::layout::PartitionRole;
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, DeviceId, FoundDisk, Machine, Name};
use lifeboat_plan::edit::{self, Spot};
use lifeboat_plan::{FilesystemKind, Plan, PlanError, Policy, Step, plan};

const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

fn machine() -> Machine {
    five_partitions(1024 * MIB)
}

fn disks(sizes: &[u64]) -> Vec<FoundDisk> {
    let one = |(n, size): (usize, &u64)| found(&format!("/dev/vd{}", ["a", "b"][n]), *size, &format!("SER{}", n + 1));
    sizes.iter().enumerate().map(one).collect()
}

fn planned(machine: &Machine, policy: &Policy) -> Result<Plan, PlanError> {
    plan(machine, &hardware(disks(&[10 * GIB, 10 * GIB][..machine.layout.disks().count()])), policy)
}

fn kinds(pairs: &[(&str, FilesystemKind)]) -> Policy {
    Policy { filesystems: pairs.iter().map(|(device, kind)| (id(device), *kind)).collect(), ..Policy::default() }
}

fn ids(names: &[&str]) -> Vec<DeviceId> {
    names.iter().map(|name| id(name)).collect()
}

fn order(lists: &[(&str, &[&str])]) -> Policy {
    Policy { order: lists.iter().map(|(disk, names)| (id(disk), ids(names))).collect(), ..Policy::default() }
}

/// Number, start and size of each partition in MiB, in the order of the numbers.
fn places(plan: &Plan, disk: &str) -> Vec<(u32, u64, u64)> {
    let entries = plan.steps.iter().find_map(|step| match step {
        Step::WriteTable { disk: written, entries, .. } if written == disk => Some(entries),
        _ => None,
    });
    let mib = |sectors: u64| sectors * 512 / MIB;
    entries.unwrap().iter().map(|entry| (entry.number, mib(entry.start_sector), mib(entry.sectors))).collect()
}

fn made<'p>(plan: &'p Plan, path: &str) -> (&'p lifeboat_machine::filesystem::Filesystem, Option<&'p str>) {
    let made = plan.steps.iter().find_map(|step| match step {
        Step::MakeFilesystem { device, filesystem, was, .. } if device == path => Some((filesystem, was.as_deref())),
        _ => None,
    });
    made.unwrap()
}

fn root_becomes(kind: FilesystemKind) -> Policy {
    kinds(&[("disk0p2", kind)])
}

#[test]
fn another_kind_keeps_uuid_and_label_and_everything_follows() {
    let plan = planned(&machine(), &root_becomes(FilesystemKind::Btrfs)).unwrap();
    let (root, was) = made(&plan, "/dev/vda2");
    assert_eq!((root.options.mount_type(), was), ("btrfs", Some("ext4")));
    assert_eq!((root.uuid.as_str(), &root.label), ("aaaaaaaa-0000-0000-0000-000000000002", &Name::from("root")));
    assert_eq!(root.size_bytes, 4 * GIB);
    let step = |wanted: &dyn Fn(&Step) -> bool| plan.steps.iter().position(wanted);
    let mounted = step(
        &|step| matches!(step, Step::Mount { kind, subvolume, .. } if kind == "btrfs" && *subvolume == Some(Name::default())),
    );
    let fstab = step(&|step| match step {
        Step::AdaptFilesystems { changes } => {
            changes[0].from == "ext4"
                && changes[0].to == "btrfs"
                && changes[0].mount_points == [Name::from("/")]
                && changes[0].names.contains(&"UUID=aaaaaaaa-0000-0000-0000-000000000002".to_owned())
                && changes[0].names.contains(&"/dev/vda2".to_owned())
        }
        _ => false,
    });
    let initramfs =
        step(&|step| matches!(step, Step::RebuildInitramfs { reason } if reason == "/ was ext4 and is now btrfs"));
    let loader = step(&|step| matches!(step, Step::InstallLoader { .. }));
    let extract = step(&|step| *step == Step::Extract);
    assert!(mounted < extract && extract < fstab && fstab < initramfs && initramfs < loader, "{plan}");
    assert!(mounted.is_some());
    let text = plan.to_string();
    assert!(text.contains("make btrfs \"root\" in place of ext4 on /dev/vda2 (4.0 GiB)"), "{text}");
    assert!(text.contains("disk0p2 becomes btrfs instead of ext4, as you chose; btrfs cannot hold"), "{text}");
    // A disk that the root is not on needs no other initramfs.
    let plan = planned(&machine(), &kinds(&[("disk0p5", FilesystemKind::Xfs)])).unwrap();
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::RebuildInitramfs { .. })), "{plan}");
    assert_eq!(made(&plan, "/dev/vda5").0.options.mount_type(), "xfs");
}

#[test]
fn the_size_solver_holds_what_the_new_kind_needs() {
    // XFS needs 300 MiB where ext4 would shrink to less.
    let small = hardware(disks(&[9 * GIB]));
    let policy = Policy { sizes: vec![(id("disk0p2"), 4095 * MIB)], ..kinds(&[("disk0p5", FilesystemKind::Xfs)]) };
    let plan = plan(&machine(), &small, &policy).unwrap();
    let places = places(&plan, "/dev/vda");
    assert!(places[4].2 >= 300, "{places:?}");
    assert_eq!(places[1].2, 4095);
    // Smaller than what it holds: a size that was chosen counts.
    let policy = Policy { sizes: vec![(id("disk0p5"), 290 * MIB)], ..kinds(&[("disk0p5", FilesystemKind::Xfs)]) };
    let error = lifeboat_plan::plan(&machine(), &small, &policy).unwrap_err().to_string();
    assert!(error.contains("290.0 MiB is too small for xfs; it needs at least"), "{error}");
}

#[test]
fn a_label_is_cut_to_what_the_kind_takes() {
    let mut machine = machine();
    for device in &mut machine.layout.devices {
        if let Content::Filesystem(filesystem) = &mut device.content {
            filesystem.label = Name::from("a-long-label-16b");
        }
    }
    let plan = planned(&machine, &kinds(&[("disk0p5", FilesystemKind::Xfs)])).unwrap();
    assert_eq!(made(&plan, "/dev/vda5").0.label, Name::from("a-long-label"));
    let note = "disk0p5: its label is shortened to \"a-long-label\", the longest that xfs allows";
    assert!(plan.notes.iter().any(|found| found == note), "{:?}", plan.notes);
    let lost = plan.steps.iter().any(|step| match step {
        Step::AdaptFilesystems { changes } => changes[0].lost_label == Some(Name::from("a-long-label-16b")),
        _ => false,
    });
    assert!(lost);
}

/// The root as btrfs with subvolumes, one of them mounted.
fn btrfs_machine(subvolumes: &[&str]) -> Machine {
    let mut machine = machine();
    let one = |path: &&str| Subvolume { path: Name::from(*path), read_only: false, no_cow: false };
    let options = BtrfsOptions { subvolumes: subvolumes.iter().map(one).collect(), ..btrfs_options() };
    for device in &mut machine.layout.devices {
        if let (true, Content::Filesystem(filesystem)) = (device.id == id("disk0p2"), &mut device.content) {
            filesystem.options = FilesystemOptions::Btrfs(options.clone());
        }
    }
    machine.layout.mounts[0].subvolume = Some(Name::from(*subvolumes.first().unwrap_or(&"")));
    machine
}

#[test]
fn one_subvolume_becomes_the_whole_filesystem() {
    let mut machine = btrfs_machine(&["@"]);
    machine.layout.mounts[0].options.push("compress=zstd:3".into());
    let plan = planned(&machine, &root_becomes(FilesystemKind::Ext4)).unwrap();
    let mount = plan
        .steps
        .iter()
        .find(|step| matches!(step, Step::Mount { mount_point, .. } if *mount_point == Name::from("/")));
    assert!(matches!(mount, Some(Step::Mount { subvolume: None, kind, .. }) if kind == "ext4"), "{mount:?}");
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::MakeSubvolumes { .. })));
    assert!(plan.notes.iter().any(|note| note.contains("it may need twice the space")), "{:?}", plan.notes);
}

#[test]
fn refused_kinds_give_the_reason() {
    let efi = |shim: bool| {
        let mut machine = machine();
        machine.boot.loaders = vec![Loader::GrubEfi {
            esp: Name::from("/boot/efi"),
            vendor: "debian".into(),
            shim,
            removable: false,
            directory: Name::from("/boot/grub"),
        }];
        machine
    };
    let without_initramfs = || {
        let mut machine = machine();
        machine.boot.initramfs = InitramfsTool::None;
        machine
    };
    let full = || {
        let mut machine = machine();
        for device in &mut machine.layout.devices {
            if let Content::Filesystem(filesystem) = &mut device.content {
                filesystem.used_bytes = filesystem.size_bytes / 100 * 98;
            }
        }
        machine
    };
    let fat = || {
        let mut machine = machine();
        machine.layout.devices[2].content = esp(4 * GIB);
        machine
    };
    for (name, machine, policy, message) in [
        ("the same", machine(), root_becomes(FilesystemKind::Ext4), "it is already ext4"),
        ("GRUB on XFS", machine(), root_becomes(FilesystemKind::Xfs), "many versions of GRUB cannot read a new XFS"),
        ("swap", machine(), kinds(&[("disk0p3", FilesystemKind::Xfs)]), "it holds no filesystem"),
        ("nothing there", machine(), kinds(&[("disk0p9", FilesystemKind::Xfs)]), "no such partition"),
        ("a disk", machine(), kinds(&[("disk0", FilesystemKind::Xfs)]), "it holds no filesystem"),
        ("FAT", fat(), root_becomes(FilesystemKind::Ext4), "FAT cannot be changed"),
        ("full", full(), root_becomes(FilesystemKind::Btrfs), "too small for btrfs; it needs at least"),
        ("signed GRUB", efi(true), root_becomes(FilesystemKind::Btrfs), "GRUB for UEFI reads its files from it"),
        ("own GRUB", efi(false), root_becomes(FilesystemKind::Btrfs), "GRUB for UEFI reads its files from it"),
        (
            "no initramfs",
            without_initramfs(),
            root_becomes(FilesystemKind::Btrfs),
            "no tool that adds btrfs to its initramfs",
        ),
        ("subvolumes", btrfs_machine(&["@", "@snapshots"]), root_becomes(FilesystemKind::Ext4), "several subvolumes"),
        ("another subvolume", btrfs_machine(&["", "@"]), root_becomes(FilesystemKind::Ext4), "several subvolumes"),
    ] {
        let error = planned(&machine, &policy).unwrap_err().to_string();
        assert!(error.starts_with("cannot CHANGE") && error.contains(message), "{name}: {error}");
    }
    // What GRUB reads by the same module is no other kind for it.
    planned(&efi(true), &Policy { any_firmware: true, ..root_becomes(FilesystemKind::Ext3) }).unwrap();
    let mut poor = hardware(disks(&[10 * GIB]));
    poor.filesystems = vec!["ext4".into()];
    let error = plan(&machine(), &poor, &root_becomes(FilesystemKind::Btrfs)).unwrap_err().to_string();
    assert!(error.contains("no mkfs or no driver for btrfs"), "{error}");
}

#[test]
fn another_order_keeps_numbers_and_sizes() {
    // Swap behind all others: what lay behind it moves forward.
    let policy = order(&[("disk0", &["disk0p1", "disk0p2", "disk0p4", "disk0p5", "disk0p3"])]);
    let plan = planned(&machine(), &policy).unwrap();
    assert_eq!(places(&plan, "/dev/vda"), [(1, 1, 1), (2, 2, 4096), (3, 8194, 1024), (4, 4098, 3072), (5, 7170, 1024)]);
    let (now, before) = ("disk0p1, disk0p2, disk0p4, disk0p5, disk0p3", "disk0p1, disk0p2, disk0p3, disk0p4, disk0p5");
    assert_eq!(plan.moved, [format!("disk0 in this order: {now}; it was {before}")]);
    assert!(plan.to_string().contains("Partitions you moved:"), "{plan}");
    // A larger disk: its space goes to the last one that grows.
    let large = lifeboat_plan::plan(&machine(), &hardware(disks(&[12 * GIB])), &policy).unwrap();
    let grown = places(&large, "/dev/vda");
    assert_eq!((grown[4], grown[2]), ((5, 7170, 1024 + 2048), (3, 8194 + 2048, 1024)));
}

#[test]
fn order_goes_together_with_sizes_and_what_is_left_out() {
    let mut policy = order(&[("disk0", &["disk0p1", "disk0p5", "disk0p2", "disk0p4", "disk0p3"])]);
    policy.drop = vec![id("disk0p4")];
    policy.sizes = vec![(id("disk0p5"), 2048 * MIB)];
    let places = places(&planned(&machine(), &policy).unwrap(), "/dev/vda");
    assert_eq!(places.iter().map(|place| place.0).collect::<Vec<_>>(), [1, 2, 3, 5]);
    assert_eq!((places[3].1, places[3].2), (2, 2048));
    // Of the 3072 MiB that were left out home took 1024, and root takes the rest.
    assert_eq!((places[1].1, places[1].2), (2050, 4096 + 2048));
    assert_eq!(places[2].1, 2050 + 4096 + 2048);
}

#[test]
fn a_partition_that_ends_between_the_grains_moves_too() {
    // As mmdebstrap and others make them: the last one takes the rest, to the last sector.
    let size = 10 * GIB;
    let root = (size - 1026 * MIB) / 512 - 34;
    let machine = Maker::new()
        .disk(0, "/dev/vda", size, disk("SER1"), gpt(size))
        .part(1, 2048, 2048, "21686148-6449-6E6F-744E-656564454649", PartitionRole::Primary, Content::BootLoader)
        .part(2, 4096, 2_097_152, "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", PartitionRole::Primary, swap())
        .part(3, 2_101_248, root, LINUX, PartitionRole::Primary, ext4("root", "u3", root * 512, GIB))
        .mount("disk0p3", "/")
        .machine;
    let policy = order(&[("disk0", &["disk0p1", "disk0p3", "disk0p2"])]);
    for size in [10 * GIB, 12 * GIB + 512 * 7] {
        let plan = plan(&machine, &hardware(disks(&[size])), &policy).unwrap();
        let places = places(&plan, "/dev/vda");
        let swap = places[1];
        assert_eq!((places[2].1, swap.2), (2, 1024), "{places:?}");
        assert!(swap.1 >= places[2].1 + places[2].2 && (swap.1 + swap.2) * MIB <= size - 33 * 512, "{places:?}");
        // All but the rest of a MiB is used.
        assert!((swap.1 + swap.2 + 2) * MIB > size, "{places:?}");
    }
}

#[test]
fn nothing_moves_below_the_first_sector_of_the_table() {
    let mut machine = machine();
    if let Content::Table(table) = &mut machine.layout.devices[0].content {
        table.first_lba = Some(8192);
    }
    for device in &mut machine.layout.devices {
        if let lifeboat_machine::DeviceKind::Partition(partition) = &mut device.kind {
            partition.start_sector += 8192;
        }
    }
    let policy = order(&[("disk0", &["disk0p3", "disk0p1", "disk0p2", "disk0p4", "disk0p5"])]);
    assert_eq!(places(&planned(&machine, &policy).unwrap(), "/dev/vda")[2], (3, 4, 1024));
}

/// A second disk with a GPT and one filesystem of 2 GiB.
fn two_disks() -> Machine {
    let size = 10 * GIB;
    let mut identity = disk("SER2");
    identity.hardware_path = Some("pci-0000:00:05.0".into());
    let mut maker = Maker { machine: machine() };
    maker.machine.layout.mounts.retain(|mount| mount.mount_point.0 != b"/home");
    maker
        .disk(1, "/dev/vdb", size, identity, gpt(size))
        .part(1, 2048, 2 * GIB / 512, LINUX, PartitionRole::Primary, ext4("data", "u9", 2 * GIB, GIB))
        .mount("disk0p5", "/home")
        .mount("disk1p1", "/srv")
        .machine
}

#[test]
fn a_partition_goes_to_another_disk_of_the_machine() {
    let machine = two_disks();
    let policy = Policy {
        order: edit::moved(&machine, &Policy::default(), &id("disk0p5"), &Spot::Before(id("disk1p1"))),
        ..Policy::default()
    };
    assert_eq!(
        policy.order,
        [
            (id("disk0"), ids(&["disk0p1", "disk0p2", "disk0p3", "disk0p4"])),
            (id("disk1"), ids(&["disk0p5", "disk1p1"]))
        ]
    );
    let plan = planned(&machine, &policy).unwrap();
    // A free number there, its own PARTUUID; here its space goes to the last one that grows.
    assert_eq!(places(&plan, "/dev/vdb"), [(1, 1025, 2048), (2, 1, 1024)]);
    assert_eq!(places(&plan, "/dev/vda")[1].2, 4096 + 1024);
    let mut uuids = plan.steps.iter().filter_map(|step| match step {
        Step::WriteTable { disk, entries, .. } if disk == "/dev/vdb" => {
            Some(entries.iter().map(|part| part.uuid.clone()))
        }
        _ => None,
    });
    assert!(uuids.next().unwrap().any(|uuid| uuid.as_deref() == Some("00000005-0000-0000-0000-000000000000")));
    assert_eq!(made(&plan, "/dev/vdb2").0.label, Name::from("home"));
    let renamed = plan.steps.iter().find_map(|step| match step {
        Step::AdaptConfiguration { replacements, .. } => Some(replacements.clone()),
        _ => None,
    });
    let renamed = renamed.unwrap();
    for old in ["/dev/vda5", "/dev/disk/by-id/virtio-SER1-part5", "/dev/disk/by-path/pci-0000:00:04.0-part5"] {
        assert!(renamed.contains(&(old.to_owned(), "/dev/vdb2".to_owned())), "{old}: {renamed:?}");
    }
    assert_eq!(plan.moved, ["disk0p5 moves to disk1"]);
    let back = edit::moved(&machine, &policy, &id("disk0p5"), &Spot::End(id("disk0")));
    assert_eq!(back, []);
    // What does not fit there is refused with the disk.
    let full = Policy { sizes: vec![(id("disk1p1"), 10 * GIB - 100 * MIB)], ..policy };
    let error = planned(&machine, &full).unwrap_err().to_string();
    assert!(error.contains("cannot FIT disk1 onto /dev/vdb"), "{error}");
}

#[test]
fn refused_places_give_the_reason() {
    let mut esp_machine = two_disks();
    esp_machine.boot.efi_entries =
        vec![EfiEntry { label: "x".into(), device: id("disk0p5"), loader: "\\x".into(), arguments: None }];
    let mut no_root = two_disks();
    no_root.boot.command_line = "quiet".into();
    let mut no_grub = machine();
    no_grub.boot.loaders.clear();
    let primary_and_logical = || {
        let at = |mib: u64| mib * MIB / 512;
        Maker::new()
            .disk(0, "/dev/vda", 10 * GIB, disk("SER1"), mbr())
            .part(1, at(1), at(2048), "83", PartitionRole::Primary, ext4("", "u1", 2 * GIB, GIB))
            .part(2, at(2049), at(4098), "5", PartitionRole::Extended, Content::Extended)
            .part(3, at(6147), at(1024), "83", PartitionRole::Primary, ext4("", "u3", GIB, 100 * MIB))
            .part(5, at(2050), at(1024), "82", PartitionRole::Logical, swap())
            .part(6, at(3075), at(3072), "83", PartitionRole::Logical, ext4("", "u6", 3 * GIB, GIB))
            .mount("disk0p1", "/")
            .machine
    };
    for (name, machine, policy, message) in [
        (
            "logical",
            primary_and_logical(),
            order(&[("disk0", &["disk0p1", "disk0p6", "disk0p5", "disk0p3"])]),
            "number follows from its position",
        ),
        (
            "among",
            primary_and_logical(),
            order(&[("disk0", &["disk0p1", "disk0p5", "disk0p3", "disk0p6"])]),
            "cannot be placed among them",
        ),
        (
            "container",
            primary_and_logical(),
            order(&[("disk0", &["disk0p2", "disk0p1"])]),
            "its position follows from the partitions in it",
        ),
        ("twice", machine(), order(&[("disk0", &["disk0p1", "disk0p1"])]), "cannot be in two places"),
        ("missing", machine(), order(&[("disk0", &["disk0p1", "disk0p2"])]), "the order does not contain it"),
        ("unknown", machine(), order(&[("disk0", &["disk0p7"])]), "no such partition"),
        (
            "boot loader",
            no_grub,
            order(&[("disk0", &["disk0p2", "disk0p1", "disk0p3", "disk0p4", "disk0p5"])]),
            "no GRUB was recorded",
        ),
        (
            "bios_grub elsewhere",
            two_disks(),
            order(&[("disk1", &["disk1p1", "disk0p1"])]),
            "the firmware boots the machine from this disk",
        ),
        (
            "ESP elsewhere",
            esp_machine,
            order(&[("disk1", &["disk1p1", "disk0p5"])]),
            "the firmware boots the machine from this disk",
        ),
        ("root unnamed", no_root, order(&[("disk1", &["disk1p1", "disk0p2"])]), "does not name the root"),
    ] {
        let error = planned(&machine, &policy).unwrap_err().to_string();
        assert!(error.starts_with("cannot CHANGE") && error.contains(message), "{name}: {error}");
    }
    // A primary partition goes over the whole container.
    let plan =
        planned(&primary_and_logical(), &order(&[("disk0", &["disk0p1", "disk0p3", "disk0p5", "disk0p6"])])).unwrap();
    let places = places(&plan, "/dev/vda");
    assert_eq!(places[2], (3, 2049, 1024));
    let (extended, first, last) = (places[1], places[3], places[4]);
    assert!(extended.1 >= 2049 + 1024 && extended.1 < first.1 && first.1 + first.2 < last.1, "{places:?}");
    assert!(extended.1 + extended.2 >= last.1 + last.2, "{places:?}");
}

#[test]
fn any_moves_give_partitions_that_do_not_overlap() {
    use proptest::prelude::*;
    let movable = || (1_usize..=5, 0_usize..7);
    let moves = proptest::collection::vec(movable(), 1..6);
    proptest!(|(moves in moves, disk in 6 * GIB..16 * GIB, size in 1_u64..6 * GIB)| {
        let machine = two_disks();
        let mut policy = Policy { sizes: vec![(id("disk0p3"), size)], ..Policy::default() };
        for (part, place) in moves {
            let place = match place {
                0 => Spot::End(id("disk1")),
                6 => Spot::End(id("disk0")),
                n => Spot::Before(id(&format!("disk0p{n}"))),
            };
            let id = id(&format!("disk0p{part}"));
            if place != Spot::Before(id.clone()) {
                let order = edit::moved(&machine, &policy, &id, &place);
                let next = Policy { order, ..policy.clone() };
                if edit::check_order(&machine, &next).is_ok() {
                    policy = next;
                }
            }
        }
        let disk = disk / 512 * 512;
        if let Ok(plan) = plan(&machine, &hardware(disks(&[disk, 10 * GIB])), &policy) {
            let mut count = 0;
            for (path, size) in [("/dev/vda", disk), ("/dev/vdb", 10 * GIB)] {
                let mut places = places(&plan, path);
                count += places.len();
                places.sort_by_key(|place| place.1);
                for pair in places.windows(2) {
                    prop_assert!(pair[0].1 + pair[0].2 <= pair[1].1, "{places:?}");
                }
                if let Some((_, start, length)) = places.last() {
                    prop_assert!((start + length) * MIB <= size, "{places:?}");
                }
            }
            prop_assert_eq!(count, 6);
        }
    });
}

//! Machines onto other disks and other storage: the sizes that they get, or the figure with which they are refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::boot::Loader;
use lifeboat_machine::layout::{
    Array, ArrayLevel, ArrayMember, ArrayMetadata, ArrayRole, Consistency, Extents, GroupId, Mount, Partition,
    PartitionRole, Volume, VolumeGroup, VolumeShape,
};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, Device, DeviceKind, FoundDisk, Machine, Member, Name};
use lifeboat_plan::{FilesystemKind, Move, MovedStorage, Plan, PlanError, Policy, SecondDisk, Step, plan};

#[path = "migrations/layers.rs"]
mod layers;

const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const ROOT: &str = "aaaaaaaa-0000-0000-0000-000000000002";
/// What a GPT keeps at the end of a disk with sectors of 512 bytes, rounded up to the grain in which sizes change.
const TAIL: u64 = MIB;

fn moved(machine: &Machine, moves: Vec<Move>, disks: Vec<FoundDisk>) -> Result<Plan, PlanError> {
    plan(machine, &hardware(disks), &Policy { moves, ..Policy::default() })
}

fn made(plan: &Plan, uuid: &str) -> (String, u64, bool) {
    let found = plan.steps.iter().find_map(|step| match step {
        Step::MakeFilesystem { device, filesystem, resized, .. } if filesystem.uuid == uuid => {
            Some((device.clone(), filesystem.size_bytes, *resized))
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{uuid} is not made:\n{plan}"))
}

fn entries<'p>(plan: &'p Plan, disk: &str) -> &'p [Partition] {
    let found = plan.steps.iter().find_map(|step| match step {
        Step::WriteTable { disk: on, entries, .. } if on == disk => Some(entries),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{disk} gets no table:\n{plan}"))
}

fn adapted(plan: &Plan) -> &MovedStorage {
    let found = plan.steps.iter().find_map(|step| match step {
        Step::AdaptStorage { moved } => Some(moved),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing is adapted:\n{plan}"))
}

/// Names that are other ones, and names that are gone.
fn renamed(plan: &Plan) -> (&[(String, String)], &[String]) {
    let found = plan.steps.iter().find_map(|step| match step {
        Step::AdaptConfiguration { replacements, gone } => Some((&replacements[..], &gone[..])),
        _ => None,
    });
    found.unwrap_or((&[], &[]))
}

/// The steps that come after another one.
fn follows(plan: &Plan, first: fn(&Step) -> bool, second: fn(&Step) -> bool) -> bool {
    let at = |wanted: fn(&Step) -> bool| plan.steps.iter().position(wanted).expect("the step is there");
    at(first) < at(second)
}

fn grub_disks(plan: &Plan) -> Vec<String> {
    let list = plan.steps.iter().filter_map(|step| match step {
        Step::InstallLoader { loader: Loader::GrubBios { .. }, disks } => Some(disks.clone()),
        _ => None,
    });
    list.flatten().collect()
}

#[test]
fn half_the_disk() {
    let plan = moved(&gpt_machine(), vec![], vec![found("/dev/vda", 5 * GIB, "SER1")]).unwrap();
    assert_eq!(made(&plan, ROOT), ("/dev/vda2".into(), 5 * GIB - 2 * MIB - TAIL, true));
    let Err(PlanError::TooSmall { needed, .. }) =
        moved(&gpt_machine(), vec![], vec![found("/dev/vda", 3 * GIB, "SER1")])
    else {
        panic!("3 GiB of files are planned onto a disk of 3 GiB")
    };
    assert!(needed.starts_with("3.") && needed.ends_with("GiB"), "{needed}");
}

#[test]
fn twice_the_disk() {
    let plan = moved(&gpt_machine(), vec![], vec![found("/dev/vda", 20 * GIB, "SER1")]).unwrap();
    assert_eq!(made(&plan, ROOT), ("/dev/vda2".into(), 20 * GIB - 3 * MIB, true));
}

/// Disks of 10, 8 and 6 GiB: the root of `gpt_machine`; a filesystem on the disk itself; one in a table.
fn three_disks() -> Machine {
    let mut maker = Maker { machine: gpt_machine() };
    let srv = ext4("srv", "bbbbbbbb-0000-0000-0000-000000000001", 8 * GIB, GIB);
    maker = maker.disk(1, "/dev/vdb", 8 * GIB, disk("SER2"), srv);
    maker = maker.disk(2, "/dev/vdc", 6 * GIB, disk("SER3"), gpt(6 * GIB));
    let size = 6 * GIB - 2 * MIB;
    let var = ext4("var", "bbbbbbbb-0000-0000-0000-000000000002", size, GIB);
    maker
        .part(1, 2048, size / 512, LINUX, PartitionRole::Primary, var)
        .mount("disk1", "/srv")
        .mount("disk2p1", "/var")
        .machine
}

#[test]
fn three_disks_to_one() {
    let to = |device: &str| Move::ToDisk { device: id(device), disk: id("disk0") };
    let moves = vec![to("disk1"), to("disk2")];
    let plan = moved(&three_disks(), moves.clone(), vec![found("/dev/vda", 24 * GIB, "NEW")]).unwrap();
    assert_eq!(plan.targets.len(), 1);
    assert_eq!(entries(&plan, "/dev/vda").len(), 4, "{plan}");
    for uuid in [ROOT, "bbbbbbbb-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"] {
        assert!(made(&plan, uuid).0.starts_with("/dev/vda"), "{plan}");
    }
    // Their own sizes need a little more than 24 GiB; on 12 GiB all give in proportion to what they can spare.
    let plan = moved(&three_disks(), moves.clone(), vec![found("/dev/vda", 12 * GIB, "NEW")]).unwrap();
    let sum: u64 = entries(&plan, "/dev/vda").iter().map(|entry| entry.sectors * 512).sum();
    assert!(sum > 12 * GIB - 4 * MIB && sum < 12 * GIB, "{sum}");
    // 3, 1 and 1 GiB of files.
    let error = moved(&three_disks(), moves, vec![found("/dev/vda", 5 * GIB, "NEW")]).unwrap_err();
    let PlanError::TooSmall { needed, .. } = &error else { panic!("{error}") };
    assert!(needed.starts_with("5.") || needed.starts_with("6."), "{needed}");
}

#[test]
fn one_disk_to_two() {
    let machine = five_partitions(1500 * MIB);
    let moves = vec![
        Move::AddDisk(SecondDisk::New { identity: Some("SER2".into()), size_bytes: Some(4 * GIB) }),
        Move::ToDisk { device: id("disk0p5"), disk: id("disk1") },
    ];
    let disks = vec![found("/dev/vda", 10 * GIB, "SER1"), found("/dev/vdb", 4 * GIB, "SER2")];
    let plan = moved(&machine, moves, disks).unwrap();
    let (device, size, resized) = made(&plan, "aaaaaaaa-0000-0000-0000-000000000005");
    assert_eq!((device.as_str(), resized), ("/dev/vdb1", true));
    assert!(size > 4 * GIB - 4 * MIB && size < 4 * GIB, "{size}");
    assert_eq!(entries(&plan, "/dev/vda").len(), 4);
    // fstab may name it by its partition, whose UUID goes with it.
    let uuid = machine.layout.device(&id("disk0p5")).unwrap().partition().unwrap().uuid.clone();
    assert_eq!(entries(&plan, "/dev/vdb")[0].uuid, uuid);
    assert!(
        renamed(&plan)
            .0
            .iter()
            .any(|(old, new)| old == "/dev/vda5" && new == "UUID=aaaaaaaa-0000-0000-0000-000000000005")
    );
}

fn raid_disks() -> Vec<FoundDisk> {
    let list = (0..4_u8).map(|n| (format!("/dev/vd{}", char::from(b'a' + n)), format!("SER{}", n + 1)));
    list.map(|(path, serial)| found(&path, 10 * GIB, &serial)).collect()
}

fn with_sectors(mut disk: FoundDisk, bytes: u32) -> FoundDisk {
    (disk.disk.logical_sector_bytes, disk.disk.physical_sector_bytes) = (bytes, bytes);
    disk
}

#[test]
fn onto_larger_sectors() {
    let plan = moved(&gpt_machine(), vec![], vec![with_sectors(found("/dev/vda", 10 * GIB, "SER1"), 4096)]).unwrap();
    let root = &entries(&plan, "/dev/vda")[1];
    assert_eq!(root.start_sector * 4096, 2 * MIB);
    assert_eq!(root.sectors * 4096, made(&plan, ROOT).1);
    assert!(root.sectors * 4096 <= 10 * GIB - 3 * MIB, "{plan}");
}

#[test]
fn onto_smaller_sectors() {
    let mut machine = gpt_machine();
    for device in &mut machine.layout.devices {
        match &mut device.kind {
            DeviceKind::Disk(disk) => (disk.logical_sector_bytes, disk.physical_sector_bytes) = (4096, 4096),
            DeviceKind::Partition(partition) => {
                partition.start_sector /= 8;
                partition.sectors /= 8;
            }
            _ => {}
        }
        if let Content::Table(table) = &mut device.content {
            (table.first_lba, table.last_lba) = (Some(6), Some(10 * GIB / 4096 - 6));
        }
    }
    let plan = moved(&machine, vec![], vec![found("/dev/vda", 10 * GIB, "SER1")]).unwrap();
    let root = &entries(&plan, "/dev/vda")[1];
    assert_eq!((root.start_sector, root.sectors), (4096, (10 * GIB - 3 * MIB) / 512), "{plan}");
}

#[test]
fn raid_1_to_one_disk() {
    for uefi in [false, true] {
        let machine = mirrored_machine(uefi);
        let mut moves = vec![Move::ArrayToDisk { array: id("array1"), keep: None }];
        if uefi {
            moves.push(Move::ArrayToDisk { array: id("array0"), keep: None });
        }
        let found_disks = vec![found("/dev/vda", 20 * GIB, "NEW")];
        let mut hardware = hardware(found_disks);
        hardware.uefi = uefi;
        let refused = plan(&machine, &hardware, &Policy { moves: moves.clone(), ..Policy::default() });
        if uefi {
            // GRUB's files lie on the array, and this one is not reinstalled.
            let error = refused.unwrap_err();
            assert!(matches!(&error, PlanError::Edit { reason, .. } if reason.contains("not reinstalled")), "{error}");
            continue;
        }
        let plan = refused.unwrap();
        assert_eq!(plan.targets.len(), 1, "{plan}");
        let (device, size, _) = made(&plan, "aaaaaaaa-0000-0000-0000-000000000001");
        assert_eq!(device, "/dev/vda2");
        assert_eq!(size, 20 * GIB - 2 * MIB - 512 * MIB - MIB, "{plan}");
        assert!(!plan.steps.iter().any(|step| matches!(step, Step::MakeArray { .. })));
        assert_eq!(entries(&plan, "/dev/vda")[1].type_id, LINUX);
        let adapted = adapted(&plan);
        assert_eq!(adapted.disbanded, ["00000001:00000000:00000000:00000000"]);
        assert!(
            renamed(&plan).0.contains(&("/dev/md/root".into(), "UUID=aaaaaaaa-0000-0000-0000-000000000001".into()))
        );
        assert_eq!(adapted.initramfs, Vec::<String>::new());
        assert_eq!(grub_disks(&plan), ["/dev/vda"]);
        assert!(follows(
            &plan,
            |step| matches!(step, Step::AdaptStorage { .. }),
            |step| matches!(step, Step::RebuildInitramfs { .. })
        ));
    }
}

#[test]
fn one_disk_to_raid_1() {
    let second = SecondDisk::New { identity: Some("SER2".into()), size_bytes: None };
    let moves = vec![Move::Mirror { disk: id("disk0"), second }];
    let disks = || vec![found("/dev/vda", 10 * GIB, "SER1"), found("/dev/vdb", 12 * GIB, "SER2")];
    let plan = moved(&gpt_machine(), moves.clone(), disks()).unwrap();
    let array = plan.steps.iter().find_map(|step| match step {
        Step::MakeArray { node, array, members, .. } => Some((node, array, members)),
        _ => None,
    });
    let (node, array, members) = array.unwrap();
    assert_eq!(node, "/dev/md/root");
    assert_eq!((array.level, members.len()), (ArrayLevel::Raid1, 2));
    let (device, size, resized) = made(&plan, ROOT);
    // The superblock takes a MiB of each member, and the smaller disk decides.
    assert_eq!((device.as_str(), size, resized), ("/dev/md/root", 10 * GIB - 3 * MIB - MIB, true));
    assert_eq!(grub_disks(&plan), ["/dev/vda", "/dev/vdb"]);
    let adapted = adapted(&plan);
    assert_eq!(adapted.assembled, [format!("ARRAY /dev/md/root metadata=1.2 UUID={}", array.uuid)]);
    assert_eq!(adapted.initramfs, ["mdadm"]);
    assert_eq!(
        lifeboat_plan::consequence::required(
            &gpt_machine(),
            &lifeboat_plan::moves::apply(&gpt_machine(), &moves).unwrap()
        )
        .iter()
        .map(|one| one.package)
        .collect::<Vec<_>>(),
        ["mdadm"]
    );
}

#[test]
fn plain_to_luks() {
    let mut machine = gpt_machine();
    let encrypt = |device: &str| Move::Encrypt { device: id(device), name: None, key_file: None };
    // GRUB would have to open it.
    let refused = moved(&machine, vec![encrypt("disk0p2")], vec![found("/dev/vda", 10 * GIB, "SER1")]).unwrap_err();
    assert!(refused.to_string().contains("give /boot a partition of its own"), "{refused}");
    let size = 512 * MIB;
    let boot = ext4("boot", "aaaaaaaa-0000-0000-0000-000000000007", size, 60 * MIB);
    machine = Maker { machine }
        .disk(1, "/dev/vdb", GIB, disk("SER2"), gpt(GIB))
        .part(1, 2048, size / 512, LINUX, PartitionRole::Primary, boot)
        .mount("disk1p1", "/boot")
        .machine;
    let disks = || vec![found("/dev/vda", 10 * GIB, "SER1"), found("/dev/vdb", GIB, "SER2")];
    let plan = moved(&machine, vec![encrypt("disk0p2")], disks()).unwrap();
    let (device, size, resized) = made(&plan, ROOT);
    assert_eq!((device.as_str(), resized), ("/dev/mapper/disk0p2_crypt", true));
    assert_eq!(size, 10 * GIB - 3 * MIB - 16 * MIB);
    let header = plan.steps.iter().find_map(|step| match step {
        Step::MakeLuks { header, .. } => Some(header),
        _ => None,
    });
    let header = header.unwrap();
    assert_eq!((header.version, &header.backup), (2, &None));
    let adapted = adapted(&plan);
    assert_eq!(adapted.opened, [format!("disk0p2_crypt UUID={} none luks,initramfs", header.uuid)]);
    assert_eq!(adapted.initramfs, ["cryptsetup"]);
    let wanted = lifeboat_plan::moves::apply(&machine, &[encrypt("disk0p2")]).unwrap();
    let packages: Vec<&str> =
        lifeboat_plan::consequence::required(&machine, &wanted).iter().map(|one| one.package).collect();
    assert_eq!(packages, ["cryptsetup", "cryptsetup-initramfs"]);
    assert!(!String::from_utf8(wanted.to_json()).unwrap().contains("passphrase"));
}

#[test]
fn luks_to_plain() {
    let machine = encrypted_machine();
    let moves = vec![Move::Decrypt { device: id("disk0p2") }];
    let plan = moved(&machine, moves, vec![found("/dev/vda", 20 * GIB, "SER1")]).unwrap();
    let (device, size, _) = made(&plan, "aaaaaaaa-0000-0000-0000-000000000001");
    assert_eq!((device.as_str(), size), ("/dev/vda2", 20 * GIB - 3 * MIB - 16 * MIB));
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::MakeLuks { .. } | Step::OpenLuks { .. })));
    let adapted = adapted(&plan);
    assert_eq!(adapted.closed, [("vda2_crypt".to_owned(), "64f0a6d1-0000-4000-8000-000000000001".to_owned())]);
    let name = "/dev/mapper/vda2_crypt".to_owned();
    assert!(renamed(&plan).0.contains(&(name, "UUID=aaaaaaaa-0000-0000-0000-000000000001".into())));
    assert!(adapted.words_gone.contains(&"rd.luks.uuid=luks-64f0a6d1-0000-4000-8000-000000000001".to_owned()));
}

#[test]
fn root_to_lvm_and_back() {
    let to = |disks| Move::ToVolume { device: id("disk0p2"), group: "vg0".into(), volume: "root".into(), disks };
    let plan = moved(&gpt_machine(), vec![to(vec![])], vec![found("/dev/vda", 10 * GIB, "SER1")]).unwrap();
    let (device, size, _) = made(&plan, ROOT);
    assert_eq!(device, "/dev/mapper/vg0-root");
    // Whole extents of 4 MiB behind the first MiB of the partition.
    assert_eq!(size, (10 * GIB - 3 * MIB - MIB) / (4 * MIB) * (4 * MIB), "{plan}");
    assert_eq!(adapted(&plan).initramfs, ["lvm"]);
    // Onto disks of their own.
    let moves = vec![
        Move::AddDisk(SecondDisk::New { identity: Some("SER2".into()), size_bytes: Some(6 * GIB) }),
        Move::AddDisk(SecondDisk::New { identity: Some("SER3".into()), size_bytes: Some(6 * GIB) }),
        to(vec![id("disk1"), id("disk2")]),
    ];
    let disks = || {
        let second = [found("/dev/vdb", 6 * GIB, "SER2"), found("/dev/vdc", 6 * GIB, "SER3")];
        [found("/dev/vda", 10 * GIB, "SER1")].into_iter().chain(second).collect()
    };
    let plan = moved(&gpt_machine(), moves, disks()).unwrap();
    let (device, size, _) = made(&plan, ROOT);
    assert_eq!(device, "/dev/mapper/vg0-root");
    assert!((10 * GIB - 3 * MIB..12 * GIB).contains(&size), "{size}");
    // Nothing but GRUB is left on its disk.
    assert_eq!(entries(&plan, "/dev/vda").len(), 1);
    assert_eq!(grub_disks(&plan), ["/dev/vda"]);
    let back = vec![to(vec![]), Move::FromVolume { volume: id("vg0_root") }];
    let plan = moved(&gpt_machine(), back, vec![found("/dev/vda", 10 * GIB, "SER1")]).unwrap();
    assert_eq!(made(&plan, ROOT).0, "/dev/vda2");
}

/// RAID 5 of three disks of 10 GiB at /srv, beside the root of `gpt_machine`.
fn raid_5() -> Machine {
    let mut maker = Maker { machine: gpt_machine() };
    let member = || Content::Member(Member::Array { array: id("array0"), data_offset_bytes: MIB });
    let size = 10 * GIB;
    for number in 1..4 {
        let path = format!("/dev/vd{}", char::from(b'a' + number as u8));
        maker = maker.disk(number, &path, size, disk(&format!("SER{}", number + 1)), member());
    }
    let mut machine = maker.machine;
    let members = (0..3).map(|slot| ArrayMember {
        device: id(&format!("disk{}", slot + 1)),
        role: ArrayRole::Active { slot },
        write_mostly: false,
        fail_fast: false,
    });
    let used = size - MIB;
    let array = Array {
        uuid: "00000005:00000000:00000000:00000000".into(),
        name: Some("srv".into()),
        home_host: None,
        level: ArrayLevel::Raid5,
        metadata: ArrayMetadata::V1_2,
        slots: 3,
        chunk_bytes: Some(512 * 1024),
        layout: Some("left-symmetric".into()),
        consistency: Consistency::Resync,
        member_bytes: Some(used),
        logical_block_bytes: None,
        members: members.collect(),
    };
    machine.layout.devices.push(Device {
        id: id("array0"),
        path: "/dev/md127".into(),
        size_bytes: 2 * used,
        kind: DeviceKind::Array(array),
        content: ext4("srv", "bbbbbbbb-0000-0000-0000-000000000005", 2 * used, 12 * GIB),
    });
    machine.layout.mounts.push(Mount {
        device: id("array0"),
        mount_point: Name::from("/srv"),
        options: vec![],
        subvolume: None,
    });
    machine
}

#[test]
fn raid_5_on_fewer_disks() {
    let disks = |number: usize, size: u64| {
        let root = found("/dev/vda", 10 * GIB, "SER1");
        let others = (0..number)
            .map(move |n| found(&format!("/dev/vd{}", char::from(b'b' + n as u8)), size, &format!("SER{}", n + 2)));
        [root].into_iter().chain(others).collect::<Vec<_>>()
    };
    let error = moved(&raid_5(), vec![], disks(2, 10 * GIB)).unwrap_err();
    assert!(matches!(&error, PlanError::NoDisk { device, .. } if *device == id("disk3")), "{error}");
    assert!(error.to_string().contains("10.0 GiB"), "{error}");
    // On one disk of 10 GiB its 12 GiB of files do not fit; on one of 16 they do.
    let drop = vec![Move::ArrayToDisk { array: id("array0"), keep: None }];
    let error = moved(&raid_5(), drop.clone(), disks(1, 10 * GIB)).unwrap_err();
    let PlanError::TooSmall { device, needed, .. } = &error else { panic!("{error}") };
    assert_eq!(*device, id("disk1"));
    assert!(needed.starts_with("12.") || needed.starts_with("13."), "{needed}");
    let plan = moved(&raid_5(), drop, disks(1, 16 * GIB)).unwrap();
    assert_eq!(made(&plan, "bbbbbbbb-0000-0000-0000-000000000005"), ("/dev/vdb".into(), 16 * GIB, true));
}

/// The same with the filesystem on a volume of a group on the array, which leaves so many bytes of the array free.
fn group_on_raid_5(free: u64) -> Machine {
    let mut machine = raid_5();
    let (group, extent) = (GroupId("group0".into()), 4 * MIB);
    let (name, uuid) = ("vg0".to_owned(), "VG".to_owned());
    machine.layout.groups.push(VolumeGroup { id: group.clone(), name, uuid, extent_bytes: extent, tags: vec![] });
    let array = machine.layout.devices.iter_mut().find(|device| device.id == id("array0")).unwrap();
    let extents = (array.size_bytes - MIB - free) / extent;
    let uuid = "PV-array0".to_owned();
    let member = Member::Group { group: Some(group.clone()), uuid, first_extent_bytes: MIB, extents };
    array.content = Content::Member(member);
    machine.layout.devices.push(Device {
        id: id("volume0"),
        path: "/dev/dm-0".into(),
        size_bytes: GIB,
        kind: DeviceKind::Volume(Volume {
            group,
            name: "srv".into(),
            uuid: "LV-srv".into(),
            tags: vec![],
            read_only: false,
            shape: VolumeShape::Linear {
                extents: vec![Extents { device: id("array0"), first: 0, count: GIB / extent }],
            },
        }),
        content: ext4("srv", "bbbbbbbb-0000-0000-0000-000000000005", GIB, GIB / 2),
    });
    machine.layout.mounts.last_mut().unwrap().device = id("volume0");
    machine.layout.validate().unwrap();
    machine
}

#[test]
fn what_cannot_grow_is_encrypted_where_its_physical_volume_has_room() {
    let disks = raid_disks;
    let encrypt = || vec![Move::Encrypt { device: id("array0"), name: None, key_file: None }];
    let error = moved(&group_on_raid_5(0), encrypt(), disks()).unwrap_err();
    assert!(matches!(&error, PlanError::Edit { reason, .. } if reason.contains("--setphysicalvolumesize")), "{error}");
    let plan = moved(&group_on_raid_5(20 * MIB), encrypt(), disks()).unwrap();
    let ends = |plan: &Plan| {
        let groups = plan.steps.iter().filter_map(|step| match step {
            Step::MakeGroup { group, physical, .. } => Some((group.extent_bytes, physical.clone())),
            _ => None,
        });
        let one = |(extent, list): (u64, Vec<lifeboat_plan::PhysicalVolume>)| {
            list.into_iter().map(move |one| (one.first_extent_bytes + one.extents * extent, one.size_bytes))
        };
        groups.flat_map(one).collect::<Vec<_>>()
    };
    assert!(ends(&plan).len() == 1 && ends(&plan).iter().all(|(end, size)| end <= size), "{plan}");
    // A description with more extents than there is room for, as one that was edited by hand has it.
    let mut machine = group_on_raid_5(0);
    for device in &mut machine.layout.devices {
        if let Content::Member(Member::Group { extents, .. }) = &mut device.content {
            *extents += 4;
        }
    }
    let plan = moved(&machine, vec![], disks()).unwrap();
    assert!(ends(&plan).iter().all(|(end, size)| end <= size), "{:?}", ends(&plan));
}

#[test]
fn xfs_is_made_smaller() {
    let mut machine = gpt_machine();
    for device in &mut machine.layout.devices {
        let bytes = device.size_bytes;
        if let Content::Filesystem(filesystem) = &mut device.content {
            *filesystem = FilesystemKind::Xfs.instead_of(filesystem, bytes);
        }
    }
    let plan = moved(&machine, vec![], vec![found("/dev/vda", 5 * GIB, "SER1")]).unwrap();
    assert_eq!(made(&plan, ROOT), ("/dev/vda2".into(), 5 * GIB - 2 * MIB - TAIL, true));
    let error = moved(&machine, vec![], vec![found("/dev/vda", 2 * GIB, "SER1")]).unwrap_err();
    assert!(matches!(&error, PlanError::TooSmall { needed, .. } if needed.starts_with("3.")), "{error}");
}

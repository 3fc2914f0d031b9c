//! Plans of machines on LVM.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::layout::{Extents, GroupId, Volume, VolumeGroup, VolumeShape};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, Device, DeviceKind, FoundHardware, Machine, Member};
use lifeboat_plan::{Plan, PlanError, Policy, Step, plan};

const EXTENT: u64 = 4 * MIB;

fn physical(device: &str, extents: u64) -> Content {
    let group = Some(GroupId("group0".into()));
    Content::Member(Member::Group { group, uuid: format!("PV-{device}"), first_extent_bytes: MIB, extents })
}

/// Two disks of 20 GiB as physical volumes; a root (2 GiB in use) on all of the first and 100 extents of the second, and a volume of
/// this shape behind it, empty.
fn machine_with(second: VolumeShape) -> Machine {
    let extents = (20 * GIB - MIB) / EXTENT;
    let mut machine = Maker::new()
        .disk(0, "/dev/sda", 20 * GIB, disk("SER1"), physical("disk0", extents))
        .disk(1, "/dev/sdb", 20 * GIB, disk("SER2"), physical("disk1", extents))
        .machine;
    machine.boot.loaders.clear();
    let group = GroupId("group0".into());
    let (name, uuid) = ("my-vg".to_owned(), "VG".to_owned());
    machine.layout.groups.push(VolumeGroup { id: group.clone(), name, uuid, extent_bytes: EXTENT, tags: vec![] });
    let mut add = |number: u32, name: &str, shape: VolumeShape, content: Content| {
        let size_bytes = shape.extents().iter().map(|extents| extents.count).sum::<u64>() * EXTENT;
        let kind = DeviceKind::Volume(Volume {
            group: group.clone(),
            name: name.into(),
            uuid: format!("LV-{name}"),
            tags: vec![],
            read_only: false,
            shape,
        });
        let (id, path) = (id(&format!("volume{number}")), format!("/dev/dm-{number}"));
        machine.layout.devices.push(Device { id, path, size_bytes, kind, content });
    };
    let root = vec![on("disk0", 0, extents), on("disk1", 0, 100)];
    let bytes = (extents + 100) * EXTENT;
    let content = ext4("root", "aaaaaaaa-0000-0000-0000-000000000001", bytes, 2 * GIB);
    add(0, "root", VolumeShape::Linear { extents: root }, content);
    add(1, "second", second, Content::Empty);
    machine.layout.mounts.push(lifeboat_machine::layout::Mount {
        device: id("volume0"),
        mount_point: "/".into(),
        options: vec![],
        subvolume: None,
    });
    machine.layout.validate().unwrap();
    machine
}

fn on(device: &str, first: u64, count: u64) -> Extents {
    Extents { device: id(device), first, count }
}

fn machine() -> Machine {
    machine_with(VolumeShape::Linear { extents: vec![on("disk1", 200, 50)] })
}

/// The machine's own disks in other sizes.
fn disks(gib: [u64; 2]) -> FoundHardware {
    hardware(vec![found("/dev/vda", gib[0] * GIB, "SER1"), found("/dev/vdb", gib[1] * GIB, "SER2")])
}

fn planned(machine: &Machine, gib: [u64; 2]) -> Plan {
    plan(machine, &disks(gib), &Policy::default()).unwrap()
}

fn volumes(plan: &Plan) -> Vec<(&str, u64, &Volume)> {
    let steps = plan.steps.iter();
    steps
        .filter_map(|step| match step {
            Step::MakeVolume { node, size_bytes, volume, .. } => Some((node.as_str(), *size_bytes, volume)),
            _ => None,
        })
        .collect()
}

fn extents(volume: &Volume) -> Vec<(String, u64, u64)> {
    volume.shape.extents().into_iter().map(|e| (e.device.to_string(), e.first, e.count)).collect()
}

#[test]
fn on_equal_disks_each_extent_is_where_it_was() {
    let machine = machine();
    let plan = planned(&machine, [20, 20]);
    let texts: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts[..6],
        [
            "wipe /dev/vda",
            "wipe /dev/vdb",
            "make the volume group my-vg of /dev/vda, /dev/vdb",
            "make the volume /dev/mapper/my--vg-root (20.4 GiB)",
            "make ext4 \"root\" on /dev/mapper/my--vg-root (20.4 GiB)",
            "make the volume /dev/mapper/my--vg-second (200.0 MiB)",
        ]
    );
    let volumes = volumes(&plan);
    for (number, (_, size, volume)) in volumes.iter().enumerate() {
        let recorded = machine.layout.device(&id(&format!("volume{number}"))).unwrap();
        assert_eq!((DeviceKind::Volume((*volume).clone()), *size), (recorded.kind.clone(), recorded.size_bytes));
    }
}

#[test]
fn on_larger_disks_the_filesystem_grows_behind_what_it_had() {
    let plan = planned(&machine(), [20, 40]);
    let volumes = volumes(&plan);
    let grown = extents(volumes[0].2);
    assert_eq!(grown[..2], [("disk0".to_owned(), 0, 5119), ("disk1".to_owned(), 0, 100)]);
    assert_eq!(grown[2].0, "disk1");
    assert!(volumes[0].1.abs_diff(40 * GIB + 400 * MIB) < 8 * MIB, "{}", volumes[0].1);
    assert_eq!(extents(volumes[1].2), [("disk1".to_owned(), 200, 50)]);
}

#[test]
fn on_smaller_disks_everything_moves_together() {
    let plan = planned(&machine(), [10, 10]);
    let volumes = volumes(&plan);
    let all = extents(volumes[0].2);
    assert!(all.iter().all(|(_, first, count)| first + count <= 10 * GIB / EXTENT), "{all:?}");
    assert_eq!(volumes[1].1, 200 * MIB);
    assert!(volumes[0].1 < 20 * GIB && volumes[0].1 > 19 * GIB, "{}", volumes[0].1);
}

#[test]
fn what_does_not_fit_says_by_how_much() {
    let error = plan(&machine(), &disks([1, 1]), &Policy::default()).unwrap_err();
    assert!(matches!(&error, PlanError::TooSmall { device, .. } if *device == id("disk0")), "{error}");
}

#[test]
fn stripes_keep_to_disks_of_their_own() {
    let striped =
        |a: &str, b: &str| VolumeShape::Striped { stripe_bytes: 65_536, extents: vec![on(a, 0, 200), on(b, 300, 200)] };
    let mut machine = machine();
    let extents_of_first = (20 * GIB - MIB) / EXTENT;
    for device in &mut machine.layout.devices {
        if let DeviceKind::Volume(volume) = &mut device.kind {
            match volume.name.as_str() {
                "root" => {
                    volume.shape = VolumeShape::Linear { extents: vec![on("disk0", 200, extents_of_first - 200)] };
                    device.size_bytes = (extents_of_first - 200) * EXTENT;
                    device.content = ext4("root", "aaaaaaaa-0000-0000-0000-000000000001", device.size_bytes, 2 * GIB);
                }
                _ => {
                    volume.shape = striped("disk0", "disk1");
                    device.size_bytes = 400 * EXTENT;
                }
            }
        }
    }
    machine.layout.validate().unwrap();
    let smaller = planned(&machine, [19, 19]);
    let stripes = extents(volumes(&smaller)[1].2);
    assert_eq!(stripes.len(), 2);
    assert!(stripes[0].0 != stripes[1].0 && stripes.iter().all(|(_, _, count)| *count == 200), "{stripes:?}");
    // One of the disks has no room for its stripe.
    let error = plan(&machine, &disks([30, 1]), &Policy::default());
    assert!(matches!(error, Err(PlanError::Spread { .. } | PlanError::TooSmall { .. })), "{error:?}");
}

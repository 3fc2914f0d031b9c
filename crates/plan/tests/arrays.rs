//! Plans of machines on md arrays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::layout::{Array, ArrayRole};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, DeviceKind, DiskContent, FoundDisk, FoundHardware, Machine, Member};
use lifeboat_plan::{Plan, PlanError, Policy, Step, plan};

fn two(sizes: [u64; 2]) -> FoundHardware {
    hardware(vec![found("/dev/vda", sizes[0], "NEW1"), found("/dev/vdb", sizes[1], "NEW2")])
}

fn planned(machine: &Machine, hardware: &FoundHardware) -> Plan {
    machine.layout.validate().unwrap();
    plan(machine, hardware, &Policy::default()).unwrap()
}

fn made<'p>(plan: &'p Plan) -> Vec<(&'p str, u64, &'p Array)> {
    let array = |step: &'p Step| match step {
        Step::MakeArray { node, size_bytes, array, .. } => Some((node.as_str(), *size_bytes, array)),
        _ => None,
    };
    plan.steps.iter().filter_map(array).collect()
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(ToString::to_string).collect()
}

#[test]
fn a_mirrored_root_comes_back_as_it_was() {
    let machine = mirrored_machine(false);
    let plan = planned(&machine, &two([20 * GIB, 20 * GIB]));
    let steps = texts(&plan);
    let expected = [
        "wipe /dev/vda",
        "wipe /dev/vdb",
        "write a GPT with 2 partitions to /dev/vda",
        "write a GPT with 2 partitions to /dev/vdb",
        "make the raid1 array /dev/md/root (19.5 GiB) of /dev/vda2, /dev/vdb2",
        "make ext4 \"root\" on /dev/md/root (19.5 GiB)",
        "mount /dev/md/root at /",
        "restore the files",
    ];
    assert_eq!(&steps[..expected.len()], expected);
    assert!(steps.contains(&"install GRUB for BIOS on /dev/vda, /dev/vdb".to_owned()), "{steps:#?}");
    assert!(plan.notes.iter().any(|note| note.starts_with("GRUB is installed on disk1, too")), "{:?}", plan.notes);
    let root = machine.layout.device(&id("array1")).unwrap();
    let DeviceKind::Array(recorded) = &root.kind else { unreachable!() };
    assert_eq!(made(&plan), [("/dev/md/root", root.size_bytes, recorded)]);
}

#[test]
fn a_mirror_is_as_large_as_the_smaller_disk_allows() {
    let machine = mirrored_machine(false);
    let size = machine.layout.device(&id("array1")).unwrap().size_bytes;
    for (sizes, expected) in
        [([40, 40], size + 20 * GIB), ([40, 30], size + 10 * GIB), ([40, 20], size), ([10, 40], size - 10 * GIB)]
    {
        let mut hardware = two(sizes.map(|gib| gib * GIB));
        // Known by their serial numbers: which goes where is not the question.
        for (disk, serial) in hardware.disks.iter_mut().zip(["SER1", "SER2"]) {
            disk.disk.serial = Some(serial.into());
        }
        let plan = planned(&machine, &hardware);
        let arrays = made(&plan);
        let (_, bytes, array) = arrays[0];
        assert!(bytes.abs_diff(expected) < 2 * MIB, "{sizes:?}: {bytes} and not {expected}");
        assert_eq!(array.member_bytes, Some(bytes), "{sizes:?}");
        let filesystem = plan.steps.iter().find_map(|step| match step {
            Step::MakeFilesystem { filesystem, .. } => Some(filesystem.size_bytes),
            _ => None,
        });
        assert!(filesystem.unwrap() <= bytes && filesystem.unwrap() + 2 * MIB > bytes, "{sizes:?}");
    }
}

#[test]
fn what_does_not_fit_on_one_half_is_refused() {
    let mut hardware = two([40 * GIB, 2 * GIB]);
    for (disk, serial) in hardware.disks.iter_mut().zip(["SER1", "SER2"]) {
        disk.disk.serial = Some(serial.into());
    }
    let error = plan(&mirrored_machine(false), &hardware, &Policy::default()).unwrap_err();
    assert!(matches!(&error, PlanError::TooSmall { device, .. } if *device == id("disk1")), "{error}");
}

#[test]
fn each_mirrored_esp_gets_a_boot_entry() {
    let mut hardware = two([20 * GIB, 20 * GIB]);
    hardware.uefi = true;
    let plan = planned(&mirrored_machine(true), &hardware);
    let entries: Vec<(&str, &str, u32)> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::MakeEfiEntry { entry, disk, partition } => Some((entry.label.as_str(), disk.as_str(), *partition)),
            _ => None,
        })
        .collect();
    assert_eq!(entries, [("debian", "/dev/vda", 1), ("debian (disk1)", "/dev/vdb", 1)]);
    assert!(texts(&plan).contains(&"mount /dev/md/esp at /boot/efi".to_owned()));
}

#[test]
fn a_degraded_array_comes_back_degraded_and_it_is_said() {
    let mut machine = mirrored_machine(false);
    for device in &mut machine.layout.devices {
        if let DeviceKind::Array(array) = &mut device.kind {
            array.slots = 3;
            array.members[1].role = ArrayRole::Active { slot: 2 };
        }
    }
    let plan = planned(&machine, &two([20 * GIB, 20 * GIB]));
    let note =
        "the raid1 array root (array1) was degraded when recorded, and comes back so: 1 of its 3 members are missing";
    assert!(plan.notes.contains(&note.to_owned()), "{:?}", plan.notes);
    assert!(texts(&plan).iter().any(|text| text.ends_with("of /dev/vda2, /dev/vdb2, 1 member missing")));
}

/// Two disks that are members as a whole, of an array with a root.
fn whole() -> Machine {
    let mut machine = mirrored_machine(false);
    machine.boot.loaders.clear();
    machine.layout.devices.retain(|device| device.partition().is_none());
    for device in &mut machine.layout.devices {
        match &mut device.kind {
            DeviceKind::Array(array) => {
                for (number, member) in array.members.iter_mut().enumerate() {
                    member.device = id(&format!("disk{number}"));
                }
            }
            _ => {
                let member = Member::Array { array: id("array1"), data_offset_bytes: MIB };
                device.content = Content::Member(member);
            }
        }
    }
    machine
}

#[test]
fn disks_of_the_machine_s_own_array_are_its_own() {
    let machine = whole();
    let held = |uuid: &str| DiskContent::Whole { uuid: Some(uuid.into()), summary: "linux_raid_member".into() };
    let with = |content: DiskContent| -> FoundHardware {
        let disk = |path, serial| -> FoundDisk { holding(found(path, 20 * GIB, serial), content.clone()) };
        hardware(vec![disk("/dev/vda", "NEW1"), disk("/dev/vdb", "NEW2")])
    };
    let plan = planned(&machine, &with(held("00000001-0000-0000-0000-000000000000")));
    assert_eq!(plan.targets.len(), 2);
    assert_eq!(texts(&plan)[2], "make the raid1 array /dev/md/root (19.5 GiB) of /dev/vda, /dev/vdb");
    let foreign = with(held("00000009-0000-0000-0000-000000000000"));
    let error = lifeboat_plan::plan(&machine, &foreign, &Policy::default()).unwrap_err();
    assert!(matches!(error, PlanError::NoDisk { .. } | PlanError::Foreign { .. }), "{error}");
}

#[test]
fn two_arrays_of_one_name_get_two_nodes() {
    let mut machine = mirrored_machine(true);
    for device in &mut machine.layout.devices {
        if let DeviceKind::Array(array) = &mut device.kind {
            array.name = Some("0".into());
            array.home_host = Some(device.id.0.clone());
        }
    }
    let mut hardware = two([20 * GIB, 20 * GIB]);
    hardware.uefi = true;
    let plan = planned(&machine, &hardware);
    let nodes: Vec<&str> = made(&plan).into_iter().map(|(node, ..)| node).collect();
    assert_eq!(nodes, ["/dev/md/0", "/dev/md/0_array1"]);
}

#[test]
fn arrays_without_a_name_keep_a_number_that_was_chosen() {
    for (path, expected) in [("/dev/md0", "/dev/md0"), ("/dev/md127", "/dev/md/array1")] {
        let mut machine = mirrored_machine(false);
        for device in &mut machine.layout.devices {
            if let DeviceKind::Array(array) = &mut device.kind {
                (array.name, array.metadata) = (None, lifeboat_machine::layout::ArrayMetadata::V0_90);
                device.path = path.into();
            }
        }
        let plan = planned(&machine, &two([20 * GIB, 20 * GIB]));
        assert_eq!(made(&plan)[0].0, expected);
    }
}

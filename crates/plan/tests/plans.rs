//! Whole plans: their text for people, their tables, their steps.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::boot::{EfiEntry, Loader};
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{Partition, PartitionTable};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, FoundDisk, Machine, Name};
use lifeboat_plan::{Plan, PlanError, Policy, Step, diff, plan};

fn planned(machine: &Machine, disk: FoundDisk) -> Plan {
    plan(machine, &hardware(vec![disk]), &Policy::default()).unwrap()
}

/// The table that a plan writes, and its partitions.
fn written(plan: &Plan) -> (&PartitionTable, &[Partition]) {
    let table = plan.steps.iter().find_map(|step| match step {
        Step::WriteTable { table, entries, .. } => Some((table, entries.as_slice())),
        _ => None,
    });
    table.unwrap()
}

fn sectors(mut disk: FoundDisk, bytes: u32) -> FoundDisk {
    disk.disk.logical_sector_bytes = bytes;
    disk
}

/// Number, start and size of the partitions, in sectors.
fn geometry(plan: &Plan) -> Vec<(u32, u64, u64)> {
    written(plan).1.iter().map(|part| (part.number, part.start_sector, part.sectors)).collect()
}

fn efi_machine() -> Machine {
    let size = 20 * GIB;
    let rest = (size - 2 * MIB) / 512 - 1_048_576;
    let mut machine = Maker::new()
        .disk(0, "/dev/nvme0n1", size, disk("SER1"), gpt(size))
        .part(
            1,
            2048,
            1_048_576,
            "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            lifeboat_machine::layout::PartitionRole::Primary,
            esp(512 * MIB),
        )
        .part(
            2,
            2048 + 1_048_576,
            rest,
            "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
            lifeboat_machine::layout::PartitionRole::Primary,
            ext4("root", "aaaaaaaa-0000-0000-0000-000000000002", rest * 512, 2 * GIB),
        )
        .mount("disk0p2", "/")
        .mount("disk0p1", "/boot/efi")
        .machine;
    machine.boot.loaders = vec![Loader::GrubEfi {
        esp: Name::from("/boot/efi"),
        vendor: "debian".into(),
        shim: true,
        removable: false,
        directory: Name::from("/boot/grub"),
    }];
    machine.boot.efi_entries = vec![EfiEntry {
        label: "debian".into(),
        device: id("disk0p1"),
        loader: "\\EFI\\debian\\shimx64.efi".into(),
        arguments: None,
    }];
    machine
}

#[test]
fn the_same_disk_comes_back_as_it_was() {
    let plan = planned(&gpt_machine(), found("/dev/vda", 10 * GIB, "SER1"));
    insta::assert_snapshot!("gpt_same_disk", plan.to_string());
    let plan = planned(&mbr_machine(), found("/dev/sda", 10 * GIB, "SER1"));
    insta::assert_snapshot!("mbr_same_disk", plan.to_string());
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::MakeFilesystem { resized: true, .. })));
}

#[test]
fn another_controller_and_a_larger_disk() {
    let mut other = found("/dev/nvme0n1", 20 * GIB, "NEW");
    other.disk.transport = Some("nvme".into());
    other.disk.model = Some("QEMU NVMe Ctrl".into());
    let mut hardware = hardware(vec![other]);
    hardware.modaliases = vec!["pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02".into()];
    let plan = plan(&mbr_machine(), &hardware, &Policy::default()).unwrap();
    insta::assert_snapshot!("mbr_to_nvme", plan.to_string());
    // Root has grown by exactly the difference; swap kept its size behind it.
    let (old, new) = (geometry(&planned(&mbr_machine(), found("/dev/sda", 10 * GIB, "SER1"))), geometry(&plan));
    assert_eq!(new[0].2 - old[0].2, 10 * GIB / 512);
    assert_eq!((new[1].2, new[2].2), (old[1].2, old[2].2));
    assert_eq!(new[2].1 - new[1].1, 2);
}

/// A recovery from a USB stick onto the machine's own disk changes nothing that its initramfs has to know.
#[test]
fn the_stick_of_the_rescue_system_is_no_new_controller() {
    let reason = |transport: &str| {
        let mut disk = found("/dev/vda", 10 * GIB, "SER1");
        disk.disk.transport = Some(transport.into());
        let mut hardware = hardware(vec![disk]);
        hardware.modaliases =
            vec!["virtio:d00000002v00001AF4".into(), "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00".into()];
        let plan = plan(&gpt_machine(), &hardware, &Policy::default()).unwrap();
        plan.steps.iter().find_map(|step| match step {
            Step::RebuildInitramfs { reason } => Some(reason.clone()),
            _ => None,
        })
    };
    assert_eq!(reason("virtio"), None);
    assert!(reason("usb").unwrap().contains("now has a USB disk"));
}

#[test]
fn uefi() {
    let mut hardware = hardware(vec![found("/dev/vda", 20 * GIB, "OTHER")]);
    hardware.uefi = true;
    let plan = plan(&efi_machine(), &hardware, &Policy::default()).unwrap();
    insta::assert_snapshot!("uefi", plan.to_string());
}

#[test]
fn half_the_disk() {
    let plan = planned(&gpt_machine(), found("/dev/vda", 5 * GIB, "SER1"));
    let parts = geometry(&plan);
    assert_eq!(parts[0], (1, 2048, 2048));
    assert!((parts[1].1 + parts[1].2) * 512 <= 5 * GIB - 33 * 512);
    assert!(plan.notes.iter().any(|note| note.contains("shrinks from 10.0 GiB to 5.0 GiB")), "{:?}", plan.notes);
    let Some(Step::MakeFilesystem { filesystem, resized: true, .. }) =
        plan.steps.iter().find(|step| matches!(step, Step::MakeFilesystem { .. }))
    else {
        panic!()
    };
    assert_eq!(filesystem.size_bytes, parts[1].2 * 512 / 4096 * 4096);
    let FilesystemOptions::Ext(ext) = &filesystem.options else { panic!() };
    // How many inodes are in use is not recorded, so none may get lost.
    assert_eq!(ext.inodes, (10 * GIB - 3 * MIB) / 16384);
}

#[test]
fn resizing_can_be_forbidden() {
    let keep = Policy { no_resize: true, ..Policy::default() };
    let on = |size| plan(&gpt_machine(), &hardware(vec![found("/dev/vda", size, "SER1")]), &keep);
    let larger = on(20 * GIB).unwrap();
    let same = planned(&gpt_machine(), found("/dev/vda", 10 * GIB, "SER1"));
    assert_eq!(geometry(&larger), geometry(&same));
    assert_eq!(written(&larger).0.last_lba, Some(20 * GIB / 512 - 34));
    let error = on(5 * GIB).unwrap_err().to_string();
    assert!(error.ends_with("try it without lifeboat.resize=no"), "{error}");
}

#[test]
fn sectors_of_4096_bytes() {
    for machine in [gpt_machine(), mbr_machine()] {
        let plan = planned(&machine, sectors(found("/dev/vda", 10 * GIB, "SER1"), 4096));
        let parts = geometry(&plan);
        // Whole sectors, one MiB aligned, inside the disk, and roots of nearly the same size.
        for (number, start, size) in &parts {
            assert!(*number == 2 || start * 4096 % MIB == 0, "{parts:?}");
            assert!((start + size) * 4096 <= 10 * GIB, "{parts:?}");
        }
        let mut ends = 0;
        for (_, start, size) in parts.iter().filter(|(number, ..)| *number != 2 || machine.layout.devices.len() == 3) {
            assert!(*start >= ends, "{parts:?}");
            ends = start + size;
        }
    }
    let mut small = gpt_machine();
    let Content::Filesystem(filesystem) = &mut small.layout.devices[2].content else { panic!() };
    let FilesystemOptions::Ext(ext) = &mut filesystem.options else { panic!() };
    ext.block_bytes = 1024;
    let hardware = hardware(vec![sectors(found("/dev/vda", 10 * GIB, "SER1"), 4096)]);
    let error = plan(&small, &hardware, &Policy::default()).unwrap_err();
    assert!(matches!(error, PlanError::Geometry { .. }), "{error}");
    assert!(error.to_string().contains("blocks of 1024 bytes"), "{error}");
}

#[test]
fn an_mbr_ends_at_two_tebibytes() {
    let plan = planned(&mbr_machine(), found("/dev/sda", 4096 * GIB, "SER1"));
    let parts = geometry(&plan);
    assert!(parts.iter().all(|(_, start, size)| start + size <= 1 << 32), "{parts:?}");
    assert!(plan.notes.iter().any(|note| note.contains("the rest of /dev/sda stays unused")), "{:?}", plan.notes);
}

#[test]
fn a_filesystem_on_a_whole_disk() {
    let content = ext4("data", "aaaaaaaa-0000-0000-0000-000000000009", GIB, 100 * MIB);
    let mut machine = Maker::new().disk(0, "/dev/vdb", GIB, disk("DATA"), content).mount("disk0", "/").machine;
    machine.boot.loaders.clear();
    for (size, resized) in [(GIB, false), (2 * GIB, true), (GIB / 2, true)] {
        let plan = planned(&machine, found("/dev/vdc", size, "DATA"));
        assert!(!plan.steps.iter().any(|step| matches!(step, Step::WriteTable { .. })));
        let made = plan.steps.iter().find_map(|step| match step {
            Step::MakeFilesystem { filesystem, resized, .. } => Some((filesystem.size_bytes, *resized)),
            _ => None,
        });
        assert_eq!(made, Some((size, resized)));
    }
}

#[test]
fn disks_that_held_nothing_are_left_alone() {
    let mut machine = gpt_machine();
    machine = Maker { machine }.disk(1, "/dev/vdb", GIB, disk("EMPTY1"), Content::Empty).machine;
    let plan = planned(&machine, found("/dev/vda", 10 * GIB, "SER1"));
    assert_eq!(plan.targets.len(), 1);
    assert!(
        plan.notes.iter().any(|note| note.contains("disk1 (serial EMPTY1, 1.0 GiB) was empty")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn plans_survive_json_and_lines_stay_short() {
    let plan = planned(&mbr_machine(), found("/dev/sda", 20 * GIB, "SER1"));
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    assert!(plan.to_string().lines().all(|line| line.chars().count() <= 80), "{plan}");
}

#[test]
fn changes_since() {
    let old = efi_machine();
    assert_eq!(diff(&old, &old), []);
    let mut new = old.clone();
    new.recorded_at = "2027-01-01T00:00:00Z".into();
    new.hardware.modaliases.push("usb:x".into());
    new.layout.devices[0].path = "/dev/nvme1n1".into();
    if let Content::Filesystem(filesystem) = &mut new.layout.devices[2].content {
        filesystem.used_bytes += 1;
    }
    assert_eq!(diff(&old, &new), []);
    if let Content::Filesystem(filesystem) = &mut new.layout.devices[2].content {
        filesystem.label = Name::from("system");
        let FilesystemOptions::Ext(ext) = &mut filesystem.options else { panic!() };
        ext.features.push("quota".into());
    }
    new.layout.mounts.pop();
    new.boot.kernel = "6.1.0-20-amd64".into();
    new.layout.devices.push(lifeboat_machine::Device { id: id("disk1"), ..new.layout.devices[0].clone() });
    let text: Vec<String> = diff(&old, &new).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("changes", text.join("\n"));
}

//! Which disk is chosen, and which disks stop a recovery.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::testing::*;
use lifeboat_machine::{DiskContent, FoundDisk};
use lifeboat_plan::{PlanError, Policy, plan};

const MACHINE: &str = "0123456789abcdef0123456789abcdef";

fn policy(map: &[(&str, &str)], wipe: &[&str]) -> Policy {
    Policy {
        map: map.iter().map(|(device, disk)| (id(device), (*disk).to_owned())).collect(),
        wipe: wipe.iter().map(|disk| (*disk).to_owned()).collect(),
        ..Policy::default()
    }
}

fn choose(disks: Vec<FoundDisk>, policy: &Policy) -> Result<(String, String), PlanError> {
    let plan = plan(&gpt_machine(), &hardware(disks), policy)?;
    Ok((plan.targets[0].path.clone(), plan.targets[0].matched_by.to_string()))
}

fn interrupted(machine: &str, device: &str) -> DiskContent {
    DiskContent::Interrupted { machine: machine.into(), device: id(device) }
}

fn usb(mut disk: FoundDisk) -> FoundDisk {
    disk.disk.transport = Some("usb".into());
    disk
}

fn at_recorded_path(mut disk: FoundDisk) -> FoundDisk {
    disk.disk.hardware_path = Some("pci-0000:00:04.0".into());
    disk
}

#[test]
fn the_right_disk() {
    let ten = 10 * GIB;
    let whole = |uuid: Option<&str>| DiskContent::Whole { uuid: uuid.map(str::to_owned), summary: "xfs".into() };
    let shared = |content: &[&str]| DiskContent::Table {
        id: "OTHER".into(),
        partition_uuids: vec![],
        content_uuids: content.iter().map(|uuid| (*uuid).to_owned()).collect(),
        summary: "gpt".into(),
    };
    let root = "aaaaaaaa-0000-0000-0000-000000000002";
    let none = policy(&[], &[]);
    for (title, disks, policy, path, by) in [
        (
            "serial",
            vec![found("/dev/sda", ten, "XA"), holding(found("/dev/sdb", ten, "SER1"), table(TABLE))],
            none.clone(),
            "/dev/sdb",
            "serial number",
        ),
        (
            "serial, blank by now",
            vec![found("/dev/sda", ten, "XA"), found("/dev/sdb", ten, "ser1 ")],
            none.clone(),
            "/dev/sdb",
            "serial number",
        ),
        (
            "serial, content partly kept",
            vec![holding(found("/dev/sda", ten, "SER1"), shared(&[root]))],
            none.clone(),
            "/dev/sda",
            "serial number",
        ),
        ("only one", vec![found("/dev/sda", ten, "XA")], none.clone(), "/dev/sda", "the only disk"),
        ("only one, larger", vec![found("/dev/sda", 3 * ten, "XA")], none.clone(), "/dev/sda", "the only disk"),
        (
            "size",
            vec![found("/dev/sda", 2 * ten, "XA"), found("/dev/sdb", ten, "YB")],
            none.clone(),
            "/dev/sdb",
            "size",
        ),
        (
            "the other one is foreign",
            vec![holding(found("/dev/sda", ten, "XA"), whole(None)), found("/dev/sdb", ten, "YB")],
            none.clone(),
            "/dev/sdb",
            "the only disk",
        ),
        (
            "the other one is locked",
            vec![locked(found("/dev/sda", ten, "XA"), "it holds the archive"), found("/dev/sdb", ten, "YB")],
            none.clone(),
            "/dev/sdb",
            "the only disk",
        ),
        (
            "the other one is a stick",
            vec![usb(found("/dev/sda", ten, "XA")), found("/dev/sdb", ten, "YB")],
            none.clone(),
            "/dev/sdb",
            "the only disk",
        ),
        (
            "our table beside a blank disk",
            vec![found("/dev/sda", ten, "XA"), holding(found("/dev/sdb", ten, "YB"), table(TABLE))],
            none.clone(),
            "/dev/sdb",
            "content",
        ),
        (
            "begun before",
            vec![found("/dev/sda", ten, "XA"), holding(found("/dev/sdb", ten, "YB"), interrupted(MACHINE, "disk0"))],
            none.clone(),
            "/dev/sdb",
            "unfinished recovery",
        ),
        (
            "path, sizes differ",
            vec![found("/dev/sda", 3 * ten, "XA"), at_recorded_path(found("/dev/sdb", 2 * ten, "YB"))],
            none.clone(),
            "/dev/sdb",
            "hardware path",
        ),
        (
            "choice",
            vec![found("/dev/sda", ten, "XA"), found("/dev/sdb", ten, "YB")],
            policy(&[("disk0", "yb")], &[]),
            "/dev/sdb",
            "your choice",
        ),
        (
            "choice over serial",
            vec![found("/dev/sda", ten, "SER1"), found("/dev/sdb", ten, "YB")],
            policy(&[("disk0", "/dev/sdb")], &[]),
            "/dev/sdb",
            "your choice",
        ),
        (
            "foreign, allowed",
            vec![holding(found("/dev/sda", ten, "XA"), table("OTHER"))],
            policy(&[], &["XA"]),
            "/dev/sda",
            "the only disk",
        ),
        (
            "stick, chosen",
            vec![usb(found("/dev/sda", ten, "XA"))],
            policy(&[("disk0", "XA")], &[]),
            "/dev/sda",
            "your choice",
        ),
    ] {
        let chosen = choose(disks, &policy).unwrap_or_else(|error| panic!("{title}: {error}"));
        assert_eq!(chosen, (path.to_owned(), by.to_owned()), "{title}");
    }
}

#[test]
fn or_no_disk() {
    let ten = 10 * GIB;
    let none = policy(&[], &[]);
    let unknown = || holding(found("/dev/sda", ten, "XA"), DiskContent::Unknown);
    for (title, disks, policy, part) in [
        (
            "two blank",
            vec![found("/dev/sda", ten, "XA"), found("/dev/sdb", ten, "YB")],
            none.clone(),
            "try lifeboat.map=disk0:XA or lifeboat.map=disk0:YB",
        ),
        (
            "two blank, one in the slot",
            vec![at_recorded_path(found("/dev/sda", ten, "")), found("/dev/sdb", ten, "")],
            none.clone(),
            "fit equally",
        ),
        (
            "two larger",
            vec![found("/dev/sda", 2 * ten, ""), found("/dev/sdb", 3 * ten, "")],
            none.clone(),
            "lifeboat.map=disk0:pci-/dev/sda",
        ),
        (
            "the same serial twice",
            vec![found("/dev/sda", ten, "SER1"), found("/dev/sdb", ten, "SER1")],
            none.clone(),
            "fit equally",
        ),
        (
            "original and its clone",
            vec![
                holding(found("/dev/sda", ten, "XA"), table(TABLE)),
                holding(found("/dev/sdb", ten, "YB"), table(TABLE)),
            ],
            none.clone(),
            "fit equally",
        ),
        (
            "foreign table",
            vec![holding(found("/dev/sda", ten, "XA"), table("OTHER"))],
            none.clone(),
            "it holds gpt, 1 partition: ntfs \"Windows\", which is not this machine's; try lifeboat.wipe=XA",
        ),
        (
            "foreign table on the original",
            vec![holding(found("/dev/sda", ten, "SER1"), table("OTHER"))],
            none.clone(),
            "lifeboat.wipe=SER1",
        ),
        ("bytes without a name", vec![unknown()], none.clone(), "unrecognised data"),
        (
            "recovery of another machine",
            vec![holding(found("/dev/sda", ten, "XA"), interrupted("fedc", "disk0"))],
            none.clone(),
            "unfinished recovery of machine fedc",
        ),
        (
            "too small",
            vec![found("/dev/sda", GIB, "XA")],
            none.clone(),
            "cannot FIT disk0 onto /dev/sda (serial XA, 1.0 GiB): it needs at least 3.",
        ),
        (
            "too small and a locked one",
            vec![found("/dev/sda", GIB, "XA"), locked(found("/dev/sdb", ten, "YB"), "it holds the archive")],
            none.clone(),
            "cannot FIT disk0",
        ),
        (
            "locked original",
            vec![locked(found("/dev/sda", ten, "SER1"), "it holds the archive"), found("/dev/sdb", ten, "YB")],
            none.clone(),
            "cannot WIPE /dev/sda (serial SER1, 10.0 GiB) in place of disk0: it holds the archive",
        ),
        ("only a stick", vec![usb(found("/dev/sda", ten, "XA"))], none.clone(), "it is removable"),
        ("no disk", vec![], none.clone(), "there is no other disk"),
        (
            "several that will not do",
            vec![unknown(), found("/dev/sdb", GIB, "YB")],
            none.clone(),
            "/dev/sdb: it is too small",
        ),
        (
            "mistyped map",
            vec![found("/dev/sda", ten, "XA")],
            policy(&[("disk0", "Z")], &[]),
            "cannot FIND the disk Z of lifeboat.map; available disks: /dev/sda (serial XA, 10.0 GiB)",
        ),
        (
            "mistyped device",
            vec![found("/dev/sda", ten, "XA")],
            policy(&[("disc0", "XA")], &[]),
            "the machine had: disk0",
        ),
        (
            "mistyped wipe",
            vec![found("/dev/sda", ten, "XA")],
            policy(&[], &["Z"]),
            "try without it, or lifeboat.wipe (--wipe) with one that is present",
        ),
        (
            "mapping allows no wiping",
            vec![holding(found("/dev/sda", ten, "XA"), table("OTHER"))],
            policy(&[("disk0", "XA")], &[]),
            "lifeboat.wipe=XA",
        ),
        (
            "mapped twice",
            vec![found("/dev/sda", ten, "XA"), found("/dev/sdb", ten, "YB")],
            policy(&[("disk0", "XA"), ("disk0", "YB")], &[]),
            "cannot PUT both",
        ),
    ] {
        let error = choose(disks, &policy).expect_err(title).to_string();
        assert!(error.contains(part), "{title}: {error}");
    }
}

#[test]
fn serials_that_are_none() {
    for serial in ["0000", "0x0000", "", "  "] {
        let mut machine = gpt_machine();
        if let lifeboat_machine::DeviceKind::Disk(disk) = &mut machine.layout.devices[0].kind {
            disk.serial = Some(serial.into());
        }
        let disks = vec![found("/dev/sda", 10 * GIB, serial), found("/dev/sdb", 10 * GIB, "XA")];
        let error = plan(&machine, &hardware(disks), &Policy::default()).unwrap_err();
        assert!(matches!(error, PlanError::Ambiguous { .. }), "{serial:?}: {error}");
    }
}

#[test]
fn firmware_must_start_the_loaders() {
    let mut hardware = hardware(vec![found("/dev/sda", 10 * GIB, "XA")]);
    hardware.uefi = true;
    let error = plan(&gpt_machine(), &hardware, &Policy::default()).unwrap_err();
    assert_eq!(error, PlanError::FirmwareMismatch { recorded: "BIOS", found: "UEFI" });
    let allowed = Policy { any_firmware: true, ..Policy::default() };
    let plan = plan(&gpt_machine(), &hardware, &allowed).unwrap();
    assert!(plan.notes[0].contains("switch the firmware to BIOS"));
}

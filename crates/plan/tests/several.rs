//! Plans of machines with filesystems on several devices.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{DeviceKind, JournalDevice, JournalKind, Mount};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, Device, DiskContent, FoundDisk, FoundHardware, Machine, Member, Name};
use lifeboat_plan::{PlanError, Policy, Step, plan};

const UUID: &str = "dddddddd-0000-4000-8000-000000000001";

/// The plain machine with a btrfs on two more disks as a whole, each of an odd size.
fn machine() -> Machine {
    let mut machine = gpt_machine();
    let size = 20 * GIB + 9 * 512;
    let mut content = ext4("data", UUID, 2 * (size / 4096 * 4096), 5 * GIB);
    if let Content::Filesystem(filesystem) = &mut content {
        let mut options = btrfs_options();
        (options.data_profile, options.metadata_profile) = ("raid1".into(), "raid1".into());
        filesystem.options = FilesystemOptions::Btrfs(options);
    }
    let member = Content::Member(Member::Filesystem { filesystem: id("disk1"), devid: 2, uuid: None });
    for (number, content) in [(1, content), (2, member)] {
        machine.layout.devices.push(Device {
            id: id(&format!("disk{number}")),
            path: format!("/dev/vd{number}"),
            size_bytes: size,
            kind: DeviceKind::Disk(disk(&format!("DATA{number}"))),
            content,
        });
    }
    let mount_point = Name::from("/srv");
    machine.layout.mounts.push(Mount { device: id("disk1"), mount_point, options: vec![], subvolume: None });
    machine.layout.validate().unwrap();
    machine
}

fn with(sizes: [u64; 2], content: &DiskContent) -> FoundHardware {
    let data = |number: usize| FoundDisk {
        content: content.clone(),
        ..found(&format!("/dev/sd{number}"), sizes[number - 1], &format!("DATA{number}"))
    };
    let root = machine().layout.devices[0].size_bytes;
    hardware(vec![found("/dev/sda", root, "SER1"), data(1), data(2)])
}

fn made(hardware: &FoundHardware, policy: &Policy) -> Result<(String, u64), PlanError> {
    let plan = plan(&machine(), hardware, policy)?;
    let step = plan.steps.iter().find_map(|step| match step {
        Step::MakeFilesystem { filesystem, .. } if filesystem.uuid == UUID => {
            Some((step.to_string(), filesystem.size_bytes))
        }
        _ => None,
    });
    Ok(step.unwrap())
}

#[test]
fn a_btrfs_takes_all_of_its_devices_whatever_their_sizes() {
    let own = 20 * GIB + 9 * 512;
    for policy in [Policy::default(), Policy { no_resize: true, ..Policy::default() }] {
        for sizes in [[own; 2], [own + 3 * MIB + 512, own + 7 * 512], [40 * GIB + 512, 30 * GIB]] {
            let (text, size) = made(&with(sizes, &DiskContent::Blank), &policy).unwrap();
            assert_eq!(size, sizes.iter().map(|size| size / 4096 * 4096).sum::<u64>(), "{sizes:?}");
            assert!(text.starts_with("make btrfs \"data\" on /dev/sd1, /dev/sd2 ("), "{text}");
        }
    }
    let smaller = made(&with([8 * GIB; 2], &DiskContent::Blank), &Policy::default()).unwrap();
    assert_eq!(smaller.1, 16 * GIB);
    // 5 GiB twice do not fit.
    assert!(made(&with([4 * GIB; 2], &DiskContent::Blank), &Policy::default()).is_err());
}

#[test]
fn both_of_its_disks_are_known_as_the_machines_own() {
    let whole = |uuid: &str| DiskContent::Whole { uuid: Some(uuid.into()), summary: "btrfs".into() };
    let sizes = [20 * GIB + 9 * 512; 2];
    let map = [("disk0", "/dev/sda"), ("disk1", "/dev/sd1"), ("disk2", "/dev/sd2")];
    let map = map.map(|(device, disk)| (id(device), disk.to_owned()));
    let by_size = |content: DiskContent| {
        let mut hardware = with(sizes, &content);
        hardware.disks.iter_mut().for_each(|disk| disk.disk.serial = None);
        made(&hardware, &Policy { map: map.to_vec(), ..Policy::default() })
    };
    by_size(whole(UUID)).unwrap();
    let error = by_size(whole("eeeeeeee-0000-4000-8000-000000000001")).unwrap_err();
    assert!(matches!(error, PlanError::Foreign { .. }), "{error}");
}

/// An XFS with its log on a disk of its own, both as a whole, after a recovery that was interrupted when the first byte of a file was
/// written: neither of the disks bears the mark any more.
#[test]
fn the_log_of_an_xfs_is_known_by_its_filesystem() {
    let mut machine = gpt_machine();
    let size = 20 * GIB;
    let log = JournalDevice { kind: JournalKind::XfsLog, uuid: None, filesystem: id("disk1"), size_bytes: GIB };
    let mut content = ext4("data", UUID, size, 5 * GIB);
    if let Content::Filesystem(filesystem) = &mut content {
        filesystem.options = FilesystemOptions::Xfs(xfs_options(size, Some(id("disk2"))));
    }
    for (number, size, content) in [(1, size, content), (2, GIB, Content::Journal(log))] {
        machine.layout.devices.push(Device {
            id: id(&format!("disk{number}")),
            path: format!("/dev/vd{number}"),
            size_bytes: size,
            kind: DeviceKind::Disk(disk(&format!("DATA{number}"))),
            content,
        });
    }
    let mount_point = Name::from("/srv");
    machine.layout.mounts.push(Mount { device: id("disk1"), mount_point, options: vec![], subvolume: None });
    machine.layout.validate().unwrap();
    let with = |log: &str| {
        let whole = |uuid: &str| DiskContent::Whole { uuid: Some(uuid.to_owned()), summary: "xfs".into() };
        let root = found("/dev/sda", machine.layout.devices[0].size_bytes, "SER1");
        let data = holding(found("/dev/sdb", size, "OTHER1"), whole(UUID));
        // Of a size that could be that of the data.
        let log = holding(found("/dev/sdc", size, "OTHER2"), whole(log));
        plan(&machine, &hardware(vec![root, log, data]), &Policy::default())
    };
    let targets = |plan: &lifeboat_plan::Plan| -> Vec<String> {
        plan.targets.iter().map(|target| format!("{} {}", target.device, target.path)).collect()
    };
    let plan = with(&format!("{UUID}-log")).unwrap();
    assert_eq!(targets(&plan), ["disk0 /dev/sda", "disk1 /dev/sdb", "disk2 /dev/sdc"]);
    // The log of somebody else's filesystem is not wiped.
    let error = with("eeeeeeee-0000-4000-8000-000000000001-log").unwrap_err().to_string();
    assert!(error.contains("lifeboat.wipe="), "{error}");
}

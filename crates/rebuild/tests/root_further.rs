//! Filesystems on several devices: made by stock tools on loop devices, mounted, probed as a machine; made again on other loop devices
//! by the plan's steps; mounted and probed again. Needs root.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[allow(unused_imports)]
mod common;

use common::{Loop, text_of};
use lifeboat_machine::{Content, Device, FoundDisk, FoundHardware, Layout, Machine};
use lifeboat_plan::{Plan, Policy, Step, plan};
use lifeboat_probe::{Options, Sysroot, found_hardware, probe_with};
use lifeboat_rebuild::{Context, apply, unmount_all};
use lifeboat_sys::SystemRunner;
use std::path::Path;

const MIB: u64 = 1 << 20;

/// Devices of one size each, MiB, and the calls that make and mount a filesystem on them: `@0`, `@1`, … are the devices, `@t` is where
/// it is mounted.
struct Case {
    sizes: &'static [u64],
    make: &'static [&'static str],
}

fn run(line: &str, devices: &[Loop], target: &Path) {
    let mut line = line.replace("@t", target.to_str().unwrap());
    for (number, device) in devices.iter().enumerate() {
        line = line.replace(&format!("@{number}"), device.text());
    }
    text_of("sh", &["-ec", &line]);
}

fn loops(sizes: &[u64]) -> Vec<Loop> {
    sizes.iter().map(|mib| Loop::new(mib * MIB, 512)).collect()
}

fn probed(root: &Path) -> Machine {
    let options = Options { loop_devices: true, ..Options::default() };
    let probed = probe_with(&SystemRunner, &Sysroot::new(root), &options).unwrap();
    assert_eq!(probed.refusals, vec![]);
    probed.machine
}

/// Contents of devices without what is another one each time: the id of the device that a member or journal belongs to stays.
fn contents(layout: &Layout) -> Vec<String> {
    let content = |device: &Device| {
        let mut content = device.content.clone();
        match &mut content {
            Content::Filesystem(filesystem) => {
                filesystem.used_bytes = 0;
                if let lifeboat_machine::filesystem::FilesystemOptions::Btrfs(btrfs) = &mut filesystem.options {
                    btrfs.device_uuid = None;
                }
            }
            Content::Member(lifeboat_machine::Member::Filesystem { uuid, .. }) => *uuid = None,
            _ => {}
        }
        format!("{}: {content:?}", device.id)
    };
    layout.devices.iter().map(content).collect()
}

/// The plan for the machine on these devices, in the order of its own.
fn planned(machine: &Machine, devices: &[Loop]) -> Plan {
    let hardware = found_hardware(&SystemRunner, &[]).unwrap();
    let disks = machine.layout.disks().zip(devices).map(|((recorded, _), device)| FoundDisk {
        path: device.text().to_owned(),
        size_bytes: device.image.size,
        disk: recorded.disk().unwrap().clone(),
        content: lifeboat_machine::DiskContent::Blank,
        lock: None,
    });
    let hardware = FoundHardware { disks: disks.collect(), ..hardware };
    let map =
        machine.layout.disks().zip(devices).map(|((device, _), found)| (device.id.clone(), found.text().to_owned()));
    let policy = Policy { map: map.collect(), any_firmware: true, ..Policy::default() };
    plan(machine, &hardware, &policy).unwrap()
}

fn comes_back(case: &Case) {
    let scratch = tempfile::tempdir().unwrap();
    let (old, new) = (scratch.path().join("old"), scratch.path().join("new"));
    std::fs::create_dir_all(&old).unwrap();
    std::fs::create_dir_all(&new).unwrap();
    let devices = loops(case.sizes);
    for line in case.make {
        run(line, &devices, &old);
    }
    let machine = probed(&old);
    text_of("umount", &["-R", old.to_str().unwrap()]);
    // Nothing bears their UUIDs any more: a loop device may be gone only some time after it was detached.
    devices.iter().for_each(|device| drop(text_of("wipefs", &["--all", "--force", device.text()])));
    drop(devices);
    machine.layout.validate().unwrap();
    let sizes: Vec<u64> = machine.layout.disks().map(|(device, _)| device.size_bytes / MIB).collect();
    let others = loops(&sizes);
    let plan = planned(&machine, &others);
    let mut context = Context::new(&SystemRunner, &new, &machine, &plan);
    context.run = scratch.path().join("run");
    context.scratch = scratch.path().to_owned();
    let steps = plan.steps.iter().take_while(|step| **step != Step::Extract);
    for step in steps {
        apply(step, &context).unwrap_or_else(|error| panic!("{step}: {error}"));
    }
    let again = probed(&new);
    assert_eq!(contents(&again.layout), contents(&machine.layout));
    unmount_all(&context).unwrap();
}

#[test]
fn root_btrfs_on_three_devices() {
    comes_back(&Case {
        sizes: &[300, 400, 300],
        make: &[
            "mkfs.btrfs -q -L several -d raid1 -m raid1 @1 @0 @2",
            "mount @2 @t",
            "btrfs subvolume create @t/home >/dev/null",
        ],
    });
}

#[test]
fn root_ext4_with_its_journal_elsewhere() {
    comes_back(&Case {
        sizes: &[200, 40],
        make: &["mke2fs -q -O journal_dev -b 4096 @1", "mke2fs -q -t ext4 -b 4096 -J device=@1 @0", "mount @0 @t"],
    });
}

#[test]
fn root_xfs_with_its_log_elsewhere() {
    comes_back(&Case {
        sizes: &[400, 80],
        make: &["mkfs.xfs -q -f -l logdev=@1,size=70m @0", "mount -o logdev=@1 @0 @t"],
    });
}

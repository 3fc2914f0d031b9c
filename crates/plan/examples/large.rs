//! A plan for a machine with many disks and volumes: how long it takes. `cargo run --release -p lifeboat-plan --example large`
#![allow(clippy::unwrap_used)]

use lifeboat_machine::layout::{Extents, GroupId, Mount, Volume, VolumeGroup, VolumeShape};
use lifeboat_machine::testing::{GIB, MIB, disk, ext4, found, hardware, id, machine};
use lifeboat_machine::{Content, Device, DeviceKind, Member, Name};
use lifeboat_plan::{Policy, plan};
use std::time::Instant;

/// Disks, each a physical volume as a whole; two of them in each group.
const DISKS: u64 = 200;
/// Volumes in each group.
const VOLUMES: u64 = 20;
const EXTENT: u64 = 4 * MIB;

fn main() {
    let mut machine = machine();
    machine.boot.loaders.clear();
    let (size, extents) = (100 * GIB, 100 * GIB / EXTENT - 1);
    for number in 0..DISKS {
        let uuid = format!("{number:06}-aaaa-bbbb-cccc-dddd-eeee-ffffff");
        let group = Some(GroupId(format!("group{}", number / 2)));
        machine.layout.devices.push(Device {
            id: id(&format!("disk{number}")),
            path: format!("/dev/sd{number}"),
            size_bytes: size,
            kind: DeviceKind::Disk(disk(&format!("SER{number}"))),
            content: Content::Member(Member::Group { group, uuid, first_extent_bytes: MIB, extents }),
        });
    }
    for number in 0..DISKS / 2 {
        let group = GroupId(format!("group{number}"));
        let uuid = format!("{number:06}-aaaa-bbbb-cccc-dddd-eeee-gggggg");
        let (name, tags) = (format!("vg{number}"), vec![]);
        machine.layout.groups.push(VolumeGroup { id: group.clone(), name, uuid, extent_bytes: EXTENT, tags });
        let count = extents * 2 / VOLUMES;
        for volume in 0..VOLUMES {
            let half = VOLUMES / 2;
            let device = id(&format!("disk{}", number * 2 + volume / half));
            let place = Extents { device, first: volume % half * count, count };
            let lv = Volume {
                group: group.clone(),
                name: format!("lv{volume}"),
                uuid: format!("{number:03}{volume:03}-aaaa-bbbb-cccc-dddd-eeee-vvvvvv"),
                tags: vec![],
                read_only: false,
                shape: VolumeShape::Linear { extents: vec![place] },
            };
            let (bytes, device) = (count * EXTENT, id(&format!("volume{}", number * VOLUMES + volume)));
            let uuid = format!("cccccccc-0000-4000-8000-{:012}", number * VOLUMES + volume);
            machine.layout.devices.push(Device {
                id: device.clone(),
                path: format!("/dev/dm-{}", number * VOLUMES + volume),
                size_bytes: bytes,
                kind: DeviceKind::Volume(lv),
                content: ext4("", &uuid, bytes, bytes / 4),
            });
            let point = if number + volume == 0 { "/".to_owned() } else { format!("/srv/{number}/{volume}") };
            let mount_point = Name::from(point.as_str());
            machine.layout.mounts.push(Mount { device, mount_point, options: vec![], subvolume: None });
        }
    }
    machine.layout.validate().unwrap();
    for permille in [1000, 2000] {
        let disks = (0..DISKS).map(|n| found(&format!("/dev/vd{n}"), size / 1000 * permille, &format!("SER{n}")));
        let hardware = hardware(disks.collect());
        let began = Instant::now();
        let plan = plan(&machine, &hardware, &Policy::default()).unwrap();
        println!("{permille} thousandths: {} steps in {:.3} s", plan.steps.len(), began.elapsed().as_secs_f64());
    }
}

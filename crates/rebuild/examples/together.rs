//! Steps that do not concern each other at the same time, against one after the other: filesystems on loop devices, or on volumes of a
//! RAID 6 of real disks. `cargo run -p lifeboat-rebuild --example together -- loop DIRECTORY`, or in a virtual machine, as root, with the
//! paths of at least four blank disks, which are overwritten.
#![allow(clippy::unwrap_used)]

use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{
    Array, ArrayLevel, ArrayMember, ArrayMetadata, ArrayRole, Consistency, Extents, GroupId, Mount, Volume,
    VolumeGroup, VolumeShape,
};
use lifeboat_machine::testing::{GIB, MIB, disk, ext4, found, hardware, id, machine};
use lifeboat_machine::{Content, Device, DeviceKind, FoundHardware, Machine, Member, Name};
use lifeboat_plan::{Plan, Policy, Step, plan};
use lifeboat_rebuild::{Context, RebuildError, Watch, apply_together, usual_limit};
use lifeboat_sys::{SystemRunner, block};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const FILESYSTEMS: u64 = 12;
const ROUNDS: usize = 3;
const EXTENT: u64 = 4 * MIB;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (machine, hardware, loops) = match arguments.split_first() {
        Some((word, rest)) if word == "loop" && rest.len() == 1 => on_loops(Path::new(&rest[0])),
        Some(_) if arguments.len() >= 4 => on_disks(&arguments),
        _ => panic!("'loop DIRECTORY', or at least four disks"),
    };
    machine.layout.validate().unwrap();
    let plan = plan(&machine, &hardware, &Policy { any_firmware: true, ..Policy::default() }).unwrap();
    let end = plan.steps.iter().position(|step| matches!(step, Step::Mount { .. })).unwrap();
    let (mut alone, mut together) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        alone.push(run(&machine, &plan, end, 1));
        together.push(run(&machine, &plan, end, usual_limit()));
    }
    let median = |list: &mut Vec<f64>| {
        list.sort_by(f64::total_cmp);
        list[list.len() / 2]
    };
    let (alone, together) = (median(&mut alone), median(&mut together));
    println!("{end} steps: {alone:.3} s one after the other, {together:.3} s together: {:.3}", together / alone);
    drop(loops);
}

/// Says what fails.
struct Said(usize);

impl Watch for Said {
    fn begins(&mut self, _: usize) {}
    fn lasts(&mut self, _: usize, _: Duration) {}
    fn ended(&mut self, index: usize, result: Result<Vec<String>, RebuildError>) {
        self.0 += 1;
        if let Err(error) = result {
            panic!("step {index}: {error}");
        }
    }
}

fn run(machine: &Machine, plan: &Plan, end: usize, limit: usize) -> f64 {
    let scratch = tempfile::tempdir().unwrap();
    let mut context = Context::new(&SystemRunner, scratch.path().join("target"), machine, plan);
    context.run = scratch.path().join("run");
    context.scratch = scratch.path().to_owned();
    std::fs::create_dir_all(&context.run).unwrap();
    let began = Instant::now();
    let mut said = Said(0);
    assert!(apply_together(&context, 0..end, [], limit, Duration::from_secs(60), &mut said));
    let seconds = began.elapsed().as_secs_f64();
    println!("{} steps, at most {limit} at a time: {seconds:.3} s", said.0);
    // Layers are stopped before the next round wipes their disks.
    let released = lifeboat_storage::release::ours(&SystemRunner, Path::new("/sys"), &context.run).unwrap();
    assert!(released.held.is_empty(), "{:?}", released.held);
    seconds
}

fn device(name: &str, path: &str, size_bytes: u64, kind: DeviceKind, content: Content) -> Device {
    Device { id: id(name), path: path.to_owned(), size_bytes, kind, content }
}

fn filesystem(number: u64, size: u64) -> Content {
    let mut content = ext4("", &format!("cccccccc-0000-4000-8000-{number:012}"), size, 16 * MIB);
    if let Content::Filesystem(filesystem) = &mut content
        && let FilesystemOptions::Ext(ext) = &mut filesystem.options
    {
        // mke2fs wants the one for reserved descriptor blocks, and turns the other on by itself.
        ext.features.extend(["large_file", "sparse_super"].map(str::to_owned));
        ext.features.sort();
    }
    content
}

fn mount(device: &str, number: u64) -> Mount {
    let point = if number == 0 { "/".to_owned() } else { format!("/srv/{number}") };
    Mount { device: id(device), mount_point: Name::from(point.as_str()), options: vec![], subvolume: None }
}

/// A loop device that can be written to.
struct Attached(String);

impl Attached {
    fn new(image: &Path) -> Attached {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(image).output().unwrap();
        assert!(output.status.success(), "losetup: {}", String::from_utf8_lossy(&output.stderr));
        Attached(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

type Prepared = (Machine, FoundHardware, Vec<Attached>);

fn on_loops(directory: &Path) -> Prepared {
    let mut machine = machine();
    machine.boot.loaders.clear();
    let (mut loops, mut disks) = (vec![], vec![]);
    for number in 0..FILESYSTEMS {
        let image = directory.join(format!("disk{number}"));
        std::fs::File::create(&image).unwrap().set_len(8 * GIB).unwrap();
        let node = Attached::new(&image);
        let (path, serial) = (node.0.clone(), format!("SER{number}"));
        let name = format!("disk{number}");
        let kind = DeviceKind::Disk(disk(&serial));
        machine.layout.devices.push(device(&name, &path, 8 * GIB, kind, filesystem(number, 8 * GIB)));
        machine.layout.mounts.push(mount(&name, number));
        disks.push(found(&path, 8 * GIB, &serial));
        loops.push(node);
    }
    (machine, hardware(disks), loops)
}

fn on_disks(paths: &[String]) -> Prepared {
    let mut machine = machine();
    machine.boot.loaders.clear();
    let sizes: Vec<u64> = paths.iter().map(|path| block::size_bytes(Path::new(path)).unwrap()).collect();
    let member_bytes = (sizes.iter().min().unwrap() - 2 * MIB) / MIB * MIB;
    let mut disks = vec![];
    let mut members = vec![];
    for (number, (path, size)) in paths.iter().zip(&sizes).enumerate() {
        let (name, serial) = (format!("disk{number}"), format!("SER{number}"));
        let content = Content::Member(Member::Array { array: id("array0"), data_offset_bytes: MIB });
        machine.layout.devices.push(device(&name, path, *size, DeviceKind::Disk(disk(&serial)), content));
        let role = ArrayRole::Active { slot: number as u32 };
        members.push(ArrayMember { device: id(&name), role, write_mostly: false, fail_fast: false });
        disks.push(found(path, *size, &serial));
    }
    let array = Array {
        uuid: "11111111:22222222:33333333:44444444".into(),
        name: Some("bench".into()),
        home_host: Some("box".into()),
        level: ArrayLevel::Raid6,
        metadata: ArrayMetadata::V1_2,
        slots: paths.len() as u32,
        chunk_bytes: Some(65_536),
        layout: Some("left-symmetric".into()),
        consistency: Consistency::Resync,
        member_bytes: Some(member_bytes),
        logical_block_bytes: None,
        members,
    };
    let size = array.data_bytes(&vec![member_bytes; paths.len()]);
    let extents = size / EXTENT - 1;
    let group = GroupId("group0".into());
    let uuid = "aaaaaa-aaaa-bbbb-cccc-dddd-eeee-ffffff".to_owned();
    let member = Member::Group { group: Some(group.clone()), uuid, first_extent_bytes: MIB, extents };
    machine.layout.devices.push(device(
        "array0",
        "/dev/md/bench",
        size,
        DeviceKind::Array(array),
        Content::Member(member),
    ));
    let uuid = "gggggg-aaaa-bbbb-cccc-dddd-eeee-ffffff".to_owned();
    machine.layout.groups.push(VolumeGroup {
        id: group.clone(),
        name: "bench".into(),
        uuid,
        extent_bytes: EXTENT,
        tags: vec![],
    });
    // Whole block groups, of which mke2fs makes the counts that were recorded.
    let count = extents / FILESYSTEMS / 32 * 32;
    for number in 0..FILESYSTEMS {
        let place = Extents { device: id("array0"), first: number * count, count };
        let volume = Volume {
            group: group.clone(),
            name: format!("v{number}"),
            uuid: format!("vvv{number:03}-aaaa-bbbb-cccc-dddd-eeee-ffffff"),
            tags: vec![],
            read_only: false,
            shape: VolumeShape::Linear { extents: vec![place] },
        };
        let (name, bytes) = (format!("volume{number}"), count * EXTENT);
        let path = format!("/dev/dm-{number}");
        machine.layout.devices.push(device(&name, &path, bytes, DeviceKind::Volume(volume), filesystem(number, bytes)));
        machine.layout.mounts.push(mount(&name, number));
    }
    (machine, hardware(disks), vec![])
}

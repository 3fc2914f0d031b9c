//! Which filesystem is read how, of machines on LVM and btrfs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::layout::{Crypt, GroupId, Mount, Volume, VolumeGroup, VolumeShape};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, Device, DeviceKind, Layout};
use lifeboat_moment::room::{GroupRoom, PoolRoom, Rooms};
use lifeboat_moment::{Choice, Context, CowSize, Snapshots, Use, Way, choice, take};
use lifeboat_sys::{FakeRunner, Output};
use std::path::{Path, PathBuf};

const EXTENT: u64 = 4 << 20;

/// `/boot` on a partition; in one group `/` and `/home`, linear, `/srv`, thin, and `/vault`, encrypted above its volume.
fn layout() -> Layout {
    let mut layout = Maker::new()
        .disk(0, "/dev/sda", 200 * GIB, disk("SER1"), ext4("boot", "aaaaaaaa-0000-0000-0000-000000000009", GIB, MIB))
        .mount("disk0", "/boot")
        .machine
        .layout;
    let group = GroupId("group0".into());
    let (name, uuid) = ("vg".to_owned(), "VG".to_owned());
    layout.groups.push(VolumeGroup { id: group.clone(), name, uuid, extent_bytes: EXTENT, tags: vec![] });
    let linear = || VolumeShape::Linear { extents: vec![] };
    let pool = VolumeShape::ThinPool {
        chunk_bytes: 65536,
        metadata_bytes: 4 << 20,
        zero: true,
        discards: "passdown".into(),
        extents: vec![],
    };
    let mut add = |number: u32, name: &str, gib: u64, shape: VolumeShape, content: Content| {
        let kind = DeviceKind::Volume(Volume {
            group: group.clone(),
            name: name.into(),
            uuid: format!("LV-{name}"),
            tags: vec![],
            read_only: false,
            shape,
        });
        let (id, path) = (id(&format!("volume{number}")), format!("/dev/mapper/vg-{name}"));
        layout.devices.push(Device { id, path, size_bytes: gib * GIB, kind, content });
    };
    let filesystem =
        |number: u32, gib: u64| ext4("x", &format!("aaaaaaaa-0000-0000-0000-{number:012}"), gib * GIB, GIB);
    add(0, "root", 20, linear(), filesystem(0, 20));
    add(1, "home", 40, linear(), filesystem(1, 40));
    add(2, "pool", 40, pool, Content::Empty);
    add(3, "srv", 60, VolumeShape::Thin { pool: id("volume2") }, filesystem(3, 60));
    add(4, "vault", 10, linear(), Content::Luks(encrypted::luks("u", "b")));
    layout.devices.push(Device {
        id: id("crypt0"),
        path: "/dev/mapper/vault".into(),
        size_bytes: 10 * GIB,
        kind: DeviceKind::Crypt(Crypt { parent: id("volume4"), ..crypt() }),
        content: filesystem(5, 10),
    });
    for (device, point) in [("volume0", "/"), ("volume1", "/home"), ("volume3", "/srv"), ("crypt0", "/vault")] {
        layout.mounts.push(Mount { device: id(device), mount_point: point.into(), options: vec![], subvolume: None });
    }
    layout
}

fn crypt() -> Crypt {
    let machine = encrypted::encrypted_machine();
    machine
        .layout
        .devices
        .iter()
        .find_map(|device| match &device.kind {
            DeviceKind::Crypt(crypt) => Some(crypt.clone()),
            _ => None,
        })
        .unwrap()
}

fn rooms(free: u64, percent: f64) -> Rooms {
    let mut rooms = Rooms::default();
    rooms.groups.insert("vg".into(), GroupRoom { extent_bytes: EXTENT, free_bytes: free });
    let room = PoolRoom { data_percent: percent, metadata_percent: 5.0 };
    rooms.pools.insert(("vg".into(), "pool".into()), room);
    rooms
}

fn auto() -> Snapshots {
    Snapshots { when: Use::Auto, ..Snapshots::default() }
}

fn lines(policy: &Snapshots, rooms: &Rooms) -> Vec<String> {
    choice::choose(&layout(), policy, rooms).iter().map(Choice::line).collect()
}

#[test]
fn each_in_its_way() {
    let lines = lines(&auto(), &rooms(100 * GIB, 30.0));
    assert_eq!(
        lines,
        [
            "/: from an LVM snapshot of vg/root with 3.0 GiB for changes",
            "/boot: read live: it is on no logical volume",
            "/home: from an LVM snapshot of vg/home with 6.0 GiB for changes",
            "/srv: from a thin LVM snapshot of vg/srv",
            "/vault: read live: it is encrypted above its logical volume, and a snapshot would be locked",
        ]
    );
    let off = self::lines(&Snapshots::default(), &Rooms::default());
    assert!(off.iter().all(|line| line.ends_with("read live: snapshots are off")), "{off:?}");
}

#[test]
fn what_is_free_is_shared_and_too_little_is_said() {
    let cow = |free: u64| -> Vec<Option<u64>> {
        choice::choose(&layout(), &auto(), &rooms(free, 30.0))
            .iter()
            .filter_map(|choice| match &choice.way {
                Way::Volume { cow_bytes, .. } => Some(*cow_bytes),
                _ => None,
            })
            .collect()
    };
    // Of 3 and 6 GiB.
    assert_eq!(cow(9 * GIB + EXTENT), [Some(3 * GIB), Some(6 * GIB), None]);
    assert_eq!(cow(3 * GIB), [Some(GIB), Some(2 * GIB), None]);
    // Less than 3 % for /home: the root has what there is.
    assert_eq!(cow(GIB), [Some(GIB), None]);
    assert_eq!(cow(0), [None]);
    let lines = lines(&auto(), &rooms(0, 95.0));
    assert!(lines[0].contains("the volume group vg has 0 B free"), "{lines:?}");
    assert!(lines[3].contains("its thin pool is 95 % full"), "{lines:?}");
}

#[test]
fn sizes_and_exceptions_of_the_policy() {
    let policy = Snapshots {
        cow_size: CowSize::Bytes(1000),
        live: vec![PathBuf::from("/home")],
        freeze: vec![PathBuf::from("/boot"), PathBuf::from("/srv")],
        ..auto()
    };
    let lines = lines(&policy, &rooms(100 * GIB, 30.0));
    assert!(lines[0].ends_with("with 4.0 MiB for changes"), "whole extents: {lines:?}");
    assert_eq!(lines[1], "/boot: frozen while it is read");
    assert_eq!(lines[2], "/home: read live: as 'live' of [snapshots] says");
    assert!(lines[3].contains("thin"), "it has a snapshot, and needs no freezing: {lines:?}");
    // More than the original can never be needed.
    let all = Snapshots { cow_size: CowSize::Bytes(1 << 50), ..auto() };
    let lines = self::lines(&all, &rooms(1 << 50, 30.0));
    assert!(lines[0].ends_with("with 20.4 GiB for changes"), "{lines:?}");
}

/// Takes with a fake LVM, into a folder for runs.
fn fake(runner: &FakeRunner, when: Use, folder: &Path) -> (Result<(), String>, Vec<String>) {
    let said = std::cell::RefCell::new(vec![]);
    let policy = Snapshots { when, live: vec![PathBuf::from("/vault")], ..auto() };
    let root = folder.join("root");
    let context = Context {
        runner,
        folder,
        sysroot: &root,
        written: &[],
        keeper: None,
        warn: &|text| said.borrow_mut().push(text),
    };
    let choices = choice::choose(&layout(), &policy, &rooms(100 * GIB, 30.0));
    let result = take(&context, &policy, choices).map(drop).map_err(|error| error.to_string());
    (result, said.into_inner())
}

#[test]
fn what_was_taken_is_removed_when_something_fails() {
    let folder = tempfile::tempdir().unwrap();
    let full =
        Output { code: 5, stdout: vec![], stderr: b"  Volume group \"vg\" has insufficient free space\n".to_vec() };
    // The root comes first, then the others in the order of the group; the second call fails.
    let runner = FakeRunner::lenient().answer("lvm lvcreate", "").answer_with("lvm lvcreate", full.clone());
    let (result, _) = fake(&runner, Use::Required, folder.path());
    let error = result.unwrap_err();
    assert!(error.contains("cannot take a SNAPSHOT of /") && error.contains("insufficient free space"), "{error}");
    let calls = runner.command_lines();
    let made: Vec<&str> = calls.iter().filter(|call| call.contains("lvcreate")).map(|call| name(call)).collect();
    let removed: Vec<&str> = calls.iter().filter(|call| call.contains("lvremove")).map(|call| name(call)).collect();
    assert!(made.len() == 3 && calls[0].ends_with("vg/root"), "{calls:?}");
    assert_eq!(removed, made.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the run is over");
    // With auto they are read live, which is said; here nothing can be mounted.
    let runner = FakeRunner::lenient().answer_with("lvm lvcreate", full);
    let (result, said) = fake(&runner, Use::Auto, folder.path());
    result.unwrap();
    assert!(said.iter().any(|text| text.starts_with("/ is read live") && text.contains("insufficient")), "{said:?}");
    assert_eq!(runner.command_lines().iter().filter(|call| call.contains("lvremove")).count(), 3);
}

/// The name of the snapshot in a call.
fn name(call: &str) -> &str {
    let at = call.find("lifeboat-").unwrap();
    let name = &call[at..];
    &name[..name.find(' ').unwrap_or(name.len())]
}

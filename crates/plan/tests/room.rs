//! What a restore will write counts, before anything is wiped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::filesystem::{Filesystem, Restored};
use lifeboat_machine::layout::PartitionRole;
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, Machine};
use lifeboat_plan::{FilesystemKind, Plan, PlanError, Policy, Step, plan};

const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// A disk of 10 GiB with data of 4 GiB on a filesystem of a kind, and a root.
fn machine(kind: FilesystemKind, used: u64, restored: Option<Restored>) -> Machine {
    let ext = |size, used, uuid: u32| match ext4("data", &format!("aaaaaaaa-0000-0000-0000-{uuid:012}"), size, used) {
        Content::Filesystem(filesystem) => filesystem,
        _ => unreachable!(),
    };
    let data = Filesystem { restored, ..kind.instead_of(&ext(4 * GIB, used, 3), 4 * GIB) };
    let at = |mib: u64| mib * MIB / 512;
    let root = Content::Filesystem(ext(5 * GIB, GIB, 2));
    let mut machine = Maker::new()
        .disk(0, "/dev/vda", 10 * GIB, disk("SER1"), gpt(10 * GIB))
        .part(1, at(1), at(5 * 1024), LINUX, PartitionRole::Primary, root)
        .part(2, at(5 * 1024 + 1), at(4 * 1024), LINUX, PartitionRole::Primary, Content::Filesystem(data))
        .mount("disk0p1", "/")
        .mount("disk0p2", "/srv")
        .machine;
    machine.boot.loaders.clear();
    machine
}

fn planned(machine: &Machine, disk_bytes: u64, policy: &Policy) -> Result<Plan, PlanError> {
    plan(machine, &hardware(vec![found("/dev/vda", disk_bytes, "SER1")]), policy)
}

fn data_bytes(plan: &Plan) -> u64 {
    let made = plan.steps.iter().find_map(|step| match step {
        Step::MakeFilesystem { device, filesystem, .. } if device == "/dev/vda2" => Some(filesystem.size_bytes),
        _ => None,
    });
    made.unwrap()
}

fn restored(bytes: u64, expanded_bytes: u64, apart_bytes: u64) -> Option<Restored> {
    Some(Restored { bytes, expanded_bytes, apart_bytes })
}

#[test]
fn what_cannot_fit_is_refused_with_the_figures() {
    for kind in [FilesystemKind::Xfs, FilesystemKind::Btrfs] {
        let machine = machine(kind, 2 * GIB, restored(6 * GIB, 6 * GIB, 6 * GIB));
        let error = planned(&machine, 10 * GIB, &Policy::default()).unwrap_err().to_string();
        let figures = match kind {
            FilesystemKind::Xfs => "the restored files need 6.1 GiB, and the filesystem has 3.9 GiB",
            _ => "the restored files need 6.1 GiB, and the filesystem has 4.0 GiB",
        };
        assert!(error.contains(&format!("{kind} \"data\" on disk0p2")) && error.contains(figures), "{error}");
        // On a larger disk it gets what is there.
        let plan = planned(&machine, 14 * GIB, &Policy::default()).unwrap();
        assert!(data_bytes(&plan) > 6 * GIB);
        // It may be made larger at the cost of others, too.
        let sizes = Policy { sizes: vec![(id("disk0p2"), 7 * GIB)], ..Policy::default() };
        assert_eq!(data_bytes(&planned(&machine, 10 * GIB, &sizes).unwrap()), 7 * GIB);
    }
}

#[test]
fn a_full_filesystem_in_its_old_size_is_never_refused() {
    for kind in [FilesystemKind::Xfs, FilesystemKind::Btrfs, FilesystemKind::Ext4] {
        for restored in [None, restored(0, 0, 0), restored(4 * GIB - 64 * MIB, 5 * GIB, 9 * GIB)] {
            let machine = machine(kind, 4 * GIB - 64 * MIB, restored);
            assert_eq!(data_bytes(&planned(&machine, 10 * GIB, &Policy::default()).unwrap()), 4 * GIB, "{kind}");
        }
    }
    // Neither is an ext4, whatever somebody counted: it shares nothing.
    let machine = machine(FilesystemKind::Ext4, 3 * GIB, restored(9 * GIB, 9 * GIB, 9 * GIB));
    assert!(planned(&machine, 10 * GIB, &Policy::default()).is_ok());
}

#[test]
fn a_smaller_disk_takes_from_others_what_restored_files_need() {
    let policy = Policy::default();
    // 1 GiB is in use, 3 GiB will be written: the root must give what the disk lacks.
    let machine_of = |bytes| machine(FilesystemKind::Xfs, GIB, restored(bytes, bytes, bytes));
    let small = data_bytes(&planned(&machine_of(GIB), 6 * GIB, &policy).unwrap());
    let large = data_bytes(&planned(&machine_of(3 * GIB), 6 * GIB, &policy).unwrap());
    assert!(small < 3 * GIB && large >= 3 * GIB, "{small} {large}");
    let error = planned(&machine_of(3 * GIB), 4 * GIB, &policy).unwrap_err().to_string();
    assert!(error.contains("it needs at least"), "{error}");
}

#[test]
fn another_kind_counts_what_it_cannot_do() {
    let change = |from, to, restored| {
        let policy = Policy { filesystems: vec![(id("disk0p2"), to)], ..Policy::default() };
        let machine = machine(from, GIB, restored);
        planned(&machine, 10 * GIB, &policy).map(|plan| data_bytes(&plan)).map_err(|error| error.to_string())
    };
    let compressed = restored(GIB, 3 * GIB, 8 * GIB);
    assert_eq!(change(FilesystemKind::Btrfs, FilesystemKind::Xfs, compressed), Ok(4 * GIB));
    let error = change(FilesystemKind::Btrfs, FilesystemKind::Ext4, compressed).unwrap_err();
    assert!(error.contains("too small for ext4"), "{error}");
    assert_eq!(change(FilesystemKind::Xfs, FilesystemKind::Ext4, restored(GIB, GIB, 2 * GIB)), Ok(4 * GIB));
    let error = change(FilesystemKind::Btrfs, FilesystemKind::Xfs, restored(GIB, 6 * GIB, 6 * GIB)).unwrap_err();
    assert!(error.contains("too small for xfs"), "{error}");
}

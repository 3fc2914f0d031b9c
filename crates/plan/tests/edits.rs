//! Sizes that a person chose, and partitions that are left out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::Machine;
use lifeboat_machine::testing::*;
use lifeboat_plan::{Plan, PlanError, Policy, Step, plan};

/// Home has 1 GiB, and the disk about as much free behind it.
fn machine() -> Machine {
    five_partitions(GIB)
}

fn planned(policy: &Policy, disk_size: u64) -> Result<Plan, PlanError> {
    plan(&machine(), &hardware(vec![found("/dev/vda", disk_size, "SER1")]), policy)
}

fn sizes(pairs: &[(&str, u64)]) -> Policy {
    Policy { sizes: pairs.iter().map(|(device, size)| (id(device), *size)).collect(), ..Policy::default() }
}

/// Start and size of each partition in MiB.
fn places(plan: &Plan) -> Vec<(u32, u64, u64)> {
    let entries = plan.steps.iter().find_map(|step| match step {
        Step::WriteTable { entries, .. } => Some(entries),
        _ => None,
    });
    let mib = |sectors: u64| sectors * 512 / MIB;
    entries.unwrap().iter().map(|entry| (entry.number, mib(entry.start_sector), mib(entry.sectors))).collect()
}

#[test]
fn a_chosen_size_holds_and_others_make_room() {
    // There are 1022 MiB behind home: a root larger by 500 needs nobody else.
    let plan = planned(&sizes(&[("disk0p2", 4596 * MIB)]), 10 * GIB).unwrap();
    assert_eq!(places(&plan)[1..], [(2, 2, 4596), (3, 4598, 1024), (4, 5622, 3072), (5, 8694, 1024)]);
    // With 2000 more, home gives what it can spare, and root is what was chosen.
    let plan = planned(&sizes(&[("disk0p2", 6096 * MIB), ("disk0p3", 256 * MIB)]), 10 * GIB).unwrap();
    let places = places(&plan);
    assert_eq!((places[1].2, places[2].2), (6096, 256));
    assert!(places[4].2 < 1024 && places[4].1 + places[4].2 <= 10240, "{places:?}");
    let root =
        plan.steps.iter().find(|step| matches!(step, Step::MakeFilesystem { device, .. } if device == "/dev/vda2"));
    assert!(
        matches!(root, Some(Step::MakeFilesystem { resized: true, filesystem, .. }) if filesystem.size_bytes == 6096 * MIB)
    );
}

#[test]
fn a_smaller_partition_leaves_its_room_to_the_last_that_grows() {
    let plan = planned(&sizes(&[("disk0p3", 512 * MIB)]), 10 * GIB).unwrap();
    let places = places(&plan);
    assert_eq!((places[2].2, places[1].2, places[4].2), (512, 4096, 1024 + 512), "{places:?}");
    // With all sizes kept nobody takes it.
    let keep = Policy { no_resize: true, ..sizes(&[("disk0p3", 512 * MIB)]) };
    assert_eq!(self::places(&planned(&keep, 10 * GIB).unwrap())[4].2, 1024);
}

#[test]
fn what_was_not_mounted_can_be_left_out() {
    let policy = Policy { drop: vec![id("disk0p4")], ..Policy::default() };
    let plan = planned(&policy, 10 * GIB).unwrap();
    let places = places(&plan);
    assert_eq!(places.iter().map(|place| place.0).collect::<Vec<_>>(), [1, 2, 3, 5]);
    assert_eq!(places[3].2, 1024 + 3072);
    assert!(plan.notes.iter().any(|note| note == "disk0p4 is left out, as you chose"), "{:?}", plan.notes);
    // fstab must not wait for it at boot, nor name what takes its place.
    let adapted = plan.steps.iter().find_map(|step| match step {
        Step::AdaptConfiguration { replacements, gone } => Some((replacements, gone)),
        _ => None,
    });
    let (replacements, gone) = adapted.unwrap();
    for name in ["/dev/vda4", "/dev/disk/by-id/virtio-SER1-part4", "UUID=aaaaaaaa-0000-0000-0000-000000000004"] {
        assert!(gone.contains(&name.to_owned()), "{name}: {gone:?}");
        assert!(!replacements.iter().any(|(old, _)| old == name), "{name}: {replacements:?}");
    }
    // Without it the machine fits onto a disk on which it would not fit otherwise.
    let small = 7 * GIB;
    let keep =
        |drop: &[&str]| Policy { drop: drop.iter().map(|d| id(d)).collect(), no_resize: true, ..Policy::default() };
    assert!(matches!(planned(&keep(&[]), small), Err(PlanError::TooSmall { .. })));
    planned(&keep(&["disk0p4"]), small).unwrap();
}

#[test]
fn refused_changes_give_the_reason() {
    let drop = |device: &str| Policy { drop: vec![id(device)], ..Policy::default() };
    for (policy, message) in [
        (sizes(&[("disk0p2", 100 * MIB)]), "too small; it needs at least"),
        (sizes(&[("disk0p1", 2 * MIB)]), "cannot be resized"),
        (sizes(&[("disk0p9", GIB)]), "no such partition"),
        (sizes(&[("disk0", GIB)]), "no such partition"),
        (sizes(&[("disk0p2", 12 * GIB)]), "cannot FIT disk0 onto /dev/vda"),
        (drop("disk0p5"), "the archive holds files from it, at /home"),
        (drop("disk0p3"), "fstab names it as swap"),
        (drop("disk0p1"), "boots from it"),
    ] {
        let error = planned(&policy, 10 * GIB).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn any_sizes_give_partitions_that_do_not_overlap() {
    use proptest::prelude::*;
    let size = || 1_u64..8 * GIB;
    proptest!(|(root in size(), swap in size(), home in size(), disk in 3 * GIB..20 * GIB, spare in any::<bool>())| {
        let mut policy = sizes(&[("disk0p2", root), ("disk0p3", swap), ("disk0p5", home)]);
        if !spare {
            policy.drop.push(id("disk0p4"));
        }
        if let Ok(plan) = planned(&policy, disk / 512 * 512) {
            let places = places(&plan);
            for pair in places.windows(2) {
                prop_assert!(pair[0].1 + pair[0].2 <= pair[1].1, "{places:?}");
            }
            let (_, start, length) = places[places.len() - 1];
            prop_assert!((start + length) * MIB <= disk, "{places:?}");
        }
    });
}

//! Tables against the disks that get them: what sfdisk would refuse after the wipe.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::layout::PartitionRole::{Extended, Logical, Primary};
use lifeboat_machine::layout::{Partition, PartitionTable};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, DiskContent, FoundDisk, Machine};
use lifeboat_plan::bounds::{TableProblem, check};
use lifeboat_plan::{Need, Plan, PlanError, Policy, Step, plan};
use proptest::prelude::*;

const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

fn target(size: u64, sector: u32) -> FoundDisk {
    let mut disk = found("/dev/vda", size, "SER1");
    disk.disk.logical_sector_bytes = sector;
    disk
}

fn planned(machine: &Machine, size: u64, sector: u32, no_resize: bool) -> Result<Plan, PlanError> {
    plan(machine, &hardware(vec![target(size, sector)]), &Policy { no_resize, ..Policy::default() })
}

fn written(plan: &Plan) -> (&PartitionTable, &[Partition]) {
    let table = plan.steps.iter().find_map(|step| match step {
        Step::WriteTable { table, entries, .. } => Some((table, entries.as_slice())),
        _ => None,
    });
    table.unwrap()
}

/// Number, first sector, length.
fn places(plan: &Plan) -> Vec<(u32, u64, u64)> {
    written(plan).1.iter().map(|entry| (entry.number, entry.start_sector, entry.sectors)).collect()
}

fn data(number: u64, sectors: u64) -> Content {
    ext4("", &format!("aaaaaaaa-0000-0000-0000-{number:012}"), sectors * 512, sectors * 64)
}

/// An MBR disk of 1 GiB: root, an extended partition with one logical and a long unused end, and swap behind it.
fn slack_in_the_middle() -> Machine {
    Maker::new()
        .disk(0, "/dev/sda", GIB, disk("SER1"), mbr())
        .part(1, 2048, 800_000, "83", Primary, data(1, 800_000))
        .part(2, 802_048, 1_000_000, "5", Extended, Content::Extended)
        .part(5, 802_111, 200_000, "83", Logical, data(5, 200_000))
        .part(3, 1_900_000, 100_000, "82", Primary, swap())
        .mount("disk0p1", "/")
        .mount("disk0p5", "/srv")
        .machine
}

#[test]
fn the_unused_end_of_an_extended_partition_is_kept_where_there_is_room_for_it() {
    let same = planned(&slack_in_the_middle(), GIB, 512, false).unwrap();
    assert_eq!(places(&same)[1], (2, 802_048, 1_000_000));
    let larger = planned(&slack_in_the_middle(), 2 * GIB, 512, false).unwrap();
    let of = |plan: &Plan, number: u32| *places(plan).iter().find(|place| place.0 == number).unwrap();
    let (extended, swap) = (of(&larger, 2), of(&larger, 3));
    assert!(extended.1 + extended.2 <= swap.1, "{:?}", places(&larger));
    // Without resizing a disk that lacks only what nothing uses still does.
    let mut last = slack_in_the_middle();
    last.layout.devices.retain(|device| device.id != id("disk0p3"));
    let cut = planned(&last, 520 * MIB, 512, true).unwrap();
    assert_eq!(of(&cut, 5), (5, 802_111, 200_000));
    assert_eq!(of(&cut, 2), (2, 802_048, 520 * MIB / 512 - 802_048));
    assert!(cut.notes.iter().any(|note| note.contains("disk0p2 becomes smaller")), "{:?}", cut.notes);
}

#[test]
fn an_extended_partition_on_larger_sectors_overlaps_nothing() {
    // All of it lies on multiples of 4096 bytes, so nothing moves; its boot record has one sector of 4096 bytes.
    let machine = Maker::new()
        .disk(0, "/dev/sda", GIB, disk("SER1"), mbr())
        .part(1, 2048, 800_000, "83", Primary, data(1, 800_000))
        .part(2, 802_048, 1_000_000, "5", Extended, Content::Extended)
        .part(5, 802_056, 200_000, "83", Logical, data(5, 200_000))
        .part(6, 1_002_064, 300_000, "83", Logical, data(6, 300_000))
        .mount("disk0p1", "/")
        .machine;
    let plan = planned(&machine, GIB, 4096, true).unwrap();
    let places = places(&plan);
    assert_eq!(places[0], (1, 256, 100_000));
    assert_eq!((places[1].1, places[2].1, places[3].1), (100_256, 100_257, 125_258));
    assert_eq!(places[1].1 + places[1].2, 125_258 + 37_500);
}

#[test]
fn what_lies_in_the_room_of_larger_sectors_entries_moves() {
    // Sector 40 is a multiple of 4096 bytes, but 4096-byte sectors 0 to 5 are the table's own.
    let machine = Maker::new()
        .disk(0, "/dev/vda", GIB, disk("SER1"), gpt(GIB))
        .part(1, 40, 8, LINUX, Primary, Content::Empty)
        .part(2, 2048, 800_000, LINUX, Primary, data(2, 800_000))
        .mount("disk0p2", "/")
        .machine;
    let same = planned(&machine, 2 * GIB, 512, true).unwrap();
    assert_eq!((places(&same)[0], written(&same).0.first_lba), ((1, 40, 8), Some(34)));
    let other = planned(&machine, 2 * GIB, 4096, true).unwrap();
    assert!(places(&other).iter().all(|(_, start, _)| *start >= 256), "{:?}", places(&other));
    // And what stays before the first MiB is passed to sfdisk, which would otherwise use its default.
    let machine = Maker::new()
        .disk(0, "/dev/vda", GIB, disk("SER1"), gpt(GIB))
        .part(1, 64, 64, LINUX, Primary, Content::Empty)
        .part(2, 2048, 800_000, LINUX, Primary, data(2, 800_000))
        .mount("disk0p2", "/")
        .machine;
    let other = planned(&machine, 2 * GIB, 4096, true).unwrap();
    assert_eq!((places(&other)[0], written(&other).0.first_lba), ((1, 8, 8), Some(8)));
}

#[test]
fn more_entries_than_usual_need_more_room() {
    let mut machine = gpt_machine();
    let Content::Table(table) = &mut machine.layout.devices[0].content else { panic!() };
    (table.entries, table.first_lba) = (Some(1024), Some(258));
    table.last_lba = Some(10 * GIB / 512 - 258);
    let plan = planned(&machine, 8 * GIB, 512, false).unwrap();
    let (table, entries) = written(&plan);
    assert_eq!(table.last_lba, Some(8 * GIB / 512 - 258));
    assert!(entries.iter().all(|entry| entry.start_sector + entry.sectors <= 8 * GIB / 512 - 257));
}

#[test]
fn a_table_that_no_disk_can_hold_is_refused_before_anything_is_written() {
    // What was recorded says entries 1 to 4 only, and has a fifth.
    let mut machine = gpt_machine();
    let Content::Table(table) = &mut machine.layout.devices[0].content else { panic!() };
    table.entries = Some(1);
    let error = planned(&machine, 10 * GIB, 512, false).unwrap_err();
    let problem = TableProblem::NoEntry { number: 2, entries: 1 };
    assert!(matches!(&error, PlanError::Table { problem: found, .. } if *found == problem), "{error}");
    assert!(error.to_string().starts_with("cannot PARTITION /dev/vda"), "{error}");
}

#[test]
fn a_name_that_sfdisk_cannot_write_is_left_out_with_a_note() {
    let mut machine = gpt_machine();
    if let lifeboat_machine::DeviceKind::Partition(partition) = &mut machine.layout.devices[2].kind {
        partition.name = Some("\u{1f6a2} data".into());
    }
    let plan = planned(&machine, 10 * GIB, 512, false).unwrap();
    assert_eq!(written(&plan).1[1].name, None);
    assert!(plan.notes.iter().any(|note| note.contains("disk0p2 loses its name")), "{:?}", plan.notes);
}

#[test]
fn steps_list_what_they_need() {
    let plan = planned(&gpt_machine(), 10 * GIB, 512, false).unwrap();
    let needs: Vec<Need<'_>> = plan.steps.iter().flat_map(Step::needs).collect();
    assert_eq!(needs[0], Need::Free { disk: "/dev/vda" });
    assert!(matches!(needs[1], Need::Table { .. }));
    assert!(matches!(needs[2], Need::Filesystem { device: "/dev/vda2", resized: false, .. }));
    let uuid = "aaaaaaaa-0000-0000-0000-000000000002";
    assert_eq!(needs[3], Need::Alone { uuid: uuid.into(), kind: "ext4", device: "/dev/vda2" });
    assert_eq!(needs[4..], [Need::Driver { kind: "ext4" }]);
    let swap = planned(&slack_in_the_middle(), GIB, 512, false).unwrap();
    let swaps = swap.steps.iter().flat_map(Step::needs).filter(|need| matches!(need, Need::Swap { .. })).count();
    assert_eq!(swaps, 1);
}

/// Disks as people make them: odd starts, gaps, slack behind the last logical partition, another one behind it.
fn machines() -> impl Strategy<Value = Machine> {
    let part = (0..5000u64, 1..900_000u64, 0..2u8);
    (any::<bool>(), proptest::collection::vec(part, 1..6), 0..200_000u64, 0..400_000u64, 0..3usize).prop_map(
        |(is_gpt, parts, slack, tail, primaries)| {
            let mut at = if is_gpt { 34 } else { 1 };
            let mut devices = vec![];
            let mut extended: Option<(u64, u64)> = None;
            for (index, (gap, sectors, kind)) in parts.into_iter().enumerate() {
                let logical = !is_gpt && index >= primaries;
                if logical && extended.is_none() {
                    at += gap;
                    extended = Some((at, at));
                }
                let start = at + gap + u64::from(logical);
                let number = match logical {
                    true => 5 + (index - primaries) as u32,
                    false => 1 + index as u32,
                };
                let content = if kind == 0 { Content::Empty } else { data(u64::from(number), sectors) };
                let role = if logical { Logical } else { Primary };
                devices.push((number, start, sectors, if is_gpt { LINUX } else { "83" }, role, content));
                at = start + sectors;
                if let Some((_, end)) = &mut extended {
                    *end = at;
                }
            }
            if let Some((start, end)) = extended {
                at = end + slack;
                let number = primaries as u32 + 1;
                devices.push((number, start, at - start, "5", Extended, Content::Extended));
            }
            let size = (at + tail + 40) * 512;
            let table = if is_gpt { gpt(size) } else { mbr() };
            let mut maker = Maker::new().disk(0, "/dev/vda", size, disk("SER1"), table);
            for (number, start, sectors, kind, role, content) in devices {
                maker = maker.part(number, start, sectors, kind, role, content);
            }
            maker.machine.boot.loaders.clear();
            maker.machine
        },
    )
}

proptest! {
    #[test]
    fn every_table_fits_its_disk(machine in machines(), permille in 300..3000u64, large in any::<bool>(), keep in any::<bool>()) {
        let recorded = machine.layout.devices[0].size_bytes;
        let sector = if large { 4096 } else { 512 };
        let size = recorded * permille / 1000 / 4096 * 4096;
        let found = FoundDisk { content: DiskContent::Blank, ..target(size, sector) };
        match plan(&machine, &hardware(vec![found]), &Policy { no_resize: keep, ..Policy::default() }) {
            Ok(plan) => {
                let (table, entries) = written(&plan);
                let entries: Vec<&Partition> = entries.iter().collect();
                prop_assert_eq!(check(table, &entries, size / u64::from(sector), u64::from(sector)), Ok(()));
                prop_assert_eq!(entries.len(), machine.layout.devices.len() - 1);
            }
            // What does not fit is reported; a table that contradicts itself would be a fault of the plan.
            Err(error) => prop_assert!(!matches!(error, PlanError::Table { .. }), "{error}"),
        }
    }
}

//! Plans of machines of any shape: what a plan's steps work on is there, everything is made once, or it is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::layout::{Extents, LuksHeader, VolumeShape};
use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, DeviceId, DeviceKind, FoundHardware, Machine};
use lifeboat_plan::{Plan, PlanError, Policy, Schedule, Step, plan};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn decisions() -> impl Strategy<Value = Vec<Decision>> {
    let one = (0..10u8, any::<u16>(), any::<u16>());
    prop::collection::vec(one, 0..14)
        .prop_map(|list| list.into_iter().map(|(what, which, count)| Decision { what, which, count }).collect())
}

fn disks() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(4..200u16, 1..7)
}

/// All that machines are grown with, but what Linux does not show: a table inside of a partition, a volume or a mapping.
fn planned(machine: &Machine) -> bool {
    machine.layout.devices.iter().all(|device| {
        !matches!(device.kind, DeviceKind::Partition(_) | DeviceKind::Volume(_) | DeviceKind::Crypt(_))
            || !matches!(device.content, Content::Table(_))
    })
}

/// The disks of a machine, with sizes in thousandths of their own.
fn hardware_of(machine: &Machine, permille: &[u16]) -> FoundHardware {
    let disks = machine.layout.disks().enumerate().map(|(index, (device, identity))| {
        // Real disks are no multiples of a MiB.
        let odd = index as u64 % 3 * 512;
        let size = device.size_bytes / MIB * u64::from(permille[index % permille.len()]) / 1000 * MIB + odd;
        found(&format!("/dev/vd{}", char::from(b'a' + index as u8)), size, identity.serial.as_deref().unwrap())
    });
    hardware(disks.collect())
}

/// What must hold of each plan.
fn sound(machine: &Machine, hardware: &FoundHardware, plan: &Plan) -> Result<(), TestCaseError> {
    let mut sizes: BTreeMap<&str, u64> = plan.targets.iter().map(|t| (t.path.as_str(), t.size_bytes.1)).collect();
    let mut there: BTreeSet<&str> = sizes.keys().copied().collect();
    let mut groups: BTreeSet<&str> = BTreeSet::new();
    let mut headers: BTreeMap<&str, &LuksHeader> = BTreeMap::new();
    let (mut wiped, mut filled) = (BTreeSet::new(), BTreeMap::<&str, usize>::new());
    for step in &plan.steps {
        for node in step.uses() {
            prop_assert!(there.contains(node), "{step} works on {node}, which nothing made");
        }
        for node in step.makes() {
            prop_assert!(there.insert(node), "{step} makes {node} once more");
        }
        match step {
            Step::WipeDisk { disk, .. } => prop_assert!(wiped.insert(disk.as_str()), "{disk} is wiped twice"),
            Step::MakeArray { node, size_bytes, array, members } => {
                for member in members {
                    *filled.entry(&member.device).or_default() += 1;
                    let own = sizes[member.device.as_str()] - member.data_offset_bytes;
                    prop_assert!(array.member_bytes.unwrap_or(0) <= own, "{node} needs more than {}", member.device);
                }
                let each: Vec<u64> =
                    members.iter().map(|member| sizes[member.device.as_str()] - member.data_offset_bytes).collect();
                prop_assert!(*size_bytes <= array.data_bytes(&each), "{node} is larger than its members");
                prop_assert_eq!(array.members.len(), members.len());
                wiped.insert(node);
                sizes.insert(node, *size_bytes);
            }
            Step::MakeGroup { group, physical, volumes } => {
                prop_assert!(groups.insert(group.name.as_str()), "{} is made twice", group.name);
                let mut taken: BTreeMap<&DeviceId, Vec<(u64, u64)>> = BTreeMap::new();
                for one in physical {
                    *filled.entry(&one.device).or_default() += 1;
                    let reach = one.first_extent_bytes + one.extents * group.extent_bytes;
                    prop_assert!(reach <= sizes[one.device.as_str()], "{} is larger than its device", one.device);
                    taken.insert(&one.id, vec![(one.extents, u64::MAX)]);
                }
                for extents in volumes.iter().flat_map(|volume| volume.shape.extents()) {
                    let (from, to) = (extents.first, extents.first + extents.count);
                    let others = taken.get_mut(&extents.device).unwrap();
                    prop_assert!(
                        others.iter().all(|(a, b)| to <= *a || *b <= from),
                        "extents of {} twice",
                        extents.device
                    );
                    others.push((from, to));
                }
            }
            Step::MakeVolume { node, group, size_bytes, volume, extents, fast, .. } => {
                prop_assert!(groups.contains(group.as_str()), "{node} is made before its group");
                let count = |list: Vec<&Extents>| list.iter().map(|extents| extents.count).sum::<u64>();
                let shown = match volume.shape.uncached().0 {
                    VolumeShape::Raid { images, .. } => {
                        let each: Vec<u64> = images.iter().map(|image| count(image.extents.iter().collect())).collect();
                        prop_assert!(each.iter().all(|one| *one == each[0]), "images of {node} differ: {each:?}");
                        let on: BTreeSet<_> = volume.shape.uncached().0.lies_on().into_iter().collect();
                        prop_assert_eq!(on.len(), images.len(), "images of {} share a disk", node);
                        each[0]
                    }
                    VolumeShape::Thin { .. } => *extents,
                    shape => count(shape.extents()),
                };
                prop_assert_eq!(shown, *extents, "{} has other extents than it shows", node);
                if let (_, Some(cache)) = volume.shape.uncached() {
                    prop_assert!(cache.count() > 0 && !fast.is_empty(), "{} lost its cache", node);
                }
                sizes.insert(node, *size_bytes);
            }
            Step::MakeLuks { device, header } => {
                *filled.entry(device).or_default() += 1;
                headers.insert(device.as_str(), header);
            }
            Step::OpenLuks { device, node, size_bytes, uuid, .. } => {
                let Some(header) = headers.get(device.as_str()) else {
                    return Err(TestCaseError::fail(format!("{device} is opened before it has a header")));
                };
                prop_assert_eq!(&header.uuid, uuid);
                let own = sizes[device.as_str()].saturating_sub(header.data_offset_bytes);
                prop_assert!(*size_bytes <= own, "{node} is larger than {device} has");
                wiped.insert(node);
                sizes.insert(node, *size_bytes);
            }
            Step::WriteTable { disk, entries, partitions, .. } => {
                prop_assert!(wiped.contains(disk.as_str()), "{disk} gets a table without having been wiped");
                *filled.entry(disk).or_default() += 1;
                let mut end = 0;
                for (entry, node) in entries.iter().zip(partitions) {
                    prop_assert!(entry.start_sector >= end, "{node} overlaps");
                    end = entry.start_sector + entry.sectors;
                    prop_assert!(end * 512 <= sizes[disk.as_str()], "{node} ends behind {disk}");
                    sizes.insert(node, entry.sectors * 512);
                }
            }
            Step::MakeFilesystem { device, filesystem, further, .. } => {
                *filled.entry(device).or_default() += 1;
                let mut size = sizes[device.as_str()];
                let parts = || [size].into_iter().chain(further.iter().map(|part| sizes[part.device.as_str()]));
                if further.iter().any(|part| part.journal.is_none()) {
                    // mkfs.btrfs takes all of each device.
                    let all: u64 = parts().map(|size| size / 4096 * 4096).sum();
                    prop_assert_eq!(filesystem.size_bytes, all, "another size than {} gets", device);
                }
                for part in further {
                    *filled.entry(&part.device).or_default() += 1;
                    let own = sizes[part.device.as_str()];
                    match &part.journal {
                        None => size += own,
                        Some(journal) => {
                            prop_assert!(journal.size_bytes <= own, "{} has less than its journal", part.device)
                        }
                    }
                }
                prop_assert!(filesystem.size_bytes <= size, "larger than {device}");
                prop_assert!(filesystem.used_bytes <= filesystem.size_bytes, "too small on {device}");
            }
            Step::MakeSwap { device, .. } => *filled.entry(device).or_default() += 1,
            Step::Mount { device, .. } => {
                let tables =
                    plan.steps.iter().any(|step| matches!(step, Step::WriteTable { disk, .. } if disk == device));
                prop_assert!(!tables, "{device} has a table and is mounted");
                prop_assert_eq!(filled.get(device.as_str()), Some(&1), "{} holds no filesystem", device);
            }
            _ => {}
        }
    }
    prop_assert!(filled.values().all(|times| *times == 1), "something is made twice: {filled:?}");
    let contents = machine.layout.devices.iter().filter(|d| !matches!(d.content, Content::Empty)).count();
    prop_assert_eq!(filled.len(), contents, "contents made");
    let mounts = plan.steps.iter().filter(|step| matches!(step, Step::Mount { .. })).count();
    prop_assert_eq!(mounts, machine.layout.mounts.len());
    for target in &plan.targets {
        prop_assert!(hardware.disks.iter().any(|found| found.path == target.path), "{} is no disk", target.path);
    }
    Ok(())
}

/// Steps at the same time, which end in an order of chance: each begins in the plan's order, when all that made what it needs has
/// ended, and no two at work concern one device.
fn in_turn(plan: &Plan, ends: &[u16]) -> Result<(), TestCaseError> {
    let steps = &plan.steps;
    let mut schedule = Schedule::new(steps, 0..steps.len(), [], 5);
    let (mut at_work, mut done, mut begun): (Vec<usize>, BTreeSet<usize>, usize) = (vec![], BTreeSet::new(), 0);
    let touched = |step: &Step| -> BTreeSet<String> {
        // Volumes of one group share its physical volumes.
        let volume = matches!(step, Step::MakeVolume { .. });
        let used = if volume { vec![] } else { step.uses() };
        used.into_iter().chain(step.makes()).map(str::to_owned).collect()
    };
    let needed = |step: &Step| -> Vec<usize> {
        let before = |found: &dyn Fn(&Step) -> bool| steps.iter().position(found);
        let makers = step.uses().into_iter().filter_map(|node| before(&|other| other.makes().contains(&node)));
        let Step::MakeVolume { group, pool, .. } = step else { return makers.collect() };
        let made = before(&|other| matches!(other, Step::MakeGroup { group: made, .. } if made.name == *group));
        let pooled = pool.as_ref().and_then(|pool| {
            before(&|other| {
                matches!(other, Step::MakeVolume { group: same, volume, .. } if same == group && volume.name == *pool)
            })
        });
        makers.chain(made).chain(pooled).collect()
    };
    for turn in 0.. {
        while let Some(index) = schedule.begin() {
            let step = &steps[index];
            prop_assert_eq!(index, begun, "{} is out of turn", step);
            for other in &at_work {
                let both: Vec<_> = touched(step).intersection(&touched(&steps[*other])).cloned().collect();
                prop_assert!(both.is_empty(), "{step} and {} are both at work on {both:?}", steps[*other]);
            }
            for needed in needed(step) {
                prop_assert!(done.contains(&needed), "{step} begins before the end of {}", steps[needed]);
            }
            let alone = matches!(step, Step::Mount { .. } | Step::Extract | Step::Finish);
            prop_assert!(!alone || at_work.is_empty(), "{step} begins beside others");
            let wipes = |step: &Step| matches!(step, Step::WipeDisk { .. });
            let same = at_work.iter().all(|other| wipes(&steps[*other]) == wipes(step));
            prop_assert!(same, "{step} begins beside others that wipe or do not");
            at_work.push(index);
            begun += 1;
        }
        let Some(last) = at_work.len().checked_sub(1) else { break };
        let ended = at_work.remove(usize::from(ends[turn % ends.len()]) % (last + 1));
        schedule.end(ended);
        done.insert(ended);
    }
    prop_assert_eq!(done.len(), steps.len(), "some never began");
    Ok(())
}

proptest! {
    // A failure is reproduced by the seed that it prints; a file of seeds would hide that all is tried anew.
    #![proptest_config(ProptestConfig { cases: 10_000, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_sound_or_refused(
        disks in disks(),
        decisions in decisions(),
        permille in prop::collection::vec(prop_oneof![Just(1000u16), 300..3000u16], 1..4),
        ends in prop::collection::vec(any::<u16>(), 1..9),
    ) {
        let machine = grown(&disks, &decisions);
        prop_assert_eq!(machine.layout.validate(), Ok(()));
        let hardware = hardware_of(&machine, &permille);
        match plan(&machine, &hardware, &Policy::default()) {
            Ok(plan) => {
                sound(&machine, &hardware, &plan)?;
                in_turn(&plan, &ends)?;
            }
            Err(PlanError::Unmade { .. }) => prop_assert!(!planned(&machine), "refused, though it has nothing special"),
            Err(error) => {
                let nothing = machine.layout.devices.iter().all(|device| device.content == Content::Empty);
                let smaller = permille.iter().any(|permille| *permille < 1000);
                prop_assert!(smaller || nothing, "{}", error);
            }
        }
    }

    /// The plain ones are planned, each on disks as large as its own: the property above is not one of refusals only.
    #[test]
    fn what_is_plain_is_planned(disks in disks(), decisions in decisions()) {
        let machine = grown(&disks, &decisions);
        prop_assume!(planned(&machine) && machine.layout.devices.iter().any(|d| d.content != Content::Empty));
        let hardware = hardware_of(&machine, &[1000]);
        let plan = plan(&machine, &hardware, &Policy::default());
        prop_assert!(plan.is_ok(), "{}", plan.unwrap_err());
        sound(&machine, &hardware, &plan.unwrap())?;
    }
}

//! Moves of machines of any shape: each gives a description that holds together and has all filesystems, and that is planned or refused by
//! name; the same each time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, DeviceId, DeviceKind, FoundHardware, Machine};
use lifeboat_plan::moves::{self, Move, SecondDisk};
use lifeboat_plan::{FilesystemKind, PlanError, Policy, plan, plan_as};
use proptest::prelude::*;

fn decisions() -> impl Strategy<Value = Vec<Decision>> {
    let one = (0..10u8, any::<u16>(), any::<u16>());
    prop::collection::vec(one, 0..14)
        .prop_map(|list| list.into_iter().map(|(what, which, count)| Decision { what, which, count }).collect())
}

/// A move of one of the machine's devices.
fn chosen(machine: &Machine, what: u8, which: u16, other: u16) -> Move {
    let pick = |number: u16| {
        let devices = &machine.layout.devices;
        devices[usize::from(number) % devices.len()].id.clone()
    };
    // Most moves are of one kind of device.
    let of = |fits: &dyn Fn(&DeviceKind) -> bool| {
        let list: Vec<DeviceId> =
            machine.layout.devices.iter().filter(|device| fits(&device.kind)).map(|device| device.id.clone()).collect();
        list.get(usize::from(which) % list.len().max(1)).cloned().unwrap_or_else(|| pick(which))
    };
    let new = || SecondDisk::New { identity: Some(format!("NEW{other}")), size_bytes: None };
    match what % 9 {
        0 => Move::ArrayToDisk { array: of(&|kind| matches!(kind, DeviceKind::Array(_))), keep: None },
        1 => Move::Mirror { disk: of(&|kind| matches!(kind, DeviceKind::Disk(_))), second: new() },
        2 => Move::ToVolume { device: pick(which), group: "moved".into(), volume: format!("v{other}"), disks: vec![] },
        3 => Move::FromVolume { volume: of(&|kind| matches!(kind, DeviceKind::Volume(_))) },
        4 => Move::Encrypt { device: pick(which), name: None, key_file: None },
        5 => Move::Decrypt { device: of(&|kind| matches!(kind, DeviceKind::Crypt(_))) },
        6 => Move::Filesystem {
            device: pick(which),
            kind: FilesystemKind::ALL[usize::from(other) % FilesystemKind::ALL.len()],
        },
        7 => Move::ToDisk { device: pick(which), disk: of(&|kind| matches!(kind, DeviceKind::Disk(_))) },
        _ => Move::AddDisk(new()),
    }
}

/// Disks as the description has them.
fn hardware_of(machine: &Machine) -> FoundHardware {
    let disks = machine.layout.disks().enumerate().map(|(index, (device, identity))| {
        let path = format!("/dev/vd{}", char::from(b'a' + index as u8));
        found(&path, device.size_bytes, identity.serial.as_deref().unwrap_or_default())
    });
    hardware(disks.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, max_global_rejects: 100_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_moved_machine_is_whole_and_planned(
        disks in prop::collection::vec(4..200u16, 1..5),
        decisions in decisions(),
        choices in prop::collection::vec((any::<u8>(), any::<u16>(), any::<u16>()), 1..5),
    ) {
        let recorded = grown(&disks, &decisions);
        let mut machine = recorded.clone();
        let mut made = vec![];
        for (what, which, other) in choices {
            let one = chosen(&machine, what, which, other);
            match one.apply(&machine) {
                Err(refusal) => prop_assert!(!refusal.reason.is_empty()),
                Ok(new) => {
                    prop_assert_eq!(new.layout.validate(), Ok(()), "{}", &one);
                    prop_assert_eq!(&one.apply(&machine).unwrap(), &new, "{} twice", &one);
                    for mount in &machine.layout.mounts {
                        let now = new.layout.mounts.iter().find(|now| now.mount_point == mount.mount_point);
                        let now = now.and_then(|now| new.layout.device(&now.device)).and_then(|device| device.filesystem());
                        let was = machine.layout.device(&mount.device).unwrap().filesystem().unwrap();
                        prop_assert_eq!(&now.unwrap().uuid, &was.uuid, "{} loses {}", &one, &mount.mount_point);
                    }
                    machine = new;
                    made.push(one);
                }
            }
        }
        prop_assert_eq!(&moves::apply(&recorded, &made).unwrap(), &machine);
        let hardware = hardware_of(&machine);
        let policy = Policy { moves: made.clone(), ..Policy::default() };
        let planned = plan(&recorded, &hardware, &policy);
        prop_assert!(plan(&recorded, &hardware, &policy) == planned, "another plan");
        match planned {
            Ok(planned) => {
                for step in &planned.steps {
                    let lifeboat_plan::Step::MakeGroup { group, physical, .. } = step else { continue };
                    for one in physical {
                        let end = one.first_extent_bytes + one.extents * group.extent_bytes;
                        prop_assert!(end <= one.size_bytes, "{:?}: {:?}", made, one);
                    }
                }
                let mounts = planned.steps.iter().filter(|step| matches!(step, lifeboat_plan::Step::Mount { .. })).count();
                prop_assert_eq!(mounts, recorded.layout.mounts.len());
                // A description that was edited is planned in the same way.
                let read = Machine::from_json(&machine.to_json()).unwrap();
                let edited = plan_as(&recorded, &read, &hardware, &Policy::default()).unwrap();
                prop_assert!(edited.steps == planned.steps && edited.targets == planned.targets, "planned differently");
            }
            // Refused before anything is wiped: what cannot be made, and a table of an array that one disk has no room for.
            Err(PlanError::Unmade { .. } | PlanError::Table { .. }) => {}
            Err(error) => {
                let nothing = machine.layout.devices.iter().all(|device| device.content == Content::Empty);
                prop_assert!(nothing, "{:?}: {}", made, error);
            }
        }
    }
}

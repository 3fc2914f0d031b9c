//! Descriptions of both formats are read; what does not hold together is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::filesystem::{FilesystemOptions, Journal};
use lifeboat_machine::layout::{GroupId, LayoutError};
use lifeboat_machine::machine::{FORMAT, FormatError};
use lifeboat_machine::testing::{Decision, grown, id};
use lifeboat_machine::{Content, Device, DeviceKind, Machine, Member};
use proptest::prelude::*;

/// As release 0.1.0 wrote it.
const FORMAT_1: &[u8] = include_bytes!("format-1.json");

#[test]
fn a_description_of_format_1_is_read() {
    let machine = Machine::from_json(FORMAT_1).unwrap();
    assert_eq!((machine.format, machine.layout.devices.len(), machine.layout.mounts.len()), (FORMAT, 6, 3));
    let Some(FilesystemOptions::Ext(ext)) =
        machine.layout.device(&id("disk0p2")).unwrap().filesystem().map(|f| &f.options)
    else {
        panic!()
    };
    assert_eq!(ext.journal, Some(Journal::Internal { bytes: 33_554_432 }));
    let again = Machine::from_json(&machine.to_json()).unwrap();
    assert_eq!(again, machine);
}

#[test]
fn a_journal_that_was_none_stays_none() {
    let text =
        String::from_utf8(FORMAT_1.to_vec()).unwrap().replace("\"journal_bytes\":33554432", "\"journal_bytes\":null");
    let machine = Machine::from_json(text.as_bytes()).unwrap();
    let Some(FilesystemOptions::Ext(ext)) =
        machine.layout.device(&id("disk0p2")).unwrap().filesystem().map(|f| &f.options)
    else {
        panic!()
    };
    assert_eq!(ext.journal, None);
}

#[test]
fn unknown_formats_are_named() {
    let text = String::from_utf8(FORMAT_1.to_vec()).unwrap();
    for (from, to, expected) in [
        ("\"format\":1", "\"format\":3", "has format 3"),
        ("\"format\":1", "\"format\":2", "journal_bytes"),
        ("\"format\":1", "\"format\":1,\"colour\":\"red\"", "colour"),
        ("\"journal_bytes\":33554432", "\"journal_bytes\":\"much\"", "expected u64"),
    ] {
        let error = Machine::from_json(text.replace(from, to).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{to}: {error}");
    }
    for hostile in ["[1]", "[2]", "1", "null", "{\"format\":1}", "{\"format\":1,\"layout\":{\"devices\":[3]}}"] {
        assert!(matches!(Machine::from_json(hostile.as_bytes()), Err(FormatError::Json(_))), "{hostile}");
    }
}

/// Two disks in a mirror with a group on it, encryption on one of its volumes, and a third disk with a table.
fn stacked() -> Machine {
    let decide = |what, which, count| Decision { what, which, count };
    grown(&[100, 100, 50], &[decide(2, 0, 1), decide(3, 1, 0), decide(4, 1, 0), decide(0, 0, 1)])
}

#[test]
fn a_stack_has_its_disks_and_comes_back() {
    let machine = stacked();
    let layout = &machine.layout;
    assert_eq!(layout.validate(), Ok(()));
    let crypt = layout.devices.iter().find(|device| matches!(device.kind, DeviceKind::Crypt(_))).unwrap();
    let disks: Vec<&str> = layout.disks_under(&crypt.id).iter().map(|disk| disk.id.0.as_str()).collect();
    assert_eq!(disks, ["disk0", "disk1"]);
    let array = layout.devices.iter().find(|device| matches!(device.kind, DeviceKind::Array(_))).unwrap();
    assert_eq!(layout.parents(array), [&id("disk0"), &id("disk1")]);
    assert_eq!(layout.above(&id("disk2")).count(), 2);
    assert_eq!(layout.partition_disk(&id("disk2p1")).map(|disk| &disk.id), Some(&id("disk2")));
    assert_eq!(Machine::from_json(&machine.to_json()).unwrap(), machine);
}

#[test]
fn what_does_not_hold_together_is_refused_by_name() {
    fn of(machine: &mut Machine, kind: fn(&Device) -> bool) -> &mut Device {
        machine.layout.devices.iter_mut().find(|device| kind(device)).unwrap()
    }
    type Spoil = fn(&mut Machine);
    type Expected = fn(&LayoutError) -> bool;
    let cases: [(&str, Spoil, Expected); 9] = [
        (
            "a member that the array does not name",
            |machine| match &mut of(machine, |d| matches!(d.kind, DeviceKind::Array(_))).kind {
                DeviceKind::Array(array) => drop(array.members.pop()),
                _ => panic!(),
            },
            |error| matches!(error, LayoutError::Unrequited { .. }),
        ),
        (
            "an array with a member twice",
            |machine| match &mut of(machine, |d| matches!(d.kind, DeviceKind::Array(_))).kind {
                DeviceKind::Array(array) => {
                    let first = array.members[0].clone();
                    array.members.push(first);
                }
                _ => panic!(),
            },
            |error| matches!(error, LayoutError::Place { .. }),
        ),
        (
            "an array of something that holds something else",
            |machine| of(machine, |d| d.id.0 == "disk0").content = Content::Empty,
            |error| matches!(error, LayoutError::Content { .. }),
        ),
        (
            "a volume of no group",
            |machine| machine.layout.groups.clear(),
            |error| matches!(error, LayoutError::Unrequited { .. }),
        ),
        (
            "a physical volume of another group",
            |machine| {
                let member = of(machine, |d| matches!(d.content, Content::Member(Member::Group { .. })));
                if let Content::Member(Member::Group { group, .. }) = &mut member.content {
                    *group = Some(GroupId("other".into()));
                }
            },
            |error| matches!(error, LayoutError::Content { .. } | LayoutError::Place { .. }),
        ),
        (
            "fewer extents than are used",
            |machine| {
                let member = of(machine, |d| matches!(d.content, Content::Member(Member::Group { .. })));
                if let Content::Member(Member::Group { extents, .. }) = &mut member.content {
                    *extents = 3;
                }
            },
            |error| matches!(error, LayoutError::Place { .. }),
        ),
        (
            "an open mapping of what is not encrypted",
            |machine| of(machine, |d| matches!(d.content, Content::Luks(_))).content = Content::Empty,
            |error| matches!(error, LayoutError::Content { .. }),
        ),
        (
            "a partition of a disk without table",
            |machine| of(machine, |d| d.id.0 == "disk2").content = Content::Empty,
            |error| matches!(error, LayoutError::Content { .. }),
        ),
        (
            "a child before its parents",
            |machine| machine.layout.devices.reverse(),
            |error| matches!(error, LayoutError::Parent { .. }),
        ),
    ];
    for (what, spoil, expected) in cases {
        let mut machine = stacked();
        spoil(&mut machine);
        let error = machine.layout.validate().expect_err(what);
        assert!(expected(&error), "{what}: {error}");
        assert!(matches!(Machine::from_json(&machine.to_json()), Err(FormatError::Layout(_))), "{what}");
    }
}

proptest! {
    /// Whatever a hostile description names, it is judged without panic and without end.
    #[test]
    fn spoiled_descriptions_are_judged(
        decisions in prop::collection::vec((0..10u8, any::<u16>(), any::<u16>()), 0..12),
        spoil in prop::collection::vec((any::<u16>(), any::<u16>(), 0..4u8), 0..4),
    ) {
        let decisions: Vec<Decision> =
            decisions.into_iter().map(|(what, which, count)| Decision { what, which, count }).collect();
        let mut machine = grown(&[100, 50, 20], &decisions);
        for (a, b, how) in spoil {
            let devices = &mut machine.layout.devices;
            let (a, b) = (usize::from(a) % devices.len(), usize::from(b) % devices.len());
            match how {
                0 => devices.swap(a, b),
                1 => devices[a].content = devices[b].content.clone(),
                2 => devices[a].kind = devices[b].kind.clone(),
                _ => devices[a].id = devices[b].id.clone(),
            }
        }
        let valid = machine.layout.validate().is_ok();
        for device in &machine.layout.devices {
            let _ = (machine.layout.disks_under(&device.id), machine.layout.content_devices(&device.id));
        }
        prop_assert_eq!(Machine::from_json(&machine.to_json()).is_ok(), valid);
    }
}

//! Plans of machines with encrypted devices.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::testing::*;
use lifeboat_machine::{Content, FoundHardware, Machine};
use lifeboat_plan::{Need, Plan, PlanError, Policy, Step, plan};

fn one(gib: u64) -> FoundHardware {
    hardware(vec![found("/dev/nvme0n1", gib * GIB, "NEW1")])
}

fn planned(machine: &Machine, hardware: &FoundHardware) -> Plan {
    machine.layout.validate().unwrap();
    plan(machine, hardware, &Policy::default()).unwrap()
}

#[test]
fn an_encrypted_root_comes_back_under_its_name() {
    let plan = planned(&encrypted_machine(), &one(20));
    let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
    let expected = [
        "wipe /dev/nvme0n1",
        "write a GPT with 2 partitions to /dev/nvme0n1",
        "encrypt /dev/nvme0n1p2: put its LUKS2 header back, with its keys",
        "open /dev/nvme0n1p2 as /dev/mapper/vda2_crypt (20.0 GiB)",
        "make ext4 \"root\" on /dev/mapper/vda2_crypt (20.0 GiB)",
        "mount /dev/mapper/vda2_crypt at /",
        "restore the files",
    ];
    assert_eq!(&steps[..expected.len()], expected);
    let uuid = "64f0a6d1-0000-4000-8000-000000000001";
    let needs: Vec<Need<'_>> = plan.steps.iter().flat_map(Step::needs).collect();
    assert!(needs.contains(&Need::Key { uuid, device: "/dev/nvme0n1p2" }), "{needs:#?}");
    assert!(needs.iter().any(|need| matches!(need, Need::Luks { header } if header.uuid == uuid)));
    assert!(needs.iter().any(|need| matches!(need, Need::Alone { uuid: other, .. } if other == uuid)));
}

#[test]
fn what_is_in_it_grows_and_shrinks_with_its_device() {
    for (gib, change) in [(30, 10), (12, -8)] {
        let plan = planned(&encrypted_machine(), &one(gib));
        let (mut mapping, mut filesystem) = (0, 0);
        for step in &plan.steps {
            match step {
                Step::OpenLuks { size_bytes, .. } => mapping = *size_bytes,
                Step::MakeFilesystem { filesystem: made, .. } => filesystem = made.size_bytes,
                _ => {}
            }
        }
        let recorded = (20 * GIB - 19 * MIB).checked_add_signed(change * GIB as i64).unwrap();
        assert!(mapping.abs_diff(recorded) <= MIB, "{gib}: {mapping} {recorded}");
        assert!(filesystem <= mapping && mapping - filesystem < 4096, "{gib}: {filesystem} of {mapping}");
    }
    let error = plan(&encrypted_machine(), &one(2), &Policy::default()).unwrap_err();
    assert!(matches!(error, PlanError::NoDisk { .. } | PlanError::TooSmall { .. }), "{error}");
}

#[test]
fn a_header_knows_its_backup_and_its_mapping() {
    let machine = encrypted_machine();
    let device = machine.layout.device(&id("disk0p2")).unwrap();
    let Content::Luks(header) = &device.content else { unreachable!() };
    assert_eq!(header.backup_name(), "luks-64f0a6d1-0000-4000-8000-000000000001.header");
    assert_eq!(header.mapping_bytes(device.size_bytes), machine.layout.device(&id("crypt0")).unwrap().size_bytes);
}

#[test]
fn a_changed_passphrase_is_a_difference_in_words() {
    let (old, mut new) = (encrypted_machine(), encrypted_machine());
    let device = new.layout.devices.iter_mut().find(|device| device.id == id("disk0p2")).unwrap();
    let Content::Luks(header) = &mut device.content else { unreachable!() };
    header.backup.as_mut().unwrap().blake3 = "11".into();
    let texts: Vec<String> = lifeboat_plan::diff(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["layout disk0p2 content LUKS header: as recorded -> other key slots or tokens"]);
}

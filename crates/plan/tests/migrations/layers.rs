//! What a move gives up, and what it puts below the root.

use super::*;
use lifeboat_machine::boot::InitramfsTool;
use lifeboat_plan::Need;

/// crypttab makes swap of an empty partition at each boot: by the name of a disk that is given up, it would do so to another one.
#[test]
fn names_of_what_is_given_up_are_gone() {
    let mut maker = Maker { machine: gpt_machine() };
    maker = maker.disk(1, "/dev/vdb", 10 * GIB, disk("SER2"), gpt(10 * GIB));
    let data = ext4("data", "bbbbbbbb-0000-0000-0000-000000000001", 2 * GIB, GIB / 2);
    maker = maker
        .part(1, 2048, 2 * GIB / 512, LINUX, PartitionRole::Primary, data)
        .part(2, 8 * GIB / 512, GIB / 512, LINUX, PartitionRole::Primary, Content::Empty)
        .disk(2, "/dev/vdc", 10 * GIB, disk("SER3"), gpt(10 * GIB));
    let more = ext4("more", "cccccccc-0000-0000-0000-000000000001", 2 * GIB, GIB / 2);
    let machine = maker
        .part(1, 2048, 2 * GIB / 512, LINUX, PartitionRole::Primary, more)
        .mount("disk1p1", "/data")
        .mount("disk2p1", "/more")
        .machine;
    let moves = vec![Move::ToDisk { device: id("disk1"), disk: id("disk0") }];
    let disks = vec![found("/dev/vda", 20 * GIB, "SER1"), found("/dev/vdb", 10 * GIB, "SER3")];
    let plan = moved(&machine, moves, disks).unwrap();
    let (names, gone) = renamed(&plan);
    for name in ["/dev/vdb2", "/dev/disk/by-id/virtio-SER2-part2"] {
        assert!(gone.contains(&name.to_owned()), "{name}: {gone:?}");
    }
    // By the identity of the disk that is given up, fstab would find nothing.
    let by_id: Vec<&(String, String)> = names.iter().filter(|(old, _)| old.contains("virtio-SER2")).collect();
    let data = "UUID=bbbbbbbb-0000-0000-0000-000000000001";
    assert_eq!(by_id, [&("/dev/disk/by-id/virtio-SER2-part1".to_owned(), data.to_owned())]);
    // One pass: what was /dev/vdb1 is elsewhere, and what was /dev/vdc1 is /dev/vdb1.
    let new =
        |old: &str| names.iter().filter(|(known, _)| known == old).map(|(_, new)| new.as_str()).collect::<Vec<_>>();
    assert_eq!(new("/dev/vdb1"), ["UUID=bbbbbbbb-0000-0000-0000-000000000001"]);
    assert_eq!(new("/dev/vdc1"), ["/dev/vdb1"]);
    assert!(!gone.contains(&"/dev/vdb1".to_owned()) && !gone.contains(&"/dev/vdc1".to_owned()), "{gone:?}");
}

/// By its partition's names, fstab would mount a member of the array instead of the array.
#[test]
fn names_of_a_disk_that_stays_follow_what_moves() {
    let second = SecondDisk::New { identity: Some("SER9".into()), size_bytes: None };
    let disks = vec![found("/dev/vda", 10 * GIB + GIB, "SER1"), found("/dev/vdb", 10 * GIB + GIB, "SER9")];
    let plan = moved(&gpt_machine(), vec![Move::Mirror { disk: id("disk0"), second }], disks).unwrap();
    let (names, _) = renamed(&plan);
    for name in ["/dev/disk/by-id/virtio-SER1-part2", "/dev/disk/by-path/pci-0000:00:04.0-part2"] {
        assert!(names.contains(&(name.to_owned(), format!("UUID={ROOT}"))), "{name}: {names:?}");
    }
}

/// What another kind of filesystem cannot hold is told, be it chosen as a move or in a description that was edited.
#[test]
fn another_kind_of_filesystem_tells_what_it_lacks() {
    let change = Move::Filesystem { device: id("disk0p2"), kind: FilesystemKind::Btrfs };
    let disks = || vec![found("/dev/vda", 10 * GIB, "SER1")];
    let plan = moved(&gpt_machine(), vec![change.clone()], disks()).unwrap();
    let edited = lifeboat_plan::moves::apply(&gpt_machine(), &[change]).unwrap();
    let again = lifeboat_plan::plan_as(&gpt_machine(), &edited, &hardware(disks()), &Policy::default()).unwrap();
    for plan in [plan, again] {
        let told: Vec<&String> = plan.notes.iter().filter(|note| note.contains("becomes btrfs")).collect();
        assert!(told.len() == 1 && told[0].contains("btrfs cannot hold project ids"), "{:?}", plan.notes);
    }
}

/// A volume group that stays connected beside the disk that its content went to would be activated, with the same filesystems.
#[test]
fn a_volume_group_that_is_given_up_must_not_stay_connected() {
    let mut machine = group_on_raid_5(0);
    let uuid = "PV-array0".to_owned();
    let plan = moved(&machine, vec![Move::FromVolume { volume: id("volume0") }], raid_disks()).unwrap();
    assert_eq!(adapted(&plan).given_up, [(uuid.clone(), "vg0".to_owned())]);
    let needs: Vec<Need<'_>> = plan.steps.iter().flat_map(Step::needs).collect();
    assert!(needs.contains(&Need::Gone { uuid: uuid.into(), what: "the LVM volume group vg0".into() }), "{needs:?}");
    machine = gpt_machine();
    let to = Move::ToVolume { device: id("disk0p2"), group: "vg0".into(), volume: "root".into(), disks: vec![] };
    let plan = moved(&machine, vec![to], vec![found("/dev/vda", 10 * GIB, "SER1")]).unwrap();
    assert_eq!(adapted(&plan).given_up, []);
}

#[test]
fn layers_below_the_root_need_an_initramfs_that_can_be_checked() {
    let to = Move::ToVolume { device: id("disk0p2"), group: "vg0".into(), volume: "root".into(), disks: vec![] };
    let disks = || vec![found("/dev/vda", 10 * GIB, "SER1")];
    for (tool, works) in [
        (InitramfsTool::InitramfsTools, true),
        (InitramfsTool::Dracut, true),
        (InitramfsTool::Mkinitcpio, false),
        (InitramfsTool::None, false),
    ] {
        let mut machine = gpt_machine();
        machine.boot.initramfs = tool;
        match moved(&machine, vec![to.clone()], disks()) {
            Ok(_) => assert!(works, "{tool:?}"),
            Err(error) => assert!(!works && matches!(error, PlanError::Edit { .. }), "{tool:?}: {error}"),
        }
        // A description that was edited by hand, or made for another tool, is asked the same.
        let mut edited = gpt_machine();
        edited.boot.initramfs = InitramfsTool::InitramfsTools;
        edited = lifeboat_plan::moves::apply(&edited, std::slice::from_ref(&to)).unwrap();
        edited.boot.initramfs = tool;
        let planned = lifeboat_plan::plan_as(&machine, &edited, &hardware(disks()), &Policy::default());
        match planned {
            Ok(_) => assert!(works, "{tool:?}"),
            Err(error) => assert!(!works && error.to_string().contains("would not start"), "{tool:?}: {error}"),
        }
    }
}

/// dracut activates the volumes that the command line names: also the one below an encrypted root.
#[test]
fn dracut_is_told_of_the_volume_below_an_encrypted_root() {
    let mut machine = encrypted_machine();
    machine.boot.loaders.clear();
    machine.boot.initramfs = InitramfsTool::Dracut;
    machine.boot.command_line = "root=/dev/mapper/x rd.luks.uuid=luks-64f0a6d1-0000-4000-8000-000000000001".into();
    let to = Move::ToVolume { device: id("disk0p2"), group: "vg0".into(), volume: "root".into(), disks: vec![] };
    let plan = moved(&machine, vec![to], vec![found("/dev/vda", 20 * GIB, "SER1")]).unwrap();
    assert!(adapted(&plan).words_new.contains(&"rd.lvm.lv=vg0/root".to_owned()), "{:?}", adapted(&plan));
}

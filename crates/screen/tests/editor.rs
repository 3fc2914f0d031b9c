//! The layout editor: filesystems of another kind, partitions at other places.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod common;

use common::Desk;
use common::machines::*;
use lifeboat_machine::Content;
use lifeboat_machine::layout::PartitionRole;
use lifeboat_plan::{FilesystemKind, Policy};
use lifeboat_screen::key::Key;
use lifeboat_screen::model::{Request, Screen};

const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// At the partitions of a machine with one disk, on the line of the root.
fn at_root() -> Desk {
    let mut desk = Desk::new(five_partitions(2045 * MIB), hardware(vec![found("/dev/nvme0n1", 20 * GIB, "SER1")]));
    desk.go_to_hardware();
    desk.press(&[Key::Enter, Key::Up, Key::Enter, Key::Down, Key::Down]);
    assert_eq!(desk.model.chosen_partition().unwrap().id, id("disk0p2"));
    desk
}

#[test]
fn another_kind_of_filesystem() {
    let mut desk = at_root();
    desk.press(&[Key::Char('f'), Key::Down]);
    screens!("kind_refused", desk.model);
    // It cannot be taken.
    desk.press(&[Key::Enter]);
    assert_eq!((desk.model.screen, &desk.model.policy), (Screen::Kind, &Policy::default()));
    desk.press(&[Key::Down, Key::Enter]);
    assert_eq!(desk.model.policy.filesystems, [(id("disk0p2"), FilesystemKind::Btrfs)]);
    // A size below what it needs now is refused.
    desk.press(&[Key::Enter, Key::Control('u')]);
    desk.type_text("1300 MiB");
    desk.press(&[Key::Enter]);
    assert!(desk.text().contains("too small; it needs at least"), "{}", desk.text());
    desk.press(&[Key::Escape, Key::Down, Key::Char('f')]);
    assert_eq!(desk.model.screen, Screen::Layout);
    assert!(desk.text().contains("it holds no filesystem"), "{}", desk.text());
    desk.press(&[Key::Up]);
    screens!("kind_chosen", desk.model);
    // The plan says it, and is what is carried out.
    desk.press(&[Key::End, Key::Enter, Key::Down, Key::Enter, Key::PageDown]);
    screens!("kind_in_the_plan", desk.model);
    desk.press(&[Key::Enter]);
    desk.type_text("box");
    desk.press(&[Key::Enter]);
    assert!(matches!(&desk.asked[..], [Request::CarryOut(plan, policy, false)]
        if policy.filesystems.len() == 1 && plan.to_string().contains("in place of ext4 on /dev/nvme0n1p2")));
}

#[test]
fn a_kind_is_taken_back() {
    for back in [
        &[Key::Char('o')][..],
        &[Key::Char('f'), Key::Home, Key::Enter],
        &[Key::Char('f'), Key::Up, Key::Up, Key::Enter],
    ] {
        let mut desk = at_root();
        desk.press(&[Key::Char('f'), Key::Down, Key::Down, Key::Enter]);
        assert_eq!(desk.model.policy.filesystems.len(), 1);
        // The chosen kind is where the list begins.
        desk.press(back);
        assert_eq!(desk.model.policy, Policy::default(), "{back:?}");
    }
}

#[test]
fn another_place_on_the_disk() {
    let mut desk = at_root();
    desk.press(&[Key::Char('m')]);
    screens!("places", desk.model);
    desk.press(&[Key::End, Key::Enter]);
    // The partition stays the chosen one.
    assert_eq!(desk.model.chosen_partition().unwrap().id, id("disk0p2"));
    screens!("moved", desk.model);
    desk.press(&[Key::End, Key::Enter, Key::Down, Key::Enter, Key::End]);
    screens!("moved_in_the_plan", desk.model);
    desk.press(&[Key::Escape, Key::Up, Key::Enter, Key::End, Key::Up]);
    desk.press(&[Key::Char('m'), Key::Home, Key::Enter]);
    assert_eq!(desk.model.on_disk(&id("disk0"))[0], id("disk0p2"));
    desk.press(&[Key::Char('o')]);
    assert_eq!(desk.model.policy, Policy::default());
    assert_eq!(desk.model.chosen_partition().unwrap().id, id("disk0p2"));
}

#[test]
fn another_disk_of_the_machine() {
    let size = 10 * GIB;
    let maker = Maker { machine: five_partitions(1024 * MIB) };
    let machine = maker
        .disk(1, "/dev/vdb", size, disk("SER2"), gpt(size))
        .part(1, 2048, 2 * GIB / 512, LINUX, PartitionRole::Primary, ext4("data", "u9", 2 * GIB, GIB))
        .mount("disk1p1", "/srv")
        .machine;
    let disks = vec![found("/dev/vda", size, "SER1"), found("/dev/vdb", size, "SER2")];
    let mut desk = Desk::new(machine, hardware(disks));
    desk.go_to_hardware();
    desk.press(&[Key::Enter, Key::Up, Key::Enter, Key::Down, Key::Char('m'), Key::End]);
    // The BIOS starts GRUB from the first disk.
    screens!("place_refused", desk.model);
    desk.press(&[Key::Escape, Key::Down, Key::Down, Key::Down, Key::Down, Key::Char('m'), Key::End, Key::Enter]);
    screens!("moved_to_another_disk", desk.model);
    assert_eq!(desk.model.policy.order.len(), 2);
    desk.press(&[Key::Char('o')]);
    assert_eq!(desk.model.policy, Policy::default());
}

#[test]
fn a_backup_with_another_layout_takes_back_what_was_chosen() {
    let mut desk = at_root();
    desk.press(&[Key::Char('f'), Key::Down, Key::Down, Key::Enter]);
    desk.model.policy.wipe.push("OTHER".into());
    let chosen = desk.model.policy.clone();
    let again = [Key::Escape, Key::Escape, Key::Escape, Key::Enter];
    // Fuller filesystems are no other layout.
    for device in &mut desk.machine.layout.devices {
        if let Content::Filesystem(filesystem) = &mut device.content {
            filesystem.used_bytes += 4096;
        }
    }
    desk.press(&again);
    assert_eq!((desk.model.screen, &desk.model.policy), (Screen::Hardware, &chosen));
    desk.machine = five_partitions(1024 * MIB);
    desk.press(&[Key::Escape, Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Hardware);
    assert!(desk.text().contains("This backup has another layout"), "{}", desk.text());
    // What is allowed of found disks stays.
    assert_eq!(desk.model.policy, Policy { wipe: vec!["OTHER".into()], ..Policy::default() });
}

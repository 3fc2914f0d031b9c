//! RAID, LVM and encryption in the layout editor.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod common;

use common::Desk;
use common::machines::*;
use lifeboat_plan::{Move, Step};
use lifeboat_screen::key::Key;
use lifeboat_screen::model::{Request, Screen};

/// At the list of partitions, on the line of one.
fn at_partition(desk: &mut Desk, device: &str) {
    desk.go_to_hardware();
    desk.press(&[Key::Enter]);
    while desk.model.screen == Screen::Mapping {
        let disks = desk.model.recorded().len();
        desk.model.mapping.at = disks;
        desk.press(&[Key::Enter]);
    }
    assert_eq!(desk.model.screen, Screen::Layout, "{}", desk.text());
    desk.model.layout.at = 1 + desk.model.partitions().iter().position(|part| part.id.0 == device).unwrap();
}

fn line(desk: &Desk, text: &str) -> usize {
    let choices = desk.model.storage_choices();
    choices.iter().position(|choice| choice.text.contains(text)).unwrap_or_else(|| panic!("{text}: {choices:?}"))
}

#[test]
fn raid_1_to_one_disk_and_back() {
    let disks = vec![found("/dev/sda", 20 * GIB, "SER1")];
    let mut desk = Desk::new(mirrored_machine(false), hardware(disks));
    at_partition(&mut desk, "disk0p2");
    screens!("raid", desk.model);
    desk.press(&[Key::Char('s')]);
    desk.model.storage.at = line(&desk, "No RAID");
    screens!("raid_choices", desk.model);
    desk.press(&[Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Layout, "{}", desk.text());
    screens!("raid_dropped", desk.model);
    let plan = desk.model.plan.as_ref().unwrap();
    assert!(!plan.steps.iter().any(|step| matches!(step, Step::MakeArray { .. })), "{plan}");
    // All of it can be undone.
    desk.model.layout.at = 2;
    desk.press(&[Key::Char('s'), Key::Home, Key::Enter]);
    assert_eq!(desk.model.policy.moves, []);
    assert!(desk.model.plan.is_err(), "the second disk is not there");
}

#[test]
fn a_disk_gets_a_second_one() {
    let disks = vec![found("/dev/vda", 10 * GIB, "SER1"), found("/dev/vdb", 10 * GIB, "SER9")];
    let mut desk = Desk::new(gpt_machine(), hardware(disks));
    at_partition(&mut desk, "disk0p2");
    desk.press(&[Key::Char('s')]);
    desk.model.storage.at = line(&desk, "RAID 1");
    desk.press(&[Key::Enter]);
    screens!("mirrored", desk.model);
    let plan = desk.model.plan.as_ref().unwrap();
    assert_eq!(plan.targets.len(), 2, "{plan}");
    assert!(plan.steps.iter().any(|step| matches!(step, Step::MakeArray { .. })), "{plan}");
}

#[test]
fn a_passphrase_is_typed_twice_and_is_nowhere_else() {
    let machine = five_partitions(1000 * MIB);
    let disks = vec![found("/dev/vda", 10 * GIB, "SER1")];
    let mut desk = Desk::new(machine, hardware(disks));
    at_partition(&mut desk, "disk0p5");
    desk.press(&[Key::Char('s')]);
    desk.model.storage.at = line(&desk, "Encrypt");
    desk.press(&[Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Passphrase);
    desk.type_text("short");
    desk.press(&[Key::Enter]);
    assert!(desk.text().contains("at least 8 characters"), "{}", desk.text());
    desk.type_text(" but long enough");
    desk.press(&[Key::Enter]);
    desk.type_text("another one");
    screens!("passphrase", desk.model);
    desk.press(&[Key::Enter]);
    assert!(desk.text().contains("differ"), "{}", desk.text());
    for _ in 0..2 {
        desk.type_text("correct horse");
        desk.press(&[Key::Enter]);
    }
    assert_eq!(desk.model.screen, Screen::Layout, "{}", desk.text());
    let kept = desk.unlocked[1..].concat();
    assert!(kept.ends_with(" correct horse"), "{kept}");
    assert!(matches!(desk.model.policy.moves[..], [Move::Encrypt { .. }]));
    assert!(!format!("{:?} {:?}", desk.model.plan, desk.model.policy).contains("correct horse"));
    assert!(
        !format!("{:?}", Request::Passphrase("u".into(), lifeboat_screen::model::Typed("secret".to_owned().into())))
            .contains("secret")
    );
    let plan = desk.model.plan.as_ref().unwrap();
    assert!(plan.to_string().contains("new LUKS2 header"), "{plan}");
    screens!("encrypted", desk.model);
}

#[test]
fn what_grub_would_have_to_open_is_not_encrypted() {
    let mut desk = Desk::new(gpt_machine(), hardware(vec![found("/dev/vda", 10 * GIB, "SER1")]));
    at_partition(&mut desk, "disk0p2");
    desk.press(&[Key::Char('s')]);
    desk.model.storage.at = line(&desk, "Encrypt");
    assert!(desk.text().contains("GRUB reads"), "{}", desk.text());
    desk.press(&[Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Storage);
    assert_eq!(desk.model.policy.moves, []);
}

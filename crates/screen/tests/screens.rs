//! Every screen as text, 80 columns and 24 rows, on the way through recoveries.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[macro_use]
mod common;

use common::Desk;
use common::machines::*;
use lifeboat_machine::parameters::After;
use lifeboat_machine::{DiskContent, Event, FoundDisk, FoundHardware, Machine};
use lifeboat_restore::Disks;
use lifeboat_restore::session::{Destination, ListedFile, RestoredFiles};
use lifeboat_screen::Look;
use lifeboat_screen::key::Key;
use lifeboat_screen::model::{Input, Message, Request, Screen};

fn machine() -> Machine {
    five_partitions(2045 * MIB)
}

fn new_disk() -> FoundDisk {
    let mut disk = found("/dev/nvme0n1", 20 * GIB, "S64DNX0R914823");
    disk.disk.model = Some("Samsung SSD 980 PRO 1TB".into());
    disk.disk.transport = Some("nvme".into());
    disk.disk.wwn = Some("eui.002538b911b37e3f".into());
    disk
}

fn medium() -> FoundDisk {
    let mut disk = locked(found("/dev/sda", 8 * GIB, "4C530001"), "it holds the recovery medium");
    disk.disk.model = Some("SanDisk Ultra".into());
    disk.disk.transport = Some("usb".into());
    holding(disk, DiskContent::Whole { uuid: None, summary: "iso9660 \"LIFEBOAT_5F0C9A7E\"".into() })
}

fn desk() -> Desk {
    Desk::new(machine(), hardware(vec![new_disk(), medium()]))
}

#[test]
fn an_archive_that_the_parameters_name_is_opened_at_once() {
    let mut desk = desk();
    desk.model.facts.has_archive = true;
    desk.model.facts.elsewhere = Some("nfs://nas/backup/db7".into());
    screens!("welcome_elsewhere", desk.model);
    desk.press(&[Key::Enter]);
    assert_eq!((desk.model.screen, desk.model.source.as_deref()), (Screen::Key, None));
}

#[test]
fn a_locked_disk_and_then_the_archives_key() {
    let mut desk = desk();
    desk.press(&[Key::Down, Key::Down, Key::Enter, Key::End]);
    desk.type_text("disk:LABEL=SAFE:/db7");
    desk.press(&[Key::Enter]);
    desk.type_text("not the disk's");
    screens!("disk_locked", desk.model);
    desk.press(&[Key::Enter]);
    screens!("disk_locked_wrong", desk.model);
    // The disk opens, and the archive on it has a key of its own: the same screen asks for it, and says so.
    desk.type_text("the disk's");
    desk.press(&[Key::Enter]);
    screens!("disk_opened_key_wanted", desk.model);
    desk.type_text("right");
    desk.press(&[Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Snapshots);
    desk.press(&[Key::Escape]);
    assert_eq!(desk.model.screen, Screen::Source);
}

#[test]
fn a_whole_recovery() {
    let mut desk = desk();
    screens!("welcome", desk.model);
    desk.press(&[Key::Enter]);
    screens!("key", desk.model);
    desk.type_text("wrong");
    desk.press(&[Key::Enter]);
    screens!("key_wrong", desk.model);
    desk.type_text("right");
    desk.press(&[Key::Enter]);
    screens!("backups", desk.model);
    desk.press(&[Key::Enter]);
    screens!("disks", desk.model);
    desk.press(&[Key::Enter]);
    screens!("mapping", desk.model);
    desk.press(&[Key::Enter]);
    screens!("plan", desk.model);
    desk.press(&[Key::PageDown]);
    screens!("plan_second_page", desk.model);
    desk.press(&[Key::Enter]);
    desk.type_text("bax");
    desk.press(&[Key::Enter]);
    screens!("confirm_wrong", desk.model);
    assert!(desk.asked.is_empty());
    desk.press(&[Key::Backspace, Key::Backspace]);
    desk.type_text("ox");
    desk.press(&[Key::Enter]);
    assert!(matches!(&desk.asked[..], [Request::CarryOut(plan, _, false)] if plan.targets[0].path == "/dev/nvme0n1"));

    desk.input(Input::Clock(75));
    for (name, seconds) in [("medium", 13.6), ("plan", 0.4), ("rebuild", 3.4)] {
        desk.event(Event::Stage { name: name.into(), seconds });
    }
    desk.event(Event::Step { number: 9, total: 14, text: "restore 28114 entries, 1.1 GiB".into() });
    desk.event(Event::Progress {
        phase: "extract".into(),
        entries: 12_345,
        entries_total: 28_114,
        bytes: 512 << 20,
        bytes_total: 1_180_000_000,
        seconds: 43.0,
    });
    desk.event(Event::Warning { text: "the clock of this computer is an hour late".into() });
    desk.event(Event::Entry { path: "/var/lib/odd".into(), text: "cannot SET xattr: not supported".into() });
    screens!("progress", desk.model);
    // Nothing stops it.
    desk.press(&[Key::Escape, Key::Enter, Key::Control('c')]);
    assert_eq!((desk.model.screen, desk.left), (Screen::Progress, None));

    desk.model.progress.lines.clear();
    for (name, seconds) in [("extract", 99.0), ("verify", 40.5), ("boot", 7.0)] {
        desk.event(Event::Stage { name: name.into(), seconds });
    }
    desk.event(Event::Restored { entries: 28_114, seconds: 151.3 });
    desk.send(Message::Recovered(Ok(0)));
    screens!("restored", desk.model);
    desk.press(&[Key::Enter]);
    assert_eq!(desk.left, Some(After::Reboot));
}

#[test]
fn sizes_and_partitions_left_out() {
    let mut desk = desk();
    desk.go_to_hardware();
    desk.press(&[Key::Enter, Key::Up, Key::Enter]);
    screens!("partitions", desk.model);
    // Another size for root, nothing for what nobody mounted; swap cannot go.
    desk.press(&[Key::Down, Key::Down, Key::Enter, Key::Control('u')]);
    desk.type_text("12 GiB");
    screens!("size", desk.model);
    desk.press(&[Key::Enter, Key::Down, Key::Char('d')]);
    screens!("partitions_swap_stays", desk.model);
    desk.press(&[Key::Down, Key::Char('d')]);
    screens!("partitions_changed", desk.model);
    let policy = &desk.model.policy;
    assert_eq!((&policy.sizes[..], &policy.drop[..]), (&[(id("disk0p2"), 12 * GIB)][..], &[id("disk0p4")][..]));
    desk.press(&[Key::End, Key::Enter, Key::Down, Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Review);
    assert!(
        desk.model.review.iter().any(|line| line.text.contains("ext4 \"root\" on /dev/nvme0n1p2: 4.0 GiB -> 12.0 GiB"))
    );
    // Too small for what is in it.
    desk.press(&[Key::Escape, Key::Up, Key::Enter, Key::Down, Key::Down, Key::Enter, Key::Control('u')]);
    desk.type_text("1g");
    desk.press(&[Key::Enter]);
    screens!("size_too_small", desk.model);
}

#[test]
fn a_disk_with_foreign_data_is_wiped_only_by_choice() {
    let windows = holding(found("/dev/sdb", 20 * GIB, "WIN1"), table("66666666-0000-0000-0000-000000000000"));
    let mut desk = Desk::new(machine(), hardware(vec![windows, medium()]));
    desk.go_to_hardware();
    desk.press(&[Key::Enter]);
    screens!("mapping_refused", desk.model);
    // The way on is closed.
    desk.press(&[Key::End, Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Mapping);
    desk.press(&[Key::Home, Key::Enter, Key::Down, Key::Char('w')]);
    screens!("target_wipe", desk.model);
    desk.press(&[Key::Enter]);
    screens!("mapping_allowed", desk.model);
    assert_eq!(
        (&desk.model.policy.wipe[..], &desk.model.policy.map[..]),
        (&["WIN1".to_owned()][..], &[(id("disk0"), "WIN1".to_owned())][..])
    );
    // And forbidden again.
    desk.press(&[Key::Home, Key::Enter, Key::Char('w'), Key::Escape]);
    assert!(desk.model.plan.is_err());
    // The medium cannot be had.
    desk.press(&[Key::Enter, Key::End, Key::Enter]);
    screens!("target_locked", desk.model);
}

#[test]
fn many_disks_with_long_names() {
    let mut disks: Vec<FoundDisk> = (0..30)
        .map(|n| {
            let mut disk = found(&format!("/dev/sd{n:02}"), 20 * GIB, &format!("SERIAL-OF-MANY-DIGITS-{n:020}"));
            disk.disk.model = Some(format!("A vendor with a very long name, model number {n} of many"));
            holding(disk, table(&format!("{n:08}-0000-0000-0000-000000000000")))
        })
        .collect();
    disks[7].lock = Some("/dev/sd07p2 is mounted on /run/lifeboat/somewhere/with/a/long/path".into());
    disks[8].content = DiskContent::Whole { uuid: None, summary: "ext4 \"a\u{1b}[2J hostile label\u{fc}\"".into() };
    let mut machine = machine();
    machine.name = "a-machine-whose-name-is-as-long-as-names-may-be-which-is-64-byte".into();
    let mut desk = Desk::new(machine, hardware(disks));
    desk.go_to_hardware();
    desk.press(&[Key::PageDown, Key::Down]);
    desk.model.disk.at = 8;
    screens!("many_disks", desk.model);
    desk.press(&[Key::Enter]);
    screens!("many_disks_mapping", desk.model);
}

#[test]
fn the_screen_of_a_linux_console() {
    let look = Look { unicode: true, color: true };
    let mut desk = Desk::with(machine(), FoundHardware::default(), look, "lifeboat.rezise=no");
    screens!("welcome_unicode", desk.model);
    desk.go_to_hardware();
    screens!("no_disk", desk.model);
}

fn listed(path: &str, directory: bool, size_bytes: u64) -> ListedFile {
    ListedFile { path: path.into(), directory, size_bytes }
}

#[test]
fn chosen_files_into_a_folder() {
    let mut desk = desk();
    desk.files =
        (0..40).map(|n| listed(&format!("/var/log/very/deep/{}/log.{n}", "x".repeat(60)), false, n << 20)).collect();
    desk.files.extend([
        listed("/etc", true, 0),
        listed("/etc/fstab", false, 611),
        listed("/etc/ssh/sshd_config", false, 3200),
    ]);
    desk.press(&[Key::Down, Key::Enter]);
    desk.type_text("right");
    desk.press(&[Key::Enter, Key::Enter]);
    screens!("files", desk.model);
    desk.press(&[Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Files, "nothing was chosen yet");
    desk.type_text("etc/");
    desk.press(&[Key::Tab, Key::Down, Key::Tab]);
    screens!("files_chosen", desk.model);
    desk.press(&[Key::Enter]);
    screens!("destination", desk.model);
    desk.press(&[Key::Enter]);
    let folder = Destination::Folder("/mnt/restored".into());
    assert!(matches!(&desk.asked[..], [Request::RestoreFiles(paths, to)] if *to == folder && paths.len() == 2));
    let problems =
        (0..60).map(|n| (format!("/etc/{n}").into(), "cannot WRITE: Input/output error".to_owned())).collect();
    desk.send(Message::FilesRestored(Ok(RestoredFiles { entries: 2, bytes: 3811, problems })));
    desk.press(&[Key::PageDown]);
    screens!("files_result", desk.model);
}

#[test]
fn files_to_their_places_need_the_machines_name() {
    let mut desk = desk();
    desk.files = vec![listed("/boot", true, 0), listed("/etc/fstab", false, 611)];
    desk.press(&[Key::Down, Key::Enter]);
    desk.type_text("right");
    desk.press(&[Key::Enter, Key::Enter, Key::Tab, Key::Tab, Key::Enter, Key::Down]);
    screens!("destination_machine", desk.model);
    desk.press(&[Key::Enter]);
    screens!("files_confirm", desk.model);
    desk.type_text("bo");
    desk.press(&[Key::Enter]);
    assert!(desk.text().contains("that is not 'box'; nothing was touched"), "{}", desk.text());
    assert!(desk.asked.is_empty());
    desk.type_text("x");
    desk.press(&[Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Progress);
    assert!(matches!(&desk.asked[..], [Request::RestoreFiles(paths, Destination::Machine)] if paths.len() == 2));
}

#[test]
fn passphrases_of_the_machine_are_asked_for_before_anything_else() {
    let mut desk = desk();
    let device = |name: &str| format!("{name} (LUKS 64f0a6d1)");
    desk.locked = vec![(device("vda3_crypt"), "first".into()), (device("data"), "second".into())];
    desk.press(&[Key::Enter]);
    desk.type_text("right");
    desk.press(&[Key::Enter, Key::Enter]);
    screens!("machine_locked", desk.model);
    desk.press(&[Key::Enter]);
    assert!(desk.text().contains("type the passphrase"), "{}", desk.text());
    desk.type_text("wrong");
    desk.press(&[Key::Enter]);
    screens!("machine_locked_wrong", desk.model);
    desk.type_text("second");
    desk.press(&[Key::Enter]);
    assert!(desk.text().contains("The passphrase fits."), "{}", desk.text());
    desk.type_text("first");
    desk.press(&[Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Hardware);
    desk.press(&[Key::Escape]);
    assert_eq!(desk.model.screen, Screen::Snapshots);
}

#[test]
fn an_opened_disk_without_the_archive_is_not_asked_for_again() {
    let mut desk = desk();
    desk.press(&[Key::Down, Key::Down, Key::Enter, Key::End]);
    desk.type_text("disk:LABEL=SAFE:/db7");
    // With nothing typed the search goes on without the disk.
    desk.press(&[Key::Enter, Key::Enter]);
    assert_eq!(desk.unlocked, [""]);
    assert_eq!(desk.model.screen, Screen::Key);
    desk.model.busy = Some("Trying the key".into());
    desk.send(Message::Opened(Err("cannot USE disk:LABEL=SAFE:/db7: No such file or directory".into())));
    assert_eq!(desk.model.screen, Screen::Source);
    assert!(desk.text().contains("No such file or directory"), "{}", desk.text());
}

#[test]
fn a_failure_lists_everything_and_logs_can_be_saved() {
    let mut desk = desk();
    desk.go_to_hardware();
    desk.press(&[Key::Enter, Key::Enter, Key::Enter]);
    desk.type_text("box");
    desk.press(&[Key::Enter]);
    for n in 0..30 {
        desk.event(Event::Entry { path: format!("/srv/{n}"), text: "cannot WRITE: Input/output error".into() });
    }
    let reason = "the files could not be restored: cannot WRITE /srv/30: No space left on device; restored 30 of 28114 entries; try a larger target";
    desk.send(Message::Recovered(Err((reason.into(), Disks::Written))));
    screens!("failed", desk.model);
    desk.press(&[Key::End, Key::Up, Key::Down, Key::Down, Key::Down, Key::Down, Key::Enter]);
    screens!("save", desk.model);
    desk.press(&[Key::Enter]);
    screens!("saved", desk.model);
    desk.press(&[Key::Up, Key::Up, Key::Up, Key::Up, Key::Enter]);
    assert_eq!(desk.model.screen, Screen::Welcome);
}

#[test]
fn a_machine_that_is_bootable_is_offered_its_restart_first() {
    let mut desk = desk();
    desk.go_to_hardware();
    desk.press(&[Key::Enter, Key::Enter, Key::Enter]);
    desk.type_text("box");
    desk.press(&[Key::Enter]);
    desk.event(Event::Entry { path: "/boot/efi/EFI".into(), text: "cannot SET the inode flags".into() });
    let reason = "1 of 28114 entries could not be restored or differ";
    desk.send(Message::Recovered(Err((reason.into(), Disks::Rebuilt))));
    let text = desk.text();
    for part in ["The machine is BOOTABLE", reason, "remove the medium and restart", "/boot/efi/EFI"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(place("Restart the computer") < place("Start again"), "{text}");
    // Enter takes the first: it restarts.
    desk.press(&[Key::Enter]);
    assert_eq!(desk.left, Some(After::Reboot));
}

#[test]
fn another_archive_and_the_keyboard() {
    let mut desk = desk();
    desk.press(&[Key::Down, Key::Down, Key::Enter, Key::End]);
    desk.type_text("/mnt/nas/box");
    screens!("source", desk.model);
    desk.press(&[Key::Enter]);
    assert_eq!((desk.model.screen, desk.model.source.as_deref()), (Screen::Key, Some("/mnt/nas/box")));
    desk.press(&[Key::Tab]);
    desk.type_text(&"abandon ability able about above absent absorb abstract absurd abuse access ".repeat(2));
    screens!("key_words", desk.model);
    desk.press(&[Key::Escape, Key::Escape, Key::Down, Key::Enter]);
    desk.type_text("d");
    screens!("keyboard", desk.model);
    desk.press(&[Key::Enter]);
    assert!(desk.text().contains("Keyboard layout: de-latin1"), "{}", desk.text());
}

#[test]
fn keys_wait_while_the_worker_works() {
    let mut desk = desk();
    desk.model.busy = Some("Reading the disks".into());
    desk.press(&[Key::Enter, Key::Escape, Key::Down]);
    assert_eq!((desk.model.screen, desk.model.welcome.at), (Screen::Welcome, 0));
    assert!(desk.text().contains("Reading the disks ..."));
}

#[test]
fn a_key_is_never_shown_by_debugging() {
    let mut desk = desk();
    desk.press(&[Key::Enter]);
    desk.type_text("secret words");
    assert!(!format!("{:?}", desk.model).contains("secret"));
}

mod any_keys {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            4 => Just(Key::Enter),
            1 => Just(Key::Escape),
            2 => prop_oneof![Just(Key::Up), Just(Key::Down), Just(Key::Tab), Just(Key::PageDown), Just(Key::End), Just(Key::Home)],
            1 => prop_oneof![Just(Key::Backspace), Just(Key::Delete), Just(Key::Left), Just(Key::Control('u'))],
            1 => "[wdfmor0-9/\u{fc}]".prop_map(|text| Key::Char(text.chars().next().unwrap())),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
        /// Nothing is written without the name, whatever is pressed, and every screen is painted at any size.
        #[test]
        fn nothing_is_written_without_the_name(
            keys in proptest::collection::vec(key(), 1..60), columns in 20_u16..140, rows in 8_u16..50, files: bool
        ) {
            let mut desk = desk();
            desk.files = vec![listed("/etc/fstab", false, 611)];
            desk.input(Input::Size(columns, rows));
            if files {
                desk.press(&[Key::Down]);
            }
            desk.press(&[Key::Enter]);
            desk.type_text("right");
            for key in keys {
                desk.press(&[key]);
                desk.text();
            }
            let writes = |request: &Request| {
                matches!(request, Request::CarryOut(..) | Request::RestoreFiles(_, Destination::Machine))
            };
            prop_assert!(!desk.asked.iter().any(writes));
        }

        /// Escape leads from everywhere to the beginning, and changes nothing on the way.
        #[test]
        fn back_works_everywhere(keys in proptest::collection::vec(key(), 1..60)) {
            let mut desk = desk();
            desk.go_to_hardware();
            desk.press(&keys);
            prop_assume!(!matches!(desk.model.screen, Screen::Progress | Screen::Result));
            let policy = desk.model.policy.clone();
            desk.press(&[Key::Escape; 40]);
            prop_assert_eq!(desk.model.screen, Screen::Welcome);
            prop_assert_eq!(&desk.model.policy, &policy);
        }
    }
}

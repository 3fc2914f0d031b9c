//! The restored system follows other storage: its files, its boot loader's configuration, its initramfs.
#![allow(clippy::unwrap_used)]

mod common;

use common::{empty_machine, empty_plan, run};
use lifeboat_machine::Name;
use lifeboat_machine::boot::InitramfsTool;
use lifeboat_plan::{MovedStorage, Step};
use lifeboat_sys::FakeRunner;
use std::path::Path;

fn write(target: &Path, name: &str, text: &str) {
    let path = target.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn moved() -> MovedStorage {
    MovedStorage {
        closed: vec![("old_crypt".into(), "1-1".into())],
        opened: vec!["root_crypt UUID=2-2 none luks,initramfs".into()],
        disbanded: vec!["0:0:0:a".into()],
        given_up: vec![],
        assembled: vec!["ARRAY /dev/md/data metadata=1.2 UUID=1:2:3:4".into()],
        words_gone: vec!["rd.md.uuid=0:0:0:a".into()],
        words_new: vec![],
        initramfs: vec!["cryptsetup".into(), "mdadm".into()],
        grub: Some(Name::from("/boot/grub")),
    }
}

#[test]
fn files_follow_and_stay_when_it_is_done_again() {
    let target = tempfile::tempdir().unwrap();
    let own = target.path();
    write(own, "etc/fstab", "/dev/md/root / ext4 defaults 0 1\nUUID=9 /home ext4 defaults 0 2\n");
    write(own, "etc/crypttab", "old_crypt UUID=1-1 none luks\nother UUID=3-3 none luks\n");
    write(own, "etc/mdadm/mdadm.conf", "ARRAY /dev/md/root UUID=0:0:0:a\n");
    write(own, "etc/default/grub", "GRUB_CMDLINE_LINUX=\"rd.md.uuid=0:0:0:a quiet\"\n");
    write(own, "boot/grub/grub.cfg", "linux /vmlinuz root=/dev/md127 ro\n");
    write(own, "usr/sbin/grub-mkconfig", "");
    let uuid = "UUID=aaaaaaaa-0000-0000-0000-000000000002".to_owned();
    let replacements = ["/dev/md/root", "/dev/md127"].map(|old| (old.to_owned(), uuid.clone())).to_vec();
    let names = Step::AdaptConfiguration { replacements, gone: vec![] };
    let step = Step::AdaptStorage { moved: moved() };
    for again in [false, true] {
        let runner = FakeRunner::lenient();
        let renamed = run(&runner, own, &empty_machine(), &empty_plan(), &names).unwrap();
        assert_eq!(renamed.len(), if again { 0 } else { 2 }, "{renamed:?}");
        let notes = run(&runner, own, &empty_machine(), &empty_plan(), &step).unwrap();
        assert_eq!(runner.command_lines(), [format!("chroot {} grub-mkconfig -o /boot/grub/grub.cfg", own.display())]);
        assert_eq!(notes.len(), if again { 1 } else { 4 }, "{notes:?}");
        assert_eq!(notes[0] == "/etc/crypttab now fits the new layout", !again, "{notes:?}");
        let read = |name: &str| std::fs::read_to_string(own.join(name)).unwrap();
        assert_eq!(read("etc/fstab"), format!("{uuid} / ext4 defaults 0 1\nUUID=9 /home ext4 defaults 0 2\n"));
        assert_eq!(read("etc/crypttab"), "other UUID=3-3 none luks\nroot_crypt UUID=2-2 none luks,initramfs\n");
        assert_eq!(read("etc/mdadm/mdadm.conf"), "ARRAY /dev/md/data metadata=1.2 UUID=1:2:3:4\n");
        assert_eq!(read("etc/default/grub"), "GRUB_CMDLINE_LINUX=\"quiet\"\n");
        assert_eq!(read("boot/grub/grub.cfg"), format!("linux /vmlinuz root={uuid} ro\n"));
    }
}

/// /dev/sdb2 was swap under a new key at each boot, and what is now /dev/sdb2 holds files.
#[test]
fn what_names_a_device_that_is_gone_does_nothing_any_more() {
    let target = tempfile::tempdir().unwrap();
    let own = target.path();
    write(
        own,
        "etc/fstab",
        "/dev/sdc2 /srv ext4 defaults 0 2\n/dev/mapper/cswap2 none swap sw 0 0\n/dev/sdb1 /data ext4 ro\n",
    );
    write(own, "etc/crypttab", "cswap2 /dev/sdb2 /dev/urandom swap\nother /dev/sdc2 none\n");
    let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
    let replacements =
        vec![pair("/dev/sdb1", "UUID=b1"), pair("/dev/sdc2", "/dev/sdb2"), pair("/dev/sdc1", "/dev/sdb1")];
    let step = Step::AdaptConfiguration { replacements, gone: vec!["/dev/sdb2".into()] };
    let notes = run(&FakeRunner::new(), own, &empty_machine(), &empty_plan(), &step).unwrap();
    let read = |name: &str| std::fs::read_to_string(own.join(name)).unwrap();
    assert_eq!(read("etc/crypttab"), "#cswap2 /dev/sdb2 /dev/urandom swap\nother /dev/sdb2 none\n");
    let expected = "/dev/sdb2 /srv ext4 defaults 0 2\n#/dev/mapper/cswap2 none swap sw 0 0\nUUID=b1 /data ext4 ro\n";
    assert_eq!(read("etc/fstab"), expected);
    let said = |text: &str| notes.iter().any(|note| note.starts_with(text));
    assert!(said("/etc/crypttab: the line of cswap2 is a comment now"), "{notes:?}");
    assert!(said("/etc/fstab: the line is a comment now"), "{notes:?}");
}

#[test]
fn tables_that_are_missing_are_made() {
    let target = tempfile::tempdir().unwrap();
    write(target.path(), "etc/fstab", "");
    std::fs::create_dir_all(target.path().join("etc/mdadm")).unwrap();
    let step = Step::AdaptStorage { moved: MovedStorage { grub: None, ..moved() } };
    run(&FakeRunner::new(), target.path(), &empty_machine(), &empty_plan(), &step).unwrap();
    let read = |name: &str| std::fs::read_to_string(target.path().join(name)).unwrap();
    assert!(read("etc/crypttab").ends_with("\nroot_crypt UUID=2-2 none luks,initramfs\n"));
    assert_eq!(read("etc/mdadm/mdadm.conf"), "HOMEHOST <system>\nARRAY /dev/md/data metadata=1.2 UUID=1:2:3:4\n");
}

#[test]
fn the_initramfs_must_hold_what_the_root_lies_on() {
    let target = tempfile::tempdir().unwrap();
    write(target.path(), "boot/initrd.img-6.1.0-18-amd64", "");
    let mut machine = empty_machine();
    machine.boot.initramfs = InitramfsTool::InitramfsTools;
    machine.boot.kernel = "6.1.0-18-amd64".into();
    let mut plan = empty_plan();
    plan.steps = vec![Step::AdaptStorage { moved: moved() }];
    let step = Step::RebuildInitramfs { reason: String::new() };
    for (list, missing) in [
        ("usr/sbin/cryptsetup\nusr/sbin/mdadm\n", None),
        ("usr/sbin/cryptsetup\n", Some("has no mdadm")),
        ("", Some("has no cryptsetup")),
    ] {
        let call = format!("chroot {} lsinitramfs", target.path().display());
        let runner = FakeRunner::lenient().answer(&call, list);
        let done = run(&runner, target.path(), &machine, &plan, &step);
        match missing {
            None => assert_eq!(done.unwrap(), Vec::<String>::new()),
            Some(text) => {
                let error = done.unwrap_err().to_string();
                assert!(error.contains(text), "{error}");
                assert_eq!(error.contains("cryptsetup-initramfs"), text.ends_with("cryptsetup"), "{error}");
            }
        }
    }
}

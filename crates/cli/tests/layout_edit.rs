//! `lifeboat layout edit`: moves, editors, and what is refused.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;
use lifeboat_machine::testing::{empty_machine, five_partitions, gpt_machine, mirrored_machine};
use lifeboat_machine::{Content, DeviceKind, Machine};
use std::path::Path;

const MIB: u64 = 1 << 20;

fn edit(folder: &Path, machine: &Machine, arguments: &[&str], editor: &str) -> (i32, String, Option<Machine>) {
    let (file, out) = (folder.join("machine.json"), folder.join("new.json"));
    std::fs::write(&file, machine.to_json()).unwrap();
    let _ = std::fs::remove_file(&out);
    let mut command = Command::cargo_bin("lifeboat").unwrap();
    command.env("EDITOR", editor).env_remove("VISUAL");
    let output = command.args(["layout", "edit"]).arg(&file).arg("--out").arg(&out).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let new = std::fs::read(&out).ok().map(|json| Machine::from_json(&json).unwrap());
    (output.status.code().unwrap(), text, new)
}

#[test]
fn moves_write_a_new_description() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said, new) = edit(folder.path(), &mirrored_machine(false), &["--raid1-to-disk", "root"], "");
    assert_eq!(code, 0, "{said}");
    let new = new.unwrap();
    assert_eq!(new.layout.disks().count(), 1);
    assert!(!new.layout.devices.iter().any(|device| matches!(device.kind, DeviceKind::Array(_))));
    // By mount point, on what the move before made.
    let moves = ["--disk-to-raid1", "disk0:S2", "--encrypt", "/home", "--luks-key", "/etc/lifeboat/luks.key"];
    let (code, said, new) = edit(folder.path(), &five_partitions(1000 * MIB), &moves, "");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("mdadm") && said.contains("cryptsetup"), "{said}");
    let new = new.unwrap();
    let home = &new.layout.mount_at("/home").unwrap().device;
    let below: Vec<_> = new.layout.below(home).into_iter().map(|device| &device.kind).collect();
    assert!(below.iter().any(|kind| matches!(kind, DeviceKind::Array(_))) && below.len() == 6, "{below:?}");
    assert!(
        matches!(below.last(), Some(DeviceKind::Crypt(crypt)) if crypt.key_file.as_deref() == Some("/etc/lifeboat/luks.key"))
    );
}

#[test]
fn mistakes_and_refusals_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, code, part) in [
        (&["--raid1-to-disk", "md9"][..], 2, "no device md9"),
        (&["--filesystem", "/:zfs"], 2, "DEVICE:KIND"),
        (&["--to-lvm", "/:vg0"], 2, "GROUP/VOLUME"),
        (&["--add-disk", "large"], 2, "SIZE[:SERIAL]"),
        (&["--luks-key", "/k"], 2, "--encrypt"),
        (&["--encrypt", "/"], 3, "give /boot a partition of its own"),
        (&["--decrypt", "/"], 3, "it is not encrypted"),
    ] {
        let (found, said, new) = edit(folder.path(), &gpt_machine(), arguments, "");
        assert_eq!(found, code, "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert_eq!(new, None, "{arguments:?}");
    }
}

#[test]
fn an_editor_is_opened_and_what_it_wrote_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let machine = gpt_machine();
    let (code, said, new) = edit(folder.path(), &machine, &[], "sed -i s/RENAMED/RENAMED/");
    assert_eq!((code, new.as_ref()), (0, Some(&machine)), "{said}");
    // What is no description is kept, and the same command goes on with it.
    let (code, said, new) = edit(folder.path(), &machine, &[], "sed -i '1s/{/[/'");
    assert_eq!((code, new), (3, None), "{said}");
    let draft = folder.path().join("new.json.draft");
    assert!(std::fs::read(&draft).unwrap().starts_with(b"["));
    let (code, said, new) = edit(folder.path(), &machine, &[], "sed -i '1s/\\[/{/'");
    assert_eq!((code, new.as_ref()), (0, Some(&machine)), "{said}");
    assert!(!draft.exists());
    // A filesystem must have a place.
    let mut lost = machine.clone();
    lost.layout.mounts.clear();
    for device in &mut lost.layout.devices {
        if device.filesystem().is_some() {
            device.content = Content::Empty;
        }
    }
    let other = folder.path().join("other.json");
    for (json, part) in [(lost.to_json(), "no place for"), (empty_machine().to_json(), "no place for")] {
        std::fs::write(&other, json).unwrap();
        let (code, said, new) = edit(folder.path(), &machine, &[], &format!("cp {}", other.display()));
        assert_eq!((code, new), (3, None), "{said}");
        assert!(said.contains(part), "{said}");
        let _ = std::fs::remove_file(&draft);
    }
}

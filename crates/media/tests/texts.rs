//! The boot menu and RECOVER-BY-HAND.txt for a machine with a hostile name.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use lifeboat_machine::Mode;
use lifeboat_media::{Menu, MenuOptions, recover_by_hand};
use std::process::Command;

#[test]
fn menu() {
    let menu = Menu::new(&common::machine(), &common::manifest(), &MenuOptions::default());
    assert_eq!(menu.default, "interactive");
    insta::assert_snapshot!("grub_cfg", menu.grub_cfg(&common::manifest().medium_id));
}

/// GRUB cuts longer lines on the text screen of a BIOS (80 columns, with a frame).
#[test]
fn no_line_is_cut_and_no_entry_does_nothing() {
    const COLUMNS: usize = 74;
    let (mut machine, mut manifest) = (common::machine(), common::manifest());
    machine.name = "a-very-long-name-of-a-machine-that-somebody-gave-to-it-in-1999-x".to_owned();
    manifest.machine_name = machine.name.clone();
    let menu = Menu::new(&machine, &manifest, &MenuOptions::default()).grub_cfg("00");
    let entries: Vec<&str> = menu.split("menuentry '").skip(1).collect();
    assert_eq!(entries.len(), 7, "{menu}");
    for entry in entries {
        let title = entry.split("' --id").next().unwrap();
        assert!(title.chars().count() <= COLUMNS, "{title}");
        let commands = entry.split_once("{\n").unwrap().1;
        assert!(!commands.trim_start().starts_with("true") && !commands.trim_start().starts_with('}'), "{entry}");
    }
    for word in ["Interactive: ", "Expert: ", "Compare: ", "Nuke: "] {
        assert!(menu.contains(&format!("menuentry '{word}")), "{menu}");
    }
}

#[test]
fn a_default_that_writes_must_be_chosen() {
    let menu = |options: &MenuOptions| Menu::new(&common::machine(), &common::manifest(), options);
    let plain = menu(&MenuOptions { timeout_seconds: Some(0), ..MenuOptions::default() });
    assert_eq!((plain.default.as_str(), plain.timeout_seconds), ("interactive", 0));
    let chosen = menu(&MenuOptions { default_mode: Some(Mode::Nuke), ..MenuOptions::default() });
    assert_eq!((chosen.default.as_str(), chosen.timeout_seconds), ("nuke", 10));
    let more = menu(&MenuOptions {
        parameters: vec!["lifeboat.source=disk:LABEL=my backup".into()],
        ..MenuOptions::default()
    });
    assert_eq!(
        more.command_line(),
        "lifeboat.mode=interactive lifeboat.menu=30 console=tty0 console=ttyS1,57600 net.ifnames=0 quiet lifeboat.source=\"disk:LABEL=my backup\""
    );
    assert!(chosen.command_line().starts_with("lifeboat.mode=nuke lifeboat.menu=10 "));
    assert!(more.grub_cfg("00").contains(" 'lifeboat.source=\"disk:LABEL=my backup\"'"), "{}", more.grub_cfg("00"));
}

#[test]
fn grub_reads_the_menu() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grub.cfg");
    let menu = Menu::new(&common::machine(), &common::manifest(), &MenuOptions::default());
    std::fs::write(&path, menu.grub_cfg("00")).unwrap();
    let output = Command::new("grub-script-check").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn page() {
    let page = recover_by_hand(&common::machine(), &common::manifest());
    insta::assert_snapshot!("recover_by_hand", page);
    let commands: String =
        page.lines().filter_map(|line| line.strip_prefix("    ")).flat_map(|line| [line, "\n"]).collect();
    // bash understands it.
    let mut child = Command::new("bash").arg("-n").stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), commands.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

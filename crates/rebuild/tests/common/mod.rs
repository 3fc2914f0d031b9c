//! Image files, loop devices and an empty machine.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::Machine;
use lifeboat_plan::Plan;
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Image {
    pub size: u64,
    directory: tempfile::TempDir,
}

impl Image {
    pub fn new(size: u64) -> Image {
        let directory = tempfile::tempdir().unwrap();
        std::fs::File::create(directory.path().join("image")).unwrap().set_len(size).unwrap();
        Image { size, directory }
    }

    pub fn path(&self) -> &'static Path {
        // Tests are short, and a path that lives on is easier to hand around.
        Box::leak(self.directory.path().join("image").into_boxed_path())
    }

    pub fn text(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }
}

/// A loop device on an image.
pub struct Loop {
    pub path: PathBuf,
    pub image: Image,
}

impl Loop {
    pub fn new(size: u64, sector: u32) -> Loop {
        let image = Image::new(size);
        let path = text_of("losetup", &["--find", "--show", "--sector-size", &sector.to_string(), &image.text()]);
        Loop { path: PathBuf::from(path.trim()), image }
    }

    pub fn text(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

/// Runs a program and gives what it printed; panics with what it said when it fails.
pub fn text_of(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).env("LC_ALL", "C").output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {out}\n{error}");
    out.into_owned()
}

pub fn empty_plan() -> Plan {
    Plan { targets: vec![], steps: vec![], moved: vec![], notes: vec![] }
}

pub fn empty_machine() -> Machine {
    let json = serde_json::json!({
        "format": 1, "name": "box", "machine_id": "0123456789abcdef0123456789abcdef", "architecture": "x86_64",
        "recorded_at": "2026-01-01T00:00:00Z",
        "os": {"id": "debian", "version_id": "12", "pretty_name": "Debian"},
        "hardware": {"vendor": "", "product": "", "serial": "", "modaliases": [], "memory_bytes": 0},
        "layout": {"devices": [], "mounts": [], "swap_files": []},
        "boot": {"firmware": {"type": "bios"}, "loaders": [], "efi_entries": [], "initramfs": "none", "kernel": "", "command_line": ""},
        "network": {"interfaces": [], "name_servers": [], "search": []}
    });
    Machine::from_json(json.to_string().as_bytes()).unwrap()
}

//! Image files, loop devices and an empty machine.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

use lifeboat_machine::layout::{Partition, PartitionRole, PartitionTable, Swap, SwapFile, TableKind};
pub use lifeboat_machine::testing::empty_machine;
use lifeboat_machine::{DeviceId, Machine, Name};
use lifeboat_plan::{Plan, Step};
use lifeboat_rebuild::{Context, RebuildError, apply};
use lifeboat_sys::FakeRunner;
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

/// A table with its entries.
pub type Table = (PartitionTable, Vec<Partition>);

pub fn entry(number: u32, start_sector: u64, sectors: u64, type_id: &str, role: PartitionRole) -> Partition {
    let gpt = type_id.len() > 2;
    Partition {
        parent: DeviceId("disk0".into()),
        number,
        start_sector,
        sectors,
        type_id: type_id.into(),
        uuid: gpt.then(|| format!("AAAAAAAA-0000-4000-8000-{number:012}")),
        name: None,
        attributes: None,
        bootable: false,
        role,
    }
}

pub fn table(kind: TableKind, id: &str, first_lba: Option<u64>, last_lba: Option<u64>) -> PartitionTable {
    PartitionTable { kind, id: id.into(), first_lba, last_lba, entries: None, boot_code: None }
}

pub const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// Odd places, names and attributes, out of order.
pub fn gpt() -> Table {
    let mut entries = vec![
        entry(1, 34, 2014, "21686148-6449-6E6F-744E-656564454649", PartitionRole::Primary),
        entry(3, 4096, 2048, LINUX, PartitionRole::Primary),
        entry(2, 8192, 100_000, LINUX, PartitionRole::Primary),
    ];
    entries[1].name = Some("a \"b\" \\ $x".into());
    entries[1].attributes = Some("RequiredPartition LegacyBIOSBootable GUID:63".into());
    entries[2].name = Some("größer".into());
    (table(TableKind::Gpt, "11111111-2222-3333-4444-555555555555", Some(34), Some(131_038)), entries)
}

/// Logical partitions 2 sectors behind each other's end, and slack behind them.
pub fn mbr() -> Table {
    let mut entries = vec![
        entry(1, 2048, 2048, "83", PartitionRole::Primary),
        entry(2, 6142, 20_482, "5", PartitionRole::Extended),
        entry(5, 6144, 2048, "82", PartitionRole::Logical),
        entry(6, 10_240, 2048, "83", PartitionRole::Logical),
    ];
    entries[0].bootable = true;
    (table(TableKind::Mbr, "0xdeadbeef", None, None), entries)
}

pub fn swap_file(path: &str, size_bytes: u64, uuid: Option<&str>, label: &str) -> SwapFile {
    SwapFile {
        path: Name::from(path),
        size_bytes,
        swap: Swap { uuid: uuid.map(str::to_owned), label: Name::from(label), page_bytes: 4096 },
        mode: 0o600,
        uid: 0,
        gid: 0,
        xattrs: vec![],
    }
}

/// Applies a step to a target folder, without what needs a kernel.
pub fn run(
    runner: &FakeRunner,
    target: &Path,
    machine: &Machine,
    plan: &Plan,
    step: &Step,
) -> Result<Vec<String>, RebuildError> {
    let mut context = Context::new(runner, target, machine, plan);
    context.chroot_mounts = false;
    context.efivars = target.join("efivars");
    context.by_id = target.join("by-id");
    apply(step, &context)
}

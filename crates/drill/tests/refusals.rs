//! The unattended mode stops with FAILED and a reason, and leaves the disks as they are: hashed before and after.
//!
//! The kernel and initramfs of a real medium are started directly, so that each case chooses its command line; the
//! medium itself, tampered with where the case asks for it, is the disc in the drive.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/places.rs"]
mod places;

use common::{PLAIN, RESCUE, programs, run_scenario, scenario};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::scenario::await_end;
use lifeboat_drill::lab::{Original, Scenario};
use lifeboat_drill::vm::{DirectKernel, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::{Event, MediumManifest};
use places::Places;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const GIB: u64 = 1 << 30;
/// Half of the machine's disk: enough for its data.
const ENOUGH: u64 = 4 * GIB;
const PATIENCE: Duration = Duration::from_secs(900);

/// One case's setting.
struct Case<'a> {
    scenario: &'a Scenario,
    kernel: PathBuf,
    initrd: PathBuf,
    medium: PathBuf,
}

fn hash(path: &Path) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path).unwrap()).unwrap();
    hasher.finalize()
}

impl Case<'_> {
    fn new<'a>(scenario: &'a Scenario, original: &Original, places: &Places) -> Case<'a> {
        let extract = |name: &str| {
            let path = scenario.directory.join(name);
            std::fs::write(&path, places.content(&original.medium, &format!("/lifeboat/{name}"))).unwrap();
            path
        };
        Case { scenario, kernel: extract("kernel"), initrd: extract("initrd.img"), medium: original.medium.clone() }
    }

    /// A copy of the medium to tamper with.
    fn copy(&mut self) -> &Path {
        let copy = self.scenario.directory.join("tampered.iso");
        let status =
            Command::new("cp").args(["--reflink=auto", "--sparse=always"]).arg(&self.medium).arg(&copy).status();
        assert!(status.unwrap().success());
        self.medium = copy;
        &self.medium
    }

    /// Lays a file over those of the initramfs.
    fn overlay(&mut self, path: &str, content: &[u8]) {
        let changed = self.scenario.directory.join("initrd-changed.img");
        places::overlay(&self.initrd, path, content, &changed);
        self.initrd = changed;
    }

    /// Boots into nuke with these disks; it must fail for the reason, and no disk may change.
    fn must_refuse(&self, name: &str, disks: &[PathBuf], parameters: &str, reason: &str) -> Result<(), DrillError> {
        let before: Vec<_> = disks.iter().map(|disk| hash(disk)).collect();
        let command_line = format!("console=ttyS0 panic=30 lifeboat.after=poweroff {parameters}");
        let kernel = DirectKernel { kernel: self.kernel.clone(), initrd: Some(self.initrd.clone()), command_line };
        let mut spec = VmSpec::new(VmFirmware::Bios).memory(2048).kernel(kernel);
        // Not `disc`: the kernel is there already, and the firmware boots only one thing first.
        spec.disc = Some(self.medium.clone());
        for (index, disk) in disks.iter().enumerate() {
            spec = spec.disk(VmDisk::raw(disk, &format!("refusal-{index}")));
        }
        let logs = self.scenario.directory.join("refusals").join(name);
        let mut vm = Vm::start(&spec, self.scenario.acceleration, &logs)?;
        let end = await_end(&mut vm, PATIENCE)?;
        vm.wait_off(PATIENCE)?;
        let Event::Failed { reason: reported } = end.event else { panic!("{name}: {:?}", end.event) };
        eprintln!("{name}: {reported}");
        assert!(reported.contains(reason), "{name}: {reported:?} does not say {reason:?}");
        let after: Vec<_> = disks.iter().map(|disk| hash(disk)).collect();
        assert_eq!(before, after, "{name}: a disk was changed");
        Ok(())
    }
}

fn disk(scenario: &Scenario, name: &str, size: u64) -> PathBuf {
    let path = scenario.directory.join(name);
    image::blank(&path, size).unwrap();
    path
}

/// A disk that holds somebody's files.
fn foreign(scenario: &Scenario) -> PathBuf {
    let path = disk(scenario, "foreign.img", ENOUGH);
    places::foreign_data(&path);
    path
}

#[test]
#[ignore = "long: make test-all"]
fn nuke_refuses_and_touches_nothing() {
    run_scenario(|| {
        let scenario = scenario(PLAIN)?;
        let original = scenario.recorded(&programs(), RESCUE)?;
        let places = Places::read(&original.medium);
        let case = || Case::new(&scenario, &original, &places);
        let blank = |name: &str, size: u64| vec![disk(&scenario, name, size)];
        let nuke = "lifeboat.mode=nuke";

        case().must_refuse("foreign-data", &[foreign(&scenario)], nuke, "lifeboat.wipe=")?;
        let two = [disk(&scenario, "one.img", ENOUGH), disk(&scenario, "two.img", ENOUGH)];
        case().must_refuse("two-blank-disks", &two, nuke, "fit equally")?;
        case().must_refuse("too-small", &blank("small.img", GIB / 2), nuke, "cannot FIT")?;
        let mistyped = "lifeboat.mode=nuke lifeboat.resise=no";
        case().must_refuse("mistyped", &blank("blank.img", ENOUGH), mistyped, "lifeboat.resise")?;
        case().must_refuse("mistyped-mode", &blank("blank.img", ENOUGH), "lifeboat.mode=nuk", "nuk")?;

        // One bit in each kind of file of the archive, and in a random pack.
        let mut packs: Vec<&String> = places.0.keys().filter(|path| path.starts_with("/lifeboat/repo/data/")).collect();
        let mut random = [0; 8];
        std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
        let random = u64::from_ne_bytes(random);
        let pack = packs.remove(random as usize % packs.len()).clone();
        let of = |folder: &str| {
            let start = format!("/lifeboat/repo/{folder}");
            places.0.keys().find(|path| path.starts_with(&start)).unwrap().clone()
        };
        for path in [pack, of("config"), of("keys/"), of("index/"), of("snapshots/")] {
            let mut content = places.content(&original.medium, &path);
            let at = random as usize % content.len();
            content[at] ^= 1 << (random % 8);
            let mut case = case();
            places.replace(case.copy(), &path, &content);
            let name = format!("flipped-{}", path.split('/').nth(3).unwrap());
            eprintln!("{name}: bit {} of byte {at} of {path}", random % 8);
            let file = path.strip_prefix("/lifeboat/").unwrap().to_owned();
            case.must_refuse(&name, &blank("blank.img", ENOUGH), nuke, &file)?;
        }

        let mut truncated = case();
        let iso = truncated.copy();
        let size = std::fs::metadata(iso).unwrap().len();
        std::fs::File::options().write(true).open(iso).unwrap().set_len(size / 10 * 7 / 2048 * 2048).unwrap();
        truncated.must_refuse("truncated", &blank("blank.img", ENOUGH), nuke, "the medium is damaged")?;

        // The medium of another machine in the drive, and the rescue system of another machine.
        let manifest = places.content(&original.medium, "/lifeboat/manifest.json");
        let mut other: MediumManifest = serde_json::from_slice(&manifest).unwrap();
        let flip = |text: &str| text.chars().rev().collect::<String>();
        other.machine_id = flip(&other.machine_id);
        let text = String::from_utf8(manifest.clone()).unwrap();
        let original_id = flip(&other.machine_id);
        let strange = text.replace(&original_id, &other.machine_id).into_bytes();
        let mut foreign_medium = case();
        places.replace(foreign_medium.copy(), "/lifeboat/manifest.json", &strange);
        let not_found = "the medium that belongs to this rescue system was not found";
        foreign_medium.must_refuse("other-medium", &blank("blank.img", ENOUGH), nuke, not_found)?;
        let mut both = case();
        places.replace(both.copy(), "/lifeboat/manifest.json", &strange);
        both.overlay("lifeboat/manifest.json", &strange);
        both.must_refuse("other-machine", &blank("blank.img", ENOUGH), nuke, "belong")?;

        // A key that opens nothing, on a medium that is consistent in itself.
        let key = places.content(&original.medium, "/lifeboat/repository.key");
        let wrong: Vec<u8> = key.iter().map(|byte| if *byte == b'a' { b'b' } else { *byte }).collect();
        assert_ne!(key, wrong);
        let hashed = |key: &[u8]| blake3::hash(key).to_hex().to_string();
        let text = String::from_utf8(manifest).unwrap();
        let wrong_manifest = text.replace(&hashed(&key), &hashed(&wrong)).into_bytes();
        assert_ne!(text.as_bytes(), wrong_manifest);
        let mut wrong_key = case();
        let iso = wrong_key.copy().to_owned();
        places.replace(&iso, "/lifeboat/repository.key", &wrong);
        places.replace(&iso, "/lifeboat/manifest.json", &wrong_manifest);
        wrong_key.overlay("lifeboat/manifest.json", &wrong_manifest);
        wrong_key.must_refuse("wrong-key", &blank("blank.img", ENOUGH), nuke, "key")
    });
}

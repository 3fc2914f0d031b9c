//! Machines on stacked storage: each is made by `lab/layouts/NAME.sh` inside a machine that has the tools, recorded, lost,
//! recovered onto blank disks, read by stock tools beside the original, and booted.
//!
//! The build host's kernel need not have md or device mapper: everything happens in guests.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, RESCUE, lab, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::Scenario;
use lifeboat_drill::lab::scenario::{BOOT, MEDIUM_DIRECTORY, RECORD, RECOVER, await_end};
use lifeboat_drill::vm::{Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::Event;
use lifeboat_sys::SystemRunner;
use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The machine that makes the disks of the others, and that they are a copy of.
const DEBIAN_12: &str = "debian12-layouts";
const DEBIAN_13: &str = "debian13-layouts";
const GIB: u64 = 1 << 30;
/// Where the scripts of the layouts are in the workbench.
const SCRIPTS: &str = "/run/layouts";
/// What an unused UEFI machine has.
const VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// A mirror lacks a disk.
const DEGRADED: &str = r"grep -q '\[_U\]\|\[U_\]' /proc/mdstat";

/// A layout, as its script in `lab/layouts/` says.
struct Layout {
    name: &'static str,
    scenario: Scenario,
    directory: PathBuf,
    /// Sizes of its disks in GiB.
    disks: Vec<u64>,
    uefi: bool,
    /// Shell commands that must succeed on the original before it is recorded, before its power is cut, and on the recovered machine.
    prepare: String,
    before_cut: String,
    checks: String,
}

/// The serial number of a disk, before and after: which blank disk takes which place is tried elsewhere.
fn serial(number: usize) -> String {
    format!("disk-{number}")
}

/// A variable that a layout's script sets.
fn variable(script: &Path, name: &str) -> String {
    let read = format!(". {}; printf %s \"${{{name}-}}\"", script.display());
    String::from_utf8(Command::new("bash").args(["-c", &read]).output().unwrap().stdout).unwrap()
}

impl Layout {
    fn new(workbench: &str, name: &'static str) -> Result<Layout, DrillError> {
        let scenario = scenario_in("layouts", workbench)?;
        let script = lab().scripts.join("layouts").join(format!("{name}.sh"));
        let directory = scenario.directory.join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let disks = variable(&script, "disks").split(' ').map(|size| size.parse().unwrap()).collect();
        let uefi = variable(&script, "firmware") == "uefi";
        let [prepare, before_cut, checks] = ["prepare", "before_cut", "checks"].map(|what| variable(&script, what));
        Ok(Layout { name, scenario, directory, disks, uefi, prepare, before_cut, checks })
    }

    fn firmware(&self, variables: &str) -> VmFirmware {
        if !self.uefi {
            return VmFirmware::Bios;
        }
        let variables_at = self.directory.join(variables);
        if !variables_at.exists() {
            std::fs::copy(VARIABLES, &variables_at).unwrap();
        }
        VmFirmware::Uefi { secure_boot: false, variables: variables_at }
    }

    /// Kernel names of the disks beside the workbench's own.
    fn names(&self) -> String {
        (0..self.disks.len()).map(|n| format!("vd{}", char::from(b'b' + n as u8))).collect::<Vec<_>>().join(" ")
    }

    /// Runs a script in the workbench, with these disks beside its own; gives what is in /run/output afterwards.
    fn workbench(&self, log: &str, disks: Vec<VmDisk>, script: &str) -> Result<String, DrillError> {
        let own = VmDisk { snapshot: true, ..VmDisk::raw(&self.scenario.machine.disk, "workbench") };
        let mut spec = VmSpec::new(VmFirmware::Bios).memory(2048).disk(own);
        spec.disks.extend(disks);
        spec.bay = true;
        let mut vm = Vm::start(&spec, self.scenario.acceleration, &self.directory.join(log))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.must(&format!("mkdir -p {SCRIPTS}"), BOOT)?;
        let scripts = lab().scripts;
        let files = [
            scripts.join("layouts/common.sh"),
            scripts.join("layouts/inspect.sh"),
            scripts.join("fingerprint.py"),
            scripts.join("layouts").join(format!("{}.sh", self.name)),
        ];
        guest.install(&SystemRunner, &files, SCRIPTS)?;
        guest.must(&format!("touch /run/output; {script}"), RECORD)?;
        let output = self.directory.join(format!("{log}.txt"));
        guest.fetch("/run/output", &output, RECORD)?;
        guest.must("sync", BOOT)?;
        vm.power_cut();
        Ok(std::fs::read_to_string(&output).unwrap())
    }

    /// The machine's disks, made once and kept beside the lab's machines.
    fn made(&self) -> Result<Vec<PathBuf>, DrillError> {
        let scripts = lab().scripts.join("layouts");
        let mut text = self.scenario.machine.disk.display().to_string().into_bytes();
        for file in ["common.sh".to_owned(), format!("{}.sh", self.name)] {
            text.extend(std::fs::read(scripts.join(file)).unwrap());
        }
        // As good as the scripts that made it.
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&text);
        let hash = hasher.finish();
        let kept = lab().machines()?.join(format!("layout-{}-{hash:016x}", self.name));
        let disks: Vec<PathBuf> = (0..self.disks.len()).map(|n| kept.join(format!("disk{n}.img"))).collect();
        if kept.join("done").exists() {
            return Ok(disks);
        }
        std::fs::create_dir_all(&kept).unwrap();
        for (path, size) in disks.iter().zip(&self.disks) {
            image::blank(path, size * GIB)?;
        }
        let attached = disks.iter().enumerate().map(|(n, path)| VmDisk::raw(path, &format!("made-{n}"))).collect();
        let make = format!(
            "bash -exc '. {SCRIPTS}/common.sh; . {SCRIPTS}/{}.sh; make {}' >/run/output 2>&1 || {{ tail -n 30 /run/output; false; }}",
            self.name,
            self.names()
        );
        self.workbench("make", attached, &make)?;
        std::fs::write(kept.join("done"), "").unwrap();
        Ok(disks)
    }

    /// What stock tools see on disks, without what may differ.
    fn inspect(&self, log: &str, disks: Vec<VmDisk>) -> Result<String, DrillError> {
        let disks = disks.into_iter().map(|disk| VmDisk { snapshot: true, ..disk }).collect();
        let inspect = format!(
            "bash {SCRIPTS}/inspect.sh {} {} >/run/output 2>/run/errors || {{ tail -n 30 /run/errors; false; }}",
            self.name,
            self.names()
        );
        self.workbench(log, disks, &inspect)
    }

    /// Records the machine, cuts its power, recovers it onto blank disks of these sizes in GiB, compares and boots.
    fn lose_and_recover(&self, sizes: &[u64]) -> Result<Vec<VmDisk>, DrillError> {
        let checks: Vec<&str> = HEALTHY.iter().copied().chain(self.checks.lines()).collect();
        self.recover_as(None, sizes, &checks)
    }

    /// The same, on the layout that moves of `lifeboat layout edit` make; the recovered machine passes these checks.
    fn recover_as(&self, moves: Option<&str>, sizes: &[u64], checks: &[&str]) -> Result<Vec<VmDisk>, DrillError> {
        let made = self.made()?;
        let mut originals = vec![];
        for (n, base) in made.iter().enumerate() {
            let overlay = self.directory.join(format!("original{n}.qcow2"));
            image::overlay(&SystemRunner, base, &overlay)?;
            originals.push(VmDisk::qcow2(&overlay, &serial(n)));
        }
        let _ = std::fs::remove_file(self.directory.join("original.vars.fd"));
        let _ = std::fs::remove_file(self.directory.join("recovered.vars.fd"));
        let medium = self.record(&originals, moves)?;
        let mut recovered = vec![];
        for (n, size) in sizes.iter().enumerate() {
            let path = self.directory.join(format!("recovered{n}.img"));
            image::blank(&path, size * GIB)?;
            recovered.push(VmDisk::raw(&path, &serial(n)));
        }
        let mut spec = VmSpec::new(self.firmware("recovered.vars.fd")).memory(2048).disc(&medium);
        spec.disks.clone_from(&recovered);
        let mut vm = Vm::start(&spec, self.scenario.acceleration, &self.directory.join("recovery"))?;
        let end = await_end(&mut vm, RECOVER)?;
        if let Event::Failed { reason } = end.event {
            return Err(DrillError::Failed { reason });
        }
        vm.wait_off(BOOT)?;
        eprintln!("{}: recovered in {} s", self.name, vm.started.elapsed().as_secs());
        let before = self.inspect("inspect-original", originals)?;
        let after = self.inspect("inspect-recovered", recovered.clone())?;
        let same = sizes == self.disks && moves.is_none();
        let mut differences = differences(&before, &after, same);
        if moves.is_some() {
            differences =
                differences.lines().filter(|line| !is_adapted(line)).map(|line| format!("{line}\n")).collect();
        }
        if !differences.is_empty() {
            return Err(DrillError::Different { differences });
        }
        self.boot("booted", &recovered, checks)?;
        Ok(recovered)
    }

    fn record(&self, disks: &[VmDisk], moves: Option<&str>) -> Result<PathBuf, DrillError> {
        let mut spec = VmSpec::new(self.firmware("original.vars.fd")).memory(3072);
        spec.disks = disks.to_vec();
        spec.bay = true;
        let mut vm = Vm::start(&spec, self.scenario.acceleration, &self.directory.join("original"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.install(&SystemRunner, &programs(), "/usr/local/bin")?;
        guest.must(
            &format!("mkdir -p {MEDIUM_DIRECTORY} && mount -t tmpfs -o size=2500m tmpfs {MEDIUM_DIRECTORY}"),
            BOOT,
        )?;
        if !self.prepare.is_empty() {
            guest.must(&self.prepare, BOOT)?;
        }
        let rescue = match moves {
            None => RESCUE.to_owned(),
            Some(moves) => format!(
                "lifeboat --json layout show >/run/machine.json && lifeboat layout edit /run/machine.json --out /run/new.json {moves} && \
                 lifeboat layout plan --layout /run/new.json && {RESCUE} --layout /run/new.json"
            ),
        };
        let said = guest.must(&rescue, RECORD)?;
        std::fs::write(self.directory.join("recorded.txt"), said).unwrap();
        let medium = self.directory.join("rescue.iso");
        guest.fetch(&format!("{MEDIUM_DIRECTORY}/rescue.iso"), &medium, RECORD)?;
        if !self.before_cut.is_empty() {
            guest.must(&self.before_cut, BOOT)?;
        }
        guest.settle()?;
        vm.power_cut();
        Ok(medium)
    }

    fn boot(&self, log: &str, disks: &[VmDisk], checks: &[&str]) -> Result<(), DrillError> {
        let mut spec = VmSpec::new(self.firmware("recovered.vars.fd")).memory(1536);
        spec.disks = disks.to_vec();
        let mut vm = Vm::start(&spec, self.scenario.acceleration, &self.directory.join(log))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        for check in checks {
            guest.must(check, BOOT)?;
        }
        guest.run("poweroff", BOOT)?;
        vm.wait_off(BOOT)
    }
}

/// A file that follows the storage of the machine; and the files of the filesystem that is encrypted, which only the booted machine
/// opens and compares.
fn is_adapted(line: &str) -> bool {
    let path = line.get(1..).unwrap_or_default();
    if path == ". " || path.starts_with("./doc ") || path.starts_with("./doc/") {
        return true;
    }
    [
        "./etc/fstab",
        "./etc/crypttab",
        "./etc/mdadm/mdadm.conf",
        "./boot/grub/",
        "./boot/initrd.img",
        "./etc/lvm/devices/",
    ]
    .iter()
    .any(|known| path.starts_with(known))
}

/// Lines that only one of two inspections has, but for known ones (`lab/ignore/debian12-layouts`); with disks of other
/// sizes without those of the storage.
fn differences(before: &str, after: &str, same_sizes: bool) -> String {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    before.lines().for_each(|line| *counts.entry(line).or_default() -= 1);
    after.lines().for_each(|line| *counts.entry(line).or_default() += 1);
    let storage = |line: &str| !line.starts_with("./") && !line.starts_with(". ");
    let lines = counts.iter().filter(|(_, count)| **count != 0).map(|(line, count)| {
        let sign = if *count > 0 { '+' } else { '-' };
        (line, format!("{sign}{line}"))
    });
    let lines = lines.filter(|(line, _)| same_sizes || !storage(line));
    unknown(&lines.map(|(_, text)| text + "\n").collect::<String>())
}

/// The lines that no pattern of the list matches.
fn unknown(text: &str) -> String {
    use std::io::Write as _;
    let list = std::fs::read_to_string(lab().scripts.join("ignore").join(DEBIAN_12)).unwrap();
    let known: Vec<&str> = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let mut grep = Command::new("grep");
    let mut child = grep.args(["-vE", &known.join("|")]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Recovers a layout onto disks of the same sizes.
fn comes_back(workbench: &str, name: &'static str) {
    run_scenario(|| {
        let layout = Layout::new(workbench, name)?;
        layout.lose_and_recover(&layout.disks).map(|_| ())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn raid1_bios_comes_back_and_boots_without_its_first_disk() {
    run_scenario(|| {
        let layout = Layout::new(DEBIAN_12, "raid1-bios")?;
        let disks = layout.lose_and_recover(&layout.disks)?;
        // The data lies on both disks, without redundancy: the root and its swap must come up.
        layout.boot("second-disk", &disks[1..], &[DEGRADED])
    });
}

#[test]
#[ignore = "long: make test-all"]
fn raid1_uefi_comes_back_and_boots_without_its_first_disk() {
    run_scenario(|| {
        let layout = Layout::new(DEBIAN_12, "raid1-uefi")?;
        let disks = layout.lose_and_recover(&layout.disks)?;
        layout.boot("second-disk", &disks[1..], &[DEGRADED])
    });
}

#[test]
#[ignore = "long: make test-all"]
fn raid_levels_come_back() {
    comes_back(DEBIAN_12, "raid-levels");
}

#[test]
#[ignore = "long: make test-all"]
fn luks_below_and_on_lvm_comes_back_by_the_key_files_of_the_archive() {
    comes_back(DEBIAN_12, "luks-lvm-bios");
}

#[test]
#[ignore = "long: make test-all"]
fn filesystems_on_several_devices_come_back() {
    comes_back(DEBIAN_12, "btrfs-several-bios");
}

#[test]
#[ignore = "long: make test-all"]
fn volume_groups_on_md_and_on_disks_come_back() {
    comes_back(DEBIAN_12, "lvm-md-bios");
}

#[test]
#[ignore = "long: make test-all"]
fn caches_of_lvm_come_back() {
    comes_back(DEBIAN_12, "lvm-cache-bios");
}

#[test]
#[ignore = "long: make test-all"]
fn debian_13_on_raid_1() {
    comes_back(DEBIAN_13, "raid1-bios");
}

#[test]
#[ignore = "long: make test-all"]
fn debian_13_on_luks_and_lvm() {
    comes_back(DEBIAN_13, "luks-lvm-bios");
}

#[test]
#[ignore = "long: make test-all"]
fn debian_13_on_lvm_and_md() {
    comes_back(DEBIAN_13, "lvm-md-bios");
}

#[test]
#[ignore = "long: make test-all"]
fn debian_13_on_several_devices() {
    comes_back(DEBIAN_13, "btrfs-several-bios");
}

/// A key file of the machine is the key of what is encrypted anew.
const NEW_KEY: &str = "mkdir -p /etc/lifeboat && (umask 077 && echo the-new-key >/etc/lifeboat/luks.key)";

#[test]
#[ignore = "long: make test-all"]
fn raid1_becomes_one_disk_with_encrypted_data() {
    run_scenario(|| {
        let mut layout = Layout::new(DEBIAN_12, "raid1-bios")?;
        layout.prepare = NEW_KEY.to_owned();
        let moves = "--raid1-to-disk root --raid1-to-disk swap --raid1-to-disk data --encrypt /srv/data:data_crypt \
                     --luks-key /etc/lifeboat/luks.key";
        let checks = [
            HEALTHY[0],
            HEALTHY[1],
            "test \"$(findmnt -no SOURCE /)\" = /dev/vda3",
            "swapon --show --noheadings | grep -q /dev/vda2",
            "test \"$(findmnt -no SOURCE /srv/data)\" = /dev/mapper/data_crypt",
            "diff --recursive --no-dereference --brief /usr/share/doc /srv/data/doc",
            "! grep -q ^ARRAY /etc/mdadm/mdadm.conf",
            "! grep -q active /proc/mdstat",
        ];
        layout.recover_as(Some(moves), &[8], &checks).map(|_| ())
    });
}

//! Tapes in a real drive, as far as an emulated one is real: what the rescue system finds on them, and what it says when that is
//! nothing for it.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/places.rs"]
mod places;
#[allow(dead_code)]
#[path = "common/server.rs"]
mod server;
#[path = "common/tape_drive.rs"]
mod tape_drive;
#[path = "common/tgtd.rs"]
mod tgtd;

use common::{PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::{Scenario, await_event};
use lifeboat_drill::vm::{DirectKernel, Vm, VmFirmware, VmSpec};
use lifeboat_machine::{Event, MediumManifest, Mode};
use lifeboat_sys::tape::VolumeHeader;
use places::Places;
use std::path::PathBuf;
use std::time::Duration;
use tape_drive::TapeDrive;

const MEDIUM: &str = "lifeboat rescue --out /run/medium/rescue.iso --embed-key --mode expert --timeout 1";
const BOOT: Duration = Duration::from_secs(300);
const WORD: Duration = Duration::from_secs(120);
const BLOCK: u32 = 65536;
/// Some mt(1) cannot set the size of blocks; the boot has made it variable already.
const READY: &str = "mt -f /dev/nst0 rewind";

struct Bench {
    scenario: Scenario,
    medium: PathBuf,
    kernel: DirectKernel,
    machine: String,
}

impl Bench {
    fn new() -> Result<Bench, DrillError> {
        let scenario = scenario_in("tape", PLAIN)?;
        let medium = scenario.recorded(&programs(), MEDIUM)?.medium;
        let places = Places::read(&medium);
        let [kernel, initrd] = ["kernel", "initrd.img"].map(|name| {
            let path = scenario.directory.join(name);
            std::fs::write(&path, places.content(&medium, &format!("/lifeboat/{name}"))).unwrap();
            path
        });
        let manifest: MediumManifest =
            serde_json::from_slice(&places.content(&medium, "/lifeboat/manifest.json")).unwrap();
        let kernel = DirectKernel { kernel, initrd: Some(initrd), command_line: String::new() };
        Ok(Bench { scenario, medium, kernel, machine: manifest.machine_name })
    }

    fn boot(&self, name: &str, parameters: &str, drive: Option<&TapeDrive>) -> Result<Vm, DrillError> {
        let command_line = format!("quiet console=ttyS0,115200 panic=30 {parameters}");
        let kernel = DirectKernel { command_line, ..self.kernel.clone() };
        let mut spec = VmSpec::new(VmFirmware::Bios).memory(1536).kernel(kernel);
        spec.disc = Some(self.medium.clone());
        spec.bay = true;
        spec.extra.extend(drive.map(TapeDrive::arguments).unwrap_or_default());
        Vm::start(&spec, self.scenario.acceleration, &self.scenario.directory.join(name))
    }

    fn expert<'vm>(&self, vm: &'vm mut Vm) -> Result<Guest<'vm>, DrillError> {
        await_event(vm, "expert mode", BOOT, |event| *event == Event::Ready { mode: Mode::Expert })?;
        Guest::login(vm, WORD)
    }

    fn header(&self, machine: &str) -> VolumeHeader {
        VolumeHeader {
            set: "0f1e2d3c4b5a69788796a5b4c3d2e1f0".into(),
            volume: 1,
            machine: machine.into(),
            time: "2026-11-24T03:12:45Z".into(),
            block_bytes: BLOCK,
        }
    }

    /// Writes a tape in a guest with stock tools; `commands` find the header of a volume in `/run/header`, and the drive rewound.
    fn write(&self, name: &str, header: &VolumeHeader, commands: &str) -> Result<TapeDrive, DrillError> {
        let image = self.scenario.directory.join(format!("{name}.tape"));
        if image.exists() {
            std::fs::remove_file(&image).unwrap();
        }
        let drive = TapeDrive::with(&image);
        let file = self.scenario.directory.join("header");
        std::fs::write(&file, header.encode().unwrap()).unwrap();
        let mut vm = self.boot(&format!("{name}-written"), "lifeboat.mode=expert", Some(&drive))?;
        let mut guest = self.expert(&mut vm)?;
        guest.install(&lifeboat_sys::SystemRunner, &[file], "/run")?;
        guest.must(&format!("{READY} && {commands} && mt -f /dev/nst0 rewind"), WORD)?;
        vm.power_cut();
        Ok(drive)
    }
}

/// Waits for a line with this text; gives the whole line.
fn hear(vm: &mut Vm, text: &str) -> Result<String, DrillError> {
    let reports = |event: &Event| match event {
        Event::Note { text: reported } | Event::Warning { text: reported } => reported.contains(text),
        Event::Failed { reason } => reason.contains(text),
        _ => false,
    };
    let line = await_event(vm, text, BOOT, reports)?.event.console_line();
    eprintln!("{line}");
    Ok(line)
}

/// The tape is found, is what `source.json` says, and every command that reads from it says that there is nothing behind the header.
fn is_found(bench: &Bench, name: &str, drive: &TapeDrive, files: &[u32]) -> Result<(), DrillError> {
    let shown = format!("the tape in /dev/nst0 is {}", bench.header(&bench.machine));
    let mut vm = bench.boot(name, "lifeboat.mode=expert lifeboat.source=tape", Some(drive))?;
    let line = hear(&mut vm, &shown)?;
    assert!(line.ends_with(": the archive is taken from it"), "{line}");
    let mut guest = bench.expert(&mut vm)?;
    let json = guest.must("cat /run/lifeboat/source.json", WORD)?;
    let found: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&found["kind"], &found["device"], &found["block_bytes"], &found["medium"]["device"]),
        (&"tape".into(), &"/dev/nst0".into(), &BLOCK.into(), &"/dev/sr0".into()),
        "{json}"
    );
    assert!(files.contains(&(found["file"].as_u64().unwrap() as u32)), "{json}");
    for command in ["list --from tape:/dev/nst0", "verify --from tape", "restore --stage plan"] {
        let refused = guest.run(&format!("lifeboat {command} </dev/null"), WORD)?;
        assert!(matches!(refused.code, 1 | 3), "{command}: {}", refused.text);
        // The terminal breaks lines nowhere, for nothing formats them.
        assert!(refused.text.contains("/dev/nst0") && refused.text.contains("volume 1"), "{}", refused.text);
    }
    Ok(())
}

#[test]
#[ignore = "long: make test-all"]
fn a_tape_that_begins_with_a_volume_is_found() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let write = "dd if=/run/header of=/dev/nst0 bs=64k && mt -f /dev/nst0 weof";
        let drive = bench.write("plain", &bench.header(&bench.machine), write)?;
        is_found(&bench, "plain", &drive, &[0])
    });
}

#[test]
#[ignore = "long: make test-all"]
fn a_volume_behind_the_iso_of_an_obdr_tape_is_found() {
    run_scenario(|| {
        let bench = Bench::new()?;
        // Each dd closes the drive, at which the kernel writes a filemark.
        let write = "dd if=/dev/zero of=/dev/nst0 bs=512 count=20 && dd if=/dev/sr0 of=/dev/nst0 bs=2048 count=200 && \
                     dd if=/run/header of=/dev/nst0 bs=64k";
        let drive = bench.write("obdr", &bench.header(&bench.machine), write)?;
        is_found(&bench, "obdr", &drive, &[2])
    });
}

#[test]
#[ignore = "long: make test-all"]
fn the_tape_of_another_program_is_named_and_nuke_touches_nothing() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let drive = bench.write("tar", &bench.header("box"), "tar -b 20 -cf /dev/nst0 /etc")?;
        let mut vm = bench.boot("tar", "lifeboat.mode=nuke lifeboat.source=tape lifeboat.after=shell", Some(&drive))?;
        hear(&mut vm, "the tape in /dev/nst0 is not a Lifeboat tape: it begins with a tar archive; try another one")?;
        let failed = await_event(&mut vm, "the refusal", BOOT, Event::is_final)?.event.console_line();
        let reason = "no tape from which this recovery can start was found for lifeboat.source=tape (see above)";
        assert_eq!(failed, format!("lifeboat: FAILED nothing was touched: {reason}"));
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn the_tape_of_another_machine_is_named() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let theirs = bench.header("another-machine");
        let drive = bench.write("another", &theirs, "dd if=/run/header of=/dev/nst0 bs=64k")?;
        let mut vm = bench.boot("another", "lifeboat.mode=expert lifeboat.source=tape:/dev/nst0", Some(&drive))?;
        let line = hear(&mut vm, &format!("the tape in /dev/nst0 is {theirs}"))?;
        let belongs =
            format!("but this rescue system belongs to machine {}; try a tape of that machine", bench.machine);
        assert!(line.ends_with(&belongs), "{line}");
        bench.expert(&mut vm)?.must("! grep -q tape /run/lifeboat/source.json", WORD)?;
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn a_drive_without_a_cartridge_and_no_drive_at_all_are_named() {
    run_scenario(|| {
        let bench = Bench::new()?;
        let drive = TapeDrive::with(&bench.scenario.directory.join("empty.tape"));
        drive.unload();
        let mut vm = bench.boot("empty", "lifeboat.mode=expert lifeboat.source=tape", Some(&drive))?;
        hear(&mut vm, "cannot READ /dev/nst0: there is no cartridge in the drive; try again with the tape inserted")?;
        bench.expert(&mut vm)?;
        vm.power_cut();
        let mut vm = bench.boot("no-drive", "lifeboat.mode=expert lifeboat.source=tape", None)?;
        hear(&mut vm, "waiting for a tape drive (tape)")?;
        hear(&mut vm, "there is no tape drive, or no driver for it")?;
        bench.expert(&mut vm)?;
        Ok(())
    });
}

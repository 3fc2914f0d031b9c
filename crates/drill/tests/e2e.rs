//! Whole recoveries in virtual machines, compared file by file and booted again.
//!
//! Machines are made by `lab/machine.sh` without Lifeboat and kept in the user's cache; disks, media and logs of a run
//! stay in `target/tmp/e2e/`. One machine runs at a time. The programs under test are those that `make build` left in
//! `target/release`.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, RESCUE, lab, programs, run_scenario, scenario, scenario_in};
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::Target;
use lifeboat_drill::vm::{Controller, Vm};
use lifeboat_drill::{DrillError, DrillOptions, Proof, drill};
use lifeboat_sys::SystemRunner;
use std::path::PathBuf;
use std::time::Duration;

fn lose_and_recover(machine: &str, target: &Target) -> Result<(), DrillError> {
    let scenario = scenario(machine)?;
    let original = scenario.record(&programs(), RESCUE)?;
    let recovered = scenario.recover(&original.medium, target)?;
    scenario.compare(&original, &recovered)?;
    scenario.boot(&recovered, &HEALTHY)
}

#[test]
fn e2e_debian12_bios_gpt_ext4() {
    run_scenario(|| lose_and_recover(PLAIN, &Target::default()));
}

#[test]
fn e2e_debian12_uefi_secure_boot_xfs() {
    run_scenario(|| lose_and_recover("debian12-uefi-sb", &Target::default()));
}

#[test]
#[ignore = "long: make test-all"]
fn e2e_debian13_uefi_btrfs_systemd_boot() {
    run_scenario(|| lose_and_recover("debian13-uefi-btrfs", &Target::default()));
}

#[test]
#[ignore = "long: make test-all"]
fn e2e_debian12_bios_mbr_logical() {
    run_scenario(|| lose_and_recover("debian12-bios-mbr", &Target::default()));
}

/// A medium as anyone makes it (its menu starts nothing by itself) passes its drill: on disks twice as large behind
/// another controller.
#[test]
#[ignore = "long: make test-all"]
fn drill_of_a_medium_that_starts_nothing_by_itself() {
    run_scenario(|| {
        let scenario = scenario_in("drill", PLAIN)?;
        let original = scenario.record(&programs(), "lifeboat rescue --out /run/medium/rescue.iso --embed-key")?;
        let report = scenario.directory.join("drill");
        let options = DrillOptions {
            medium: original.medium,
            further_discs: vec![],
            report: report.clone(),
            scratch: scenario.directory.clone(),
            cache: Some(lab().machines()?),
            memory_mib: 2048,
            controller: Some(Controller::Nvme),
            size_factor: 2.0,
            stick: false,
            proof: Proof::Command("test -u /srv/odd/setuid".to_owned()),
            deadline: Duration::from_secs(3600),
        };
        let result = drill(&SystemRunner, &options, &mut |progress| eprintln!("{progress:?}"))?;
        assert!(result.passed, "{}", result.text());
        assert_eq!(result.entries_restored, result.entries_expected);
        for name in ["firmware, boot loader", "load, kernel", "init: foundation", "extract", "reboot to login"] {
            assert!(result.phases.iter().any(|phase| phase.name == name), "{name}: {}", result.text());
        }
        for file in ["report.txt", "report.json", "report.html", "menu.png", "booted.png"] {
            assert!(report.join(file).is_file(), "{file}");
        }
        Ok(())
    });
}

/// The harness itself: a lab machine boots from its own disk, files go in and come out whole, the machine powers off.
#[test]
fn harness_files_go_into_a_machine_and_come_back() {
    run_scenario(|| {
        let scenario = scenario(PLAIN)?;
        let sent = scenario.directory.join("sent");
        std::fs::write(&sent, b"odd size\n").unwrap();
        let (mut vm, _disk): (Vm, PathBuf) = scenario.start_original()?;
        let mut guest = Guest::login(&mut vm, Duration::from_secs(600))?;
        guest.install(&SystemRunner, std::slice::from_ref(&sent), "/run")?;
        guest.must("test -u /srv/odd/setuid && getfattr --version >/dev/null 2>&1 || true", Duration::from_secs(60))?;
        let failed = guest.run("ls /nowhere", Duration::from_secs(60))?;
        assert_eq!(failed.code, 2, "{}", failed.text);
        let long = format!("x={}\necho ${{#x}}; (exit 7)", "y".repeat(3000));
        let script = guest.run(&long, Duration::from_secs(600))?;
        assert_eq!((script.code, script.text.as_str()), (7, "3000"));
        let back = scenario.directory.join("back");
        guest.fetch("/run/sent", &back, Duration::from_secs(60))?;
        assert_eq!(std::fs::read(&back).unwrap(), b"odd size\n");
        guest.settle()?;
        vm.qmp.screenshot(&scenario.directory.join("screen.png"))?;
        vm.power_cut();
        Ok(())
    });
}

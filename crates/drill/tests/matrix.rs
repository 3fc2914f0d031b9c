//! One and the same medium, made on a machine with virtio devices, on hardware that the machine never had.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{PLAIN, lab, programs, run_scenario, scenario_in};
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::{Original, Scenario, await_event};
use lifeboat_drill::vm::{Board, Controller, Nic, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_drill::{DrillError, DrillOptions, Proof, drill};
use lifeboat_machine::{Event, Mode};
use lifeboat_sys::SystemRunner;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// The menu starts expert mode by itself; the kernel's own parameter asks for an address on every link.
const MEDIUM: &str =
    "lifeboat rescue --out /run/medium/rescue.iso --embed-key --mode expert --timeout 1 --append ip=dhcp";
const BOOT: Duration = Duration::from_secs(900);
const WORD: Duration = Duration::from_secs(120);
const SERIAL: &str = "matrix-disk";

/// Every controller with each firmware; boards and network cards take turns, so that each meets several others.
fn combinations() -> Vec<(Board, VmFirmware, Controller, Nic)> {
    let mut list = vec![];
    for (index, controller) in Controller::ALL.into_iter().enumerate() {
        for round in 0..2 {
            let board = if (index + round) % 2 == 0 { Board::Q35 } else { Board::Pc };
            let uefi = VmFirmware::Uefi { secure_boot: false, variables: Default::default() };
            let firmware = if round == 0 { VmFirmware::Bios } else { uefi };
            let nic = Nic::ALL[(index + 3 * round) % Nic::ALL.len()];
            list.push((board, firmware, controller, nic));
        }
    }
    list
}

/// Boots it; gives the disk's name, the card's name and address, and the seconds from power-on to `ready expert`.
fn boot(
    scenario: &Scenario,
    original: &Original,
    (board, firmware, controller, nic): &(Board, VmFirmware, Controller, Nic),
    number: usize,
) -> Result<[String; 4], DrillError> {
    let disk = scenario.directory.join("matrix.img");
    image::blank(&disk, 1 << 30)?;
    let firmware = match firmware {
        VmFirmware::Uefi { secure_boot, .. } => {
            let variables = scenario.directory.join("matrix.vars.fd");
            let _ = std::fs::remove_file(&variables);
            VmFirmware::Uefi { secure_boot: *secure_boot, variables }
        }
        VmFirmware::Bios => VmFirmware::Bios,
    };
    let mut spec = VmSpec::new(firmware).memory(1536).disk(VmDisk::raw(&disk, SERIAL).on(*controller)).nic(*nic);
    spec.board = *board;
    let spec = spec.disc(&original.medium);
    let mut vm = Vm::start(&spec, scenario.acceleration, &scenario.directory.join(format!("matrix-{number}")))?;
    let ready = |event: &Event| matches!(event, Event::Ready { mode: Mode::Expert } | Event::Failed { .. });
    let ready = await_event(&mut vm, "expert mode", BOOT, ready)?;
    let seconds = ready.at.saturating_duration_since(vm.started).as_secs();
    let mut guest = Guest::login(&mut vm, WORD)?;
    // Discs have no size that fits, and mptsas shows no serial number: the size finds the disk.
    let disk = guest.must("lsblk -dnbo NAME,SIZE | awk '$2 == 1073741824 { print $1 }' | grep .", WORD)?;
    // The address arrives by itself; a loop with a deadline, because it may take a moment after the shell is there.
    let address = guest.must(
        "for i in $(seq 60); do ip -br -4 address show scope global | grep 10.0.2. && break; sleep 1; done | awk '{ print $1, $3 }' | grep .",
        WORD,
    )?;
    let (card, address) = address.trim().split_once(' ').unwrap_or((address.trim(), ""));
    let driver = guest.must(&format!("basename $(readlink -f /sys/class/net/{card}/device/driver)"), WORD)?;
    vm.power_cut();
    Ok([disk.trim().to_owned(), format!("{card} ({})", driver.trim()), address.to_owned(), seconds.to_string()])
}

#[test]
#[ignore = "long: make test-all"]
fn one_medium_on_every_controller_and_card() {
    run_scenario(|| {
        let scenario = scenario_in("matrix", PLAIN)?;
        let original = scenario.recorded(&programs(), MEDIUM)?;
        let mut table = "| board | firmware | controller | disk | network card | address | seconds to expert mode |\n\
                         | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
        let mut failures = vec![];
        // To look at one of them again: LIFEBOAT_MATRIX=mptsas1068, or any other part of a name.
        let only = std::env::var("LIFEBOAT_MATRIX").unwrap_or_default();
        for (number, combination) in combinations().iter().enumerate() {
            let (board, firmware, controller, nic) = combination;
            let firmware = if matches!(firmware, VmFirmware::Bios) { "BIOS" } else { "UEFI" };
            let name = format!("{board:?} {firmware} {} {}", controller.name(), nic.name());
            if !name.contains(&only) {
                continue;
            }
            let cells = match boot(&scenario, &original, combination, number) {
                Ok(cells) => cells,
                Err(error) => {
                    failures.push(format!("{name}: {error}"));
                    ["none".to_owned(), "none".to_owned(), "FAILED".to_owned(), String::new()]
                }
            };
            eprintln!("{name}: {}", cells.join(", "));
            let [disk, card, address, seconds] = cells;
            writeln!(
                table,
                "| {board:?} | {firmware} | {} | {disk} | {}: {card} | {address} | {seconds} |",
                controller.name(),
                nic.name()
            )
            .unwrap();
        }
        // Recoveries, whole, of the same medium.
        let recovered: &[Controller] =
            if only.is_empty() { &[Controller::Megasas, Controller::Pvscsi, Controller::Ahci] } else { &[] };
        for &controller in recovered {
            let options = DrillOptions {
                medium: original.medium.clone(),
                further_discs: vec![],
                report: scenario.directory.join(format!("drill-{}", controller.name())),
                scratch: scenario.directory.clone(),
                cache: Some(lab().machines()?),
                memory_mib: 2048,
                controller: Some(controller),
                size_factor: 1.0,
                stick: false,
                proof: Proof::Login,
                deadline: Duration::from_secs(3600),
            };
            let result = drill(&SystemRunner, &options, &mut |_| {})?;
            writeln!(table, "\nRecovered and booted on {}: {}", controller.name(), result.passed).unwrap();
            if !result.passed {
                failures.push(result.text());
            }
        }
        // A part of the table must not take the place of the whole.
        if only.is_empty() {
            let out = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("hardware-matrix.md");
            std::fs::write(out, &table).unwrap();
        }
        eprintln!("{table}");
        assert!(table.lines().count() > 2, "no combination has {only:?} in its name");
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        Ok(())
    });
}

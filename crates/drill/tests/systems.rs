//! Other releases and other makers of the initramfs than those of `e2e`: each machine is lost, recovered, compared and
//! booted. Machines are made by `lab/machine.sh` without Lifeboat.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/places.rs"]
mod places;

use common::{HEALTHY, RESCUE, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::Target;
use lifeboat_drill::vm::Controller;
use places::Places;

/// What an initramfs of the rescue system may weigh: some firmware reads a few MB a second.
const INITRAMFS_BYTES: u64 = 64_000_000;

/// Memory of a machine that makes its medium in memory.
const RECORD_MEMORY_MIB: u32 = 3072;
/// The same for one that is asked for room for all that it holds, twice.
const FULL_MEMORY_MIB: u32 = 8192;

fn lose_and_recover(machine: &str, record: &str, target: &Target) -> Result<(), DrillError> {
    lose_and_recover_with(machine, record, target, RECORD_MEMORY_MIB)
}

fn lose_and_recover_with(machine: &str, record: &str, target: &Target, memory_mib: u32) -> Result<(), DrillError> {
    let scenario = scenario_in("systems", machine)?;
    let original = scenario.record_with(&programs(), record, |spec| spec.memory_mib = memory_mib)?;
    let recovered = scenario.recover(&original.medium, target)?;
    scenario.compare(&original, &recovered)?;
    scenario.boot(&recovered, &HEALTHY)?;
    let size = Places::read(&original.medium).content(&original.medium, "/lifeboat/initrd.img").len() as u64;
    eprintln!("{machine}: the initramfs has {size} bytes");
    assert!(size <= INITRAMFS_BYTES, "{machine}: the initramfs has {size} bytes");
    Ok(())
}

#[test]
#[ignore = "long: make test-all"]
fn forky_uefi_btrfs_dracut() {
    run_scenario(|| lose_and_recover("forky-uefi-btrfs", RESCUE, &Target::default()));
}

#[test]
#[ignore = "long: make test-all"]
fn forky_bios_ext4_initramfs_tools() {
    run_scenario(|| lose_and_recover("forky-bios-ext4", RESCUE, &Target::default()));
}

#[test]
#[ignore = "long: make test-all"]
fn debian12_dracut() {
    run_scenario(|| lose_and_recover("debian12-dracut", RESCUE, &Target::default()));
}

#[test]
#[ignore = "long: make test-all"]
fn debian13_dracut() {
    run_scenario(|| lose_and_recover("debian13-dracut", RESCUE, &Target::default()));
}

/// Makes the medium in a larger folder of memory: the machine has room for neither work nor image.
fn full() -> String {
    format!("mount -o remount,size=6000m /run/medium && {RESCUE} --work-dir /run/medium")
}

/// The machine's own disk has no room for the work, and the restored one hardly any.
#[test]
#[ignore = "long: make test-all"]
fn debian13_boot_apart_on_a_full_xfs_root() {
    run_scenario(|| lose_and_recover_with("debian13-full-xfs", &full(), &Target::default(), FULL_MEMORY_MIB));
}

/// The tool that makes the initramfs works in a root that is nearly full: another controller makes it necessary.
#[test]
#[ignore = "long: make test-all"]
fn debian13_full_xfs_root_behind_another_controller() {
    run_scenario(|| {
        let scenario = scenario_in("systems", "debian13-full-xfs")?;
        let original = scenario.recorded_with(&programs(), &full(), |spec| spec.memory_mib = FULL_MEMORY_MIB)?;
        let target = Target { controller: Controller::Nvme, ..Target::default() };
        let recovered = scenario.recover(&original.medium, &target)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

#[test]
#[ignore = "long: make test-all"]
fn debian11_bios_gpt_ext4() {
    run_scenario(|| lose_and_recover("debian11-bios-gpt-ext4", RESCUE, &Target::default()));
}

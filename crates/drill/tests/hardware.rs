//! A machine comes back on other hardware: disks behind other controllers, larger and smaller ones.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, RESCUE, programs, run_scenario, scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::Target;
use lifeboat_drill::vm::Controller;

/// What making an initramfs again changes: the file, its directory, and update-initramfs' own state.
const NEW_INITRAMFS: [&str; 3] = [
    r"^[+-]\./boot/initrd\.img-[^ ]+ - 0644 0:0 ",
    r"^[+-]\./boot d 0755 0:0 mtime=",
    r"^[+-]\./var/lib/initramfs-tools(/[^ ]+)? [d-] ",
];

/// Recovers onto a disk of that size, in quarters of the original's, behind that controller; compares and boots it.
fn onto(controller: Controller, quarters: u64) -> Result<(), DrillError> {
    let scenario = scenario(PLAIN)?;
    let original = scenario.recorded(&programs(), RESCUE)?;
    let size_bytes = lifeboat_sys::block::size_bytes(&scenario.machine.disk).unwrap() / 4 * quarters;
    let target = Target { controller, size_bytes: Some(size_bytes), ..Target::default() };
    let recovered = scenario.recover(&original.medium, &target)?;
    scenario.compare_with(&original, &recovered, &NEW_INITRAMFS, &[])?;
    // The root filesystem is the last one: it fills what the disk has, but for the boot and swap partitions.
    let fills = size_bytes - (600 << 20);
    let fills = format!("test $(lsblk -nbo SIZE $(findmnt -no SOURCE /)) -gt {fills}");
    scenario.boot(&recovered, &[HEALTHY[0], HEALTHY[1], &fills])
}

#[test]
#[ignore = "long: make test-all"]
fn virtio_blk_to_nvme_twice_as_large() {
    run_scenario(|| onto(Controller::Nvme, 8));
}

#[test]
#[ignore = "long: make test-all"]
fn a_disk_half_as_large() {
    run_scenario(|| onto(Controller::VirtioBlk, 2));
}

/// The initramfs of this machine holds the drivers of its own hardware only: it must be made again.
#[test]
#[ignore = "long: make test-all"]
fn ahci_to_virtio_scsi_with_an_initramfs_for_ahci_only() {
    run_scenario(|| {
        let mut scenario = scenario_in("ahci", PLAIN)?;
        scenario.controller = Controller::Ahci;
        let narrow = "sed -i s/^MODULES=.*/MODULES=dep/ /etc/initramfs-tools/initramfs.conf && update-initramfs -u && \
                      ! lsinitramfs /boot/initrd.img-$(uname -r) | grep virtio_scsi && sync";
        let original = scenario.recorded(&programs(), &format!("{narrow} && {RESCUE}"))?;
        let target = Target { controller: Controller::VirtioScsi, ..Target::default() };
        let recovered = scenario.recover(&original.medium, &target)?;
        scenario.compare_with(&original, &recovered, &NEW_INITRAMFS, &[])?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

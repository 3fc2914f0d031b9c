//! A machine comes back on other hardware: disks behind other controllers, larger and smaller ones.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, RESCUE, programs, scenario, scenario_in, tell};
use lifeboat_drill::lab::Target;
use lifeboat_drill::vm::Controller;

/// What making an initramfs anew changes: the file, its directory, and update-initramfs' own state.
const NEW_INITRAMFS: [&str; 3] = [
    r"^[+-]\./boot/initrd\.img-[^ ]+ - 0644 0:0 ",
    r"^[+-]\./boot d 0755 0:0 mtime=",
    r"^[+-]\./var/lib/initramfs-tools(/[^ ]+)? [d-] ",
];

#[test]
#[ignore = "long: make test-all"]
fn virtio_blk_to_nvme_twice_as_large_and_to_half_the_size() {
    tell(|| {
        let scenario = scenario(PLAIN)?;
        let original = scenario.recorded(&programs(), RESCUE)?;
        let size = lifeboat_sys::block::size_bytes(&scenario.machine.disk).unwrap();
        for (controller, size_bytes) in [(Controller::Nvme, 2 * size), (Controller::VirtioBlk, size / 2)] {
            eprintln!("onto {} of {size_bytes} bytes", controller.name());
            let target = Target { controller, size_bytes: Some(size_bytes), ..Target::default() };
            let recovered = scenario.recover(&original.medium, &target)?;
            scenario.compare_with(&original, &recovered, &NEW_INITRAMFS, &[])?;
            // The root filesystem is the last one: it fills what the disk has, up to a GPT's copy and alignment.
            let disk = size_bytes / 1024;
            let fills = format!("test $(lsblk -nbo SIZE $(findmnt -no SOURCE /)) -gt {}", (disk - 600 * 1024) * 1024);
            scenario.boot(&recovered, &[HEALTHY[0], HEALTHY[1], &fills])?;
        }
        Ok(())
    });
}

/// The initramfs of this machine holds the drivers of its own hardware only: it must be made anew.
#[test]
#[ignore = "long: make test-all"]
fn ahci_to_virtio_scsi_with_an_initramfs_for_ahci_only() {
    tell(|| {
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

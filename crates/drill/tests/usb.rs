//! A stick that is made on a machine, brings it back, takes the next backup of it, and brings that back, too.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HEALTHY, PLAIN, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::guest::Guest;
use lifeboat_drill::lab::scenario::{BOOT, RECORD, RECOVER, await_end};
use lifeboat_drill::lab::{Original, Scenario, Target, await_event};
use lifeboat_drill::vm::{Controller, Vm, VmDisk, VmFirmware, VmSpec, image};
use lifeboat_machine::Event;
use lifeboat_sys::SystemRunner;
use std::path::{Path, PathBuf};

/// The first disk behind SCSI in a machine whose own is on virtio-blk.
const STICK: &str = "/dev/sda";
const SERIAL: &str = "LIFEBOATSTICK";
const FIRST: &str = "lifeboat media usb --to /dev/sda --yes --embed-key --mode nuke --append lifeboat.after=poweroff";

/// A stick of an odd size, with something on it.
fn blank(scenario: &Scenario) -> Result<PathBuf, DrillError> {
    let path = scenario.directory.join("stick.img");
    let _ = std::fs::remove_file(&path);
    image::blank(&path, (3 << 30) + 3 * 512)?;
    Ok(path)
}

fn plugged(path: &Path) -> VmDisk {
    VmDisk::raw(path, SERIAL).on(Controller::UsbStorage)
}

/// The machine makes its stick; what it says on the way is returned with its disk.
fn record(scenario: &Scenario, stick: &Path) -> Result<Original, DrillError> {
    // A scenario fetches a medium from there; this one is on the stick.
    let command = format!(
        "udevadm settle; mkfs.ext4 -q -F -L OLD {STICK} && \
         (lifeboat media usb --to {STICK} </dev/null; test $? = 3) && \
         (lifeboat media usb --to /dev/vda --yes </dev/null; test $? = 3) && \
         mount {STICK} /mnt && (lifeboat media usb --to {STICK} --yes; test $? = 3) && umount /mnt && \
         {FIRST} && lifeboat list --from usb && lifeboat verify --from {STICK} && sgdisk --verify {STICK} && \
         echo stick >/run/medium/rescue.iso"
    );
    let original = scenario.record_with(&programs(), &command, |spec| spec.disks.push(plugged(stick)))?;
    let said = &original.output;
    for text in [
        "everything on /dev/sda will be lost: QEMU",
        "it holds ext4 \"OLD\"",
        "cannot WRITE /dev/vda: /dev/vda",
        "cannot WRITE /dev/sda: /dev/sda is mounted",
        "boots by BIOS, UEFI, Secure Boot",
        "what boots is unchanged",
        "No problems found",
    ] {
        assert!(said.contains(text), "{text} is missing in: {said}");
    }
    Ok(Original { medium: stick.to_owned(), ..original })
}

fn stick() -> Target {
    Target { stick: true, ..Target::default() }
}

#[test]
#[ignore = "long: make test-all"]
fn usb_stick_recovers_is_written_again_and_recovers_that_too() {
    run_scenario(|| {
        let scenario = scenario_in("usb", PLAIN)?;
        let path = blank(&scenario)?;
        let original = record(&scenario, &path)?;
        let recovered = scenario.recover(&path, &stick())?;
        scenario.compare(&original, &recovered)?;

        // The recovered machine goes on with the same stick: a backup, and a rescue system that is built again.
        let spec =
            VmSpec { disks: [recovered.spec.disks.clone(), vec![plugged(&path)]].concat(), ..recovered.spec.clone() };
        let mut vm = Vm::start(&spec, scenario.acceleration, &scenario.directory.join("again"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        let said = guest.must(
            "for check in 1; do test -z \"$(systemctl --failed --plain --no-legend)\" && echo second >/root/second && \
             lifeboat backup --to usb && lifeboat media refresh --out usb --always && lifeboat list --from usb && \
             lifeboat verify --from usb; done",
            RECORD,
        )?;
        assert!(said.contains("2 snapshots") && said.contains("its backups are as they were"), "{said}");
        guest.run("poweroff", BOOT)?;
        vm.wait_off(BOOT)?;

        let again = scenario.recover(&path, &stick())?;
        scenario.boot(&again, &["test \"$(cat /root/second)\" = second", HEALTHY[0], HEALTHY[1]])?;

        // The same stick on other firmware.
        let variables = scenario.directory.join("other.vars.fd");
        let _ = std::fs::remove_file(&variables);
        let firmware = VmFirmware::Uefi { secure_boot: true, variables };
        let target = Target { firmware: Some(firmware), ..stick() };
        let mut recovery = scenario.start_recovery(&path, &target)?;
        let found = |event: &Event| matches!(event, Event::Stage { name, .. } if name == "medium");
        await_event(&mut recovery.vm, "the medium, under Secure Boot", BOOT, found)?;
        recovery.vm.power_cut();
        Ok(())
    });
}

#[test]
#[ignore = "long: make test-all"]
fn usb_stick_recovers_a_machine_with_secure_boot() {
    run_scenario(|| {
        let scenario = scenario_in("usb", "debian12-uefi-sb")?;
        let path = blank(&scenario)?;
        let original = record(&scenario, &path)?;
        let recovered = scenario.recover(&path, &stick())?;
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// The machine dies while it is backed up to its stick, whose filesystem is then as a power cut leaves it.
#[test]
#[ignore = "long: make test-all"]
fn usb_stick_of_a_machine_that_died_during_a_backup() {
    run_scenario(|| {
        let scenario = scenario_in("usb-cut", PLAIN)?;
        let path = blank(&scenario)?;
        let (mut vm, _) = scenario.start_original_with(|spec| spec.disks.push(plugged(&path)))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.install(&SystemRunner, &programs(), "/usr/local/bin")?;
        guest.must(&format!("{FIRST} --no-verify"), RECORD)?;
        let written = "awk '{print $7}' /sys/block/sda/stat";
        // 40,000 sectors: some packs are there, others are being written, and no snapshot is.
        guest.must(
            &format!(
                "dd if=/dev/urandom of=/root/later bs=1M count=300 status=none; before=$({written}); \
                 (nohup lifeboat backup --to usb >/run/backup.log 2>&1 &); \
                 until test $({written}) -gt $((before + 40000)); do sleep 1; done; ! grep -q snapshot /run/backup.log"
            ),
            RECORD,
        )?;
        vm.power_cut();

        // From a stick that can be written, which a scenario's own cannot.
        let disk = scenario.directory.join("recovered.img");
        image::blank(&disk, lifeboat_sys::block::size_bytes(&scenario.machine.disk).unwrap())?;
        let firmware = scenario.machine.firmware_at(&scenario.directory.join("recovered.vars.fd"), false)?;
        let spec = VmSpec::new(firmware).memory(2048);
        let booted = spec.clone().disk(plugged(&path)).disk(VmDisk::raw(&disk, "new-disk"));
        let mut vm = Vm::start(&booted, scenario.acceleration, &scenario.directory.join("recovery"))?;
        let end = await_end(&mut vm, RECOVER)?;
        assert!(matches!(end.event, Event::Restored { .. }), "{:?}", end.event);
        let console: Vec<String> = vm.console.lines().into_iter().map(|(_, line)| line).collect();
        assert!(console.iter().any(|line| line.contains("its journal was replayed")), "{console:#?}");
        vm.wait_off(BOOT)?;
        let spec = spec.disk(VmDisk::raw(&disk, "new-disk"));
        let mut vm = Vm::start(&spec, scenario.acceleration, &scenario.directory.join("booted"))?;
        let mut guest = Guest::login(&mut vm, BOOT)?;
        guest.must(&format!("test ! -e /root/later && {}", HEALTHY[1]), BOOT)?;
        vm.power_cut();
        Ok(())
    });
}

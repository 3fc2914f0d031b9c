//! Recoveries from streams: the machine backs itself up to files of limited size on another disk, or to a tape, is lost, and comes
//! back from a rescue-only medium and the stream. All are long: `make test-all`.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[allow(dead_code)]
#[path = "common/server.rs"]
mod server;
#[path = "common/tape_drive.rs"]
mod tape_drive;
#[path = "common/tgtd.rs"]
mod tgtd;

use common::{DEMO, HEALTHY, QUIET, programs, run_scenario, scenario_in};
use lifeboat_drill::lab::Target;
use lifeboat_drill::vm::{VmDisk, image};
use std::process::Command;
use tape_drive::TapeDrive;

fn medium(place: &str) -> String {
    format!(
        "lifeboat media iso --rescue-only --source {place} --embed-key --out /run/medium/rescue.iso --mode nuke \
         --append lifeboat.after=poweroff"
    )
}

/// The volumes are files on another disk, as large as the one that is lost: it stays as it is.
#[test]
#[ignore = "long: make test-all"]
fn a_machine_comes_back_from_volumes_on_another_disk() {
    run_scenario(|| {
        let scenario = scenario_in("streams", DEMO)?;
        let backup = scenario.directory.join("backup.img");
        let _ = std::fs::remove_file(&backup);
        image::blank(&backup, 4 << 30)?;
        let disk = || VmDisk::raw(&backup, "backup-disk");
        let command = format!(
            "{QUIET}; (echo label: gpt; echo ,,L) | sfdisk -q /dev/vdb && udevadm settle && mkfs.ext4 -q -L BACKUP /dev/vdb1 && \
             mount /dev/vdb1 /mnt && lifeboat backup --to stream:/mnt/db7,size=100M && ls /mnt && {} && umount /mnt",
            medium("stream:disk:LABEL=BACKUP:/db7")
        );
        let original = scenario.record_with(&programs(), &command, |spec| spec.disks.push(disk()))?;
        assert!(original.output.contains("db7.002"), "{}", original.output);
        let hash = || Command::new("b2sum").arg(&backup).output().unwrap().stdout;
        let before = hash();
        let recovered = scenario.recover(&original.medium, &Target { more: vec![disk()], ..Target::default() })?;
        assert!(before == hash(), "the disk with the archive was written to");
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// The disc boots, and the archive is on a tape: the combination of the two media.
#[test]
#[ignore = "long: make test-all"]
fn a_machine_comes_back_from_a_disc_and_a_tape() {
    run_scenario(|| {
        let scenario = scenario_in("streams", DEMO)?;
        let cartridge = scenario.directory.join("db7.tape");
        let _ = std::fs::remove_file(&cartridge);
        let drive = TapeDrive::of_megabytes(&cartridge, 2048);
        let command =
            format!("{QUIET}; modprobe st; lifeboat backup --force --to tape:/dev/nst0 && {}", medium("tape"));
        let original = scenario.record_with(&programs(), &command, |spec| spec.extra.extend(drive.arguments()))?;
        let recovered =
            scenario.recover(&original.medium, &Target { extra: drive.arguments(), ..Target::default() })?;
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

/// The tape boots by itself: what a drive in CD mode shows as a disc is read back and booted, with the drive attached.
#[test]
#[ignore = "long: make test-all"]
fn a_machine_comes_back_from_a_tape_that_boots() {
    run_scenario(|| {
        let scenario = scenario_in("streams", DEMO)?;
        let cartridge = scenario.directory.join("obdr.tape");
        let _ = std::fs::remove_file(&cartridge);
        let drive = TapeDrive::of_megabytes(&cartridge, 2048);
        let command = format!(
            "{QUIET}; modprobe st; lifeboat media tape --to tape:/dev/nst0 --obdr --embed-key --force --mode nuke \
             --append lifeboat.after=poweroff && mt -f /dev/nst0 rewind && dd if=/dev/nst0 bs=512 count=20 of=/run/head && \
             dd if=/dev/nst0 bs=2048 of=/run/medium/rescue.iso && head -c 13 /run/head"
        );
        let original = scenario.record_with(&programs(), &command, |spec| spec.extra.extend(drive.arguments()))?;
        assert!(original.output.contains("does not report that it boots from tapes"), "{}", original.output);
        assert!(original.output.contains("the archive is whole"), "{}", original.output);
        assert!(original.output.ends_with("LIFEBOAT OBDR"), "{}", original.output);
        let recovered =
            scenario.recover(&original.medium, &Target { extra: drive.arguments(), ..Target::default() })?;
        scenario.compare(&original, &recovered)?;
        scenario.boot(&recovered, &HEALTHY)
    });
}

//! Recoveries from streams: the machine backs itself up to files of limited size on another disk, or to a tape, is lost, and comes
//! back from a rescue-only medium and the stream. All are long: `make test-all`.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/other_disk.rs"]
mod other_disk;
#[allow(dead_code)]
#[path = "common/server.rs"]
mod server;
#[path = "common/tape_drive.rs"]
mod tape_drive;
#[path = "common/tgtd.rs"]
mod tgtd;

use common::{DEMO, HEALTHY, QUIET, programs, run_scenario, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::Target;
use other_disk::medium;
use tape_drive::TapeDrive;

/// The volumes are files of limited size.
#[test]
#[ignore = "long: make test-all"]
fn a_machine_comes_back_from_volumes_on_another_disk() {
    run_scenario(|| {
        let backup = "lifeboat backup --to stream:/mnt/db7,size=100M && ls /mnt";
        let output = other_disk::recovered_from("streams", backup, "stream:disk:LABEL=BACKUP:/db7")?;
        assert!(output.contains("db7.002"), "{output}");
        Ok(())
    });
}

/// Records a machine with a tape drive, and recovers it with the drive attached. Gives what the commands have said.
fn with_tape(cartridge: &str, command: &str) -> Result<String, DrillError> {
    let scenario = scenario_in("streams", DEMO)?;
    let cartridge = scenario.directory.join(cartridge);
    let _ = std::fs::remove_file(&cartridge);
    let drive = TapeDrive::of_megabytes(&cartridge, 2048);
    let command = format!("{QUIET}; modprobe st; {command}");
    let original = scenario.record_with(&programs(), &command, |spec| spec.extra.extend(drive.arguments()))?;
    let recovered = scenario.recover(&original.medium, &Target { extra: drive.arguments(), ..Target::default() })?;
    scenario.compare(&original, &recovered)?;
    scenario.boot(&recovered, &HEALTHY)?;
    Ok(original.output)
}

/// The disc boots, and the archive is on a tape: the combination of the two media.
#[test]
#[ignore = "long: make test-all"]
fn a_machine_comes_back_from_a_disc_and_a_tape() {
    run_scenario(|| {
        // tgtd gives zeros when a blank tape is read, so the drive never says that it is blank.
        let command = format!("lifeboat backup --force --to tape:/dev/nst0 && {}", medium("tape"));
        with_tape("db7.tape", &command).map(drop)
    });
}

/// The tape boots by itself: what a drive in CD mode shows as a disc is read back and booted, with the drive attached.
#[test]
#[ignore = "long: make test-all"]
fn a_machine_comes_back_from_a_tape_that_boots() {
    run_scenario(|| {
        let command = "lifeboat media tape --to tape:/dev/nst0 --obdr --embed-key --force --mode nuke \
             --append lifeboat.after=poweroff && mt -f /dev/nst0 rewind && dd if=/dev/nst0 bs=512 count=20 of=/run/head && \
             dd if=/dev/nst0 bs=2048 of=/run/medium/rescue.iso && head -c 13 /run/head";
        let output = with_tape("obdr.tape", command)?;
        assert!(output.contains("does not report that it boots from tapes"), "{output}");
        assert!(output.contains("the archive is whole"), "{output}");
        assert!(output.ends_with("LIFEBOAT OBDR"), "{output}");
        Ok(())
    });
}

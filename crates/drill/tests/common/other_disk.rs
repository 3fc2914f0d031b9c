//! An archive on another disk of the machine, as large as the one that is lost: it stays as it is.

use crate::common::{DEMO, HEALTHY, QUIET, programs, scenario_in};
use lifeboat_drill::DrillError;
use lifeboat_drill::lab::Target;
use lifeboat_drill::vm::{VmDisk, image};
use std::process::Command;

/// Makes a medium that takes its archive from `place`.
pub fn medium(place: &str) -> String {
    format!(
        "lifeboat media iso --rescue-only --source {place} --embed-key --out /run/medium/rescue.iso --mode nuke \
         --append lifeboat.after=poweroff"
    )
}

/// Has the machine backed up by `backup` to the filesystem BACKUP in /mnt, which is `place` for the recovery, and recovers it.
/// Gives what the commands have said.
pub fn recovered_from(folder: &str, backup: &str, place: &str) -> Result<String, DrillError> {
    let scenario = scenario_in(folder, DEMO)?;
    let image = scenario.directory.join("backup.img");
    let _ = std::fs::remove_file(&image);
    image::blank(&image, 4 << 30)?;
    let disk = || VmDisk::raw(&image, "backup-disk");
    let command = format!(
        "{QUIET}; (echo label: gpt; echo ,,L) | sfdisk -q /dev/vdb && udevadm settle && mkfs.ext4 -q -L BACKUP /dev/vdb1 && \
         mount /dev/vdb1 /mnt && {backup} && {} && umount /mnt",
        medium(place)
    );
    let original = scenario.record_with(&programs(), &command, |spec| spec.disks.push(disk()))?;
    let hash = || Command::new("b2sum").arg(&image).output().unwrap().stdout;
    let before = hash();
    let recovered = scenario.recover(&original.medium, &Target { more: vec![disk()], ..Target::default() })?;
    assert!(before == hash(), "the disk with the archive was written to");
    scenario.compare(&original, &recovered)?;
    scenario.boot(&recovered, &HEALTHY)?;
    Ok(original.output)
}

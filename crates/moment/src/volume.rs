//! Snapshots of logical volumes: the calls (lvcreate(8), lvremove(8)), and what LVM reports of them.

use crate::error::MomentError;
use crate::room::{Row, report, rows, text};
use lifeboat_machine::layout::mapper_node;
use lifeboat_sys::program::LVM;
use lifeboat_sys::{Invocation, RunError, Runner};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What they carry beside their names.
pub const TAG: &str = "lifeboat-backup";
/// The copies of the metadata below /etc/lvm are not written: the root filesystem may be frozen, and a snapshot that is gone in an
/// hour is none of their business (lvm.conf(5)).
const SETTINGS: &str = "backup/backup=0 backup/archive=0";
/// How long a snapshot may be in use after it was let go of: the kernel ends mounts, and udev its looking, a moment later.
const IN_USE: Duration = Duration::from_secs(10);
/// How often removing it is tried again.
const AGAIN: Duration = Duration::from_millis(200);

/// A snapshot of a logical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSnapshot {
    /// The volume group.
    pub group: String,
    /// The name of the snapshot.
    pub name: String,
    /// Bytes for changes; `None` for a thin one.
    pub cow_bytes: Option<u64>,
}

impl VolumeSnapshot {
    /// `group/name`
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }

    /// Its device.
    pub fn device(&self) -> PathBuf {
        mapper_node(&self.group, &self.name).into()
    }

    /// The call that takes it. LVM itself freezes the filesystem of the volume meanwhile.
    pub fn take(&self, origin: &str) -> Invocation {
        let call = Invocation::new(LVM).args(["lvcreate", "--config", SETTINGS, "--yes", "--snapshot"]);
        let call = call.args(["--name", &self.name, "--addtag", TAG, "--permission", "r", "--monitor", "n"]);
        let call = match self.cow_bytes {
            Some(bytes) => call.args(["--size", &format!("{bytes}b")]),
            // Thin snapshots are made to be skipped when volumes are activated (lvmthin(7)).
            None => call.args(["--setactivationskip", "n"]),
        };
        call.arg(format!("{}/{origin}", self.group))
    }

    /// The call that removes it.
    pub fn remove(&self) -> Invocation {
        Invocation::new(LVM).args(["lvremove", "--config", SETTINGS, "--yes", "--force"]).arg(self.full_name())
    }
}

/// Removes a snapshot; where it is still in use, again for some seconds.
///
/// # Errors
/// The last one.
pub fn remove(runner: &dyn Runner, snapshot: &VolumeSnapshot) -> Result<(), RunError> {
    let began = Instant::now();
    loop {
        match runner.run(&snapshot.remove()) {
            Ok(_) => return Ok(()),
            Err(RunError::Failed { message, .. }) if message.contains("Failed to find logical volume") => return Ok(()),
            Err(error @ RunError::Failed { .. }) if began.elapsed() < IN_USE => {
                tracing::debug!("{error}");
                std::thread::sleep(AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
}

const STATES: &str = "vg_name,lv_name,lv_tags,lv_attr,origin,segtype,lv_snapshot_invalid,snap_percent";

/// All snapshots of ours that there are, whatever run made them.
///
/// # Errors
/// When LVM fails.
pub fn all(runner: &dyn Runner) -> Result<Vec<VolumeSnapshot>, MomentError> {
    let rows = rows(runner, &report("lvs", STATES, &[]))?;
    Ok(rows.iter().filter(|row| is_ours(row)).map(snapshot).collect())
}

/// The tag alone may have been given by a person.
fn is_ours(row: &Row) -> bool {
    let tagged = text(row, "lv_tags").split(',').any(|tag| tag == TAG);
    tagged && crate::run::id_of(text(row, "lv_name")).is_some() && !text(row, "origin").is_empty()
}

fn snapshot(row: &Row) -> VolumeSnapshot {
    VolumeSnapshot {
        group: text(row, "vg_name").to_owned(),
        name: text(row, "lv_name").to_owned(),
        cow_bytes: (text(row, "segtype") != "thin").then_some(0),
    }
}

/// What became of snapshots: for each that can no longer be relied on, its full name and the reason.
///
/// # Errors
/// When LVM fails.
pub fn faults(runner: &dyn Runner, snapshots: &[VolumeSnapshot]) -> Result<Vec<(String, String)>, MomentError> {
    if snapshots.is_empty() {
        return Ok(vec![]);
    }
    Ok(faults_in(&rows(runner, &report("lvs", STATES, &[]))?, snapshots))
}

fn faults_in(rows: &[Row], snapshots: &[VolumeSnapshot]) -> Vec<(String, String)> {
    let fault = |snapshot: &VolumeSnapshot| {
        let row =
            rows.iter().find(|row| text(row, "vg_name") == snapshot.group && text(row, "lv_name") == snapshot.name);
        let Some(row) = row else { return Some("somebody removed its snapshot during the backup".to_owned()) };
        snapshot.cow_bytes?;
        // lvs(8): the fifth attribute is I for an invalid snapshot, S for one that is suspended as well.
        let state = text(row, "lv_attr").chars().nth(4);
        let invalid = text(row, "lv_snapshot_invalid") == "1" || matches!(state, Some('I' | 'S'));
        let full = text(row, "snap_percent").parse::<f64>().is_ok_and(|percent| percent >= 100.0);
        (invalid || full).then(|| {
            "its snapshot overflowed: more was changed during the backup than it has room for; set a larger 'cow_size' in \
             [snapshots], or leave more room in the volume group"
                .to_owned()
        })
    };
    snapshots.iter().filter_map(|snapshot| Some((snapshot.full_name(), fault(snapshot)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::parse;
    use lifeboat_sys::FakeRunner;

    const BEFORE: &str = include_str!("../fixtures/lvs-snapshots.json");
    const OVERFLOWED: &str = include_str!("../fixtures/lvs-overflowed.json");

    fn cow(name: &str) -> VolumeSnapshot {
        VolumeSnapshot { group: "my-vg".into(), name: name.into(), cow_bytes: Some(64 << 20) }
    }

    #[test]
    fn calls() {
        let classic = cow("lifeboat-0123456789ab-0");
        assert_eq!(classic.device().to_str(), Some("/dev/mapper/my--vg-lifeboat--0123456789ab--0"));
        assert_eq!(
            classic.take("home").command_line(),
            "lvm lvcreate --config 'backup/backup=0 backup/archive=0' --yes --snapshot --name lifeboat-0123456789ab-0 \
             --addtag lifeboat-backup --permission r --monitor n --size 67108864b my-vg/home"
        );
        let thin = VolumeSnapshot { cow_bytes: None, ..classic };
        assert!(thin.take("home").command_line().ends_with("--monitor n --setactivationskip n my-vg/home"));
        assert!(thin.remove().command_line().ends_with("--yes --force my-vg/lifeboat-0123456789ab-0"));
    }

    #[test]
    fn what_is_ours_is_found_and_what_overflowed_is_seen() {
        let ours = all(&FakeRunner::new().answer("lvm lvs", BEFORE)).unwrap();
        let names: Vec<&str> = ours.iter().map(|snapshot| snapshot.name.as_str()).collect();
        assert_eq!(names, ["lifeboat-0123456789ab-0", "lifeboat-0123456789ab-1"], "not the one that a person tagged");
        assert_eq!(ours.iter().map(|snapshot| snapshot.cow_bytes.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(faults_in(&parse(BEFORE).unwrap(), &ours), []);
        let faults = faults_in(&parse(OVERFLOWED).unwrap(), &ours);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].0 == "vg/lifeboat-0123456789ab-0" && faults[0].1.contains("overflowed"), "{faults:?}");
        let faults = faults_in(&[], &ours);
        assert!(faults.len() == 2 && faults[1].1.contains("removed"), "{faults:?}");
    }

    #[test]
    fn one_that_is_gone_already_is_removed() {
        let gone = lifeboat_sys::Output {
            code: 5,
            stdout: vec![],
            stderr: b"  Failed to find logical volume \"my-vg/lifeboat-0123456789ab-0\"\n".to_vec(),
        };
        remove(&FakeRunner::new().answer_with("lvm lvremove", gone), &cow("lifeboat-0123456789ab-0")).unwrap();
        let busy = lifeboat_sys::Output { code: 5, stdout: vec![], stderr: b"  Logical volume x in use.\n".to_vec() };
        let runner = FakeRunner::new().answer_with("lvm lvremove", busy).answer("lvm lvremove", "");
        remove(&runner, &cow("lifeboat-0123456789ab-0")).unwrap();
        assert_eq!(runner.calls().len(), 2);
    }
}

//! Volume groups whose volumes are activated read-only.

use super::lvm;
use crate::blocks::Blocks;
use crate::kinds::LVM_MEMBER;
use crate::layer::{Activated, Incomplete, Layer, LayerKind};
use lifeboat_sys::{RunError, Runner};

/// A volume group.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// UUID.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Physical volumes that are not there.
    pub missing: usize,
    /// The paths of those that are.
    pub volumes: Vec<String>,
}

/// All groups that are there, on whatever disks.
///
/// # Errors
/// When lvm fails.
pub fn list(runner: &dyn Runner) -> Result<Vec<Group>, RunError> {
    let call = lvm("pvs", "").args(["--noheadings", "--separator", "|", "-o", COLUMNS]);
    Ok(parse(&runner.run(&call)?.text()))
}

/// Columns of `lvm pvs`, the name of the device first: it alone may hold any character.
const COLUMNS: &str = "pv_name,vg_missing_pv_count,vg_uuid,vg_name";

/// Reads these columns: of each volume, its group.
fn parse(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![];
    for line in text.lines() {
        let mut columns = line.trim().rsplitn(4, '|');
        let (Some(name), Some(uuid), Some(missing), Some(volume)) =
            (columns.next(), columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        if name.is_empty() {
            continue;
        }
        let missing = missing.parse().unwrap_or(0);
        match groups.iter_mut().find(|group| group.uuid == uuid) {
            Some(group) => group.volumes.push(volume.to_owned()),
            None => groups.push(Group {
                uuid: uuid.to_owned(),
                name: name.to_owned(),
                missing,
                volumes: vec![volume.to_owned()],
            }),
        }
    }
    groups
}

/// Notes groups of one name, which cannot be active side by side: their volumes would have the same nodes.
fn namesakes(groups: &[Group], activated: &mut Activated) {
    for group in groups {
        let same: Vec<&str> = groups.iter().filter(|other| other.name == group.name).map(|g| g.uuid.as_str()).collect();
        if same.len() > 1 && same.first() == Some(&group.uuid.as_str()) {
            let reason = format!(
                "{} volume groups have this name; try activating the one you need: lvm vgchange -a y --select \
                 vg_uuid={}",
                same.len(),
                same.join(" or ")
            );
            activated.failed(format!("the volume group {}", group.name), reason);
        }
    }
}

/// Activates the groups of the physical volumes from which nothing is made yet.
pub fn activate(runner: &dyn Runner, devices: &Blocks, incomplete: Incomplete, activated: &mut Activated) {
    let free: Vec<String> = devices.free(LVM_MEMBER).iter().map(|device| device.path.clone()).collect();
    if free.is_empty() {
        return;
    }
    let groups = match list(runner) {
        Ok(groups) => groups,
        Err(error) => return activated.tool_failed(format!("LVM on {}", free.join(", ")), &error),
    };
    namesakes(&groups, activated);
    let alone = |group: &&Group| groups.iter().filter(|other| other.name == group.name).count() == 1;
    for group in groups.iter().filter(alone).filter(|group| is_idle(devices, group)) {
        let what = format!("the volume group {}", group.name);
        if group.missing > 0 && incomplete == Incomplete::Wait {
            activated.waits(what, format!("{} of its physical volumes are missing", group.missing));
            continue;
        }
        let read_only = format!(" activation/read_only_volume_list=[\"{}\"]", group.name);
        // degraded: volumes that miss a disk are activated when RAID holds their data elsewhere.
        let call = lvm("vgchange", &read_only).args(["-a", "y", "--activationmode", "degraded", &group.name]);
        match runner.run(&call) {
            Ok(_) => activated.layers.push(Layer { kind: LayerKind::Lvm, name: group.name.clone() }),
            Err(error) => {
                activated.tool_failed(what, &error);
                // Some of its volumes may be active all the same, and must be released.
                activated.layers.push(Layer { kind: LayerKind::Lvm, name: group.name.clone() });
            }
        }
    }
}

/// A group of which nothing is active: one that is, somebody else activated.
fn is_idle(devices: &Blocks, group: &Group) -> bool {
    group.volumes.iter().filter_map(|path| devices.at(path)).all(|device| device.holders.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::Block;
    use lifeboat_sys::FakeRunner;

    #[test]
    fn groups_of_idle_volumes_are_activated_read_only() {
        let volume = |name: &str, holders: &[&str]| Block {
            holders: holders.iter().map(|&h| h.to_owned()).collect(),
            ..Block::holding(name, LVM_MEMBER)
        };
        let devices = Blocks::of(vec![volume("sda2", &["dm-0"]), volume("sdb1", &[]), volume("sdc1", &[])]);
        let listed = "  /dev/sda2|0|u1|system\n  /dev/sdb1|0|u2|backup\n  /dev/sdc1|1|u3|torn\n  /dev/sdd|0||\n";
        let run = |incomplete| {
            let runner = FakeRunner::lenient().answer("lvm pvs", listed);
            let mut activated = Activated::default();
            activate(&runner, &devices, incomplete, &mut activated);
            (activated, runner.command_lines())
        };
        let (activated, calls) = run(Incomplete::Wait);
        assert_eq!(activated.layers, [Layer { kind: LayerKind::Lvm, name: "backup".into() }]);
        assert!(activated.problems[0].to_string().contains("torn waits"), "{activated:?}");
        assert!(calls.last().unwrap().contains("read_only_volume_list=[\"backup\"]"), "{calls:?}");
        assert!(!calls.iter().any(|call| call.contains("system")), "{calls:?}");
        assert_eq!(run(Incomplete::Start).0.layers.len(), 2);
    }

    #[test]
    fn of_groups_with_one_name_none_is_activated() {
        let volume = |name: &str| Block::holding(name, LVM_MEMBER);
        let devices = Blocks::of(vec![volume("sda2"), volume("sdb1")]);
        let runner = FakeRunner::lenient().answer("lvm pvs", "/dev/sda2|0|u1|ubuntu-vg\n/dev/sdb1|0|u2|ubuntu-vg\n");
        let mut activated = Activated::default();
        activate(&runner, &devices, Incomplete::Start, &mut activated);
        assert!(activated.layers.is_empty());
        assert_eq!(activated.problems.len(), 1);
        assert!(activated.problems[0].to_string().ends_with("vg_uuid=u1 or u2"), "{activated:?}");
    }
}

//! LVM (lvm(8)): volume groups whose volumes are activated read-only.

use super::devices::BlockDevices;
use super::{Activated, Incomplete, Kind, Layer, complain, tool};
use lifeboat_sys::program::LVM;
use lifeboat_sys::{Invocation, Runner};

/// What blkid calls a physical volume.
pub const MEMBER: &str = "LVM2_member";

/// Settings for a rescue system: nodes are made here and now (no udev, no daemon), and a devices file of the machine does
/// not hide what is there (lvm.conf(5)).
const HERE: &str = "activation/udev_sync=0 activation/udev_rules=0 activation/monitoring=0 devices/use_devicesfile=0 \
                    global/use_lvmpolld=0";

/// A call of lvm with these settings and more.
pub(super) fn lvm(command: &str, more: &str) -> Invocation {
    tool(LVM).args([command, "--config", &format!("{HERE}{more}")])
}

/// A volume group.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    name: String,
    /// Physical volumes that are not there.
    missing: usize,
    /// Their names.
    volumes: Vec<String>,
}

/// Reads `lvm pvs --noheadings --separator / -o pv_name,vg_missing_pv_count,vg_name`: of each volume, its group.
fn parse(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![];
    for line in text.lines() {
        // Names of groups hold no blank; those of devices may hold slashes.
        let Some((rest, name)) = line.trim().rsplit_once('|') else { continue };
        let Some((volume, missing)) = rest.rsplit_once('|') else { continue };
        if name.is_empty() {
            continue;
        }
        let missing = missing.parse().unwrap_or(0);
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.volumes.push(volume.to_owned()),
            None => groups.push(Group { name: name.to_owned(), missing, volumes: vec![volume.to_owned()] }),
        }
    }
    groups
}

/// Activates the groups of the physical volumes from which nothing is made yet.
pub fn activate(runner: &dyn Runner, devices: &BlockDevices, incomplete: Incomplete, activated: &mut Activated) {
    let free: Vec<String> = devices.free(MEMBER).iter().map(|device| device.path()).collect();
    if free.is_empty() {
        return;
    }
    let list = lvm("pvs", "").args(["--noheadings", "--separator", "|", "-o", "pv_name,vg_missing_pv_count,vg_name"]);
    let groups = match runner.run(&list) {
        Ok(output) => parse(&output.text()),
        Err(error) => return complain(activated, &format!("LVM on {}", free.join(", ")), &error),
    };
    for group in groups.iter().filter(|group| is_idle(devices, group)) {
        let what = format!("the volume group {}", group.name);
        if group.missing > 0 && incomplete == Incomplete::Wait {
            activated.problems.push(format!("{what} waits: {} of its physical volumes are missing", group.missing));
            continue;
        }
        let read_only = format!(" activation/read_only_volume_list=[\"{}\"]", group.name);
        // degraded: volumes that miss a disk are activated when RAID holds their data elsewhere.
        let call = lvm("vgchange", &read_only).args(["-a", "y", "--activationmode", "degraded", &group.name]);
        match runner.run(&call) {
            Ok(_) => activated.layers.push(Layer { kind: Kind::Lvm, name: group.name.clone() }),
            Err(error) => {
                complain(activated, &what, &error);
                // Some of its volumes may be active all the same, and must be released.
                activated.layers.push(Layer { kind: Kind::Lvm, name: group.name.clone() });
            }
        }
    }
}

/// A group of which nothing is active: one that is, somebody else activated.
fn is_idle(devices: &BlockDevices, group: &Group) -> bool {
    group.volumes.iter().filter_map(|path| devices.at(path)).all(|device| device.holders.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::devices::Device;
    use super::*;
    use lifeboat_sys::FakeRunner;

    #[test]
    fn groups_of_idle_volumes_are_activated_read_only() {
        let volume = |name: &str, holders: &[&str]| Device {
            name: name.into(),
            kind: MEMBER.into(),
            holders: holders.iter().map(|&h| h.to_owned()).collect(),
            ..Device::default()
        };
        let devices = BlockDevices::of(vec![volume("sda2", &["dm-0"]), volume("sdb1", &[]), volume("sdc1", &[])]);
        let listed = "  /dev/sda2|0|system\n  /dev/sdb1|0|backup\n  /dev/sdc1|1|torn\n  /dev/sdd|0|\n";
        let run = |incomplete| {
            let runner = FakeRunner::lenient().answer("lvm pvs", listed);
            let mut activated = Activated::default();
            activate(&runner, &devices, incomplete, &mut activated);
            (activated, runner.command_lines())
        };
        let (activated, calls) = run(Incomplete::Wait);
        assert_eq!(activated.layers, [Layer { kind: Kind::Lvm, name: "backup".into() }]);
        assert!(activated.problems[0].contains("torn waits"), "{activated:?}");
        assert!(calls.last().unwrap().contains("read_only_volume_list=[\"backup\"]"), "{calls:?}");
        assert!(!calls.iter().any(|call| call.contains("system")), "{calls:?}");
        assert_eq!(run(Incomplete::Start).0.layers.len(), 2);
    }
}

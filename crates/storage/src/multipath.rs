//! Multipath (multipath(8)): two disks with one World Wide Name are two ways to the same disk.

use crate::blocks::{Block, Blocks};
use crate::layer::{Activated, Incomplete, Layer, LayerKind, tool};
use lifeboat_sys::Runner;
use lifeboat_sys::program::{KPARTX, MODPROBE, MULTIPATH};

/// Disks that are seen twice, and not yet through multipath: the first path of each.
pub fn seen_twice(devices: &Blocks) -> Vec<&Block> {
    let whole: Vec<&Block> = devices
        .all()
        .filter(|d| {
            !d.hidden && d.partition.is_none() && d.slaves.is_empty() && d.wwid.is_some() && d.holders.is_empty()
        })
        .collect();
    let mut found: Vec<&Block> = vec![];
    for (index, device) in whole.iter().enumerate() {
        let again = whole[index + 1..].iter().any(|other| other.wwid == device.wwid);
        if again && !found.iter().any(|known| known.wwid == device.wwid) {
            found.push(device);
        }
    }
    found
}

/// What is made of a path to a disk, or of a partition that the kernel found on that path: while multipath has the disk, the
/// path itself is busy. `None` when multipath does not have it.
pub fn through<'b>(devices: &'b Blocks, path: &Block) -> Option<&'b Block> {
    let disk = match &path.partition {
        Some((_, disk)) => devices.named(disk)?,
        None => path,
    };
    let holding = |below: &Block, prefix: &str| {
        devices.all().find(|holder| {
            let uuid = holder.mapper.as_ref().map_or("", |(_, uuid)| uuid);
            below.holders.contains(&holder.name) && uuid.starts_with(prefix)
        })
    };
    let joined = holding(disk, "mpath-")?;
    match &path.partition {
        Some((number, _)) => holding(joined, &format!("part{number}-mpath-")),
        None => Some(joined),
    }
}

/// Joins the paths of disks that are seen twice.
pub fn activate(runner: &dyn Runner, devices: &Blocks, _: Incomplete, activated: &mut Activated) {
    let disks = seen_twice(devices);
    if disks.is_empty() {
        return;
    }
    // It looks whether the kernel has the driver before it does what would make the kernel load it.
    if let Err(error) = runner.run(&tool(MODPROBE).args(["-q", "dm-multipath"])) {
        return activated.tool_failed("multipath", &error);
    }
    for disk in disks {
        let what = format!("multipath for {}, which is seen twice", disk.path);
        // -i: the list of known disks is the machine's, and did not come along.
        let joined = runner.run(&tool(MULTIPATH).args(["-v1", "-i"]).arg(&disk.path));
        let name = match joined {
            Ok(output) => output.text().lines().next().unwrap_or_default().trim().to_owned(),
            Err(error) => {
                activated.tool_failed(what, &error);
                continue;
            }
        };
        if name.is_empty() {
            activated.failed(what, "the machine's multipath.conf excludes it");
            continue;
        }
        if let Err(error) = runner.run(&tool(KPARTX).args(["-a", "-p", "-part"]).arg(format!("/dev/mapper/{name}"))) {
            activated.tool_failed(format!("the partitions of {name}"), &error);
        }
        activated.layers.push(Layer { kind: LayerKind::Multipath, name });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;

    #[test]
    fn a_path_leads_to_what_is_made_of_it() {
        let held = |name: &str, holders: &[&str]| Block {
            holders: holders.iter().map(|&h| h.to_owned()).collect(),
            ..Block::holding(name, "ext4")
        };
        let part = |name: &str, number, disk: &str| Block { partition: Some((number, disk.into())), ..held(name, &[]) };
        let mapper = |name: &str, uuid: &str, holders: &[&str]| Block {
            mapper: Some(("m".into(), uuid.into())),
            ..held(name, holders)
        };
        let devices = Blocks::of(vec![
            held("sda", &["dm-0"]),
            part("sda1", 1, "sda"),
            part("sda2", 2, "sda"),
            mapper("dm-0", "mpath-3600", &["dm-1"]),
            mapper("dm-1", "part1-mpath-3600", &[]),
            held("sdb", &["dm-3"]),
            mapper("dm-3", "CRYPT-LUKS2-1", &[]),
            part("sdc1", 1, "sdc"),
        ]);
        let leads = |name: &str| through(&devices, devices.named(name).unwrap()).map(|block| block.name.as_str());
        for (name, to) in [
            ("sda", Some("dm-0")),
            ("sda1", Some("dm-1")),
            ("sda2", None),
            ("sdb", None),
            ("sdc1", None),
            ("dm-0", None),
        ] {
            assert_eq!(leads(name), to, "{name}");
        }
    }

    #[test]
    fn paths_are_joined_once() {
        let disk = |name: &str, wwid: &str, holders: &[&str]| Block {
            wwid: Some(wwid.into()),
            holders: holders.iter().map(|&h| h.to_owned()).collect(),
            ..Block::holding(name, "")
        };
        let devices = Blocks::of(vec![
            disk("sda", "naa.1", &[]),
            disk("sdb", "naa.2", &[]),
            disk("sdc", "naa.2", &[]),
            disk("sdd", "naa.3", &["dm-0"]),
            disk("sde", "naa.3", &["dm-0"]),
        ]);
        let runner = FakeRunner::lenient().answer("multipath", "mpatha\n");
        let mut activated = Activated::default();
        activate(&runner, &devices, Incomplete::Wait, &mut activated);
        assert_eq!(activated.layers, [Layer { kind: LayerKind::Multipath, name: "mpatha".into() }]);
        assert_eq!(
            runner.command_lines(),
            ["modprobe -q dm-multipath", "multipath -v1 -i /dev/sdb", "kpartx -a -p -part /dev/mapper/mpatha"]
        );
    }
}

//! What blkid(8) and sysfs tell of the block devices: what each holds, and what is made from it.

use lifeboat_sys::program::BLKID;
use lifeboat_sys::{Invocation, RunError, Runner};
use std::path::{Path, PathBuf};

/// A block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Kernel name: `sda1`, `dm-0`.
    pub name: String,
    /// `TYPE` as blkid gives it: `ext4`, `LVM2_member`; empty when it knows nothing.
    pub kind: String,
    /// `UUID` as blkid gives it: of the array, of the LUKS header, of the physical volume.
    pub uuid: String,
    /// Kernel names of the devices that are made from it.
    pub holders: Vec<String>,
    /// Kernel names of those that it is made from.
    pub slaves: Vec<String>,
    /// The disk of which it is a partition.
    pub partition_of: Option<String>,
    /// World Wide Name of a disk.
    pub wwn: Option<String>,
    /// Device-mapper name and uuid.
    pub mapper: Option<(String, String)>,
}

impl Device {
    /// Its node.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.name.replace('!', "/"))
    }

    /// True for its node, and for the one below /dev/mapper by which blkid calls a device-mapper device.
    fn is_at(&self, path: &str) -> bool {
        match path.strip_prefix("/dev/mapper/") {
            Some(name) => self.mapper.as_ref().is_some_and(|(mapper, _)| mapper == name),
            None => self.path() == path,
        }
    }
}

/// All block devices.
#[derive(Clone, Debug, Default)]
pub struct BlockDevices {
    all: Vec<Device>,
}

impl BlockDevices {
    /// Reads /sys/class/block, and asks blkid past its cache.
    ///
    /// # Errors
    /// [`RunError`] when blkid fails.
    pub fn read(runner: &dyn Runner, sys: &Path) -> Result<BlockDevices, RunError> {
        let mut all: Vec<Device> =
            entries(&sys.join("class/block")).into_iter().filter_map(|n| device(sys, n)).collect();
        // 2: nothing found (blkid(8)).
        let call = Invocation::new(BLKID).args(["-c", "/dev/null", "-o", "export"]).accept(2);
        for (path, kind, uuid) in parse(&runner.run(&call)?.text()) {
            if let Some(device) = all.iter_mut().find(|device| device.is_at(&path)) {
                (device.kind, device.uuid) = (kind, uuid);
            }
        }
        Ok(BlockDevices { all })
    }

    /// Those that were put together by hand, in tests.
    #[cfg(test)]
    pub(crate) fn of(all: Vec<Device>) -> BlockDevices {
        BlockDevices { all }
    }

    /// All of them, in the order of their names.
    pub fn all(&self) -> &[Device] {
        &self.all
    }

    /// Those that hold `kind` and from which nothing is made yet.
    pub fn free(&self, kind: &str) -> Vec<&Device> {
        self.all.iter().filter(|device| device.kind == kind && !self.is_held(device)).collect()
    }

    /// True when something is made from the device, or from the disk of which it is a partition: the paths of a multipath
    /// device keep the partitions that the kernel saw first.
    pub fn is_held(&self, device: &Device) -> bool {
        let disk = device.partition_of.as_deref().and_then(|disk| self.named(disk));
        !device.holders.is_empty() || disk.is_some_and(|disk| !disk.holders.is_empty())
    }

    /// The device of this kernel name.
    pub fn named(&self, name: &str) -> Option<&Device> {
        self.all.iter().find(|device| device.name == name)
    }

    /// The device at a node.
    pub fn at(&self, path: &str) -> Option<&Device> {
        self.all.iter().find(|device| device.is_at(path))
    }

    /// What two paths to one disk have in common: its World Wide Name, and for a partition its number.
    pub fn identity(&self, device: &Device) -> Option<String> {
        let disk = device.partition_of.as_deref().and_then(|disk| self.named(disk)).unwrap_or(device);
        let part = device.name.strip_prefix(&disk.name).unwrap_or_default();
        disk.wwn.as_ref().map(|wwn| format!("{wwn} {part}"))
    }

    /// Kernel names of the disks below a device, itself when it is one.
    pub fn disks_under(&self, name: &str) -> Vec<String> {
        let (mut todo, mut seen, mut disks) = (vec![name.to_owned()], vec![], vec![]);
        while let Some(name) = todo.pop() {
            if seen.contains(&name) {
                continue;
            }
            let Some(device) = self.named(&name) else { continue };
            match &device.partition_of {
                Some(disk) => todo.push(disk.clone()),
                None if device.slaves.is_empty() => disks.push(name.clone()),
                None => todo.extend(device.slaves.iter().cloned()),
            }
            seen.push(name);
        }
        disks.sort();
        disks
    }
}

/// Names in a directory, sorted; none when it cannot be read.
fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn attribute(path: PathBuf) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn device(sys: &Path, name: String) -> Option<Device> {
    let directory = sys.join("class/block").join(&name).canonicalize().ok()?;
    // A path of a namespace that the kernel itself makes one of (nvme-multipath): it has no node.
    if attribute(directory.join("hidden")).as_deref() == Some("1") {
        return None;
    }
    let partition = directory.join("partition").exists();
    let parent = || directory.parent()?.file_name()?.to_str().map(str::to_owned);
    Some(Device {
        kind: String::new(),
        uuid: String::new(),
        holders: entries(&directory.join("holders")),
        slaves: entries(&directory.join("slaves")),
        partition_of: if partition { parent() } else { None },
        // SCSI disks have it below `device`, NVMe namespaces in their own directory.
        wwn: ["device/wwid", "wwid"].iter().find_map(|file| attribute(directory.join(file))),
        mapper: attribute(directory.join("dm/name"))
            .map(|mapper| (mapper, attribute(directory.join("dm/uuid")).unwrap_or_default())),
        name,
    })
}

/// Reads `blkid -o export`: blocks of `NAME=value` lines that begin with DEVNAME. Gives node, type and UUID.
fn parse(text: &str) -> Vec<(String, String, String)> {
    let mut found: Vec<(String, String, String)> = vec![];
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match (key, found.last_mut()) {
            ("DEVNAME", _) => found.push((value.to_owned(), String::new(), String::new())),
            ("TYPE", Some(last)) => value.clone_into(&mut last.1),
            ("UUID", Some(last)) => value.clone_into(&mut last.2),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;
    use std::os::unix::fs::symlink;

    /// Words of blkid 2.38 about a LUKS device in a volume group on an array.
    const BLKID_SAYS: &str = "DEVNAME=/dev/vdb1\nUUID=0f94ed54-43b7-25a2-6bb1-7c3a1c1a7e44\n\
        UUID_SUB=85f0d8dd-1d9f-1a36-0e5b-ee3b0d8ffb11\nLABEL=server:backup\nTYPE=linux_raid_member\nPARTUUID=ab-01\n\n\
        DEVNAME=/dev/md127\nUUID=Xq3yLd-7f\nTYPE=LVM2_member\n\nDEVNAME=/dev/mapper/vg-secret\nUUID=64f0\nTYPE=crypto_LUKS\n";

    #[test]
    fn a_stack_in_sysfs() {
        let root = tempfile::tempdir().unwrap();
        let class = root.path().join("class/block");
        std::fs::create_dir_all(&class).unwrap();
        for (path, files) in [
            ("pci/vdb", &[("device/wwid", "naa.5000c500a1b2c3d4")][..]),
            ("pci/vdb/vdb1", &[("partition", "1"), ("holders/md127", "")]),
            ("virtual/md127", &[("slaves/vdb1", ""), ("holders/dm-0", "")]),
            ("virtual/dm-0", &[("slaves/md127", ""), ("dm/name", "vg-secret"), ("dm/uuid", "LVM-abc")]),
        ] {
            let directory = root.path().join("devices").join(path);
            for (name, content) in files {
                let file = directory.join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, content).unwrap();
            }
            symlink(&directory, class.join(directory.file_name().unwrap())).unwrap();
        }
        let runner = FakeRunner::new().answer("blkid -c /dev/null -o export", BLKID_SAYS);
        let devices = BlockDevices::read(&runner, root.path()).unwrap();
        let kinds: Vec<_> = devices.all().iter().map(|d| (d.path(), d.kind.as_str(), d.uuid.as_str())).collect();
        assert_eq!(
            kinds,
            [
                ("/dev/dm-0".to_owned(), "crypto_LUKS", "64f0"),
                ("/dev/md127".to_owned(), "LVM2_member", "Xq3yLd-7f"),
                ("/dev/vdb".to_owned(), "", ""),
                ("/dev/vdb1".to_owned(), "linux_raid_member", "0f94ed54-43b7-25a2-6bb1-7c3a1c1a7e44"),
            ]
        );
        assert_eq!(devices.free("crypto_LUKS").len(), 1);
        assert!(devices.free("LVM2_member").is_empty());
        assert_eq!(devices.disks_under("dm-0"), ["vdb"]);
        assert_eq!(devices.named("vdb").unwrap().wwn.as_deref(), Some("naa.5000c500a1b2c3d4"));
    }
}

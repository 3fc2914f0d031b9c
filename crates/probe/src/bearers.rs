//! Which devices bear a UUID: beside the disks of a plan ([`bearers`]), and twice on a healthy machine ([`twins`]).

use crate::identity;
use crate::prober::{Prober, blocks};
use crate::report::ProbeError;
use crate::signature;
use crate::sysroot::Sysroot;
use lifeboat_machine::{Content, Layout};
use lifeboat_storage::blocks::{Block, Blocks, Family, family};
use lifeboat_sys::Runner;
use std::collections::BTreeMap;

/// A device with a filesystem, a swap area or another thing that has a UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The device: `/dev/sdb1`.
    pub path: String,
    /// The disk that it is on, when it is on one.
    pub disk: Option<String>,
    /// The UUID as blkid prints it.
    pub uuid: String,
}

impl Bearer {
    /// What a person unplugs so that it is gone: its disk, when it is on one.
    pub fn unplug(&self) -> &str {
        self.disk.as_deref().unwrap_or(&self.path)
    }
}

/// Everything with a UUID on the devices that are connected, but for what is on the disks of these kernel paths, by
/// whatever way they are reached.
///
/// # Errors
/// [`ProbeError`] when /sys cannot be read.
pub fn bearers(runner: &dyn Runner, beside: &[&str]) -> Result<Vec<Bearer>, ProbeError> {
    let sysroot = Sysroot::default();
    let prober = Prober::new(runner, &sysroot);
    let blocks = blocks(&prober)?;
    let wwn = |block: &Block| identity::disk(&prober, block).wwn.filter(|wwn| !wwn.is_empty());
    let left_out: Vec<&Block> = beside.iter().filter_map(|path| blocks.linked(&prober.host, path)).collect();
    let known: Vec<String> = left_out.iter().filter_map(|block| wwn(block)).collect();
    // A disk that is reached by several paths is one disk.
    let same = |disk: &Block| {
        left_out.iter().any(|block| block.name == disk.name) || wwn(disk).is_some_and(|wwn| known.contains(&wwn))
    };
    let mut found = vec![];
    for block in blocks.all() {
        let ignored = matches!(family(&block.name), Family::Ignored) || block.hidden || block.size_bytes <= 1024;
        let disks = blocks.disks_under(&block.name);
        if ignored || disks.iter().any(|disk| same(disk)) {
            continue;
        }
        // What cannot be read bears nothing that anybody could mix up.
        let Ok(signature) = signature::read(&prober, &block.path) else { continue };
        if let Some(uuid) = signature.uuid {
            let disk = disks.first().map(|disk| disk.path.clone());
            found.push(Bearer { path: block.path.clone(), disk, uuid });
        }
    }
    Ok(found)
}

/// What of a machine has the UUID of something else that is connected, for people. The kernel, the boot loader and a recovery may take
/// one for the other; a plan refuses to make another filesystem with it while it is there.
pub(crate) fn twins(prober: &Prober<'_>, blocks: &Blocks, layout: &Layout) -> Vec<String> {
    let own = layout.devices.iter().filter_map(|device| match &device.content {
        Content::Filesystem(filesystem) => Some((device.path.as_str(), filesystem.uuid.as_str())),
        Content::Swap(swap) => Some((device.path.as_str(), swap.uuid.as_deref()?)),
        _ => None,
    });
    // A FAT without serial number says nothing by it.
    let own: Vec<_> = own.filter(|(_, uuid)| uuid.chars().any(|c| !matches!(c, '0' | '-'))).collect();
    if own.is_empty() {
        return vec![];
    }
    let is_disk = |block: &Block| match family(&block.name) {
        Family::Disk => true,
        Family::Loop => prober.options.loop_devices,
        Family::Ignored | Family::Stacked(_) => false,
    };
    let mut bearing: BTreeMap<String, Vec<&Block>> = BTreeMap::new();
    for block in blocks.all().filter(|block| is_disk(block) && !block.hidden && block.size_bytes > 1024) {
        let Ok(signature) = signature::read(prober, &block.path) else { continue };
        // Members of arrays have the UUID of the array.
        let is_whole = !matches!(signature.usage.as_deref(), Some("raid" | "crypto"));
        if let Some(uuid) = signature.uuid.filter(|_| is_whole) {
            bearing.entry(uuid.to_ascii_lowercase()).or_default().push(block);
        }
    }
    let disk = |block: &Block| blocks.disks_under(&block.name).first().copied().cloned();
    let wwn = |block: &Block| identity::disk(prober, block).wwn.filter(|wwn| !wwn.is_empty());
    let one_btrfs = |block: &Block, uuid: &str| {
        prober.host(&format!("/sys/fs/btrfs/{}/devices/{}", uuid.to_ascii_lowercase(), block.name)).exists()
    };
    let mut reported = vec![];
    for (path, uuid) in own {
        let Some(block) = blocks.linked(&prober.host, path) else { continue };
        let others = bearing.get(&uuid.to_ascii_lowercase()).into_iter().flatten();
        for other in others.filter(|other| other.name != block.name) {
            let (Some(own_disk), Some(other_disk)) = (disk(block), disk(other)) else { continue };
            // A disk that is reached by several paths is one disk.
            let is_path =
                own_disk.name != other_disk.name && wwn(&own_disk).is_some_and(|own| wwn(&other_disk) == Some(own));
            // Of two partitions of the machine one says it; so does one of a btrfs on several devices, which is refused.
            let is_reported = layout.devices.iter().any(|device| device.path == other.path) && other.name < block.name;
            if is_path || is_reported || (one_btrfs(block, uuid) && one_btrfs(other, uuid)) {
                continue;
            }
            let remedy = match own_disk.name == other_disk.name {
                true => "giving one of them another UUID".to_owned(),
                false => format!("unplugging {}, or giving one of them another UUID", other_disk.path),
            };
            reported.push(format!(
                "{path} and {} have the same UUID ({uuid}): one could be mistaken for the other, and a recovery is \
                 refused while both are connected; try {remedy} (tune2fs -U random, xfs_admin -U generate, btrfstune \
                 -u, swaplabel -U)",
                other.path
            ));
        }
    }
    reported
}

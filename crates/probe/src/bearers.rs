//! [`bearers`]: which devices bear a UUID now, beside some disks.

use crate::blocks::{Block, Blocks, Family, family};
use crate::context::Context;
use crate::identity;
use crate::report::ProbeError;
use crate::signature;
use crate::sysroot::Sysroot;
use lifeboat_sys::Runner;

/// A device with a filesystem, a swap area or another thing that has a UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The device: `/dev/sdb1`.
    pub path: String,
    /// The disk that it lies on, when it lies on one.
    pub disk: Option<String>,
    /// The UUID as blkid prints it.
    pub uuid: String,
}

/// Everything with a UUID on the devices that are connected, but for what lies on the disks of these kernel paths, by
/// whatever way they are reached.
///
/// # Errors
/// [`ProbeError`] when /sys cannot be read.
pub fn bearers(runner: &dyn Runner, beside: &[&str]) -> Result<Vec<Bearer>, ProbeError> {
    let sysroot = Sysroot::default();
    let context = Context::new(runner, &sysroot);
    let blocks = Blocks::read(&context)?;
    let wwn = |block: &Block| identity::disk(&context, block).wwn.filter(|wwn| !wwn.is_empty());
    let left_out: Vec<&Block> = beside.iter().filter_map(|path| blocks.at(&context, path)).collect();
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
        let Ok(signature) = signature::read(&context, &block.path) else { continue };
        if let Some(uuid) = signature.uuid {
            let disk = disks.first().map(|disk| disk.path.clone());
            found.push(Bearer { path: block.path.clone(), disk, uuid });
        }
    }
    Ok(found)
}

//! XFS: mkfs.xfs(8). Features that a newer mkfs.xfs turns on by itself are each named, on or off.

use super::unsupported;
use crate::error::RebuildError;
use lifeboat_machine::filesystem::{Filesystem, XfsOptions};
use lifeboat_sys::program::MKFS_XFS;
use lifeboat_sys::{Invocation, Runner};
use std::path::Path;

/// Makes it.
pub(super) fn make(
    runner: &dyn Runner,
    device: &Path,
    filesystem: &Filesystem,
    xfs: &XfsOptions,
    resized: bool,
) -> Result<Vec<String>, RebuildError> {
    runner.run(&mkfs(device, filesystem, xfs, resized)?)?;
    Ok(vec![])
}

/// The call of mkfs.xfs.
pub(super) fn mkfs(
    device: &Path,
    filesystem: &Filesystem,
    xfs: &XfsOptions,
    resized: bool,
) -> Result<Invocation, RebuildError> {
    let mut metadata = vec![format!("uuid={}", filesystem.uuid)];
    let mut inodes = vec![format!("size={}", xfs.inode_bytes), format!("maxpct={}", xfs.max_inode_percent)];
    let mut naming = vec![format!("size={}", xfs.directory_block_bytes)];
    for (name, on) in &xfs.features {
        let value = u8::from(*on);
        match name.as_str() {
            "crc" | "finobt" | "rmapbt" | "reflink" | "bigtime" | "inobtcount" | "metadir" | "autofsck" => {
                metadata.push(format!("{name}={value}"));
            }
            "sparse" | "projid32bit" | "nrext64" | "exchange" => inodes.push(format!("{name}={value}")),
            "attr2" => inodes.push(format!("attr={}", if *on { 2 } else { 1 })),
            "ftype" | "parent" => naming.push(format!("{name}={value}")),
            "ascii-ci" => naming.extend(on.then(|| "version=ci".to_owned())),
            other => {
                return Err(unsupported(
                    format!("the XFS feature {other}"),
                    device,
                    "this Lifeboat does not know how mkfs.xfs names it",
                ));
            }
        }
    }
    let block = u64::from(xfs.block_bytes);
    let mut data = vec![format!("size={}", xfs.blocks * block)];
    if !resized {
        data.push(format!("agsize={}b", xfs.allocation_group_blocks));
    }
    if xfs.stripe_unit_blocks == 0 {
        data.push("noalign".into());
    } else {
        data.push(format!("su={}", u64::from(xfs.stripe_unit_blocks) * block));
        data.push(format!("sw={}", (xfs.stripe_width_blocks / xfs.stripe_unit_blocks).max(1)));
    }
    let mut log = vec![format!("version={}", xfs.log_version), format!("sectsize={}", xfs.log_sector_bytes)];
    if !resized {
        log.push(format!("size={}b", xfs.log_blocks));
    }
    if xfs.log_stripe_unit_blocks > 0 {
        log.push(format!("su={}", u64::from(xfs.log_stripe_unit_blocks) * block));
    }
    log.push(format!("lazy-count={}", u8::from(xfs.lazy_count)));
    let mut call = Invocation::new(MKFS_XFS)
        .args(["-f", "-q", "-K"])
        // Sizes in blocks and sectors refer to what stands before them.
        .args(["-b", &format!("size={block}"), "-s", &format!("size={}", xfs.sector_bytes)])
        .args(["-m", &metadata.join(","), "-i", &inodes.join(","), "-d", &data.join(",")])
        .args(["-l", &log.join(","), "-n", &naming.join(",")]);
    if !filesystem.label.0.is_empty() {
        call = call.arg("-L").arg(filesystem.label.to_os_string());
    }
    Ok(call.arg(device))
}

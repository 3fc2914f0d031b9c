//! XFS: mkfs.xfs(8). Features that a newer mkfs.xfs turns on by itself are each named, on or off.

use crate::context::Context;
use crate::error::RebuildError;
use crate::mounts::mounted_at_target;
use crate::read_back::{self, XFS_SMALLEST_GROUP};
use lifeboat_machine::bytes::human;
use lifeboat_machine::filesystem::{Filesystem, XfsOptions};
use lifeboat_plan::FurtherDevice;
use lifeboat_sys::program::{MKFS_XFS, XFS_ADMIN, XFS_GROWFS};
use lifeboat_sys::{Invocation, Runner};
use std::path::Path;

/// Features that came later than others, each on by default from some release on.
const NEWER: [&str; 6] = ["reflink", "bigtime", "inobtcount", "nrext64", "exchange", "parent"];

/// Makes it.
pub(super) fn make(
    context: &Context,
    device: &Path,
    filesystem: &Filesystem,
    xfs: &XfsOptions,
    resized: bool,
    further: &[FurtherDevice],
) -> Result<Vec<String>, RebuildError> {
    let runner = context.runner;
    runner.run(&mkfs(device, filesystem, &whole(runner, xfs), resized, further)?)?;
    if xfs.metadata_uuid.is_some() {
        // It got its UUID after it was made; the metadata keep the first one.
        let call = Invocation::new(XFS_ADMIN).args(["-U", &filesystem.uuid]).arg(device);
        // Without the log it aborts; the log goes behind the device (xfs_admin(8)).
        runner.run(&further.iter().fold(call, |call, further| call.arg(&further.device)))?;
    }
    if resized || small_group(xfs) == 0 {
        return Ok(vec![]);
    }
    // The kernel makes smaller allocation groups than mkfs.xfs when a filesystem grows: so it did, and so it does again.
    let log = further.iter().map(|further| format!("logdev={}", further.device)).collect::<Vec<_>>();
    let options: Vec<&str> = log.iter().map(String::as_str).collect();
    let grown = mounted_at_target(context, device, "xfs", &options, |place| {
        runner.run(&Invocation::new(XFS_GROWFS).args(["-D", &xfs.blocks.to_string()]).arg(place))?;
        Ok(())
    });
    Ok(match grown {
        Ok(()) => vec![],
        Err(error) => vec![format!(
            "{} is {} smaller than recorded: mkfs.xfs cannot make such a small allocation group, and growing it \
             failed: {error}",
            device.display(),
            human(small_group(xfs) * u64::from(xfs.block_bytes))
        )],
    })
}

/// Blocks in the last allocation group that mkfs.xfs would leave out; 0 when it makes all of them.
fn small_group(xfs: &XfsOptions) -> u64 {
    let group = xfs.allocation_group_blocks.max(1);
    let rest = xfs.blocks % group;
    let small = rest * u64::from(xfs.block_bytes) < XFS_SMALLEST_GROUP && xfs.blocks > group;
    if small { rest } else { 0 }
}

/// The options with those features turned off that the mkfs.xfs at hand knows, the recorded filesystem did not, and a newer
/// release turns on by itself: an older kernel or boot loader cannot read them.
pub(crate) fn whole(runner: &dyn Runner, xfs: &XfsOptions) -> XfsOptions {
    let lacking: Vec<&&str> =
        NEWER.iter().filter(|name| read_back::complete(xfs) && !read_back::names(xfs, name)).collect();
    let mut whole = xfs.clone();
    if lacking.is_empty() {
        return whole;
    }
    // Without arguments it prints its usage.
    let usage = runner.run(&Invocation::new(MKFS_XFS).accept(1));
    let usage = usage.map(|output| format!("{}{}", output.text(), String::from_utf8_lossy(&output.stderr)));
    let usage = usage.unwrap_or_default();
    for name in lacking {
        if usage.contains(&format!("{name}=")) {
            whole.features.push(((*name).to_owned(), false));
        }
    }
    whole
}

/// The call of mkfs.xfs.
pub(crate) fn mkfs(
    device: &Path,
    filesystem: &Filesystem,
    xfs: &XfsOptions,
    resized: bool,
    further: &[FurtherDevice],
) -> Result<Invocation, RebuildError> {
    let first_uuid = xfs.metadata_uuid.as_ref().unwrap_or(&filesystem.uuid);
    let mut metadata = vec![format!("uuid={first_uuid}")];
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
                return Err(RebuildError::unsupported(
                    format!("the XFS feature {other}"),
                    device,
                    "this release does not know the mkfs.xfs option for it",
                ));
            }
        }
    }
    let external = further.iter().find(|further| further.journal.is_some());
    if let Some(other) = xfs.log_device.as_ref().filter(|_| external.is_none()) {
        return Err(RebuildError::unsupported("a log of its own", device, format!("it was on {other}")));
    }
    if let Some(realtime) = &xfs.realtime {
        return Err(RebuildError::unsupported("a realtime section", device, format!("it was on {}", realtime.device)));
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
    if let Some(external) = external {
        log.push(format!("logdev={}", external.device));
    }
    // A log on a device of its own does not change with the filesystem.
    if !resized || external.is_some() {
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

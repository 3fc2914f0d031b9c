//! What one device or image file holds, unmounted: [`content_of`], [`table_of`].

use crate::content;
use crate::prober::Prober;
use crate::report::{Findings, Refusal};
use crate::sysroot::Sysroot;
use crate::table;
use lifeboat_machine::layout::{Partition, PartitionTable};
use lifeboat_machine::{Content, DeviceId};
use lifeboat_sys::{Invocation, Runner, program};

/// Reads what a device or an image file holds without mounting it: no usage, no btrfs profiles and subvolumes.
///
/// # Errors
/// What could not be rebuilt.
pub fn content_of(runner: &dyn Runner, device: &str) -> Result<Content, Vec<Refusal>> {
    let sysroot = Sysroot::default();
    let prober = Prober::new(runner, &sysroot);
    let mut findings = Findings::default();
    let signature = content::signature(&prober, device, &mut findings);
    let content = signature.map(|signature| content::read(&prober, device, &signature, &[], &mut findings));
    match content {
        Some(content) if findings.refusals.is_empty() => Ok(content),
        _ => Err(findings.refusals),
    }
}

/// Reads the partition table of a disk or an image file. Its entries say `parent` of where they belong.
///
/// # Errors
/// Why it cannot be read, or could not be rebuilt.
pub fn table_of(
    runner: &dyn Runner,
    disk: &str,
    parent: &DeviceId,
) -> Result<(PartitionTable, Vec<Partition>), String> {
    let sysroot = Sysroot::default();
    let prober = Prober::new(runner, &sysroot);
    let sector = prober.read_device(disk, 0, 512).map_err(|error| format!("cannot READ its first sector: {error}"))?;
    let call = Invocation::new(program::SFDISK).arg("--json").arg(prober.host(disk));
    let output = prober.runner.run(&call).map_err(|error| error.to_string())?;
    let read = table::parse(&output.stdout, &sector, parent).map_err(|error| error.to_string())?;
    Ok((read.table, read.partitions))
}

//! Steps of a recovery at the same time: twelve filesystems on loop devices, by `crates/rebuild/examples/together.rs`, which also
//! measures a RAID 6 with LVM on real disks where it is called with them.

use super::folder::empty;
use super::measure::Call;
use crate::workspace;
use anyhow::{Context as _, bail};
use std::path::Path;
use std::process::Command;

/// Builds the example and runs it; gives how many times as long it takes as one step after the other, in the same run.
pub fn measure(directory: &Path) -> anyhow::Result<f64> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "-p", "lifeboat-rebuild", "--example", "together"]);
    let status = cargo.current_dir(workspace::top()).status().context("cannot RUN cargo")?;
    if !status.success() {
        bail!("cannot BUILD the example of lifeboat-rebuild: cargo ended with {status}");
    }
    let (program, log, work) =
        (workspace::program("examples/together")?, directory.join("together.log"), directory.join("together"));
    empty(&work)?;
    Call::new(program).args(["loop".as_ref(), work.as_os_str()]).measure(&log)?;
    let text = std::fs::read_to_string(&log).with_context(|| format!("cannot READ {}", log.display()))?;
    // `24 steps: 4.213 s one after the other, 1.502 s together: 0.357`
    let ratio = text.lines().find_map(|line| line.rsplit_once(" together: ")?.1.parse::<f64>().ok());
    let Some(ratio) = ratio else { bail!("the example of lifeboat-rebuild printed no ratio: {text}") };
    println!("twelve filesystems at the same time: {ratio:.3} of the time of one after the other");
    std::fs::remove_dir_all(&work).with_context(|| format!("cannot REMOVE {}", work.display()))?;
    Ok(ratio)
}

//! Planning for a machine with many disks and volumes: `crates/plan/examples/large.rs`, which says how it is made.

use super::measure::Call;
use crate::workspace;
use anyhow::{Context as _, bail};
use serde::Serialize;
use std::path::Path;
use std::process::Command;

/// What planning took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Planning {
    /// The slower of two plans: onto equal disks and onto larger ones.
    pub seconds: f64,
    /// The most memory that it held.
    pub peak_memory_bytes: u64,
}

/// Builds the example and runs it.
pub fn measure(directory: &Path) -> anyhow::Result<Planning> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "-p", "lifeboat-plan", "--example", "large"]);
    let status = cargo.current_dir(workspace::top()).status().context("cannot RUN cargo")?;
    if !status.success() {
        bail!("cannot BUILD the example of lifeboat-plan: cargo ended with {status}");
    }
    let (program, log) = (workspace::program("examples/large")?, directory.join("planning.log"));
    let measured = Call::new(program).measure(&log)?;
    let text = std::fs::read_to_string(&log).with_context(|| format!("cannot READ {}", log.display()))?;
    // `1000 thousandths: 6303 steps in 0.134 s`
    let seconds = text.lines().filter_map(|line| line.rsplit_once(" in ")?.1.strip_suffix(" s")?.parse::<f64>().ok());
    let seconds = seconds.fold(0.0, f64::max);
    if seconds == 0.0 {
        bail!("the example of lifeboat-plan printed no time: {text}");
    }
    println!("planning for 200 disks and 2,000 volumes: {seconds:.3} s");
    Ok(Planning { seconds, peak_memory_bytes: measured.peak_memory_bytes })
}

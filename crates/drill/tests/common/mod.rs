//! What the scenarios share: the lab, the programs under test, the commands that machines run.

// Each test program uses a part of it; helpers of tests count as tests.
#![allow(dead_code, clippy::unwrap_used)]

use lifeboat_drill::DrillError;
use lifeboat_drill::lab::{Lab, Scenario};
use std::path::{Path, PathBuf};

/// Records a machine and makes a medium that recovers unattended.
pub const RESCUE: &str =
    "lifeboat rescue --out /run/medium/rescue.iso --mode nuke --append lifeboat.after=poweroff --embed-key";
/// A recovered machine that is well: one root, no failed unit.
pub const HEALTHY: [&str; 2] =
    ["test $(findmnt -no SOURCE / | wc -l) = 1", "test -z \"$(systemctl --failed --plain --no-legend)\""];
/// The machine on which everything that is not about boot loaders is tried.
pub const PLAIN: &str = "debian12-bios-gpt-ext4";

/// The same with more on it, as `make demo` uses it: what the recoveries from each kind of source are tried with.
pub const DEMO: &str = "demo";
/// Before a backup of it: what a database writes meanwhile would be counted as entries that changed.
pub const QUIET: &str = "systemctl stop 'postgresql*' apache2";

pub fn lab() -> Lab {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab").canonicalize().unwrap();
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into()));
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home().join(".cache"), PathBuf::from);
    Lab { scripts, cache }
}

/// A scenario around a machine; disks and logs go below `target/tmp/PLACE/`.
pub fn scenario_in(place: &str, machine: &str) -> Result<Scenario, DrillError> {
    Scenario::new(&lab(), machine, &Path::new(env!("CARGO_TARGET_TMPDIR")).join(place))
}

/// A scenario around a machine.
pub fn scenario(machine: &str) -> Result<Scenario, DrillError> {
    scenario_in("e2e", machine)
}

/// `lifeboat` and `lifeboat-init` as `make build` leaves them.
pub fn programs() -> Vec<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let release = std::env::var_os("LIFEBOAT_PROGRAMS").map_or_else(|| target.join("release"), PathBuf::from);
    ["lifeboat", "lifeboat-init"].map(|name| release.join(name)).to_vec()
}

/// Fails a test with the message for people instead of the debug form.
pub fn run_scenario(story: impl FnOnce() -> Result<(), DrillError>) {
    if let Err(error) = story() {
        panic!("{error}");
    }
}

//! Chooses between hardware virtualisation and emulation by trying.

use super::acceleration::Acceleration;
use super::arguments::Places;
use super::machine::{TEMPORARY, Vm};
use super::pattern::Pattern;
use super::spec::{DirectKernel, VmSpec};
use crate::DrillError;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A stock kernel prints its first line within a second under KVM; where KVM exists but is broken, it never does.
const ANSWER: Duration = Duration::from_secs(8);
/// Hosts rarely change; after a day it is worth checking again.
const REMEMBER: Duration = Duration::from_secs(24 * 60 * 60);
/// File in the cache directory that holds the answer.
const CACHE: &str = "acceleration";

impl Acceleration {
    /// Hardware virtualisation when it boots `kernel` (any Linux kernel for this architecture) as it should,
    /// emulation otherwise. The answer is remembered in `cache` for a day.
    ///
    /// # Errors
    /// Only when emulation could not work either: QEMU is missing, or files cannot be written.
    pub fn probe(kernel: &Path, cache: Option<&Path>) -> Result<Acceleration, DrillError> {
        // If /dev/kvm is missing or not ours, the answer is clear at once.
        if std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
            return Ok(Acceleration::Tcg);
        }
        let file = cache.map(|directory| directory.join(CACHE));
        if let Some(remembered) = file.as_deref().and_then(remembered) {
            return Ok(remembered);
        }
        let found = if boots(kernel)? { Acceleration::Kvm } else { Acceleration::Tcg };
        tracing::debug!(acceleration = found.name(), "probed");
        if let Some(file) = &file {
            // A cache that cannot be written only costs a few seconds next time.
            let _ = std::fs::write(file, found.name());
        }
        Ok(found)
    }
}

fn remembered(file: &Path) -> Option<Acceleration> {
    let written = std::fs::metadata(file).ok()?.modified().ok()?;
    if SystemTime::now().duration_since(written).ok()? > REMEMBER {
        return None;
    }
    match std::fs::read_to_string(file).ok()?.trim() {
        "kvm" => Some(Acceleration::Kvm),
        "tcg" => Some(Acceleration::Tcg),
        _ => None,
    }
}

fn boots(kernel: &Path) -> Result<bool, DrillError> {
    let directory = tempfile::tempdir_in(TEMPORARY).map_err(DrillError::io("CREATE", TEMPORARY))?;
    let places = Places { sockets: directory.path().to_owned(), logs: directory.path().to_owned() };
    let command_line = "console=ttyS0 panic=-1".to_owned();
    let spec = VmSpec { events: false, memory_mib: 256, ..VmSpec::default() }.kernel(DirectKernel {
        kernel: kernel.to_owned(),
        initrd: None,
        command_line,
    });
    let mut vm = match Vm::start_at(&spec, Acceleration::Kvm, places) {
        Ok(vm) => vm,
        // QEMU itself reports that KVM does not work.
        Err(error @ (DrillError::Run(_) | DrillError::Firmware { .. })) => return Err(error),
        Err(error) => {
            tracing::debug!(%error, "no hardware virtualisation");
            return Ok(false);
        }
    };
    // The command line is echoed early, but only a kernel that keeps running gets to mount its (missing) root.
    Ok(vm.console.wait_for(&Pattern::text("VFS: ")?, ANSWER).is_ok())
}

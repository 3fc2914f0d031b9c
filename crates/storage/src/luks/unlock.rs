//! LUKS devices opened read-only with a passphrase, which is given on standard input and nowhere else.

use super::make::WRONG_KEY;
use crate::blocks::{Block, Blocks};
use crate::kinds::LUKS;
use crate::layer::{Layer, LayerKind, Locked, StorageError, tool};
use crate::record;
use lifeboat_sys::program::CRYPTSETUP;
use lifeboat_sys::{RunError, Runner};
use std::path::Path;

/// Devices that are not open.
pub fn locked(devices: &Blocks) -> Vec<Locked> {
    let locked = |device: &&Block| Locked { device: device.path.clone(), uuid: device.holds.uuid.clone() };
    devices.free(LUKS).iter().map(locked).collect()
}

/// Opens a device, and writes down in `run` that it is open.
///
/// # Errors
/// [`StorageError::Passphrase`] for a wrong one; [`StorageError::Run`].
pub fn unlock(runner: &dyn Runner, run: &Path, device: &Locked, passphrase: &[u8]) -> Result<Layer, StorageError> {
    // The name that crypttab generators and udisks give it, too.
    let name = format!("luks-{}", device.uuid);
    let call = tool(CRYPTSETUP).args(["open", "--type", "luks", "--readonly", "--batch-mode", "--key-file", "-"]);
    let call = call.arg(&device.device).arg(&name).stdin(passphrase);
    match runner.run(&call) {
        Ok(_) => {}
        Err(RunError::Failed { code: WRONG_KEY, .. }) => {
            return Err(StorageError::Passphrase { device: device.device.clone() });
        }
        Err(error) => return Err(error.into()),
    }
    let layer = Layer { kind: LayerKind::Luks, name };
    record::add(run, std::slice::from_ref(&layer))?;
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::{FakeRunner, Output};

    #[test]
    fn the_passphrase_is_in_no_argument() {
        let run = tempfile::tempdir().unwrap();
        let device = Locked { device: "/dev/sdb2".into(), uuid: "64f0".into() };
        let runner = FakeRunner::lenient();
        let layer = unlock(&runner, run.path(), &device, b"secret").unwrap();
        assert_eq!(record::read(run.path()).unwrap(), [layer]);
        let call = &runner.calls()[0];
        assert_eq!(call.stdin.as_deref(), Some(&b"secret"[..]));
        assert!(!call.command_line().contains("secret") && call.command_line().contains("--readonly"));
        let wrong = Output { code: 2, stdout: vec![], stderr: b"No key available with this passphrase.".to_vec() };
        let error = unlock(&FakeRunner::new().answer_with("cryptsetup", wrong), run.path(), &device, b"x").unwrap_err();
        assert!(matches!(error, StorageError::Passphrase { .. }), "{error}");
    }
}

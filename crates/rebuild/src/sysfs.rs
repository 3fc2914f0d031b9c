//! Where sysfs shows a device.

use std::path::{Path, PathBuf};

/// Where sysfs shows block devices.
const CLASS: &str = "/sys/class/block";

/// A device's directory in sysfs.
pub(crate) fn class(device: &Path) -> PathBuf {
    Path::new(CLASS).join(kernel_name(device))
}

/// The name that the kernel gives to the device of a node or of a link to one.
pub(crate) fn kernel_name(device: &Path) -> String {
    let real = device.canonicalize().unwrap_or_else(|_| device.to_owned());
    real.strip_prefix("/dev").unwrap_or(&real).to_string_lossy().replace('/', "!")
}

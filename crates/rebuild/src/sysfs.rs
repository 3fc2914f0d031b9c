//! Where sysfs shows a device.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Where sysfs shows block devices.
const CLASS: &str = "/sys/class/block";

/// Where sysfs has them by their numbers.
const NUMBERS: &str = "/sys/dev/block";

/// A device's directory in sysfs.
pub(crate) fn class(device: &Path) -> PathBuf {
    Path::new(CLASS).join(kernel_name(device))
}

/// The name that the kernel gives to the device of a node or of a link to one. Without udev, nodes below /dev/mapper are no links.
pub(crate) fn kernel_name(device: &Path) -> String {
    let number =
        device.metadata().ok().filter(|status| status.file_type().is_block_device()).map(|status| status.rdev());
    let shown = number.and_then(|number| {
        let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
        Path::new(NUMBERS).join(format!("{major}:{minor}")).canonicalize().ok()
    });
    if let Some(name) = shown.as_deref().and_then(Path::file_name) {
        return name.to_string_lossy().into_owned();
    }
    let real = device.canonicalize().unwrap_or_else(|_| device.to_owned());
    real.strip_prefix("/dev").unwrap_or(&real).to_string_lossy().replace('/', "!")
}

//! Stage 4: `tools.img`, a squashfs with more programs, firmware and modules, laid over `/usr`.
//!
//! It becomes the upper of two read-only layers of an overlay on /usr, above that of the root, so that programs,
//! libraries, firmware and modules are found in their usual places, without search paths. Its hash must be the one in
//! the manifest of the initramfs: a tools image of another build could bring other libraries.

use crate::state::Init;
use lifeboat_sys::loop_device::LoopDevice;
use lifeboat_sys::mount::mount as mount_filesystem;
use std::fs::File;
use std::io;
use std::path::Path;

/// Where the image is mounted.
const MOUNT_POINT: &str = lifeboat_machine::run::TOOLS;
/// Changes to /usr go here.
const WRITABLE: &str = lifeboat_machine::run::TOOLS_WRITABLE;

/// Mounts the tools image when the manifest names one and the medium has it.
pub fn mount(init: &mut Init) {
    let digest = init.identity.manifest.as_ref().and_then(|manifest| manifest.files.get("tools.img")).cloned();
    let (Some(digest), Some(source)) = (digest, &init.source) else { return };
    let image = source.mount.join("lifeboat/tools.img");
    match check(&image, &digest.blake3).and_then(|()| lay_over_usr(&image)) {
        Ok(()) => init.tools_mounted = true,
        Err(reason) => init.reporter.warn(format!("the additional tools are not used: {reason}")),
    }
}

/// Compares the hash of a file with the recorded one.
fn check(image: &Path, expected: &str) -> Result<(), String> {
    let found = hash(image).map_err(|error| format!("cannot READ {}: {error}", image.display()))?;
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{} has the BLAKE3 hash {found}, but the rescue system expects {expected}: the medium is damaged or was \
         combined from two media; try another copy of it",
        image.display()
    ))
}

fn hash(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn lay_over_usr(image: &Path) -> Result<(), String> {
    let upper = format!("{WRITABLE}/upper");
    let work = format!("{WRITABLE}/work");
    for directory in [MOUNT_POINT, WRITABLE, &upper, &work] {
        if let Err(error) = std::fs::create_dir_all(directory) {
            return Err(format!("cannot MAKE {directory}: {error}"));
        }
    }
    let device = LoopDevice::attach(image).map_err(|error| error.to_string())?;
    mount_filesystem(device.path(), Path::new(MOUNT_POINT), "squashfs", &["ro", "nodev"]).map_err(|e| e.to_string())?;
    if !Path::new(MOUNT_POINT).join("usr").is_dir() {
        return Err(format!("{} holds no usr directory", image.display()));
    }
    let lower = format!("lowerdir={MOUNT_POINT}/usr:/usr");
    mount_filesystem(
        "overlay",
        Path::new("/usr"),
        "overlay",
        &[&lower, &format!("upperdir={upper}"), &format!("workdir={work}")],
    )
    .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_byte_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("tools.img");
        let mut bytes = vec![7_u8; 300_000];
        std::fs::write(&image, &bytes).unwrap();
        let digest = blake3::hash(&bytes).to_hex().to_string();
        assert_eq!(check(&image, &digest), Ok(()));
        bytes[150_000] ^= 1;
        std::fs::write(&image, &bytes).unwrap();
        assert!(check(&image, &digest).unwrap_err().contains("damaged"));
        assert!(check(&folder.path().join("none"), &digest).unwrap_err().starts_with("cannot READ"));
    }
}

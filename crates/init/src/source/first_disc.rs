//! What is kept in memory of the first disc of a set: a recovery asks for the other discs, mostly in the same drive.

use lifeboat_sys::mount::unmount;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Files below `/lifeboat` that nobody needs once the rescue system runs; the volume is read from the disc itself.
fn is_left(name: &str) -> bool {
    ["kernel", "initrd.img"].contains(&name) || name.starts_with("volume-")
}

/// Copies what is needed of the mounted disc to `kept`, a folder in memory, and unmounts it.
///
/// # Errors
/// A reason for people; then the disc is still mounted.
pub fn keep(mounted: &Path, kept: &Path) -> Result<(), String> {
    copy(mounted, kept)?;
    unmount(mounted).map_err(|error| error.to_string())
}

fn copy(mounted: &Path, kept: &Path) -> Result<(), String> {
    let (from, to) = (mounted.join("lifeboat"), kept.join("lifeboat"));
    let failed = |what: &Path, error: std::io::Error| format!("cannot COPY {}: {error}", what.display());
    // The key may be among the files.
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700).create(&to).map_err(|error| failed(&to, error))?;
    for entry in std::fs::read_dir(&from).map_err(|error| failed(&from, error))? {
        let entry = entry.map_err(|error| failed(&from, error))?;
        let name = entry.file_name();
        if is_left(&name.to_string_lossy()) {
            continue;
        }
        std::fs::copy(entry.path(), to.join(&name)).map_err(|error| failed(&entry.path(), error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_large_or_in_use_anyway_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (disc, kept) = (dir.path().join("disc"), dir.path().join("kept"));
        std::fs::create_dir_all(disc.join("lifeboat")).unwrap();
        let all = ["boot.json", "initrd.img", "kernel", "manifest.json", "tools.img", "volume-001"];
        for name in all {
            std::fs::write(disc.join("lifeboat").join(name), name).unwrap();
        }
        copy(&disc, &kept).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(kept.join("lifeboat"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["boot.json", "manifest.json", "tools.img"]);
        assert!(copy(&dir.path().join("none"), &kept).unwrap_err().contains("cannot COPY"));
    }
}

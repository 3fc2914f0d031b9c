//! Where an archive is: a repository in a folder, or a medium as a file, a device or a mount point.

use crate::failure::Failure;
use crate::medium::Medium;
use lifeboat_archive::Repository;
use lifeboat_sys::program::MOUNT;
use lifeboat_sys::{Invocation, Runner};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// An archive's place, opened: a medium stays mounted as long as this lives.
#[derive(Debug)]
pub struct Source {
    /// The repository.
    pub repository: PathBuf,
    /// The medium that holds it.
    pub medium: Option<Medium>,
    _mounted: Option<Mounted>,
}

/// A medium that was mounted here, and is unmounted on drop.
#[derive(Debug)]
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        // Nothing to be done about a failure here: the mount is read-only, the directory empty.
        let _ = lifeboat_sys::mount::unmount(&self.0);
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// What a path turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    Repository,
    MediumMount,
    /// A file or block device to be mounted.
    Image,
}

impl Source {
    /// Opens `text`: a folder, a medium's file or device, or a mount point. `scratch` is a folder for mount points.
    ///
    /// # Errors
    /// [`Failure::Unusable`] with what was found instead.
    pub fn open(text: &str, scratch: &Path, runner: &dyn Runner) -> Result<Source, Failure> {
        let unusable = |reason: String| Failure::Unusable { what: text.to_owned(), reason };
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(unusable(format!(
                "{scheme} addresses cannot be opened directly by this release; mount the share and name the folder"
            )));
        }
        let path = Path::new(text);
        match shape(path).map_err(unusable)? {
            Shape::Repository => Ok(Source { repository: path.to_owned(), medium: None, _mounted: None }),
            Shape::MediumMount => Source::from_medium(Medium::open(path)?, None),
            Shape::Image => {
                let mount_point = scratch.join(format!("lifeboat-medium-{}", std::process::id()));
                std::fs::create_dir_all(&mount_point)
                    .map_err(|source| Failure::Write { path: mount_point.clone(), source })?;
                // The guard comes first, so that a failed mount leaves no folder behind.
                let mounted = Mounted(mount_point.clone());
                let options = if path.is_file() { "ro,loop" } else { "ro" };
                runner.run(&Invocation::new(MOUNT).args(["-o", options]).arg(path).arg(&mount_point))?;
                Source::from_medium(Medium::open(&mount_point)?, Some(mounted))
            }
        }
    }

    fn from_medium(medium: Medium, mounted: Option<Mounted>) -> Result<Source, Failure> {
        let repository = medium.repository().ok_or_else(|| medium.holds_no_archive())?;
        Ok(Source { repository, medium: Some(medium), _mounted: mounted })
    }
}

fn shape(path: &Path) -> Result<Shape, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("{error}"))?;
    if metadata.is_dir() {
        if Repository::is_repository(path) {
            return Ok(Shape::Repository);
        }
        if path.join("lifeboat/manifest.json").is_file() {
            return Ok(Shape::MediumMount);
        }
        return Err("it is a folder, but neither a repository nor a mounted Lifeboat medium".into());
    }
    if metadata.is_file() || metadata.file_type().is_block_device() {
        return Ok(Shape::Image);
    }
    Err("it is neither a folder nor a file nor a block device".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::FakeRunner;

    #[test]
    fn wrong_sources_say_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let here = dir.path().to_str().unwrap().to_owned();
        for (text, message) in [
            ("s3://bucket/x".to_owned(), "s3 addresses"),
            (format!("{here}/none"), "No such file"),
            (here.clone(), "neither a repository nor a mounted Lifeboat medium"),
            ("/dev/null".to_owned(), "neither a folder nor a file"),
        ] {
            let failure = Source::open(&text, dir.path(), &FakeRunner::new()).unwrap_err().to_string();
            assert!(failure.contains(message), "{failure}");
        }
    }

    #[test]
    fn a_failed_mount_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("x.iso");
        std::fs::write(&image, "no image").unwrap();
        Source::open(image.to_str().unwrap(), dir.path(), &FakeRunner::new()).unwrap_err();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

//! Saves what a boot and a recovery said to a folder or a stick, for whoever looks into it later.

use crate::failure::Failure;
use crate::rescue::RescueSystem;
use lifeboat_sys::program::MOUNT;
use lifeboat_sys::{Invocation, Runner, mount};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// A log that grew beyond this is not copied whole: a stick is small, and its end tells most.
const LARGEST: u64 = 64 << 20;

/// Copies logs, reports and the descriptions of machine and medium into a new folder below `place`, a folder or a block
/// device with a filesystem; tells where they are. No key is among them.
///
/// # Errors
/// When the place cannot be mounted or written.
pub fn save(rescue: &RescueSystem, place: &str, runner: &dyn Runner) -> Result<String, Failure> {
    let path = Path::new(place);
    let metadata = std::fs::metadata(path).map_err(|source| Failure::Read { path: path.to_owned(), source })?;
    if metadata.is_dir() {
        return Ok(copy(rescue, path)?.display().to_string());
    }
    if !metadata.file_type().is_block_device() {
        return Err(Failure::Unusable {
            what: place.into(),
            reason: "it is neither a folder nor a block device".into(),
        });
    }
    let mount_point = rescue.directories.run.join("save");
    std::fs::create_dir_all(&mount_point).map_err(|source| Failure::Write { path: mount_point.clone(), source })?;
    runner.run(&Invocation::new(MOUNT).args(["-o", "rw"]).arg(path).arg(&mount_point))?;
    let copied = copy(rescue, &mount_point);
    let unmounted = mount::unmount(&mount_point);
    let folder = copied?;
    unmounted?;
    let inside = folder.strip_prefix(&mount_point).unwrap_or(&folder);
    Ok(format!("{} on {place}", inside.display()))
}

fn copy(rescue: &RescueSystem, folder: &Path) -> Result<PathBuf, Failure> {
    let name: String =
        rescue.machine.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let target = (1..)
        .map(|number: u32| folder.join(format!("lifeboat-logs-{name}-{number}")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.join("lifeboat-logs"));
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::Write { path, source }
    };
    std::fs::create_dir(&target).map_err(write(&target))?;
    let run = &rescue.directories.run;
    let listed = std::fs::read_dir(run).map_err(|source| Failure::Read { path: run.clone(), source })?;
    let plain = |entry: &std::fs::DirEntry| {
        entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST)
    };
    let mut files: Vec<PathBuf> = listed.flatten().filter(plain).map(|entry| entry.path()).collect();
    files.extend(["machine.json", "manifest.json"].map(|name| rescue.directories.embedded.join(name)));
    files.extend(["/proc/cmdline", "/proc/partitions", "/proc/mounts"].map(PathBuf::from));
    for file in files {
        let Some(name) = file.file_name() else { continue };
        let bytes = std::fs::read(&file).map_err(|source| Failure::Read { path: file.clone(), source })?;
        let copy = target.join(name);
        std::fs::write(&copy, bytes).map_err(write(&copy))?;
    }
    rustix::fs::sync();
    Ok(target)
}

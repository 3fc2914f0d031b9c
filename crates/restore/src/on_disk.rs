//! A place on a local disk (`disk:LABEL=backup:/repo`): its filesystem is found and mounted, and nothing of it is written.

use crate::failure::Failure;
use lifeboat_machine::on_disk::{DiskName, OnDisk};
use lifeboat_sys::program::{BLKID, MOUNT};
use lifeboat_sys::{Invocation, Runner};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a disk may take to appear: USB disks spin up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often blkid looks.
const LOOK: Duration = Duration::from_millis(500);

/// The one device that is named so; waits for it.
///
/// # Errors
/// [`Failure::Unusable`] when it does not appear, or when several have the name.
pub fn device(place: &OnDisk, runner: &dyn Runner) -> Result<PathBuf, Failure> {
    let unusable = |reason: String| Failure::Unusable { what: place.to_string(), reason };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = match &place.device {
            DiskName::Path(path) => vec![PathBuf::from(path)].into_iter().filter(|path| path.exists()).collect(),
            token => named(&token.to_string(), runner)?,
        };
        match &found[..] {
            [device] => return Ok(device.clone()),
            [] if Instant::now() < deadline => std::thread::sleep(LOOK),
            [] => {
                let seconds = PATIENCE.as_secs();
                return Err(unusable(format!("no disk has this name; waited {seconds} s; try: lsblk -f")));
            }
            several => {
                let list: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
                return Err(unusable(format!("{} all have this name; use UUID= or PARTUUID=", list.join(" and "))));
            }
        }
    }
}

/// blkid(8) ends with 2 when nothing has the token.
fn named(token: &str, runner: &dyn Runner) -> Result<Vec<PathBuf>, Failure> {
    let call = Invocation::new(BLKID).args(["-c", "/dev/null", "-o", "device", "-t", token]).accept(2);
    let output = runner.run(&call)?;
    Ok(output.text().lines().map(PathBuf::from).collect())
}

/// Where the device is mounted already, with its whole tree.
pub fn mount_point(device: &Path) -> Option<PathBuf> {
    let device = std::fs::canonicalize(device).ok()?;
    let mounts = lifeboat_sys::mount::table().ok()?;
    let same = |source: &Path| std::fs::canonicalize(source).is_ok_and(|source| source == device);
    mounts
        .into_iter()
        .find(|mount| mount.root == Path::new("/") && same(Path::new(&mount.source)))
        .map(|m| m.mount_point)
}

/// The path of the place where its filesystem is mounted now.
pub fn mounted_path(place: &OnDisk, runner: &dyn Runner) -> Option<PathBuf> {
    let device = match &place.device {
        DiskName::Path(path) => PathBuf::from(path),
        token => named(&token.to_string(), runner).ok()?.into_iter().next()?,
    };
    Some(mount_point(&device)?.join(place.path.trim_start_matches('/')))
}

/// Mounts it read-only. A journal is not replayed: that would write.
///
/// # Errors
/// [`Failure::Run`] with mount's words.
pub fn mount(device: &Path, point: &Path, runner: &dyn Runner) -> Result<(), Failure> {
    let call = Invocation::new(BLKID).args(["-p", "-o", "value", "-s", "TYPE"]).arg(device).accept(2);
    let kind = runner.run(&call)?.text().trim().to_owned();
    let options = match kind.as_str() {
        "ext3" | "ext4" => "ro,noload",
        "xfs" => "ro,norecovery",
        "btrfs" => "ro,rescue=nologreplay",
        _ => "ro",
    };
    runner.run(&Invocation::new(MOUNT).args(["-o", options]).arg(device).arg(point))?;
    Ok(())
}

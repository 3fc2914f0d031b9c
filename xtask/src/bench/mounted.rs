//! Copying out of an archive that is shown as a folder, through FUSE.

use super::contest::{Mount, Place};
use super::folder::empty;
use super::measure::{Call, Measured};
use anyhow::{Context as _, bail};
use lifeboat_sys::usage;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a program may take until its folder can be read.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks; what is timed begins afterwards.
const LOOK: Duration = Duration::from_millis(20);

/// Times `cp -a` of the latest snapshot; the memory is that of the program that shows it. What reads the snapshot itself counts, too:
/// the program reads it when somebody looks in.
pub fn copy(mount: &Mount, place: &Place, log: &Path) -> anyhow::Result<Measured> {
    let folder = place.own.join("mount");
    empty(&folder)?;
    let mut served = Served { child: Some((mount.serve)(place, &folder).start(log)?), folder };
    let latest = served.wait_for(mount.latest, log)?;
    let copied = Call::new("cp").args(["-a"]).args([latest.join("."), place.restored.clone()]);
    let copied = copied.measure(&log.with_extension("cp.log"))?;
    let peak_memory_bytes = served.end().with_context(|| format!("see {}", log.display()))?;
    Ok(Measured { seconds: copied.seconds, peak_memory_bytes })
}

/// A program that shows an archive, until this is dropped.
struct Served {
    child: Option<Child>,
    folder: PathBuf,
}

impl Served {
    fn wait_for(&mut self, latest: &str, log: &Path) -> anyhow::Result<PathBuf> {
        let began = Instant::now();
        loop {
            if let Some(found) = find(&self.folder, latest) {
                return Ok(found);
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                let reported = std::fs::read_to_string(log).unwrap_or_default();
                bail!("the program that mounts ended with {status}: {}", reported.trim());
            }
            if began.elapsed() > PATIENCE {
                bail!("nothing was mounted on {} within {} s", self.folder.display(), PATIENCE.as_secs());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Unmounts, and waits for the program.
    fn end(&mut self) -> anyhow::Result<u64> {
        let unmounted = Command::new("umount").arg(&self.folder).status().context("cannot RUN umount")?;
        if !unmounted.success() {
            bail!("cannot UNMOUNT {}", self.folder.display());
        }
        let child = self.child.take().context("it has ended before")?;
        Ok(usage::wait(child).context("cannot WAIT for the program that mounts")?.peak_memory_bytes)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("umount").arg("-l").arg(&self.folder).stderr(Stdio::null()).status();
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A path in a folder; `*` is the only entry of its folder. None as long as it is not there.
fn find(folder: &Path, path: &str) -> Option<PathBuf> {
    let mut found = folder.to_owned();
    for part in path.split('/') {
        found = match part {
            "*" => std::fs::read_dir(&found).ok()?.next()?.ok()?.path(),
            name => found.join(name),
        };
    }
    found.symlink_metadata().is_ok().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_the_only_folder() {
        let folder = std::env::temp_dir().join(format!("xtask-mounted-{}", std::process::id()));
        empty(&folder).unwrap();
        assert_eq!(find(&folder, "*/latest"), None);
        std::fs::create_dir(folder.join("box")).unwrap();
        assert_eq!(find(&folder, "*/latest"), None);
        // A link that leads nowhere yet is there: the snapshot is read when somebody follows it.
        std::os::unix::fs::symlink("nowhere", folder.join("box/latest")).unwrap();
        assert_eq!(find(&folder, "*/latest"), Some(folder.join("box/latest")));
        std::fs::remove_dir_all(folder).unwrap();
    }
}

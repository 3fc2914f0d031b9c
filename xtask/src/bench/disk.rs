//! A fresh filesystem for each restore, so that no program writes into what another left.

use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A filesystem in a file or in memory, mounted until it is dropped.
pub struct Fresh {
    mount: PathBuf,
    image: Option<PathBuf>,
}

impl Fresh {
    /// An ext4 filesystem of `bytes` in `directory`, with mkfs's defaults.
    pub fn ext4(directory: &Path, bytes: u64) -> anyhow::Result<Fresh> {
        let image = directory.join("fresh.img");
        let _ = std::fs::remove_file(&image);
        let file = std::fs::File::create(&image).with_context(|| format!("cannot MAKE {}", image.display()))?;
        file.set_len(bytes).with_context(|| format!("cannot WRITE {}", image.display()))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"]).arg(&image))?;
        let mount = directory.join("fresh");
        std::fs::create_dir_all(&mount).with_context(|| format!("cannot MAKE {}", mount.display()))?;
        run(Command::new("mount").args(["-o", "loop"]).args([&image, &mount]))?;
        Ok(Fresh { mount, image: Some(image) })
    }

    /// A filesystem in memory with room for any number of files.
    pub fn memory(directory: &Path) -> anyhow::Result<Fresh> {
        let mount = directory.join("memory");
        std::fs::create_dir_all(&mount).with_context(|| format!("cannot MAKE {}", mount.display()))?;
        run(Command::new("mount").args(["-t", "tmpfs", "-o", "nr_inodes=0,size=2g", "none"]).arg(&mount))?;
        Ok(Fresh { mount, image: None })
    }

    /// An empty directory on it: its top has a lost+found.
    pub fn folder(&self) -> anyhow::Result<PathBuf> {
        let folder = self.mount.join("tree");
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot MAKE {}", folder.display()))?;
        Ok(folder)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // What cannot be unmounted stays; the next mount reports it.
        let _ = Command::new("umount").arg(&self.mount).status();
        if let Some(image) = &self.image {
            let _ = std::fs::remove_file(image);
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot RUN {program}"))?;
    if !output.status.success() {
        let reported = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{program} ended with {}: {reported}; loop devices and mounts need root", output.status);
    }
    Ok(())
}

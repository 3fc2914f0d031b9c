//! Sticks, mounted: to read from them, and to write to them.

use crate::failure::Failure;
use crate::mounted::{Mounted, mounted};
use crate::on_disk;
use crate::stick::Stick;
use lifeboat_sys::mount::HARMLESS;
use lifeboat_sys::program::MOUNT;
use lifeboat_sys::{Invocation, Runner};
use std::path::{Path, PathBuf};

impl Stick {
    /// Where its data partition is mounted.
    pub fn mount_point(&self) -> Option<PathBuf> {
        on_disk::mount_point(&self.partition()?)
    }

    /// Mounts its data partition to write to it; where it is mounted already, that mount is used. Returns what unmounts it, and the
    /// mount point.
    ///
    /// # Errors
    /// [`Failure::Unusable`] when it is mounted read-only; that of mount.
    pub fn open(&self, scratch: &Path, runner: &dyn Runner) -> Result<(Option<Mounted>, PathBuf), Failure> {
        let Some(point) = self.mount_point() else {
            let options = ["rw", "noatime", "errors=remount-ro"];
            let (guard, point) = mounted(scratch, |point| self.mount(point, &options, runner))?;
            return Ok((Some(guard), point));
        };
        let read_only = rustix::fs::statvfs(&point)
            .is_ok_and(|filesystem| filesystem.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
        match read_only {
            true => Err(Failure::Unusable {
                what: self.disk.display().to_string(),
                reason: format!("it is mounted read-only at {0}; try: umount {0}", point.display()),
            }),
            false => Ok((None, point)),
        }
    }

    /// Mounts its data partition with some options; a loop device leads to it where it has no device of its own.
    ///
    /// # Errors
    /// That of mount.
    pub fn mount(&self, point: &Path, options: &[&str], runner: &dyn Runner) -> Result<(), Failure> {
        let mut options: Vec<String> = options.iter().chain(&HARMLESS).map(|option| (*option).to_owned()).collect();
        let device = match self.partition() {
            Some(partition) => partition,
            None => {
                let (offset, bytes) = self.layout.data();
                // Of a copy on a smaller disk the end is missing.
                let bytes = self.table.partitions.last().map_or(bytes, |data| data.bytes);
                options.extend(["loop".to_owned(), format!("offset={offset}"), format!("sizelimit={bytes}")]);
                self.disk.clone()
            }
        };
        let call = Invocation::new(MOUNT).args(["-t", "ext4", "-o", &options.join(",")]).arg(device).arg(point);
        Ok(runner.run(&call).map(drop)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::stick::StickLayout;
    use lifeboat_machine::testing;
    use lifeboat_sys::FakeRunner;

    #[test]
    fn an_image_is_mounted_by_its_offset() {
        let layout = StickLayout { size_bytes: 256 << 20, sector_bytes: 512, slot_bytes: 32 << 20 };
        let table = layout.table(&testing::medium_manifest(), 1);
        let stick = Stick { disk: "/none/stick.img".into(), table, layout, slot: 1 };
        let runner = FakeRunner::lenient();
        stick.mount(Path::new("/point"), &["ro", "noload"], &runner).unwrap();
        assert_eq!(
            runner.command_lines()[0],
            "mount -t ext4 -o ro,noload,nosuid,nodev,noexec,loop,offset=69206016,sizelimit=198180864 /none/stick.img /point"
        );
    }
}

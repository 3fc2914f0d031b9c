//! Sticks as they are made and written again: their filesystem, their repository, a place for later backups.

use crate::error::{CommandError, CommandResult, Kind};
use crate::session::Session;
use lifeboat_machine::{MediumManifest, stick};
use lifeboat_restore::{Mounted, Stick};
use lifeboat_sys::program::{E2FSCK, MKE2FS};
use lifeboat_sys::{Invocation, Runner as _, block, freeze};
use rustix::fs::{CWD, RenameFlags};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What every GRUB since 2.02 and every kernel since 4.0 reads; what newer releases of mke2fs add on their own is left out.
const FEATURES: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
                        huge_file,dir_nlink,extra_isize,metadata_csum";
/// Block size of the filesystem in bytes, on any disk.
const BLOCK: u64 = 4096;
/// A file for each 256 KiB: packs have megabytes, and each backup adds a handful.
const BYTES_PER_INODE: &str = "262144";
/// Room for journal and tables of the filesystem.
const FILESYSTEM: u64 = 96 << 20;
/// How long the old partitions of a disk may be in use when its table is new, and how often to try.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(100);
/// How long the stick may stay frozen while its journal is written out.
const FROZEN: Duration = Duration::from_secs(120);

/// What the data partition takes for so many bytes of files.
pub fn data_bytes(files: u64) -> u64 {
    files.saturating_add(files / 40).saturating_add(FILESYSTEM)
}

/// Makes the filesystem of a new stick, complete: nothing is left to be initialised when it is mounted.
pub fn make_filesystem(session: &Session, stick: &Stick, manifest: &MediumManifest) -> CommandResult {
    let (offset, bytes) = stick.layout.data();
    let mut extended = "lazy_itable_init=0,lazy_journal_init=0,nodiscard".to_owned();
    let device = stick.partition().unwrap_or_else(|| {
        extended.push_str(&format!(",offset={offset}"));
        stick.disk.clone()
    });
    let call = Invocation::new(MKE2FS)
        .args(["-F", "-q", "-t", "ext4", "-O", FEATURES, "-b", "4096", "-I", "256", "-i", BYTES_PER_INODE, "-m", "0"])
        .args(["-U", &stick::filesystem_uuid(manifest), "-L", &stick::label(manifest), "-E", &extended])
        .arg(device)
        .arg((bytes / BLOCK).to_string());
    Ok(session.runner.run(&call).map(drop)?)
}

/// Has the filesystem of a stick that is not mounted checked; nothing is changed.
pub fn check_filesystem(session: &Session, stick: &Stick) -> CommandResult {
    let device = stick.partition().map_or_else(
        || format!("{}?offset={}", stick.disk.display(), stick.layout.data().0),
        |partition| partition.display().to_string(),
    );
    Ok(session.runner.run(&Invocation::new(E2FSCK).args(["-f", "-n", &device])).map(drop)?)
}

/// A stick that is written to: its data partition is mounted.
pub struct Written {
    /// The stick.
    pub stick: Stick,
    /// Where it is mounted.
    pub top: PathBuf,
    mounted: Option<Mounted>,
}

impl Written {
    /// Mounts it, unless it is mounted already.
    pub fn open(session: &Session, stick: Stick) -> Result<Written, CommandError> {
        let (mounted, top) = stick.open(&super::scratch::scratch(), &session.runner)?;
        Ok(Written { stick, top, mounted })
    }

    /// Its repository.
    pub fn repository(&self) -> PathBuf {
        self.top.join(stick::REPOSITORY)
    }

    /// Has all that was written on the disk, in its place: GRUB reads no journal, and a stick may be pulled at any time.
    pub fn settle(&self) -> CommandResult {
        let failed = |error: std::io::Error| {
            CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", self.stick.disk.display()))
        };
        let top = File::open(&self.top).map_err(failed)?;
        rustix::fs::syncfs(&top).map_err(|errno| failed(errno.into()))?;
        // Freezing writes the journal out (fs/ext4/super.c, `ext4_freeze`).
        let watchdog = freeze::Watchdog::start(&[std::os::fd::AsFd::as_fd(&top)], FROZEN).map_err(failed)?;
        freeze::freeze(&top).and_then(|()| freeze::thaw(&top)).map_err(|errno| failed(errno.into()))?;
        watchdog.finish();
        Ok(())
    }

    /// Puts a folder at the top in the place of another, which takes its name. Both are whole on the disk before, and after: who reads
    /// the disk finds the old folder or the new one, for one block of the root directory changes.
    pub fn exchange(&self, next: &str, old: &str) -> CommandResult {
        self.settle()?;
        let (next, old) = (self.top.join(next), self.top.join(old));
        rustix::fs::renameat_with(CWD, &next, CWD, &old, RenameFlags::EXCHANGE)
            .map_err(|errno| CommandError::new(Kind::Failed, format!("cannot REPLACE {}: {errno}", old.display())))?;
        self.settle()
    }

    /// Writes everything out and unmounts it, unless it was mounted before.
    pub fn close(self) -> Result<Stick, CommandError> {
        self.settle()?;
        if let Some(mounted) = self.mounted {
            mounted.close()?;
        }
        Ok(self.stick)
    }
}

/// The stick that a place for backups is on: `usb`, `usb:ID`, a device, an image, or the folder where a stick is mounted.
pub fn of_place(text: &str) -> Result<Option<Stick>, CommandError> {
    if Stick::is_meant(text) {
        return Ok(Some(Stick::named(text)?));
    }
    let path = Path::new(text);
    if path.is_dir() {
        return Ok(None);
    }
    Ok(Stick::at(path))
}

/// The folder of the repository, where a stick is mounted at a folder.
pub fn of_folder(folder: &Path) -> Option<PathBuf> {
    let manifest = std::fs::read(folder.join("lifeboat/manifest.json")).ok()?;
    let manifest = MediumManifest::from_json(&manifest).ok()?;
    Some(folder.join(manifest.repository_folder()?))
}

/// Makes the kernel read the new table of a disk; an image has none that it would read.
pub fn reread(disk: &File, path: &Path) -> CommandResult {
    if disk.metadata()?.is_file() {
        return Ok(());
    }
    let busy = |error: &std::io::Error| error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error());
    let began = Instant::now();
    loop {
        match block::reread_partitions(disk) {
            // udev may still be reading an old partition; it begins nothing new while the disk is locked.
            Err(error) if busy(&error) && began.elapsed() < PATIENCE => std::thread::sleep(LOOK),
            result => {
                return result.map_err(|error| {
                    let text = format!("cannot READ the new partition table of {}: {error}", path.display());
                    CommandError::new(Kind::Failed, text)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a copy of the disk shows at each moment, without its journal, as GRUB reads it.
    #[test]
    fn root_a_stick_that_is_pulled_has_the_old_folder_or_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("stick.img");
        let manifest = lifeboat_machine::testing::medium_manifest();
        let layout = stick::StickLayout { size_bytes: 256 << 20, sector_bytes: 512, slot_bytes: 32 << 20 };
        let table = layout.table(&manifest, 0);
        std::fs::write(&image, table.beginning(&[])).unwrap();
        File::options().write(true).open(&image).unwrap().set_len(layout.size_bytes).unwrap();
        let session = Session {
            config: Default::default(),
            limits: Default::default(),
            reporter: crate::output::Reporter::new(true),
            runner: lifeboat_sys::SystemRunner,
            tasks: Default::default(),
            held: Default::default(),
        };
        let stick = Stick::at(&image).unwrap();
        make_filesystem(&session, &stick, &manifest).unwrap();
        check_filesystem(&session, &stick).unwrap();
        let written = Written::open(&session, stick).unwrap();
        let put = |folder: &str, content: u8| {
            std::fs::create_dir(written.top.join(folder)).unwrap();
            for name in ["kernel", "initrd.img"] {
                std::fs::write(written.top.join(folder).join(name), vec![content; 3 << 20]).unwrap();
            }
        };
        let seen = || {
            let copy = dir.path().join("pulled.img");
            std::fs::copy(&image, &copy).unwrap();
            let point = dir.path().join("point");
            let _ = std::fs::create_dir(&point);
            Stick::at(&copy).unwrap().mount(&point, &["ro", "noload"], &session.runner).unwrap();
            let read = |name: &str| std::fs::read(point.join("lifeboat").join(name)).unwrap();
            let (kernel, initrd) = (read("kernel"), read("initrd.img"));
            lifeboat_sys::mount::unmount(&point).unwrap();
            assert!(kernel == initrd && kernel == vec![kernel[0]; 3 << 20], "half a folder");
            kernel[0]
        };
        put("lifeboat", 1);
        written.settle().unwrap();
        assert_eq!(seen(), 1);
        put("lifeboat.new", 2);
        assert_eq!(seen(), 1);
        written.exchange("lifeboat.new", "lifeboat").unwrap();
        assert_eq!(seen(), 2);
        std::fs::remove_dir_all(written.top.join("lifeboat.new")).unwrap();
        written.settle().unwrap();
        assert_eq!(seen(), 2);
        let stick = written.close().unwrap();
        check_filesystem(&session, &stick).unwrap();
    }

    #[test]
    fn a_folder_is_a_stick_by_its_manifest() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of_folder(dir.path()), None);
        std::fs::create_dir(dir.path().join("lifeboat")).unwrap();
        let mut manifest = lifeboat_machine::testing::medium_manifest();
        let mut found = |repository: Option<&str>| {
            manifest.repository = repository.map(str::to_owned);
            let json = serde_json::to_vec(&manifest).unwrap();
            std::fs::write(dir.path().join("lifeboat/manifest.json"), json).unwrap();
            of_folder(dir.path())
        };
        assert_eq!(found(Some("repo")), Some(dir.path().join("repo")));
        for other in [None, Some("../repo"), Some("a/b")] {
            assert_eq!(found(other), None);
        }
    }
}

//! The disk, or the image, that a stick is made on: what must be known of it, and asked, before anything on it is overwritten.

use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::session::Session;
use lifeboat_machine::bytes::{human, parse_size, printable};
use lifeboat_machine::found::{DiskContent, FoundDisk};
use lifeboat_restore::Stick;
use lifeboat_storage::Blocks;
use lifeboat_sys::block;
use lifeboat_sys::names::folder_of;
use std::fs::File;
use std::io::{BufRead as _, IsTerminal as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// `O_EXCL` of a block device: fails while anybody uses it (open(2)).
const EXCLUSIVE: i32 = rustix::fs::OFlags::EXCL.bits() as i32;

/// Where a stick is made.
#[derive(Debug)]
pub struct TargetDisk {
    /// The device, without links, or the image.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Size of its sectors in bytes.
    pub sector_bytes: u64,
    /// For people: model, serial number, size, and what is on it. `None` for an image.
    description: Option<String>,
}

/// What the command line says of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Size of a new image.
    pub size: Option<&'a str>,
    /// Replaces an image, and takes a disk that cannot be unplugged.
    pub force: bool,
}

impl TargetDisk {
    /// Looks at it, and refuses what must not be overwritten.
    ///
    /// # Errors
    /// Kind `Usage`, or `Refused` for a disk that is in use, cannot be written, or is no removable one.
    pub fn look(session: &Session, to: &Path, wanted: Wanted<'_>) -> Result<TargetDisk, CommandError> {
        let below_dev = to.starts_with("/dev");
        match std::fs::metadata(to) {
            Ok(metadata) if metadata.file_type().is_block_device() => {
                if wanted.size.is_some() {
                    return Err(CommandError::usage("--size is for a new image; a device has its own"));
                }
                device(session, to, wanted.force)
            }
            Ok(metadata) if metadata.is_file() => image(to, Some(metadata.len()), wanted),
            Ok(_) => Err(CommandError::usage(format!("--to {}: it is neither a device nor a file", to.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !below_dev => image(to, None, wanted),
            Err(error) => Err(CommandError::usage(format!("cannot OPEN {}: {error}", to.display()))
                .hint("lsblk -o NAME,SIZE,MODEL,TRAN, which shows the disks")),
        }
    }

    /// The person at the terminal confirms by typing the name; `yes` was said on the command line.
    ///
    /// # Errors
    /// Kind `Refused` when it is not confirmed.
    pub fn confirm(&self, yes: bool) -> CommandResult {
        let Some(description) = self.description.as_ref().filter(|_| !yes) else { return Ok(()) };
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let everything = format!("everything on {} will be lost: {description}", self.path.display());
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            return Err(CommandError::refused(format!("{everything}; nobody can be asked")).hint("--yes"));
        }
        crate::output::tell(&format!(
            "{everything}\nType the name of the disk, {name}, to go on, or anything else to stop: "
        ));
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        match answer.trim().trim_start_matches("/dev/") == name {
            true => Ok(()),
            false => {
                Err(CommandError::refused(format!("{} was not confirmed; nothing was written", self.path.display())))
            }
        }
    }

    /// Refuses a disk that is too small.
    ///
    /// # Errors
    /// Kind `Failed`, with the figures.
    pub fn check_room(&self, needed: u64, what: &str) -> CommandResult {
        if needed <= self.size_bytes {
            return Ok(());
        }
        let (shown, short) = (self.path.display(), human(needed - self.size_bytes));
        let text = format!(
            "cannot WRITE {shown}: it has {}, and needs {} for {what}; {short} are missing, and nothing was written",
            human(self.size_bytes),
            human(needed),
        );
        Err(CommandError::new(Kind::Failed, text).hint("a larger one, or --exclude PATH for what you do not need"))
    }

    /// It is an image.
    pub fn is_image(&self) -> bool {
        self.description.is_none()
    }

    /// Opens it for writing: an image is made anew, 0600; a device is locked, so that udev and desktops leave it alone meanwhile.
    ///
    /// # Errors
    /// Kind `Refused` when somebody began to use the device.
    pub fn open(&self) -> Result<File, CommandError> {
        let shown = self.path.display();
        let failed = |error: std::io::Error| CommandError::new(Kind::Failed, format!("cannot WRITE {shown}: {error}"));
        if self.is_image() {
            let mut options = File::options();
            let image = lifeboat_sys::durable::create(&self.path, 0o600).map_err(failed)?;
            image.set_len(self.size_bytes).map_err(failed)?;
            return options.read(true).write(true).open(&self.path).map_err(failed);
        }
        // Whoever has a partition of it mounted has the disk, too.
        let exclusive = File::options().read(true).write(true).custom_flags(EXCLUSIVE).open(&self.path);
        exclusive.map_err(|error| match error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) {
            true => CommandError::refused(format!("cannot WRITE {shown}: it is in use; nothing was written")),
            false => failed(error),
        })?;
        let disk = File::options().read(true).write(true).open(&self.path).map_err(failed)?;
        // https://systemd.io/BLOCK_DEVICE_LOCKING: udev reads nothing meanwhile, and so nothing is mounted by itself.
        rustix::fs::flock(&disk, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|errno| {
            CommandError::refused(format!("cannot WRITE {shown}: another program is changing it ({errno})"))
        })?;
        Ok(disk)
    }
}

fn image(path: &Path, old: Option<u64>, wanted: Wanted<'_>) -> Result<TargetDisk, CommandError> {
    let shown = path.display();
    if old.is_some() && !wanted.force {
        return Err(CommandError::usage(format!("{shown} exists")).hint("--force, or another name"));
    }
    let folder = folder_of(path);
    if path.file_name().is_none() || !folder.is_dir() {
        return Err(CommandError::usage(format!("--to {shown}: there is no folder {}", folder.display())));
    }
    // mke2fs, mount and e2fsck follow its path, too.
    guarded::refuse_folder("the folder", folder)?;
    let size_bytes = match (wanted.size, old) {
        (Some(text), _) => parse_size(text, 1)
            .ok_or_else(|| CommandError::usage(format!("--size {text}: expected a size like 8G or 16000M")))?,
        (None, Some(old)) => old,
        (None, None) => {
            return Err(CommandError::usage(format!("{shown} does not exist: the size of a new image is not known"))
                .hint("--size 8G, the size of the stick or less; --to /dev/sdX writes onto a stick itself"));
        }
    };
    Ok(TargetDisk { path: path.to_owned(), size_bytes, sector_bytes: 512, description: None })
}

fn device(session: &Session, to: &Path, force: bool) -> Result<TargetDisk, CommandError> {
    let refused = |reason: &str| CommandError::refused(format!("cannot WRITE {}: {reason}", to.display()));
    let real = std::fs::canonicalize(to)?;
    let path = real.display().to_string();
    let blocks = Blocks::listed(Path::new("/sys"))?;
    let block = blocks.at(&path).ok_or_else(|| refused("the kernel does not list it as a disk"))?;
    if let Some((_, disk)) = &block.partition {
        return Err(CommandError::usage(format!("{path} is a partition; a stick is made of a whole disk"))
            .hint(format!("--to /dev/{disk}")));
    }
    let found = lifeboat_probe::found_hardware(&session.runner, &[])?;
    let disk = found.disks.iter().find(|disk| disk.path == path).ok_or_else(|| {
        refused("it is no disk of its own, but made of others or of a file").hint("--to FILE --size SIZE for an image")
    })?;
    if let Some(reason) = &disk.lock {
        return Err(refused(reason).hint("unmounting it, or naming another disk"));
    }
    if !block.pluggable && !force {
        return Err(refused(&format!("it cannot be unplugged ({})", described(disk)))
            .hint("--force, if it is the right disk all the same"));
    }
    Ok(TargetDisk {
        size_bytes: disk.size_bytes,
        sector_bytes: block::sector_bytes(&File::open(&real)?)?,
        description: Some(described(disk)),
        path: real,
    })
}

/// Model, serial number, size, content.
fn described(disk: &FoundDisk) -> String {
    let identity = &disk.disk;
    let mut words = vec![];
    words.extend(identity.model.as_ref().map(|model| printable(model.as_bytes())));
    words.extend(identity.serial.as_ref().map(|serial| format!("serial number {}", printable(serial.as_bytes()))));
    words.push(human(disk.size_bytes));
    let content = match (Stick::at(Path::new(&disk.path)), &disk.content) {
        (Some(stick), _) => format!("it is a recovery stick with its backups: {}", printable(stick.name().as_bytes())),
        (None, DiskContent::Blank) => "it is blank".to_owned(),
        (None, DiskContent::Table { summary, .. } | DiskContent::Whole { summary, .. }) => {
            format!("it holds {}", printable(summary.as_bytes()))
        }
        (None, DiskContent::Interrupted { machine, .. }) => {
            format!("it holds an unfinished recovery of {}", printable(machine.as_bytes()))
        }
        (None, DiskContent::Unknown) => "it holds something unknown".to_owned(),
    };
    words.push(content);
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::layout::Disk;

    #[test]
    fn images_need_a_size_and_are_not_replaced_by_accident() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stick.img");
        let look = |path: &Path, old, size, force| image(path, old, Wanted { size, force }).map(|disk| disk.size_bytes);
        assert_eq!(look(&path, None, Some("8G"), false).unwrap(), 8 << 30);
        assert_eq!(look(&path, Some(1 << 30), None, true).unwrap(), 1 << 30);
        for (path, old, size, says) in [
            (path.as_path(), Some(5), Some("8G"), "exists"),
            (&path, None, None, "the size of a new image is not known"),
            (&path, None, Some("eight"), "expected a size like 8G"),
            (&dir.path().join("none/stick.img"), None, Some("8G"), "there is no folder"),
        ] {
            let error = look(path, old, size, false).unwrap_err();
            assert_eq!(error.kind, Kind::Usage);
            assert!(error.text().contains(says), "{}", error.text());
        }
    }

    #[test]
    fn an_image_is_not_made_where_others_can_exchange_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("shared");
        std::fs::create_dir(&folder).unwrap();
        let wanted = Wanted { size: Some("8G"), force: true };
        for (mode, refused) in [(0o755, false), (0o777, true)] {
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
            for old in [None, Some(1 << 30)] {
                let result = image(&folder.join("stick.img"), old, wanted).map_err(|error| error.kind);
                assert_eq!(result.err(), refused.then_some(Kind::Refused), "{mode:o}");
            }
        }
    }

    #[test]
    fn a_disk_is_described_by_what_a_person_knows_it_by() {
        let disk = Disk { model: Some("SanDisk Ultra".into()), ..lifeboat_machine::testing::disk("4C53") };
        let content = DiskContent::Whole { uuid: None, summary: "vfat \"PHOTOS\"".into() };
        let found = FoundDisk { path: "/dev/none".into(), size_bytes: 31 << 30, disk, content, lock: None };
        assert_eq!(described(&found), "SanDisk Ultra, serial number 4C53, 31.0 GiB, it holds vfat \"PHOTOS\"");
    }

    #[test]
    fn too_small_is_refused_with_figures() {
        let disk = TargetDisk { path: "/dev/sdx".into(), size_bytes: 1 << 30, sector_bytes: 512, description: None };
        disk.check_room(1 << 30, "x").unwrap();
        let error = disk.check_room(3 << 30, "rescue system and archive").unwrap_err();
        assert!(error.text().contains("it has 1.0 GiB, and needs 3.0 GiB"), "{}", error.text());
        assert!(error.text().contains("2.0 GiB are missing"), "{}", error.text());
    }
}

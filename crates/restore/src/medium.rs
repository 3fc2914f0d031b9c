//! A recovery medium: a mounted filesystem with `/lifeboat/` on it (design, section 6).

use crate::failure::Failure;
use crate::stick;
use crate::view::{self, View};
use lifeboat_archive::{Place, Repository, Secret};
use lifeboat_machine::manifest::{ArchiveRef, MediumManifest};
use lifeboat_machine::{EventSink, Machine};
use lifeboat_remote::image_file::ImageFile;
use std::path::{Path, PathBuf};

/// An opened medium; its bytes are not yet verified.
#[derive(Debug)]
pub struct Medium {
    /// The directory `/lifeboat` of the medium.
    pub directory: PathBuf,
    /// Its manifest.
    pub manifest: MediumManifest,
    /// The machine it was made for.
    pub machine: Machine,
    /// The file or device that is mounted there, if it is an image.
    pub image: Option<PathBuf>,
}

/// Reads a manifest's JSON.
///
/// # Errors
/// [`Failure::Unusable`] when it is not JSON, of another format, or has unknown fields.
pub fn parse_manifest(json: &[u8], what: &str) -> Result<MediumManifest, Failure> {
    MediumManifest::from_json(json)
        .map_err(|error| Failure::Unusable { what: what.to_owned(), reason: error.to_string() })
}

impl Medium {
    /// Opens the medium mounted at `mount_point`.
    ///
    /// # Errors
    /// When it has no `/lifeboat/manifest.json`, or manifest and machine do not belong together.
    pub fn open(mount_point: &Path) -> Result<Medium, Failure> {
        let directory = mount_point.join("lifeboat");
        let manifest_path = directory.join("manifest.json");
        let manifest = parse_manifest(&Failure::read(&manifest_path)?, &manifest_path.display().to_string())?;
        let machine_json = Failure::read(&directory.join("machine.json"))?;
        if blake3::hash(&machine_json).to_hex().as_str() != manifest.machine_blake3 {
            return Err(Failure::Mismatch(format!(
                "machine.json and manifest.json of the medium in {} do not belong together",
                mount_point.display()
            )));
        }
        let machine = Machine::from_json(&machine_json)?;
        Ok(Medium { directory, manifest, machine, image: image_behind(mount_point) })
    }

    /// The repository on it, if it has one: sealed by the manifest, or a folder that later backups go into.
    pub fn repository(&self) -> Option<Place> {
        let top = self.directory.parent().unwrap_or(&self.directory);
        match (&self.manifest.archive, self.manifest.repository_folder()) {
            (_, Some(folder)) => Some(Place::Folder(top.join(folder))),
            (Some(_), _) => Some(Place::Sealed(self.directory.join("repo"))),
            _ => None,
        }
    }

    /// The key on it, if one was embedded.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn key(&self) -> Result<Option<Secret>, Failure> {
        let file = self.manifest.embedded_key.then(|| self.directory.join("repository.key"));
        file.map(|file| Ok(Secret::new(String::from_utf8_lossy(&Failure::read(&file)?)))).transpose()
    }

    /// Its files from the top.
    pub fn view(&self) -> View<'_> {
        let root = self.directory.parent().unwrap_or(&self.directory);
        // Without access to the device, or without a device, only the files are checked.
        View::Folder(root.to_owned(), self.image.as_deref().and_then(|path| ImageFile::open(path).ok()))
    }

    /// Reads every byte of every file that the manifest names and compares sizes and hashes; a file that the manifest
    /// does not name is damage as well.
    ///
    /// # Errors
    /// [`Failure::Damaged`] for the first changed file, in the order of the manifest.
    pub fn verify(&self, sink: &dyn EventSink) -> Result<(), Failure> {
        view::verify(&self.view(), &self.manifest, sink)
    }
}

/// The device whose ISO 9660 filesystem is mounted at a folder; of a stick the whole disk.
fn image_behind(mount_point: &Path) -> Option<PathBuf> {
    let point = std::fs::canonicalize(mount_point).ok()?;
    // Of several mounts on one folder the last is visible.
    let mount = lifeboat_sys::mount::table().ok()?.into_iter().rfind(|mount| mount.mount_point == point)?;
    match (mount.kind.as_str(), mount.root == Path::new("/")) {
        ("iso9660", true) => Some(PathBuf::from(mount.source)),
        ("ext4", true) => stick::disk_of(Path::new(&mount.source)),
        _ => None,
    }
}

/// Refuses a repository that is not the one that a medium's manifest names.
pub(crate) fn check_repository(named: Option<&ArchiveRef>, repository: &Repository) -> Result<(), Failure> {
    match named {
        Some(archive) if archive.repository != repository.id() => Err(Failure::Mismatch(format!(
            "the manifest names repository {}, but the medium holds {}",
            archive.repository,
            repository.id()
        ))),
        _ => Ok(()),
    }
}

/// Why nothing can be restored from a medium.
pub(crate) fn holds_no_archive(manifest: &MediumManifest) -> Failure {
    if manifest.set.is_some() {
        let reason = "its archive is on a set of discs, of which it is the first; list, ls, dump, verify, compare and restore read it";
        return Failure::Unusable { what: format!("the medium {}", manifest.medium_id), reason: reason.into() };
    }
    Failure::Unusable {
        what: format!("the medium {}", manifest.medium_id),
        reason: "it holds no archive (it was made with --rescue-only); try naming another source".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::Event;
    use lifeboat_machine::manifest::{FORMAT, FileDigest};

    #[test]
    fn documents_of_a_foreign_medium_cost_neither_time_nor_memory() {
        let (dir, _) = medium(&[]);
        let directory = dir.path().join("lifeboat");
        std::fs::create_dir_all(&directory).unwrap();
        let manifest = directory.join("manifest.json");
        let giant = |path: &Path| std::fs::File::create(path).unwrap().set_len(1 << 43).unwrap();
        let zeros = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        let pipe = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        };
        type Make<'a> = &'a dyn Fn(&Path);
        let odd: [(Make, &str); 3] =
            [(&giant, "such a file has at most"), (&zeros, "not a regular file"), (&pipe, "not a regular file")];
        for (make, reported) in odd {
            make(&manifest);
            let error = Medium::open(dir.path()).unwrap_err().to_string();
            assert!(error.contains("manifest.json") && error.contains(reported), "{error}");
            std::fs::remove_file(&manifest).unwrap();
        }
    }

    struct Silent;
    impl EventSink for Silent {
        fn emit(&self, _: &Event) {}
    }

    fn medium(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Medium) {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("lifeboat");
        let mut manifest: MediumManifest = serde_json::from_value(serde_json::json!({
            "format": FORMAT, "lifeboat": "0", "medium_id": "00", "created_at": "", "machine_name": "m",
            "machine_id": "", "machine_blake3": "", "kernel": "", "archive": null, "embedded_key": false, "files": {}
        }))
        .unwrap();
        for (name, content) in files {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
            let digest =
                FileDigest { size_bytes: content.len() as u64, blake3: blake3::hash(content).to_hex().to_string() };
            manifest.files.insert((*name).to_owned(), digest);
        }
        let machine = serde_json::from_value(serde_json::json!({
            "format": 1, "name": "m", "machine_id": "", "architecture": "x86_64", "recorded_at": "",
            "os": {"id": "", "version_id": "", "pretty_name": ""},
            "hardware": {"vendor": "", "product": "", "serial": "", "modaliases": [], "memory_bytes": 0},
            "layout": {"devices": [], "mounts": [], "swap_files": []},
            "boot": {"firmware": {"type": "bios"}, "loaders": [], "efi_entries": [], "initramfs": "none", "kernel": "",
                     "command_line": ""},
            "network": {"interfaces": [], "name_servers": [], "search": []}
        }))
        .unwrap();
        (dir, Medium { directory, manifest, machine, image: None })
    }

    #[test]
    fn whole_media_verify() {
        let (_dir, medium) = medium(&[("repo/data/00/00ff", &[7; 3000]), ("kernel", b"k"), ("empty", b"")]);
        medium.verify(&Silent).unwrap();
    }

    #[test]
    fn every_kind_of_damage_is_found_and_named() {
        type Damage = fn(&Path);
        let cases: [(&str, Damage); 4] = [
            ("does not have the hash", |d| {
                let mut content = std::fs::read(d.join("repo/a")).unwrap();
                content[1234] ^= 1;
                std::fs::write(d.join("repo/a"), content).unwrap();
            }),
            ("has 2999 bytes instead of 3000", |d| {
                std::fs::File::options().write(true).open(d.join("repo/a")).unwrap().set_len(2999).unwrap();
            }),
            ("cannot be opened", |d| std::fs::remove_file(d.join("repo/a")).unwrap()),
            ("is not in its manifest", |d| std::fs::write(d.join("repo/b"), "x").unwrap()),
        ];
        for (message, damage) in cases {
            let (_dir, medium) = medium(&[("repo/a", &[7; 3000]), ("kernel", b"k")]);
            damage(&medium.directory);
            let failure = medium.verify(&Silent).unwrap_err();
            assert!(failure.to_string().contains(message), "{failure}");
            assert!(!failure.touched_disks());
        }
    }

    #[test]
    fn names_cannot_leave_the_medium() {
        let (_dir, mut medium) = medium(&[("kernel", b"k")]);
        let digest = medium.manifest.files["kernel"].clone();
        medium.manifest.files.insert("../../etc/passwd".into(), digest);
        assert!(medium.verify(&Silent).unwrap_err().to_string().contains("impossible name"));
    }
}

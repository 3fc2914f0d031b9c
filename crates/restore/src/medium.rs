//! A recovery medium: a mounted filesystem with `/lifeboat/` on it (design, section 6).

use crate::failure::Failure;
use lifeboat_archive::{Repository, Secret};
use lifeboat_machine::manifest::{ArchiveRef, MediumManifest};
use lifeboat_machine::{Event, EventSink, Machine};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// How often [`Medium::verify`] reports, in bytes.
const REPORT_EVERY: u64 = 64 << 20;

/// A medium that was opened; its bytes are not yet proven.
#[derive(Debug)]
pub struct Medium {
    /// The directory `/lifeboat` of the medium.
    pub directory: PathBuf,
    /// Its manifest.
    pub manifest: MediumManifest,
    /// The machine it was made for.
    pub machine: Machine,
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
        Ok(Medium { directory, manifest, machine })
    }

    /// The repository on it, when it has one.
    pub fn repository(&self) -> Option<PathBuf> {
        self.manifest.archive.as_ref().map(|_| self.directory.join("repo"))
    }

    /// The key on it, when it was asked for.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn key(&self) -> Result<Option<Secret>, Failure> {
        let file = self.manifest.embedded_key.then(|| self.directory.join("repository.key"));
        file.map(|file| Ok(Secret::new(String::from_utf8_lossy(&Failure::read(&file)?)))).transpose()
    }

    /// Reads every byte of every file that the manifest names and compares sizes and hashes; a file that the manifest
    /// does not know is damage as well.
    ///
    /// # Errors
    /// [`Failure::Damaged`] for the first file that is not what it was, in the order of the manifest.
    pub fn verify(&self, sink: &dyn EventSink) -> Result<(), Failure> {
        let began = Instant::now();
        let files: Vec<_> = self.manifest.files.iter().collect();
        let total: u64 = files.iter().map(|(_, digest)| digest.size_bytes).sum();
        self.no_strangers()?;
        let (next, done_bytes, reported) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let check_some = || -> Result<(), (usize, Failure)> {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((name, digest)) = files.get(index) else { return Ok(()) };
                check_file(&self.directory, name, digest, &|bytes| {
                    let done = done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
                    let mark = done / REPORT_EVERY;
                    if reported.fetch_max(mark, Ordering::Relaxed) < mark {
                        sink.emit(&Event::Progress {
                            phase: "verify".into(),
                            entries: index as u64,
                            entries_total: files.len() as u64,
                            bytes: done,
                            bytes_total: total,
                            seconds: began.elapsed().as_secs_f64(),
                        });
                    }
                })
                .map_err(|failure| (index, failure))?;
            }
        };
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(4);
        let mut failures: Vec<(usize, Failure)> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..workers).map(|_| scope.spawn(check_some)).collect();
            handles
                .into_iter()
                .filter_map(|handle| match handle.join() {
                    Ok(result) => result.err(),
                    Err(_) => Some((
                        usize::MAX,
                        Failure::Mismatch("the check of the medium ended with an internal error".into()),
                    )),
                })
                .collect()
        });
        failures.sort_by_key(|(index, _)| *index);
        match failures.into_iter().next() {
            Some((_, failure)) => Err(failure),
            None => Ok(()),
        }
    }

    /// Files below the medium's directory that its manifest does not name.
    fn no_strangers(&self) -> Result<(), Failure> {
        let known: BTreeSet<&str> = self.manifest.files.keys().map(String::as_str).collect();
        let mut folders = vec![self.directory.clone()];
        while let Some(folder) = folders.pop() {
            let read = |source| Failure::Read { path: folder.clone(), source };
            for entry in std::fs::read_dir(&folder).map_err(read)? {
                let entry = entry.map_err(read)?;
                let path = entry.path();
                if entry.file_type().map_err(read)?.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&self.directory).unwrap_or(&path).to_string_lossy().into_owned();
                if !["manifest.json", "initrd.img"].contains(&name.as_str()) && !known.contains(name.as_str()) {
                    return Err(Failure::Damaged { file: name, problem: "is not in its manifest".into() });
                }
            }
        }
        Ok(())
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
    Failure::Unusable {
        what: format!("the medium {}", manifest.medium_id),
        reason: "it holds no archive (it was made with --rescue-only); name another source".into(),
    }
}

fn check_file(
    directory: &Path,
    name: &str,
    expected: &lifeboat_machine::manifest::FileDigest,
    progress: &dyn Fn(u64),
) -> Result<(), Failure> {
    let damaged = |problem: String| Failure::Damaged { file: name.to_owned(), problem };
    let path = directory.join(name);
    // Names come from the manifest: they must stay inside the medium.
    if Path::new(name).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(damaged("has an impossible name in the manifest".into()));
    }
    let mut file = std::fs::File::open(&path).map_err(|error| damaged(format!("cannot be opened: {error}")))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0u64;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(format!("cannot be read at byte {size}: {error}"))),
        };
        hasher.update(&buffer[..count]);
        size += count as u64;
        progress(count as u64);
    }
    if size != expected.size_bytes {
        return Err(damaged(format!("has {size} bytes instead of {}", expected.size_bytes)));
    }
    if hasher.finalize().to_hex().as_str() != expected.blake3 {
        return Err(damaged("does not have the hash that its manifest names".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::manifest::{FORMAT, FileDigest};

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
        (dir, Medium { directory, manifest, machine })
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

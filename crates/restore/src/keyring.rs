//! Headers and keys of the LUKS devices that a recovery makes: all of them are proven to open before anything is wiped.
//!
//! The headers are in the archive, with their key slots and tokens. Keys are key files that the archive holds, too (those that
//! crypttab(5) names, and [`OWN_KEY`]), or passphrases that a person types. They are kept in memory alone.

use crate::failure::Failure;
use lifeboat_archive::{ArchiveError, Repository, SnapshotInfo};
use lifeboat_machine::layout::LuksHeader;
use lifeboat_machine::{DeviceKind, Event, EventSink, Machine};
use lifeboat_rebuild::{RebuildError, Secrets};
use lifeboat_storage::luks::{crypttab, make};
use lifeboat_sys::{RunError, Runner};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// A key file that opens devices in a recovery, whatever crypttab says: for machines that ask for a passphrase at boot.
pub const OWN_KEY: &str = "/etc/lifeboat/luks.key";
/// Where headers are while a recovery lasts: in memory, below the rescue system's run directory.
const DIRECTORY: &str = "luks";
/// cryptsetup reads no more of a key file (cryptsetup(8), "--keyfile-size").
pub const LARGEST_KEY: u64 = 8 << 20;

/// A key with the path of the file that it is from.
pub type KeyFile = (String, Zeroizing<Vec<u8>>);

/// The keys that a recovery will try on a device: those of the files that crypttab(5) names for it, then [`OWN_KEY`]. `read` gives a file of the
/// machine. Second, the paths that crypttab names and that are not there.
pub fn key_files(
    mapping: &str,
    uuid: &str,
    read: &dyn Fn(&str) -> Option<Zeroizing<Vec<u8>>>,
) -> (Vec<KeyFile>, Vec<String>) {
    let table = crypttab::parse(&read("/etc/crypttab").unwrap_or_default());
    let (mut keys, mut missing) = (vec![], vec![]);
    for entry in table {
        let named = entry.name == mapping || entry.device.trim_start_matches("UUID=").trim_matches('"') == uuid;
        let Some(path) = entry.key_file.as_deref().filter(|path| named && path.starts_with('/')) else { continue };
        match read(path) {
            Some(content) => keys.push((path.to_owned(), Zeroizing::new(entry.key_of(&content).to_vec()))),
            None => missing.push(path.to_owned()),
        }
    }
    // systemd's own place for the key of a mapping (systemd-cryptsetup-generator(8)).
    let implicit = format!("/etc/cryptsetup-keys.d/{mapping}.key");
    for path in [implicit.as_str(), OWN_KEY] {
        keys.extend(read(path).map(|content| (path.to_owned(), content)));
    }
    (keys, missing)
}

/// An encrypted device of the machine, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedDevice {
    /// UUID of its header.
    pub uuid: String,
    /// Name of its mapping.
    pub name: String,
}

impl fmt::Display for LockedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As much as distinguishes it from others.
        let short: String = self.uuid.chars().take(8).collect();
        write!(f, "{} (LUKS {short})", self.name)
    }
}

/// Headers and keys of one snapshot's machine.
pub struct Keyring {
    repository: Arc<Repository>,
    snapshot: SnapshotInfo,
    directory: PathBuf,
    /// Encrypted devices with the names of their mappings.
    devices: Vec<(LuksHeader, String)>,
    keys: Mutex<BTreeMap<String, Zeroizing<Vec<u8>>>>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("devices", &self.devices).finish_non_exhaustive()
    }
}

impl Keyring {
    /// The keyring of a machine; nothing is read yet.
    pub fn new(repository: Arc<Repository>, snapshot: SnapshotInfo, machine: &Machine, run: &Path) -> Keyring {
        let devices = machine.layout.devices.iter().filter_map(|device| match &device.kind {
            DeviceKind::Crypt(crypt) => Some((machine.layout.luks_header(crypt)?.clone(), crypt.name.clone())),
            _ => None,
        });
        let (devices, keys) = (devices.collect(), Mutex::default());
        Keyring { repository, snapshot, directory: run.join(DIRECTORY), devices, keys }
    }

    /// Devices that nothing opens so far.
    pub fn locked(&self) -> Vec<LockedDevice> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = self.devices.iter().filter(|(header, _)| !keys.contains_key(&header.uuid));
        locked.map(|(header, name)| LockedDevice { uuid: header.uuid.clone(), name: name.clone() }).collect()
    }

    /// Tries the key files that the archive holds.
    ///
    /// # Errors
    /// When a header is missing in the archive, or cryptsetup cannot be run.
    pub fn open_by_files(&self, runner: &dyn Runner, sink: &dyn EventSink) -> Result<(), Failure> {
        for device in self.locked() {
            let (candidates, missing) = key_files(&device.name, &device.uuid, &|path| self.file(path));
            for path in missing {
                let text =
                    format!("{device}: its key file {path} is not in the archive, or is none that cryptsetup reads");
                sink.emit(&Event::Note { text });
            }
            for (path, key) in candidates {
                match self.attempt(runner, &device.uuid, key) {
                    Ok(true) => {
                        sink.emit(&Event::Note { text: format!("{device} opens with {path} of the archive") });
                        break;
                    }
                    Ok(false) => {}
                    // An empty key file, for example; another one may do.
                    Err(Failure::Run(error @ RunError::Failed { .. })) => {
                        sink.emit(&Event::Note { text: format!("{device}: {path} cannot be tried: {error}") });
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(())
    }

    /// Tries a passphrase on all devices that are locked; true when it opened one.
    ///
    /// # Errors
    /// As [`Keyring::open_by_files`].
    pub fn open_by_passphrase(&self, runner: &dyn Runner, typed: &str) -> Result<bool, Failure> {
        let mut opened = false;
        for device in self.locked() {
            opened |= self.attempt(runner, &device.uuid, Zeroizing::new(typed.as_bytes().to_vec()))?;
        }
        Ok(opened)
    }

    /// Tries a key on the header of a device, and keeps it when it opens.
    fn attempt(&self, runner: &dyn Runner, uuid: &str, key: Zeroizing<Vec<u8>>) -> Result<bool, Failure> {
        let Some((header, _)) = self.devices.iter().find(|(header, _)| header.uuid == uuid) else { return Ok(false) };
        let backup = self.backup(header)?;
        match runner.run(&make::try_key(&backup, &key)) {
            Ok(_) => {
                self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(uuid.to_owned(), key);
                Ok(true)
            }
            Err(RunError::Failed { code: make::WRONG_KEY, .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A file of the archive; `None` when it is not there or cannot be read.
    fn file(&self, path: &str) -> Option<Zeroizing<Vec<u8>>> {
        let content = self.repository.read_file(&self.snapshot, Path::new(path)).ok()?;
        let content = Zeroizing::new(content);
        (content.len() as u64 <= LARGEST_KEY).then_some(content)
    }

    /// The backup of a header, as a file that only root can read.
    fn backup(&self, header: &LuksHeader) -> Result<PathBuf, Failure> {
        // Another snapshot may have another header of the same device.
        let path = self.directory.join(&header.backup.blake3).with_extension("header");
        if path.is_file() {
            return Ok(path);
        }
        let unusable = |reason: String| Failure::Unusable { what: format!("the LUKS device {}", header.uuid), reason };
        let inside = Path::new("/.lifeboat").join(header.backup_name());
        let bytes = self.repository.read_file(&self.snapshot, &inside).map_err(|error| match error {
            ArchiveError::NotInSnapshot { .. } => {
                unusable("the snapshot does not hold the backup of its header; try another snapshot".into())
            }
            other => other.into(),
        })?;
        let digest = blake3::hash(&bytes).to_hex();
        if header.backup.blake3 != digest.as_str() || header.backup.size_bytes != bytes.len() as u64 {
            return Err(unusable(
                "the backup of its header is not the one that was recorded; try another snapshot".into(),
            ));
        }
        let failed = |source| Failure::Write { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(failed)?;
        // Under its name only when it is complete.
        let part = path.with_extension("part");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        std::fs::rename(&part, &path).map_err(failed)?;
        Ok(path)
    }
}

impl Secrets for Keyring {
    fn header(&self, header: &LuksHeader) -> Result<PathBuf, RebuildError> {
        self.backup(header)
            .map_err(|failure| RebuildError::NoHeader { uuid: header.uuid.clone(), reason: failure.to_string() })
    }

    fn key(&self, uuid: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(uuid).cloned()
    }
}

//! Headers and keys of the LUKS devices that a recovery makes: all of them are proven to open before anything is wiped.
//!
//! The headers are in the archive, with their key slots and tokens. Keys are key files that the archive holds, too (those that
//! crypttab(5) names, and [`OWN_KEY`]), or passphrases that a person types. They are kept in memory alone.

use crate::archived::Archived;
use crate::failure::Failure;
use lifeboat_archive::ArchiveError;
use lifeboat_machine::layout::LuksHeader;
use lifeboat_machine::{DeviceKind, Event, EventSink, Machine};
use lifeboat_plan::{Plan, Step, consequence};
use lifeboat_rebuild::{RebuildError, Secrets};
use lifeboat_storage::luks::{crypttab, make};
use lifeboat_sys::{RunError, Runner};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
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

/// An encrypted device that a recovery makes.
#[derive(Clone, Debug, PartialEq)]
struct Encrypted {
    header: LuksHeader,
    name: String,
    /// Of one that is encrypted anew: the file of the machine whose content opens it.
    key_file: Option<String>,
    /// Of one that is encrypted anew: what opens it is typed at each boot.
    typed: bool,
}

impl Encrypted {
    fn of(machine: &Machine) -> Vec<Encrypted> {
        let devices = machine.layout.devices.iter().filter_map(|device| match &device.kind {
            DeviceKind::Crypt(crypt) => Some(Encrypted {
                header: machine.layout.luks_header(crypt)?.clone(),
                name: crypt.name.clone(),
                key_file: crypt.key_file.clone(),
                typed: consequence::is_typed(machine, &crypt.name),
            }),
            _ => None,
        });
        devices.collect()
    }

    /// Those that a plan makes; of what it says nothing, it is as known.
    fn of_plan(plan: &Plan, known: &[Encrypted]) -> Vec<Encrypted> {
        let steps = plan.steps.iter();
        let name = |header: &LuksHeader| {
            plan.steps.iter().find_map(|step| match step {
                Step::OpenLuks { uuid, name, .. } if *uuid == header.uuid => Some(name.clone()),
                _ => None,
            })
        };
        // Lines of crypttab say of new ones how they are opened at boot.
        let line = |uuid: &str| {
            let lines = plan.steps.iter().filter_map(|step| match step {
                Step::AdaptStorage { moved } => Some(&moved.opened),
                _ => None,
            });
            let mut entries = lines.flatten().flat_map(|line| crypttab::parse(line.as_bytes()));
            entries.find(|entry| entry.device == format!("UUID={uuid}"))
        };
        let one = |step: &Step| {
            let Step::MakeLuks { header, .. } = step else { return None };
            let name = name(header)?;
            let own = known.iter().find(|device| device.header.uuid == header.uuid);
            let entry = line(&header.uuid);
            let file = entry.as_ref().and_then(|entry| entry.key_file.clone()).filter(|path| path.starts_with('/'));
            Some(Encrypted {
                header: header.clone(),
                name,
                typed: own.map_or(entry.is_some() && file.is_none(), |own| own.typed),
                key_file: own.map_or(file, |own| own.key_file.clone()),
            })
        };
        steps.filter_map(one).collect()
    }
}

/// The passphrase that a key file holds: what a person will type at each boot. Editors end a file with a line break, and nobody types it.
///
/// # Errors
/// Why it cannot be typed.
pub fn passphrase_of(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let typed = content.strip_suffix(b"\n").unwrap_or(content);
    let text = std::str::from_utf8(typed).map_err(|_| "it is no text")?;
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.chars().any(char::is_control) {
        return Err("it has more than one line, or characters that no keyboard has");
    }
    // cryptsetup takes no more from a terminal (cryptsetup(8), "NOTES ON PASSPHRASE PROCESSING").
    if typed.len() > 512 {
        return Err("it is longer than the 512 bytes that can be typed");
    }
    Ok(Zeroizing::new(typed.to_vec()))
}

/// Headers and keys of one snapshot's machine.
pub struct Keyring {
    archived: Archived,
    directory: PathBuf,
    /// Encrypted devices with the names of their mappings.
    devices: Mutex<Vec<Encrypted>>,
    keys: Mutex<BTreeMap<String, Zeroizing<Vec<u8>>>>,
    /// New headers may be on their devices already: what opens them counts, and no other key is chosen.
    begun: AtomicBool,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("devices", &self.devices).finish_non_exhaustive()
    }
}

impl Keyring {
    /// The keyring of a machine; nothing is read yet.
    pub fn new(archived: Archived, machine: &Machine, run: &Path) -> Keyring {
        let (devices, keys) = (Mutex::new(Encrypted::of(machine)), Mutex::default());
        Keyring { archived, directory: run.join(DIRECTORY), devices, keys, begun: AtomicBool::new(false) }
    }

    /// From now on the devices are those of this machine: one whose description was edited. Keys stay.
    pub fn follow(&self, machine: &Machine) {
        *self.devices.lock().unwrap_or_else(PoisonError::into_inner) = Encrypted::of(machine);
    }

    /// From now on the devices are those that a plan makes whose first steps were done: also those that nobody has described beside it.
    pub fn resume(&self, plan: &Plan) {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        *devices = Encrypted::of_plan(plan, &devices);
        self.begun.store(true, Ordering::Relaxed);
    }

    /// A new device whose header was made before the recovery stopped.
    fn has_begun(&self, device: &Encrypted) -> bool {
        let new = device.header.backup.is_none();
        new && self.begun.load(Ordering::Relaxed) && self.new_header(&device.header.uuid).is_file()
    }

    fn devices(&self) -> Vec<Encrypted> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn without_key(&self) -> Vec<Encrypted> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.devices().into_iter().filter(|device| !keys.contains_key(&device.header.uuid)).collect()
    }

    /// Devices that have a header, and that nothing opens so far.
    pub fn locked(&self) -> Vec<LockedDevice> {
        let there = |device: &Encrypted| device.header.backup.is_some() || self.has_begun(device);
        let recorded = self.without_key().into_iter().filter(there);
        recorded.map(|device| LockedDevice { uuid: device.header.uuid, name: device.name }).collect()
    }

    /// Devices that are encrypted anew and have no key yet.
    pub fn keyless(&self) -> Vec<LockedDevice> {
        let new = |device: &Encrypted| device.header.backup.is_none() && !self.has_begun(device);
        self.without_key()
            .into_iter()
            .filter(new)
            .map(|device| LockedDevice { uuid: device.header.uuid, name: device.name })
            .collect()
    }

    /// Keeps the passphrase of a device that is encrypted anew.
    pub fn choose(&self, uuid: &str, passphrase: &str) {
        let key = Zeroizing::new(passphrase.as_bytes().to_vec());
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(uuid.to_owned(), key);
        // A header with the passphrase before opens with that one only.
        let _ = std::fs::remove_file(self.new_header(uuid));
    }

    fn new_header(&self, uuid: &str) -> PathBuf {
        self.directory.join(format!("new-{uuid}")).with_extension("header")
    }

    /// Makes the headers of devices that are encrypted anew and whose keys are known; keys from files of the archive among them.
    fn make_headers(&self, runner: &dyn Runner, sink: &dyn EventSink) -> Result<(), Failure> {
        for device in self.devices().into_iter().filter(|device| device.header.backup.is_none()) {
            let uuid = &device.header.uuid;
            if self.key(uuid).is_none()
                && let Some(path) = &device.key_file
            {
                let content = self.file(path).filter(|content| !content.is_empty());
                let content = match content.as_deref().filter(|_| device.typed) {
                    Some(typed) => Some(passphrase_of(typed).map_err(|reason| Failure::Unusable {
                        what: format!("{path} of the archive as the key of {}", device.name),
                        reason: format!(
                            "{reason}, and it has to be typed at each boot; try a file with a passphrase (--luks-key), or none"
                        ),
                    })?),
                    None => content,
                };
                let text = match content {
                    Some(content) => {
                        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(uuid.clone(), content);
                        format!("{} is encrypted with {path} of the archive as its key", device.name)
                    }
                    None => format!("{}: its key file {path} is not in the archive, or is empty", device.name),
                };
                sink.emit(&Event::Note { text });
            }
            let path = self.new_header(uuid);
            let Some(key) = self.key(uuid).filter(|_| !path.is_file()) else { continue };
            let failed = |source| Failure::Write { path: path.clone(), source };
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(failed)?;
            // cryptsetup wants a device that has more than a header.
            let scratch = path.with_extension("scratch");
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&scratch)
                .map_err(failed)?;
            file.set_len(device.header.data_offset_bytes + (1 << 20)).map_err(failed)?;
            drop(file);
            let made = runner.run(&make::format(&scratch, &device.header, &key)).map_err(Failure::from);
            let made = made.and_then(|_| {
                let unusable =
                    |reason: String| Failure::Unusable { what: format!("the new header of {}", device.name), reason };
                let examined = lifeboat_storage::luks::examine(&scratch).map_err(unusable)?;
                let examined = examined.ok_or_else(|| unusable("cryptsetup made none".into()))?;
                self.put(&path, &examined.backup)
            });
            let _ = std::fs::remove_file(&scratch);
            made?;
        }
        Ok(())
    }

    /// Tries the key files that the archive holds.
    ///
    /// # Errors
    /// When a header is missing in the archive, or cryptsetup cannot be run.
    pub fn open_by_files(&self, runner: &dyn Runner, sink: &dyn EventSink) -> Result<(), Failure> {
        self.make_headers(runner, sink)?;
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
        let devices = self.devices();
        let Some(device) = devices.iter().find(|device| device.header.uuid == uuid) else { return Ok(false) };
        let backup = self.backup(&device.header)?;
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
        let content = self.archived.read_file(Path::new(path)).ok()?;
        let content = Zeroizing::new(content);
        (content.len() as u64 <= LARGEST_KEY).then_some(content)
    }

    /// The backup of a header, as a file that only root can read.
    fn backup(&self, header: &LuksHeader) -> Result<PathBuf, Failure> {
        let unusable = |reason: String| Failure::Unusable { what: format!("the LUKS device {}", header.uuid), reason };
        let Some(recorded) = &header.backup else {
            let path = self.new_header(&header.uuid);
            return if path.is_file() {
                Ok(path)
            } else {
                Err(unusable(
                    "it is encrypted anew, and there is no passphrase for it; try the interactive mode or 'lifeboat restore', which \
                     ask for one, or naming a key file of the machine when the layout is edited (--luks-key)"
                        .into(),
                ))
            };
        };
        // Another snapshot may have another header of the same device.
        let path = self.directory.join(&recorded.blake3).with_extension("header");
        if path.is_file() {
            return Ok(path);
        }
        let inside = Path::new("/.lifeboat").join(header.backup_name());
        let bytes = self.archived.read_file(&inside).map_err(|error| match error {
            ArchiveError::NotInSnapshot { .. } => {
                unusable("the snapshot does not hold the backup of its header; try another snapshot".into())
            }
            other => other.into(),
        })?;
        let digest = blake3::hash(&bytes).to_hex();
        if recorded.blake3 != digest.as_str() || recorded.size_bytes != bytes.len() as u64 {
            return Err(unusable(
                "the backup of its header is not the one that was recorded; try another snapshot".into(),
            ));
        }
        self.put(&path, &bytes)?;
        Ok(path)
    }

    /// Writes a header into memory, for root alone.
    fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let failed = |source| Failure::Write { path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(failed)?;
        // Under its name only when it is complete.
        let part = path.with_extension("part");
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        std::fs::rename(&part, path).map_err(failed)
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

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::testing::luks;
    use lifeboat_plan::MovedStorage;

    #[test]
    fn a_passphrase_in_a_file_is_what_is_typed() {
        let of = |content: &[u8]| passphrase_of(content).map(|key| key.to_vec());
        assert_eq!(of(b"sesame\n"), Ok(b"sesame".to_vec()));
        assert_eq!(of("s\u{e9}same".as_bytes()), Ok("s\u{e9}same".as_bytes().to_vec()));
        for (content, why) in [
            (&b"a\nb"[..], "more than one line"),
            (&b"sesame\r\n"[..], "no keyboard"),
            (&b"sesame\n\n"[..], "more than one line"),
            (&b"\xff\x00\x17"[..], "no text"),
            (&b"\n"[..], "empty"),
            (&[b'x'; 600], "512"),
        ] {
            assert!(of(content).is_err_and(|reason| reason.contains(why)), "{content:?}");
        }
    }

    /// What a recovery encrypts anew may be nowhere but in its plan: it was chosen when the recovery began.
    #[test]
    fn a_plan_tells_its_encrypted_devices() {
        let new = LuksHeader { backup: None, ..luks("77aa", "00") };
        let open = |uuid: &str, name: &str| Step::OpenLuks {
            device: "/dev/vda2".into(),
            uuid: uuid.into(),
            name: name.into(),
            node: format!("/dev/mapper/{name}"),
            size_bytes: 1,
        };
        let opened =
            vec!["data UUID=77aa /etc/data.key luks".to_owned(), "root UUID=88bb none luks,initramfs".to_owned()];
        let make = |header: &LuksHeader| Step::MakeLuks { device: "/dev/vda2".into(), header: header.clone() };
        let root = LuksHeader { uuid: "88bb".into(), ..new.clone() };
        let steps = vec![
            make(&new),
            open("77aa", "data"),
            make(&root),
            open("88bb", "root"),
            Step::AdaptStorage { moved: MovedStorage { opened, ..MovedStorage::default() } },
        ];
        let plan = Plan { targets: vec![], steps, moved: vec![], notes: vec![] };
        // One that was recorded, and that the plan no longer makes, is not asked for.
        let gone = Encrypted { header: luks("64f0", "00"), name: "old".into(), key_file: None, typed: false };
        let found = Encrypted::of_plan(&plan, &[gone]);
        let short: Vec<(&str, Option<&str>, bool)> =
            found.iter().map(|one| (one.name.as_str(), one.key_file.as_deref(), one.typed)).collect();
        assert_eq!(short, [("data", Some("/etc/data.key"), false), ("root", None, true)]);
        assert_eq!(found[0].header, new);
    }
}

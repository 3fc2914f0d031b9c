//! What the boot process left for a recovery.

use crate::failure::Failure;
use crate::medium::{Medium, parse_manifest};
use crate::network::Network;
use crate::stream_name;
use lifeboat_machine::netboot::EMBEDDED_MEDIUM;
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_machine::run;
use lifeboat_machine::source::{FoundMedium, FoundTape, RecordedSource};
use lifeboat_machine::{Machine, MediumManifest, Parameters};
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Directories of the rescue system; others in tests.
#[derive(Clone, Debug)]
pub struct RescueDirectories {
    /// What the initramfs carries: `machine.json`, `manifest.json`.
    pub embedded: PathBuf,
    /// What init found out: `parameters.json`, `source.json`; logs and reports go there.
    pub run: PathBuf,
    /// Where the restored system is built.
    pub target: PathBuf,
}

impl Default for RescueDirectories {
    fn default() -> Self {
        RescueDirectories { embedded: "/lifeboat".into(), run: run::DIRECTORY.into(), target: "/target".into() }
    }
}

impl RescueDirectories {
    /// The directories of a rescue system whose root is there.
    pub fn below(root: &Path) -> RescueDirectories {
        let RescueDirectories { embedded, run, target } = RescueDirectories::default();
        let inside = |path: PathBuf| root.join(path.strip_prefix("/").unwrap_or(&path));
        RescueDirectories { embedded: inside(embedded), run: inside(run), target: inside(target) }
    }
}

/// The rescue system as a recovery sees it.
#[derive(Debug)]
pub struct RescueSystem {
    /// Its directories.
    pub directories: RescueDirectories,
    /// The machine it was made for.
    pub machine: Machine,
    /// How the machine shall come back, when that is not as it was: the layout that the medium has or a person named.
    pub layout: Option<Machine>,
    /// Bytes of the embedded `machine.json`.
    pub machine_json: Vec<u8>,
    /// The embedded manifest.
    pub manifest: MediumManifest,
    /// Bytes of the embedded manifest.
    pub manifest_json: Vec<u8>,
    /// The kernel parameters.
    pub parameters: Parameters,
    /// The medium, when init found one.
    pub source: Option<FoundMedium>,
    /// The tape with the archive, when init chose one.
    pub tape: Option<FoundTape>,
    /// The archive that a person named, overriding the parameters.
    pub from: Option<String>,
    /// How addresses are opened; without credentials until the caller sets it.
    pub network: Network,
}

/// True inside a rescue system.
pub fn is_rescue_system(directories: &RescueDirectories) -> bool {
    directories.embedded.join("manifest.json").is_file() && directories.run.join("parameters.json").is_file()
}

/// The edited layout: of the parameter, or the one that the initramfs carries.
fn edited_layout(
    directories: &RescueDirectories,
    parameter: Option<&str>,
    medium: Option<&FoundMedium>,
) -> Result<Option<Machine>, Failure> {
    let path = match parameter {
        Some("recorded") => return Ok(None),
        Some(path) if path.starts_with('/') => PathBuf::from(path),
        Some(path) => match medium {
            Some(medium) => medium.mount.join(path),
            None => {
                return Err(Failure::Unusable {
                    what: format!("lifeboat.layout={path}"),
                    reason: "no medium was found that could have that file; try an absolute path in the rescue system"
                        .into(),
                });
            }
        },
        None => {
            let path = directories.embedded.join("layout.json");
            if !path.is_file() {
                return Ok(None);
            }
            path
        }
    };
    read_layout(&path).map(Some)
}

/// Reads an edited description.
///
/// # Errors
/// When it cannot be read, or is none that holds together.
pub fn read_layout(path: &Path) -> Result<Machine, Failure> {
    let json = Failure::read(path)?;
    Machine::from_json(&json).map_err(|error| Failure::Unusable {
        what: format!("the layout {}", path.display()),
        reason: error.to_string(),
    })
}

impl RescueSystem {
    /// Keeps a second recovery, started in another shell or over ssh, from writing to the same disks while the file
    /// is open.
    ///
    /// # Errors
    /// [`Failure::Unusable`] while another one is running.
    pub fn alone(&self) -> Result<File, Failure> {
        let path = self.directories.run.join("recovery.lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| Failure::Write { path, source })?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Failure::Unusable {
                what: "the disks".into(),
                reason: "another recovery is running; try again when it has ended".into(),
            }
        })?;
        Ok(file)
    }

    /// Reads what init left.
    ///
    /// # Errors
    /// When a file is missing or unreadable, or when machine and manifest do not belong together.
    pub fn open(directories: RescueDirectories) -> Result<RescueSystem, Failure> {
        let machine_json = Failure::read(&directories.embedded.join("machine.json"))?;
        let manifest_json = Failure::read(&directories.embedded.join("manifest.json"))?;
        let manifest = parse_manifest(&manifest_json, "the manifest of this rescue system")?;
        if blake3::hash(&machine_json).to_hex().as_str() != manifest.machine_blake3 {
            return Err(Failure::Mismatch(
                "machine.json and manifest.json of this rescue system do not belong together".into(),
            ));
        }
        let machine = Machine::from_json(&machine_json)?;
        let parameters = read_json::<Parameters>(&directories.run.join("parameters.json"))?;
        let source_path = directories.run.join("source.json");
        let (source, tape) = match source_path.exists().then(|| read_json(&source_path)).transpose()? {
            None => (None, None),
            Some(RecordedSource::Medium(medium)) => (Some(medium), None),
            Some(RecordedSource::Tape(tape)) => (tape.medium.clone(), Some(tape)),
        };
        let layout = edited_layout(&directories, parameters.layout.as_deref(), source.as_ref())?;
        Ok(RescueSystem {
            directories,
            machine,
            layout,
            machine_json,
            manifest,
            manifest_json,
            parameters,
            source,
            tape,
            from: None,
            network: Network::default(),
        })
    }

    /// Where the archive is when it is not, as a whole, on the medium: what a person named, else the tape that init found, else an
    /// address, a place on a local disk or a stream among the parameters, else the set of discs that the medium belongs to.
    pub fn archive_elsewhere(&self) -> Option<Cow<'_, str>> {
        let meant = |source: &&str| {
            lifeboat_remote::Address::is_meant(source) || OnDisk::is_meant(source) || stream_name::is_meant(source)
        };
        let tape = || self.tape.as_ref().map(|tape| Cow::Owned(format!("tape:{}", tape.device.display())));
        let parameter = || self.parameters.source.as_deref().filter(meant).map(Cow::Borrowed);
        let discs = || self.own_discs().map(Cow::Owned);
        self.from.as_deref().map(Cow::Borrowed).or_else(tape).or_else(parameter).or_else(discs)
    }

    /// The set of discs whose first one this rescue system was started from: in its drive, and in all others.
    fn own_discs(&self) -> Option<String> {
        let (source, _) = (self.source.as_ref()?, self.manifest.set.as_ref()?);
        Some(format!("{}:{}", stream_name::DISCS, source.device.display()))
    }

    /// The id of the set of discs at a place, where only one can be meant.
    pub fn set_at(&self, place: &str) -> Option<&str> {
        let is_own = self.own_discs().as_deref() == Some(place);
        self.manifest.set.as_deref().filter(|_| is_own)
    }

    /// Opens the medium that init found, and refuses one to which this rescue system does not belong.
    ///
    /// # Errors
    /// [`Failure::Unusable`] without medium, [`Failure::Mismatch`] for another one.
    pub fn medium(&self) -> Result<Medium, Failure> {
        let source = self.source.as_ref().ok_or_else(|| Failure::Unusable {
            what: "the recovery medium".into(),
            reason: "none was found; try inserting it and naming its device as the source (--from /dev/sr0 for a \
             disc), or booting again"
                .into(),
        })?;
        let on_medium = Failure::read(&source.mount.join("lifeboat/manifest.json"))?;
        let mut medium = Medium::open(&source.mount)?;
        if medium.manifest.set.is_some() {
            // Init keeps the rest in memory: the drive is needed for the other discs. The kernel runs already.
            medium.manifest.files.remove("kernel");
        }
        if source.mount == Path::new(EMBEDDED_MEDIUM) {
            // What came with the rescue system is what it needs; kernel and description are there already.
            let is_there = |path: &str| source.mount.join("lifeboat").join(path).exists();
            medium.manifest.files.retain(|path, _| is_there(path));
            // With an archive in the boot tree the key is there, too.
            medium.manifest.embedded_key &= is_there("repository.key");
        }
        if on_medium != self.manifest_json {
            return Err(Failure::Mismatch(format!(
                "the medium in {} is {} of machine '{}', but this rescue system belongs to {} of machine '{}'",
                source.device.display(),
                medium.manifest.medium_id,
                medium.manifest.machine_name,
                self.manifest.medium_id,
                self.manifest.machine_name,
            )));
        }
        Ok(medium)
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    serde_json::from_slice(&Failure::read(path)?)
        .map_err(|error| Failure::Unusable { what: path.display().to_string(), reason: error.to_string() })
}

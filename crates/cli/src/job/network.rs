//! Addresses on the network: where names and passwords come from, and who is notified of lost servers.

use crate::error::{CommandError, CommandResult, Kind};
use crate::job::limits;
use crate::job::stick::{self, Written};
use crate::output::Reporter;
use crate::session::Session;
use lifeboat_archive::Place;
use lifeboat_machine::on_disk::OnDisk;
use lifeboat_machine::{Event, EventSink};
use lifeboat_remote::credentials::TLS_FINGERPRINT;
use lifeboat_remote::pinned::Fingerprint;
use lifeboat_remote::{Address, Credentials};
use lifeboat_restore::rescue::{RescueDirectories, RescueSystem, is_rescue_system};
use lifeboat_restore::{Medium, Network};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The file with credentials when the environment has none.
pub const CREDENTIALS: &str = "/etc/lifeboat/credentials";
/// The names of these files on a medium.
const ON_MEDIUM: [(&str, &str); 2] =
    [("SFTP_IDENTITY_FILE", "sftp-identity"), ("SFTP_KNOWN_HOSTS_FILE", "sftp-known-hosts")];

/// What `--tls-fingerprint` says, for all addresses of the command.
static FINGERPRINT: OnceLock<Fingerprint> = OnceLock::new();

/// Has all addresses of this command known by a fingerprint.
pub fn pin(fingerprint: Fingerprint) {
    let _ = FINGERPRINT.set(fingerprint);
}

/// How a command opens addresses; lost servers are reported on its terminal.
pub fn of_session(session: &Session) -> Result<Network, CommandError> {
    let limits = Arc::new(limits::of_network(&session.limits));
    Ok(Network { limits, ..with_sink(Reporter::new(session.reporter.json()))? })
}

/// The same; lost servers are reported to a sink.
pub fn with_sink(sink: impl EventSink + Send + 'static) -> Result<Network, CommandError> {
    let listener = move |text: &str| sink.emit(&Event::Warning { text: text.to_owned() });
    let on_demand = is_rescue_system(&RescueDirectories::default());
    Ok(Network { credentials: credentials()?, listener: Arc::new(listener), on_demand, limits: Arc::default() })
}

/// The option, the environment, then the file, then what the medium of a rescue system carries.
fn credentials() -> Result<Credentials, CommandError> {
    let option = FINGERPRINT.get().map(|print| (TLS_FINGERPRINT.to_owned(), print.to_string()));
    let variable = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
    let environment = Credentials::new(lifeboat_remote::credentials::NAMES.iter().filter_map(variable));
    let file = read(Path::new(CREDENTIALS), true)?.unwrap_or_default();
    Ok(Credentials::new(option).or(environment).or(file).or(of_medium()?))
}

/// The values of all credentials of this machine, which must not be in any message; none where they cannot be read.
pub fn secrets() -> Vec<String> {
    let found = credentials().unwrap_or_default();
    let secret = |name: &&&str| name.contains("SECRET") || name.contains("PASSWORD") || name.contains("TOKEN");
    let names = lifeboat_remote::credentials::NAMES;
    names.iter().filter(secret).filter_map(|name| found.get(name).map(str::to_owned)).collect()
}

/// `ours` is a file of this machine; the modes on a medium are those of its filesystem.
fn read(path: &Path, ours: bool) -> Result<Option<Credentials>, CommandError> {
    let failed = |why: String| CommandError::new(Kind::Failed, format!("cannot READ {}: {why}", path.display()));
    match crate::guarded::read(path) {
        Ok((bytes, others)) => {
            // It decides where backups go and under whose name.
            if ours {
                crate::guarded::refuse_writable("the credentials in", path, others)?;
                if others.read {
                    tracing::warn!(
                        "{} can be read by others (mode {:04o}); try: chmod 600",
                        path.display(),
                        others.mode
                    );
                }
            }
            Credentials::parse(&String::from_utf8_lossy(&bytes)).map(Some).map_err(failed)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        // The folder of the credentials is root's alone.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && ours => {
            Err(failed(error.to_string()).hint("sudo lifeboat …, which may read it"))
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Credentials on the medium that the rescue system was started from. Only a medium that belongs to it is used.
fn of_medium() -> Result<Credentials, CommandError> {
    let directories = RescueDirectories::default();
    if !is_rescue_system(&directories) {
        return Ok(Credentials::default());
    }
    let rescue = RescueSystem::open(directories)?;
    if rescue.source.is_none() {
        return Ok(Credentials::default());
    }
    let Medium { directory, .. } = rescue.medium()?;
    let Some(found) = read(&directory.join("credentials"), false)? else { return Ok(Credentials::default()) };
    let mut files = vec![];
    // Beside the logs, not among them.
    let secrets = rescue.directories.run.join("credentials");
    for (name, file) in ON_MEDIUM {
        let Ok(bytes) = std::fs::read(directory.join(file)) else { continue };
        // ssh requires a key that nobody else can read, and a disc has its own modes.
        let failed = |error| CommandError::new(Kind::Failed, format!("cannot CREATE {}: {error}", secrets.display()));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&secrets).map_err(failed)?;
        let copy = secrets.join(file);
        write(&copy, &bytes)?;
        files.push((name.to_owned(), copy.display().to_string()));
    }
    Ok(Credentials::new(files).or(found))
}

fn write(path: &Path, bytes: &[u8]) -> CommandResult {
    let mut options = std::fs::File::options();
    let result = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let result = result.and_then(|mut file| std::io::Write::write_all(&mut file, bytes));
    result.map_err(|error| CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", path.display())))
}

/// Puts the credentials that an address needs into the folder of a medium: those of the environment or the file. Without secrets only what
/// is none: by what its server is known.
pub fn put_on_medium(folder: &Path, secrets: bool) -> CommandResult {
    let credentials = credentials()?;
    if !secrets {
        return match credentials.get(TLS_FINGERPRINT) {
            Some(print) => write(&folder.join("credentials"), format!("{TLS_FINGERPRINT}={print}\n").as_bytes()),
            None => Ok(()),
        };
    }
    let mut text = String::from("# Names and passwords for the archive; anyone who has this medium has them.\n");
    for name in lifeboat_remote::credentials::NAMES {
        let Some(value) = credentials.get(name) else { continue };
        match ON_MEDIUM.iter().find(|(known, _)| *known == name) {
            Some((_, file)) => {
                let bytes = std::fs::read(value).map_err(|error| {
                    CommandError::new(Kind::Failed, format!("cannot READ {value} ({name}): {error}"))
                })?;
                write(&folder.join(file), &bytes)?;
            }
            None => text.push_str(&format!("{name}={value}\n")),
        }
    }
    write(&folder.join("credentials"), text.as_bytes())
}

/// The names of all files that [`put_on_medium`] may create.
pub const MEDIUM_FILES: [&str; 3] = ["credentials", "sftp-identity", "sftp-known-hosts"];

/// A repository to be written, and what is mounted for it.
pub struct Target {
    /// Where it is.
    pub place: Place,
    mounted: Option<(PathBuf, lifeboat_sys::ending::Registration)>,
    stick: Option<Written>,
}

impl Target {
    /// Has what was written to a stick on the stick, and unmounts it.
    pub fn close(mut self) -> CommandResult {
        self.stick.take().map_or(Ok(()), |stick| stick.close().map(drop))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((point, _)) = &self.mounted {
            // Everything was written and synced; if the server has gone away since, nothing is lost.
            let _ = lifeboat_sys::mount::unmount(point);
            let _ = std::fs::remove_dir(point);
        }
    }
}

/// The place of a repository that is to be written: a folder or an address. Streams and tapes have a way of their own.
pub fn target(session: &Session, text: &str) -> Result<Target, CommandError> {
    if let Some(stick) = stick::of_place(text)? {
        let stick = Written::open(session, stick)?;
        return Ok(Target { place: Place::Folder(stick.repository()), mounted: None, stick: Some(stick) });
    }
    if OnDisk::is_meant(text) {
        return Err(CommandError::usage(format!("cannot WRITE {text}: such a place is read-only"))
            .hint("mounting the disk and naming the folder; usb, for a stick of 'lifeboat media usb'"));
    }
    if !Address::is_meant(text) {
        let folder = stick::of_folder(Path::new(text)).unwrap_or_else(|| text.into());
        return Ok(Target { place: Place::Folder(folder), mounted: None, stick: None });
    }
    let address = Address::parse(text).map_err(CommandError::usage)?;
    let network = of_session(session)?;
    let point = super::scratch::scratch().join(format!("lifeboat-repository-{}", std::process::id()));
    let mounted = address
        .is_mounted()
        .then(|| (point.clone(), lifeboat_sys::ending::register_mount(point.clone(), point.clone())));
    if mounted.is_some() {
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&point)
            .map_err(|error| CommandError::new(Kind::Failed, format!("cannot CREATE {}: {error}", point.display())))?;
    }
    // The guard comes first, so that a failed mount leaves no folder behind.
    let mut target = Target { place: Place::Folder(point.clone()), mounted, stick: None };
    target.place = network.place(&address, &point)?;
    Ok(target)
}

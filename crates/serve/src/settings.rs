//! `serve.toml`: how the server is reached, and who may use it.
//!
//! The file decides who may read and remove everybody's backups. It is refused when others than its owner can read or write it, or replace it.

use crate::path::Repo;
use crate::token::{Hash, Name, Right, Token, new_secret};
use lifeboat_machine::bytes::parse_size;
use lifeboat_sys::durable;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::collections::HashSet;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Name of the file in the server's folder.
pub const FILE: &str = "serve.toml";
/// Larger ones are not ours: 10,000 tokens have some 2 MB.
const LARGEST: u64 = 8 << 20;
/// rest-server's port.
pub const PORT: u16 = 8000;
/// A daily backup may be a day late.
const OVERDUE: u64 = 2 * 24 * 3600;
/// What the file begins with when the first token is added.
const HEAD: &str = "# Settings and tokens of lifeboat serve. Secrets are not kept here, only their hashes.\n";

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The system's error.
    #[error("cannot {action} {}: {cause}", path.display())]
    System {
        /// `READ` or `WRITE`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
    /// Others may read or write it.
    #[error("cannot READ {}: {why}; try chmod 600 and chown to the user of the server", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Who.
        why: String,
    },
    /// It says something that it cannot.
    #[error("cannot READ {}: {why}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What.
        why: String,
    },
}

/// The settings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Addresses with ports to listen at.
    pub listen: Vec<SocketAddr>,
    /// Addresses with ports where the boot tree alone is given out, over plain HTTP: firmware trusts no certificate of ours.
    pub boot_listen: Vec<SocketAddr>,
    /// The network link on which machines that start are offered the boot tree, beside the DHCP server there.
    pub netboot: Option<String>,
    /// The port of the boot tree there.
    pub netboot_port: u16,
    /// Only the cards of machines in the boot tree are answered.
    pub netboot_known_only: bool,
    /// UEFI is offered it by PXE, too, and not by HTTP alone: where the DHCP server of the network names this server as its next server, for
    /// GRUB looks for its menu there.
    pub netboot_uefi_pxe: bool,
    /// Nothing but that is served.
    #[serde(skip)]
    pub only_netboot: bool,
    /// HTTPS; `false`: HTTP, for a network where nobody else listens, or behind a proxy.
    pub tls: bool,
    /// Names and addresses in the certificate that is made at the first start, beside those of this host.
    pub names: Vec<String>,
    /// A certificate chain in PEM, in place of one of its own.
    pub certificate: Option<PathBuf>,
    /// Its key in PEM.
    pub key: Option<PathBuf>,
    /// Everybody may see the status page, the metrics and what the API shows.
    pub public_status: bool,
    /// The age in seconds at which a machine's last backup is overdue.
    #[serde(deserialize_with = "needed_duration")]
    pub overdue: u64,
    /// The most connections.
    pub connections: usize,
    /// The most connections from one address.
    pub connections_per_address: usize,
    /// The tokens.
    #[serde(rename = "token")]
    pub tokens: Vec<Token>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: vec![SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], PORT))],
            boot_listen: vec![],
            netboot: None,
            netboot_port: 80,
            netboot_known_only: false,
            netboot_uefi_pxe: false,
            only_netboot: false,
            tls: true,
            names: vec![],
            certificate: None,
            key: None,
            public_status: false,
            overdue: OVERDUE,
            connections: 512,
            connections_per_address: 128,
            tokens: vec![],
        }
    }
}

impl Settings {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// What it says that it cannot.
    pub fn parse(text: &str) -> Result<Settings, String> {
        let settings: Settings = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let mut names = HashSet::new();
        let mut hashes = HashSet::new();
        for token in &settings.tokens {
            let name = &token.name;
            if !names.insert(name) {
                return Err(format!("two tokens are called {name}"));
            }
            if !hashes.insert(token.hash.to_string()) {
                return Err(format!("the token {name} has the secret of another one"));
            }
            if token.right == Right::View && (token.path.is_some() || token.quota.is_some()) {
                return Err(format!(
                    "the token {name} has the right to view, which goes with neither a path nor a quota"
                ));
            }
        }
        if settings.certificate.is_some() != settings.key.is_some() {
            return Err("certificate and key are given together, or neither".to_owned());
        }
        if settings.certificate.is_some() && !settings.tls {
            return Err("a certificate is of no use with tls = false".to_owned());
        }
        if settings.listen.is_empty() || settings.connections == 0 || settings.connections_per_address == 0 {
            return Err("without an address and at least one connection nobody is served".to_owned());
        }
        Ok(settings)
    }
}

/// Tells one state of a file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp(Option<(u64, u64, SystemTime)>);

/// The state of the settings of a folder, without reading them.
pub fn stamp(folder: &Path) -> Stamp {
    let metadata = std::fs::symlink_metadata(folder.join(FILE)).ok();
    Stamp(metadata.and_then(|metadata| Some((metadata.ino(), metadata.len(), metadata.modified().ok()?))))
}

/// Reads the settings of a folder; without a file there, those that hold by themselves.
///
/// # Errors
/// [`SettingsError`].
pub fn read(folder: &Path) -> Result<Settings, SettingsError> {
    let path = folder.join(FILE);
    let Some(text) = text(&path)? else { return Ok(Settings::default()) };
    Settings::parse(&text).map_err(|why| SettingsError::Invalid { path, why })
}

fn text(path: &Path) -> Result<Option<String>, SettingsError> {
    let failed = |cause| SettingsError::System { action: "READ", path: path.to_owned(), cause };
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let opened = std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    let open = |why: String| Err(SettingsError::Open { path: path.to_owned(), why });
    if !metadata.is_file() {
        return open("it is not a regular file".to_owned());
    }
    if metadata.mode() & 0o077 != 0 {
        return open(format!("others can read or write it (mode {:04o})", metadata.mode() & 0o7777));
    }
    let own = rustix::process::geteuid().as_raw();
    if ![0, own].contains(&metadata.uid()) {
        return open(format!("it belongs to user {}", metadata.uid()));
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Its name.
    pub name: Name,
    /// What it allows.
    pub right: Right,
    /// Its part of the store; `None`: all of it.
    pub path: Option<Repo>,
    /// The most that may lie there, in bytes.
    pub quota: Option<u64>,
    /// The machine that it belongs to.
    pub machine: Option<Name>,
    /// The age in seconds at which the machine's last backup is overdue.
    pub overdue: Option<u64>,
}

/// Adds a token to the settings of a folder, and returns its secret, which is kept nowhere. What the file holds stays as it is, with its
/// comments. A server that runs takes it over by itself.
///
/// # Errors
/// [`SettingsError`]; nothing is written then.
pub fn add_token(folder: &Path, token: &NewToken) -> Result<String, SettingsError> {
    let path = folder.join(FILE);
    let failed = |cause| SettingsError::System { action: "WRITE", path: path.clone(), cause };
    let secret = new_secret().map_err(failed)?;
    let mut whole = text(&path)?.unwrap_or_else(|| HEAD.to_owned());
    if !whole.is_empty() && !whole.ends_with('\n') {
        whole.push('\n');
    }
    // Names and paths hold nothing that needs escaping.
    whole.push_str(&format!(
        "\n[[token]]\nname = \"{}\"\nhash = \"{}\"\nright = \"{}\"\n",
        token.name,
        Hash::of(secret.as_bytes()),
        token.right.name()
    ));
    let keys = [
        ("path", token.path.as_ref().map(|path| format!("\"{path}\""))),
        ("quota", token.quota.map(|quota| quota.to_string())),
        ("machine", token.machine.as_ref().map(|machine| format!("\"{machine}\""))),
        ("overdue", token.overdue.map(|seconds| seconds.to_string())),
    ];
    for (key, value) in keys {
        if let Some(value) = value {
            whole.push_str(&format!("{key} = {value}\n"));
        }
    }
    Settings::parse(&whole).map_err(|why| SettingsError::Invalid { path: path.clone(), why })?;
    durable::write(&path, &folder.join(format!(".{FILE}.new")), whole.as_bytes(), 0o600).map_err(failed)?;
    Ok(secret)
}

/// A duration in seconds: a number of them, or `36h`, `2d`, `90m`, `1w`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(u64),
    Text(String),
}

/// Seconds of `36h`, `2d`, `90m`, `30s`, `1w`.
pub fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let seconds = match unit.trim() {
        "s" | "" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds).filter(|seconds| *seconds > 0)
}

/// An optional duration.
pub(crate) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    needed_duration(deserializer).map(Some)
}

fn needed_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = match Amount::deserialize(deserializer)? {
        Amount::Number(seconds) => seconds.to_string(),
        Amount::Text(text) => text,
    };
    parse_duration(&text)
        .ok_or_else(|| D::Error::custom(format!("'{text}' is no duration; expected \"36h\", \"2d\" or seconds")))
}

/// An optional size: bytes, or `500G`, `1.5 TiB`.
pub(crate) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match Amount::deserialize(deserializer)? {
        Amount::Number(bytes) => Ok(Some(bytes)),
        Amount::Text(text) => parse_size(&text, 1)
            .map(Some)
            .ok_or_else(|| D::Error::custom(format!("'{text}' is no size; expected \"500G\" or bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn new(name: &str, right: Right, path: Option<&str>) -> NewToken {
        NewToken {
            name: name.parse().unwrap(),
            right,
            path: path.map(|path| path.parse().unwrap()),
            quota: Some(1 << 30),
            machine: None,
            overdue: Some(3600),
        }
    }

    #[test]
    fn tokens_are_added_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(read(folder.path()).unwrap().tokens.len(), 0);
        durable::write_new(&path, b"# mine\nlisten = [\"127.0.0.1:0\"]\noverdue = \"36h\"", 0o600).unwrap();
        let before = stamp(folder.path());
        let secret = add_token(folder.path(), &new("web1", Right::AppendOnly, Some("machines/web1"))).unwrap();
        assert_ne!(stamp(folder.path()), before);
        add_token(folder.path(), &NewToken { quota: None, ..new("page", Right::View, None) }).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine\n") && !text.contains(&secret), "{text}");
        let settings = read(folder.path()).unwrap();
        assert_eq!((settings.overdue, settings.listen.len(), settings.tokens.len()), (36 * 3600, 1, 2));
        let token = &settings.tokens[0];
        assert!(token.hash.fits(&Hash::of(secret.as_bytes())));
        assert_eq!((token.quota, token.overdue), (Some(1 << 30), Some(3600)));
        assert!(
            token.covers(&"machines/web1/daily".parse().unwrap()) && !token.covers(&"machines/web10".parse().unwrap())
        );
        // The same name again, and a quota where none can be: nothing is written.
        let before = std::fs::read(&path).unwrap();
        for bad in [new("web1", Right::Full, None), new("eye", Right::View, None)] {
            assert!(matches!(add_token(folder.path(), &bad), Err(SettingsError::Invalid { .. })));
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for mode in [0o640, 0o604, 0o620, 0o602] {
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains("others can read or write it") && error.contains("try chmod 600"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        read(folder.path()).unwrap_err();
    }

    #[test]
    fn what_cannot_be_is_named() {
        let hash = Hash::of(b"x").to_string();
        let token = |name: &str, hash: &str, more: &str| {
            format!("[[token]]\nname = '{name}'\nhash = '{hash}'\nright = 'full'\n{more}\n")
        };
        for (text, part) in [
            ("tsl = true".to_owned(), "unknown field `tsl`"),
            ("overdue = '2 fortnights'".to_owned(), "'2 fortnights' is no duration"),
            ("listen = []".to_owned(), "nobody is served"),
            ("key = '/k'".to_owned(), "given together"),
            ("tls = false\ncertificate = '/c'\nkey = '/k'".to_owned(), "of no use"),
            (token("a", "blake3:00", ""), "not blake3: and 64"),
            (token("a", "plain", ""), "not blake3: and 64"),
            (token("../a", &hash, ""), "cannot be a name"),
            (token("a", &hash, "path = '../b'"), "cannot be a repository's path"),
            (token("a", &hash, "path = ''"), "cannot be a repository's path"),
            (token("a", &hash, "path = 'boot'"), "the server's own"),
            (token("a", &hash, "quota = 'much'"), "'much' is no size"),
            (token("a", &hash, "") + &token("a", &Hash::of(b"y").to_string(), ""), "two tokens are called a"),
            (token("a", &hash, "") + &token("b", &hash, ""), "has the secret of another one"),
        ] {
            let why = Settings::parse(&text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
        assert_eq!(Settings::parse("").unwrap().overdue, OVERDUE);
        for (text, seconds) in
            [("90m", Some(5400)), ("1w", Some(604_800)), ("7", Some(7)), ("0d", None), ("d", None), ("-1h", None)]
        {
            assert_eq!(parse_duration(text), seconds, "{text}");
        }
    }
}

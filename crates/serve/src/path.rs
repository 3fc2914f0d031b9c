//! Paths of the REST protocol (restic's doc/REST_backend.rst): `/REPO/`, `/REPO/config`, `/REPO/KIND/`, `/REPO/KIND/NAME`.
//!
//! Only what is spelled in one way is taken: no percent encoding, no empty or dotted components. So there is nothing to decode, and no
//! second spelling of a name that a check could overlook.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// First components that are the server's own.
pub const RESERVED: [&str; 5] = ["api", "boot", "grub", "health", "metrics"];
/// Components of a repository's path.
const MOST_COMPONENTS: usize = 8;
/// Bytes of a component.
const LONGEST: usize = 64;
/// Bytes of a path that is looked at.
pub const LONGEST_PATH: usize = 1024;

/// A kind of file in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `data/`
    Data,
    /// `index/`
    Index,
    /// `keys/`
    Keys,
    /// `locks/`
    Locks,
    /// `snapshots/`
    Snapshots,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [Kind::Data, Kind::Index, Kind::Keys, Kind::Locks, Kind::Snapshots];

    /// Its directory.
    pub fn directory(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Index => "index",
            Kind::Keys => "keys",
            Kind::Locks => "locks",
            Kind::Snapshots => "snapshots",
        }
    }

    fn named(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.directory() == text)
    }

    /// The largest file that is taken, in bytes: what `lifeboat_archive` reads at most of each kind. restic's packs have 128 MiB at
    /// most (its option --pack-size).
    pub fn largest(self) -> u64 {
        match self {
            Kind::Data => 1 << 30,
            Kind::Index => 64 << 20,
            Kind::Snapshots => 16 << 20,
            Kind::Keys | Kind::Locks => LARGEST_CONFIG,
        }
    }
}

/// The largest config that is taken, in bytes.
pub const LARGEST_CONFIG: u64 = 16 << 10;

/// The path of a repository, or of a folder of repositories, below the store: `machines/web1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Repo(String);

impl Repo {
    /// The path, with slashes inside only.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components; at least one.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Reports whether it is `above`, or lies below it.
    pub fn is_within(&self, above: &Repo) -> bool {
        self.0.strip_prefix(&above.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Repo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Repo {
    type Err = String;

    fn from_str(text: &str) -> Result<Repo, String> {
        let shown = || lifeboat_machine::bytes::printable(text.as_bytes());
        let components: Vec<&str> = text.split('/').collect();
        if components.len() > MOST_COMPONENTS {
            return Err(format!("'{}' has more than {MOST_COMPONENTS} components", shown()));
        }
        if !components.iter().all(|component| is_component(component)) {
            return Err(format!(
                "'{}' cannot be a repository's path; expected names of letters, digits, '.', '_', '-', '@' and '+', none of which \
                 begins with a dot or is config, data, index, keys, locks or snapshots, with slashes between them",
                shown()
            ));
        }
        match components.first() {
            Some(first) if RESERVED.contains(first) => {
                Err(format!("'{}' begins with a name of the server's own", shown()))
            }
            _ => Ok(Repo(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for Repo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Repo, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A name that may be part of a repository's path.
pub fn is_component(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
    let free = Kind::named(text).is_none() && text != "config";
    !text.is_empty() && text.len() <= LONGEST && !text.starts_with('.') && text.bytes().all(valid) && free
}

/// The name of a file: a SHA-256 in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileName([u8; 32]);

impl FileName {
    /// The file whose content has this SHA-256.
    pub fn of(hash: [u8; 32]) -> FileName {
        FileName(hash)
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<FileName> {
        if text.len() != 64 {
            return None;
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?;
        }
        Some(FileName(bytes))
    }

    /// The directory of a pack below `data/`.
    pub fn prefix(&self) -> String {
        format!("{:02x}", self.0[0])
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a path of the store leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePath {
    /// The repository itself.
    Repo(Repo),
    /// Its config.
    Config(Repo),
    /// All files of a kind.
    List(Repo, Kind),
    /// One file.
    File(Repo, Kind, FileName),
}

impl StorePath {
    /// The repository.
    pub fn repo(&self) -> &Repo {
        match self {
            StorePath::Repo(repo) | StorePath::Config(repo) | StorePath::List(repo, _) | StorePath::File(repo, ..) => {
                repo
            }
        }
    }

    /// Reads the path of a request as it was sent; `None` when it cannot be one of the store.
    pub fn parse(path: &str) -> Option<StorePath> {
        let path = path.strip_prefix('/').filter(|path| path.len() <= LONGEST_PATH)?;
        let repo = |text: &str| text.parse::<Repo>().ok();
        let whole = path.strip_suffix('/').unwrap_or(path);
        let (above, last) = whole.rsplit_once('/').unwrap_or(("", whole));
        if last == "config" && !path.ends_with('/') {
            return repo(above).map(StorePath::Config);
        }
        if let Some(kind) = Kind::named(last) {
            return Some(StorePath::List(repo(above)?, kind));
        }
        if let Some((above, kind)) = above.rsplit_once('/').and_then(|(above, kind)| Some((above, Kind::named(kind)?)))
        {
            let name = FileName::parse(last).filter(|_| !path.ends_with('/'))?;
            return Some(StorePath::File(repo(above)?, kind, name));
        }
        repo(whole).map(StorePath::Repo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_protocol() {
        let repo: Repo = "machines/web1".parse().unwrap();
        let hex = "0f".repeat(32);
        let name = FileName::parse(&hex).unwrap();
        assert_eq!((name.to_string(), name.prefix()), (hex.clone(), "0f".to_owned()));
        for (path, wanted) in [
            ("/machines/web1/".to_owned(), StorePath::Repo(repo.clone())),
            ("/machines/web1".to_owned(), StorePath::Repo(repo.clone())),
            ("/machines/web1/config".to_owned(), StorePath::Config(repo.clone())),
            ("/machines/web1/data/".to_owned(), StorePath::List(repo.clone(), Kind::Data)),
            ("/machines/web1/locks".to_owned(), StorePath::List(repo.clone(), Kind::Locks)),
            (format!("/machines/web1/keys/{hex}"), StorePath::File(repo.clone(), Kind::Keys, name)),
        ] {
            assert_eq!(StorePath::parse(&path), Some(wanted), "{path}");
        }
    }

    #[test]
    fn nothing_else_is_one() {
        let hex = "0f".repeat(32);
        for path in [
            "",
            "/",
            "//",
            "config",
            "/config",
            "/data/",
            "/../x/",
            "/a/../b/",
            "/a/./b/",
            "/a//b/",
            "/.a/",
            "/a/%2e%2e/b/",
            "/a%2fb/",
            "/a\\b/",
            "/a\0/",
            "/ä/",
            "/a/config/",
            "/a/config/x",
            "/a/data/ab/",
            "/a/data/../config",
            "/boot/x/",
            "/api/",
            "/metrics/",
            "/health/config",
            "/a/data/config",
            "/a/keys/keys/",
            "/a b/",
            "/a;b/",
            "/a?b/",
            "/~a/",
            "/a/data//",
        ] {
            assert_eq!(StorePath::parse(path), None, "{path:?}");
        }
        for name in [
            &hex[1..],
            &format!("{hex}0"),
            &hex.to_uppercase(),
            &format!("{hex}/"),
            &format!("{}g", &hex[1..]),
            "..",
            ".",
        ] {
            assert_eq!(StorePath::parse(&format!("/a/data/{name}")), None, "{name}");
        }
        for (repo, _) in [("a/".repeat(8) + "b", 0), ("x".repeat(65), 0), ("a/".repeat(600), 0)] {
            assert_eq!(StorePath::parse(&format!("/{repo}/")), None);
        }
    }

    #[test]
    fn a_folder_ends_at_a_slash() {
        let repo = |text: &str| text.parse::<Repo>().unwrap();
        assert!(repo("m/web1").is_within(&repo("m")) && repo("m").is_within(&repo("m")));
        assert!(!repo("m/web10").is_within(&repo("m/web1")) && !repo("m").is_within(&repo("m/web1")));
    }
}

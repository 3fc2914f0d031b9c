//! Tokens: what a machine shows to be let in, and what it may then do.
//!
//! A secret is 256 random bits, made here and nowhere else. Its BLAKE3 hash is what the settings keep. Slow hashes such as Argon2 make
//! guessing expensive where people choose passwords; nobody guesses 256 random bits, and a slow hash at every request would only give
//! strangers a way to keep the server busy.

use crate::path::Repo;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
/// What a stored hash begins with.
const SCHEME: &str = "blake3:";
/// No name is longer: it is part of file names.
const LONGEST_NAME: usize = 64;

/// What a token allows, in its part of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Read and list.
    ReadOnly,
    /// Read, list and add; of what is there, only locks may be removed.
    AppendOnly,
    /// Everything.
    Full,
    /// The status page, the metrics and the API; nothing of the store.
    View,
}

impl Right {
    /// All of them.
    pub const ALL: [Right; 4] = [Right::ReadOnly, Right::AppendOnly, Right::Full, Right::View];

    /// Its name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Right::ReadOnly => "read-only",
            Right::AppendOnly => "append-only",
            Right::Full => "full",
            Right::View => "view",
        }
    }

    /// A machine has it: it may use a part of the store, and tell what it does.
    pub fn is_of_machine(self) -> bool {
        self != Right::View
    }

    /// New files may be added.
    pub fn may_add(self) -> bool {
        matches!(self, Right::AppendOnly | Right::Full)
    }
}

impl FromStr for Right {
    type Err = String;

    fn from_str(text: &str) -> Result<Right, String> {
        Right::ALL
            .into_iter()
            .find(|right| right.name() == text)
            .ok_or_else(|| format!("'{text}' is no right; there are {}", Right::ALL.map(Right::name).join(", ")))
    }
}

/// Name of a token or machine: letters, digits, `.`, `_` and `-`, at most 64, the first one a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Name, String> {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST_NAME && text.bytes().all(valid) {
            return Ok(Name(text.to_owned()));
        }
        Err(format!(
            "'{}' cannot be a name; expected letters, digits, '.', '_' and '-', at most {LONGEST_NAME}, the first a letter or digit",
            lifeboat_machine::bytes::printable(text.as_bytes())
        ))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hash of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hash(blake3::Hash);

impl Hash {
    /// The hash of what somebody shows.
    pub fn of(secret: &[u8]) -> Hash {
        Hash(blake3::hash(secret))
    }

    /// Compares in constant time ([`blake3::Hash`] does).
    pub fn fits(&self, shown: &Hash) -> bool {
        self.0 == shown.0
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(…)")
    }
}

impl fmt::Display for Hash {
    /// As the settings keep it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0.to_hex())
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let hash = text.strip_prefix(SCHEME).and_then(|hex| blake3::Hash::from_hex(hex).ok());
        hash.map(Hash).ok_or_else(|| D::Error::custom("the hash is not blake3: and 64 hexadecimal digits"))
    }
}

/// A token as the settings keep it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name, which is the user name of a login.
    pub name: Name,
    /// The hash of its secret.
    pub hash: Hash,
    /// What it allows.
    pub right: Right,
    /// The repository, or the folder of repositories, that it may use; absent: all of the store. A token with the right to view has none.
    #[serde(default)]
    pub path: Option<Repo>,
    /// The most that may lie below its path, in bytes.
    #[serde(default, deserialize_with = "crate::settings::size")]
    pub quota: Option<u64>,
    /// The machine that it belongs to, for the status page; absent: as the token is called. Several tokens can belong to one machine.
    #[serde(default)]
    pub machine: Option<Name>,
    /// The age in seconds at which the machine's last backup is overdue, in place of the server's.
    #[serde(default, deserialize_with = "crate::settings::duration")]
    pub overdue: Option<u64>,
}

impl Token {
    /// The machine that it belongs to.
    pub fn machine(&self) -> &Name {
        self.machine.as_ref().unwrap_or(&self.name)
    }

    /// Reports whether a repository is in its part of the store.
    pub fn covers(&self, repo: &Repo) -> bool {
        self.right.is_of_machine() && self.path.as_ref().is_none_or(|path| repo.is_within(path))
    }
}

/// A new secret as text: 43 characters that need no escaping in a URL.
///
/// # Errors
/// The system gives no random bytes.
pub fn new_secret() -> std::io::Result<String> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["web1", "a", "A-1_b.c", "0"] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "-a", "_a", "a/b", "a b", "ä", "a\0", "a:b", &"x".repeat(65)] {
            bad.parse::<Name>().unwrap_err();
        }
    }

    #[test]
    fn secrets_are_random_and_go_into_urls() {
        let (one, two) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 43);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{one}");
        assert!(Hash::of(one.as_bytes()).fits(&Hash::of(one.as_bytes())));
        assert!(!Hash::of(one.as_bytes()).fits(&Hash::of(two.as_bytes())));
        assert!(!format!("{:?}", Hash::of(one.as_bytes())).contains(&Hash::of(one.as_bytes()).to_string()));
    }

    #[test]
    fn rights_have_one_spelling() {
        for right in Right::ALL {
            assert_eq!(right.name().parse::<Right>().unwrap(), right);
        }
        assert!("root".parse::<Right>().unwrap_err().contains("read-only, append-only, full, view"));
    }
}

//! Key files: each holds the repository's key, encrypted with one secret.
//!
//! Source: restic's doc/design.rst, "Keys, Encryption and MAC".

use super::crypto::{self, Key};
use super::store::MISMATCH;
use crate::Secret;
use crate::file_table::Id;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// scrypt's cost for passphrases: 2^17 with r = 8 takes 128 MiB and some tenths of a second (scrypt's recommendation).
const LOG_N_PASSPHRASE: u8 = 17;
/// For random keys: guessing 256 bits is hopeless even without any cost.
const LOG_N_RANDOM: u8 = 10;

/// A key file.
#[derive(Serialize, Deserialize)]
struct KeyFile {
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    created: String,
    kdf: String,
    #[serde(rename = "N")]
    n: u32,
    r: u32,
    p: u32,
    salt: String,
    data: String,
    /// A copy of the repository's file `config`, as it is stored, base64. Not a field of restic's, which ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifeboat_config: Option<String>,
}

/// The repository's key as JSON.
#[derive(Serialize, Deserialize)]
struct MasterKey {
    mac: Mac,
    encrypt: String,
}

#[derive(Serialize, Deserialize)]
struct Mac {
    k: String,
    r: String,
}

/// The most memory that a key file may ask for: scrypt takes 128 bytes for each of N times r. restic and Lifeboat ask for 128 MiB.
const MOST_MEMORY: u64 = (512 << 20) / 128;
/// The most work that a key file may ask for, as N times r times p; Lifeboat's key files for passphrases ask for 2^20, some tenths of
/// a second.
const MOST_WORK: u64 = 1 << 23;
/// The most work that is done for all key files of a repository together: half a minute.
pub(crate) const MOST_WORK_TOGETHER: u64 = 1 << 26;

/// A key of a repository, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Id of its file, hex.
    pub id: String,
    /// Ids of further files for the same secret, hex.
    pub copies: Vec<String>,
    /// Why its file cannot be used.
    pub damage: Option<String>,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Host on which it was made.
    pub host: String,
    /// It opened the repository this time.
    pub current: bool,
}

/// Why a key file yielded no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadKey {
    #[error("the secret does not match")]
    Wrong,
    #[error("{0}")]
    Damaged(String),
}

/// A new key file: its id and bytes.
pub(crate) fn make(
    secret: &Secret,
    master: &MasterKeyParts,
    host: &str,
    created: &str,
    config: Option<&[u8]>,
) -> Result<(Id, Vec<u8>), String> {
    let mut salt = [0; 64];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let log_n = cost(secret);
    let key = derive(secret, &salt, log_n, 8, 1)?;
    let encode = |bytes: &[u8]| STANDARD.encode(bytes);
    let [encrypt, k, r] = &master.0;
    let json = MasterKey { mac: Mac { k: encode(k), r: encode(r) }, encrypt: encode(encrypt) };
    let json = Zeroizing::new(serde_json::to_vec(&json).map_err(|error| error.to_string())?);
    let file = KeyFile {
        hostname: host.to_owned(),
        username: "root".to_owned(),
        created: created.to_owned(),
        kdf: "scrypt".to_owned(),
        n: 1 << log_n,
        r: 8,
        p: 1,
        salt: encode(&salt),
        data: encode(&key.encrypt(&json).map_err(|error| error.to_string())?),
        lifeboat_config: config.map(encode),
    };
    let bytes = serde_json::to_vec(&file).map_err(|error| error.to_string())?;
    Ok((crypto::hash(&bytes), bytes))
}

/// The parts of the repository's key: encryption key, and `k` and `r` of the authentication.
#[derive(Clone)]
pub(crate) struct MasterKeyParts(pub(crate) [Zeroizing<Vec<u8>>; 3]);

impl MasterKeyParts {
    /// The key made from them.
    pub(crate) fn key(&self) -> Option<Key> {
        Key::from_parts(&self.0[0], &self.0[1], &self.0[2])
    }
}

/// A key file that may be tried.
pub(crate) struct Candidate {
    pub(crate) id: Id,
    file: KeyFile,
}

/// What a key file holds.
pub(crate) struct Opened {
    pub(crate) master: MasterKeyParts,
    /// A copy of the repository's file `config`.
    pub(crate) config: Option<Vec<u8>>,
}

impl Candidate {
    /// Reads a key file; nothing expensive is done yet.
    ///
    /// # Errors
    /// What is wrong with it, or that it asks for more than any key needs.
    pub(crate) fn read(bytes: &[u8], id: &Id) -> Result<Candidate, String> {
        if crypto::hash(bytes) != *id {
            return Err(MISMATCH.to_owned());
        }
        let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.kdf != "scrypt" || !file.n.is_power_of_two() || file.n < 2 || file.r == 0 || file.p == 0 {
            return Err("its key derivation is unknown".to_owned());
        }
        let candidate = Candidate { id: *id, file };
        let memory = u64::from(candidate.file.n).saturating_mul(candidate.file.r.into());
        if memory > MOST_MEMORY || candidate.work() > MOST_WORK {
            return Err(format!(
                "its key derivation (N={} r={} p={}) would take more memory or time than that of any key",
                candidate.file.n, candidate.file.r, candidate.file.p
            ));
        }
        Ok(candidate)
    }

    /// What trying it costs: N times r times p.
    pub(crate) fn work(&self) -> u64 {
        let memory = u64::from(self.file.n).saturating_mul(self.file.r.into());
        memory.saturating_mul(self.file.p.into())
    }

    /// Tries a secret.
    pub(crate) fn open(&self, secret: &Secret) -> Result<Opened, BadKey> {
        let damaged = |what: &str| BadKey::Damaged(what.to_owned());
        let decode =
            |text: &str| STANDARD.decode(text).map(Zeroizing::new).map_err(|error| damaged(&error.to_string()));
        let salt = decode(&self.file.salt)?;
        let mut sealed = decode(&self.file.data)?;
        let log_n = self.file.n.trailing_zeros() as u8;
        let key = derive(secret, &salt, log_n, self.file.r, self.file.p).map_err(|error| damaged(&error))?;
        let json = key.open(&mut sealed).map_err(|_| BadKey::Wrong)?;
        let master: MasterKey = serde_json::from_slice(json).map_err(|error| damaged(&error.to_string()))?;
        let master = MasterKeyParts([decode(&master.encrypt)?, decode(&master.mac.k)?, decode(&master.mac.r)?]);
        let config = self.file.lifeboat_config.as_ref().and_then(|text| STANDARD.decode(text).ok());
        Ok(Opened { master, config })
    }
}

/// What a key file says without its secret.
pub(crate) fn info(bytes: &[u8], id: &Id, current: bool) -> Result<KeyInfo, String> {
    let Candidate { file, .. } = Candidate::read(bytes, id)?;
    Ok(KeyInfo {
        id: crypto::hex(id),
        copies: vec![],
        damage: None,
        created: file.created,
        host: file.hostname,
        current,
    })
}

impl KeyInfo {
    /// A key file that cannot be used.
    pub(crate) fn damaged(id: &Id, cause: String) -> KeyInfo {
        KeyInfo {
            id: crypto::hex(id),
            copies: vec![],
            damage: Some(cause),
            created: String::new(),
            host: String::new(),
            current: false,
        }
    }

    /// Two files that were made at the same moment, to the nanosecond, on the same host, are for the same secret.
    fn is_pair(&self, other: &KeyInfo) -> bool {
        self.damage.is_none() && other.damage.is_none() && (&self.created, &self.host) == (&other.created, &other.host)
    }
}

/// Groups files for the same secret.
pub(crate) fn pair(files: Vec<KeyInfo>) -> Vec<KeyInfo> {
    let mut list: Vec<KeyInfo> = vec![];
    for file in files {
        match list.iter_mut().find(|known| known.is_pair(&file)) {
            Some(known) => {
                known.copies.push(file.id);
                known.current |= file.current;
            }
            None => list.push(file),
        }
    }
    list
}

/// How much one guess at a secret should cost.
fn cost(secret: &Secret) -> u8 {
    if secret.bytes().is_some_and(|bytes| bytes.len() >= 16) { LOG_N_RANDOM } else { LOG_N_PASSPHRASE }
}

/// Derives a secret at the cost of a key file's, for other uses than key files.
pub(crate) fn stretch(secret: &Secret, salt: &[u8]) -> Result<Zeroizing<[u8; 64]>, String> {
    let parameters = scrypt::Params::new(cost(secret), 8, 1).map_err(|error| error.to_string())?;
    let mut bytes = Zeroizing::new([0; 64]);
    scrypt::scrypt(secret.expose().as_bytes(), salt, &parameters, bytes.as_mut()).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn derive(secret: &Secret, salt: &[u8], log_n: u8, r: u32, p: u32) -> Result<Key, String> {
    let parameters = scrypt::Params::new(log_n, r, p).map_err(|error| error.to_string())?;
    let mut bytes = [0; 64];
    scrypt::scrypt(secret.expose().as_bytes(), salt, &parameters, &mut bytes).map_err(|error| error.to_string())?;
    Ok(Key::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts() -> MasterKeyParts {
        MasterKeyParts([Zeroizing::new(vec![1; 32]), Zeroizing::new(vec![2; 16]), Zeroizing::new(vec![3; 16])])
    }

    fn open(bytes: &[u8], id: &Id, secret: &Secret) -> Result<Opened, BadKey> {
        Candidate::read(bytes, id).map_err(BadKey::Damaged)?.open(secret)
    }

    #[test]
    fn only_the_right_secret_opens() {
        let secret = Secret::generate().unwrap();
        let (id, bytes) = make(&secret, &parts(), "host", "2026-11-24T00:00:00Z", Some(b"config")).unwrap();
        let opened = open(&bytes, &id, &secret).ok().unwrap();
        assert_eq!(opened.master.0, parts().0);
        assert_eq!(opened.config.as_deref(), Some(&b"config"[..]));
        assert!(matches!(open(&bytes, &id, &Secret::generate().unwrap()), Err(BadKey::Wrong)));
        let mut changed = bytes.clone();
        changed[40] ^= 1;
        assert!(matches!(open(&changed, &id, &secret), Err(BadKey::Damaged(_))));
        assert_eq!(info(&bytes, &id, true).unwrap().host, "host");
    }

    #[test]
    fn costs_are_known_before_they_are_paid() {
        let costs = |n: u64, r: u64, p: u64| {
            let json = serde_json::json!({
                "created": "", "kdf": "scrypt", "N": n, "r": r, "p": p, "salt": "", "data": "",
            });
            let bytes = serde_json::to_vec(&json).unwrap();
            Candidate::read(&bytes, &crypto::hash(&bytes)).map(|candidate| candidate.work())
        };
        // Lifeboat's for random keys and for passphrases; restic's on a slow and on a fast machine.
        assert_eq!(costs(1 << 10, 8, 1), Ok(1 << 13));
        assert_eq!(costs(1 << 17, 8, 1), Ok(1 << 20));
        assert_eq!(costs(32768, 8, 1), Ok(1 << 18));
        assert_eq!(costs(32768, 8, 9), Ok(9 << 18));
        for (n, r, p) in [
            (1 << 24, 1, 64),
            (1 << 21, 8, 64),
            (1 << 20, 8, 1),
            (1 << 31, u64::from(u32::MAX), u64::from(u32::MAX)),
            (2, 1, 1 << 31),
            (0, 8, 1),
            (1, 8, 1),
            (3, 8, 1),
            (1 << 17, 0, 1),
            (1 << 17, 8, 0),
        ] {
            assert!(costs(n, r, p).is_err(), "N={n} r={r} p={p}");
        }
    }

    #[test]
    fn two_files_of_one_key_are_one_key() {
        let key = |id: u8, created: &str, host: &str| {
            let info = KeyInfo::damaged(&[id; 32], String::new());
            KeyInfo { damage: None, created: created.into(), host: host.into(), current: id == 3, ..info }
        };
        let broken = |id: u8| KeyInfo::damaged(&[id; 32], "gone".into());
        let list = pair(vec![key(1, "t", "a"), broken(9), key(2, "t", "b"), key(3, "t", "a"), broken(8)]);
        let ids: Vec<(&str, usize, bool)> =
            list.iter().map(|key| (&key.id[..2], key.copies.len(), key.current)).collect();
        assert_eq!(ids, [("01", 1, true), ("09", 0, false), ("02", 0, false), ("08", 0, false)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let secret = Secret::from_bytes(&[0; 32]);
            prop_assert!(open(&bytes, &crypto::hash(&bytes), &secret).is_err());
        }
    }
}

//! Key files: each holds the repository's key, encrypted with one secret.
//!
//! Source: restic's doc/design.rst, "Keys, Encryption and MAC".

use super::crypto::{self, Key};
use crate::Secret;
use crate::table::Id;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// scrypt's cost for passphrases: 2^17 with r = 8 takes 128 MiB and some tenths of a second (scrypt's recommendation).
const LOG_N_PASSPHRASE: u8 = 17;
/// For random keys: guessing 256 bits is hopeless without any cost.
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

/// A key file, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Id, hex.
    pub id: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Host on which it was made.
    pub host: String,
    /// It opened the repository this time.
    pub current: bool,
}

/// Why a key file gave no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadKey {
    #[error("the secret does not fit")]
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
    };
    let bytes = serde_json::to_vec(&file).map_err(|error| error.to_string())?;
    Ok((crypto::hash(&bytes), bytes))
}

/// The parts of the repository's key: encryption key, and `k` and `r` of the authentication.
#[derive(Clone)]
pub(crate) struct MasterKeyParts(pub(crate) [Zeroizing<Vec<u8>>; 3]);

impl MasterKeyParts {
    /// The key made of them.
    pub(crate) fn key(&self) -> Option<Key> {
        Key::from_parts(&self.0[0], &self.0[1], &self.0[2])
    }
}

/// Opens a key file with a secret.
pub(crate) fn open(bytes: &[u8], id: &Id, secret: &Secret) -> Result<MasterKeyParts, BadKey> {
    let damaged = |what: &str| BadKey::Damaged(what.to_owned());
    if crypto::hash(bytes) != *id {
        return Err(damaged("its content does not match its name"));
    }
    let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
    if file.kdf != "scrypt" || !file.n.is_power_of_two() {
        return Err(damaged("its key derivation is unknown"));
    }
    let decode = |text: &str| STANDARD.decode(text).map(Zeroizing::new).map_err(|error| damaged(&error.to_string()));
    let salt = decode(&file.salt)?;
    let mut sealed = decode(&file.data)?;
    let log_n = file.n.trailing_zeros() as u8;
    let key = derive(secret, &salt, log_n, file.r, file.p).map_err(|error| damaged(&error))?;
    let json = key.open(&mut sealed).map_err(|_| BadKey::Wrong)?;
    let master: MasterKey = serde_json::from_slice(json).map_err(|error| damaged(&error.to_string()))?;
    Ok(MasterKeyParts([decode(&master.encrypt)?, decode(&master.mac.k)?, decode(&master.mac.r)?]))
}

/// What a key file says without its secret.
pub(crate) fn info(bytes: &[u8], id: &Id, current: bool) -> Result<KeyInfo, String> {
    let file: KeyFile = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    Ok(KeyInfo { id: crypto::hex(id), created: file.created, host: file.hostname, current })
}

/// How much one guess at a secret shall cost.
fn cost(secret: &Secret) -> u8 {
    if secret.bytes().is_some_and(|bytes| bytes.len() >= 16) { LOG_N_RANDOM } else { LOG_N_PASSPHRASE }
}

/// A secret at the cost of a key file's, for other uses than key files.
pub(crate) fn stretch(secret: &Secret, salt: &[u8]) -> Result<Zeroizing<[u8; 64]>, String> {
    let parameters = scrypt::Params::new(cost(secret), 8, 1).map_err(|error| error.to_string())?;
    let mut bytes = Zeroizing::new([0; 64]);
    scrypt::scrypt(secret.expose().as_bytes(), salt, &parameters, bytes.as_mut()).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn derive(secret: &Secret, salt: &[u8], log_n: u8, r: u32, p: u32) -> Result<Key, String> {
    // A hostile key file must not take all memory: restic's own files use 128 MiB at most.
    if u64::from(r) << log_n > 1 << 24 || p > 64 {
        return Err("its key derivation would take gigabytes of memory".to_owned());
    }
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

    #[test]
    fn only_the_right_secret_opens() {
        let secret = Secret::generate().unwrap();
        let (id, bytes) = make(&secret, &parts(), "host", "2026-11-24T00:00:00Z").unwrap();
        assert_eq!(open(&bytes, &id, &secret).ok().unwrap().0, parts().0);
        assert!(matches!(open(&bytes, &id, &Secret::generate().unwrap()), Err(BadKey::Wrong)));
        let mut changed = bytes.clone();
        changed[40] ^= 1;
        assert!(matches!(open(&changed, &id, &secret), Err(BadKey::Damaged(_))));
        assert_eq!(info(&bytes, &id, true).unwrap().host, "host");
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let secret = Secret::from_bytes(&[0; 32]);
            prop_assert!(open(&bytes, &crypto::hash(&bytes), &secret).is_err());
        }
    }
}

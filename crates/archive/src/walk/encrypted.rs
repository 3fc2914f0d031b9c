//! What a filesystem encrypts by itself: whether it shows what was written.
//!
//! Without the key the kernel shows generated names (no-key names), opens no regular file, and gives links a made-up
//! target (Documentation/filesystems/fscrypt.rst, "Encryption policies without the key"). None of that belongs in an archive.

use super::look;
use lifeboat_sys::fscrypt::{KeyState, key_state};
use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Statx, StatxAttributes};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// What is reported about an entry whose key is missing.
pub(crate) const LOCKED_FILE: &str =
    "cannot OPEN: it is encrypted (fscrypt) and locked; try unlocking it, and then another backup";
pub(crate) const LOCKED_DIRECTORY: &str = "cannot READ: the directory is encrypted (fscrypt) and locked, nothing in it is saved; \
                                           try unlocking it, and then another backup";

/// A no-key name encodes a hash of 8 bytes and the encrypted name: at least 16 bytes, and a multiple of 4 (fs/crypto/fname.c);
/// before Linux 5.10 it had no hash.
const LEAST_BYTES: usize = 16;
const STEP_BYTES: usize = 4;
/// Up to this length a name is encoded as it is.
const MOST_BYTES: usize = 8 + 149;
/// What a longer name encodes: the hash, its first 149 bytes, and a SHA-256 of the rest.
const LONG_BYTES: usize = MOST_BYTES + 32;
/// What a long name had before Linux 5.10: `_`, and 24 bytes.
const OLD_LONG: usize = 33;
/// How many regular files are tried.
const TRIED: usize = 16;

/// Reports whether an entry is encrypted; if it is not, nothing more is queried.
pub(super) fn is_encrypted(status: &Statx) -> bool {
    status.stx_attributes.contains(StatxAttributes::ENCRYPTED)
}

/// Reports whether an encrypted directory, with these names, is locked. The key may come or go meanwhile: `before` is what was
/// known before the names were read.
pub(super) fn is_locked(directory: &OwnedFd, before: KeyState, names: &[(Vec<u8>, FileType)]) -> bool {
    if names.is_empty() {
        // Nothing is missing.
        return false;
    }
    match (before, key_state(directory)) {
        (KeyState::Present, KeyState::Present) => false,
        (KeyState::Absent, _) | (_, KeyState::Absent) => true,
        _ => looks_locked(directory, names),
    }
}

/// The same where the kernel does not report it.
fn looks_locked(directory: &OwnedFd, names: &[(Vec<u8>, FileType)]) -> bool {
    if !names.iter().all(|(name, _)| is_no_key_name(name)) {
        return false;
    }
    for (name, listed) in names.iter().filter(|(_, listed)| *listed == FileType::RegularFile).take(TRIED) {
        match look::look(directory, OsStr::from_bytes(name), *listed, true) {
            Err((_, Errno::NOKEY)) => return true,
            Ok(_) => return false,
            Err(_) => {}
        }
    }
    true
}

/// Reports whether a name can be one that the kernel generates for a name that it cannot read.
fn is_no_key_name(name: &[u8]) -> bool {
    // base64url; with `+` and `,` before Linux 5.16, and `_` before a digest.
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+,".contains(byte);
    let bytes = name.len() * 6 / 8;
    let is_whole = (bytes * 8).div_ceil(6) == name.len();
    let fits = bytes == LONG_BYTES || ((LEAST_BYTES..=MOST_BYTES).contains(&bytes) && bytes.is_multiple_of(STEP_BYTES));
    let is_old_long = name.len() == OLD_LONG && name[0] == b'_';
    name.iter().all(is_digit) && (is_old_long || (is_whole && fits))
}

/// Reports whether the target of an encrypted link is one that the kernel generates: it has a hash of zero.
pub(super) fn is_no_key_target(target: &[u8]) -> bool {
    target.starts_with(b"AAAAAAAAAA") && is_no_key_name(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_are_distinguished_from_written_ones() {
        // As Linux 6.18 shows them.
        for made in [
            "7vGm7ndun_JqHriv5-MRqcCbHvvOIrcXZKaTn_Mijxltkyp4qrRviQ",
            "AAAAAAAAAAAM0OZFWkInckLYoXATGTaIjuGToHVyWZ6tIbSO_arkAQ",
        ] {
            assert!(is_no_key_name(made.as_bytes()), "{made}");
        }
        assert!(is_no_key_name(&[b'A'; 252]) && is_no_key_name(&[b'_'; 33]) && is_no_key_name(&[b'z'; 22]));
        assert!(!is_no_key_name(&[b'z'; 23]) && !is_no_key_name(&[b'z'; 251]) && !is_no_key_name(b""));
        for written in [
            "secret",
            "abcdefghijklmnopqrstuvwxyz",
            "a-photograph-of-the-garden.jpeg",
            ".bash_history",
            "Über-die-Möglichkeit-der-Sache",
        ] {
            assert!(!is_no_key_name(written.as_bytes()), "{written}");
        }
        assert!(is_no_key_target(b"AAAAAAAAAAAM0OZFWkInckLYoXATGTaIjuGToHVyWZ6tIbSO_arkAQ"));
        assert!(!is_no_key_target(b"7vGm7ndun_JqHriv5-MRqcCbHvvOIrcXZKaTn_Mijxltkyp4qrRviQ"));
        assert!(!is_no_key_target(b"AAAAAAAAAA/BBBBBBBBBBBBBBBBBBBBBBBBB"));
    }
}

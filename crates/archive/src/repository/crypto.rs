//! restic's encryption: AES-256 in counter mode with Poly1305-AES, and its identifiers: SHA-256.
//!
//! Source: restic's doc/design.rst, "Encryption and MAC". The cipher is the crate that rustic_core uses.

use crate::file_table::Id;
use aes256ctr_poly1305aes::Aes256CtrPoly1305Aes;
use aes256ctr_poly1305aes::aead::AeadInPlace as _;
use aes256ctr_poly1305aes::aead::generic_array::GenericArray;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes before the encrypted ones: the nonce.
pub(crate) const NONCE: usize = 16;
/// Bytes that encryption adds: nonce and authentication tag.
pub(crate) const OVERHEAD: usize = NONCE + 16;

/// The key that encrypts everything in a repository.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 64]>);

/// Data that was not encrypted with this key, or was changed afterwards.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be decrypted: its authentication code does not match")]
pub(crate) struct NotAuthentic;

impl Key {
    /// From the parts in a key file; `None` when their lengths are wrong.
    pub(crate) fn from_parts(encrypt: &[u8], k: &[u8], r: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 64]);
        if (encrypt.len(), k.len(), r.len()) != (32, 16, 16) {
            return None;
        }
        key[..32].copy_from_slice(encrypt);
        key[32..48].copy_from_slice(k);
        key[48..].copy_from_slice(r);
        Some(Key(key))
    }

    /// From the output of a key derivation function.
    pub(crate) fn from_bytes(bytes: [u8; 64]) -> Self {
        Key(Zeroizing::new(bytes))
    }

    fn cipher(&self) -> Aes256CtrPoly1305Aes {
        Aes256CtrPoly1305Aes::new(GenericArray::from_slice(self.0.as_ref()))
    }

    /// Encrypts `out[start..]`, whose first 16 bytes are the nonce to use, and appends the tag.
    pub(crate) fn seal(&self, out: &mut Vec<u8>, start: usize) {
        let (nonce, text) = out[start..].split_at_mut(NONCE);
        let sealed = self.cipher().encrypt_in_place_detached(GenericArray::from_slice(nonce), &[], text);
        // The cipher refuses only texts of more than 2^36 bytes; blobs are a few megabytes.
        if let Ok(tag) = sealed {
            out.extend_from_slice(&tag);
        }
    }

    /// Encrypts one text.
    pub(crate) fn encrypt(&self, text: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = vec![0; NONCE];
        getrandom::fill(&mut out).map_err(|error| std::io::Error::other(error.to_string()))?;
        out.extend_from_slice(text);
        self.seal(&mut out, 0);
        Ok(out)
    }

    /// Decrypts in place; returns the text.
    pub(crate) fn open<'a>(&self, sealed: &'a mut [u8]) -> Result<&'a [u8], NotAuthentic> {
        if sealed.len() < OVERHEAD {
            return Err(NotAuthentic);
        }
        let (nonce, rest) = sealed.split_at_mut(NONCE);
        let (text, tag) = rest.split_at_mut(rest.len() - 16);
        let (nonce, tag) = (GenericArray::from_slice(nonce), GenericArray::from_slice(tag));
        self.cipher().decrypt_in_place_detached(nonce, &[], text, tag).map_err(|_| NotAuthentic)?;
        Ok(text)
    }
}

/// SHA-256.
pub(crate) fn hash(data: &[u8]) -> Id {
    Sha256::digest(data).into()
}

/// Lower-case hex.
pub(crate) fn hex(id: &[u8]) -> String {
    let mut text = String::with_capacity(id.len() * 2);
    push_hex(&mut text, id);
    text
}

/// Appends lower-case hex.
pub(crate) fn push_hex(text: &mut String, id: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in id {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Reads 64 hex digits.
pub(crate) fn unhex(text: &str) -> Option<Id> {
    let mut id = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut wrong = 0;
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        wrong |= high | low;
        *byte = high << 4 | low & 15;
    }
    (wrong & NO_DIGIT == 0).then_some(id)
}

/// In the table of values: no hex digit.
const NO_DIGIT: u8 = 0x80;

/// The value of each hex digit.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut digit = 0;
    while digit < 10 {
        values[b'0' as usize + digit] = digit as u8;
        digit += 1;
    }
    while digit < 16 {
        values[b'a' as usize + digit - 10] = digit as u8;
        values[b'A' as usize + digit - 10] = digit as u8;
        digit += 1;
    }
    values
};

/// Serde for ids as hex.
pub(crate) mod hex_id {
    use super::{Id, hex, unhex};
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;

    pub(crate) fn serialize<S: Serializer>(id: &Id, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(id))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        deserializer.deserialize_str(Digits)
    }

    /// Reads the digits where they are: an index has millions of them.
    struct Digits;

    impl Visitor<'_> for Digits {
        type Value = Id;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("64 hex digits")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
            unhex(text).ok_or_else(|| E::custom("not 64 hex digits"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_is_noticed() {
        let key = Key::from_bytes(*b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        let sealed = key.encrypt(b"a text").unwrap();
        assert_eq!(sealed.len(), 6 + OVERHEAD);
        assert_eq!(key.open(&mut sealed.clone()).unwrap(), b"a text");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(&mut changed).is_err(), "bit {bit}");
        }
        assert!(key.open(&mut [0; 31]).is_err());
    }

    #[test]
    fn hex_comes_back() {
        let id = hash(b"");
        assert_eq!(hex(&id), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(unhex(&hex(&id)), Some(id));
        assert_eq!(unhex(&hex(&id).to_uppercase()), Some(id));
        assert_eq!(unhex("zz"), None);
        for position in [0, 1, 62, 63] {
            for odd in ["g", "/", ":", "@", "`", " "] {
                let mut text = hex(&id);
                text.replace_range(position..=position, odd);
                assert_eq!(unhex(&text), None, "{text}");
            }
        }
        assert_eq!(unhex(&"\u{e9}".repeat(32)), None);
    }
}

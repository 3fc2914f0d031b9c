//! The age format, version 1, for one X25519 recipient: <https://age-encryption.org/v1>. `age -d` reads what this writes.
//!
//! It is written here because a damaged chunk must cost 64 KiB and not the rest of a volume, and because the length of the file is
//! computed before it is written. The primitives are those of ring and x25519-dalek.

use super::frame::PlaceKey;
use crate::{ArchiveError, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use sha2::{Digest as _, Sha256};
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::Zeroizing;

/// Plaintext of one chunk.
pub(crate) const CHUNK_BYTES: usize = 64 << 10;
/// What authenticates a chunk.
pub(crate) const TAG_BYTES: usize = 16;
/// The header of a file with one X25519 recipient, and the nonce behind it.
pub(crate) const HEADER_BYTES: usize = 22 + 54 + 44 + 48 + NONCE_BYTES;
const NONCE_BYTES: usize = 16;
const VERSION_LINE: &str = "age-encryption.org/v1\n";
const STANZA: &str = "-> X25519 ";
/// What is hashed before the key's hexadecimal text. Changing it makes every archive unreadable.
const DERIVATION: &str = "lifeboat age identity 1:";

/// Binds the key of places to its purpose.
const PLACES_CONTEXT: &str = "lifeboat 2026 stream places";

/// The length of an age file with this much plaintext, which is not empty.
pub(crate) fn file_bytes(plaintext: u64) -> u64 {
    HEADER_BYTES as u64 + plaintext + TAG_BYTES as u64 * plaintext.div_ceil(CHUNK_BYTES as u64)
}

/// What decrypts the streams of a key.
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; 32]>);

/// Whom streams are encrypted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl Identity {
    /// The identity of a random key: SHA-256 of a fixed text and the key's hexadecimal text, so that `sha256sum` computes it, too.
    ///
    /// # Errors
    /// For a passphrase: everyone who has a stream could guess at it.
    pub fn of(secret: &Secret) -> Result<Identity, ArchiveError> {
        let bytes = secret.bytes().ok_or(ArchiveError::PassphraseForStream)?;
        let text = Secret::from_bytes(&bytes);
        let digest = Sha256::new().chain_update(DERIVATION).chain_update(text.expose()).finalize();
        Ok(Identity(Zeroizing::new(digest.into())))
    }

    /// Whom to encrypt to.
    pub fn recipient(&self) -> Recipient {
        Recipient(x25519(*self.0, X25519_BASEPOINT_BYTES))
    }

    /// As `age -i` reads it: `AGE-SECRET-KEY-1…`.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(bech32("age-secret-key-", &self.0[..]).to_uppercase())
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&bech32("age", &self.0))
    }
}

/// Encrypts or decrypts the chunks of one file.
pub(crate) struct Chunks {
    cipher: LessSafeKey,
    places: PlaceKey,
}

/// Why the beginning of a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    /// It is not the header of an age file with one X25519 recipient, or was changed.
    Damaged,
    /// It is for another key.
    OtherKey,
}

impl Chunks {
    /// The header of a new file, and what encrypts its chunks.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub(crate) fn create(recipient: &Recipient) -> std::io::Result<(Vec<u8>, Chunks)> {
        let random =
            |bytes: &mut [u8]| getrandom::fill(bytes).map_err(|error| std::io::Error::other(error.to_string()));
        let mut ephemeral = Zeroizing::new([0; 32]);
        let mut file_key = Zeroizing::new([0; 16]);
        let mut nonce = [0; NONCE_BYTES];
        random(ephemeral.as_mut())?;
        random(file_key.as_mut())?;
        random(&mut nonce)?;
        let share = x25519(*ephemeral, X25519_BASEPOINT_BYTES);
        let shared = Zeroizing::new(x25519(*ephemeral, recipient.0));
        let wrap = wrap_key(&shared[..], &share, &recipient.0);
        let mut body = file_key.to_vec();
        let nothing = Nonce::assume_unique_for_key([0; 12]);
        wrap.seal_in_place_append_tag(nothing, Aad::empty(), &mut body)
            .map_err(|_| std::io::Error::other("the file key cannot be encrypted"))?;
        let mut text =
            format!("{VERSION_LINE}{STANZA}{}\n{}\n---", STANDARD_NO_PAD.encode(share), STANDARD_NO_PAD.encode(&body));
        let tag = hmac::sign(&mac_key(&file_key[..]), text.as_bytes());
        text.push(' ');
        text.push_str(&STANDARD_NO_PAD.encode(tag.as_ref()));
        text.push('\n');
        let mut header = text.into_bytes();
        header.extend_from_slice(&nonce);
        Ok((header, Chunks::of(&file_key[..], &nonce)))
    }

    /// Reads the [`HEADER_BYTES`] at the beginning of a file.
    pub(crate) fn open(header: &[u8], identity: &Identity) -> Result<Chunks, HeaderError> {
        use HeaderError::{Damaged, OtherKey};
        let (text, nonce) = header.split_at_checked(HEADER_BYTES - NONCE_BYTES).ok_or(Damaged)?;
        let nonce = nonce.get(..NONCE_BYTES).ok_or(Damaged)?;
        let text = std::str::from_utf8(text).map_err(|_| Damaged)?;
        let rest = text.strip_prefix(VERSION_LINE).and_then(|rest| rest.strip_prefix(STANZA)).ok_or(Damaged)?;
        let mut lines = rest.split('\n');
        let mut decoded =
            |prefix: &str| -> Option<Vec<u8>> { STANDARD_NO_PAD.decode(lines.next()?.strip_prefix(prefix)?).ok() };
        let share: [u8; 32] = decoded("").and_then(|share| share.try_into().ok()).ok_or(Damaged)?;
        let mut body = Zeroizing::new(decoded("").ok_or(Damaged)?);
        let tag = decoded("--- ").ok_or(Damaged)?;
        let shared = Zeroizing::new(x25519(*identity.0, share));
        // A share of low order gives everyone the same secret: the format forbids it.
        if *shared == [0; 32] {
            return Err(Damaged);
        }
        let wrap = wrap_key(&shared[..], &share, &identity.recipient().0);
        let nothing = Nonce::assume_unique_for_key([0; 12]);
        let file_key = wrap.open_in_place(nothing, Aad::empty(), &mut body).map_err(|_| OtherKey)?;
        let file_key: Zeroizing<[u8; 16]> = Zeroizing::new((&*file_key).try_into().map_err(|_| Damaged)?);
        let signed = text.rfind("--- ").and_then(|end| text.get(..end + 3)).ok_or(Damaged)?;
        hmac::verify(&mac_key(&file_key[..]), signed.as_bytes(), &tag).map_err(|_| Damaged)?;
        Ok(Chunks::of(&file_key[..], nonce))
    }

    fn of(file_key: &[u8], nonce: &[u8]) -> Chunks {
        Chunks { cipher: payload_key(file_key, nonce), places: blake3::derive_key(PLACES_CONTEXT, file_key) }
    }

    /// Binds the places to a seal: that of the header before the file. A file behind another header has no places, and who has only the
    /// recipient cannot make one that has.
    pub(crate) fn bind(&mut self, seal: &[u8; 32]) {
        self.places = blake3::derive_key(PLACES_CONTEXT, &[self.places, *seal].concat());
    }

    /// What the places in this file are made and known with.
    pub(crate) fn places(&self) -> &PlaceKey {
        &self.places
    }

    /// Encrypts the chunk with this number; the tag is appended.
    ///
    /// # Errors
    /// None for chunks of [`CHUNK_BYTES`].
    pub(crate) fn seal(&self, number: u64, last: bool, chunk: &mut Vec<u8>) -> std::io::Result<()> {
        self.cipher
            .seal_in_place_append_tag(nonce(number, last), Aad::empty(), chunk)
            .map_err(|_| std::io::Error::other("a chunk cannot be encrypted"))
    }

    /// Decrypts a chunk with its tag; `None` when it is not what was encrypted.
    pub(crate) fn unseal<'c>(&self, number: u64, last: bool, chunk: &'c mut [u8]) -> Option<&'c mut [u8]> {
        self.cipher.open_in_place(nonce(number, last), Aad::empty(), chunk).ok()
    }
}

fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

/// HKDF-SHA-256 to 32 bytes.
fn derived(salt: &[u8], input: &[u8], info: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(input);
    // 32 bytes are less than HKDF can give, and as many as were asked for.
    if let Ok(output) = extracted.expand(&[info.as_bytes()], hkdf::HKDF_SHA256) {
        let _ = output.fill(key.as_mut());
    }
    key
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    // A key of this length is always taken.
    #[allow(clippy::expect_used)]
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("32 bytes"))
}

fn wrap_key(shared: &[u8], share: &[u8; 32], recipient: &[u8; 32]) -> LessSafeKey {
    let salt = [*share, *recipient].concat();
    cipher(&derived(&salt, shared, "age-encryption.org/v1/X25519"))
}

fn payload_key(file_key: &[u8], nonce: &[u8]) -> LessSafeKey {
    cipher(&derived(nonce, file_key, "payload"))
}

fn mac_key(file_key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, derived(&[], file_key, "header").as_ref())
}

/// Bech32 without its limit of length: BIP-173.
fn bech32(prefix: &str, data: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let mut values = Zeroizing::new(Vec::with_capacity(data.len() * 2));
    let (mut bits, mut count) = (0_u32, 0);
    for byte in data {
        bits = (bits << 8 | u32::from(*byte)) & 0xfff;
        count += 8;
        while count >= 5 {
            count -= 5;
            values.push((bits >> count & 31) as u8);
        }
    }
    if count > 0 {
        values.push((bits << (5 - count) & 31) as u8);
    }
    let expanded = prefix.bytes().map(|c| c >> 5).chain([0]).chain(prefix.bytes().map(|c| c & 31));
    let sum = expanded.chain(values.iter().copied()).chain([0; 6]).fold(1_u32, |sum, value| {
        const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let top = sum >> 25;
        let next = (sum & 0x1ff_ffff) << 5 ^ u32::from(value);
        GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1).fold(next, |next, (_, term)| next ^ term)
    }) ^ 1;
    let check = (0..6).map(|position| (sum >> (5 * (5 - position)) & 31) as u8);
    let letters = values.iter().copied().chain(check).map(|value| char::from(LETTERS[usize::from(value)]));
    format!("{prefix}1{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    fn identity(byte: u8) -> Identity {
        Identity::of(&Secret::from_bytes(&[byte; 32])).unwrap()
    }

    fn file(plaintext: &[u8], recipient: &Recipient) -> Vec<u8> {
        let (mut out, chunks) = Chunks::create(recipient).unwrap();
        assert_eq!(out.len(), HEADER_BYTES);
        let count = plaintext.len().div_ceil(CHUNK_BYTES);
        for (number, chunk) in plaintext.chunks(CHUNK_BYTES).enumerate() {
            let mut chunk = chunk.to_vec();
            chunks.seal(number as u64, number + 1 == count, &mut chunk).unwrap();
            out.extend(chunk);
        }
        assert_eq!(out.len() as u64, file_bytes(plaintext.len() as u64));
        out
    }

    #[test]
    fn age_reads_what_is_written_and_the_other_way_round() {
        let identity = identity(7);
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("identity");
        std::fs::write(&keys, format!("{}\n", *identity.text())).unwrap();
        let age = |arguments: &[&str], input: &[u8]| {
            let mut child =
                Command::new("age").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut pipe = child.stdin.take().unwrap();
            let input = input.to_vec();
            let feeding = std::thread::spawn(move || pipe.write_all(&input));
            let output = child.wait_with_output().unwrap();
            feeding.join().unwrap().unwrap();
            assert!(output.status.success());
            output.stdout
        };
        for length in [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5 * CHUNK_BYTES] {
            let plaintext: Vec<u8> = (0..length).map(|at| (at * 31) as u8).collect();
            let read = age(&["-d", "-i", keys.to_str().unwrap()], &file(&plaintext, &identity.recipient()));
            assert!(read == plaintext, "{length}");
            let mut theirs = age(&["-r", &identity.recipient().to_string()], &plaintext);
            let chunks = Chunks::open(&theirs[..HEADER_BYTES], &identity).unwrap();
            let mut back = vec![];
            let count = length.div_ceil(CHUNK_BYTES);
            for (number, chunk) in theirs[HEADER_BYTES..].chunks_mut(CHUNK_BYTES + TAG_BYTES).enumerate() {
                back.extend_from_slice(chunks.unseal(number as u64, number + 1 == count, chunk).unwrap());
            }
            assert!(back == plaintext, "{length}");
        }
    }

    #[test]
    fn another_key_and_damage_are_told_apart() {
        let made = file(b"x", &identity(7).recipient());
        assert_eq!(Chunks::open(&made, &identity(8)).err(), Some(HeaderError::OtherKey));
        // In the text, in the recipient's share, in its authentication; a changed share may be no base64 any more.
        for (position, may_be_other) in [(0, false), (40, true), (150, false)] {
            let mut damaged = made.clone();
            damaged[position] ^= 1;
            let error = Chunks::open(&damaged, &identity(7)).err();
            let fits = error == Some(HeaderError::Damaged) || (may_be_other && error == Some(HeaderError::OtherKey));
            assert!(fits, "{position} {error:?}");
        }
        for length in 0..HEADER_BYTES {
            assert_eq!(Chunks::open(&made[..length], &identity(7)).err(), Some(HeaderError::Damaged));
        }
    }

    #[test]
    fn the_identity_is_what_sha256sum_says() {
        let key = Secret::from_bytes(&[7; 32]);
        let output = Command::new("sh")
            .args(["-c", &format!("printf '%s' '{DERIVATION}{}' | sha256sum", key.expose())])
            .output()
            .unwrap();
        let hex = String::from_utf8(output.stdout).unwrap();
        let ours = Secret::from_bytes(&identity(7).0[..]);
        assert_eq!(hex.split(' ').next(), Some(ours.expose()));
        assert!(matches!(Identity::of(&Secret::new("correct horse")), Err(ArchiveError::PassphraseForStream)));
        assert_eq!(format!("{:?}", identity(7)), "Identity(…)");
    }
}

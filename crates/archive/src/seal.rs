//! Proof that the holder of a key wrote something: a keyed BLAKE3, under a key of its own that is derived from the secret.
//!
//! A secret may be a passphrase that a person chose, and a seal is public: each guess costs what guessing at a key file
//! costs.

use crate::Secret;
use crate::repository::keys;
use zeroize::Zeroizing;

/// The seal of `message`, hex. Equal for the same secret, `context` (a constant of the program that says what is sealed) and
/// `salt` (the name of the thing).
///
/// # Errors
/// When there is no memory for the derivation.
pub fn seal(secret: &Secret, context: &str, salt: &[u8], message: &[u8]) -> Result<String, String> {
    Ok(keyed(secret, context, salt, message)?.to_hex().to_string())
}

/// Reports whether `seal` is that of `message`; takes the same time wherever they differ.
///
/// # Errors
/// As [`seal`].
pub fn fits(secret: &Secret, context: &str, salt: &[u8], message: &[u8], seal: &str) -> Result<bool, String> {
    let expected = keyed(secret, context, salt, message)?;
    // blake3::Hash compares in constant time.
    Ok(blake3::Hash::from_hex(seal).is_ok_and(|seal| seal == expected))
}

fn keyed(secret: &Secret, context: &str, salt: &[u8], message: &[u8]) -> Result<blake3::Hash, String> {
    let stretched = keys::stretch(secret, salt)?;
    let key = Zeroizing::new(blake3::derive_key(context, stretched.as_ref()));
    Ok(blake3::keyed_hash(&key, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_context_salt_and_message_fit() {
        let secret = Secret::from_bytes(&[7; 32]);
        let made = seal(&secret, "a test", b"medium", b"menu").unwrap();
        let fits = |secret: &Secret, context: &str, salt: &[u8], message: &[u8], text: &str| {
            super::fits(secret, context, salt, message, text).unwrap()
        };
        assert!(fits(&secret, "a test", b"medium", b"menu", &made));
        assert!(fits(&Secret::new(format!("{}\n", "07".repeat(32))), "a test", b"medium", b"menu", &made));
        assert!(!fits(&Secret::from_bytes(&[8; 32]), "a test", b"medium", b"menu", &made));
        assert!(!fits(&secret, "another", b"medium", b"menu", &made));
        assert!(!fits(&secret, "a test", b"other", b"menu", &made));
        assert!(!fits(&secret, "a test", b"medium", b"menu: nuke", &made));
        for odd in ["", "00", "xyz", &made[..62], &format!("{made}00"), &"é".repeat(32)] {
            assert!(!fits(&secret, "a test", b"medium", b"menu", odd), "{odd}");
        }
    }

    #[test]
    fn a_passphrase_seals_too() {
        let secret = Secret::new("correct horse");
        let made = seal(&secret, "a test", b"m", b"x").unwrap();
        assert!(fits(&secret, "a test", b"m", b"x", &made).unwrap());
        assert!(!fits(&Secret::new("correct house"), "a test", b"m", b"x", &made).unwrap());
    }
}

//! Keys of repositories.

use zeroize::Zeroizing;

/// Bytes of randomness in a key that Lifeboat makes.
pub const KEY_BYTES: usize = 32;

/// What opens a repository: the text of a key file, or a passphrase. Wiped from memory on drop, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text of a key file or a passphrase; trailing line ends do not count.
    pub fn new(text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        Secret(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
    }

    /// A new random key of 256 bits.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub fn generate() -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(bytes.as_mut()).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self::from_bytes(bytes.as_ref()))
    }

    /// The key with these bytes; its text is their hex.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        Secret(text)
    }

    /// The bytes of a key made by [`Secret::generate`]; `None` for a passphrase.
    pub fn bytes(&self) -> Option<Zeroizing<Vec<u8>>> {
        let text = self.0.as_bytes();
        if !text.len().is_multiple_of(2) || !(16..=KEY_BYTES).contains(&(text.len() / 2)) {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
        for pair in text.chunks_exact(2) {
            bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
        }
        Some(bytes)
    }

    /// The text, to be written into a key file.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::generate().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(Secret::from_bytes(&secret.bytes().unwrap()).expose(), secret.expose());
    }

    #[test]
    fn a_passphrase_has_no_bytes() {
        assert!(Secret::new("correct horse\n").bytes().is_none());
        assert_eq!(Secret::new("correct horse\r\n").expose(), "correct horse");
    }
}

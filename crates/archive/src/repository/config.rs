//! The file `config`: a repository's id, and the secret polynomial that seeds the chunker. It is encrypted and authenticated as
//! everything else: one that is not is refused.
//!
//! Source: restic's doc/design.rst, "Repository Format"; internal/restic/config.go.

use super::crypto::{self, Key};
use serde::{Deserialize, Serialize};

/// Degree of the polynomial (restic's chunker).
const DEGREE: u32 = 53;

#[derive(Serialize, Deserialize)]
struct ConfigFile {
    version: u32,
    id: String,
    chunker_polynomial: String,
}

/// What a repository says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) version: u32,
    /// Id, hex.
    pub(crate) id: String,
    pub(crate) polynomial: u64,
}

impl Config {
    /// Opens the bytes of the file.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn open(key: &Key, sealed: &[u8]) -> Result<Config, String> {
        let mut sealed = sealed.to_vec();
        let json = key.open(&mut sealed).map_err(|error| error.to_string())?;
        let file: ConfigFile = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let polynomial = u64::from_str_radix(&file.chunker_polynomial, 16);
        let polynomial = polynomial.map_err(|error| format!("its polynomial is not a number: {error}"))?;
        crypto::unhex(&file.id).ok_or("its id is not 64 hex digits")?;
        Ok(Config { version: file.version, id: file.id, polynomial })
    }

    /// The bytes of a new one.
    ///
    /// # Errors
    /// When no random numbers are available.
    pub(crate) fn make(key: &Key) -> Result<Vec<u8>, String> {
        let mut id = [0; 32];
        getrandom::fill(&mut id).map_err(|error| error.to_string())?;
        let polynomial = loop {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|error| error.to_string())?;
            // One of about 27 odd ones is irreducible.
            let candidate = u64::from_le_bytes(random) & ((1 << DEGREE) - 1) | 1 << DEGREE | 1;
            if is_irreducible(candidate) {
                break candidate;
            }
        };
        let file = ConfigFile { version: 2, id: crypto::hex(&id), chunker_polynomial: format!("{polynomial:x}") };
        let json = serde_json::to_vec(&file).map_err(|error| error.to_string())?;
        key.encrypt(&json).map_err(|error| error.to_string())
    }
}

/// Rabin's test over GF(2) for degree 53, which is prime: x^(2^53) is x, and neither x nor x + 1 divides it.
fn is_irreducible(polynomial: u64) -> bool {
    let has_root = polynomial & 1 == 0 || polynomial.count_ones().is_multiple_of(2);
    let degree = u64::BITS - 1 - polynomial.leading_zeros().min(u64::BITS - 1);
    !has_root && degree == DEGREE && (0..DEGREE).fold(0b10, |power, _| square(power, polynomial)) == 0b10
}

/// The square of a remainder.
fn square(value: u64, polynomial: u64) -> u64 {
    // Squaring over GF(2) puts a zero between the bits.
    let mut wide = (0..DEGREE).fold(0_u128, |wide, bit| wide | u128::from(value >> bit & 1) << (2 * bit));
    for bit in (DEGREE..2 * DEGREE).rev() {
        if wide >> bit & 1 == 1 {
            wide ^= u128::from(polynomial) << (bit - DEGREE);
        }
    }
    wide as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_polynomials() {
        // restic's chunker, polynomials_test.go and doc/design.rst.
        for polynomial in [0x3DA3358B4DC173, 0x25b468838dcb75, 0x2482734cacca49] {
            assert!(is_irreducible(polynomial), "{polynomial:x}");
        }
        // Of another degree, with a root, a product of x^26 + x + … and others.
        for polynomial in [0, 1, 3, 0b111, 0x3DA3358B4DC172, 0x3DA3358B4DC171, 0x3DA3358B4DC177, 0x7DA3358B4DC173] {
            assert!(!is_irreducible(polynomial), "{polynomial:x}");
        }
    }

    #[test]
    fn a_new_one_opens_and_nothing_else() {
        let key = Key::from_bytes([3; 64]);
        let bytes = Config::make(&key).unwrap();
        let config = Config::open(&key, &bytes).unwrap();
        assert_eq!((config.version, config.id.len()), (2, 64));
        assert!(is_irreducible(config.polynomial));
        assert!(Config::open(&Key::from_bytes([4; 64]), &bytes).is_err());
        let plain = br#"{"version":2,"id":"0000","chunker_polynomial":"25b468838dcb75"}"#;
        assert!(Config::open(&key, plain).unwrap_err().contains("cannot be decrypted"));
        for text in ["{}", "[]", r#"{"version":2,"id":"00","chunker_polynomial":"25b468838dcb75"}"#] {
            assert!(Config::open(&key, &key.encrypt(text.as_bytes()).unwrap()).is_err(), "{text}");
        }
    }
}

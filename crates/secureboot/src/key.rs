//! A key that firmware trusts, with its certificate.

use crate::certificate::Certificate;
use crate::error::SecureBootError;
use crate::pem;
use jiff::civil::DateTime;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use zeroize::Zeroizing;

/// The longest modulus that ring signs with, in bytes (4096 bits).
const LONGEST_MODULUS: usize = 512;

/// A private key and the certificate that goes with it.
#[derive(Debug)]
pub struct SigningKey {
    pair: RsaKeyPair,
    certificate: Certificate,
}

impl SigningKey {
    /// Puts both together: a key in PEM form and a certificate in PEM or DER form.
    ///
    /// # Errors
    /// A key that is encrypted or of another kind, a certificate of another key.
    pub fn new(key: &[u8], certificate: Certificate) -> Result<SigningKey, SecureBootError> {
        let pair = read(key)?;
        if pair.public_key().as_ref() != certificate.rsa_key {
            return Err(SecureBootError::Pair(certificate.name()));
        }
        Ok(SigningKey { pair, certificate })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether the certificate is valid at this time, UTC: firmware does not check (UEFI 2.10, 32.5.3.3, its clock may be wrong), but
    /// people and tools do.
    pub fn is_valid_at(&self, time: DateTime) -> bool {
        (self.certificate.not_before..=self.certificate.not_after).contains(&time)
    }

    /// Signs a message: PKCS #1 1.5 over its SHA-256.
    ///
    /// # Errors
    /// When the key cannot do that.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SecureBootError> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
        signed.map(|()| signature).map_err(|_| SecureBootError::Sign)
    }
}

/// Reads an RSA key from PEM: PKCS #8 or PKCS #1.
fn read(bytes: &[u8]) -> Result<RsaKeyPair, SecureBootError> {
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let blocks = pem::blocks(&text);
    let Some(block) = blocks.iter().find(|block| block.label.ends_with("PRIVATE KEY")) else {
        return Err(SecureBootError::NoPem("private key"));
    };
    if block.encrypted || block.label == "ENCRYPTED PRIVATE KEY" {
        return Err(SecureBootError::Encrypted);
    }
    let der = block.bytes.as_ref().ok_or(SecureBootError::Pem)?;
    let pair = match &*block.label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(der),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(der),
        _ => return Err(SecureBootError::Kind),
    };
    pair.ok().filter(|pair| pair.public().modulus_len() <= LONGEST_MODULUS).ok_or(SecureBootError::Kind)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Runs openssl; returns its output.
    pub(crate) fn openssl(arguments: &[&str]) -> String {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a key and its certificate.
    pub(crate) fn make(folder: &Path, name: &str, kind: &[&str], subject: &str) -> (PathBuf, PathBuf) {
        let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.crt")));
        let mut call = vec!["req", "-x509", "-nodes", "-sha256", "-days", "3650", "-subj", subject, "-newkey"];
        call.extend(kind);
        call.extend(["-keyout", key.to_str().unwrap(), "-out", certificate.to_str().unwrap()]);
        openssl(&call);
        (key, certificate)
    }

    /// A key of its own for a test.
    pub(crate) fn signing_key(folder: &Path, name: &str) -> SigningKey {
        let (key, certificate) = make(folder, name, &["rsa:2048"], &format!("/CN={name}"));
        let certificate = Certificate::read(&std::fs::read(certificate).unwrap()).unwrap();
        SigningKey::new(&std::fs::read(key).unwrap(), certificate).unwrap()
    }

    #[test]
    fn wrong_pairs_and_keys_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let (key, certificate) = make(path, "one", &["rsa:2048"], "/CN=one");
        let (_, other) = make(path, "two", &["rsa:2048"], "/CN=two");
        let read = |path: &Path| std::fs::read(path).unwrap();
        let of = |key: &Path, certificate: &Path| {
            SigningKey::new(&read(key), Certificate::read(&read(certificate)).unwrap()).map(drop)
        };
        assert_eq!(of(&key, &certificate), Ok(()));
        assert_eq!(of(&key, &other), Err(SecureBootError::Pair("two".into())));
        assert_eq!(of(&certificate, &certificate), Err(SecureBootError::NoPem("private key")));
        let file = |name: &str| path.join(name);
        let (pkcs1, new, old) = (file("pkcs1"), file("encrypted"), file("old"));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        openssl(&["rsa", "-traditional", "-in", &text(&key), "-out", &text(&pkcs1)]);
        assert_eq!(of(&pkcs1, &certificate), Ok(()));
        openssl(&["pkcs8", "-topk8", "-passout", "pass:x", "-in", &text(&key), "-out", &text(&new)]);
        openssl(&["rsa", "-traditional", "-aes128", "-passout", "pass:x", "-in", &text(&key), "-out", &text(&old)]);
        assert_eq!(of(&new, &certificate), Err(SecureBootError::Encrypted));
        assert_eq!(of(&old, &certificate), Err(SecureBootError::Encrypted));
        let (elliptic, certificate) = make(path, "ec", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "/CN=ec");
        assert_eq!(of(&elliptic, &certificate), Err(SecureBootError::Kind));
        let (short, certificate) = make(path, "short", &["rsa:1024"], "/CN=short");
        assert_eq!(of(&short, &certificate), Err(SecureBootError::Kind));
    }

    #[test]
    fn a_certificate_has_a_beginning_and_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let key = signing_key(folder.path(), "one");
        let at = |text: &str| key.is_valid_at(text.parse().unwrap());
        assert!(at(&key.certificate().not_before.to_string()));
        assert!(!at("2000-01-01T00:00:00") && !at("2100-01-01T00:00:00"));
    }
}

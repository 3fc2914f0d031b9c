//! HTTPS: a certificate of its own, or a given one.
//!
//! Its own is signed by nobody but itself; who connects compares its fingerprint, or trusts the file `tls-certificate.pem`. It is valid
//! for ever, because a machine whose clock is wrong has to come back, too, and because what is compared by fingerprint gains nothing from
//! an end.

use crate::settings::Settings;
use lifeboat_sys::durable;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};

/// The certificate of its own, in the folder of the state.
pub const CERTIFICATE: &str = "tls-certificate.pem";
/// Its key.
pub const KEY: &str = "tls-key.pem";

/// Why HTTPS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system's error, or what a file says that it cannot.
    #[error("cannot {action} {}: {cause}", path.display())]
    File {
        /// `READ` or `WRITE`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: String,
    },
    /// No certificate could be made.
    #[error("cannot MAKE a certificate: {0}; try other names in serve.toml")]
    Make(#[from] rcgen::Error),
    /// The certificate and its key are of no use.
    #[error("cannot USE the certificate {}: {cause}", path.display())]
    Use {
        /// The certificate.
        path: PathBuf,
        /// The reason.
        cause: rustls::Error,
    },
}

/// What TLS needs, and by what it is recognised.
#[derive(Clone, Debug)]
pub struct Tls {
    /// For each connection.
    pub config: Arc<ServerConfig>,
    /// SHA-256 of the certificate in DER, as pairs of hexadecimal digits with colons.
    pub fingerprint: String,
    /// The certificate.
    pub path: PathBuf,
}

/// Reads the certificate of the settings, or that of its own in `state`, which is made when it is not there.
///
/// # Errors
/// [`TlsError`].
pub fn open(settings: &Settings, state: &Path) -> Result<Tls, TlsError> {
    let (path, key_path) = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ => own(settings, state)?,
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause: rustls::pki_types::pem::Error| TlsError::File { action: "READ", path, cause: cause.to_string() }
    };
    let chain =
        CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed(&path))?;
    let key = PrivateKeyDer::from_pem_file(&key_path).map_err(failed(&key_path))?;
    let first = chain.first().ok_or_else(|| failed(&path)(rustls::pki_types::pem::Error::NoItemsFound))?;
    let fingerprint = fingerprint(first);
    let used = |cause| TlsError::Use { path: path.clone(), cause };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(used)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(used)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { config: Arc::new(config), fingerprint, path })
}

/// SHA-256 with colons, as browsers and `openssl x509 -fingerprint -sha256` show it.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let mut text = String::new();
    for (number, byte) in Sha256::digest(certificate).iter().enumerate() {
        let _ = write!(text, "{}{byte:02X}", if number == 0 { "" } else { ":" });
    }
    text
}

fn own(settings: &Settings, state: &Path) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (state.join(CERTIFICATE), state.join(KEY));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::new(names(settings))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Lifeboat");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let made = params.self_signed(&pair)?;
    // The certificate is last: without it both are made again.
    for (path, text) in [(&key, pair.serialize_pem()), (&certificate, made.pem())] {
        let mut temporary = path.clone();
        temporary.set_extension("new");
        durable::write(path, &temporary, text.as_bytes(), 0o600).map_err(|cause| TlsError::File {
            action: "WRITE",
            path: path.clone(),
            cause: cause.to_string(),
        })?;
    }
    Ok((certificate, key))
}

/// The names that clients may use: those of the settings, the host's, and the addresses that are listened at.
fn names(settings: &Settings) -> Vec<String> {
    let mut names = settings.names.clone();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    names.extend((!host.is_empty() && is_name(&host)).then_some(host));
    names.push("localhost".to_owned());
    let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
    let addresses = settings.listen.iter().map(|address| address.ip()).filter(|address| !address.is_unspecified());
    names.extend(addresses.chain(loopback).map(|address| address.to_string()));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// Turns an error of a file into one of the system, for callers that have no other.
impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> io::Error {
        io::Error::other(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_certificate_is_made_once_and_can_be_given() {
        let state = tempfile::tempdir().unwrap();
        let settings = Settings { names: vec!["backup.example".into(), "10.1.2.3".into()], ..Settings::default() };
        let one = open(&settings, state.path()).unwrap();
        assert_eq!(one.fingerprint.len(), 32 * 3 - 1);
        assert_eq!(open(&settings, state.path()).unwrap().fingerprint, one.fingerprint);
        let key = state.path().join(KEY);
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let given = Settings { certificate: Some(one.path.clone()), key: Some(key), ..Settings::default() };
        let other = tempfile::tempdir().unwrap();
        assert_eq!(open(&given, other.path()).unwrap().fingerprint, one.fingerprint);
        assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 0);
        // Another's key, and none.
        open(&settings, other.path()).unwrap();
        let wrong = Settings { key: Some(other.path().join(KEY)), ..given.clone() };
        assert!(matches!(open(&wrong, state.path()), Err(TlsError::Use { .. })));
        let none = Settings { key: Some(other.path().join("none")), ..given };
        assert!(open(&none, state.path()).unwrap_err().to_string().contains("cannot READ"));
        let names = names(&settings);
        assert!(names.contains(&"backup.example".to_owned()) && names.contains(&"127.0.0.1".to_owned()), "{names:?}");
    }
}

//! X.509 certificates (RFC 5280), as far as signing and its checks need them.

use crate::der::{self, Reader};
use crate::error::SecureBootError;
use crate::pem;
use jiff::civil::DateTime;

/// 2.5.4.3 and 2.5.4.10, how a subject is shown: common name, organisation.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANISATION: [u8; 3] = [0x55, 0x04, 0x0a];
/// 1.2.840.113549.1.1.1, rsaEncryption.
const RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The whole certificate, DER.
    pub der: Vec<u8>,
    /// Who issued it, DER.
    pub issuer: Vec<u8>,
    /// Its subject, DER.
    pub subject: Vec<u8>,
    /// Its number, a DER INTEGER.
    pub serial: Vec<u8>,
    /// Its RSA key as of PKCS #1; empty for other kinds of keys.
    pub rsa_key: Vec<u8>,
    /// The first second in which it is valid, UTC.
    pub not_before: DateTime,
    /// The last one.
    pub not_after: DateTime,
}

impl Certificate {
    /// Reads PEM (the first certificate in it) or DER.
    ///
    /// # Errors
    /// When it is neither.
    pub fn read(bytes: &[u8]) -> Result<Certificate, SecureBootError> {
        if bytes.first() == Some(&der::SEQUENCE) {
            return Self::from_der(bytes);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| SecureBootError::Certificate)?;
        let block = pem::blocks(text).into_iter().find(|block| block.label == "CERTIFICATE");
        let block = block.ok_or(SecureBootError::NoPem("certificate"))?;
        Self::from_der(&block.bytes.ok_or(SecureBootError::Pem)?)
    }

    /// Reads DER.
    ///
    /// # Errors
    /// When it is not a certificate.
    pub fn from_der(bytes: &[u8]) -> Result<Certificate, SecureBootError> {
        parse(bytes).ok_or(SecureBootError::Certificate)
    }

    /// Its subject for people: the common name, else the organisation.
    pub fn name(&self) -> String {
        name_part(&self.subject, &COMMON_NAME)
            .or_else(|| name_part(&self.subject, &ORGANISATION))
            .unwrap_or_else(|| "a certificate without a name".into())
    }

    /// The organisation of its subject or issuer is Microsoft, whose certificates are in nearly all firmware.
    pub fn is_microsofts(&self) -> bool {
        let ours = |name: &[u8]| name_part(name, &ORGANISATION).is_some_and(|name| name.starts_with("Microsoft"));
        ours(&self.subject) || ours(&self.issuer)
    }
}

fn parse(bytes: &[u8]) -> Option<Certificate> {
    let whole = Reader(bytes).next(der::SEQUENCE)?;
    let mut tbs = Reader(whole.content).enter(der::SEQUENCE)?;
    tbs.next(der::context(0));
    let serial = tbs.next(der::INTEGER)?.whole.to_vec();
    tbs.next(der::SEQUENCE)?;
    let issuer = tbs.next(der::SEQUENCE)?.whole.to_vec();
    let mut validity = tbs.enter(der::SEQUENCE)?;
    let not_before = time(validity.any()?)?;
    let not_after = time(validity.any()?)?;
    let subject = tbs.next(der::SEQUENCE)?.whole.to_vec();
    let mut key = tbs.enter(der::SEQUENCE)?;
    let algorithm = key.enter(der::SEQUENCE)?.next(der::OID)?.content;
    // The first byte counts the unused bits of the last one: none, because the key is whole bytes.
    let (unused, bits) = key.next(der::BIT_STRING)?.content.split_first()?;
    let rsa_key = if algorithm == RSA && *unused == 0 { bits.to_vec() } else { vec![] };
    Some(Certificate { der: whole.whole.to_vec(), issuer, subject, serial, rsa_key, not_before, not_after })
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5).
fn time(element: der::Element<'_>) -> Option<DateTime> {
    let text = std::str::from_utf8(element.content).ok()?.strip_suffix('Z')?;
    let text = match element.tag {
        der::UTC_TIME => format!("{}{text}", if text.get(..2)? >= "50" { "19" } else { "20" }),
        der::GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    if text.len() != 14 {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
    let date = DateTime::new(
        text.get(..4)?.parse().ok()?,
        number(4, 6)?,
        number(6, 8)?,
        number(8, 10)?,
        number(10, 12)?,
        number(12, 14)?,
        0,
    );
    date.ok()
}

/// The text of an attribute of a name.
fn name_part(name: &[u8], attribute: &[u8]) -> Option<String> {
    let mut sets = Reader(name).enter(der::SEQUENCE)?;
    while let Some(mut set) = sets.enter(der::SET) {
        while let Some(mut pair) = set.enter(der::SEQUENCE) {
            if pair.next(der::OID).is_some_and(|oid| oid.content == attribute) {
                return pair.any().map(|text| String::from_utf8_lossy(text.content).into_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::{make, openssl};

    #[test]
    fn it_reads_what_openssl_makes() {
        let folder = tempfile::tempdir().unwrap();
        let (_, certificate) = make(folder.path(), "one", &["rsa:2048"], "/O=Example/CN=db of web");
        let bytes = std::fs::read(&certificate).unwrap();
        let read = Certificate::read(&bytes).unwrap();
        assert_eq!(read.name(), "db of web");
        assert_eq!(read.issuer, read.subject);
        assert!(!read.is_microsofts() && !read.rsa_key.is_empty());
        let end =
            openssl(&["x509", "-noout", "-enddate", "-dateopt", "iso_8601", "-in", certificate.to_str().unwrap()]);
        let end = end.trim().strip_prefix("notAfter=").unwrap().replace(' ', "T").replace('Z', "");
        assert_eq!(read.not_after.to_string(), end);
        assert_eq!(Certificate::read(&read.der).unwrap(), read);
        assert_eq!(Certificate::read(b"no certificate"), Err(SecureBootError::NoPem("certificate")));
        assert_eq!(Certificate::read(&read.der[..200]), Err(SecureBootError::Certificate));
        let (_, certificate) = make(folder.path(), "ms", &["rsa:2048"], "/O=Microsoft Corporation");
        let read = Certificate::read(&std::fs::read(certificate).unwrap()).unwrap();
        assert!(read.is_microsofts());
        assert_eq!(read.name(), "Microsoft Corporation");
    }

    #[test]
    fn times_of_both_forms() {
        let of = |tag, text: &str| {
            let whole = der::element(tag, text.as_bytes());
            time(Reader(&whole).any().unwrap()).map(|time| time.to_string())
        };
        assert_eq!(of(der::UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59"));
        assert_eq!(of(der::UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00"));
        assert_eq!(of(der::GENERALIZED_TIME, "99991231235959Z").as_deref(), Some("9999-12-31T23:59:59"));
        assert_eq!(of(der::GENERALIZED_TIME, "20261301000000Z"), None);
        assert_eq!(of(der::UTC_TIME, "é61231235959Z"), None);
    }

    #[test]
    fn anything_is_read_without_a_panic() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..256))| { let _ = Certificate::read(&bytes); });
    }
}

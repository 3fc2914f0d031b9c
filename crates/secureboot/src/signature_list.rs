//! Signature lists, the content of the firmware's variables `db`, `KEK` and `PK` (UEFI 2.10, 32.4.1).

use crate::certificate::Certificate;
use crate::pe::read_u32;

/// EFI_CERT_X509_GUID, a5c059a1-94e4-4aa7-87b5-ab155c2bf072, as stored in memory.
const X509: [u8; 16] = [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];
/// Type, and three sizes.
const HEADER: usize = 16 + 3 * 4;
/// Each signature begins with its owner's GUID.
const OWNER: usize = 16;

/// The certificates in it; other kinds of entries, and what cannot be read, are left out.
pub fn certificates(mut bytes: &[u8]) -> Vec<Certificate> {
    let mut found = vec![];
    while let Some(list) = read_u32(bytes, 16).and_then(|size| bytes.get(..size as usize)) {
        let word = |at: usize| read_u32(list, at).unwrap_or(0) as usize;
        let (header, size) = (word(20), word(24));
        if list.len() < HEADER {
            break;
        }
        if list.starts_with(&X509) && size > OWNER {
            let entries = list.get(HEADER.saturating_add(header)..).unwrap_or_default();
            found.extend(entries.chunks_exact(size).filter_map(|entry| Certificate::from_der(&entry[OWNER..]).ok()));
        }
        bytes = &bytes[list.len()..];
    }
    found
}

/// A list with one certificate.
pub fn with(certificate: &Certificate, owner: [u8; 16]) -> Vec<u8> {
    let size = OWNER + certificate.der.len();
    let words = [HEADER + size, 0, size].map(|size| (size as u32).to_le_bytes()).concat();
    [&X509[..], &words, &owner, &certificate.der].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::signing_key;

    #[test]
    fn lists_are_read_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| signing_key(folder.path(), name).certificate().clone());
        // A list of hashes between them.
        let hashes = [&[7; 16][..], &76_u32.to_le_bytes(), &[0; 4], &48_u32.to_le_bytes(), &[1; 48]].concat();
        let all = [with(&one, [1; 16]), hashes, with(&two, [2; 16])].concat();
        assert_eq!(certificates(&all), [one.clone(), two]);
        assert_eq!(certificates(&all[..all.len() - 1]), [one]);
    }

    #[test]
    fn anything_is_read_without_a_panic() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 0u32..250)| {
            let mut bytes = bytes;
            if bytes.len() > 28 {
                bytes[..16].copy_from_slice(&X509);
                bytes[16..20].copy_from_slice(&size.to_le_bytes());
            }
            certificates(&bytes);
        });
    }
}

//! Verifies that a program is what somebody signed, as firmware does: digest, PKCS #7, RSA. Whether to trust them is for
//! the caller to decide.

use crate::authenticode::{INDIRECT_DATA, MESSAGE_DIGEST, PKCS_SIGNED_DATA, SIGNED_DATA, image_digest, sha256};
use crate::certificate::Certificate;
use crate::der::{self, Reader, context, element};
use crate::error::SecureBootError;
use crate::pe::{Pe, read_u32};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use std::io::{self, Read, Seek, SeekFrom};

/// Signatures have a few kilobytes.
const LONGEST: u32 = 1 << 20;

/// The certificate that a program is signed with. Its first signature counts, and no chain of certificates is followed.
///
/// # Errors
/// The system's error; `InvalidData` when there is no signature or it does not match.
pub fn signer<F: Read + Seek>(file: &mut F) -> io::Result<Certificate> {
    let (offset, size) = Pe::read(file)?.signatures();
    if size == 0 {
        return Err(SecureBootError::Signature("there is none").into());
    }
    if size > LONGEST {
        return Err(SecureBootError::Signature("it is too large").into());
    }
    let mut table = vec![0; size as usize];
    file.seek(SeekFrom::Start(offset.into()))?;
    file.read_exact(&mut table)?;
    let digest = image_digest(file)?;
    Ok(check(&table, &digest).map_err(SecureBootError::Signature)?)
}

/// The parts of a PKCS #7 message that are needed.
struct Message<'a> {
    /// The content without its header: what the digest attribute covers.
    content: &'a [u8],
    certificates: Vec<Certificate>,
    issuer: &'a [u8],
    serial: &'a [u8],
    attributes: &'a [u8],
    signature: &'a [u8],
}

fn check(table: &[u8], digest: &[u8; 32]) -> Result<Certificate, &'static str> {
    let length = read_u32(table, 0).unwrap_or(0) as usize;
    if table.get(4..8) != Some(&PKCS_SIGNED_DATA) {
        return Err("it is not of the kind that programs have");
    }
    let bytes = table.get(8..length).ok_or("it is cut off")?;
    let message = parse(bytes).ok_or("it is not a PKCS #7 message about a program")?;
    // The content ends with the digest of the image (SpcIndirectDataContent: data, DigestInfo).
    if image_digest_in(message.content) != Some(digest) {
        return Err("the program was changed after it was signed");
    }
    if attribute(message.attributes, &MESSAGE_DIGEST) != Some(&sha256(message.content)) {
        return Err("its content was changed");
    }
    let belongs = |one: &&Certificate| one.issuer == message.issuer && one.serial == message.serial;
    let certificate = message.certificates.iter().find(belongs).ok_or("its certificate is not with it")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &certificate.rsa_key)
        .verify(&element(der::SET, message.attributes), message.signature)
        .map_err(|_| "it was not made with that key")?;
    Ok(certificate.clone())
}

fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut outer = Reader(bytes).enter(der::SEQUENCE)?;
    outer.next(der::OID).filter(|oid| oid.content == SIGNED_DATA)?;
    let mut signed = outer.enter(context(0))?.enter(der::SEQUENCE)?;
    signed.next(der::INTEGER)?;
    signed.next(der::SET)?;
    let mut about = signed.enter(der::SEQUENCE)?;
    about.next(der::OID).filter(|oid| oid.content == INDIRECT_DATA)?;
    let content = about.enter(context(0))?.next(der::SEQUENCE)?.content;
    let mut certificates = vec![];
    if let Some(mut list) = signed.enter(context(0)) {
        while let Some(certificate) = list.next(der::SEQUENCE) {
            certificates.extend(Certificate::from_der(certificate.whole).ok());
        }
    }
    signed.next(context(1));
    let mut signer = signed.enter(der::SET)?.enter(der::SEQUENCE)?;
    signer.next(der::INTEGER)?;
    let mut name = signer.enter(der::SEQUENCE)?;
    let issuer = name.next(der::SEQUENCE)?.whole;
    let serial = name.next(der::INTEGER)?.whole;
    signer.next(der::SEQUENCE)?;
    let attributes = signer.next(context(0))?.content;
    signer.next(der::SEQUENCE)?;
    let signature = signer.next(der::OCTET_STRING)?.content;
    Some(Message { content, certificates, issuer, serial, attributes, signature })
}

fn image_digest_in(content: &[u8]) -> Option<&[u8]> {
    let mut content = Reader(content);
    content.next(der::SEQUENCE)?;
    let mut info = content.enter(der::SEQUENCE)?;
    info.next(der::SEQUENCE)?;
    info.next(der::OCTET_STRING).map(|digest| digest.content)
}

/// The octet string that an attribute holds.
fn attribute<'a>(attributes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut list = Reader(attributes);
    while let Some(mut pair) = list.enter(der::SEQUENCE) {
        if pair.next(der::OID)?.content == name {
            return pair.enter(der::SET)?.next(der::OCTET_STRING).map(|value| value.content);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticode::sign;
    use crate::key::tests::{make, signing_key};
    use crate::pe::tests::program;
    use crate::uki::{STUB, tests::build_in};
    use std::os::unix::fs::FileExt as _;
    use std::process::Command;

    #[test]
    fn what_is_signed_here_is_proven_here_and_by_sbverify() {
        let folder = tempfile::tempdir().unwrap();
        let key = signing_key(folder.path(), "db");
        let other = signing_key(folder.path(), "other");
        let stub = std::fs::read(STUB).unwrap_or_else(|_| program());
        let mut file = build_in(folder.path(), &stub).unwrap();
        assert!(signer(&mut file).unwrap_err().to_string().contains("there is none"));
        sign(&mut file, &key).unwrap();
        assert_eq!(&signer(&mut file).unwrap(), key.certificate());
        assert!(sign(&mut file, &other).is_err());
        let verify = |name: &str| {
            let mut call = Command::new("sbverify");
            call.arg("--cert").arg(folder.path().join(format!("{name}.crt"))).arg(folder.path().join("uki.efi"));
            call.output().unwrap().status.success()
        };
        assert!(verify("db") && !verify("other"));
        // Equal parts and keys give equal bytes.
        let first = std::fs::read(folder.path().join("uki.efi")).unwrap();
        sign(&mut build_in(folder.path(), &stub).unwrap(), &key).unwrap();
        assert_eq!(std::fs::read(folder.path().join("uki.efi")).unwrap(), first);
    }

    #[test]
    fn what_sbsign_signs_is_proven_here() {
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = make(folder.path(), "db", &["rsa:4096"], "/CN=db");
        drop(build_in(folder.path(), &program()).unwrap());
        let (plain, signed) = (folder.path().join("uki.efi"), folder.path().join("signed.efi"));
        let mut call = Command::new("sbsign");
        call.arg("--key").arg(key).arg("--cert").arg(certificate).arg("--output").arg(&signed).arg(plain);
        assert!(call.output().unwrap().status.success());
        assert_eq!(signer(&mut std::fs::File::open(signed).unwrap()).unwrap().name(), "db");
    }

    #[test]
    fn each_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let key = signing_key(folder.path(), "db");
        let mut file = build_in(folder.path(), &program()).unwrap();
        sign(&mut file, &key).unwrap();
        let pe = Pe::read(&mut file).unwrap();
        let at = |name: &str| u64::from(pe.sections.iter().find(|one| one.name() == name).unwrap().file_offset);
        let (signatures, size) = pe.signatures();
        let inside = u64::from(signatures) + 8;
        // The end of the signature is RSA's number; padding follows it.
        let places =
            [2, at(".cmdline"), at(".initrd") + 5000, at(".linux") + 3, inside + 60, inside + u64::from(size) - 60];
        for place in places {
            let mut byte = [0];
            file.read_exact_at(&mut byte, place).unwrap();
            file.write_all_at(&[byte[0] ^ 1], place).unwrap();
            assert!(signer(&mut file).is_err(), "byte {place}");
            file.write_all_at(&byte, place).unwrap();
        }
        assert!(signer(&mut file).is_ok());
        file.write_all_at(b"more", pe.file_bytes).unwrap();
        assert!(signer(&mut file).unwrap_err().to_string().contains("behind"));
    }

    #[test]
    fn hostile_signatures_do_not_panic() {
        use proptest::prelude::*;
        let folder = tempfile::tempdir().unwrap();
        let mut file = build_in(folder.path(), &program()).unwrap();
        sign(&mut file, &signing_key(folder.path(), "db")).unwrap();
        let (offset, size) = Pe::read(&mut file).unwrap().signatures();
        let mut table = vec![0; size as usize];
        file.read_exact_at(&mut table, offset.into()).unwrap();
        proptest!(|(changes in proptest::collection::vec((0usize..1400, any::<u8>()), 1..6))| {
            let mut table = table.clone();
            for (at, byte) in changes {
                let last = table.len() - 1;
                table[at.min(last)] = byte;
            }
            let _ = check(&table, &[0; 32]);
        });
    }
}

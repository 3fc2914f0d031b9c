//! Digest and signature of EFI programs ("Windows Authenticode Portable Executable Signature Format", Microsoft; UEFI 2.10, 32.2.4):
//! PKCS #7 over the SHA-256 of headers and sections.

use crate::der::{self, context, element, holding};
use crate::error::SecureBootError;
use crate::key::SigningKey;
use crate::pe::Pe;
use ring::digest::{Context, SHA256, digest};
use std::io::{self, Read, Seek, SeekFrom, Write};

/// WIN_CERT_TYPE_PKCS_SIGNED_DATA with WIN_CERT_REVISION_2_0.
pub(crate) const PKCS_SIGNED_DATA: [u8; 4] = [0x00, 0x02, 0x02, 0x00];
/// A signature and its header fill multiples of this.
const PADDING: usize = 8;
/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// 1.2.840.113549.1.7.2, signedData.
pub(crate) const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.3.6.1.4.1.311.2.1.4, SPC_INDIRECT_DATA_OBJID.
pub(crate) const INDIRECT_DATA: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04];
/// 1.3.6.1.4.1.311.2.1.15, SPC_PE_IMAGE_DATA_OBJID.
const PE_IMAGE_DATA: [u8; 10] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0f];
/// 2.16.840.1.101.3.4.2.1, SHA-256.
const OID_SHA256: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.2.840.113549.1.1.1, rsaEncryption.
const OID_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.113549.1.9.3 and .4, contentType and messageDigest.
const CONTENT_TYPE: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
pub(crate) const MESSAGE_DIGEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];

/// The digest that a signature covers: the file without its checksum, the directory entry of the signatures, and these.
///
/// # Errors
/// The system's error; `InvalidData` if it is not a program, or has gaps between its sections or something after them.
pub fn image_digest<F: Read + Seek>(file: &mut F) -> io::Result<[u8; 32]> {
    let pe = Pe::read(file)?;
    let (signatures, size) = pe.signatures();
    let end = pe.content_end().ok_or(SecureBootError::Pe("there are gaps between its sections"))?;
    let expected = if size == 0 { end } else { u64::from(signatures) + u64::from(size) };
    if (size != 0 && u64::from(signatures) != end) || pe.file_bytes != expected {
        return Err(SecureBootError::Pe("something lies behind its sections").into());
    }
    let (checksum, security) = (pe.checksum_offset(), pe.security_offset());
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; CHUNK];
    for (from, to) in [(0, checksum), (checksum + 4, security), (security + 8, end)] {
        file.seek(SeekFrom::Start(from))?;
        let mut left = to - from;
        while left > 0 {
            let piece = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
            file.read_exact(&mut buffer[..piece])?;
            context.update(&buffer[..piece]);
            left -= piece as u64;
        }
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(digest)
}

/// Signs a program that has no signature. Equal programs and keys give equal bytes: it contains no time.
///
/// # Errors
/// As [`image_digest`]; when it has a signature, or the key cannot sign.
pub fn sign<F: Read + Write + Seek>(file: &mut F, key: &SigningKey) -> io::Result<()> {
    let pe = Pe::read(file)?;
    if pe.signatures().1 != 0 {
        return Err(SecureBootError::Signature("there is one already").into());
    }
    let signed = signed_data(&image_digest(file)?, key)?;
    let length = 8 + signed.len();
    let mut table = u32::try_from(length).map_err(io::Error::other)?.to_le_bytes().to_vec();
    table.extend(PKCS_SIGNED_DATA);
    table.extend(signed);
    table.resize(length.next_multiple_of(PADDING), 0);
    let offset = u32::try_from(pe.file_bytes).map_err(|_| SecureBootError::Large(pe.file_bytes))?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&table)?;
    file.seek(SeekFrom::Start(pe.security_offset()))?;
    file.write_all(&offset.to_le_bytes())?;
    file.write_all(&(table.len() as u32).to_le_bytes())?;
    file.flush()
}

/// The PKCS #7 message (RFC 2315) about a program with this digest.
fn signed_data(digest: &[u8; 32], key: &SigningKey) -> Result<Vec<u8>, SecureBootError> {
    let certificate = key.certificate();
    let oid = |bytes: &[u8]| element(der::OID, bytes);
    let algorithm = |bytes: &[u8]| holding(der::SEQUENCE, &[&oid(bytes), &element(der::NULL, &[])]);
    // The place for a file's name holds what everybody writes there.
    let obsolete: Vec<u8> = "<<<Obsolete>>>".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let link = element(context(0), &element(context(2), &element(0x80, &obsolete)));
    let image = holding(der::SEQUENCE, &[&element(der::BIT_STRING, &[0]), &link]);
    let content = [
        holding(der::SEQUENCE, &[&oid(&PE_IMAGE_DATA), &image]),
        holding(der::SEQUENCE, &[&algorithm(&OID_SHA256), &element(der::OCTET_STRING, digest)]),
    ]
    .concat();
    let content_digest = sha256(&content);
    let attribute = |name: &[u8], value: &[u8]| holding(der::SEQUENCE, &[&oid(name), &element(der::SET, value)]);
    // In the order of a DER set: by their bytes.
    let attributes = [
        attribute(&CONTENT_TYPE, &oid(&INDIRECT_DATA)),
        attribute(&MESSAGE_DIGEST, &element(der::OCTET_STRING, &content_digest)),
    ]
    .concat();
    // They are signed as the set that they are, and stored with another tag (RFC 2315, 9.3).
    let signature = key.sign(&element(der::SET, &attributes))?;
    let version = element(der::INTEGER, &[1]);
    let signer = holding(
        der::SEQUENCE,
        &[
            &version,
            &holding(der::SEQUENCE, &[&certificate.issuer, &certificate.serial]),
            &algorithm(&OID_SHA256),
            &element(context(0), &attributes),
            &algorithm(&OID_RSA),
            &element(der::OCTET_STRING, &signature),
        ],
    );
    let about =
        holding(der::SEQUENCE, &[&oid(&INDIRECT_DATA), &element(context(0), &element(der::SEQUENCE, &content))]);
    let signed = holding(
        der::SEQUENCE,
        &[
            &version,
            &element(der::SET, &algorithm(&OID_SHA256)),
            &about,
            &element(context(0), &certificate.der),
            &element(der::SET, &signer),
        ],
    );
    Ok(holding(der::SEQUENCE, &[&oid(&SIGNED_DATA), &element(context(0), &signed)]))
}

/// SHA-256 of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

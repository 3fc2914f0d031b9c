//! Variable stores of OVMF with an owner's key: what a person does in the firmware's setup, done in the file.
//!
//! The layout is edk2's: MdePkg/Include/Pi/PiFirmwareVolume.h (the volume), MdeModulePkg/Include/Guid/VariableFormat.h (store and
//! variables).

use super::arguments::{OVMF, OVMF_VARS, OVMF_VARS_SECURE};
use crate::DrillError;
use lifeboat_secureboot::{Certificate, signature_list};
use std::path::Path;

/// gEfiAuthenticatedVariableGuid, aaf32c78-947b-439a-a180-2e144ec37792, as stored in memory.
const STORE: [u8; 16] =
    [0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92];
const STORE_HEADER: usize = 28;
/// EFI_GLOBAL_VARIABLE, 8be4df61-93ca-11d2-aa0d-00e098032b8c.
const GLOBAL: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// EFI_IMAGE_SECURITY_DATABASE_GUID, d719b2cb-3d3a-4596-a3bc-dad00e67656f.
const DATABASE: [u8; 16] =
    [0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f];
/// Whose signatures they are; any value.
const OWNER: [u8; 16] = *b"lifeboat drill  ";
const VARIABLE: u16 = 0x55aa;
/// VAR_ADDED, and the same with VAR_DELETED.
const ADDED: u8 = 0x3f;
const DELETED: u8 = 0x3d;
const VARIABLE_HEADER: usize = 60;
/// Non-volatile, for boot services and run time, changed with a signature and a time only (UEFI 2.10, 8.2).
const ATTRIBUTES: u32 = 0x27;
/// EFI_TIME of the last change: 2026-01-01.
const TIME: [u8; 16] = [0xea, 0x07, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Whom the firmware trusts beside the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nobody.
    Nobody,
    /// Microsoft, as most firmware does.
    Microsoft,
}

/// Makes a variable store for a machine that enforces Secure Boot and trusts this certificate.
///
/// # Errors
/// When OVMF's store is missing or has another layout, or the new one cannot be written.
pub fn enroll(variables: &Path, certificate: &Certificate, beside: Beside) -> Result<(), DrillError> {
    let template = Path::new(OVMF).join(match beside {
        Beside::Nobody => OVMF_VARS,
        Beside::Microsoft => OVMF_VARS_SECURE,
    });
    let bytes = std::fs::read(&template).map_err(|_| DrillError::Firmware { path: template.clone() })?;
    let odd = || {
        DrillError::Unsupported(format!(
            "{} has another layout than that of the OVMF release this was made for",
            template.display()
        ))
    };
    let store = with_keys(bytes, certificate).ok_or_else(odd)?;
    std::fs::write(variables, store).map_err(DrillError::io("CREATE", variables))
}

/// Appends the certificate to db, and sets it as PK and KEK where there are none.
fn with_keys(mut store: Vec<u8>, certificate: &Certificate) -> Option<Vec<u8>> {
    let word = |bytes: &[u8], at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    // The length of a volume's header comes after its GUID, size, signature and attributes.
    let start = usize::from(u16::from_le_bytes(store.get(48..50)?.try_into().ok()?));
    if store.get(start..start + 16)? != STORE {
        return None;
    }
    let end = start + word(&store, start + 16)?;
    let list = signature_list::with(certificate, OWNER);
    let mut wanted = [("PK", GLOBAL, list.clone()), ("KEK", GLOBAL, list.clone()), ("db", DATABASE, list)].map(Some);
    let mut at = start + STORE_HEADER;
    while store.get(at..at + 2)? == VARIABLE.to_le_bytes() {
        let (name_size, size) = (word(&store, at + 36)?, word(&store, at + 40)?);
        let name = store.get(at + VARIABLE_HEADER..)?.get(..name_size)?.to_vec();
        let data = store.get(at + VARIABLE_HEADER + name_size..)?.get(..size)?.to_vec();
        let current = store.get(at + 2) == Some(&ADDED);
        for place in wanted.iter_mut().filter(|_| current) {
            match place {
                // Flash is not written twice: the new one goes to the end, the old one is marked deleted.
                Some((wanted, _, list)) if *wanted == "db" && text(wanted) == name => {
                    *list = [data.as_slice(), list].concat();
                    *store.get_mut(at + 2)? = DELETED;
                }
                Some((wanted, ..)) if text(wanted) == name => *place = None,
                _ => {}
            }
        }
        at = (at + VARIABLE_HEADER + name_size + size).next_multiple_of(4);
    }
    for (name, owner, list) in wanted.into_iter().flatten() {
        let bytes = variable(name, &owner, &list);
        let place = store.get_mut(at..at + bytes.len()).filter(|_| at + bytes.len() <= end)?;
        // Flash that was never written; only there can a variable be written.
        if place.iter().any(|byte| *byte != 0xff) {
            return None;
        }
        place.copy_from_slice(&bytes);
        at = (at + bytes.len()).next_multiple_of(4);
    }
    Some(store)
}

/// UTF-16 with its terminator.
fn text(name: &str) -> Vec<u8> {
    name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn variable(name: &str, owner: &[u8; 16], data: &[u8]) -> Vec<u8> {
    let name = text(name);
    let sizes = [name.len(), data.len()].map(|size| (size as u32).to_le_bytes()).concat();
    // After the attributes: a counter, the time, and the index of a public key that is not used.
    let parts: [&[u8]; 9] = [
        &VARIABLE.to_le_bytes(),
        &[ADDED, 0],
        &ATTRIBUTES.to_le_bytes(),
        &[0; 8],
        &TIME,
        &[0; 4],
        &sizes,
        owner,
        &name,
    ];
    [&parts.concat(), data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_store_holds_the_keys_behind_what_it_had() {
        let folder = tempfile::tempdir().unwrap();
        let (key, path) = (folder.path().join("db.key"), folder.path().join("db.crt"));
        let mut call = Command::new("openssl");
        call.args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=drill", "-keyout"]).arg(key);
        assert!(call.arg("-out").arg(&path).output().unwrap().status.success());
        let certificate = Certificate::read(&std::fs::read(path).unwrap()).unwrap();
        let out = folder.path().join("vars.fd");
        let template = |name: &str| std::fs::read(Path::new(OVMF).join(name)).unwrap();
        let times = |store: &[u8]| store.windows(certificate.der.len()).filter(|part| *part == certificate.der).count();
        for (beside, template, count) in
            [(Beside::Nobody, template(OVMF_VARS), 3), (Beside::Microsoft, template(OVMF_VARS_SECURE), 1)]
        {
            enroll(&out, &certificate, beside).unwrap();
            let store = std::fs::read(&out).unwrap();
            assert_eq!(store.len(), template.len());
            // What was written before is unchanged, except that an old db is marked deleted.
            let changed: Vec<u8> = store
                .iter()
                .zip(&template)
                .filter(|(new, old)| new != old && **old != 0xff)
                .map(|(new, _)| *new)
                .collect();
            assert_eq!(changed, if count == 3 { vec![] } else { vec![DELETED] });
            assert_eq!(times(&store), count);
            assert_eq!(times(&with_keys(store.clone(), &certificate).unwrap()), count + 2);
            assert!(with_keys(store[..4096].to_vec(), &certificate).is_none());
        }
        assert!(with_keys(vec![0xff; 1 << 16], &certificate).is_none());
    }
}

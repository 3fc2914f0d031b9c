//! [`examine`]: what a LUKS header says (LUKS1 On-Disk Format 1.2.3, LUKS2 On-Disk Format 1.1.1), and its backup.
//!
//! The header is read from the device itself: `cryptsetup luksDump` prints neither label nor UUID as JSON, and its text differs from
//! release to release. What is not looked at here comes back all the same, with the backup.

use lifeboat_machine::Name;
use lifeboat_machine::layout::{HeaderBackup, LuksHeader};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

const MAGIC: &[u8; 6] = b"LUKS\xba\xbe";
/// Magic of the second header of LUKS2.
const SECOND: &[u8; 6] = b"SKUL\xba\xbe";
/// Where the second header of LUKS2 may be, in bytes: it follows the first, whose size is one of these.
const SIZES: [u64; 9] = [0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x10_0000, 0x20_0000, 0x40_0000];
/// A key slot of LUKS1 in use.
const ACTIVE: u32 = 0x00AC_71F3;
/// No header with its key slots is larger (LUKS2: 2 × 4 MiB and 128 MiB).
const LARGEST: u64 = 136 << 20;
/// cryptsetup reads backups of LUKS1 in whole pages, whatever the size of a page is here.
const PAGES: u64 = 65_536;
/// Types of tokens whose key slots open on this machine only, or while its network answers.
const BOUND: [&str; 2] = ["systemd-tpm2", "clevis"];
/// Types of tokens whose key slots open with a device that a person plugs in: not in a recovery either.
const TOKENS: [&str; 2] = ["systemd-fido2", "systemd-pkcs11"];
/// What luksmeta begins with.
const LUKSMETA: &[u8] = b"LUKSMETA";

/// A header that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    /// For the description.
    pub header: LuksHeader,
    /// For luksHeaderRestore: the header with the key slots in use; zeros in place of all others.
    pub backup: Vec<u8>,
    /// What cannot be made again, as sentences about the device, and what to do.
    pub refusals: Vec<(String, &'static str)>,
    /// Kinds of tokens whose key slots may not open on other hardware.
    pub bound: Vec<String>,
}

/// Reads a header; `None` when there is none.
///
/// # Errors
/// A sentence about the device, when it cannot be read or its header is damaged.
pub fn examine(device: &Path) -> Result<Option<Examined>, String> {
    let mut file = File::open(device).map_err(|error| format!("cannot READ its LUKS header: {error}"))?;
    read(&mut file)
}

/// The same from anything that can be read.
pub fn read(device: &mut (impl Read + Seek)) -> Result<Option<Examined>, String> {
    let first = at(device, 0, 4096)?;
    match (first.get(..6), first.get(6..8)) {
        (Some(magic), Some([0, 1])) if magic == MAGIC => one(device, &first).map(Some),
        (Some(magic), Some([0, 2])) if magic == MAGIC => two(device).map(Some),
        (Some(magic), Some([a, b])) if magic == MAGIC => {
            Err(format!("its LUKS header has the version {}, which is not known", u16::from_be_bytes([*a, *b])))
        }
        _ => Ok(None),
    }
}

fn at(device: &mut (impl Read + Seek), offset: u64, length: u64) -> Result<Vec<u8>, String> {
    let failed = |error| format!("cannot READ its LUKS header: {error}");
    device.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = vec![];
    device.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn text(field: &[u8]) -> Name {
    Name(field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
}

/// A UUID that can be part of a file's name.
fn uuid(field: &[u8]) -> Result<String, String> {
    let uuid = String::from_utf8_lossy(&text(field).0).into_owned();
    let well = !uuid.is_empty() && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    well.then_some(uuid).ok_or_else(|| "its LUKS header has no valid UUID".to_owned())
}

fn number(bytes: &[u8], offset: usize, length: usize) -> u64 {
    bytes.iter().skip(offset).take(length).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The first `length` bytes of a device, with zeros wherever nothing is kept.
fn backup(device: &mut (impl Read + Seek), length: u64, kept: &[(u64, u64)]) -> Result<Vec<u8>, String> {
    if length > LARGEST {
        return Err("its LUKS header is larger than any that cryptsetup makes".to_owned());
    }
    let mut bytes = vec![0; length as usize];
    for (offset, count) in kept {
        let end = offset.checked_add(*count).filter(|end| *end <= length);
        let end = end.ok_or("its LUKS header has a key slot beyond its end; see 'cryptsetup luksDump'")?;
        let read = at(device, *offset, *count)?;
        let place = &mut bytes[*offset as usize..end as usize];
        if read.len() != place.len() {
            return Err("it ends within its LUKS header".to_owned());
        }
        place.copy_from_slice(&read);
    }
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> HeaderBackup {
    HeaderBackup { size_bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() }
}

fn one(device: &mut (impl Read + Seek), first: &[u8]) -> Result<Examined, String> {
    const DETACHED: &str = "its LUKS header is on another device (detached), which cannot be rebuilt";
    let payload = number(first, 104, 4) * 512;
    let key_bytes = number(first, 108, 4);
    let mut kept = vec![(0, 4096)];
    let mut end = 4096;
    for slot in 0..8 {
        let place = 208 + slot * 48;
        // Products of 32 bits each.
        let (from, bytes) = (number(first, place + 40, 4) * 512, key_bytes * number(first, place + 44, 4));
        let bytes = bytes.min(LARGEST * 2).next_multiple_of(512);
        end = end.max(from.saturating_add(bytes));
        if number(first, place, 4) == u64::from(ACTIVE) {
            kept.push((from, bytes));
        }
    }
    let backup = backup(device, payload.max(end).min(LARGEST * 2).next_multiple_of(PAGES), &kept)?;
    // clevis keeps what it needs behind the key slots of LUKS1, where cryptsetup's header backup does not reach (luksmeta(8)).
    let gap = at(device, end.min(LARGEST).next_multiple_of(4096), LUKSMETA.len() as u64)?;
    let bound =
        if gap == LUKSMETA { vec!["clevis with luksmeta, which does not come back".to_owned()] } else { vec![] };
    let name = |from: usize, to: usize| text(&first[from..to]).to_string();
    let header = LuksHeader {
        version: 1,
        uuid: uuid(&first[168..208])?,
        label: Name::default(),
        subsystem: Name::default(),
        cipher: format!("{}-{}", name(8, 40), name(40, 72)),
        sector_bytes: 512,
        data_offset_bytes: payload,
        integrity: None,
        backup: Some(digest(&backup)),
    };
    let refusals = if payload == 0 { vec![(DETACHED.to_owned(), "")] } else { vec![] };
    Ok(Examined { header, backup, refusals, bound })
}

/// One of the two headers of LUKS2 with its JSON, when its checksum is right.
fn whole(device: &mut (impl Read + Seek), offset: u64, magic: &[u8; 6]) -> Result<Option<Vec<u8>>, String> {
    let first = at(device, offset, 4096)?;
    let size = number(&first, 8, 8);
    if first.get(..6) != Some(magic) || !SIZES.contains(&size) || number(&first, 256, 8) != offset {
        return Ok(None);
    }
    let header = at(device, offset, size)?;
    let mut hashed = header.clone();
    let Some(sum) = hashed.get_mut(448..512) else { return Ok(None) };
    let recorded = sum.to_vec();
    sum.fill(0);
    let right = text(&header[72..104]).0 == b"sha256" && Sha256::digest(&hashed)[..] == recorded[..32];
    Ok((right && header.len() as u64 == size).then_some(header))
}

fn two(device: &mut (impl Read + Seek)) -> Result<Examined, String> {
    let mut found = whole(device, 0, MAGIC)?;
    for size in SIZES {
        if let Some(second) = whole(device, size, SECOND)?
            && found.as_ref().is_none_or(|first| number(&second, 16, 8) > number(first, 16, 8))
        {
            found = Some(second);
        }
    }
    let binary = found.ok_or("both copies of its LUKS header are damaged; see 'cryptsetup repair'")?;
    let size = number(&binary, 8, 8);
    let json = binary[4096..].split(|byte| *byte == 0).next().unwrap_or_default();
    let json: Value = serde_json::from_slice(json).map_err(|error| format!("its LUKS header is damaged: {error}"))?;
    let of = |value: &Value, key: &str| -> Option<u64> {
        value.get(key).and_then(|value| value.as_str().map_or(value.as_u64(), |text| text.parse().ok()))
    };
    let damaged = |what: &str| format!("its LUKS header has no {what}");
    let keyslots = of(&json["config"], "keyslots_size").ok_or_else(|| damaged("size of key slots"))?;
    let slots = json["keyslots"].as_object().ok_or_else(|| damaged("key slots"))?;
    let mut kept = vec![(0, 2 * size)];
    let mut refusals: Vec<(String, &'static str)> = vec![];
    for slot in slots.values() {
        let area = &slot["area"];
        let place = of(area, "offset").zip(of(area, "size")).ok_or_else(|| damaged("place of a key slot"))?;
        kept.push(place);
    }
    let segments: Vec<&Value> = json["segments"].as_object().into_iter().flat_map(|all| all.values()).collect();
    let segment = *segments.first().ok_or_else(|| damaged("segment of data"))?;
    let kind = segment["type"].as_str().unwrap_or_default();
    let required = json.pointer("/config/requirements/mandatory").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let (again, other): (Vec<&str>, Vec<&str>) = required.partition(|name| name.contains("reencrypt"));
    if !again.is_empty() || segments.len() > 1 || slots.values().any(|slot| slot["type"] != "luks2") {
        refusals.push(("it is being re-encrypted".into(), "bring that to its end: cryptsetup reencrypt --resume-only"));
    }
    // The drive's own encryption and integrity are refused below, in their words.
    if let Some(name) = other.iter().find(|name| !name.starts_with("opal") && !name.starts_with("inline")) {
        refusals.push((format!("it requires {name}, which this release does not know"), ""));
    }
    if kind.starts_with("hw-opal") {
        refusals.push(("it is encrypted by the drive itself (OPAL), which cannot be rebuilt".into(), ""));
    } else if kind != "crypt" {
        refusals.push((format!("its LUKS header has a segment of type {kind}, which is not known"), ""));
    }
    if segment["size"] != "dynamic" {
        refusals.push(("it encrypts a part of its device only, which cannot be rebuilt".into(), ""));
    }
    let integrity = segment.pointer("/integrity/type").and_then(Value::as_str).map(str::to_owned);
    if let Some(kind) = &integrity {
        refusals.push((format!("it is encrypted with integrity checksums ({kind}), which cannot be rebuilt"), ""));
    }
    let (bound, tokens) = (tokens(&json, &BOUND), tokens(&json, &[&BOUND[..], &TOKENS].concat()));
    if !slots.is_empty() && slots.keys().all(|slot| tokens.iter().any(|(_, slots)| slots.contains(slot))) {
        refusals.push((
            "only a TPM, clevis or a security token opens it, and a recovery takes passphrases and key files".into(),
            "add a passphrase (cryptsetup luksAddKey) or a recovery key (systemd-cryptenroll --recovery-key)",
        ));
    }
    let data_offset_bytes = of(segment, "offset").ok_or_else(|| damaged("beginning of data"))?;
    let length = keyslots.checked_add(2 * size).ok_or_else(|| damaged("valid size of key slots"))?;
    if data_offset_bytes < length {
        refusals.push(("its LUKS header is on another device (detached), which cannot be rebuilt".into(), ""));
    }
    let backup = backup(device, length, &kept)?;
    let header = LuksHeader {
        version: 2,
        uuid: uuid(&binary[168..208])?,
        label: text(&binary[24..72]),
        subsystem: text(&binary[208..256]),
        cipher: segment["encryption"].as_str().unwrap_or_default().to_owned(),
        sector_bytes: of(segment, "sector_size").and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(512),
        data_offset_bytes,
        integrity,
        backup: Some(digest(&backup)),
    };
    let mut bound: Vec<String> = bound.into_iter().map(|(kind, _)| kind).collect();
    bound.sort();
    bound.dedup();
    Ok(Examined { header, backup, refusals, bound })
}

/// Tokens of these kinds: their kinds and key slots.
fn tokens(json: &Value, kinds: &[&str]) -> Vec<(String, Vec<String>)> {
    let tokens = json["tokens"].as_object().into_iter().flat_map(|all| all.values());
    let token = |token: &Value| {
        let kind = token["type"].as_str().filter(|kind| kinds.contains(kind))?.to_owned();
        let slots = token["keyslots"].as_array().into_iter().flatten();
        Some((kind, slots.filter_map(|slot| slot.as_str().map(str::to_owned)).collect()))
    };
    tokens.filter_map(token).collect()
}

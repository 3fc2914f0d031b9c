//! Partition tables: sfdisk's JSON (sfdisk(8)), and the first sector as it is.

use crate::prober::little_endian;
use base64::Engine as _;
use lifeboat_machine::layout::{DeviceId, GPT_ENTRIES, Partition, PartitionRole, PartitionTable, TableKind};
use serde::Deserialize;

/// Length of the boot code in sector 0, before the disk signature.
const BOOT_CODE: usize = 440;

/// A table and its entries, in the order of their numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub table: PartitionTable,
    pub partitions: Vec<Partition>,
}

/// Why a table cannot be rebuilt.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableError {
    #[error("sfdisk's description of its partition table cannot be read: {0}")]
    Json(String),
    #[error("it has a partition table of the kind {0}; only gpt and dos are known")]
    Kind(String),
    #[error("its partition table has {0}, which Lifeboat does not know")]
    Unknown(String),
    #[error("sfdisk names the partition {0}, whose number cannot be determined")]
    Number(String),
    #[error("it has a hybrid MBR: beside the GPT, its first sector holds partitions of its own")]
    Hybrid,
    #[error("it has no protective MBR, so it is GPT to some programs and empty to others")]
    NoProtectiveMbr,
    #[error("its partitions {0} and {1} overlap")]
    Overlap(u32, u32),
    #[error("it has two extended partitions")]
    TwoExtended,
    #[error("its partition {0} is a logical partition outside any extended partition")]
    LostLogical(u32),
    // libfdisk knows no surrogate pairs: "Failed to translate partition name" (util-linux 2.38, 2.41).
    #[error(
        "the name of its partition {0} has characters that sfdisk cannot write, such as emoji; try another name with sfdisk --part-label"
    )]
    Name(u32),
}

#[derive(Deserialize)]
struct Answer {
    partitiontable: Json,
}

#[derive(Deserialize)]
struct Json {
    label: String,
    #[serde(default)]
    id: String,
    device: String,
    unit: String,
    firstlba: Option<u64>,
    lastlba: Option<u64>,
    // A string up to util-linux 2.41 at least, though it is a number.
    #[serde(rename = "table-length")]
    table_length: Option<serde_json::Value>,
    // Since 2.35. Information only: the kernel's value counts.
    #[serde(rename = "sectorsize")]
    _sector_size: Option<u64>,
    #[serde(rename = "grain")]
    _grain: Option<serde_json::Value>,
    #[serde(default)]
    partitions: Vec<Entry>,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Entry {
    node: String,
    start: u64,
    size: u64,
    #[serde(rename = "type")]
    kind: String,
    uuid: Option<String>,
    name: Option<String>,
    attrs: Option<String>,
    #[serde(default)]
    bootable: bool,
    #[serde(flatten)]
    others: serde_json::Map<String, serde_json::Value>,
}

/// Reads `sfdisk --json` for the disk `parent`, whose first sector is `sector`.
pub(crate) fn parse(json: &[u8], sector: &[u8], parent: &DeviceId) -> Result<Table, TableError> {
    let text = String::from_utf8_lossy(json);
    let answer: Answer = serde_json::from_str(&text).map_err(|error| TableError::Json(error.to_string()))?;
    let table = answer.partitiontable;
    let unknown = table.others.keys().chain(table.partitions.iter().flat_map(|entry| entry.others.keys())).next();
    if let Some(unknown) = unknown {
        return Err(TableError::Unknown(format!("the property {unknown}")));
    }
    if table.unit != "sectors" {
        return Err(TableError::Unknown(format!("the unit {}", table.unit)));
    }
    let kind = match table.label.as_str() {
        "gpt" => TableKind::Gpt,
        "dos" => TableKind::Mbr,
        other => return Err(TableError::Kind(other.to_owned())),
    };
    let mut partitions = vec![];
    for entry in table.partitions {
        let number = number(&table.device, &entry.node).ok_or_else(|| TableError::Number(entry.node.clone()))?;
        partitions.push(partition(kind, number, entry, parent));
    }
    partitions.sort_by_key(|partition| partition.number);
    check(kind, &partitions, sector)?;
    let entries = match (kind, &table.table_length) {
        (TableKind::Mbr, _) => None,
        // sfdisk writes it only when it is another than the usual (libfdisk, GPT_NPARTITIONS).
        (TableKind::Gpt, None) => Some(GPT_ENTRIES),
        (TableKind::Gpt, Some(length)) => {
            let number = length.as_u64().or_else(|| length.as_str()?.parse().ok());
            let number = number.and_then(|number| u32::try_from(number).ok());
            Some(number.ok_or_else(|| TableError::Unknown(format!("the table length {length}")))?)
        }
    };
    let id = match kind {
        TableKind::Gpt => table.id.to_ascii_uppercase(),
        TableKind::Mbr => table.id.to_ascii_lowercase(),
    };
    let gpt = kind == TableKind::Gpt;
    let (first_lba, last_lba) = (table.firstlba.filter(|_| gpt), table.lastlba.filter(|_| gpt));
    Ok(Table {
        table: PartitionTable { kind, id, first_lba, last_lba, entries, boot_code: boot_code(sector) },
        partitions,
    })
}

fn partition(kind: TableKind, number: u32, entry: Entry, parent: &DeviceId) -> Partition {
    let gpt = kind == TableKind::Gpt;
    // sfdisk leaves out leading zeros: `c`, `ef`.
    let type_id = if gpt { entry.kind.to_ascii_uppercase() } else { entry.kind.to_ascii_lowercase() };
    let role = match type_id.as_str() {
        "5" | "f" | "85" if !gpt => PartitionRole::Extended,
        _ if !gpt && number > 4 => PartitionRole::Logical,
        _ => PartitionRole::Primary,
    };
    Partition {
        parent: parent.clone(),
        number,
        start_sector: entry.start,
        sectors: entry.size,
        type_id,
        uuid: entry.uuid.filter(|_| gpt).map(|uuid| uuid.to_ascii_uppercase()),
        name: entry.name.filter(|name| !name.is_empty()),
        attributes: entry.attrs.filter(|attributes| !attributes.trim().is_empty()),
        bootable: entry.bootable,
        role,
    }
}

/// The number at the end of a partition's name: `/dev/nvme0n1p2` of `/dev/nvme0n1` is 2.
fn number(device: &str, node: &str) -> Option<u32> {
    let rest = node.strip_prefix(device)?;
    rest.strip_prefix('p').or_else(|| rest.strip_prefix("-part")).unwrap_or(rest).parse().ok()
}

fn check(kind: TableKind, partitions: &[Partition], sector: &[u8]) -> Result<(), TableError> {
    if let Some(partition) = partitions.iter().find(|partition| partition.has_unwritable_name()) {
        return Err(TableError::Name(partition.number));
    }
    if kind == TableKind::Gpt && !sector.is_empty() {
        let types = entry_types(sector);
        match types.iter().filter(|kind| **kind == 0xee).count() {
            0 => return Err(TableError::NoProtectiveMbr),
            _ if types.iter().any(|kind| *kind != 0xee && *kind != 0) => return Err(TableError::Hybrid),
            _ => {}
        }
    }
    let extended: Vec<&Partition> = partitions.iter().filter(|p| p.role == PartitionRole::Extended).collect();
    if extended.iter().filter(|p| p.number <= 4).count() > 1 {
        return Err(TableError::TwoExtended);
    }
    let end = |p: &Partition| p.start_sector.saturating_add(p.sectors);
    for logical in partitions.iter().filter(|p| p.role == PartitionRole::Logical) {
        if !extended.iter().any(|e| e.start_sector <= logical.start_sector && end(logical) <= end(e)) {
            return Err(TableError::LostLogical(logical.number));
        }
    }
    for (index, a) in partitions.iter().enumerate() {
        for b in &partitions[index + 1..] {
            let contains = |outer: &Partition, inner: &Partition| {
                outer.role == PartitionRole::Extended && inner.role == PartitionRole::Logical
            };
            if a.start_sector < end(b) && b.start_sector < end(a) && !contains(a, b) && !contains(b, a) {
                return Err(TableError::Overlap(a.number, b.number));
            }
        }
    }
    Ok(())
}

/// The type bytes of the four entries in a master boot record; empty without its magic.
pub(crate) fn entry_types(sector: &[u8]) -> Vec<u8> {
    if sector.get(510..512) != Some(&[0x55, 0xaa]) {
        return vec![];
    }
    (0..4).filter_map(|index| sector.get(446 + 16 * index + 4).copied()).collect()
}

/// The boot code of a first sector, base64; `None` when there is none.
pub(crate) fn boot_code(sector: &[u8]) -> Option<String> {
    let code = sector.get(..BOOT_CODE)?;
    code.iter().any(|b| *b != 0).then(|| base64::engine::general_purpose::STANDARD.encode(code))
}

/// The disk signature of a master boot record, as a number.
pub(crate) fn mbr_signature(sector: &[u8]) -> Option<u32> {
    little_endian(sector, BOOT_CODE, 4).and_then(|id| u32::try_from(id).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::layout::{BIOS_BOOT_TYPE, ESP_TYPE};

    fn sector(types: [u8; 4]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        for (index, kind) in types.iter().enumerate() {
            sector[446 + 16 * index + 4] = *kind;
        }
        sector[510] = 0x55;
        sector[511] = 0xaa;
        sector
    }

    fn disk0() -> DeviceId {
        DeviceId("disk0".into())
    }

    #[test]
    fn gpt() {
        let json = include_bytes!("../fixtures/sfdisk-gpt.json");
        let found = parse(json, &sector([0xee, 0, 0, 0]), &disk0()).unwrap();
        assert_eq!(found.table.kind, TableKind::Gpt);
        assert_eq!(found.table.entries, Some(64));
        assert_eq!((found.table.first_lba, found.table.last_lba), (Some(2048), Some(131054)));
        assert_eq!(found.table.boot_code, None);
        assert_eq!(found.partitions.len(), 3);
        let esp = &found.partitions[0];
        assert_eq!((esp.number, esp.start_sector, esp.sectors), (1, 2048, 20480));
        assert_eq!(esp.type_id, ESP_TYPE);
        assert_eq!(esp.name.as_deref(), Some("EFI ü q system"));
        assert_eq!(esp.attributes.as_deref(), Some("RequiredPartition GUID:63"));
        assert_eq!(found.partitions[1].type_id, BIOS_BOOT_TYPE);
        assert_eq!(found.partitions[1].name.as_deref(), Some("a\"b\\c"));
        assert_eq!(found.partitions[2].name, None);
    }

    #[test]
    fn mbr_with_logical_partitions() {
        let json = include_bytes!("../fixtures/sfdisk-dos.json");
        let mut first = sector([0x83, 5, 0, 0]);
        first[3] = 0x63;
        let found = parse(json, &first, &disk0()).unwrap();
        assert_eq!(found.table.kind, TableKind::Mbr);
        assert!(found.table.id.starts_with("0x"));
        assert_eq!((found.table.entries, found.table.first_lba), (None, None));
        assert!(found.table.boot_code.is_some());
        let roles: Vec<_> = found.partitions.iter().map(|p| (p.number, p.role, p.bootable)).collect();
        use PartitionRole::{Extended, Logical, Primary};
        assert_eq!(roles, [(1, Primary, true), (2, Extended, false), (5, Logical, false), (6, Logical, false)]);
    }

    #[test]
    fn what_cannot_be_rebuilt() {
        let table = |label: &str, partitions: &str| {
            format!(
                r#"{{"partitiontable":{{"label":"{label}","id":"0x1","device":"/dev/sda","unit":"sectors","partitions":[{partitions}]}}}}"#
            )
        };
        let protective = sector([0xee, 0, 0, 0]);
        let a = r#"{"node":"/dev/sda1","start":2048,"size":100,"type":"83"}"#;
        for (json, first, expected) in [
            (table("gpt", ""), sector([0xee, 0x83, 0, 0]), TableError::Hybrid),
            (table("gpt", ""), sector([0, 0, 0, 0]), TableError::NoProtectiveMbr),
            (
                table("gpt", r#"{"node":"/dev/sda7","start":2048,"size":100,"type":"x","name":"box 🚢"}"#),
                protective.clone(),
                TableError::Name(7),
            ),
            (table("sun", ""), protective.clone(), TableError::Kind("sun".into())),
            (
                table("dos", &format!(r#"{a},{{"node":"/dev/sda2","start":2100,"size":100,"type":"83"}}"#)),
                protective.clone(),
                TableError::Overlap(1, 2),
            ),
            (
                table("dos", r#"{"node":"/dev/sda5","start":2100,"size":100,"type":"83"}"#),
                protective.clone(),
                TableError::LostLogical(5),
            ),
            (
                table("dos", r#"{"node":"/dev/sda1","start":1,"size":1,"type":"83","spin":7}"#),
                protective.clone(),
                TableError::Unknown("the property spin".into()),
            ),
            (
                table("dos", r#"{"node":"/dev/sdb1","start":1,"size":1,"type":"83"}"#),
                protective.clone(),
                TableError::Number("/dev/sdb1".into()),
            ),
        ] {
            assert_eq!(parse(json.as_bytes(), &first, &disk0()), Err(expected), "{json}");
        }
        assert!(matches!(parse(b"{", &protective, &disk0()), Err(TableError::Json(_))));
    }

    #[test]
    fn partition_numbers() {
        for (device, node, expected) in [
            ("/dev/sda", "/dev/sda12", Some(12)),
            ("/dev/nvme0n1", "/dev/nvme0n1p3", Some(3)),
            ("/dev/mapper/mpatha", "/dev/mapper/mpatha-part1", Some(1)),
            ("/dev/sda", "/dev/sda", None),
        ] {
            assert_eq!(number(device, node), expected, "{node}");
        }
    }
}

//! EFI variables: `Boot####` as EFI_LOAD_OPTION (UEFI specification 2.10, 3.1.3), device paths (chapter 10).

use crate::prober::{label_field, little_endian};

/// GUID of the variables that the specification itself defines.
pub(crate) const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// Length of the attributes that efivarfs puts before a variable's data.
const ATTRIBUTES: usize = 4;

/// A boot entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadOption {
    pub label: String,
    pub partition: Option<PartitionPath>,
    /// Path with backslashes; empty when the entry names a whole partition.
    pub loader: String,
    /// What follows the device path.
    pub optional_data: Vec<u8>,
}

/// How a device path names a partition (10.3.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartitionPath {
    /// By GUID, upper case.
    Gpt(String),
    /// By number and the disk's signature.
    Mbr { number: u32, signature: u32 },
}

/// Reads a `Boot####` file of efivarfs.
pub(crate) fn parse_load_option(file: &[u8]) -> Option<LoadOption> {
    let data = file.get(ATTRIBUTES..)?;
    let path_length = usize::try_from(little_endian(data, 4, 2)?).ok()?;
    let (label, length) = ucs2(data.get(6..)?)?;
    let path_start = 6 + length;
    let path_end = path_start.checked_add(path_length)?;
    let (partition, loader) = parse_device_path(data.get(path_start..path_end)?);
    Some(LoadOption { label, partition, loader, optional_data: data[path_end..].to_vec() })
}

/// The partition and file that a device path leads to.
fn parse_device_path(mut path: &[u8]) -> (Option<PartitionPath>, String) {
    let mut partition = None;
    let mut loader = String::new();
    // Each node: type, subtype, length with this header.
    while let (Some(&kind), Some(&subtype), Some(length)) = (path.first(), path.get(1), little_endian(path, 2, 2)) {
        let length = usize::try_from(length).unwrap_or(0);
        let (Some(node), Some(rest)) = (path.get(..length), path.get(length..)) else { break };
        if length < 4 || kind == 0x7f {
            break;
        }
        match (kind, subtype) {
            (4, 1) => partition = hard_drive(node),
            (4, 4) => {
                if let Some((text, _)) = ucs2_open(&node[4..]) {
                    // A path may be cut into several nodes.
                    if !loader.is_empty() && !loader.ends_with('\\') && !text.starts_with('\\') {
                        loader.push('\\');
                    }
                    loader.push_str(&text);
                }
            }
            _ => {}
        }
        path = rest;
    }
    (partition, loader)
}

fn hard_drive(node: &[u8]) -> Option<PartitionPath> {
    let number = u32::try_from(little_endian(node, 4, 4)?).ok()?;
    let signature = node.get(24..40)?;
    match node.get(41)? {
        2 => Some(PartitionPath::Gpt(guid(signature))),
        1 => Some(PartitionPath::Mbr { number, signature: u32::try_from(little_endian(signature, 0, 4)?).ok()? }),
        _ => None,
    }
}

/// A GUID in its text form, upper case: its first three fields are little-endian (appendix A).
pub(crate) fn guid(bytes: &[u8]) -> String {
    let field = |offset, length| little_endian(bytes, offset, length).unwrap_or(0);
    let tail: String = bytes.iter().skip(10).take(6).map(|b| format!("{b:02X}")).collect();
    let clock: String = bytes.iter().skip(8).take(2).map(|b| format!("{b:02X}")).collect();
    format!("{:08X}-{:04X}-{:04X}-{clock}-{tail}", field(0, 4), field(4, 2), field(6, 2))
}

/// A zero-terminated UCS-2 text and the bytes that it takes.
fn ucs2(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.chunks_exact(2).position(|pair| pair == [0, 0])?;
    Some((text(&bytes[..2 * end]), 2 * end + 2))
}

/// The same, but the end of the bytes ends the text, too.
fn ucs2_open(bytes: &[u8]) -> Option<(String, usize)> {
    ucs2(bytes).or_else(|| Some((text(bytes), bytes.len())))
}

fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

/// Reads BootOrder: the numbers of the entries.
pub(crate) fn parse_boot_order(file: &[u8]) -> Vec<u16> {
    let data = file.get(ATTRIBUTES..).unwrap_or_default();
    data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// Reads SecureBoot: 1 when it is enforced.
pub(crate) fn parse_flag(file: &[u8]) -> bool {
    file.get(ATTRIBUTES) == Some(&1)
}

/// What systemd-boot says of itself in its `.sdmagic` section: `systemd-boot 252.30-1`.
pub(crate) fn loader_info(program: &[u8]) -> Option<String> {
    const MAGIC: &[u8] = b"#### LoaderInfo: ";
    let at = program.windows(MAGIC.len()).position(|window| window == MAGIC)? + MAGIC.len();
    let rest = &program[at..program.len().min(at + 100)];
    let end = rest.windows(5).position(|window| window == b" ####").unwrap_or(rest.len());
    Some(label_field(&rest[..end]).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn node(kind: u8, subtype: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 4).unwrap().to_le_bytes();
        [&[kind, subtype, length[0], length[1]], body].concat()
    }

    fn option(label: &str, path: &[u8], optional: &[u8]) -> Vec<u8> {
        let mut file = vec![7, 0, 0, 0, 1, 0, 0, 0];
        file.extend(u16::try_from(path.len()).unwrap().to_le_bytes());
        file.extend(wide(label));
        file.extend(path);
        file.extend(optional);
        file
    }

    fn drive(signature: [u8; 16], mbr_type: u8) -> Vec<u8> {
        let mut body = 15_u32.to_le_bytes().to_vec();
        body.extend(2048_u64.to_le_bytes());
        body.extend(8192_u64.to_le_bytes());
        body.extend(signature);
        body.extend([mbr_type, mbr_type]);
        node(4, 1, &body)
    }

    const END: [u8; 4] = [0x7f, 0xff, 4, 0];

    #[test]
    fn a_debian_entry() {
        let signature =
            [0x22, 0xf7, 0xa3, 0x46, 0xf4, 0xc3, 0x45, 0x43, 0x96, 0x45, 0xb8, 0xf9, 0x91, 0xfd, 0x13, 0x31];
        let path = [drive(signature, 2), node(4, 4, &wide("\\EFI\\debian\\shimx64.efi")), END.to_vec()].concat();
        let entry = parse_load_option(&option("debian", &path, b"args")).unwrap();
        assert_eq!(entry.label, "debian");
        assert_eq!(entry.loader, "\\EFI\\debian\\shimx64.efi");
        assert_eq!(entry.partition, Some(PartitionPath::Gpt("46A3F722-C3F4-4345-9645-B8F991FD1331".into())));
        assert_eq!(entry.optional_data, b"args");
    }

    #[test]
    fn other_entries() {
        let mut signature = [0; 16];
        signature[..4].copy_from_slice(&0x552c_c28f_u32.to_le_bytes());
        let entry = parse_load_option(&option("mbr", &[drive(signature, 1), END.to_vec()].concat(), b"")).unwrap();
        assert_eq!(entry.partition, Some(PartitionPath::Mbr { number: 15, signature: 0x552c_c28f }));
        // A network entry: PCI and MAC nodes only.
        let path = [node(2, 1, &[0; 8]), node(1, 1, &[0, 3]), node(3, 11, &[0; 33]), END.to_vec()].concat();
        let entry = parse_load_option(&option("UEFI PXEv4", &path, b"")).unwrap();
        assert_eq!((entry.partition, entry.loader.as_str()), (None, ""));
        assert_eq!(parse_load_option(b"\x07\0\0\0short"), None);
    }

    #[test]
    fn order_and_flags() {
        assert_eq!(parse_boot_order(b"\x07\0\0\0\x03\0\x01\x20"), [3, 0x2001]);
        assert!(parse_flag(b"\x06\0\0\0\x01"));
        assert!(!parse_flag(b"\x06\0\0\0\0"));
        assert!(!parse_flag(b""));
    }

    #[test]
    fn systemd_boot_says_its_name() {
        let program = b"MZ....#### LoaderInfo: systemd-boot 252.30-1~deb12u2 ####\0";
        assert_eq!(loader_info(program).as_deref(), Some("systemd-boot 252.30-1~deb12u2"));
        assert_eq!(loader_info(b"MZ GRUB"), None);
    }

    #[test]
    fn any_variable_is_read() {
        use proptest::prelude::*;
        let path = [drive([1; 16], 2), node(4, 4, &wide("\\x")), END.to_vec()].concat();
        let good = option("label", &path, b"");
        proptest!(|(at in 0..good.len(), value: u8, cut in 0..good.len(), noise in proptest::collection::vec(any::<u8>(), 0..80))| {
            let mut file = good.clone();
            file[at] = value;
            let _ = parse_load_option(&file);
            let _ = parse_load_option(&good[..cut]);
            let _ = parse_load_option(&noise);
            let _ = (parse_boot_order(&noise), parse_flag(&noise), loader_info(&noise));
        });
    }
}

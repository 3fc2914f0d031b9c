//! EFI_LOAD_OPTION: what a `Boot####` variable holds (UEFI specification, 3.1.3 and 10.3.5).

/// LOAD_OPTION_ACTIVE.
const ACTIVE: u32 = 1;

/// How firmware finds a partition again (hard drive media device path).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HardDrive {
    /// Partition number.
    pub partition: u32,
    /// First sector.
    pub start: u64,
    /// Length in sectors.
    pub sectors: u64,
    /// Its identity.
    pub signature: Signature,
}

/// Identity of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// GPT partition GUID, in the order in which it is written: `12345678-…` begins with 0x12.
    Gpt([u8; 16]),
    /// MBR disk signature.
    Mbr(u32),
}

/// A boot entry of a file on a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOption {
    /// What the firmware shows.
    pub label: String,
    /// Where the file is.
    pub drive: HardDrive,
    /// The file, with backslashes.
    pub file: String,
    /// What the file is given to read.
    pub data: Vec<u8>,
}

impl LoadOption {
    /// The bytes of the variable, without its attributes.
    pub fn encode(&self) -> Vec<u8> {
        let mut path = vec![];
        // Media device path (4), hard drive (1), 42 bytes.
        path.extend_from_slice(&[4, 1, 42, 0]);
        path.extend_from_slice(&self.drive.partition.to_le_bytes());
        path.extend_from_slice(&self.drive.start.to_le_bytes());
        path.extend_from_slice(&self.drive.sectors.to_le_bytes());
        match self.drive.signature {
            // Partition format GPT (2), signature type GUID (2).
            Signature::Gpt(guid) => {
                path.extend_from_slice(&mixed_endian(guid));
                path.extend_from_slice(&[2, 2]);
            }
            // Partition format MBR (1), signature type 32 bits (1).
            Signature::Mbr(signature) => {
                path.extend_from_slice(&signature.to_le_bytes());
                path.extend_from_slice(&[0; 12]);
                path.extend_from_slice(&[1, 1]);
            }
        }
        // Media device path (4), file path (4).
        let file = utf16(&self.file);
        path.extend_from_slice(&[4, 4]);
        path.extend_from_slice(&(file.len() as u16 + 4).to_le_bytes());
        path.extend_from_slice(&file);
        // End of the entire device path.
        path.extend_from_slice(&[0x7f, 0xff, 4, 0]);
        let mut out = ACTIVE.to_le_bytes().to_vec();
        out.extend_from_slice(&(path.len() as u16).to_le_bytes());
        out.extend_from_slice(&utf16(&self.label));
        out.extend_from_slice(&path);
        out.extend_from_slice(&self.data);
        out
    }

    /// Reads a variable without its attributes; `None` for entries of another kind.
    pub fn decode(bytes: &[u8]) -> Option<LoadOption> {
        let (label, used) = text(bytes.get(6..)?)?;
        let length = usize::from(u16::from_le_bytes(bytes.get(4..6)?.try_into().ok()?));
        let mut path = bytes.get(6 + used..)?.get(..length)?;
        let data = bytes.get(6 + used + length..)?.to_vec();
        let (mut drive, mut file) = (None, None);
        while let [kind, sub, low, high, ..] = *path {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let body = path.get(4..length)?;
            match (kind, sub) {
                (4, 1) => drive = Some(hard_drive(body)?),
                (4, 4) => file = Some(text(body)?.0),
                (0x7f, _) => break,
                _ => {}
            }
            path = &path[length..];
        }
        Some(LoadOption { label, drive: drive?, file: file?, data })
    }
}

fn hard_drive(body: &[u8]) -> Option<HardDrive> {
    let long = |at: usize| Some(u64::from_le_bytes(body.get(at..at + 8)?.try_into().ok()?));
    let signature: [u8; 16] = body.get(20..36)?.try_into().ok()?;
    Some(HardDrive {
        partition: u32::from_le_bytes(body.get(..4)?.try_into().ok()?),
        start: long(4)?,
        sectors: long(12)?,
        signature: match body.get(37)? {
            2 => Signature::Gpt(mixed_endian(signature)),
            _ => Signature::Mbr(u32::from_le_bytes(body.get(20..24)?.try_into().ok()?)),
        },
    })
}

/// EFI stores the first three fields of a GUID little-endian. Its own inverse.
fn mixed_endian(mut guid: [u8; 16]) -> [u8; 16] {
    guid[..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    guid
}

/// UTF-16LE with a final NUL.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// Text up to its NUL, and the bytes that it takes with it.
fn text(bytes: &[u8]) -> Option<(String, usize)> {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    let used = units.len() * 2 + 2;
    (used <= bytes.len()).then(|| (String::from_utf16_lossy(&units), used))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A variable that efibootmgr made for Debian: label `debian`, partition 1 at sector 2048.
    const DEBIAN: &str = "0100000062006400650062006900610 06e000000\
        04012a0001000000000800000000000000001000000000007856341234127856 9abcdef0123456780202\
        040434005c004500460049005c00640065006200690061006e005c007300680069006d007800360034002e006500660069000000\
        7fff0400";

    fn debian() -> LoadOption {
        LoadOption {
            label: "debian".into(),
            drive: HardDrive {
                partition: 1,
                start: 2048,
                sectors: 0x10_0000,
                signature: Signature::Gpt([
                    0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x12, 0x34, 0x56, 0x78,
                ]),
            },
            file: "\\EFI\\debian\\shimx64.efi".into(),
            data: vec![],
        }
    }

    #[test]
    fn by_the_specification() {
        let hex: String = DEBIAN.chars().filter(char::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        let encoded = debian().encode();
        // The length of the path stands where the fixture has zeros: it is checked on its own.
        assert_eq!(usize::from(u16::from_le_bytes([encoded[4], encoded[5]])), 42 + 52 + 4);
        assert_eq!(encoded[..4], bytes[..4]);
        assert_eq!(encoded[6 + 14..], bytes[bytes.len() - (42 + 52 + 4)..]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut option = debian();
        assert_eq!(LoadOption::decode(&option.encode()), Some(option.clone()));
        option.drive.signature = Signature::Mbr(0xdead_beef);
        option.label = "Füße".into();
        option.data = b"quiet".to_vec();
        assert_eq!(LoadOption::decode(&option.encode()), Some(option));
    }

    #[test]
    fn hostile_variables() {
        let bytes = debian().encode();
        for length in 0..bytes.len() {
            let _ = LoadOption::decode(&bytes[..length]);
        }
        let mut broken = bytes;
        broken[22] = 1;
        assert_eq!(LoadOption::decode(&broken), None);
    }
}

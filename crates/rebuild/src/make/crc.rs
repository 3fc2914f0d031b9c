//! CRC-32C, and a UUID for a wanted one.
//!
//! ext4 with metadata_csum_seed keeps the checksum of the UUID that it had first. mke2fs takes no seed, but a UUID can
//! be chosen whose checksum is the seed; tune2fs then sets the right one, which leaves the seed alone.

/// Reversed Castagnoli polynomial.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// CRC-32C without final inversion, begun with all ones, as ext4 uses it (e2fsprogs, lib/ext2fs/crc32c.c).
pub fn crc32c(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        let mut crc = crc ^ u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
        }
        crc
    })
}

/// A UUID like `uuid` in its first 12 bytes, with this CRC-32C.
pub fn uuid_with_crc(uuid: [u8; 16], wanted: u32) -> [u8; 16] {
    let state = crc32c(&uuid[..12]);
    // Runs the register backwards over the last 32 bits.
    let mut register = wanted;
    for _ in 0..32 {
        register = if register & 0x8000_0000 != 0 { ((register ^ POLYNOMIAL) << 1) | 1 } else { register << 1 };
    }
    let mut forged = uuid;
    forged[12..].copy_from_slice(&(register ^ state).to_le_bytes());
    forged
}

/// The bytes of a UUID in its usual spelling.
pub fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    if digits.len() != 32 {
        return None;
    }
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// A UUID in its usual spelling.
pub fn print_uuid(uuid: [u8; 16]) -> String {
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_value() {
        // The usual check value has a final inversion.
        assert_eq!(!crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn any_crc_can_be_had() {
        let uuid = parse_uuid("0f3a9b1c-1234-4abc-8def-001122334455").unwrap();
        for wanted in [0, 1, 0xdead_beef, u32::MAX] {
            assert_eq!(crc32c(&uuid_with_crc(uuid, wanted)), wanted);
        }
        assert_eq!(print_uuid(uuid), "0f3a9b1c-1234-4abc-8def-001122334455");
        assert_eq!(parse_uuid("1234-ABCD"), None);
    }
}

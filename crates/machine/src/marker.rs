//! The mark that a recovery leaves on a disk while the disk has no partition table of its own.
//!
//! It is written before anything is wiped and removed once the new table stands, so a disk that lost its power in
//! between is known as ours on the next boot (docs/decisions/0002-interrupted-recovery.md). `rebuild` writes it, `probe`
//! looks for it on disks whose bytes nothing else explains.
//!
//! The mark is [`LENGTH`] bytes at each of the two [`offsets`]: three lines of text in its first 512 bytes, which every
//! disk writes whole or not at all, closed by a checksum; zeros behind.

use crate::layout::DeviceId;

/// Length of a mark in bytes: one logical sector of the largest kind.
pub const LENGTH: usize = 4096;
/// The part that says something.
const BODY: usize = 512 - 8;
const MAGIC: &str = "LIFEBOAT RECOVERY 1";
const MIB: u64 = 1 << 20;

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The machine, see [`Marker::of`].
    pub machine: String,
    /// The recorded disk whose place this one takes.
    pub device: DeviceId,
}

/// Where a mark lies on a disk of this size: in the last 4 KiB of the first MiB, behind what a partition table needs,
/// and at the beginning of the last MiB, before what it needs there. Empty for disks too small to carry one.
pub fn offsets(size_bytes: u64) -> Vec<u64> {
    match size_bytes / 4096 * 4096 {
        size if size >= 4 * MIB => vec![MIB - LENGTH as u64, size - MIB],
        _ => vec![],
    }
}

impl Marker {
    /// The mark for a disk of a machine: named by its machine id, or its name where it has none.
    pub fn of(machine: &crate::Machine, device: &DeviceId) -> Marker {
        let machine = if machine.machine_id.is_empty() { &machine.name } else { &machine.machine_id };
        // One word, and short enough for the block whatever the host name is.
        let machine = machine.chars().filter(|c| c.is_ascii_graphic()).take(256).collect();
        Marker { machine, device: device.clone() }
    }

    /// Its [`LENGTH`] bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut block = format!("{MAGIC}\nmachine {}\ndevice {}\n", self.machine, self.device).into_bytes();
        block.resize(BODY, 0);
        let sum = checksum(&block);
        block.extend_from_slice(&sum.to_le_bytes());
        block.resize(LENGTH, 0);
        block
    }

    /// Reads a mark from the block at one of the offsets; `None` for anything that is not a whole one.
    pub fn decode(block: &[u8]) -> Option<Marker> {
        let (body, sum) = block.get(..BODY + 8)?.split_at(BODY);
        if !body.starts_with(MAGIC.as_bytes()) || checksum(body).to_le_bytes() != sum {
            return None;
        }
        let text = std::str::from_utf8(body).ok()?.trim_end_matches('\0');
        let mut lines = text.lines().skip(1);
        let machine = lines.next()?.strip_prefix("machine ")?.to_owned();
        let device = DeviceId(lines.next()?.strip_prefix("device ")?.to_owned());
        Some(Marker { machine, device })
    }
}

/// FNV-1a, 64 bits: the mark guards against torn writes, not against people.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_and_half_of_one_does_not() {
        let marker = Marker { machine: "0123456789abcdef".into(), device: DeviceId("disk0".into()) };
        let block = marker.encode();
        assert_eq!(block.len(), LENGTH);
        assert_eq!(Marker::decode(&block), Some(marker));
        for position in [0, 25, 511] {
            let mut torn = block.clone();
            torn[position] ^= 1;
            assert_eq!(Marker::decode(&torn), None);
        }
        assert_eq!(Marker::decode(&block[..511]), None);
        assert_eq!(Marker::decode(&[0; LENGTH]), None);
    }

    #[test]
    fn places() {
        assert_eq!(offsets(8 * MIB + 512), [MIB - 4096, 7 * MIB]);
        assert!(offsets(MIB).is_empty());
    }
}

//! Which of several media is the one: a pure function.

use super::device::BlockDevice;
use super::identify::Verdict;

/// A device that was examined, and what it is.
pub type Seen = (BlockDevice, Verdict);

/// The choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The medium.
    pub chosen: Option<BlockDevice>,
    /// Other devices that hold the same medium.
    pub also: Vec<BlockDevice>,
}

/// Prefers an optical disc to a USB disk to another disk, then the first in the order given. A disk and a partition of
/// it count once: a hybrid image shows the same files through both.
pub fn choose(seen: &[Seen]) -> Choice {
    let mut ours: Vec<&BlockDevice> =
        seen.iter().filter(|(_, verdict)| *verdict == Verdict::Ours).map(|(device, _)| device).collect();
    ours.sort_by_key(|device| device.bus);
    let mut distinct: Vec<&BlockDevice> = Vec::new();
    for device in ours {
        if !distinct.iter().any(|other| other.disk() == device.disk()) {
            distinct.push(device);
        }
    }
    let mut distinct = distinct.into_iter().cloned();
    Choice { chosen: distinct.next(), also: distinct.collect() }
}

/// Why an optical drive holds no medium.
pub const NO_DISC: &str = "there is no disc in the drive";

/// What a person can do during the wait for the medium: ` (/dev/sr0 is empty: insert the disc)`; nothing without an empty drive.
pub fn empty_drives(seen: &[Seen]) -> String {
    let empty = |(device, verdict): &Seen| match verdict {
        Verdict::Not(reason) if reason == NO_DISC => Some(device.path().display().to_string()),
        _ => None,
    };
    let drives: Vec<String> = seen.iter().filter_map(empty).collect();
    match &drives[..] {
        [] => String::new(),
        [drive] => format!(" ({drive} is empty: insert the disc)"),
        drives => format!(" ({} are empty: insert the disc)", drives.join(", ")),
    }
}

/// Why there is no medium: one line for each device.
pub fn explain(seen: &[Seen], our_machine: &str, our_medium: &str) -> Vec<String> {
    if seen.is_empty() {
        return vec!["there is no disc, USB disk or other disk".to_owned()];
    }
    seen.iter()
        .map(|(device, verdict)| match verdict {
            Verdict::Ours => format!("{}: the medium", device.path().display()),
            Verdict::Other { medium, machine, created_at } => format!(
                "{}: found medium {} of machine {machine} (made {created_at}), but this rescue system belongs to medium {} of machine {our_machine}",
                device.path().display(),
                short(medium),
                short(our_medium),
            ),
            Verdict::Not(reason) => format!("{}: {reason}", device.path().display()),
        })
        .collect()
}

/// The first digits of a medium's id, as they are in the volume id of a disc.
fn short(medium: &str) -> &str {
    medium.get(..8).unwrap_or(medium)
}

#[cfg(test)]
mod tests {
    use super::super::device::Bus;
    use super::*;

    fn device(name: &str, partition_of: Option<&str>, bus: Bus) -> BlockDevice {
        BlockDevice { name: name.into(), partition_of: partition_of.map(str::to_owned), bus, size_bytes: 1 }
    }

    #[test]
    fn optical_before_usb_before_disk() {
        let disk = device("sda2", Some("sda"), Bus::Disk);
        let usb = device("sdb", None, Bus::Usb);
        let usb_partition = device("sdb1", Some("sdb"), Bus::Usb);
        let disc = device("sr0", None, Bus::Optical);
        let other = Verdict::Other { medium: "0123456789".into(), machine: "web".into(), created_at: "t".into() };
        let no = Verdict::Not("empty".into());
        for (seen, chosen, also) in [
            (vec![], None, vec![]),
            (vec![(&disk, Verdict::Ours)], Some(&disk), vec![]),
            (vec![(&usb, Verdict::Ours), (&usb_partition, Verdict::Ours)], Some(&usb), vec![]),
            (
                vec![(&disk, Verdict::Ours), (&usb, Verdict::Ours), (&disc, Verdict::Ours)],
                Some(&disc),
                vec![usb.clone(), disk.clone()],
            ),
            (vec![(&disc, other.clone()), (&usb, Verdict::Ours)], Some(&usb), vec![]),
            (vec![(&disc, other.clone()), (&usb, no.clone())], None, vec![]),
        ] {
            let seen: Vec<Seen> = seen.into_iter().map(|(d, v)| (d.clone(), v)).collect();
            assert_eq!(choose(&seen), Choice { chosen: chosen.cloned(), also }, "{seen:?}");
        }
        let empty = |name| (device(name, None, Bus::Optical), Verdict::Not(NO_DISC.into()));
        assert_eq!(empty_drives(&[(usb.clone(), no.clone())]), "");
        assert_eq!(empty_drives(&[empty("sr0"), (usb.clone(), no.clone())]), " (/dev/sr0 is empty: insert the disc)");
        assert_eq!(empty_drives(&[empty("sr0"), empty("sr1")]), " (/dev/sr0, /dev/sr1 are empty: insert the disc)");
        assert_eq!(
            explain(&[(disc, other), (usb, no)], "db7", "fedcba9876"),
            [
                "/dev/sr0: found medium 01234567 of machine web (made t), but this rescue system belongs to medium fedcba98 of machine db7",
                "/dev/sdb: empty",
            ]
        );
    }
}

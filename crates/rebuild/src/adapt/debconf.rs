//! debconf's database: where Debian's GRUB packages keep the disks that they install to at each upgrade.
//!
//! Stanzas of `Key: value` lines, separated by empty ones (debconf-devel(7); Debconf/DbDriver/File.pm).

/// Questions whose value is a list of devices.
const QUESTIONS: [&[u8]; 4] = [
    b"grub-pc/install_devices",
    b"grub-pc/install_devices_disks_changed",
    b"grub-efi/install_devices",
    b"grub-efi/install_devices_disks_changed",
];

/// Changes the values of the questions about devices with `change`; every other byte stays.
pub(super) fn devices(text: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut concerned = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"Name: ") {
            concerned = QUESTIONS.contains(&name.trim_ascii_end());
        }
        match concerned && line.starts_with(b"Value: ") {
            true => out.extend(change(line)),
            false => out.extend_from_slice(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapt::words;

    #[test]
    fn only_values_of_questions_about_devices() {
        let text = "Name: grub-pc/install_devices\nTemplate: grub-pc/install_devices\n\
                    Value: /dev/disk/by-id/ata-OLD_1, /dev/sdb\nOwners: grub-pc\n\n\
                    Name: other/question\nValue: /dev/disk/by-id/ata-OLD_1\n";
        let pairs = [("/dev/disk/by-id/ata-OLD_1".to_owned(), "/dev/disk/by-id/nvme-NEW_2".to_owned())];
        let new = devices(text.as_bytes(), |line| words(line, &pairs));
        assert_eq!(String::from_utf8(new).unwrap(), text.replacen("ata-OLD_1", "nvme-NEW_2", 1));
    }
}

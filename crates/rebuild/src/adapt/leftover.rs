//! Names of devices in the configuration that are nowhere on this hardware.

use std::path::Path;

/// Links that udev makes of a disk's identity or place.
const DIRECTORIES: [&str; 2] = ["/dev/disk/by-id/", "/dev/disk/by-path/"];

/// Line numbers, from 1, and names below these directories that `exists` denies. Comments do not count.
pub(super) fn names(text: &[u8], exists: impl Fn(&Path) -> bool) -> Vec<(usize, String)> {
    let mut found = vec![];
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        let line = String::from_utf8_lossy(line);
        for directory in DIRECTORIES {
            for (start, _) in line.match_indices(directory) {
                let ends = |c: char| c.is_whitespace() || "\"',;)".contains(c);
                let name: String = line[start..].chars().take_while(|c| !ends(*c)).collect();
                if name.len() > directory.len() && !exists(Path::new(&name)) {
                    found.push((number, name));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_named() {
        let text = "# /dev/disk/by-id/in-a-comment\nUUID=1 / ext4\n/dev/disk/by-id/usb-gone-part1 /backup ext4\n\
                    Value: /dev/disk/by-id/ata-here, /dev/disk/by-path/pci-gone\n";
        let found = names(text.as_bytes(), |path| path.ends_with("ata-here"));
        let expected = [(3, "/dev/disk/by-id/usb-gone-part1"), (4, "/dev/disk/by-path/pci-gone")];
        assert_eq!(found, expected.map(|(number, name)| (number, name.to_owned())));
    }
}

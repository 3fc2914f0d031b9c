//! Words of bash on the page RECOVER-BY-HAND.txt.

use lifeboat_machine::layout::{Device, DeviceKind};
use lifeboat_machine::{DeviceId, Layout};

/// The device as a shell word: `"$disk0"`, `"$(part "$disk0" 2)"`.
pub(crate) fn word(layout: &Layout, device: &Device) -> String {
    let disk = |id: &DeviceId| format!("\"${id}\"");
    match &device.kind {
        DeviceKind::Disk(_) | DeviceKind::Array(_) => disk(&device.id),
        DeviceKind::Partition(partition) => match layout.device(&partition.parent) {
            Some(parent) => format!("\"$(part {} {})\"", disk(&parent.id), partition.number),
            None => shell(device.path.as_bytes()),
        },
        DeviceKind::Volume(volume) => match layout.group(&volume.group) {
            Some(group) => shell(format!("/dev/{}/{}", group.name, volume.name).as_bytes()),
            None => shell(device.path.as_bytes()),
        },
        DeviceKind::Crypt(crypt) => shell(format!("/dev/mapper/{}", crypt.name).as_bytes()),
    }
}

/// A path of the machine below `$target`, as a shell word.
pub(crate) fn inside(path: &[u8]) -> String {
    match path {
        b"/" => "\"$target\"".to_owned(),
        path => format!("\"$target\"{}", shell(path)),
    }
}

/// A path without anything that bash treats specially inside double quotes.
pub(crate) fn plain(path: &str) -> String {
    path.chars().filter(|c| c.is_ascii_alphanumeric() || "/-_.:+".contains(*c)).collect()
}

/// Bytes as one word of bash.
pub(crate) fn shell(bytes: &[u8]) -> String {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./=:,@%+^".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(harmless) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => {
            let quoted = bytes.iter().map(|byte| match byte {
                b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
                0x20..=0x7e => char::from(*byte).to_string(),
                byte => format!("\\x{byte:02x}"),
            });
            format!("$'{}'", quoted.collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_gives_back_every_word() {
        use proptest::prelude::*;
        proptest!(ProptestConfig::with_cases(40), |(bytes in proptest::collection::vec(1u8..=255, 0..20))| {
            let script = format!("printf %s {}", shell(&bytes));
            let output = std::process::Command::new("bash").arg("-c").arg(&script).output().unwrap();
            prop_assert_eq!(output.stdout, bytes);
        });
    }
}

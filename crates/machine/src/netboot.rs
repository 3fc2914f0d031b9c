//! The boot tree: what machines start from over the network. `lifeboat media netboot` writes it, firmware and boot loaders read it by TFTP
//! and HTTP, `lifeboat serve` gives it out.
//!
//! | path | holds |
//! | --- | --- |
//! | `bootx64.efi`, `grubx64.efi`, `mmx64.efi` | what UEFI starts: shim, GRUB under the name that shim looks for, MokManager |
//! | `bios.0` | GRUB for BIOS, as a network bootstrap program |
//! | `boot.ipxe` | the menu for iPXE |
//! | `grub/grub.cfg` | the menu for GRUB, which leads to those of the machines |
//! | `machines/NAME/entry.json` | [`Entry`] |
//! | `machines/NAME/menu.cfg` | the machine's menu for GRUB |
//! | `machines/NAME/armed` | there while the machine is to be recovered without a question |
//! | `machines/NAME/boot.iso` | its rescue system as an image, for UEFI's HTTP boot; only where the tree's address was known |
//! | `machines/NAME/lifeboat/` | its rescue system, and the archive if that is in the tree |

use crate::Mac;
use serde::{Deserialize, Serialize};

/// What UEFI starts.
pub const UEFI: &str = "bootx64.efi";
/// The name under which shim looks for GRUB beside itself.
pub const UEFI_GRUB: &str = "grubx64.efi";
/// The name under which shim looks for MokManager.
pub const UEFI_MOK: &str = "mmx64.efi";
/// What BIOS starts.
pub const BIOS: &str = "bios.0";
/// What iPXE starts.
pub const IPXE: &str = "boot.ipxe";
/// The menu for GRUB.
pub const GRUB_MENU: &str = "grub/grub.cfg";
/// The folder of all machines.
pub const MACHINES: &str = "machines";
/// [`Entry`] of a machine, in its folder.
pub const ENTRY: &str = "entry.json";
/// The machine's menu for GRUB, in its folder.
pub const MENU: &str = "menu.cfg";
/// The image of a machine, in its folder.
pub const ISO: &str = "boot.iso";
/// A file in the folder of a machine: while it is there the machine is recovered without a question.
pub const ARMED: &str = "armed";
/// A request `POST …/machines/NAME/done` with the secret as its body says that the machine was recovered.
pub const DONE: &str = "done";
/// The path of the tree below a web server's root.
pub const HTTP_PATH: &str = "/boot";
/// The file in the initramfs with what [`Done`] holds.
pub const DONE_FILE: &str = "netboot.json";
/// What a medium holds for the rescue system, when that came over the network: in the initramfs itself.
pub const EMBEDDED_MEDIUM: &str = "/lifeboat/medium";
/// The longest secret, in bytes.
pub const LONGEST_SECRET: u64 = 256;

/// A machine in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Version of this file: [`FORMAT`].
    pub format: u32,
    /// Name of the machine.
    pub machine_name: String,
    /// Its id.
    pub machine_id: String,
    /// Id of the rescue system.
    pub medium_id: String,
    /// When that was made, RFC 3339.
    pub created_at: String,
    /// The line above its menu.
    pub title: String,
    /// Hardware addresses of its network cards, lower case with colons: whoever starts from one of them gets its menu.
    pub macs: Vec<String>,
    /// The BLAKE3 hash, in hex, of the secret that its rescue system shows when the machine was recovered; empty when it was never armed.
    #[serde(default)]
    pub done_blake3: String,
}

/// Version of [`Entry`].
pub const FORMAT: u32 = 1;

/// What a rescue system needs to say that the machine was recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The folder of the machine in the tree.
    pub folder: String,
    /// The secret.
    pub secret: String,
}

impl Entry {
    /// Reads one.
    ///
    /// # Errors
    /// What it says that it cannot.
    pub fn from_json(json: &[u8]) -> Result<Entry, String> {
        let entry: Entry = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if entry.format != FORMAT {
            return Err(format!("its format is {}, and this release knows {FORMAT}", entry.format));
        }
        Ok(entry)
    }

    /// The folder of the machine: its name as far as file names, URLs and boot loaders have the letters, and the beginning of its id, for two
    /// machines may have one name.
    pub fn folder(machine_name: &str, machine_id: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' };
        let name: String = machine_name.chars().map(letter).take(48).collect();
        let id: String = machine_id.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        match (name.trim_matches('-'), id.is_empty()) {
            ("", true) => "machine".to_owned(),
            ("", false) => format!("machine-{id}"),
            (name, true) => name.to_owned(),
            (name, false) => format!("{name}-{id}"),
        }
    }

    /// The hardware addresses, those that are none left out.
    pub fn addresses(&self) -> impl Iterator<Item = Mac> {
        self.macs.iter().filter_map(|mac| Mac::parse(mac))
    }
}

/// True for a name that [`Entry::folder`] makes.
pub fn is_folder(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_plain_names() {
        for (name, id, folder) in [
            ("db7", "4c4c45440044", "db7-4c4c4544"),
            ("DB7.example.org", "", "db7-example-org"),
            ("../../etc", "12/..", "etc-12"),
            ("", "ab", "machine-ab"),
            ("", "", "machine"),
            ("räume $(x)", "0", "r-ume---x-0"),
        ] {
            let made = Entry::folder(name, id);
            assert_eq!(made, folder);
            assert!(is_folder(&made), "{made}");
        }
        assert!(is_folder(&Entry::folder(&"x".repeat(300), &"1".repeat(300))));
        for bad in ["", ".", "..", "a/b", "-a", "a b", "a\n", ".new"] {
            assert!(!is_folder(bad), "{bad}");
        }
    }
}

//! The calls that put a header back, try a key and open the device (cryptsetup-luksHeaderRestore(8), cryptsetup-open(8)).
//!
//! cryptsetup asks nothing when its standard input is not a terminal: it overwrites. Who calls these has made sure that the device
//! is one that the plan names. Keys are given on standard input, never as arguments.

use crate::layer::tool;
use lifeboat_machine::layout::LuksHeader;
use lifeboat_sys::program::CRYPTSETUP;
use lifeboat_sys::{Invocation, Output};
use std::path::Path;

/// cryptsetup's exit code when no key slot opens with the key (cryptsetup(8), "RETURN CODES").
pub const WRONG_KEY: i32 = 2;

/// Writes a header with its key slots and tokens onto a device.
pub fn restore_header(device: &Path, backup: &Path) -> Invocation {
    tool(CRYPTSETUP).args(["luksHeaderRestore", "--batch-mode", "--header-backup-file"]).arg(backup).arg(device)
}

/// Tries a key on the backup of a header; opens nothing.
pub fn try_key(backup: &Path, key: &[u8]) -> Invocation {
    let call =
        tool(CRYPTSETUP).args(["open", "--type", "luks", "--test-passphrase", "--batch-mode", "--key-file", "-"]);
    call.arg(backup).stdin(key)
}

/// Opens a device under a name below /dev/mapper.
pub fn open(device: &Path, name: &str, key: &[u8]) -> Invocation {
    let call = tool(CRYPTSETUP).args(["open", "--type", "luks", "--batch-mode", "--key-file", "-"]);
    call.arg(device).arg(name).stdin(key)
}

/// Makes a header with one key slot, of a device that is encrypted anew; into a file, from which it goes onto the device like one that was
/// recorded. The key slot's parameters are cryptsetup's own choice on this machine.
pub fn format(file: &Path, header: &LuksHeader, key: &[u8]) -> Invocation {
    let sectors = (header.data_offset_bytes / 512).to_string();
    let (uuid, sector) = (header.uuid.clone(), header.sector_bytes.to_string());
    let call = tool(CRYPTSETUP).args(["luksFormat", "--type", "luks2", "--batch-mode", "--key-file", "-"]);
    let call = call.args(["--uuid", &uuid, "--cipher", &header.cipher, "--sector-size", &sector, "--offset", &sectors]);
    call.arg(file).stdin(key)
}

/// Closes a mapping.
pub fn close(name: &str) -> Invocation {
    tool(CRYPTSETUP).args(["close", name])
}

/// Sizes of keys in bits, the usual ones first: xts takes two keys, and a description does not tell the size.
const KEY_BITS: [&str; 4] = ["512", "256", "192", "128"];

/// Trials of a cipher as dm-crypt names it (`aes-xts-plain64`), one for each size of key that it may have: the kernel encrypts a little
/// memory with it, which loads the modules that it needs. The cipher is there when one of them succeeds. None where the name is one of
/// the kernel's own (`capi:…`).
pub fn try_cipher(cipher: &str) -> Vec<Invocation> {
    let mut parts = cipher.split('-');
    let (Some(name), Some(mode)) = (parts.next().filter(|name| !name.contains(':')), parts.next()) else {
        return vec![];
    };
    let cipher = format!("{name}-{mode}");
    let call = |bits: &&str| tool(CRYPTSETUP).args(["benchmark", "--cipher", &cipher, "--key-size", bits]).accept(1);
    KEY_BITS.iter().map(call).collect()
}

/// What such a trial says when the kernel does not have the cipher; `false` also where the kernel lets no program ask for ciphers.
pub fn lacks_cipher(trial: &Output) -> bool {
    trial.code != 0 && !String::from_utf8_lossy(&trial.stderr).contains("algif_skcipher")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cipher_is_tried_by_its_name_and_mode() {
        let lines = |cipher: &str| try_cipher(cipher).iter().map(Invocation::command_line).collect::<Vec<_>>();
        let tried = |name: &str| {
            let sizes = [512, 256, 192, 128];
            sizes.map(|bits| format!("cryptsetup benchmark --cipher {name} --key-size {bits}")).to_vec()
        };
        assert_eq!(lines("serpent-xts-plain64"), tried("serpent-xts"));
        assert_eq!(lines("xchacha12,aes-adiantum-plain64"), tried("xchacha12,aes-adiantum"));
        assert_eq!(lines("aes-cbc-essiv:sha256"), tried("aes-cbc"));
        assert_eq!(lines("capi:xts(aes)-plain64"), Vec::<String>::new());
        let said = |code, stderr: &str| Output { code, stdout: vec![], stderr: stderr.into() };
        // As cryptsetup 2.6.1 says it, without the kernel's interface and with it.
        let unavailable = "Cipher serpent-xts (with 512 bits key) is not available.\n";
        let without =
            "Required kernel crypto interface not available.\nEnsure you have algif_skcipher kernel module loaded.\n";
        assert!(lacks_cipher(&said(1, unavailable)));
        assert!(!lacks_cipher(&said(1, &format!("{unavailable}{without}"))));
        assert!(!lacks_cipher(&said(0, "")));
    }

    #[test]
    fn keys_are_in_no_argument() {
        for call in [try_key(Path::new("/run/h"), b"secret"), open(Path::new("/dev/vda3"), "root", b"secret")] {
            assert_eq!(call.stdin.as_deref(), Some(&b"secret"[..]));
            assert!(!call.command_line().contains("secret"), "{}", call.command_line());
        }
    }
}

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

/// Has the kernel encrypt a little memory with a cipher as dm-crypt names it (`aes-xts-plain64`), which loads the modules that it needs;
/// `None` where the name is one of the kernel's own (`capi:…`).
pub fn try_cipher(cipher: &str) -> Option<Invocation> {
    let mut parts = cipher.split('-');
    let (name, mode) = (parts.next()?, parts.next()?);
    if name.contains(':') {
        return None;
    }
    // xts takes two keys.
    let key_bits = if mode == "xts" { "512" } else { "256" };
    let call = tool(CRYPTSETUP).args(["benchmark", "--cipher", &format!("{name}-{mode}"), "--key-size", key_bits]);
    Some(call.accept(1))
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
        let line = |cipher: &str| try_cipher(cipher).map(|call| call.command_line());
        let tried = |rest: &str| Some(format!("cryptsetup benchmark --cipher {rest}"));
        assert_eq!(line("serpent-xts-plain64"), tried("serpent-xts --key-size 512"));
        assert_eq!(line("xchacha12,aes-adiantum-plain64"), tried("xchacha12,aes-adiantum --key-size 256"));
        assert_eq!(line("aes-cbc-essiv:sha256"), tried("aes-cbc --key-size 256"));
        assert_eq!(line("capi:xts(aes)-plain64"), None);
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

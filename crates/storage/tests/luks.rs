//! Headers that the real cryptsetup makes: read, reduced to what is in use, put back onto another device, and opened.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

use lifeboat_machine::layout::LuksHeader;
use lifeboat_storage::luks::{Examined, examine, make};
use lifeboat_sys::program::CRYPTSETUP;
use lifeboat_sys::{Invocation, Runner as _, SystemRunner};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

fn image(directory: &Path, name: &str, mib: u64) -> PathBuf {
    let path = directory.join(name);
    std::fs::File::create(&path).unwrap().set_len(mib * MIB).unwrap();
    path
}

fn cryptsetup(words: &[&str], device: &Path, stdin: &[u8]) {
    let call = Invocation::new(CRYPTSETUP).args(words).arg(device).stdin(stdin);
    SystemRunner.run(&call).unwrap();
}

/// Makes a device that the passphrase "first" opens.
fn formatted(directory: &Path, kind: &str, more: &[&str]) -> PathBuf {
    let device = image(directory, kind, 40);
    let quick = ["--batch-mode", "--pbkdf-force-iterations", "1000", "--key-file", "-"];
    let pbkdf: &[&str] = if kind == "luks2" { &["--pbkdf", "pbkdf2"] } else { &[] };
    cryptsetup(&[&["luksFormat", "--type", kind], &quick[..], pbkdf, more].concat(), &device, b"first");
    device
}

fn read(device: &Path) -> Examined {
    examine(device).unwrap().unwrap()
}

fn opens(backup: &Path, key: &[u8]) -> bool {
    SystemRunner.run(&make::try_key(backup, key)).is_ok()
}

#[test]
fn headers_come_back_with_the_key_slots_in_use() {
    for kind in ["luks1", "luks2"] {
        let scratch = tempfile::tempdir().unwrap();
        let device = formatted(scratch.path(), kind, &["--key-slot", "3"]);
        let examined = read(&device);
        assert_eq!(examined.refusals, [], "{kind}");
        let header = &examined.header;
        assert_eq!(format!("luks{}", header.version), kind);
        assert_eq!((header.cipher.as_str(), header.uuid.len()), ("aes-xts-plain64", 36));
        assert_eq!(header.backup.as_ref().unwrap().size_bytes, examined.backup.len() as u64);
        assert_eq!(header.data_offset_bytes, if kind == "luks1" { 2 * MIB } else { 16 * MIB });
        let backup = scratch.path().join(header.backup_name());
        std::fs::write(&backup, &examined.backup).unwrap();
        assert!(opens(&backup, b"first") && !opens(&backup, b"second"), "{kind}");
        // On a device of another size, whatever it held.
        let other = image(scratch.path(), "other", 64);
        SystemRunner.run(&make::restore_header(&other, &backup)).unwrap();
        assert_eq!(LuksHeader { backup: header.backup.clone(), ..read(&other).header }, *header, "{kind}");
        assert_eq!(other.metadata().unwrap().len(), 64 * MIB);
        assert!(opens(&other, b"first"), "{kind}");
    }
}

#[test]
fn key_slots_that_are_not_in_use_stay_behind() {
    for kind in ["luks1", "luks2"] {
        let scratch = tempfile::tempdir().unwrap();
        let device = formatted(scratch.path(), kind, &[]);
        // Something in the areas of other slots, as an erased slot of an old disk may leave it.
        let size = if kind == "luks1" { 2 * MIB } else { 16 * MIB };
        std::fs::File::options().write(true).open(&device).unwrap().write_all_at(b"remains", size - 8192).unwrap();
        let backup = read(&device).backup;
        assert!(!backup.windows(7).any(|bytes| bytes == b"remains"), "{kind}");
        assert!(backup.iter().filter(|byte| **byte != 0).count() < 600_000, "{kind}: one slot is in use");
    }
}

#[test]
fn a_damaged_copy_of_the_header_does_not_matter_and_two_do() {
    let scratch = tempfile::tempdir().unwrap();
    let device = formatted(scratch.path(), "luks2", &[]);
    let whole = read(&device).header;
    let file = std::fs::File::options().write(true).open(&device).unwrap();
    file.write_all_at(b"damage", 5000).unwrap();
    assert_eq!(LuksHeader { backup: whole.backup.clone(), ..read(&device).header }, whole);
    file.write_all_at(b"damage", 0x4000 + 5000).unwrap();
    let reason = examine(&device).unwrap_err();
    assert!(reason.contains("both copies of its LUKS header are damaged"), "{reason}");
}

#[test]
fn what_is_no_header_or_ends_within_it() {
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(examine(&image(scratch.path(), "empty", 1)).unwrap(), None);
    let device = formatted(scratch.path(), "luks2", &[]);
    std::fs::File::options().write(true).open(&device).unwrap().set_len(MIB / 8).unwrap();
    assert!(examine(&device).is_err());
    std::fs::write(&device, b"LUKS\xba\xbe\0\x07").unwrap();
    assert!(examine(&device).unwrap_err().contains("version 7"));
}

#[test]
fn what_no_passphrase_opens_is_refused() {
    let tokens = [
        ("clevis", r#""jwe":{"ciphertext":"","encrypted_key":"","iv":"","protected":"","tag":""}"#, true),
        ("systemd-fido2", r#""fido2-credential":"AA==","fido2-salt":"AA==","fido2-rp":"x""#, false),
    ];
    for (kind, more, bound) in tokens {
        let scratch = tempfile::tempdir().unwrap();
        let device = formatted(scratch.path(), "luks2", &[]);
        let token = format!(r#"{{"type":"{kind}","keyslots":["0"],{more}}}"#);
        cryptsetup(&["token", "import", "--json-file", "-"], &device, token.as_bytes());
        let examined = read(&device);
        assert_eq!(examined.bound == [kind], bound, "{kind}");
        let [(reason, remedy)] = &examined.refusals[..] else { panic!("{:?}", examined.refusals) };
        assert!(reason.contains("only a TPM, clevis or a security token") && remedy.contains("luksAddKey"), "{reason}");
    }
}

/// The header of a device that is encrypted anew takes the way of recorded ones.
#[test]
fn a_header_that_is_made_anew_is_the_planned_one() {
    for sector_bytes in [512, 4096] {
        let scratch = tempfile::tempdir().unwrap();
        let planned = LuksHeader {
            version: 2,
            uuid: "64f0a6d1-0000-4000-a000-000000000001".into(),
            label: lifeboat_machine::Name::default(),
            subsystem: lifeboat_machine::Name::default(),
            cipher: "aes-xts-plain64".into(),
            sector_bytes,
            data_offset_bytes: 16 * MIB,
            integrity: None,
            backup: None,
        };
        let file = image(scratch.path(), "new", 17);
        SystemRunner.run(&make::format(&file, &planned, b"a key\n")).unwrap();
        let examined = read(&file);
        assert_eq!(LuksHeader { backup: None, ..examined.header }, planned);
        let backup = scratch.path().join("new.header");
        std::fs::write(&backup, &examined.backup).unwrap();
        assert!(opens(&backup, b"a key\n") && !opens(&backup, b"a key"));
        let device = image(scratch.path(), "device", 32);
        SystemRunner.run(&make::restore_header(&device, &backup)).unwrap();
        assert_eq!(LuksHeader { backup: None, ..read(&device).header }, planned);
    }
}

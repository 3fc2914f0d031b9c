//! What boots from a medium is covered: each byte of it, each file too many or too few, and a list that somebody else wrote. The media
//! are small: kernel and initramfs are a line of text. Needs xorriso and GRUB's files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_archive::{Secret, seal};
use lifeboat_machine::boot_list::SEAL_CONTEXT;
use lifeboat_machine::{BootList, Machine, MediumManifest};
use lifeboat_media::{MediumInputs, Menu, MenuOptions, Signing, write_iso};
use lifeboat_remote::image_file::ImageFile;
use lifeboat_remote::iso;
use lifeboat_remote::tree::Tree;
use lifeboat_restore::boot::{Sealed, verify};
use lifeboat_restore::view::View;
use lifeboat_secureboot::{Certificate, SigningKey, uki};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const MEDIUM_ID: &str = "5ca1ab1e0ddba11c0ffee123456789ab";

fn machine() -> Machine {
    let mut machine = lifeboat_machine::testing::empty_machine();
    machine.machine_id = "feedfacefeedfacefeedfacefeedface".into();
    machine.name = "m".into();
    machine
}

fn key() -> Secret {
    Secret::from_bytes(&[0x5a; 32])
}

/// A medium without archive in `dir`, sealed or not.
fn medium(dir: &Path, sealed: bool) -> PathBuf {
    medium_with(dir, sealed, None, &[b'k'; 70_000])
}

fn medium_with(dir: &Path, sealed: bool, signing: Option<&Signing>, kernel: &[u8]) -> PathBuf {
    let machine_json = machine().to_json();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        (name.to_owned(), path)
    };
    let mut files =
        BTreeMap::from([put("kernel", kernel), put("machine.json", &machine_json), put("tools.img", &[b't'; 9_000])]);
    let manifest = MediumManifest {
        format: 1,
        lifeboat: "0".into(),
        medium_id: MEDIUM_ID.into(),
        created_at: "2026-11-28T00:00:00Z".into(),
        machine_name: "m".into(),
        machine_id: "feedfacefeedfacefeedfacefeedface".into(),
        machine_blake3: blake3::hash(&machine_json).to_hex().to_string(),
        kernel: "6.1".into(),
        archive: None,
        repository: None,
        set: None,
        embedded_key: false,
        files: lifeboat_media::digest_files(&files).unwrap(),
    };
    files.extend([put("manifest.json", &serde_json::to_vec(&manifest).unwrap()), put("initrd.img", &[b'i'; 150_001])]);
    let out = dir.join("medium.iso");
    let secret = key();
    let sealing = move |id: &str, bytes: &[u8]| seal::seal(&secret, SEAL_CONTEXT, id.as_bytes(), bytes);
    let inputs = MediumInputs {
        sysroot: Path::new("/"),
        work: &dir.join("work"),
        out: &out,
        keep_old: false,
        files: &files,
        manifest: &manifest,
        menu: &Menu::new(&machine(), &manifest, &MenuOptions::default()),
        seal: sealed.then_some(&sealing as &lifeboat_media::Seal<'_>),
        signing,
        progress: &|_| {},
    };
    write_iso(&inputs, &lifeboat_sys::SystemRunner).unwrap();
    out
}

fn unpack(image: &Path, folder: &Path) {
    let tree = Tree::open_local(image).unwrap();
    for path in tree.paths().unwrap() {
        let target = folder.join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        let bytes = tree.read_anywhere(path, 0, tree.file_size(path).unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
}

fn problems(image: &Path) -> Vec<String> {
    let tree = Tree::open_local(image).unwrap();
    let manifest = MediumManifest::from_json(&tree.read_file("manifest.json").unwrap()).unwrap();
    verify(&View::Tree(&tree), &manifest, None).unwrap().problems
}

fn in_folder(folder: &Path, secret: Option<&Secret>) -> (Vec<String>, Sealed) {
    let json = std::fs::read(folder.join("lifeboat/manifest.json")).unwrap();
    let manifest = MediumManifest::from_json(&json).unwrap();
    let report = verify(&View::Folder(folder.to_owned(), None), &manifest, secret).unwrap();
    (report.problems, report.sealed)
}

#[test]
fn root_each_byte_that_boots_is_covered() {
    let dir = tempfile::tempdir().unwrap();
    let image = medium(dir.path(), true);
    assert_eq!(problems(&image), Vec::<String>::new());
    let tree = Tree::open_local(&image).unwrap();
    let list = BootList::from_json(&tree.read_file("boot.json").unwrap()).unwrap();
    let extents = iso::files(&ImageFile::open(&image).unwrap(), "x", "").unwrap();
    for name in [
        "boot/grub/grub.cfg",
        "boot/grub/eltorito.img",
        "lifeboat/initrd.img",
        "lifeboat/kernel",
        "lifeboat/manifest.json",
    ] {
        assert!(list.files.contains_key(name), "{name}");
    }
    // Beginning, middle and end of all that is listed.
    let mut places: Vec<(String, u64, u64)> = vec![];
    for name in list.files.keys() {
        places.extend(extents[name].iter().map(|(start, size)| (name.clone(), *start, *size)));
    }
    places.extend(list.ranges.iter().map(|range| (range.name.clone(), range.offset, range.digest.size_bytes)));
    let file = std::fs::File::options().read(true).write(true).open(&image).unwrap();
    for (name, start, size) in places {
        for at in [start, start + size / 2, start + size - 1] {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            // A root directory that cannot be read any more is an error, not a difference.
            let found = match std::panic::catch_unwind(|| problems(&image)) {
                Ok(found) => found,
                Err(_) => vec![name.clone()],
            };
            assert!(found.iter().any(|problem| problem.starts_with(&name)), "{name} at {at}: {found:?}");
            file.write_all_at(&byte, at).unwrap();
        }
    }
    assert_eq!(problems(&image), Vec::<String>::new());
    // A longer device is a stick; a shorter image is cut off.
    file.set_len(list.image_bytes + 5_000_000).unwrap();
    assert_eq!(problems(&image), Vec::<String>::new());
    file.set_len(list.image_bytes - 1).unwrap();
    let cut = problems(&image);
    assert!(cut.iter().any(|problem| problem.starts_with("the image has")), "{cut:?}");
}

#[test]
fn root_files_too_many_too_few_and_of_another_kind() {
    let dir = tempfile::tempdir().unwrap();
    let image = medium(dir.path(), true);
    let folder = dir.path().join("unpacked");
    unpack(&image, &folder);
    assert_eq!(in_folder(&folder, Some(&key())), (vec![], Sealed::Fits));
    let expect = |change: &dyn Fn(), undo: &dyn Fn(), message: &str| {
        change();
        let (found, _) = in_folder(&folder, None);
        undo();
        assert!(found.len() == 1 && found[0].starts_with(message), "{message}: {found:?}");
    };
    let at = |path: &str| folder.join(path);
    let remove = |path: &str| std::fs::remove_file(at(path)).unwrap();
    let backup = |path: &str| std::fs::read(at(path)).unwrap();
    expect(
        &|| {
            std::fs::create_dir_all(at("EFI/BOOT")).unwrap();
            std::fs::write(at("EFI/BOOT/bootx64.efi"), "evil").unwrap();
        },
        &|| std::fs::remove_dir_all(at("EFI")).unwrap(),
        "EFI/BOOT/bootx64.efi does not belong",
    );
    expect(
        &|| std::fs::write(at("startup.nsh"), "x").unwrap(),
        &|| remove("startup.nsh"),
        "startup.nsh does not belong",
    );
    let marker = format!("boot/grub/medium-{MEDIUM_ID}");
    let bytes = backup(&marker);
    expect(
        &|| remove(&marker),
        &|| std::fs::write(at(&marker), &bytes).unwrap(),
        &format!("{marker} cannot be opened"),
    );
    let initrd = backup("lifeboat/initrd.img");
    expect(
        &|| std::fs::write(at("lifeboat/initrd.img"), &initrd[..1000]).unwrap(),
        &|| std::fs::write(at("lifeboat/initrd.img"), &initrd).unwrap(),
        "lifeboat/initrd.img has 1000 bytes instead of 150001",
    );
    let menu = backup("boot/grub/grub.cfg");
    expect(
        &|| {
            remove("boot/grub/grub.cfg");
            assert!(Command::new("mkfifo").arg(at("boot/grub/grub.cfg")).status().unwrap().success());
        },
        &|| {
            remove("boot/grub/grub.cfg");
            std::fs::write(at("boot/grub/grub.cfg"), &menu).unwrap();
        },
        "boot/grub/grub.cfg is not a regular file",
    );
    // What a filesystem has of its own is no stranger.
    std::fs::create_dir(at("lost+found")).unwrap();
    std::fs::write(at("lost+found/x"), "").unwrap();
    assert_eq!(in_folder(&folder, None).0, Vec::<String>::new());
    expect(
        &|| std::fs::rename(at("lifeboat/boot.json"), dir.path().join("b")).unwrap(),
        &|| std::fs::rename(dir.path().join("b"), at("lifeboat/boot.json")).unwrap(),
        "lifeboat/boot.json cannot be opened",
    );
}

#[test]
fn root_who_has_no_key_cannot_write_the_list_anew() {
    let dir = tempfile::tempdir().unwrap();
    let image = medium(dir.path(), true);
    let folder = dir.path().join("unpacked");
    unpack(&image, &folder);
    let (menu, list) = (folder.join("boot/grub/grub.cfg"), folder.join("lifeboat/boot.json"));
    let changed = std::fs::read_to_string(&menu).unwrap().replace("lifeboat.mode=interactive", "lifeboat.mode=nuke");
    std::fs::write(&menu, &changed).unwrap();
    let mut forged = BootList::from_json(&std::fs::read(&list).unwrap()).unwrap();
    let digest = forged.files.get_mut("boot/grub/grub.cfg").unwrap();
    digest.size_bytes = changed.len() as u64;
    digest.blake3 = blake3::hash(changed.as_bytes()).to_hex().to_string();
    std::fs::write(&list, forged.to_json()).unwrap();
    assert_eq!(in_folder(&folder, None), (vec![], Sealed::NoKey));
    assert_eq!(in_folder(&folder, Some(&key())), (vec![], Sealed::Broken));
    let text = forged.sealed_bytes();
    forged.seal = Some(seal::seal(&Secret::from_bytes(&[1; 32]), SEAL_CONTEXT, MEDIUM_ID.as_bytes(), &text).unwrap());
    std::fs::write(&list, forged.to_json()).unwrap();
    assert_eq!(in_folder(&folder, Some(&key())).1, Sealed::Broken);
    forged.seal = None;
    std::fs::write(&list, forged.to_json()).unwrap();
    assert_eq!(in_folder(&folder, Some(&key())).1, Sealed::Unsealed);
    forged.medium_id = "00".repeat(16);
    std::fs::write(&list, forged.to_json()).unwrap();
    assert!(in_folder(&folder, None).0[0].contains("belongs to the medium 0000"));
}

#[test]
fn root_verify_says_what_it_can_and_cannot_tell() {
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (dir.path().join("right"), dir.path().join("wrong"));
    std::fs::write(&right, format!("{}\n", key().expose())).unwrap();
    std::fs::write(&wrong, "ab".repeat(32)).unwrap();
    let verify = |image: &Path, key: Option<&Path>, command: &[&str]| {
        let mut call = Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        call.args(command).arg(image);
        call.args(key.into_iter().flat_map(|key| ["--key-file".as_ref(), key.as_os_str()]));
        let output = call.output().unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        (output.status.code().unwrap(), text)
    };
    let from: &[&str] = &["verify", "--from"];
    let sealed = medium(dir.path(), true);
    let (code, text) = verify(&sealed, Some(&right), from);
    assert!(code == 0 && text.contains("sealed with the machine's key") && text.contains("holds no archive"), "{text}");
    let (code, text) = verify(&sealed, Some(&wrong), from);
    assert!(code == 4 && text.contains("does not match this key"), "{text}");
    let (code, text) = verify(&sealed, Some(&wrong), &["drill", "--report", dir.path().to_str().unwrap()]);
    assert!(code == 4 && text.contains("was not booted"), "{text}");
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let unsealed = medium(&other, false);
    let (code, text) = verify(&unsealed, Some(&right), from);
    assert!(code == 4 && text.contains("has no seal"), "{text}");
    let (code, text) = verify(&unsealed, None, from);
    assert!(code == 0 && text.contains("damage would be found, but deliberate changes"), "{text}");
}

/// A key of its own, and systemd's stub, which is a kernel as far as this is concerned, too.
fn signing(dir: &Path, name: &str) -> Signing {
    let [key, certificate] = ["key", "crt"].map(|ending| dir.join(format!("{name}.{ending}")));
    let mut call = Command::new("openssl");
    call.args(["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", &format!("/CN={name}"), "-keyout"]).arg(&key);
    assert!(call.arg("-out").arg(&certificate).output().unwrap().status.success());
    let certificate = Certificate::read(&std::fs::read(certificate).unwrap()).unwrap();
    let key = SigningKey::new(&std::fs::read(key).unwrap(), certificate).unwrap();
    Signing { key, stub: std::fs::read(uki::STUB).unwrap() }
}

#[test]
fn root_a_signed_medium_holds_one_program_for_uefi_whose_signature_is_proven() {
    let dir = tempfile::tempdir().unwrap();
    let signing = signing(dir.path(), "own");
    let image = medium_with(dir.path(), true, Some(&signing), &signing.stub);
    let tree = Tree::open_local(&image).unwrap();
    let manifest = MediumManifest::from_json(&tree.read_file("manifest.json").unwrap()).unwrap();
    let report = || verify(&View::Tree(&tree), &manifest, Some(&key())).unwrap();
    let found = report();
    assert_eq!((found.problems, found.signed_by.as_deref(), found.sealed), (vec![], Some("own"), Sealed::Fits));
    // Nothing else is there for firmware, and other tools read and verify it.
    let list = BootList::from_json(&tree.read_file("boot.json").unwrap()).unwrap();
    let offset = list.ranges.last().unwrap().offset;
    let partition = format!("{}@@{offset}", image.display());
    let all = Command::new("mdir").args(["-i", &partition, "-/", "-b", "::"]).output().unwrap();
    let all: Vec<String> = String::from_utf8_lossy(&all.stdout).lines().map(str::to_owned).collect();
    let files: Vec<&String> = all.iter().filter(|path| !path.ends_with('/')).collect();
    assert_eq!(files, ["::/EFI/BOOT/BOOTX64.EFI"]);
    let program = dir.path().join("program.efi");
    let copy =
        Command::new("mcopy").args(["-i", &partition, "::/EFI/BOOT/BOOTX64.EFI"]).arg(&program).output().unwrap();
    assert!(copy.status.success());
    let check = Command::new("sbverify").arg("--cert").arg(dir.path().join("own.crt")).arg(&program).output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    let line = Command::new("objcopy")
        .args(["-O", "binary", "--only-section=.cmdline"])
        .arg(&program)
        .arg("/dev/stdout")
        .output();
    let line = String::from_utf8(line.unwrap().stdout).unwrap();
    assert!(line.starts_with("lifeboat.mode=interactive lifeboat.menu=30 "), "{line}");

    // The initramfs of the program, whose bytes are in the image twice.
    let bytes = std::fs::read(&image).unwrap();
    let start = usize::try_from(offset).unwrap();
    let inside = bytes[start..].windows(1000).position(|part| part == [b'i'; 1000]).unwrap();
    let file = std::fs::File::options().write(true).open(&image).unwrap();
    file.write_all_at(b"x", (start + inside) as u64).unwrap();
    let problems = report().problems;
    assert!(problems.iter().any(|one| one.starts_with("the EFI system partition was changed")), "{problems:?}");
    let changed = "EFI/BOOT/BOOTX64.EFI its signature cannot be used: the program was changed after it was signed";
    assert!(problems.iter().any(|one| one == changed), "{problems:?}");
}

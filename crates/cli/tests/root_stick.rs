//! A stick is verified wherever it is: in an image, by its bytes and by the files in its filesystem, with a repository that changes.
//! Kernel and initramfs are a line of text. Needs root for a loop device, GRUB's files and mke2fs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_archive::{Repository, RepositoryOptions, Secret, seal};
use lifeboat_machine::boot_list::SEAL_CONTEXT;
use lifeboat_machine::{Event, EventSink, Machine, MediumManifest, stick};
use lifeboat_media::stick::{MENU, Places, StickLoaders, put_files};
use lifeboat_media::{MediumInputs, Menu, MenuOptions};
use lifeboat_restore::boot::{self, Sealed};
use lifeboat_restore::{Network, Source, Stick, view};
use lifeboat_sys::SystemRunner;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIZE: u64 = (192 << 20) + 512;

struct Silent;
impl EventSink for Silent {
    fn emit(&self, _: &Event) {}
}

fn machine() -> Machine {
    lifeboat_machine::testing::empty_machine()
}

fn key() -> Secret {
    Secret::from_bytes(&[0x5a; 32])
}

/// An image of a stick with an empty repository.
fn image(dir: &Path) -> PathBuf {
    let machine_json = machine().to_json();
    let put = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        (name.to_owned(), path)
    };
    let mut files = BTreeMap::from([
        put("kernel", &[b'k'; 70_000]),
        put("machine.json", &machine_json),
        put(MENU, b"menuentry x {\n}\n"),
    ]);
    let manifest = MediumManifest {
        machine_blake3: blake3::hash(&machine_json).to_hex().to_string(),
        files: lifeboat_media::digest_files(&files).unwrap(),
        ..lifeboat_machine::testing::medium_manifest()
    };
    files.extend([put("manifest.json", &serde_json::to_vec(&manifest).unwrap()), put("initrd.img", &[b'i'; 150_001])]);
    let (out, top, secret) = (dir.join("stick.img"), dir.join("top"), key());
    let sealing = move |id: &str, bytes: &[u8]| seal::seal(&secret, SEAL_CONTEXT, id.as_bytes(), bytes);
    let inputs = MediumInputs {
        sysroot: Path::new("/"),
        work: &dir.join("work"),
        out: &out,
        keep_old: false,
        files: &files,
        manifest: &manifest,
        menu: &Menu::new(&machine(), &manifest, &MenuOptions::default()),
        seal: Some(&sealing),
        signing: None,
        progress: &|_| {},
    };
    let loaders = StickLoaders::make(&inputs, 512, &SystemRunner).unwrap();
    let layout = loaders.layout(SIZE, 512);
    let boot = loaders.place(&layout.table(&manifest, 0), layout, Places::default(), &out).unwrap();
    let mut options = File::options();
    let disk = options.read(true).write(true).create(true).truncate(true).open(&out).unwrap();
    disk.set_len(SIZE).unwrap();
    boot.write(&disk, &out).unwrap();
    put_files(&inputs, &boot, &top, "lifeboat").unwrap();
    drop(Repository::init(&top.join(stick::REPOSITORY), &key(), &RepositoryOptions::default()).unwrap());
    let (offset, bytes) = layout.data();
    let made = Command::new("/sbin/mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-E", &format!("offset={offset}"), "-d"])
        .arg(&top)
        .arg(&out)
        .arg((bytes / 4096).to_string())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    out
}

/// Everything wrong with a stick, and the state of its seal.
fn problems(place: &Path) -> (Vec<String>, Sealed) {
    let scratch = tempfile::tempdir().unwrap();
    let source =
        Source::open_medium(place.to_str().unwrap(), scratch.path(), &Network::default(), &SystemRunner).unwrap();
    let manifest = source.manifest().unwrap();
    let files = source.view().unwrap();
    let report = boot::verify(&files, manifest, Some(&key())).unwrap();
    assert_eq!(report.ranges, Some(4), "the disk's bytes are read, too");
    let changed = view::verify(&files, manifest, &Silent).err().map(|failure| failure.to_string());
    (report.problems.into_iter().chain(changed).collect(), report.sealed)
}

/// Where a file's content is in the image.
fn place_of(image: &Path, content: &[u8]) -> u64 {
    let bytes = std::fs::read(image).unwrap();
    let begin = Stick::at(image).unwrap().layout.data().0 as usize;
    (begin + bytes[begin..].windows(content.len()).position(|window| window == content).unwrap()) as u64
}

#[test]
fn root_one_flipped_byte_on_a_stick_is_found_wherever_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(dir.path());
    let layout = Stick::at(&image).unwrap().layout;
    assert_eq!(problems(&image), (vec![], Sealed::Fits));
    let disk = File::options().read(true).write(true).open(&image).unwrap();
    for (at, name) in [
        (100, "the boot sector with the partition table"),
        (1024 + 40, "the boot sector with the partition table"),
        (layout.bios(0).0 + 5000, "GRUB for BIOS"),
        (layout.efi(0).0 + 70_000, "the EFI system partition"),
        (SIZE - 400, "the copy of the partition table"),
        (place_of(&image, &[b'k'; 9000]) + 5, "kernel"),
        (place_of(&image, &[b'i'; 9000]) + 5, "lifeboat/initrd.img"),
        (place_of(&image, b"menuentry x {"), "grub.cfg"),
        (place_of(&image, b"# Written by lifeboat.\nsearch"), "boot/grub/grub.cfg"),
    ] {
        let mut byte = [0];
        disk.read_exact_at(&mut byte, at).unwrap();
        disk.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
        // What is wrong with the table itself makes it no stick at all.
        let found = match std::panic::catch_unwind(|| problems(&image)) {
            Ok((found, _)) => found,
            Err(_) => vec![name.to_owned()],
        };
        assert!(found.iter().any(|problem| problem.contains(name)), "{name} at {at}: {found:?}");
        disk.write_all_at(&byte, at).unwrap();
    }
    assert_eq!(problems(&image), (vec![], Sealed::Fits));
}

#[test]
fn root_backups_change_a_stick_and_files_of_others_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let image = image(dir.path());
    let scratch = tempfile::tempdir().unwrap();
    let write = |path: &str| {
        let (mounted, top) = Stick::at(&image).unwrap().open(scratch.path(), &SystemRunner).unwrap();
        std::fs::create_dir_all(top.join(path).parent().unwrap()).unwrap();
        std::fs::write(top.join(path), "x").unwrap();
        mounted.unwrap().close().unwrap();
    };
    write("repo/data/ab/new");
    assert_eq!(problems(&image), (vec![], Sealed::Fits));
    write("boot/grub/custom.cfg");
    write("lifeboat/more");
    let (found, _) = problems(&image);
    for path in ["boot/grub/custom.cfg", "lifeboat/more"] {
        assert!(found.iter().any(|problem| problem.contains(path)), "{found:?}");
    }
    // Its repository is opened, and is no sealed one: a backup goes there.
    let source = Source::open(image.to_str().unwrap(), scratch.path(), &Network::default(), &SystemRunner).unwrap();
    assert!(matches!(source.repository, lifeboat_archive::Place::Folder(_)));
    assert!(Repository::open_at(&source.repository, &key()).unwrap().list_snapshots().unwrap().0.is_empty());
}

//! The bytes of a stick that are no files: complete on any size, found by stock tools, read back, written beside the old ones. They are
//! written into files; GRUB is that of the running system.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use lifeboat_machine::gpt::Gpt;
use lifeboat_machine::stick::StickLayout;
use lifeboat_machine::{BootList, MediumManifest};
use lifeboat_media::stick::{MENU, Places, StickBoot, StickLoaders, half_in_use, put_files};
use lifeboat_media::{MediumInputs, Menu, MenuOptions};
use lifeboat_sys::SystemRunner;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIB: u64 = 1 << 20;

/// A desk with what a stick is made from.
struct Desk {
    dir: tempfile::TempDir,
    files: BTreeMap<String, PathBuf>,
    manifest: MediumManifest,
    menu: Menu,
}

impl Desk {
    fn new() -> Desk {
        let dir = tempfile::tempdir().unwrap();
        let manifest = MediumManifest { archive: None, repository: Some("repo".to_owned()), ..common::manifest() };
        let menu = Menu::new(&common::machine(), &manifest, &MenuOptions::default());
        let files = ["kernel", "initrd.img", "manifest.json", MENU].map(|name| {
            let path = dir.path().join(name);
            std::fs::write(&path, name.repeat(1000)).unwrap();
            (name.to_owned(), path)
        });
        Desk { dir, files: files.into(), manifest, menu }
    }

    fn with<T>(&self, work: impl FnOnce(&MediumInputs<'_>) -> T) -> T {
        work(&MediumInputs {
            sysroot: Path::new("/"),
            work: &self.dir.path().join("work"),
            out: &self.image(),
            keep_old: false,
            files: &self.files,
            manifest: &self.manifest,
            menu: &self.menu,
            seal: None,
            signing: None,
            progress: &|_| {},
        })
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("stick.img")
    }

    /// A new stick of this size, with junk on it before.
    fn stick(&self, size: u64, sector: u64) -> (StickLoaders, StickBoot, File) {
        let loaders = self.with(|inputs| StickLoaders::make(inputs, sector, &SystemRunner)).unwrap();
        let layout = loaders.layout(size, sector);
        let boot = loaders.place(&layout.table(&self.manifest, 0), layout, Places::default(), &self.image()).unwrap();
        let mut options = File::options();
        let disk = options.read(true).write(true).create(true).truncate(true).open(self.image()).unwrap();
        disk.set_len(size).unwrap();
        for offset in [0, 3 * MIB, size - MIB] {
            disk.write_all_at(&[0xa5; MIB as usize], offset).unwrap();
        }
        boot.write(&disk, &self.image()).unwrap();
        boot.check(&disk, &self.image()).unwrap();
        (loaders, boot, disk)
    }
}

fn table(path: &Path, sector: u64) -> (Gpt, StickLayout, usize) {
    let bytes = std::fs::read(path).unwrap();
    let read = |at: u64, length: u64| Ok(bytes[at as usize..(at + length) as usize].to_vec());
    let gpt = Gpt::read(bytes.len() as u64, sector, &read).unwrap();
    let (layout, slot) = StickLayout::of(&gpt).unwrap();
    (gpt, layout, slot)
}

#[test]
fn root_the_table_is_complete_on_any_size() {
    let desk = Desk::new();
    for (size, sector) in [
        (128 * MIB, 512),
        (128 * MIB + 512, 512),
        (129 * MIB - 1, 512),
        (200 * MIB + 3 * 512 + 77, 512),
        (160 * MIB, 4096),
        (160 * MIB + 3 * 4096 + 1234, 4096),
    ] {
        let (_, boot, _) = desk.stick(size, sector);
        assert!(boot.bios && boot.uefi);
        let (gpt, layout, slot) = table(&desk.image(), sector);
        assert_eq!((layout, slot), (boot.layout, 0));
        // Nobody else finds anything that was there before, and the copy is at the real end.
        let (end, bytes) = gpt.end();
        assert_eq!(end + bytes.len() as u64, size / sector * sector);
        assert!(std::fs::read(desk.image()).unwrap()[end as usize..].starts_with(&bytes));
        if sector != 512 {
            // sfdisk of Debian 12 takes files for disks with sectors of 512 bytes.
            continue;
        }
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(desk.image()).output().unwrap();
            let text =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{size}: {text}");
            text
        };
        assert!(run("sfdisk", &["--verify"]).contains("No errors detected"));
        let dumped = run("sfdisk", &["--dump"]);
        assert!(
            dumped.contains("label: gpt") && dumped.contains(&format!("last-lba: {}", size / 512 - 34)),
            "{dumped}"
        );
        // The boot sector, the table and its copy, and nothing else: a second call of blkid would otherwise name another.
        let probed = run("wipefs", &["--noheadings", "--output", "TYPE"]);
        assert_eq!(probed.split_whitespace().collect::<Vec<_>>(), ["gpt", "gpt", "PMBR"], "{size}");
    }
}

#[test]
fn root_one_flipped_byte_is_found_when_it_is_read_back() {
    let desk = Desk::new();
    let (_, boot, disk) = desk.stick(128 * MIB, 512);
    let layout = boot.layout;
    for (at, name) in [
        (5, "the boot sector with the partition table"),
        (512 + 70, "the boot sector with the partition table"),
        (layout.bios(0).0 + 1000, "GRUB for BIOS"),
        (layout.efi(0).0 + 3, "the EFI system partition"),
        (128 * MIB - 512, "the copy of the partition table"),
    ] {
        let mut byte = [0];
        disk.read_exact_at(&mut byte, at).unwrap();
        disk.write_all_at(&[byte[0] ^ 1], at).unwrap();
        let error = boot.check(&disk, &desk.image()).unwrap_err().to_string();
        assert!(error.contains(&format!("{name} is not as it was written")), "{at}: {error}");
        disk.write_all_at(&byte, at).unwrap();
    }
    boot.check(&disk, &desk.image()).unwrap();
}

/// A new loader goes beside the old one: until the last write, what the table and the boot sector name is as it was.
#[test]
fn root_a_new_loader_is_written_beside_the_old_one() {
    let desk = Desk::new();
    let image = desk.image();
    let (loaders, boot, disk) = desk.stick(128 * MIB, 512);
    let layout = boot.layout;
    assert_eq!(half_in_use(&layout, &disk, &image).unwrap(), 0);
    assert!(boot.is_on(&disk, &image).unwrap());
    assert!(!boot.update(&disk, &image).unwrap(), "nothing differs");
    let read = |(offset, bytes): (u64, u64)| {
        let mut found = vec![0; bytes as usize];
        disk.read_exact_at(&mut found, offset).unwrap();
        found
    };
    let old = (read(layout.bios(0)), read(layout.efi(0)));
    let other = Places { half: 1, slot: 1 };
    let next = loaders.place(&layout.table(&desk.manifest, 1), layout, other, &image).unwrap();
    assert!(!next.is_on(&disk, &image).unwrap());
    assert!(next.update(&disk, &image).unwrap());
    next.check(&disk, &image).unwrap();
    assert_eq!((read(layout.bios(0)), read(layout.efi(0))), old);
    assert_eq!(half_in_use(&layout, &disk, &image).unwrap(), 1);
    let (_, _, slot) = table(&image, 512);
    assert_eq!(slot, 1);
    let error = boot.check(&disk, &image).unwrap_err().to_string();
    assert!(error.contains("the boot sector"), "{error}");
}

#[test]
fn root_what_boots_is_listed_and_the_menu_leads_to_the_kernel() {
    let desk = Desk::new();
    let (_, boot, _) = desk.stick(128 * MIB, 512);
    let top = desk.dir.path().join("top");
    desk.with(|inputs| put_files(inputs, &boot, &top, "lifeboat")).unwrap();
    let read = |path: &str| std::fs::read_to_string(top.join(path)).unwrap();
    let list = BootList::from_json(read("lifeboat/boot.json").as_bytes()).unwrap();
    assert_eq!(list.image_bytes, 128 * MIB);
    let marker = format!("boot/grub/medium-{}", desk.manifest.medium_id);
    let names: Vec<&str> = list.files.keys().map(String::as_str).collect();
    let files = ["lifeboat/initrd.img", "lifeboat/kernel", "lifeboat/manifest.json"];
    assert_eq!(names, [&[".disk/info", "boot/grub/grub.cfg", &marker][..], &files].concat());
    for (path, digest) in &list.files {
        assert_eq!(blake3::hash(read(path).as_bytes()).to_hex().to_string(), digest.blake3, "{path}");
    }
    let ranges: Vec<&str> = list.ranges.iter().map(|range| range.name.as_str()).collect();
    assert_eq!(ranges.len(), 4, "{ranges:?}");
    assert!(
        read("boot/grub/grub.cfg").contains(&marker)
            && read("boot/grub/grub.cfg").contains("($root)/lifeboat/grub.cfg")
    );
    // Once more, as a refresh does it, into another folder: what GRUB looks for stays.
    desk.with(|inputs| put_files(inputs, &boot, &top, "lifeboat.new")).unwrap();
    assert_eq!(read("lifeboat.new/boot.json"), read("lifeboat/boot.json"));
}

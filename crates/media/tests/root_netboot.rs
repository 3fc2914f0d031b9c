//! Writes boot trees from the GRUB of the running system. Needs root: the tree belongs to it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use lifeboat_machine::Mode;
use lifeboat_machine::netboot::{Entry, FORMAT};
use lifeboat_media::netboot::{NetbootReport, Place, forget, machines, write};
use lifeboat_media::{MediaError, MediumInputs, Menu, MenuOptions};
use lifeboat_sys::SystemRunner;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap()
    }

    /// Puts a machine into the tree.
    fn put(&self, name: &str, mode: Option<Mode>, key: bool, url: Option<&str>) -> NetbootReport {
        self.try_put(name, mode, key, url).unwrap()
    }

    fn try_put(
        &self,
        name: &str,
        mode: Option<Mode>,
        key: bool,
        url: Option<&str>,
    ) -> Result<NetbootReport, MediaError> {
        let lifeboat = self.at("lifeboat");
        std::fs::create_dir_all(lifeboat.join("repo/data")).unwrap();
        for (file, text) in
            [("kernel", "kernel"), ("initrd.img", "initrd"), ("manifest.json", "{}"), ("repo/config", name)]
        {
            std::fs::write(lifeboat.join(file), text).unwrap();
        }
        let files: BTreeMap<String, PathBuf> =
            ["kernel", "initrd.img", "manifest.json", "repo"].map(|file| (file.to_owned(), lifeboat.join(file))).into();
        let mut machine = common::machine();
        machine.name = name.to_owned();
        let mut manifest = common::manifest();
        (manifest.machine_name, manifest.embedded_key) = (name.to_owned(), key);
        let options = MenuOptions {
            default_mode: mode,
            parameters: vec!["console=ttyS0,115200".into(), "odd=${x}".into()],
            ..MenuOptions::default()
        };
        let menu = Menu::new(&machine, &manifest, &options);
        let entry = Entry {
            format: FORMAT,
            machine_name: name.to_owned(),
            machine_id: "4c4c45440044".into(),
            medium_id: manifest.medium_id.clone(),
            created_at: manifest.created_at.clone(),
            title: menu.title.clone(),
            macs: vec!["52:54:00:00:00:01".into(), "no card".into()],
            done_blake3: String::new(),
        };
        let (work, tree) = (self.at("work"), self.at("tree"));
        let inputs = MediumInputs {
            sysroot: Path::new("/"),
            work: &work,
            out: &tree,
            keep_old: false,
            files: &files,
            manifest: &manifest,
            menu: &menu,
            seal: None,
            signing: None,
            progress: &|_| {},
        };
        write(&inputs, &Place { tree: &tree, entry: &entry, url }, &SystemRunner)
    }
}

fn script_is_right(path: &Path) {
    let check = Command::new("grub-script-check").arg(path).output().unwrap();
    assert!(check.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&check.stderr));
}

#[test]
fn root_machines_come_into_a_tree_and_go() {
    let desk = Desk { dir: tempfile::tempdir().unwrap() };
    let report = desk.put("db7", Some(Mode::Nuke), false, None);
    assert!(report.bios && report.uefi && report.armed, "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.contains("odd=${x}")), "{:?}", report.warnings);
    let folder = "tree/machines/db7-4c4c4544";
    assert_eq!(report.folder, desk.at(folder));
    for file in
        ["lifeboat/kernel", "lifeboat/initrd.img", "lifeboat/repo/config", "lifeboat/boot.json", "entry.json", "armed"]
    {
        assert!(desk.at(folder).join(file).is_file(), "{file}");
    }
    let mode = |path: &str| desk.at(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("tree/grub/grub.cfg"), mode(&format!("{folder}/lifeboat/kernel")), mode(folder)),
        (0o644, 0o644, 0o755)
    );
    assert!(desk.text(&format!("{folder}/armed")).ends_with("set default=nuke\nset timeout=10\n"));
    for script in ["tree/grub/grub.cfg", &format!("{folder}/menu.cfg"), &format!("{folder}/armed")] {
        script_is_right(&desk.at(script));
    }
    insta::assert_snapshot!("netboot_grub_cfg", desk.text("tree/grub/grub.cfg"));
    insta::assert_snapshot!("netboot_menu_cfg", desk.text(&format!("{folder}/menu.cfg")));
    insta::assert_snapshot!("netboot_boot_ipxe", desk.text("tree/boot.ipxe"));
    insta::assert_snapshot!("netboot_menu_ipxe", desk.text(&format!("{folder}/menu.ipxe")));
    let image = Command::new("file").arg("-b").arg(desk.at("tree/bootx64.efi")).output().unwrap();
    assert!(String::from_utf8_lossy(&image.stdout).contains("EFI"), "{image:?}");
    assert!(desk.at("tree/bios.0").metadata().unwrap().len() > 20_000);

    // Another one with a key: nobody but the server reads it. Nothing of the first one changes.
    desk.put("web.1", None, true, None);
    let other = "tree/machines/web-1-4c4c4544";
    assert_eq!((mode(other), mode(&format!("{other}/lifeboat/kernel"))), (0o700, 0o600));
    assert!(!desk.at(other).join("armed").exists());
    assert!(desk.text(&format!("{other}/menu.cfg")).contains("set default=local"));
    assert!(desk.text("tree/grub/grub.cfg").contains("db7-4c4c4544/menu.cfg"));
    // The first one again, otherwise: what was there is gone as a whole.
    std::fs::write(desk.at(folder).join("left"), "x").unwrap();
    let again = desk.put("db7", Some(Mode::Compare), false, None);
    assert!(!again.armed && !desk.at(folder).join("armed").exists() && !desk.at(folder).join("left").exists());
    assert!(desk.text(&format!("{folder}/menu.cfg")).contains("set default=compare"));
    let names = |folder: &str| {
        let mut names: Vec<String> = std::fs::read_dir(desk.at(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("tree/machines"), ["db7-4c4c4544", "web-1-4c4c4544"]);

    // What fails leaves nothing of itself, and the machine as it was.
    let before = desk.text(&format!("{folder}/menu.cfg"));
    std::fs::remove_dir_all(desk.at("lifeboat")).unwrap();
    std::fs::create_dir_all(desk.at("lifeboat/repo/data/x.iso")).unwrap();
    std::os::unix::fs::symlink("nowhere", desk.at("lifeboat/repo/data/gone")).unwrap();
    let failed = desk.try_put("db7", Some(Mode::Nuke), false, None).unwrap_err();
    assert!(failed.to_string().contains("cannot READ"), "{failed}");
    assert_eq!(names("tree/machines"), ["db7-4c4c4544", "web-1-4c4c4544"]);
    assert_eq!(desk.text(&format!("{folder}/menu.cfg")), before);

    // What somebody else left there is no machine, and is named.
    std::fs::create_dir(desk.at("tree/machines/strange")).unwrap();
    std::fs::write(desk.at("tree/machines/strange/entry.json"), "{").unwrap();
    forget(&desk.at("tree"), "db7-4c4c4544", None).unwrap();
    let left = machines(&desk.at("tree")).unwrap();
    assert_eq!(left.entries.iter().map(|(folder, _)| folder.as_str()).collect::<Vec<_>>(), ["web-1-4c4c4544"]);
    assert_eq!(left.faults.len(), 1);
    assert!(!desk.text("tree/grub/grub.cfg").contains("db7") && !desk.text("tree/boot.ipxe").contains("db7"));
    assert_eq!(names("tree/machines"), ["strange", "web-1-4c4c4544"]);
    assert!(forget(&desk.at("tree"), "db7-4c4c4544", None).unwrap_err().to_string().contains("cannot REMOVE"));
}

#[test]
fn root_with_an_address_there_is_an_image_for_http_boot() {
    let desk = Desk { dir: tempfile::tempdir().unwrap() };
    let url = "http://192.0.2.1/boot";
    desk.put("db7", Some(Mode::Nuke), false, Some(url));
    let folder = desk.at("tree/machines/db7-4c4c4544");
    let menu = Command::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(folder.join("boot.iso"))
        .args(["-extract_single", "/boot/grub/grub.cfg"])
        .arg(desk.at("grub.cfg"))
        .output()
        .unwrap();
    assert!(menu.status.success());
    let text = desk.text("grub.cfg");
    assert!(text.contains(&format!("lifeboat.netboot={url} ip=dhcp")) && text.contains("set default=nuke"), "{text}");
    assert!(!text.contains("BOOTIF"), "{text}");
    assert!(desk.text("tree/grub/grub.cfg").contains(&format!("set url='{url}'")));
    assert!(desk.text("tree/boot.ipxe").contains(&format!("set tree {url}")));
}

//! Sets of discs on the command line: images are read from their folder, by one of them, whole or not, and by hand. The rescue system on
//! the first is a line of text. Needs xorriso, GRUB's files, age, zstd and bsdtar.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_archive::Secret;
use lifeboat_archive::stream::Disc;
use lifeboat_archive::stream::disc::volume_name;
use lifeboat_machine::MediumManifest;
use lifeboat_machine::boot_list::SEAL_CONTEXT;
use lifeboat_media::set::DataDisc;
use lifeboat_media::{Identity, MediumInputs, Menu, MenuOptions, set_by_hand, write_iso};
use lifeboat_sys::SystemRunner;
use lifeboat_sys::tape::VolumeHeader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");
/// Bytes that no compression makes smaller, and that are the same each time.
const LARGE: usize = 40 << 20;

/// A system in a folder, and the discs of a backup of it.
struct Place(tempfile::TempDir);

fn noise(bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut content);
    content
}

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir_in("/var/tmp").unwrap());
        std::fs::create_dir_all(place.at("s/etc")).unwrap();
        std::fs::create_dir(place.at("discs")).unwrap();
        std::fs::write(place.at("s/etc/hostname"), "box").unwrap();
        std::fs::write(place.at("s/etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::write(place.at("s/etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        std::fs::write(place.at("s/large"), noise(LARGE)).unwrap();
        std::os::unix::fs::symlink("etc", place.at("s/link")).unwrap();
        let sparse = std::fs::File::create(place.at("s/sparse")).unwrap();
        sparse.set_len(1 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (1 << 20) - 3).unwrap();
        let (code, out, err) = place.run(&["backup", "--sysroot", "s", "--to", "stream:v,size=17M"]);
        assert!(code == 0 && out.contains("3 volumes"), "{code} {out} {err}");
        for number in 1..=3 {
            place.disc(number, &place.image(number));
        }
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn volume(&self, number: u32) -> PathBuf {
        self.at(&format!("v.{number:03}"))
    }

    fn image(&self, number: u32) -> PathBuf {
        self.at(&format!("discs/box-disc{number}.iso"))
    }

    fn set(&self) -> String {
        VolumeHeader::parse(&std::fs::read(self.volume(1)).unwrap()[..512]).unwrap().set
    }

    fn manifest(&self) -> MediumManifest {
        let machine_json = lifeboat_machine::testing::empty_machine().to_json();
        MediumManifest {
            medium_id: self.set(),
            set: Some(self.set()),
            repository: None,
            machine_blake3: blake3::hash(&machine_json).to_hex().to_string(),
            ..lifeboat_machine::testing::medium_manifest()
        }
    }

    /// Writes a disc as `media set` does.
    fn disc(&self, number: u32, out: &Path) {
        let (work, mut manifest) = (self.at("work"), self.manifest());
        std::fs::create_dir_all(&work).unwrap();
        let volume = self.volume(number);
        if number > 1 {
            let identity = Identity { disc: Some(number), ..Identity::of(&manifest) };
            let (name, by_hand) = (volume_name(number), set_by_hand::page(&identity));
            let disc = DataDisc {
                identity,
                name: &name,
                volume: &volume,
                by_hand: &by_hand,
                work: &work,
                out,
                progress: &|_| {},
            };
            disc.write(&SystemRunner).unwrap();
            return;
        }
        let machine = lifeboat_machine::testing::empty_machine();
        let put = |name: &str, bytes: &[u8]| {
            let path = work.join(name);
            std::fs::write(&path, bytes).unwrap();
            (name.to_owned(), path)
        };
        let mut files = BTreeMap::from([put("kernel", &[b'k'; 70_000]), put("machine.json", &machine.to_json())]);
        manifest.files = lifeboat_media::digest_files(&files).unwrap();
        files.extend([put("manifest.json", &serde_json::to_vec(&manifest).unwrap()), put("initrd.img", &[b'i'; 9000])]);
        files.insert(volume_name(1), volume);
        let key = Secret::new(std::fs::read_to_string(self.at("key")).unwrap());
        let seal = |id: &str, bytes: &[u8]| lifeboat_archive::seal::seal(&key, SEAL_CONTEXT, id.as_bytes(), bytes);
        let inputs = MediumInputs {
            sysroot: Path::new("/"),
            work: &work.join("iso"),
            out,
            keep_old: false,
            files: &files,
            manifest: &manifest,
            menu: &Menu::new(&machine, &manifest, &MenuOptions::default()),
            seal: Some(&seal),
            signing: None,
            progress: &|_| {},
        };
        write_iso(&inputs, &SystemRunner).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(LIFEBOAT)
            .args(arguments)
            .args(if arguments.contains(&"label") { &[][..] } else { &["--key-file", "key"] })
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn bash(&self, script: &str) -> (bool, String) {
        let output = Command::new("bash").arg("-c").arg(script).current_dir(self.0.path()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }
}

#[test]
fn root_images_of_a_set_are_read_like_any_archive() {
    let place = Place::new();
    for from in ["./discs", "discs:discs", "discs/box-disc1.iso", "discs/box-disc3.iso"] {
        let (code, out, err) = place.run(&["list", "--from", from]);
        assert!(code == 0 && out.contains("  box  "), "{from}: {code} {out} {err}");
    }
    let (code, _, err) = place.run(&["list", "--from", "discs"]);
    assert!(code == 2 && err.contains("means the optical drives") && err.contains("./discs"), "{code} {err}");
    let (code, out, err) = place.run(&["ls", "--from", "./discs", "latest", "/", "/link/passwd"]);
    assert!(code == 0 && out.contains("large") && out.contains("/link/passwd"), "{code} {out} {err}");
    let (code, out, err) = place.run(&["ls", "--from", "./discs", "--long", "/etc"]);
    assert!(code == 0 && out.contains("root") && out.contains("passwd"), "{code} {out} {err}");
    let (code, out, err) = place.run(&["ls", "--from", "./discs", "/none"]);
    assert!(code == 1 && err.contains("/none is not in snapshot"), "{code} {out} {err}");
    let (code, out, err) = place.run(&["dump", "--from", "./discs", "latest", "/link/passwd"]);
    assert!(code == 0 && out == "root:x:0:0::/root:/bin/sh\n", "{code} {out} {err}");
    let (code, _, err) = place.run(&["dump", "--from", "./discs", "latest", "/large", "--target", "large"]);
    assert!(code == 0 && std::fs::read(place.at("large")).unwrap() == noise(LARGE), "{code} {err}");
    let (code, _, err) = place.run(&["dump", "--from", "./discs", "latest", "/sparse", "--target", "sparse"]);
    assert!(code == 0 && std::fs::read(place.at("sparse")).unwrap().ends_with(b"\0\0end"), "{code} {err}");
    let (code, _, err) = place.run(&["dump", "--from", "./discs", "latest", "/etc"]);
    assert!(code == 2 && err.contains("restore --to DIR"), "{code} {err}");
    let (code, out, err) = place.run(&["verify", "--from", "./discs"]);
    assert!(code == 0 && out.contains("what boots is unchanged"), "{code} {out} {err}");
    assert!(out.contains("the archive is whole"), "{out}");
    let (code, out, err) = place.run(&["compare", "--from", "./discs", "--root", "s"]);
    assert!(code == 0 && out.contains("are equal"), "{code} {out} {err}");
    let (code, out, err) = place.run(&["restore", "--from", "discs/box-disc2.iso", "--to", "r"]);
    assert!(code == 0, "{code} {out} {err}");
    assert!(std::fs::read(place.at("r/large")).unwrap() == noise(LARGE));
    let (code, out, err) = place.run(&["restore", "--from", "./discs", "--to", "one", "/etc/hostname"]);
    assert!(code == 0 && place.at("one/etc/hostname").exists() && !place.at("one/large").exists(), "{out} {err}");
    let (code, _, err) = place.run(&["find", "--from", "discs/box-disc1.iso", "passwd"]);
    assert!(code != 0 && err.contains("on a set of discs"), "{code} {err}");
    let (code, _, err) = place.run(&["backup", "--sysroot", "s", "--to", "discs:discs"]);
    assert!(code == 2 && err.contains("lifeboat media set"), "{code} {err}");
}

#[test]
fn root_what_a_set_lacks_is_named() {
    let place = Place::new();
    // A copy of a disc is mentioned, an image of something else is passed over, and another set must be told apart.
    std::fs::copy(place.image(2), place.at("discs/copy.iso")).unwrap();
    std::fs::write(place.at("discs/other.iso"), vec![0; 100_000]).unwrap();
    let (code, out, err) = place.run(&["verify", "--from", "./discs"]);
    assert!(code == 0 && err.contains("copy.iso is another copy of"), "{code} {out} {err}");
    std::fs::remove_file(place.at("discs/copy.iso")).unwrap();
    // A damaged one, of which the name comes first, costs nothing as long as the other one is there.
    let mut copy = std::fs::read(place.image(2)).unwrap();
    copy[9 << 20] ^= 1;
    std::fs::write(place.at("discs/a-copy.iso"), &copy).unwrap();
    let (code, out, err) = place.run(&["verify", "--from", "./discs"]);
    assert!(
        code == 0 && err.contains("is another copy of") && out.contains("the archive is whole"),
        "{code} {out} {err}"
    );
    let (code, out, err) = place.run(&["restore", "--from", "./discs", "--to", "both"]);
    assert!(code == 0 && std::fs::read(place.at("both/large")).unwrap() == noise(LARGE), "{code} {out} {err}");
    std::fs::remove_file(place.at("discs/a-copy.iso")).unwrap();

    // Two discs of one name.
    std::fs::rename(place.image(3), place.at("third")).unwrap();
    let (code, out, err) = place.run(&["verify", "--from", "./discs"]);
    assert!(code == 4 && err.contains("the set was cut"), "{code} {out} {err}");
    std::fs::rename(place.at("third"), place.image(3)).unwrap();
    std::fs::rename(place.image(2), place.at("second")).unwrap();
    let (code, out, err) = place.run(&["restore", "--from", "./discs", "--to", "r"]);
    assert!(code == 5 && err.contains("volume 2 is missing") && err.contains("/large"), "{code} {out} {err}");
    assert!(place.at("r/etc/hostname").exists());
    std::fs::rename(place.at("second"), place.image(2)).unwrap();

    // A byte of a volume.
    let damaged = std::fs::read(place.image(2)).unwrap();
    let mut changed = damaged.clone();
    changed[9 << 20] ^= 1;
    std::fs::write(place.image(2), &changed).unwrap();
    let (code, out, err) = place.run(&["verify", "--from", "./discs"]);
    assert!(code == 4 && err.contains("volume 2") && err.contains("are damaged"), "{code} {out} {err}");
    // An image that was cut: what is left is read.
    std::fs::write(place.image(2), &damaged[..9 << 20]).unwrap();
    let (code, out, err) = place.run(&["restore", "--from", "./discs", "--to", "cut"]);
    assert!(code == 5 && err.contains("/large"), "{code} {out} {err}");
    std::fs::write(place.image(2), &damaged).unwrap();

    // The first disc's rescue system.
    let first = std::fs::read(place.image(1)).unwrap();
    let at = first.windows(64).position(|window| window == [b'k'; 64]).unwrap();
    let mut changed = first.clone();
    changed[at + 5] = b'x';
    std::fs::write(place.image(1), &changed).unwrap();
    let (code, out, err) = place.run(&["verify", "--from", "./discs"]);
    assert!(code == 4 && err.contains("kernel"), "{code} {out} {err}");
}

#[test]
fn root_each_disc_is_known_by_its_label_and_uuid() {
    let place = Place::new();
    let facts: Vec<(String, String)> = (1..=3)
        .map(|number| {
            let output = Command::new("blkid").args(["-p", "-o", "export"]).arg(place.image(number)).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
            (value("LABEL="), value("UUID="))
        })
        .collect();
    let short = place.set()[..8].to_ascii_uppercase();
    for (number, (label, uuid)) in facts.iter().enumerate() {
        assert_eq!(*label, format!("BOX_20261124_{short}_{}", number + 1));
        assert!(uuid.starts_with("2026-11-24-"), "{uuid}");
        assert_eq!(facts.iter().filter(|(_, other)| other == uuid).count(), 1, "{facts:?}");
        assert_eq!(Disc::open(&place.image(number as u32 + 1)).unwrap().label, *label);
    }
    let (code, out, err) = place.run(&["media", "label", "./discs"]);
    assert!(code == 0, "{err}");
    for text in ["OF box, DISC 1", "OF box, DISC 2", "OF box, DISC 3", "asks for", "does not boot"] {
        assert!(out.contains(text), "{text}: {out}");
    }
    let (code, out, _) = place.run(&["media", "label", "discs/box-disc2.iso", "--json"]);
    assert!(code == 0 && out.contains("\"kind\":\"disc\"") && out.contains(&place.set()), "{out}");
    assert_eq!(out.lines().count(), 1);
}

/// The page on a disc, with GNU tar and with bsdtar. Kernels of build machines may lack the filesystem of discs: what `mount` would show is
/// unpacked there.
#[test]
fn root_the_page_of_a_disc_is_followed_literally() {
    let place = Place::new();
    let (ok, said) = place
        .bash("bsdtar -xf discs/box-disc2.iso RECOVER-BY-HAND.txt && sed -n 's/^    //p' RECOVER-BY-HAND.txt >page.sh");
    assert!(ok, "{said}");
    let stand_ins = "mount() { bsdtar -C \"$4\" -xf \"$3\"; }; umount() { rm -rf \"$1\"/*; }; mountpoint() { test -e \"$2\"/lifeboat; }";
    for (target, edit) in [
        ("gnu", "true"),
        (
            "bsd",
            "sed -i \"s/| tar -xpf.*lifeboat)/| bsdtar -xpf - -C \\\"\\$target\\\" --numeric-owner --acls --xattrs --exclude '^.lifeboat')/\" page.sh && grep -q bsdtar page.sh",
        ),
    ] {
        let script = format!(
            "{edit} && {stand_ins} && images=$PWD/discs/box key=$PWD/key disc=$PWD/mnt target=$PWD/{target} && set -e && . ./page.sh"
        );
        let (ok, said) = place.bash(&script);
        assert!(ok && said.contains("disc 3 is the last: the set is whole"), "{said}");
        assert!(!said.contains("not everything"), "{said}");
        let (same, differs) = place.bash(&format!("diff -r s {target}"));
        assert!(same, "{differs}");
        assert!(!place.at(&format!("{target}.identity")).exists());
    }
    std::fs::remove_file(place.image(3)).unwrap();
    let script = format!("{stand_ins}; images=$PWD/discs/box key=$PWD/key disc=$PWD/mnt target=$PWD/cut; . ./page.sh");
    let (_, said) = place.bash(&script);
    assert!(said.contains("the set is not whole") && said.contains("not everything could be restored"), "{said}");
}

#[test]
fn root_mistakes_are_refused_before_anything_is_written() {
    let place = Place::new();
    let set = |options: &[&str]| place.run(&[&["media", "set", "--sysroot", "s"], options].concat());
    for (options, said) in [
        (&["--size", "dwd", "--out", "discs"][..], "expected cd, dvd, dvd-dl, bd, bd-dl"),
        (&["--size", "1M", "--out", "discs"], "a disc has at least"),
        (&["--size", "cd", "--out", "none/x"], "there is no folder none"),
        (&["--size", "cd", "--out", "discs/box"], "box-disc1.iso exists"),
        (&["--size", "cd", "--burn", "sr0"], "expected a drive"),
        (&["--size", "cd"], "--out"),
        (&["--out", "discs"], "--size"),
        (&["--size", "cd", "--out", "discs", "--burn", "/dev/sr0"], "cannot be used with"),
    ] {
        let (code, out, err) = set(options);
        assert!(code == 2 && err.contains(said), "{options:?}: {code} {out} {err}");
    }
}

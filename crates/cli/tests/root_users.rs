//! Other users of the machine: folders to which they could lead elsewhere, and what an ordinary user restores.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");
const USER: u32 = 1000;

/// A system in a folder, its backup, and a key.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        mode(place.0.path(), 0o755);
        std::fs::create_dir_all(place.at("s/etc")).unwrap();
        std::fs::write(place.at("s/etc/hostname"), "box").unwrap();
        std::fs::write(place.at("s/etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn directory(&self, path: &str, owner: u32, bits: u32) {
        std::fs::create_dir_all(self.at(path)).unwrap();
        chown(self.at(path), Some(owner), Some(owner)).unwrap();
        mode(&self.at(path), bits);
    }

    fn link(&self, target: &str, path: &str, owner: u32) {
        symlink(target, self.at(path)).unwrap();
        lchown(self.at(path), Some(owner), Some(owner)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (i32, String) {
        finish(Command::new(LIFEBOAT).args(arguments).current_dir(self.0.path()))
    }

    fn backup(&self) {
        let (code, err) = self.run(&["backup", "--init", "--sysroot", "s", "--key-file", "key", "--to", "repo"]);
        assert_eq!(code, 0, "{err}");
    }
}

fn mode(path: &Path, bits: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).unwrap();
}

fn finish(command: &mut Command) -> (i32, String) {
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn root_nothing_is_restored_through_a_link_of_another_user() {
    let place = Place::new();
    place.backup();
    place.directory("victim", 0, 0o700);
    place.directory("home", USER, 0o755);
    place.directory("tmp", 0, 0o1777);
    place.directory("shared", 0, 0o777);
    // In his own folder; his in a sticky folder; root's own in a folder where anybody could have replaced it.
    place.link("../victim", "home/out", USER);
    place.link("../victim", "home/of-root", 0);
    place.link("../victim", "tmp/out", USER);
    place.link("../victim", "shared/out", 0);
    for to in ["home/out", "home/of-root", "tmp/out", "tmp/out/below/it", "shared/out", "home/../home/out"] {
        let (code, err) = place.run(&["restore", "--from", "repo", "--key-file", "key", "--to", to]);
        assert!(code == 3 && err.contains("is a symbolic link"), "{to}: {code} {err}");
        assert_eq!(std::fs::read_dir(place.at("victim")).unwrap().count(), 0, "{to}");
    }
    // Where nobody else could have made it, a link is what it is for.
    place.link("victim", "own", 0);
    place.link("../victim", "tmp/own", 0);
    for to in ["own", "tmp/own", "own/../victim/new"] {
        let (code, err) = place.run(&["restore", "--from", "repo", "--key-file", "key", "--to", to]);
        assert_eq!(code, 0, "{to}: {err}");
    }
    assert!(place.at("victim/etc/hostname").exists() && place.at("victim/new/etc/hostname").exists());
}

#[test]
fn root_nothing_is_restored_to_a_folder_that_another_user_can_change() {
    let place = Place::new();
    place.backup();
    place.directory("theirs", USER, 0o700);
    place.directory("group", 0, 0o775);
    chown(place.at("group"), Some(0), Some(USER)).unwrap();
    place.directory("anybody", 0, 0o777);
    for to in ["theirs", "group", "anybody"] {
        let (code, err) = place.run(&["restore", "--from", "repo", "--key-file", "key", "--to", to]);
        assert!(code == 3 && err.contains("the folder can be changed by"), "{to}: {code} {err}");
        assert_eq!(std::fs::read_dir(place.at(to)).unwrap().count(), 0, "{to}");
    }
    // A new folder in a user's own is his to rename, not to read or to change.
    let (code, err) = place.run(&["restore", "--from", "repo", "--key-file", "key", "--to", "theirs/new"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(std::fs::metadata(place.at("theirs/new")).unwrap().uid(), 0);
}

#[test]
fn root_no_system_is_read_through_a_link_of_another_user() {
    let place = Place::new();
    place.directory("home", USER, 0o755);
    place.directory("tmp", 0, 0o1777);
    place.link("../s", "home/system", USER);
    place.link("..", "tmp/up", USER);
    std::fs::write(place.at("m.json"), "{}").unwrap();
    for sysroot in ["home/system", "tmp/up/s"] {
        for more in [&["check"][..], &["backup", "--init", "--to", "repo", "--key-file", "key"]] {
            let (code, err) = place.run(&[more, &["--sysroot", sysroot]].concat());
            assert!(code == 3 && err.contains("is a symbolic link"), "{sysroot} {more:?}: {code} {err}");
        }
        // Nor with a description of the machine that was read before.
        let (code, err) = place.run(&["backup", "--init", "--to", "repo", "--sysroot", sysroot, "--machine", "m.json"]);
        assert!(code == 3 && err.contains("is a symbolic link"), "{sysroot}: {code} {err}");
    }
    assert!(!place.at("repo").exists());
    place.link("s", "own", 0);
    let (code, err) = place.run(&["backup", "--init", "--to", "repo", "--key-file", "key", "--sysroot", "own"]);
    assert_eq!(code, 0, "{err}");
}

#[test]
fn root_an_ordinary_user_gets_no_set_id_bits_of_others() {
    let place = Place::new();
    let files = [
        ("s/bin/su", (0, 0), 0o4755, 0o755),
        ("s/bin/wall", (0, 5), 0o2755, 0o755),
        ("s/bin/both", (0, 0), 0o6711, 0o711),
        ("s/bin/plain", (0, 0), 0o755, 0o755),
        // His own stays his own.
        ("s/bin/own", (USER, USER), 0o6755, 0o6755),
    ];
    std::fs::create_dir_all(place.at("s/bin")).unwrap();
    for (path, (uid, gid), bits, _) in files {
        std::fs::write(place.at(path), "#!/bin/sh\n").unwrap();
        chown(place.at(path), Some(uid), Some(gid)).unwrap();
        mode(&place.at(path), bits);
    }
    // Of a directory the bit says whose group new entries get.
    std::fs::create_dir(place.at("s/common")).unwrap();
    chown(place.at("s/common"), Some(0), Some(50)).unwrap();
    mode(&place.at("s/common"), 0o2775);
    place.backup();
    place.directory("home", USER, 0o755);
    // He may read the archive and its key, and the program lies where he may go.
    std::fs::copy(LIFEBOAT, place.at("lifeboat")).unwrap();
    let given = Command::new("chown").args(["-R", "1000:1000"]).args([place.at("repo"), place.at("key")]).status();
    assert!(given.unwrap().success());
    let (code, err) = finish(
        Command::new("setpriv")
            .args(["--reuid=1000", "--regid=1000", "--clear-groups"])
            .arg(place.at("lifeboat"))
            .args(["restore", "--from", "../repo", "--key-file", "../key", "--to", "out"])
            .current_dir(place.at("home")),
    );
    assert_eq!(code, 0, "{err}");
    for (path, _, bits, expected) in files {
        let here = place.at("home/out").join(path.strip_prefix("s/").unwrap()).metadata().unwrap();
        assert_eq!((here.uid(), here.mode() & 0o7777), (USER, expected), "{path} {bits:o}");
    }
    assert_eq!(place.at("home/out/common").metadata().unwrap().mode() & 0o7777, 0o2775);
    let reported: Vec<&str> = err.lines().filter(|line| line.contains("set-id bits were not restored")).collect();
    assert_eq!(reported.len(), 1, "{err}");
    for name in ["/bin/su", "/bin/wall", "/bin/both"] {
        assert!(reported[0].contains(name), "{}", reported[0]);
    }
    assert!(!reported[0].contains("/bin/own") && !reported[0].contains("plain"), "{}", reported[0]);
    // Root restores owners, and with them the bits.
    let (code, err) = place.run(&["restore", "--from", "repo", "--key-file", "key", "--to", "all"]);
    assert!(code == 0 && !err.contains("set-id"), "{err}");
    for (path, (uid, gid), bits, _) in files {
        let here = place.at("all").join(path.strip_prefix("s/").unwrap()).metadata().unwrap();
        assert_eq!((here.uid(), here.gid(), here.mode() & 0o7777), (uid, gid, bits), "{path}");
    }
}

#[test]
fn root_nothing_new_is_made_where_another_user_leads() {
    let place = Place::new();
    place.directory("roots", 0, 0o700);
    place.directory("theirs", USER, 0o755);
    place.directory("sticky", 0, 0o1777);
    place.link("../roots", "theirs/roots", USER);
    let (code, err) = place.run(&["key", "create", "--key-file", "theirs/roots/key"]);
    assert!(code == 1 && err.contains("is a symbolic link in a folder that user 1000 can change"), "{code} {err}");
    place.link("../roots/placed", "sticky/new.json.draft", USER);
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../machine/tests/format-1.json"), place.at("m.json"))
        .unwrap();
    for (out, said) in
        [("sticky/new.json", "it is not a file of ours"), ("theirs/new.json", "can be changed by user 1000")]
    {
        let arguments = ["layout", "edit", "m.json", "--out", out];
        let (code, err) = finish(
            Command::new(LIFEBOAT)
                .args(arguments)
                .env("EDITOR", "true")
                .env_remove("VISUAL")
                .current_dir(place.0.path()),
        );
        assert!(code == 3 && err.contains(said), "{out}: {code} {err}");
    }
    assert_eq!(std::fs::read_dir(place.at("roots")).unwrap().count(), 0);
    // A folder that is not there yet could be anything by the time that it is used.
    place.backup();
    let (code, err) = place.run(&["mount", "sticky/none", "--from", "repo", "--key-file", "key"]);
    assert!(code == 2 && err.contains("there is no folder sticky/none"), "{code} {err}");
    // The path of a repository leads where its owner wants.
    place.link("../roots", "theirs/repo", USER);
    let (code, err) = place.run(&["backup", "--init", "--sysroot", "s", "--key-file", "key", "--to", "theirs/repo"]);
    assert!(code == 1 && err.contains("is a symbolic link in a folder that user 1000 can change"), "{code} {err}");
    assert_eq!(std::fs::read_dir(place.at("roots")).unwrap().count(), 0);
}

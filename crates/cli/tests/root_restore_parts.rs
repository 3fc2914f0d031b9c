//! Restoring parts: by pattern, under another name, into other folders, beside what is there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

struct Desk(tempfile::TempDir);

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir_in("/var/tmp").unwrap());
        for (path, text) in [
            ("etc/hostname", "box\n"),
            ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
            ("etc/fstab", "fstab\n"),
            ("etc/app/a.conf", "a\n"),
            ("etc/app/a.data", "data\n"),
            ("srv/b.conf", "b\n"),
            ("srv/.lifeboat/kept", "kept\n"),
        ] {
            write(&desk.at("tree").join(path), text);
        }
        std::fs::hard_link(desk.at("tree/srv/b.conf"), desk.at("tree/srv/c.conf")).unwrap();
        let (code, _, err) = desk.run(&["backup", "--sysroot", "tree", "--to", "repo", "--init", "--key-file", "key"]);
        assert_eq!(code, 0, "{err}");
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output =
            Command::new(LIFEBOAT).args(arguments).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn restore(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(&[&["restore", "--from", "repo", "--key-file", "key"], arguments].concat())
    }

    fn restored(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.restore(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out + &err
    }

    /// The files below a folder.
    fn files(&self, folder: &str) -> Vec<String> {
        let (mut files, mut open) = (vec![], vec![self.at(folder)]);
        while let Some(next) = open.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => open.push(path),
                    false => files.push(path.strip_prefix(self.at(folder)).unwrap().display().to_string()),
                }
            }
        }
        files.sort();
        files
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap()
    }
}

#[test]
fn root_patterns_choose_what_is_restored() {
    let desk = Desk::new();
    desk.restored(&["--to", "one", "-i", "*.conf"]);
    assert_eq!(desk.files("one"), ["etc/app/a.conf", "srv/b.conf", "srv/c.conf"]);
    desk.restored(&["--to", "two", "/etc", "--include", "app", "--exclude", "*.data"]);
    assert_eq!(desk.files("two"), ["etc/app/a.conf"]);
    desk.restored(&["--to", "three", "--exclude", "/srv"]);
    assert_eq!(
        desk.files("three"),
        ["etc/app/a.conf", "etc/app/a.data", "etc/fstab", "etc/hostname", "etc/machine-id"]
    );
    let (code, _, err) = desk.restore(&["--to", "four", "-i", "*.conf", "-i", "none-*"]);
    assert!(code == 1 && err.contains("fits --include 'none-*'") && !desk.at("four").exists(), "{err}");
    for arguments in [
        // Each pattern fits something, and together they leave nothing.
        &["-i", "*.conf", "-e", "*.conf"][..],
        &["-i", "*.data", "-e", "/etc"],
        &["/srv", "-i", "*.data"],
        &["/srv", "-e", "/srv"],
    ] {
        for more in [&[][..], &["--dry-run"], &["--overwrite", "never"]] {
            let (code, _, err) = desk.restore(&[&["--to", "four"], arguments, more].concat());
            assert!(code == 1 && err.contains("no entry of snapshot"), "{arguments:?} {more:?}: {code} {err}");
            assert!(!desk.at("four").exists());
        }
    }
    assert_eq!(desk.restore(&["--to", "four", "-i", "["]).0, 2);
    assert_eq!(desk.restore(&["-e", "x"]).0, 2, "everything in place is never meant");
}

#[test]
fn root_an_entry_is_restored_under_another_name() {
    let desk = Desk::new();
    let out = desk.restored(&["/etc/fstab", "--as", "old", "--to", "one"]);
    assert!(out.contains("restored 1 entry, 6 B to one"), "{out}");
    assert_eq!((desk.files("one"), desk.text("one/old").as_str()), (vec!["old".to_owned()], "fstab\n"));
    desk.restored(&["/etc/app", "--as", "copy", "--to", "one"]);
    assert_eq!(desk.files("one"), ["copy/a.conf", "copy/a.data", "old"]);
    desk.restored(&["/etc/app", "--inside", "--to", "two"]);
    assert_eq!(desk.files("two"), ["a.conf", "a.data"]);
    desk.restored(&["/srv", "--inside", "--to", "three"]);
    assert_eq!(desk.files("three"), [".lifeboat/kept", "b.conf", "c.conf"]);
    for (arguments, code) in [
        (&["/etc/fstab", "--as", "a/b", "--to", "x"][..], 2),
        (&["/etc/fstab", "--as", "..", "--to", "x"], 2),
        (&["/etc/fstab", "/etc/app", "--as", "y", "--to", "x"], 2),
        (&["/", "--as", "y", "--to", "x"], 2),
        (&["/etc/fstab", "--inside", "--to", "x"], 2),
        (&["/none", "--as", "y", "--to", "x"], 1),
        (&["/etc/fstab", "--inside"], 2),
    ] {
        let (ended, _, err) = desk.restore(arguments);
        assert_eq!(ended, code, "{arguments:?}: {err}");
        assert!(!desk.at("x").exists(), "{arguments:?}");
    }
}

#[test]
fn root_what_is_there_is_announced_replaced_or_kept() {
    let desk = Desk::new();
    let all = ["--to", "out"];
    desk.restored(&all);
    let touch = |path: &str, text: &str| write(&desk.at(path), text);
    touch("out/etc/fstab", "mine\n");
    std::fs::remove_file(desk.at("out/etc/hostname")).unwrap();
    touch("out/extra", "extra\n");
    // Nothing is written by a dry run.
    let out = desk.restored(&[&all[..], &["--dry-run", "--overwrite", "if-changed"]].concat());
    assert!(out.contains("replaced: 1;") && out.contains("new: 1 entry;") && out.contains("room: "), "{out}");
    assert!(out.contains("would be replaced (1 of them changed since the backup): /etc/fstab"), "{out}");
    assert_eq!(desk.text("out/etc/fstab"), "mine\n");
    let out = desk.restored(&[&all[..], &["--overwrite", "never"]].concat());
    assert!(out.contains("stay as they are"), "{out}");
    assert_eq!((desk.text("out/etc/fstab").as_str(), desk.text("out/etc/hostname").as_str()), ("mine\n", "box\n"));
    let before = std::fs::metadata(desk.at("out/etc/hostname")).unwrap();
    let out = desk.restored(&[&all[..], &["--overwrite", "if-changed"]].concat());
    assert!(out.contains("1 entry in out will be replaced") && desk.text("out/etc/fstab") == "fstab\n", "{out}");
    let inode = |path: &str| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(desk.at(path)).unwrap());
    assert_eq!(inode("out/etc/hostname"), std::os::unix::fs::MetadataExt::ino(&before), "it was not written again");
    // One of two names changed: both are restored, so that they stay one file.
    std::fs::remove_file(desk.at("out/srv/b.conf")).unwrap();
    touch("out/srv/b.conf", "mine\n");
    desk.restored(&[&all[..], &["--overwrite", "if-changed"]].concat());
    assert_eq!((inode("out/srv/b.conf"), desk.text("out/srv/c.conf").as_str()), (inode("out/srv/c.conf"), "b\n"));
    let out = desk.restored(&all);
    assert!(
        out.contains("7 entries in out will be replaced") || out.contains("8 entries in out will be replaced"),
        "{out}"
    );
    assert_eq!(desk.text("out/extra"), "extra\n");
    let json = desk.restored(&[&all[..], &["--dry-run", "--json"]].concat());
    assert!(json.contains("\"dry_run\":true") && json.contains("\"free_bytes\":"), "{json}");
    // What is missing has the code that the restore will have.
    for paths in [&["/etc/fstab", "/none"][..], &["/none"]] {
        for more in [&["--dry-run"][..], &[]] {
            let (code, _, err) = desk.restore(&[&["--to", "parts"], paths, more].concat());
            assert!(code == 5 && err.contains("/none: cannot RESTORE: it is not in the snapshot"), "{code} {err}");
        }
    }
    // A folder that does not exist yet is not made by a dry run.
    let out = desk.restored(&["--to", "later", "--dry-run"]);
    assert!(out.contains("would restore") && !desk.at("later").exists(), "{out}");
}

/// Content of a file of its number: not compressible, and long enough that it is written in parts.
fn content(number: u32) -> Vec<u8> {
    let mut state = u64::from(number) + 1;
    let length = 1 + (number as usize * 7919) % 90_000;
    let mut bytes = vec![];
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

/// Restored files that have their real paths, each of which must be whole; and directories that have another name.
fn whole(desk: &Desk, folder: &str) -> (usize, usize) {
    let (mut files, mut staged, mut open) = (0, 0, vec![desk.at(folder)]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with(".lifeboat-") {
                staged += usize::from(path.is_dir());
            } else if path.is_dir() {
                open.push(path);
            } else if let Some(number) = name.strip_prefix("number-") {
                let (is, metadata) = (std::fs::read(&path).unwrap(), path.metadata().unwrap());
                assert!(is == content(number.parse().unwrap()), "{} is not whole", path.display());
                assert_eq!(metadata.permissions().mode() & 0o7777, 0o640, "{}", path.display());
                files += 1;
            }
        }
    }
    (files, staged)
}

#[test]
fn root_a_killed_restore_leaves_no_half_of_a_file_and_is_continued() {
    let desk = Desk::new();
    let mut number = 0;
    for folder in 0..40 {
        for below in ["", "/deep", "/deep/er", "/beside"] {
            for _ in 0..4 {
                let path = desk.at(&format!("tree/srv/www/site{folder}{below}/number-{number}"));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, content(number)).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
                number += 1;
            }
        }
    }
    std::fs::hard_link(desk.at("tree/srv/www/site1/deep/number-20"), desk.at("tree/srv/www/site2/beside/same"))
        .unwrap();
    let (code, _, err) = desk.run(&["backup", "--sysroot", "tree", "--to", "repo", "--key-file", "key"]);
    assert_eq!(code, 0, "{err}");
    let began = std::time::Instant::now();
    desk.restored(&["--to", "whole"]);
    let whole_time = began.elapsed();
    assert_eq!(whole(&desk, "whole"), (number as usize, 0));
    std::fs::create_dir(desk.at("out")).unwrap();
    let (mut in_between, mut best) = (0, 0);
    for part in 1..=16 {
        let mut restore = Command::new(LIFEBOAT);
        restore.args(["restore", "--from", "repo", "--key-file", "key", "--to", "out", "--overwrite", "if-changed"]);
        let quiet = restore.current_dir(desk.0.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.spawn().unwrap();
        std::thread::sleep(whole_time * part / 16);
        let _ = child.kill();
        child.wait().unwrap();
        let (files, staged) = whole(&desk, "out");
        // What had its name keeps it.
        assert!(files >= best, "{files} of {best}");
        best = files;
        in_between += usize::from(staged > 0);
    }
    assert!(in_between > 0, "none of the 16 was killed among files");
    desk.restored(&["--to", "out", "--overwrite", "if-changed"]);
    assert_eq!(whole(&desk, "out"), (number as usize, 0));
    let inode = |path: &str| desk.at(path).metadata().unwrap().ino();
    assert_eq!(inode("out/srv/www/site1/deep/number-20"), inode("out/srv/www/site2/beside/same"));
    let compared = desk.run(&["compare", "--from", "repo", "--key-file", "key", "--root", "out"]);
    assert_eq!(compared.0, 0, "{compared:?}");
}

#[test]
fn root_what_a_killed_restore_did_not_finish_is_finished_though_nothing_is_overwritten() {
    let desk = Desk::new();
    let mode = |path: &str| desk.at(path).metadata().unwrap().permissions().mode() & 0o7777;
    for (folder, mode) in [("etc", 0o1700), ("srv", 0o700)] {
        std::fs::create_dir_all(desk.at("out").join(folder)).unwrap();
        std::fs::set_permissions(desk.at("out").join(folder), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    desk.restored(&["--to", "out", "--overwrite", "never"]);
    // Somebody chose the other one's mode.
    assert_eq!((mode("out/etc"), mode("out/srv")), (mode("tree/etc"), 0o700));
    assert_eq!(desk.files("out"), desk.files("tree"));
}

#[test]
fn root_what_is_newer_here_stays() {
    let desk = Desk::new();
    let restore = ["latest", "/etc", "--to", "out", "--overwrite", "if-newer"];
    desk.restored(&restore);
    assert!(!desk.at("out/srv").exists());
    let age = |path: &str, seconds: i64| {
        let file = std::fs::File::options().write(true).open(desk.at(path)).unwrap();
        let now = std::time::SystemTime::now();
        let by = std::time::Duration::from_secs(seconds.unsigned_abs());
        file.set_modified(if seconds < 0 { now - by } else { now + by }).unwrap();
    };
    for (path, seconds) in [("out/etc/fstab", 60), ("out/etc/hostname", -86_400)] {
        write(&desk.at(path), "mine\n");
        age(path, seconds);
    }
    desk.restored(&restore);
    assert_eq!((desk.text("out/etc/fstab").as_str(), desk.text("out/etc/hostname").as_str()), ("mine\n", "box\n"));
    let (code, _, err) = desk.restore(&["latest", "--snapshot", "1a2b", "--to", "out"]);
    assert!(code == 2 && err.contains("two snapshots are named"), "{code} {err}");
}

#[test]
fn root_a_list_of_exclusions_and_a_backup_that_does_not_start() {
    let desk = Desk::new();
    for path in ["usr/bin/sh", "usr/lib/x", "usr/share/doc/x"] {
        write(&desk.at("tree").join(path), "x\n");
    }
    write(&desk.at("list"), "# documents\n/usr/share/doc\n\n**/*.data\n");
    let backup = ["backup", "--sysroot", "tree", "--to", "repo", "--key-file", "key"];
    let from = ["--from", "repo", "--key-file", "key"];
    let starts = |expected: bool| {
        let (code, out, err) = desk.run(&[&["verify"], &from[..]].concat());
        assert!(code == 0 && err.contains("does not start") != expected, "{code} {out} {err}");
        err
    };
    assert!(starts(false).contains(": /usr is not in it, or empty"));
    let (code, _, err) = desk.run(&[&backup[..], &["--exclude-file", "list"]].concat());
    assert!(code == 0 && !err.contains("does not start"), "{code} {err}");
    starts(true);
    let (_, out, _) = desk.run(&[&["ls", "-R"], &from[..], &["--json"]].concat());
    assert!(out.contains("/usr/lib/x") && !out.contains("/usr/share/doc") && !out.contains("a.data"), "{out}");
    let (code, _, err) = desk.run(&[&backup[..], &["--exclude", "/usr/lib/**"]].concat());
    assert!(code == 0 && err.contains("does not start"), "{code} {err}");
    assert!(starts(false).contains("/usr/lib is not in it, or empty"));
    let (code, _, err) = desk.run(&[&backup[..], &["--exclude-file", "none"]].concat());
    assert!(code == 2 && err.contains("cannot READ it"), "{code} {err}");
}

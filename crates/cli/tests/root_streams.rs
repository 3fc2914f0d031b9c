//! Streams on the command line: the same counts, errors and exit codes as a repository.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

/// A system in a folder.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir_in("/var/tmp").unwrap());
        std::fs::create_dir_all(place.at("s/etc")).unwrap();
        std::fs::write(place.at("s/etc/hostname"), "box").unwrap();
        std::fs::write(place.at("s/etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        std::fs::write(place.at("s/etc/motd"), "hello\n").unwrap();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run_with(arguments, Stdio::null())
    }

    fn run_with(&self, arguments: &[&str], input: Stdio) -> (i32, String, String) {
        let output = Command::new(LIFEBOAT)
            .args(arguments)
            .args(["--key-file", "key"])
            .current_dir(self.0.path())
            .stdin(input)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn backup(&self, to: &str) -> (i32, String, String) {
        self.run(&["backup", "--sysroot", "s", "--to", to])
    }

    fn file(&self, path: &str) -> std::fs::File {
        std::fs::File::open(self.at(path)).unwrap()
    }
}

/// The number before " entries", or " entry".
fn entries(text: &str) -> String {
    let before = text.split(" entr").next().unwrap();
    before.rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn root_a_stream_is_listed_verified_compared_and_restored() {
    let place = Place::new();
    let (code, repository, err) = place.run(&["backup", "--sysroot", "s", "--init", "--to", "repository"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = place.backup("stream:set");
    assert!(code == 0 && out.contains("1 volume"), "{code} {out} {err}");
    assert_eq!(entries(&out), entries(&repository), "the same counts");
    assert_eq!(place.at("set").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (code, out, _) = place.run(&["list", "--from", "stream:set"]);
    assert!(code == 0 && out.contains("  box  "), "{code} {out}");
    let (code, out, err) = place.run(&["verify", "--from", "stream:set"]);
    assert!(code == 0 && out.contains("the archive is whole: 1 snapshot with"), "{code} {out} {err}");
    let (code, out, err) = place.run(&["compare", "--from", "stream:set", "--root", "s"]);
    assert!(code == 0 && out.contains("are equal"), "{code} {out} {err}");
    let (code, out, err) = place.run(&["restore", "--from", "stream:set", "--to", "r"]);
    assert!(code == 0 && out.contains("restored"), "{code} {out} {err}");
    assert_eq!(std::fs::read(place.at("r/etc/motd")).unwrap(), b"hello\n");
    let (code, out, err) = place.run(&["restore", "--from", "stream:set", "--to", "one", "/etc/motd"]);
    assert!(code == 0 && entries(&out) == "1", "{code} {out} {err}");
    std::fs::write(place.at("s/etc/motd"), "other\n").unwrap();
    let (code, out, _) = place.run(&["compare", "--from", "stream:set", "--root", "s"]);
    assert!(code == 4 && out.contains("/etc/motd: content: the bytes differ"), "{code} {out}");
    let (code, _, err) = place.run(&["restore", "--from", "stream:set", "--to", "r2", "--snapshot", "ffff"]);
    assert!(code == 1 && err.contains("cannot FIND the snapshot ffff"), "{code} {err}");
    let (code, _, err) = place.run(&["restore", "--from", "stream:set", "--to", "r3", "/none"]);
    assert!(code == 5 && err.contains("/none"), "{code} {err}");
}

#[test]
fn root_options_have_an_effect_or_are_refused() {
    let place = Place::new();
    // Digits without order: only their coding saves anything.
    let mut state = 1_u64;
    let mut digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b"0123456789abcdef"[(state >> 60) as usize]
    };
    let digits: Vec<u8> = (0..1_000_000).map(|_| digit()).collect();
    std::fs::write(place.at("s/etc/digits"), digits).unwrap();
    let size = |name: &str, level: &str| {
        let (code, _, err) =
            place.run(&["backup", "--sysroot", "s", "--to", &format!("stream:{name}"), "--compression", level]);
        assert_eq!(code, 0, "{err}");
        place.at(name).metadata().unwrap().len()
    };
    let (fast, small) = (size("fast", "-7"), size("small", "19"));
    assert!(small < fast, "{small} of {fast}");
    for option in [&["--init"][..], &["--wait-lock", "5"], &["--force"]] {
        let (code, _, err) = place.run(&[&["backup", "--sysroot", "s", "--to", "stream:refused"], option].concat());
        assert!(code == 2 && err.contains(&format!("{} has no effect on a stream", option[0])), "{code} {err}");
    }
    assert!(!place.at("refused").exists());
    let (code, _, err) = place.run(&["backup", "--sysroot", "s", "--to", "repository", "--init", "--force"]);
    assert!(code == 2 && err.contains("--force is for tapes") && !place.at("repository").exists(), "{code} {err}");
}

#[test]
fn root_pipes() {
    let place = Place::new();
    let out = std::fs::File::create(place.at("piped")).unwrap();
    let status = Command::new(LIFEBOAT)
        .args(["backup", "--sysroot", "s", "--key-file", "key", "--to", "stream:-"])
        .current_dir(place.0.path())
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&status.stderr).into_owned();
    // The result is for people, and not part of the stream.
    assert!(status.status.success() && err.contains("1 volume"), "{err}");
    for command in [&["list"][..], &["verify"], &["compare", "--root", "s"], &["restore", "--to", "r"]] {
        let (code, out, err) = place.run_with(&[command, &["--from", "stream:-"]].concat(), place.file("piped").into());
        assert_eq!(code, 0, "{command:?} {out} {err}");
    }
    assert_eq!(std::fs::read(place.at("r/etc/motd")).unwrap(), b"hello\n");
    for (patterns, said) in [(&["-i", "none"][..], "--include 'none'"), (&["-i", "motd", "-e", "/etc"], "together")] {
        let restore = [&["restore", "--to", "empty", "--from", "stream:-"], patterns].concat();
        let (code, _, err) = place.run_with(&restore, place.file("piped").into());
        assert!(code == 1 && err.contains(said) && !place.at("empty").exists(), "{patterns:?}: {code} {err}");
    }
    let (code, _, err) = place.run_with(&["list", "--from", "stream:-"], Stdio::null());
    assert!(code == 1 && err.contains("standard input"), "{code} {err}");
}

#[test]
fn root_damage_has_its_exit_codes() {
    let place = Place::new();
    let mut noise = vec![0; 40 << 20];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut noise).unwrap();
    for (number, part) in noise.chunks(4 << 20).enumerate() {
        std::fs::write(place.at("s").join(format!("f{number}")), part).unwrap();
    }
    let (code, out, err) = place.backup("stream:v/n,size=16M");
    assert!(code == 1 && err.contains("cannot WRITE v/n"), "{code} {out} {err}");
    std::fs::create_dir(place.at("v")).unwrap();
    let (code, out, err) = place.backup("stream:v/n,size=16M");
    assert!(code == 0 && out.contains("volumes"), "{code} {out} {err}");
    let (code, _, err) = place.backup("stream:v/n,size=16M");
    assert!(code == 3 && err.contains("exist already"), "{code} {err}");
    assert_eq!(place.run(&["verify", "--from", "stream:v/n"]).0, 0);
    std::fs::remove_file(place.at("v/n.002")).unwrap();
    let (code, _, err) = place.run(&["verify", "--from", "stream:v/n"]);
    assert!(code == 4 && err.contains("volume 2 is missing"), "{code} {err}");
    let (code, _, err) = place.run(&["restore", "--from", "stream:v/n", "--to", "r"]);
    assert!(code == 5 && err.contains("volume 2 is missing"), "{code} {err}");
    assert_eq!(std::fs::read(place.at("r/etc/motd")).unwrap(), b"hello\n");
    std::fs::remove_file(place.at("v/n.001")).unwrap();
    let (code, _, err) = place.run(&["list", "--from", "stream:v/n"]);
    assert!(code == 5 && err.contains("volume 1 is missing"), "{code} {err}");
    for (text, wanted) in [("stream:none", 1), ("stream:", 2), ("stream:n,size=5", 2)] {
        assert_eq!(place.run(&["list", "--from", text]).0, wanted, "{text}");
    }
    std::fs::write(place.at("key"), "a passphrase\n").unwrap();
    let (code, _, err) = place.backup("stream:set");
    assert!(code == 3 && err.contains("cannot ENCRYPT a stream with a passphrase"), "{code} {err}");
    assert!(!place.at("set").exists() && !place.at("set.partial").exists());
}

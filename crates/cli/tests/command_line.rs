//! What the program says and the codes it ends with, for everything that needs no disk.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

use assert_cmd::Command;

fn lifeboat(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("lifeboat").unwrap().args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn without_arguments_it_says_what_it_is_and_what_matters() {
    let (code, out, _) = lifeboat(&[]);
    assert_eq!(code, 0);
    for part in ["brings a dead Linux machine back", "lifeboat check", "lifeboat rescue --out", "lifeboat drill"] {
        assert!(out.contains(part), "{out}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("lifeboat.toml");
    std::fs::write(&config, "repositry = '/x'\n").unwrap();
    let here = folder.path().to_str().unwrap();
    for (arguments, part) in [
        (&["restor"][..], "unrecognized subcommand"),
        (&["media", "iso", "--out", "x.iso"], "what should the medium hold?"),
        (&["list"], "which archive?"),
        (&["backup", "--to", "ftp://server/x"], "'ftp' is not known here"),
        (&["restore"], "restore what?"),
        (&["restore", "--from", here, "relative/path"], "begin with /"),
        (&["restore", "--mode", "nuke"], "boot process of the rescue system"),
        (&["drill", "/nonexistent.iso"], "no such medium"),
        (&["check", "--sysroot", "/nonexistent"], "no such folder"),
        (&["--config", config.to_str().unwrap(), "check"], "repositry"),
    ] {
        let (code, _, err) = lifeboat(arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
}

#[test]
fn tapes_are_refused_where_nothing_reads_or_writes_them() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let key = key.to_str().unwrap();
    for (arguments, code, part) in [
        (&["list", "--from", "tape:nst0"][..], 1, "expected tape or tape:/dev/nst0"),
        (&["backup", "--to", "tape:/dev/nst0", "--key-file", key], 3, "does not write tapes yet"),
        (
            &["media", "iso", "--rescue-only", "--source", "tape", "--out", "/nonexistent/x.iso"],
            3,
            "does not recover from tapes yet",
        ),
    ] {
        let (ended, _, err) = lifeboat(arguments);
        assert_eq!(ended, code, "{arguments:?}: {err}");
        assert!(err.contains(part), "{arguments:?}: {err}");
    }
    assert!(!std::path::Path::new(key).exists());
}

#[test]
fn keys_are_made_shown_and_typed_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("first.key"), path("second.key"));
    assert_eq!(lifeboat(&["key", "create", "--key-file", &first]).0, 0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&first).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (code, _, err) = lifeboat(&["key", "create", "--key-file", &first]);
    assert_eq!(code, 1, "an existing key is never overwritten: {err}");
    let (_, words, _) = lifeboat(&["key", "show", "--key-file", &first]);
    Command::cargo_bin("lifeboat")
        .unwrap()
        .args(["key", "import", "--key-file", &second])
        .write_stdin(words)
        .assert()
        .success();
    assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
}

#[test]
fn a_wrong_word_is_pointed_out() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("k");
    let assert = Command::cargo_bin("lifeboat")
        .unwrap()
        .args(["key", "import", "--key-file", key.to_str().unwrap()])
        .write_stdin(format!("{} zzzz\n", "abandon ".repeat(23)))
        .assert()
        .code(1);
    let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(err.contains("word 24") && err.contains("zzzz"), "{err}");
    assert!(!key.exists());
}

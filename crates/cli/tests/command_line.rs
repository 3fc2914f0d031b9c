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
        (&["media", "iso", "--out", "x.iso"], "no content for the medium was chosen"),
        (&["list"], "no archive was named"),
        (&["backup", "--to", "ftp://server/x"], "'ftp' is not known here"),
        (&["restore"], "nothing to restore was named"),
        (&["restore", "--from", here, "relative/path"], "begin with /"),
        (&["restore", "--mode", "nuke"], "boot process of the rescue system"),
        (&["backup", "--to", "sftp://nas/a%2"], "%25"),
        (&["backup", "--to", "x", "--exclude", "/d/../etc"], "'..'"),
        (&["backup", "--to", "x", "--exclude-contents", "/"], "exclude everything"),
        (&["backup", "--to", "x", "--own-disk"], "--init"),
        // It never ends.
        (&["backup", "--to", here, "--sysroot", here, "--machine", "/dev/zero"], "larger than a file of this kind"),
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
fn mistyped_tapes_and_streams_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let key = key.to_str().unwrap();
    for (arguments, code, part) in [
        (&["list", "--from", "tape:nst0"][..], 2, "expected tape or tape:/dev/nst0"),
        (&["backup", "--to", "tape:nst0", "--key-file", key], 2, "expected tape or tape:/dev/nst0"),
        (&["media", "tape", "--to", "nst0", "--key-file", key], 2, "expected tape or tape:/dev/nst0"),
        (&["media", "tape", "--embed-key", "--key-file", key], 2, "--obdr"),
        (&["media", "tape", "--mode", "nuke", "--key-file", key], 2, "--obdr"),
        (&["backup", "--to", "stream:disk:LABEL=x:/web1", "--key-file", key], 2, "mounting it"),
        (
            &["media", "iso", "--rescue-only", "--source", "tape:nst0", "--out", "x.iso"],
            2,
            "expected tape or tape:/dev/nst0",
        ),
        (
            &["media", "iso", "--rescue-only", "--source", "stream:/web1", "--out", "x.iso"],
            2,
            "stream:disk:UUID=…:/PATH",
        ),
        (
            &["media", "iso", "--rescue-only", "--source", "stream:disk:x", "--out", "x.iso"],
            2,
            "stream:disk:UUID=…:/PATH",
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

/// The lines of standard output, each of which must be JSON.
fn json_lines(out: &str) -> Vec<serde_json::Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn with_json_the_error_is_the_last_line_of_standard_output() {
    for (arguments, code, kind) in [
        (&["--json", "list", "--from", "/nonexistent"][..], 1, "failed"),
        (&["restore", "--json"], 2, "usage"),
        (&["--json", "--no-such-option"], 2, "usage"),
        (&["--json", "media", "iso", "--rescue-only", "--source", "tape", "--out", "/nonexistent/x.iso"], 3, "refused"),
    ] {
        let (ended, out, err) = lifeboat(arguments);
        assert_eq!(ended, code, "{arguments:?}: {err}");
        let last = json_lines(&out).pop().unwrap();
        assert_eq!((last["event"].as_str(), last["kind"].as_str()), (Some("error"), Some(kind)), "{last}");
        assert_eq!(last["code"].as_i64(), Some(code.into()));
        assert!(!last["error"].as_str().unwrap().is_empty() && !err.is_empty());
    }
}

#[test]
fn recovery_words_are_shown_on_a_terminal_or_when_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let (code, out, err) = lifeboat(&["key", "create", "--key-file", key.to_str().unwrap()]);
    assert_eq!(code, 0);
    let (_, shown, _) = lifeboat(&["key", "show", "--json", "--key-file", key.to_str().unwrap()]);
    let words: Vec<String> = serde_json::from_value(json_lines(&shown)[0]["words"].clone()).unwrap();
    assert_eq!(words.len(), 24);
    let logged: Vec<&str> = err.split_whitespace().chain(out.split_whitespace()).collect();
    let pairs = words.windows(2).filter(|pair| logged.windows(2).any(|reported| reported == *pair));
    assert_eq!(pairs.count(), 0, "{err}");
    assert!(err.contains("lifeboat key show"), "{err}");
}

#[test]
fn words_come_from_paper_in_any_shape() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    lifeboat(&["key", "create", "--key-file", &path("k")]);
    let (_, shown, _) = lifeboat(&["key", "show", "--json", "--key-file", &path("k")]);
    let words: Vec<String> = serde_json::from_value(json_lines(&shown)[0]["words"].clone()).unwrap();
    let numbered: Vec<String> = words.iter().enumerate().map(|(i, word)| format!("{}) {word}", i + 1)).collect();
    for (name, text) in [
        ("lines", numbered.join("\r\n\r\n")),
        ("commas", words.join(", ")),
        ("title", format!("\n\n{}", words.join("\n"))),
    ] {
        Command::cargo_bin("lifeboat")
            .unwrap()
            .args(["key", "import", "--key-file", &path(name)])
            .write_stdin(text)
            .assert()
            .success();
        assert_eq!(std::fs::read(path(name)).unwrap(), std::fs::read(path("k")).unwrap(), "{name}");
    }
}

#[test]
fn a_configuration_that_others_can_write_is_refused_and_a_key_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mode = |name: &str, mode| std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::write(path("c.toml"), "").unwrap();
    mode("c.toml", 0o666);
    let (code, _, err) = lifeboat(&["--config", &path("c.toml"), "list", "--from", "/nonexistent"]);
    assert!(code == 3 && err.contains("other users can write") && err.contains("chmod"), "{code} {err}");
    mode("c.toml", 0o644);
    let (code, _, _) = lifeboat(&["--config", &path("c.toml"), "list", "--from", "/nonexistent"]);
    assert_eq!(code, 1);
    lifeboat(&["key", "create", "--key-file", &path("k")]);
    mode("k", 0o604);
    let (code, _, err) = lifeboat(&["key", "show", "--key-file", &path("k")]);
    assert!(code == 0 && err.contains("readable by others"), "{err}");
}

#[test]
fn results_that_cannot_be_written_are_failures_and_readers_that_go_away_are_none() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for arguments in [&[][..], &["--help"], &["help", "backup"], &["--version"]] {
        let mut lifeboat = std::process::Command::new(env!("CARGO_BIN_EXE_lifeboat"));
        let output = lifeboat.args(arguments).stdout(full()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {err}");
        assert!(err.contains("No space left") && !err.contains("panicked"), "{err}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = lifeboat.stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{arguments:?}");
    }
}

#[test]
fn a_place_that_is_no_text_is_a_wrong_command_line() {
    use std::os::unix::ffi::OsStrExt as _;
    let name = std::ffi::OsStr::from_bytes(b"/tmp/caf\xe9\x1b[2J");
    for arguments in [
        &["list", "--from"][..],
        &["verify", "--from"],
        &["compare", "--from"],
        &["restore", "--to", "/nonexistent", "--from"],
        &["backup", "--to"],
    ] {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_lifeboat")).args(arguments).arg(name).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains("UTF-8") && !err.contains('\x1b'), "{arguments:?}: {err:?}");
    }
}

#[test]
fn what_is_named_cannot_drive_the_terminal() {
    let name = "a\u{1b}[2J\u{7}\nlifeboat: done\u{202e}";
    for arguments in [
        &["list", "--from", name][..],
        &["--config", name, "list"],
        &[name],
        &["restore", "--from", "/nonexistent", name],
        &["key", "show", "--key-file", name],
        &["drill", name],
    ] {
        let (_, out, err) = lifeboat(arguments);
        let drives = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!out.contains(drives) && !err.contains(drives), "{arguments:?}: {err:?}");
        assert!(!err.lines().any(|line| line.starts_with("lifeboat: done")), "{arguments:?}: {err:?}");
    }
}

#[test]
fn words_of_other_tools_lead_to_the_command() {
    for (word, part) in [
        ("delete", "lifeboat forget"),
        ("init", "backup --to REPO --init"),
        ("mkrescue", "media iso --rescue-only"),
        ("mkbackup", "lifeboat rescue"),
        ("recover", "boot the recovery medium"),
    ] {
        let (code, _, err) = lifeboat(&[word]);
        assert_eq!(code, 2, "{word}: {err}");
        assert!(err.contains(&format!("there is no command '{word}'")) && err.contains(part), "{err}");
        let (_, out, _) = lifeboat(&["--json", word]);
        assert_eq!(json_lines(&out)[0]["kind"], "usage", "{out}");
    }
}

//! restic's own client, and restic on the folder itself.

use crate::support::Room;
use lifeboat_serve::Limits;
use std::path::Path;
use std::process::{Command, Output};

/// `None` where there is no restic.
fn restic(repository: &str, more: &[&str], arguments: &[&str]) -> Output {
    let mut command = Command::new("restic");
    command.env("RESTIC_PASSWORD", "word").env("RESTIC_CACHE_DIR", "/nonexistent").env("RESTIC_PROGRESS_FPS", "0.1");
    command.args(["--no-cache", "-r", repository]).args(more).args(arguments);
    command.output().unwrap()
}

fn is_there() -> bool {
    Command::new("restic").arg("version").output().is_ok_and(|output| output.status.success())
}

fn done(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout) + &text(&output.stderr)
}

fn url(room: &Room, scheme: &str, token: &str, repo: &str) -> String {
    format!("rest:{scheme}://{token}:{}@{}/{repo}/", room.secrets[token], room.address)
}

/// A tree with some megabytes that nothing compresses.
fn tree(folder: &Path, seed: u64) {
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let mut state = seed;
    for number in 0..6 {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .take(700_000)
        .collect();
        std::fs::write(folder.join(format!("sub/{seed}-{number}")), bytes).unwrap();
    }
    std::fs::write(folder.join("small"), format!("seed {seed}")).unwrap();
}

fn snapshots(repository: &str) -> usize {
    let listed = restic(repository, &["--no-lock"], &["snapshots", "--json"]);
    done(&listed);
    serde_json::from_slice::<Vec<serde_json::Value>>(&listed.stdout).unwrap().len()
}

#[test]
fn all_that_restic_does() {
    if !is_there() {
        return;
    }
    let room = Room::start("", &[("web1", "full", Some("machines/web1"), None)], Limits::default());
    let certificate = room.path("state/tls-certificate.pem");
    let trust = ["--cacert", certificate.to_str().unwrap()];
    let repository = url(&room, "https", "web1", "machines/web1");
    // An unknown certificate is refused.
    assert!(!restic(&repository, &[], &["init"]).status.success());
    let files = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| done(&restic(&repository, &trust, arguments));
    run(&["init", "--repository-version", "2"]);
    for seed in 1..=3 {
        tree(files.path(), seed);
        run(&["backup", files.path().to_str().unwrap()]);
        std::fs::remove_file(files.path().join(format!("sub/{seed}-1"))).unwrap();
    }
    run(&["check", "--read-data"]);
    run(&["forget", "--keep-last", "1", "--prune", "--max-unused", "0"]);
    run(&["check", "--read-data"]);
    run(&["key", "list"]);
    run(&["rebuild-index"]);
    let to = tempfile::tempdir().unwrap();
    run(&["restore", "latest", "--target", to.path().to_str().unwrap()]);
    let below = to.path().join(files.path().strip_prefix("/").unwrap());
    let compared = Command::new("diff").arg("-r").arg(below).arg(files.path()).output().unwrap();
    // The last file was removed after its backup.
    assert_eq!(String::from_utf8_lossy(&compared.stdout).lines().count(), 1, "{compared:?}");
    assert!(String::from_utf8_lossy(&compared.stdout).contains("Only in") && !to.path().join("none").exists());
    // restic on the folder itself, without the server.
    let folder = room.path("store/machines/web1");
    done(&restic(folder.to_str().unwrap(), &[], &["check", "--read-data"]));
    done(&restic(folder.to_str().unwrap(), &[], &["backup", files.path().to_str().unwrap()]));
    run(&["check", "--read-data"]);
    let listed = restic(&repository, &trust, &["snapshots", "--json"]);
    assert_eq!(serde_json::from_slice::<Vec<serde_json::Value>>(&listed.stdout).unwrap().len(), 2);
}

#[test]
fn append_only_loses_nothing() {
    if !is_there() {
        return;
    }
    let tokens = [
        ("web1", "append-only", Some("machines/web1"), None),
        ("admin", "full", Some("machines"), None),
        ("look", "read-only", Some("machines/web1"), None),
        ("web2", "append-only", Some("machines/web2"), None),
    ];
    let room = Room::plain(&tokens);
    let (adds, admin) = (url(&room, "http", "web1", "machines/web1"), url(&room, "http", "admin", "machines/web1"));
    let files = tempfile::tempdir().unwrap();
    done(&restic(&adds, &[], &["init"]));
    for seed in 1..=2 {
        tree(files.path(), seed);
        done(&restic(&adds, &[], &["backup", files.path().to_str().unwrap()]));
    }
    // restic 0.14 asks ten times, for a minute, whatever the answer is: what has to fail is tried at the same time.
    let look = url(&room, "http", "look", "machines/web1");
    let path = files.path().to_str().unwrap().to_owned();
    let refused: Vec<_> = [
        (look.clone(), vec!["backup".to_owned(), path]),
        (url(&room, "http", "web2", "machines/web1"), vec!["--no-lock".to_owned(), "snapshots".to_owned()]),
        (adds.replace(&room.secrets["web1"], "wrong"), vec!["--no-lock".to_owned(), "snapshots".to_owned()]),
    ]
    .into_iter()
    .map(|(place, words)| {
        std::thread::spawn(move || {
            restic(&place, &[], &words.iter().map(String::as_str).collect::<Vec<_>>()).status.success()
        })
    })
    .collect();
    let count =
        |files: Vec<(String, u64)>| files.into_iter().filter(|(path, _)| !path.contains("/locks/")).collect::<Vec<_>>();
    let before = count(room.files("store"));
    let forget = restic(&adds, &[], &["forget", "--keep-last", "1", "--prune"]);
    assert_eq!(snapshots(&adds), 2);
    // restic 0.14 ends with 0 although nothing was removed: the files count, not its exit code.
    assert_eq!(count(room.files("store")), before, "{forget:?}");
    done(&restic(&adds, &[], &["check", "--read-data"]));
    // The lock of each command is gone.
    assert!(room.files("store/machines/web1/locks").is_empty());
    done(&restic(&look, &["--no-lock"], &["check", "--read-data"]));
    for refused in refused {
        assert!(!refused.join().unwrap());
    }
    done(&restic(&admin, &[], &["forget", "--keep-last", "1", "--prune"]));
    assert_eq!(snapshots(&adds), 1);
    done(&restic(&admin, &[], &["check", "--read-data"]));
    // A second machine, which has its own repository.
    let second = url(&room, "http", "web2", "machines/web2");
    done(&restic(&second, &[], &["init"]));
    done(&restic(&second, &[], &["backup", files.path().to_str().unwrap()]));
    assert_eq!((snapshots(&second), snapshots(&adds)), (1, 1));
}

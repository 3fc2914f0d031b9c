//! Places of repositories and media: one that is not there, one that is lost with the machine, foreign images, servers that are gone.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");
const PATIENCE: Duration = Duration::from_secs(60);

/// A system in a folder, and a key.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().unwrap());
        place.system("s", "box");
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn system(&self, name: &str, host: &str) {
        std::fs::create_dir_all(self.at(name).join("etc")).unwrap();
        std::fs::write(self.at(name).join("etc/hostname"), host).unwrap();
        std::fs::write(self.at(name).join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output =
            Command::new(LIFEBOAT).args(arguments).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn backup(&self, to: &str, more: &[&str]) -> (i32, String, String) {
        self.run(&[&["backup", "--sysroot", "s", "--key-file", "key", "--to", to], more].concat())
    }
}

#[test]
fn root_a_repository_is_made_only_when_that_is_asked_for() {
    let place = Place::new();
    let (code, _, err) = place.backup("repo", &[]);
    assert!(code == 3 && err.contains("mounted?") && err.contains("--init"), "{code} {err}");
    assert!(!place.at("repo").exists() && !place.at("key").exists(), "nothing was touched");
    assert_eq!(place.backup("repo", &["--init"]).0, 0);
    // Asked for again it is no mistake, and not asked for it goes on.
    assert_eq!(place.backup("repo", &["--init"]).0, 0);
    assert_eq!(place.backup("repo", &[]).0, 0);
    // A folder that may not be entered is not one without a repository.
    std::fs::write(place.at("file"), "x").unwrap();
    assert_eq!(place.backup("file/repo", &[]).0, 3);
}

#[test]
fn root_a_repository_that_is_lost_with_the_machine_is_refused_or_warned_of() {
    let place = Place::new();
    std::fs::create_dir_all(place.at("s/mnt/nas")).unwrap();
    let lost = "is being backed up";
    let (code, _, err) = place.backup("s/mnt/nas/repo", &["--init"]);
    assert!(code == 3 && err.contains(lost) && err.contains("--own-disk"), "{code} {err}");
    assert_eq!(std::fs::read_dir(place.at("s/mnt/nas")).unwrap().count(), 0);
    let mounted = || {
        lifeboat_sys::mount::mount("tmpfs", &place.at("s/mnt/nas"), "tmpfs", &["size=16m"]).unwrap();
    };
    mounted();
    let (code, _, err) = place.backup("s/mnt/nas/repo", &["--init"]);
    lifeboat_sys::mount::unmount(&place.at("s/mnt/nas")).unwrap();
    assert!(code == 0 && !err.contains(lost), "{code} {err}");
    // That night it is not mounted.
    let (code, _, err) = place.backup("s/mnt/nas/repo", &[]);
    assert!(code == 3 && err.contains(lost), "{code} {err}");
    for more in [&["--init", "--own-disk"][..], &[]] {
        let (code, _, err) = place.backup("s/var/repo", more);
        assert!(code == 0 && err.contains("warning") && err.contains(lost), "{code} {err}");
    }
    // Through a link it is there all the same.
    std::os::unix::fs::symlink("s/var", place.at("link")).unwrap();
    let (code, _, err) = place.backup("link/other", &["--init"]);
    assert!(code == 3 && err.contains(lost), "{code} {err}");
}

#[test]
fn root_exclusions_that_leave_nothing_out_are_reported() {
    let place = Place::new();
    let exclude = ["--init", "--exclude", "/none", "--exclude", "*.none", "--exclude", "/etc/host*"];
    let (code, _, err) = place.backup("repo", &exclude);
    assert!(code == 0 && err.contains("/none is excluded but does not exist"), "{err}");
    assert!(err.contains("the pattern '*.none' is excluded, but nothing fits it") && !err.contains("host*"), "{err}");
    let (_, listed, _) = place.run(&["ls", "latest", "/etc", "--from", "repo", "--key-file", "key"]);
    assert_eq!(listed, "machine-id\n");
}

#[test]
fn root_a_dry_run_writes_nothing() {
    let place = Place::new();
    std::fs::write(place.at("s/data"), vec![1; 1 << 20]).unwrap();
    let (code, out, err) = place.backup("repo", &["--dry-run", "--exclude", "*.tmp", "--exclude", "/none"]);
    assert!(code == 0 && out.contains("saved: / with") && out.contains("1.0 MiB on the disk"), "{out}{err}");
    assert!(out.contains("left out: what fits '*.tmp'") && out.contains("room: "), "{out}");
    assert!(err.contains("/none is excluded but does not exist"), "{err}");
    assert!(!place.at("repo").exists() && !place.at("key").exists());
    let rescue = ["rescue", "--dry-run", "--sysroot", "s", "--out", "x.iso", "--key-file", "key"];
    let (code, out, err) = place.run(&rescue);
    assert!(code == 0 && out.contains("for temporary files in") && out.contains("x.iso"), "{out}{err}");
    assert!(!place.at("x.iso").exists() && !place.at("key").exists());
}

#[test]
fn root_hosts_and_keys_in_a_list_have_one_line_each() {
    let place = Place::new();
    place.system("s", "box\u{1b}[2J\u{202e}");
    assert_eq!(place.backup("repo", &["--init"]).0, 0);
    let keys = place.at("repo/keys");
    let name = std::fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
    let mut key: serde_json::Value = serde_json::from_slice(&std::fs::read(&name).unwrap()).unwrap();
    key["hostname"] = "a\nffffffff *  2026  another\u{9b}31m".into();
    let hostile = serde_json::to_vec(&key).unwrap();
    let id = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut id = id.unwrap();
    std::io::Write::write_all(&mut id.stdin.take().unwrap(), &hostile).unwrap();
    let id = String::from_utf8(id.wait_with_output().unwrap().stdout).unwrap();
    std::fs::write(keys.join(&id[..64]), hostile).unwrap();
    let (code, out, _) = place.run(&["key", "list", "--from", "repo", "--key-file", "key"]);
    let rows = || out.lines().take_while(|line| !line.is_empty());
    assert!(code == 0 && rows().count() == 3 && out.contains("\\x0affffffff"), "{out:?}");
    let (code, listed, _) = place.run(&["list", "--from", "repo", "--key-file", "key"]);
    assert!(code == 0 && listed.lines().count() == 3 && !listed.contains(['\u{1b}', '\u{202e}']), "{listed:?}");
    std::fs::remove_dir_all(&keys).unwrap();
    std::fs::create_dir(&keys).unwrap();
    let (code, _, err) = place.run(&["list", "--from", "repo", "--key-file", "key"]);
    assert!(code == 1 && err.contains("key files were removed"), "{err}");
}

#[test]
fn root_what_an_ordinary_user_restores_is_his() {
    let place = Place::new();
    assert_eq!(place.backup("repo", &["--init"]).0, 0);
    let user = 4711;
    std::fs::create_dir(place.at("home")).unwrap();
    for path in ["repo", "key", "home"] {
        let chown = Command::new("chown").args(["-R", &format!("{user}:{user}")]).arg(place.at(path)).status();
        assert!(chown.unwrap().success());
    }
    // The program itself lies where only root may go.
    let program = place.at("lifeboat");
    std::fs::copy(LIFEBOAT, &program).unwrap();
    for path in [place.0.path(), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new(&program)
        .args(["restore", "--from", "../repo", "--key-file", "../key", "--to", "out"])
        .current_dir(place.at("home"))
        .uid(user)
        .gid(user)
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert_eq!(err.matches("owner").count(), 1, "{err}");
    assert_eq!(std::fs::read_to_string(place.at("home/out/etc/hostname")).unwrap(), "box");
}

/// Waits until something is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn mounts_of(child: &Child) -> Vec<lifeboat_sys::mount::MountInfo> {
    let folder = format!("/run/lifeboat-medium-{}-", child.id());
    let mut table = lifeboat_sys::mount::table().unwrap();
    table.retain(|mount| mount.mount_point.to_string_lossy().starts_with(&folder));
    table
}

fn folders_of(child: &Child) -> usize {
    let name = format!("lifeboat-medium-{}-", child.id());
    let entries = std::fs::read_dir("/run").unwrap().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)).count()
}

/// An image of a filesystem that looks like a medium without key, as somebody else may have made it.
fn foreign_image(place: &Place) -> PathBuf {
    let tree = place.at("tree/lifeboat/repo/keys");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(place.at("tree/lifeboat/repo/config"), "").unwrap();
    let (_, shown, err) = place.run(&["layout", "show", "--json", "--sysroot", "s"]);
    let machine = shown.lines().find(|line| line.contains("machine_id"));
    let machine = machine.expect(&err);
    std::fs::write(place.at("tree/lifeboat/machine.json"), machine).unwrap();
    let manifest = serde_json::json!({
        "format": 1, "lifeboat": "0.1.0", "medium_id": "5f0c9a7e00000000000000000000abcd", "created_at": "2026-11-23T22:10:00Z",
        "machine_name": "box", "machine_id": "0123456789abcdef0123456789abcdef", "kernel": "6.1",
        "machine_blake3": blake3::hash(machine.as_bytes()).to_hex().as_str(),
        "archive": {"snapshot": "00", "repository": "00", "entries": 0, "bytes": 0}, "embedded_key": false, "files": {}
    });
    std::fs::write(place.at("tree/lifeboat/manifest.json"), manifest.to_string()).unwrap();
    let image = place.at("image");
    std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
    let made = Command::new("mke2fs").args(["-q", "-t", "ext4", "-d"]).arg(place.at("tree")).arg(&image).status();
    assert!(made.unwrap().success());
    image
}

#[test]
fn root_a_foreign_image_is_harmless_while_it_is_mounted_and_goes_with_a_signal() {
    for signal in ["TERM", "INT", "HUP"] {
        let place = Place::new();
        let image = foreign_image(&place);
        let mut child = Command::new(LIFEBOAT)
            .args(["list", "--words", "--from"])
            .arg(&image)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Waiting for the child would close it, and the program would end by itself.
        let _words = child.stdin.take();
        until("the mount", || !mounts_of(&child).is_empty());
        let mount = mounts_of(&child).pop().unwrap();
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(mount.options.split(',').any(|found| found == option), "{}", mount.options);
        }
        let folder = std::fs::metadata(mount.mount_point.parent().unwrap()).unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
        let device = PathBuf::from(&mount.source);
        let killed = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let status = child.wait().unwrap();
        assert!(std::os::unix::process::ExitStatusExt::signal(&status).is_some(), "{signal}: {status}");
        assert!(mounts_of(&child).is_empty() && folders_of(&child) == 0, "{signal}");
        let backing = Path::new("/sys/block").join(device.file_name().unwrap()).join("loop/backing_file");
        let holds = || std::fs::read_to_string(&backing).is_ok_and(|file| Path::new(file.trim()) == image);
        until("the loop device to be free", || !holds());
    }
}

/// A FUSE filesystem that never answers, like a network filesystem whose server is gone. It is gone when this is dropped.
struct Dead(PathBuf, Option<std::fs::File>);

impl Dead {
    fn mount(point: PathBuf) -> Dead {
        use std::os::fd::AsRawFd as _;
        std::fs::create_dir_all(&point).unwrap();
        let fuse = std::fs::File::options().read(true).write(true).open("/dev/fuse").unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", fuse.as_raw_fd());
        lifeboat_sys::mount::mount("user@server:/export", &point, "fuse.sshfs", &[&options]).unwrap();
        Dead(point, Some(fuse))
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        drop(self.1.take());
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn root_a_dead_server_beside_what_is_saved_stops_nothing() {
    let place = Place::new();
    let _dead = Dead::mount(place.at("s/mnt/nas"));
    let all: [&[&str]; 6] = [
        &["backup", "--sysroot", "s", "--to", "repo", "--init"],
        &["backup", "--sysroot", "s", "--to", "repo", "--dry-run"],
        &["check", "--sysroot", "s"],
        &["layout", "show", "--sysroot", "s"],
        &["layout", "diff", "--sysroot", "s", "--from", "repo"],
        &["rescue", "--dry-run", "--sysroot", "s", "--out", "x.iso"],
    ];
    for arguments in all {
        let mut command = Command::new(LIFEBOAT);
        command.args(arguments).current_dir(place.0.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if !matches!(arguments[0], "check" | "layout") || arguments.contains(&"--from") {
            command.args(["--key-file", "key"]);
        }
        let mut child = command.spawn().unwrap();
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("{arguments:?} waits for the dead server");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn root_who_waits_for_a_dead_server_can_be_ended() {
    let place = Place::new();
    let _dead = Dead::mount(place.at("nas"));
    for arguments in [&["list", "--from", "nas/repo"][..], &["backup", "--sysroot", "s", "--to", "nas/repo"]] {
        let mut child = Command::new(LIFEBOAT)
            .args(arguments)
            .args(["--key-file", "key"])
            .current_dir(place.0.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let waits = || {
            std::fs::read_dir(format!("/proc/{}/task", child.id()))
                .unwrap()
                .flatten()
                .any(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "look"))
        };
        until("the look at the place", waits);
        let killed = Command::new("kill").arg(child.id().to_string()).status();
        assert!(killed.unwrap().success());
        let began = Instant::now();
        let status = child.wait().unwrap();
        assert!(std::os::unix::process::ExitStatusExt::signal(&status).is_some(), "{status}");
        assert!(began.elapsed() < PATIENCE);
    }
}

#[test]
fn root_what_changed_since_the_backup_has_an_exit_code_for_cron() {
    use lifeboat_machine::testing::{GIB, Maker, disk, ext4};
    let place = Place::new();
    assert_eq!(place.backup("repo", &["--init"]).0, 0);
    let diff = |from: &str, more: &[&str]| {
        let all = ["layout", "diff", "--sysroot", "s", "--key-file", "key", "--from", from];
        place.run(&[&all, more].concat())
    };
    for more in [&[][..], &["--storage"]] {
        let (code, out, err) = diff("repo", more);
        assert!(code == 0 && out.contains("no differences"), "{code} {out} {err}");
    }
    let (code, out, _) = diff("repo", &["--json"]);
    let end: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((code, end["changes"].as_u64(), end["machine"].as_str()), (0, Some(0), Some("box")));
    // A new name is no new storage.
    std::fs::write(place.at("s/etc/hostname"), "renamed").unwrap();
    let (code, out, _) = diff("repo", &[]);
    assert!(code == 4 && out.contains("name: box -> renamed"), "{code} {out}");
    assert_eq!(diff("repo", &["--storage"]).0, 0);
    // A disk that was there is gone.
    let content = ext4("data", "aaaaaaaa-0000-0000-0000-000000000001", GIB, 1 << 20);
    let mut machine = Maker::new().disk(0, "/dev/sda", GIB, disk("SER1"), content).mount("disk0", "/").machine;
    machine.boot.loaders.clear();
    std::fs::write(place.at("machine.json"), machine.to_json()).unwrap();
    let (code, _, err) = place.backup("other", &["--init", "--machine", "machine.json"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = diff("other", &["--storage"]);
    assert!(code == 4 && out.contains("disk0: gone") && err.contains("of the storage layout"), "{code} {out} {err}");
    assert!(!out.contains("renamed"), "{out}");
    let (code, out, _) = diff("other", &["--storage", "--json"]);
    let changes: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let gone = changes.iter().find(|change| change["place"] == "layout disk0").unwrap();
    assert!(code == 4 && gone["old"].is_string() && gone["new"].is_null(), "{gone}");
}

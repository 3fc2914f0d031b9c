//! Looking into archives: what the commands show, and that a stock restic shows the same of the same repository.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use lifeboat_archive::Secret;
use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");

/// A machine's tree, backed up twice, with changes in between.
struct Desk {
    folder: tempfile::TempDir,
    key: Secret,
}

fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

impl Desk {
    fn new() -> Desk {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let key = Secret::generate().unwrap();
        write(&folder.path().join("key"), key.expose());
        let desk = Desk { folder, key };
        let tree = desk.at("tree");
        write(&tree.join("etc/hostname"), "box\n");
        write(&tree.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n");
        write(&tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nada:x:1234:1234::/home/ada:/bin/sh\n");
        write(&tree.join("etc/group"), "root:x:0:\nada:x:1234:\n");
        write(&tree.join("etc/fstab"), "/dev/sda1 / ext4\n");
        write(&tree.join("etc/app.conf"), "a=1\n");
        write(&tree.join("srv/www/index.html"), "<html>\n".repeat(1000));
        write(&tree.join("srv/www/old.html"), "old\n");
        write(&tree.join("srv/binary"), [0_u8, 1, 2, 3]);
        let sparse = std::fs::File::create(tree.join("srv/sparse")).unwrap();
        sparse.set_len(8 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 3 << 20).unwrap();
        std::fs::hard_link(tree.join("etc/fstab"), tree.join("etc/fstab.link")).unwrap();
        std::os::unix::fs::symlink("../etc/fstab", tree.join("srv/to-fstab")).unwrap();
        std::os::unix::fs::chown(tree.join("etc/app.conf"), Some(1234), Some(1234)).unwrap();
        std::os::unix::fs::symlink(lifeboat_name(b"odd\xff\n"), tree.join("srv/odd-link")).unwrap();
        write(&tree.join(lifeboat_name(b"srv/odd\xff\nname")), "odd");
        desk.backup(&["--init"]);
        std::fs::remove_file(tree.join("etc/fstab.link")).unwrap();
        write(&tree.join("etc/fstab"), "/dev/sdb1 / ext4\n");
        std::fs::set_permissions(tree.join("etc/app.conf"), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::remove_file(tree.join("srv/www/old.html")).unwrap();
        write(&tree.join("srv/www/new.html"), "new\n");
        std::fs::remove_file(tree.join("srv/binary")).unwrap();
        std::fs::create_dir(tree.join("srv/binary")).unwrap();
        desk.backup(&[]);
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn backup(&self, more: &[&str]) {
        let (code, _, err) =
            self.run(&[&["backup", "--sysroot", "tree", "--to", "repo", "--key-file", "key"], more].concat());
        assert_eq!(code, 0, "{err}");
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(LIFEBOAT);
        command.args(arguments).current_dir(self.folder.path()).env("TZ", "UTC").stdin(Stdio::null()).output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.output(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// A command that looks into the repository, which must succeed.
    fn look(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.looked(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        assert!(!err.contains("panicked"), "{err}");
        out
    }

    fn looked(&self, arguments: &[&str]) -> (i32, String, String) {
        self.run(&[arguments, &["--from", "repo", "--key-file", "key"]].concat())
    }

    fn restic(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("restic");
        command.args(["--no-cache", "--repo"]).arg(self.at("repo")).args(arguments);
        let output = command.env("RESTIC_PASSWORD", self.key.expose()).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// The ids of both snapshots, oldest first.
    fn ids(&self) -> [String; 2] {
        self.ids_of_all().try_into().unwrap()
    }

    fn ids_of_all(&self) -> Vec<String> {
        let out = self.look(&["list", "--json"]);
        out.lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter_map(|value| value["id"].as_str().map(|id| id[..8].to_owned()))
            .collect()
    }
}

fn lifeboat_name(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

/// The lines of JSON that are no events.
fn results(out: &str) -> Vec<serde_json::Value> {
    let lines = out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|value| value.get("event").is_none()).collect()
}

#[test]
fn root_lists_are_for_people_and_json_is_as_it_was() {
    let desk = Desk::new();
    for command in ["list", "snapshots"] {
        let out = desk.look(&[command]);
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 4, "{out}");
        assert!(lines[0].starts_with("SNAPSHOT  TIME") && lines[0].ends_with("AGE"), "{out}");
        assert!(lines[1].contains("  box  ") && lines[1].ends_with("now") && lines[3] == "2 snapshots", "{out}");
        assert!(lines.iter().all(|line| line.len() <= 80), "{out}");
    }
    let json = desk.look(&["list", "--json"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["bytes", "entries", "id", "machine", "time"]);
    // The hole takes no room on the disk.
    let [_, latest] = desk.ids();
    let row = desk.look(&["list"]).lines().find(|line| line.starts_with(&latest)).unwrap().to_owned();
    assert!(row.contains("8.0 MiB") && row.contains("KiB"), "{row}");
    let (code, _, err) = desk.looked(&["list", "--machine", "other"]);
    assert!(code == 2 && err.contains("there are those of: box"), "{err}");
    let (code, _, err) = desk.looked(&["list", "--machine", "box", "--long"]);
    assert!(code == 2 && err.contains("cannot be used with"), "{err}");
    let keys = desk.look(&["key", "list"]);
    assert!(keys.contains("in use now") && keys.contains("1 key opens this repository"), "{keys}");
}

#[test]
fn root_ls_shows_what_restic_shows() {
    let desk = Desk::new();
    let all = desk.look(&["ls", "-R", "latest"]);
    let ours: BTreeSet<String> = all.lines().map(str::to_owned).collect();
    // restic writes names as they are: the one with a newline takes two lines there.
    let theirs = desk.restic(&["ls", "latest"]);
    let theirs = String::from_utf8_lossy(&theirs).replace("odd\u{fffd}\nname", "odd\\xff\\x0aname");
    let theirs: BTreeSet<String> = theirs
        .lines()
        .filter(|line| line.starts_with('/') && !line.starts_with("/.lifeboat"))
        .map(str::to_owned)
        .collect();
    assert_eq!(ours, theirs);
    let etc = desk.look(&["ls", "-l", "latest", "/etc"]);
    let line = |name: &str| etc.lines().find(|line| line.ends_with(name)).unwrap_or_else(|| panic!("{etc}"));
    assert!(line("app.conf").starts_with("-rw-------  1  ada   ada ") && line("app.conf").contains("  4  20"), "{etc}");
    assert_eq!(desk.look(&["list", "--long", "latest", "/etc"]), etc);
    let old = desk.look(&["ls", "-l", &desk.ids()[0], "/etc/fstab", "/srv/to-fstab"]);
    assert!(old.contains("  2  root  root  17  20") && old.contains("/srv/to-fstab -> ../etc/fstab"), "{old}");
    let several = desk.look(&["ls", "latest", "/srv/www", "/etc"]);
    assert!(several.starts_with("/srv/www:\nindex.html\nnew.html\n\n/etc:\napp.conf\n"), "{several}");
    assert_eq!(desk.look(&["ls", "-d", "latest", "/etc"]), "/etc\n");
    let (code, _, err) = desk.looked(&["ls", "latest", "/none"]);
    assert!(code == 1 && err.contains("/none is not in snapshot") && err.contains("1 path could not"), "{err}");
    assert_eq!(desk.looked(&["ls", "latest", "etc"]).0, 2);
    let json = desk.look(&["ls", "--json", "latest", "/srv/www"]);
    assert_eq!(results(&json).len(), 2);
    assert!(json.contains("\"path\":\"/srv/www/new.html\"") && json.contains("\"type\":\"file\""), "{json}");
}

#[test]
fn root_find_looks_in_all_snapshots() {
    let desk = Desk::new();
    let [old, new] = desk.ids();
    let out = desk.look(&["find", "*.html"]);
    let (first, second) = out.split_once("\n\n").unwrap();
    assert!(
        first.starts_with(&format!("snapshot {new} of ")) && first.ends_with("/index.html\n/srv/www/new.html"),
        "{out}"
    );
    assert!(second.starts_with(&format!("snapshot {old} of ")) && second.contains("/srv/www/old.html"), "{out}");
    assert!(!desk.look(&["find", "OLD.html"]).contains("old.html"));
    assert!(desk.look(&["find", "-i", "OLD.html"]).contains("/srv/www/old.html"));
    let big = desk.look(&["find", "*", "--larger", "1M", "-s", "latest", "-l"]);
    assert!(big.contains(" 8388608  20") && big.contains("/srv/sparse") && !big.contains("fstab"), "{big}");
    assert!(desk.look(&["find", "/etc/**", "--newest", "2001-01-01"]).is_empty());
    assert!(desk.look(&["find", "/etc/fs*", "--oldest", "2001-01-01", "-s", &new]).contains("/etc/fstab"));
    let found = String::from_utf8(desk.restic(&["find", "*.html", "--snapshot", &new])).unwrap();
    let theirs: Vec<&str> = found.lines().filter(|line| line.starts_with('/')).collect();
    let ours: Vec<&str> = first.lines().skip(1).collect();
    assert_eq!(ours, theirs);
    for arguments in [&["find", "["][..], &["find", "x", "--larger", "x"], &["find", "x", "--oldest", "x"]] {
        assert_eq!(desk.looked(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn root_diff_finds_what_restic_finds() {
    let desk = Desk::new();
    let [old, new] = desk.ids();
    let (code, out, err) = desk.looked(&["diff", &old, &new]);
    assert_eq!(code, 4, "{err}");
    for part in [
        "M    /etc/fstab\n",
        "-    /etc/fstab.link\n",
        "U    /etc/app.conf\n       mode: 0644 in ",
        "+    /srv/www/new.html\n",
        "-    /srv/www/old.html\n",
        "T    /srv/binary/\n",
        "modification time: 20",
        " UTC in ",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
    let signed = |text: &str| -> BTreeSet<String> {
        let one = |line: &str| ["+    /", "-    /", "M    /", "U    /"].iter().any(|sign| line.starts_with(sign));
        text.lines().filter(|line| one(line) && !line.contains("/.lifeboat")).map(str::to_owned).collect()
    };
    let theirs = String::from_utf8(desk.restic(&["diff", "--metadata", &old, &new])).unwrap();
    let (ours, theirs) = (signed(&out), signed(&theirs));
    // restic leaves the root directory without metadata.
    assert_eq!(ours.iter().filter(|line| *line != "U    /").collect::<Vec<_>>(), theirs.iter().collect::<Vec<_>>());
    let (_, below, _) = desk.looked(&["diff", &old, &new, "/srv"]);
    assert!(below.contains("/srv/www/new.html") && !below.contains("/etc"), "{below}");
    let (_, content, _) = desk.looked(&["diff", "--content", &old, &new]);
    assert!(content.contains("M    /etc/fstab") && !content.contains("U    "), "{content}");
    assert_eq!(desk.looked(&["diff", &new, &new]).0, 0);
    assert_eq!(desk.looked(&["diff", &old, &new, "/none"]).0, 1);
    let (code, json, _) = desk.looked(&["diff", "--json", &old, &new]);
    let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((code, lines.last().unwrap()["kind"].as_str()), (4, Some("differences")));
}

#[test]
fn root_a_file_that_was_cut_into_other_pieces_is_no_difference_of_content() {
    let desk = Desk::new();
    let sparse = desk.at("tree/srv/sparse");
    let modified = std::fs::metadata(&sparse).unwrap().modified().unwrap();
    // The same bytes, with the zeros written: its content is no longer kept without the hole.
    let bytes = std::fs::read(&sparse).unwrap();
    std::fs::write(&sparse, &bytes).unwrap();
    std::fs::File::options().write(true).open(&sparse).unwrap().set_modified(modified).unwrap();
    desk.backup(&[]);
    let before = &desk.ids_of_all()[1];
    let (code, out, _) = desk.looked(&["diff", before, "latest", "/srv/sparse"]);
    assert!(code == 4 && out.starts_with("U    /srv/sparse\n       holes: "), "{out}");
    assert_eq!(desk.looked(&["diff", "--content", before, "latest", "/srv/sparse"]).0, 0);
    // One byte of them.
    std::os::unix::fs::FileExt::write_all_at(
        &std::fs::File::options().write(true).open(&sparse).unwrap(),
        b"x",
        7 << 20,
    )
    .unwrap();
    std::fs::File::options().write(true).open(&sparse).unwrap().set_modified(modified).unwrap();
    desk.backup(&[]);
    let (code, out, _) = desk.looked(&["diff", "--content", before, "latest", "/srv/sparse"]);
    assert!(
        code == 4 && out.starts_with("M    /srv/sparse\n       content: other bytes, 8388608 as before\n"),
        "{out}"
    );
}

#[test]
fn root_dump_writes_files_and_tar_archives() {
    let desk = Desk::new();
    let dump = |arguments: &[&str]| {
        let output = desk.output(&[&["dump"], arguments, &["--from", "repo", "--key-file", "key"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    for path in ["/etc/fstab", "/srv/sparse", "/srv/www/index.html"] {
        let content = dump(&["latest", path]);
        assert_eq!(content, std::fs::read(desk.at("tree").join(&path[1..])).unwrap(), "{path}");
        assert_eq!(content, desk.restic(&["dump", "latest", path]), "{path}");
    }
    let [old, _] = desk.ids();
    std::fs::write(desk.at("ours.tar"), dump(&[&old, "/"])).unwrap();
    std::fs::write(desk.at("theirs.tar"), desk.restic(&["dump", &old, "/"])).unwrap();
    for name in ["ours", "theirs"] {
        std::fs::create_dir(desk.at(name)).unwrap();
        let mut tar = Command::new("tar");
        tar.args(["--xattrs", "--xattrs-include=*", "-xf"]).arg(desk.at(&format!("{name}.tar")));
        let out = tar_in(&mut tar, &desk.at(name));
        assert!(out.0, "{}", out.1);
    }
    let mut diff = Command::new("diff");
    diff.args(["-r", "--no-dereference", "-x", ".lifeboat", "-x", "odd-link"])
        .arg(desk.at("ours"))
        .arg(desk.at("theirs"));
    let diff = diff_out(&mut diff);
    assert!(diff.0, "{}", diff.1);
    // restic 0.14 changes targets that are not UTF-8.
    let link = std::fs::read_link(desk.at("ours/srv/odd-link")).unwrap();
    assert_eq!(link.as_os_str(), lifeboat_name(b"odd\xff\n"));
    let status = |path: &str| std::fs::symlink_metadata(desk.at("ours").join(path)).unwrap();
    let (first, second) = (status("etc/fstab"), status("etc/fstab.link"));
    assert_eq!((first.ino(), first.nlink()), (second.ino(), 2));
    assert_eq!((status("etc/app.conf").uid(), status("etc/app.conf").mode() & 0o7777), (1234, 0o644));
    let original = std::fs::symlink_metadata(desk.at("tree/srv/www/index.html")).unwrap();
    assert_eq!(status("srv/www/index.html").mtime_nsec(), original.mtime_nsec());
    assert_eq!(std::fs::read(desk.at("ours").join(lifeboat_name(b"srv/odd\xff\nname"))).unwrap(), b"odd");
    let (code, _, err) = desk.looked(&["dump", "latest", "/srv/to-fstab"]);
    assert!(code == 2 && err.contains("symbolic link to ../etc/fstab"), "{err}");
    assert_eq!(desk.looked(&["dump", "latest", "/none"]).0, 1);
    assert_eq!(desk.looked(&["dump", "latest", "/etc/fstab", "--json"]).0, 2);
    assert_eq!(desk.looked(&["dump", "latest", "/etc/fstab", "--target", "out"]).0, 0);
    assert_eq!(std::fs::read_to_string(desk.at("out")).unwrap(), "/dev/sdb1 / ext4\n");
    assert_eq!(desk.looked(&["dump", "latest", "/etc/fstab", "--target", "out"]).0, 1, "it exists");
    // A disk that is full keeps no half of it.
    let full = desk.at("full");
    std::fs::create_dir(&full).unwrap();
    lifeboat_sys::mount::mount("tmpfs", &full, "tmpfs", &["size=64k"]).unwrap();
    let (code, _, err) = desk.looked(&["dump", "latest", "/srv/sparse", "--target", "full/out"]);
    let left = std::fs::read_dir(&full).unwrap().count();
    lifeboat_sys::mount::unmount(&full).unwrap();
    assert!(code == 1 && err.contains("cannot WRITE full/out: No space left") && left == 0, "{code} {left} {err}");
}

fn tar_in(command: &mut Command, folder: &Path) -> (bool, String) {
    let output = command.arg("-C").arg(folder).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn diff_out(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn root_results_that_nobody_takes_are_not_lost_silently() {
    let desk = Desk::new();
    let [old, new] = desk.ids();
    let commands: [&[&str]; 9] = [
        &["list"],
        &["ls", "-R", "latest"],
        &["ls", "-lR", "latest"],
        &["find", "*"],
        &["diff", &old, &new],
        &["dump", "latest", "/srv/sparse"],
        &["dump", "latest", "/srv"],
        &["stats"],
        &["key", "list"],
    ];
    for arguments in commands {
        for json in [false, true].into_iter().filter(|json| !json || arguments[0] != "dump") {
            let all =
                [arguments, &["--from", "repo", "--key-file", "key"], if json { &["--json"] } else { &[] }].concat();
            let start = |out: Stdio| {
                let mut command = Command::new(LIFEBOAT);
                command
                    .args(&all)
                    .current_dir(desk.folder.path())
                    .stdin(Stdio::null())
                    .stdout(out)
                    .stderr(Stdio::piped());
                command.spawn().unwrap()
            };
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let output = start(Stdio::from(full)).wait_with_output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{all:?}: {err}");
            assert!(!err.contains("panicked"), "{all:?}: {err}");
            let mut child = start(Stdio::piped());
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            let err = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(matches!(output.status.code(), Some(0 | 4)), "{all:?}: {:?} {err}", output.status);
            assert!(!err.contains("panicked"), "{all:?}: {err}");
        }
    }
}

#[test]
fn root_stats_count_each_content_once() {
    let desk = Desk::new();
    let out = desk.look(&["stats", "--json"]);
    let lines = results(&out);
    assert_eq!(lines.len(), 3, "{out}");
    let number = |line: usize, key: &str| lines[line][key].as_u64().unwrap();
    // The hole is no data, and the second name of fstab is none either.
    assert!(number(0, "bytes") > (8 << 20) && number(0, "data_bytes") < (1 << 20), "{out}");
    assert!(number(0, "own_bytes") < number(0, "stored_bytes"), "{out}");
    let both = number(0, "stored_bytes") + number(1, "own_bytes");
    assert_eq!(number(2, "stored_bytes"), both, "what both need, and what only one does: {out}");
    let text = desk.look(&["stats"]);
    assert!(text.starts_with("SNAPSHOT") && text.contains("\n2 snapshots with ") && text.contains("pieces"), "{text}");
}

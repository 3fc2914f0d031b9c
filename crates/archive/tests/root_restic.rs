//! A stock restic checks the repository and restores the same content.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Disk, assert_same, backup, fingerprint, lab, odd_tree, repository, scratch};
use lifeboat_archive::{FileTree, Quiet, RestoreOptions, Selection};
use std::ffi::OsStr;

/// The fingerprint without what restic's format does not carry: inode flags, holes, hard links of anything but files,
/// sockets, and the root directory's own metadata.
fn carried(fingerprint: &str) -> String {
    let mut lines: Vec<String> = vec![];
    for line in fingerprint.lines() {
        let mut words: Vec<&str> =
            line.split(' ').filter(|word| !word.starts_with("flags=") && !word.starts_with("data=")).collect();
        let kind = words[1];
        // restic leaves out sockets.
        if kind == "s" || words[0] == "." {
            continue;
        }
        if kind != "-" {
            words.retain(|word| !word.starts_with("links=") && !word.starts_with("same="));
        }
        // restic 0.14 gives no xattrs back to links.
        if kind == "l" {
            words.retain(|word| !word.starts_with("xattrs="));
        }
        // Data in holes is zeros: restic restores zeros as data, and the judge hashes data only.
        if words[0].contains("sparse") || words[0].contains("only-hole") {
            words.retain(|word| !word.starts_with("sha256="));
        }
        lines.push(words.join(" "));
    }
    lines.join("\n")
}

#[test]
fn root_stock_restic_checks_and_restores() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 14_000, &["mkfs.ext4", "-q"]);
    let tree = disk.mount.join("tree");
    odd_tree(&tree);
    // restic 0.14 names files by whole paths, which end at PATH_MAX.
    run!("rm", "-r", tree.join("deep").as_os_str());
    let location = scratch.path().join("repository");
    let (repository, key) = repository(&location);
    backup(&repository, &FileTree::new(&tree));
    std::fs::write(tree.join("another"), "second snapshot").unwrap();
    backup(&repository, &FileTree::new(&tree));
    let key_file = scratch.path().join("key");
    std::fs::write(&key_file, key.expose()).unwrap();
    let restic = |arguments: &[&str]| {
        let mut all: Vec<&OsStr> = ["--no-cache", "--repo"].map(OsStr::new).to_vec();
        all.extend([location.as_os_str(), OsStr::new("--password-file"), key_file.as_os_str()]);
        all.extend(arguments.iter().map(OsStr::new));
        common::run("restic", &all)
    };
    let checked = restic(&["check", "--read-data"]);
    assert!(checked.contains("no errors were found"), "{checked}");
    assert_eq!(restic(&["snapshots", "--json"]).matches("\"hostname\":\"test\"").count(), 2);
    let target = disk.mount.join("restored");
    restic(&["restore", "latest", "--target", target.to_str().unwrap(), "--exclude", "/.lifeboat"]);
    assert_same(&carried(&fingerprint(&tree)), &carried(&fingerprint(&target)));
    let machine = restic(&["dump", "latest", "/.lifeboat/machine.json"]);
    assert_eq!(machine, "{\"machine\":1}");
    assert!(lab("fingerprint.py").exists());
}

/// restic writes holes only into files in which it finds its own smallest blob of zeros.
#[test]
fn root_stock_restic_restores_holes() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 600, &["mkfs.ext4", "-q"]);
    let tree = disk.mount.join("tree");
    std::fs::create_dir(&tree).unwrap();
    // Data, a hole, data, a hole that is smaller than the largest blob, data.
    let file = std::fs::File::create(tree.join("sparse")).unwrap();
    for at in [0, 3 << 30, (3 << 30) + (5 << 20)] {
        std::os::unix::fs::FileExt::write_all_at(&file, &[7; 10_000], at).unwrap();
    }
    file.set_len(4 << 30).unwrap();
    file.sync_all().unwrap();
    let (repository, key) = repository(&disk.mount.join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let key_file = scratch.path().join("key");
    std::fs::write(&key_file, key.expose()).unwrap();
    let restic = common::run(lab("restic.sh"), &[]);
    let target = disk.mount.join("restored");
    let repository_path = disk.mount.join("repository");
    let arguments = [
        OsStr::new("--no-cache"),
        OsStr::new("--repo"),
        repository_path.as_os_str(),
        OsStr::new("--password-file"),
        key_file.as_os_str(),
        OsStr::new("restore"),
        OsStr::new("latest"),
        OsStr::new("--sparse"),
        OsStr::new("--target"),
        target.as_os_str(),
    ];
    common::run(restic.trim(), &arguments);
    let restored = std::fs::metadata(target.join("sparse")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::size(&restored), 4 << 30);
    let blocks = std::os::unix::fs::MetadataExt::blocks(&restored);
    assert!(blocks * 512 < 64 << 20, "{blocks} blocks: the holes are filled");
    run!("cmp", &tree.join("sparse"), &target.join("sparse"));
}

#[test]
fn root_a_repository_of_stock_restic_is_read() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 1024, &["mkfs.ext4", "-q"]);
    let tree = disk.mount.join("tree");
    std::fs::create_dir(&tree).unwrap();
    for (name, content) in [("a", "1"), ("new\nline", "2"), ("empty", "")] {
        std::fs::write(tree.join(name), content).unwrap();
    }
    let mut sparse = vec![1; 8 << 20];
    sparse.resize(64 << 20, 0);
    std::fs::write(tree.join("zeros"), sparse).unwrap();
    std::os::unix::fs::symlink("a", tree.join("link")).unwrap();
    let location = scratch.path().join("repository");
    let key_file = scratch.path().join("key");
    std::fs::write(&key_file, "a passphrase").unwrap();
    let restic = |arguments: &[&str]| {
        let script = format!("cd \"$1\" && shift && exec restic --no-cache --repo \"$@\" {}", arguments.join(" "));
        run!("sh", "-c", &script, "sh", &tree, &location, "--password-file", &key_file)
    };
    restic(&["init"]);
    restic(&["backup", "."]);
    let repository =
        lifeboat_archive::Repository::open(&location, &lifeboat_archive::Secret::new("a passphrase\n")).unwrap();
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let target = disk.mount.join("restored");
    std::fs::create_dir(&target).unwrap();
    let report =
        repository.restore(&snapshot, &target, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(std::fs::read(target.join("zeros")).unwrap(), std::fs::read(tree.join("zeros")).unwrap());
    assert_eq!(std::fs::read_to_string(target.join("new\nline")).unwrap(), "2");
    assert_eq!(std::fs::read_link(target.join("link")).unwrap(), std::path::Path::new("a"));
    // Without a map of holes, zeros become holes.
    use std::os::unix::fs::MetadataExt as _;
    assert!(target.join("zeros").metadata().unwrap().blocks() * 512 < 32 << 20);
}

/// restic's nodes carry names of users beside the numbers.
#[test]
fn root_owners_come_by_number_whatever_the_archive_calls_them() {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("home")).unwrap();
    std::fs::write(tree.join("home/tool"), "of a user").unwrap();
    std::fs::write(tree.join("of-root"), "of root").unwrap();
    run!("mkfifo", &tree.join("home/pipe"));
    run!("chown", "-R", "1000:1000", &tree.join("home"));
    std::fs::set_permissions(tree.join("home/tool"), std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let location = scratch.path().join("repository");
    let key_file = scratch.path().join("key");
    std::fs::write(&key_file, "a passphrase").unwrap();
    // There the user with the number 1000 is called root, and root is called nobody.
    let (passwd, group) = (scratch.path().join("passwd"), scratch.path().join("group"));
    std::fs::write(&passwd, "nobody:x:0:0::/root:/bin/sh\nroot:x:1000:1000::/home:/bin/sh\n").unwrap();
    std::fs::write(&group, "nogroup:x:0:\nroot:x:1000:\n").unwrap();
    let script = "mount --bind \"$1\" /etc/passwd && mount --bind \"$2\" /etc/group && cd \"$3\" && shift 3 && \
                  restic --no-cache --repo \"$@\" init && restic --no-cache --repo \"$@\" backup .";
    let run = ["unshare", "-m", "sh", "-ec", script, "sh"].map(OsStr::new);
    let paths = [&passwd, &group, &tree, &location].map(|path| path.as_os_str());
    let with_key = [OsStr::new("--password-file"), key_file.as_os_str()];
    let all: Vec<&OsStr> = run[1..].iter().copied().chain(paths).chain(with_key).collect();
    common::run(run[0], &all);
    let restic = |arguments: &[&str]| {
        let mut all: Vec<&OsStr> = vec![OsStr::new("--no-cache"), OsStr::new("--repo"), location.as_os_str()];
        all.extend(with_key);
        all.extend(arguments.iter().map(OsStr::new));
        common::run("restic", &all)
    };
    let part = |text: &str, name: &str| {
        let begin = text.find(&format!("\"{name}\":")).unwrap();
        text[begin..].split('"').nth(3).unwrap().to_owned()
    };
    let root = part(&restic(&["cat", "snapshot", restic(&["list", "snapshots"]).trim()]), "tree");
    let listed = restic(&["cat", "blob", &root]);
    assert!(listed.contains("\"user\":\"root\"") && listed.contains("\"user\":\"nobody\""), "{listed}");
    let repository =
        lifeboat_archive::Repository::open(&location, &lifeboat_archive::Secret::new("a passphrase\n")).unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    for name in ["one", "two"] {
        let target = scratch.path().join(name);
        std::fs::create_dir(&target).unwrap();
        let options = RestoreOptions { private: name == "two", overwrite: true, ..RestoreOptions::default() };
        let report = repository.restore(&snapshot, &target, &Selection::Everything, &options, &Quiet).unwrap();
        assert_eq!(report.problems, []);
        use std::os::unix::fs::MetadataExt as _;
        for (entry, owner, bits) in
            [("home", 1000, 0o755), ("home/tool", 1000, 0o4755), ("home/pipe", 1000, 0o644), ("of-root", 0, 0o644)]
        {
            let status = target.join(entry).metadata().unwrap();
            let found = (status.uid(), status.gid(), status.mode() & 0o7777);
            assert_eq!(found, (owner, owner, bits), "{entry}");
        }
    }
}

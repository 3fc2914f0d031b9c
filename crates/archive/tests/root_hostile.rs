//! Users who exchange what is saved or restored, and what they put into their homes.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;

use common::changing::{after_walk, messages, overwrite, paths, restore, tree};
use common::{Disk, backup, backup_with, repository, scratch};
use lifeboat_archive::{FileTree, Observer, Progress, Quiet, RestoreOptions, Selection};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Mutex;

/// Does something when an operation reports its first progress of a phase.
struct At<'a>(&'a str, Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>);

impl<'a> At<'a> {
    fn new(phase: &'a str, act: impl FnOnce() + Send + 'a) -> Self {
        At(phase, Mutex::new(Some(Box::new(act))))
    }
}

impl Observer for At<'_> {
    fn progress(&self, progress: &Progress) {
        if progress.phase == self.0
            && let Some(act) = self.1.lock().unwrap().take()
        {
            act();
        }
    }
}

#[test]
fn root_links_and_directories_that_are_swapped_in_are_not_read() {
    for target in ["../secret", "/", "relative"] {
        let scratch = scratch();
        let tree = tree(scratch.path(), &[("home/a/b/c/file", "harmless"), ("secret/c/file", "SECRET"), ("z", "z")]);
        let swap = || {
            std::fs::rename(tree.join("home/a/b"), tree.join("home/a/away")).unwrap();
            match target {
                // A directory, not a link.
                "relative" => std::fs::rename(tree.join("secret"), tree.join("home/a/b")).unwrap(),
                target => symlink(target, tree.join("home/a/b")).unwrap(),
            }
        };
        let (repository, _) = repository(&scratch.path().join("repository"));
        // /, home, home/a, b, c, secret, secret/c
        let report = backup_with(&repository, &FileTree::new(&tree), &after_walk(7, swap));
        let list = messages(&report.problems);
        assert!(list.iter().any(|line| line.starts_with("/home/a/b/c/file: cannot OPEN")), "{target}: {list:?}");
        let out = scratch.path().join("out");
        assert_eq!(restore(&repository, &out, &Selection::Everything), Vec::<String>::new());
        assert!(!out.join("home/a/b/c/file").exists(), "{target}");
    }
}

/// Moves a directory on to the next place whenever the walk has read it.
struct Ahead<'a>(&'a Path, Mutex<usize>);

impl Ahead<'_> {
    fn place(&self, number: usize) -> std::path::PathBuf {
        self.0.join(format!("d{number}/x"))
    }
}

impl Observer for Ahead<'_> {
    fn progress(&self, progress: &Progress) {
        let mut count = self.1.lock().unwrap();
        if progress.phase == "walk" {
            *count += 1;
            // The root, then each place and what was moved there.
            if *count % 2 == 1 && *count > 1 && *count / 2 < 9 {
                std::fs::rename(self.place(*count / 2), self.place(*count / 2 + 1)).unwrap();
            }
        }
    }
}

#[test]
fn a_directory_that_is_moved_ahead_of_the_walk_is_read_a_few_times() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("d1/x/file", "x")]);
    (2..10).for_each(|number| std::fs::create_dir(tree.join(format!("d{number}"))).unwrap());
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup_with(&repository, &FileTree::new(&tree), &Ahead(&tree, Mutex::new(0)));
    let reported = messages(&report.problems);
    let refused: Vec<&String> = reported.iter().filter(|text| text.contains("moved ahead of the backup")).collect();
    assert!(matches!(&refused[..], [one] if one.starts_with("/d4/x: ")), "{reported:?}");
    // Moved once, all of it is there.
    let last = (1..10).map(|number| tree.join(format!("d{number}/x"))).find(|place| place.exists()).unwrap();
    std::fs::rename(last, tree.join("d1/x")).unwrap();
    let once = after_walk(3, || std::fs::rename(tree.join("d1/x"), tree.join("d8/x")).unwrap());
    backup_with(&repository, &FileTree::new(&tree), &once);
    let snapshot = repository.find_snapshot("latest").unwrap();
    assert_eq!(repository.read_file(&snapshot, Path::new("/d8/x/file")).unwrap(), b"x");
}

#[test]
fn a_replaced_file_comes_with_its_own_attributes() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("d/file", "old"), ("d/mode", "same")]);
    run!("setfattr", "-n", "user.of", "-v", "old", tree.join("d/file").as_os_str());
    let swap = || {
        std::fs::write(tree.join("d/new"), "new content").unwrap();
        run!("setfattr", "-n", "user.of", "-v", "new", tree.join("d/new").as_os_str());
        std::fs::set_permissions(tree.join("d/new"), <std::fs::Permissions as PermissionsExt>::from_mode(0o600))
            .unwrap();
        std::fs::rename(tree.join("d/new"), tree.join("d/file")).unwrap();
        // Only attributes: that is worth no word, but what is saved is what it is now.
        run!("setfattr", "-n", "user.late", "-v", "yes", tree.join("d/mode").as_os_str());
        std::fs::set_permissions(tree.join("d/mode"), <std::fs::Permissions as PermissionsExt>::from_mode(0o640))
            .unwrap();
    };
    let (repository, _) = repository(&scratch.path().join("repository"));
    let report = backup_with(&repository, &FileTree::new(&tree), &after_walk(2, swap));
    assert_eq!(messages(&report.problems), ["/d/file: changed while being read: it was replaced during the backup"]);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let table = repository.table(&snapshot).unwrap();
    let entry = |path: &str| table.entries().find(|entry| entry.path == Path::new(path)).unwrap();
    let xattr = |path: &str| {
        entry(path).xattrs.iter().map(|x| String::from_utf8_lossy(&x.value).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!((entry("/d/file").mode, entry("/d/file").size, xattr("/d/file")), (0o600, 11, vec!["new".to_owned()]));
    assert_eq!((entry("/d/mode").mode, xattr("/d/mode")), (0o640, vec!["yes".to_owned()]));
}

#[test]
fn hard_links_outlive_their_first_names() {
    for lost in [&["a"][..], &["a", "b/x"], &["a", "b/x", "c/y"]] {
        let scratch = scratch();
        let tree = tree(scratch.path(), &[("a", "IMPORTANT"), ("b/other", "1"), ("c/other", "2")]);
        for name in ["b/x", "c/y"] {
            std::fs::hard_link(tree.join("a"), tree.join(name)).unwrap();
        }
        let act = || lost.iter().for_each(|name| std::fs::remove_file(tree.join(name)).unwrap());
        let (repository, _) = repository(&scratch.path().join("repository"));
        let report = backup_with(&repository, &FileTree::new(&tree), &after_walk(3, act));
        let wanted: Vec<String> =
            lost.iter().map(|name| format!("/{name}: cannot OPEN: it vanished during the backup")).collect();
        assert_eq!(messages(&report.problems), wanted);
        assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
        let out = scratch.path().join("out");
        assert_eq!(restore(&repository, &out, &Selection::Everything), Vec::<String>::new());
        for name in ["a", "b/x", "c/y"] {
            let found = std::fs::read_to_string(out.join(name)).ok();
            assert_eq!(found, (!lost.contains(&name)).then(|| "IMPORTANT".to_owned()), "{name} without {lost:?}");
        }
    }
}

#[test]
fn a_first_name_that_is_replaced_takes_no_content_from_the_others() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("a", "of all names"), ("d/new", "of one name")]);
    std::fs::hard_link(tree.join("a"), tree.join("d/b")).unwrap();
    std::fs::hard_link(tree.join("a"), tree.join("d/c")).unwrap();
    let act = || std::fs::rename(tree.join("d/new"), tree.join("a")).unwrap();
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup_with(&repository, &FileTree::new(&tree), &after_walk(2, act));
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let out = scratch.path().join("out");
    assert_eq!(restore(&repository, &out, &Selection::Everything), Vec::<String>::new());
    let content = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(
        (content("a"), content("d/b"), content("d/c")),
        ("of one name".into(), "of all names".into(), "of all names".into())
    );
    let inode = |name: &str| out.join(name).metadata().unwrap().ino();
    assert!(inode("d/b") == inode("d/c") && inode("a") != inode("d/b"));
}

#[test]
fn root_a_user_cannot_lead_attributes_elsewhere() {
    let scratch = scratch();
    std::fs::set_permissions(scratch.path(), <std::fs::Permissions as PermissionsExt>::from_mode(0o755)).unwrap();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("home/p")).unwrap();
    for number in 0..600 {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            tree.join(format!("home/p/f{number}")),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o666),
            0,
        )
        .unwrap();
    }
    run!("chmod", "-R", "a+rw", &tree.join("home/p"));
    run!("chown", "-R", "1000:1000", tree.join("home").as_os_str());
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let secret = scratch.path().join("secret");
    std::fs::write(&secret, "root only").unwrap();
    std::fs::set_permissions(&secret, <std::fs::Permissions as PermissionsExt>::from_mode(0o600)).unwrap();
    let out = scratch.path().join("out");
    std::fs::create_dir_all(out.join("home")).unwrap();
    run!("chown", "1000:1000", out.join("home").as_os_str());
    // uid 1000 puts a link in place of whatever appears in p, and swaps p itself.
    let script = "import os,sys\nh=sys.argv[1]; s=sys.argv[2]; os.chdir(h); print('ready',flush=True)\nn=0\nwhile True:\n for d in ('p',):\n  try:\n   for e in os.listdir(d):\n    n+=1\n    try:\n     os.symlink(s,'l%d'%n); os.rename('l%d'%n,d+'/'+e)\n    except OSError: pass\n   os.rename(d,'q%d'%n); os.symlink('..',d); os.unlink(d)\n  except OSError: pass";
    let mut child = std::process::Command::new("setpriv")
        .args(["--reuid=1000", "--regid=1000", "--clear-groups", "/usr/bin/python3", "-c", script])
        .args([out.join("home").as_os_str(), secret.as_os_str()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0; 6]).unwrap();
    for _ in 0..3 {
        restore(&repository, &out, &paths(&["/home/p"]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let status = secret.metadata().unwrap();
    assert_eq!((status.mode() & 0o7777, status.uid()), (0o600, 0));
}

#[test]
fn root_folders_of_others_are_closed_while_they_are_restored() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("d/mine/file", "x"), ("d/group/file", "x")]);
    run!("chown", "1000:1000", tree.join("d/mine").as_os_str());
    run!("chmod", "2770", tree.join("d/group").as_os_str());
    run!("chown", "0:1000", tree.join("d/group").as_os_str());
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let out = scratch.path().join("out");
    run!("cp", "-a", &tree, &out);
    run!("chmod", "0777", out.join("d/mine").as_os_str());
    let seen = Mutex::new(vec![]);
    let look = || {
        for name in ["d/mine", "d/group"] {
            let status = out.join(name).metadata().unwrap();
            seen.lock().unwrap().push((status.uid(), status.mode() & 0o777));
        }
    };
    let snapshot = repository.find_snapshot("latest").unwrap();
    let observer = At::new("restore", look);
    // A large file reports progress at once.
    std::fs::write(tree.join("d/big"), vec![7; 2 << 20]).unwrap();
    backup(&repository, &FileTree::new(&tree));
    let latest = repository.find_snapshot("latest").unwrap();
    assert_ne!(snapshot.id, latest.id);
    let report = repository.restore(&latest, &out, &Selection::Everything, &overwrite(), &observer).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!(*seen.lock().unwrap(), [(0, 0o700), (0, 0o700)]);
    let compared = repository.compare(&latest, &FileTree::new(&out), &Selection::Everything, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
}

#[test]
fn root_what_a_directory_passes_on_is_not_kept() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 64, &["mkfs.ext4", "-q"]);
    let tree = tree(&disk.mount, &[("share/secret", "SECRET"), ("share/in/deep/file", "x")]);
    std::fs::set_permissions(tree.join("share/secret"), <std::fs::Permissions as PermissionsExt>::from_mode(0o640))
        .unwrap();
    let fifo = tree.join("share/fifo");
    run!("mkfifo", "-m", "640", &fifo);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let out = disk.mount.join("out");
    std::fs::create_dir_all(out.join("share")).unwrap();
    run!("setfacl", "-m", "d:u:1000:rwx", out.join("share").as_os_str());
    run!("chattr", "+dA", out.join("share").as_os_str());
    let some = paths(&["/share/secret", "/share/in", "/share/fifo"]);
    assert_eq!(restore(&repository, &out, &some), Vec::<String>::new());
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&out), &some, &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
    // When the folder itself is restored, it loses what it did not have.
    assert_eq!(restore(&repository, &out, &paths(&["/share"])), Vec::<String>::new());
    let compared = repository.compare(&snapshot, &FileTree::new(&out), &paths(&["/share"]), &Quiet).unwrap();
    assert!(compared.is_same(), "{compared:?}");
}

#[test]
fn root_nor_what_its_owner_has_it_pass_on_meanwhile() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 64, &["mkfs.ext4", "-q"]);
    let tree = tree(&disk.mount, &[("home/large", &"x".repeat(2 << 20))]);
    run!("mkfifo", "-m", "640", &tree.join("home/fifo"));
    run!("chown", "1000:1000", &tree.join("home"));
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let home = disk.mount.join("out/home");
    std::fs::create_dir_all(&home).unwrap();
    run!("chown", "1000:1000", &home);
    // Told when the large file is complete; pipes come later.
    let observer = At::new("restore", || drop(run!("setfacl", "-m", "d:u:1000:rwx", &home)));
    let snapshot = repository.find_snapshot("latest").unwrap();
    let some = paths(&["/home/large", "/home/fifo"]);
    let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let report = repository.restore(&snapshot, &disk.mount.join("out"), &some, &options, &observer).unwrap();
    assert_eq!(messages(&report.problems), Vec::<String>::new());
    assert!(run!("getfacl", "-np", &home).contains("default:user:1000:rwx"));
    let acl = run!("getfacl", "-np", &home.join("fifo"));
    assert!(!acl.contains("1000"), "{acl}");
}

#[test]
fn root_the_way_to_a_chosen_path() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("srv/app/conf/one", "1"), ("srv/app/two", "2"), ("usr/lib/x", "x")]);
    symlink("usr/lib", tree.join("lib")).unwrap();
    run!("chown", "-R", "1000:1000", tree.join("srv/app").as_os_str());
    run!("chmod", "2751", tree.join("srv/app/conf").as_os_str());
    run!("setfacl", "-m", "d:u:33:rx", tree.join("srv/app/conf").as_os_str());
    run!("touch", "-d", "2001-02-03", tree.join("srv/app").as_os_str(), tree.join("srv").as_os_str());
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    // Made as it was.
    let new = scratch.path().join("new");
    assert_eq!(restore(&repository, &new, &paths(&["/srv/app/conf/one"])), Vec::<String>::new());
    for name in ["srv", "srv/app", "srv/app/conf"] {
        let show = |root: &Path| {
            let status = root.join(name).metadata().unwrap();
            (status.mode(), status.uid(), status.mtime(), run!("getfacl", "-cp", root.join(name).as_os_str()))
        };
        assert_eq!(show(&new), show(&tree), "{name}");
    }
    // Through the archive's link.
    assert_eq!(restore(&repository, &new, &paths(&["/lib/x"])), Vec::<String>::new());
    assert!(new.join("usr/lib/x").exists() && !new.join("lib").exists());
    // What is in the way stays.
    let other = scratch.path().join("other");
    std::fs::create_dir_all(other.join("data/app/conf")).unwrap();
    std::fs::create_dir_all(other.join("srv")).unwrap();
    symlink("../data/app", other.join("srv/app")).unwrap();
    std::fs::write(other.join("usr"), "important").unwrap();
    let list = restore(&repository, &other, &paths(&["/srv/app/conf/one", "/srv/app/two", "/usr/lib/x"]));
    assert_eq!(list.len(), 3, "{list:?}");
    assert!(list[0].starts_with("/srv/app/conf/one: cannot RESTORE: /srv/app is a symbolic link"), "{list:?}");
    assert!(list[2].starts_with("/usr/lib/x: cannot RESTORE: /usr is not a directory"), "{list:?}");
    assert_eq!(std::fs::read_to_string(other.join("usr")).unwrap(), "important");
    assert_eq!(std::fs::read_dir(other.join("data/app/conf")).unwrap().count(), 0);
    // Somebody else's folder on the way could be exchanged at any moment.
    let foreign = scratch.path().join("foreign");
    std::fs::create_dir_all(foreign.join("srv/app")).unwrap();
    run!("chown", "4242", foreign.join("srv/app").as_os_str());
    let list = restore(&repository, &foreign, &paths(&["/srv/app/two"]));
    assert!(list[0].starts_with("/srv/app/two: cannot RESTORE: /srv/app belongs to user 4242"), "{list:?}");
}

#[test]
fn what_a_killed_restore_left_is_removed() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("d/file", "x"), ("e/file", "x")]);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let out = scratch.path().join("out");
    std::fs::create_dir_all(out.join("d")).unwrap();
    std::fs::create_dir_all(out.join("e")).unwrap();
    // The number of no process: PID_MAX_LIMIT is 4194304.
    let (dead, alive) = (".lifeboat-4194999-3", format!(".lifeboat-{}-900", std::process::id()));
    for name in [dead, &alive] {
        std::fs::write(out.join("d").join(name), "half").unwrap();
        std::fs::write(out.join("e").join(name), "half").unwrap();
    }
    // A directory is removed as a restore makes it; others of such a name belong to somebody.
    let (closed, open) = (out.join("d/.lifeboat-4194999-4"), out.join("d/.lifeboat-4194999-5"));
    for (folder, mode) in [(&closed, 0o700), (&open, 0o755)] {
        std::fs::create_dir_all(folder.join("deep/er")).unwrap();
        std::fs::write(folder.join("deep/er/file"), "half").unwrap();
        symlink(&tree, folder.join("deep/tree")).unwrap();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // It was not closed when it was found, so no restore made directories in it.
    assert_eq!(restore(&repository, &out, &paths(&["/d/file"])), Vec::<String>::new());
    assert!(closed.exists());
    std::fs::set_permissions(out.join("d"), std::fs::Permissions::from_mode(0o1700)).unwrap();
    assert_eq!(restore(&repository, &out, &paths(&["/d", "/d/file"])), Vec::<String>::new());
    assert!(!out.join("d").join(dead).exists() && out.join("d").join(&alive).exists());
    assert!(out.join("e").join(dead).exists(), "nothing is restored there");
    assert!(!closed.exists() && open.join("deep/er/file").exists() && tree.join("d/file").exists());
}

#[test]
fn root_protection_waits() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 64, &["mkfs.ext4", "-q"]);
    let tree = tree(&disk.mount, &[("etc/fstab", "old"), ("var/log", "x"), ("boot/grub/grub.cfg", "x")]);
    let flags = |sign: &str, root: &Path| {
        run!("chattr", &format!("{sign}i"), root.join("etc/fstab").as_os_str(), root.join("boot/grub").as_os_str());
        run!("chattr", &format!("{sign}a"), root.join("var/log").as_os_str());
    };
    flags("+", &tree);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let snapshot = repository.find_snapshot("latest").unwrap();
    let out = disk.mount.join("out");
    std::fs::create_dir(&out).unwrap();
    let options = RestoreOptions { private: true, repeatable: true, unprotected: true, ..overwrite() };
    let report = repository.restore(&snapshot, &out, &Selection::Everything, &options, &Quiet).unwrap();
    assert_eq!((report.problems.len(), report.unprotected), (0, 3));
    let source = FileTree::new(&out);
    assert!(repository.compare_unprotected(&snapshot, &source, &Quiet).unwrap().is_same());
    assert!(!repository.compare(&snapshot, &source, &Selection::Everything, &Quiet).unwrap().is_same());
    // The configuration is adapted, by a program that replaces the file.
    std::fs::write(out.join("etc/new"), "new").unwrap();
    std::fs::rename(out.join("etc/new"), out.join("etc/fstab")).unwrap();
    std::fs::write(out.join("boot/grub/grub.cfg"), "y").unwrap();
    let report = repository.protect(&snapshot, &out, &Quiet).unwrap();
    assert_eq!((report.problems.len(), report.entries), (0, 3));
    for (name, flag) in [("etc/fstab", 'i'), ("boot/grub", 'i'), ("var/log", 'a')] {
        assert!(run!("lsattr", "-d", out.join(name).as_os_str())[..22].contains(flag), "{name}");
    }
    flags("-", &tree);
    flags("-", &out);
}

#[test]
fn root_labels_where_none_are_stored() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("efi/loader", "x")]);
    for name in ["efi", "efi/loader"] {
        run!("setfattr", "-n", "security.selinux", "-v", "system_u:object_r:dosfs_t:s0", tree.join(name).as_os_str());
    }
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let out = scratch.path().join("out");
    std::fs::create_dir(&out).unwrap();
    run!("mount", "-t", "ramfs", "none", &out);
    let problems = restore(&repository, &out, &Selection::Everything);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let compared = repository.compare(&snapshot, &FileTree::new(&out), &Selection::Everything, &Quiet).unwrap();
    run!("umount", &out);
    assert_eq!(problems, Vec::<String>::new());
    assert!(compared.is_same(), "{compared:?}");
    // Where they are stored they count.
    let other = scratch.path().join("other");
    assert_eq!(restore(&repository, &other, &Selection::Everything), Vec::<String>::new());
    run!("setfattr", "-x", "security.selinux", other.join("efi/loader").as_os_str());
    let compared = repository.compare(&snapshot, &FileTree::new(&other), &Selection::Everything, &Quiet).unwrap();
    assert_eq!(compared.differences.len(), 1, "{compared:?}");
}

#[test]
fn root_a_read_only_target_is_one_error() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("a/b", "x")]);
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    let out = scratch.path().join("out");
    std::fs::create_dir(&out).unwrap();
    run!("mount", "-t", "tmpfs", "-o", "ro", "none", &out);
    let snapshot = repository.find_snapshot("latest").unwrap();
    let result = repository.restore(&snapshot, &out, &Selection::Everything, &overwrite(), &Quiet);
    run!("umount", &out);
    let text = result.unwrap_err().to_string();
    assert!(text.starts_with("cannot WRITE ") && text.contains("Read-only file system"), "{text}");
}

#[test]
fn root_a_folder_of_somebody_else_is_not_given_away() {
    let scratch = scratch();
    let tree = tree(scratch.path(), &[("home/u/sub/file", "x")]);
    run!("chown", "-R", "4242:4242", tree.join("home/u").as_os_str());
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    for (number, selection) in [Selection::Everything, paths(&["/home/u/sub"])].iter().enumerate() {
        // Root's own folder, to which the owner of the home gave the name of one of his.
        let out = scratch.path().join(format!("out{number}"));
        std::fs::create_dir_all(out.join("home/u/sub")).unwrap();
        std::fs::write(out.join("home/u/sub/secret"), "secret").unwrap();
        std::fs::set_permissions(out.join("home/u/sub"), std::fs::Permissions::from_mode(0o700)).unwrap();
        run!("chown", "4242:4242", out.join("home/u").as_os_str());
        let list = restore(&repository, &out, selection);
        assert!(list[0].contains("/home/u/sub belongs to user 0 in the target"), "{list:?}");
        let status = out.join("home/u/sub").metadata().unwrap();
        assert_eq!((status.uid(), status.mode() & 0o7777), (0, 0o700));
        assert_eq!(out.join("home/u").metadata().unwrap().uid(), 4242);
    }
    // In a home that only root can change it is root's business.
    let out = scratch.path().join("own");
    std::fs::create_dir_all(out.join("home/u/sub")).unwrap();
    assert_eq!(restore(&repository, &out, &Selection::Everything), Vec::<String>::new());
    assert_eq!(out.join("home/u/sub").metadata().unwrap().uid(), 4242);
}

#[test]
fn root_what_was_not_restored_gets_no_flags() {
    let scratch = scratch();
    let disk = Disk::make(scratch.path(), "disk", 64, &["mkfs.ext4", "-q"]);
    let tree = tree(&disk.mount, &[("f", "archive")]);
    let flags = |path: &Path| run!("lsattr", path.as_os_str())[..22].contains('i');
    run!("chattr", "+i", tree.join("f").as_os_str());
    let (repository, _) = repository(&scratch.path().join("repository"));
    backup(&repository, &FileTree::new(&tree));
    run!("chattr", "-i", tree.join("f").as_os_str());
    let out = disk.mount.join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("f"), "other").unwrap();
    let snapshot = repository.find_snapshot("latest").unwrap();
    let report =
        repository.restore(&snapshot, &out, &Selection::Everything, &RestoreOptions::default(), &Quiet).unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].message.contains("File exists"));
    assert!(!flags(&out.join("f")) && std::fs::read_to_string(out.join("f")).unwrap() == "other");
}

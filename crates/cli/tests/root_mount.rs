//! Snapshots as a folder: the odd tree read through FUSE is the tree that was saved.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIFEBOAT: &str = env!("CARGO_BIN_EXE_lifeboat");
const PATIENCE: Duration = Duration::from_secs(120);

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir_in("/var/tmp").unwrap());
        std::fs::create_dir(desk.at("point")).unwrap();
        desk
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn backup(&self, tree: &Path) {
        let output = Command::new(LIFEBOAT)
            .args(["backup", "--to", "repo", "--init", "--key-file", "key", "--sysroot"])
            .arg(tree)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Mounts; what it says on standard error afterwards is read from the child.
    fn mount(&self) -> Mounted {
        self.mount_with(&[])
    }

    fn mount_with(&self, more: &[&str]) -> Mounted {
        let mut child = Command::new(LIFEBOAT)
            .args(["mount", "point", "--from", "repo", "--key-file", "key"])
            .args(more)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("can be read in") {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap() > 0, "it ended: {:?}", child.wait());
        }
        Mounted { child, errors, point: self.at("point") }
    }
}

struct Mounted {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
    point: PathBuf,
}

impl Mounted {
    /// The root of the latest snapshot.
    fn latest(&self) -> PathBuf {
        let machine = std::fs::read_dir(&self.point).unwrap().next().unwrap().unwrap().path();
        std::fs::canonicalize(machine.join("latest")).unwrap()
    }

    fn ended(&mut self) -> std::process::ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn rest(&mut self) -> String {
        let mut text = String::new();
        self.errors.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.point).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lab(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab").join(script)
}

/// What the independent judge says, without what a FUSE filesystem cannot show: inode flags.
fn fingerprint(folder: &Path) -> Vec<String> {
    let output = Command::new("python3").arg(lab("fingerprint.py")).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let shown = |line: &str| -> String {
        line.split(' ').filter(|word| !word.starts_with("flags=")).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(shown).collect()
}

fn is_mounted(point: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().any(|line| line.split(' ').nth(4) == point.to_str())
}

#[test]
fn root_the_odd_tree_is_the_same_through_the_mount() {
    let desk = Desk::new();
    let image = desk.at("disk.img");
    std::fs::File::create(&image).unwrap().set_len(14_000 << 20).unwrap();
    let run = |program: &str, arguments: &[&Path]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("mkfs.ext4", &[Path::new("-q"), &image]);
    std::fs::create_dir(desk.at("disk")).unwrap();
    run("mount", &[Path::new("-oloop"), &image, &desk.at("disk")]);
    let tree = desk.at("disk/tree");
    run("python3", &[&lab("odd-files.py"), &tree]);
    desk.backup(&tree);
    let mut mounted = desk.mount();
    let latest = mounted.latest();
    let (before, through) = (fingerprint(&tree), fingerprint(&latest));
    let unmounted = Command::new("umount").arg(desk.at("point")).status().unwrap();
    let status = mounted.ended();
    let said = mounted.rest();
    run("umount", &[Path::new("-l"), &desk.at("disk")]);
    let differing: Vec<(&String, &String)> = before.iter().zip(&through).filter(|(a, b)| a != b).take(10).collect();
    assert!(
        before.len() == through.len() && differing.is_empty(),
        "{} {}: {differing:#?}",
        before.len(),
        through.len()
    );
    assert!(before.len() > 20);
    assert!(unmounted.success() && status.success() && !is_mounted(&desk.at("point")), "{status:?} {said}");
    // Nothing of what the library under it has to say to developers.
    assert_eq!(said, "");
}

#[test]
fn root_other_users_see_snapshots_of_this_machine_alone() {
    let desk = Desk::new();
    std::fs::create_dir_all(desk.at("tree/etc")).unwrap();
    std::fs::write(desk.at("tree/etc/hostname"), "another\n").unwrap();
    std::fs::write(desk.at("tree/etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    desk.backup(&desk.at("tree"));
    let refused = Command::new(LIFEBOAT)
        .args(["mount", "point", "--from", "repo", "--key-file", "key", "--allow-other"])
        .current_dir(desk.0.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(3) && said.contains("machine 'another'"), "{said}");
    assert!(!is_mounted(&desk.at("point")));
    for name in ["hostname", "machine-id"] {
        let text = std::fs::read(Path::new("/etc").join(name)).unwrap_or_default();
        std::fs::write(desk.at("tree/etc").join(name), text).unwrap();
    }
    desk.backup(&desk.at("tree"));
    let mounted = desk.mount_with(&["--allow-other"]);
    assert!(mounted.latest().join("etc").is_dir());
}

#[test]
fn root_a_mount_is_read_only_and_ends_with_a_signal() {
    let desk = Desk::new();
    let tree = desk.at("tree");
    std::fs::create_dir_all(tree.join("etc")).unwrap();
    std::fs::write(tree.join("etc/hostname"), "box\n").unwrap();
    std::fs::hard_link(tree.join("etc/hostname"), tree.join("etc/other")).unwrap();
    let content: Vec<u8> = (0..9_000_000_u32).map(|number| (number / 7 % 251) as u8).collect();
    std::fs::write(tree.join("large"), &content).unwrap();
    let sparse = std::fs::File::create(tree.join("sparse")).unwrap();
    sparse.set_len(64 << 20).unwrap();
    sparse.write_all_at(b"data", 32 << 20).unwrap();
    desk.backup(&tree);
    // Names have seconds: the second backup gets another one.
    std::thread::sleep(Duration::from_millis(1100));
    desk.backup(&tree);
    let mut mounted = desk.mount();
    let machine = desk.at("point/box");
    let names: Vec<String> = {
        let mut names: Vec<String> = std::fs::read_dir(&machine)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names.len(), 3, "{names:?}");
    let latest = mounted.latest();
    assert!(latest.ends_with(&names[1]), "{names:?} {latest:?}");
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let options = table.lines().find(|line| line.contains(desk.at("point").to_str().unwrap())).unwrap();
    for option in ["ro,", "nosuid", "nodev", "default_permissions", " - fuse lifeboat "] {
        assert!(options.contains(option), "{options}");
    }
    assert_eq!(std::fs::write(latest.join("new"), "x").unwrap_err().raw_os_error(), Some(30));
    let status = |path: &str| std::fs::metadata(latest.join(path)).unwrap();
    assert_eq!((status("etc/hostname").ino(), status("etc/hostname").nlink()), (status("etc/other").ino(), 2));
    // All of it, by several at once, and from the middle.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(std::fs::read(latest.join("large")).unwrap() == content));
        }
    });
    let large = std::fs::File::open(latest.join("large")).unwrap();
    let mut part = vec![0; 5000];
    large.read_exact_at(&mut part, 4_123_456).unwrap();
    assert_eq!(part, content[4_123_456..4_128_456]);
    let sparse = std::fs::File::open(latest.join("sparse")).unwrap();
    assert!(status("sparse").blocks() < 1000);
    use rustix::fs::SeekFrom::{Data, Hole};
    assert_eq!(rustix::fs::seek(&sparse, Hole(0)).unwrap(), 0);
    assert_eq!(rustix::fs::seek(&sparse, Data(0)).unwrap(), 32 << 20);
    assert_eq!(rustix::fs::seek(&sparse, Data(40 << 20)).unwrap_err(), rustix::io::Errno::NXIO);
    let copied = Command::new("cp").arg("-a").arg(&latest).arg(desk.at("copy")).status().unwrap();
    assert!(copied.success());
    let same = Command::new("diff").arg("-r").arg(&tree).arg(desk.at("copy")).status().unwrap();
    assert!(same.success());
    let pid = rustix::process::Pid::from_child(&mounted.child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = mounted.ended();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2), "{status:?}");
    // A file was open there: it goes with the last of them.
    drop((large, sparse));
    assert!(!is_mounted(&desk.at("point")));
    // What is in the folder would be hidden.
    std::fs::write(desk.at("point/file"), "x").unwrap();
    let output = Command::new(LIFEBOAT)
        .args(["mount", "point", "--from", "repo", "--key-file", "key"])
        .current_dir(desk.0.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn root_damage_is_an_error_of_the_file_and_said_once() {
    let desk = Desk::new();
    let tree = desk.at("tree");
    std::fs::create_dir_all(tree.join("etc")).unwrap();
    std::fs::write(tree.join("etc/hostname"), "box\n").unwrap();
    // It cannot be compressed, so that most of the packs is this file.
    let mut state = 1_u64;
    let noise: Vec<u8> = (0..3_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        })
        .collect();
    std::fs::write(tree.join("large"), noise).unwrap();
    desk.backup(&tree);
    let mut open = vec![desk.at("repo/data")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let length = path.metadata().unwrap().len();
            if path.is_dir() {
                open.push(path);
            } else if length > 2_000_000 {
                let file = std::fs::File::options().write(true).open(path).unwrap();
                file.write_all_at(&[0xff; 64], length / 2).unwrap();
            }
        }
    }
    let mut mounted = desk.mount();
    let latest = mounted.latest();
    for _ in 0..3 {
        assert_eq!(std::fs::read(latest.join("large")).unwrap_err().raw_os_error(), Some(5));
    }
    assert_eq!(std::fs::read_to_string(latest.join("etc/hostname")).unwrap(), "box\n");
    assert!(Command::new("umount").arg(desk.at("point")).status().unwrap().success());
    assert!(mounted.ended().success());
    let said = mounted.rest();
    assert_eq!(said.matches("/large").count(), 1, "{said}");
    assert!(said.contains("damaged"), "{said}");
}

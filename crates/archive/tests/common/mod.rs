//! What the tests share: loop filesystems, odd trees, the independent judge, a repository.
#![allow(dead_code, clippy::unwrap_used)]

pub mod changing;
pub mod gate;
pub mod models;
pub mod stores;
pub mod streams;

use lifeboat_archive::repository::{BackupRequest, RepositoryOptions};
use lifeboat_archive::{BackupReport, FileTree, Observer, Quiet, Repository, Secret};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A script of the lab.
pub fn lab(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab").join(script)
}

/// Runs a program to success; gives its output.
pub fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&std::ffi::OsStr]) -> String {
    let program = program.as_ref();
    let output = Command::new(program).args(arguments).env("LC_ALL", "C").output().unwrap();
    let reported = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?} {arguments:?}: {reported}");
    String::from_utf8(output.stdout).unwrap()
}

/// `run` with arguments of any string type.
#[macro_export]
macro_rules! run {
    ($program:expr $(, $argument:expr)* $(,)?) => {
        $crate::common::run($program, &[$(std::ffi::OsStr::new($argument)),*])
    };
}

/// A filesystem in a file, mounted until it is dropped.
pub struct Disk {
    pub image: PathBuf,
    pub mount: PathBuf,
}

impl Disk {
    /// Makes and mounts one in `directory`; `mkfs` is the program with its arguments.
    pub fn make(directory: &Path, name: &str, megabytes: u64, mkfs: &[&str]) -> Disk {
        let image = directory.join(format!("{name}.img"));
        std::fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let mut arguments: Vec<&std::ffi::OsStr> = mkfs[1..].iter().map(std::ffi::OsStr::new).collect();
        arguments.push(image.as_os_str());
        run(mkfs[0], &arguments);
        let disk = Disk { image, mount: directory.join(name) };
        std::fs::create_dir(&disk.mount).unwrap();
        disk.mount();
        disk
    }

    pub fn mount(&self) {
        run!("mount", "-o", "loop", &self.image, &self.mount);
    }

    pub fn unmount(&self) {
        run!("umount", &self.mount);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mount).output();
    }
}

/// Where loop images and trees go: not a tmpfs, which has no inode flags.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").unwrap()
}

/// A tree of everything that is hard to keep.
pub fn odd_tree(directory: &Path) {
    run!("python3", lab("odd-files.py").as_os_str(), directory);
}

/// What the independent judge says about a tree.
pub fn fingerprint(directory: &Path) -> String {
    run!("python3", lab("fingerprint.py").as_os_str(), directory)
}

/// Fails with the first lines that differ.
pub fn assert_same(before: &str, after: &str) {
    let (mut old, mut new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    if old == new {
        return;
    }
    let all_new: std::collections::HashSet<&str> = new.iter().copied().collect();
    let all_old: std::collections::HashSet<&str> = old.iter().copied().collect();
    old.retain(|line| !all_new.contains(line));
    new.retain(|line| !all_old.contains(line));
    let show = |lines: &[&str]| {
        lines.iter().take(10).map(|line| line.chars().take(600).collect::<String>()).collect::<Vec<_>>()
    };
    panic!("{} lines differ\nbefore: {:#?}\nafter: {:#?}", old.len().max(new.len()), show(&old), show(&new));
}

/// A new repository in a directory.
pub fn repository(location: &Path) -> (Repository, Secret) {
    let key = Secret::generate().unwrap();
    (Repository::init(location, &key, &RepositoryOptions::default()).unwrap(), key)
}

/// Backs up with an observer.
pub fn backup_with(repository: &Repository, source: &FileTree, observer: &dyn Observer) -> BackupReport {
    let manifest = |entries: u64, bytes: u64| Ok(format!("{{\"entries\":{entries},\"bytes\":{bytes}}}").into_bytes());
    let request = BackupRequest {
        source,
        host: "test".to_owned(),
        machine_id: String::new(),
        tags: vec!["lifeboat".to_owned()],
        program: "lifeboat test".to_owned(),
        machine: b"{\"machine\":1}".to_vec(),
        manifest: &manifest,
        reread: false,
        beside: vec![],
        started: None,
    };
    repository.backup(&request, observer).unwrap()
}

/// Backs up a directory without any problem.
pub fn backup(repository: &Repository, source: &FileTree) -> BackupReport {
    let report = backup_with(repository, source, &Quiet);
    assert_eq!(report.problems, []);
    report
}

/// A tree with an identity, as a machine's root.
pub fn machine_request<'a>(
    source: &'a FileTree,
    id: &str,
    name: &str,
    manifest: &'a (dyn Fn(u64, u64) -> Result<Vec<u8>, String> + Sync),
) -> BackupRequest<'a> {
    BackupRequest {
        source,
        host: name.to_owned(),
        machine_id: id.to_owned(),
        tags: vec![],
        program: "lifeboat test".to_owned(),
        machine: b"{\"machine\":1}".to_vec(),
        manifest,
        reread: false,
        beside: vec![],
        started: None,
    }
}

/// The manifest of a machine.
pub fn machine_manifest(id: &str, name: &str) -> impl Fn(u64, u64) -> Result<Vec<u8>, String> + Sync + use<> {
    let (id, name) = (id.to_owned(), name.to_owned());
    move |entries, bytes| {
        let json = format!(r#"{{"machine_id":"{id}","machine_name":"{name}","entries":{entries},"bytes":{bytes}}}"#);
        Ok(json.into_bytes())
    }
}

/// Runs restic on a repository; gives whether it succeeded, and what it said.
pub fn restic(location: &Path, key: &Secret, arguments: &[&str]) -> (bool, String) {
    let output = restic_command(location, key, arguments).output().unwrap();
    let reported = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), reported)
}

/// The same, not yet started.
pub fn restic_command(location: &Path, key: &Secret, arguments: &[&str]) -> Command {
    let mut command = Command::new("restic");
    command.args(["--no-cache", "--repo"]).arg(location).args(arguments);
    command.env("RESTIC_PASSWORD", key.expose()).env("LC_ALL", "C");
    command.stdin(std::process::Stdio::null());
    command
}

/// All files below a directory.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Remembers warnings.
#[derive(Default)]
pub struct Warnings(pub std::sync::Mutex<Vec<String>>);

impl Observer for Warnings {
    fn warning(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

impl Warnings {
    /// All of them.
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// Restores a snapshot into a new folder and proves that it is the tree.
pub fn assert_restores(repository: &Repository, snapshot: &lifeboat_archive::SnapshotInfo, tree: &Path) {
    use lifeboat_archive::{RestoreOptions, Selection};
    let target = tempfile::tempdir_in("/var/tmp").unwrap();
    let options = RestoreOptions::default();
    let report = repository.restore(snapshot, target.path(), &Selection::Everything, &options, &Quiet).unwrap();
    assert_eq!(report.problems, []);
    let output = Command::new("diff").arg("-r").arg(tree).arg(target.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

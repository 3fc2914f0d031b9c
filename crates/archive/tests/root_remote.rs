//! Repositories across the network, on real servers: restic's REST protocol, S3, SFTP, a plain web server; and a server that is
//! lost in the middle of a restore.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../drill/tests/common/server.rs"]
mod server;

use common::{assert_same, backup, fingerprint, odd_tree, scratch};
use lifeboat_archive::{ArchiveError, Observer, Owner, Place, Problem, Progress, Quiet, Repository, RestoreOptions};
use lifeboat_archive::{FileTree, RepositoryOptions, Secret, Selection};
use lifeboat_remote::{Address, Credentials, Files, Patience};
use server::{Server, port};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Lines = Arc<Mutex<Vec<String>>>;

fn patience(deadline: Duration) -> (Patience, Lines) {
    let lines = Lines::default();
    let heard = Arc::clone(&lines);
    let listener = Arc::new(move |line: &str| heard.lock().unwrap().push(line.to_owned()));
    (Patience::with("the server", listener, Duration::from_secs(2), deadline), lines)
}

fn place(address: &str, credentials: &Credentials) -> Place {
    let (patience, _) = patience(Duration::from_secs(60));
    Place::Files(lifeboat_remote::store(&Address::parse(address).unwrap(), credentials, patience).unwrap())
}

fn restored(repository: &Repository, folder: &Path) -> PathBuf {
    let target = tempfile::tempdir_in(folder).unwrap().keep();
    let snapshot = repository.latest_of(&Owner::new("", "test")).unwrap();
    repository.prove_present(&snapshot).unwrap();
    let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let report = repository.restore(&snapshot, &target, &Selection::Everything, &options, &Quiet).unwrap();
    assert_eq!(report.problems, []);
    target
}

/// Makes a repository, backs up twice, restores, verifies, adds and removes a key.
fn whole_life(place: &Place) {
    let scratch = scratch();
    let tree = scratch.path().join("tree");
    odd_tree(&tree);
    let key = Secret::generate().unwrap();
    assert!(!place.is_repository().unwrap());
    let repository = Repository::init_at(place, &key, &RepositoryOptions::default()).unwrap();
    assert!(place.is_repository().unwrap());
    assert!(matches!(
        Repository::init_at(place, &key, &RepositoryOptions::default()),
        Err(ArchiveError::Exists { .. })
    ));
    let source = FileTree::new(&tree);
    backup(&repository, &source);
    let second = backup(&repository, &source);
    assert_eq!((second.new, second.changed), (0, 0));
    let repository = Repository::open_at(place, &key).unwrap();
    assert_eq!(repository.snapshots().unwrap().len(), 2);
    assert_same(&fingerprint(&tree), &fingerprint(&restored(&repository, scratch.path())));
    assert_eq!(repository.verify(&Quiet).unwrap().problems, []);
    let another = Secret::generate().unwrap();
    let wrong = Repository::open_at(place, &another).unwrap_err();
    assert!(matches!(wrong, ArchiveError::WrongKey { .. }), "{wrong}");
    let id = repository.add_key(&another, "h").unwrap();
    Repository::open_at(place, &another).unwrap();
    repository.remove_key(&id).unwrap();
    Repository::open_at(place, &another).unwrap_err();
}

#[test]
fn root_rest() {
    let (folder, port) = (scratch(), port());
    let _server = Server::start("restic", port, folder.path(), &["--user", "u", "--pass", "secret"]);
    let address = format!("rest:http://127.0.0.1:{port}/db7");
    let credentials = Credentials::new(
        [("RESTIC_REST_USERNAME", "u"), ("RESTIC_REST_PASSWORD", "secret")].map(|(n, v)| (n.to_owned(), v.to_owned())),
    );
    whole_life(&place(&address, &credentials));
    let refused = place(&address, &Credentials::default()).is_repository().unwrap_err().to_string();
    assert!(refused.contains("401") && refused.contains("credentials"), "{refused}");
}

#[test]
#[ignore = "fetches rclone: make test-all"]
fn root_s3() {
    let (folder, port) = (scratch(), port());
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let _server = Server::start("s3", port, folder.path(), &["--auth-key", "keyid,secretkey"]);
    let with = |secret: &str| {
        let pairs = [("AWS_ACCESS_KEY_ID", "keyid"), ("AWS_SECRET_ACCESS_KEY", secret)];
        Credentials::new(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())))
    };
    let address = format!("s3://bucket/machines/db7?endpoint=http://127.0.0.1:{port}");
    whole_life(&place(&address, &with("secretkey")));
    let refused = place(&address, &with("wrong")).is_repository().unwrap_err().to_string();
    assert!(refused.contains("403"), "{refused}");
}

#[test]
fn root_sftp() {
    let (folder, port) = (scratch(), port());
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["host", "identity", "stranger"] {
        common::run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &at(name)].map(std::ffi::OsStr::new));
    }
    let host_key = std::fs::read_to_string(at("host.pub")).unwrap();
    std::fs::write(at("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
    std::fs::create_dir(at("files")).unwrap();
    let more = ["--key", &at("host"), "--authorized-keys", &at("identity.pub")];
    let _server = Server::start("sftp", port, Path::new(&at("files")), &more);
    let with = |identity: &str| {
        let pairs = [("SFTP_IDENTITY_FILE", at(identity)), ("SFTP_KNOWN_HOSTS_FILE", at("known_hosts"))];
        Credentials::new(pairs.map(|(n, v)| (n.to_owned(), v)))
    };
    let address = format!("sftp://root@127.0.0.1:{port}//machines/db7");
    whole_life(&place(&address, &with("identity")));
    let refused = place(&address, &with("stranger")).is_repository().unwrap_err().to_string();
    assert!(refused.contains("SFTP_IDENTITY_FILE"), "{refused}");
}

#[test]
fn root_web_tree_and_image() {
    let (folder, port) = (scratch(), port());
    let tree = folder.path().join("tree");
    odd_tree(&tree);
    let www = folder.path().join("www");
    let medium = www.join("unpacked/lifeboat");
    std::fs::create_dir_all(&medium).unwrap();
    let (repository, key) = common::repository(&medium.join("repo"));
    backup(&repository, &FileTree::new(&tree));
    drop(repository);
    std::fs::write(medium.join("manifest.json"), "ours").unwrap();
    let mut files = BTreeMap::new();
    let mut folders = vec![medium.clone()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let path = entry.path().strip_prefix(&medium).unwrap().display().to_string();
                    files.insert(path, entry.metadata().unwrap().len());
                }
            }
        }
    }
    std::fs::create_dir(www.join("images")).unwrap();
    let image = www.join("images/rescue.iso");
    let (source, out) = (www.join("unpacked"), image.as_os_str());
    let arguments = ["-as", "mkisofs", "-quiet", "-R", "-o"].map(std::ffi::OsStr::new);
    common::run("xorriso", &[&arguments[..], &[out, source.as_os_str()]].concat());
    let _server = Server::start("http", port, &www, &[]);
    for place in ["unpacked", "images", "images/rescue.iso"] {
        let (patience, _) = patience(Duration::from_secs(60));
        let url = format!("http://127.0.0.1:{port}/{place}");
        let ours = |manifest: &[u8]| manifest == b"ours";
        let web = lifeboat_remote::tree::Tree::open(&url, &Credentials::default(), patience, &ours).unwrap();
        assert_eq!(web.read_file("manifest.json").unwrap(), b"ours");
        let repository: Arc<dyn Files> = Arc::new(web).repository(files.clone());
        let repository = Repository::open_at(&Place::Files(repository), &key).unwrap();
        assert_same(&fingerprint(&tree), &fingerprint(&restored(&repository, folder.path())));
    }
    let (patience, _) = patience(Duration::from_secs(60));
    let url = format!("http://127.0.0.1:{port}/images");
    let none = lifeboat_remote::tree::Tree::open(&url, &Credentials::default(), patience, &|_| false).unwrap_err();
    assert!(none.to_string().contains("belongs to this rescue system"), "{none}");
}

/// Kills the server when the first entries are restored.
struct Killer(Mutex<Option<Server>>);

impl Observer for Killer {
    fn progress(&self, progress: &Progress) {
        if progress.entries >= 3 {
            drop(self.0.lock().unwrap().take());
        }
    }

    fn problem(&self, _: &Problem) {}
}

/// A repository of 160 MiB on a REST server, and an open one with this deadline.
fn to_be_lost(folder: &Path, port: u16, deadline: Duration) -> (Server, Repository, PathBuf, Lines) {
    let tree = folder.join("tree");
    std::fs::create_dir(&tree).unwrap();
    for number in 0..40 {
        let mut bytes = vec![0; 4 << 20];
        std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut bytes).unwrap();
        std::fs::write(tree.join(format!("file{number}")), bytes).unwrap();
    }
    let server = Server::start("restic", port, &folder.join("files"), &[]);
    let address = format!("rest:http://127.0.0.1:{port}/");
    let key = Secret::generate().unwrap();
    let first = Repository::init_at(&place(&address, &Credentials::default()), &key, &RepositoryOptions::default());
    backup(&first.unwrap(), &FileTree::new(&tree));
    let (patience, lines) = patience(deadline);
    let files = lifeboat_remote::store(&Address::parse(&address).unwrap(), &Credentials::default(), patience).unwrap();
    (server, Repository::open_at(&Place::Files(files), &key).unwrap(), tree, lines)
}

#[test]
fn root_a_server_that_is_lost_and_comes_back() {
    let (folder, port) = (scratch(), port());
    std::fs::create_dir(folder.path().join("files")).unwrap();
    let (server, repository, tree, lines) = to_be_lost(folder.path(), port, Duration::from_secs(120));
    let target = folder.path().join("restored");
    std::fs::create_dir(&target).unwrap();
    let snapshot = repository.latest_of(&Owner::new("", "test")).unwrap();
    let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let (report, _again) = std::thread::scope(|scope| {
        let heard = Arc::clone(&lines);
        let files = folder.path().join("files");
        let again = scope.spawn(move || {
            let deadline = Instant::now() + Duration::from_secs(60);
            while heard.lock().unwrap().is_empty() {
                assert!(Instant::now() < deadline, "nobody misses the server");
                std::thread::sleep(Duration::from_millis(50));
            }
            Server::start("restic", port, &files, &[])
        });
        let killer = Killer(Mutex::new(Some(server)));
        let report = repository.restore(&snapshot, &target, &Selection::Everything, &options, &killer);
        (report.unwrap(), again.join().unwrap())
    });
    assert_eq!(report.problems, []);
    assert_same(&fingerprint(&tree), &fingerprint(&target));
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("no answer from the server for 2 s, waiting until "), "{lines:?}");
    assert!(lines[1].starts_with("the server answers again after "), "{lines:?}");
}

#[test]
fn root_a_server_that_is_lost_for_ever() {
    let (folder, port) = (scratch(), port());
    std::fs::create_dir(folder.path().join("files")).unwrap();
    let (server, repository, _, _) = to_be_lost(folder.path(), port, Duration::from_secs(5));
    let target = folder.path().join("restored");
    std::fs::create_dir(&target).unwrap();
    let snapshot = repository.latest_of(&Owner::new("", "test")).unwrap();
    let options = RestoreOptions { overwrite: true, ..RestoreOptions::default() };
    let began = Instant::now();
    let killer = Killer(Mutex::new(Some(server)));
    let error = repository.restore(&snapshot, &target, &Selection::Everything, &options, &killer).unwrap_err();
    assert!(matches!(error, ArchiveError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("no answer from the server for ") && error.to_string().contains("giving up"));
    assert!(began.elapsed() < Duration::from_secs(60), "the others gave up at once");
}

//! Files sent to real servers.

// Helpers of tests count as tests.
#![allow(clippy::unwrap_used)]

#[path = "../../drill/tests/common/server.rs"]
mod server;

use lifeboat_remote::{Address, Credentials, Patience, upload};
use server::{Server, port};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

fn send(address: &str, credentials: &[(&str, String)], files: &[(&str, &str)]) -> Result<(), lifeboat_remote::Fault> {
    let patience = Patience::with("the server", Arc::new(|_| ()), Duration::from_secs(2), Duration::from_secs(30));
    let credentials = Credentials::new(credentials.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
    upload::send(&Address::parse(address).unwrap(), &credentials, patience, &files)
}

/// Sends twice, the second time over what is there.
fn sends(address: &str, credentials: &[(&str, String)], served: &Path) {
    send(address, credentials, &[("logs-1/log", "said before"), ("logs-1/empty", "")]).unwrap();
    send(address, credentials, &[("logs-1/log", "said")]).unwrap();
    let read = |name: &str| std::fs::read_to_string(served.join("logs-1").join(name)).unwrap();
    assert_eq!((read("log").as_str(), read("empty").as_str()), ("said", ""));
    assert_eq!(std::fs::read_dir(served.join("logs-1")).unwrap().count(), 2);
}

#[test]
fn to_sftp() {
    let (folder, port) = (tempfile::tempdir().unwrap(), port());
    let at = |name: &str| folder.path().join(name).display().to_string();
    for name in ["host", "identity"] {
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(name)]).status();
        assert!(made.unwrap().success());
    }
    let host_key = std::fs::read_to_string(at("host.pub")).unwrap();
    std::fs::write(at("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
    let served = folder.path().join("files");
    let more = ["--key", &at("host"), "--authorized-keys", &at("identity.pub")];
    let _server = Server::start("sftp", port, &served, &more);
    let credentials = [("SFTP_IDENTITY_FILE", at("identity")), ("SFTP_KNOWN_HOSTS_FILE", at("known_hosts"))];
    sends(&format!("sftp://root@127.0.0.1:{port}//support/db7"), &credentials, &served.join("support/db7"));
}

#[test]
#[ignore = "fetches rclone: make test-all"]
fn to_s3() {
    let (folder, port) = (tempfile::tempdir().unwrap(), port());
    std::fs::create_dir(folder.path().join("bucket")).unwrap();
    let _server = Server::start("s3", port, folder.path(), &["--auth-key", "keyid,secretkey"]);
    let with = |secret: &str| [("AWS_ACCESS_KEY_ID", "keyid".to_owned()), ("AWS_SECRET_ACCESS_KEY", secret.to_owned())];
    let address = format!("s3://bucket/support/db7?endpoint=http://127.0.0.1:{port}");
    sends(&address, &with("secretkey"), &folder.path().join("bucket/support/db7"));
    let refused = send(&address, &with("wrong"), &[("x", "")]).unwrap_err().to_string();
    assert!(refused.contains("403"), "{refused}");
}

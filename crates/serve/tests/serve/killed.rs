//! A server that is killed in the middle of an upload, and started again.

use crate::support::{ask, basic, hash, head};
use lifeboat_serve::{Limits, NewToken, add_token, prepare};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Names the folder for the process of its own.
const FOLDER: &str = "LIFEBOAT_TEST_SERVE_FOLDER";
const LISTENS: &str = "listens at ";

/// The server as a process: this program, told by a variable to be one.
#[test]
fn process() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let change = |settings: &mut lifeboat_serve::Settings| settings.listen = vec!["127.0.0.1:0".parse().unwrap()];
        let prepared = prepare(Path::new(&folder), Limits::default(), change).await.unwrap();
        println!("\n{LISTENS}{}", prepared.addresses().unwrap()[0].0);
        prepared.run(std::future::pending()).await;
    });
}

fn start(folder: &Path) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::process", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.map_while(Result::ok).find_map(|line| line.strip_prefix(LISTENS)?.parse().ok());
    (child, address.unwrap())
}

#[test]
fn a_killed_server_leaves_nothing_half_written() {
    let folder = tempfile::tempdir().unwrap();
    lifeboat_sys::durable::write_new(&folder.path().join("serve.toml"), b"tls = false\n", 0o600).unwrap();
    let token = NewToken {
        name: "a".parse().unwrap(),
        right: "append-only".parse().unwrap(),
        path: None,
        quota: Some(5_000_000),
        machine: None,
        overdue: None,
    };
    let login = basic("a", &add_token(folder.path(), &token).unwrap());
    let content = vec![4_u8; 3_000_000];
    let path = format!("/a/data/{}", hash(&content));
    let login = [("Authorization", login.as_str())];
    for round in 0..4 {
        let (mut child, address) = start(folder.path());
        assert_eq!(ask(address, "POST", "/a/?create=true", &login, b"").status, 200);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&head("POST", &path, &login, content.len())).unwrap();
        stream.write_all(&content[..700_000 * round]).unwrap();
        std::thread::sleep(Duration::from_millis(50 * round as u64));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // What an older server left on a filesystem where every file has a name.
    let left = folder.path().join(format!("store/a/data/{}/incoming-tmp-0123456789abcdef", &hash(&content)[..2]));
    std::fs::write(&left, vec![0; 4_000_000]).unwrap();
    let (mut child, address) = start(folder.path());
    assert!(!left.exists());
    assert_eq!(ask(address, "GET", "/a/data/", &login, b"").text(), "[]");
    assert_eq!(ask(address, "POST", &path, &login, &content).status, 200);
    // Killed after the answer, it is there.
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, address) = start(folder.path());
    assert_eq!(ask(address, "GET", &path, &login, b"").body, content);
    assert_eq!(
        ask(address, "POST", &format!("/a/data/{}", hash(&vec![5; 3_000_000])), &login, &vec![5; 3_000_000]).status,
        413
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

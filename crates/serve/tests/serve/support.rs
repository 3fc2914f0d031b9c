//! A server in this process, and a client that sends exactly what it is told.

use base64::Engine as _;
use lifeboat_serve::{Limits, NewToken, Scope, add_token, prepare};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A running server with its folder.
pub struct Room {
    pub folder: TempDir,
    pub address: SocketAddr,
    pub boot: Option<SocketAddr>,
    pub fingerprint: Option<String>,
    pub secrets: HashMap<String, String>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    limits: Limits,
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A token: name, right, path, more lines.
pub type Wanted<'a> = (&'a str, &'a str, Option<&'a str>, Option<u64>);

impl Room {
    /// Plain HTTP on a port of the kernel's choice.
    pub fn plain(tokens: &[Wanted<'_>]) -> Room {
        Room::start("tls = false\n", tokens, Limits::default())
    }

    pub fn start(settings: &str, tokens: &[Wanted<'_>], limits: Limits) -> Room {
        let folder = tempfile::tempdir().unwrap();
        lifeboat_sys::durable::write_new(&folder.path().join("serve.toml"), settings.as_bytes(), 0o600).unwrap();
        let mut secrets = HashMap::new();
        for (name, right, path, quota) in tokens {
            let token = NewToken {
                name: name.parse().unwrap(),
                right: right.parse().unwrap(),
                path: path.map(|path| path.parse().unwrap()),
                quota: *quota,
                machine: None,
                overdue: None,
            };
            secrets.insert((*name).to_owned(), add_token(folder.path(), &token).unwrap());
        }
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut room = Room { folder, address, boot: None, fingerprint: None, secrets, running: None, limits };
        room.run();
        room
    }

    fn run(&mut self) {
        let (path, limits) = (self.folder.path().to_owned(), self.limits);
        let (stop, stopped) = oneshot::channel();
        let (sender, receiver) = mpsc::channel();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let free = SocketAddr::from(([127, 0, 0, 1], 0));
                let prepared = prepare(&path, limits, |settings| {
                    settings.listen = vec![free];
                    settings.boot_listen.iter_mut().for_each(|address| *address = free);
                });
                let prepared = prepared.await.unwrap();
                let fingerprint = prepared.tls().map(|tls| tls.fingerprint.clone());
                sender.send((prepared.addresses().unwrap(), fingerprint)).unwrap();
                prepared.run(async { drop(stopped.await) }).await;
            });
        };
        let thread = std::thread::spawn(work);
        let (addresses, fingerprint) = receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        let at = |wanted| addresses.iter().find(|(_, scope)| *scope == wanted).map(|(address, _)| *address);
        (self.address, self.boot, self.fingerprint) = (at(Scope::All).unwrap(), at(Scope::Boot), fingerprint);
        self.running = Some((stop, thread));
    }

    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }

    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The header of a login.
    pub fn login(&self, name: &str) -> String {
        basic(name, &self.secrets[name])
    }

    /// Asks with a token.
    pub fn ask(&self, token: &str, method: &str, path: &str, body: &[u8]) -> Reply {
        self.ask_with(token, method, path, &[], body)
    }

    pub fn ask_with(&self, token: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let login = (!token.is_empty()).then(|| self.login(token));
        let mut all: Vec<(&str, &str)> = login.iter().map(|login| ("Authorization", login.as_str())).collect();
        all.extend_from_slice(headers);
        ask(self.address, method, path, &all, body)
    }

    /// Makes a repository with a config.
    pub fn repository(&self, token: &str, repo: &str) {
        assert_eq!(self.ask(token, "POST", &format!("/{repo}/?create=true"), b"").status, 200);
        assert_eq!(self.ask(token, "POST", &format!("/{repo}/config"), b"config").status, 200);
    }

    /// All files below a folder, with their sizes.
    pub fn files(&self, below: &str) -> Vec<(String, u64)> {
        let mut found = vec![];
        walk(&self.path(below), &self.path(below), &mut found);
        found.sort();
        found
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.stop();
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<(String, u64)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        match metadata.is_dir() {
            true => walk(root, &path, found),
            false => found.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), metadata.len())),
        }
    }
}

pub fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{secret}")))
}

/// The name of content.
pub fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sends a request as it is, and reads all that comes.
pub fn send(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // A server that refuses may close while this is being sent.
    let _ = stream.write_all(request);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub fn head(method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut head =
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

pub fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut request = head(method, path, headers, body.len());
    request.extend_from_slice(body);
    let answer = send(address, &request);
    parse(&answer).unwrap_or_else(|| panic!("{method} {path}: {}", String::from_utf8_lossy(&answer)))
}

pub fn parse(answer: &[u8]) -> Option<Reply> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: HashMap<String, String> = lines.filter_map(header).collect();
    let mut body = answer[end + 4..].to_vec();
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        body = dechunk(&body)?;
    }
    Some(Reply { status, headers, body })
}

/// `None` when it does not come to its end.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = vec![];
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 4 + length..)?;
    }
}

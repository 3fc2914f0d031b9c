//! SFTP over the system's own ssh, so that its configuration, agent and known hosts count.

mod protocol;

use crate::address::Host;
use crate::files::{MOST_FILES, whole_part};
use crate::{Credentials, Fault, Files, Kind, Patience};
use lifeboat_sys::program::SSH;
use protocol::{Session, Trouble};
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

/// The most connections that are kept open.
const CONNECTIONS: usize = 4;

/// A repository on an SSH server.
#[derive(Debug)]
pub struct Sftp {
    place: Host,
    root: String,
    identity: Option<String>,
    known_hosts: Option<String>,
    idle: Mutex<Vec<Connection>>,
    patience: Patience,
}

struct Connection {
    child: Child,
    session: Session<ChildStdout, ChildStdin>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("pid", &self.child.id()).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sftp {
    /// The repository at a path of a host.
    ///
    /// # Errors
    /// When there is no ssh.
    pub fn new(place: &Host, credentials: &Credentials, patience: Patience) -> Result<Sftp, Fault> {
        if SSH.find(Path::new("/")).is_none() {
            return Err(Fault::ended("OPEN", &place.host, "the program ssh is missing; try installing openssh-client"));
        }
        // `//srv` is absolute, `/srv` below the home, as restic and git have it.
        let path = place.path.trim_end_matches('/');
        let root = path.strip_prefix('/').unwrap_or(path).to_owned();
        let file = |name: &str| credentials.get(name).map(str::to_owned);
        let (identity, known_hosts) = (file("SFTP_IDENTITY_FILE"), file("SFTP_KNOWN_HOSTS_FILE"));
        Ok(Sftp { place: place.clone(), root, identity, known_hosts, idle: Mutex::default(), patience })
    }

    fn path(&self, kind: Kind, name: &str) -> String {
        format!("{}/{}", self.root, kind.path(name))
    }

    /// Writes a file below the root, creating its directories.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn put_below(&self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let path = format!("{}/{path}", self.root);
        if let Some((directory, _)) = path.rsplit_once('/') {
            self.make_directories(directory)?;
        }
        self.put(&path, bytes)
    }

    /// Creates a directory and its parents.
    fn make_directories(&self, directory: &str) -> Result<(), Fault> {
        let mut path = String::new();
        for part in directory.split('/') {
            path.push_str(part);
            if !path.is_empty() {
                // Parents may exist and not be ours.
                let made = self.insist("CREATE", &path, |session| session.make_directory(&path));
                if path == directory {
                    made?;
                }
            }
            path.push('/');
        }
        Ok(())
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        let temporary = format!("{path}-tmp-");
        self.insist("WRITE", path, |session| {
            match session.write(&temporary, bytes) {
                // Directories of packs are created with their first pack.
                Err(Trouble::Missing) => {
                    if let Some((directory, _)) = path.rsplit_once('/') {
                        session.make_directory(directory)?;
                    }
                    session.write(&temporary, bytes)?;
                }
                other => other?,
            }
            session.rename(&temporary, path)
        })
    }

    fn connect(&self) -> Result<Connection, Fault> {
        let host = self.place.host.as_str();
        let program =
            SSH.find(Path::new("/")).ok_or_else(|| Fault::ended("OPEN", host, "the program ssh is missing"))?;
        let mut command = Command::new(program);
        lifeboat_sys::child::ordinary_environment(&mut command);
        let seconds = self.patience.attempt().as_secs().max(1);
        command.arg("-oBatchMode=yes").arg(format!("-oConnectTimeout={seconds}"));
        command.args(["-oServerAliveInterval=10", "-oServerAliveCountMax=2", "-oClearAllForwardings=yes", "-x", "-a"]);
        if let Some(known_hosts) = &self.known_hosts {
            command.arg(format!("-oUserKnownHostsFile={known_hosts}")).arg("-oStrictHostKeyChecking=yes");
        }
        if let Some(identity) = &self.identity {
            command.args(["-oIdentitiesOnly=yes", "-i", identity]);
        }
        if let Some(port) = self.place.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = &self.place.user {
            command.args(["-l", user]);
        }
        command.args(["-s", "--", host, "sftp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Fault::ended("RUN", "ssh", error))?;
        let reported = Arc::new(Mutex::new(String::new()));
        if let Some(mut stderr) = child.stderr.take() {
            let reported = Arc::clone(&reported);
            let listen = move || {
                let mut buffer = [0; 1024];
                while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                    let mut reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
                    if reported.len() < 4096 {
                        reported.push_str(&String::from_utf8_lossy(&buffer[..count]));
                    }
                }
            };
            let _ = std::thread::Builder::new().name("ssh's words".into()).spawn(listen);
        }
        let (Some(input), Some(output)) = (child.stdout.take(), child.stdin.take()) else {
            return Err(Fault::ended("RUN", "ssh", "it has no pipes"));
        };
        match Session::start(input, output, self.patience.attempt()) {
            Ok(mut session) => {
                session.limits = Arc::clone(self.patience.limits());
                Ok(Connection { child, session })
            }
            Err(trouble) => {
                let _ = child.kill();
                let _ = child.wait();
                let reported = reported.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Err(explain(host, &trouble, &reported))
            }
        }
    }

    /// Does something with a connection, with a new one if the old one is broken.
    fn insist<T>(
        &self,
        action: &str,
        path: &str,
        mut once: impl FnMut(&mut Session<ChildStdout, ChildStdin>) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        self.patience.insist(|| {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = match idle {
                Some(connection) => connection,
                None => self.connect()?,
            };
            let result = once(&mut connection.session);
            // After trouble with the connection it is unknown which answers are still outstanding.
            if !matches!(result, Err(Trouble::Connection(_))) {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                if idle.len() < CONNECTIONS {
                    idle.push(connection);
                }
            }
            result.map_err(|trouble| match trouble {
                Trouble::Missing => Fault::Missing(format!("{}:{path}", self.place.host)),
                Trouble::Refused(why) => Fault::ended(action, format!("{}:{path}", self.place.host), why),
                Trouble::TooLarge(why) => Fault::impossible(format!("{}:{path}", self.place.host), why),
                Trouble::Connection(error) => Fault::passing(action, format!("{}:{path}", self.place.host), error),
            })
        })
    }
}

/// Why ssh opened no session.
fn explain(host: &str, trouble: &Trouble, reported: &str) -> Fault {
    let line = reported.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let printable: String = line.chars().filter(|c| !c.is_control()).collect();
    let cause = if printable.is_empty() { trouble.to_string() } else { printable };
    for (part, remedy) in [
        ("Permission denied", "try another key: SFTP_IDENTITY_FILE"),
        ("Host key verification failed", "try SFTP_KNOWN_HOSTS_FILE with the host's key"),
        ("subsystem request failed", "the server has no SFTP"),
    ] {
        if reported.contains(part) {
            return Fault::ended("OPEN", host, format!("{cause}; {remedy}"));
        }
    }
    Fault::passing("OPEN", host, cause)
}

impl Files for Sftp {
    fn place(&self) -> String {
        crate::Address::Sftp(self.place.clone()).to_string()
    }

    fn list(&self, kind: Kind) -> Result<Vec<(String, u64)>, Fault> {
        let directory = format!("{}/{}", self.root, kind.directory());
        let list = |path: &str| match self.insist("LIST", path, |session| session.list(path, MOST_FILES)) {
            Err(Fault::Missing(_)) => Ok(vec![]),
            other => other,
        };
        let mut files = vec![];
        for entry in list(&directory)? {
            if !entry.directory {
                files.push((entry.name, entry.size));
            } else if kind == Kind::Pack {
                let inner = list(&format!("{directory}/{}", entry.name))?;
                files.extend(inner.into_iter().filter(|e| !e.directory).map(|e| (e.name, e.size)));
            }
        }
        Ok(files)
    }

    fn read(&self, kind: Kind, name: &str) -> Result<Vec<u8>, Fault> {
        let path = self.path(kind, name);
        self.insist("READ", &path, |session| session.read_whole(&path, kind.largest()))
    }

    fn read_part(&self, kind: Kind, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, Fault> {
        let path = self.path(kind, name);
        let bytes = self.insist("READ", &path, |session| session.read(&path, offset, length))?;
        whole_part(bytes, length, &path)
    }

    fn write(&self, kind: Kind, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.put(&self.path(kind, name), bytes)
    }

    fn remove(&self, kind: Kind, name: &str) -> Result<(), Fault> {
        let path = self.path(kind, name);
        self.insist("REMOVE", &path, |session| session.remove(&path))
    }

    fn create(&self) -> Result<(), Fault> {
        self.make_directories(&self.root)?;
        for kind in Kind::DIRECTORIES {
            let path = format!("{}/{}", self.root, kind.directory());
            self.insist("CREATE", &path, |session| session.make_directory(&path))?;
        }
        Ok(())
    }

    fn given_up(&self) -> Option<String> {
        self.patience.given_up()
    }
}

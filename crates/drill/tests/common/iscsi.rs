//! A real iSCSI server on this host: tgtd (package tgt), ended when it is dropped.

use super::server::port;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct IscsiServer {
    pub port: u16,
    daemon: Child,
    control: String,
}

impl IscsiServer {
    pub const TARGET: &'static str = "iqn.2026-01.net.example:store";

    /// Serves a raw image as the only disk of the target.
    pub fn start(image: &Path) -> IscsiServer {
        let port = port();
        // Its "control port" is no port but the number of a socket in /run, and must be small; no other daemon has ours.
        let control = (port % 32_000 + 1).to_string();
        let daemon = Command::new("tgtd")
            .args(["-f", "-C", &control, "--iscsi", &format!("portal=127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("this test needs the package tgt: {error}"));
        let server = IscsiServer { port, daemon, control };
        let deadline = Instant::now() + Duration::from_secs(60);
        let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok() && server.can(&["sys", "--op", "show"]);
        while !ready() {
            assert!(Instant::now() < deadline, "tgtd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        server.tell(&["target", "--op", "new", "--tid", "1", "-T", Self::TARGET]);
        server.tell(&["logicalunit", "--op", "new", "--tid", "1", "--lun", "1", "-b", &image.display().to_string()]);
        server.tell(&["target", "--op", "bind", "--tid", "1", "-I", "ALL"]);
        server
    }

    fn tell(&self, words: &[&str]) {
        assert!(self.can(words), "tgtadm {words:?}");
    }

    fn can(&self, words: &[&str]) -> bool {
        let mut command = Command::new("tgtadm");
        command.args(["-C", &self.control, "--lld", "iscsi", "--mode"]).args(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for IscsiServer {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

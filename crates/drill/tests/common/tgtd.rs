//! tgtd (package tgt): a real iSCSI server on the loopback interface, with its own ports, killed when it is dropped.

use crate::server::port;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Tgtd {
    pub portal: u16,
    control: u16,
    daemon: Child,
}

impl Tgtd {
    /// Serves one target whose only logical unit has these options.
    pub fn start(target: &str, unit: &[&str]) -> Tgtd {
        let portal = port();
        // Its "control port" is no port but the number of a socket in /run, and must be small; no other daemon has ours.
        let control = portal % 32_000 + 1;
        let daemon = Command::new("tgtd")
            .args(["-f", "-C", &control.to_string(), "--iscsi", &format!("portal=127.0.0.1:{portal}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need the package tgt: {error}"));
        let server = Tgtd { portal, control, daemon };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", portal)).is_err() || !server.admin(&["--mode", "sys", "--op", "show"]) {
            assert!(Instant::now() < deadline, "tgtd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(server.admin(&["--mode", "target", "--op", "new", "--tid", "1", "-T", target]));
        let new = ["--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", "1"];
        assert!(server.admin(&[&new[..], unit].concat()), "{unit:?}");
        assert!(server.admin(&["--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL"]));
        server
    }

    /// Calls tgtadm(8); reports whether it succeeded.
    pub fn admin(&self, arguments: &[&str]) -> bool {
        let mut call = Command::new("tgtadm");
        call.args(["--control-port", &self.control.to_string(), "--lld", "iscsi"]).args(arguments);
        call.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Tgtd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

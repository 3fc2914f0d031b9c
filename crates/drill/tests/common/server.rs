//! A real server of files on this host: `rclone serve …`, killed when it is dropped. The archive's tests use it, too.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A port that is free now.
pub fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub struct Server(Child);

impl Server {
    /// Serves `folder` on a port of the loopback interface; `what` is rclone's name of the protocol, `more` its options.
    pub fn start(what: &str, port: u16, folder: &Path, more: &[&str]) -> Server {
        std::fs::create_dir_all(folder).unwrap();
        // Debian 12's rclone is too old to serve S3.
        let program = if what == "s3" { newer_rclone() } else { "rclone".to_owned() };
        let child = Command::new(program)
            .args(["serve", what, "--addr", &format!("127.0.0.1:{port}"), "--config", "/dev/null"])
            .args(more)
            .arg(folder)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need the package rclone: {error}"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "rclone serve {what} does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        Server(child)
    }
}

fn newer_rclone() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab/rclone.sh");
    let fetched = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(fetched.status.success(), "rclone could not be fetched");
    String::from_utf8(fetched.stdout).unwrap().trim().to_owned()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

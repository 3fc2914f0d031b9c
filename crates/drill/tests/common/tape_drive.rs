//! A tape drive: tgtd emulates one on the loopback interface, QEMU attaches it as a SCSI device of the guest. The daemon is
//! this test's own, with its own ports, and is killed when it is dropped.

use crate::server::port;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TARGET: &str = "iqn.2026-11.org.example:tape";

pub struct TapeDrive {
    daemon: Child,
    control: u16,
    portal: u16,
}

impl TapeDrive {
    /// A drive with the cartridge in `image`, which is made, blank, when it is missing.
    pub fn with(image: &Path) -> TapeDrive {
        if !image.exists() {
            // tgtimg(8); sizes are megabytes.
            let size = ["--size", "256", "--type", "data", "--thin-provisioning", "--file"];
            let made = Command::new("tgtimg")
                .args(["--op", "new", "--device-type", "tape", "--barcode", "LIFE0001"])
                .args(size)
                .arg(image)
                .stdout(Stdio::null())
                .status()
                .unwrap_or_else(|error| panic!("these tests need the package tgt: {error}"));
            assert!(made.success());
        }
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
        let drive = TapeDrive { daemon, control, portal };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", portal)).is_err() || !drive.admin(&["--mode", "sys", "--op", "show"]) {
            assert!(Instant::now() < deadline, "tgtd does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(drive.admin(&["--mode", "target", "--op", "new", "--tid", "1", "-T", TARGET]));
        let unit = ["--mode", "logicalunit", "--op", "new", "--tid", "1", "--lun", "1", "--device-type=tape", "-b"];
        let image = PathBuf::from(image).display().to_string();
        assert!(drive.admin(&[&unit[..], &[image.as_str()]].concat()));
        assert!(drive.admin(&["--mode", "target", "--op", "bind", "--tid", "1", "-I", "ALL"]));
        drive
    }

    /// Takes the cartridge out.
    pub fn unload(&self) {
        let unit = ["--mode", "logicalunit", "--op", "update", "--tid", "1", "--lun", "1", "--params", "online=0"];
        assert!(self.admin(&unit));
    }

    fn admin(&self, arguments: &[&str]) -> bool {
        let mut call = Command::new("tgtadm");
        call.args(["--control-port", &self.control.to_string(), "--lld", "iscsi"]).args(arguments);
        call.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    /// QEMU's arguments for it.
    pub fn arguments(&self) -> Vec<String> {
        let drive = format!("if=none,id=tape,format=raw,file=iscsi://127.0.0.1:{}/{TARGET}/1", self.portal);
        let bus = "virtio-scsi-pci,id=tapes".to_owned();
        ["-device", &bus, "-drive", &drive, "-device", "scsi-generic,bus=tapes.0,drive=tape"]
            .map(str::to_owned)
            .to_vec()
    }
}

impl Drop for TapeDrive {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

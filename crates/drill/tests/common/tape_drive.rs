//! A tape drive: tgtd emulates one on the loopback interface, QEMU attaches it as a SCSI device of the guest.

use crate::tgtd::Tgtd;
use std::path::Path;
use std::process::{Command, Stdio};

const TARGET: &str = "iqn.2026-11.org.example:tape";

pub struct TapeDrive(Tgtd);

impl TapeDrive {
    /// A drive with the cartridge in `image`, which is made, blank, when it is missing.
    #[allow(dead_code)]
    pub fn with(image: &Path) -> TapeDrive {
        TapeDrive::of_megabytes(image, 256)
    }

    /// The same with a cartridge of so many megabytes.
    pub fn of_megabytes(image: &Path, megabytes: u32) -> TapeDrive {
        if !image.exists() {
            // tgtimg(8); sizes are megabytes.
            let size = ["--size", &megabytes.to_string(), "--type", "data", "--thin-provisioning", "--file"];
            let made = Command::new("tgtimg")
                .args(["--op", "new", "--device-type", "tape", "--barcode", "LIFE0001"])
                .args(size)
                .arg(image)
                .stdout(Stdio::null())
                .status()
                .unwrap_or_else(|error| panic!("these tests need the package tgt: {error}"));
            assert!(made.success());
        }
        let image = image.display().to_string();
        TapeDrive(Tgtd::start(TARGET, &["--device-type=tape", "-b", &image]))
    }

    /// Takes the cartridge out.
    #[allow(dead_code)]
    pub fn unload(&self) {
        let unit = ["--mode", "logicalunit", "--op", "update", "--tid", "1", "--lun", "1", "--params", "online=0"];
        assert!(self.0.admin(&unit));
    }

    /// QEMU's arguments for it.
    pub fn arguments(&self) -> Vec<String> {
        let drive = format!("if=none,id=tape,format=raw,file=iscsi://127.0.0.1:{}/{TARGET}/1", self.0.portal);
        let bus = "virtio-scsi-pci,id=tapes".to_owned();
        ["-device", &bus, "-drive", &drive, "-device", "scsi-generic,bus=tapes.0,drive=tape"]
            .map(str::to_owned)
            .to_vec()
    }
}

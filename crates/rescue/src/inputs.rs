//! What a rescue system is built from.

use std::path::PathBuf;

/// Everything that [`crate::build`] needs to know.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Root filesystem that kernel, modules, firmware and programs are taken from: `/` or a folder.
    pub sysroot: PathBuf,
    /// Kernel release; default: the running one when `sysroot` is `/`, otherwise the newest in /lib/modules.
    pub kernel_release: Option<String>,
    /// The `lifeboat` program.
    pub lifeboat: PathBuf,
    /// The `lifeboat-init` program.
    pub init: PathBuf,
    /// Directory for staging and results; made when missing. It needs space for the unpacked root (about 300 MiB).
    pub work: PathBuf,
    /// How hard to compress.
    pub compression: Compression,
    /// Take the firmware that the modules name.
    pub with_firmware: bool,
    /// Files with the public keys that may log in to the rescue system, by their path in `sysroot`, beside root's own
    /// `authorized_keys`; each must exist.
    pub authorized_keys: Vec<PathBuf>,
    /// What goes into tools.img.
    pub extra: Extra,
}

/// How `root.squashfs` is compressed. tools.img, which nobody loads into memory, gets level 3 at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// zstd level, 1 to 22. Other compressors, which only kernels without zstd in squashfs get, use their default.
    pub level: u32,
    /// Block size in bytes, a power of two from 4 KiB to 1 MiB.
    pub block_bytes: u32,
}

impl Default for Compression {
    /// Below 64 MB for the kernels of Debian 12 to forky with the tools of a usual server, at nine processor seconds
    /// natively. Measured on a root of forky: level 9 with blocks of 256 KiB 66.4 MB in 8 s, level 10 with 1 MiB 64.4 MB
    /// in 9 s, level 12 with 1 MiB 64.2 MB in 20 s.
    fn default() -> Self {
        Compression { level: 10, block_bytes: 1 << 20 }
    }
}

/// Additions for tools.img. Each must exist: a missing one is an error, not a smaller image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// Program names or absolute paths, with their libraries.
    pub programs: Vec<String>,
    /// Absolute paths of files or directories, as they are.
    pub files: Vec<PathBuf>,
    /// Firmware names below /lib/firmware.
    pub firmware: Vec<String>,
    /// Module names, with their dependencies.
    pub modules: Vec<String>,
}

impl Extra {
    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty() && self.files.is_empty() && self.firmware.is_empty() && self.modules.is_empty()
    }
}

impl Inputs {
    /// Inputs with the defaults: firmware included, nothing extra.
    pub fn new(
        sysroot: impl Into<PathBuf>,
        lifeboat: impl Into<PathBuf>,
        init: impl Into<PathBuf>,
        work: impl Into<PathBuf>,
    ) -> Self {
        Inputs {
            sysroot: sysroot.into(),
            kernel_release: None,
            lifeboat: lifeboat.into(),
            init: init.into(),
            work: work.into(),
            compression: Compression::default(),
            with_firmware: true,
            authorized_keys: vec![],
            extra: Extra::default(),
        }
    }
}

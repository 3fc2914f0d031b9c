//! What reading needs: a runner, the system's root, and where the kernel's filesystems are.

use crate::report::ProbeError;
use crate::sysroot::{Sysroot, attribute};
use lifeboat_machine::{Device, Name};
use lifeboat_storage::{Block, Blocks};
use lifeboat_sys::Runner;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// How to probe.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Take loop devices for disks. For tests and for machines in disk images; otherwise loop devices are ignored, for
    /// what they hold is in files that are saved anyway.
    pub loop_devices: bool,
    /// Where the archive is written. A disk that is mounted for nothing else is not part of the machine: a recovery would
    /// wipe it.
    pub archive: Option<PathBuf>,
    /// Disks that are no part of the machine, although they are in use: paths, WWNs or serial numbers.
    pub leave_out: Vec<String>,
}

/// Everything a reader needs.
pub(crate) struct Prober<'a> {
    pub runner: &'a dyn Runner,
    pub sysroot: &'a Sysroot,
    /// Directory that has /sys, /proc and /dev; `/` but in tests.
    pub host: PathBuf,
    pub options: Options,
}

impl<'a> Prober<'a> {
    pub fn new(runner: &'a dyn Runner, sysroot: &'a Sysroot) -> Self {
        Prober { runner, sysroot, host: PathBuf::from("/"), options: Options::default() }
    }

    /// A path of the kernel's filesystems: `/sys/block`, `/proc/swaps`, `/dev/sda`.
    pub fn host(&self, path: &str) -> PathBuf {
        self.host.join(path.trim_start_matches('/'))
    }

    /// Reads up to `length` bytes of a device or file; fewer at its end.
    pub fn read_device(&self, device: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        read_range(&self.host(device), offset, length)
    }
}

/// Logical sectors of a whole device, in bytes.
pub(crate) fn sector_bytes(block: &Block) -> u32 {
    let size = attribute(block.directory.join("queue/logical_block_size"));
    size.and_then(|text| text.parse().ok()).unwrap_or(512)
}

/// A device of this kernel name is among those that were read.
pub(crate) fn is_read(name: &str, blocks: &Blocks, devices: &[Device]) -> bool {
    blocks.named(name).is_some_and(|block| devices.iter().any(|device| device.path == block.path))
}

/// All block devices.
pub(crate) fn blocks(prober: &Prober<'_>) -> Result<Blocks, ProbeError> {
    let sys = prober.host("/sys");
    Blocks::read(&sys).map_err(|source| ProbeError::Read { path: sys.join("block"), source })
}

/// Reads up to `length` bytes from `offset` on; fewer at the end.
pub(crate) fn read_range(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length);
    file.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A label field: the bytes before the first NUL.
pub(crate) fn label_field(bytes: &[u8]) -> Name {
    Name(bytes.split(|b| *b == 0).next().unwrap_or_default().to_vec())
}

/// A UUID of 16 bytes in its text form, lower case.
pub(crate) fn uuid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().take(16).enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A little-endian number of `length` bytes at `offset`; `None` beyond the end.
pub(crate) fn little_endian(bytes: &[u8], offset: usize, length: usize) -> Option<u64> {
    let field = bytes.get(offset..offset.checked_add(length)?)?;
    Some(field.iter().rev().fold(0, |value, byte| (value << 8) | u64::from(*byte)))
}

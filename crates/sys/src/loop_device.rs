//! Loop devices (loop(4), linux/loop.h).

use rustix::fd::{AsRawFd as _, BorrowedFd};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

// linux/loop.h
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_SET_FD: libc::Ioctl = 0x4C00;
const LOOP_CLR_FD: libc::Ioctl = 0x4C01;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
/// How often another process may take the free device before we do.
const ATTEMPTS: usize = 16;

/// `struct loop_config` of linux/loop.h: 304 bytes on every architecture.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// Why a loop device could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot SET UP a loop device for {path}: {source}")]
pub struct LoopError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: io::Error,
}

/// A read-only loop device. It exists while this value lives or something is mounted from it; then it is freed.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    _open: File,
}

impl LoopDevice {
    /// Puts a free loop device in front of a file, read-only.
    ///
    /// # Errors
    /// [`LoopError`] with the system's error.
    pub fn attach(path: &Path) -> Result<LoopDevice, LoopError> {
        attach(path).map_err(|source| LoopError { path: path.to_owned(), source })
    }

    /// The device, `/dev/loop0`.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn attach(path: &Path) -> io::Result<LoopDevice> {
    let backing = File::open(path)?;
    let control = File::options().read(true).write(true).open("/dev/loop-control")?;
    let mut last = io::Error::from(rustix::io::Errno::BUSY);
    for _ in 0..ATTEMPTS {
        // SAFETY: LOOP_CTL_GET_FREE takes no argument; it returns a number or -1.
        let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        let device_path = PathBuf::from(format!("/dev/loop{number}"));
        let device = File::open(&device_path)?;
        match configure(&device, &backing) {
            Ok(()) => return Ok(LoopDevice { path: device_path, _open: device }),
            // Another process was faster.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn configure(device: &File, backing: &File) -> io::Result<()> {
    let config = LoopConfig {
        fd: u32::try_from(backing.as_raw_fd()).unwrap_or(u32::MAX),
        block_size: 0,
        info: LoopInfo64 {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        },
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one struct loop_config, whose layout LoopConfig repeats; it lives until the call returns.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        // Kernels before 5.8 lack LOOP_CONFIGURE. A device opened for reading is read-only without the flag.
        Some(libc::EINVAL | libc::ENOTTY) => {
            // SAFETY: LOOP_SET_FD takes a file descriptor by value.
            let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_SET_FD, backing.as_raw_fd()) };
            if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        }
        _ => Err(error),
    }
}

/// Frees a loop device at once, or as soon as nothing uses it.
///
/// # Errors
/// The system's error.
pub fn detach(device: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: LOOP_CLR_FD takes no argument.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CLR_FD) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

//! Block devices: sizes, partition table rereads (ioctl_blk, linux/fs.h).

use rustix::fd::AsFd;
use rustix::ioctl;
use std::fs::File;
use std::io;
use std::path::Path;

/// Size of a block device or a regular file, in bytes.
///
/// # Errors
/// When it cannot be opened or is neither.
pub fn size_bytes(path: &Path) -> io::Result<u64> {
    use std::io::Seek as _;
    // A seek to the end gives the size of files and block devices alike.
    File::open(path)?.seek(io::SeekFrom::End(0))
}

/// Makes the kernel read the partition table again (BLKRRPART). Fails with EBUSY while a partition is in use.
///
/// # Errors
/// The system's error.
pub fn reread_partitions(device: &File) -> io::Result<()> {
    // _IO(0x12, 95), linux/fs.h
    const BLKRRPART: ioctl::Opcode = ioctl::opcode::none(0x12, 95);
    // SAFETY: BLKRRPART takes no argument and touches no memory of ours.
    unsafe { ioctl::ioctl(device.as_fd(), ioctl::NoArg::<BLKRRPART>::new()) }.map_err(Into::into)
}

/// Drops the kernel's cached pages of a block device (BLKFLSBUF), so that the next read comes from the disk.
///
/// # Errors
/// The system's error.
pub fn flush_buffers(device: &File) -> io::Result<()> {
    // _IO(0x12, 97), linux/fs.h
    const BLKFLSBUF: ioctl::Opcode = ioctl::opcode::none(0x12, 97);
    // SAFETY: BLKFLSBUF takes no argument and touches no memory of ours.
    unsafe { ioctl::ioctl(device.as_fd(), ioctl::NoArg::<BLKFLSBUF>::new()) }.map_err(Into::into)
}

/// Size of a logical sector of a block device in bytes (BLKSSZGET); 512 of a regular file.
///
/// # Errors
/// The system's error.
pub fn sector_bytes(device: &File) -> io::Result<u64> {
    if device.metadata()?.is_file() {
        return Ok(512);
    }
    // _IO(0x12, 104), linux/fs.h; despite its code it writes an int.
    const BLKSSZGET: ioctl::Opcode = ioctl::opcode::none(0x12, 104);
    // SAFETY: BLKSSZGET writes one int, for which Getter has room.
    let size: libc::c_int = unsafe { ioctl::ioctl(device.as_fd(), ioctl::Getter::<BLKSSZGET, libc::c_int>::new())? };
    Ok(u64::try_from(size).unwrap_or(512))
}

/// Drops what the kernel has cached of a file or block device, once it is written, so that the next read comes from the disk.
///
/// # Errors
/// The system's error.
pub fn forget_cached(file: &File) -> io::Result<()> {
    file.sync_all()?;
    if file.metadata()?.is_file() {
        return Ok(rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed)?);
    }
    flush_buffers(file)
}

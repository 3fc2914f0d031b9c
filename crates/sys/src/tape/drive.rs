//! A tape drive: the ioctls of linux/mtio.h, and blocks of any size. What st(4) does where is in drivers/scsi/st.c.

use super::error::TapeError;
use rustix::fd::AsFd as _;
use rustix::io::Errno;
use rustix::ioctl;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// `struct mtop`.
#[repr(C)]
struct Mtop {
    operation: libc::c_short,
    count: libc::c_int,
}

/// `struct mtget`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Mtget {
    drive_type: libc::c_long,
    residual: libc::c_long,
    /// Block size and density.
    device_register: libc::c_long,
    /// The GMT_ bits.
    general_status: libc::c_long,
    error_register: libc::c_long,
    file: libc::c_int,
    block: libc::c_int,
}

/// `struct mtpos`.
#[repr(C)]
struct Mtpos {
    block: libc::c_long,
}

const MTIOCTOP: ioctl::Opcode = ioctl::opcode::write::<Mtop>(b'm', 1);
const MTIOCGET: ioctl::Opcode = ioctl::opcode::read::<Mtget>(b'm', 2);
const MTIOCPOS: ioctl::Opcode = ioctl::opcode::read::<Mtpos>(b'm', 3);

// Operations of MTIOCTOP.
const MTFSF: libc::c_short = 1;
const MTBSF: libc::c_short = 2;
const MTBSR: libc::c_short = 4;
const MTWEOF: libc::c_short = 5;
const MTREW: libc::c_short = 6;
const MTOFFL: libc::c_short = 7;
const MTSETBLK: libc::c_short = 20;

// Bits of mt_gstat.
const GMT_EOF: u32 = 0x8000_0000;
const GMT_BOT: u32 = 0x4000_0000;
const GMT_EOD: u32 = 0x0800_0000;
const GMT_WR_PROT: u32 = 0x0400_0000;
const GMT_ONLINE: u32 = 0x0100_0000;
const GMT_DR_OPEN: u32 = 0x0004_0000;
const MT_ST_BLKSIZE_MASK: u32 = 0x00ff_ffff;

/// What a drive reports about itself and the tape in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// A tape is loaded and can be used.
    pub online: bool,
    /// There is no cartridge in it.
    pub empty: bool,
    /// The cartridge cannot be written.
    pub write_protected: bool,
    /// At the beginning of the tape.
    pub at_beginning: bool,
    /// Right after a filemark.
    pub at_filemark: bool,
    /// After the last recorded data.
    pub at_end_of_data: bool,
    /// Filemarks before this place; `None` when the driver lost count.
    pub file: Option<u32>,
    /// Blocks since the last filemark; `None` when the driver lost count.
    pub block: Option<u32>,
    /// Size of blocks in bytes; 0 when each has its own.
    pub block_bytes: u32,
}

impl From<&Mtget> for Status {
    fn from(raw: &Mtget) -> Status {
        // Registers of 32 bits in fields of 64.
        let (status, device) = (raw.general_status as u32, raw.device_register as u32);
        Status {
            online: status & GMT_ONLINE != 0,
            empty: status & GMT_DR_OPEN != 0,
            write_protected: status & GMT_WR_PROT != 0,
            at_beginning: status & GMT_BOT != 0,
            at_filemark: status & GMT_EOF != 0,
            at_end_of_data: status & GMT_EOD != 0,
            file: u32::try_from(raw.file).ok(),
            block: u32::try_from(raw.block).ok(),
            block_bytes: device & MT_ST_BLKSIZE_MASK,
        }
    }
}

/// The result of reading one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// That many bytes.
    Data(usize),
    /// A filemark, which has been passed.
    Filemark,
    /// Nothing was recorded here.
    EndOfData,
    /// A block larger than the buffer, which has been passed.
    TooLarge,
}

/// What [`super::search`] needs of a tape: a drive, or a fake one.
pub trait Tape {
    /// Goes behind the next `count` filemarks.
    ///
    /// # Errors
    /// EIO when there are fewer.
    fn space_files(&mut self, count: u32) -> io::Result<()>;
    /// Goes back over `count` blocks.
    ///
    /// # Errors
    /// The system's error.
    fn back_blocks(&mut self, count: u32) -> io::Result<()>;
    /// Reads one block.
    ///
    /// # Errors
    /// The system's error: EINVAL or EOVERFLOW when the drive or the host adapter does not take so large a buffer, EIO for a
    /// tape that is damaged or, at its beginning, blank.
    fn read_block(&mut self, buffer: &mut [u8]) -> io::Result<Block>;
    /// After the first block could not be read: whether the drive reports that nothing is recorded on the tape. May move the tape.
    fn is_blank(&mut self) -> bool;
}

/// What a writer of volumes needs of a tape: a drive, or a fake one.
pub trait WritableTape: Send {
    /// Writes one block.
    ///
    /// # Errors
    /// ENOSPC when the end of the tape is near and nothing was written: the next call may write it (st(4), "early warning"). Else the
    /// system's error.
    fn write_block(&mut self, block: &[u8]) -> io::Result<()>;
    /// Writes a filemark, and waits until everything before it is on the tape.
    ///
    /// # Errors
    /// The system's error.
    fn write_filemark(&mut self) -> io::Result<()>;
    /// Rewinds the tape and gives it out, where the drive can.
    ///
    /// # Errors
    /// The system's error.
    fn unload(&mut self) -> io::Result<()>;
}

/// An open drive; its tape stays where it is when this is dropped.
#[derive(Debug)]
pub struct Drive {
    file: File,
    path: PathBuf,
}

impl Drive {
    /// Opens a drive for reading. When it is just loading a cartridge, the kernel waits for that, at most two minutes
    /// (ST_BLOCK_SECONDS). Moves no tape.
    ///
    /// # Errors
    /// [`TapeError`]: no such drive, none that is free, no cartridge in it.
    pub fn open(path: &Path) -> Result<Drive, TapeError> {
        Drive::open_to(path, false)
    }

    /// The same for writing, too.
    ///
    /// # Errors
    /// As [`Drive::open`]; EACCES or EROFS for a cartridge that cannot be written.
    pub fn open_for_writing(path: &Path) -> Result<Drive, TapeError> {
        Drive::open_to(path, true)
    }

    fn open_to(path: &Path, write: bool) -> Result<Drive, TapeError> {
        let open = |flags: libc::c_int| {
            let file = File::options().read(true).write(write).custom_flags(flags).open(path);
            file.map_err(|error| TapeError::opening(path, error)).map(|file| Drive { file, path: path.to_owned() })
        };
        // Without O_NONBLOCK an empty drive returns EIO with some kernels, ENOMEDIUM with others.
        let drive = open(libc::O_NONBLOCK)?;
        let status = drive.status()?;
        if status.online {
            return Ok(drive);
        }
        if status.empty {
            return Err(TapeError::NoCartridge { device: path.to_owned() });
        }
        drop(drive);
        open(0)
    }

    /// Asks for the status.
    ///
    /// # Errors
    /// [`TapeError::Io`]; ENOTTY if it is not a tape drive.
    pub fn status(&self) -> Result<Status, TapeError> {
        // SAFETY: MTIOCGET writes one struct mtget, whose layout Mtget has.
        let raw = unsafe { ioctl::ioctl(self.file.as_fd(), ioctl::Getter::<MTIOCGET, Mtget>::new()) };
        raw.map(|raw| Status::from(&raw)).map_err(|error| self.failed("ASK", error.into()))
    }

    /// The number of the block under the head, as the drive counts them: from the beginning of the tape, including filemarks.
    ///
    /// # Errors
    /// [`TapeError::Io`].
    pub fn position(&self) -> Result<u64, TapeError> {
        // SAFETY: MTIOCPOS writes one struct mtpos, whose layout Mtpos has.
        let raw = unsafe { ioctl::ioctl(self.file.as_fd(), ioctl::Getter::<MTIOCPOS, Mtpos>::new()) };
        raw.map(|raw| raw.block as u64).map_err(|error| self.failed("ASK", error.into()))
    }

    /// Goes to the beginning of the tape, which may take minutes.
    ///
    /// # Errors
    /// The system's error.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.operate(MTREW, 1)
    }

    /// Rewinds the tape and sets blocks of any size.
    ///
    /// # Errors
    /// [`TapeError::Io`].
    pub fn ready(mut self) -> Result<Drive, TapeError> {
        self.rewind().map_err(|error| self.failed("REWIND", error))?;
        self.set_block_bytes(0).map_err(|error| self.failed("SET the block size of", error))?;
        Ok(self)
    }

    /// Sets the size of blocks in bytes; with 0 each block has its own.
    ///
    /// # Errors
    /// The system's error.
    pub fn set_block_bytes(&mut self, bytes: u32) -> io::Result<()> {
        self.operate(MTSETBLK, bytes)
    }

    /// Goes back before the last `count` filemarks.
    ///
    /// # Errors
    /// The system's error.
    pub fn back_files(&mut self, count: u32) -> io::Result<()> {
        self.operate(MTBSF, count)
    }

    fn operate(&mut self, operation: libc::c_short, count: u32) -> io::Result<()> {
        let count = libc::c_int::try_from(count).map_err(|_| io::Error::from(Errno::INVAL))?;
        let argument = Mtop { operation, count };
        // SAFETY: MTIOCTOP reads one struct mtop, whose layout Mtop has.
        unsafe { ioctl::ioctl(self.file.as_fd(), ioctl::Setter::<MTIOCTOP, Mtop>::new(argument)) }.map_err(Into::into)
    }

    pub(super) fn failed(&self, verb: &'static str, source: io::Error) -> TapeError {
        TapeError::Io { verb, device: self.path.clone(), source }
    }

    /// Its node.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Tape for Drive {
    fn space_files(&mut self, count: u32) -> io::Result<()> {
        self.operate(MTFSF, count)
    }

    fn back_blocks(&mut self, count: u32) -> io::Result<()> {
        self.operate(MTBSR, count)
    }

    fn is_blank(&mut self) -> bool {
        // At the beginning of the tape st reports a blank one and a damaged one alike, with EIO. Spacing to the next filemark tells
        // them apart: on a blank tape it ends at the end of data, without having moved.
        self.rewind().is_ok()
            && self.space_files(1).is_err()
            && self.status().is_ok_and(|status| status.at_end_of_data)
            && self.position().is_ok_and(|position| position == 0)
    }

    fn read_block(&mut self, buffer: &mut [u8]) -> io::Result<Block> {
        let at_end = |drive: &Drive| drive.status().is_ok_and(|status| status.at_end_of_data);
        match self.file.read(buffer) {
            // st returns 0 for a filemark, and twice at the end of data before it returns EIO.
            Ok(0) if at_end(self) => Ok(Block::EndOfData),
            Ok(0) => Ok(Block::Filemark),
            Ok(count) => Ok(Block::Data(count)),
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => Ok(Block::TooLarge),
            Err(error) if error.raw_os_error() == Some(libc::EIO) && at_end(self) => Ok(Block::EndOfData),
            Err(error) => Err(error),
        }
    }
}

impl WritableTape for Drive {
    fn write_block(&mut self, block: &[u8]) -> io::Result<()> {
        // In variable mode a call writes one block (st(4)), so it is never continued.
        match self.file.write(block)? {
            written if written == block.len() => Ok(()),
            _ => Err(Errno::IO.into()),
        }
    }

    fn write_filemark(&mut self) -> io::Result<()> {
        self.operate(MTWEOF, 1)
    }

    fn unload(&mut self) -> io::Result<()> {
        self.operate(MTOFFL, 1)
    }
}

/// The drives below `sys` (/sys) by their nodes that do not rewind, in the order of their numbers.
pub fn list(sys: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(sys.join("class/scsi_tape")).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries
        // nst0a, nst0l and nst0m are other modes of nst0.
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("nst")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| PathBuf::from(format!("/dev/nst{number}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_and_numbers_are_those_of_the_kernel() {
        assert_eq!((size_of::<Mtop>(), size_of::<Mtpos>()), (8, size_of::<libc::c_long>()));
        assert_eq!(std::mem::offset_of!(Mtop, count), 4);
        assert_eq!(std::mem::offset_of!(Mtget, file), 5 * size_of::<libc::c_long>());
        if size_of::<libc::c_long>() == 8 {
            assert_eq!(size_of::<Mtget>(), 48);
            // What a C program prints with linux/mtio.h on x86-64.
            assert_eq!((MTIOCTOP, MTIOCGET, MTIOCPOS), (0x4008_6d01, 0x8030_6d02, 0x8008_6d03));
        }
    }

    #[test]
    fn drives_by_number() {
        let sys = tempfile::tempdir().unwrap();
        assert!(list(sys.path()).is_empty());
        for name in ["st0", "nst0", "nst0a", "nst0l", "nst10", "nst2", "st2m"] {
            std::fs::create_dir_all(sys.path().join("class/scsi_tape").join(name)).unwrap();
        }
        assert_eq!(list(sys.path()), ["/dev/nst0", "/dev/nst2", "/dev/nst10"].map(PathBuf::from));
    }

    #[test]
    fn what_is_no_drive_is_reported() {
        let missing = Drive::open(Path::new("/dev/nst4711")).unwrap_err();
        assert!(matches!(missing, TapeError::NoDrive { .. }), "{missing}");
        let null = Drive::open(Path::new("/dev/null")).unwrap_err().to_string();
        assert!(null.starts_with("cannot ASK /dev/null: "), "{null}");
    }
}

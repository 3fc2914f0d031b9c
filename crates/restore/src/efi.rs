//! The program that UEFI starts from a medium: whether it is signed as a whole, and whose key signed it.

use crate::view::View;
use fatfs::{FileSystem, FsOptions};
use lifeboat_secureboot::pe::Pe;
use lifeboat_secureboot::verify;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Where firmware looks on removable media (UEFI 2.10, 3.5.1.1).
pub const PROGRAM: &str = "EFI/BOOT/BOOTX64.EFI";
/// The section that distinguishes a unified kernel image from a boot loader.
const KERNEL_SECTION: &str = ".linux";
/// How much is read ahead: a signature covers the whole file, and the image may be on a web server.
const AHEAD: u64 = 1 << 20;

/// Whose key signed the program in the partition at `offset`; `None` for a boot loader, which others sign.
///
/// # Errors
/// What is wrong with it: it cannot be read, or its signature does not match.
pub(crate) fn signed_by(view: &View<'_>, offset: u64, size: u64) -> Result<Option<String>, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let partition = Part { view, offset, size, at: 0, ahead: (0, vec![]) };
    let filesystem = FileSystem::new(partition, FsOptions::new()).map_err(unreadable)?;
    let mut file = match filesystem.root_dir().open_file(PROGRAM) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(unreadable)?,
    };
    match Pe::read(&mut file) {
        Ok(pe) if pe.sections.iter().any(|section| section.name() == KERNEL_SECTION) => {}
        Ok(_) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    verify::signer(&mut file).map(|certificate| Some(certificate.name())).map_err(|error| error.to_string())
}

/// A part of an image as a read-only disk.
struct Part<'a> {
    view: &'a View<'a>,
    offset: u64,
    size: u64,
    at: u64,
    ahead: (u64, Vec<u8>),
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(self.at);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let inside = |(from, bytes): &(u64, Vec<u8>), at: u64| at >= *from && at < from + bytes.len() as u64;
        if !inside(&self.ahead, self.at) {
            let from = self.at - self.at % AHEAD;
            let length = AHEAD.min(self.size - from);
            let bytes = self.view.read_image(self.offset.saturating_add(from), length).map_err(io::Error::other)?;
            self.ahead = (from, bytes);
            if !inside(&self.ahead, self.at) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let bytes = self.ahead.1.get((self.at - self.ahead.0) as usize..).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Part<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Write for Part<'_> {
    // fatfs marks a filesystem as open; this one is only read.
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

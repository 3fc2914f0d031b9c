//! Unified kernel images: a stub, and as sections of the same program the kernel, its initramfs and its command line (UAPI.5;
//! systemd-stub(7)). One signature covers them all. Under Secure Boot the stub accepts only the command line inside.

use crate::error::SecureBootError;
use crate::pe::{Pe, Section};
use std::fs::File;
use std::io::{self, Cursor, Read as _, Seek, SeekFrom, Write};
use std::path::Path;

/// Where systemd keeps its stub.
pub const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
/// Debian's package with it.
pub const STUB_PACKAGE: &str = "systemd-boot-efi";
/// Sections begin at page boundaries.
const PAGE: u64 = 4096;
/// IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ.
const DATA: u32 = 0x4000_0040;
/// IMAGE_SCN_CNT_CODE | IMAGE_SCN_MEM_EXECUTE | IMAGE_SCN_MEM_READ: stubs before systemd 254 run the kernel in place.
const CODE: u32 = 0x6000_0020;

/// What becomes one program.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The stub.
    pub stub: &'a [u8],
    /// The kernel, with its own EFI stub.
    pub kernel: &'a Path,
    /// Its initramfs.
    pub initrd: &'a Path,
    /// Its command line.
    pub command_line: &'a str,
    /// `/etc/os-release` of what is started, for menus of boot loaders.
    pub os_release: &'a str,
    /// The kernel's release.
    pub release: &'a str,
}

enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}

impl Content<'_> {
    fn size(&self) -> io::Result<u64> {
        match self {
            Content::Bytes(bytes) => Ok(bytes.len() as u64),
            Content::File(path) => Ok(path.metadata()?.len()),
        }
    }
}

/// Writes the program, unsigned, to an empty file.
///
/// # Errors
/// The system's error; `InvalidData` when the stub or the kernel is not an EFI program, or when the whole is too large.
pub fn build<W: Write + Seek>(parts: &Parts<'_>, out: &mut W) -> io::Result<()> {
    Pe::read(&mut File::open(parts.kernel)?)?;
    let stub = Pe::read(&mut Cursor::new(parts.stub))?;
    // The kernel comes last: older ones may need memory after their own end.
    let added = [
        (*b".osrel\0\0", DATA, Content::Bytes(parts.os_release.as_bytes())),
        (*b".uname\0\0", DATA, Content::Bytes(parts.release.as_bytes())),
        (*b".cmdline", DATA, Content::Bytes(parts.command_line.as_bytes())),
        (*b".initrd\0", DATA, Content::File(parts.initrd)),
        (*b".linux\0\0", CODE, Content::File(parts.kernel)),
    ];
    let (alignment, file_alignment) = stub.alignments();
    let (alignment, file_alignment) = (u64::from(alignment).max(PAGE), u64::from(file_alignment));
    let mut sections: Vec<Section> = vec![];
    let mut contents = vec![];
    let mut offset = stub.headers.len() as u64;
    let mut address = 0;
    let own = stub.sections.iter().map(|section| {
        let (from, to) = (section.file_offset as usize, section.file_offset as usize + section.file_size as usize);
        let bytes = parts.stub.get(from..to).ok_or(SecureBootError::Pe("its sections are cut off"))?;
        Ok((section.clone(), Content::Bytes(bytes)))
    });
    let new = added.into_iter().map(|(name, flags, content)| {
        let section = Section { name, address: 0, size: 0, file_offset: 0, file_size: 0, flags };
        Ok::<_, SecureBootError>((section, content))
    });
    for part in own.chain(new) {
        let (mut section, content) = part?;
        let bytes = content.size()?;
        let large = |_| SecureBootError::Large(offset.saturating_add(bytes));
        if section.address == 0 {
            section.address = u32::try_from(address).map_err(large)?;
            section.size = u32::try_from(bytes).map_err(large)?;
        }
        let end = u64::from(section.address) + u64::from(section.size);
        address = end.next_multiple_of(alignment).max(address);
        let file_size = bytes.next_multiple_of(file_alignment);
        section.file_size = u32::try_from(file_size).map_err(large)?;
        // All of the stub moves together: only the table has the section's positions.
        section.file_offset = u32::try_from(offset).map_err(large)?;
        offset += file_size;
        sections.push(section);
        contents.push(content);
    }
    u32::try_from(offset.max(address)).map_err(|_| SecureBootError::Large(offset))?;
    let room = SecureBootError::Pe("its headers have no room for more sections");
    out.write_all(&stub.headers_with(&sections).ok_or(room)?)?;
    for (section, content) in sections.iter().zip(contents) {
        let end = u64::from(section.file_offset) + u64::from(section.file_size);
        match content {
            Content::Bytes(bytes) => out.write_all(bytes)?,
            Content::File(path) => {
                let copied = io::copy(&mut File::open(path)?, out)?;
                if copied != u64::from(section.size) {
                    return Err(io::Error::other(format!("{} changed while it was read", path.display())));
                }
            }
        }
        let here = out.stream_position()?;
        io::copy(&mut io::repeat(0).take(end.saturating_sub(here)), out)?;
    }
    out.seek(SeekFrom::Start(offset)).map(drop)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::pe::tests::program;
    use std::os::unix::fs::FileExt as _;

    /// Parts over files in a folder.
    pub(crate) fn build_in(folder: &Path, stub: &[u8]) -> io::Result<File> {
        let (kernel, initrd) = (folder.join("kernel"), folder.join("initrd"));
        std::fs::write(&kernel, program())?;
        std::fs::write(&initrd, vec![9; 5001])?;
        let path = folder.join("uki.efi");
        let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let parts = Parts {
            stub,
            kernel: &kernel,
            initrd: &initrd,
            command_line: "lifeboat.mode=interactive quiet",
            os_release: "ID=lifeboat\n",
            release: "6.1.0-40-amd64",
        };
        build(&parts, &mut file)?;
        Ok(file)
    }

    #[test]
    fn sections_lie_in_order_and_hold_what_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let stubs = [program(), std::fs::read(STUB).unwrap_or_else(|_| program())];
        for stub in stubs {
            let mut file = build_in(folder.path(), &stub).unwrap();
            let before = Pe::read(&mut Cursor::new(&stub)).unwrap();
            let pe = Pe::read(&mut file).unwrap();
            assert_eq!(pe.content_end(), Some(pe.file_bytes));
            assert!(pe.file_bytes.is_multiple_of(8));
            let names: Vec<String> = pe.sections[before.sections.len()..].iter().map(Section::name).collect();
            assert_eq!(names, [".osrel", ".uname", ".cmdline", ".initrd", ".linux"]);
            let mut last = 0;
            for section in &pe.sections {
                assert!(section.address >= last, "{}", section.name());
                last = section.address + section.size;
            }
            let content = |name: &str| {
                let section = pe.sections.iter().find(|section| section.name() == name).unwrap();
                let mut bytes = vec![0; section.size as usize];
                file.read_exact_at(&mut bytes, section.file_offset.into()).unwrap();
                bytes
            };
            assert_eq!(content(".cmdline"), b"lifeboat.mode=interactive quiet");
            assert_eq!(content(".initrd"), [9; 5001]);
            assert_eq!(content(".linux"), program());
            let text = &before.sections[0];
            assert_eq!(content(".text"), stub[text.file_offset as usize..][..text.size as usize]);
        }
    }

    #[test]
    fn wrong_parts_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = build_in(folder.path(), b"no stub").unwrap_err().to_string();
        assert!(error.contains("not an EFI program"), "{error}");
        let mut cut = program();
        cut.truncate(0x500);
        assert!(build_in(folder.path(), &cut).unwrap_err().to_string().contains("cut"));
    }
}

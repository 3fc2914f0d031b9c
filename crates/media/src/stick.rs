//! A stick: a disk that boots on BIOS and UEFI, and whose last partition is written again. Where everything is:
//! [`lifeboat_machine::stick`].
//!
//! [`prepare`] makes all that is outside of the filesystem, without touching the disk; [`StickBoot::write`] puts it there,
//! [`StickBoot::check`] reads it back; [`put_files`] writes what belongs into the mounted filesystem.

use crate::boot_list::Seal;
use crate::digest::digest;
use crate::error::MediaError;
use crate::grub::{self, Bios, Carrier};
use crate::iso::{MediumInputs, check_names, write_private};
use crate::menu::marker;
use crate::{esp, signed};
use lifeboat_machine::boot_list::{BOOT_LIST, EFI_PARTITION, KERNEL};
use lifeboat_machine::gpt::Gpt;
use lifeboat_machine::manifest::{FORMAT, FileDigest};
use lifeboat_machine::stick::StickLayout;
use lifeboat_machine::{BootList, BootRange, MediumManifest};
use lifeboat_rescue::sysroot::Sysroot;
use lifeboat_sys::{Runner, block};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// A slot has room for an EFI system partition that grows by half, and for this at least.
const LEAST_SLOT: u64 = 32 * MIB;
/// How much is written, read and compared at a time.
const CHUNK: usize = 4 << 20;

/// GRUB's boot.img (grub-core/boot/i386/pc/boot.S, include/grub/i386/pc/boot.h): where the number of the core image's first sector
/// is, …
const KERNEL_SECTOR: usize = 0x5c;
/// … and the jump over a workaround for BIOSes that pass no drive number, which grub-install fills with no-operations on disks.
const DRIVE_CHECK: usize = 0x66;
/// The core image's first sector (diskboot.S) ends in a list of where the rest is: sector, count, segment.
const BLOCK_LIST: usize = 512 - 12;
/// BIOS counts in these, whatever the disk's sectors are.
const BIOS_SECTOR: u64 = 512;

/// The menu's file, below `/lifeboat/`: it changes together with what it starts.
pub const MENU: &str = "grub.cfg";
/// `/lifeboat/` of a medium that is being refreshed, until it takes the place of the old one.
pub const NEXT: &str = "lifeboat.new";

/// What is on a stick outside of its filesystem.
#[derive(Debug)]
pub struct StickBoot {
    /// Where everything is.
    pub layout: StickLayout,
    /// Boots by BIOS.
    pub bios: bool,
    /// Boots by UEFI.
    pub uefi: bool,
    /// Boots under Secure Boot.
    pub secure_boot: bool,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Each part with its name and offset; the table with the boot sector is the first.
    parts: Vec<Part>,
}

/// Bytes of the disk that are no files.
#[derive(Debug)]
struct Part {
    name: &'static str,
    offset: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// Which of the two places are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Half of the partition for BIOS.
    pub half: usize,
    /// Slot of the EFI system partition.
    pub slot: usize,
}

/// What loaders are made of, before their places are known.
#[derive(Debug)]
pub struct StickLoaders {
    core: Vec<u8>,
    boot_code: Vec<u8>,
    efi: Option<PathBuf>,
    efi_bytes: u64,
    secure_boot: bool,
    warnings: Vec<String>,
}

impl StickLoaders {
    /// Finds or makes the loaders; an image of the EFI system partition goes into the folder for pieces.
    ///
    /// # Errors
    /// [`MediaError`]; without any loader, too.
    pub fn make(inputs: &MediumInputs<'_>, sector_bytes: u64, runner: &dyn Runner) -> Result<StickLoaders, MediaError> {
        let (work, out) = (inputs.work, inputs.out);
        check_names(inputs)?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(work).map_err(MediaError::io("MAKE", work))?;
        let id = &inputs.manifest.medium_id;
        let uefi = inputs.signing.map(|signing| signed::program(inputs, signing)).transpose()?;
        let loaders = grub::find(&Sysroot::new(inputs.sysroot), uefi, id, Carrier::Disk, work, runner)?;
        if loaders.bios.is_none() && loaders.uefi.is_none() {
            return Err(MediaError::NoLoader { out: out.to_owned(), root: inputs.sysroot.to_owned() });
        }
        let (core, boot_code) = loaders.bios.as_ref().map(read_bios).transpose()?.unwrap_or_default();
        let mut made = StickLoaders {
            core,
            boot_code,
            efi: None,
            efi_bytes: 0,
            secure_boot: loaders.uefi.as_ref().is_some_and(|uefi| uefi.secure_boot),
            warnings: loaders.warnings,
        };
        if let Some(uefi) = &loaders.uefi {
            let volume = u32::from_str_radix(id.get(..8).unwrap_or_default(), 16).unwrap_or(0);
            let path = work.join("esp.img");
            let sector = u16::try_from(sector_bytes).unwrap_or(512);
            esp::write(&path, &uefi.files, volume, sector)?;
            made.efi_bytes = path.metadata().map_err(MediaError::io("READ", &path))?.len();
            made.efi = Some(path);
        }
        Ok(made)
    }

    /// The layout of a new stick.
    pub fn layout(&self, size_bytes: u64, sector_bytes: u64) -> StickLayout {
        let slot_bytes = (self.efi_bytes + self.efi_bytes / 2).max(LEAST_SLOT).next_multiple_of(MIB);
        StickLayout { size_bytes, sector_bytes, slot_bytes }
    }

    /// The bytes for a disk with this table, whose EFI system partition is in the slot of `places`.
    ///
    /// # Errors
    /// When they do not fit into their places.
    pub fn place(&self, table: &Gpt, layout: StickLayout, places: Places, out: &Path) -> Result<StickBoot, MediaError> {
        let wrong = |reason: String| MediaError::Verify { out: out.to_owned(), reason };
        let (core_at, core_room) = layout.bios(places.half);
        let (efi_at, efi_room) = layout.efi(places.slot);
        for (name, size, room) in [
            ("GRUB's core image", self.core.len() as u64, core_room),
            ("the EFI system partition", self.efi_bytes, efi_room),
        ] {
            if size > room {
                return Err(wrong(format!(
                    "{name} has {size} bytes, and its place {room}; a stick that is made anew has more"
                )));
            }
        }
        let (core, boot_code) =
            located(&self.core, &self.boot_code, core_at).map_err(|reason| wrong(reason.to_owned()))?;
        let mut beginning = table.beginning(&boot_code);
        // All before the first partition.
        beginning.resize(MIB as usize, 0);
        let (end_at, end) = table.end();
        let bytes = |name, offset, bytes| Part { name, offset, content: Content::Bytes(bytes) };
        let mut parts = vec![bytes("the boot sector with the partition table", 0, beginning)];
        if !core.is_empty() {
            parts.push(bytes("GRUB for BIOS", core_at, core));
        }
        if let Some(path) = &self.efi {
            parts.push(Part { name: EFI_PARTITION, offset: efi_at, content: Content::File(path.clone()) });
        }
        parts.push(bytes("the copy of the partition table", end_at, end));
        Ok(StickBoot {
            layout,
            bios: !self.core.is_empty(),
            uefi: self.efi.is_some(),
            secure_boot: self.secure_boot,
            warnings: self.warnings.clone(),
            parts,
        })
    }
}

/// GRUB's core image and boot sector as they are in files.
fn read_bios(bios: &Bios) -> Result<(Vec<u8>, Vec<u8>), MediaError> {
    let read = |path: &Path| std::fs::read(path).map_err(MediaError::io("READ", path));
    let mut core = read(&bios.core)?;
    core.resize(core.len().next_multiple_of(BIOS_SECTOR as usize), 0);
    Ok((core, read(&bios.boot_sector)?))
}

/// Writes into boot sector and core image where the core image is, as grub-bios-setup does (util/setup.c).
fn located(core: &[u8], boot_code: &[u8], core_at: u64) -> Result<(Vec<u8>, Vec<u8>), &'static str> {
    let (mut core, mut boot_code) = (core.to_vec(), boot_code.to_vec());
    if core.is_empty() {
        return Ok((core, boot_code));
    }
    let first = core_at / BIOS_SECTOR;
    let rest = u16::try_from(core.len() as u64 / BIOS_SECTOR - 1).map_err(|_| "GRUB's core image is too large")?;
    let known = boot_code.len() == 512
        && boot_code[KERNEL_SECTOR..KERNEL_SECTOR + 8] == 1_u64.to_le_bytes()
        && core.get(BLOCK_LIST..BLOCK_LIST + 8) == Some(&2_u64.to_le_bytes());
    if !known {
        return Err("GRUB's boot sector or core image is not what is expected of its releases");
    }
    boot_code[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&first.to_le_bytes());
    boot_code[DRIVE_CHECK..DRIVE_CHECK + 2].fill(0x90);
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(first + 1).to_le_bytes());
    core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&rest.to_le_bytes());
    Ok((core, boot_code))
}

impl Part {
    fn read(&self) -> io::Result<Box<dyn io::Read + '_>> {
        Ok(match &self.content {
            Content::Bytes(bytes) => Box::new(bytes.as_slice()),
            Content::File(path) => Box::new(File::open(path)?),
        })
    }

    /// Passes it on in pieces with their offsets on the disk.
    fn pieces(&self, take: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut reader, mut offset, mut buffer) = (self.read()?, self.offset, vec![0; CHUNK]);
        loop {
            let mut filled = 0;
            while filled < buffer.len() {
                match reader.read(&mut buffer[filled..])? {
                    0 => break,
                    count => filled += count,
                }
            }
            if filled == 0 {
                return Ok(());
            }
            take(offset, &buffer[..filled])?;
            offset += filled as u64;
        }
    }

    fn write(&self, disk: &File) -> io::Result<()> {
        self.pieces(&mut |offset, piece| disk.write_all_at(piece, offset))
    }

    /// Whether the disk has exactly this.
    fn is_on(&self, disk: &File) -> io::Result<bool> {
        let mut same = true;
        let mut found = vec![0; CHUNK];
        self.pieces(&mut |offset, piece| {
            let found = &mut found[..piece.len()];
            disk.read_exact_at(found, offset)?;
            same &= found == piece;
            Ok(())
        })?;
        Ok(same)
    }

    fn digest(&self) -> io::Result<FileDigest> {
        let mut hasher = blake3::Hasher::new();
        self.pieces(&mut |_, piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(FileDigest { size_bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
    }
}

impl StickBoot {
    /// Writes it onto a new stick: first what others may have left there is overwritten, the table is written last.
    ///
    /// # Errors
    /// The system's error.
    pub fn write(&self, disk: &File, out: &Path) -> Result<(), MediaError> {
        let fail = || MediaError::io("WRITE", out);
        let zeros = vec![0; MIB as usize];
        let (data, data_bytes) = self.layout.data();
        let (end_at, _) = self.end();
        let starts =
            [0, self.layout.bios(0).0, self.layout.efi(0).0, self.layout.efi(1).0, data, data + data_bytes - MIB];
        for offset in starts {
            disk.write_all_at(&zeros, offset).map_err(fail())?;
        }
        // Tables and superblocks of others at the end of the disk.
        let last = self.layout.size_bytes.saturating_sub(MIB).max(data + data_bytes);
        let rest = usize::try_from(end_at.saturating_sub(last)).unwrap_or(0);
        disk.write_all_at(&zeros[..rest.min(zeros.len())], last).map_err(fail())?;
        for part in self.parts.iter().rev() {
            part.write(disk).map_err(fail())?;
        }
        disk.sync_all().map_err(fail())
    }

    /// Writes what differs from what is on a stick that is in use: the new loaders beside the old, then the copy of the table, then the
    /// boot sector and the table, which begin to name them. Returns whether anything was written.
    ///
    /// # Errors
    /// The system's error.
    pub fn update(&self, disk: &File, out: &Path) -> Result<bool, MediaError> {
        let fail = || MediaError::io("WRITE", out);
        let mut any = false;
        let (first, others) = self.parts.split_first().map_or((None, &[][..]), |(first, others)| (Some(first), others));
        for part in others.iter().chain(first) {
            if part.is_on(disk).map_err(fail())? {
                continue;
            }
            any = true;
            part.write(disk).map_err(fail())?;
            disk.sync_all().map_err(fail())?;
        }
        Ok(any)
    }

    /// Reads it back from the disk, past the kernel's memory.
    ///
    /// # Errors
    /// [`MediaError::Verify`] with the first part that differs.
    pub fn check(&self, disk: &File, out: &Path) -> Result<(), MediaError> {
        block::forget_cached(disk).map_err(MediaError::io("READ", out))?;
        for part in &self.parts {
            if !part.is_on(disk).map_err(MediaError::io("READ", out))? {
                let reason = format!("{} is not as it was written", part.name);
                return Err(MediaError::Verify { out: out.to_owned(), reason });
            }
        }
        Ok(())
    }

    /// Whether a disk has exactly this: then nothing of it need be written.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_on(&self, disk: &File, out: &Path) -> Result<bool, MediaError> {
        for part in &self.parts {
            if !part.is_on(disk).map_err(MediaError::io("READ", out))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn end(&self) -> (u64, &Part) {
        // There is always one: `place` puts it last.
        self.parts.last().map_or((self.layout.size_bytes, &self.parts[0]), |part| (part.offset, part))
    }

    /// The list of what boots.
    fn list(
        &self,
        manifest: &MediumManifest,
        files: BTreeMap<String, FileDigest>,
        seal: Option<&Seal<'_>>,
        out: &Path,
    ) -> Result<BootList, MediaError> {
        let range = |part: &Part| {
            let digest = part.digest().map_err(MediaError::io("READ", out))?;
            Ok(BootRange { name: part.name.to_owned(), offset: part.offset, digest })
        };
        let mut list = BootList {
            format: FORMAT,
            lifeboat: manifest.lifeboat.clone(),
            medium_id: manifest.medium_id.clone(),
            image_bytes: self.layout.size_bytes / self.layout.sector_bytes * self.layout.sector_bytes,
            files,
            ranges: self.parts.iter().map(range).collect::<Result<_, MediaError>>()?,
            seal: None,
        };
        if let Some(seal) = seal {
            let wrong = |reason: String| MediaError::Verify { out: out.to_owned(), reason };
            list.seal = Some(seal(&list.medium_id, &list.sealed_bytes()).map_err(wrong)?);
        }
        Ok(list)
    }
}

/// The half of the partition for BIOS that the boot sector of a disk names.
///
/// # Errors
/// When it cannot be read.
pub fn half_in_use(layout: &StickLayout, disk: &File, out: &Path) -> Result<usize, MediaError> {
    let mut sector = [0; 8];
    disk.read_exact_at(&mut sector, KERNEL_SECTOR as u64).map_err(MediaError::io("READ", out))?;
    Ok(usize::from(u64::from_le_bytes(sector) == layout.bios(1).0 / BIOS_SECTOR))
}

/// Writes the files of a medium into the filesystem mounted at `top`: those of `/lifeboat/` into the folder `folder` there, with the
/// list of what boots, and what GRUB looks for.
///
/// # Errors
/// [`MediaError`].
pub fn put_files(inputs: &MediumInputs<'_>, boot: &StickBoot, top: &Path, folder: &str) -> Result<(), MediaError> {
    let id = &inputs.manifest.medium_id;
    let mut listed = BTreeMap::new();
    let grub = [
        ("boot/grub/grub.cfg".to_owned(), grub_cfg(id)),
        (marker(id).trim_start_matches('/').to_owned(), format!("{id}\n")),
        // Debian's gcdx64.efi looks for this file to find its disc.
        (".disk/info".to_owned(), format!("{id}\n")),
    ];
    for (path, text) in &grub {
        let target = top.join(path);
        // They never change on a medium.
        if std::fs::read(&target).is_ok_and(|found| found == text.as_bytes()) {
            listed.insert(path.clone(), digest(&target)?);
            continue;
        }
        directory_of(&target)?;
        write_private(&target, text.as_bytes())?;
        listed.insert(path.clone(), digest(&target)?);
    }
    let lifeboat = top.join(folder);
    for (name, source) in inputs.files {
        copy(source, &lifeboat.join(name))?;
    }
    for name in [KERNEL, "lifeboat/manifest.json", "lifeboat/initrd.img"] {
        let plain = name.trim_start_matches("lifeboat/");
        listed.insert(name.to_owned(), digest(&lifeboat.join(plain))?);
    }
    let list = boot.list(inputs.manifest, listed, inputs.seal, inputs.out)?;
    write_private(&lifeboat.join(BOOT_LIST), &list.to_json())
}

/// Leads to the menu, which is refreshed together with what it starts.
fn grub_cfg(medium_id: &str) -> String {
    format!(
        "# Written by lifeboat.\nsearch --no-floppy --file --set=root {}\nconfigfile ($root)/lifeboat/{MENU}\n",
        marker(medium_id)
    )
}

fn directory_of(path: &Path) -> Result<(), MediaError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(MediaError::io("MAKE", folder))
}

/// A file, or a folder with its files.
fn copy(source: &Path, target: &Path) -> Result<(), MediaError> {
    directory_of(target)?;
    if source.is_dir() {
        for entry in std::fs::read_dir(source).map_err(MediaError::io("READ", source))? {
            let entry = entry.map_err(MediaError::io("READ", source))?;
            copy(&entry.path(), &target.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let mut from = File::open(source).map_err(MediaError::io("READ", source))?;
    write_private(target, b"")?;
    let mut to = File::options().write(true).open(target).map_err(MediaError::io("WRITE", target))?;
    io::copy(&mut from, &mut to).and_then(|_| to.sync_all()).map_err(MediaError::io("WRITE", target))
}

//! [`write_iso`]: one image that boots from discs and USB sticks, by BIOS and by UEFI.
//!
//! The layout is that of Debian's and Ubuntu's own media: GRUB's El Torito image for BIOS, its boot_hybrid.img as
//! boot sector for sticks, and one FAT image behind the ISO that is both the El Torito image for UEFI and a partition of
//! the GPT (xorrisofs(1), "Bootable ISO images").

use crate::boot_list::{self, Seal};
use crate::el_torito;
use crate::error::MediaError;
use crate::esp;
use crate::grub::{self, Carrier, Loaders};
use crate::identity::Identity;
use crate::menu::{Menu, marker};
use crate::progress::{Progress, watch};
use crate::read_back;
use crate::signed::{self, Signing};
use lifeboat_machine::MediumManifest;
use lifeboat_machine::boot_list::BOOT_LIST;
use lifeboat_rescue::sysroot::Sysroot;
use lifeboat_sys::new_file::NewFile;
use lifeboat_sys::program::XORRISO;
use lifeboat_sys::{Invocation, Runner};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What an image is made from.
pub struct MediumInputs<'a> {
    /// The root filesystem that has GRUB and shim: `/` or a folder.
    pub sysroot: &'a Path,
    /// Directory for temporary files; created if missing.
    pub work: &'a Path,
    /// The image.
    pub out: &'a Path,
    /// An image of this name stays until the new one is whole; otherwise it makes room first.
    pub keep_old: bool,
    /// Path below `/lifeboat/` on the medium, and the file or directory that goes there. `kernel` and `initrd.img`
    /// must be among them; on the first disc of a set the volume is, too.
    pub files: &'a BTreeMap<String, PathBuf>,
    /// The manifest of this medium.
    pub manifest: &'a MediumManifest,
    /// What the boot menu offers.
    pub menu: &'a Menu,
    /// Seals the list of what boots with the machine's key; `None` without one.
    pub seal: Option<&'a Seal<'a>>,
    /// Makes what UEFI starts one signed program; `None` leaves it to GRUB.
    pub signing: Option<&'a Signing>,
    /// Called while the image grows, from another thread.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct IsoReport {
    /// The image.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its volume id.
    pub volume_id: String,
    /// It boots by BIOS.
    pub bios: bool,
    /// It boots by UEFI.
    pub uefi: bool,
    /// It boots under Secure Boot.
    pub secure_boot: bool,
    /// What a person should know: firmware that the medium is not for.
    pub warnings: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

/// The volume id of a medium: its machine, day and short id.
pub fn volume_id(manifest: &MediumManifest) -> String {
    Identity::of(manifest).label()
}

/// Writes the image, mode 0600, and reads its boot record back.
///
/// # Errors
/// [`MediaError`]; then no image is left.
pub fn write_iso(inputs: &MediumInputs<'_>, runner: &dyn Runner) -> Result<IsoReport, MediaError> {
    let start = Instant::now();
    check_names(inputs)?;
    let (work, out) = (inputs.work, inputs.out);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(work).map_err(MediaError::io("MAKE", work))?;
    let id = &inputs.manifest.medium_id;
    let uefi = inputs.signing.map(|signing| signed::program(inputs, signing)).transpose()?;
    let loaders = grub::find(&Sysroot::new(inputs.sysroot), uefi, id, Carrier::Image, work, runner)?;
    if loaders.bios.is_none() && loaders.uefi.is_none() {
        return Err(MediaError::NoLoader { out: out.to_owned(), root: inputs.sysroot.to_owned() });
    }
    let boot = boot_files(inputs, &loaders)?;
    let esp = match &loaders.uefi {
        Some(uefi) => {
            let volume = u32::from_str_radix(id.get(..8).unwrap_or_default(), 16).unwrap_or(0);
            let path = work.join("esp.img");
            esp::write(&path, &uefi.files, volume, 512)?;
            Some(path)
        }
        None => None,
    };
    let esp_bytes = esp.as_deref().map_or(Ok(0), |path| path.metadata().map(|metadata| metadata.len()));
    let total = content_bytes(inputs.files)? + esp_bytes.map_err(MediaError::io("READ", work))? + LOADER_BYTES;
    let names = boot.keys().map(String::as_str).chain(["kernel", "initrd.img", "manifest.json"]);
    let blank = work.join(BOOT_LIST);
    write_private(&blank, &boot_list::placeholder(names))?;
    let boot_list = (format!("/lifeboat/{BOOT_LIST}"), blank);
    // Half an image looks like a whole one to a person in a hurry. xorriso treats an existing file as a medium that may hold sessions, so it
    // must find an empty one; created here first, the image is never readable for others.
    let file = NewFile::for_a_program(out, 0o600).map_err(MediaError::io("WRITE", out))?;
    if !inputs.keep_old {
        file.remove_old().map_err(MediaError::io("REMOVE", out))?;
    }
    let image = file.path();
    let boot = boot.iter().chain([(&boot_list.0, &boot_list.1)]);
    let call = invocation(inputs, &image, &loaders, boot, esp.as_deref());
    watch(&image, total, inputs.progress, || runner.run(&call))?;
    let size_bytes = verify(inputs, &image, &loaders)?;
    file.finish().map_err(MediaError::io("WRITE", out))?;
    Ok(IsoReport {
        path: out.to_owned(),
        size_bytes,
        volume_id: volume_id(inputs.manifest),
        bios: loaders.bios.is_some(),
        uefi: loaders.uefi.is_some(),
        secure_boot: loaders.uefi.is_some_and(|uefi| uefi.secure_boot),
        warnings: loaders.warnings,
        seconds: start.elapsed().as_secs_f64(),
    })
}

pub(crate) fn check_names(inputs: &MediumInputs<'_>) -> Result<(), MediaError> {
    let out = inputs.out;
    for name in inputs.files.keys() {
        let plain = !name.is_empty()
            && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
            && name != BOOT_LIST
            && !name.contains(['\n', '\0']);
        if !plain {
            return Err(MediaError::Name { out: out.to_owned(), name: name.clone() });
        }
    }
    match ["kernel", "initrd.img"].into_iter().find(|name| !inputs.files.contains_key(*name)) {
        Some(name) => Err(MediaError::Absent { out: out.to_owned(), name }),
        None => Ok(()),
    }
}

/// Files outside of `/lifeboat/`, by their path on the medium.
fn boot_files(inputs: &MediumInputs<'_>, loaders: &Loaders) -> Result<BTreeMap<String, PathBuf>, MediaError> {
    let id = &inputs.manifest.medium_id;
    let mut files = BTreeMap::new();
    let mut put = |path: &str, name: &str, text: &str| -> Result<(), MediaError> {
        let piece = inputs.work.join(name);
        write_private(&piece, text.as_bytes())?;
        files.insert(path.to_owned(), piece);
        Ok(())
    };
    put("/boot/grub/grub.cfg", "grub.cfg", &inputs.menu.grub_cfg(id))?;
    put(&marker(id), "marker", &format!("{id}\n"))?;
    // Debian's gcdx64.efi looks for this file to find its disc.
    put("/.disk/info", "disk-info", &format!("{}\n", inputs.menu.title))?;
    if let Some(bios) = &loaders.bios {
        files.insert("/boot/grub/eltorito.img".to_owned(), bios.core.clone());
    }
    Ok(files)
}

fn invocation<'a>(
    inputs: &MediumInputs<'_>,
    image: &Path,
    loaders: &Loaders,
    boot: impl Iterator<Item = (&'a String, &'a PathBuf)>,
    esp: Option<&Path>,
) -> Invocation {
    let identity = Identity::of(inputs.manifest);
    let mut call = files_of_root(&identity, image);
    if let Some(guid) = identity.guid() {
        call = call.args(["--gpt_disk_guid", &guid]);
    }
    if let Some(bios) = &loaders.bios {
        call = call
            .arg("--grub2-mbr")
            .arg(&bios.boot_sector)
            .args(["--protective-msdos-label", "--mbr-force-bootable", "-partition_offset", "16"])
            .args(["-eltorito-catalog", "/boot/grub/boot.cat", "--boot-catalog-hide"])
            .args(["-eltorito-boot", "/boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4"])
            .args(["-boot-info-table", "--grub2-boot-info"]);
    }
    if let Some(esp) = esp {
        call = call.args(["-append_partition", "2", "0xef"]).arg(esp).arg("-appended_part_as_gpt");
        if loaders.bios.is_some() {
            call = call.arg("-eltorito-alt-boot");
        } else {
            call = call.args([
                "-partition_offset",
                "16",
                "-eltorito-catalog",
                "/boot/grub/boot.cat",
                "--boot-catalog-hide",
            ]);
        }
        call = call.args(["-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]);
    }
    call = call.arg("-graft-points");
    for (path, source) in boot {
        call = call.arg(graft(path, source));
    }
    for (name, source) in inputs.files {
        call = call.arg(graft(&format!("/lifeboat/{name}"), source));
    }
    call
}

/// The call of xorriso for any disc: names as they are, everything root's.
pub(crate) fn files_of_root(identity: &Identity<'_>, image: &Path) -> Invocation {
    let call = Invocation::new(XORRISO)
        .args(["-as", "mkisofs", "-rock", "-iso-level", "3", "-full-iso9660-filenames", "-uid", "0", "-gid", "0"])
        .args(["-volid", &identity.label(), "-appid", "LIFEBOAT", "-preparer", "LIFEBOAT"])
        .arg("-output")
        .arg(image);
    match identity.date() {
        Some(date) => call.arg(format!("--modification-date={date}")),
        None => call,
    }
}

/// `PATH=SOURCE`, in which `=` and `\` are escaped (xorrisofs(1), "-graft-points").
pub(crate) fn graft(path: &str, source: &Path) -> OsString {
    let escaped = |bytes: &[u8]| -> Vec<u8> {
        let escape = |byte: &u8| if matches!(byte, b'=' | b'\\') { vec![b'\\', *byte] } else { vec![*byte] };
        bytes.iter().flat_map(escape).collect()
    };
    OsString::from_vec([&escaped(path.as_bytes())[..], b"=", &escaped(source.as_os_str().as_bytes())].concat())
}

/// GRUB, and an EFI system partition with nothing else.
const LOADER_BYTES: u64 = 16 << 20;

/// The approximate size of an image with these files: they, loaders, and padding to whole sectors. On a signed medium kernel and
/// initramfs are there twice, for UEFI and for BIOS.
///
/// # Errors
/// When a file cannot be read.
pub fn image_bytes(files: &BTreeMap<String, PathBuf>, signed: bool) -> Result<u64, MediaError> {
    let twice = if signed { program_bytes(files)? } else { 0 };
    Ok(content_bytes(files)? + twice + LOADER_BYTES)
}

/// The approximate size of the signed program of a medium with these files.
///
/// # Errors
/// When a file cannot be read.
pub fn program_bytes(files: &BTreeMap<String, PathBuf>) -> Result<u64, MediaError> {
    let both = ["kernel", "initrd.img"].into_iter().filter_map(|name| files.get_key_value(name));
    content_bytes(&both.map(|(name, path)| (name.clone(), path.clone())).collect())
}

fn content_bytes(files: &BTreeMap<String, PathBuf>) -> Result<u64, MediaError> {
    fn size(path: &Path) -> Result<u64, MediaError> {
        let metadata = path.symlink_metadata().map_err(MediaError::io("READ", path))?;
        if !metadata.is_dir() {
            return Ok(metadata.len().next_multiple_of(2048));
        }
        // A directory's own sectors.
        let mut sum = 4096;
        for entry in std::fs::read_dir(path).map_err(MediaError::io("READ", path))? {
            sum += size(&entry.map_err(MediaError::io("READ", path))?.path())?;
        }
        Ok(sum)
    }
    files.values().map(|path| size(path)).sum()
}

/// Reads the boot record back, writes the list of what boots, and returns the size.
fn verify(inputs: &MediumInputs<'_>, written: &Path, loaders: &Loaders) -> Result<u64, MediaError> {
    let out = inputs.out;
    let wrong = |reason: String| MediaError::Verify { out: out.to_owned(), reason };
    let mut image = File::open(written).map_err(MediaError::io("READ", out))?;
    // xorriso may have replaced the file.
    image.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(MediaError::io("WRITE", out))?;
    let record = el_torito::read(&mut image).map_err(|e| wrong(e.to_string()))?;
    let size = image.metadata().map_err(MediaError::io("READ", out))?.len();
    if record.volume_id != volume_id(inputs.manifest) {
        return Err(wrong(format!("its volume id is {:?}", record.volume_id)));
    }
    if record.size_bytes > size {
        return Err(wrong(format!("it has {size} bytes, its filesystem says {}", record.size_bytes)));
    }
    if loaders.bios.is_some() && !(record.bios && record.usb) {
        return Err(wrong("its boot image for BIOS is empty".to_owned()));
    }
    if loaders.uefi.is_some() && !record.uefi {
        return Err(wrong("its boot image for UEFI is not a FAT filesystem".to_owned()));
    }
    if let Some((name, volume)) = inputs.files.iter().find(|(name, _)| boot_list::is_volume(inputs.manifest, name)) {
        read_back::compare_volume(written, name, volume, out)?;
    }
    boot_list::write(written, out, inputs.manifest, &record, inputs.seal)?;
    Ok(size)
}

pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), MediaError> {
    use std::io::Write as _;
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(MediaError::io("WRITE", path))?;
    file.write_all(bytes).map_err(MediaError::io("WRITE", path))
}

//! GRUB as a root filesystem has it: files for BIOS, signed or unsigned programs for UEFI.

use crate::error::MediaError;
use crate::esp::Piece;
use crate::menu::marker;
use lifeboat_machine::netboot;
use lifeboat_rescue::sysroot::Sysroot;
use lifeboat_sys::program::{GRUB_MKIMAGE, GRUB2_MKIMAGE};
use lifeboat_sys::{Invocation, Program, Runner};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What makes a medium bootable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaders {
    /// For BIOS.
    pub bios: Option<Bios>,
    /// For UEFI.
    pub uefi: Option<Uefi>,
    /// Which firmware is left out, and the package that adds it.
    pub warnings: Vec<String>,
}

/// GRUB for BIOS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bios {
    /// Its core image: an El Torito boot image, or one for the partition that a disk has for it.
    pub core: PathBuf,
    /// Its boot sector: for an image that is on a disk, or for a disk.
    pub boot_sector: PathBuf,
}

/// What GRUB is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// An ISO image, on a disc or on a disk.
    Image,
    /// A disk with partitions, and an ext4 filesystem.
    Disk,
}

impl Carrier {
    /// Boot sector, format of the core image, and modules that the other does not need.
    fn parts(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Carrier::Image => ("boot_hybrid.img", "i386-pc-eltorito", &[]),
            Carrier::Disk => ("boot.img", "i386-pc", &["ext2"]),
        }
    }
}

/// Programs for UEFI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uefi {
    /// Files of the EFI system partition.
    pub files: BTreeMap<String, Piece>,
    /// It boots under Secure Boot: a signed shim starts a signed GRUB, or a key of the machine's owner signed all of it.
    pub secure_boot: bool,
}

/// Modules in the core images: all that the menu uses, so that no module is loaded from the medium.
const MODULES: [&str; 26] = [
    "iso9660",
    "udf",
    "fat",
    "part_gpt",
    "part_msdos",
    "search",
    "search_fs_file",
    "search_label",
    "normal",
    "configfile",
    "linux",
    "chain",
    "echo",
    "test",
    "true",
    "regexp",
    "sleep",
    "serial",
    "terminal",
    "minicmd",
    "ls",
    "cat",
    "reboot",
    "halt",
    "help",
    "loadenv",
];
const BIOS_MODULES: [&str; 2] = ["biosdisk", "vga_text"];
const EFI_MODULES: [&str; 4] = ["efi_gop", "efi_uga", "all_video", "efifwsetup"];

/// Places of GRUB's own files for one platform.
const GRUB_DIRECTORIES: [&str; 2] = ["/usr/lib/grub", "/usr/share/grub2"];

/// Signed pairs of shim and GRUB, the best first. Debian's gcdx64 is made for discs; its grubx64 and those of other
/// distributions look for grub.cfg in a directory of their own, so the image has it there, too.
const SIGNED: [(&str, &str); 3] = [
    ("/usr/lib/shim/shimx64.efi.signed", "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"),
    ("/usr/lib/shim/shimx64.efi.signed.latest", "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"),
    ("/usr/lib/shim/shimx64.efi.signed", "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
];

/// The same pairs for the network.
const SIGNED_NET: [(&str, &str); 2] = [
    ("/usr/lib/shim/shimx64.efi.signed", "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"),
    ("/usr/lib/shim/shimx64.efi.signed.latest", "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"),
];
/// Modules that only a GRUB from the network needs.
const NET_MODULES: [&str; 2] = ["tftp", "http"];
const BIOS_NET_MODULES: [&str; 1] = ["pxe"];
const EFI_NET_MODULES: [&str; 1] = ["efinet"];

/// Directories below EFI/ of an installed system's ESP that hold a signed pair.
const VENDORS: [&str; 7] = ["fedora", "redhat", "centos", "rocky", "almalinux", "opensuse", "sles"];

/// MokManager, which shim starts when a key is to be enrolled.
const MOK_MANAGERS: [&str; 2] = ["/usr/lib/shim/mmx64.efi.signed", "/usr/lib/shim/mmx64.efi"];

/// Finds the loaders of `sysroot` and makes core images for a `carrier` in `work`. With `uefi` given, no loader for UEFI is searched.
///
/// # Errors
/// When files cannot be read or grub-mkimage fails.
pub fn find(
    sysroot: &Sysroot,
    uefi: Option<Uefi>,
    medium_id: &str,
    carrier: Carrier,
    work: &Path,
    runner: &dyn Runner,
) -> Result<Loaders, MediaError> {
    let mut loaders = Loaders::default();
    match platform(sysroot, "i386-pc", "cdboot.img")? {
        Some(directory) => loaders.bios = Some(bios(sysroot, &directory, medium_id, carrier, work, runner)?),
        None => loaders.warnings.push(
            "the medium does not boot on machines with BIOS: try installing the package grub-pc-bin and building it again"
                .to_owned(),
        ),
    }
    if uefi.is_some() {
        loaders.uefi = uefi;
        return Ok(loaders);
    }
    let mut programs = signed(sysroot)?;
    let secure_boot = programs.is_some();
    if programs.is_none()
        && let Some(directory) = platform(sysroot, "x86_64-efi", "kernel.img")?
    {
        programs = Some(BTreeMap::from([(
            "EFI/BOOT/BOOTX64.EFI".to_owned(),
            efi_core(&directory, medium_id, carrier, work, runner)?,
        )]));
        loaders.warnings.push(
            "the medium does not boot under Secure Boot: try installing the packages shim-signed and \
             grub-efi-amd64-signed and building it again"
                .to_owned(),
        );
    }
    match programs {
        Some(mut files) => {
            add_redirects(&mut files, medium_id);
            let files = files.into_iter().map(|(path, bytes)| (path, Piece::Bytes(bytes))).collect();
            loaders.uefi = Some(Uefi { files, secure_boot });
        }
        None => loaders.warnings.push(
            "the medium does not boot on machines with UEFI: try installing the packages shim-signed and \
             grub-efi-amd64-signed (or grub-efi-amd64-bin) and building it again"
                .to_owned(),
        ),
    }
    Ok(loaders)
}

/// What firmware loads over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetLoaders {
    /// For BIOS: a network bootstrap program.
    pub bios: Option<Vec<u8>>,
    /// For UEFI: files of the boot tree by their names there.
    pub uefi: BTreeMap<&'static str, Vec<u8>>,
    /// They boot under Secure Boot.
    pub secure_boot: bool,
    /// Which firmware is left out, and the package that adds it.
    pub warnings: Vec<String>,
}

/// Finds the loaders of `sysroot` for the network, and makes core images in `work`.
///
/// # Errors
/// When files cannot be read or grub-mkimage fails.
pub fn find_for_network(sysroot: &Sysroot, work: &Path, runner: &dyn Runner) -> Result<NetLoaders, MediaError> {
    let mut loaders = NetLoaders::default();
    let made = |format: &str, directory: &Path, prefix: &str, modules: &[&str]| {
        let out = work.join(format);
        let modules = [modules, &NET_MODULES].concat();
        core_image(&Core { format, directory, prefix, modules: &modules, configuration: None }, &out, runner)?;
        std::fs::read(&out).map_err(MediaError::io("READ", &out))
    };
    match platform(sysroot, "i386-pc", "pxeboot.img")? {
        Some(directory) => {
            let modules = [&BIOS_MODULES[..], &BIOS_NET_MODULES].concat();
            loaders.bios = Some(made("i386-pc-pxe", &directory, "(pxe)/grub", &modules)?);
        }
        None => loaders.warnings.push(
            "machines with BIOS start from this tree only by iPXE: try installing the package grub-pc-bin and building it again".to_owned(),
        ),
    }
    for (shim, grub) in SIGNED_NET {
        let (Some(shim), Some(grub)) = (sysroot.read(shim)?, sysroot.read(grub)?) else { continue };
        loaders.uefi = BTreeMap::from([(netboot::UEFI, shim), (netboot::UEFI_GRUB, grub)]);
        for path in MOK_MANAGERS {
            if let Some(manager) = sysroot.read(path)? {
                loaders.uefi.entry(netboot::UEFI_MOK).or_insert(manager);
            }
        }
        loaders.secure_boot = true;
        return Ok(loaders);
    }
    match platform(sysroot, "x86_64-efi", "kernel.img")? {
        Some(directory) => {
            let modules = [&EFI_MODULES[..], &EFI_NET_MODULES].concat();
            loaders.uefi = BTreeMap::from([(netboot::UEFI, made("x86_64-efi", &directory, "/grub", &modules)?)]);
            loaders.warnings.push(
                "machines do not start from this tree under Secure Boot: try installing the packages shim-signed and \
                 grub-efi-amd64-signed and building it again"
                    .to_owned(),
            );
        }
        None => loaders.warnings.push(
            "machines with UEFI start from this tree only by iPXE: try installing the packages shim-signed and \
             grub-efi-amd64-signed (or grub-efi-amd64-bin) and building it again"
                .to_owned(),
        ),
    }
    Ok(loaders)
}

/// The directory of a platform, outside, if it has `needed`.
fn platform(sysroot: &Sysroot, name: &str, needed: &str) -> Result<Option<PathBuf>, MediaError> {
    for directory in GRUB_DIRECTORIES {
        let directory = Path::new(directory).join(name);
        if let Some((_, outside)) = sysroot.file(&directory.join(needed))? {
            return Ok(outside.parent().map(Path::to_owned));
        }
    }
    Ok(None)
}

fn bios(
    sysroot: &Sysroot,
    directory: &Path,
    medium_id: &str,
    carrier: Carrier,
    work: &Path,
    runner: &dyn Runner,
) -> Result<Bios, MediaError> {
    let core = work.join("core.img");
    let (boot_sector, format, more) = carrier.parts();
    mkimage(format, directory, &[&BIOS_MODULES, more].concat(), medium_id, work, &core, runner)?;
    let boot_sector = directory.join(boot_sector);
    if !boot_sector.is_file() {
        return Err(MediaError::io("READ", &boot_sector)(std::io::ErrorKind::NotFound.into()));
    }
    tracing::debug!(root = %sysroot.root().display(), "GRUB for BIOS");
    Ok(Bios { core, boot_sector })
}

fn efi_core(
    directory: &Path,
    medium_id: &str,
    carrier: Carrier,
    work: &Path,
    runner: &dyn Runner,
) -> Result<Vec<u8>, MediaError> {
    let out = work.join("grubx64.efi");
    let (_, _, more) = carrier.parts();
    mkimage("x86_64-efi", directory, &[&EFI_MODULES, more].concat(), medium_id, work, &out, runner)?;
    std::fs::read(&out).map_err(MediaError::io("READ", &out))
}

fn mkimage(
    format: &str,
    directory: &Path,
    modules: &[&str],
    medium_id: &str,
    work: &Path,
    out: &Path,
    runner: &dyn Runner,
) -> Result<(), MediaError> {
    let configuration = work.join("load.cfg");
    std::fs::write(&configuration, redirect(medium_id, false)).map_err(MediaError::io("WRITE", &configuration))?;
    let core = Core { format, directory, prefix: "/boot/grub", modules, configuration: Some(&configuration) };
    core_image(&core, out, runner)
}

/// What a core image is made of, beside the modules that all have.
struct Core<'a> {
    format: &'a str,
    directory: &'a Path,
    prefix: &'a str,
    modules: &'a [&'a str],
    configuration: Option<&'a Path>,
}

fn core_image(core: &Core<'_>, out: &Path, runner: &dyn Runner) -> Result<(), MediaError> {
    let program: &'static Program =
        if !runner.has(GRUB_MKIMAGE) && runner.has(GRUB2_MKIMAGE) { GRUB2_MKIMAGE } else { GRUB_MKIMAGE };
    let mut call = Invocation::new(program).args(["-O", core.format, "-p", core.prefix, "-d"]).arg(core.directory);
    if let Some(configuration) = core.configuration {
        call = call.arg("-c").arg(configuration);
    }
    let call = call.arg("-o").arg(out).args(MODULES).args(core.modules);
    runner.run(&call)?;
    std::fs::set_permissions(out, std::fs::Permissions::from_mode(0o600)).map_err(MediaError::io("WRITE", out))
}

/// The signed programs, by their path on the ESP.
fn signed(sysroot: &Sysroot) -> Result<Option<BTreeMap<String, Vec<u8>>>, MediaError> {
    let vendors = VENDORS.map(|vendor| {
        let directory = format!("/boot/efi/EFI/{vendor}");
        (format!("{directory}/shimx64.efi"), format!("{directory}/gcdx64.efi"))
    });
    let vendors_grub = VENDORS.map(|vendor| {
        let directory = format!("/boot/efi/EFI/{vendor}");
        (format!("{directory}/shimx64.efi"), format!("{directory}/grubx64.efi"))
    });
    let known = SIGNED.map(|(shim, grub)| (shim.to_owned(), grub.to_owned()));
    for (shim, grub) in known.iter().chain(&vendors).chain(&vendors_grub) {
        let (Some(shim), Some(grub)) = (sysroot.read(shim)?, sysroot.read(grub)?) else { continue };
        let mut files = BTreeMap::from([
            ("EFI/BOOT/BOOTX64.EFI".to_owned(), shim),
            // shim starts the grubx64.efi beside it.
            ("EFI/BOOT/grubx64.efi".to_owned(), grub),
        ]);
        for path in MOK_MANAGERS {
            if let Some(manager) = sysroot.read(path)? {
                files.entry("EFI/BOOT/mmx64.efi".to_owned()).or_insert(manager);
            }
        }
        return Ok(Some(files));
    }
    Ok(None)
}

/// The grub.cfg that a GRUB finds at its built-in path on the ESP, and that leads to the one on the medium.
fn add_redirects(files: &mut BTreeMap<String, Vec<u8>>, medium_id: &str) {
    let text = redirect(medium_id, true).into_bytes();
    for directory in ["boot/grub", "EFI/BOOT", "EFI/debian", "EFI/ubuntu"].into_iter().map(str::to_owned) {
        files.insert(format!("{directory}/grub.cfg"), text.clone());
    }
    for vendor in VENDORS {
        files.insert(format!("EFI/{vendor}/grub.cfg"), text.clone());
    }
}

/// Finds the medium by its marker and continues there. Built into a core image, `normal` reads the menu by itself.
fn redirect(medium_id: &str, with_menu: bool) -> String {
    let mut text =
        format!("search --no-floppy --file --set=root {}\nset prefix=($root)/boot/grub\n", marker(medium_id));
    if with_menu {
        text.push_str("configfile ($root)/boot/grub/grub.cfg\n");
    }
    text
}

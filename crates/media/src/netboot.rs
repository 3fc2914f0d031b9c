//! The boot tree ([`lifeboat_machine::netboot`]): what machines start from over the network.
//!
//! A machine's folder is made beside the old one and takes its place as a whole; the menus are written after that.

use crate::boot_list::Seal;
use crate::error::MediaError;
use crate::grub;
use crate::ipxe;
use crate::iso::{MediumInputs, check_names, write_iso};
use crate::netboot_menu::{self, MachineMenu};
use lifeboat_machine::BootList;
use lifeboat_machine::boot_list::BOOT_LIST;
use lifeboat_machine::manifest::FORMAT;
use lifeboat_machine::netboot::{
    ARMED, BIOS, ENTRY, Entry, GRUB_MENU, IPXE, ISO, MACHINES, MENU, UEFI_GRUB, is_folder,
};
use lifeboat_rescue::sysroot::Sysroot;
use lifeboat_sys::{Runner, durable};
use rustix::fs::{FlockOperation, RenameFlags};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What one at a time may change.
const LOCK: &str = ".lock";
/// The menu of a machine for iPXE, in its folder.
const MACHINE_IPXE: &str = "menu.ipxe";

/// What a machine in the tree is made from, beside the files of its medium.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The tree.
    pub tree: &'a Path,
    /// How it is known.
    pub entry: &'a Entry,
    /// The tree's address for machines, when it is not that of the server they start from.
    pub url: Option<&'a str>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetbootReport {
    /// The folder of the machine.
    pub folder: PathBuf,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The tree starts machines with BIOS without an iPXE of their own.
    pub bios: bool,
    /// The same with UEFI.
    pub uefi: bool,
    /// It does so under Secure Boot.
    pub secure_boot: bool,
    /// The machine is recovered without a question as soon as it starts from the tree.
    pub armed: bool,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Writes a machine into the tree, which `inputs.out` is.
///
/// # Errors
/// [`MediaError`]; then the machine is in the tree as it was before.
pub fn write(inputs: &MediumInputs<'_>, place: &Place<'_>, runner: &dyn Runner) -> Result<NetbootReport, MediaError> {
    check_names(inputs)?;
    let (tree, work) = (place.tree, inputs.work);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(work).map_err(MediaError::io("MAKE", work))?;
    let loaders = grub::find_for_network(&Sysroot::new(inputs.sysroot), work, runner)?;
    let machines = tree.join(MACHINES);
    make(&machines, 0o755)?;
    let _lock = lock(tree)?;
    let name = Entry::folder(&place.entry.machine_name, &place.entry.machine_id);
    let (folder, new) = (machines.join(&name), machines.join(format!(".{name}.new")));
    remove(&new)?;
    let menu = MachineMenu { menu: inputs.menu, folder: &name, archive: inputs.manifest.has_archive() };
    // Half a machine would only take room, which may be what it failed for.
    let size_bytes = fill(inputs, place, &menu, &new, runner).inspect_err(|_| drop(remove(&new)))?;
    exchange(&new, &folder)?;
    let warnings = finish(tree, loaders, inputs, place)?;
    let there = |name: &str| tree.join(name).is_file();
    Ok(NetbootReport {
        folder,
        size_bytes,
        bios: there(BIOS),
        uefi: there(lifeboat_machine::netboot::UEFI),
        secure_boot: there(UEFI_GRUB),
        armed: menu.is_armed(),
        warnings,
    })
}

/// Writes all of a machine into a new folder; returns its size.
fn fill(
    inputs: &MediumInputs<'_>,
    place: &Place<'_>,
    menu: &MachineMenu<'_>,
    new: &Path,
    runner: &dyn Runner,
) -> Result<u64, MediaError> {
    // What holds a key is for the server alone, which reads it as root or as the owner of the tree.
    let modes = if inputs.manifest.embedded_key { (0o700, 0o600) } else { (0o755, 0o644) };
    let mut size_bytes = 0;
    for (path, source) in inputs.files {
        size_bytes += copy(source, &new.join("lifeboat").join(path), modes)?;
    }
    let json = serde_json::to_vec_pretty(place.entry).map_err(|error| MediaError::io("WRITE", new)(error.into()))?;
    let mut texts = BTreeMap::from([
        (ENTRY, json),
        (MENU, menu.grub_cfg().into_bytes()),
        (MACHINE_IPXE, ipxe::of_machine(menu).into_bytes()),
    ]);
    if menu.is_armed() {
        texts.insert(ARMED, menu.armed().into_bytes());
    }
    for (path, text) in &texts {
        put(&new.join(path), text, modes.1)?;
    }
    if let Some(url) = place.url {
        size_bytes += image(inputs, menu, url, &new.join(ISO), modes.1, runner)?;
    }
    let list = boot_list(inputs, new, texts.keys().filter(|name| **name != ARMED), inputs.seal)?;
    put(&new.join("lifeboat").join(BOOT_LIST), &list.to_json(), modes.1)?;
    Ok(size_bytes)
}

/// An image with the rescue system, which firmware loads whole by HTTP and boots as a disc: there GRUB needs no network, of which Debian 12's
/// knows nothing after an HTTP boot. Its menu cannot ask whether the machine is armed: the server offers it only then. Returns its size; 0 when
/// nothing starts by UEFI.
fn image(
    inputs: &MediumInputs<'_>,
    machine: &MachineMenu<'_>,
    url: &str,
    out: &Path,
    mode: u32,
    runner: &dyn Runner,
) -> Result<u64, MediaError> {
    let files =
        inputs.files.iter().filter(|(name, _)| ["kernel", "initrd.img", "manifest.json"].contains(&name.as_str()));
    let files = files.map(|(name, path)| (name.clone(), path.clone())).collect();
    let mut menu = inputs.menu.clone();
    machine.default().0.clone_into(&mut menu.default);
    // Not the card that was started from, which only the firmware knows: the first that gets an address.
    menu.parameters.extend(machine.parameters(url, None));
    let work = inputs.work.join("iso");
    let of_image = MediumInputs { out, work: &work, files: &files, menu: &menu, signing: None, ..*inputs };
    match write_iso(&of_image, runner) {
        Ok(report) if report.uefi => set_mode(out, mode).map(|()| report.size_bytes),
        Ok(_) => remove_file(out).map(|()| 0),
        Err(MediaError::NoLoader { .. }) => Ok(0),
        Err(error) => Err(error),
    }
}

fn remove_file(path: &Path) -> Result<(), MediaError> {
    std::fs::remove_file(path).map_err(MediaError::io("REMOVE", path))
}

/// Takes a machine out of the tree.
///
/// # Errors
/// When there is none, or its folder cannot be removed.
pub fn forget(tree: &Path, folder: &str, url: Option<&str>) -> Result<(), MediaError> {
    let _lock = lock(tree)?;
    let machines = tree.join(MACHINES);
    let (path, old) = (machines.join(folder), machines.join(format!(".{folder}.old")));
    remove(&old)?;
    std::fs::rename(&path, &old).map_err(MediaError::io("REMOVE", &path))?;
    menus(tree, url)?;
    remove(&old)
}

/// The machines of a tree.
#[derive(Clone, Debug, Default)]
pub struct Machines {
    /// Each with its folder.
    pub entries: Vec<(String, Entry)>,
    /// What could not be read.
    pub faults: Vec<String>,
}

/// Reads the machines of a tree.
///
/// # Errors
/// When the tree cannot be read.
pub fn machines(tree: &Path) -> Result<Machines, MediaError> {
    let folder = tree.join(MACHINES);
    let mut found = Machines::default();
    let list = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        list => list.map_err(MediaError::io("READ", &folder))?,
    };
    for entry in list {
        let entry = entry.map_err(MediaError::io("READ", &folder))?;
        let Some(name) = entry.file_name().to_str().filter(|name| is_folder(name)).map(str::to_owned) else { continue };
        let path = entry.path().join(ENTRY);
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        match read.and_then(|json| Entry::from_json(&json)) {
            Ok(entry) => found.entries.push((name, entry)),
            Err(why) => found.faults.push(format!("{} is not in the menu: {why}", path.display())),
        }
    }
    found.entries.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

fn lock(tree: &Path) -> Result<File, MediaError> {
    let path = tree.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(MediaError::io("LOCK", &path))?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)
        .map_err(|error| MediaError::io("LOCK", &path)(error.into()))?;
    Ok(file)
}

/// Loaders and menus, after the machine is in its place.
fn finish(
    tree: &Path,
    loaders: grub::NetLoaders,
    inputs: &MediumInputs<'_>,
    place: &Place<'_>,
) -> Result<Vec<String>, MediaError> {
    let mut warnings = loaders.warnings;
    if let Some(bios) = &loaders.bios {
        replace(&tree.join(BIOS), bios)?;
    }
    let has_signed = tree.join(UEFI_GRUB).is_file();
    if has_signed && !loaders.secure_boot && !loaders.uefi.is_empty() {
        warnings = vec!["the tree keeps the signed loaders that another machine brought".to_owned()];
    } else {
        // GRUB before shim, which starts it.
        for (name, bytes) in loaders.uefi.iter().rev() {
            replace(&tree.join(name), bytes)?;
        }
    }
    if inputs.signing.is_some() {
        warnings.push(
            "over the network machines start by the distribution's signed loaders: the signing key of [media] is not used".to_owned(),
        );
    }
    let words = inputs.menu.parameters.iter().chain(inputs.menu.entries.iter().flat_map(|entry| &entry.parameters));
    for word in words.filter(|word| !ipxe::is_word(word)) {
        warnings
            .push(format!("iPXE cannot pass the kernel parameter {word:?} on; machines that start by it do without"));
    }
    warnings.extend(menus(tree, place.url)?);
    Ok(warnings)
}

/// Writes the menus that find out who starts.
fn menus(tree: &Path, url: Option<&str>) -> Result<Vec<String>, MediaError> {
    let Machines { entries, faults } = machines(tree)?;
    let grub = tree.join(GRUB_MENU);
    let above = grub.parent().unwrap_or(tree);
    make(above, 0o755)?;
    replace(&grub, netboot_menu::grub_cfg(&entries, url).as_bytes())?;
    replace(&tree.join(IPXE), ipxe::script(&entries, url).as_bytes())?;
    Ok(faults)
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), MediaError> {
    if std::fs::read(path).is_ok_and(|found| found == bytes) {
        return Ok(());
    }
    let new = path.with_extension("new");
    durable::write(path, &new, bytes, 0o644).map_err(MediaError::io("WRITE", path))?;
    set_mode(path, 0o644)
}

/// The list of what boots.
fn boot_list<'a>(
    inputs: &MediumInputs<'_>,
    folder: &Path,
    menus: impl Iterator<Item = &'a &'static str>,
    seal: Option<&Seal<'_>>,
) -> Result<BootList, MediaError> {
    let of_lifeboat = ["kernel", "initrd.img", "manifest.json"].map(|name| format!("lifeboat/{name}"));
    let mut files = BTreeMap::new();
    for name in of_lifeboat.into_iter().chain(menus.map(|name| (*name).to_owned())) {
        let digest = crate::digest::digest(&folder.join(&name))?;
        files.insert(name, digest);
    }
    let mut list = BootList {
        format: FORMAT,
        lifeboat: inputs.manifest.lifeboat.clone(),
        medium_id: inputs.manifest.medium_id.clone(),
        image_bytes: 0,
        files,
        ranges: vec![],
        seal: None,
    };
    if let Some(seal) = seal {
        let wrong = |reason: String| MediaError::Verify { out: folder.to_owned(), reason };
        list.seal = Some(seal(&list.medium_id, &list.sealed_bytes()).map_err(wrong)?);
    }
    Ok(list)
}

/// The new folder takes the place of the old one, which is removed.
fn exchange(new: &Path, folder: &Path) -> Result<(), MediaError> {
    let failed = |error: rustix::io::Errno| MediaError::io("RENAME", folder)(error.into());
    let here = rustix::fs::CWD;
    match rustix::fs::renameat_with(here, new, here, folder, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(rustix::io::Errno::NOENT) => std::fs::rename(new, folder).map_err(MediaError::io("RENAME", folder))?,
        // Filesystems that cannot exchange: for a moment there is none.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            let old = new.with_extension("old");
            remove(&old)?;
            std::fs::rename(folder, &old).map_err(MediaError::io("RENAME", folder))?;
            std::fs::rename(new, folder).map_err(MediaError::io("RENAME", folder))?;
            remove(&old)?;
        }
        Err(error) => return Err(failed(error)),
    }
    durable::sync_name(folder).map_err(MediaError::io("SYNC", folder))?;
    remove(new)
}

fn remove(path: &Path) -> Result<(), MediaError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(MediaError::io("REMOVE", path)(error)),
        _ => Ok(()),
    }
}

/// Makes a folder with missing parents. Its mode is what was said, whatever the umask is.
fn make(folder: &Path, mode: u32) -> Result<(), MediaError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make(above, mode)?;
    }
    std::fs::create_dir(folder).map_err(MediaError::io("MAKE", folder))?;
    set_mode(folder, mode)
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), MediaError> {
    durable::write_new(path, bytes, mode).map_err(MediaError::io("WRITE", path))?;
    set_mode(path, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), MediaError> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(MediaError::io("WRITE", path))
}

/// A file, or a folder with its files, with these modes of folders and files. Returns the bytes.
fn copy(source: &Path, target: &Path, modes: (u32, u32)) -> Result<u64, MediaError> {
    make(target.parent().unwrap_or(target), modes.0)?;
    if source.is_dir() {
        let mut bytes = 0;
        for entry in std::fs::read_dir(source).map_err(MediaError::io("READ", source))? {
            let entry = entry.map_err(MediaError::io("READ", source))?;
            bytes += copy(&entry.path(), &target.join(entry.file_name()), modes)?;
        }
        return Ok(bytes);
    }
    let mut from = File::open(source).map_err(MediaError::io("READ", source))?;
    let mut to = File::create_new(target).map_err(MediaError::io("WRITE", target))?;
    let bytes = io::copy(&mut from, &mut to).map_err(MediaError::io("WRITE", target))?;
    to.set_permissions(std::fs::Permissions::from_mode(modes.1)).map_err(MediaError::io("WRITE", target))?;
    to.sync_all().map_err(MediaError::io("WRITE", target))?;
    Ok(bytes)
}

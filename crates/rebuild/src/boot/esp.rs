//! Files on the EFI system partition. Names there have no case, whatever holds the copy at hand.

use crate::error::RebuildError;
use lifeboat_machine::boot::Loader;
use std::path::{Path, PathBuf};

/// Suffix of EFI programs for an architecture (UEFI specification, 3.5.1.1).
pub fn suffix(architecture: &str) -> &'static str {
    match architecture {
        "aarch64" => "aa64",
        "i386" | "i486" | "i586" | "i686" => "ia32",
        "arm" | "armv7l" => "arm",
        "riscv64" => "riscv64",
        "loongarch64" => "loongarch64",
        _ => "x64",
    }
}

/// Finds a path below `directory` without regard to case.
pub fn find(directory: &Path, path: &str) -> Option<PathBuf> {
    let mut found = directory.to_owned();
    for part in path.split(['/', '\\']).filter(|part| !part.is_empty()) {
        let entries = std::fs::read_dir(&found).ok()?;
        let name = entries.flatten().map(|entry| entry.file_name()).find(|name| name.eq_ignore_ascii_case(part))?;
        found.push(name);
    }
    Some(found)
}

/// The file that the loader's boot entry starts, and the files that go to the removable path with the names they need
/// there; the first one is the one that firmware starts.
fn removable_files(loader: &Loader, suffix: &str) -> Vec<(String, String)> {
    let boot = format!("EFI/BOOT/BOOT{}.EFI", suffix.to_ascii_uppercase());
    match loader {
        Loader::GrubBios { .. } => vec![],
        // Shim looks for GRUB and MokManager beside itself.
        Loader::GrubEfi { vendor, shim: true, .. } => vec![
            (format!("EFI/{vendor}/shim{suffix}.efi"), boot),
            (format!("EFI/{vendor}/grub{suffix}.efi"), format!("EFI/BOOT/grub{suffix}.efi")),
            (format!("EFI/{vendor}/mm{suffix}.efi"), format!("EFI/BOOT/mm{suffix}.efi")),
        ],
        Loader::GrubEfi { vendor, .. } => vec![(format!("EFI/{vendor}/grub{suffix}.efi"), boot)],
        Loader::SystemdBoot { .. } => vec![(format!("EFI/systemd/systemd-boot{suffix}.efi"), boot)],
    }
}

/// The file that must be there for a loader to start.
pub fn main_file(loader: &Loader, esp: &Path, suffix: &str) -> Option<PathBuf> {
    let (source, boot) = removable_files(loader, suffix).into_iter().next()?;
    find(esp, &source).or_else(|| find(esp, &boot))
}

/// Puts a loader at the removable path, from which firmware starts disks that it has no boot entry for. What lies
/// there stays. Reports whether anything was put there.
///
/// # Errors
/// When a file cannot be copied.
pub fn ensure_removable(loader: &Loader, esp: &Path, suffix: &str) -> Result<bool, RebuildError> {
    let files = removable_files(loader, suffix);
    if files.first().is_none_or(|(_, boot)| find(esp, boot).is_some()) {
        return Ok(false);
    }
    let efi = find(esp, "EFI").unwrap_or_else(|| esp.join("EFI"));
    let directory = find(&efi, "BOOT").unwrap_or_else(|| efi.join("BOOT"));
    std::fs::create_dir_all(&directory).map_err(RebuildError::io("MAKE the directory", &directory))?;
    // The one that firmware looks for goes last: it must not be there without those that it needs.
    for (source, target) in files.iter().rev() {
        let Some(source) = find(esp, source) else { continue };
        let Some(name) = Path::new(target).file_name() else { continue };
        let target = directory.join(name);
        std::fs::copy(&source, &target).map_err(RebuildError::io("WRITE", &target))?;
    }
    Ok(true)
}

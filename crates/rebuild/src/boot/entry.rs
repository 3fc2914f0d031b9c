//! EFI boot entries, written to efivarfs directly: one way for every rescue system, and the variables of `Boot####` are
//! among those that efivarfs lets be changed freely (kernel, fs/efivarfs/vars.c, variable_validate).

use super::load_option::{HardDrive, LoadOption, Signature};
use super::{esp, loader};
use crate::context::Context;
use crate::error::RebuildError;
use crate::make::crc::parse_uuid;
use base64::Engine as _;
use lifeboat_machine::boot::{EfiEntry, Loader};
use lifeboat_machine::layout::TableKind;
use lifeboat_plan::Step;
use lifeboat_sys::mount;
use std::path::{Path, PathBuf};

/// Vendor GUID of the variables of the UEFI specification.
const GLOBAL: &str = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// NON_VOLATILE | BOOTSERVICE_ACCESS | RUNTIME_ACCESS.
const ATTRIBUTES: u32 = 7;

/// Makes a boot entry and puts it where it was in the order; older ones of the same name and file go away. When the
/// firmware takes none, the loader goes to the removable path, and the answer says so.
///
/// # Errors
/// When neither way is open.
pub fn make(context: &Context, entry: &EfiEntry, disk: &str, partition: u32) -> Result<Vec<String>, RebuildError> {
    let drive = drive(context, entry, disk, partition)?;
    let data = entry.arguments.as_deref().map(|text| base64::engine::general_purpose::STANDARD.decode(text));
    let data = data.transpose().map_err(|error| RebuildError::Boot {
        what: format!("the EFI boot entry \"{}\"", entry.label),
        reason: format!("its recorded arguments are not base64: {error}"),
    })?;
    let option =
        LoadOption { label: entry.label.clone(), drive, file: entry.loader.clone(), data: data.unwrap_or_default() };
    // Entries follow their partitions to others, so those of the plan count.
    let planned = context.plan.steps.iter().filter_map(|step| {
        let Step::MakeEfiEntry { entry, .. } = step else { return None };
        Some(entry)
    });
    let place = planned.into_iter().position(|other| other == entry).unwrap_or(0);
    match mounted(&context.efivars).and_then(|()| store(&context.efivars, &option, place)) {
        Ok(()) => Ok(vec![]),
        Err(error) => fall_back(context, entry, &error),
    }
}

fn fall_back(context: &Context, entry: &EfiEntry, error: &std::io::Error) -> Result<Vec<String>, RebuildError> {
    let suffix = esp::suffix(&context.machine.architecture);
    let esp_of = |loader: &Loader| match loader {
        Loader::GrubEfi { esp, .. } | Loader::SystemdBoot { esp, .. } => Some(context.resolved(esp.as_path())),
        Loader::GrubBios { .. } => None,
    };
    // The loader that this entry starts, else the first one for UEFI.
    let starts = |loader: &&Loader| match loader {
        Loader::GrubEfi { vendor, .. } => {
            entry.loader.to_lowercase().contains(&format!("\\{}\\", vendor.to_lowercase()))
        }
        Loader::SystemdBoot { .. } => entry.loader.to_lowercase().contains("systemd"),
        Loader::GrubBios { .. } => false,
    };
    let loaders = &context.machine.boot.loaders;
    let chosen = loaders.iter().find(starts).or_else(|| loaders.iter().find(|loader| esp_of(loader).is_some()));
    let Some((chosen, directory)) = chosen.and_then(|loader| Some((loader, esp_of(loader)?))) else {
        return Err(RebuildError::Boot {
            what: format!("the EFI boot entry \"{}\"", entry.label),
            reason: format!("the firmware rejected it: {error}"),
        });
    };
    esp::ensure_removable(chosen, &directory, suffix)?;
    Ok(vec![format!(
        "the firmware rejected the boot entry \"{}\" ({error}); {} starts from the removable path EFI/BOOT",
        entry.label,
        loader::name(chosen)
    )])
}

/// The partition as the new table has it.
fn drive(context: &Context, entry: &EfiEntry, disk: &str, partition: u32) -> Result<HardDrive, RebuildError> {
    let wrong = |reason: String| RebuildError::Boot { what: format!("the EFI boot entry \"{}\"", entry.label), reason };
    let written = context.plan.steps.iter().find_map(|step| {
        let Step::WriteTable { disk: written, table, entries, .. } = step else { return None };
        (written == disk).then_some((table, entries))
    });
    let found = written.and_then(|(table, entries)| {
        entries.iter().find(|entry| entry.number == partition).map(|entry| (table, entry))
    });
    let (table, written) =
        found.ok_or_else(|| wrong(format!("the plan creates no partition {partition} on {disk}")))?;
    let (start, sectors) = (written.start_sector, written.sectors);
    let signature = match (table.kind, written.uuid.as_deref().and_then(parse_uuid)) {
        (TableKind::Mbr, _) => u32::from_str_radix(table.id.trim_start_matches("0x"), 16).ok().map(Signature::Mbr),
        (TableKind::Gpt, Some(guid)) => Some(Signature::Gpt(guid)),
        (TableKind::Gpt, None) => None,
    };
    let signature =
        signature.ok_or_else(|| wrong(format!("{} has no UUID or disk id in its partition table", entry.device)))?;
    Ok(HardDrive { partition, start, sectors, signature })
}

/// The firmware's variables are there, mounted if need be.
fn mounted(efivars: &Path) -> std::io::Result<()> {
    let empty = std::fs::read_dir(efivars)?.next().is_none();
    if empty && efivars.starts_with("/sys") {
        mount::mount("efivarfs", efivars, "efivarfs", &["nosuid", "nodev", "noexec"]).map_err(|error| error.source)?;
    }
    Ok(())
}

/// Writes the entry and the order.
fn store(efivars: &Path, option: &LoadOption, place: usize) -> std::io::Result<()> {
    let mut order = read_order(efivars)?;
    let mut used = vec![];
    for number in numbers(efivars)? {
        let known = std::fs::read(variable(efivars, &format!("Boot{number:04X}"))).ok();
        let known = known.and_then(|bytes| LoadOption::decode(bytes.get(4..)?));
        // An entry of the same name and file: of this disk, or of one that was lost.
        if known.is_some_and(|known| known.label == option.label && same_file(&known.file, &option.file)) {
            std::fs::remove_file(variable(efivars, &format!("Boot{number:04X}")))?;
            order.retain(|other| *other != number);
        } else {
            used.push(number);
        }
    }
    // Entries that are in the order but not there are no reason to take their number.
    let number = (0..=u16::MAX).find(|number| !used.contains(number) && !order.contains(number)).unwrap_or(u16::MAX);
    write_variable(efivars, &format!("Boot{number:04X}"), &option.encode())?;
    order.insert(place.min(order.len()), number);
    let bytes: Vec<u8> = order.iter().flat_map(|number| number.to_le_bytes()).collect();
    write_variable(efivars, "BootOrder", &bytes)
}

fn same_file(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

fn variable(efivars: &Path, name: &str) -> PathBuf {
    efivars.join(format!("{name}-{GLOBAL}"))
}

fn read_order(efivars: &Path) -> std::io::Result<Vec<u16>> {
    match std::fs::read(variable(efivars, "BootOrder")) {
        Ok(bytes) => {
            Ok(bytes.get(4..).unwrap_or_default().chunks_exact(2).map(|n| u16::from_le_bytes([n[0], n[1]])).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
        Err(error) => Err(error),
    }
}

/// Numbers of the `Boot####` variables.
fn numbers(efivars: &Path) -> std::io::Result<Vec<u16>> {
    let mut found = vec![];
    for entry in std::fs::read_dir(efivars)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let digits = name.strip_prefix("Boot").and_then(|rest| rest.strip_suffix(&format!("-{GLOBAL}")));
        found.extend(digits.filter(|digits| digits.len() == 4).and_then(|digits| u16::from_str_radix(digits, 16).ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// efivarfs takes attributes and value in one write(2) only.
fn write_variable(efivars: &Path, name: &str, value: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut bytes = ATTRIBUTES.to_le_bytes().to_vec();
    bytes.extend_from_slice(value);
    let path = variable(efivars, name);
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    let written = file.write(&bytes)?;
    if written != bytes.len() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::WriteZero,
            "the firmware stored only part of the variable",
        ));
    }
    // On efivarfs a write replaces the variable; anywhere else a longer one must be cut.
    if file.metadata()?.len() > bytes.len() as u64 {
        file.set_len(bytes.len() as u64)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(label: &str, guid: u8) -> LoadOption {
        let drive = HardDrive { partition: 1, start: 2048, sectors: 4096, signature: Signature::Gpt([guid; 16]) };
        LoadOption { label: label.into(), drive, file: "\\EFI\\debian\\shimx64.efi".into(), data: vec![] }
    }

    #[test]
    fn stale_duplicates_go_and_the_order_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let efivars = directory.path();
        store(efivars, &option("debian", 1), 0).unwrap();
        store(efivars, &option("PXE", 9), 0).unwrap();
        assert_eq!(read_order(efivars).unwrap(), [1, 0]);
        store(efivars, &option("debian", 2), 0).unwrap();
        assert_eq!(numbers(efivars).unwrap(), [0, 1]);
        assert_eq!(read_order(efivars).unwrap(), [0, 1]);
        let bytes = std::fs::read(variable(efivars, "Boot0000")).unwrap();
        assert_eq!(bytes[..4], [7, 0, 0, 0]);
        assert_eq!(LoadOption::decode(&bytes[4..]), Some(option("debian", 2)));
        // Again: nothing changes.
        store(efivars, &option("debian", 2), 0).unwrap();
        assert_eq!(read_order(efivars).unwrap(), [0, 1]);
    }
}

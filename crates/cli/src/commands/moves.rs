//! `lifeboat layout edit`, and what `layout plan --onto` plans for.

use crate::command::{LayoutEditArgs, MoveArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::job::layout::{bytes, check, read};
use crate::session::Session;
use lifeboat_machine::bytes::parse_size;
use lifeboat_machine::layout::Disk;
use lifeboat_machine::{DeviceId, DeviceKind, DiskContent, FoundDisk, FoundHardware, Machine};
use lifeboat_plan::{FilesystemKind, Move, SecondDisk, consequence, moves};
use lifeboat_sys::names::folder_of;
use serde::Deserialize;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// Makes a new description: by moves, or in an editor.
pub fn edit(session: &Session, args: &LayoutEditArgs) -> CommandResult {
    let recorded = read(&args.file)?;
    if args.out.exists() {
        return Err(CommandError::usage(format!("--out {} exists", args.out.display())).hint("another name"));
    }
    let mut machine = recorded.clone();
    let mut list = steps(&args.moves);
    let by_editor = list.is_empty();
    if by_editor {
        machine = by_hand(&recorded, &args.file, &args.out)?;
    }
    list.reverse();
    while let Some(step) = list.pop() {
        let one = step.parse(&machine, args.moves.luks_key.as_deref())?;
        machine = one.apply(&machine).map_err(|refusal| {
            CommandError::refused(format!("cannot CHANGE {}: {}; nothing was written", refusal.device, refusal.reason))
        })?;
        session.reporter.note(one.to_string());
    }
    check(&recorded, &machine)?;
    lifeboat_sys::durable::write_new(&args.out, &machine.to_json(), 0o600)
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", args.out.display())))?;
    session.reporter.value(&machine);
    session.reporter.lines(super::layout::text(&machine));
    for one in consequence::required(&recorded, &machine) {
        session.reporter.note(format!("{} needs the package {} in the machine's system", one.what, one.package));
    }
    for (device, crypt) in keys_to_type(&recorded, &machine) {
        session.reporter.note(format!(
            "{device} is opened before any file can be read: the passphrase in {crypt}, one line of text, is typed at each boot"
        ));
    }
    let out = args.out.display();
    session.reporter.note(format!(
        "{out} is written. Look at what it would do: 'lifeboat layout plan --layout {out}'. Use it: 'lifeboat rescue --layout {out} …', or \
         'lifeboat restore --layout {out}' in the rescue system"
    ));
    Ok(())
}

/// Mappings that are new, and whose key file lies behind them: its content is typed at each boot. The second is the file.
fn keys_to_type<'m>(recorded: &Machine, machine: &'m Machine) -> Vec<(&'m str, &'m str)> {
    let crypts = |machine: &'m Machine| {
        machine.layout.devices.iter().filter_map(|device| match &device.kind {
            DeviceKind::Crypt(crypt) => Some(crypt),
            _ => None,
        })
    };
    let known = |name: &str| {
        let same = |kind: &DeviceKind| matches!(kind, DeviceKind::Crypt(crypt) if crypt.name == name);
        recorded.layout.devices.iter().any(|device| same(&device.kind))
    };
    let new = crypts(machine).filter(|crypt| !known(&crypt.name) && consequence::is_typed(machine, &crypt.name));
    new.filter_map(|crypt| Some((crypt.name.as_str(), crypt.key_file.as_deref()?))).collect()
}

/// A person edits a copy. What cannot be read afterwards is kept beside the new file.
fn by_hand(recorded: &Machine, file: &Path, out: &Path) -> Result<Machine, CommandError> {
    let failed = |what: &str, path: &Path, error: &dyn std::fmt::Display| {
        CommandError::new(Kind::Failed, format!("cannot {what} {}: {error}", path.display()))
    };
    let named = ["VISUAL", "EDITOR"].into_iter().find_map(std::env::var_os).filter(|name| !name.is_empty());
    let editor = named.unwrap_or_else(|| "vi".into());
    let mut draft = out.as_os_str().to_owned();
    draft.push(".draft");
    let draft = std::path::PathBuf::from(draft);
    // The editor uses it by its path.
    guarded::refuse_folder("the folder", folder_of(&draft))?;
    match std::fs::symlink_metadata(&draft) {
        Ok(found) if found.is_file() && found.uid() == rustix::process::geteuid().as_raw() => {}
        Ok(_) => {
            let text = format!("cannot USE {}: it is not a file of ours", draft.display());
            return Err(CommandError::refused(text).hint("another name for --out"));
        }
        Err(_) => {
            let text = std::fs::read(file).map_err(|error| failed("READ", file, &error))?;
            let written = lifeboat_sys::durable::write_new(&draft, &text, 0o600);
            written.map_err(|error| failed("WRITE", &draft, &error))?;
        }
    }
    // As git and crontab do: the variable may have options.
    let status = Command::new("sh").arg("-c").arg("eval \"exec $0 \\\"\\$1\\\"\"").arg(&editor).arg(&draft).status();
    let status = status.map_err(|error| failed("RUN", Path::new(&editor), &error))?;
    if !status.success() {
        let text = format!("the editor ended with {status}; what was typed is in {}", draft.display());
        return Err(CommandError::new(Kind::Failed, text));
    }
    let machine = read(&draft)
        .and_then(|machine| check(recorded, &machine).map(|()| machine))
        .map_err(|error| error.hint(format!("the same command again: it goes on with {}", draft.display())))?;
    std::fs::remove_file(&draft).map_err(|error| failed("REMOVE", &draft, &error))?;
    Ok(machine)
}

/// The size of a disk; a number without a unit counts MiB.
fn size(text: &str) -> Option<u64> {
    parse_size(text, 1 << 20).filter(|bytes| *bytes > 0)
}

/// A move as it was typed.
struct Typed<'a> {
    option: &'static str,
    value: &'a str,
}

/// All moves in the order in which they are made.
fn steps(args: &MoveArgs) -> Vec<Typed<'_>> {
    let lists: [(&'static str, &Vec<String>); 9] = [
        ("raid1-to-disk", &args.raid1_to_disk),
        ("from-lvm", &args.from_lvm),
        ("decrypt", &args.decrypt),
        ("add-disk", &args.add_disk),
        ("move", &args.to_disk),
        ("filesystem", &args.filesystem),
        ("disk-to-raid1", &args.disk_to_raid1),
        ("to-lvm", &args.to_lvm),
        ("encrypt", &args.encrypt),
    ];
    lists.into_iter().flat_map(|(option, values)| values.iter().map(move |value| Typed { option, value })).collect()
}

impl Typed<'_> {
    fn wrong(&self, expected: &str) -> CommandError {
        CommandError::usage(format!("--{} {}: {expected}", self.option, self.value))
    }

    fn device(&self, machine: &Machine, name: &str) -> Result<DeviceId, CommandError> {
        moves::find(machine, name).ok_or_else(|| {
            self.wrong(&format!("the machine has no device {name}, or several answer to that name"))
                .hint("an id as 'lifeboat layout show' lists it, a path, a mount point, a label or a UUID")
        })
    }

    /// What was typed, for a machine as it is after the moves before.
    fn parse(&self, machine: &Machine, key_file: Option<&str>) -> Result<Move, CommandError> {
        let (first, rest) = match self.value.split_once(':') {
            Some((first, rest)) if !rest.is_empty() => (first, Some(rest)),
            Some((first, _)) => (first, None),
            None => (self.value, None),
        };
        let second = |text: Option<&str>| match text {
            None => SecondDisk::New { identity: None, size_bytes: None },
            Some(text) => match moves::find(machine, text) {
                Some(id) => SecondDisk::Known(id),
                None => SecondDisk::New { identity: Some(text.to_owned()), size_bytes: None },
            },
        };
        Ok(match self.option {
            "raid1-to-disk" => Move::ArrayToDisk {
                array: self.device(machine, first)?,
                keep: rest.map(|keep| self.device(machine, keep)).transpose()?,
            },
            "from-lvm" => Move::FromVolume { volume: self.device(machine, self.value)? },
            "decrypt" => Move::Decrypt { device: self.device(machine, self.value)? },
            "add-disk" => {
                let size = size(first).ok_or_else(|| self.wrong("expected SIZE[:SERIAL], as in 500G:S3Z9NB0K"))?;
                Move::AddDisk(SecondDisk::New { identity: rest.map(str::to_owned), size_bytes: Some(size) })
            }
            "move" => {
                let disk = rest.ok_or_else(|| self.wrong("expected DEVICE:DISK, as in disk1:disk0"))?;
                Move::ToDisk { device: self.device(machine, first)?, disk: self.device(machine, disk)? }
            }
            "filesystem" => {
                let kind = rest.and_then(|rest| FilesystemKind::ALL.into_iter().find(|kind| kind.name() == rest));
                let kind = kind.ok_or_else(|| self.wrong("expected DEVICE:KIND, as in /home:xfs"))?;
                Move::Filesystem { device: self.device(machine, first)?, kind }
            }
            "disk-to-raid1" => Move::Mirror { disk: self.device(machine, first)?, second: second(rest) },
            "to-lvm" => {
                let expected = "expected DEVICE:GROUP/VOLUME[:DISK,…], as in /:vg0/root";
                let rest = rest.ok_or_else(|| self.wrong(expected))?;
                let (place, disks) = rest.split_once(':').map_or((rest, ""), |(place, disks)| (place, disks));
                let (group, volume) = place.split_once('/').ok_or_else(|| self.wrong(expected))?;
                let disks = disks.split(',').filter(|disk| !disk.is_empty());
                Move::ToVolume {
                    device: self.device(machine, first)?,
                    group: group.to_owned(),
                    volume: volume.to_owned(),
                    disks: disks.map(|disk| self.device(machine, disk)).collect::<Result<_, _>>()?,
                }
            }
            _ => Move::Encrypt {
                device: self.device(machine, first)?,
                name: rest.map(str::to_owned),
                key_file: key_file.map(str::to_owned),
            },
        })
    }
}

/// Disks to plan for, as a person describes them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hardware {
    disks: Vec<HardwareDisk>,
    #[serde(default)]
    uefi: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HardwareDisk {
    size: String,
    #[serde(default)]
    sector_bytes: Option<u32>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    serial: Option<String>,
    #[serde(default)]
    wwn: Option<String>,
}

/// What `--onto` names: a machine's description, or one of disks.
pub enum Onto {
    /// An edited description.
    Machine(Box<Machine>),
    /// Disks.
    Hardware(FoundHardware),
}

/// Reads it. Disks are for `machine`: the firmware is its own, unless the file says so.
pub fn onto(path: &Path, machine: &Machine) -> Result<Onto, CommandError> {
    let json = bytes(path)?;
    let wrong = |error: &dyn std::fmt::Display| {
        CommandError::usage(format!("--onto {}: {error}", path.display())).hint(
            "a description of disks such as {\"disks\": [{\"size\": \"500 GiB\", \"sector_bytes\": 4096, \"serial\": \"S1\"}]}, or what \
             'lifeboat layout edit' wrote",
        )
    };
    let value: serde_json::Value = serde_json::from_slice(&json).map_err(|error| wrong(&error))?;
    if value.get("layout").is_some() {
        return read(path).map(Box::new).map(Onto::Machine);
    }
    let hardware: Hardware = serde_json::from_value(value).map_err(|error| wrong(&error))?;
    let mut disks = vec![];
    for (number, disk) in hardware.disks.into_iter().enumerate() {
        let size_bytes = size(&disk.size).ok_or_else(|| wrong(&format!("{} is no size", disk.size)))?;
        let sector = disk.sector_bytes.unwrap_or(512);
        if ![512, 4096].contains(&sector) {
            return Err(wrong(&format!("sectors have 512 or 4096 bytes, not {sector}")));
        }
        let path = disk.path.unwrap_or_else(|| format!("/dev/disk{}", number + 1));
        let identity = Disk {
            serial: disk.serial,
            wwn: disk.wwn,
            logical_sector_bytes: sector,
            physical_sector_bytes: sector.max(512),
            ..Disk::default()
        };
        disks.push(FoundDisk { path, size_bytes, disk: identity, content: DiskContent::Blank, lock: None });
    }
    let uefi = hardware.uefi.unwrap_or_else(|| is_uefi(machine));
    Ok(Onto::Hardware(FoundHardware { disks, uefi, ..here(machine) }))
}

/// The layout to plan for and the disks to plan onto, as far as they were named. A layout of its own counts more than the one that
/// comes with the disks.
pub fn planned(layout: Option<Machine>, onto: Option<Onto>) -> (Option<Machine>, Option<FoundHardware>) {
    match onto {
        Some(Onto::Machine(other)) => {
            let disks = own_disks(&other);
            (Some(layout.unwrap_or(*other)), Some(disks))
        }
        Some(Onto::Hardware(disks)) => (layout, Some(disks)),
        None => (layout, None),
    }
}

fn is_uefi(machine: &Machine) -> bool {
    matches!(machine.boot.firmware, lifeboat_machine::boot::Firmware::Uefi { .. })
}

/// The machine's own hardware without disks.
fn here(machine: &Machine) -> FoundHardware {
    FoundHardware {
        disks: vec![],
        uefi: is_uefi(machine),
        modaliases: machine.hardware.modaliases.clone(),
        filesystems: FilesystemKind::ALL.iter().map(|kind| kind.name().to_owned()).collect(),
    }
}

/// The disks that a description has, blank.
pub fn own_disks(machine: &Machine) -> FoundHardware {
    let blank = |(device, disk): (&lifeboat_machine::Device, &Disk)| FoundDisk {
        path: device.path.clone(),
        size_bytes: device.size_bytes,
        disk: disk.clone(),
        content: DiskContent::Blank,
        lock: None,
    };
    FoundHardware { disks: machine.layout.disks().map(blank).collect(), ..here(machine) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::testing::gpt_machine;

    #[test]
    fn a_layout_and_the_disks_of_another_description_count_both() {
        let (wanted, other) = (gpt_machine(), lifeboat_machine::testing::mirrored_machine(false));
        let onto = || Some(Onto::Machine(Box::new(other.clone())));
        let disks = |found: Option<FoundHardware>| found.map(|found| found.disks.len());
        let (layout, hardware) = planned(Some(wanted.clone()), onto());
        assert_eq!((layout, disks(hardware)), (Some(wanted.clone()), Some(2)));
        let (layout, hardware) = planned(None, onto());
        assert_eq!((layout, disks(hardware)), (Some(other.clone()), Some(2)));
        let (layout, hardware) = planned(Some(wanted.clone()), None);
        assert_eq!((layout, disks(hardware)), (Some(wanted), None));
    }

    #[test]
    fn disks_are_described_in_a_few_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disks.json");
        let machine = gpt_machine();
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            onto(&path, &machine)
        };
        let Ok(Onto::Hardware(found)) = read(r#"{"disks": [{"size": "8 GiB", "sector_bytes": 4096, "serial": "S1"}]}"#)
        else {
            panic!("refused");
        };
        assert_eq!((found.disks[0].size_bytes, found.disks[0].disk.logical_sector_bytes), (8 << 30, 4096));
        let plan = lifeboat_plan::plan(&machine, &found, &lifeboat_plan::Policy::default()).unwrap();
        assert_eq!(plan.targets.len(), 1);
        assert!(matches!(read(&String::from_utf8(machine.to_json()).unwrap()), Ok(Onto::Machine(_))));
        for text in [
            "{",
            r#"{"disks": [{"size": "some"}]}"#,
            r#"{"disks": [{"size": "8G", "sector_bytes": 520}]}"#,
            r#"{"disks": [{"sizes": "8G"}]}"#,
        ] {
            assert!(matches!(read(text), Err(CommandError { kind: Kind::Usage, .. })), "{text}");
        }
    }
}

//! [`plan`]: puts matched disks, their layouts and the boot path together into ordered steps.

use crate::edit;
use crate::error::PlanError;
use crate::kinds;
use crate::matching::{self, Match, match_disks, name, recorded};
use crate::policy::Policy;
use crate::step::{Plan, Step, Target};
use crate::table::{DiskLayout, lay_out, title};
use lifeboat_machine::boot::{InitramfsTool, Loader};
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{PartitionTable, partition_path};
use lifeboat_machine::{Content, Device, DeviceId, FoundHardware, Machine};
use std::path::Path;

/// Computes everything that a recovery of `machine` on `hardware` will do.
///
/// # Errors
/// The first [`PlanError`]: nothing is planned in part.
pub fn plan(machine: &Machine, hardware: &FoundHardware, policy: &Policy) -> Result<Plan, PlanError> {
    let changed = edit::changed(machine, hardware, policy)?;
    let mut notes = firmware(machine, hardware, policy)?;
    notes.extend(changed.notes.iter().cloned());
    let fits = |device: &Device, found: &_| lay_out(&changed, &device.id, found, policy).map(|_| ());
    let matches = match_disks(machine, hardware, policy, &fits)?;
    let mut layouts = vec![];
    for m in &matches {
        let layout = lay_out(&changed, &m.device.id, m.found, policy)?;
        notes.extend(layout.notes.iter().cloned());
        layouts.push(layout);
    }
    let work = Work { recorded: machine, machine: &changed.machine, hardware, matches, layouts };
    notes.extend(work.notes());
    Ok(Plan { targets: work.targets(), steps: work.steps(), moved: changed.moved.clone(), notes })
}

/// The loaders of the machine against the firmware found.
fn firmware(machine: &Machine, hardware: &FoundHardware, policy: &Policy) -> Result<Vec<String>, PlanError> {
    let loaders = &machine.boot.loaders;
    if loaders.is_empty() {
        return Ok(vec!["no boot loader was recorded; none is installed".into()]);
    }
    let bios = loaders.iter().any(|loader| matches!(loader, Loader::GrubBios { .. }));
    let efi = loaders.iter().any(|loader| !matches!(loader, Loader::GrubBios { .. }));
    let (recorded, found) = match hardware.uefi {
        true if !efi => ("BIOS", "UEFI"),
        false if !bios => ("UEFI", "BIOS"),
        _ => return Ok(vec![]),
    };
    if policy.any_firmware {
        return Ok(vec![format!(
            "the machine has boot loaders for {recorded} only, and this was booted through {found}: switch the firmware to {recorded} before the restored machine starts"
        )]);
    }
    Err(PlanError::FirmwareMismatch { recorded, found })
}

struct Work<'a> {
    /// The machine as it was.
    recorded: &'a Machine,
    /// The machine with the policy's changes.
    machine: &'a Machine,
    hardware: &'a FoundHardware,
    matches: Vec<Match<'a>>,
    layouts: Vec<DiskLayout>,
}

impl Work<'_> {
    fn targets(&self) -> Vec<Target> {
        self.matches
            .iter()
            .map(|m| Target {
                device: m.device.id.clone(),
                path: m.found.path.clone(),
                name: name(&m.found.disk, m.found.size_bytes),
                matched_by: m.by.to_owned(),
                loses: matching::content(m.found),
                size_bytes: (m.device.size_bytes, m.found.size_bytes),
            })
            .collect()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = vec![];
        for m in self.matches.iter().filter(|m| matches!(m.by, "size" | "the only disk" | "hardware path")) {
            notes.push(format!(
                "{} ({}) goes onto {}, matched by {}",
                m.device.id,
                recorded(m.device),
                m.found.path,
                match m.by {
                    "the only disk" => "being the only disk that will do",
                    by => by,
                }
            ));
        }
        for (device, _) in self.machine.layout.disks().filter(|(device, _)| device.content == Content::Empty) {
            notes.push(format!("{} ({}) was empty and is left out", device.id, recorded(device)));
        }
        for part in self.layouts.iter().flat_map(|layout| &layout.parts) {
            if let Content::Filesystem(filesystem) = &part.device.content
                && !self.machine.layout.mounts.iter().any(|mount| mount.device == part.device.id)
            {
                notes.push(format!(
                    "{} on {} is made empty: it was not mounted when recorded",
                    title(filesystem),
                    part.device.id
                ));
            }
        }
        notes
    }

    /// The path that a recorded device will have.
    fn path(&self, id: &DeviceId) -> Option<String> {
        let device = self.machine.layout.device(id)?;
        let disk = self.machine.layout.disk_of(id)?;
        let found = &self.matches.iter().find(|m| m.device.id == disk.id)?.found.path;
        Some(match device.partition() {
            Some(partition) => partition_path(Path::new(found), partition.number).to_string_lossy().into_owned(),
            None => found.clone(),
        })
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self
            .matches
            .iter()
            .map(|m| Step::WipeDisk { disk: m.found.path.clone(), device: m.device.id.clone() })
            .collect();
        steps.extend(self.matches.iter().zip(&self.layouts).filter_map(|(m, layout)| self.table(m, layout)));
        for layout in &self.layouts {
            self.contents(layout, &mut steps);
        }
        self.mounts(&mut steps);
        steps.push(Step::Extract);
        steps.extend(self.machine.layout.swap_files.iter().map(|file| Step::MakeSwapFile { file: file.clone() }));
        let replacements = self.replacements();
        if !replacements.is_empty() {
            steps.push(Step::AdaptConfiguration { replacements });
        }
        let changes = kinds::changes(self.recorded, self.machine, &|id| self.path(id));
        if !changes.is_empty() {
            steps.push(Step::AdaptFilesystems { changes });
        }
        if let Some(reason) = self.initramfs_reason() {
            steps.push(Step::RebuildInitramfs { reason });
        }
        self.boot(&mut steps);
        steps.push(Step::Finish);
        steps
    }

    fn table(&self, m: &Match, layout: &DiskLayout) -> Option<Step> {
        let table = layout.table.as_ref()?;
        let partitions = layout.parts.iter().filter_map(|part| self.path(&part.device.id)).collect();
        let installed = self
            .machine
            .boot
            .loaders
            .iter()
            .any(|loader| matches!(loader, Loader::GrubBios { disks, .. } if disks.contains(&m.device.id)));
        Some(Step::WriteTable {
            disk: m.found.path.clone(),
            table: PartitionTable { boot_code: table.boot_code.clone().filter(|_| !installed), ..table.clone() },
            entries: layout.parts.iter().filter_map(|part| part.device.partition().cloned()).collect(),
            partitions,
        })
    }

    fn contents(&self, layout: &DiskLayout, steps: &mut Vec<Step>) {
        for part in &layout.parts {
            let Some(device) = self.path(&part.device.id) else { continue };
            match &part.device.content {
                Content::Filesystem(filesystem) => {
                    let was = kinds::was(self.recorded, &part.device).map(|kind| kind.name().to_owned());
                    steps.push(Step::MakeFilesystem {
                        device: device.clone(),
                        filesystem: filesystem.clone(),
                        resized: part.resized || was.is_some(),
                        was,
                    });
                    if let FilesystemOptions::Btrfs(btrfs) = &filesystem.options
                        && (!btrfs.subvolumes.is_empty() || !btrfs.default_subvolume.0.is_empty())
                    {
                        steps.push(Step::MakeSubvolumes {
                            device,
                            subvolumes: btrfs.subvolumes.clone(),
                            default: btrfs.default_subvolume.clone(),
                        });
                    }
                }
                Content::Swap(swap) => steps.push(Step::MakeSwap { device, swap: swap.clone() }),
                Content::Empty | Content::Table(_) | Content::BootLoader | Content::Extended => {}
            }
        }
    }

    fn mounts(&self, steps: &mut Vec<Step>) {
        for mount in &self.machine.layout.mounts {
            let kind = self.machine.layout.device(&mount.device).and_then(Device::filesystem);
            let (Some(device), Some(filesystem)) = (self.path(&mount.device), kind) else { continue };
            steps.push(Step::Mount {
                device,
                mount_point: mount.mount_point.clone(),
                kind: filesystem.options.mount_type().to_owned(),
                // What was mounted read-only must be written now all the same.
                options: mount.options.iter().filter(|option| *option != "ro").cloned().collect(),
                subvolume: mount.subvolume.clone(),
            });
        }
    }

    /// Names of devices that are other ones now: kernel paths and the links of udev that contain hardware identity.
    fn replacements(&self) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = vec![];
        let mut add = |old: String, new: &str| {
            if old != new && !out.iter().any(|(known, _)| *known == old) {
                out.push((old, new.to_owned()));
            }
        };
        for m in &self.matches {
            let mut names: Vec<(String, String, String, bool)> = vec![];
            for (device, partition) in self.recorded.layout.partitions_of(&m.device.id).into_iter().rev() {
                if let Some(new) = self.path(&device.id) {
                    let left = self.machine.layout.disk_of(&device.id).is_some_and(|disk| disk.id != m.device.id);
                    names.push((device.path.clone(), format!("-part{}", partition.number), new, left));
                }
            }
            names.push((m.device.path.clone(), String::new(), m.found.path.clone(), false));
            let Some(disk) = m.device.disk() else { continue };
            // What lies on another disk of the machine now has none of the names that come from its old one.
            for (old, suffix, new, left) in names {
                if (left || disk.hardware_path != m.found.disk.hardware_path)
                    && let Some(path) = disk.hardware_path.as_deref().filter(|path| !path.is_empty())
                {
                    add(format!("/dev/disk/by-path/{path}{suffix}"), &new);
                }
                for id in by_id(disk).into_iter().filter(|id| left || !by_id(&m.found.disk).contains(id)) {
                    add(format!("/dev/disk/by-id/{id}{suffix}"), &new);
                }
                add(old, &new);
            }
        }
        out
    }

    /// Why the initramfs may lack a driver or firmware; `None` when the storage controllers are the same.
    fn initramfs_reason(&self) -> Option<String> {
        if self.machine.boot.initramfs == InitramfsTool::None {
            return None;
        }
        if let Some(reason) = kinds::initramfs_reason(self.recorded, self.machine) {
            return Some(reason);
        }
        let known = &self.machine.hardware.modaliases;
        // The stick that the rescue system came from is a USB disk, too, and the machine boots without it.
        let onto_usb = self.matches.iter().any(|m| m.found.disk.transport.as_deref() == Some("usb"));
        let new: Vec<&str> = self
            .hardware
            .modaliases
            .iter()
            .filter(|alias| storage_controller(alias) && !known.contains(alias))
            .filter(|alias| onto_usb || !alias.starts_with("usb:"))
            .map(String::as_str)
            .collect();
        if let (Some(first), false) = (new.first(), known.is_empty()) {
            let more = if new.len() > 1 { format!(" and {} more", new.len() - 1) } else { String::new() };
            return Some(format!("the machine had no storage controller {first}{more} when it was recorded"));
        }
        let transport =
            |disk: &lifeboat_machine::layout::Disk| disk.transport.clone().unwrap_or_else(|| "another bus".into());
        self.matches.iter().find_map(|m| {
            let (old, new) = (m.device.disk().map(transport)?, transport(&m.found.disk));
            (old != new).then(|| format!("{} was behind {old} and is behind {new} now", m.device.id))
        })
    }

    fn boot(&self, steps: &mut Vec<Step>) {
        for loader in &self.machine.boot.loaders {
            let disks = match loader {
                Loader::GrubBios { disks, .. } => disks.iter().filter_map(|id| self.path(id)).collect(),
                _ => vec![],
            };
            steps.push(Step::InstallLoader { loader: loader.clone(), disks });
        }
        if !self.hardware.uefi {
            return;
        }
        for entry in &self.machine.boot.efi_entries {
            let disk = self.machine.layout.disk_of(&entry.device).and_then(|disk| self.path(&disk.id));
            let partition = self.machine.layout.device(&entry.device).and_then(Device::partition);
            if let (Some(disk), Some(partition)) = (disk, partition) {
                steps.push(Step::MakeEfiEntry { entry: entry.clone(), disk, partition: partition.number });
            }
        }
    }
}

/// Names below /dev/disk/by-id that udev's rules make from WWN, model and serial number
/// (systemd, rules.d/60-persistent-storage.rules).
fn by_id(disk: &lifeboat_machine::layout::Disk) -> Vec<String> {
    let mut names = vec![];
    if let Some(wwn) = disk.wwn.as_deref().filter(|wwn| !wwn.is_empty()) {
        let prefix = if wwn.starts_with("eui.") || wwn.starts_with("uuid.") || wwn.starts_with("nvme.") {
            "nvme-"
        } else {
            "wwn-"
        };
        names.push(format!("{prefix}{wwn}"));
    }
    let Some(serial) = disk.serial.as_deref().map(underscored).filter(|serial| !serial.is_empty()) else {
        return names;
    };
    match disk.transport.as_deref() {
        Some("virtio") => names.push(format!("virtio-{serial}")),
        Some(transport) => {
            let model = disk.model.as_deref().map(underscored).unwrap_or_default();
            let bus = match transport {
                "sata" | "ata" => "ata",
                other => other,
            };
            let name = if model.is_empty() { serial } else { format!("{model}_{serial}") };
            names.push(format!("{bus}-{name}"));
        }
        None => {}
    }
    names
}

fn underscored(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("_")
}

/// A modalias of something that a disk can be behind: PCI class 01, virtio block and SCSI, USB storage, and the
/// paravirtual ones (Documentation of each bus in the kernel's file2alias.c).
fn storage_controller(alias: &str) -> bool {
    if alias.starts_with("pci:") {
        return alias.contains("bc01sc");
    }
    let usb = alias.starts_with("usb:") && alias.contains("ic08isc");
    // Device ids 2 and 8: linux/virtio_ids.h. The GUIDs: SCSI and IDE of linux/hyperv.h.
    let virtio = alias.starts_with("virtio:d00000002") || alias.starts_with("virtio:d00000008");
    let vmbus = alias == "vmbus:d96361baa104294db60572e2ffb1dc7f" || alias == "vmbus:32264132cb86a2449b5c50d1417354f5";
    usb || virtio || vmbus || alias == "xen:vbd" || alias.starts_with("mmc:")
}

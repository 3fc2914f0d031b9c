//! Disks that a person leaves out of the machine (`[machine] leave_out` in lifeboat.toml): they are neither saved nor made again.

use crate::identity;
use crate::prober::{Prober, sector_bytes};
use crate::report::{Findings, Remedy};
use crate::used::Use;
use lifeboat_machine::Layout;
use lifeboat_machine::gpt::Gpt;
use lifeboat_machine::stick::StickLayout;
use lifeboat_storage::blocks::{Block, Blocks};
use std::collections::BTreeSet;

/// Kernel names of the disks that are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeftOut(BTreeSet<String>);

impl LeftOut {
    /// Finds them: each is named by a path, a WWN or a serial number.
    pub(crate) fn read(prober: &Prober<'_>, blocks: &Blocks, findings: &mut Findings) -> LeftOut {
        let mut names = BTreeSet::new();
        for wanted in &prober.options.leave_out {
            let by_path = blocks.linked(&prober.host, wanted).map(|block| blocks.disks_under(&block.name));
            let same = |block: &&Block| {
                let disk = identity::disk(prober, block);
                [disk.wwn, disk.serial].iter().flatten().any(|own| own.eq_ignore_ascii_case(wanted))
            };
            let found = by_path.unwrap_or_else(|| blocks.disks(prober.options.loop_devices).filter(same).collect());
            if found.is_empty() {
                // It may be unplugged: then there is nothing to leave out.
                findings
                    .warn(format!("the configuration leaves the disk {wanted} out, and there is none of that name"));
            }
            names.extend(found.iter().map(|disk| disk.name.clone()));
        }
        LeftOut(names)
    }

    /// A device is on one of them, at least in part.
    pub(crate) fn has(&self, blocks: &Blocks, block: &Block) -> bool {
        blocks.disks_under(&block.name).iter().any(|disk| self.0.contains(&disk.name))
    }

    /// Refuses what is on disks of both kinds: half of it could not be made.
    pub(crate) fn check(&self, blocks: &Blocks, used: &Use, findings: &mut Findings) {
        for name in self.0.iter().filter(|name| used.disks.contains(*name)) {
            let path = blocks.named(name).map_or_else(|| name.clone(), |disk| disk.path.clone());
            findings.refuse_with_remedy(
                path,
                "the configuration leaves it out, and an array, a volume group or a filesystem of the machine is on it in part",
                "remove it from leave_out in /etc/lifeboat.toml, or move what is on it to other disks",
            );
        }
    }
}

/// Kernel names of the disks that are sticks of `media usb`: what brings a machine back is no part of it, wherever it is mounted.
pub(crate) fn sticks(prober: &Prober<'_>, blocks: &Blocks) -> BTreeSet<String> {
    let is_stick = |disk: &&Block| {
        if blocks.partitions(&disk.name).len() != 3 {
            return false;
        }
        let sector = u64::from(sector_bytes(disk));
        let read = |at: u64, length: u64| prober.read_device(&disk.path, at, usize::try_from(length).unwrap_or(0));
        Gpt::read(disk.size_bytes, sector, &read).is_ok_and(|table| StickLayout::of(&table).is_some())
    };
    blocks.disks(prober.options.loop_devices).filter(is_stick).map(|disk| disk.name.clone()).collect()
}

/// Adds the way out to refusals about disks that the machine can do without: those that hold neither `/` nor what boots it.
pub(crate) fn suggest(prober: &Prober<'_>, blocks: &Blocks, layout: &Layout, used: &Use, findings: &mut Findings) {
    let needed = ["/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/etc"];
    let needed: BTreeSet<&str> = used
        .mounts
        .iter()
        .filter(|(_, mount)| needed.iter().any(|point| mount.mount_point.as_os_str() == *point))
        .flat_map(|(name, _)| blocks.disks_under(name))
        .map(|disk| disk.name.as_str())
        .collect();
    // Without the root nobody knows which disks those are.
    if layout.mount_at("/").is_none() {
        return;
    }
    for refusal in &mut findings.refusals {
        let mounted = used.mounts.iter().find(|(_, mount)| mount.mount_point.as_os_str() == refusal.subject.as_str());
        let block = match mounted {
            Some((name, _)) => blocks.named(name),
            None => blocks.linked(&prober.host, &refusal.subject),
        };
        let disks = block.map(|block| blocks.disks_under(&block.name)).unwrap_or_default();
        if disks.is_empty() || disks.iter().any(|disk| needed.contains(disk.name.as_str())) {
            continue;
        }
        let name = |disk: &&Block| {
            let identity = identity::disk(prober, disk);
            format!("\"{}\"", identity.wwn.or(identity.serial).unwrap_or_else(|| disk.path.clone()))
        };
        let names: Vec<String> = disks.iter().map(name).collect();
        let known = refusal.remedy.as_ref().map(|remedy| format!("{}; or ", remedy.as_str())).unwrap_or_default();
        refusal.remedy = Remedy::new(format!(
            "{known}leave it out of the machine, with all that is on it, in /etc/lifeboat.toml: [machine] leave_out = [{}]",
            names.join(", ")
        ));
    }
}

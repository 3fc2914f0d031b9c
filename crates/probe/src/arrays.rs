//! The md arrays on the disks in use.

use crate::crypts::is_mapping;
use crate::groups::is_volume;
use crate::prober::{Prober, is_read};
use crate::report::Findings;
use crate::used::Use;
use lifeboat_machine::layout::array::is_portable_name;
use lifeboat_machine::layout::{Array, ArrayMember, ArrayRole};
use lifeboat_machine::{Device, DeviceId, Member};
use lifeboat_storage::blocks::{Block, Blocks, Family, family};
use lifeboat_storage::kinds::MD_MEMBER;
use lifeboat_storage::md::{self, Examined};

/// The active arrays that lie on disks in use.
#[derive(Debug, Default)]
pub(crate) struct Arrays {
    pub(crate) all: Vec<FoundArray>,
}

/// An active array.
#[derive(Debug)]
pub(crate) struct FoundArray {
    pub(crate) block: Block,
    pub(crate) id: DeviceId,
    examined: Examined,
}

impl FoundArray {
    /// All of its members were read.
    pub(crate) fn is_ready(&self, blocks: &Blocks, devices: &[Device]) -> bool {
        self.examined.members.iter().all(|member| is_read(&member.name, blocks, devices))
    }

    /// The array with the ids of its members, among the devices that were read.
    pub(crate) fn with_members(&self, blocks: &Blocks, devices: &[Device]) -> Array {
        let members = self.examined.members.iter().filter_map(|member| {
            let path = &blocks.named(&member.name)?.path;
            let device = devices.iter().find(|device| device.path == *path)?;
            Some(ArrayMember {
                device: device.id.clone(),
                role: member.role,
                write_mostly: member.write_mostly,
                fail_fast: member.fail_fast,
            })
        });
        Array { members: members.collect(), ..self.examined.array.clone() }
    }
}

impl Arrays {
    /// Reads them. What cannot be made again is refused under the array's name, and then is not among them.
    pub(crate) fn read(prober: &Prober<'_>, blocks: &Blocks, used: &Use, findings: &mut Findings) -> Arrays {
        let mut arrays = Arrays::default();
        for block in blocks.all().filter(|block| is_array(block) && on(blocks, block, used)) {
            let node = prober.host(&block.path);
            match md::examine(prober.runner, &block.directory, &node) {
                Ok(examined) => {
                    for (reason, remedy) in &examined.refusals {
                        findings.refuse_with_remedy(&block.path, reason.as_str(), remedy.unwrap_or_default());
                    }
                    judge(prober, block, &examined, findings);
                    let id = DeviceId(format!("array{}", arrays.all.len()));
                    arrays.all.push(FoundArray { block: block.clone(), id, examined });
                }
                Err(reason) => findings.refuse(&block.path, reason),
            }
        }
        arrays
    }

    /// What a device is of an array; `None` for one that is no member of an active one.
    pub(crate) fn member(&self, block: &Block) -> Option<Member> {
        self.all.iter().find_map(|array| {
            let member = array.examined.members.iter().find(|member| member.name == block.name)?;
            Some(Member::Array { array: array.id.clone(), data_offset_bytes: member.data_offset_bytes })
        })
    }
}

fn on(blocks: &Blocks, block: &Block, used: &Use) -> bool {
    blocks.disks_under(&block.name).iter().any(|disk| used.disks.contains(&disk.name))
}

/// An active md array, not one of its partitions.
pub(crate) fn is_array(block: &Block) -> bool {
    block.partition.is_none() && block.name.starts_with("md") && !block.slaves.is_empty()
}

/// The disks of all arrays and groups that lie on one of these disks, too: they come back as a whole.
pub(crate) fn with_their_arrays(blocks: &Blocks, used: &mut Use) {
    loop {
        let before = used.disks.len();
        for block in blocks.all().filter(|block| is_array(block)) {
            if on(blocks, block, used) {
                used.disks.extend(blocks.disks_under(&block.name).into_iter().map(|disk| disk.name.clone()));
            }
        }
        for group in &used.groups.all {
            let disks: Vec<&Block> = group.names().flat_map(|name| blocks.disks_under(name)).collect();
            if disks.iter().any(|disk| used.disks.contains(&disk.name)) {
                used.disks.extend(disks.iter().map(|disk| disk.name.clone()));
            }
        }
        let parts = used.mounts.iter().flat_map(|(name, _)| used.further.of(name));
        let parts = parts.flat_map(|name| blocks.disks_under(name)).map(|disk| disk.name.clone());
        used.disks.extend(parts.collect::<Vec<_>>());
        if used.disks.len() == before {
            return;
        }
    }
}

/// Whether a device is a disk, an array, a volume or a LUKS mapping on disks, or a partition of one; else what in it is none of them, for people.
pub(crate) fn unknown_layer(blocks: &Blocks, block: &Block, loop_devices: bool) -> Option<String> {
    let whole = block.partition.as_ref().and_then(|(_, disk)| blocks.named(disk)).unwrap_or(block);
    match family(&whole.name) {
        Family::Disk => None,
        Family::Loop if loop_devices => None,
        Family::Stacked(_) if is_array(whole) || is_volume(whole) || is_mapping(whole) => {
            let below = whole.slaves.iter().filter_map(|slave| blocks.named(slave));
            below.filter_map(|slave| unknown_layer(blocks, slave, loop_devices)).next()
        }
        Family::Stacked(kind) => Some(block.stacked().unwrap_or_else(|| kind.to_owned())),
        Family::Loop => Some("a loop device".to_owned()),
        Family::Ignored => Some("no disk".to_owned()),
    }
}

/// The refusal of a member that no active array has.
pub(crate) fn refuse_inactive(kind: Option<&str>, device: &str, findings: &mut Findings) -> bool {
    let member = kind == Some(MD_MEMBER);
    if member {
        findings.refuse_with_remedy(
            device,
            "it is a member of an md array that is not active, or that gave it up",
            "start the array (mdadm --assemble --scan), or wipe the device with wipefs if it is not needed",
        );
    }
    member
}

/// What a person should know, and what mdadm could not make again here.
fn judge(prober: &Prober<'_>, block: &Block, examined: &Examined, findings: &mut Findings) {
    for name in &examined.faulty {
        findings.warn(format!("{}: its member {name} failed; the array comes back without it", block.path));
    }
    let array = &examined.array;
    let active = examined.members.iter().filter(|m| matches!(m.role, ArrayRole::Active { .. }));
    let missing = (array.slots as usize).saturating_sub(active.count());
    if missing > 0 {
        findings.warn(format!(
            "{}: it is degraded ({missing} of {} members missing), and comes back so unless a disk is added before the next backup",
            block.path, array.slots
        ));
    }
    if let Some(name) = array.name.as_deref().filter(|name| !name.is_empty())
        && let Some(reason) = refused_name(prober, name)
    {
        findings.refuse_with_remedy(
            &block.path,
            reason,
            "give it another name: mdadm --assemble --update=name --name=NAME",
        );
    }
}

/// mdadm 4.4 alone takes no other names than portable ones.
fn refused_name(prober: &Prober<'_>, name: &str) -> Option<String> {
    if is_portable_name(name) {
        return None;
    }
    let call = lifeboat_sys::Invocation::new(lifeboat_sys::program::MDADM).arg("--version");
    let output = prober.runner.run(&call).ok()?;
    // `mdadm - v4.4 - 2024-11-07`, on standard error.
    let text = output.text() + &String::from_utf8_lossy(&output.stderr);
    text.contains("v4.4").then(|| {
        let name = lifeboat_machine::bytes::printable(name.as_bytes());
        format!("its name \"{name}\" is none that mdadm 4.4 makes")
    })
}

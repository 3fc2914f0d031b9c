//! The open LUKS mappings on the disks in use, and mappings that are made with a new key at each start.

use crate::prober::{Prober, is_read};
use crate::report::Findings;
use crate::used::Use;
use lifeboat_machine::layout::{Crypt, LuksHeader};
use lifeboat_machine::{Content, Device, DeviceId};
use lifeboat_storage::blocks::{Block, Blocks};
use lifeboat_storage::kinds::LUKS;
use lifeboat_storage::luks::{self, crypttab};

/// The open mappings that lie on disks in use.
#[derive(Debug, Default)]
pub(crate) struct Crypts {
    pub(crate) all: Vec<FoundCrypt>,
    /// Kernel names of devices below mappings that have a new key at each start, and of those mappings.
    volatile: Vec<(String, String)>,
}

/// An open mapping.
#[derive(Debug)]
pub(crate) struct FoundCrypt {
    pub(crate) block: Block,
    pub(crate) id: DeviceId,
    name: String,
    /// Kernel name of the device below.
    below: String,
    header: LuksHeader,
}

impl FoundCrypt {
    /// The device below was read.
    pub(crate) fn is_ready(&self, blocks: &Blocks, devices: &[Device]) -> bool {
        is_read(&self.below, blocks, devices)
    }

    /// The mapping with the id of the device below, among those that were read.
    pub(crate) fn crypt(&self, blocks: &Blocks, devices: &[Device]) -> Option<Crypt> {
        let path = &blocks.named(&self.below)?.path;
        let parent = devices.iter().find(|device| device.path == *path)?.id.clone();
        Some(Crypt { parent, name: self.name.clone(), key_file: None })
    }
}

impl Crypts {
    /// Reads them. What cannot be made again is refused under the name of the encrypted device.
    pub(crate) fn read(prober: &Prober<'_>, blocks: &Blocks, used: &Use, findings: &mut Findings) -> Crypts {
        let mut crypts = Crypts::default();
        let table = crypttab::parse(&prober.sysroot.read("/etc/crypttab").unwrap_or_default());
        for block in blocks.all() {
            let Some((name, uuid)) = &block.mapper else { continue };
            let Some(below) = below(blocks, block) else { continue };
            if !blocks.disks_under(&block.name).iter().any(|disk| used.disks.contains(&disk.name)) {
                continue;
            }
            let volatile = table.iter().find(|entry| entry.name == *name && entry.is_volatile());
            if let Some(entry) = volatile.filter(|_| is_plain(uuid)) {
                // Its own bytes are random, so the name is that of something small in front, which is not kept.
                if ["UUID=", "LABEL="].iter().any(|tag| entry.device.starts_with(tag)) {
                    findings.refuse_with_remedy(
                        &below.path,
                        format!("crypttab finds it by {}, which does not come back", entry.device),
                        "name it in /etc/crypttab by PARTUUID= or by a path",
                    );
                }
                findings.warn(format!(
                    "/dev/mapper/{name} is made with a new key at each start; nothing in it is part of the backup"
                ));
                crypts.volatile.push((below.name.clone(), block.name.clone()));
                continue;
            }
            let subject = &below.path;
            if is_plain(uuid) {
                let reason =
                    format!("it is encrypted without a header (plain dm-crypt, {name}), which cannot be rebuilt");
                findings.refuse_with_remedy(
                    subject,
                    reason,
                    "encrypt it with LUKS; swap may have a new random key at each start",
                );
                continue;
            }
            if !uuid.starts_with("CRYPT-LUKS") {
                continue;
            }
            if !is_portable(name) {
                let reason = format!(
                    "the name of its open mapping, {name}, has characters that /dev/mapper has in another form"
                );
                findings.refuse_with_remedy(subject, reason, "open it under another name, and change /etc/crypttab");
            }
            match luks::examine(&prober.host(&below.path)) {
                Ok(Some(examined)) => {
                    for (reason, remedy) in examined.refusals {
                        findings.refuse_with_remedy(subject, reason, remedy);
                    }
                    for kind in examined.bound {
                        findings.warn(format!(
                            "{subject}: a key slot is bound to this machine ({kind}); on other hardware it does not open, and \
                             is enrolled again by hand after a recovery"
                        ));
                    }
                    let id = DeviceId(format!("crypt{}", crypts.all.len()));
                    let (name, below, header) = (name.clone(), below.name.clone(), examined.header);
                    crypts.all.push(FoundCrypt { block: block.clone(), id, name, below, header });
                }
                Ok(None) => findings.refuse(
                    subject,
                    format!("it is encrypted ({name}), and its LUKS header is on another device (detached), which cannot be rebuilt"),
                ),
                Err(reason) => findings.refuse(subject, reason),
            }
        }
        crypts
    }

    /// What a device holds, when a mapping of these is made from it.
    pub(crate) fn content(&self, block: &Block) -> Option<Content> {
        if self.volatile.iter().any(|(below, _)| *below == block.name) {
            return Some(Content::Empty);
        }
        let found = self.all.iter().find(|crypt| crypt.below == block.name)?;
        Some(Content::Luks(found.header.clone()))
    }

    /// A mapping that has a new key at each start.
    pub(crate) fn is_volatile(&self, name: &str) -> bool {
        self.volatile.iter().any(|(_, mapping)| mapping == name)
    }
}

/// A mapping that has a new key at each start: what is on it is part of no machine.
pub(crate) fn is_volatile_mapping(prober: &Prober<'_>, block: &Block) -> bool {
    let Some((name, _)) = block.mapper.as_ref().filter(|(_, uuid)| is_plain(uuid)) else { return false };
    let table = crypttab::parse(&prober.sysroot.read("/etc/crypttab").unwrap_or_default());
    table.iter().any(|entry| entry.name == *name && entry.is_volatile())
}

/// The device that a mapping is made from: dm-integrity may be between.
fn below<'b>(blocks: &'b Blocks, block: &Block) -> Option<&'b Block> {
    let below = block.slaves.first().and_then(|name| blocks.named(name))?;
    match &below.mapper {
        Some((_, uuid)) if uuid.starts_with("CRYPT-SUBDEV-") => self::below(blocks, below),
        _ => Some(below),
    }
}

/// The characters that libdevmapper leaves as they are (`dm_udev_set_name_mangling_mode`, mangling "auto").
fn is_portable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"#+-.:=@_".contains(&byte))
}

/// A mapping that is judged here: of LUKS (`CRYPT-LUKS2-UUID-NAME`), without a header, or what dm-integrity has between a LUKS
/// device and its mapping.
pub(crate) fn is_mapping(block: &Block) -> bool {
    let kinds = ["CRYPT-LUKS", "CRYPT-PLAIN-", "CRYPT-SUBDEV-"];
    block.mapper.as_ref().is_some_and(|(_, uuid)| kinds.iter().any(|kind| uuid.starts_with(kind)))
}

fn is_plain(uuid: &str) -> bool {
    uuid.starts_with("CRYPT-PLAIN-")
}

/// The refusal of a LUKS device that is not open.
pub(crate) fn refuse_closed(kind: Option<&str>, device: &str, findings: &mut Findings) -> bool {
    let closed = kind == Some(LUKS);
    if closed {
        findings.refuse_with_remedy(
            device,
            "it is encrypted with LUKS and not open, so its files would not be saved",
            "open it (cryptsetup open) and mount what it holds, or wipe it with wipefs if it is not needed",
        );
    }
    closed
}

//! Filesystems on several devices: which devices those are. A btrfs is told by the kernel, an external journal or log by
//! superblocks and mount options.

use crate::mounts::Used;
use crate::prober::{Prober, little_endian, uuid_text};
use crate::report::Findings;
use lifeboat_machine::filesystem::{FilesystemOptions, Journal};
use lifeboat_machine::layout::{JournalDevice, JournalKind};
use lifeboat_machine::{Content, Device, DeviceId, Member};
use lifeboat_storage::blocks::{Block, Blocks};

/// Stands for a further device until all devices have been read.
pub(crate) const EXTERNAL: &str = "external";
/// Offset of the first superblock of btrfs, and in it of magic number, UUID, number of devices, number and UUID of this device.
const BTRFS: (u64, usize) = (65_536, 4096);
const BTRFS_MAGIC: (usize, &[u8]) = (0x40, b"_BHRfS_M");
const BTRFS_UUID: usize = 0x20;
const BTRFS_DEVICES: usize = 0x88;
const BTRFS_DEVID: usize = 0xc9;
const BTRFS_DEVICE_UUID: usize = 0xc9 + 66;
/// Place of the superblock of ext, and in it of magic number, features, UUID, inode and UUID of the journal (fs/ext4/ext4.h).
const EXT: (u64, usize) = (1024, 1024);
const EXT_MAGIC: (usize, &[u8]) = (0x38, &[0x53, 0xef]);
const EXT_BLOCKS: usize = 0x04;
const EXT_BLOCK_SIZE: usize = 0x18;
const EXT_COMPATIBLE: (usize, u64) = (0x5c, 0x4);
const EXT_INCOMPATIBLE: (usize, u64) = (0x60, 0x8);
const EXT_UUID: usize = 0x68;
const EXT_JOURNAL_UUID: usize = 0xd0;
const EXT_JOURNAL_INODE: usize = 0xe0;
const EXT_JOURNAL_DEVICE: usize = 0xe4;
/// Superblock of XFS: magic number, block size, beginning and blocks of the log; big-endian (xfs_format.h).
const XFS_MAGIC: (usize, &[u8]) = (0, b"XFSB");
const XFS_BLOCK: usize = 4;
const XFS_LOG_START: usize = 48;
const XFS_LOG_BLOCKS: usize = 96;
/// mkfs.xfs makes no smaller external logs (xfsprogs 6.1 to 7.2).
const XFS_LEAST_LOG: u64 = 64 << 20;

/// The filesystems on several devices that are mounted.
#[derive(Debug, Default)]
pub(crate) struct Further {
    all: Vec<Part>,
}

/// A device that belongs to a filesystem on another one; kernel names.
#[derive(Debug)]
struct Part {
    name: String,
    holder: String,
    kind: PartKind,
}

#[derive(Debug)]
enum PartKind {
    Member { devid: u64, uuid: Option<String> },
    Journal(JournalKind, Option<String>, u64),
}

fn has(bytes: &[u8], (offset, magic): (usize, &[u8])) -> bool {
    bytes.get(offset..offset + magic.len()) == Some(magic)
}

fn big_endian(bytes: &[u8], offset: usize, length: usize) -> u64 {
    bytes.iter().skip(offset).take(length).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Further {
    /// Finds the further devices of what is mounted. A btrfs is then mounted from its first device.
    pub(crate) fn read(
        prober: &Prober<'_>,
        blocks: &Blocks,
        mounts: &mut [(String, Used)],
        findings: &mut Findings,
    ) -> Further {
        let mut further = Further::default();
        for (name, mount) in mounts {
            let Some(block) = blocks.named(name) else { continue };
            match mount.kind.as_str() {
                "btrfs" => {
                    if let Some(first) = further.btrfs(prober, blocks, block, findings) {
                        *name = first;
                    }
                }
                "ext3" | "ext4" => further.ext(prober, blocks, block, findings),
                "xfs" => further.xfs(prober, blocks, block, mount, findings),
                _ => {}
            }
        }
        further
    }

    /// Kernel names of the devices that belong to a filesystem on this one.
    pub(crate) fn of<'f>(&'f self, holder: &'f str) -> impl Iterator<Item = &'f str> {
        self.all.iter().filter(move |part| part.holder == holder).map(|part| part.name.as_str())
    }

    /// Gives the name of the device that holds the filesystem, when it has several.
    fn btrfs(
        &mut self,
        prober: &Prober<'_>,
        blocks: &Blocks,
        block: &Block,
        findings: &mut Findings,
    ) -> Option<String> {
        let superblock = |block: &Block| {
            prober.read_device(&block.path, BTRFS.0, BTRFS.1).ok().filter(|bytes| has(bytes, BTRFS_MAGIC))
        };
        let first = superblock(block)?;
        let count = little_endian(&first, BTRFS_DEVICES, 8)?;
        if count == 1 {
            return None;
        }
        let uuid = uuid_text(first.get(BTRFS_UUID..BTRFS_UUID + 16)?);
        let directory = prober.host("/sys/fs/btrfs").join(&uuid).join("devices");
        let names = std::fs::read_dir(&directory).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut devices: Vec<(u64, String, Option<String>)> = names
            .filter_map(|name| {
                let bytes = superblock(blocks.named(&name)?)?;
                let own = bytes.get(BTRFS_DEVICE_UUID..BTRFS_DEVICE_UUID + 16).map(uuid_text);
                Some((little_endian(&bytes, BTRFS_DEVID, 8)?, name, own))
            })
            .collect();
        devices.sort();
        if devices.len() as u64 != count {
            let reason = format!("it is a btrfs on {count} devices, and {} of them are there", devices.len());
            findings.refuse_with_remedy(
                &block.path,
                reason,
                "replace or remove the device that is missing (btrfs replace, btrfs device remove)",
            );
        }
        let ((_, holder, _), rest) = devices.split_first()?;
        for (devid, name, uuid) in rest {
            if !self.all.iter().any(|part| part.name == *name) {
                let kind = PartKind::Member { devid: *devid, uuid: uuid.clone() };
                self.all.push(Part { name: name.clone(), holder: holder.clone(), kind });
            }
        }
        Some(holder.clone())
    }

    fn ext(&mut self, prober: &Prober<'_>, blocks: &Blocks, block: &Block, findings: &mut Findings) {
        let superblock =
            |block: &Block| prober.read_device(&block.path, EXT.0, EXT.1).ok().filter(|bytes| has(bytes, EXT_MAGIC));
        let flag = |bytes: &[u8], (offset, flag): (usize, u64)| {
            little_endian(bytes, offset, 4).is_some_and(|features| features & flag != 0)
        };
        let Some(own) = superblock(block) else { return };
        if !flag(&own, EXT_COMPATIBLE) || little_endian(&own, EXT_JOURNAL_INODE, 4) != Some(0) {
            return;
        }
        let wanted = own.get(EXT_JOURNAL_UUID..EXT_JOURNAL_UUID + 16).map(uuid_text);
        // What something else is made from is a copy of what is on top of it.
        let journals = blocks.all().filter(|other| other.holders.is_empty()).filter_map(|other| {
            let bytes = superblock(other).filter(|bytes| flag(bytes, EXT_INCOMPATIBLE))?;
            let uuid = bytes.get(EXT_UUID..EXT_UUID + 16).map(uuid_text);
            let size = little_endian(&bytes, EXT_BLOCKS, 4)? << (10 + little_endian(&bytes, EXT_BLOCK_SIZE, 4)?.min(6));
            (uuid == wanted).then(|| (other.number, other.name.clone(), size))
        });
        let journals: Vec<((u32, u32), String, u64)> = journals.collect();
        // Of a clone and the journal the kernel uses the one that the superblock names by its number (new_decode_dev, kdev_t.h).
        let number = little_endian(&own, EXT_JOURNAL_DEVICE, 4).unwrap_or(0);
        let number = ((number & 0xf_ff00) >> 8, (number & 0xff) | ((number >> 12) & 0xf_ff00));
        let is_named = |at: &(u32, u32)| (u64::from(at.0), u64::from(at.1)) == number;
        let journal = match &journals[..] {
            [one] => Some(one.clone()),
            several => several.iter().find(|(at, ..)| is_named(at)).cloned(),
        };
        match journal {
            Some((_, name, size)) => {
                self.journal(block, name, PartKind::Journal(JournalKind::Ext, wanted, size), findings);
            }
            None => findings.refuse(
                &block.path,
                format!(
                    "its external journal {} is on no device that is there, or on several",
                    wanted.unwrap_or_default()
                ),
            ),
        }
    }

    fn xfs(&mut self, prober: &Prober<'_>, blocks: &Blocks, block: &Block, mount: &Used, findings: &mut Findings) {
        let Ok(own) = prober.read_device(&block.path, 0, 512) else { return };
        if !has(&own, XFS_MAGIC) || big_endian(&own, XFS_LOG_START, 8) != 0 {
            return;
        }
        let size = big_endian(&own, XFS_LOG_BLOCKS, 4) * big_endian(&own, XFS_BLOCK, 4);
        if size < XFS_LEAST_LOG {
            findings.refuse(&block.path, "its external log is smaller than the 64 MiB that mkfs.xfs makes at least");
        }
        let named = mount.options.iter().find_map(|option| option.strip_prefix("logdev="));
        match named.and_then(|path| blocks.linked(&prober.host, path)) {
            Some(log) => {
                let kind = PartKind::Journal(JournalKind::XfsLog, None, size);
                self.journal(block, log.name.clone(), kind, findings);
            }
            None => findings.refuse(&block.path, "its external log is on no device that is there"),
        }
    }

    fn journal(&mut self, holder: &Block, name: String, kind: PartKind, findings: &mut Findings) {
        match self.all.iter().find(|part| part.name == name) {
            Some(other) if other.holder != holder.name => findings.refuse(
                &holder.path,
                format!("its journal on /dev/{name} is that of {} as well, which cannot be rebuilt", other.holder),
            ),
            Some(_) => {}
            None => self.all.push(Part { name, holder: holder.name.clone(), kind }),
        }
    }

    /// What a device holds that belongs to a filesystem on another one; the other one is called by its kernel name until
    /// [`Further::link`].
    pub(crate) fn content(&self, block: &Block) -> Option<Content> {
        let part = self.all.iter().find(|part| part.name == block.name)?;
        let filesystem = DeviceId(part.holder.clone());
        Some(match &part.kind {
            PartKind::Member { devid, uuid } => {
                Content::Member(Member::Filesystem { filesystem, devid: *devid, uuid: uuid.clone() })
            }
            PartKind::Journal(kind, uuid, size) => {
                Content::Journal(JournalDevice { kind: *kind, uuid: uuid.clone(), filesystem, size_bytes: *size })
            }
        })
    }

    /// Makes filesystems and their further devices name each other by their ids, when all devices have been read.
    pub(crate) fn link(&self, blocks: &Blocks, devices: &mut [Device], findings: &mut Findings) {
        let id = |devices: &[Device], name: &str| -> Option<DeviceId> {
            let path = &blocks.named(name)?.path;
            devices.iter().find(|device| device.path == *path).map(|device| device.id.clone())
        };
        for part in &self.all {
            let (Some(own), Some(holder)) = (id(devices, &part.name), id(devices, &part.holder)) else {
                findings.refuse(
                    format!("/dev/{}", part.holder),
                    format!("its part on /dev/{} could not be recorded", part.name),
                );
                continue;
            };
            for device in devices.iter_mut() {
                match &mut device.content {
                    Content::Member(Member::Filesystem { filesystem, .. }) if device.id == own => {
                        *filesystem = holder.clone();
                    }
                    Content::Journal(journal) if device.id == own => journal.filesystem = holder.clone(),
                    Content::Filesystem(filesystem) if device.id == holder => match &mut filesystem.options {
                        FilesystemOptions::Ext(ext) => {
                            if let Some(Journal::External { device }) = &mut ext.journal {
                                *device = own.clone();
                            }
                        }
                        FilesystemOptions::Xfs(xfs) => {
                            if let Some(device) = &mut xfs.log_device {
                                *device = own.clone();
                            }
                        }
                        FilesystemOptions::Vfat(_) | FilesystemOptions::Btrfs(_) => {}
                    },
                    _ => {}
                }
            }
        }
        // Whatever was not found was refused; nothing may name what is not there.
        for device in devices.iter_mut() {
            let known = |id: &DeviceId| id.0 != EXTERNAL;
            if let Content::Filesystem(filesystem) = &mut device.content
                && !filesystem.further().iter().all(|(_, id)| known(id))
            {
                findings.refuse(&device.path, "its external journal or log was not found; mount it");
                device.content = Content::Empty;
            }
        }
    }
}

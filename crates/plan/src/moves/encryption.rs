//! LUKS added and removed.

use super::draft::Draft;
use crate::edit::Refusal;
use crate::size::GRAIN;
use lifeboat_machine::filesystem::FilesystemOptions;
use lifeboat_machine::layout::{Crypt, LuksHeader};
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Member, Name};

/// Where cryptsetup puts the data of LUKS2 (cryptsetup-luksFormat(8), "--offset").
const DATA_OFFSET: u64 = 16 * GRAIN;
/// cryptsetup's choice since 2.0.
const CIPHER: &str = "aes-xts-plain64";

impl Draft {
    /// Puts LUKS2 below what a device holds.
    pub(super) fn encrypt(&mut self, id: &DeviceId, name: Option<&str>, key_file: Option<&str>) -> Result<(), Refusal> {
        let device = self.known(id)?;
        let refuse = |reason: &str| Err(Refusal::of(id, reason));
        match &device.content {
            Content::Filesystem(filesystem) if matches!(filesystem.options, FilesystemOptions::Vfat(_)) => {
                return refuse("firmware and other systems read FAT, and none of them opens LUKS");
            }
            Content::Luks(_) => return refuse("it is encrypted already"),
            Content::Filesystem(_)
            | Content::Swap(_)
            | Content::Journal(_)
            | Content::Member(Member::Group { .. } | Member::Filesystem { .. }) => {}
            Content::Empty
            | Content::Table(_)
            | Content::BootLoader
            | Content::Extended
            | Content::Member(Member::Array { .. }) => return refuse("it holds nothing that could be encrypted"),
        }
        if self.layout().below(id).iter().any(|device| matches!(device.content, Content::Luks(_))) {
            return refuse("it lies on an encrypted device already");
        }
        if key_file.is_some_and(|path| !path.starts_with('/') || path.contains(char::is_whitespace)) {
            return refuse("the key file is named by its absolute path in the restored system, without blanks");
        }
        let name = name.map_or_else(|| format!("{id}_crypt"), str::to_owned);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '.' | '-');
        if name.is_empty()
            || name.len() > 64
            || name == "control"
            || name.starts_with(['.', '-'])
            || !name.chars().all(plain)
        {
            return refuse("the name of the mapping has letters, digits, + _ . and - only");
        }
        let taken = |device: &Device| matches!(&device.kind, DeviceKind::Crypt(crypt) if crypt.name == name);
        if self.layout().devices.iter().any(taken) {
            return refuse("another mapping has that name; choose one with DEVICE:NAME");
        }
        let sector = self.sector(id);
        let grown = self.enlarge(id, DATA_OFFSET).is_ok();
        let header = LuksHeader {
            version: 2,
            uuid: self.uuid(&format!("luks {id}")),
            label: Name::default(),
            subsystem: Name::default(),
            cipher: CIPHER.into(),
            sector_bytes: u32::try_from(sector).unwrap_or(512),
            data_offset_bytes: DATA_OFFSET,
            integrity: None,
            backup: None,
        };
        let size = self.known(id)?.size_bytes;
        let mapping = self.fresh_id(&format!("{id}_crypt"));
        let kind =
            DeviceKind::Crypt(Crypt { parent: id.clone(), name: name.clone(), key_file: key_file.map(str::to_owned) });
        self.machine.layout.devices.push(Device {
            id: mapping.clone(),
            path: format!("/dev/mapper/{name}"),
            size_bytes: header.mapping_bytes(size),
            // Its parent is set when the content is on it: what refers to the device shall refer to the mapping.
            kind: DeviceKind::Crypt(Crypt { parent: DeviceId(String::new()), name, key_file: None }),
            content: Content::Empty,
        });
        self.transfer(id, &mapping);
        self.change(&mapping, |device| device.kind = kind);
        self.change(id, |device| device.content = Content::Luks(header));
        self.typed(id);
        match grown {
            true => Ok(()),
            false => self.fit_content(&mapping),
        }
    }

    /// Removes LUKS below what a mapping holds.
    pub(super) fn decrypt(&mut self, id: &DeviceId) -> Result<(), Refusal> {
        let device = self.known(id)?;
        let (parent, mapping) = match &device.kind {
            DeviceKind::Crypt(crypt) => (crypt.parent.clone(), device.id.clone()),
            DeviceKind::Disk(_) | DeviceKind::Partition(_) | DeviceKind::Array(_) | DeviceKind::Volume(_) => {
                let Content::Luks(_) = &device.content else { return Err(Refusal::of(id, "it is not encrypted")) };
                let Some(mapping) = self.layout().above(id).next().map(|mapping| mapping.id.clone()) else {
                    return Err(Refusal::of(
                        id,
                        "it was not open when the machine was recorded, so what it holds is not known",
                    ));
                };
                (device.id.clone(), mapping)
            }
        };
        self.change(&parent, |device| device.content = Content::Empty);
        self.transfer(&mapping, &parent);
        self.remove(&mapping);
        self.typed(&parent);
        Ok(())
    }
}

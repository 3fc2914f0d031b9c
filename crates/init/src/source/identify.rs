//! What a device holds: filesystems by their magic, and whether it is the medium of this rescue system.

use lifeboat_machine::MediumManifest;
use lifeboat_sys::optical::{VOLUME_DESCRIPTOR_BYTES, VOLUME_DESCRIPTOR_OFFSET, volume_id};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// Enough of a device to recognise every filesystem below: btrfs has its superblock at 64 KiB.
pub const HEAD_BYTES: usize = 68 * 1024;

/// A filesystem that may hold a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holds {
    /// ISO 9660 with its volume id.
    Iso(String),
    /// FAT.
    Vfat,
    /// exFAT.
    Exfat,
    /// ext2, ext3 or ext4.
    Ext,
    /// XFS.
    Xfs,
    /// btrfs.
    Btrfs,
    /// None of these.
    Nothing,
}

impl Holds {
    /// Examines the first [`HEAD_BYTES`] of a device. Fewer bytes are not an error.
    pub fn detect(head: &[u8]) -> Holds {
        let at = |offset: usize, magic: &[u8]| head.get(offset..offset + magic.len()) == Some(magic);
        let descriptor = head.get(VOLUME_DESCRIPTOR_OFFSET as usize..).unwrap_or_default();
        // First of all, because a hybrid image begins with a boot sector that looks like many things.
        if let Some(id) = volume_id(&descriptor[..descriptor.len().min(VOLUME_DESCRIPTOR_BYTES)]) {
            return Holds::Iso(id);
        }
        if at(1024 + 56, &[0x53, 0xEF]) {
            return Holds::Ext;
        }
        if at(0, b"XFSB") {
            return Holds::Xfs;
        }
        if at(64 * 1024 + 64, b"_BHRfS_M") {
            return Holds::Btrfs;
        }
        if at(3, b"EXFAT   ") {
            return Holds::Exfat;
        }
        // As the kernel's fat_fill_super: jump, media byte, boot signature; the type name is a strong hint.
        if at(510, &[0x55, 0xAA]) && (at(82, b"FAT32") || at(54, b"FAT")) {
            return Holds::Vfat;
        }
        Holds::Nothing
    }

    /// Its filesystem type, as the kernel names it.
    pub fn filesystem(&self) -> Option<&'static str> {
        match self {
            Holds::Iso(_) => Some("iso9660"),
            Holds::Vfat => Some("vfat"),
            Holds::Exfat => Some("exfat"),
            Holds::Ext => Some("ext4"),
            Holds::Xfs => Some("xfs"),
            Holds::Btrfs => Some("btrfs"),
            Holds::Nothing => None,
        }
    }
}

/// Reads the beginning of a device.
///
/// # Errors
/// The system's error; an optical drive without a disc returns ENOMEDIUM.
pub fn read_head(device: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    File::open(device)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether an ext4 filesystem was in use when it was last written: `EXT4_FEATURE_INCOMPAT_RECOVER`, 0x4, in s_feature_incompat
/// (fs/ext4/ext4.h), 96 bytes into the superblock.
pub fn needs_recovery(device: &Path) -> bool {
    is_dirty(&read_head(device).unwrap_or_default())
}

fn is_dirty(head: &[u8]) -> bool {
    head.get(1024 + 96).is_some_and(|byte| byte & 4 != 0)
}

/// Whether what is mounted is the medium that belongs to this rescue system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its manifest is ours, byte for byte.
    Ours,
    /// A Lifeboat medium, but not ours.
    Other {
        /// Its id.
        medium: String,
        /// Its machine.
        machine: String,
        /// When it was made.
        created_at: String,
    },
    /// Not a medium; why.
    Not(String),
}

/// Compares the manifest of a mounted filesystem with ours.
pub fn judge(mount: &Path, ours: &[u8]) -> Verdict {
    /// A manifest has some kilobytes; a larger file is not one.
    const LIMIT: u64 = 16 << 20;
    let path = mount.join("lifeboat/manifest.json");
    let mut found = Vec::new();
    match File::open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut found)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Verdict::Not("it has no /lifeboat/manifest.json".into())
        }
        Err(error) => Verdict::Not(format!("cannot READ its /lifeboat/manifest.json: {error}")),
        Ok(_) if found == ours => Verdict::Ours,
        Ok(_) => match MediumManifest::from_json(&found) {
            Ok(manifest) => Verdict::Other {
                medium: manifest.medium_id,
                machine: manifest.machine_name,
                created_at: manifest.created_at,
            },
            Err(error) => Verdict::Not(format!("its /lifeboat/manifest.json cannot be used: {error}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut head = vec![0; HEAD_BYTES];
        for (offset, bytes) in parts {
            head[*offset..*offset + bytes.len()].copy_from_slice(bytes);
        }
        head
    }

    #[test]
    fn filesystems_by_their_magic() {
        for (parts, expected) in [
            (vec![], Holds::Nothing),
            (vec![(1080, &[0x53, 0xEF][..])], Holds::Ext),
            (vec![(0, b"XFSB")], Holds::Xfs),
            (vec![(65600, b"_BHRfS_M")], Holds::Btrfs),
            (vec![(510, &[0x55, 0xAA]), (82, b"FAT32   ")], Holds::Vfat),
            (vec![(510, &[0x55, 0xAA]), (54, b"FAT16   ")], Holds::Vfat),
            (vec![(510, &[0x55, 0xAA])], Holds::Nothing),
            (vec![(3, b"EXFAT   "), (510, &[0x55, 0xAA])], Holds::Exfat),
            (
                vec![(510, &[0x55, 0xAA]), (32768, b"\x01CD001"), (32808, b"LIFEBOAT_0123ABCD")],
                Holds::Iso("LIFEBOAT_0123ABCD".into()),
            ),
        ] {
            assert_eq!(Holds::detect(&head(&parts)), expected);
        }
    }

    #[test]
    fn a_journal_that_was_left() {
        assert!(!is_dirty(&head(&[(1080, &[0x53, 0xEF])])));
        assert!(is_dirty(&head(&[(1080, &[0x53, 0xEF]), (1120, &[0x46])])));
        assert!(!is_dirty(&[]));
    }

    #[test]
    fn any_head_is_read() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..2000))| { Holds::detect(&bytes); });
    }

    #[test]
    fn manifests_are_compared_byte_for_byte() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = |id: &str| {
            format!(
                "{{\"format\":1,\"lifeboat\":\"0.1.0\",\"medium_id\":\"{id}\",\"created_at\":\"2026-11-24T00:00:00Z\",\
                 \"machine_name\":\"db7\",\"machine_id\":\"\",\"machine_blake3\":\"\",\"kernel\":\"6.1\",\
                 \"archive\":null,\"embedded_key\":false,\"files\":{{}}}}"
            )
        };
        let ours = manifest("01");
        assert!(
            matches!(judge(folder.path(), ours.as_bytes()), Verdict::Not(reason) if reason.contains("no /lifeboat"))
        );
        std::fs::create_dir(folder.path().join("lifeboat")).unwrap();
        let path = folder.path().join("lifeboat/manifest.json");
        for (content, expected) in [
            (ours.clone(), Verdict::Ours),
            (
                manifest("02"),
                Verdict::Other {
                    medium: "02".into(),
                    machine: "db7".into(),
                    created_at: "2026-11-24T00:00:00Z".into(),
                },
            ),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(judge(folder.path(), ours.as_bytes()), expected);
        }
        std::fs::write(&path, &ours[..40]).unwrap();
        assert!(matches!(judge(folder.path(), ours.as_bytes()), Verdict::Not(reason) if reason.contains("damaged")));
        std::fs::write(&path, ours.replace("\"format\":1", "\"format\":2")).unwrap();
        assert!(
            matches!(judge(folder.path(), ours.as_bytes()), Verdict::Not(reason) if reason.contains("it has format 2"))
        );
    }
}

//! The tree that is measured with: the root of a real Debian machine, the lab's `demo` root.

use crate::workspace;
use anyhow::{Context as _, bail};
use lifeboat_machine::boot::{Boot, Firmware, InitramfsTool};
use lifeboat_machine::filesystem::{Filesystem, FilesystemOptions, VfatOptions};
use lifeboat_machine::layout::{Disk, Mount};
use lifeboat_machine::machine::{FORMAT, Hardware, Machine, Os};
use lifeboat_machine::network::Network;
use lifeboat_machine::{Content, Device, DeviceId, DeviceKind, Layout, Name};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Makes the tree below `directory`, once: it is named after the root's archive, whose name holds a hash of its recipe.
pub fn make(directory: &Path) -> anyhow::Result<PathBuf> {
    let script = workspace::top().join("lab/root.sh");
    let output = Command::new(&script)
        .arg("demo")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot RUN {}", script.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}", script.display(), output.status);
    }
    let archive = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let name = archive.file_stem().context("lab/root.sh printed no path")?;
    let tree = directory.join(name);
    if tree.is_dir() {
        return Ok(tree);
    }
    let part = directory.join("tree.part");
    super::folder::empty(&part)?;
    let status = Command::new("tar")
        .args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"])
        .arg(&archive)
        .arg("-C")
        .arg(&part)
        .status()
        .context("cannot RUN tar")?;
    if !status.success() {
        bail!("cannot UNPACK {}: tar ended with {status}; it makes devices, so try as root", archive.display());
    }
    fs::rename(&part, &tree).with_context(|| format!("cannot RENAME {}", part.display()))?;
    Ok(tree)
}

/// Entries, and bytes in regular files.
pub fn count(tree: &Path) -> anyhow::Result<(u64, u64)> {
    let (mut entries, mut bytes) = (1, 0);
    walk(tree, &mut |_, metadata| {
        entries += 1;
        if metadata.is_file() {
            bytes += metadata.len();
        }
        Ok(())
    })?;
    Ok((entries, bytes))
}

/// Reads everything once, so that no program pays for disk reads.
pub fn warm(tree: &Path) -> anyhow::Result<()> {
    walk(tree, &mut |path, metadata| {
        if metadata.is_file() {
            io::copy(&mut File::open(path)?, &mut io::sink())?;
        }
        Ok(())
    })
}

fn walk(directory: &Path, visit: &mut dyn FnMut(&Path, &fs::Metadata) -> io::Result<()>) -> anyhow::Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot READ {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot READ {}", directory.display()))?;
        let path = entry.path();
        let metadata = entry.metadata().with_context(|| format!("cannot READ {}", path.display()))?;
        visit(&path, &metadata).with_context(|| format!("cannot READ {}", path.display()))?;
        if metadata.is_dir() {
            walk(&path, visit)?;
        }
    }
    Ok(())
}

/// A description for the tree, because a folder has no disks to read: everything on one disk without partitions.
pub fn machine(tree: &Path) -> anyhow::Result<Machine> {
    let (_, used_bytes) = count(tree)?;
    let size_bytes = used_bytes.next_multiple_of(1 << 30) * 2;
    let vfat = VfatOptions {
        fat_bits: 32,
        sector_bytes: 512,
        cluster_sectors: 8,
        reserved_sectors: 32,
        fats: 2,
        root_entries: 0,
        media: 0xf8,
        hidden_sectors: 0,
        backup_boot_sector: Some(6),
        drive_number: 0x80,
        heads: 255,
        track_sectors: 63,
        boot_label: None,
    };
    let filesystem = Filesystem {
        uuid: "1234-ABCD".into(),
        label: Name::default(),
        size_bytes,
        used_bytes,
        options: FilesystemOptions::Vfat(vfat),
        restored: None,
    };
    let disk = Disk { logical_sector_bytes: 512, physical_sector_bytes: 512, ..Disk::default() };
    let id = DeviceId("disk0".into());
    Ok(Machine {
        format: FORMAT,
        name: "bench".into(),
        machine_id: String::new(),
        architecture: std::env::consts::ARCH.into(),
        recorded_at: "2026-01-01T00:00:00Z".into(),
        os: Os { id: "debian".into(), version_id: "12".into(), pretty_name: "Debian".into() },
        hardware: Hardware::default(),
        layout: Layout {
            devices: vec![Device {
                id: id.clone(),
                path: "/dev/vda".into(),
                size_bytes,
                kind: DeviceKind::Disk(disk),
                content: Content::Filesystem(filesystem),
            }],
            groups: vec![],
            mounts: vec![Mount { device: id, mount_point: "/".into(), options: vec![], subvolume: None }],
            swap_files: vec![],
        },
        boot: Boot {
            firmware: Firmware::Bios,
            loaders: vec![],
            efi_entries: vec![],
            initramfs: InitramfsTool::None,
            kernel: String::new(),
            command_line: String::new(),
        },
        network: Network::default(),
    })
}

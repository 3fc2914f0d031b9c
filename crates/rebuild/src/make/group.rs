//! LVM: physical volumes, volume groups, logical volumes (lvm(8)).

use crate::context::Context;
use crate::error::{Difference, RebuildError};
use crate::ready::ready;
use crate::table::await_device;
use crate::wipe::{clear, open, sync, write};
use lifeboat_machine::layout::mapper_node;
use lifeboat_machine::layout::{Cache, CacheKind, Volume, VolumeGroup, VolumeShape};
use lifeboat_plan::PhysicalVolume;
pub use lifeboat_storage::lvm::{make, metadata};
use lifeboat_storage::{Layer, LayerKind, record};
use std::path::{Path, PathBuf};

/// Makes physical volumes and their group, with those of its volumes that are but extents of them. Nothing of them is active yet.
///
/// # Errors
/// What lvm says.
pub fn group(
    context: &Context,
    group: &VolumeGroup,
    physical: &[PhysicalVolume],
    volumes: &[Volume],
) -> Result<(), RebuildError> {
    for volume in physical {
        ready(context, Path::new(&volume.device))?;
    }
    let file = metadata_file(context, group);
    let said: Vec<metadata::Physical<'_>> = physical
        .iter()
        .map(|volume| metadata::Physical {
            id: &volume.id,
            node: &volume.device,
            uuid: &volume.uuid,
            size_bytes: volume.size_bytes,
            first_extent_bytes: volume.first_extent_bytes,
            extents: volume.extents,
        })
        .collect();
    if context.chroot_mounts {
        std::fs::create_dir_all(&context.run).map_err(RebuildError::io("MAKE the directory", &context.run))?;
        let text = metadata::text(group, &said, volumes);
        std::fs::write(&file, text).map_err(RebuildError::io("WRITE", &file))?;
    }
    for volume in physical {
        context.runner.run(&make::physical(&volume.device, &volume.uuid, &file))?;
    }
    context.runner.run(&make::group(&group.name, &file))?;
    if context.chroot_mounts {
        let layer = Layer { kind: LayerKind::Lvm, name: group.name.clone() };
        record::add(&context.run, std::slice::from_ref(&layer))?;
    }
    Ok(())
}

fn metadata_file(context: &Context, group: &VolumeGroup) -> PathBuf {
    context.run.join(format!("{}.vg", group.id))
}

/// Makes a physical volume that belongs to no group.
///
/// # Errors
/// What lvm says.
pub fn physical(context: &Context, volume: &PhysicalVolume) -> Result<(), RebuildError> {
    ready(context, Path::new(&volume.device))?;
    context.runner.run(&make::alone(&volume.device, &volume.uuid, volume.first_extent_bytes))?;
    Ok(())
}

/// What a logical volume shall be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its node.
    pub node: &'a str,
    /// The name of its group.
    pub group: &'a str,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The same in extents.
    pub extents: u64,
    /// What to make.
    pub volume: &'a Volume,
    /// The physical volumes that it may lie on.
    pub physical: &'a [String],
    /// The name of its thin pool.
    pub pool: Option<&'a str>,
    /// The physical volumes that the cache in front of it may lie on.
    pub fast: &'a [String],
}

/// Makes a logical volume, empty, or activates one that came with its group.
///
/// # Errors
/// What lvm says, or what came out otherwise than planned.
pub fn volume(context: &Context, wanted: &Wanted<'_>) -> Result<(), RebuildError> {
    let Wanted { group, volume, pool, .. } = *wanted;
    let physical: Vec<&str> = wanted.physical.iter().map(String::as_str).collect();
    let create = make::volume(group, volume, wanted.extents, wanted.size_bytes, &physical, pool);
    let (shape, cache) = volume.shape.uncached();
    let made = metadata::is_in_text(shape);
    if made && cache.is_some() {
        // Nothing of a cache of the last attempt may be in front of what is wiped now.
        remove_left(context, wanted)?;
    }
    if let Err(error) = context.runner.run(&create) {
        if made {
            return Err(error.into());
        }
        // A step that stopped in the middle left it.
        remove_left(context, wanted)?;
        context.runner.run(&create)?;
    }
    if context.chroot_mounts && !matches!(shape, VolumeShape::ThinPool { .. }) {
        let node = Path::new(wanted.node);
        await_device(node)?;
        // Its extents held something of the disk's last owner, perhaps at the very place where a filesystem has its mark.
        clear(context.runner, node)?;
    }
    if let Some(cache) = cache {
        let fast: Vec<&str> = wanted.fast.iter().map(String::as_str).collect();
        attach(context, wanted, cache, &fast)?;
    }
    if context.chroot_mounts { read_back(context, wanted) } else { Ok(()) }
}

/// Makes a cache, empty, and puts it in front of a volume. What the disk held before must never be taken for cached blocks: a cache
/// whose first blocks are its old ones comes up as healthy (measured with LVM 2.03.31).
fn attach(context: &Context, wanted: &Wanted<'_>, cache: &Cache, fast: &[&str]) -> Result<(), RebuildError> {
    let Wanted { group, volume, .. } = *wanted;
    context.runner.run(&make::cache(group, cache, fast))?;
    if context.chroot_mounts && cache.kind != CacheKind::Pool {
        // Its metadata begin with it. Those of a pool lvcreate zeroes itself.
        let node = PathBuf::from(mapper_node(group, &cache.name));
        await_device(&node)?;
        zero_first(&node)?;
    }
    for call in make::attach(group, volume, cache) {
        context.runner.run(&call)?;
    }
    if context.chroot_mounts { await_device(Path::new(wanted.node)) } else { Ok(()) }
}

/// Zeroes the first MiB of a device.
fn zero_first(node: &Path) -> Result<(), RebuildError> {
    let file = open(node)?;
    write(&file, node, &vec![0; 1 << 20], 0)?;
    sync(&file, node)
}

fn remove_left(context: &Context, wanted: &Wanted<'_>) -> Result<(), RebuildError> {
    for call in make::remove_left(wanted.group, wanted.volume) {
        context.runner.run(&call)?;
    }
    Ok(())
}

fn read_back(context: &Context, wanted: &Wanted<'_>) -> Result<(), RebuildError> {
    let text = context.runner.run(&make::look(wanted.group, wanted.volume))?.text();
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut columns = first.split(';').map(str::trim);
    let (kind, size) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
    let planned = match &wanted.volume.shape {
        VolumeShape::Linear { .. } => "linear",
        VolumeShape::Striped { .. } => "striped",
        VolumeShape::Raid { segment_type, .. } => segment_type,
        VolumeShape::ThinPool { .. } => "thin-pool",
        VolumeShape::Thin { .. } => "thin",
        VolumeShape::Cached { cache: Cache { kind: CacheKind::Writecache, .. }, .. } => "writecache",
        VolumeShape::Cached { .. } => "cache",
    };
    let size_bytes = wanted.size_bytes.to_string();
    let mut differences = vec![];
    let looked_at = make::looked_at(wanted.volume);
    let more = looked_at.iter().map(|(what, _, planned)| (*what, planned.as_str()));
    let first = [("kind", planned, kind), ("size in bytes", size_bytes.as_str(), size)];
    let more = more.map(|(what, planned)| (what, planned, columns.next().unwrap_or_default()));
    for (what, planned, found) in first.into_iter().chain(more) {
        if planned != found {
            let (planned, found) = (planned.to_owned(), found.to_owned());
            differences.push(Difference { what: what.to_owned(), planned, found });
        }
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(RebuildError::NotAsPlanned { device: wanted.node.to_owned(), differences }),
    }
}

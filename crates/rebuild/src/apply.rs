//! [`apply`]: one step of a plan done.

use crate::context::Context;
use crate::error::RebuildError;
use crate::{adapt, boot, finish, make, mounts, network, table, wipe};
use lifeboat_plan::Step;
use std::path::Path;

/// Does one step and reports what a person should know about it: usually nothing.
///
/// `Step::Extract` does nothing here: the archive is the driver's.
///
/// # Errors
/// [`RebuildError`] with what was done to what; the plan can be run again from its start.
pub fn apply(step: &Step, context: &Context) -> Result<Vec<String>, RebuildError> {
    tracing::debug!(%step, "apply");
    if let Step::MakeFilesystem { device, .. }
    | Step::MakeSubvolumes { device, .. }
    | Step::MakeSwap { device, .. }
    | Step::Mount { device, .. } = step
        && context.chroot_mounts
    {
        table::await_device(Path::new(device))?;
    }
    match step {
        Step::WipeDisk { disk, device } => wipe::wipe(context, Path::new(disk), device).map(|()| vec![]),
        Step::WriteTable { disk, table, entries, partitions } => {
            table::write(context, Path::new(disk), table, entries, partitions).map(|()| vec![])
        }
        Step::MakeArray { node, size_bytes, array, members } => {
            make::array::make(context, Path::new(node), *size_bytes, array, members)
        }
        Step::MakeGroup { group, physical, volumes } => {
            make::group::group(context, group, physical, volumes).map(|()| vec![])
        }
        Step::MakePhysicalVolume { physical } => make::group::physical(context, physical).map(|()| vec![]),
        Step::MakeVolume { node, group, size_bytes, extents, volume, physical, pool, fast, .. } => {
            let (size_bytes, extents, pool) = (*size_bytes, *extents, pool.as_deref());
            let wanted = make::group::Wanted { node, group, size_bytes, extents, volume, physical, pool, fast };
            make::group::volume(context, &wanted).map(|()| vec![])
        }
        Step::MakeLuks { device, header } => make::luks::header(context, Path::new(device), header).map(|()| vec![]),
        Step::OpenLuks { device, uuid, name, node, size_bytes } => {
            make::luks::open(context, Path::new(device), uuid, name, Path::new(node), *size_bytes).map(|()| vec![])
        }
        Step::MakeFilesystem { device, filesystem, resized, further, .. } => {
            make::filesystem(context, Path::new(device), filesystem, *resized, further)
        }
        Step::MakeSubvolumes { device, subvolumes, default } => {
            make::btrfs::subvolumes(context, Path::new(device), subvolumes, default).map(|()| vec![])
        }
        Step::MakeSwap { device, swap } => make::swap::area(context, Path::new(device), swap).map(|()| vec![]),
        Step::Mount { device, mount_point, kind, options, subvolume } => {
            mounts::mount(context, Path::new(device), mount_point, kind, options, subvolume.as_ref()).map(|()| vec![])
        }
        Step::Extract => Ok(vec![]),
        Step::MakeSwapFile { file } => make::swap::file(context, file).map(|()| vec![]),
        Step::AdaptConfiguration { replacements, gone } => adapt::configuration(context, replacements, gone),
        Step::AdaptFilesystems { changes } => adapt::filesystems(context, changes),
        Step::AdaptStorage { moved } => adapt::moved(context, moved),
        Step::RebuildInitramfs { .. } => boot::initramfs::rebuild(context),
        Step::InstallLoader { loader, disks } => boot::loader::install(context, loader, disks),
        Step::MakeEfiEntry { entry, disk, partition } => boot::entry::make(context, entry, disk, *partition),
        Step::Finish => {
            let mut notes = network::adapt(context)?;
            notes.extend(finish::finish(context)?);
            Ok(notes)
        }
    }
}

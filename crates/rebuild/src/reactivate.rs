//! [`reactivate`]: layers that a stopped recovery made are there again, for whoever goes on with it.

use crate::context::Context;
use crate::error::RebuildError;
use crate::make::{group, luks};
use crate::table::{await_device, link};
use lifeboat_machine::layout::VolumeShape;
use lifeboat_plan::Step;
use lifeboat_storage::{Layer, LayerKind, md, record};
use std::path::Path;

/// Assembles the array, or activates the volume, that a step made, where it is not active any more: looking at the disks releases
/// what nothing is mounted on. All other steps need nothing.
///
/// # Errors
/// What mdadm or lvm says.
pub fn reactivate(context: &Context, step: &Step) -> Result<(), RebuildError> {
    match step {
        Step::MakeArray { node, array, members, .. } => {
            let path = Path::new(node);
            if path.exists() {
                return Ok(());
            }
            let devices: Vec<&str> = members.iter().map(|member| member.device.as_str()).collect();
            context.runner.run(&md::make::assemble(node, array, &devices))?;
            await_device(path)?;
            let real = path.canonicalize().map_err(RebuildError::io("FIND", path))?;
            remember(context, LayerKind::Md, &real.to_string_lossy())
        }
        Step::MakeVolume { node, group, volume, .. } => {
            if Path::new(node).exists() || matches!(volume.shape, VolumeShape::ThinPool { .. }) {
                return Ok(());
            }
            context.runner.run(&group::make::activate(group, &volume.name))?;
            await_device(Path::new(node))?;
            remember(context, LayerKind::Lvm, group)
        }
        Step::OpenLuks { device, uuid, name, node, .. } => match Path::new(node).exists() {
            true => Ok(()),
            false => luks::activate(context, Path::new(device), uuid, name, Path::new(node)),
        },
        Step::WriteTable { disk, partitions, entries, .. } => {
            for (partition, entry) in partitions.iter().zip(entries) {
                link(Path::new(disk), Path::new(partition), Some(entry.number));
            }
            Ok(())
        }
        Step::WipeDisk { .. }
        | Step::MakeGroup { .. }
        | Step::MakePhysicalVolume { .. }
        | Step::MakeLuks { .. }
        | Step::MakeFilesystem { .. }
        | Step::MakeSubvolumes { .. }
        | Step::MakeSwap { .. }
        | Step::Mount { .. }
        | Step::Extract
        | Step::MakeSwapFile { .. }
        | Step::AdaptConfiguration { .. }
        | Step::AdaptFilesystems { .. }
        | Step::AdaptStorage { .. }
        | Step::RebuildInitramfs { .. }
        | Step::InstallLoader { .. }
        | Step::MakeEfiEntry { .. }
        | Step::Finish => Ok(()),
    }
}

fn remember(context: &Context, kind: LayerKind, name: &str) -> Result<(), RebuildError> {
    Ok(record::add(&context.run, &[Layer { kind, name: name.to_owned() }])?)
}

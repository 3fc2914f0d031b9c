//! The way back: layers are stopped from the top, as far as nothing is mounted on them.

use crate::blocks::{Block, Blocks};
use crate::kinds::{self, Mapped};
use crate::layer::{Layer, LayerKind, StorageError, tool};
use crate::{luks, lvm, record};
use lifeboat_sys::program::{KPARTX, MDADM, MULTIPATH};
use lifeboat_sys::{Invocation, RunError, Runner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What came of a release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// What is inactive now.
    pub layers: Vec<Layer>,
    /// What stays, and why.
    pub held: Vec<(Layer, String)>,
}

/// Releases the layers that were activated here, apart from what is mounted or holds up something that is.
///
/// # Errors
/// [`StorageError`] when the devices cannot be listed or the record cannot be used.
pub fn ours(runner: &dyn Runner, sys: &Path, run: &Path) -> Result<Released, StorageError> {
    let layers = record::read(run)?;
    if layers.is_empty() {
        return Ok(Released::default());
    }
    let released = release(runner, sys, layers)?;
    record::write(run, &released.held.iter().map(|(layer, _)| layer.clone()).collect::<Vec<_>>())?;
    Ok(released)
}

/// Releases every layer that is active, whoever activated it, apart from what is mounted or holds up something that is.
///
/// # Errors
/// [`StorageError`] when the devices cannot be listed or the record cannot be used.
pub fn all(runner: &dyn Runner, sys: &Path, run: &Path) -> Result<Released, StorageError> {
    let devices = Blocks::listed(sys)?;
    let layers = active(runner, &devices).into_iter().map(|(layer, _)| layer).collect();
    let ours = record::read(run)?;
    let released = release(runner, sys, layers)?;
    // What is still held, and was activated here, is released once it is free.
    let held = released.held.iter().map(|(layer, _)| layer).filter(|layer| ours.contains(layer)).cloned();
    record::write(run, &held.collect::<Vec<_>>())?;
    Ok(released)
}

/// Every layer that is active, with the nodes of the disks below.
pub fn active(runner: &dyn Runner, devices: &Blocks) -> Vec<(Layer, Vec<String>)> {
    let mut found: BTreeMap<Layer, BTreeSet<String>> = BTreeMap::new();
    for device in devices.all() {
        if let Some(layer) = layer(runner, device) {
            let disks = devices.disks_under(&device.name);
            found.entry(layer).or_default().extend(disks.into_iter().map(|disk| disk.path.clone()));
        }
    }
    found.into_iter().map(|(layer, disks)| (layer, disks.into_iter().collect())).collect()
}

/// The layer that a device is of.
fn layer(runner: &dyn Runner, device: &Block) -> Option<Layer> {
    let of = |kind, name: &str| Some(Layer { kind, name: name.to_owned() });
    if device.name.starts_with("md") && device.partition.is_none() && !device.slaves.is_empty() {
        return of(LayerKind::Md, &device.path);
    }
    let (name, uuid) = device.mapper.as_ref()?;
    match kinds::mapped(uuid) {
        Mapped::Layer(LayerKind::Lvm) => {
            let call = lvm::lvm("lvs", "").args(["--noheadings", "-o", "vg_name"]).arg(format!("/dev/mapper/{name}"));
            // Without an answer it keeps the volume's name, with which it cannot be stopped, and that is reported.
            let group = runner.run(&call).map(|output| output.text().trim().to_owned());
            of(LayerKind::Lvm, &group.unwrap_or_else(|_| name.clone()))
        }
        Mapped::Layer(kind @ (LayerKind::Luks | LayerKind::Multipath)) => of(kind, name),
        Mapped::Layer(LayerKind::Md) | Mapped::Partition | Mapped::DmRaid | Mapped::Vdo | Mapped::Other => None,
    }
}

fn release(runner: &dyn Runner, sys: &Path, mut layers: Vec<Layer>) -> Result<Released, StorageError> {
    let mut released = Released::default();
    // Whatever is on top goes first; the order in which it was activated does not say what that is.
    loop {
        let mut held = vec![];
        let before = layers.len();
        for layer in layers {
            if !is_there(sys, &layer)? {
                released.layers.push(layer);
                continue;
            }
            match stop(runner, &layer) {
                Ok(()) => released.layers.push(layer),
                Err(error) => held.push((layer, error.to_string())),
            }
        }
        if held.is_empty() || held.len() == before {
            released.held = held;
            return Ok(released);
        }
        layers = held.into_iter().map(|(layer, _)| layer).collect();
    }
}

/// False for what a person stopped in the meantime.
fn is_there(sys: &Path, layer: &Layer) -> Result<bool, StorageError> {
    let devices = Blocks::listed(sys)?;
    let mapped = |name: &str| devices.all().any(|d| d.mapper.as_ref().is_some_and(|(mapper, _)| mapper == name));
    Ok(match layer.kind {
        LayerKind::Md => devices.all().any(|device| device.path == layer.name && !device.slaves.is_empty()),
        LayerKind::Luks | LayerKind::Multipath => mapped(&layer.name),
        // vgchange finds nothing to do for a group that is not active.
        LayerKind::Lvm => true,
    })
}

fn stop(runner: &dyn Runner, layer: &Layer) -> Result<(), RunError> {
    let name = &layer.name;
    let call: Invocation = match layer.kind {
        LayerKind::Md => tool(MDADM).args(["--stop", name]),
        LayerKind::Lvm => lvm::lvm("vgchange", "").args(["-a", "n", name]),
        LayerKind::Luks => luks::make::close(name),
        LayerKind::Multipath => {
            runner.run(&tool(KPARTX).args(["-d", "-p", "-part"]).arg(format!("/dev/mapper/{name}")))?;
            tool(MULTIPATH).args(["-f", name])
        }
    };
    runner.run(&call).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::{FakeRunner, Output};

    fn layers() -> [Layer; 2] {
        [
            Layer { kind: LayerKind::Md, name: "/dev/md127".into() },
            Layer { kind: LayerKind::Lvm, name: "backup".into() },
        ]
    }

    /// /sys with an array, as long as nobody reads what it is made of twice.
    fn sysfs() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let array = root.path().join("block/md127");
        std::fs::create_dir_all(array.join("slaves/sdb1")).unwrap();
        std::fs::write(array.join("dev"), "9:127\n").unwrap();
        std::fs::write(array.join("size"), "2048\n").unwrap();
        root
    }

    #[test]
    fn what_is_below_waits_for_what_is_above() {
        let (sys, run) = (sysfs(), tempfile::tempdir().unwrap());
        record::add(run.path(), &layers()).unwrap();
        let busy = Output { code: 1, stdout: vec![], stderr: b"mdadm: failed to stop array: busy".to_vec() };
        let runner = FakeRunner::lenient().answer_with("mdadm --stop", busy);
        let released = ours(&runner, sys.path(), run.path()).unwrap();
        assert_eq!(released.layers, [layers()[1].clone(), layers()[0].clone()]);
        assert!(released.held.is_empty());
        assert_eq!(record::read(run.path()).unwrap(), []);
    }

    #[test]
    fn what_was_activated_here_and_is_held_stays_in_the_record() {
        let (sys, run) = (sysfs(), tempfile::tempdir().unwrap());
        record::add(run.path(), &layers()[..1]).unwrap();
        let busy = Output { code: 1, stdout: vec![], stderr: b"mdadm: busy".to_vec() };
        let runner = FakeRunner::lenient().answer_with("mdadm --stop", busy);
        let released = all(&runner, sys.path(), run.path()).unwrap();
        assert_eq!(released.held.len(), 1);
        assert_eq!(record::read(run.path()).unwrap(), layers()[..1]);
    }

    #[test]
    fn what_is_mounted_stays() {
        let (sys, run) = (sysfs(), tempfile::tempdir().unwrap());
        record::add(run.path(), &layers()).unwrap();
        let busy = |text: &str| Output { code: 5, stdout: vec![], stderr: text.as_bytes().to_vec() };
        let runner = FakeRunner::lenient()
            .answer_with("mdadm --stop", busy("mdadm: busy"))
            .answer_with("lvm vgchange", busy("Logical volume backup/repo in use."));
        let released = ours(&runner, sys.path(), run.path()).unwrap();
        assert!(released.layers.is_empty());
        assert!(released.held[1].1.contains("in use"), "{released:?}");
        assert_eq!(record::read(run.path()).unwrap(), layers());
    }
}

//! Firmware that modules name.

use crate::error::RescueError;
use crate::kernel::Kernel;
use crate::module_file::{self, SUFFIXES};
use crate::modules::Place;
use crate::sysroot::Sysroot;
use crate::tree::{FileContent, Node, Tree, read_source};
use lifeboat_sys::modules::{fnmatch, index::parse_builtin_modinfo};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Firmware names with the module that names each and the image that it goes into.
pub type Wanted = BTreeMap<String, (Place, String)>;

/// Reads the names from the modules of both images, and from those that are built in. Firmware goes where its module is.
///
/// # Errors
/// When a module cannot be read.
pub fn wanted(root: &Tree, tools: &Tree, sysroot: &Sysroot, kernel: &Kernel) -> Result<Wanted, RescueError> {
    let in_root = root.iter().map(|node| (Place::Root, node));
    let modules: Vec<(Place, &Path, &FileContent)> = in_root
        .chain(tools.iter().map(|node| (Place::Tools, node)))
        .filter(|(_, (path, ..))| module_file::plain_name(&path.to_string_lossy()).ends_with(".ko"))
        .filter_map(|(place, (path, node, _))| match node {
            Node::File { source, .. } => Some((place, path, source)),
            _ => None,
        })
        .collect();
    let found: Vec<(String, Place, String)> = modules
        .into_par_iter()
        .map(|(place, path, source)| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let module = module_file::plain_name(&name).trim_end_matches(".ko").to_owned();
            // One that stays packed is a file as it is; this unpacks it for its `.modinfo`.
            let bytes = match source {
                FileContent::File(file) => module_file::unpack(file)?,
                other => read_source(other)?,
            };
            let infos = module_file::modinfo(&bytes).ok_or_else(|| RescueError::Format {
                path: path.to_owned(),
                reason: "it is not a kernel module".to_owned(),
            })?;
            Ok(infos
                .into_iter()
                .filter(|(key, _)| key == "firmware")
                .map(|(_, name)| (name, place, module.clone()))
                .collect::<Vec<_>>())
        })
        .collect::<Result<Vec<_>, RescueError>>()?
        .into_iter()
        .flatten()
        .collect();
    let mut wanted = Wanted::new();
    for (name, place, module) in found {
        // Wanted by two modules: the root takes precedence, the order of names decides the reason.
        let entry = wanted.entry(name).or_insert_with(|| (place, module.clone()));
        if (place, &module) < (entry.0, &entry.1) {
            *entry = (place, module);
        }
    }
    let modinfo = kernel.modules.join("modules.builtin.modinfo").display().to_string();
    for info in parse_builtin_modinfo(&sysroot.read(&modinfo)?.unwrap_or_default()) {
        if info.key == "firmware" {
            wanted.entry(info.value).or_insert((Place::Root, info.module));
        }
    }
    Ok(wanted)
}

/// Adds the firmware `name` (it may contain `*` and `?`), unpacked. Returns the number of files found; none is normal, because
/// modules name the firmware of every revision of their hardware.
///
/// # Errors
/// When a firmware directory cannot be read.
pub fn add(tree: &mut Tree, sysroot: &Sysroot, release: &str, name: &str, why: &str) -> Result<usize, RescueError> {
    // A name from a module must not lead out of the firmware directory.
    if name.starts_with('/') || name.split('/').any(|part| part.is_empty() || part == "..") {
        return Ok(0);
    }
    // The kernel's own order (drivers/base/firmware_loader/main.c, fw_path).
    let directories = [
        format!("/lib/firmware/updates/{release}"),
        "/lib/firmware/updates".to_owned(),
        format!("/lib/firmware/{release}"),
        "/lib/firmware".to_owned(),
    ];
    for directory in directories {
        let mut count = 0;
        for path in matches(sysroot, Path::new(&directory), name)? {
            count += usize::from(add_file(tree, sysroot, &path, why)?);
        }
        if count > 0 {
            return Ok(count);
        }
    }
    Ok(0)
}

fn matches(sysroot: &Sysroot, directory: &Path, name: &str) -> Result<Vec<PathBuf>, RescueError> {
    let path = directory.join(name);
    if !name.contains(['*', '?', '[']) {
        return Ok(vec![path]);
    }
    let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = path.parent().unwrap_or(directory);
    let names = sysroot.list(parent)?;
    let plain = names.iter().map(|name| module_file::plain_name(&name.to_string_lossy()).to_owned());
    let mut found: Vec<PathBuf> = plain.filter(|name| fnmatch(&pattern, name)).map(|name| parent.join(name)).collect();
    found.dedup();
    Ok(found)
}

fn add_file(tree: &mut Tree, sysroot: &Sysroot, path: &Path, why: &str) -> Result<bool, RescueError> {
    if tree.take(sysroot, path, why)? {
        return Ok(true);
    }
    for suffix in SUFFIXES {
        let mut packed = path.as_os_str().to_owned();
        packed.push(format!(".{suffix}"));
        let Some((resolved, outside)) = sysroot.file(Path::new(&packed))? else { continue };
        // Links between packed files become copies under the plain name: their targets have other names now.
        let parent = sysroot.resolve(path.parent().unwrap_or(path))?;
        if let Some(parent) = &parent {
            tree.links(parent, why);
        }
        let directory = parent.map_or_else(|| resolved.path.clone(), |parent| parent.path);
        let target = directory.join(path.file_name().unwrap_or_default());
        tree.file(&target, FileContent::Packed(outside), 0o644, why);
        return Ok(true);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn plain_packed_linked_and_patterns() {
        let dir = tempfile::tempdir().unwrap();
        let firmware = dir.path().join("usr/lib/firmware");
        std::fs::create_dir_all(firmware.join("brcm")).unwrap();
        symlink("usr/lib", dir.path().join("lib")).unwrap();
        std::fs::write(firmware.join("bnx2.fw"), "x").unwrap();
        std::fs::write(firmware.join("brcm/a-1.bin.zst"), zstd::encode_all(&b"a"[..], 1).unwrap()).unwrap();
        std::fs::write(firmware.join("brcm/a-2.bin"), "b").unwrap();
        symlink("brcm/a-1.bin.zst", firmware.join("link.bin.zst")).unwrap();
        let sysroot = Sysroot::new(dir.path());
        let mut tree = Tree::default();
        for (name, count) in [("bnx2.fw", 1), ("brcm/a-*.bin", 2), ("link.bin", 1), ("none", 0), ("../../etc/x", 0)] {
            assert_eq!(add(&mut tree, &sysroot, "6.1", name, "test").unwrap(), count, "{name}");
        }
        let paths: Vec<String> = tree.iter().map(|(path, ..)| path.display().to_string()).collect();
        for path in
            ["/lib", "/usr/lib/firmware/bnx2.fw", "/usr/lib/firmware/brcm/a-1.bin", "/usr/lib/firmware/link.bin"]
        {
            assert!(paths.iter().any(|p| p == path), "{path} in {paths:?}");
        }
    }
}

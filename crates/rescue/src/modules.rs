//! Which modules travel, and the trimmed indexes by which init and modprobe find them.
//!
//! [`crate::rules`] decides which and where.

use crate::error::RescueError;
use crate::index::{IndexEntry, write_index};
use crate::kernel::Kernel;
use crate::module_file::plain_name;
pub use crate::rules::{Place, reason};
use crate::sysroot::Sysroot;
use crate::tree::{FileContent, Tree};
use lifeboat_sys::modules::{Index, index::parse_builtin_modinfo, module_name, normalise};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A packed module file of at least this size stays packed, if the kernel unpacks it itself: xz then saves more than the
/// image's compression does. Smaller ones do better together in the image's blocks (decision 8).
const KEPT_PACKED: u64 = 64 << 10;

/// What a compressed root needs before it is mounted.
pub const EARLY: [&str; 3] = ["loop", "squashfs", "overlay"];

/// The chosen modules by name, with the reason for each.
pub type Selection = BTreeMap<String, String>;

/// Chooses the modules of `place` by [`reason`] and `wanted` ones by name, and adds what they depend on, hard and soft.
///
/// # Errors
/// [`RescueError::Module`] for a requested one that is neither in the index nor built in.
pub fn select(
    index: &Index,
    release: &str,
    place: Option<Place>,
    wanted: &[(&str, &str)],
) -> Result<Selection, RescueError> {
    let mut selection = Selection::new();
    let mut pending: Vec<(String, String)> = Vec::new();
    let mut direct: Vec<(String, String)> = Vec::new();
    for (name, module) in &index.modules {
        if let Some((found, why)) = reason(&module.path)
            && Some(found) == place
        {
            direct.push((name.clone(), format!("module: {why}")));
        }
    }
    for (name, why) in wanted {
        let name = normalise(name);
        if !index.modules.contains_key(&name) {
            if index.builtin.contains(&name) {
                continue;
            }
            return Err(RescueError::Module { name, release: release.to_owned() });
        }
        direct.push((name, (*why).to_owned()));
    }
    // A module that was chosen keeps that reason, even if others need it, too.
    let chosen: BTreeMap<String, String> = direct.iter().rev().cloned().collect();
    pending.extend(direct);
    while let Some((name, why)) = pending.pop() {
        let Some(module) = index.modules.get(&name) else { continue };
        if selection.contains_key(&name) {
            continue;
        }
        for dependency in &module.dependencies {
            pending.push((dependency.clone(), format!("module: needed by {name}")));
        }
        if let Some(soft) = index.soft_dependencies.get(&name) {
            for dependency in soft.pre.iter().chain(&soft.post) {
                // A soft dependency may be an alias: `crypto-crc32c`.
                let targets = match index.modules.contains_key(dependency) {
                    true => vec![dependency.as_str()],
                    false => index.aliases.find(dependency),
                };
                pending
                    .extend(targets.into_iter().map(|target| (target.to_owned(), format!("module: wanted by {name}"))));
            }
        }
        let why = chosen.get(&name).cloned().unwrap_or(why);
        selection.insert(name, why);
    }
    Ok(selection)
}

/// Adds the chosen modules at their place in `modules` (the directory of the release), unpacked but for large ones that the
/// kernel unpacks itself.
///
/// # Errors
/// When the index names a missing file.
pub fn add_files(
    tree: &mut Tree,
    sysroot: &Sysroot,
    kernel: &Kernel,
    index: &Index,
    selection: &Selection,
) -> Result<(), RescueError> {
    for (name, why) in selection {
        let Some(module) = index.modules.get(name) else { continue };
        let outside = outside(sysroot, kernel, name, &module.path)?;
        let (target, content) = match stays_packed(kernel, &outside)? {
            true => (module.path.as_str(), FileContent::File(outside)),
            false => (plain_name(&module.path), FileContent::Packed(outside)),
        };
        tree.file(&kernel.modules.join(target), content, 0o644, why);
    }
    Ok(())
}

fn outside(sysroot: &Sysroot, kernel: &Kernel, name: &str, path: &str) -> Result<PathBuf, RescueError> {
    let file = sysroot.file(&kernel.modules.join(path))?;
    file.map(|(_, outside)| outside)
        .ok_or_else(|| RescueError::Module { name: name.to_owned(), release: kernel.release.clone() })
}

fn stays_packed(kernel: &Kernel, file: &Path) -> Result<bool, RescueError> {
    let Some(suffix) = file.extension().and_then(|suffix| suffix.to_str()) else { return Ok(false) };
    let size = std::fs::metadata(file).map_err(RescueError::io("READ", file))?.len();
    Ok(size >= KEPT_PACKED && kernel.unpacks_modules(suffix))
}

/// Names of the chosen modules whose files stay packed.
fn packed(
    sysroot: &Sysroot,
    kernel: &Kernel,
    index: &Index,
    selection: &Selection,
) -> Result<BTreeSet<String>, RescueError> {
    let mut packed = BTreeSet::new();
    for name in selection.keys() {
        let Some(module) = index.modules.get(name) else { continue };
        if stays_packed(kernel, &outside(sysroot, kernel, name, &module.path)?)? {
            packed.insert(name.clone());
        }
    }
    Ok(packed)
}

/// Adds depmod's files for the chosen modules: text, which init reads, and `.bin`, which a stock modprobe reads.
///
/// # Errors
/// When the indexes of the root filesystem cannot be read.
pub fn add_indexes(
    tree: &mut Tree,
    sysroot: &Sysroot,
    kernel: &Kernel,
    index: &Index,
    selection: &Selection,
) -> Result<(), RescueError> {
    let why = "module index";
    let packed = packed(sysroot, kernel, index, selection)?;
    let read = |name: &str| -> Result<String, RescueError> {
        let bytes = sysroot.read(&kernel.modules.join(name).display().to_string())?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let mut put = |name: &str, bytes: Vec<u8>| {
        tree.file(&kernel.modules.join(name), FileContent::Bytes(bytes), 0o644, why);
    };
    let here = |name: &str| selection.contains_key(&normalise(name));

    let dep = trim_dep(&read("modules.dep")?, here, &packed);
    put("modules.dep.bin", write_index(&dep_entries(&dep)));
    put("modules.dep", dep.into_bytes());

    let alias = trim_lines(&read("modules.alias")?, |line| line.rsplit_once([' ', '\t']).is_some_and(|(_, m)| here(m)));
    put("modules.alias.bin", write_index(&alias_entries(&alias)));
    put("modules.alias", alias.into_bytes());

    let softdep = trim_lines(&read("modules.softdep")?, |line| line.split_whitespace().nth(1).is_some_and(here));
    put("modules.softdep", softdep.into_bytes());
    let devname = trim_lines(&read("modules.devname")?, |line| line.split_whitespace().next().is_some_and(here));
    put("modules.devname", devname.into_bytes());
    let in_order = |line: &str| module_name(line).is_some_and(|name| here(&name));
    put("modules.order", trim_lines(&read("modules.order")?, in_order).into_bytes());

    let builtin = read("modules.builtin")?;
    let names =
        builtin.lines().filter_map(module_name).map(|key| IndexEntry { key, value: String::new(), priority: 0 });
    put("modules.builtin.bin", write_index(&names.collect::<Vec<_>>()));
    put("modules.builtin", builtin.into_bytes());
    let modinfo_path = kernel.modules.join("modules.builtin.modinfo").display().to_string();
    if let Some(bytes) = sysroot.read(&modinfo_path)? {
        let aliases: Vec<IndexEntry> = parse_builtin_modinfo(&bytes)
            .into_iter()
            .filter(|info| info.key == "alias")
            .map(|info| IndexEntry { key: normalise(&info.value), value: info.module, priority: 0 })
            .collect();
        put("modules.builtin.alias.bin", write_index(&aliases));
        put("modules.builtin.modinfo", bytes);
    }
    Ok(())
}

/// modules.dep, only of modules that exist, with the paths of unpacked files but for those of `packed`.
fn trim_dep(text: &str, here: impl Fn(&str) -> bool, packed: &BTreeSet<String>) -> String {
    let file = |path: &'_ str| match module_name(path).is_some_and(|name| packed.contains(&name)) {
        true => path.to_owned(),
        false => plain_name(path).to_owned(),
    };
    let mut out = String::new();
    for line in text.lines() {
        let Some((path, dependencies)) = line.split_once(':') else { continue };
        if !module_name(path).is_some_and(|name| here(&name)) {
            continue;
        }
        out.push_str(&file(path));
        out.push(':');
        for dependency in dependencies.split_whitespace() {
            out.push(' ');
            out.push_str(&file(dependency));
        }
        out.push('\n');
    }
    out
}

fn trim_lines(text: &str, keep: impl Fn(&str) -> bool) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|line| line.starts_with('#') || keep(line)) {
        // `modules.order` of a compressed tree names the plain file already; the others do not name files.
        out.push_str(plain_name(line));
        out.push('\n');
    }
    out
}

/// The value of modules.dep.bin is the line of modules.dep, its priority the place in modules.order, which matters only
/// to depmod.
fn dep_entries(dep: &str) -> Vec<IndexEntry> {
    dep.lines()
        .filter_map(|line| {
            let key = module_name(line.split_once(':')?.0)?;
            Some(IndexEntry { key, value: line.to_owned(), priority: 0 })
        })
        .collect()
}

fn alias_entries(alias: &str) -> Vec<IndexEntry> {
    alias
        .lines()
        .enumerate()
        .filter_map(|(number, line)| {
            let (pattern, module) = line.strip_prefix("alias ")?.rsplit_once([' ', '\t'])?;
            let priority = u32::try_from(number).unwrap_or(u32::MAX);
            Some(IndexEntry { key: normalise(pattern.trim()), value: normalise(module), priority })
        })
        .collect()
}

/// File names of what a compressed root needs, in the order of loading, with their place in `kernel.modules`.
///
/// `None` when the kernel has neither a module nor a built-in squashfs, loop and overlay: then the root cannot be a squashfs.
pub fn early(index: &Index) -> Option<Vec<String>> {
    let mut order: Vec<String> = Vec::new();
    for name in EARLY {
        if index.builtin.contains(name) {
            continue;
        }
        let closure = index.closure(name);
        if closure.is_empty() {
            return None;
        }
        for name in closure {
            if !order.contains(&name) {
                order.push(name);
            }
        }
    }
    Some(order)
}

/// The path of a module below the directory of the release.
pub fn path_of<'a>(index: &'a Index, name: &str) -> Option<&'a Path> {
    index.modules.get(name).map(|module| Path::new(module.path.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_sys::modules::index::{parse_alias, parse_builtin, parse_dep, parse_softdep};

    fn index() -> Index {
        Index {
            modules: parse_dep(
                "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz\nkernel/fs/jbd2/jbd2.ko.xz:\n\
                 kernel/arch/x86/crypto/crc32c-intel.ko.xz:\nkernel/sound/core/snd.ko.xz:\n\
                 kernel/fs/squashfs/squashfs.ko.xz:\nkernel/fs/overlayfs/overlay.ko.xz:\n\
                 kernel/drivers/mfd/mfd-core.ko.xz:\nkernel/drivers/mmc/host/vub300.ko.xz: kernel/drivers/mfd/mfd-core.ko.xz\n",
            ),
            aliases: parse_alias("alias crypto-crc32c crc32c_intel\n"),
            soft_dependencies: parse_softdep("softdep ext4 pre: crypto-crc32c\n"),
            builtin: parse_builtin("kernel/drivers/block/loop.ko\n"),
            ..Index::default()
        }
    }

    #[test]
    fn dependencies_come_along() {
        let selection = select(&index(), "6.1", Some(Place::Root), &[("snd", "wanted")]).unwrap();
        assert_eq!(selection["mfd_core"], "module: needed by vub300");
        assert_eq!(selection["crc32c_intel"], "module: crypto");
        assert_eq!(selection["jbd2"], "module: filesystem");
        assert_eq!(selection["snd"], "wanted");
        let error = select(&index(), "6.1", None, &[("zfs", "")]).unwrap_err().to_string();
        assert_eq!(error, "cannot FIND the module zfs of kernel 6.1; try reinstalling the kernel package");
        assert!(select(&index(), "6.1", None, &[("loop", "")]).unwrap().is_empty());
    }

    #[test]
    fn indexes_name_unpacked_files() {
        let text = "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz\nkernel/a/b.ko.xz:\n";
        let trimmed = |packed: &[&str]| {
            trim_dep(text, |name| name == "ext4", &packed.iter().map(|name| (*name).to_owned()).collect())
        };
        assert_eq!(trimmed(&[]), "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n");
        assert_eq!(trimmed(&["jbd2"]), "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko.xz\n");
        assert_eq!(trimmed(&["ext4"]), "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko\n");
    }

    #[test]
    fn early_modules_in_order_without_built_in_ones() {
        assert_eq!(early(&index()).unwrap(), ["squashfs", "overlay"]);
        assert_eq!(early(&Index { builtin: Default::default(), ..index() }), None);
    }
}

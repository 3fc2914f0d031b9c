//! What depmod(8) wrote about one kernel release: the text files in /lib/modules/RELEASE.
//!
//! The binary `.bin` twins are not read: the text holds the same, except the aliases of built-in modules, which are
//! in modules.builtin.modinfo.

use super::alias::AliasTable;
use super::pattern::{module_name, normalise};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module that is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Path below /lib/modules/RELEASE, as modules.dep has it.
    pub path: String,
    /// Names of the modules it depends on, in the order in which they must be loaded.
    pub dependencies: Vec<String>,
}

/// What should be loaded around a module (`softdep` lines).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoftDependencies {
    /// Before it.
    pub pre: Vec<String>,
    /// After it.
    pub post: Vec<String>,
}

/// A device node that exists before its module is loaded (modules.devname).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticNode {
    /// The module that opening it loads.
    pub module: String,
    /// Path below /dev.
    pub name: String,
    /// Block device, otherwise a character device.
    pub block: bool,
    /// Device number.
    pub device: (u32, u32),
}

/// One `module.key=value` of modules.builtin.modinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltinInfo {
    /// Module name, normalised.
    pub module: String,
    /// `alias`, `firmware`, `license`, …
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Everything depmod knows about one kernel release.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Modules in files, by normalised name.
    pub modules: BTreeMap<String, Module>,
    /// Aliases of modules in files.
    pub aliases: AliasTable,
    /// Soft dependencies, by normalised name.
    pub soft_dependencies: BTreeMap<String, SoftDependencies>,
    /// Names of the built-in modules.
    pub builtin: BTreeSet<String>,
    /// Aliases of built-in modules.
    pub builtin_aliases: AliasTable,
    /// Device nodes to make at boot.
    pub static_nodes: Vec<StaticNode>,
}

/// Why an index could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot READ {path}: {source}")]
pub struct IndexError {
    /// The file.
    pub path: PathBuf,
    /// The system's error.
    pub source: std::io::Error,
}

impl Index {
    /// Reads the index of a kernel release from `directory` (/lib/modules/RELEASE).
    ///
    /// Only modules.dep must exist: a kernel without loadable modules has an empty one, older depmods lack some others.
    ///
    /// # Errors
    /// [`IndexError`] naming the file.
    pub fn read(directory: &Path) -> Result<Index, IndexError> {
        let required = |name: &str| {
            let path = directory.join(name);
            std::fs::read(&path).map_err(|source| IndexError { path, source })
        };
        let optional = |name: &str| match required(name) {
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other,
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let mut index = Index {
            modules: parse_dep(&text(required("modules.dep")?)),
            aliases: parse_alias(&text(optional("modules.alias")?)),
            soft_dependencies: parse_softdep(&text(optional("modules.softdep")?)),
            builtin: parse_builtin(&text(optional("modules.builtin")?)),
            builtin_aliases: AliasTable::default(),
            static_nodes: parse_devname(&text(optional("modules.devname")?)),
        };
        for info in parse_builtin_modinfo(&optional("modules.builtin.modinfo")?) {
            if info.key == "alias" {
                index.builtin_aliases.insert(&info.value, &info.module);
            }
            index.builtin.insert(info.module);
        }
        Ok(index)
    }

    /// The module and all it needs, each once, in the order of loading; soft dependencies not included.
    /// Empty for a name that is not in the index, or is built in.
    pub fn closure(&self, name: &str) -> Vec<String> {
        let mut order = Vec::new();
        self.visit(&normalise(name), &mut BTreeSet::new(), &mut order);
        order
    }

    fn visit(&self, name: &str, seen: &mut BTreeSet<String>, order: &mut Vec<String>) {
        let Some(module) = self.modules.get(name) else { return };
        // A dependency cycle, which depmod refuses but a damaged file may hold, ends here.
        if !seen.insert(name.to_owned()) {
            return;
        }
        for dependency in &module.dependencies {
            self.visit(dependency, seen, order);
        }
        order.push(name.to_owned());
    }
}

/// Lines of a depmod file without comments and blank ones.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Reads modules.dep: `PATH: PATH PATH`. There, the dependencies are in the reverse order of loading.
pub fn parse_dep(text: &str) -> BTreeMap<String, Module> {
    lines(text)
        .filter_map(|line| {
            let (path, dependencies) = line.split_once(':')?;
            let name = module_name(path)?;
            let dependencies = dependencies.split_whitespace().rev().filter_map(module_name).collect();
            Some((name, Module { path: path.to_owned(), dependencies }))
        })
        .collect()
}

/// Reads modules.alias: `alias PATTERN MODULE`.
pub fn parse_alias(text: &str) -> AliasTable {
    let mut table = AliasTable::default();
    for line in lines(text) {
        // A pattern may contain spaces (DMI strings do), a module name cannot.
        let Some(rest) = line.strip_prefix("alias ") else { continue };
        if let Some((pattern, module)) = rest.trim().rsplit_once([' ', '\t']) {
            table.insert(pattern.trim_end(), module);
        }
    }
    table
}

/// Reads modules.softdep: `softdep MODULE pre: A B post: C D`.
pub fn parse_softdep(text: &str) -> BTreeMap<String, SoftDependencies> {
    let mut all = BTreeMap::new();
    for line in lines(text) {
        if let Some((module, new)) = line.strip_prefix("softdep ").and_then(soft_dependencies) {
            let entry: &mut SoftDependencies = all.entry(module).or_default();
            entry.pre.extend(new.pre);
            entry.post.extend(new.post);
        }
    }
    all
}

/// Reads what follows the word `softdep`.
pub(super) fn soft_dependencies(rest: &str) -> Option<(String, SoftDependencies)> {
    let mut words = rest.split_whitespace();
    let module = normalise(words.next()?);
    let mut dependencies = SoftDependencies::default();
    let mut into: Option<&mut Vec<String>> = None;
    for word in words {
        match word {
            "pre:" => into = Some(&mut dependencies.pre),
            "post:" => into = Some(&mut dependencies.post),
            name => {
                if let Some(list) = into.as_deref_mut() {
                    list.push(normalise(name));
                }
            }
        }
    }
    Some((module, dependencies))
}

/// Reads modules.builtin: one path a line.
pub fn parse_builtin(text: &str) -> BTreeSet<String> {
    lines(text).filter_map(module_name).collect()
}

/// Reads modules.builtin.modinfo: `module.key=value`, each ended by a NUL byte.
pub fn parse_builtin_modinfo(bytes: &[u8]) -> Vec<BuiltinInfo> {
    bytes
        .split(|b| *b == 0)
        .filter_map(|entry| {
            let text = String::from_utf8_lossy(entry);
            let (key, value) = text.split_once('=')?;
            let (module, key) = key.split_once('.')?;
            (!module.is_empty() && !key.is_empty()).then(|| BuiltinInfo {
                module: normalise(module),
                key: key.to_owned(),
                value: value.to_owned(),
            })
        })
        .collect()
}

/// Reads modules.devname: `MODULE NAME cMAJOR:MINOR`.
pub fn parse_devname(text: &str) -> Vec<StaticNode> {
    lines(text)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (module, name, device) = (words.next()?, words.next()?, words.next()?);
            // A path that would leave /dev is not a device node.
            if name.split('/').any(|part| part.is_empty() || part == "..") {
                return None;
            }
            let (block, numbers) = match device.split_at_checked(1)? {
                ("b", numbers) => (true, numbers),
                ("c", numbers) => (false, numbers),
                _ => return None,
            };
            let (major, minor) = numbers.split_once(':')?;
            Some(StaticNode {
                module: normalise(module),
                name: name.to_owned(),
                block,
                device: (major.parse().ok()?, minor.parse().ok()?),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_in_loading_order() {
        let index = Index {
            modules: parse_dep(
                "kernel/a/usb-storage.ko: kernel/s/scsi_mod.ko kernel/u/usbcore.ko kernel/u/usb-common.ko\n\
                 kernel/s/scsi_mod.ko: kernel/s/scsi_common.ko\nkernel/s/scsi_common.ko:\n\
                 kernel/u/usbcore.ko: kernel/u/usb-common.ko\nkernel/u/usb-common.ko:\nbroken line\n",
            ),
            ..Index::default()
        };
        assert_eq!(index.closure("usb-storage"), ["usb_common", "usbcore", "scsi_common", "scsi_mod", "usb_storage"]);
        assert_eq!(index.closure("nothing"), Vec::<String>::new());
    }

    #[test]
    fn a_cycle_ends() {
        let index = Index { modules: parse_dep("a.ko: b.ko\nb.ko: a.ko\n"), ..Index::default() };
        assert_eq!(index.closure("a"), ["b", "a"]);
    }

    #[test]
    fn soft_dependencies_and_nodes() {
        let all = parse_softdep("# c\nsoftdep btrfs pre: crc32c pre: xxhash64 post: sha-256\nsoftdep\n");
        assert_eq!(all["btrfs"].pre, ["crc32c", "xxhash64"]);
        assert_eq!(all["btrfs"].post, ["sha_256"]);
        let nodes = parse_devname("fuse fuse c10:229\nbad ../etc/x c1:1\nloop loop-control c10:237\nx y z\n");
        assert_eq!(nodes.len(), 2);
        assert_eq!(nodes[1].device, (10, 237));
    }

    #[test]
    fn builtin_information() {
        let infos = parse_builtin_modinfo(b"ext4.alias=fs-ext4\0ext4.license=GPL\0noequals\0.x=y\0");
        assert_eq!(infos.len(), 2);
        assert_eq!((infos[0].key.as_str(), infos[0].value.as_str()), ("alias", "fs-ext4"));
    }

    #[test]
    fn any_text_is_read() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[a-z:. *\\[\\]\\-\n\t/]{0,200}")| {
            let lossy = String::from_utf8_lossy(&bytes);
            for text in [&*lossy, &text] {
                parse_dep(text); parse_alias(text); parse_softdep(text); parse_builtin(text); parse_devname(text);
            }
            parse_builtin_modinfo(&bytes);
        });
    }
}

//! Which modules a name or modalias asks for, in which order.

use super::config::Config;
use super::index::Index;
use super::pattern::normalise;
use std::collections::BTreeSet;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadStep {
    /// Load a file into the kernel (finit_module(2)).
    File {
        /// Module name.
        name: String,
        /// Path below /lib/modules/RELEASE.
        path: String,
        /// Parameters.
        options: String,
        /// The steps before it must have succeeded; a failed soft dependency stops nothing.
        required: bool,
    },
    /// Run a shell command instead (`install` of modprobe.d(5)).
    Command {
        /// Module name.
        name: String,
        /// The command.
        command: String,
        /// As for files.
        required: bool,
    },
}

/// What a look-up led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadPlan {
    /// The modules that were asked for, built-in ones among them.
    pub modules: Vec<String>,
    /// Those that the blacklist took out.
    pub blacklisted: Vec<String>,
    /// What to do, in order, each module once.
    pub steps: Vec<LoadStep>,
}

impl LoadPlan {
    /// Resolves a module name or an alias as modprobe(8) does: aliases of the configuration, then module names, then
    /// aliases of the index, then those of built-in modules; the first that knows it wins. The blacklist applies to
    /// everything but a plain module name.
    pub fn new(index: &Index, config: &Config, wanted: &str) -> LoadPlan {
        let name = normalise(wanted);
        let mut plan = LoadPlan::default();
        let from_config = config.aliases.find(&name);
        let exact = index.modules.contains_key(&name) || config.install.contains_key(&name);
        let targets: Vec<String> = if !from_config.is_empty() {
            from_config.into_iter().map(str::to_owned).collect()
        } else if exact || index.builtin.contains(&name) {
            vec![name.clone()]
        } else {
            let mut found = index.aliases.find(&name);
            if found.is_empty() {
                found = index.builtin_aliases.find(&name);
            }
            found.into_iter().map(str::to_owned).collect()
        };
        let mut planner = Planner { index, config, seen: BTreeSet::new(), steps: &mut plan.steps };
        for target in targets {
            if config.blacklist.contains(&target) && target != name {
                plan.blacklisted.push(target);
            } else {
                planner.add(&target, true);
                plan.modules.push(target);
            }
        }
        plan
    }

    /// True when nothing knows the name.
    pub fn is_unknown(&self) -> bool {
        self.modules.is_empty() && self.blacklisted.is_empty()
    }
}

struct Planner<'a> {
    index: &'a Index,
    config: &'a Config,
    seen: BTreeSet<String>,
    steps: &'a mut Vec<LoadStep>,
}

impl Planner<'_> {
    fn add(&mut self, name: &str, required: bool) {
        if !self.seen.insert(name.to_owned()) {
            return;
        }
        for soft in self.soft(name, true) {
            self.add(&soft, false);
        }
        if let Some(command) = self.config.install.get(name) {
            self.steps.push(LoadStep::Command { name: name.to_owned(), command: command.clone(), required });
        } else if let Some(module) = self.index.modules.get(name) {
            for dependency in &module.dependencies {
                self.add(dependency, required);
            }
            self.steps.push(LoadStep::File {
                name: name.to_owned(),
                path: module.path.clone(),
                options: self.config.options.get(name).cloned().unwrap_or_default(),
                required,
            });
        }
        for soft in self.soft(name, false) {
            self.add(&soft, false);
        }
    }

    /// Soft dependencies name modules or aliases; aliases are resolved, unknown names are left out.
    fn soft(&self, name: &str, pre: bool) -> Vec<String> {
        let tables = [&self.index.soft_dependencies, &self.config.soft_dependencies];
        let lists = tables.iter().filter_map(|table| table.get(name));
        lists
            .flat_map(|soft| if pre { &soft.pre } else { &soft.post })
            .flat_map(|wanted| {
                if self.index.modules.contains_key(wanted) {
                    vec![wanted.clone()]
                } else {
                    self.index.aliases.find(wanted).into_iter().map(str::to_owned).collect()
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::{parse_alias, parse_builtin, parse_dep, parse_softdep};
    use super::*;

    fn index() -> Index {
        Index {
            modules: parse_dep(
                "k/e1000.ko:\nk/btrfs.ko: k/xor.ko k/raid6_pq.ko\nk/xor.ko:\nk/raid6_pq.ko:\nk/crc32c_intel.ko:\n\
                 k/nouveau.ko:\nk/floppy.ko:\nk/virtio_blk.ko: k/virtio.ko\nk/virtio.ko:\n",
            ),
            aliases: parse_alias(
                "alias pci:v00008086d* e1000\nalias fs-btrfs btrfs\nalias crc32c crc32c_intel\n\
                 alias pci:v000010DEd* nouveau\nalias pci:v00008086d0000100E* virtio_blk\n",
            ),
            soft_dependencies: parse_softdep("softdep btrfs pre: crc32c missing\nsoftdep xor post: btrfs\n"),
            builtin: parse_builtin("k/ext4.ko\n"),
            ..Index::default()
        }
    }

    fn names(plan: &LoadPlan) -> Vec<String> {
        plan.steps
            .iter()
            .map(|step| match step {
                LoadStep::File { name, required: true, .. } => name.clone(),
                LoadStep::File { name, .. } => format!("({name})"),
                LoadStep::Command { command, .. } => format!("sh {command}"),
            })
            .collect()
    }

    #[test]
    fn order_and_softness() {
        let mut config = Config::default();
        config.add("blacklist nouveau\ninstall floppy /bin/false\noptions e1000 debug=1\nalias disk virtio_blk\n");
        for (wanted, expected) in [
            ("pci:v00008086d0000FFFF", vec!["e1000"]),
            ("pci:v00008086d0000100E", vec!["virtio", "virtio_blk", "e1000"]),
            ("fs-btrfs", vec!["(crc32c_intel)", "raid6_pq", "xor", "btrfs"]),
            ("pci:v000010DEd00001234", vec![]),
            ("nouveau", vec!["nouveau"]),
            ("floppy", vec!["sh /bin/false"]),
            ("disk", vec!["virtio", "virtio_blk"]),
            ("ext4", vec![]),
            ("unknown", vec![]),
        ] {
            assert_eq!(names(&LoadPlan::new(&index(), &config, wanted)), expected, "{wanted}");
        }
        let nouveau = LoadPlan::new(&index(), &config, "pci:v000010DEd00001234");
        assert_eq!(nouveau.blacklisted, ["nouveau"]);
        assert!(!nouveau.is_unknown());
        assert!(LoadPlan::new(&index(), &config, "unknown").is_unknown());
        assert_eq!(LoadPlan::new(&index(), &config, "ext4").modules, ["ext4"]);
    }
}

//! Which names a source leaves out, enters, or keeps empty: a tree of names, so that the walk needs no path of any directory.

use crate::FileTree;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

/// What a source says about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    Mount,
    Exclude,
    WithoutContent,
}

/// What a source says about a directory and what is below it.
#[derive(Debug, Default)]
pub(super) struct Rules {
    here: Vec<Rule>,
    below: HashMap<Vec<u8>, Rules>,
}

impl Rules {
    pub(super) fn of(source: &FileTree) -> Rules {
        let mut rules = Rules::default();
        let lists = [
            (&source.excludes, Rule::Exclude),
            (&source.without_content, Rule::WithoutContent),
            (&source.mounts, Rule::Mount),
        ];
        for (paths, rule) in lists {
            for path in paths {
                rules.add(path, rule);
            }
        }
        rules
    }

    /// Normalises `//` and trailing slashes; `/` itself has no name and needs no rule.
    fn add(&mut self, path: &Path, rule: Rule) {
        let mut at = self;
        let mut names = 0;
        for component in path.components() {
            match component {
                Component::Normal(name) => {
                    at = at.below.entry(name.as_bytes().to_vec()).or_default();
                    names += 1;
                }
                // No walk finds `..`.
                Component::ParentDir => return,
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        if names > 0 && !at.has(rule) {
            at.here.push(rule);
        }
    }

    pub(super) fn below(&self, name: &[u8]) -> Option<&Rules> {
        self.below.get(name)
    }

    pub(super) fn has(&self, rule: Rule) -> bool {
        self.here.contains(&rule)
    }

    /// How many mount points there are.
    pub(super) fn mounts(&self) -> usize {
        usize::from(self.has(Rule::Mount)) + self.below.values().map(Rules::mounts).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_name_by_name() {
        let source =
            FileTree::new("/").mount("/boot").mount("//boot/efi/").mount("/").exclude("a/b").exclude("/a/../c");
        let rules = Rules::of(&source);
        let boot = rules.below(b"boot").unwrap();
        assert!(boot.has(Rule::Mount) && boot.below(b"efi").unwrap().has(Rule::Mount));
        assert!(rules.below(b"a").unwrap().below(b"b").unwrap().has(Rule::Exclude));
        assert!(rules.below(b"c").is_none() && !rules.below(b"a").unwrap().has(Rule::Exclude));
        assert_eq!(rules.mounts(), 2);
    }
}

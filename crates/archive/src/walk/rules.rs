//! Which names a source leaves out, enters, or keeps empty: a tree of names, so that the walk needs no path of any directory.

use crate::{FileTable, FileTree, Observer, Pattern};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

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

/// Patterns of what a source leaves out.
#[derive(Debug)]
pub(super) struct Unwanted<'s> {
    patterns: &'s [Pattern],
    /// Those that left something out.
    used: Vec<bool>,
    /// The directory that is read at the moment.
    directory: Option<(usize, PathBuf)>,
}

impl<'s> Unwanted<'s> {
    pub(super) fn of(source: &'s FileTree) -> Unwanted<'s> {
        Unwanted { patterns: &source.patterns, used: vec![false; source.patterns.len()], directory: None }
    }

    /// Reports whether a name in a directory of a table fits a pattern.
    pub(super) fn has(&mut self, table: &FileTable, directory: usize, name: &[u8]) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        if self.directory.as_ref().is_none_or(|(index, _)| *index != directory) {
            self.directory = Some((directory, table.path(directory)));
        }
        let Some((_, folder)) = &self.directory else { return false };
        let path = folder.join(OsStr::from_bytes(name));
        let fitting = self.patterns.iter().position(|pattern| pattern.matches(&path));
        if let Some(fitting) = fitting {
            self.used[fitting] = true;
        }
        fitting.is_some()
    }

    /// Warns of patterns that left nothing out.
    pub(super) fn report(&self, observer: &dyn Observer) {
        for (pattern, _) in self.patterns.iter().zip(&self.used).filter(|(_, used)| !**used) {
            observer.warning(&format!("the pattern '{}' is excluded, but nothing fits it", pattern.text()));
        }
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

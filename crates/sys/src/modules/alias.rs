//! From a modalias to the modules that claim it.

use super::pattern::{fnmatch, literal_prefix, normalise};
use std::collections::HashMap;

/// Alias patterns with their modules.
///
/// Debian's modules.alias has some 25,000 patterns, and a machine some 100 modaliases: so patterns are filed under
/// their literal beginning, and a look-up tries only those whose beginning is one of the modalias.
#[derive(Clone, Debug, Default)]
pub struct AliasTable {
    by_prefix: HashMap<Box<str>, Vec<Alias>>,
    longest_prefix: usize,
    length: usize,
}

#[derive(Clone, Debug)]
struct Alias {
    pattern: Box<str>,
    module: Box<str>,
}

impl AliasTable {
    /// Adds a pattern; both are normalised.
    pub fn insert(&mut self, pattern: &str, module: &str) {
        let pattern = normalise(pattern);
        let prefix = literal_prefix(&pattern);
        self.longest_prefix = self.longest_prefix.max(prefix.len());
        self.length += 1;
        let entry = Alias { pattern: pattern.as_str().into(), module: normalise(module).into() };
        match self.by_prefix.get_mut(prefix) {
            Some(entries) => entries.push(entry),
            None => {
                self.by_prefix.insert(prefix.into(), vec![entry]);
            }
        }
    }

    /// The modules whose pattern matches, each once, the most specific pattern first.
    pub fn find(&self, modalias: &str) -> Vec<&str> {
        let modalias = normalise(modalias);
        let mut found: Vec<&str> = Vec::new();
        for end in (0..=modalias.len().min(self.longest_prefix)).rev() {
            let Some(prefix) = modalias.get(..end) else { continue };
            for Alias { pattern, module } in self.by_prefix.get(prefix).into_iter().flatten() {
                if !found.contains(&&**module) && fnmatch(pattern, &modalias) {
                    found.push(module);
                }
            }
        }
        found
    }

    /// Every pattern with its module, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_prefix.values().flatten().map(|alias| (&*alias.pattern, &*alias.module))
    }

    /// How many patterns it holds.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True when it holds none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_a_linear_search_finds() {
        let mut table = AliasTable::default();
        let patterns = [
            ("pci:v00008086d00002922sv*sd*bc*sc*i*", "ahci"),
            ("pci:v*d*sv*sd*bc01sc06i01*", "ahci"),
            ("pci:v*d*sv*sd*bc01sc*i*", "other-driver"),
            ("*", "all"),
            ("fs-ext3", "ext4"),
        ];
        for (pattern, module) in patterns {
            table.insert(pattern, module);
        }
        assert_eq!(
            table.find("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01"),
            ["ahci", "other_driver", "all"]
        );
        assert_eq!(table.find("fs_ext3"), ["ext4", "all"]);
        assert_eq!(table.len(), 5);
    }

    #[test]
    fn any_text_can_be_inserted_and_looked_up() {
        use proptest::prelude::*;
        proptest!(|(pattern in "\\PC{0,20}", text in "\\PC{0,20}")| {
            let mut table = AliasTable::default();
            table.insert(&pattern, "m");
            prop_assert_eq!(table.find(&text).len() == 1, fnmatch(&normalise(&pattern), &normalise(&text)));
        });
    }
}

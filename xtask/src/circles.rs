//! Which files of a crate import each other in circles.
//!
//! | module | holds |
//! | --- | --- |
//! | [`source`] | the modules of a crate, what each defines, and the paths that its code names |
//! | [`graph`] | circles in a graph |
//!
//! An arrow leads from a file to the file that defines what it names, however many `use` and `pub use` are in between. A `mod`
//! is not an arrow, nor is a `pub use` that the file itself does not need: both only say where things are. Tests are left out.

mod graph;
mod source;

use source::{Module, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The longest chain of re-exports that is followed.
const DEPTH: usize = 16;
/// A circle may have this many files.
pub const MOST_FILES: usize = 2;

/// Which file names which, and by which paths.
pub type Arrows = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// The circles of more than [`MOST_FILES`] files below a crate's `src`: for each its arrows.
///
/// # Errors
/// A file that cannot be read.
pub fn circles(root: &Path) -> std::io::Result<Vec<Vec<String>>> {
    let arrows = arrows(&Tree::read(root)?);
    let nodes: BTreeMap<&PathBuf, Vec<&PathBuf>> =
        arrows.iter().map(|(from, to)| (from, to.keys().collect())).collect();
    let shown = |path: &Path| path.strip_prefix(root.parent().unwrap_or(root)).unwrap_or(path).display().to_string();
    let large = graph::components(&nodes).into_iter().filter(|circle| circle.len() > MOST_FILES);
    Ok(large
        .map(|circle| {
            let inside = |from: &&PathBuf| arrows[*from].iter().filter(|(to, _)| circle.contains(to));
            let line = |from: &PathBuf, to: &PathBuf, names: &BTreeSet<String>| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("{} -> {} ({})", shown(from), shown(to), names.join(", "))
            };
            circle.iter().flat_map(|from| inside(from).map(|(to, names)| line(from, to, names))).collect()
        })
        .collect())
}

/// All arrows between the files of a crate.
fn arrows(tree: &Tree) -> Arrows {
    let mut arrows = Arrows::new();
    for (at, module) in &tree.modules {
        let from = arrows.entry(module.file.clone()).or_default();
        for path in needed(module) {
            if let Some(to) = definer(tree, at, &path, DEPTH).filter(|to| *to != module.file) {
                from.entry(to).or_default().insert(path.join("::"));
            }
        }
    }
    arrows
}

/// The paths that a module's code needs.
fn needed(module: &Module) -> impl Iterator<Item = Vec<String>> + '_ {
    let uses = module.uses.iter().filter(|import| !import.public || module.words.contains(&import.name));
    uses.map(|import| import.path.clone()).chain(module.paths.iter().cloned())
}

/// The file that defines what a path names as seen from a module; `None` for what is not from this crate, and for a module as
/// such: what is taken from it counts.
fn definer(tree: &Tree, at: &[String], path: &[String], depth: usize) -> Option<PathBuf> {
    let depth = depth.checked_sub(1)?;
    let (mut here, rest) = start(tree, at, path, depth)?;
    for (done, name) in rest.iter().enumerate() {
        if let Some(inner) = child(tree, &here, name) {
            here = inner;
            continue;
        }
        let module = &tree.modules[&here];
        if module.defines.contains(name) {
            return Some(module.file.clone());
        }
        let mut through = rest[done..].to_vec();
        for import in module.uses.iter().filter(|import| import.name == *name || import.name == "*") {
            if import.name == "*" {
                let path: Vec<String> = import.path[..import.path.len() - 1].iter().chain(&through).cloned().collect();
                if let Some(found) = definer(tree, &here, &path, depth) {
                    return Some(found);
                }
            } else {
                through.splice(..1, import.path.iter().cloned());
                return definer(tree, &here, &through, depth);
            }
        }
        return None;
    }
    None
}

/// The module of this name inside another one.
fn child(tree: &Tree, at: &[String], name: &str) -> Option<Vec<String>> {
    let inner: Vec<String> = at.iter().cloned().chain([name.to_owned()]).collect();
    tree.modules.contains_key(&inner).then_some(inner)
}

/// The module in which a path begins, and the rest of the path.
fn start<'p>(tree: &Tree, at: &[String], path: &'p [String], depth: usize) -> Option<(Vec<String>, &'p [String])> {
    let mut here = at.to_vec();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (here, rest) = (vec![], &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|name| name == "super") {
                here.pop()?;
                rest = &rest[1..];
            }
        }
        first => {
            if child(tree, &here, first).is_none() {
                // A module that was imported: what is taken from it is looked up there.
                let import = tree.modules[&here].uses.iter().find(|import| import.name == first)?;
                if path.len() == 1 || import.path.first().is_some_and(|name| name == first) {
                    return None;
                }
                return Some((module_of(tree, at, &import.path, depth)?, &path[1..]));
            }
        }
    }
    Some((here, rest))
}

/// The module that a path names.
fn module_of(tree: &Tree, at: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
    let depth = depth.checked_sub(1)?;
    let (mut here, rest) = start(tree, at, path, depth)?;
    for (done, name) in rest.iter().enumerate() {
        if let Some(inner) = child(tree, &here, name) {
            here = inner;
            continue;
        }
        let import = tree.modules[&here].uses.iter().find(|import| import.name == *name)?;
        let through: Vec<String> = import.path.iter().chain(&rest[done + 1..]).cloned().collect();
        return module_of(tree, &here, &through, depth);
    }
    Some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("src");
        for (name, text) in files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        circles(&root).unwrap()
    }

    #[test]
    fn circles_of_three_are_found_with_their_arrows() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;\n"),
            ("a.rs", "use crate::b::{self, other};\npub struct A(b::B);\nfn f() { other() }\n"),
            ("b.rs", "pub struct B;\npub fn other() { super::c::go::<u8>(); }\n"),
            ("c.rs", "use crate::A;\npub fn go<T>() -> A { todo!() }\n"),
        ];
        let lines = [
            "src/a.rs -> src/b.rs (b::B, crate::b::other)",
            "src/b.rs -> src/c.rs (super::c::go)",
            "src/c.rs -> src/a.rs (crate::A)",
        ];
        assert_eq!(found(&files), [lines]);
    }

    #[test]
    fn inner_modules_and_parents_count_as_their_files() {
        let files = [
            ("main.rs", "mod a;\nfn main() { a::b::inner::run(); }\npub(crate) const N: u8 = 1;\n"),
            ("a/mod.rs", "pub mod b;\npub fn mine() -> u8 { crate::N }\n"),
            ("a/b.rs", "pub mod inner { use super::super::mine as ours; pub fn run() { ours(); } }\n"),
        ];
        let circle = found(&files);
        assert_eq!(circle.len(), 1, "{circle:?}");
        assert_eq!(circle[0].len(), 3, "{circle:?}");
    }

    #[test]
    fn tests_comments_texts_and_maps_are_no_arrows() {
        let files = [
            ("lib.rs", "pub mod a;\npub mod b;\npub mod c;\npub use c::C;\n"),
            ("a.rs", "use crate::b::B;\npub struct A(B);\n"),
            (
                "b.rs",
                "/// See [crate::c::C].\npub struct B;\nconst T: &str = \"crate::c::C {\";\nconst Q: char = '\"';\n// crate::c::C\n\
                 #[cfg(test)]\n#[allow(dead_code)]\nmod tests { use crate::c::C; const D: &str = \"}\"; }\n#[cfg(test)]\nuse crate::c::C;\n",
            ),
            ("c.rs", "use crate::a::A;\npub struct C(A);\n"),
        ];
        assert_eq!(found(&files), Vec::<Vec<String>>::new());
    }

    #[test]
    fn two_files_may_need_each_other() {
        let files = [
            ("lib.rs", "mod a;\npub mod error;\n"),
            ("a.rs", "mod b;\npub fn go() { b::go() }\npub fn back() {}\n"),
            ("a/b.rs", "pub fn go() { super::back() }\n"),
            ("error.rs", "pub enum Error {}\n"),
        ];
        assert_eq!(found(&files), Vec::<Vec<String>>::new());
    }
}

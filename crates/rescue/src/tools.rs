//! What goes into tools.img: large and rare programs, modules that are useful only after the medium was found, what the
//! configuration names.
//!
//! Init lays its /usr over that of the root, so it holds nothing outside of /usr, and nothing that the root has.

use crate::error::RescueError;
use crate::firmware;
use crate::gather::Gatherer;
use crate::inputs::Inputs;
use crate::kernel::Kernel;
use crate::modules::{self, Place, Selection};
use crate::sysroot::Sysroot;
use crate::tree::{Node, Tree};
use lifeboat_sys::modules::Index;
use lifeboat_sys::program::DIRECTORIES;
use std::path::{Path, PathBuf};

const CONFIGURED: &str = "named in the configuration";

/// Gathers the tree of tools.img, and what a person should know. `root` are the modules of the root, `heavy` the
/// programs that are too large for it.
///
/// # Errors
/// [`RescueError::Extra`] for something missing that the configuration names.
pub fn gather(
    inputs: &Inputs,
    (sysroot, host): (&Sysroot, &Sysroot),
    kernel: &Kernel,
    index: &Index,
    root: Selection,
    heavy: &[(PathBuf, String)],
) -> Result<(Tree, Vec<String>), RescueError> {
    let mut gatherer = Gatherer::new(sysroot, host)?;
    let absent = |what: String| RescueError::Extra { what };
    for name in &inputs.extra.programs {
        let path = match name.starts_with('/') {
            true => Some(PathBuf::from(name)),
            false => sysroot.find_in(&DIRECTORIES, name)?,
        };
        let taken = match path {
            Some(path) => gatherer.program(&path, CONFIGURED, true)?,
            None => false,
        };
        if !taken {
            return Err(absent(format!("the program {name}")));
        }
    }
    for (path, why) in heavy {
        gatherer.program(path, why, false)?;
    }
    gatherer.programs(Place::Tools)?;
    let (mut tree, warnings) = (gatherer.tree, gatherer.warnings);
    for path in &inputs.extra.files {
        match sysroot.resolve(path)? {
            Some(resolved) if sysroot.outside(&resolved.path).is_dir() => {
                tree.links(&resolved, CONFIGURED);
                tree.take_all(sysroot, &resolved.path, CONFIGURED)?;
            }
            Some(_) if tree.take(sysroot, path, CONFIGURED)? => {}
            _ => return Err(absent(format!("the file {}", path.display()))),
        }
    }
    for name in &inputs.extra.firmware {
        if firmware::add(&mut tree, sysroot, &kernel.release, name, CONFIGURED)? == 0 {
            return Err(absent(format!("the firmware {name}")));
        }
    }
    let wanted: Vec<(&str, &str)> = inputs.extra.modules.iter().map(|name| (name.as_str(), CONFIGURED)).collect();
    let mut selection = modules::select(index, &kernel.release, Some(Place::Tools), &wanted)?;
    selection.retain(|name, _| !root.contains_key(name));
    if !selection.is_empty() {
        modules::add_files(&mut tree, sysroot, kernel, index, &selection)?;
        // These indexes hide those of the root, so they name the modules of both.
        selection.extend(root);
        modules::add_indexes(&mut tree, sysroot, kernel, index, &selection)?;
    }
    Ok((tree, warnings))
}

/// Moves what is outside of /usr into the root, and removes what the root has anyway.
pub fn settle(tools: &mut Tree, root: &mut Tree) {
    for (path, node, why) in std::mem::take(tools).iter() {
        let index = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("modules."));
        if !path.starts_with("/usr") {
            root.put(path, node.clone(), why);
        } else if !matches!(node, Node::Directory { .. }) && (index || !root.contains(path)) {
            tools.put(path, node.clone(), why);
        }
    }
    // Where init lays it: even an image with only modules has the directory.
    if !tools.is_empty() {
        tools.directory(Path::new("/usr"), 0o755, "directory");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::FileContent;

    #[test]
    fn nothing_twice_and_nothing_outside_of_usr() {
        let file = |text: &str| FileContent::Bytes(text.as_bytes().to_vec());
        let (mut root, mut tools) = (Tree::default(), Tree::default());
        root.file(Path::new("/usr/lib/libc.so.6"), file("c"), 0o755, "root");
        root.file(Path::new("/usr/lib/modules/6/modules.dep"), file("short"), 0o644, "root");
        tools.file(Path::new("/usr/lib/libc.so.6"), file("c"), 0o755, "tools");
        tools.file(Path::new("/usr/lib/modules/6/modules.dep"), file("long"), 0o644, "tools");
        tools.file(Path::new("/usr/bin/vim"), file("v"), 0o755, "tools");
        tools.file(Path::new("/opt/raid/cli"), file("o"), 0o755, "tools");
        settle(&mut tools, &mut root);
        let files = |tree: &Tree| -> Vec<String> {
            tree.iter()
                .filter(|(_, node, _)| matches!(node, Node::File { .. }))
                .map(|(p, ..)| p.display().to_string())
                .collect()
        };
        assert_eq!(files(&tools), ["/usr/bin/vim", "/usr/lib/modules/6/modules.dep"]);
        assert!(files(&root).contains(&"/opt/raid/cli".to_owned()));
    }
}

//! Keyboard layouts: those that the rescue system holds, and loading one (loadkeys(1)).

use crate::failure::Failure;
use lifeboat_sys::program::LOADKEYS;
use lifeboat_sys::{Invocation, Runner};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where distributions keep keymaps.
const DIRECTORIES: [&str; 4] =
    ["/usr/share/keymaps", "/usr/lib/kbd/keymaps", "/usr/share/kbd/keymaps", "/usr/share/lifeboat/keymaps"];
/// The machine's own layout as Debian's console-setup keeps it.
const OWN: &str = "/etc/console-setup/cached_UTF-8_del.kmap.gz";
/// Folders of parts that other keymaps include, and of keyboards that are not a PC's.
const NOT_LAYOUTS: [&str; 7] = ["include", "mac", "atari", "amiga", "sun", "legacy", "ppc"];

/// Keymaps below `root` by name; the machine's own first in the map of `None`.
pub fn list(root: &Path) -> Vec<(String, PathBuf)> {
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = DIRECTORIES.iter().map(|path| inside(path)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !NOT_LAYOUTS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if let Some((name, _)) = name.split_once(".map").or_else(|| name.split_once(".kmap")) {
                found.insert(name.to_owned(), path);
            }
        }
    }
    let own = inside(OWN);
    let own = own.is_file().then(|| ("the machine's own".to_owned(), own));
    own.into_iter().chain(found).collect()
}

/// Loads a keymap for all virtual terminals.
///
/// # Errors
/// When loadkeys is missing or refuses.
pub fn load(path: &Path, runner: &dyn Runner) -> Result<(), Failure> {
    runner.run(&Invocation::new(LOADKEYS).arg("--quiet").arg(path))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_of_a_pc_by_name_the_own_one_first() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "usr/share/keymaps/i386/qwertz/de-latin1.kmap.gz",
            "usr/share/keymaps/i386/include/compose.inc.gz",
            "usr/lib/kbd/keymaps/xkb/fr.map.gz",
            "usr/share/keymaps/mac/all/mac-us.kmap.gz",
            "etc/console-setup/cached_UTF-8_del.kmap.gz",
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let names: Vec<String> = list(root.path()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["the machine's own", "de-latin1", "fr"]);
        assert!(list(Path::new("/nonexistent")).is_empty());
    }
}

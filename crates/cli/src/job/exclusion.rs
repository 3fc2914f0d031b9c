//! What a person leaves out of a backup, checked so that it does what was meant.

use crate::error::CommandError;
use lifeboat_archive::Pattern;
use lifeboat_machine::bytes::printable;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

/// A path as the walk will compare it.
///
/// # Errors
/// Kind `Usage` for one that would never match, or that would exclude everything.
pub fn checked(path: &Path) -> Result<&Path, CommandError> {
    let bytes = path.as_os_str().as_bytes();
    let wrong = |why: &str| {
        Err(CommandError::usage(format!("cannot EXCLUDE '{}': {why}", printable(bytes))).hint(
            "the path of a file or directory of this system, such as /var/cache, or a pattern such as '**/*.tmp'",
        ))
    };
    if bytes.is_empty() {
        return wrong("the path is empty");
    }
    if bytes.contains(&0) {
        return wrong("a path cannot contain a NUL byte");
    }
    if !path.is_absolute() {
        return wrong("excluded paths begin with /");
    }
    if path.components().any(|component| component == Component::ParentDir) {
        return wrong("it contains '..', and excluded paths are compared as written");
    }
    if path.components().count() == 1 {
        return wrong("that would exclude everything");
    }
    Ok(path)
}

/// What is meant by an exclusion: a pattern, when it has signs of one and no such path exists; otherwise `None`.
///
/// # Errors
/// Kind `Usage` for something that is no pattern.
pub fn pattern(path: &Path, sysroot: &Path) -> Result<Option<Pattern>, CommandError> {
    let Some(text) = path.to_str().filter(|text| Pattern::is_one(text)) else { return Ok(None) };
    if path.is_absolute() && sysroot.join(path.strip_prefix("/").unwrap_or(path)).symlink_metadata().is_ok() {
        return Ok(None);
    }
    Pattern::new(text, false).map(Some).map_err(CommandError::usage)
}

/// The warning for an exclusion that leaves nothing out.
pub fn without_effect(path: &Path, sysroot: &Path, directory: bool) -> Option<String> {
    let shown = printable(path.as_os_str().as_bytes());
    let mut here = sysroot.to_owned();
    let mut names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    let mut name = names.next();
    while let Some(current) = name {
        here.push(current);
        name = names.next();
        let Ok(metadata) = here.symlink_metadata() else {
            return Some(format!("{shown} is excluded but does not exist"));
        };
        if metadata.is_symlink() && (name.is_some() || directory) {
            let link = here.strip_prefix(sysroot).unwrap_or(&here);
            return Some(format!(
                "{shown} is excluded, but /{} is a symbolic link, so nothing is excluded; name its target instead",
                printable(link.as_os_str().as_bytes())
            ));
        }
        if name.is_none() && directory && !metadata.is_dir() {
            return Some(format!("the content of {shown} is excluded, but it is not a directory"));
        }
    }
    None
}

/// What a machine does not start without, where it is a directory of its own.
const NEEDED: [&str; 9] = ["/bin", "/boot", "/etc", "/lib", "/sbin", "/usr", "/usr/bin", "/usr/lib", "/usr/sbin"];

/// What of it `is_left_out`, by a path or by all that could be in it; the first of what is in each other.
pub fn needed(sysroot: &Path, is_left_out: &dyn Fn(&Path) -> bool) -> Vec<&'static str> {
    let is_there = |path: &Path| {
        let found = sysroot.join(path.strip_prefix("/").unwrap_or(path)).symlink_metadata();
        found.is_ok_and(|found| found.is_dir())
    };
    let mut needed: Vec<&'static str> = vec![];
    for text in NEEDED {
        let path = Path::new(text);
        let is_known = needed.iter().any(|above| path.starts_with(above));
        // No file has such a name, and a pattern for all that is in a directory matches it.
        let inside = path.join("\u{1}any");
        if !is_known && is_there(path) && (is_left_out(path) || is_left_out(&inside)) {
            needed.push(text);
        }
    }
    needed
}

/// The warning for a backup without that.
pub fn unbootable(needed: &[&str]) -> Option<String> {
    let last = needed.last()?;
    let verb = if needed.len() == 1 { "is" } else { "are" };
    Some(format!(
        "a machine that is recovered from this backup does not start: {} {verb} left out; what is needed to start stays in a backup without that \
         exclusion ({last})",
        needed.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn what_a_machine_needs_to_start_is_missed() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["boot", "etc", "usr/bin", "usr/lib", "usr/share"] {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", root.path().join("bin")).unwrap();
        let pattern = |text: &str| Pattern::new(text, false).unwrap();
        for (text, left_out) in [
            ("/usr/**", vec!["/usr"]),
            ("/usr/share/**", vec![]),
            ("/boot/*", vec!["/boot"]),
            ("**/*.tmp", vec![]),
            ("/usr/lib/**", vec!["/usr/lib"]),
        ] {
            let pattern = pattern(text);
            assert_eq!(needed(root.path(), &|path| pattern.matches(path)), left_out, "{text}");
        }
        let path = Path::new("/etc");
        assert_eq!(needed(root.path(), &|other| other.starts_with(path)), ["/etc"]);
        assert_eq!(unbootable(&[]), None);
        assert!(unbootable(&["/boot", "/etc"]).unwrap().contains("/boot, /etc are left out"));
    }

    #[test]
    fn what_would_do_something_else_is_refused() {
        for (path, why) in [
            (&b""[..], "empty"),
            (b"tmp", "begin with /"),
            (b"./var/tmp", "begin with /"),
            (b"/d/../etc", "'..'"),
            (b"/..", "'..'"),
            (b"/", "everything"),
            (b"//.", "everything"),
            (b"/a\0b", "NUL"),
        ] {
            let error = checked(Path::new(OsStr::from_bytes(path))).unwrap_err();
            assert_eq!(error.kind, crate::Kind::Usage);
            assert!(error.text().contains(why), "{}", error.text());
        }
        for path in ["/var/cache", "/var/cache/", "/a b/./c", "/..a"] {
            assert!(checked(Path::new(path)).is_ok(), "{path}");
        }
    }

    #[test]
    fn signs_of_a_pattern_make_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("odd[1]"), "x").unwrap();
        let is_one = |text: &str| pattern(Path::new(text), dir.path()).map(|found| found.is_some());
        assert!(is_one("*.tmp").unwrap() && is_one("/var/*").unwrap() && !is_one("/var/tmp").unwrap());
        // It is there under this very name.
        assert!(!is_one("/odd[1]").unwrap());
        assert!(is_one("/var/[").is_err());
    }

    #[test]
    fn what_leaves_nothing_out_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("run/cache")).unwrap();
        std::fs::create_dir(dir.path().join("var")).unwrap();
        std::fs::write(dir.path().join("var/file"), "x").unwrap();
        std::os::unix::fs::symlink("/run", dir.path().join("var/run")).unwrap();
        let reported = |path: &str, directory| without_effect(Path::new(path), dir.path(), directory);
        assert_eq!(reported("/run/cache", true), None);
        assert_eq!(reported("/run/cache/", false), None);
        // A link itself can be left out.
        assert_eq!(reported("/var/run", false), None);
        for (path, directory, part) in [
            ("/var/none", false, "does not exist"),
            ("/var/run/cache", false, "/var/run is a symbolic link"),
            ("/var/run", true, "/var/run is a symbolic link"),
            ("/var/file", true, "is not a directory"),
        ] {
            let text = reported(path, directory).unwrap();
            assert!(text.contains(part), "{text}");
        }
    }
}

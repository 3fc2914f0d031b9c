//! btrfs subvolumes: `btrfs subvolume list -a`, `get-default`, and which of them are part of the backup.

use lifeboat_machine::Name;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A subvolume as btrfs lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub id: u64,
    /// Path inside the filesystem, without leading slash.
    pub path: Name,
    /// It was made as a snapshot of another.
    pub snapshot: bool,
}

/// Reads `btrfs subvolume list -a -q`. With -a every path begins at the top level; those outside of the mounted
/// subvolume are marked with `<FS_TREE>/`.
pub(crate) fn parse_list(text: &[u8]) -> Vec<Listed> {
    let mut lines: Vec<Vec<u8>> = vec![];
    for line in text.split(|b| *b == b'\n') {
        match lines.last_mut() {
            // A name may hold line feeds; it goes on then.
            Some(last) if !line.starts_with(b"ID ") => last.extend([b"\n", line].concat()),
            _ => lines.push(line.to_vec()),
        }
    }
    if let Some(last) = lines.last_mut().filter(|last| last.ends_with(b"\n")) {
        last.pop();
    }
    let mut found: Vec<Listed> = lines.iter().filter_map(|line| parse_line(line)).collect();
    // Parents come before what is in them.
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn parse_line(line: &[u8]) -> Option<Listed> {
    let at = find(line, b" path ")?;
    let path = &line[at + b" path ".len()..];
    let path = path.strip_prefix(b"<FS_TREE>/").unwrap_or(path);
    let head = std::str::from_utf8(&line[..at]).ok()?;
    let words: Vec<&str> = head.split_whitespace().collect();
    let value = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
    // A deleted subvolume that is not yet cleaned has no path.
    if path == b"DELETED" {
        return None;
    }
    Some(Listed {
        id: value("ID")?.parse().ok()?,
        path: Name(path.to_vec()),
        snapshot: value("parent_uuid").is_some_and(|uuid| uuid != "-"),
    })
}

/// Reads `btrfs subvolume get-default`: the id, 5 for the top level.
pub(crate) fn parse_default(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    words.find(|word| *word == "ID")?;
    words.next()?.parse().ok()
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Where a subvolume can be reached: below the mount whose subvolume holds it. `mounted` are the paths of mounted
/// subvolumes inside the filesystem and their mount points.
pub(crate) fn reachable_at(path: &Name, mounted: &[(Name, std::path::PathBuf)]) -> Option<std::path::PathBuf> {
    let path = path.as_path();
    let holders = mounted.iter().filter_map(|(subvolume, mount_point)| {
        let rest = path.strip_prefix(subvolume.as_path()).ok()?;
        Some((rest.as_os_str().as_bytes().len(), mount_point.join(rest)))
    });
    // The nearest mount, whose own mount point is surely not hidden by another one.
    holders.min_by_key(|(rest, _)| *rest).map(|(_, at)| Path::new(&at).components().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn lists_from_any_mount_say_the_same() {
        let top = parse_list(include_bytes!("../fixtures/btrfs-list-top.txt"));
        let inner = parse_list(include_bytes!("../fixtures/btrfs-list-inner.txt"));
        assert_eq!(top, inner);
        let paths: Vec<String> = top.iter().map(|listed| listed.path.to_string()).collect();
        assert_eq!(paths, ["@", "@/var lib", "@/var lib/deep", "@home", "snap"]);
        let snapshots: Vec<bool> = top.iter().map(|listed| listed.snapshot).collect();
        assert_eq!(snapshots, [false, false, false, false, true]);
    }

    #[test]
    fn names_may_hold_anything() {
        let text = b"ID 256 gen 7 top level 5 parent_uuid - path @a\nb\nID 257 gen 7 top level 5 parent_uuid - path @c,d\xff\n";
        let paths: Vec<Vec<u8>> = parse_list(text).into_iter().map(|listed| listed.path.0).collect();
        assert_eq!(paths, [b"@a\nb".to_vec(), b"@c,d\xff".to_vec()]);
    }

    #[test]
    fn defaults() {
        assert_eq!(parse_default("ID 5 (FS_TREE)\n"), Some(5));
        assert_eq!(parse_default("ID 256 gen 7 top level 5 path @\n"), Some(256));
        assert_eq!(parse_default(""), None);
    }

    #[test]
    fn reach() {
        let name = |text: &str| Name::from(text);
        let mounted = [(name("@"), PathBuf::from("/")), (name("@home"), PathBuf::from("/home"))];
        for (path, expected) in [
            ("@", Some("/")),
            ("@/var/lib", Some("/var/lib")),
            ("@home/user", Some("/home/user")),
            ("@homestead", None),
            ("snapshots/1", None),
        ] {
            assert_eq!(reachable_at(&name(path), &mounted), expected.map(PathBuf::from), "{path}");
        }
        let top = [(name(""), PathBuf::from("/mnt"))];
        assert_eq!(reachable_at(&name("snapshots/1"), &top), Some(PathBuf::from("/mnt/snapshots/1")));
    }

    #[test]
    fn any_bytes_are_read() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..200))| {
            let _ = parse_list(&bytes);
            let _ = parse_list(&[b"ID 1 path ", bytes.as_slice()].concat());
        });
    }
}

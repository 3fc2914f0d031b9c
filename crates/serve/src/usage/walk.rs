//! Counting a store by its files' names, sizes and times; what a killed server left unfinished is removed on the way.

use super::{Counted, DAY, DAYS};
use crate::folder::{Folder, Known};
use crate::incoming::is_unfinished;
use crate::path::{FileName, Kind, Repo, is_component};
use std::collections::BTreeMap;
use std::io;

/// Counts all repositories below a folder. `clean`: unfinished files are removed, which only who has the store for himself may do.
///
/// # Errors
/// The system's error. What vanishes meanwhile is not counted.
pub fn walk(store: &Folder, clean: bool, now: i64) -> io::Result<BTreeMap<Repo, Counted>> {
    let mut found = BTreeMap::new();
    enter(store, "", clean, now, &mut found)?;
    Ok(found)
}

fn enter(folder: &Folder, path: &str, clean: bool, now: i64, found: &mut BTreeMap<Repo, Counted>) -> io::Result<()> {
    let mut below = vec![];
    let mut is_repo = false;
    folder.each(|entry| {
        let is_kind = Kind::ALL.iter().any(|kind| kind.directory() == entry.name);
        is_repo |= is_kind && entry.is_folder || entry.name == "config";
        if clean && !entry.is_folder && is_unfinished(&entry.name) {
            folder.remove(&entry.name)?;
        }
        if entry.is_folder && is_component(&entry.name) {
            below.push(entry.name);
        }
        Ok(())
    })?;
    if let (true, Ok(repo)) = (is_repo, path.parse::<Repo>()) {
        found.insert(repo, count(folder, clean, now)?);
    }
    for name in below {
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        // Deeper than a repository can lie, or a name of the server's own: nobody gets there through the server.
        if path.parse::<Repo>().is_ok()
            && let Ok(folder) = folder.enter([name.as_str()])
        {
            enter(&folder, &path, clean, now, found)?;
        }
    }
    Ok(())
}

fn count(repo: &Folder, clean: bool, now: i64) -> io::Result<Counted> {
    let mut counted = Counted::default();
    if let Ok(config) = repo.look("config") {
        counted.bytes += config.size;
    }
    let (snapshots, [before, last]) = match repo.enter([Kind::Snapshots.directory()]) {
        Ok(folder) => newest_two(&folder)?,
        Err(_) => (0, [None, None]),
    };
    (counted.snapshots, counted.last) = (snapshots, last);
    let (before, last) = (before.map(|known| known.modified), last.map(|known| known.modified));
    for kind in Kind::ALL {
        let Ok(folder) = repo.enter([kind.directory()]) else { continue };
        files(&folder, kind, clean, |known| {
            counted.bytes = counted.bytes.saturating_add(known.size);
            if !matches!(kind, Kind::Data | Kind::Index) {
                return;
            }
            if last.is_none_or(|last| known.modified > last) {
                counted.added_since += known.size;
            } else if before.is_none_or(|before| known.modified > before) {
                counted.added_by_last += known.size;
            }
            let age = now.div_euclid(DAY) - known.modified.div_euclid(DAY);
            if (0..DAYS).contains(&age) {
                counted.add_to_day(known.modified, known.size);
            }
        })?;
    }
    Ok(counted)
}

fn files(folder: &Folder, kind: Kind, clean: bool, mut each: impl FnMut(Known)) -> io::Result<()> {
    let mut one = |folder: &Folder, name: &str| {
        if FileName::parse(name).is_some() {
            // Whatever vanished meanwhile is not there.
            if let Ok(known) = folder.look(name) {
                each(known);
            }
        } else if clean && is_unfinished(name) {
            folder.remove(name)?;
        }
        Ok(())
    };
    folder.each(|entry| match kind {
        Kind::Data if entry.is_folder && entry.name.len() == 2 => match folder.enter([entry.name.as_str()]) {
            Ok(inner) => inner.each(|entry| one(&inner, &entry.name)),
            Err(_) => Ok(()),
        },
        _ => one(folder, &entry.name),
    })
}

/// How many snapshots there are, and the newest.
///
/// # Errors
/// The system's error.
pub fn latest(snapshots: &Folder) -> io::Result<(u64, Option<Known>)> {
    newest_two(snapshots).map(|(count, [_, last])| (count, last))
}

/// How many snapshots there are, the newest but one and the newest.
fn newest_two(snapshots: &Folder) -> io::Result<(u64, [Option<Known>; 2])> {
    let (mut count, mut newest) = (0, [None, None]);
    files(snapshots, Kind::Snapshots, false, |known| {
        count += 1;
        let time = |known: &Option<Known>| known.map_or(i64::MIN, |known| known.modified);
        if known.modified >= time(&newest[1]) {
            newest = [newest[1], Some(known)];
        } else if known.modified >= time(&newest[0]) {
            newest[0] = Some(known);
        }
    })?;
    Ok((count, newest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    fn put(root: &Path, path: &str, bytes: usize, modified: i64) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(bytes as u64).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(modified.unsigned_abs())).unwrap();
    }

    #[test]
    fn a_store_is_counted_and_cleaned() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        let name = |digit: &str| digit.repeat(64);
        let (now, day) = (100 * DAY + 50, |day: i64| (100 - day) * DAY);
        put(root, "m/a/config", 10, 0);
        put(root, &format!("m/a/data/aa/{}", name("a")), 1000, day(3));
        put(root, &format!("m/a/data/bb/{}", name("b")), 200, day(1));
        put(root, &format!("m/a/data/cc/{}", name("c")), 30, day(0) + 40);
        put(root, &format!("m/a/index/{}", name("d")), 4, day(1));
        put(root, &format!("m/a/snapshots/{}", name("1")), 1, day(3) + 1);
        put(root, &format!("m/a/snapshots/{}", name("2")), 2, day(1) + 1);
        put(root, &format!("m/a/locks/{}", name("3")), 3, 0);
        put(root, &format!("m/a/inner/keys/{}", name("4")), 7, 0);
        put(root, "m/a/data/aa/README", 9999, 0);
        put(root, "m/.hidden/config", 9999, 0);
        put(root, "notes.txt", 9999, 0);
        let left = format!("m/a/data/aa/{}-tmp-0123456789abcdef", name("e"));
        put(root, &left, 5555, 0);
        std::os::unix::fs::symlink("a", root.join("m/link")).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = Folder::new(rustix::fs::open(root, flags, Mode::empty()).unwrap());
        let found = walk(&folder, false, now).unwrap();
        assert!(root.join(&left).exists());
        assert_eq!(walk(&folder, true, now).unwrap(), found);
        assert!(!root.join(&left).exists() && root.join("m/a/data/aa/README").exists());
        let names: Vec<&str> = found.keys().map(Repo::as_str).collect();
        assert_eq!(names, ["m/a", "m/a/inner"]);
        let counted = &found[&"m/a".parse().unwrap()];
        assert_eq!((counted.bytes, counted.snapshots), (1250, 2));
        assert_eq!(counted.last, Some(Known { size: 2, modified: day(1) + 1 }));
        assert_eq!((counted.added_by_last, counted.added_since), (204, 30));
        assert_eq!(counted.growth(now, 4), [1000, 0, 204, 30]);
        let snapshots = folder.enter(["m", "a", "snapshots"]).unwrap();
        assert_eq!(latest(&snapshots).unwrap(), (2, counted.last));
    }
}

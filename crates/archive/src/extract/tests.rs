//! Tables that no backup writes, but that an archive can hold.

use super::*;
use crate::file_table::{Id, More, Record, Xattr};
use crate::{Quiet, Selection};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

/// Each blob has ten bytes, the first of its id.
struct Tens;

impl ContentSource for Tens {
    fn reader(&self) -> Result<Box<dyn ContentReader + '_>, ArchiveError> {
        struct Reader([u8; 10]);
        impl ContentReader for Reader {
            fn get(&mut self, id: &Id) -> Result<&[u8], ArchiveError> {
                self.0 = [id[0]; 10];
                Ok(&self.0)
            }
        }
        Ok(Box::new(Reader([0; 10])))
    }

    fn place(&self, _: &Id) -> (u32, u32) {
        (0, 0)
    }

    fn length(&self, _: &Id) -> Option<u64> {
        Some(10)
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// What was reported.
#[derive(Default)]
struct Reported(Mutex<Vec<String>>);

impl Observer for Reported {
    fn warning(&self, text: &str) {
        locked(&self.0).push(text.to_owned());
    }
}

/// An entry: its name, type, content, and other changes to it.
type Claim<'a> = (&'a str, Kind, u8, &'a dyn Fn(&mut Record, &mut More));

/// A root directory with entries that all claim to be names of one inode.
fn one_inode(entries: &[Claim<'_>]) -> FileTable {
    let mut table = FileTable::default();
    table.ids = (0..=255).map(|byte| [byte; 32]).collect();
    let mut root = Record::new(Kind::Directory);
    (root.mode, root.start, root.count) = (0o755, 1, entries.len() as u32);
    root.uid = rustix::process::geteuid().as_raw();
    root.gid = rustix::process::getegid().as_raw();
    let (uid, gid) = (root.uid, root.gid);
    table.push(root, b"", More::default());
    for (name, kind, content, change) in entries {
        let mut record = Record::new(*kind);
        (record.inode, record.filesystem, record.links, record.mode) = (77, 5, 9, 0o644);
        (record.uid, record.gid) = (uid, gid);
        let mut more = More::default();
        match kind {
            Kind::File => (record.size, record.start, record.count) = (10, (*content).into(), 1),
            Kind::Symlink => more.target = vec![*content],
            _ => {}
        }
        change(&mut record, &mut more);
        table.push(record, name.as_bytes(), more);
    }
    table
}

fn restore(
    table: &FileTable,
    options: &RestoreOptions,
) -> (tempfile::TempDir, Restored, Vec<crate::Problem>, Vec<String>) {
    let target = tempfile::tempdir().unwrap();
    let reported = Reported::default();
    let problems = Problems::new(&Quiet);
    let restored = run(table, &Tens, target.path(), &Selection::Everything, options, &reported, &problems).unwrap();
    (target, restored, problems.into_list(), reported.0.into_inner().unwrap())
}

#[test]
fn what_differs_is_not_linked_though_the_archive_is_reported() {
    let same = |_: &mut Record, _: &mut More| {};
    let table = one_inode(&[
        ("a", Kind::File, b'a', &same),
        ("b-same", Kind::File, b'a', &same),
        ("c-content", Kind::File, b'c', &same),
        ("d-size", Kind::File, b'a', &|record, _| (record.size, record.count) = (20, 2)),
        ("e-mode", Kind::File, b'a', &|record, _| record.mode = 0o4755),
        ("f-pipe", Kind::Fifo, 0, &same),
        ("g-link", Kind::Symlink, b'x', &same),
        ("h-link", Kind::Symlink, b'y', &same),
        ("i-pipe", Kind::Fifo, 0, &same),
        ("j-socket", Kind::Socket, 0, &same),
        ("k-xattr", Kind::File, b'a', &|_, more| {
            more.xattrs = vec![Xattr { name: b"user.k".to_vec(), value: b"v".to_vec() }];
        }),
    ]);
    let recovery = RestoreOptions { private: true, overwrite: true, repeatable: true, ..RestoreOptions::default() };
    for options in [RestoreOptions::default(), recovery] {
        let (target, restored, problems, reported) = restore(&table, &options);
        // Extended attributes are not supported everywhere.
        let problems: Vec<_> = problems.iter().filter(|problem| problem.path != Path::new("/k-xattr")).collect();
        assert!(problems.is_empty() && restored.entries == 12 && restored.copies.is_empty(), "{problems:?}");
        let status = |name: &str| target.path().join(name).symlink_metadata().unwrap();
        let read = |name: &str| std::fs::read(target.path().join(name)).unwrap();
        assert_eq!((read("a"), read("b-same"), read("c-content")), (vec![b'a'; 10], vec![b'a'; 10], vec![b'c'; 10]));
        assert_eq!(read("d-size"), [[b'a'; 10], [b'b'; 10]].concat());
        assert_eq!((status("a").mode() & 0o7777, status("e-mode").mode() & 0o7777), (0o644, 0o4755));
        assert!(status("f-pipe").file_type().is_fifo() && status("j-socket").file_type().is_socket());
        assert_eq!(std::fs::read_link(target.path().join("g-link")).unwrap(), Path::new("x"));
        assert_eq!(std::fs::read_link(target.path().join("h-link")).unwrap(), Path::new("y"));
        let pairs = [("a", "b-same"), ("f-pipe", "i-pipe")];
        for (one, other) in pairs {
            assert_eq!(status(one).ino(), status(other).ino(), "{one} {other}");
        }
        let alone = ["c-content", "d-size", "e-mode", "g-link", "h-link", "j-socket", "k-xattr"];
        assert!(alone.iter().all(|name| status(name).nlink() == 1));
        let [reported] = &reported[..] else { panic!("{reported:?}") };
        assert!(
            reported.contains("each is restored separately: /c-content, /d-size, /e-mode, /f-pipe, /g-link and 3 more"),
            "{reported}"
        );
    }
}

#[test]
fn a_file_of_somebody_else_is_not_given_away_as_a_name_of_ones_own() {
    // A secret of root, and an entry of the same content that a user owns.
    if !rustix::process::geteuid().is_root() {
        eprintln!("left out: it needs root");
        return;
    }
    let table = one_inode(&[
        ("home", Kind::File, b's', &|record, _| (record.uid, record.mode) = (1000, 0o666)),
        ("shadow", Kind::File, b's', &|record, _| record.mode = 0o600),
    ]);
    let (target, _, problems, reported) = restore(&table, &RestoreOptions::default());
    assert_eq!((problems.len(), reported.len()), (0, 1), "{problems:?} {reported:?}");
    let status = |name: &str| target.path().join(name).metadata().unwrap();
    assert_eq!((status("home").uid(), status("home").mode() & 0o777), (1000, 0o666));
    assert_eq!((status("shadow").uid(), status("shadow").mode() & 0o777), (0, 0o600));
    assert_ne!(status("home").ino(), status("shadow").ino());
}

#[test]
fn what_a_new_directory_holds_has_the_mode_and_owner_of_the_archive() {
    use std::os::unix::fs::PermissionsExt as _;
    let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let is_root = own.0 == 0;
    let mut table = FileTable::default();
    table.ids = vec![[b'x'; 32]];
    let mut directory = |parent: u32, start, count, name: &[u8]| {
        let mut record = Record::new(Kind::Directory);
        (record.parent, record.mode, record.start, record.count) = (parent, 0o755, start, count);
        (record.uid, record.gid) = own;
        table.push(record, name, More::default());
    };
    let modes = [0o444, 0o600, 0o640, 0o644, 0o666, 0o755, 0o777, 0o1644, 0o2755, 0o4755, 0];
    // Owners that the process has, and others.
    let owners = if is_root { vec![own, (own.0, 42), (1000, own.1), (1000, 42)] } else { vec![own] };
    directory(0, 1, 1, b"");
    directory(0, 2, (modes.len() * owners.len()) as u32, b"new");
    for owner in &owners {
        for mode in modes {
            let mut record = Record::new(Kind::File);
            (record.parent, record.mode, record.size, record.count) = (1, mode, 10, 1);
            (record.uid, record.gid) = *owner;
            table.push(record, format!("{}-{}-{mode:04o}", owner.0, owner.1).as_bytes(), More::default());
        }
    }
    let ways = [(false, false), (false, true), (true, true)];
    for ((private, overwrite), set_group) in ways.into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let target = tempfile::tempdir().unwrap();
        if is_root && set_group {
            // New directories get the group of this one, and so would files in them.
            std::os::unix::fs::chown(target.path(), None, Some(12)).unwrap();
            std::fs::set_permissions(target.path(), std::fs::Permissions::from_mode(0o2700)).unwrap();
        }
        for attempt in ["new", "again"] {
            let problems = Problems::new(&Quiet);
            let options = RestoreOptions { private, overwrite, ..RestoreOptions::default() };
            run(&table, &Tens, target.path(), &Selection::Everything, &options, &Quiet, &problems).unwrap();
            let problems = problems.into_list();
            assert!(problems.is_empty() || (attempt == "again" && !overwrite), "{attempt}: {problems:?}");
            for owner in &owners {
                for mode in modes {
                    let name = format!("new/{}-{}-{mode:04o}", owner.0, owner.1);
                    let status = target.path().join(&name).symlink_metadata().unwrap();
                    let found = (status.uid(), status.gid(), status.mode() & 0o7777, status.len());
                    assert_eq!(found, (owner.0, owner.1, mode.into(), 10), "{name} {attempt} {options:?}");
                }
            }
        }
    }
}

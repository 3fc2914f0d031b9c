use super::*;
use std::path::Path;

pub(crate) fn small() -> FileTable {
    let mut table = FileTable::default();
    let mut root = Record::new(Kind::Directory);
    (root.start, root.count) = (1, 2);
    table.push(root, b"", More::default());
    table.push(Record::new(Kind::File), b"a", More::default());
    let mut directory = Record::new(Kind::Directory);
    (directory.start, directory.count) = (3, 1);
    table.push(directory, b"b", More::default());
    let mut link = Record::new(Kind::Symlink);
    link.parent = 2;
    table.push(link, b"c\xff", More { target: b"../a".to_vec(), ..More::default() });
    table
}

#[test]
fn paths_and_children() {
    let table = small();
    assert_eq!(table.path(0), Path::new("/"));
    assert_eq!(table.path(3).as_os_str().as_bytes(), b"/b/c\xff");
    assert_eq!(table.find(Path::new("/b")), Some(2));
    assert_eq!(table.find(Path::new("b/../a")), None);
    assert_eq!(table.entry(3).target.unwrap(), Path::new("../a"));
    assert_eq!(table.len(), 4);
}

#[test]
fn links_of_the_archive_are_followed() {
    // /a, /b/{circle, file, up -> /.., x -> .}, /l -> b
    let mut table = FileTable::default();
    let entries: [(&str, Kind, u32, &str); 8] = [
        ("", Kind::Directory, 0, ""),
        ("a", Kind::File, 0, ""),
        ("b", Kind::Directory, 0, ""),
        ("l", Kind::Symlink, 0, "b"),
        ("circle", Kind::Symlink, 2, "circle"),
        ("file", Kind::File, 2, ""),
        ("up", Kind::Symlink, 2, "/../b/.."),
        ("x", Kind::Symlink, 2, "."),
    ];
    for (name, kind, parent, target) in entries {
        let record = Record { parent, ..Record::new(kind) };
        table.push(record, name.as_bytes(), More { target: target.into(), ..More::default() });
    }
    (table.records[0].start, table.records[0].count) = (1, 3);
    (table.records[2].start, table.records[2].count) = (4, 4);
    for (path, index) in [
        ("/l/file", Some(5)),
        ("/l", Some(3)),
        ("/l/x/x/../b/file", Some(5)),
        ("/l/up/a", Some(1)),
        ("l//file/", Some(5)),
        ("/b/circle/file", None),
        ("/b/none/../file", None),
        ("/a/../b", Some(2)),
    ] {
        assert_eq!(table.follow(Path::new(path)), index, "{path}");
    }
}

#[test]
fn holes_are_not_stored() {
    let mut table = small();
    let mut record = Record::new(Kind::File);
    record.size = 1000;
    let index = table.push(record, b"sparse", More { holes: vec![(0, 300), (500, 499)], ..More::default() });
    assert_eq!((table.stored(index), table.stored(0)), (201, 0));
}

#[test]
fn a_record_stays_small() {
    assert!(std::mem::size_of::<Record>() <= 128, "{}", std::mem::size_of::<Record>());
}

#[test]
fn leaving_out_takes_all_below() {
    let mut table = small();
    table.leave_out(2);
    assert_eq!(table.entries().map(|entry| entry.path).collect::<Vec<_>>(), [Path::new("/"), Path::new("/a")]);
}

//! What restic's format cannot carry, as `.lifeboat/extras.jsonl` in the snapshot.
//!
//! One JSON object per line, the first one `{"lifeboat_extras":1}`. Each of the others names an entry by `path` (bytes that
//! are not UTF-8, quotes and control characters escaped as in restic's names) and has only what its node does not:
//! inode flags, project id, holes, times before the year 0 or after 9999, xattrs whose names are not UTF-8, and the stretches that
//! shared blocks with other files: `[offset, length, space, address]`; equal addresses in one space are the same. The root
//! directory has no node, so its line has everything, and so do lines with `"under":true`: they describe directories that
//! mounted filesystems hide.

use crate::file_table::{FileTable, Holes, Kind, More, Record, Time, Under, Xattr};
use crate::repository::node;
use crate::shared::Stretch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of the format, and of the one with files that share blocks or are squeezed: earlier releases cannot read that.
const VERSION: u32 = 1;
const VERSION_NEW: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    lifeboat_extras: u32,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    path: String,
    #[serde(skip_serializing_if = "is_default")]
    under: bool,
    #[serde(skip_serializing_if = "is_default")]
    flags: u32,
    #[serde(skip_serializing_if = "is_default")]
    project: u32,
    /// The true size of a file whose content leaves out its large holes.
    #[serde(skip_serializing_if = "is_default")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    holes: Holes,
    #[serde(skip_serializing_if = "is_default")]
    shared: Vec<(u64, u64, u16, u64)>,
    #[serde(skip_serializing_if = "is_default")]
    mtime: Option<(i64, u32)>,
    /// Name and value, base64.
    #[serde(skip_serializing_if = "is_default")]
    xattrs: Option<Vec<(String, String)>>,
    #[serde(skip_serializing_if = "is_default")]
    mode: Option<u16>,
    #[serde(skip_serializing_if = "is_default")]
    owner: Option<(u32, u32)>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The lines for a table.
pub(crate) fn encode(table: &FileTable) -> Vec<u8> {
    let mut out = Vec::new();
    let is_old = table.shared.is_empty() && !(0..table.records.len()).any(|index| table.is_squeezed(index));
    let version = if is_old { VERSION } else { VERSION_NEW };
    push(&mut out, &Header { lifeboat_extras: version });
    for (index, record) in table.records.iter().enumerate() {
        let xattrs = table.xattrs(index);
        let odd_xattrs = xattrs.iter().any(|xattr| std::str::from_utf8(&xattr.name).is_err());
        let odd_time = !node::SAYABLE.contains(&record.mtime.seconds);
        let is_root = index == 0;
        let wanted = is_root
            || record.flags != 0
            || record.project != 0
            || odd_xattrs
            || odd_time
            || !table.holes(index).is_empty()
            || !table.shared.of_record(index).is_empty();
        if record.left_out || !wanted {
            continue;
        }
        let shared = table.shared.of_record(index);
        push(
            &mut out,
            &Line {
                path: node::quote(table.path(index).as_os_str().as_encoded_bytes()),
                under: false,
                flags: record.flags,
                project: record.project,
                size: table.is_squeezed(index).then_some(record.size),
                holes: table.holes(index).to_vec(),
                shared: shared.iter().map(|s| (s.offset, s.length, s.space, s.address)).collect(),
                mtime: (is_root || odd_time).then_some((record.mtime.seconds, record.mtime.nanoseconds)),
                xattrs: (odd_xattrs || is_root && !xattrs.is_empty()).then(|| base64(xattrs)),
                mode: is_root.then_some(record.mode),
                owner: is_root.then_some((record.uid, record.gid)),
            },
        );
    }
    for Under { path, record, xattrs } in &table.under {
        let line = Line {
            path: node::quote(path.as_os_str().as_encoded_bytes()),
            under: true,
            mtime: Some((record.mtime.seconds, record.mtime.nanoseconds)),
            mode: Some(record.mode),
            owner: Some((record.uid, record.gid)),
            xattrs: (!xattrs.is_empty()).then(|| base64(xattrs)),
            ..Line::default()
        };
        push(&mut out, &line);
    }
    out
}

fn base64(xattrs: &[Xattr]) -> Vec<(String, String)> {
    xattrs.iter().map(|xattr| (STANDARD.encode(&xattr.name), STANDARD.encode(&xattr.value))).collect()
}

fn from_base64(xattrs: &[(String, String)]) -> Result<Vec<Xattr>, String> {
    let decode = |text: &String| STANDARD.decode(text).map_err(|error| error.to_string());
    xattrs.iter().map(|(name, value)| Ok(Xattr { name: decode(name)?, value: decode(value)? })).collect()
}

fn push(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing plain structures to memory cannot fail.
    if serde_json::to_writer(&mut *out, value).is_ok() {
        out.push(b'\n');
    }
}

/// Adds the lines to the table of the same snapshot. If it is not `whole`, some entries are missing, and their lines are
/// skipped.
///
/// # Errors
/// What is wrong with which line. Lines for entries that a whole table does not have are an error, too.
pub(crate) fn apply(text: &[u8], table: &mut FileTable, whole: bool) -> Result<(), String> {
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate();
    let (_, first) = lines.next().ok_or("it is empty")?;
    let header: Header = serde_json::from_slice(first).map_err(|error| format!("line 1: {error}"))?;
    if ![VERSION, VERSION_NEW].contains(&header.lifeboat_extras) {
        return Err(format!("it has version {}; try a newer release", header.lifeboat_extras));
    }
    for (number, line) in lines {
        let number = number + 1;
        let line: Line = serde_json::from_slice(line).map_err(|error| format!("line {number}: {error}"))?;
        let is_there = |line| path(line).map(|path| table.find(&path).is_some());
        if !whole && !is_there(&line).map_err(|error| format!("line {number}: {error}"))? {
            continue;
        }
        let applied = if line.under { apply_under(&line, table) } else { apply_line(line, table) };
        applied.map_err(|error| format!("line {number}: {error}"))?;
    }
    table.holes_known = true;
    table.shared.sort();
    Ok(())
}

fn path(line: &Line) -> Result<PathBuf, String> {
    let path = node::unquote(&line.path).ok_or("its path is escaped wrongly")?;
    Ok(PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(path)))
}

fn time((seconds, nanoseconds): (i64, u32)) -> Result<Time, String> {
    if nanoseconds >= 1_000_000_000 {
        return Err("its time has too many nanoseconds".to_owned());
    }
    Ok(Time { seconds, nanoseconds })
}

fn apply_under(line: &Line, table: &mut FileTable) -> Result<(), String> {
    let path = path(line)?;
    let index = table.find(&path).ok_or_else(|| format!("{} is not in the snapshot", path.display()))?;
    if table.records[index].kind != Kind::Directory || index == 0 {
        return Err(format!("{} cannot be a mount point", path.display()));
    }
    let mut record = Record::new(Kind::Directory);
    record.mtime = time(line.mtime.ok_or("it has no time")?)?;
    record.mode = line.mode.ok_or("it has no mode")? & 0o7777;
    (record.uid, record.gid) = line.owner.ok_or("it has no owner")?;
    let xattrs = from_base64(line.xattrs.as_deref().unwrap_or_default())?;
    table.under.push(Under { path, record, xattrs });
    Ok(())
}

fn apply_line(line: Line, table: &mut FileTable) -> Result<(), String> {
    let path = path(&line)?;
    let index = table.find(&path).ok_or_else(|| format!("{} is not in the snapshot", path.display()))?;
    let stored = table.records[index].size;
    let size = line.size.unwrap_or(stored);
    let mut end = 0;
    for (start, length) in &line.holes {
        let next = start.checked_add(*length).filter(|next| *start >= end && *length > 0 && *next <= size);
        end = next.ok_or("its holes do not fit the file")?;
    }
    let mut end = 0;
    for (offset, length, space, address) in line.shared {
        let next = offset.checked_add(length).filter(|_| offset >= end && length > 0);
        end = next.filter(|_| address.checked_add(length).is_some()).ok_or("what it shares does not fit the file")?;
        let record = u32::try_from(index).map_err(|_| "it has too many entries")?;
        table.shared.add(Stretch { record, offset, length, space, address, stored: 0 });
    }
    let record = &mut table.records[index];
    if line.size.is_some() && record.kind != Kind::File {
        return Err("it has a size but is not a file".to_owned());
    }
    record.size = size;
    record.flags = line.flags & lifeboat_sys::inode::SETTABLE;
    record.project = line.project;
    if let Some(mtime) = line.mtime {
        record.mtime = time(mtime)?;
    }
    if let Some(mode) = line.mode {
        record.mode = mode & 0o7777;
    }
    if let Some((uid, gid)) = line.owner {
        (record.uid, record.gid) = (uid, gid);
    }
    let mut more: More = table.more(index).cloned().unwrap_or_default();
    if let Some(xattrs) = line.xattrs {
        more.xattrs = from_base64(&xattrs)?;
    }
    more.holes = line.holes;
    more.squeezed = line.size.is_some();
    if more != table.more(index).cloned().unwrap_or_default() {
        table.set_more(index, more);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::tests::small;
    use proptest::prelude::*;

    fn rich() -> FileTable {
        let mut table = small();
        let root = &mut table.records[0];
        (root.mode, root.uid, root.flags) = (0o1755, 70000, lifeboat_sys::inode::IMMUTABLE);
        table.records[1].size = 1 << 40;
        table.records[1].project = 42;
        table.records[1].mtime = Time { seconds: i64::MIN, nanoseconds: 5 };
        table.set_more(1, More { holes: vec![(0, 4096), (8192, (1 << 40) - 8192)], ..More::default() });
        table.shared.add(Stretch { record: 1, offset: 4096, length: 4096, space: 0, address: 1 << 40, stored: 0 });
        table.shared.add(Stretch { record: 1, offset: 1 << 20, length: 8192, space: 3, address: 7, stored: 0 });
        let xattrs = vec![Xattr { name: b"user.\xff".to_vec(), value: vec![0, 1] }];
        table.set_more(2, More { xattrs, ..More::default() });
        table
    }

    fn all(table: &FileTable) -> Vec<(crate::Entry, Holes)> {
        (0..table.records.len()).map(|index| (table.entry(index), table.holes(index).to_vec())).collect()
    }

    #[test]
    fn what_nodes_lack_comes_back() {
        let mut table = rich();
        let mut bare = small();
        bare.records[1].size = 1 << 40;
        let xattrs = vec![Xattr { name: b"security.selinux".to_vec(), value: b"x".to_vec() }];
        let mut record = Record::new(Kind::Directory);
        (record.mode, record.uid, record.mtime) = (0o1700, 5, Time { seconds: -1, nanoseconds: 7 });
        let directory = (1..table.records.len()).find(|index| table.records[*index].kind == Kind::Directory).unwrap();
        let path = table.path(directory);
        table.under.push(Under { path: path.clone(), record, xattrs: xattrs.clone() });
        apply(&encode(&table), &mut bare, true).unwrap();
        assert!(bare.holes_known);
        let under = &bare.under[0];
        assert_eq!((&under.path, under.record.mode, under.record.uid, &under.xattrs), (&path, 0o1700, 5, &xattrs));
        assert_eq!(under.record.mtime, Time { seconds: -1, nanoseconds: 7 });
        assert_eq!(all(&bare), all(&table));
        assert_eq!(bare.shared, table.shared);
    }

    #[test]
    fn nonsense_is_named() {
        let header = "{\"lifeboat_extras\":1}\n";
        let cases = [
            ("", "it is empty"),
            ("{}", "line 1: missing field"),
            ("{\"lifeboat_extras\":3}", "version 3"),
            ("#{\"path\":\"/a\",\"shared\":[[0,0,0,4096]]}", "what it shares does not fit"),
            ("#{\"path\":\"/a\",\"shared\":[[8,8,0,0],[8,8,0,0]]}", "what it shares does not fit"),
            ("#{\"path\":\"/a\",\"shared\":[[0,9,0,18446744073709551610]]}", "what it shares does not fit"),
            ("#{\"path\":\"/none\"}", "/none is not in the snapshot"),
            ("#{\"path\":\"/a\",\"under\":true}", "cannot be a mount point"),
            ("#{\"path\":\"/a\",\"holes\":[[0,1]]}", "holes do not fit"),
            ("#{\"path\":\"/a\",\"colour\":1}", "unknown field"),
            ("#{\"path\":\"/a\\\\q\"}", "escaped wrongly"),
            ("#{\"path\":\"/a\",\"mtime\":[0,1000000000]}", "too many nanoseconds"),
        ];
        for (text, message) in cases {
            let error = apply(text.replace('#', header).as_bytes(), &mut small(), true).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn lines_for_what_was_lost_are_passed_over() {
        let text = b"{\"lifeboat_extras\":1}\n{\"path\":\"/none\",\"flags\":16}\n{\"path\":\"/a\",\"project\":7}\n{\"path\":\"/b/no\",\"under\":true}";
        let mut table = small();
        apply(text, &mut table, false).unwrap();
        let a = table.find(std::path::Path::new("/a")).unwrap();
        assert_eq!(table.records[a].project, 7);
        assert!(apply(text, &mut small(), true).is_err());
        // An invalid line stays an error.
        assert!(apply(b"{\"lifeboat_extras\":1}\n{\"path\":\"/a\\\\q\"}", &mut small(), false).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut text = b"{\"lifeboat_extras\":1}\n".to_vec();
            let _ = apply(&bytes, &mut small(), true);
            text.extend_from_slice(&bytes);
            let _ = apply(&text, &mut small(), true);
        }

        #[test]
        fn any_changed_byte_is_read_or_refused(position in 0_usize..400, byte in any::<u8>()) {
            let mut text = encode(&rich());
            let position = position % text.len();
            text[position] = byte;
            let _ = apply(&text, &mut small(), true);
        }

        #[test]
        fn any_line_comes_back(flags in any::<u32>(), project in any::<u32>(), seconds in any::<i64>(), mode in 0_u16..0o7777) {
            let mut table = small();
            let root = &mut table.records[0];
            root.flags = flags & lifeboat_sys::inode::SETTABLE;
            (root.project, root.mtime.seconds, root.mode) = (project, seconds, mode);
            let mut bare = small();
            apply(&encode(&table), &mut bare, true).unwrap();
            prop_assert_eq!(all(&bare), all(&table));
        }
    }
}

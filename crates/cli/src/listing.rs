//! How lists for people look: tables, times, ages, entries as `ls -l` shows them.

use lifeboat_archive::{Entry, Kind, Time};
use lifeboat_machine::bytes::printable;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;

/// Where a cell stands in its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows as lines, each column as wide as its widest cell; the first row is the head.
pub fn table(columns: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).zip(&widths).map(|((cell, align), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A moment in local time, to the second: `2026-11-30 14:03:07`.
pub fn local(time: jiff::Timestamp) -> String {
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A recorded time (RFC 3339) in local time; as it is when it is none.
pub fn local_text(time: &str) -> String {
    time.parse().map_or_else(|_| printable(time.as_bytes()), local)
}

/// A file's time in local time.
pub fn file_time(time: Time) -> String {
    match jiff::Timestamp::from_second(time.seconds) {
        Ok(time) => local(time),
        Err(_) => format!("{} s", time.seconds),
    }
}

/// How long ago something was, in its largest unit: `5 min`, `3 h`, `12 days`.
pub fn age(seconds: i64) -> String {
    match seconds {
        ..-600 => "in the future".to_owned(),
        -600..60 => "now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Names of owners and groups, as the archived machine has them.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    /// From the texts of passwd(5) and group(5).
    pub fn parse(passwd: &[u8], group: &[u8]) -> Owners {
        let names = |text: &[u8]| -> HashMap<u32, String> {
            let one = |line: &str| {
                let mut fields = line.split(':');
                let name = fields.next().filter(|name| !name.is_empty())?;
                Some((fields.nth(1)?.parse().ok()?, printable(name.as_bytes())))
            };
            let text = String::from_utf8_lossy(text);
            // The first of several names counts.
            let mut list: Vec<(u32, String)> = text.lines().filter_map(one).collect();
            list.reverse();
            list.into_iter().collect()
        };
        Owners { users: names(passwd), groups: names(group) }
    }

    fn user(&self, id: u32) -> String {
        self.users.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }

    fn group(&self, id: u32) -> String {
        self.groups.get(&id).cloned().unwrap_or_else(|| id.to_string())
    }
}

/// The cells of an entry for [`LONG`]; `name` is what is shown of its path.
pub fn long(entry: &Entry, name: &str, owners: &Owners) -> Vec<String> {
    let size = match (entry.device, &entry.target) {
        (Some((major, minor)), _) => format!("{major}, {minor}"),
        (None, Some(target)) => target.as_os_str().len().to_string(),
        (None, None) => entry.size.to_string(),
    };
    let target = entry.target.as_ref().map(|target| format!(" -> {}", printable(target.as_os_str().as_bytes())));
    vec![
        mode(entry),
        entry.links.to_string(),
        owners.user(entry.uid),
        owners.group(entry.gid),
        size,
        file_time(entry.mtime),
        format!("{name}{}", target.unwrap_or_default()),
    ]
}

/// The columns of [`long`].
pub const LONG: [Align; 7] =
    [Align::Left, Align::Right, Align::Left, Align::Left, Align::Right, Align::Left, Align::Left];

/// `drwxr-xr-x`, with `+` behind it for an ACL and `.` for another extended attribute.
pub fn mode(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::BlockDevice => 'b',
        Kind::CharDevice => 'c',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
    };
    let mut text = String::from(kind);
    for (shift, set, sign) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = entry.mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (entry.mode & set != 0, bits & 1 != 0) {
            (true, true) => sign,
            (true, false) => sign.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    match &entry.xattrs[..] {
        [] => {}
        list if list.iter().any(|xattr| xattr.name.starts_with(b"system.posix_acl")) => text.push('+'),
        _ => text.push('.'),
    }
    text
}

/// The letters of types that `find(1)` uses, for JSON.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "dir",
        Kind::Symlink => "symlink",
        Kind::BlockDevice => "dev",
        Kind::CharDevice => "chardev",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn entry(kind: Kind, mode: u32) -> Entry {
        Entry {
            path: PathBuf::from("/x"),
            kind,
            mode,
            uid: 0,
            gid: 7,
            size: 5,
            mtime: Time::default(),
            links: 1,
            device: None,
            target: None,
            xattrs: vec![],
            flags: 0,
            project: 0,
        }
    }

    #[test]
    fn modes_as_ls_writes_them() {
        for (kind, bits, text) in [
            (Kind::File, 0o644, "-rw-r--r--"),
            (Kind::Directory, 0o1777, "drwxrwxrwt"),
            (Kind::File, 0o4755, "-rwsr-xr-x"),
            (Kind::File, 0o2644, "-rw-r-Sr--"),
            (Kind::Symlink, 0o777, "lrwxrwxrwx"),
        ] {
            assert_eq!(mode(&entry(kind, bits)), text);
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let lines = table(&[Align::Left, Align::Right], &[row(["A", "SIZE"]), row(["abc", "1"])]);
        assert_eq!(lines, ["A    SIZE", "abc     1"]);
    }

    #[test]
    fn ages() {
        for (seconds, text) in
            [(-7200, "in the future"), (5, "now"), (300, "5 min"), (7300, "2 h"), (900_000, "10 days")]
        {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn owners_have_the_names_of_the_archived_machine() {
        let owners = Owners::parse(b"root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:\nbad\n", b"daemon:x:7:\n");
        let cells = long(&entry(Kind::File, 0o600), "x", &owners);
        assert_eq!(cells[..5], ["-rw-------", "1", "root", "daemon", "5"].map(str::to_owned));
        assert_eq!(long(&entry(Kind::File, 0), "x", &Owners::default())[2], "0");
    }
}

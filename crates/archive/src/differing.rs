//! In which respects two entries differ, for people: each with the attribute's name, what one side has and what the other.

use crate::compare::DifferenceKind;
use crate::file_table::{Entry, Time, Xattr};
use std::collections::BTreeMap;
use std::path::Path;

/// How the two sides are called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides<'a> {
    /// E.g. `in the archive`.
    pub(crate) was: &'a str,
    /// E.g. `here`.
    pub(crate) is: &'a str,
}

impl Sides<'_> {
    /// `mode: 0644 in the archive, 0600 here`
    pub(crate) fn text(&self, attribute: &str, was: &str, is: &str) -> String {
        format!("{attribute}: {was} {}, {is} {}", self.was, self.is)
    }
}

/// A time in UTC, to the nanosecond where it has any: `2026-11-30 01:02:03 UTC`.
pub(crate) fn time(time: Time) -> String {
    let fraction = match time.nanoseconds {
        0 => String::new(),
        nanoseconds => format!(".{nanoseconds:09}"),
    };
    match jiff::Timestamp::from_second(time.seconds) {
        Ok(stamp) => format!("{}{fraction} UTC", stamp.strftime("%Y-%m-%d %H:%M:%S")),
        // Beyond the year 9999.
        Err(_) => format!("{}{fraction} seconds after 1970", time.seconds),
    }
}

/// The differences of two entries of one type in what only their metadata holds; `flags` are compared as they are.
pub(crate) fn metadata(was: &Entry, is: &Entry, sides: Sides<'_>) -> Vec<(DifferenceKind, String)> {
    use crate::Kind;
    let mut list = vec![];
    let mut add = |kind, attribute: &str, was: String, is: String| list.push((kind, sides.text(attribute, &was, &is)));
    if was.mode != is.mode && was.kind != Kind::Symlink {
        add(DifferenceKind::Mode, "mode", format!("{:04o}", was.mode), format!("{:04o}", is.mode));
    }
    if (was.uid, was.gid) != (is.uid, is.gid) {
        add(DifferenceKind::Owner, "owner:group", format!("{}:{}", was.uid, was.gid), format!("{}:{}", is.uid, is.gid));
    }
    if was.mtime != is.mtime {
        add(DifferenceKind::ModificationTime, "modification time", time(was.mtime), time(is.mtime));
    }
    if was.flags != is.flags {
        add(DifferenceKind::Flags, "inode flags", format!("{:#x}", was.flags), format!("{:#x}", is.flags));
    }
    if was.project != is.project {
        add(DifferenceKind::Flags, "project id", was.project.to_string(), is.project.to_string());
    }
    if was.target != is.target {
        let text = |entry: &Entry| format!("{:?}", entry.target.as_deref().unwrap_or(Path::new("")));
        add(DifferenceKind::LinkTarget, "link target", text(was), text(is));
    }
    if was.device != is.device {
        let text = |entry: &Entry| entry.device.map_or("none".to_owned(), |(major, minor)| format!("{major}:{minor}"));
        add(DifferenceKind::Device, "device number", text(was), text(is));
    }
    if was.xattrs != is.xattrs {
        list.push((DifferenceKind::Xattrs, attributes(&was.xattrs, &is.xattrs, sides)));
    }
    list
}

/// `attribute user.a: only in the archive; attribute user.b: other value`
fn attributes(was: &[Xattr], is: &[Xattr], sides: Sides<'_>) -> String {
    let map = |list: &[Xattr]| -> BTreeMap<Vec<u8>, Vec<u8>> {
        list.iter().map(|xattr| (xattr.name.clone(), xattr.value.clone())).collect()
    };
    let (was, is) = (map(was), map(is));
    let names: std::collections::BTreeSet<&Vec<u8>> = was.keys().chain(is.keys()).collect();
    let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name)).map(|name| {
        let shown = shown(name);
        match (was.get(name), is.get(name)) {
            (Some(_), None) => format!("attribute {shown}: only {}", sides.was),
            (None, Some(_)) => format!("attribute {shown}: only {}", sides.is),
            _ => format!("attribute {shown}: its values differ"),
        }
    });
    differing.collect::<Vec<_>>().join("; ")
}

/// What an attribute is called by those who use it.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name).into_owned();
    match name {
        b"system.posix_acl_access" => format!("{text} (ACL)"),
        b"system.posix_acl_default" => format!("{text} (default ACL)"),
        b"security.capability" => format!("{text} (capabilities)"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::tests::small;

    #[test]
    fn each_difference_has_its_name() {
        let was = small().entry(1);
        let mut is = was.clone();
        (is.mode, is.uid, is.mtime, is.flags) = (0o600, 7, Time { seconds: 86_400, nanoseconds: 5 }, 0x10);
        is.xattrs = vec![Xattr { name: b"system.posix_acl_access".to_vec(), value: vec![1] }];
        let sides = Sides { was: "in A", is: "in B" };
        let texts: Vec<String> = metadata(&was, &is, sides).into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            texts,
            [
                "mode: 0000 in A, 0600 in B",
                "owner:group: 0:0 in A, 7:0 in B",
                "modification time: 1970-01-01 00:00:00 UTC in A, 1970-01-02 00:00:00.000000005 UTC in B",
                "inode flags: 0x0 in A, 0x10 in B",
                "attribute system.posix_acl_access (ACL): only in B",
            ]
        );
        assert!(metadata(&was, &was, sides).is_empty());
        assert!(time(Time { seconds: i64::MAX, nanoseconds: 0 }).contains("after 1970"));
    }
}

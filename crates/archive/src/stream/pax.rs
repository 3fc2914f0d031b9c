//! Members of a PAX tar archive (POSIX.1-2024, pax, "ustar Interchange Format"; GNU tar manual, "Storing Sparse Files"): written so
//! that GNU tar, bsdtar and Python restore all that they can, and read as far as the catalogue needs them.

use crate::file_table::{Kind, Record, Xattr, data};
use crate::pax::{decimal, record as record_line};
use std::io::Write as _;

/// Everything is in units of this.
pub(crate) const UNIT: usize = 512;
/// The most that an extended header may have: an entry's xattrs are limited to 1 MiB, and ACLs come as text, too.
pub(crate) const EXTENDED_MAX: u64 = 8 << 20;
/// Our own record: an entry that changed after the table at the beginning of the archive was written; base64.
const CHANGED: &str = "LIFEBOAT.entry";
/// The longest path and link target.
const PATH_MAX: usize = 64 << 10;

/// A member that is to be written.
pub(crate) struct Member<'a> {
    /// Relative to the root; the root itself is `./`, and directories end in `/`.
    pub(crate) path: &'a [u8],
    pub(crate) record: &'a Record,
    /// Target of a symbolic link, or path of the first name of a hard link.
    pub(crate) target: &'a [u8],
    pub(crate) is_hard_link: bool,
    pub(crate) xattrs: &'a [Xattr],
    pub(crate) holes: &'a [(u64, u64)],
    pub(crate) changed: Option<&'a str>,
}

/// The map of a sparse file, in whole units. Its last entry ends where the file ends: GNU tar 1.35 does not look at the
/// real size.
pub(crate) fn sparse_map(size: u64, holes: &[(u64, u64)]) -> Vec<u8> {
    let mut map = Vec::new();
    let _ = writeln!(map, "{}", data(size, holes).count() + 1);
    for (start, length) in data(size, holes).chain([(size, 0)]) {
        let _ = write!(map, "{start}\n{length}\n");
    }
    map.resize(map.len().next_multiple_of(UNIT), 0);
    map
}

/// Appends headers for a member; its content, if it has one, follows. False when the record of what changed is left out, because
/// readers would not take a header of that length.
pub(crate) fn push(out: &mut Vec<u8>, member: &Member<'_>) -> bool {
    let record = member.record;
    let has_content = record.kind == Kind::File && !member.is_hard_link;
    let is_sparse = has_content && !member.holes.is_empty();
    let map_bytes = if is_sparse { sparse_map(record.size, member.holes).len() as u64 } else { 0 };
    let stored: u64 = if has_content { data(record.size, member.holes).map(|(_, length)| length).sum() } else { 0 };
    let size = stored + map_bytes;
    let mut extended = Vec::new();
    let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
    if !is_text(member.path) || !is_text(member.target) {
        record_line(&mut extended, b"hdrcharset", b"BINARY");
    }
    let is_plain = |bytes: &[u8]| bytes.len() < 100 && bytes.is_ascii();
    if is_sparse {
        record_line(&mut extended, b"GNU.sparse.major", b"1");
        record_line(&mut extended, b"GNU.sparse.minor", b"0");
        record_line(&mut extended, b"GNU.sparse.name", member.path);
        record_line(&mut extended, b"GNU.sparse.realsize", record.size.to_string().as_bytes());
    } else if !is_plain(member.path) {
        record_line(&mut extended, b"path", member.path);
    }
    if !is_plain(member.target) {
        record_line(&mut extended, b"linkpath", member.target);
    }
    let time = record.mtime;
    if time.nanoseconds != 0 || !(0..1 << 33).contains(&time.seconds) {
        record_line(&mut extended, b"mtime", decimal(time).as_bytes());
    }
    for (name, id) in [("uid", record.uid), ("gid", record.gid)] {
        if id >= 1 << 21 {
            record_line(&mut extended, name.as_bytes(), id.to_string().as_bytes());
        }
    }
    if size >= 1 << 33 {
        record_line(&mut extended, b"size", size.to_string().as_bytes());
    }
    if !member.is_hard_link {
        attributes(&mut extended, member.xattrs);
    }
    // With key, length, equals sign, space and newline.
    let fits = |changed: &str| (extended.len() + changed.len() + CHANGED.len() + 24) as u64 <= EXTENDED_MAX;
    let changed = member.changed.filter(|changed| fits(changed));
    if let Some(changed) = changed {
        record_line(&mut extended, CHANGED.as_bytes(), changed.as_bytes());
    }
    if !extended.is_empty() {
        let length = extended.len() as u64;
        header(out, b"./PaxHeaders/entry", b'x', 0o644, (0, 0), length, 0, b"", (0, 0));
        out.extend_from_slice(&extended);
        out.resize(out.len().next_multiple_of(UNIT), 0);
    }
    let name = if is_sparse { b"GNUSparseFile.0/entry".to_vec() } else { short(member.path) };
    let kind = match record.kind {
        _ if member.is_hard_link => b'1',
        Kind::File | Kind::Socket => b'0',
        Kind::Symlink => b'2',
        Kind::CharDevice => b'3',
        Kind::BlockDevice => b'4',
        Kind::Directory => b'5',
        Kind::Fifo => b'6',
    };
    let device = match record.kind {
        Kind::BlockDevice | Kind::CharDevice => (rustix::fs::major(record.device), rustix::fs::minor(record.device)),
        _ => (0, 0),
    };
    let seconds = time.seconds.clamp(0, (1 << 33) - 1) as u64;
    let target = short(member.target);
    header(out, &name, kind, record.mode.into(), (record.uid, record.gid), size, seconds, &target, device);
    if is_sparse {
        out.extend(sparse_map(record.size, member.holes));
    }
    changed.is_some() == member.changed.is_some()
}

/// What of a path goes into the old header, for readers that know nothing else.
fn short(path: &[u8]) -> Vec<u8> {
    path.iter().take(99).map(|byte| if byte.is_ascii() { *byte } else { b'_' }).collect()
}

/// Extended attributes as GNU tar and bsdtar know them, and ACLs in both forms: GNU tar takes one only without, the other only with
/// `--acls`. Names with `=` or `%` are spelled differently everywhere, so they are in the catalogue only.
fn attributes(extended: &mut Vec<u8>, xattrs: &[Xattr]) {
    for Xattr { name, value } in xattrs {
        if std::str::from_utf8(name).is_err() || name.iter().any(|byte| matches!(byte, b'=' | b'%' | b'\n')) {
            continue;
        }
        let list = match &name[..] {
            b"system.posix_acl_access" => Some("SCHILY.acl.access"),
            b"system.posix_acl_default" => Some("SCHILY.acl.default"),
            _ => None,
        };
        if let Some((key, text)) = list.and_then(|key| Some((key, access_list(value)?))) {
            record_line(extended, key.as_bytes(), text.as_bytes());
        }
        record_line(extended, &[b"SCHILY.xattr.", &name[..]].concat(), value);
    }
}

/// An ACL as text with numbers (acl(5), "SHORT TEXT FORM"); `None` for what is none (linux/posix_acl_xattr.h).
fn access_list(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&2_u32.to_le_bytes())?;
    if entries.len() % 8 != 0 {
        return None;
    }
    let mut text = vec![];
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let bits = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let (kind, named) = match tag {
            0x01 => ("user", false),
            0x02 => ("user", true),
            0x04 => ("group", false),
            0x08 => ("group", true),
            0x10 => ("mask", false),
            0x20 => ("other", false),
            _ => return None,
        };
        let name = if named { id.to_string() } else { String::new() };
        let letter = |bit: u16, letter: char| if bits & bit != 0 { letter } else { '-' };
        text.push(format!("{kind}:{name}:{}{}{}", letter(4, 'r'), letter(2, 'w'), letter(1, 'x')));
    }
    Some(text.join(","))
}

#[allow(clippy::too_many_arguments)]
fn header(
    out: &mut Vec<u8>,
    name: &[u8],
    kind: u8,
    mode: u32,
    (uid, gid): (u32, u32),
    size: u64,
    mtime: u64,
    target: &[u8],
    (major, minor): (u32, u32),
) {
    let start = out.len();
    out.resize(start + UNIT, 0);
    let block = &mut out[start..];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let octal = |value: u64, digits: usize| format!("{value:0digits$o}").into_bytes();
    put(0, name);
    put(100, &octal(mode.into(), 7));
    for (at, id) in [(108, uid), (116, gid)] {
        put(at, &octal(if id < 1 << 21 { id.into() } else { 0 }, 7));
    }
    match size {
        0..=0o77_777_777_777 => put(124, &octal(size, 11)),
        // Base-256, as GNU tar has it, for readers without PAX.
        _ => {
            put(124, &[0x80, 0, 0, 0]);
            put(128, &size.to_be_bytes());
        }
    }
    put(136, &octal(mtime, 11));
    put(148, b"        ");
    put(156, &[kind]);
    put(157, target);
    put(257, b"ustar\x0000");
    if matches!(kind, b'3' | b'4') {
        put(329, &octal(major.into(), 7));
        put(337, &octal(minor.into(), 7));
    }
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// What the headers of a member say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Without a leading `./` and a trailing `/`; empty for the root.
    pub(crate) path: Vec<u8>,
    /// The type flag.
    pub(crate) kind: u8,
    /// Bytes of content that follow, with a map, without padding.
    pub(crate) size: u64,
    /// The content begins with a map.
    pub(crate) is_sparse: bool,
    /// The entry as it was when it was read, if that differs from the table.
    pub(crate) changed: Option<Vec<u8>>,
}

/// A header block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Zeros: the archive ends.
    End,
    /// An extended header with so many bytes follows, then the header proper.
    Extended(u64),
    /// A member.
    Member(Found),
}

/// Reads a header block, with what an extended header before it said.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(block: &[u8; UNIT], extended: &[u8]) -> Result<Block, String> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(Block::End);
    }
    let sum: u32 =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) }).sum();
    if octal(&block[148..156]) != Some(sum.into()) || &block[257..262] != b"ustar" {
        return Err("a header of the archive is damaged".to_owned());
    }
    let size = match block[124] {
        0x80 if block[125..128] == [0; 3] => {
            Some(u64::from_be_bytes(block[128..136].try_into().map_err(|_| "a header of the archive is damaged")?))
        }
        _ => octal(&block[124..136]),
    };
    let size = size.filter(|size| *size < 1 << 62).ok_or("a header of the archive has no size")?;
    let kind = block[156];
    if kind == b'x' {
        return match size {
            0..=EXTENDED_MAX => Ok(Block::Extended(size)),
            _ => Err("an extended header of the archive is too long".to_owned()),
        };
    }
    let name = block[..100].split(|byte| *byte == 0).next().unwrap_or_default();
    let mut found = Found { path: name.to_vec(), kind, size, ..Found::default() };
    let mut sparse_name = None;
    each_record(extended, &mut |key, value| {
        match key {
            b"path" => found.path = value.to_vec(),
            b"GNU.sparse.name" => sparse_name = Some(value.to_vec()),
            b"GNU.sparse.major" => found.is_sparse = value == b"1",
            b"size" => {
                let text = std::str::from_utf8(value).ok();
                let size = text.and_then(|text| text.parse().ok()).filter(|size| *size < 1 << 62);
                found.size = size.ok_or("an extended header of the archive has no valid size")?;
            }
            _ if key == CHANGED.as_bytes() => found.changed = Some(value.to_vec()),
            _ => {}
        }
        Ok(())
    })?;
    if let Some(name) = sparse_name {
        found.path = name;
    }
    if found.path.len() > PATH_MAX {
        return Err("a path of the archive is too long".to_owned());
    }
    if !matches!(kind, b'0' | b'7' | 0) {
        found.size = 0;
    }
    let path = found.path.strip_prefix(b"./").unwrap_or(&found.path);
    found.path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
    Ok(Block::Member(found))
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(|c| c == ' ' || c == '\0');
    u64::from_str_radix(text, 8).ok()
}

/// Takes a key and a value.
type EachRecord<'e> = &'e mut dyn FnMut(&[u8], &[u8]) -> Result<(), String>;

/// Passes each `LENGTH KEY=VALUE\n` to `each`.
fn each_record(mut rest: &[u8], each: EachRecord<'_>) -> Result<(), String> {
    let damaged = || "an extended header of the archive is damaged".to_owned();
    while !rest.is_empty() {
        let space = rest.iter().take(12).position(|byte| *byte == b' ').ok_or_else(damaged)?;
        let text = std::str::from_utf8(&rest[..space]).map_err(|_| damaged())?;
        let length: usize = text.parse().map_err(|_| damaged())?;
        let line = rest.get(space + 1..length).and_then(|line| line.strip_suffix(b"\n")).ok_or_else(damaged)?;
        let equals = line.iter().position(|byte| *byte == b'=').ok_or_else(damaged)?;
        each(&line[..equals], &line[equals + 1..])?;
        rest = &rest[length..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::Time;
    use proptest::prelude::*;

    fn read(mut tar: &[u8]) -> Result<Found, String> {
        let mut extended = vec![];
        loop {
            let (block, rest) = tar.split_first_chunk::<UNIT>().ok_or("it ends")?;
            match parse(block, &extended)? {
                Block::Member(found) => return Ok(found),
                Block::End => return Err("the end".to_owned()),
                Block::Extended(size) => {
                    extended = rest.get(..size as usize).ok_or("it ends")?.to_vec();
                    tar = rest.get((size as usize).next_multiple_of(UNIT)..).ok_or("it ends")?;
                }
            }
        }
    }

    #[test]
    fn no_header_is_longer_than_readers_take() {
        let record = Record::new(Kind::File);
        for (length, fits) in [(100, true), (EXTENDED_MAX as usize - 100, true), (EXTENDED_MAX as usize, false)] {
            let text = "x".repeat(length);
            let member = Member {
                path: b"a",
                record: &record,
                target: b"",
                is_hard_link: false,
                xattrs: &[],
                holes: &[],
                changed: Some(&text),
            };
            let mut out = vec![];
            assert_eq!(push(&mut out, &member), fits, "{length}");
            assert_eq!(read(&out).unwrap().changed.is_some(), fits, "{length}");
        }
    }

    #[test]
    fn lists_as_text() {
        let entry =
            |tag: u16, bits: u16, id: u32| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat();
        let entries = [
            entry(1, 6, u32::MAX),
            entry(2, 4, 70_000),
            entry(4, 5, u32::MAX),
            entry(0x10, 7, u32::MAX),
            entry(0x20, 0, u32::MAX),
        ];
        let value = [2_u32.to_le_bytes().to_vec(), entries.concat()].concat();
        assert_eq!(access_list(&value).as_deref(), Some("user::rw-,user:70000:r--,group::r-x,mask::rwx,other::---"));
        assert_eq!((access_list(&value[..9]), access_list(b"")), (None, None));
    }

    #[test]
    fn maps_end_where_the_file_ends() {
        let map = sparse_map(100, &[(0, 10), (90, 10)]);
        assert!(map.starts_with(b"2\n10\n80\n100\n0\n\0") && map.len() == UNIT);
        assert!(sparse_map(5, &[(0, 5)]).starts_with(b"1\n5\n0\n\0"));
        assert_eq!(data(100, &[(10, 5)]).collect::<Vec<_>>(), [(0, 10), (15, 85)]);
    }

    proptest! {
        #[test]
        fn any_member_comes_back(
            path in proptest::collection::vec(1_u8.., 1..300),
            size in 0_u64..1 << 50,
            id in any::<u32>(),
            seconds in -(1_i64 << 40)..1 << 40,
            nanoseconds in 0_u32..1_000_000_000,
            holes in proptest::collection::vec((1_u64..1 << 20, 1_u64..1 << 20), 0..5),
            value in proptest::collection::vec(any::<u8>(), 0..2000),
            changed in proptest::option::of("[a-zA-Z0-9+/]{0,300}"),
        ) {
            let mut record = Record::new(Kind::File);
            let mut at = 0;
            let holes: Vec<(u64, u64)> = holes.iter().map(|(gap, length)| {
                let hole = (at + gap, *length);
                at = hole.0 + length;
                hole
            }).collect();
            (record.size, record.uid, record.gid) = (size.max(at), id, !id);
            record.mtime = Time { seconds, nanoseconds };
            let xattrs = [Xattr { name: b"user.x".to_vec(), value }, Xattr { name: b"user.a=b%".to_vec(), value: vec![1] }];
            let member = Member {
                path: &path, record: &record, target: b"", is_hard_link: false, xattrs: &xattrs, holes: &holes, changed: changed.as_deref(),
            };
            let mut out = vec![];
            push(&mut out, &member);
            prop_assert_eq!(out.len() % UNIT, 0);
            let found = read(&out).unwrap();
            let plain = path.strip_prefix(b"./").unwrap_or(&path);
            prop_assert_eq!(&found.path[..], plain.strip_suffix(b"/").unwrap_or(plain));
            let map = if holes.is_empty() { 0 } else { sparse_map(record.size, &holes).len() as u64 };
            prop_assert_eq!(found.size, map + data(record.size, &holes).map(|(_, length)| length).sum::<u64>());
            prop_assert_eq!((found.is_sparse, found.kind), (!holes.is_empty(), b'0'));
            prop_assert_eq!(found.changed, changed.map(String::into_bytes));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut tar in proptest::collection::vec(any::<u8>(), 0..3000), spell in any::<bool>()) {
            if spell && tar.len() >= UNIT {
                tar[257..262].copy_from_slice(b"ustar");
                tar[148..156].copy_from_slice(b"        ");
                let sum: u32 = tar[..UNIT].iter().map(|byte| u32::from(*byte)).sum();
                tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                tar[124..136].copy_from_slice(b"00000001000\0");
            }
            let _ = read(&tar);
            let _ = each_record(&tar, &mut |_, _| Ok(()));
        }
    }
}

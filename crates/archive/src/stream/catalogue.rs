//! The table of a set as bytes: at the beginning of the archive as the walk found it, and at its end as everything was saved, then
//! with the places of members and frames. Parsed and written here, without any I/O.
//!
//! Numbers are LEB128; whatever has a length is preceded by it. What is read here comes from outside: every length, index and
//! name is checked, and nothing is reserved for counts that the bytes cannot hold.

use super::volumes::Written;
use crate::file_table::{FileTable, Kind, More, NAME_MAX, Record, Time, Under, Xattr};
use crate::shared::Stretch;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

const MAGIC: &[u8] = b"LIFEBOAT CATALOGUE 1\n";
/// The longest description of a set.
const INFO_MAX: usize = 1 << 20;
/// What Linux takes (PATH_MAX), for targets and for paths of hidden directories.
const PATH_MAX: usize = 1 << 20;
/// The most extended attributes of an entry, in bytes: as many as the walk keeps.
const XATTR_MAX: usize = 2 << 20;

/// What a set holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    /// JSON about the set.
    pub(crate) info: Vec<u8>,
    pub(crate) table: FileTable,
    /// For each record where its member begins in the archive; empty at the beginning of the set, when nobody knows.
    pub(crate) offsets: Vec<u64>,
    pub(crate) frames: Vec<Written>,
}

/// In `offsets`: the entry has no member of its own.
pub(crate) const NO_MEMBER: u64 = u64::MAX;

const LEFT_OUT: u64 = 1;
const IS_TOP: u64 = 2;

/// The bytes.
pub(crate) fn encode(info: &[u8], table: &FileTable, offsets: &[u64], frames: &[Written]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    bytes(&mut out, info);
    number(&mut out, table.records.len() as u64);
    for index in 0..table.records.len() {
        record(&mut out, &table.records[index]);
        bytes(&mut out, table.name(index));
        more(&mut out, table.more(index).unwrap_or(&More::default()));
    }
    number(&mut out, table.under.len() as u64);
    for under in &table.under {
        bytes(&mut out, under.path.as_os_str().as_bytes());
        record(&mut out, &under.record);
        more(&mut out, &More { xattrs: under.xattrs.clone(), ..More::default() });
    }
    let shared = table.shared.all();
    number(&mut out, shared.len() as u64);
    for stretch in shared {
        let Stretch { record, offset, length, space, address, stored } = *stretch;
        for value in [record.into(), offset, length, space.into(), address, stored.into()] {
            number(&mut out, value);
        }
    }
    number(&mut out, offsets.len() as u64);
    let mut before = 0;
    for offset in offsets {
        match *offset {
            NO_MEMBER => number(&mut out, 0),
            offset => {
                // Almost all are in ascending order.
                number(&mut out, zigzag(offset.wrapping_sub(before) as i64).wrapping_add(1));
                before = offset;
            }
        }
    }
    number(&mut out, frames.len() as u64);
    for Written { volume, at, offset } in frames {
        for value in [u64::from(*volume), *at, *offset] {
            number(&mut out, value);
        }
    }
    out
}

/// An entry that changed after the table was written.
pub(crate) fn encode_entry(entry: &Record, entry_more: &More) -> Vec<u8> {
    let mut out = vec![];
    record(&mut out, entry);
    more(&mut out, entry_more);
    out
}

/// Reads it; the entry is that of a regular file.
pub(crate) fn decode_entry(bytes: &[u8]) -> Option<(Record, More)> {
    let mut reader = Reader(bytes);
    let record = reader.record()?;
    let more = reader.more(&record)?;
    (reader.0.is_empty() && record.kind == Kind::File).then_some((record, more))
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    number(out, value.len() as u64);
    out.extend_from_slice(value);
}

const KINDS: [Kind; 7] =
    [Kind::File, Kind::Directory, Kind::Symlink, Kind::BlockDevice, Kind::CharDevice, Kind::Fifo, Kind::Socket];

fn record(out: &mut Vec<u8>, record: &Record) {
    let kind = KINDS.iter().position(|kind| *kind == record.kind).unwrap_or_default() as u64;
    let marks = u64::from(record.left_out) * LEFT_OUT + u64::from(record.is_top) * IS_TOP;
    for value in [
        kind,
        marks,
        record.mode.into(),
        record.uid.into(),
        record.gid.into(),
        record.size,
        zigzag(record.mtime.seconds),
        record.mtime.nanoseconds.into(),
        zigzag(record.ctime.seconds),
        record.ctime.nanoseconds.into(),
        record.inode,
        record.filesystem,
        record.device,
        record.links.into(),
        record.flags.into(),
        record.project.into(),
    ] {
        number(out, value);
    }
    if record.kind == Kind::Directory {
        number(out, record.start.into());
        number(out, record.count.into());
    }
}

fn more(out: &mut Vec<u8>, more: &More) {
    bytes(out, &more.target);
    number(out, more.xattrs.len() as u64);
    for xattr in &more.xattrs {
        bytes(out, &xattr.name);
        bytes(out, &xattr.value);
    }
    number(out, more.holes.len() as u64);
    let mut before = 0;
    for (start, length) in &more.holes {
        number(out, start - before);
        number(out, *length);
        before = start + length;
    }
}

/// Reads from the front of bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    fn bytes(&mut self, most: usize) -> Option<&'a [u8]> {
        let length: usize = self.small()?;
        if length > most {
            return None;
        }
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn time(&mut self) -> Option<Time> {
        let seconds = unzigzag(self.number()?);
        let nanoseconds = self.small().filter(|nanoseconds| *nanoseconds < 1_000_000_000)?;
        Some(Time { seconds, nanoseconds })
    }

    fn record(&mut self) -> Option<Record> {
        let kind = *KINDS.get(self.small::<usize>()?)?;
        let mut record = Record::new(kind);
        let marks = self.number().filter(|marks| *marks <= (LEFT_OUT | IS_TOP))?;
        (record.left_out, record.is_top) = (marks & LEFT_OUT != 0, marks & IS_TOP != 0);
        record.mode = self.small().filter(|mode| *mode <= 0o7777)?;
        (record.uid, record.gid) = (self.small()?, self.small()?);
        record.size = self.number().filter(|size| *size <= i64::MAX as u64)?;
        (record.mtime, record.ctime) = (self.time()?, self.time()?);
        (record.inode, record.filesystem, record.device) = (self.number()?, self.number()?, self.number()?);
        record.links = self.small()?;
        record.flags = self.small::<u32>()? & lifeboat_sys::inode::SETTABLE;
        record.project = self.small()?;
        if kind == Kind::Directory {
            (record.start, record.count) = (self.small()?, self.small()?);
        }
        if kind != Kind::File {
            record.size = 0;
        }
        Some(record)
    }

    fn more(&mut self, record: &Record) -> Option<More> {
        let target = self.bytes(PATH_MAX)?.to_vec();
        let is_link = record.kind == Kind::Symlink;
        if is_link == target.is_empty() || target.contains(&0) {
            return None;
        }
        let mut more = More { target, squeezed: false, ..More::default() };
        let mut left = XATTR_MAX;
        for _ in 0..self.number()? {
            let name = self.bytes(NAME_MAX).filter(|name| !name.is_empty() && !name.contains(&0))?;
            let value = self.bytes(64 << 10)?;
            left = left.checked_sub(name.len() + value.len())?;
            more.xattrs.push(Xattr { name: name.to_vec(), value: value.to_vec() });
        }
        let mut at = 0_u64;
        for _ in 0..self.number()? {
            let (gap, length) = (self.number()?, self.number()?);
            let start = at.checked_add(gap)?;
            at = start.checked_add(length).filter(|end| length > 0 && *end <= record.size)?;
            more.holes.push((start, length));
        }
        Some(more)
    }
}

/// What is wrong with a catalogue.
pub(crate) struct Damage {
    pub(crate) what: String,
    pub(crate) entry: Option<usize>,
}

/// Reads the bytes.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn decode(bytes: &[u8]) -> Result<Catalogue, String> {
    decoded(bytes).map_err(|damage| format!("the table of its entries is damaged: {}", damage.what))
}

/// The same, with the number of the entry that is damaged.
pub(crate) fn decoded(bytes: &[u8]) -> Result<Catalogue, Damage> {
    let damaged = |what: &str| Damage { what: what.to_owned(), entry: None };
    let mut reader = Reader(bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as one"))?);
    let mut catalogue = Catalogue {
        info: reader.bytes(INFO_MAX).ok_or_else(|| damaged("its description"))?.to_vec(),
        ..Catalogue::default()
    };
    let count = reader.number().ok_or_else(|| damaged("its count"))?;
    let table = &mut catalogue.table;
    table.holes_known = true;
    for index in 0..count {
        let entry = entry(&mut reader, table, index);
        entry.ok_or_else(|| Damage { what: format!("entry {index}"), entry: usize::try_from(index).ok() })?;
    }
    tree(table).map_err(|what| damaged(&what))?;
    let rest = rest(&mut reader, &mut catalogue);
    rest.filter(|()| reader.0.is_empty()).ok_or_else(|| damaged("what follows the entries"))?;
    Ok(catalogue)
}

fn entry(reader: &mut Reader<'_>, table: &mut FileTable, index: u64) -> Option<()> {
    let record = reader.record()?;
    let name = reader.bytes(NAME_MAX)?;
    let is_name =
        !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
    // Only the root has no name.
    if is_name == (index == 0) || (index == 0 && (record.kind != Kind::Directory || !name.is_empty())) {
        return None;
    }
    let more = reader.more(&record)?;
    table.push(record, name, more);
    Some(())
}

/// Checks that the records form one tree, in which names are sorted, and fills in parents and the numbers of contents.
fn tree(table: &mut FileTable) -> Result<(), String> {
    let total = table.records.len();
    if total == 0 || total > u32::MAX as usize {
        return Err("its count".to_owned());
    }
    let mut claimed = vec![false; total];
    for index in 0..total {
        let Record { kind, start, count, .. } = table.records[index];
        if kind != Kind::Directory {
            continue;
        }
        let range = start as usize..start as usize + count as usize;
        if count > 0 && (range.start <= index || range.end > total) {
            return Err(format!("the entries of directory {index}"));
        }
        if count == 0 {
            (table.records[index].start, table.records[index].count) = (0, 0);
            continue;
        }
        for child in range.clone() {
            if std::mem::replace(&mut claimed[child], true) {
                return Err(format!("entry {child} is in two directories"));
            }
            if child > range.start && table.name(child - 1) >= table.name(child) {
                return Err(format!("the names in directory {index}"));
            }
            table.records[child].parent = index as u32;
        }
    }
    if claimed.iter().skip(1).any(|claimed| !claimed) {
        return Err("an entry is in no directory".to_owned());
    }
    number_contents(table);
    Ok(())
}

/// Gives all names of one inode the same content, and all others their own: the ids stand for members of the archive.
pub(crate) fn number_contents(table: &mut FileTable) {
    let mut firsts = std::collections::HashMap::new();
    table.ids.clear();
    for index in 0..table.records.len() {
        if table.records[index].kind != Kind::File {
            continue;
        }
        let first = match table.records[index].link_key() {
            Some(key) if !table.records[index].left_out => *firsts.entry(key).or_insert(index),
            _ => index,
        };
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(first as u64).to_le_bytes());
        let record = &mut table.records[index];
        (record.start, record.count) = (table.ids.len() as u32, 1);
        table.ids.push(id);
    }
}

/// The number of the record that the content of an entry is called by: the same for all names of one file. `None` without content.
pub(crate) fn group(table: &FileTable, index: usize) -> Option<usize> {
    let id = table.content(index).first()?;
    let mut number = [0; 8];
    number.copy_from_slice(&id[..8]);
    Some(u64::from_le_bytes(number) as usize)
}

fn rest(reader: &mut Reader<'_>, catalogue: &mut Catalogue) -> Option<()> {
    let table = &mut catalogue.table;
    for _ in 0..reader.number()? {
        let path = PathBuf::from(OsString::from_vec(reader.bytes(PATH_MAX)?.to_vec()));
        let record = reader.record()?;
        let xattrs = reader.more(&record)?.xattrs;
        let found = table.find(&path).filter(|index| *index != 0 && table.records[*index].kind == Kind::Directory);
        found.filter(|_| record.kind == Kind::Directory)?;
        table.under.push(Under { path, record, xattrs });
    }
    let mut end = (0, 0);
    for _ in 0..reader.number()? {
        let (record, offset, length) = (reader.small::<u32>()?, reader.number()?, reader.number()?);
        let (space, address, stored) = (reader.small()?, reader.number()?, reader.small()?);
        let next = offset.checked_add(length).filter(|_| length > 0 && (record, offset) >= end)?;
        address.checked_add(length).filter(|_| (record as usize) < table.records.len())?;
        end = (record, next);
        table.shared.add(Stretch { record, offset, length, space, address, stored });
    }
    let count = reader.number()?;
    if count != 0 && count != table.records.len() as u64 {
        return None;
    }
    let mut before = 0_u64;
    for _ in 0..count {
        let offset = match reader.number()? {
            0 => NO_MEMBER,
            step => {
                before = before.wrapping_add(unzigzag(step - 1) as u64);
                before
            }
        };
        catalogue.offsets.push(offset);
    }
    for _ in 0..reader.number()? {
        let written = Written { volume: reader.small()?, at: reader.number()?, offset: reader.number()? };
        if catalogue.frames.last().is_some_and(|last| last.offset >= written.offset) {
            return None;
        }
        catalogue.frames.push(written);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file_table::tests::small;
    use proptest::prelude::*;

    fn encoded(catalogue: &Catalogue) -> Vec<u8> {
        encode(&catalogue.info, &catalogue.table, &catalogue.offsets, &catalogue.frames)
    }

    fn rich() -> Catalogue {
        let mut table = small();
        table.records[1].size = 1 << 40;
        table.records[1].mtime = Time { seconds: i64::MIN, nanoseconds: 5 };
        let xattrs = vec![Xattr { name: b"user.a=b".to_vec(), value: vec![0, 1] }];
        table.set_more(1, More { holes: vec![(0, 4096), (8192, (1 << 40) - 8192)], xattrs, ..More::default() });
        table.shared.add(Stretch { record: 1, offset: 4096, length: 4096, space: 2, address: 1 << 40, stored: 0 });
        let offsets = vec![NO_MEMBER, 1 << 50, 512, NO_MEMBER];
        let frames = vec![Written { volume: 1, at: 0, offset: 0 }, Written { volume: 2, at: 7, offset: 512 }];
        number_contents(&mut table);
        Catalogue { info: b"{}".to_vec(), table, offsets, frames }
    }

    fn entries(table: &FileTable) -> Vec<(crate::Entry, Vec<(u64, u64)>)> {
        (0..table.records.len()).map(|index| (table.entry(index), table.holes(index).to_vec())).collect()
    }

    #[test]
    fn it_comes_back() {
        let wanted = rich();
        let read = decode(&encoded(&wanted)).unwrap();
        assert_eq!(entries(&read.table), entries(&wanted.table));
        assert_eq!((read.info, read.offsets, read.frames), (wanted.info, wanted.offsets, wanted.frames));
        assert_eq!(read.table.shared, wanted.table.shared);
        assert_eq!(read.table.ids, wanted.table.ids);
        let entry = encode_entry(&wanted.table.records[1], wanted.table.more(1).unwrap());
        let (record, more) = decode_entry(&entry).unwrap();
        assert_eq!((record.size, &more), (1 << 40, wanted.table.more(1).unwrap()));
    }

    #[test]
    fn a_cut_one_is_refused_everywhere() {
        let whole = encoded(&rich());
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn any_changed_bytes_are_read_or_refused(changes in proptest::collection::vec((0_usize..4000, any::<u8>()), 1..4)) {
            let mut bytes = encoded(&rich());
            for (position, byte) in changes {
                let position = position % bytes.len();
                bytes[position] = byte;
            }
            if let Ok(read) = decode(&bytes) {
                // What is accepted is a tree.
                for index in 1..read.table.records.len() {
                    prop_assert!(read.table.children(read.table.records[index].parent as usize).contains(&index));
                }
            }
            let _ = decode_entry(&bytes);
        }

        #[test]
        fn numbers_come_back(value in any::<u64>()) {
            let mut out = vec![];
            number(&mut out, value);
            prop_assert_eq!(Reader(&out).number(), Some(value));
            prop_assert_eq!(zigzag(unzigzag(value)), value);
        }
    }
}

//! Nodes of restic's trees as JSON: one tree blob holds the entries of one directory.
//!
//! Source: restic's internal/restic/node.go and doc/design.rst. Names are escaped like Go's strconv.Quote, modes have the
//! bits of Go's os.FileMode, field order is restic's own.

use super::crypto::{hex_id, push_hex};
use crate::file_table::{FileTable, Id, Kind, Time, Xattr};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt::Write as _;

// Go's io/fs.FileMode.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;
const GO_DEVICE: u32 = 1 << 26;
const GO_FIFO: u32 = 1 << 25;
const GO_SOCKET: u32 = 1 << 24;
const GO_SETUID: u32 = 1 << 23;
const GO_SETGID: u32 = 1 << 22;
const GO_CHAR_DEVICE: u32 = 1 << 21;
const GO_STICKY: u32 = 1 << 20;

/// The first and the last second that RFC 3339 can express with a year of four digits, which is what Go reads.
pub(crate) const SAYABLE: std::ops::RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

/// Appends the JSON of one entry.
pub(crate) fn push(out: &mut String, table: &FileTable, index: usize, subtree: Option<&Id>) {
    let record = &table.records[index];
    let (kind, bits) = match record.kind {
        Kind::File => ("file", 0),
        Kind::Directory => ("dir", GO_DIRECTORY),
        Kind::Symlink => ("symlink", GO_SYMLINK),
        Kind::BlockDevice => ("dev", GO_DEVICE),
        Kind::CharDevice => ("chardev", GO_DEVICE | GO_CHAR_DEVICE),
        Kind::Fifo => ("fifo", GO_FIFO),
        Kind::Socket => ("socket", GO_SOCKET),
    };
    let mode = u32::from(record.mode);
    let mut go_mode = bits | mode & 0o777;
    for (unix, go) in [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)] {
        if mode & unix != 0 {
            go_mode |= go;
        }
    }
    out.push_str("{\"name\":");
    push_quoted_name(out, table.name(index));
    // Writing to a String cannot fail.
    let _ = write!(out, ",\"type\":\"{kind}\",\"mode\":{go_mode},\"mtime\":\"");
    push_time(out, record.mtime);
    out.push_str("\",\"atime\":\"");
    push_time(out, record.mtime);
    out.push_str("\",\"ctime\":\"");
    push_time(out, record.ctime);
    let _ = write!(out, "\",\"uid\":{},\"gid\":{},\"user\":\"\",\"group\":\"\"", record.uid, record.gid);
    for (name, value) in [
        ("inode", record.inode),
        ("device_id", record.filesystem),
        ("size", table.content_bytes(index)),
        ("links", record.links.into()),
    ] {
        if value != 0 {
            let _ = write!(out, ",\"{name}\":{value}");
        }
    }
    if record.kind == Kind::Symlink {
        let target = table.target(index);
        out.push_str(",\"linktarget\":");
        push_string(out, &String::from_utf8_lossy(target));
        if std::str::from_utf8(target).is_err() {
            let _ = write!(out, ",\"linktarget_raw\":\"{}\"", STANDARD.encode(target));
        }
    }
    push_xattrs(out, table.xattrs(index));
    if record.device != 0 {
        let _ = write!(out, ",\"device\":{}", record.device);
    }
    match record.kind {
        Kind::File => {
            out.push_str(",\"content\":[");
            for (position, id) in table.content(index).iter().enumerate() {
                out.push_str(if position == 0 { "\"" } else { ",\"" });
                push_hex(out, id);
                out.push('"');
            }
            out.push(']');
        }
        _ => out.push_str(",\"content\":null"),
    }
    if let Some(id) = subtree {
        out.push_str(",\"subtree\":\"");
        push_hex(out, id);
        out.push('"');
    }
    out.push('}');
}

fn push_xattrs(out: &mut String, xattrs: &[Xattr]) {
    for (position, xattr) in xattrs.iter().enumerate() {
        out.push_str(if position == 0 { ",\"extended_attributes\":[{\"name\":" } else { ",{\"name\":" });
        push_string(out, &String::from_utf8_lossy(&xattr.name));
        let _ = write!(out, ",\"value\":\"{}\"}}", STANDARD.encode(&xattr.value));
    }
    if !xattrs.is_empty() {
        out.push(']');
    }
}

/// A JSON string.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        push_char(out, c);
    }
    out.push('"');
}

fn push_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        c if (c as u32) < 0x20 => {
            let _ = write!(out, "\\u{:04x}", c as u32);
        }
        c => out.push(c),
    }
}

/// A name as Go's strconv.Quote would escape it, without its quotes, as a JSON string.
fn push_quoted_name(out: &mut String, name: &[u8]) {
    out.push('"');
    for part in name.utf8_chunks() {
        for c in part.valid().chars() {
            match c {
                '"' => out.push_str("\\\\\\\""),
                '\\' => out.push_str("\\\\\\\\"),
                '\u{7}' => out.push_str("\\\\a"),
                '\u{8}' => out.push_str("\\\\b"),
                '\u{c}' => out.push_str("\\\\f"),
                '\n' => out.push_str("\\\\n"),
                '\r' => out.push_str("\\\\r"),
                '\t' => out.push_str("\\\\t"),
                '\u{b}' => out.push_str("\\\\v"),
                c if (c as u32) < 0x20 || c == '\u{7f}' => {
                    let _ = write!(out, "\\\\x{:02x}", c as u32);
                }
                c => out.push(c),
            }
        }
        for byte in part.invalid() {
            let _ = write!(out, "\\\\x{byte:02x}");
        }
    }
    out.push('"');
}

/// A name or path escaped like Go's strconv.Quote, without its quotes.
pub(crate) fn quote(name: &[u8]) -> String {
    let mut json = String::new();
    push_quoted_name(&mut json, name);
    // What was pushed is a JSON string: undo that layer.
    serde_json::from_str(&json).unwrap_or_default()
}

/// Undoes Go's strconv.Quote; `None` for escapes that it does not produce.
pub(crate) fn unquote(text: &str) -> Option<Vec<u8>> {
    if !text.contains('\\') {
        return Some(text.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..position]);
        let escape = rest[position + 1..].chars().next()?;
        let mut used = 1 + escape.len_utf8();
        let simple = match escape {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' | '"' | '\'' => Some(escape as u8),
            _ => None,
        };
        let digits = match escape {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='7' => 3,
            _ if simple.is_some() => 0,
            _ => return None,
        };
        if let Some(byte) = simple {
            out.push(byte);
        } else if digits == 3 {
            out.push(u8::from_str_radix(rest.get(position + 1..position + 4)?, 8).ok()?);
            used = 4;
        } else {
            let begin = position + used;
            let text = rest.get(begin..begin + digits)?;
            let value = u32::from_str_radix(text, 16).ok()?;
            if digits == 2 {
                out.push(value as u8);
            } else {
                out.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes());
            }
            used += digits;
        }
        rest = rest.get(position + used..)?;
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}

/// RFC 3339 in UTC, with as many digits of fraction as needed.
fn push_time(out: &mut String, time: Time) {
    let seconds = time.seconds.clamp(*SAYABLE.start(), *SAYABLE.end());
    let (days, rest) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    // Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let mut push = |value: i64, digits: usize, after: char| {
        let mut buffer = [b'0'; 9];
        let mut value = value;
        for digit in buffer[..digits].iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
        out.extend(buffer[..digits].iter().map(|digit| char::from(*digit)));
        out.push(after);
    };
    push(year, 4, '-');
    push(month, 2, '-');
    push(day, 2, 'T');
    push(hour, 2, ':');
    push(minute, 2, ':');
    if time.nanoseconds == 0 {
        push(second, 2, 'Z');
    } else {
        push(second, 2, '.');
        push(time.nanoseconds.into(), 9, 'Z');
        // Go writes no zeros at the end.
        let zeros = out.bytes().rev().skip(1).take_while(|byte| *byte == b'0').count();
        out.truncate(out.len() - 1 - zeros);
        out.push('Z');
    }
}

/// Reads RFC 3339 with any offset and up to nine digits of fraction.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = bytes.get(range)?;
        digits.iter().all(u8::is_ascii_digit).then_some(())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let mut at = 19;
    let mut nanoseconds = 0;
    if bytes.get(at) == Some(&b'.') {
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let used = digits.min(9);
        nanoseconds = number(at + 1..at + 1 + used)? * 10_i64.pow(9 - used as u32);
        at += 1 + digits;
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 => {
            let minutes = number(at + 1..at + 3)? * 60 + number(at + 4..at + 6)?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    // days_from_civil, same source as above.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset * 60;
    Some(Time { seconds, nanoseconds: nanoseconds as u32 })
}

/// A node as it is read; fields that Lifeboat has no use for are skipped.
#[derive(Debug, Deserialize)]
pub(crate) struct Node<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    #[serde(default)]
    pub(crate) mode: u32,
    #[serde(borrow, default)]
    pub(crate) mtime: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) ctime: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) uid: u32,
    #[serde(default)]
    pub(crate) gid: u32,
    #[serde(default)]
    pub(crate) inode: u64,
    #[serde(default)]
    pub(crate) device_id: u64,
    #[serde(default)]
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) links: u64,
    #[serde(borrow, default)]
    pub(crate) linktarget: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) linktarget_raw: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) extended_attributes: Option<Vec<NodeXattr<'a>>>,
    #[serde(default)]
    pub(crate) device: u64,
    #[serde(default)]
    pub(crate) content: Option<Vec<Hex>>,
    #[serde(default)]
    pub(crate) subtree: Option<Hex>,
}

/// An extended attribute of a node.
#[derive(Debug, Deserialize)]
pub(crate) struct NodeXattr<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) value: Option<Cow<'a, str>>,
}

/// An id in JSON.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hex(#[serde(with = "hex_id")] pub(crate) Id);

impl Node<'_> {
    /// Its type; `None` for one that Lifeboat does not know.
    pub(crate) fn kind(&self) -> Option<Kind> {
        Some(match &*self.kind {
            "file" => Kind::File,
            "dir" => Kind::Directory,
            "symlink" => Kind::Symlink,
            "dev" => Kind::BlockDevice,
            "chardev" => Kind::CharDevice,
            "fifo" => Kind::Fifo,
            "socket" => Kind::Socket,
            _ => return None,
        })
    }

    /// Permission bits with set-id and sticky bits.
    pub(crate) fn permissions(&self) -> u16 {
        let mut mode = self.mode & 0o777;
        for (unix, go) in [(0o4000, GO_SETUID), (0o2000, GO_SETGID), (0o1000, GO_STICKY)] {
            if self.mode & go != 0 {
                mode |= unix;
            }
        }
        mode as u16
    }

    /// Target of a symbolic link.
    pub(crate) fn target(&self) -> Option<Vec<u8>> {
        match &self.linktarget_raw {
            Some(raw) => STANDARD.decode(raw.as_bytes()).ok(),
            None => self.linktarget.as_ref().map(|target| target.as_bytes().to_vec()),
        }
    }

    /// Extended attributes; `None` when a value is not base64.
    pub(crate) fn xattrs(&self) -> Option<Vec<Xattr>> {
        let list = self.extended_attributes.as_deref().unwrap_or_default();
        list.iter()
            .map(|xattr| {
                let value = xattr.value.as_ref().map(|value| STANDARD.decode(value.as_bytes())).transpose().ok()?;
                Some(Xattr { name: xattr.name.as_bytes().to_vec(), value: value.unwrap_or_default() })
            })
            .collect()
    }
}

/// Passes the nodes of a tree to `each`, one after the other, so that huge directories need no second copy.
///
/// # Errors
/// When the JSON is not a tree, or `each` refuses.
pub(crate) fn for_each(tree: &[u8], each: &mut dyn FnMut(Node<'_>) -> Result<(), String>) -> Result<(), String> {
    let mut deserializer = serde_json::Deserializer::from_slice(tree);
    TreeSeed(each).deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())
}

type Each<'e> = &'e mut dyn FnMut(Node<'_>) -> Result<(), String>;

struct TreeSeed<'e>(Each<'e>);

impl<'de> DeserializeSeed<'de> for TreeSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TreeSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a tree")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "nodes" {
                map.next_value_seed(NodesSeed(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct NodesSeed<'e>(Each<'e>);

impl<'de> DeserializeSeed<'de> for NodesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NodesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of nodes")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(node) = list.next_element::<Node<'de>>()? {
            (self.0)(node).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

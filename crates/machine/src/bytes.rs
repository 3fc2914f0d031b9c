//! File names as bytes, and sizes for people.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A file name, path or label as raw bytes.
///
/// In JSON it is a string when it is UTF-8 without NUL, otherwise `{"base64": "…"}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Name(pub Vec<u8>);

impl Name {
    /// The name as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The name as an OS string, for argument lists.
    pub fn to_os_string(&self) -> OsString {
        OsString::from_vec(self.0.clone())
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Name(text.as_bytes().to_vec())
    }
}

impl From<&Path> for Name {
    fn from(path: &Path) -> Self {
        Name(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<&OsStr> for Name {
    fn from(text: &OsStr) -> Self {
        Name(text.as_bytes().to_vec())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", printable(&self.0))
    }
}

/// A name on one line of a console: control characters and bytes that are not UTF-8 appear as `\xNN`, a backslash as
/// `\\`. A hostile file name can neither break the line nor drive the terminal.
pub fn printable(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if drives(c) => spell(c, &mut out),
                c => out.push(c),
            }
        }
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out
}

/// A text of several lines as a terminal may get it: newlines stay, every other control character is spelled out as `\xNN`. For
/// texts that carry names or words from elsewhere among our own.
pub fn terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            c if drives(c) => spell(c, &mut out),
            c => out.push(c),
        }
    }
    out
}

/// Moves the cursor, clears, rings, or turns the writing direction of what follows (Unicode's embeddings, overrides and isolates).
fn drives(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn spell(c: char, out: &mut String) {
    let mut buffer = [0; 4];
    for b in c.encode_utf8(&mut buffer).bytes() {
        out.push_str(&format!("\\x{b:02x}"));
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    base64: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Repr {
    Text(String),
    Bytes(Encoded),
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        match std::str::from_utf8(&self.0) {
            Ok(text) if !self.0.contains(&0) => Repr::Text(text.to_owned()),
            _ => Repr::Bytes(Encoded { base64: base64::engine::general_purpose::STANDARD.encode(&self.0) }),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        match Repr::deserialize(deserializer)? {
            Repr::Text(text) => Ok(Name(text.into_bytes())),
            Repr::Bytes(encoded) => base64::engine::general_purpose::STANDARD
                .decode(encoded.base64)
                .map(Name)
                .map_err(serde::de::Error::custom),
        }
    }
}

/// Numbers with commas: 28,114.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// "1 disk", "2 disks", "28,000 entries".
pub fn counted(count: usize, noun: &str) -> String {
    // "days", but "entries".
    let stem = noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match (count, stem) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(count as u64)),
        (_, None) => format!("{} {noun}s", grouped(count as u64)),
    }
}

/// A size as people type it, in powers of 1024: `20 GiB`, `1.5G`, `512 MiB`, `100 B`; a number without a unit counts `unit` bytes.
pub fn parse_size(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let suffix = suffix.trim();
    let unit = match suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(suffix) {
        "" if suffix.is_empty() => unit,
        "" if suffix == "b" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        "p" => 1 << 50,
        _ => return None,
    };
    // What is whole is counted exactly.
    if let Ok(number) = number.parse::<u64>() {
        return number.checked_mul(unit).filter(|bytes| *bytes < MOST);
    }
    let bytes = number.replace(',', ".").parse::<f64>().ok()? * unit as f64;
    (bytes.is_finite() && (0.0..MOST as f64).contains(&bytes)).then_some(bytes as u64)
}

/// No size is larger: it fits into a signed number as well.
const MOST: u64 = 9_000_000_000_000_000_000;

/// A byte count for people, in powers of 1024: `1.5 GiB`.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_on_one_line() {
        assert_eq!(printable(b"a\nb\x1b[2J\xff\\"), "a\\x0ab\\x1b[2J\\xff\\\\");
    }

    #[test]
    fn texts_of_several_lines_do_not_drive_a_terminal() {
        let text = "cannot OPEN x\u{1b}]0;t\u{7}\r\n  try: C:\\x \u{9b}2J \u{202e}gpj.exe";
        let shown = terminal(text);
        assert_eq!(shown, "cannot OPEN x\\x1b]0;t\\x07\\x0d\n  try: C:\\x \\xc2\\x9b2J \\xe2\\x80\\xaegpj.exe");
        assert!(!printable("\u{2067}".as_bytes()).contains('\u{2067}'));
    }

    #[test]
    fn names_survive_json() {
        for bytes in [&b"plain"[..], b"\xff\xfe", b"new\nline", b""] {
            let json = serde_json::to_string(&Name(bytes.to_vec())).unwrap();
            assert_eq!(serde_json::from_str::<Name>(&json).unwrap().0, bytes, "{json}");
        }
    }

    #[test]
    fn sizes_as_people_type_them() {
        for (text, bytes) in [
            ("20 GiB", Some(20 << 30)),
            ("1.5g", Some(3 << 29)),
            ("1,5 GB", Some(3 << 29)),
            ("512", Some(512 << 20)),
            ("7 MiB", Some(7 << 20)),
            ("2T", Some(2 << 40)),
            ("100 B", Some(100)),
            ("0", Some(0)),
            ("9007199254740993B", Some(9_007_199_254_740_993)),
            ("", None),
            ("k", None),
            ("ib", None),
            ("5x", None),
            ("1e3", None),
            ("1.2.3G", None),
            ("-3G", None),
            ("1é", None),
            ("99999999999T", None),
            ("99999999999999 PiB", None),
            ("4 apples", None),
        ] {
            assert_eq!(parse_size(text, 1 << 20), bytes, "{text}");
        }
        assert_eq!(parse_size("100", 1), Some(100));
    }

    #[test]
    fn words_fit_their_number() {
        for (count, noun, text) in [
            (1, "disk", "1 disk"),
            (2, "disk", "2 disks"),
            (0, "entry", "0 entries"),
            (2, "day", "2 days"),
            (28_000, "entry", "28,000 entries"),
        ] {
            assert_eq!(counted(count, noun), text);
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(1024 * 1024 - 1), "1.0 MiB");
    }
}

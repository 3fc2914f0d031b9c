//! Lines of fstab and crypttab about devices that are gone. Text in, text out.

/// A line that does nothing any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LostLine {
    /// Its first field.
    pub(super) first: String,
    /// The device that it names.
    pub(super) device: String,
}

impl LostLine {
    /// For people.
    pub(super) fn note(&self, file: &str) -> String {
        let LostLine { first, device } = self;
        let what = if first == device { String::new() } else { format!(" of {first}") };
        format!("{file}: the line{what} is a comment now, for the new layout does not have {device}")
    }
}

/// A table in which lines whose field of this number names a device that is gone are comments.
pub(super) fn commented(text: &[u8], field: usize, gone: &[String]) -> (Vec<u8>, Vec<LostLine>) {
    let (mut out, mut lost) = (Vec::with_capacity(text.len()), vec![]);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let shown = String::from_utf8_lossy(line);
        let fields: Vec<&str> = shown.split_whitespace().collect();
        let device = fields.get(field).map(|device| device.replace('"', "")).filter(|device| gone.contains(device));
        if let Some(device) = device.filter(|_| !fields[0].starts_with('#')) {
            out.push(b'#');
            lost.push(LostLine { first: fields[0].to_owned(), device });
        }
        out.extend_from_slice(line);
    }
    (out, lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_what_is_gone_are_comments() {
        let gone = ["/dev/sdb2".to_owned(), "PARTUUID=ab".to_owned()];
        let old = b"# /dev/sdb2\ncswap /dev/sdb2 /dev/urandom swap\n\nother /dev/sdb22 none\nx PARTUUID=\"ab\" none";
        let (new, lost) = commented(old, 1, &gone);
        let expected =
            "# /dev/sdb2\n#cswap /dev/sdb2 /dev/urandom swap\n\nother /dev/sdb22 none\n#x PARTUUID=\"ab\" none";
        assert_eq!(String::from_utf8(new.clone()).unwrap(), expected);
        assert_eq!(lost.iter().map(|line| line.first.as_str()).collect::<Vec<_>>(), ["cswap", "x"]);
        assert_eq!(commented(&new, 1, &gone), (new, vec![]));
    }
}

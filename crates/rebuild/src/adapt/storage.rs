//! crypttab, mdadm.conf and kernel command lines of a machine that comes back on other storage. Text in, text out.

use lifeboat_plan::MovedStorage;

/// crypttab(5) without the mappings that are no more, and with those that are new.
pub(super) fn crypttab(text: &[u8], moved: &MovedStorage) -> Vec<u8> {
    let gone = |fields: &[&str]| {
        let (Some(name), device) = (fields.first(), fields.get(1).unwrap_or(&"").replace('"', "")) else {
            return false;
        };
        moved.closed.iter().any(|(known, uuid)| {
            known == name
                || [format!("UUID={uuid}"), format!("/dev/disk/by-uuid/{uuid}")]
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&device))
        })
    };
    lines(text, Continued::Never, &gone, &moved.opened)
}

/// mdadm.conf(5) without the arrays that are no more, and with those that are new.
pub(super) fn mdadm_conf(text: &[u8], moved: &MovedStorage) -> Vec<u8> {
    let gone = |fields: &[&str]| {
        let uuid = fields.iter().find_map(|field| field.strip_prefix("UUID=").or_else(|| field.strip_prefix("uuid=")));
        fields.first().is_some_and(|word| word.eq_ignore_ascii_case("ARRAY"))
            && uuid.is_some_and(|uuid| moved.disbanded.iter().any(|known| hex(known) == hex(uuid)))
    };
    lines(text, Continued::ByBlanks, &gone, &moved.assembled)
}

/// mdadm takes UUIDs with any separators (mdadm.conf(5), "uuid=").
fn hex(uuid: &str) -> String {
    uuid.chars().filter(char::is_ascii_hexdigit).map(|digit| digit.to_ascii_lowercase()).collect()
}

/// Whether an entry of a file goes on in the next lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Continued {
    /// Each line is an entry, also one that is indented (crypttab(5)).
    Never,
    /// A line that begins with a blank belongs to the one before (mdadm.conf(5)).
    ByBlanks,
}

/// A text without the entries of which `gone` says so by their fields, and with further lines.
fn lines(text: &[u8], continued: Continued, gone: &dyn Fn(&[&str]) -> bool, new: &[String]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut dropping = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let shown = String::from_utf8_lossy(line);
        let goes_on = continued == Continued::ByBlanks && line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        let fields: Vec<&str> = shown.split_whitespace().collect();
        let comment = fields.first().is_none_or(|field| field.starts_with('#'));
        dropping = if comment { false } else { (goes_on && dropping) || gone(&fields) };
        if !dropping {
            out.extend_from_slice(line);
        }
    }
    // A step that is done once more adds nothing.
    let new: Vec<&String> =
        new.iter().filter(|line| !out.split(|byte| *byte == b'\n').any(|own| own == line.as_bytes())).collect();
    if !new.is_empty() && out.last().is_some_and(|byte| *byte != b'\n') {
        out.push(b'\n');
    }
    for line in new {
        out.extend(line.bytes().chain([b'\n']));
    }
    out
}

/// Kernel command lines without words that are about storage that is no more, and with new ones: behind `root=…` of boot loaders'
/// entries, and in `GRUB_CMDLINE_LINUX`.
pub(super) fn command_lines(text: &[u8], moved: &MovedStorage) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else {
            out.extend_from_slice(line);
            continue;
        };
        let mut new = line.to_owned();
        for word in &moved.words_gone {
            new = without(&new, word);
        }
        let missing: Vec<&str> = moved
            .words_new
            .iter()
            .map(String::as_str)
            .filter(|word| !new.split(BETWEEN).any(|own| own == *word))
            .collect();
        if !missing.is_empty() {
            new = with(&new, &missing.join(" "));
        }
        out.extend(new.bytes());
    }
    out
}

/// What stands between the words of a command line, be it in a shell's quotes.
const BETWEEN: [char; 5] = [' ', '\t', '\n', '"', '\''];

/// A line without a word, and without one of the blanks beside it.
fn without(line: &str, word: &str) -> String {
    let mut rest = line;
    let mut out = String::with_capacity(line.len());
    while let Some(at) = rest.find(word) {
        let end = at + word.len();
        let before = rest[..at].chars().next_back().or_else(|| out.chars().next_back());
        let bounded = before.is_none_or(|c| BETWEEN.contains(&c))
            && rest[end..].chars().next().is_none_or(|c| BETWEEN.contains(&c));
        if !bounded {
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        out.push_str(&rest[..at]);
        rest = &rest[end..];
        match (out.ends_with(' '), rest.strip_prefix(' ')) {
            (true, _) => {
                out.pop();
            }
            (false, Some(after)) => rest = after,
            (false, None) => {}
        }
    }
    out.push_str(rest);
    out
}

/// A line with more words, when it is a command line.
fn with(line: &str, words: &str) -> String {
    if let Some(value) = line.trim_start().strip_prefix("GRUB_CMDLINE_LINUX=") {
        let (quote, inner) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                (quote, value[1..].find(quote).map(|end| (&value[1..=end], &value[end + 2..])))
            }
            _ => ('"', value.find(['\n', ' ', '#']).map(|end| (&value[..end], &value[end..]))),
        };
        let (own, rest) = inner.unwrap_or((value.trim_end(), "\n"));
        let space = if own.is_empty() { "" } else { " " };
        return format!("GRUB_CMDLINE_LINUX={quote}{own}{space}{words}{quote}{rest}");
    }
    let root = line.split(BETWEEN).find(|word| word.starts_with("root=") && word.len() > 5);
    // The variable of GRUB is called so as well, and stands alone on its line.
    let Some(root) = root.filter(|_| !line.trim_start().starts_with('#') && !line.contains("set root=")) else {
        return line.to_owned();
    };
    line.replacen(root, &format!("{root} {words}"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved() -> MovedStorage {
        MovedStorage {
            closed: vec![("vda3_crypt".into(), "64f0a6d1-1111".into())],
            opened: vec!["root_crypt UUID=77aa none luks,initramfs".into()],
            disbanded: vec!["0f94ed54:43b725a2:6bb17c3a:1c1a7e44".into()],
            assembled: vec!["ARRAY /dev/md/root metadata=1.2 UUID=1:2:3:4".into()],
            words_gone: vec!["rd.luks.uuid=luks-64f0a6d1-1111".into()],
            words_new: vec!["rd.luks.uuid=77aa".into()],
            ..MovedStorage::default()
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn crypttab_loses_and_gets_lines() {
        let old = b"# name device\nvda3_crypt UUID=64F0A6D1-1111 none luks\nother UUID=\"64f0a6d1-1111\" none\nswap /dev/sda2 /dev/urandom swap";
        assert_eq!(
            text(crypttab(old, &moved())),
            "# name device\nswap /dev/sda2 /dev/urandom swap\nroot_crypt UUID=77aa none luks,initramfs\n"
        );
        assert_eq!(text(crypttab(b"", &MovedStorage::default())), "");
        // An indented line is a mapping of its own.
        let old = b"vda3_crypt UUID=64f0a6d1-1111 none luks\n  data UUID=9 /etc/data.key luks\n\tother UUID=64f0a6d1-1111 none\n";
        assert_eq!(
            text(crypttab(old, &moved())),
            "  data UUID=9 /etc/data.key luks\nroot_crypt UUID=77aa none luks,initramfs\n"
        );
    }

    #[test]
    fn mdadm_conf_loses_and_gets_arrays() {
        let old = b"HOMEHOST <system>\nARRAY /dev/md/a metadata=1.2 UUID=0F94ed54:43b725a2:6bb17c3a:1c1a7e44\n   spares=1\nARRAY /dev/md/b UUID=9:9:9:9\n";
        assert_eq!(
            text(mdadm_conf(old, &moved())),
            "HOMEHOST <system>\nARRAY /dev/md/b UUID=9:9:9:9\nARRAY /dev/md/root metadata=1.2 UUID=1:2:3:4\n"
        );
    }

    #[test]
    fn command_lines_lose_and_get_words() {
        for (old, new) in [
            (
                "\tlinux /vmlinuz root=UUID=ab ro rd.luks.uuid=luks-64f0a6d1-1111 quiet\n",
                "\tlinux /vmlinuz root=UUID=ab rd.luks.uuid=77aa ro quiet\n",
            ),
            (
                "GRUB_CMDLINE_LINUX=\"rd.luks.uuid=luks-64f0a6d1-1111 rhgb\"\n",
                "GRUB_CMDLINE_LINUX=\"rhgb rd.luks.uuid=77aa\"\n",
            ),
            ("GRUB_CMDLINE_LINUX=\"\" # own\n", "GRUB_CMDLINE_LINUX=\"rd.luks.uuid=77aa\" # own\n"),
            ("GRUB_CMDLINE_LINUX=quiet\n", "GRUB_CMDLINE_LINUX=\"quiet rd.luks.uuid=77aa\"\n"),
            ("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
            ("set root='hd0,gpt2'\n", "set root='hd0,gpt2'\n"),
            ("options root=UUID=ab rw\n", "options root=UUID=ab rd.luks.uuid=77aa rw\n"),
            ("x=rd.luks.uuid=luks-64f0a6d1-1111-not\n", "x=rd.luks.uuid=luks-64f0a6d1-1111-not\n"),
        ] {
            assert_eq!(text(command_lines(old.as_bytes(), &moved())), new);
        }
    }
}

//! Patterns and names: fnmatch(3) without flags, and the two spellings of module names.

/// Matches `text` against a shell pattern as fnmatch(3) does without flags: `*`, `?`, `[a-z]`, `[!a-z]`, `\x`.
/// A slash is a character like any other, and an unclosed bracket is literal.
pub fn fnmatch(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to continue when the latest star has to match one byte more. Only the latest one matters.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        let step = match text.get(t) {
            Some(byte) => one(&pattern[p..], *byte),
            None if p == pattern.len() => return true,
            None => None,
        };
        match (step, retry) {
            (Some(length), _) => {
                p += length;
                t += 1;
            }
            (None, Some((after_star, swallowed))) if swallowed < text.len() => {
                p = after_star;
                t = swallowed + 1;
                retry = Some((after_star, t));
            }
            _ => return false,
        }
    }
}

/// Matches one byte with the first element of the pattern; returns that element's length in the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'\\' => match pattern.get(1) {
            Some(escaped) => (*escaped == byte).then_some(2),
            None => (byte == b'\\').then_some(1),
        },
        b'[' => match bracket(pattern, byte) {
            Some((matched, length)) => matched.then_some(length),
            None => (byte == b'[').then_some(1),
        },
        literal => (literal == byte).then_some(1),
    }
}

/// Evaluates a bracket expression at the beginning of the pattern; `None` when it is never closed.
fn bracket(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let mut i = 1;
    let negated = matches!(pattern.get(i), Some(b'!' | b'^'));
    if negated {
        i += 1;
    }
    let first = i;
    let mut matched = false;
    loop {
        let mut low = *pattern.get(i)?;
        if low == b']' && i > first {
            return Some((matched != negated, i + 1));
        }
        if low == b'\\' {
            i += 1;
            low = *pattern.get(i)?;
        }
        i += 1;
        let mut high = low;
        if pattern.get(i) == Some(&b'-') && pattern.get(i + 1).is_some_and(|end| *end != b']') {
            i += 1;
            high = *pattern.get(i)?;
            if high == b'\\' {
                i += 1;
                high = *pattern.get(i)?;
            }
            i += 1;
        }
        matched |= (low..=high).contains(&byte);
    }
}

/// The spelling under which names and aliases are compared: `-` becomes `_`, except between brackets, where it means a
/// range (kmod, `alias_normalize`).
pub fn normalise(alias: &str) -> String {
    let mut inside = false;
    alias
        .chars()
        .map(|c| {
            match c {
                '[' => inside = true,
                ']' => inside = false,
                _ => {}
            }
            if c == '-' && !inside { '_' } else { c }
        })
        .collect()
}

/// Name of the module in a file: `kernel/drivers/net/e1000-x.ko.xz` holds `e1000_x`. `None` when it is not a module.
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.find(".ko").map(|end| &file[..end])?;
    let compression = &file[stem.len() + 3..];
    let known = matches!(compression, "" | ".xz" | ".zst" | ".gz");
    (known && !stem.is_empty()).then(|| normalise(stem))
}

/// The part of a pattern before its first special character: what a text must begin with to match.
pub(super) fn literal_prefix(pattern: &str) -> &str {
    let end = pattern.find(['*', '?', '[', '\\']).unwrap_or(pattern.len());
    &pattern[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modaliases_of_real_devices() {
        for (pattern, text, expected) in [
            ("pci:v00001AF4d*sv*sd*bc*sc*i*", "pci:v00001AF4d00001001sv00001AF4sd00000002bc01sc00i00", true),
            ("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", true),
            ("pci:v*d*sv*sd*bc01sc08i02*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", false),
            ("usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00", true),
            ("scsi:t-0x05*", "scsi:t-0x05", true),
            ("scsi:t-0x00*", "scsi:t-0x05", false),
            ("virtio:d00000002v*", "virtio:d00000002v00001AF4", true),
            (
                "input:b*v*p*e*-e*14,*k*r*a*m*l*s*f*w*",
                "input:b0011v0001p0001eAB41-e0,1,4,11,14,k71,72,ram4,l0,1,2,sfw",
                true,
            ),
            ("acpi*:PNP0501:*", "acpi:PNP0501:", true),
            ("acpi*:PNP0501:*", "acpi:PNP0303:", false),
            (
                "cpu:type:x86,ven*fam*mod*:feature:*0099*",
                "cpu:type:x86,ven0002fam0019mod0001:feature:,0000,0099,",
                true,
            ),
            ("dmi:bvn*:bvr*:bd*:svnLENOVO:pn*", "dmi:bvnX:bvr1:bd2020:svnLENOVO:pn42", true),
        ] {
            assert_eq!(fnmatch(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn shell_patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*b*c", "a/x/b/y/c", true),
            ("a*b*c", "abcd", false),
            ("?", "", false),
            ("[0-9]", "5", true),
            ("[0-9]", "a", false),
            ("[!0-9]x", "ax", true),
            ("[^0-9]x", "1x", false),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[", "[", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a\\", "a\\", true),
            ("d0[3-9]*", "d04x", true),
            ("*ab", "aab", true),
        ] {
            assert_eq!(fnmatch(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!fnmatch(&pattern, &"a".repeat(5000)));
    }

    #[test]
    fn names() {
        assert_eq!(module_name("kernel/drivers/net/ethernet/intel/e1000/e1000.ko").as_deref(), Some("e1000"));
        assert_eq!(module_name("kernel/drivers/usb/usb-storage.ko.zst").as_deref(), Some("usb_storage"));
        assert_eq!(module_name("kernel/x.konfig"), None);
        assert_eq!(module_name("modules.dep"), None);
        assert_eq!(module_name(".ko"), None);
        assert_eq!(normalise("fs-ext4[a-b]-c"), "fs_ext4[a-b]_c");
    }

    #[test]
    fn a_plain_text_matches_itself_and_nothing_panics() {
        use proptest::prelude::*;
        proptest!(|(pattern in "\\PC{0,40}", text in "\\PC{0,40}")| {
            fnmatch(&pattern, &text);
            prop_assert!(fnmatch("*", &text));
            let quoted: String = text.chars().flat_map(|c| ['\\', c]).filter(|c| c.is_ascii()).collect();
            if text.is_ascii() { prop_assert!(fnmatch(&quoted, &text)); }
            module_name(&text);
        });
    }
}

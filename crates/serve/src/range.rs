//! `Range: bytes=…` (RFC 9110, section 14).

/// What a request wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, one that makes no sense, or several, which a server may ignore (section 14.2).
    Whole,
    /// From an offset on, so many bytes; at least one, all within the file.
    Part {
        /// The offset in bytes.
        offset: u64,
        /// The length in bytes.
        length: u64,
    },
    /// Nothing that the file has: 416.
    Outside,
}

/// Reads the header for a file of `size` bytes.
pub fn wanted(header: &str, size: u64) -> Wanted {
    let Some((unit, set)) = header.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    let part = |offset: u64, end: u64| match offset < end {
        true => Wanted::Part { offset, length: end - offset },
        false => Wanted::Outside,
    };
    match (number(first), number(last)) {
        // The last so many bytes.
        (Number::None, Number::Is(length)) => part(size.saturating_sub(length), size),
        (Number::Is(first), Number::None) => part(first, size),
        (Number::Is(first), Number::Is(last)) if first <= last => part(first, last.saturating_add(1).min(size)),
        _ => Wanted::Whole,
    }
}

enum Number {
    None,
    Is(u64),
    Invalid,
}

fn number(text: &str) -> Number {
    match text {
        "" => Number::None,
        // More digits than any file has bytes: it is far behind the end.
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => Number::Is(text.parse().unwrap_or(u64::MAX)),
        _ => Number::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |offset, length| Wanted::Part { offset, length };
        for (header, size, expected) in [
            ("bytes=0-0", 10, part(0, 1)),
            ("bytes=0-9", 10, part(0, 10)),
            ("bytes=0-", 10, part(0, 10)),
            ("bytes=9-", 10, part(9, 1)),
            ("bytes=3-99", 10, part(3, 7)),
            ("bytes=3-99999999999999999999999", 10, part(3, 7)),
            ("Bytes=1-2", 10, part(1, 2)),
            ("bytes=-3", 10, part(7, 3)),
            ("bytes=-30", 10, part(0, 10)),
            ("bytes=-0", 10, Wanted::Outside),
            ("bytes=10-", 10, Wanted::Outside),
            ("bytes=10-20", 10, Wanted::Outside),
            ("bytes=99999999999999999999999-", 10, Wanted::Outside),
            ("bytes=18446744073709551615-18446744073709551615", 10, Wanted::Outside),
            ("bytes=0-", 0, Wanted::Outside),
            ("bytes=-1", 0, Wanted::Outside),
            ("bytes=5-3", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("bytes=1--2", 10, Wanted::Whole),
            ("items=0-1", 10, Wanted::Whole),
            ("", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(header, size), expected, "{header} of {size}");
        }
    }
}

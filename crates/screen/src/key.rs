//! Keys from the bytes of a terminal. A serial line may deliver the bytes of one key one by one.

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Key {
    /// A character, including the space bar.
    Char(char),
    /// A letter with Ctrl, lower case.
    Control(char),
    /// F1 to F12.
    Function(u8),
    Enter,
    Escape,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

/// Longest sequence that a key can send; what is longer is noise.
const LONGEST: usize = 16;

/// Assembles keys from bytes (ECMA-48 and the sequences of vt220, linux and xterm in terminfo).
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
}

impl Decoder {
    /// Takes bytes as they come; returns the keys that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Key> {
        let mut keys = vec![];
        for byte in bytes {
            self.pending.push(*byte);
            match decode(&self.pending) {
                Decoded::More if self.pending.len() < LONGEST => {}
                Decoded::More | Decoded::Nothing => self.pending.clear(),
                Decoded::Key(key) => {
                    keys.push(key);
                    self.pending.clear();
                }
                Decoded::KeyAndByte(key) => {
                    keys.push(key);
                    self.pending = vec![*byte];
                }
            }
        }
        keys
    }

    /// More bytes may belong to the last ones.
    pub fn waits(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing more came in time: a lone ESC was the Escape key.
    pub fn flush(&mut self) -> Option<Key> {
        let pending = std::mem::take(&mut self.pending);
        (pending == [0x1b]).then_some(Key::Escape)
    }
}

enum Decoded {
    More,
    Nothing,
    Key(Key),
    /// The last byte begins something new.
    KeyAndByte(Key),
}

fn decode(bytes: &[u8]) -> Decoded {
    match bytes {
        [0x1b] => Decoded::More,
        [0x1b, 0x1b] => Decoded::KeyAndByte(Key::Escape),
        [0x1b, b'[', rest @ ..] => control(rest),
        [0x1b, b'O', rest @ ..] => application(rest),
        // Alt and a key: the key.
        [0x1b, rest @ ..] => decode(rest),
        [b'\r' | b'\n'] => Decoded::Key(Key::Enter),
        [b'\t'] => Decoded::Key(Key::Tab),
        [0x7f | 0x08] => Decoded::Key(Key::Backspace),
        [byte @ 0x01..=0x1a] => Decoded::Key(Key::Control(char::from(byte + b'a' - 1))),
        [0x00..=0x1f] => Decoded::Nothing,
        other => match std::str::from_utf8(other) {
            Ok(text) => text.chars().next().map_or(Decoded::Nothing, |c| Decoded::Key(Key::Char(c))),
            Err(error) if error.error_len().is_none() => Decoded::More,
            Err(_) => Decoded::Nothing,
        },
    }
}

/// After `ESC [`.
fn control(rest: &[u8]) -> Decoded {
    let key = match rest {
        [] => return Decoded::More,
        [b'A'] => Key::Up,
        [b'B'] => Key::Down,
        [b'C'] => Key::Right,
        [b'D'] => Key::Left,
        [b'H'] => Key::Home,
        [b'F'] => Key::End,
        [b'Z'] => Key::BackTab,
        // The Linux console's F1 to F5.
        [b'['] => return Decoded::More,
        [b'[', letter @ b'A'..=b'E'] => Key::Function(letter - b'A' + 1),
        [parameters @ .., b'~'] => return numbered(parameters),
        // With a modifier: `1;5A`.
        [b'0'..=b'9', .., last @ b'A'..=b'H'] => return control(&[*last]),
        [.., 0x40..=0x7e] => return Decoded::Nothing,
        _ => return Decoded::More,
    };
    Decoded::Key(key)
}

/// After `ESC O`: cursor keys in application mode, F1 to F4.
fn application(rest: &[u8]) -> Decoded {
    Decoded::Key(match rest {
        [] => return Decoded::More,
        [b'P'..=b'S'] => Key::Function(rest[0] - b'P' + 1),
        [b'M'] => Key::Enter,
        [b'A' | b'B' | b'C' | b'D' | b'H' | b'F'] => return control(rest),
        _ => return Decoded::Nothing,
    })
}

fn numbered(parameters: &[u8]) -> Decoded {
    let number = std::str::from_utf8(parameters).ok().and_then(|text| text.split(';').next()?.parse::<u8>().ok());
    Decoded::Key(match number {
        Some(1 | 7) => Key::Home,
        Some(3) => Key::Delete,
        Some(4 | 8) => Key::End,
        Some(5) => Key::PageUp,
        Some(6) => Key::PageDown,
        Some(n @ 11..=15) => Key::Function(n - 10),
        Some(n @ 17..=21) => Key::Function(n - 11),
        Some(n @ 23..=24) => Key::Function(n - 12),
        _ => return Decoded::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_wherever_the_bytes_divide_them() {
        let cases: [(&[u8], &[Key]); 16] = [
            (b"a\xc3\xbc", &[Key::Char('a'), Key::Char('\u{fc}')]),
            (b"\r\n", &[Key::Enter, Key::Enter]),
            (b"\x1b[A\x1b[B\x1bOC\x1bOD", &[Key::Up, Key::Down, Key::Right, Key::Left]),
            (b"\x1b[5~\x1b[6~\x1b[3~", &[Key::PageUp, Key::PageDown, Key::Delete]),
            (b"\x1b[1~\x1b[4~\x1b[H\x1b[F", &[Key::Home, Key::End, Key::Home, Key::End]),
            (b"\x1bOP\x1b[[B\x1b[13~\x1b[21~\x1b[24~", &[1, 2, 3, 10, 12].map(Key::Function)),
            (b"\x1b[1;5A", &[Key::Up]),
            (b"\x1b[Z\t", &[Key::BackTab, Key::Tab]),
            (b"\x7f\x08", &[Key::Backspace, Key::Backspace]),
            (b"\x0c\x03", &[Key::Control('l'), Key::Control('c')]),
            (b"\x1b\x1b[A", &[Key::Escape, Key::Up]),
            (b"\x1bx", &[Key::Char('x')]),
            (b"\xff\xfea", &[Key::Char('a')]),
            (b"\x1b[?62;1;6c", &[]),
            (b"\x1b[999~q", &[Key::Char('q')]),
            (
                b"\x1b[200000000000000000~",
                &[Key::Char('0'), Key::Char('0'), Key::Char('0'), Key::Char('0'), Key::Char('~')],
            ),
        ];
        for (bytes, keys) in cases {
            let mut whole = Decoder::default();
            assert_eq!(whole.push(bytes), keys, "{bytes:?}");
            let mut single = Decoder::default();
            let one_by_one: Vec<Key> = bytes.iter().flat_map(|byte| single.push(&[*byte])).collect();
            assert_eq!(one_by_one, keys, "{bytes:?}");
        }
    }

    #[test]
    fn a_lone_escape_is_the_key() {
        let mut decoder = Decoder::default();
        assert!(decoder.push(b"\x1b").is_empty());
        assert!(decoder.waits());
        assert_eq!(decoder.flush(), Some(Key::Escape));
        assert_eq!(decoder.flush(), None);
        assert!(!decoder.waits());
    }
}

//! Removes terminal control from console bytes, so that text can be searched.

/// Where the filter stands inside a control sequence (ECMA-48, section 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// In `ESC [ …`, until a final byte 0x40–0x7e.
    Control,
    /// In `ESC ] …` and other strings, until BEL or `ESC \`.
    String,
    /// ESC inside such a string.
    StringEscape,
    /// After `ESC (` and the like: one byte follows.
    Charset,
}

/// A filter that keeps text, newlines and tabs, however the bytes are divided into chunks.
#[derive(Debug, Default)]
pub struct TerminalFilter {
    state: State,
}

impl TerminalFilter {
    /// Appends the text in `bytes` to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for &byte in bytes {
            self.state = match (self.state, byte) {
                (State::Text, 0x1b) => State::Escape,
                (State::Text, b'\n' | b'\t' | 0x20..=0x7e | 0x80..) => {
                    out.push(byte);
                    State::Text
                }
                (State::Text, _) => State::Text,
                (State::Escape, b'[') => State::Control,
                (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => State::String,
                (State::Escape, b'(' | b')' | b'*' | b'+' | b'#' | b'%') => State::Charset,
                (State::Escape, 0x1b) => State::Escape,
                (State::Escape | State::Charset, _) => State::Text,
                (State::Control, 0x40..=0x7e) => State::Text,
                (State::Control, 0x1b) => State::Escape,
                (State::Control, _) => State::Control,
                (State::String | State::StringEscape, 0x07) => State::Text,
                (State::String, 0x1b) => State::StringEscape,
                (State::StringEscape, b'\\') => State::Text,
                (State::String | State::StringEscape, _) => State::String,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(chunks: &[&[u8]]) -> String {
        let mut filter = TerminalFilter::default();
        let mut out = Vec::new();
        for chunk in chunks {
            filter.push(chunk, &mut out);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn control_sequences_go_wherever_the_chunks_divide_them() {
        let cases: [(&[u8], &str); 6] = [
            (b"[\x1b[0;32m  OK  \x1b[0m] Started\r\n", "[  OK  ] Started\n"),
            (b"\x1b[?2004hroot@debian:~# ", "root@debian:~# "),
            (b"\x1b]0;title\x07text", "text"),
            (b"\x1b]8;;http://x\x1b\\link", "link"),
            (b"\x1b(Bplain\x1b7\x1b8\x00\x07", "plain"),
            (b"\xc3\xbc\ttab", "\u{fc}\ttab"),
        ];
        for (raw, text) in cases {
            assert_eq!(filtered(&[raw]), text);
            let single: Vec<&[u8]> = raw.chunks(1).collect();
            assert_eq!(filtered(&single), text);
        }
    }
}

//! PEM (RFC 7468): base64 between two lines.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A block.
pub struct Block {
    /// What its first line names: `CERTIFICATE`.
    pub label: String,
    /// Its content; `None` when it is not base64.
    pub bytes: Option<Zeroizing<Vec<u8>>>,
    /// It has the header of an encrypted key (RFC 1421, 4.6.1.1).
    pub encrypted: bool,
}

/// All blocks of a text.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = vec![];
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let label = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
        let Some(label) = label else { continue };
        let end = format!("-----END {label}-----");
        let mut base64 = Zeroizing::new(String::new());
        let (mut encrypted, mut closed) = (false, false);
        for line in lines.by_ref() {
            if line == end {
                closed = true;
                break;
            }
            match line.contains(':') {
                true => encrypted |= line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"),
                false => base64.push_str(line),
            }
        }
        // After the headers of an encrypted key comes what only the passphrase makes readable.
        let bytes = STANDARD.decode(base64.as_bytes()).ok().filter(|_| closed).map(Zeroizing::new);
        blocks.push(Block { label: label.to_owned(), bytes, encrypted });
    }
    blocks
}

/// A block as text.
pub fn text(label: &str, bytes: &[u8]) -> String {
    let base64 = STANDARD.encode(bytes);
    // The alphabet is ASCII: any position is a character boundary.
    let lines: Vec<String> =
        base64.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_text() {
        let written = text("CERTIFICATE", &[5; 100]);
        assert!(written.lines().all(|line| line.len() <= 64));
        let all =
            format!("a word before\n{written}\n-----BEGIN X-----\n!\n-----END X-----\n-----BEGIN CUT-----\nAAAA\n");
        let found = blocks(&all);
        let labels: Vec<_> = found.iter().map(|block| (&*block.label, block.bytes.is_some())).collect();
        assert_eq!(labels, [("CERTIFICATE", true), ("X", false), ("CUT", false)]);
        assert_eq!(**found[0].bytes.as_ref().unwrap(), [5; 100]);
    }
}

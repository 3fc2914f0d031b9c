//! What `blkid -o export` prints.

/// Its lines: a variable a line, values with their special characters escaped by backslashes (blkid(8)).
pub fn values(text: &str) -> impl Iterator<Item = (&str, String)> {
    text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name, unescape(value)))
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => out.extend(characters.next()),
            c => out.push(c),
        }
    }
    out
}

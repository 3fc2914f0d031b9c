//! Messages on a terminal: lines break between words, and what goes on is indented.

use rustix::termios::{isatty, tcgetwinsize};
use std::os::fd::AsFd;

/// Narrower terminals tear words anyway.
const NARROWEST: usize = 40;
/// What goes on is this much further to the right.
const HANG: usize = 2;

/// Columns of a terminal; none of a file or a pipe, whose lines stay whole for `grep` and the like.
pub fn columns(of: impl AsFd) -> Option<usize> {
    let of = of.as_fd();
    let columns = isatty(of).then(|| tcgetwinsize(of).ok()).flatten().map(|size| usize::from(size.ws_col));
    columns.filter(|columns| *columns >= NARROWEST)
}

/// Each line of a text, broken between words where it is longer than so many columns. A word that is longer stays whole.
pub fn wrapped(text: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else { return text.to_owned() };
    let lines: Vec<String> = text.split('\n').map(|line| broken(line, columns)).collect();
    lines.join("\n")
}

fn broken(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let words = line.trim_start_matches(' ');
    let indent = line.len() - words.len();
    let (mut out, mut used) = (" ".repeat(indent), indent);
    for (number, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if number > 0 && used + 1 + length > columns {
            out.push('\n');
            out.push_str(&" ".repeat(indent + HANG));
            used = indent + HANG;
        } else if number > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stay_whole() {
        assert_eq!(wrapped("short\nlines", Some(40)), "short\nlines");
        let text = "lifeboat: warning: a message with many words, which is longer than that\nnext";
        assert_eq!(
            wrapped(text, Some(40)),
            "lifeboat: warning: a message with many\n  words, which is longer than that\nnext"
        );
        assert_eq!(wrapped(text, None), text);
        let path = format!("  cannot READ /{}", "x".repeat(50));
        assert_eq!(wrapped(&path, Some(40)), format!("  cannot READ\n    /{}", "x".repeat(50)));
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "[ a-zé\\n]{0,300}", columns in 40_usize..120) {
            let out = wrapped(&text, Some(columns));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(words(&out), words(&text));
            let longest = words(&text).iter().map(|word| word.chars().count()).max().unwrap_or(0);
            for line in out.lines() {
                let indent = line.len() - line.trim_start().len();
                prop_assert!(line.chars().count() <= columns || line.trim_start().chars().count() <= longest.max(1) || indent > columns, "{:?}", line);
            }
        }
    }
}

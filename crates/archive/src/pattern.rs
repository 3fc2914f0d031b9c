//! Patterns for paths, with the meaning that restic gives them: `*` and `?` stay within a name, `**` stands for any number of
//! directories, `[a-z]` for one character. One that begins with `/` starts at the root, any other one at any directory. A
//! pattern that matches a directory chooses all that is in it.

use globset::{GlobBuilder, GlobMatcher};
use std::path::Path;

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    ignores_case: bool,
    matcher: GlobMatcher,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot USE the pattern '{text}': {cause}")]
pub struct PatternError {
    text: String,
    cause: String,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        (&self.text, self.ignores_case) == (&other.text, other.ignores_case)
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Reads a pattern; with `ignores_case` large and small letters are the same.
    ///
    /// # Errors
    /// When it is empty or not a pattern.
    pub fn new(text: &str, ignores_case: bool) -> Result<Pattern, PatternError> {
        let wrong = |cause: &str| PatternError { text: text.to_owned(), cause: cause.to_owned() };
        let trimmed = text.trim_end_matches('/');
        if trimmed.is_empty() {
            return Err(wrong(if text.is_empty() { "it is empty" } else { "it would match everything" }));
        }
        // Braces are letters, as they are for restic and for find(1).
        let plain = trimmed.replace('{', "\\{").replace('}', "\\}");
        let anchored = if plain.starts_with('/') { plain } else { format!("**/{plain}") };
        let glob = GlobBuilder::new(&anchored)
            .literal_separator(true)
            .backslash_escape(true)
            .case_insensitive(ignores_case)
            .build()
            .map_err(|error| wrong(&error.kind().to_string()))?;
        Ok(Pattern { text: text.to_owned(), ignores_case, matcher: glob.compile_matcher() })
    }

    /// Reports whether a path of an archive fits; its bytes need not be UTF-8.
    pub fn matches(&self, path: &Path) -> bool {
        self.matcher.is_match(path)
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reports whether a text has signs that only patterns have.
    pub fn is_one(text: &str) -> bool {
        text.contains(['*', '?', '['])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn what_patterns_match() {
        for (pattern, path, fits) in [
            ("*.conf", "/etc/a.conf", true),
            ("*.conf", "/a.conf", true),
            ("*.conf", "/etc/a.conf/x", false),
            ("/etc/*.conf", "/etc/a.conf", true),
            ("/etc/*.conf", "/etc/d/a.conf", false),
            ("/etc/**/*.conf", "/etc/d/e/a.conf", true),
            ("/etc/**/*.conf", "/etc/a.conf", true),
            ("/etc/", "/etc", true),
            ("etc/fstab", "/etc/fstab", true),
            ("etc/fstab", "/old/etc/fstab", true),
            ("tc/fstab", "/etc/fstab", false),
            ("fsta?", "/etc/fstab", true),
            ("[ef]*", "/etc/fstab", true),
            ("{a,b}", "/etc/a", false),
            ("{a,b}", "/etc/{a,b}", true),
            ("FSTAB", "/etc/fstab", false),
        ] {
            assert_eq!(Pattern::new(pattern, false).unwrap().matches(Path::new(path)), fits, "{pattern} {path}");
        }
        assert!(Pattern::new("FSTAB", true).unwrap().matches(Path::new("/etc/fstab")));
        assert!(Pattern::new("*.x", false).unwrap().matches(Path::new(OsStr::from_bytes(b"/\xff.x"))));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, part) in [("", "empty"), ("/", "everything"), ("[a", "unclosed")] {
            let error = Pattern::new(text, false).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}

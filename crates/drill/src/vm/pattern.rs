//! What a console is searched for.

use crate::DrillError;
use regex::bytes::Regex;

/// A text or a regular expression over console bytes.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    shown: String,
}

impl Pattern {
    /// Exactly this text.
    ///
    /// # Errors
    /// When it is larger than the expression engine allows.
    pub fn text(text: &str) -> Result<Pattern, DrillError> {
        Self::build(&regex::escape(text), text)
    }

    /// A regular expression (syntax of the `regex` crate); `^` and `$` match at lines.
    ///
    /// # Errors
    /// [`DrillError::Pattern`] when it is not one.
    pub fn regex(pattern: &str) -> Result<Pattern, DrillError> {
        Self::build(pattern, pattern)
    }

    fn build(expression: &str, shown: &str) -> Result<Pattern, DrillError> {
        let wrong =
            |reason: regex::Error| DrillError::Pattern { pattern: shown.to_owned(), reason: reason.to_string() };
        let regex = regex::bytes::RegexBuilder::new(expression).multi_line(true).build().map_err(wrong)?;
        Ok(Pattern { regex, shown: shown.to_owned() })
    }

    /// Where it first occurs in `bytes`: start and end.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        self.regex.find(bytes).map(|found| (found.start(), found.end()))
    }

    /// As it is shown in messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

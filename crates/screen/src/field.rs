//! A line that is typed into, and a list in which one line is chosen.

use crate::key::Key;
use zeroize::Zeroizing;

/// Longest text that a field takes, in characters: 24 recovery words of 8 letters, with their numbers.
const LONGEST: usize = 400;

/// A line of text. What was typed is wiped from memory when it is dropped.
#[derive(Clone, Default)]
pub struct Field {
    text: Zeroizing<String>,
    /// Characters before the cursor.
    cursor: usize,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may be a key.
        f.write_str("Field(…)")
    }
}

impl Field {
    /// A field with a text in it.
    pub fn with(text: &str) -> Field {
        Field { text: Zeroizing::new(text.to_owned()), cursor: text.chars().count() }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Characters before the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Empties it.
    pub fn clear(&mut self) {
        *self = Field::default();
    }

    /// Takes an editing key; false for any other.
    pub fn press(&mut self, key: Key) -> bool {
        let length = self.text.chars().count();
        match key {
            Key::Char(c) if length < LONGEST => {
                let at = self.byte(self.cursor);
                self.text.insert(at, c);
                self.cursor += 1;
            }
            Key::Char(_) => {}
            Key::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                let at = self.byte(self.cursor);
                self.text.remove(at);
            }
            Key::Delete if self.cursor < length => {
                let at = self.byte(self.cursor);
                self.text.remove(at);
            }
            Key::Backspace | Key::Delete => {}
            Key::Left => self.cursor = self.cursor.saturating_sub(1),
            Key::Right => self.cursor = (self.cursor + 1).min(length),
            Key::Home | Key::Control('a') => self.cursor = 0,
            Key::End | Key::Control('e') => self.cursor = length,
            Key::Control('u') => self.clear(),
            _ => return false,
        }
        true
    }

    fn byte(&self, characters: usize) -> usize {
        self.text.char_indices().nth(characters).map_or(self.text.len(), |(at, _)| at)
    }

    /// The part that fits into `width` columns with the cursor in it, and the cursor's position in it. `hidden` shows stars.
    pub fn window(&self, width: usize, hidden: bool) -> (String, usize) {
        let width = width.max(1);
        let start = (self.cursor + 1).saturating_sub(width);
        let shown = self.text.chars().skip(start).take(width);
        let shown = if hidden { shown.map(|_| '*').collect() } else { shown.collect() };
        (shown, self.cursor - start)
    }
}

/// A list in which one line is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picker {
    /// Number of the line, from 0.
    pub at: usize,
}

impl Picker {
    /// Takes a key that moves in a list of `length` lines of which `page` are visible; false for any other.
    pub fn press(&mut self, key: Key, length: usize, page: usize) -> bool {
        let last = length.saturating_sub(1);
        self.at = match key {
            Key::Up | Key::BackTab => self.at.saturating_sub(1),
            Key::Down | Key::Tab => (self.at + 1).min(last),
            Key::PageUp => self.at.saturating_sub(page.max(1)),
            Key::PageDown => (self.at + page.max(1)).min(last),
            Key::Home => 0,
            Key::End => last,
            _ => return false,
        };
        true
    }

    /// The first line of the page that holds the chosen one.
    pub fn first(&self, height: usize) -> usize {
        self.at / height.max(1) * height.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing() {
        let mut field = Field::with("wb01");
        for key in [Key::Home, Key::Right, Key::Char('e'), Key::End, Key::Char('\u{fc}'), Key::Left, Key::Delete] {
            assert!(field.press(key));
        }
        assert_eq!((field.text(), field.cursor()), ("web01", 5));
        assert!(!field.press(Key::Enter));
        field.press(Key::Backspace);
        assert_eq!(field.window(3, false), ("b0".into(), 2));
        assert_eq!(field.window(10, true), ("****".into(), 4));
        field.press(Key::Control('u'));
        assert_eq!(field.text(), "");
        assert_eq!(format!("{field:?}"), "Field(…)");
    }

    #[test]
    fn moving_in_a_list() {
        let mut picker = Picker::default();
        for (key, at) in [
            (Key::Up, 0),
            (Key::Down, 1),
            (Key::PageDown, 11),
            (Key::End, 24),
            (Key::Down, 24),
            (Key::PageUp, 14),
            (Key::Home, 0),
        ] {
            assert!(picker.press(key, 25, 10));
            assert_eq!(picker.at, at);
        }
        assert!(!picker.press(Key::Enter, 25, 10));
        assert_eq!(Picker { at: 14 }.first(10), 10);
        Picker::default().press(Key::Down, 0, 0);
    }
}

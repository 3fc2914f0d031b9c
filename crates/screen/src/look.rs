//! What a terminal can show.

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Characters beyond ASCII.
    pub unicode: bool,
    /// Colours. A vt220 takes the numbers of colours for blinking.
    pub color: bool,
}

/// Lines of plain ASCII.
const ASCII: border::Set = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

impl Look {
    /// The look for a terminal type (`TERM`) and a character encoding (of `LC_ALL`, `LC_CTYPE` or `LANG`).
    pub fn of(terminal: &str, locale: &str) -> Look {
        let locale = locale.to_ascii_lowercase();
        // The terminal on a serial line is unknown: we assume what every terminal can do.
        let plain = ["", "dumb", "ansi"].contains(&terminal) || terminal.starts_with("vt") || terminal == "sun";
        Look { unicode: !plain && (locale.contains("utf-8") || locale.contains("utf8")), color: !plain }
    }

    /// Lines around a body.
    pub fn border(self) -> border::Set<'static> {
        if self.unicode { border::PLAIN } else { ASCII }
    }

    /// The chosen line, and the title.
    pub fn reversed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Headings.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Loss and failure.
    pub fn danger(self) -> Style {
        self.colored(Color::LightRed)
    }

    /// Success, and what is made.
    pub fn good(self) -> Style {
        self.colored(Color::LightGreen)
    }

    /// What changes.
    pub fn change(self) -> Style {
        self.colored(Color::Yellow)
    }

    fn colored(self, color: Color) -> Style {
        if self.color { self.strong().fg(color) } else { self.strong() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals() {
        for (terminal, locale, unicode, color) in [
            ("vt220", "C.UTF-8", false, false),
            ("linux", "C.UTF-8", true, true),
            ("linux", "C", false, true),
            ("xterm-256color", "de_DE.utf8", true, true),
            ("", "", false, false),
        ] {
            assert_eq!(Look::of(terminal, locale), Look { unicode, color }, "{terminal} {locale}");
        }
    }
}

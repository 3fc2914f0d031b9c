//! A backend that never queries the terminal: a serial line with nobody, or with a plain terminal, does not answer.

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use std::io::{self, Write};

/// crossterm's output for a terminal whose size is known from elsewhere.
pub struct Blind<W: Write> {
    inner: CrosstermBackend<W>,
    /// Where the cursor was put last: ratatui asks for it when it clears.
    cursor: Position,
    /// Columns and rows.
    pub size: Size,
}

impl<W: Write> Blind<W> {
    /// Writes to `output`.
    pub fn new(output: W, size: Size) -> Blind<W> {
        Blind { inner: CrosstermBackend::new(output), cursor: Position::ORIGIN, size }
    }

    /// The output.
    pub fn output(&mut self) -> &mut impl Write {
        &mut self.inner
    }
}

impl<W: Write> Backend for Blind<W> {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        self.inner.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.inner.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        self.inner.clear_region(region)
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::{Terminal, TerminalOptions, Viewport};

    #[test]
    fn nothing_is_asked() {
        let mut out = vec![];
        let area = Rect::new(0, 0, 80, 24);
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let mut terminal = Terminal::with_options(Blind::new(&mut out, Size::new(80, 24)), options).unwrap();
        terminal.clear().unwrap();
        terminal.draw(|frame| frame.render_widget("text", area)).unwrap();
        terminal.resize(Rect::new(0, 0, 40, 10)).unwrap();
        drop(terminal);
        // DSR and DA (ECMA-48, 8.3.35; VT220 manual): a terminal would answer them.
        let reported = String::from_utf8(out).unwrap();
        assert!(
            reported.contains("text") && !reported.contains("\x1b[6n") && !reported.contains("\x1b[c"),
            "{reported:?}"
        );
    }
}

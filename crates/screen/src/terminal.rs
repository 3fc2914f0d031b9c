//! A real terminal: raw while this lives, restored afterwards, also after a panic.

use crate::blind::Blind;
use crate::key::{Decoder, Key};
use ratatui::backend::Backend as _;
use ratatui::crossterm::{cursor, queue, style, terminal};
use ratatui::layout::{Rect, Size};
use ratatui::{Terminal, TerminalOptions, Viewport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios};
use std::io::{self, BufWriter, Write};

/// The rest of a key follows within this time, also at 1200 baud; a lone ESC is the Escape key after it.
const REST_OF_KEY: Timespec = Timespec { tv_sec: 0, tv_nsec: 80_000_000 };

/// The output.
pub struct Canvas {
    terminal: Terminal<Blind<BufWriter<Box<dyn Write + Send>>>>,
    size: (u16, u16),
    _raw: Raw,
}

/// Raw mode of standard input.
struct Raw(Termios);

impl Raw {
    fn enter() -> io::Result<Raw> {
        let before = rustix::termios::tcgetattr(rustix::stdio::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw)?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Columns and rows of the terminal; a serial line without a size has 80 and 24.
pub fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(rustix::stdio::stdout()) {
        Ok(size) if size.ws_col >= 20 && size.ws_row >= 8 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

impl Canvas {
    /// Takes over the terminal.
    ///
    /// # Errors
    /// When standard input is not a terminal, or `output` accepts nothing.
    pub fn open(output: Box<dyn Write + Send>) -> io::Result<Canvas> {
        let raw = Raw::enter()?;
        // Room for a whole screen: each cell needs bytes and escapes.
        let mut output = BufWriter::with_capacity(16 << 10, output);
        queue!(output, terminal::EnterAlternateScreen, terminal::DisableLineWrap, style::ResetColor)?;
        output.flush()?;
        let size = size();
        let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, size.0, size.1)) };
        let terminal = Terminal::with_options(Blind::new(output, Size::new(size.0, size.1)), options)?;
        let mut canvas = Canvas { terminal, size, _raw: raw };
        canvas.clear()?;
        Ok(canvas)
    }

    /// Paints everything again at the next paint: the other end may show anything.
    ///
    /// # Errors
    /// When the terminal accepts nothing.
    pub fn clear(&mut self) -> io::Result<()> {
        let size = size();
        if size != self.size {
            self.size = size;
            self.terminal.backend_mut().size = Size::new(size.0, size.1);
            self.terminal.resize(Rect::new(0, 0, size.0, size.1))?;
        }
        self.terminal.backend_mut().clear()?;
        self.terminal.clear()
    }

    /// Paints what changed.
    ///
    /// # Errors
    /// When the terminal accepts nothing.
    pub fn paint(&mut self, view: impl FnOnce(&mut ratatui::Frame)) -> io::Result<()> {
        self.terminal.draw(view).map(drop)
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        let rows = self.size.1;
        let output = self.terminal.backend_mut().output();
        let _ = queue!(
            output,
            style::ResetColor,
            style::SetAttribute(style::Attribute::Reset),
            terminal::EnableLineWrap,
            terminal::Clear(terminal::ClearType::All),
            terminal::LeaveAlternateScreen,
            cursor::Show,
            cursor::MoveTo(0, rows.saturating_sub(1))
        );
        let _ = output.flush();
    }
}

/// Reads keys from standard input until it ends; passes them to `take`, which returns whether to continue.
///
/// # Errors
/// When the terminal was hung up.
pub fn read_keys(mut take: impl FnMut(Key) -> bool) -> io::Result<()> {
    let mut decoder = Decoder::default();
    let mut buffer = [0; 256];
    loop {
        let timeout = decoder.waits().then_some(&REST_OF_KEY);
        let stdin = rustix::stdio::stdin();
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], timeout) {
            Ok(0) => {
                if decoder.flush().is_some_and(|key| !take(key)) {
                    return Ok(());
                }
                continue;
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let count = match rustix::io::read(stdin, &mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Err(errno) => return Err(errno.into()),
        };
        for key in decoder.push(&buffer[..count]) {
            if !take(key) {
                return Ok(());
            }
        }
    }
}

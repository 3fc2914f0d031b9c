//! The menu that comes with the rescue system (`lifeboat.menu`): on a signed medium nothing outside of the signed program may choose
//! the mode, so no boot loader can have a menu. It is shown on all consoles, and whoever answers first decides.

use crate::report::Reporter;
use crate::seat;
use crate::state::Identity;
use lifeboat_machine::Mode;
use lifeboat_machine::bytes::printable;
use lifeboat_sys::console::terminal_of;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a person can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This mode.
    Mode(Mode),
    /// Leave the medium.
    Restart,
}

/// The lines, top to bottom, and the words that choose them as their numbers do; as GRUB's menu has them.
const LINES: [(Choice, &str); 5] = [
    (Choice::Mode(Mode::Interactive), "interactive"),
    (Choice::Mode(Mode::Expert), "expert"),
    (Choice::Mode(Mode::Compare), "compare"),
    (Choice::Mode(Mode::Nuke), "nuke"),
    (Choice::Restart, "restart"),
];
/// Longer than any answer.
const LONGEST: usize = 32;
const BACKSPACE: [u8; 2] = [0x08, 0x7f];

/// The page; `default` starts by itself.
pub fn page(identity: &Identity, default: Mode, seconds: u32) -> String {
    let title = identity.manifest.as_ref().map_or("Lifeboat rescue medium".to_owned(), |manifest| manifest.title());
    let mut page = format!("\n{title}\n\n");
    let mut by_itself = 0;
    for (index, (choice, _)) in LINES.iter().enumerate() {
        let text = match choice {
            Choice::Mode(mode) => mode.offer().to_owned(),
            Choice::Restart => "Restart the machine; remove the medium to boot from its disk".to_owned(),
        };
        page.push_str(&format!("  {}  {text}\n", index + 1));
        if *choice == Choice::Mode(default) {
            by_itself = index + 1;
        }
    }
    page.push_str(&format!("\nType a number, then Enter. Number {by_itself} starts by itself in {seconds} seconds.\n"));
    page
}

/// Shows the page, and waits for an answer; the first key stops the countdown.
pub fn ask(reporter: &Reporter, consoles: &[String], page: &str, default: Mode, patience: Duration) -> Choice {
    let paths: Vec<PathBuf> = consoles.iter().map(|name| terminal_of(name)).collect();
    let seats = paths.into_iter().map(Seat::new).collect();
    reporter.text(page);
    let choice = answered(seats, Instant::now() + patience, default, &|text| reporter.text(text));
    reporter.note(match choice {
        Choice::Mode(mode) => format!("mode {mode} was chosen"),
        Choice::Restart => "a restart was chosen".to_owned(),
    });
    choice
}

/// A console, and what was typed there since the last Enter.
struct Seat {
    path: PathBuf,
    file: Option<File>,
    before: Option<Termios>,
    typed: Vec<u8>,
}

impl Seat {
    fn new(path: PathBuf) -> Seat {
        let mut seat = Seat { path, file: None, before: None, typed: vec![] };
        seat.open();
        seat
    }

    /// Each key is read at once, not when the line ends.
    fn open(&mut self) {
        self.file = seat::open(&self.path);
        let Some(file) = &self.file else { return };
        if let Ok(before) = tcgetattr(file) {
            let mut keys = before.clone();
            keys.local_modes.remove(LocalModes::ICANON);
            let _ = tcsetattr(file, OptionalActions::Now, &keys);
            self.before.get_or_insert(before);
        }
    }

    /// Takes what was typed: returns whether anything was, and the line when it is complete.
    fn read(&mut self) -> (bool, Option<String>) {
        let mut buffer = [0; 64];
        let count = match self.file.as_mut().map(|file| file.read(&mut buffer)) {
            Some(Ok(count @ 1..)) => count,
            Some(Err(error))
                if matches!(error.kind(), std::io::ErrorKind::Interrupted | std::io::ErrorKind::WouldBlock) =>
            {
                0
            }
            // Hung up: it is reopened after a while.
            _ => {
                self.file = None;
                0
            }
        };
        for byte in &buffer[..count] {
            match byte {
                b'\n' | b'\r' => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.typed)).trim().to_owned();
                    return (true, Some(line));
                }
                byte if BACKSPACE.contains(byte) => drop(self.typed.pop()),
                byte if self.typed.len() < LONGEST => self.typed.push(*byte),
                _ => {}
            }
        }
        (count > 0, None)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let (Some(file), Some(before)) = (&self.file, &self.before) {
            let _ = tcsetattr(file, OptionalActions::Now, before);
        }
    }
}

fn answered(mut seats: Vec<Seat>, deadline: Instant, default: Mode, print: &dyn Fn(&str)) -> Choice {
    let mut counting = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if counting && left.is_zero() {
            return Choice::Mode(default);
        }
        for seat in ready(&seats, if counting { left } else { Duration::MAX }) {
            let Some(seat) = seats.get_mut(seat) else { continue };
            let (typed, line) = seat.read();
            if typed && counting {
                counting = false;
                print("Nothing starts by itself now.");
            }
            match line.map(|line| choice(&line, default).ok_or(line)) {
                Some(Ok(choice)) => return choice,
                Some(Err(line)) => {
                    let line = printable(line.as_bytes());
                    print(&format!("There is no line {line}: type a number from 1 to {}, then Enter.", LINES.len()));
                }
                None => {}
            }
        }
        seats.iter_mut().filter(|seat| seat.file.is_none()).for_each(Seat::open);
    }
}

/// The consoles on which something was typed, or that were hung up, within this time; none when that or a part of it is over.
fn ready(seats: &[Seat], patience: Duration) -> Vec<usize> {
    let known: Vec<(usize, &File)> =
        seats.iter().enumerate().filter_map(|(index, seat)| Some((index, seat.file.as_ref()?))).collect();
    let mut polled: Vec<PollFd> = known.iter().map(|(_, file)| PollFd::new(*file, PollFlags::IN)).collect();
    let while_of_it = Timespec::try_from(patience).ok().filter(|time| *time < seat::AGAIN).unwrap_or(seat::AGAIN);
    if poll(&mut polled, Some(&while_of_it)).unwrap_or(0) == 0 {
        return vec![];
    }
    polled.iter().zip(known).filter(|(entry, _)| !entry.revents().is_empty()).map(|(_, (index, _))| index).collect()
}

/// What a line chooses: a number, a word, or the default when it is empty.
fn choice(line: &str, default: Mode) -> Option<Choice> {
    if line.is_empty() {
        return Some(Choice::Mode(default));
    }
    let number = line.parse::<usize>().ok().and_then(|number| LINES.get(number.checked_sub(1)?));
    let word = || LINES.iter().find(|(_, word)| line.eq_ignore_ascii_case(word));
    number.or_else(word).map(|(choice, _)| *choice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::io::Write as _;

    #[test]
    fn numbers_and_words() {
        let of = |line: &str| choice(line, Mode::Expert);
        assert_eq!(of(""), Some(Choice::Mode(Mode::Expert)));
        assert_eq!(of("1"), Some(Choice::Mode(Mode::Interactive)));
        assert_eq!(of("4"), Some(Choice::Mode(Mode::Nuke)));
        assert_eq!(of("Nuke"), Some(Choice::Mode(Mode::Nuke)));
        assert_eq!(of("5"), Some(Choice::Restart));
        for line in ["0", "6", "44", "-1", "nukee", "é"] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn the_page_fits_on_a_screen() {
        let page = page(&Identity::default(), Mode::Nuke, 10);
        assert!(page.contains("  4  Nuke: restore the whole machine unattended (ERASES ITS DISKS)\n"), "{page}");
        assert!(page.contains("Number 4 starts by itself in 10 seconds."), "{page}");
        assert!(page.lines().count() < 20 && page.lines().all(|line| line.len() < 80), "{page}");
    }

    /// A terminal, and the person's end of it.
    fn seats(count: usize) -> (tempfile::TempDir, Vec<Seat>, Vec<File>) {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..count).map(|number| folder.path().join(number.to_string())).collect();
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let people = paths.iter().map(|path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            File::options().read(true).write(true).open(path).unwrap()
        });
        let people = people.collect();
        (folder, paths.into_iter().map(Seat::new).collect(), people)
    }

    #[test]
    fn nobody_is_there_and_the_default_starts() {
        let (_folder, seats, _people) = seats(2);
        let choice = answered(seats, Instant::now() + Duration::from_millis(50), Mode::Compare, &|_| {});
        assert_eq!(choice, Choice::Mode(Mode::Compare));
    }

    #[test]
    fn a_key_stops_the_clock_and_a_wrong_line_is_named() {
        let (_folder, seats, people) = seats(2);
        (&people[0]).write_all(b"9").unwrap();
        let reported = RefCell::new(vec![]);
        let answer = |text: &str| {
            reported.borrow_mut().push(text.to_owned());
            // What a person does next, in answer to what is reported; the time would have run out long ago.
            match reported.borrow().len() {
                1 => {
                    std::thread::sleep(Duration::from_millis(300));
                    (&people[0]).write_all(b"\r").unwrap();
                }
                _ => (&people[1]).write_all(b"55\x7f\n").unwrap(),
            }
        };
        let choice = answered(seats, Instant::now() + Duration::from_millis(200), Mode::Nuke, &answer);
        assert_eq!(choice, Choice::Restart);
        let reported = reported.into_inner();
        assert_eq!(reported[0], "Nothing starts by itself now.");
        assert!(reported[1].starts_with("There is no line 9: type a number from 1 to 5"), "{reported:?}");
        assert_eq!(reported.len(), 2);
    }
}

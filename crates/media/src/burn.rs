//! Burns images with xorriso: CDs, DVDs and Blu-rays, in a drive (`/dev/sr0`) or, as a drive that is a file, `stdio:FILE`.

use crate::error::MediaError;
use crate::read_back::compare_image;
use lifeboat_sys::program::XORRISO;
use lifeboat_sys::{Invocation, Runner, optical};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What xorriso calls a file that stands in for a drive.
const FILE: &str = "stdio:";
/// Bytes of a sector.
const SECTOR: u64 = 2048;
/// How long a drive may need to read a disc that it has just written, and how often it is asked.
const READY: Duration = Duration::from_secs(120);
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// A drive that burns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burner(String);

/// What is in a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blank {
    /// A disc that nothing was written to, with its room in bytes.
    Yes(u64),
    /// A disc that holds something, as xorriso says; and its room in bytes once it is blanked, where that is known.
    No(String),
    /// No disc, or one that cannot be written.
    None(String),
}

impl Burner {
    /// A drive by its device, or `stdio:FILE`.
    ///
    /// # Errors
    /// A message for people.
    pub fn parse(text: &str) -> Result<Burner, String> {
        match text.strip_prefix(FILE).unwrap_or(text).starts_with('/') {
            true => Ok(Burner(text.to_owned())),
            false => Err(format!("{text}: expected a drive, as /dev/sr0")),
        }
    }

    /// The device, or the file.
    pub fn path(&self) -> PathBuf {
        self.0.strip_prefix(FILE).unwrap_or(&self.0).into()
    }

    fn is_file(&self) -> bool {
        self.0.starts_with(FILE)
    }

    /// For messages.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Looks at the disc in the drive.
    ///
    /// # Errors
    /// When xorriso cannot use the drive.
    pub fn look(&self, runner: &dyn Runner) -> Result<Blank, MediaError> {
        let output = runner.run(&Invocation::new(XORRISO).args(["-outdev", &self.0, "-toc"]))?;
        Ok(state(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Writes an image to the disc; `over` what it holds. A disc that can be written once and holds something is refused by the drive.
    ///
    /// # Errors
    /// [`MediaError::Run`].
    pub fn burn(&self, image: &Path, over: bool, runner: &dyn Runner) -> Result<(), MediaError> {
        let mut call = Invocation::new(XORRISO).args(["-as", "cdrecord", "-v", &format!("dev={}", self.0)]);
        if over {
            call = call.arg("blank=as_needed");
        }
        Ok(runner.run(&call.arg(image)).map(drop)?)
    }

    /// Reads the disc back and compares it with the image.
    ///
    /// # Errors
    /// [`MediaError::Verify`].
    pub fn read_back(&self, image: &Path) -> Result<(), MediaError> {
        if !self.is_file() {
            self.again()?;
        }
        compare_image(&self.path(), image)
    }

    /// Has the drive, and the kernel, look at the disc anew: both still know it as a blank one.
    fn again(&self) -> Result<(), MediaError> {
        let device = self.path();
        // A drive that moves nothing by itself is read as it is.
        if optical::eject(&device).is_ok() {
            let _ = optical::close(&device);
        }
        let began = Instant::now();
        while !matches!(optical::tray(&device), Ok(optical::Tray::Disc)) {
            if began.elapsed() >= READY {
                let reason =
                    "the drive does not show the disc that it has just written; try putting it in again".to_owned();
                return Err(MediaError::Verify { out: device, reason });
            }
            std::thread::sleep(ASKED_EVERY);
        }
        Ok(())
    }

    /// Gives the disc back.
    pub fn eject(&self) {
        if !self.is_file() {
            // Whoever takes it out has a button, too.
            let _ = optical::eject(&self.path());
        }
    }
}

/// What xorriso's `-toc` says of a disc (xorriso(1), "-toc").
fn state(text: &str) -> Blank {
    let line = |key: &str| {
        text.lines().find_map(|line| Some(line.strip_prefix(key)?.trim_start_matches(' ').strip_prefix(':')?.trim()))
    };
    let status = line("Media status").unwrap_or("is not recognizable");
    let words =
        |number: usize| line("Media blocks")?.split(',').nth(number)?.split_whitespace().next()?.parse::<u64>().ok();
    if status.starts_with("is blank") {
        return Blank::Yes(words(1).unwrap_or(0).saturating_mul(SECTOR));
    }
    if status.starts_with("is written") {
        let mut sessions = text.lines().filter_map(|line| line.strip_prefix("ISO session")?.rsplit(',').next());
        let label = sessions.next_back().map(|label| format!(" ({})", label.trim())).unwrap_or_default();
        return Blank::No(format!("it {status}{label}"));
    }
    Blank::None(status.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLANK: &str = "Drive current: -outdev '/dev/sr0'\nMedia current: CD-R\nMedia status : is blank\n\
        Media blocks : 0 readable , 359844 writable , 359844 overall\nMedia summary: 0 sessions, 0 data blocks, 0 data, 703m free\n";
    const WRITTEN: &str = "Media current: stdio file, overwriteable\nMedia status : is written , is appendable\n\
        Media blocks : 1664 readable , 41193404 writable , 41195068 overall\nTOC layout   : Idx ,  sbsector ,       Size , Volume Id\n\
        ISO session  :   1 ,         0 ,      1648s , WEB1_20261130_0A1B2C3D_2\nMedia nwa    : 1664s\n";

    #[test]
    fn what_xorriso_says_of_discs() {
        assert_eq!(state(BLANK), Blank::Yes(359_844 * 2048));
        assert_eq!(state(WRITTEN), Blank::No("it is written , is appendable (WEB1_20261130_0A1B2C3D_2)".into()));
        let none = "Media current: is not present\nMedia status : is not recognizable\n";
        assert_eq!(state(none), Blank::None("is not recognizable".into()));
        assert_eq!(state(""), Blank::None("is not recognizable".into()));
    }

    #[test]
    fn drives_and_files() {
        assert_eq!(Burner::parse("/dev/sr0").unwrap().path(), PathBuf::from("/dev/sr0"));
        assert_eq!(Burner::parse("stdio:/tmp/disc").unwrap().path(), PathBuf::from("/tmp/disc"));
        assert!(Burner::parse("sr0").is_err() && Burner::parse("stdio:x").is_err());
    }
}

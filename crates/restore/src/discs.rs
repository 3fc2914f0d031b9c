//! Discs of a set in drives. The disc that is wanted is waited for, in every drive: whoever changes discs reads on the console which one is
//! wanted, and what was put in instead.

use lifeboat_archive::stream::disc::short;
use lifeboat_archive::stream::{Disc, DiscError, Discs};
use lifeboat_remote::patience::Listener;
use lifeboat_sys::optical::{self, Tray};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the drives are asked.
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// How long a disc is waited for; nobody may be there at night.
const PATIENCE: Duration = Duration::from_secs(12 * 60 * 60);

/// What a drive holds that is not the wanted disc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// No disc, or the tray is open.
    Nothing,
    /// A disc that the drive is still looking at.
    Busy,
    /// Another disc of this set, with its number.
    Sibling(u32, String),
    /// Something else, for people.
    Other(String),
}

/// Looks for a disc of a set, by its number or any of it, in one drive.
///
/// # Errors
/// What is there instead.
pub fn look(device: &Path, set: Option<&str>, number: Option<u32>) -> Result<Disc, Held> {
    match optical::tray(device) {
        Ok(Tray::Open | Tray::Empty) => return Err(Held::Nothing),
        Ok(Tray::Busy) => return Err(Held::Busy),
        Ok(Tray::Audio) => return Err(Held::Other("an audio disc".to_owned())),
        Ok(Tray::Disc) => {}
        Err(error) => return Err(Held::Other(format!("a drive that cannot be opened ({error})"))),
    }
    match Disc::open(device) {
        Ok(disc) if set.is_some_and(|set| set != disc.header.set) => Err(Held::Other(disc.what())),
        Ok(disc) if number.is_some_and(|number| number != disc.header.volume) => {
            Err(Held::Sibling(disc.header.volume, disc.what()))
        }
        Ok(disc) => Ok(disc),
        Err(DiscError::Unreadable(cause)) => Err(Held::Other(format!("a disc that cannot be read ({cause})"))),
        Err(DiscError::Foreign) => {
            Err(Held::Other("a disc without files: it is blank, or holds something else".to_owned()))
        }
        Err(DiscError::Other { label }) => Err(Held::Other(format!("the disc {label:?}, which is none of a set"))),
        Err(DiscError::Damaged(cause)) => Err(Held::Other(format!("a disc whose volume cannot be used ({cause})"))),
    }
}

/// The drives in which discs are looked for: the one that was named, which may be a stick with the first disc, and all others.
pub fn devices(named: Option<&Path>, sys: &Path) -> Vec<PathBuf> {
    let mut devices: Vec<PathBuf> = named.map(Path::to_owned).into_iter().collect();
    devices.extend(optical::drives(sys).into_iter().filter(|drive| Some(drive.as_path()) != named));
    devices
}

/// The discs of a set, in drives.
pub struct Drives {
    named: Option<PathBuf>,
    set: String,
    listener: Listener,
    /// What was put out of each drive, until something else is in it: once for each disc.
    out: BTreeMap<PathBuf, Held>,
}

impl Drives {
    /// Looks in the drive that was named, and in all others; `listener` hears what is wanted.
    pub fn new(named: Option<PathBuf>, set: String, listener: Listener) -> Drives {
        Drives { named, set, listener, out: BTreeMap::new() }
    }

    fn devices(&self) -> Vec<PathBuf> {
        devices(self.named.as_deref(), Path::new("/sys"))
    }

    /// Waits for a disc; `why` it is wanted once more.
    fn wait(&mut self, number: u32, why: Option<&str>) -> io::Result<Disc> {
        let began = Instant::now();
        let mut said = String::new();
        loop {
            let devices = self.devices();
            let mut there = vec![];
            for device in &devices {
                match look(device, Some(&self.set), Some(number)) {
                    Ok(disc) => return Ok(disc),
                    Err(held) => there.push((device.clone(), held)),
                }
            }
            let text = wanted(number, &self.set, &there, why);
            // Whoever reads it finds the tray open.
            for (device, held) in &there {
                self.put_out(device, held.clone(), number, devices.len());
            }
            // A drive that is still busy with a new disc is no news.
            if text != said && !there.iter().any(|(_, held)| *held == Held::Busy) {
                (self.listener)(&text);
                said = text;
            }
            if began.elapsed() >= PATIENCE {
                let text = format!("nobody put in disc {number} of set {}", short(&self.set));
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            std::thread::sleep(ASKED_EVERY);
        }
    }

    /// Opens the tray with a disc that is not needed soon, so that nobody has to look for a button; once for each disc.
    fn put_out(&mut self, device: &Path, held: Held, number: u32, drives: usize) {
        let is_soon = |sibling: u32| {
            let ahead = sibling.saturating_sub(number) as usize;
            sibling > number && ahead < drives
        };
        match &held {
            Held::Busy => {}
            Held::Nothing => drop(self.out.remove(device)),
            Held::Sibling(sibling, _) if is_soon(*sibling) => {}
            held if self.out.get(device) == Some(held) => {}
            Held::Sibling(..) | Held::Other(_) => {
                // A disc that stays in is named all the same.
                let _ = optical::eject(device);
                self.out.insert(device.to_owned(), held);
            }
        }
    }
}

impl Discs for Drives {
    fn disc(&mut self, number: u32) -> io::Result<Option<Disc>> {
        self.wait(number, None).map(Some)
    }

    fn has_copies(&self) -> bool {
        true
    }

    fn copy(&mut self, number: u32, unreadable: &Path, cause: &str) -> io::Result<Option<Disc>> {
        let others = self.devices().into_iter().filter(|device| device != unreadable);
        for device in others {
            if let Ok(disc) = look(&device, Some(&self.set), Some(number)) {
                (self.listener)(&format!(
                    "disc {number} in {} cannot be read ({cause}); going on with the copy in {}",
                    unreadable.display(),
                    device.display()
                ));
                return Ok(Some(disc));
            }
        }
        let why = format!("disc {number} in {} cannot be read ({cause})", unreadable.display());
        if let Err(error) = optical::eject(unreadable) {
            // Whoever cannot put in another disc is not asked for one.
            (self.listener)(&format!("{why}, and the drive keeps it ({error}); what cannot be read of it is lost"));
        }
        self.wait(number, Some(&why)).map(Some)
    }

    fn label(&self) -> PathBuf {
        match (&self.named, &self.devices()[..]) {
            (Some(device), _) | (None, [device]) => device.clone(),
            _ => PathBuf::from("the optical drives"),
        }
    }
}

/// What is said about the disc that is wanted.
fn wanted(number: u32, set: &str, there: &[(PathBuf, Held)], why: Option<&str>) -> String {
    let drives: Vec<String> = there.iter().map(|(device, _)| device.display().to_string()).collect();
    let into = if drives.is_empty() { "a drive".to_owned() } else { drives.join(" or ") };
    let mut text = match why {
        None => format!("put disc {number} of set {} into {into}", short(set)),
        Some(why) => format!(
            "{why}: put another copy of disc {number} of set {} into {into}, or the same one again to go on without what cannot be read",
            short(set)
        ),
    };
    for (device, held) in there {
        match held {
            Held::Nothing | Held::Busy => {}
            Held::Sibling(_, what) | Held::Other(what) if drives.len() == 1 => {
                text.push_str(&format!("; in it is {what}"))
            }
            Held::Sibling(_, what) | Held::Other(what) => {
                text.push_str(&format!("; in {} is {what}", device.display()))
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

    #[test]
    fn the_disc_that_is_wanted_and_what_is_there_are_named() {
        let sr0 = || PathBuf::from("/dev/sr0");
        let text = |held: Held| wanted(2, SET, &[(sr0(), held)], None);
        assert_eq!(text(Held::Nothing), "put disc 2 of set 0f1e2d3c into /dev/sr0");
        assert_eq!(
            text(Held::Other("an audio disc".into())),
            "put disc 2 of set 0f1e2d3c into /dev/sr0; in it is an audio disc"
        );
        let there = [(sr0(), Held::Nothing), ("/dev/sr1".into(), Held::Sibling(3, "disc 3 of set 0f1e2d3c".into()))];
        assert_eq!(
            wanted(2, SET, &there, None),
            "put disc 2 of set 0f1e2d3c into /dev/sr0 or /dev/sr1; in /dev/sr1 is disc 3 of set 0f1e2d3c"
        );
        let text = wanted(2, SET, &[], Some("disc 2 in /dev/sr0 cannot be read (EIO)"));
        assert!(text.starts_with("disc 2 in /dev/sr0 cannot be read (EIO): put another copy of disc 2 "), "{text}");
    }

    #[test]
    fn what_is_no_disc_of_the_set_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disc");
        std::fs::write(&path, vec![0; 100_000]).unwrap();
        let Err(Held::Other(what)) = look(&path, Some(SET), Some(1)) else { panic!("it is a disc") };
        assert!(what.starts_with("a disc without files"), "{what}");
        let Err(Held::Other(what)) = look(&dir.path().join("none"), None, None) else { panic!("it is a disc") };
        assert!(what.contains("cannot be opened"), "{what}");
        let sys = dir.path().join("sys");
        std::fs::create_dir_all(sys.join("class/block/sr0")).unwrap();
        std::fs::create_dir_all(sys.join("class/block/sr1")).unwrap();
        let all = devices(Some(Path::new("/dev/sr1")), &sys);
        assert_eq!(all, ["/dev/sr1", "/dev/sr0"].map(PathBuf::from));
    }
}

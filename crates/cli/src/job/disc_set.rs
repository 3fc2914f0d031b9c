//! A set of discs in the making: volumes come as files, become images, and are burned, one disc after the other.

use crate::command::SetArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::contents::{self, Prepared};
use crate::job::medium::{Request, Workshop};
use crate::job::{medium_room, tapes};
use crate::session::Session;
use lifeboat_archive::stream::Disc;
use lifeboat_archive::stream::Sink;
use lifeboat_archive::stream::disc::{short, volume_name};
use lifeboat_machine::bytes::{human, parse_size};
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_media::burn::{Blank, Burner};
use lifeboat_media::identity::image_name;
use lifeboat_media::set::{DataDisc, OVERHEAD_BYTES};
use lifeboat_media::{Identity, IsoReport, MediumInputs, Progress, set_by_hand};
use lifeboat_sys::ending::{self, Registration};
use lifeboat_sys::names::folder_of;
use lifeboat_sys::new_file::NewFile;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

/// Discs by name, and what fits on each in bytes: on the smallest that is sold under this name, with the areas for defects that drives
/// set aside on Blu-rays by default.
const SIZES: [(&str, u64); 5] = [
    ("cd", 700 << 20),
    ("dvd", 4_700_000_000),
    ("dvd-dl", 8_500_000_000),
    ("bd", 24_200_000_000),
    ("bd-dl", 48_400_000_000),
];
/// Bytes of a sector.
const SECTOR: u64 = 2048;
/// The smallest volume beside a rescue system: it may be empty.
pub const LEAST_VOLUME: u64 = 1 << 20;
/// The smallest volume of the others.
const LEAST_DISC: u64 = 16 << 20;

/// Discs whose images are left out of the backup that they hold.
const MOST_DISCS: u32 = 999;

/// What fits on a disc, in bytes.
///
/// # Errors
/// Kind `Usage`.
pub fn disc_bytes(text: &str) -> Result<u64, CommandError> {
    let known = SIZES.iter().find(|(name, _)| *name == text).map(|(_, bytes)| *bytes);
    let bytes = known.or_else(|| parse_size(text, 1));
    let names: Vec<&str> = SIZES.iter().map(|(name, _)| *name).collect();
    let bytes = bytes.ok_or_else(|| {
        CommandError::usage(format!("--size {text}: expected {}, or a size as 650M", names.join(", ")))
    })?;
    if bytes < LEAST_DISC {
        return Err(CommandError::usage(format!("--size {text}: a disc has at least {}", human(LEAST_DISC))));
    }
    Ok(bytes - bytes % SECTOR)
}

/// Where discs go.
pub enum Target {
    /// Images in a folder, and what their names begin with; `None` for the name of the set.
    Images(PathBuf, Option<String>),
    /// Into drives, one after the other.
    Drives(Vec<Burner>),
}

impl Target {
    /// What the command line names.
    ///
    /// # Errors
    /// Kind `Usage`.
    pub fn of(args: &SetArgs) -> Result<Target, CommandError> {
        let Some(out) = &args.out else {
            let drives: Result<Vec<Burner>, String> = args.burn.iter().map(|drive| Burner::parse(drive)).collect();
            return drives.map(Target::Drives).map_err(|error| CommandError::usage(format!("--burn {error}")));
        };
        if out.is_dir() {
            return Ok(Target::Images(out.clone(), None));
        }
        let folder = folder_of(out).to_owned();
        let name = out.file_name().and_then(|name| name.to_str());
        match name {
            Some(name) if folder.is_dir() => {
                let stem = name.strip_suffix(".iso").unwrap_or(name);
                Ok(Target::Images(folder, Some(stem.to_owned())))
            }
            Some(_) => {
                let text = format!("--out {}: there is no folder {}", out.display(), folder.display());
                Err(CommandError::usage(text))
            }
            None => Err(CommandError::usage(format!(
                "--out {}: name a folder, or what the images begin with",
                out.display()
            ))),
        }
    }

    /// The folder of the images.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Target::Images(folder, _) => Some(folder),
            Target::Drives(_) => None,
        }
    }
}

/// The images of an earlier set whose names begin with `stem`, by the numbers of their discs.
pub fn images(folder: &Path, stem: &str) -> Vec<(u32, PathBuf)> {
    let number = |name: &str| {
        let rest = name.strip_prefix(stem)?.strip_prefix("-disc")?.strip_suffix(".iso")?;
        rest.parse::<u32>().ok().filter(|number| image_name(stem, *number) == name)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> =
        entries.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path()))).collect();
    found.sort();
    found
}

/// The images of a set, and what they are called while they are written: they do not belong to its backup.
pub fn own_files(folder: &Path, stem: &str) -> Vec<PathBuf> {
    let both = |number| {
        let image = folder.join(image_name(stem, number));
        let partial = NewFile::partial(&image);
        [image, partial]
    };
    (1..=MOST_DISCS).flat_map(both).collect()
}

/// A volume that is complete.
pub struct Staged {
    number: u32,
    path: PathBuf,
    is_last: bool,
    done: SyncSender<io::Result<()>>,
}

/// Takes volumes as files, and hands each over before the next begins: so there is never more than one.
pub struct StagingSink {
    set: String,
    folder: PathBuf,
    /// What the volume of the first disc may have, and that of the others.
    room: (u64, u64),
    number: u32,
    open: Option<File>,
    discs: SyncSender<Staged>,
    label: PathBuf,
}

impl StagingSink {
    /// With the place where it is received.
    pub fn new(set: &str, folder: &Path, room: (u64, u64), label: PathBuf) -> (StagingSink, Receiver<Staged>) {
        let (discs, volumes) = sync_channel(0);
        let (set, folder) = (set.to_owned(), folder.to_owned());
        (StagingSink { set, folder, room, number: 0, open: None, discs, label }, volumes)
    }

    fn path(&self) -> PathBuf {
        self.folder.join(volume_name(self.number))
    }
}

impl Sink for StagingSink {
    fn set(&self) -> Option<String> {
        Some(self.set.clone())
    }

    fn capacity(&self) -> Option<u64> {
        Some(if self.number <= 1 { self.room.0 } else { self.room.1 })
    }

    fn begin(&mut self, number: u32) -> io::Result<()> {
        self.number = number;
        self.open = Some(File::options().write(true).create_new(true).mode(0o600).open(self.path())?);
        Ok(())
    }

    fn write(&mut self, blocks: &[u8], _: usize) -> io::Result<bool> {
        if let Some(file) = &mut self.open {
            file.write_all(blocks)?;
        }
        Ok(false)
    }

    fn end(&mut self, is_last: bool) -> io::Result<()> {
        self.open = None;
        let (done, result) = sync_channel(1);
        let gone = || io::Error::other("no more discs are written");
        let staged = Staged { number: self.number, path: self.path(), is_last, done };
        self.discs.send(staged).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())?
    }

    fn label(&self) -> PathBuf {
        self.label.clone()
    }
}

/// A disc that is complete.
pub struct Written {
    /// Its number.
    pub number: u32,
    /// Its image; `None` when it was burned.
    pub image: Option<PathBuf>,
    /// The size of its image in bytes.
    pub bytes: u64,
}

/// Makes discs of volumes.
pub struct Press<'a> {
    /// The command.
    pub session: &'a Session,
    /// Its options.
    pub args: &'a SetArgs,
    /// The folder for temporary files.
    pub workshop: &'a Workshop,
    /// The rescue system.
    pub prepared: &'a Prepared,
    /// What it was made for.
    pub request: &'a Request<'a>,
    /// Where discs go.
    pub target: &'a Target,
    /// What the names of images begin with.
    pub stem: &'a str,
    /// What fits on a disc, in bytes.
    pub size: u64,
}

impl Press<'_> {
    /// Makes a disc of each volume. When one fails, no image is left.
    ///
    /// # Errors
    /// Why a disc could not be made; whoever writes the volumes is told, too. `None` when the volumes ended before their set.
    pub fn run(&self, volumes: Receiver<Staged>) -> Result<(Vec<Written>, IsoReport), Option<CommandError>> {
        let mut discs: Vec<Written> = vec![];
        let mut first = None;
        // Images without the end of their set only take room.
        let mut half: Vec<Registration> = vec![];
        let mut is_whole = false;
        for staged in volumes {
            let made = self.disc(&staged, &mut first);
            let _ = std::fs::remove_file(&staged.path);
            let answer = made.as_ref().map(drop).map_err(|error| io::Error::other(error.text()));
            if let Ok(disc) = &made
                && let Some(image) = disc.image.clone()
            {
                half.push(ending::register(move || drop(std::fs::remove_file(image))));
            }
            is_whole = staged.is_last;
            let made = made.map(|disc| discs.push(disc));
            let _ = staged.done.send(answer);
            if let Err(error) = made {
                remove(&discs);
                return Err(Some(incomplete(self.target, &discs, error)));
            }
        }
        drop(half);
        match (is_whole, first) {
            (true, Some(report)) => Ok((discs, report)),
            _ => {
                remove(&discs);
                Err(None)
            }
        }
    }

    fn disc(&self, staged: &Staged, first: &mut Option<IsoReport>) -> Result<Written, CommandError> {
        let number = staged.number;
        let image = match self.target {
            Target::Images(folder, _) => folder.join(image_name(self.stem, number)),
            Target::Drives(_) => self.workshop.path().join("disc.iso"),
        };
        let volume = staged.path.metadata()?.len();
        let rescue_system = if number == 1 { lifeboat_media::image_bytes(&self.prepared.files, false)? } else { 0 };
        medium_room::check(folder_of(&image), volume + rescue_system + OVERHEAD_BYTES, &image.display().to_string())?;
        let bytes = match number {
            1 => {
                let report = self.boots(&image, Some(&staged.path))?;
                let bytes = report.size_bytes;
                *first = Some(report);
                bytes
            }
            _ => self.data(number, &staged.path, &image)?,
        };
        self.session.reporter.finish();
        if bytes > self.size {
            let _ = std::fs::remove_file(&image);
            let text = format!("disc {number} has {}, and {} fit on it", human(bytes), human(self.size));
            return Err(CommandError::new(Kind::Failed, text));
        }
        let shown = match self.target {
            Target::Images(..) => image.display().to_string(),
            Target::Drives(drives) => {
                let drive = &drives[(number as usize - 1) % drives.len()];
                let burned = self.burn(number, drive, &image);
                let _ = std::fs::remove_file(&image);
                burned?;
                drive.name().to_owned()
            }
        };
        let last = if staged.is_last { ", the last" } else { "" };
        self.session.reporter.line(format!("disc {number}{last}: {shown}, {}, read back", human(bytes)));
        let is_kept = matches!(self.target, Target::Images(..));
        Ok(Written { number, image: is_kept.then_some(image), bytes })
    }

    /// The disc that boots; without a volume to know its size.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn boots(&self, out: &Path, volume: Option<&Path>) -> Result<IsoReport, CommandError> {
        let mut files = self.prepared.files.clone();
        files.extend(volume.map(|volume| (volume_name(1), volume.to_owned())));
        let sealing = contents::sealing(self.request);
        let seal = sealing.as_ref().map(|seal| seal as &lifeboat_media::Seal<'_>);
        let work = self.workshop.path().join("iso");
        let sysroot = &self.args.medium.sysroot.sysroot;
        let began = Instant::now();
        let progress = |progress| self.progress(began, progress);
        let inputs = MediumInputs {
            files: &files,
            keep_old: true,
            progress: &progress,
            ..self.prepared.inputs(self.workshop, seal, sysroot, &work, out)
        };
        Ok(lifeboat_media::write_iso(&inputs, &self.session.runner)?)
    }

    fn data(&self, number: u32, volume: &Path, out: &Path) -> Result<u64, CommandError> {
        let identity = Identity { disc: Some(number), ..Identity::of(&self.prepared.manifest) };
        let began = Instant::now();
        let disc = DataDisc {
            identity,
            name: &volume_name(number),
            volume,
            by_hand: &set_by_hand::page(&identity),
            work: self.workshop.path(),
            out,
            progress: &|progress| self.progress(began, progress),
        };
        Ok(disc.write(&self.session.runner)?)
    }

    fn progress(&self, began: Instant, progress: Progress) {
        self.session.reporter.emit(&Event::Progress {
            phase: "image".into(),
            entries: 0,
            entries_total: 0,
            bytes: progress.bytes,
            bytes_total: progress.bytes_total,
            seconds: began.elapsed().as_secs_f64(),
        });
    }

    /// Burns an image and reads it back. Where somebody can be asked, another disc is asked for until one is right.
    fn burn(&self, number: u32, drive: &Burner, image: &Path) -> CommandResult {
        let bytes = image.metadata()?.len();
        // The first disc of each drive was asked for, and looked at, when the command began.
        let mut is_there = matches!(self.target, Target::Drives(drives) if number as usize <= drives.len());
        loop {
            if !std::mem::take(&mut is_there) {
                drive.eject();
                let question =
                    format!("Put a blank disc for disc {number} into {} and press Enter, or type stop: ", drive.name());
                if !tapes::answered(&question)? {
                    let text = format!("disc {number} was not written: there is no blank disc in {}", drive.name());
                    return Err(CommandError::new(Kind::Failed, text)
                        .hint("a terminal, where discs are asked for; --burn for each of several drives; or --out, and burning the images later"));
                }
            }
            let burned = self.look(drive, bytes).and_then(|over| {
                self.session.reporter.note(format!("burning disc {number} in {}", drive.name()));
                drive.burn(image, over, &self.session.runner)?;
                Ok(drive.read_back(image)?)
            });
            match burned {
                Ok(()) => {
                    drive.eject();
                    return Ok(());
                }
                Err(error) if tapes::is_asked() => crate::output::tell(&format!("{}\n", error.text())),
                Err(error) => return Err(error.hint("another disc")),
            }
        }
    }

    /// Whether what the disc in a drive holds is written over; refuses one that must not be, or is too small.
    ///
    /// # Errors
    /// Kind `Refused`.
    pub fn look(&self, drive: &Burner, bytes: u64) -> Result<bool, CommandError> {
        let refused = |why: String| CommandError::refused(format!("cannot WRITE the disc in {}: {why}", drive.name()));
        match drive.look(&self.session.runner)? {
            Blank::Yes(room) if room < bytes => {
                Err(refused(format!("{} fit on it, and {} are needed", human(room), human(bytes))))
            }
            Blank::Yes(_) => Ok(false),
            Blank::None(what) => Err(refused(format!("there is no blank disc ({what})")).hint("a blank disc")),
            Blank::No(what) => {
                let set = self.prepared.manifest.set.as_deref().unwrap_or_default();
                if let Ok(disc) = Disc::open(&drive.path())
                    && disc.header.set == set
                {
                    return Err(refused(format!("it is disc {} of the set that is being written", disc.header.volume)));
                }
                match self.args.medium.force {
                    true => Ok(true),
                    false => Err(refused(what).hint("a blank disc, or --force, which overwrites it")),
                }
            }
        }
    }
}

/// Removes the images of a set that was not completed.
pub fn remove(discs: &[Written]) {
    for image in discs.iter().filter_map(|disc| disc.image.as_ref()) {
        let _ = std::fs::remove_file(image);
    }
}

/// What is left of a set that was not completed.
fn incomplete(target: &Target, discs: &[Written], error: CommandError) -> CommandError {
    match (target, discs.len()) {
        (Target::Drives(_), 1..) => {
            error.hint(format!("beginning anew: the {} are no whole set", crate::output::counted(discs.len(), "disc")))
        }
        _ => error,
    }
}

/// What a set is called: the beginning of its id.
pub fn shown(set: &str) -> &str {
    short(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_by_name_and_in_bytes() {
        for (text, expected) in [
            ("cd", Ok(734_003_200)),
            ("dvd", Ok(4_699_998_208)),
            ("100M", Ok(104_857_600)),
            ("100000001", Ok(99_999_744)),
            ("1M", Err(Kind::Usage)),
            ("dwd", Err(Kind::Usage)),
        ] {
            assert_eq!(disc_bytes(text).map_err(|error| error.kind), expected, "{text}");
        }
        let error = disc_bytes("x").unwrap_err().text();
        assert!(error.contains("cd, dvd, dvd-dl, bd, bd-dl, or a size as 650M"), "{error}");
    }

    #[test]
    fn images_of_an_earlier_set() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["web1-disc2.iso", "web1-disc10.iso", "web1-disc02.iso", "web1-discx.iso", "web2-disc1.iso", "web1.iso"]
        {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let numbers: Vec<u32> = images(dir.path(), "web1").into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [2, 10]);
    }

    #[test]
    fn volumes_are_handed_over_one_by_one() {
        let dir = tempfile::tempdir().unwrap();
        let (mut sink, volumes) = StagingSink::new("00", dir.path(), (10, 20), "set".into());
        let taken = std::thread::spawn(move || {
            let mut seen = vec![];
            for staged in volumes {
                seen.push((staged.number, std::fs::read(&staged.path).unwrap(), staged.is_last));
                let answer = if staged.number == 3 { Err(io::Error::other("no disc")) } else { Ok(()) };
                staged.done.send(answer).unwrap();
            }
            seen
        });
        for (number, capacity) in [(1, 10), (2, 20), (3, 20)] {
            sink.begin(number).unwrap();
            assert_eq!(sink.capacity(), Some(capacity));
            sink.write(&[number as u8; 4], 4).unwrap();
            let ended = sink.end(number == 3);
            assert_eq!(ended.is_ok(), number < 3);
        }
        drop(sink);
        let seen = taken.join().unwrap();
        assert_eq!(seen[2], (3, vec![3; 4], true));
        assert_eq!(seen.len(), 3);
    }
}

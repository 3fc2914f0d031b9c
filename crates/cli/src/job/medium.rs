//! Building a medium: rescue system, archive, manifest, image.

pub use super::contents::Request;
use super::contents::{self, Boots};
use crate::command::MediumArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::guarded;
use crate::job::medium_room::{self as room, Guard, Need, Place};
use crate::job::signing;
use crate::session::Session;
use lifeboat_machine::bytes::human;
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_rescue::{Compression, Extra, Inputs};
use lifeboat_sys::names::folder_of;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A medium in the making: a folder for temporary files that is removed on drop.
pub struct Workshop {
    /// The key that signs the medium.
    signing: Option<lifeboat_media::Signing>,
    // Dropped in this order: the folder first.
    folder: tempfile::TempDir,
    _ending: lifeboat_sys::ending::Registration,
    _guard: Guard,
}

/// The folder of the image, where it can be written.
fn target_folder<'a>(args: &MediumArgs, out: &'a Path) -> Result<&'a Path, CommandError> {
    if out.exists() && !args.force {
        return Err(CommandError::usage(format!("{} exists", out.display())).hint("--force, or another name"));
    }
    if out.is_dir() || out.file_name().is_none() {
        return Err(CommandError::usage(format!("--out {}: name a file", out.display())));
    }
    let folder = folder_of(out);
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(CommandError::usage(format!("--out {}: there is no folder {}", out.display(), folder.display()))),
    }
}

/// What a medium takes at most.
fn need(args: &MediumArgs, archive: u64, signed: bool) -> Need {
    Need::new(archive, !args.no_firmware && args.sysroot.sysroot.join("lib/firmware").exists(), signed)
}

impl Workshop {
    /// Creates the folder where there is enough room, and checks that the image can be written, before the long work
    /// begins. `archive` is the most that the archive takes.
    pub fn open(session: &Session, args: &MediumArgs, out: &Path, archive: u64) -> Result<Workshop, CommandError> {
        Workshop::beside(session, args, target_folder(args, out)?, archive, archive)
    }

    /// The same for a stick: nothing of the archive goes through the folder, and only the rescue system needs room.
    pub fn for_stick(session: &Session, args: &MediumArgs) -> Result<Workshop, CommandError> {
        Workshop::beside(session, args, args.work_dir.as_deref().unwrap_or(Path::new(room::DEFAULT)), 0, 0)
    }

    /// The same for a set of discs of which so many bytes are there at once; without a folder for images they are burned.
    pub fn for_set(
        session: &Session,
        args: &MediumArgs,
        images: Option<&Path>,
        (archive, staged): (u64, u64),
    ) -> Result<Workshop, CommandError> {
        let folder = images.or(args.work_dir.as_deref()).unwrap_or(Path::new(room::DEFAULT));
        let archive = if images.is_some() { archive } else { staged };
        Workshop::beside(session, args, folder, archive, staged)
    }

    fn beside(
        session: &Session,
        args: &MediumArgs,
        target_folder: &Path,
        archive: u64,
        staged: u64,
    ) -> Result<Workshop, CommandError> {
        let signing = signing::load(&session.config.media, &args.sysroot.sysroot)?;
        let need = need(args, archive, signing.is_some()).staging(staged);
        let Place { folder: work, doubt } = room::work_folder(args.work_dir.as_deref(), target_folder, need)?;
        if let Some(text) = doubt {
            let text = format!("there may not be enough room for {text}; building stops if the disk fills up");
            session.reporter.emit(&Event::Warning { text });
        }
        let folder = tempfile::Builder::new().prefix("lifeboat-").tempdir_in(&work).map_err(|error| {
            CommandError::new(Kind::Failed, format!("cannot CREATE a folder in {}: {error}", work.display()))
                .hint("--work-dir DIR")
        })?;
        let _ending = lifeboat_sys::ending::register_folder(folder.path().to_owned());
        let _guard = Guard::watch(&[&work, target_folder], session.reporter.json());
        let workshop = Workshop { signing, folder, _ending, _guard };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(workshop.lifeboat())?;
        Ok(workshop)
    }

    /// Shows what a medium would take, and where; nothing is written.
    pub fn preview(session: &Session, args: &MediumArgs, out: &Path, archive: u64) -> CommandResult {
        Workshop::preview_at(session, args, (target_folder(args, out)?, out), (archive, archive))
    }

    /// The same for a set of discs.
    pub fn preview_set(
        session: &Session,
        args: &MediumArgs,
        images: Option<&Path>,
        (archive, staged): (u64, u64),
    ) -> CommandResult {
        let folder = images.or(args.work_dir.as_deref()).unwrap_or(Path::new(room::DEFAULT));
        Workshop::preview_at(session, args, (folder, folder), (if images.is_some() { archive } else { staged }, staged))
    }

    fn preview_at(
        session: &Session,
        args: &MediumArgs,
        (target_folder, out): (&Path, &Path),
        (archive, staged): (u64, u64),
    ) -> CommandResult {
        let signed = signing::load(&session.config.media, &args.sysroot.sysroot)?.is_some();
        let need = need(args, archive, signed).staging(staged);
        let Place { folder, doubt } = room::work_folder(args.work_dir.as_deref(), target_folder, need)?;
        session.reporter.value(&serde_json::json!({
            "dry_run": true, "out": out, "work_folder": folder, "work_bytes": need.work(), "image_bytes": need.image(),
        }));
        session.reporter.line(format!(
            "room: up to {} for temporary files in {}, up to {} for {}",
            human(need.work()),
            folder.display(),
            human(need.image()),
            out.display()
        ));
        match doubt {
            Some(text) => session.reporter.warning(format!("there may not be enough room for {text}")),
            None => session.reporter.line("there is room for that"),
        }
        Ok(())
    }

    /// The key that signs the medium.
    pub fn signing(&self) -> Option<&lifeboat_media::Signing> {
        self.signing.as_ref()
    }

    /// The whole folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What becomes `/lifeboat` of the medium.
    pub fn lifeboat(&self) -> PathBuf {
        self.folder.path().join("lifeboat")
    }

    /// Where the repository goes.
    pub fn repository(&self) -> PathBuf {
        self.lifeboat().join("repo")
    }
}

/// The rescue system of the machine below the sysroot.
pub fn rescue_system(
    session: &Session,
    args: &MediumArgs,
    work: PathBuf,
) -> Result<lifeboat_rescue::RescueSystem, CommandError> {
    let config = &session.config.rescue;
    if args.sysroot.sysroot == Path::new("/") {
        check_additions(session)?;
    }
    let lifeboat = std::env::current_exe()?;
    let init = find_init(&lifeboat)?;
    let mut inputs = Inputs::new(&args.sysroot.sysroot, lifeboat, init, work);
    inputs.kernel_release = args.kernel.clone().or_else(|| config.kernel.clone());
    inputs.compression = Compression { level: args.compression, ..Compression::default() };
    inputs.with_firmware = !(args.no_firmware || config.no_firmware);
    inputs.authorized_keys = config.authorized_keys.clone();
    inputs.extra = Extra {
        programs: config.programs.clone(),
        files: config.files.clone(),
        firmware: config.firmware.clone(),
        modules: config.modules.clone(),
    };
    Ok(lifeboat_rescue::build(&inputs, &session.runner)?)
}

/// What the configuration adds to the rescue system of this machine, and other users can change: a program, which root would run
/// there, is refused; keys are the choice of whoever named them.
fn check_additions(session: &Session) -> CommandResult {
    let config = &session.config.rescue;
    for program in config.programs.iter().map(Path::new).filter(|program| program.is_absolute()) {
        guarded::refuse_path(&format!("{}, which [rescue] programs names,", program.display()), program)?;
    }
    for keys in &config.authorized_keys {
        if let Some(culprit) = guarded::culprit(keys) {
            session.reporter.warning(format!(
                "the keys in {} may log in to the rescue system as root, and another user can change {}; try a copy in /etc/lifeboat",
                keys.display(),
                culprit.display()
            ));
        }
    }
    Ok(())
}

/// `lifeboat-init`: beside this program, or where it is installed.
fn find_init(lifeboat: &Path) -> Result<PathBuf, CommandError> {
    let folder = lifeboat.parent().unwrap_or(Path::new("/"));
    let places = [folder.join("lifeboat-init"), folder.join("../lib/lifeboat/lifeboat-init")];
    places.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        CommandError::new(
            Kind::Failed,
            format!("cannot FIND lifeboat-init in {} or {}", places[0].display(), places[1].display()),
        )
        .hint("install Lifeboat again: 'make install' puts it there")
    })
}

/// Completes the medium in the workshop and writes its image to `out`.
pub fn write_iso(
    session: &Session,
    args: &MediumArgs,
    workshop: &Workshop,
    request: &Request<'_>,
    out: &Path,
) -> CommandResult {
    let prepared = contents::prepare(session, args, workshop, request)?;
    let bytes = lifeboat_media::image_bytes(&prepared.files, workshop.signing().is_some())?;
    room::check(folder_of(out), bytes, &out.display().to_string())?;
    let began = Instant::now();
    let sealing = contents::sealing(request);
    let seal = sealing.as_ref().map(|seal| seal as &lifeboat_media::Seal<'_>);
    let work = workshop.path().join("iso");
    let inputs = lifeboat_media::MediumInputs {
        keep_old: args.keep_old,
        progress: &|progress| {
            session.reporter.emit(&Event::Progress {
                phase: "image".into(),
                entries: 0,
                entries_total: 0,
                bytes: progress.bytes,
                bytes_total: progress.bytes_total,
                seconds: began.elapsed().as_secs_f64(),
            });
        },
        ..prepared.inputs(workshop, seal, &args.sysroot.sysroot, &work, out)
    };
    let report = timed(session, "image", || Ok(lifeboat_media::write_iso(&inputs, &session.runner)?))?;
    let boots = Boots { bios: report.bios, uefi: report.uefi, secure_boot: report.secure_boot };
    contents::report(session, args, &prepared, (out, report.size_bytes), boots, workshop.signing(), &report.warnings);
    Ok(())
}

/// Runs a phase and reports its time.
pub fn timed<T>(
    session: &Session,
    name: &str,
    work: impl FnOnce() -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let began = Instant::now();
    let working = session.reporter.working(name, session.tasks.usual(name));
    let result = work()?;
    drop(working);
    let seconds = began.elapsed().as_secs_f64();
    session.tasks.phase(name, seconds);
    session.reporter.emit(&Event::Stage { name: name.into(), seconds });
    Ok(result)
}

//! Building a medium: rescue system, archive, manifest, image.

use crate::command::{MediumArgs, MenuMode};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::medium_room::{self as room, Guard, Need, Place};
use crate::job::{medium_repository, network, refresh, signing};
use crate::session::Session;
use crate::state::{Medium, Task};
use lifeboat_archive::Secret;
use lifeboat_machine::boot_list::{SEAL_CONTEXT, SIGNING_CERTIFICATE};
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::manifest::{ArchiveRef, FORMAT};
use lifeboat_machine::{Event, EventSink as _, Machine, MediumManifest, Mode};
use lifeboat_rescue::{Compression, Embedded, Extra, Inputs};
use std::collections::BTreeMap;
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
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
        let target_folder = target_folder(args, out)?;
        let signing = signing::load(&session.config.media, &args.sysroot.sysroot)?;
        let Place { folder: work, doubt } =
            room::work_folder(args.work_dir.as_deref(), target_folder, need(args, archive, signing.is_some()))?;
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
        let target_folder = target_folder(args, out)?;
        let signed = signing::load(&session.config.media, &args.sysroot.sysroot)?.is_some();
        let need = need(args, archive, signed);
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

/// What a medium is made from, beside its options.
pub struct Request<'a> {
    /// The machine it is for.
    pub machine: &'a Machine,
    /// The archive in [`Workshop::repository`].
    pub archive: Option<ArchiveRef>,
    /// The key that is to be embedded.
    pub key: Option<&'a Secret>,
    /// The machine's own key, which seals what boots.
    pub seal: Option<&'a Secret>,
    /// Names and passwords for an archive on the network go with the key.
    pub credentials: bool,
}

/// The rescue system of the machine below the sysroot.
pub fn rescue_system(
    session: &Session,
    args: &MediumArgs,
    work: PathBuf,
) -> Result<lifeboat_rescue::RescueSystem, CommandError> {
    let config = &session.config.rescue;
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
    let signing = workshop.signing.as_ref();
    let layout = args.layout.as_deref().map(super::layout::read).transpose()?;
    if let Some(layout) = &layout {
        super::layout::check(request.machine, layout)?;
        super::layout::check_packages(request.machine, layout, &args.sysroot.sysroot)?;
    }
    if let Some(signing) = signing {
        signing::warn_of_firmware(session, request.machine, signing);
    }
    let system = timed(session, "rescue-system", || rescue_system(session, args, workshop.path().join("rescue")))?;
    for text in &system.warnings {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
    let lifeboat = workshop.lifeboat();
    let machine_json = request.machine.to_json();
    write(&lifeboat.join("machine.json"), &machine_json)?;
    if let Some(key) = request.key {
        write(&lifeboat.join("repository.key"), format!("{}\n", key.expose()).as_bytes())?;
    }
    if request.credentials {
        network::put_on_medium(&lifeboat)?;
    }
    if let Some(signing) = signing {
        let certificate = lifeboat_secureboot::pem::text("CERTIFICATE", &signing.key.certificate().der);
        write(&lifeboat.join(SIGNING_CERTIFICATE), certificate.as_bytes())?;
    }
    let mut manifest = MediumManifest {
        format: FORMAT,
        lifeboat: env!("CARGO_PKG_VERSION").into(),
        medium_id: random_id()?,
        created_at: jiff::Timestamp::now().to_string(),
        machine_name: request.machine.name.clone(),
        machine_id: request.machine.machine_id.clone(),
        machine_blake3: blake3::hash(&machine_json).to_hex().to_string(),
        kernel: system.kernel_release.clone(),
        archive: request.archive.clone(),
        embedded_key: request.key.is_some(),
        files: BTreeMap::new(),
    };
    let by_hand = lifeboat_media::recover_by_hand(request.machine, &manifest);
    write(&lifeboat.join("RECOVER-BY-HAND.txt"), by_hand.as_bytes())?;
    let mut files = BTreeMap::from([("kernel".to_owned(), system.kernel.clone())]);
    if let Some(tools) = &system.tools {
        files.insert("tools.img".to_owned(), tools.clone());
    }
    let known = [
        "machine.json",
        "repository.key",
        "RECOVER-BY-HAND.txt",
        "repo",
        medium_repository::SPARE,
        SIGNING_CERTIFICATE,
    ];
    for name in known.into_iter().chain(network::MEDIUM_FILES) {
        if lifeboat.join(name).exists() {
            files.insert(name.to_owned(), lifeboat.join(name));
        }
    }
    manifest.files = timed(session, "manifest", || Ok(lifeboat_media::digest_files(&files)?))?;
    let mut manifest_json = serde_json::to_vec_pretty(&manifest)?;
    manifest_json.push(b'\n');
    write(&lifeboat.join("manifest.json"), &manifest_json)?;
    files.insert("manifest.json".to_owned(), lifeboat.join("manifest.json"));
    let embed = |path: &str, bytes: Vec<u8>| Embedded { path: path.to_owned(), bytes, mode: 0o600 };
    let mut embedded =
        vec![embed("lifeboat/machine.json", machine_json), embed("lifeboat/manifest.json", manifest_json)];
    if let Some(layout) = &layout {
        embedded.push(embed("lifeboat/layout.json", layout.to_json()));
    }
    if let Some(policy) = &session.config.unattended {
        embedded.push(embed("lifeboat/policy.json", serde_json::to_vec_pretty(policy)?));
    }
    let initrd = lifeboat.join("initrd.img");
    let initramfs = timed(session, "initramfs", || Ok(lifeboat_rescue::write_initramfs(&system, &embedded, &initrd)?))?;
    files.insert("initrd.img".to_owned(), initrd);

    let mut parameters = session.config.rescue.append.clone();
    parameters.extend(args.append.iter().flat_map(|text| lifeboat_machine::parameters::split(text)));
    let options = lifeboat_media::MenuOptions {
        default_mode: match args.mode {
            MenuMode::Nuke => Some(Mode::Nuke),
            MenuMode::Compare => Some(Mode::Compare),
            MenuMode::Expert => Some(Mode::Expert),
            MenuMode::Interactive => None,
        },
        timeout_seconds: args.timeout,
        parameters,
    };
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    room::check(folder, lifeboat_media::image_bytes(&files, signing.is_some())?, &out.display().to_string())?;
    if signing.is_some() {
        // The program, and the partition that holds it.
        room::check(workshop.path(), 2 * lifeboat_media::program_bytes(&files)?, "the signed program")?;
    }
    let began = Instant::now();
    let sealing = request
        .seal
        .map(|key| move |id: &str, bytes: &[u8]| lifeboat_archive::seal::seal(key, SEAL_CONTEXT, id.as_bytes(), bytes));
    let inputs = lifeboat_media::IsoInputs {
        seal: sealing.as_ref().map(|seal| seal as &lifeboat_media::Seal<'_>),
        signing,
        sysroot: &args.sysroot.sysroot,
        work: &workshop.path().join("iso"),
        out,
        keep_old: args.keep_old,
        files: &files,
        manifest: &manifest,
        menu: &lifeboat_media::Menu::new(request.machine, &manifest, &options),
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
    };
    let report = timed(session, "image", || Ok(lifeboat_media::write_iso(&inputs, &session.runner)?))?;
    for text in &report.warnings {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
    session.tasks.note(Task::Medium, |run| {
        run.snapshot = manifest.archive.as_ref().map(|archive| archive.snapshot.clone());
        run.medium = Some(Medium { id: manifest.medium_id.clone(), loaders: refresh::loaders(&args.sysroot.sysroot) });
    });
    let signed_by = signing.map(|signing| signing.key.certificate().name());
    session.reporter.value(&serde_json::json!({
        "medium": manifest.medium_id, "file": out, "bytes": report.size_bytes, "initramfs_bytes": initramfs.size_bytes,
        "kernel": manifest.kernel, "archive": manifest.archive, "embedded_key": manifest.embedded_key,
        "bios": report.bios, "uefi": report.uefi, "secure_boot": report.secure_boot, "signed_by": signed_by,
    }));
    let secure_boot = match &signed_by {
        Some(name) => format!("Secure Boot where {} is trusted", printable(name.as_bytes())),
        None => "Secure Boot".to_owned(),
    };
    let firmware = [(report.bios, "BIOS"), (report.uefi, "UEFI"), (report.secure_boot, &*secure_boot)];
    let firmware: Vec<&str> = firmware.iter().filter(|(boots, _)| *boots).map(|(_, name)| *name).collect();
    session.reporter.line(format!(
        "{}: {} (rescue system {}), medium {}, kernel {}, boots by {}",
        out.display(),
        human(report.size_bytes),
        human(initramfs.size_bytes),
        &manifest.medium_id[..8],
        manifest.kernel,
        firmware.join(", ")
    ));
    if manifest.embedded_key && manifest.archive.is_some() {
        session.reporter.note(
            "this medium contains a key of its own: anyone who has the medium can read the archive on it, and \
             no other archive",
        );
    } else if manifest.embedded_key {
        session.reporter.note(
            "this medium contains the machine's key: anyone who has the medium can read and change all archives \
             of that key",
        );
    } else if manifest.archive.is_some() {
        session.reporter.note("this medium does not hold the key: recovery asks for the recovery words");
    }
    Ok(())
}

/// Replaces the old image by the new one, which is whole.
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

fn write(path: &Path, content: &[u8]) -> CommandResult {
    std::fs::write(path, content)
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", path.display())))
}

/// 128 random bits in hex.
fn random_id() -> Result<String, CommandError> {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

//! What is on a medium below `/lifeboat/`, and the menu that starts it: made from the machine, whatever carries it.

use crate::command::{MediumArgs, MenuMode};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::medium::{Workshop, rescue_system, timed};
use crate::job::{layout, medium_repository, medium_room as room, network, refresh, signing};
use crate::session::Session;
use crate::state::{Medium, Task};
use clap::ValueEnum as _;
use lifeboat_archive::Secret;
use lifeboat_machine::boot_list::{SEAL_CONTEXT, SIGNING_CERTIFICATE};
use lifeboat_machine::bytes::{human, printable};
use lifeboat_machine::manifest::{ArchiveRef, FORMAT};
use lifeboat_machine::netboot::{DONE_FILE, Done, EMBEDDED_MEDIUM};
use lifeboat_machine::{Event, EventSink as _, Machine, MediumManifest, Mode, stick};
use lifeboat_media::{MediumInputs, Menu, MenuOptions, Seal};
use lifeboat_rescue::Embedded;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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
    /// The id of a stick, whose repository is written again; `None` for a medium that is written once.
    pub stick: Option<String>,
    /// The id of the set of discs of which it is the first.
    pub set: Option<String>,
    /// It is started over the network.
    pub netboot: Option<Netboot>,
}

impl<'a> Request<'a> {
    /// A medium for a machine, with nothing else on it.
    pub fn of(machine: &'a Machine) -> Request<'a> {
        Request {
            machine,
            archive: None,
            key: None,
            seal: None,
            credentials: false,
            stick: None,
            set: None,
            netboot: None,
        }
    }
}

/// What a rescue system that is started over the network has in its initramfs.
pub struct Netboot {
    /// By what it says that the machine was recovered.
    pub done: Option<Done>,
    /// The archive is in the boot tree, and so are key and credentials.
    pub archive: bool,
}

/// A medium, complete but for what carries it.
pub struct Prepared {
    /// Its manifest.
    pub manifest: MediumManifest,
    /// Path below `/lifeboat/`, and the file or folder that goes there.
    pub files: BTreeMap<String, PathBuf>,
    /// Its menu.
    pub menu: Menu,
    /// Size of its initramfs.
    initramfs_bytes: u64,
}

impl Prepared {
    /// What a carrier of it is made from, with a folder for its pieces.
    pub fn inputs<'a>(
        &'a self,
        workshop: &'a Workshop,
        seal: Option<&'a Seal<'a>>,
        sysroot: &'a Path,
        work: &'a Path,
        out: &'a Path,
    ) -> MediumInputs<'a> {
        let (files, manifest, menu) = (&self.files, &self.manifest, &self.menu);
        let signing = workshop.signing();
        MediumInputs { sysroot, work, out, keep_old: false, files, manifest, menu, seal, signing, progress: &|_| {} }
    }
}

/// How a stick was made: a refresh makes it so again. A file of the medium, `options.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// The mode that its menu starts by itself, as `--mode` has it.
    mode: String,
    /// `--timeout`
    pub timeout: Option<u32>,
    /// `--append`
    pub append: Vec<String>,
    /// `--no-firmware`
    pub no_firmware: bool,
}

/// Its name below `/lifeboat/`.
const OPTIONS: &str = "options.json";

impl Options {
    fn of(args: &MediumArgs) -> Options {
        let mode = args.mode.to_possible_value().map(|value| value.get_name().to_owned());
        Options {
            mode: mode.unwrap_or_default(),
            timeout: args.timeout,
            append: args.append.clone(),
            no_firmware: args.no_firmware,
        }
    }

    /// Those of the medium whose `/lifeboat` is this folder; the defaults where they cannot be read.
    pub fn read(lifeboat: &Path) -> Options {
        let json = std::fs::read(lifeboat.join(OPTIONS)).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// `--mode`
    pub fn mode(&self) -> MenuMode {
        MenuMode::from_str(&self.mode, true).unwrap_or(MenuMode::Interactive)
    }
}

/// Which firmware starts a medium.
#[derive(Clone, Copy, Debug)]
pub struct Boots {
    /// BIOS.
    pub bios: bool,
    /// UEFI.
    pub uefi: bool,
    /// UEFI under Secure Boot.
    pub secure_boot: bool,
}

/// Seals what boots with the machine's key, if there is one.
pub fn sealing<'a>(request: &Request<'a>) -> Option<impl Fn(&str, &[u8]) -> Result<String, String> + use<'a>> {
    let key = request.seal?;
    Some(move |id: &str, bytes: &[u8]| lifeboat_archive::seal::seal(key, SEAL_CONTEXT, id.as_bytes(), bytes))
}

/// Builds all of it in the workshop.
pub fn prepare(
    session: &Session,
    args: &MediumArgs,
    workshop: &Workshop,
    request: &Request<'_>,
) -> Result<Prepared, CommandError> {
    let (signing, machine) = (workshop.signing(), request.machine);
    let edited = args.layout.as_deref().map(layout::read).transpose()?;
    if let Some(edited) = &edited {
        layout::check(machine, edited)?;
        layout::check_packages(machine, edited, &args.sysroot.sysroot)?;
    }
    if let Some(signing) = signing {
        signing::warn_of_firmware(session, machine, signing);
    }
    let system = timed(session, "rescue-system", || rescue_system(session, args, workshop.path().join("rescue")))?;
    for text in &system.warnings {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
    let lifeboat = workshop.lifeboat();
    let machine_json = machine.to_json();
    write(&lifeboat.join("machine.json"), &machine_json)?;
    if let Some(key) = request.key {
        write(&lifeboat.join("repository.key"), format!("{}\n", key.expose()).as_bytes())?;
    }
    if request.archive.is_none() && request.stick.is_none() && request.set.is_none() {
        network::put_on_medium(&lifeboat, request.credentials)?;
    }
    if let Some(signing) = signing {
        let certificate = lifeboat_secureboot::pem::text("CERTIFICATE", &signing.key.certificate().der);
        write(&lifeboat.join(SIGNING_CERTIFICATE), certificate.as_bytes())?;
    }
    let mut manifest = MediumManifest {
        format: FORMAT,
        lifeboat: env!("CARGO_PKG_VERSION").into(),
        medium_id: request.stick.clone().or(request.set.clone()).map_or_else(random_id, Ok)?,
        created_at: jiff::Timestamp::now().to_string(),
        machine_name: machine.name.clone(),
        machine_id: machine.machine_id.clone(),
        machine_blake3: blake3::hash(&machine_json).to_hex().to_string(),
        kernel: system.kernel_release.clone(),
        archive: request.archive.clone(),
        repository: request.stick.as_ref().map(|_| stick::REPOSITORY.to_owned()),
        set: request.set.clone(),
        embedded_key: request.key.is_some(),
        files: BTreeMap::new(),
    };
    let by_hand = lifeboat_media::recover_by_hand(machine, &manifest);
    write(&lifeboat.join("RECOVER-BY-HAND.txt"), by_hand.as_bytes())?;
    let menu = Menu::new(machine, &manifest, &menu_options(session, args));
    let mut files = BTreeMap::from([("kernel".to_owned(), system.kernel.clone())]);
    if let Some(tools) = &system.tools {
        files.insert("tools.img".to_owned(), tools.clone());
    }
    if request.stick.is_some() {
        write(&lifeboat.join(lifeboat_media::stick::MENU), menu.grub_cfg(&manifest.medium_id).as_bytes())?;
        write(&lifeboat.join(OPTIONS), &serde_json::to_vec_pretty(&Options::of(args))?)?;
    }
    let known = [
        "machine.json",
        "repository.key",
        "RECOVER-BY-HAND.txt",
        "repo",
        medium_repository::SPARE,
        SIGNING_CERTIFICATE,
        lifeboat_media::stick::MENU,
        OPTIONS,
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
    if let Some(edited) = &edited {
        embedded.push(embed("lifeboat/layout.json", edited.to_json()));
    }
    if let Some(policy) = &session.config.unattended {
        embedded.push(embed("lifeboat/policy.json", serde_json::to_vec_pretty(policy)?));
    }
    if let Some(netboot) = &request.netboot {
        embedded.extend(of_network(netboot, &files)?);
    }
    let initrd = lifeboat.join("initrd.img");
    let initramfs = timed(session, "initramfs", || Ok(lifeboat_rescue::write_initramfs(&system, &embedded, &initrd)?))?;
    files.insert("initrd.img".to_owned(), initrd);
    if signing.is_some() {
        // The program, and the partition that holds it.
        room::check(workshop.path(), 2 * lifeboat_media::program_bytes(&files)?, "the signed program")?;
    }
    Ok(Prepared { manifest, files, menu, initramfs_bytes: initramfs.size_bytes })
}

/// What a medium in the machine would hold.
fn of_network(netboot: &Netboot, files: &BTreeMap<String, PathBuf>) -> Result<Vec<Embedded>, CommandError> {
    let mut embedded = vec![];
    let mut put = |path: String, bytes| embedded.push(Embedded { path, bytes, mode: 0o600 });
    if let Some(done) = &netboot.done {
        put(format!("lifeboat/{DONE_FILE}"), serde_json::to_vec(done)?);
    }
    let secrets = ["repository.key"].into_iter().chain(network::MEDIUM_FILES).filter(|_| !netboot.archive);
    let wanted: Vec<_> = secrets.chain(["tools.img"]).filter_map(|name| files.get_key_value(name)).collect();
    // Without something to carry there is no medium; one is known by these.
    let known = ["machine.json", "manifest.json"].into_iter().filter(|_| !wanted.is_empty());
    let known: Vec<_> = known.filter_map(|name| files.get_key_value(name)).collect();
    for (name, path) in wanted.into_iter().chain(known) {
        let bytes = std::fs::read(path)
            .map_err(|error| CommandError::new(Kind::Failed, format!("cannot READ {}: {error}", path.display())))?;
        put(format!("{}/lifeboat/{name}", EMBEDDED_MEDIUM.trim_start_matches('/')), bytes);
    }
    Ok(embedded)
}

fn menu_options(session: &Session, args: &MediumArgs) -> MenuOptions {
    let mut parameters = session.config.rescue.append.clone();
    parameters.extend(args.append.iter().flat_map(|text| lifeboat_machine::parameters::split(text)));
    MenuOptions {
        default_mode: match args.mode {
            MenuMode::Nuke => Some(Mode::Nuke),
            MenuMode::Compare => Some(Mode::Compare),
            MenuMode::Expert => Some(Mode::Expert),
            MenuMode::Interactive => None,
        },
        timeout_seconds: args.timeout,
        parameters,
    }
}

/// Reports a medium that was written to `out`, and records it.
pub fn report(
    session: &Session,
    args: &MediumArgs,
    prepared: &Prepared,
    (out, size_bytes): (&Path, u64),
    boots: Boots,
    signing: Option<&lifeboat_media::Signing>,
    warnings: &[String],
) {
    let manifest = &prepared.manifest;
    for text in warnings {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
    session.tasks.note(Task::Medium, |run| {
        run.snapshot = manifest.archive.as_ref().map(|archive| archive.snapshot.clone());
        run.medium = Some(Medium { id: manifest.medium_id.clone(), loaders: refresh::loaders(&args.sysroot.sysroot) });
    });
    let signed_by = signing.map(|signing| signing.key.certificate().name());
    session.reporter.value(&serde_json::json!({
        "medium": manifest.medium_id, "file": out, "bytes": size_bytes, "initramfs_bytes": prepared.initramfs_bytes,
        "kernel": manifest.kernel, "archive": manifest.archive, "embedded_key": manifest.embedded_key,
        "bios": boots.bios, "uefi": boots.uefi, "secure_boot": boots.secure_boot, "signed_by": signed_by,
    }));
    let secure_boot = match &signed_by {
        Some(name) => format!("Secure Boot where {} is trusted", printable(name.as_bytes())),
        None => "Secure Boot".to_owned(),
    };
    let firmware = [(boots.bios, "BIOS"), (boots.uefi, "UEFI"), (boots.secure_boot, &*secure_boot)];
    let firmware: Vec<&str> = firmware.iter().filter(|(boots, _)| *boots).map(|(_, name)| *name).collect();
    session.reporter.line(format!(
        "{}: {} (rescue system {}), medium {}, kernel {}, boots by {}",
        out.display(),
        human(size_bytes),
        human(prepared.initramfs_bytes),
        stick::short_id(&manifest.medium_id),
        manifest.kernel,
        firmware.join(", ")
    ));
    let own_key = manifest.has_archive() && manifest.set.is_none();
    if manifest.embedded_key && own_key {
        session.reporter.note(
            "this medium contains a key of its own: anyone who has the medium can read the archive on it, and \
             no other archive",
        );
    } else if manifest.embedded_key {
        session.reporter.note(
            "this medium contains the machine's key: anyone who has the medium can read and change all archives \
             of that key",
        );
    } else if manifest.has_archive() {
        session.reporter.note("this medium does not hold the key: recovery asks for the recovery words");
    }
}

fn write(path: &Path, content: &[u8]) -> CommandResult {
    std::fs::write(path, content)
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot WRITE {}: {error}", path.display())))
}

/// 128 random bits in hex.
pub fn random_id() -> Result<String, CommandError> {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

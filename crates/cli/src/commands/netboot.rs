//! `lifeboat media netboot`: a machine in a boot tree.

use crate::command::{MenuMode, NetbootArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::boot_check::OwnKey;
use crate::job::contents::{self, Netboot};
use crate::job::embedded::Chosen;
use crate::job::medium::{Request, Workshop, timed};
use crate::job::{elsewhere, keys, medium_room, protect};
use crate::session::Session;
use lifeboat_archive::Secret;
use lifeboat_machine::bytes::human;
use lifeboat_machine::manifest::ArchiveRef;
use lifeboat_machine::netboot::{Done, Entry, FORMAT};
use lifeboat_machine::{Event, EventSink as _, Machine};
use lifeboat_media::netboot::{self, NetbootReport, Place};
use lifeboat_remote::Address;
use lifeboat_sys::trusted;
use rustix::fs::Mode;

/// Where the archive is.
enum Source {
    /// In the tree: this one.
    Here(Box<ArchiveRef>),
    /// Elsewhere.
    Elsewhere(String),
}

pub fn run(session: &Session, args: &NetbootArgs) -> CommandResult {
    let tree = &args.out;
    if ["serve.toml", "state", "store"].iter().any(|name| tree.join(name).exists()) {
        return Err(CommandError::usage(format!("--out {}: this is the folder of a server", tree.display()))
            .hint(format!("--out {}", tree.join("boot").display())));
    }
    if let Some(name) = &args.remove {
        return remove(session, args, name);
    }
    let source = match (&args.source, &args.from, &session.config.repository) {
        (Some(source), ..) => Some(source.clone()),
        (None, Some(_), _) => None,
        (None, None, Some(configured)) if Address::is_meant(&configured.display().to_string()) => {
            Some(configured.display().to_string())
        }
        (None, None, _) => {
            return Err(CommandError::usage("no archive was chosen for the recovery").hint(
                "--source ADDRESS for one on the network, --from REPO to put its latest snapshot into the boot tree",
            ));
        }
    };
    if let Some(source) = &source {
        elsewhere::understood(source)?;
    }
    // What machines start is as good as what recovers them: nobody else may change it.
    trusted::own(tree, Mode::from_raw_mode(0o755)).map_err(|cause| {
        CommandError::new(Kind::Refused, format!("cannot WRITE {}: {cause}; try a folder of your own", tree.display()))
    })?;
    match (source, &args.from) {
        (None, Some(from)) => with_archive(session, args, from),
        (source, _) => with_source(session, args, source.unwrap_or_default()),
    }
}

fn remove(session: &Session, args: &NetbootArgs, name: &str) -> CommandResult {
    let machines = netboot::machines(&args.out)?;
    let fits = |(folder, entry): &&(String, Entry)| folder == name || entry.machine_name == name;
    match machines.entries.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [(folder, entry)] => {
            netboot::forget(&args.out, folder, args.url.as_deref())?;
            session.reporter.line(format!("{} is no longer in {}", entry.machine_name, args.out.display()));
            Ok(())
        }
        [] => {
            let known: Vec<&str> = machines.entries.iter().map(|(folder, _)| folder.as_str()).collect();
            let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(CommandError::usage(format!("{} has no machine '{name}'; there are: {there}", args.out.display())))
        }
        _ => Err(CommandError::usage(format!("several machines in {} are called '{name}'", args.out.display()))
            .hint("the name of its folder below machines/")),
    }
}

/// The archive stays where it is.
fn with_source(session: &Session, args: &NetbootArgs, source: String) -> CommandResult {
    let machine = protect::machine(session, &args.medium.sysroot.sysroot, args.machine.as_deref(), Some(&args.out))?;
    let known = OwnKey::find(session, &args.key)?.secret;
    let key = match (args.medium.embed_key, known.clone()) {
        (false, _) => None,
        (true, Some(key)) => Some(key),
        (true, None) => Some(keys::find(&args.key, &session.config)?),
    };
    elsewhere::check(session, &args.key, &source, &machine);
    let workshop = Workshop::for_set(session, &args.medium, Some(&args.out), (0, 0))?;
    write(session, args, &workshop, &machine, Source::Elsewhere(source), key.as_ref(), known.as_ref())
}

/// The snapshot is copied into the tree.
fn with_archive(session: &Session, args: &NetbootArgs, from: &str) -> CommandResult {
    let chosen = Chosen::open(session, (from, &args.key), args.snapshot.as_deref(), &args.medium.sysroot.sysroot)?;
    let workshop = Workshop::for_set(session, &args.medium, Some(&args.out), (chosen.bytes, chosen.bytes))?;
    let (reference, own) = chosen.copy(session, &workshop, args.medium.embed_key)?;
    let source = Source::Here(Box::new(reference));
    write(session, args, &workshop, &chosen.machine, source, own.as_ref(), Some(&chosen.secret))
}

fn write(
    session: &Session,
    args: &NetbootArgs,
    workshop: &Workshop,
    machine: &Machine,
    source: Source,
    key: Option<&Secret>,
    seal: Option<&Secret>,
) -> CommandResult {
    let folder = Entry::folder(&machine.name, &machine.machine_id);
    let done = match args.medium.mode {
        MenuMode::Nuke => Some(Done { folder: folder.clone(), secret: contents::random_id()? }),
        _ => None,
    };
    let done_blake3 = done.as_ref().map(|done| blake3::hash(done.secret.as_bytes()).to_hex().to_string());
    let mut medium = args.medium.clone();
    let archive = match source {
        Source::Here(archive) => Some(*archive),
        Source::Elsewhere(source) => {
            medium.append.push(format!("lifeboat.source={source}"));
            None
        }
    };
    let request = Request {
        netboot: Some(Netboot { done, archive: archive.is_some() }),
        credentials: archive.is_none() && key.is_some(),
        archive,
        key,
        seal,
        ..Request::of(machine)
    };
    let prepared = contents::prepare(session, &medium, workshop, &request)?;
    let entry = Entry {
        format: FORMAT,
        machine_name: machine.name.clone(),
        machine_id: machine.machine_id.clone(),
        medium_id: prepared.manifest.medium_id.clone(),
        created_at: prepared.manifest.created_at.clone(),
        title: prepared.menu.title.clone(),
        macs: match args.mac.as_slice() {
            [] => cards(machine),
            macs => macs.iter().map(ToString::to_string).collect(),
        },
        done_blake3: done_blake3.unwrap_or_default(),
    };
    if entry.macs.is_empty() {
        let text = "the machine has no network card that is known: it is chosen by hand in the menu; or try --mac";
        session.reporter.emit(&Event::Warning { text: text.to_owned() });
    }
    let image = lifeboat_media::image_bytes(&prepared.files, false)?;
    // With an address there is an image beside the files, which has kernel and initramfs once more.
    let twice = if args.url.is_some() { lifeboat_media::program_bytes(&prepared.files)? } else { 0 };
    medium_room::check(&args.out, image + twice, &args.out.display().to_string())?;
    let sealing = contents::sealing(&request);
    let seal = sealing.as_ref().map(|seal| seal as &lifeboat_media::Seal<'_>);
    let work = workshop.path().join("netboot");
    let inputs = prepared.inputs(workshop, seal, &args.medium.sysroot.sysroot, &work, &args.out);
    let place = Place { tree: &args.out, entry: &entry, url: args.url.as_deref() };
    let written = timed(session, "tree", || Ok(netboot::write(&inputs, &place, &session.runner)?))?;
    report(session, args, &entry, &written, key.is_some());
    Ok(())
}

/// The hardware addresses of its cards.
fn cards(machine: &Machine) -> Vec<String> {
    let cards = machine.network.interfaces.iter().filter(|interface| interface.made_of.is_none());
    let mut macs: Vec<String> = cards.filter_map(|card| card.hardware_address()).map(str::to_ascii_lowercase).collect();
    macs.sort();
    macs.dedup();
    macs
}

fn report(session: &Session, args: &NetbootArgs, entry: &Entry, written: &NetbootReport, has_key: bool) {
    for text in &written.warnings {
        session.reporter.emit(&Event::Warning { text: text.clone() });
    }
    session.reporter.value(&serde_json::json!({
        "medium": entry.medium_id, "folder": written.folder, "bytes": written.size_bytes, "macs": entry.macs,
        "embedded_key": has_key, "armed": written.armed,
        "bios": written.bios, "uefi": written.uefi, "secure_boot": written.secure_boot,
    }));
    let firmware =
        [(written.bios, "BIOS"), (written.uefi, "UEFI"), (written.secure_boot, "Secure Boot"), (true, "iPXE")];
    let firmware: Vec<&str> = firmware.iter().filter(|(boots, _)| *boots).map(|(_, name)| *name).collect();
    session.reporter.line(format!(
        "{}: {}, for {}, boots by {}",
        written.folder.display(),
        human(written.size_bytes),
        if entry.macs.is_empty() { "no card".to_owned() } else { entry.macs.join(", ") },
        firmware.join(", ")
    ));
    if written.armed {
        session.reporter.note(format!(
            "the machine is recovered WITHOUT A QUESTION when it next starts from here, once: its disks are erased; \
             removing {} prevents that",
            written.folder.join(lifeboat_machine::netboot::ARMED).display()
        ));
    }
    if has_key {
        session.reporter.warning(
            "everybody who reaches the boot server can read the key in this tree, and with it the archive: serve it where only these machines are",
        );
    }
    let served = args.out.file_name().is_some_and(|name| name == "boot");
    let server = match (served, args.out.parent()) {
        (true, Some(server)) => server.display().to_string(),
        _ => "DIR, with this folder as DIR/boot".to_owned(),
    };
    session
        .reporter
        .note(format!("to serve it: lifeboat serve {server} --netboot LINK, the network link of the machines"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::network::{Interface, MadeOf};
    use lifeboat_machine::testing::empty_machine;

    #[test]
    fn cards_are_hardware_and_known_by_its_own_address() {
        let card = |mac: &str, permanent: Option<&str>, made_of| Interface {
            mac: Some(mac.to_owned()),
            permanent_mac: permanent.map(str::to_owned),
            made_of,
            ..Interface::default()
        };
        let mut machine = empty_machine();
        let bond = MadeOf::Bond { ports: vec![], options: vec![] };
        machine.network.interfaces = vec![
            card("52:54:00:00:00:09", Some("52:54:00:00:00:02"), None),
            card("52:54:00:00:00:09", None, Some(bond)),
            card("52:54:00:AB:00:01", None, None),
            Interface::default(),
        ];
        assert_eq!(cards(&machine), ["52:54:00:00:00:02", "52:54:00:ab:00:01"]);
    }
}

//! `lifeboat media refresh`: the medium of the routine, built again when the machine is no longer what it was made from.

use super::media;
use crate::command::{ExcludeArgs, IsoArgs, MediumArgs, MenuMode, RefreshArgs, SysrootArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{log, place, protect, refresh, stick};
use crate::session::Session;
use crate::state::{self, State, Task};
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_remote::Address;
use std::path::Path;

pub fn run(session: &Session, args: &RefreshArgs) -> CommandResult {
    let Some(out) = args.out.clone().or_else(|| session.config.schedule.medium_file.clone()) else {
        return Err(CommandError::usage("no medium was named; name it with --out FILE.iso")
            .hint(format!("set 'medium_file' in [schedule] of {}", crate::config::PATH)));
    };
    let named = out.display().to_string();
    if let Some(stick) = stick::of_place(&named)? {
        return super::refresh_stick::run(session, args, stick, &named);
    }
    if out.starts_with("/dev") {
        return Err(CommandError::usage(format!("{named} is no stick of 'lifeboat media usb', or is not attached"))
            .hint("usb:ID, as the stick's label has it"));
    }
    if args.show {
        return show(session, &out);
    }
    // A medium that could not be refreshed is as old as it was: that is recorded.
    session.tasks.begin(Task::Medium, place::shown(&out.display().to_string()));
    log::keep(session, Task::Medium.name(), Path::new("/"));
    let reasons = match args.always {
        true => vec!["it was asked for".to_owned()],
        false => why(session, &out)?,
    };
    if reasons.is_empty() {
        return refresh::up_to_date(session, &out);
    }
    for reason in &reasons {
        session.reporter.note(format!("the medium is built again: {reason}"));
    }
    let built = media::iso(session, &request(session, args, &out)?);
    // Exit code 5 comes with a whole medium.
    if let Err(error) = &built
        && error.kind != Kind::Partial
    {
        return built;
    }
    session.reporter.value(&serde_json::json!({"medium": out, "refreshed": true, "reasons": reasons}));
    session.reporter.line(format!("{} was built again", out.display()));
    built
}

fn show(session: &Session, out: &Path) -> CommandResult {
    let reasons = why(session, out)?;
    refresh::shown(session, out, &reasons)
}

/// Why the medium must be built.
fn why(session: &Session, out: &Path) -> Result<Vec<String>, CommandError> {
    crate::job::watch::reach(out)?;
    if !out.exists() {
        return Ok(vec!["there is none yet".into()]);
    }
    let known = match refresh::read(out) {
        Ok(known) => known,
        Err(why) => return Ok(vec![format!("it cannot be read: {why}")]),
    };
    // A disk that is mounted for the archive alone is no part of the machine: the medium's description says so of the repository's.
    let archive = match session.config.schedule.medium_archive {
        true => place::configured_folder(&session.config),
        false => Some(out.to_owned()),
    };
    let probed = protect::probe(session, Path::new("/"), archive.as_deref())?;
    protect::refuse(session, &probed)?;
    let (state, warning) = State::load(&state::folder());
    if let Some(text) = warning {
        session.reporter.emit(&Event::Warning { text });
    }
    Ok(refresh::reasons(session, &known, &probed.machine, &state))
}

/// What [schedule] says about the medium, as the options of `media iso`.
fn request(session: &Session, args: &RefreshArgs, out: &Path) -> Result<IsoArgs, CommandError> {
    let schedule = &session.config.schedule;
    let repository = session.config.repository.as_ref().map(|path| path.display().to_string());
    let source = match schedule.medium_archive {
        true => None,
        false => schedule.medium_source.clone().or(repository.clone().filter(|place| Address::is_meant(place))),
    };
    if schedule.medium_archive && repository.is_none() {
        return Err(CommandError::usage("the medium has nothing to hold: no repository is set")
            .hint(format!("set 'repository', or 'medium_archive = false', in {}", crate::config::PATH)));
    }
    Ok(IsoArgs {
        out: out.to_owned(),
        from: repository.filter(|_| schedule.medium_archive),
        snapshot: None,
        backup: false,
        rescue_only: !schedule.medium_archive,
        source,
        machine: None,
        medium: MediumArgs {
            sysroot: SysrootArgs { sysroot: "/".into() },
            embed_key: schedule.medium_embed_key,
            kernel: None,
            mode: MenuMode::Interactive,
            timeout: None,
            append: vec![],
            no_firmware: false,
            compression: refresh::COMPRESSION,
            layout: None,
            work_dir: None,
            force: true,
            keep_old: true,
        },
        key: args.key.clone(),
        exclude: ExcludeArgs { exclude: vec![], exclude_file: vec![], exclude_contents: vec![] },
    })
}

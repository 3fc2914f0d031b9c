//! `lifeboat serve`

use crate::command::ServeArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::session::Session;
use lifeboat_serve::{Name, NewToken, Prepared, Right, Scope, ServeError, SettingsError};
use serde::Serialize;
use std::net::SocketAddr;

pub fn run(session: &Session, args: &ServeArgs) -> CommandResult {
    match (&args.add_token, args.right) {
        (Some(name), Some(right)) => add(session, args, name, right),
        _ => serve(session, args),
    }
}

/// A token as `--json` prints it.
#[derive(Serialize)]
struct Added<'a> {
    name: &'a Name,
    right: &'static str,
    secret: &'a str,
}

fn add(session: &Session, args: &ServeArgs, name: &Name, right: Right) -> CommandResult {
    let token = NewToken {
        name: name.clone(),
        right,
        path: args.path.clone(),
        quota: args.quota,
        machine: args.of_machine.clone(),
        overdue: args.overdue,
    };
    let folder = &args.folder;
    lifeboat_sys::durable::make_directories(folder, 0o700)
        .map_err(|error| CommandError::new(Kind::Failed, format!("cannot CREATE {}: {error}", folder.display())))?;
    let secret = lifeboat_serve::add_token(folder, &token).map_err(settings)?;
    session.reporter.value(&Added { name, right: right.name(), secret: &secret });
    // The secret alone is on standard output, for scripts that catch it.
    session.reporter.line(&secret);
    session.reporter.note("this secret is shown once, and kept nowhere");
    if right.is_of_machine() {
        let path = args.path.as_ref().map_or("REPOSITORY", |path| path.as_str());
        session.reporter.note(format!(
            "on the machine: RESTIC_REST_USERNAME={name} and RESTIC_REST_PASSWORD with the secret, and rest:https://HOST:PORT/{path}/"
        ));
    }
    Ok(())
}

/// Where a server listens, as `--json` prints it.
#[derive(Serialize)]
struct Started {
    addresses: Vec<SocketAddr>,
    boot_addresses: Vec<SocketAddr>,
    tls: bool,
    fingerprint_sha256: Option<String>,
}

fn serve(session: &Session, args: &ServeArgs) -> CommandResult {
    let change = |settings: &mut lifeboat_serve::Settings| {
        if !args.listen.is_empty() {
            settings.listen.clone_from(&args.listen);
        }
        if args.netboot.is_some() {
            settings.netboot.clone_from(&args.netboot);
        }
        settings.netboot_known_only |= args.known_only;
        settings.netboot_uefi_pxe |= args.uefi_pxe;
        settings.only_netboot = args.only_netboot;
    };
    lifeboat_serve::serve(&args.folder, change, |prepared| started(session, args, prepared)).map_err(
        |error| match error {
            ServeError::Settings(error) => settings(error),
            error @ (ServeError::Folder { .. } | ServeError::Taken(_)) => CommandError::refused(error),
            error => CommandError::new(Kind::Failed, error),
        },
    )
}

fn started(session: &Session, args: &ServeArgs, prepared: &Prepared) {
    let addresses = prepared.addresses().unwrap_or_default();
    let of =
        |scope| addresses.iter().filter(move |(_, is)| *is == scope).map(|(address, _)| *address).collect::<Vec<_>>();
    let (tls, all, boot) = (prepared.tls(), of(Scope::All), of(Scope::Boot));
    let scheme = if tls.is_some() { "https" } else { "http" };
    let reporter = &session.reporter;
    for address in &all {
        reporter.line(format!("serving {} at {scheme}://{address}/", args.folder.display()));
    }
    for address in &boot {
        reporter.line(format!("serving the boot tree at http://{address}/boot/"));
    }
    if let Some(link) = prepared.netboot() {
        reporter.line(format!("offering the boot tree on {link} by PXE, TFTP and HTTP boot"));
        if !args.folder.join("boot").join(lifeboat_machine::netboot::MACHINES).is_dir() {
            reporter.note(format!(
                "the boot tree is empty; 'lifeboat media netboot --out {}/boot' puts a machine into it",
                args.folder.display()
            ));
        }
    }
    match tls {
        Some(tls) => {
            reporter.line(format!("certificate {}", tls.path.display()));
            reporter.line(format!("SHA-256 fingerprint {}", tls.fingerprint));
        }
        None if all.is_empty() => {}
        None => reporter.warning("without TLS, tokens and archives can be read by everybody on the way"),
    }
    reporter.value(&Started {
        addresses: all,
        boot_addresses: boot,
        tls: tls.is_some(),
        fingerprint_sha256: tls.map(|tls| tls.fingerprint.clone()),
    });
}

/// A configuration that is wrong is a matter of usage; one that others can change is refused.
fn settings(error: SettingsError) -> CommandError {
    let kind = match error {
        SettingsError::System { .. } => Kind::Failed,
        SettingsError::Open { .. } => Kind::Refused,
        SettingsError::Invalid { .. } => Kind::Usage,
    };
    CommandError::new(kind, error)
}

//! `lifeboat storage`: md arrays, LVM, LUKS and multipath of the rescue system. On a running machine they are left alone.

use crate::command::{StorageActivateArgs, StorageCommand, StorageLoginArgs, StorageUnlockArgs};
use crate::error::{CommandError, CommandResult, Kind};
use crate::session::Session;
use lifeboat_machine::iscsi::IscsiTarget;
use lifeboat_restore::Stacks;
use lifeboat_storage::{Activated, Incomplete, Problem};
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub fn run(session: &Session, command: &StorageCommand) -> CommandResult {
    let stacks = Stacks::here().ok_or_else(|| {
        CommandError::refused(
            "'lifeboat storage' is for the rescue system; here the machine's own system manages storage",
        )
    })?;
    match command {
        StorageCommand::Show => show(session, &stacks),
        StorageCommand::Activate(args) => activate(session, &stacks, args),
        StorageCommand::Unlock(args) => unlock(session, &stacks, args),
        StorageCommand::Login(args) => login(session, &stacks, args),
        StorageCommand::Release => release(session, &stacks),
    }
}

fn show(session: &Session, stacks: &Stacks) -> CommandResult {
    let active = stacks.active(&session.runner)?;
    for (layer, disks) in &active {
        session.reporter.line(format!("{layer}: active, on {}", disks.join(", ")));
    }
    let inactive = stacks.inactive(&session.runner)?;
    for (device, holds) in &inactive {
        session.reporter.line(format!("{device}: {holds}, not active"));
    }
    if active.is_empty() && inactive.is_empty() {
        session.reporter.line("There is no md array, no volume group, no encrypted and no multipath device.");
    }
    let active: Vec<_> =
        active.iter().map(|(layer, disks)| serde_json::json!({"layer": layer, "disks": disks})).collect();
    let inactive: Vec<_> =
        inactive.iter().map(|(device, holds)| serde_json::json!({"device": device, "holds": holds})).collect();
    session.reporter.value(&serde_json::json!({"active": active, "inactive": inactive}));
    Ok(())
}

fn activate(session: &Session, stacks: &Stacks, args: &StorageActivateArgs) -> CommandResult {
    let incomplete = if args.incomplete { Incomplete::Start } else { Incomplete::Wait };
    let activated = stacks.activate(&session.runner, incomplete)?;
    report(session, &activated)
}

/// Reports what became active; what could not is the error.
fn report(session: &Session, activated: &Activated) -> CommandResult {
    for layer in &activated.layers {
        session.reporter.line(format!("activated read-only: {layer}"));
    }
    for locked in &activated.locked {
        let device = &locked.device;
        session.reporter.line(format!("{device} is encrypted (LUKS): lifeboat storage unlock {device}"));
    }
    if activated.layers.is_empty() && activated.locked.is_empty() && activated.problems.is_empty() {
        session.reporter.line("There is nothing to activate.");
    }
    session.reporter.value(&serde_json::json!({
        "activated": activated.layers,
        "locked": activated.locked.iter().map(|locked| &locked.device).collect::<Vec<_>>(),
        "problems": activated.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }));
    if activated.problems.is_empty() {
        return Ok(());
    }
    let problems: Vec<String> = activated.problems.iter().map(ToString::to_string).collect();
    let error = CommandError::new(Kind::Failed, problems.join("; "));
    let waits = activated.problems.iter().any(|problem| matches!(problem, Problem::Waits { .. }));
    Err(if waits { error.hint("lifeboat storage activate --incomplete starts what has enough members") } else { error })
}

fn unlock(session: &Session, stacks: &Stacks, args: &StorageUnlockArgs) -> CommandResult {
    let locked = stacks.locked(&session.runner)?;
    // The same device has several nodes.
    let number =
        |path: &Path| std::fs::metadata(path).map(|metadata| metadata.rdev()).ok().filter(|number| *number != 0);
    let wanted = number(&args.device);
    let device = locked.iter().find(|locked| wanted.is_some() && number(Path::new(&locked.device)) == wanted);
    let Some(device) = device else {
        let others: Vec<&str> = locked.iter().map(|locked| locked.device.as_str()).collect();
        let error = CommandError::refused(format!("{} is not a locked LUKS device", args.device.display()));
        return Err(if others.is_empty() {
            error
        } else {
            error.hint(format!("locked devices: {}", others.join(", ")))
        });
    };
    let passphrase = passphrase(&device.device)?;
    let layer = stacks.unlock(&session.runner, device, passphrase.as_bytes())?;
    session.reporter.line(format!("opened read-only: {layer}"));
    // What is on it is activated with it.
    report(session, &stacks.activate(&session.runner, Incomplete::Wait)?)
}

fn login(session: &Session, stacks: &Stacks, args: &StorageLoginArgs) -> CommandResult {
    let target = IscsiTarget::parse(&args.target)
        .map_err(|expected| CommandError::usage(format!("{}: {expected}", args.target)))?;
    stacks.login(&session.runner, &target)?;
    session.reporter.line(format!("logged in at the iSCSI target {target}"));
    Ok(())
}

/// Reads a line without showing it; from a pipe the line as it is.
pub(super) fn passphrase(device: &str) -> Result<zeroize::Zeroizing<String>, CommandError> {
    let stdin = std::io::stdin();
    let shown =
        stdin.is_terminal().then(|| rustix::termios::tcgetattr(&stdin)).transpose().map_err(std::io::Error::from)?;
    if let Some(shown) = &shown {
        let mut hidden = shown.clone();
        hidden.local_modes.remove(rustix::termios::LocalModes::ECHO);
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &hidden)
            .map_err(std::io::Error::from)?;
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "Passphrase of {device}: ");
        let _ = err.flush();
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = stdin.lock().read_line(&mut text);
    if let Some(shown) = &shown {
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, shown)
            .map_err(std::io::Error::from)?;
        crate::output::tell("\n");
    }
    read?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn release(session: &Session, stacks: &Stacks) -> CommandResult {
    let released = stacks.release_all(&session.runner)?;
    for layer in &released.layers {
        session.reporter.line(format!("released: {layer}"));
    }
    if released.layers.is_empty() && released.held.is_empty() {
        session.reporter.line("Nothing is active.");
    }
    session.reporter.value(&serde_json::json!({
        "released": released.layers,
        "held": released.held.iter().map(|(layer, why)| serde_json::json!({"layer": layer, "why": why})).collect::<Vec<_>>(),
    }));
    if released.held.is_empty() {
        return Ok(());
    }
    let held: Vec<String> = released.held.iter().map(|(layer, why)| format!("{layer}: {why}")).collect();
    Err(CommandError::new(Kind::Failed, format!("still in use: {}", held.join("; ")))
        .hint("unmounting what is on it: findmnt --real"))
}

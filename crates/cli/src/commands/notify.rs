//! `lifeboat notify`: what a failed unit of the routine said, by mail and webhook. No secret goes into either.

use crate::command::NotifyArgs;
use crate::error::{CommandError, CommandResult, Kind};
use crate::job::{keys, log, network, snapshot, watch};
use crate::report::{Failure, Report};
use crate::session::Session;
use crate::state::{self, State, Task};
use lifeboat_remote::webhook;
use lifeboat_sys::program::{SENDMAIL, SYSTEMCTL};
use lifeboat_sys::{Invocation, Runner as _, SystemRunner};
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// sendmail only puts the mail into its queue.
const SENDMAIL_DEADLINE: Duration = Duration::from_secs(60);
/// Lines of the log that are sent: its end says why.
const LINES: usize = 40;

pub fn run(session: &Session, args: &NotifyArgs) -> CommandResult {
    let notify = &session.config.notify;
    if notify.mail.is_empty() && notify.webhook.is_none() {
        let text = "nobody is to be told: neither 'mail' nor 'webhook' is set in [notify]";
        return match &args.unit {
            // The unit runs whether or not somebody wants to know.
            Some(_) => {
                session.reporter.note(text);
                Ok(())
            }
            None => Err(CommandError::usage(text).hint(format!("{}, see man lifeboat.toml", crate::config::PATH))),
        };
    }
    let failure = match &args.unit {
        Some(unit) => failure(session, unit)?,
        None => None,
    };
    if failure.as_ref().is_some_and(|failure| failure.code == Some(5)) && !notify.partial {
        session.reporter.note("the run was done but for some entries, which is not reported (partial = false)");
        return Ok(());
    }
    let machine = snapshot::this_machine(Path::new("/"))?.name;
    let report = Report { machine, time: crate::runs::now(), failure }.without(&secrets(session));
    let mut failed = vec![];
    let mut sent = vec![];
    if !notify.mail.is_empty() {
        match mail(session, &report) {
            Ok(()) => sent.push(format!("mail to {}", notify.mail.join(", "))),
            Err(why) => failed.push(why),
        }
    }
    if let Some(url) = &notify.webhook {
        let limit = Duration::from_secs(notify.webhook_seconds.clamp(1, 300));
        match webhook::post(url, report.json().to_string().into_bytes(), limit) {
            Ok(()) => sent.push(webhook::server(url)),
            Err(fault) => failed.push(fault.to_string()),
        }
    }
    session.reporter.value(&serde_json::json!({"sent": sent, "failed": failed}));
    for way in &sent {
        session.reporter.line(format!("sent: {way}"));
    }
    match failed.as_slice() {
        [] => Ok(()),
        _ => Err(CommandError::new(Kind::Failed, failed.join("; "))),
    }
}

/// What systemd, the record and the log know about a unit.
fn failure(session: &Session, unit: &str) -> Result<Option<Failure>, CommandError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:\\".contains(c);
    if unit.is_empty() || unit.starts_with('-') || !unit.chars().all(plain) {
        return Err(CommandError::usage(format!("--unit {unit}: that is no name of a unit")));
    }
    let task = Task::ALL.into_iter().find(|task| unit == format!("lifeboat-{}.service", task.name()));
    // systemd tells the unit that OnFailure= names (systemd.exec(5)).
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let told = variable("MONITOR_UNIT").is_some_and(|told| told == unit);
    let asked = |property: &str| {
        let call = Invocation::new(SYSTEMCTL).args(["show", "-P", property, unit]);
        session.runner.run(&call).ok().map(|output| output.text().trim().to_owned()).filter(|text| !text.is_empty())
    };
    let code = if told { variable("MONITOR_EXIT_STATUS") } else { asked("ExecMainStatus") };
    let result = if told { variable("MONITOR_SERVICE_RESULT") } else { asked("Result") };
    let last = task.and_then(|task| State::load(&state::folder()).0.runs(task).last);
    let lines = task.map(|task| end_of_log(&log::folder().join(format!("{}.log", task.name())))).unwrap_or_default();
    Ok(Some(Failure {
        unit: unit.to_owned(),
        // A signal has a name where a code would be.
        code: code.and_then(|code| code.parse().ok()).or(last.as_ref().and_then(|run| run.code.map(i32::from))),
        result: result.unwrap_or_else(|| "unknown".into()),
        error: last.and_then(|run| run.error),
        lines,
    }))
}

fn end_of_log(path: &Path) -> Vec<String> {
    let bytes = lifeboat_sys::bounded::read(path, 1 << 20).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// What must not leave the machine, should it ever be in a log: the key, the command that prints it, and the passwords for servers.
fn secrets(session: &Session) -> Vec<String> {
    let mut secrets = network::secrets();
    // Line by line, as reports have it.
    let command = session.config.key_command.as_deref().unwrap_or_default();
    secrets.extend(command.lines().map(|line| line.trim().to_owned()));
    if session.config.key_command.is_none()
        && let Ok(secret) = keys::read(&keys::file(None, &session.config))
    {
        secrets.push(secret.expose().to_owned());
    }
    secrets
}

/// Gives the mail to the system's sendmail.
fn mail(session: &Session, report: &Report) -> Result<(), String> {
    let notify = &session.config.notify;
    let valid = |address: &&String| {
        !address.is_empty() && !address.starts_with('-') && address.chars().all(|c| c.is_ascii_graphic() && c != ',')
    };
    if let Some(wrong) = notify.mail.iter().chain(&notify.mail_from).find(|address| !valid(address)) {
        return Err(format!("cannot SEND mail to {wrong:?}: that is no address"));
    }
    let mut call = Invocation::new(SENDMAIL).arg("-i");
    if let Some(from) = &notify.mail_from {
        call = call.arg("-f").arg(from);
    }
    let call = call.arg("--").args(&notify.mail).stdin(report.mail(&notify.mail, notify.mail_from.as_deref()));
    let send = move || SystemRunner.run(&call).map(drop).map_err(|error| error.to_string());
    watch::aside("sendmail", send).recv_timeout(SENDMAIL_DEADLINE).unwrap_or_else(|gone| match gone {
        RecvTimeoutError::Timeout => {
            Err(format!("cannot SEND mail: sendmail did not end within {} s", SENDMAIL_DEADLINE.as_secs()))
        }
        RecvTimeoutError::Disconnected => Err("cannot SEND mail: no thread can be started for it".to_owned()),
    })
}

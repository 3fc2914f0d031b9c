//! `network-up`: brings the network up when the boot did not need it, to save logs or to open an archive on a server.
//!
//! The threads that renew leases and watch for cables live as long as the rescue system. So the command restarts itself in a
//! session of its own, which stays, and ends with the result that this one reports.

use super::{Place, bring_up};
use crate::report::Reporter;
use crate::state::Identity;
use lifeboat_machine::NetworkParameters;
use lifeboat_machine::run::{LOG, NETWORK_STARTED};
use lifeboat_sys::child::{Setup, prepare};
use lifeboat_sys::netlink::own_addresses;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;

/// First argument of the process that stays.
const STAY: &str = "--stay";
/// What it prints when there is a network; anything else is the reason why there is none.
const UP: &str = "up";

/// Runs the command. Its arguments are parameters of the kernel (`ip=`, `nameserver=`, …) in place of those that it was booted with.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let texts: Vec<String> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if texts.first().is_some_and(|text| text == STAY) {
        return stay(&texts[1..]);
    }
    if Path::new(NETWORK_STARTED).exists() {
        return report(own_addresses().is_empty().then(|| {
            format!(
                "it was started before, and continues by itself when a cable is plugged in or a server answers; {LOG} \
                 shows what is missing"
            )
        }));
    }
    let parameters = parameters(&texts);
    if let Some(mistake) = parameters.mistakes.first() {
        return report(Some(mistake.clone()));
    }
    if parameters.off() {
        return report(Some("ip=off is among the kernel parameters; `network-up ip=dhcp` overrides it".into()));
    }
    let mut command = Command::new("/proc/self/exe");
    std::os::unix::process::CommandExt::arg0(&mut command, "network-up");
    command.arg(STAY).args(&texts).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    prepare(&mut command, Setup { new_session: true, ..Setup::default() });
    let reported = command.spawn().and_then(|mut child| {
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        Ok(line.trim_end().to_owned())
    });
    match reported {
        Ok(reported) if reported == UP => report(None),
        Ok(reported) if reported.is_empty() => report(Some(format!("it ended without a message; {LOG} may show why"))),
        Ok(reported) => report(Some(reported)),
        Err(error) => report(Some(format!("cannot START it: {error}"))),
    }
}

fn parameters(texts: &[String]) -> NetworkParameters {
    match texts {
        [] => NetworkParameters::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default()),
        texts => NetworkParameters::parse(&texts.join(" ")),
    }
}

fn report(trouble: Option<String>) -> ExitCode {
    match trouble {
        None => {
            let addresses: Vec<String> = own_addresses().iter().map(ToString::to_string).collect();
            println!("the network is up: {}", addresses.join(", "));
            ExitCode::SUCCESS
        }
        Some(trouble) => {
            eprintln!("there is no network: {trouble}");
            ExitCode::FAILURE
        }
    }
}

/// The process that stays: prints one line, then lives for its threads.
fn stay(texts: &[String]) -> ExitCode {
    let reporter = Arc::new(Reporter::default());
    reporter.open_log(Path::new(LOG));
    let identity = Identity::read(Path::new("/lifeboat"));
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let place =
        Place { resolv_conf: Path::new("/etc/resolv.conf"), host_name: name, started: Path::new(NETWORK_STARTED) };
    let recorded = identity.machine.as_ref().map(|machine| &machine.network);
    let result = bring_up(&parameters(texts), recorded, &place, &reporter);
    let line = match &result {
        Ok(()) => UP.to_owned(),
        Err(reasons) => reasons.join("; "),
    };
    // The caller may be gone.
    let _ = writeln!(std::io::stdout(), "{line}").and_then(|()| std::io::stdout().flush());
    // Without a link to work on, the command can be run again.
    if result.is_err() && !Path::new(NETWORK_STARTED).exists() {
        return ExitCode::FAILURE;
    }
    loop {
        std::thread::park();
    }
}

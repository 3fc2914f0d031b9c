//! `lifeboat.ssh`: sshd for the keys that may log in as root on the machine itself.
//!
//! Off unless asked for. Only keys work, never a password; host keys are made for each boot, because anyone who holds the
//! medium could read those of an image, and their fingerprint is on the console, so that a person can compare it.

use crate::children::ending;
use crate::state::Init;
use lifeboat_sys::child::Setup;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const DAEMON: &str = "/usr/sbin/sshd";
/// Where sshd's own files are.
const DIRECTORY: &str = lifeboat_machine::run::SSH;
/// Keys that may log in; the medium brings them.
const AUTHORIZED_KEYS: &str = "/root/.ssh/authorized_keys";
/// An emulated or very old machine takes seconds for a key.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts sshd when it was asked for; an obstacle is a warning.
pub fn start(init: &Init) {
    if !init.parameters.ssh {
        return;
    }
    match run(init) {
        Ok(fingerprint) => {
            init.reporter.note(format!("sshd is running; the host key is {fingerprint}"));
            for address in lifeboat_sys::netlink::own_addresses() {
                init.reporter.note(format!("log in with: ssh root@{address}"));
            }
        }
        Err(reason) => init.reporter.warn(format!("cannot START sshd: {reason}")),
    }
}

fn run(init: &Init) -> Result<String, String> {
    if !Path::new(DAEMON).exists() {
        return Err("it is not in this rescue system; try building the medium on a machine that has it".into());
    }
    let keys = std::fs::read_to_string(AUTHORIZED_KEYS).unwrap_or_default();
    if !keys.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        return Err(format!(
            "no key is allowed to log in: the machine's {AUTHORIZED_KEYS} was empty; try `authorized_keys` in its \
             lifeboat.toml"
        ));
    }
    let written = |path: &str, result: std::io::Result<()>| result.map_err(|error| format!("{path}: {error}"));
    for (directory, mode) in [(DIRECTORY, 0o700), ("/run/sshd", 0o755), ("/root/.ssh", 0o700)] {
        written(directory, std::fs::create_dir_all(directory))?;
        written(directory, std::fs::set_permissions(directory, std::fs::Permissions::from_mode(mode)))?;
    }
    written(AUTHORIZED_KEYS, std::fs::set_permissions(AUTHORIZED_KEYS, std::fs::Permissions::from_mode(0o600)))?;
    let (key, configuration) = (format!("{DIRECTORY}/host_key"), format!("{DIRECTORY}/sshd_config"));
    // From a previous attempt.
    let _ = std::fs::remove_file(&key);
    call(init, "/usr/bin/ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "rescue", "-f", &key])?;
    written(&configuration, std::fs::write(&configuration, sshd_config(&key)))?;
    call(init, DAEMON, &["-f", &configuration, "-E", &format!("{DIRECTORY}/log")])?;
    let shown = call(init, "/usr/bin/ssh-keygen", &["-l", "-f", &format!("{key}.pub")])?;
    // "256 SHA256:… rescue (ED25519)"
    Ok(shown.split_whitespace().nth(1).unwrap_or(shown.trim()).to_owned())
}

/// The configuration of sshd (sshd_config(5)).
fn sshd_config(host_key: &str) -> String {
    format!(
        "HostKey {host_key}\nPidFile {DIRECTORY}/pid\nPermitRootLogin prohibit-password\nPubkeyAuthentication yes\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nAuthorizedKeysFile {AUTHORIZED_KEYS}\n\
         AllowUsers root\nUseDNS no\nX11Forwarding no\nPrintMotd no\nSubsystem sftp internal-sftp\n"
    )
}

/// Runs a program to its end; returns its output.
fn call(init: &Init, program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = init.children.spawn(command, Setup::default()).map_err(|error| format!("{program}: {error}"))?;
    let mut reported = String::new();
    if let Some(mut output) = child.stdout.take() {
        let _ = output.read_to_string(&mut reported);
    }
    match child.wait(Some(PATIENCE)) {
        Some(status) if status.success() => Ok(reported),
        Some(status) => Err(format!("{program} {}; see {DIRECTORY}/log", ending(status))),
        None => Err(format!("{program} did not end within {} s", PATIENCE.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_opens_it() {
        let text = sshd_config("/k");
        for line in ["PasswordAuthentication no", "KbdInteractiveAuthentication no", "UsePAM no", "HostKey /k"] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}

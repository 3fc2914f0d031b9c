//! Keys that are in no key file: the output of a command, and a passphrase that a person types.

use crate::error::{CommandError, Kind};
use crate::guarded;
use lifeboat_archive::Secret;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use zeroize::Zeroizing;

/// A command may ask a server, or a person for a smartcard's PIN.
const DEADLINE: Duration = Duration::from_secs(120);
/// A longer output is no key.
const LONGEST: u64 = 16 << 10;
/// A shorter passphrase is guessed, even with scrypt before it.
const SHORTEST: usize = 10;

/// Runs the command of `key_command` with the shell; its standard output is the key.
///
/// # Errors
/// Kind `Failed` when it fails, does not end, or gives nothing; kind `Refused` when others can change its program. Errors go to
/// logs, mails and webhooks: neither the command, which may hold a password, nor what it says is in them.
pub fn of_command(command: &str) -> Result<Secret, CommandError> {
    let failed = |why: String| {
        CommandError::new(Kind::Failed, format!("cannot READ the key from key_command: {why}"))
            .hint(format!("the command of key_command in {} by itself, as root", crate::config::PATH))
    };
    if let Some(program) = program(command) {
        guarded::refuse_path("the program of key_command", program)?;
    }
    // A person may read what it says; a log gets nothing of it.
    let said = if std::io::stderr().is_terminal() { Stdio::inherit() } else { Stdio::null() };
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(said)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let registration = lifeboat_sys::ending::register_child(&child);
    let Some(mut stdout) = child.stdout.take() else {
        return Err(failed("it has no pipe".into()));
    };
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
        let read = stdout.by_ref().take(LONGEST + 1).read_to_end(&mut text);
        drop(stdout);
        let _ = sender.send(read.map(|_| text));
    });
    let output = receiver.recv_timeout(DEADLINE);
    if output.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    drop(registration);
    let Ok(output) = output else {
        return Err(failed(format!("it did not end within {} s", DEADLINE.as_secs())));
    };
    let (output, status) =
        (output.map_err(|error| failed(error.to_string()))?, status.map_err(|error| failed(error.to_string()))?);
    if !status.success() {
        return Err(failed(format!("it ended with {status}")));
    }
    if output.len() as u64 > LONGEST {
        return Err(failed(format!("it printed more than {LONGEST} bytes")));
    }
    let text = std::str::from_utf8(&output).map_err(|_| failed("what it printed is not text".into()))?;
    let bare = text.trim();
    match bare.is_empty() {
        true => Err(failed("it printed nothing".into())),
        // A key of our own, with whatever blanks around it; a passphrase may have blanks of its own.
        false if bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(Secret::new(bare)),
        false => Ok(Secret::new(text)),
    }
}

/// The program that a command of the shell begins with, when it is a file with a whole path.
fn program(command: &str) -> Option<&Path> {
    let command = command.trim_start();
    let bare = match command.chars().next() {
        Some(quote @ ('\'' | '"')) => command[1..].split(quote).next(),
        _ => command.split(|c: char| c.is_whitespace() || ";|&<>()".contains(c)).next(),
    };
    bare.map(Path::new).filter(|path| path.is_absolute() && path.is_file())
}

/// Asks for a passphrase: on a terminal without showing it, otherwise a line of standard input.
///
/// # Errors
/// Kind `Usage` when there is none.
pub fn passphrase(prompt: &str) -> Result<Secret, CommandError> {
    let typed = Secret::new(typed(prompt)?.as_str());
    match typed.expose().is_empty() {
        true => Err(CommandError::usage("no passphrase was typed")),
        false => Ok(typed),
    }
}

/// Asks for a new passphrase, on a terminal twice.
///
/// # Errors
/// Kind `Usage` when it is too short, or typed differently.
pub fn new_passphrase() -> Result<Secret, CommandError> {
    let new = passphrase("New passphrase: ")?;
    if new.expose().chars().count() < SHORTEST {
        return Err(CommandError::usage(format!("a passphrase has at least {SHORTEST} characters"))
            .hint("several words that do not belong together"));
    }
    if std::io::stdin().is_terminal() && passphrase("The same again: ")?.expose() != new.expose() {
        return Err(CommandError::usage("the two passphrases differ; nothing was changed"));
    }
    Ok(new)
}

fn typed(prompt: &str) -> Result<Zeroizing<String>, CommandError> {
    let stdin = std::io::stdin();
    let shown = match stdin.is_terminal() {
        true => {
            let _ = write!(std::io::stderr().lock(), "{prompt}");
            let shown = rustix::termios::tcgetattr(&stdin).map_err(std::io::Error::from)?;
            let mut hidden = shown.clone();
            hidden.local_modes.remove(rustix::termios::LocalModes::ECHO);
            rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &hidden)
                .map_err(std::io::Error::from)?;
            Some(shown)
        }
        false => None,
    };
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    let mut byte = Zeroizing::new([0_u8]);
    // Byte by byte, without the standard library's buffer, which nobody would wipe.
    let read = loop {
        match rustix::io::read(&stdin, byte.as_mut_slice()) {
            Ok(0) => break Ok(()),
            Ok(_) if byte[0] == b'\n' => break Ok(()),
            Ok(_) if line.len() as u64 >= LONGEST => break Err(CommandError::usage("a passphrase is not that long")),
            Ok(_) => line.push(byte[0]),
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => break Err(std::io::Error::from(errno).into()),
        }
    };
    if let Some(shown) = shown {
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Flush, &shown);
        let _ = writeln!(std::io::stderr().lock());
    }
    read?;
    let text = std::str::from_utf8(&line).map_err(|_| CommandError::usage("the passphrase is not UTF-8"))?;
    Ok(Zeroizing::new(text.trim_end_matches('\r').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gives_a_key_or_a_reason_and_its_output_is_not_shown() {
        let key = "ab".repeat(32);
        assert_eq!(of_command(&format!("echo ' {key} '")).unwrap().expose(), key);
        assert_eq!(of_command("printf 'two words\\n'").unwrap().expose(), "two words");
        for (command, part) in [
            ("echo SECRET; echo SECRET >&2; exit 3", "exit status: 3"),
            ("true", "printed nothing"),
            ("head -c 20000 /dev/zero", "more than"),
            ("printf '\\377'", "not text"),
        ] {
            let error = of_command(command).unwrap_err();
            assert!(error.message().contains(part), "{command}: {}", error.message());
            let text = error.text();
            assert!(!text.contains("SECRET") && !text.contains(command), "{text}");
            assert!(text.contains("key_command in /etc/lifeboat.toml"), "{text}");
        }
    }

    #[test]
    fn a_program_that_others_can_change_is_not_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a program");
        std::fs::write(&path, "#!/bin/sh\necho key\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let command = format!("'{}' --token=x", path.display());
        mode(0o755);
        assert_eq!(of_command(&command).unwrap().expose(), "key");
        mode(0o757);
        let error = of_command(&command).unwrap_err();
        assert!(error.kind == Kind::Refused && !error.text().contains("token"), "{}", error.text());
        for (command, found) in [
            ("/bin/sh -c 'echo x'", Some("/bin/sh")),
            (" \"/bin/sh\" x", Some("/bin/sh")),
            ("/bin/sh|cat", Some("/bin/sh")),
            ("sh -c x", None),
            ("/bin/none x", None),
            ("", None),
        ] {
            assert_eq!(program(command), found.map(Path::new), "{command}");
        }
    }
}

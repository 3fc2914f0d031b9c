//! A shell on every console, restarted when it ends.

use crate::children::Children;
use crate::report::Reporter;
use crate::sysfs;
use lifeboat_sys::child::Setup;
use lifeboat_sys::console::terminal_of;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shells, the best first.
const SHELLS: [&str; 3] = ["/bin/bash", "/usr/bin/bash", "/bin/sh"];
/// A shell that ends sooner than this is restarted only after this time.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// `O_NOCTTY` of fcntl.h: the terminal becomes the controlling one of the child, not of PID 1.
const O_NOCTTY: i32 = rustix::fs::OFlags::NOCTTY.bits() as i32;

/// Starts a shell on each console, each in a thread that keeps running.
pub fn on_all(reporter: &Arc<Reporter>, children: &Arc<Children>, consoles: &[String]) {
    for name in consoles {
        let (reporter, children, name) = (Arc::clone(reporter), Arc::clone(children), name.clone());
        let serve = move || {
            while !children.is_closed() {
                let begun = Instant::now();
                if let Err(error) = one(&children, &name)
                    && !children.is_closed()
                {
                    reporter.warn(format!("cannot START a shell on {name}: {error}"));
                    // Without a terminal there is nothing to retry.
                    if error.kind() == io::ErrorKind::NotFound {
                        return;
                    }
                }
                if let Some(left) = SHORTEST_LIFE.checked_sub(begun.elapsed()) {
                    std::thread::sleep(left);
                }
            }
        };
        let _ = std::thread::Builder::new().name("shell".into()).spawn(serve);
    }
}

fn one(children: &Children, console: &str) -> io::Result<()> {
    let program = SHELLS.iter().find(|path| Path::new(path).exists()).ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.arg("-l").env_clear().envs(environment(console)).current_dir(home());
    on_terminal(&mut command, console)?;
    children.spawn(command, Setup { new_session: true, controlling_terminal: true, descriptor: None })?.wait(None);
    Ok(())
}

fn home() -> &'static Path {
    let _ = std::fs::create_dir_all("/root");
    Path::new(if Path::new("/root").is_dir() { "/root" } else { "/" })
}

/// Connects a program with the terminal of a console.
pub fn on_terminal(command: &mut Command, console: &str) -> io::Result<()> {
    let mut path = terminal_of(console);
    if console == "console" {
        // /dev/console itself cannot be a controlling terminal; the kernel reports which one it stands for.
        if let Some(name) = sysfs::attribute(Path::new("/sys/class/tty/console"), "active") {
            path = terminal_of(name.rsplit(' ').next().unwrap_or("tty1"));
        }
    }
    let terminal = File::options().read(true).write(true).custom_flags(O_NOCTTY).open(path)?;
    // A serial line has no size; programs would draw into a screen of no size.
    if let Ok(mut size) = rustix::termios::tcgetwinsize(&terminal)
        && size.ws_row == 0
    {
        (size.ws_row, size.ws_col) = (24, 80);
        let _ = rustix::termios::tcsetwinsize(&terminal, size);
    }
    command
        .stdin(Stdio::from(terminal.try_clone()?))
        .stdout(Stdio::from(terminal.try_clone()?))
        .stderr(Stdio::from(terminal));
    Ok(())
}

/// The environment of a person at a console.
pub fn environment(console: &str) -> Vec<(&'static str, &'static str)> {
    let screen = console == "console"
        || console.strip_prefix("tty").is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
    vec![
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
        ("TERM", if screen { "linux" } else { "vt220" }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_by_console() {
        let term = |console| environment(console).into_iter().find(|(key, _)| *key == "TERM").map(|(_, value)| value);
        assert_eq!(term("tty0"), Some("linux"));
        assert_eq!(term("ttyS0"), Some("vt220"));
        assert_eq!(term("hvc0"), Some("vt220"));
    }
}

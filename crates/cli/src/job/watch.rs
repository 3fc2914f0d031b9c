//! A folder whose server is gone: a hard NFS mount, or a FUSE filesystem, blocks every call for ever. Accessing it is left to a
//! thread that may be lost, and whoever waits for it gives up at a deadline.

use crate::error::{CommandError, Kind};
use crate::output::Reporter;
use crate::session::Session;
use lifeboat_machine::{Event, EventSink as _};
use lifeboat_remote::Address;
use lifeboat_remote::patience::{DEADLINE, FIRST_DEADLINE, SILENCE};
use lifeboat_restore::Stick;
use lifeboat_sys::mount::MountInfo;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How often a folder is checked while it is used.
const LOOK: Duration = Duration::from_secs(5);
/// How long cleaning up may take, once the folder was given up.
const LAST: Duration = Duration::from_secs(5);
/// Filesystems without a disk, but in this machine.
const IN_THE_MACHINE: [&str; 7] = ["btrfs", "bcachefs", "zfs", "tmpfs", "ramfs", "overlay", "rootfs"];

/// While this lives, the folder is checked, and the program ends with an error when it no longer answers.
#[derive(Debug)]
#[must_use]
pub struct Watch(Option<Arc<AtomicBool>>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(over) = &self.0 {
            over.store(true, Ordering::Relaxed);
        }
    }
}

/// Checks whether a folder or file, which need not exist, answers.
///
/// # Errors
/// Kind `Failed` when it does not answer for a minute.
pub fn reach(path: &Path) -> Result<PathBuf, CommandError> {
    let wanted = path.to_owned();
    reach_by(path, FIRST_DEADLINE, move || real(&wanted))
}

fn reach_by(
    path: &Path,
    deadline: Duration,
    look: impl FnOnce() -> PathBuf + Send + 'static,
) -> Result<PathBuf, CommandError> {
    let gone = || {
        let seconds = deadline.as_secs();
        let text = format!(
            "cannot OPEN {}: no answer from its filesystem for {seconds} s; its server is unreachable",
            path.display()
        );
        CommandError::new(Kind::Failed, text).hint("findmnt -T, and umount -f -l for an unreachable mount")
    };
    aside("look", look).recv_timeout(deadline).map_err(|_| gone())
}

/// The same for what a command names: addresses have a patience of their own.
///
/// # Errors
/// As [`reach`].
pub fn over(session: &Session, text: &str) -> Result<Watch, CommandError> {
    if Address::is_meant(text) || text.starts_with("disk:") || text.starts_with("tape") || Stick::is_meant(text) {
        return Ok(Watch(None));
    }
    over_folder(session, Path::new(text))
}

/// Checks whether a folder answers, and keeps checking if it is on a server.
///
/// # Errors
/// As [`reach`].
pub fn over_folder(session: &Session, path: &Path) -> Result<Watch, CommandError> {
    let path = reach(path)?;
    let table = lifeboat_sys::mount::table().unwrap_or_default();
    if !may_hang(&path, &table) {
        return Ok(Watch(None));
    }
    let done = Arc::new(AtomicBool::new(false));
    let (seen, json) = (Arc::clone(&done), session.reporter.json());
    let watching = move || {
        let reporter = Reporter::new(json);
        let times = Times { look: LOOK, silence: SILENCE, deadline: DEADLINE };
        let report = |text: String| reporter.emit(&Event::Warning { text });
        let look = |path: &Path| {
            let path = path.to_owned();
            aside("look", move || drop(rustix::fs::statvfs(&path)))
        };
        if let Some(error) = watch(&path, &times, &seen, &look, &report) {
            error.print(json);
            // A lock of ours may be on what does not answer.
            lifeboat_sys::ending::take_away_within(LAST);
            // The kernel releases threads that wait for a dead server when their process ends (TASK_KILLABLE).
            std::process::exit(i32::from(error.kind.code()));
        }
    };
    let started = std::thread::Builder::new().name("watch".into()).spawn(watching);
    Ok(Watch(started.is_ok().then_some(done)))
}

struct Times {
    look: Duration,
    silence: Duration,
    deadline: Duration,
}

/// Checks until it is `done`, or returns the error when the folder is given up.
fn watch(
    path: &Path,
    times: &Times,
    done: &AtomicBool,
    look: &dyn Fn(&Path) -> Receiver<()>,
    report: &dyn Fn(String),
) -> Option<CommandError> {
    let shown = path.display();
    while !done.load(Ordering::Relaxed) {
        let began = Instant::now();
        let answer = look(path);
        if answer.recv_timeout(times.silence).is_err() {
            let until = jiff::Zoned::now() + times.deadline.saturating_sub(times.silence);
            let until = until.strftime("%H:%M:%S %Z");
            report(format!(
                "no answer from the filesystem of {shown} for {} s, waiting until {until}",
                times.silence.as_secs()
            ));
            let left = times.deadline.saturating_sub(times.silence);
            if answer.recv_timeout(left).is_err() && !done.load(Ordering::Relaxed) {
                let seconds = began.elapsed().as_secs();
                let text = format!("cannot USE {shown}: no answer from its filesystem for {seconds} s, giving up");
                return Some(
                    CommandError::new(Kind::Failed, text)
                        .hint("mounting it again when its server is back; what was stored is kept"),
                );
            }
            report(format!("{shown} answers again after {} s, going on", began.elapsed().as_secs()));
        }
        std::thread::sleep(times.look);
    }
    None
}

/// Does something in a thread that is waited for only up to a limit.
pub fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = channel();
    // Without a thread the channel closes, which counts as no answer.
    let _ = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = sender.send(work());
    });
    receiver
}

/// The part of a path that exists, with its links followed, and what is to be created in it.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for part in absolute.ancestors() {
        if let Ok(real) = std::fs::canonicalize(part) {
            return real.join(absolute.strip_prefix(part).unwrap_or(Path::new("")));
        }
    }
    absolute
}

/// Its filesystem is neither on a disk of this machine nor in its memory.
fn may_hang(path: &Path, table: &[MountInfo]) -> bool {
    let holders = table.iter().filter(|mount| path.starts_with(&mount.mount_point));
    let holder = holders.max_by_key(|mount| mount.mount_point.components().count());
    holder.is_some_and(|mount| mount.device.0 == 0 && !IN_THE_MACHINE.contains(&mount.kind.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    const TIMES: Times = Times {
        look: Duration::from_millis(1),
        silence: Duration::from_millis(20),
        deadline: Duration::from_millis(60),
    };

    #[test]
    fn what_never_answers_is_given_up() {
        let held: Mutex<Vec<std::sync::mpsc::Sender<()>>> = Mutex::default();
        let reported = Mutex::new(vec![]);
        let never = |_: &Path| {
            let (sender, receiver) = channel();
            held.lock().unwrap().push(sender);
            receiver
        };
        let report = |text| reported.lock().unwrap().push(text);
        let error = watch(Path::new("/mnt/nas"), &TIMES, &AtomicBool::new(false), &never, &report).unwrap();
        assert!(error.text().contains("cannot USE /mnt/nas: no answer"), "{}", error.text());
        assert_eq!(reported.lock().unwrap().len(), 1);
        let gone = reach_by(Path::new("/mnt/nas"), Duration::from_millis(20), || {
            std::thread::park();
            PathBuf::new()
        });
        assert!(gone.unwrap_err().text().contains("cannot OPEN /mnt/nas: no answer"));
    }

    #[test]
    fn what_answers_is_looked_at_until_the_end() {
        let (count, done) = (Mutex::new(0), AtomicBool::new(false));
        let look = |_: &Path| {
            let mut count = count.lock().unwrap();
            *count += 1;
            done.store(*count == 5, Ordering::Relaxed);
            let (sender, receiver) = channel();
            sender.send(()).unwrap();
            receiver
        };
        assert!(watch(Path::new("/x"), &TIMES, &done, &look, &|text| panic!("{text}")).is_none());
        assert_eq!(*count.lock().unwrap(), 5);
    }

    #[test]
    fn only_servers_are_watched() {
        let text = "20 1 8:2 / / rw - ext4 /dev/sda2 rw\n21 20 0:40 / /mnt/nas rw - nfs4 nas:/x rw\n\
            22 20 0:41 / /mnt/f rw - fuse.sshfs h:/ rw\n23 20 0:42 / /srv rw - btrfs /dev/sdb rw\n24 20 0:43 / /tmp rw - tmpfs t rw\n";
        let table = lifeboat_sys::mount::parse_mountinfo(text.as_bytes());
        for (path, hangs) in [
            ("/home/x", false),
            ("/mnt/nas/repo", true),
            ("/mnt/f", true),
            ("/srv/repo", false),
            ("/tmp/x", false),
            ("/mnt/nasty", false),
        ] {
            assert_eq!(may_hang(Path::new(path), &table), hangs, "{path}");
        }
        assert_eq!(real(Path::new("/proc/self/none/x")).file_name().unwrap(), "x");
    }
}

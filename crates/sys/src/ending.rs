//! What this process would leave behind when a signal ends it: mounts, folders, programs that it started. Whoever makes such a
//! thing registers how it is removed; [`on_signals`] ensures that this is done before SIGINT, SIGTERM or SIGHUP ends us.

use rustix::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use rustix::process::{Signal, pidfd_send_signal};
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long programs that were asked to end may take before they are killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long the removal may take.
const LAST: Duration = Duration::from_secs(10);
/// How often we check whether they did.
const LOOK: Duration = Duration::from_millis(20);
/// How often to try to remove a folder into which other threads of ours may still write.
const ATTEMPTS: usize = 20;

/// Removes something.
type Action = Box<dyn FnOnce() + Send>;

enum What {
    Action(Action),
    Child(OwnedFd),
}

/// What was registered last is removed first.
static REGISTERED: Mutex<Vec<(u64, What)>> = Mutex::new(Vec::new());
static NUMBER: AtomicU64 = AtomicU64::new(0);
static ENDING: AtomicBool = AtomicBool::new(false);
/// Where the handler writes; -1 before [`on_signals`].
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// While this lives, a signal removes what was registered; whoever drops it has removed it.
#[derive(Debug)]
#[must_use]
pub struct Registration(u64);

impl Drop for Registration {
    fn drop(&mut self) {
        registered().retain(|(number, _)| *number != self.0);
    }
}

fn registered() -> MutexGuard<'static, Vec<(u64, What)>> {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(what: What) -> Registration {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    registered().push((number, what));
    Registration(number)
}

/// Registers how something is removed. The action runs in a thread of its own while all others continue.
pub fn register(action: impl FnOnce() + Send + 'static) -> Registration {
    add(What::Action(Box::new(action)))
}

/// Registers a mount point below a folder made for it: it is unmounted even if in use, and both directories are removed.
pub fn register_mount(point: PathBuf, folder: PathBuf) -> Registration {
    register(move || {
        // Detached: threads of ours have files open there until the process ends a moment later.
        let flags = rustix::mount::UnmountFlags::DETACH | rustix::mount::UnmountFlags::NOFOLLOW;
        let _ = rustix::mount::unmount(&point, flags);
        let _ = std::fs::remove_dir(&point);
        let _ = std::fs::remove_dir(&folder);
    })
}

/// Registers a folder that is removed with all that it holds.
pub fn register_folder(folder: PathBuf) -> Registration {
    register(move || {
        for _ in 0..ATTEMPTS {
            match std::fs::remove_dir_all(&folder) {
                // The next attempt removes what was written into it meanwhile.
                Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(LOOK),
                _ => break,
            }
        }
    })
}

/// Registers a program that runs: it is ended with us. Nothing is registered where the kernel has no pidfd_open(2) (before 5.3).
pub fn register_child(child: &std::process::Child) -> Option<Registration> {
    let pid = rustix::process::Pid::from_child(child);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()?;
    Some(add(What::Child(pidfd)))
}

/// True once a signal ends us: a caller that would only report what the signal did to it stops here for good.
pub fn wait_when_ending() {
    while ENDING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Removes all that is registered. Threads that continue meanwhile should call [`wait_when_ending`].
pub fn take_away() {
    ENDING.store(true, Ordering::SeqCst);
    let all: Vec<(u64, What)> = std::mem::take(&mut *registered());
    let mut children = vec![];
    let mut actions = vec![];
    for (_, what) in all {
        match what {
            What::Child(pidfd) => children.push(pidfd),
            What::Action(action) => actions.push(action),
        }
    }
    // Programs first: they would write into what is removed.
    end_children(&children);
    for action in actions.into_iter().rev() {
        action();
    }
}

/// The same, within a time limit: what is to be removed may be on a filesystem whose server is gone, and a signal must end us
/// anyway.
pub fn take_away_within(deadline: Duration) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let started = std::thread::Builder::new().name("taking away".into()).spawn(move || {
        take_away();
        let _ = sender.send(());
    });
    if started.is_ok() {
        let _ = receiver.recv_timeout(deadline);
    }
}

fn end_children(children: &[OwnedFd]) {
    for child in children {
        let _ = pidfd_send_signal(child, Signal::TERM);
    }
    let began = Instant::now();
    for child in children {
        // A pidfd is readable once its process has ended (pidfd_open(2)).
        while !ended(child) && began.elapsed() < GRACE {
            std::thread::sleep(LOOK);
        }
        let _ = pidfd_send_signal(child, Signal::KILL);
    }
}

fn ended(child: &OwnedFd) -> bool {
    let mut poll = [rustix::event::PollFd::from_borrowed_fd(child.as_fd(), rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    !matches!(rustix::event::poll(&mut poll, Some(&now)), Ok(0))
}

/// Milliseconds by which the removal may take longer.
static MORE_TIME: AtomicU64 = AtomicU64::new(0);

/// While this lives, the removal may take longer.
#[derive(Debug)]
#[must_use]
pub struct MoreTime(u64);

/// For whoever registers something that takes more than a moment, such as a command of somebody else.
pub fn more_time(time: Duration) -> MoreTime {
    let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::from(u32::MAX));
    MORE_TIME.fetch_add(milliseconds, Ordering::SeqCst);
    MoreTime(milliseconds)
}

impl Drop for MoreTime {
    fn drop(&mut self) {
        MORE_TIME.fetch_sub(self.0, Ordering::SeqCst);
    }
}

/// How many callers ignore a SIGHUP that another process sent.
static NO_HANGUP_BY_OTHERS: AtomicUsize = AtomicUsize::new(0);

/// While this lives, a SIGHUP that another process sent ends nothing; one of the kernel's, for a lost terminal, still does.
#[derive(Debug)]
#[must_use]
pub struct NoHangupByOthers(());

/// For holders of a lock like restic's: `restic unlock` checks with SIGHUP whether its process lives; restic itself ignores it
/// (internal/restic/lock_unix.go, `processExists`).
pub fn no_hangup_by_others() -> NoHangupByOthers {
    NO_HANGUP_BY_OTHERS.fetch_add(1, Ordering::SeqCst);
    NoHangupByOthers(())
}

impl Drop for NoHangupByOthers {
    fn drop(&mut self) {
        NO_HANGUP_BY_OTHERS.fetch_sub(1, Ordering::SeqCst);
    }
}

extern "C" fn notify(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid structure (sigaction(2)).
    let sent_by_a_process = unsafe { (*info).si_code } <= 0;
    if signal == libc::SIGHUP && sent_by_a_process && NO_HANGUP_BY_OTHERS.load(Ordering::SeqCst) > 0 {
        return;
    }
    let pipe: RawFd = PIPE.load(Ordering::SeqCst);
    let byte = signal as u8;
    // SAFETY: write(2) is async-signal-safe (signal-safety(7)); the byte lives on this stack; a full pipe gives EAGAIN, which
    // loses nothing, as one byte is enough. errno is kept for the code that was interrupted.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(pipe, (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}

/// Ensures that SIGINT, SIGTERM and SIGHUP end this process only after everything that is registered was removed. A signal that
/// is ignored (nohup(1)) stays ignored. Programs that are started later have the usual dispositions.
///
/// # Errors
/// When no pipe or thread can be created.
pub fn on_signals() -> io::Result<()> {
    let flags = rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK;
    let (read, write) = rustix::pipe::pipe_with(flags)?;
    // The reader waits.
    rustix::io::ioctl_fionbio(&read, false)?;
    PIPE.store(write.as_raw_fd(), Ordering::SeqCst);
    // It stays open while the process lives.
    std::mem::forget(write);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut byte = [0_u8];
        loop {
            match rustix::io::read(&read, &mut byte) {
                Ok(1) => {
                    take_away_within(LAST + Duration::from_millis(MORE_TIME.load(Ordering::SeqCst)));
                    end_by(libc::c_int::from(byte[0]));
                }
                Err(rustix::io::Errno::INTR) => {}
                _ => return,
            }
        }
    })?;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        handle(signal)?;
    }
    Ok(())
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn handle(signal: libc::c_int) -> io::Result<()> {
    // SAFETY: both structures are plain data of which all zeros is a valid value; the old one is filled by the kernel; the handler
    // makes only calls that are async-signal-safe.
    unsafe {
        let mut old: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(signal, std::ptr::null(), &raw mut old) != 0 {
            return Err(io::Error::last_os_error());
        }
        if old.sa_sigaction == libc::SIG_IGN {
            return Ok(());
        }
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = notify as Handler as libc::sighandler_t;
        new.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
        if libc::sigaction(signal, &raw const new, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Ends this process with the signal itself, so that whoever waits for it sees that.
fn end_by(signal: libc::c_int) -> ! {
    // SAFETY: SIG_DFL is a valid disposition; the signal is sent to the process itself, which it ends.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
    // Any thread may take the signal; this one has nothing more to do.
    std::thread::sleep(GRACE);
    std::process::exit(128 + signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The process has one list of what is to be removed, so all is tried in one test.
    #[test]
    fn what_is_registered_is_taken_away_and_what_was_dropped_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (kept, gone) = (dir.path().join("kept"), dir.path().join("gone"));
        for folder in [&kept, &gone] {
            std::fs::create_dir_all(folder.join("a/b")).unwrap();
            std::fs::write(folder.join("a/b/file"), "x").unwrap();
        }
        drop(register_folder(kept.clone()));
        let folder = register_folder(gone.clone());
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let registration = register_child(&child);
        take_away();
        ENDING.store(false, Ordering::SeqCst);
        assert!(kept.join("a/b/file").exists() && !gone.exists());
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGTERM));
        drop((folder, registration));
    }
}

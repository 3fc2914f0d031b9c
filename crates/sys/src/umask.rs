//! The mask of modes that new files do not get (umask(2)). All threads of a process share it, unless one takes a copy.

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread a mask of its own, an empty one: what it creates has exactly the mode that it asks for, except where a
/// directory's default ACL says otherwise. Programs and threads that it starts inherit the mask.
///
/// # Errors
/// The system's error, e.g. EPERM where a sandbox refuses unshare(2); then nothing has changed.
pub fn clear_for_this_thread() -> Result<(), Errno> {
    // SAFETY: only the table of file descriptors must not be separated from other threads; this separates working directory, root
    // directory and mask (CLONE_FS in clone(2)).
    unsafe { unshare_unsafe(UnshareFlags::FS) }?;
    rustix::process::umask(Mode::empty());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

    #[test]
    fn other_threads_keep_theirs() {
        let folder = tempfile::tempdir().unwrap();
        let mode_of_new = |name: &str| {
            let path = folder.path().join(name);
            std::fs::File::options().write(true).create_new(true).mode(0o666).open(&path).unwrap();
            path.metadata().unwrap().permissions().mode() & 0o777
        };
        let before = mode_of_new("before");
        let own = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                clear_for_this_thread().unwrap();
                mode_of_new("own")
            });
            thread.join().unwrap()
        });
        assert_eq!((own, mode_of_new("after")), (0o666, before));
    }
}

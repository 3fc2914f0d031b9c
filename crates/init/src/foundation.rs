//! Stage 1: the mounts without which nothing works, consoles, device nodes, the kernel's helper program.

use crate::report::Reporter;
use crate::sysfs;
use lifeboat_machine::run;
use lifeboat_sys::console::parse_active;
use lifeboat_sys::modules::Index;
use lifeboat_sys::mount::{MountError, mount};
use rustix::fs::{CWD, FileType, Mode};
use std::io;
use std::path::{Path, PathBuf};

/// This program in the image.
const PROGRAM: &str = "/usr/bin/lifeboat-init";

/// Mounts /proc, /sys, /dev and /run in the initramfs; they move to the real root later.
///
/// # Errors
/// The first that failed; what is mounted already is not a failure.
pub fn mount_kernel_filesystems() -> Result<(), MountError> {
    mount_once("proc", "/proc", "proc", &["nosuid", "nodev", "noexec"])?;
    mount_once("sysfs", "/sys", "sysfs", &["nosuid", "nodev", "noexec"])?;
    mount_once("devtmpfs", "/dev", "devtmpfs", &["nosuid", "mode=0755"])?;
    mount_once("tmpfs", "/run", "tmpfs", &["nosuid", "nodev", "mode=0755"])?;
    let _ = std::fs::create_dir_all(run::DIRECTORY);
    // Locks of iscsid and lvm.
    let _ = std::fs::create_dir_all("/run/lock");
    Ok(())
}

/// What programs expect besides. A missing one is only worth a line.
pub fn mount_the_rest(reporter: &Reporter) {
    let mut mounts = vec![
        ("devpts", "/dev/pts", "devpts", &["nosuid", "noexec", "gid=5", "mode=0620", "ptmxmode=0666"][..]),
        ("tmpfs", "/dev/shm", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
        ("tmpfs", "/tmp", "tmpfs", &["nosuid", "nodev", "mode=1777"]),
    ];
    if Path::new("/sys/firmware/efi/efivars").exists() {
        mounts.push(("efivarfs", "/sys/firmware/efi/efivars", "efivarfs", &["nosuid", "nodev", "noexec"]));
    }
    for (source, target, kind, options) in mounts {
        if let Err(error) = mount_once(source, target, kind, options) {
            reporter.warn(error.to_string());
        }
    }
    for (link, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        let _ = std::os::unix::fs::symlink(target, Path::new("/dev").join(link));
    }
}

fn mount_once(source: &str, target: &str, kind: &str, options: &[&str]) -> Result<(), MountError> {
    let target = Path::new(target);
    let _ = std::fs::create_dir_all(target);
    match mount(source, target, kind, options) {
        Err(error) if error.source.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => Ok(()),
        other => other,
    }
}

/// The kernel's consoles by name, the one behind /dev/console last.
pub fn consoles() -> Vec<String> {
    let active = sysfs::attribute(Path::new("/sys/class/tty/console"), "active").unwrap_or_default();
    let names = parse_active(&active);
    if names.is_empty() { vec!["console".to_owned()] } else { names }
}

/// Sends lines to all consoles.
pub fn open_consoles(reporter: &Reporter, names: &[String]) {
    for name in names {
        if let Err(error) = reporter.add_console(name, &Path::new("/dev").join(name)) {
            reporter.log(format!("cannot OPEN /dev/{name}: {error}").as_bytes());
        }
    }
}

/// Makes the nodes through which opening a device loads its module (`kmod static-nodes`).
pub fn make_static_nodes(index: &Index) {
    for node in &index.static_nodes {
        let path = Path::new("/dev").join(&node.name);
        if let Some(parent) = path.parent() {
            let _ = std::fs::create_dir_all(parent);
        }
        let kind = if node.block { FileType::BlockDevice } else { FileType::CharacterDevice };
        let device = rustix::fs::makedev(node.device.0, node.device.1);
        // It exists when the driver is built in or loaded; a missing node is no reason to stop.
        let _ = rustix::fs::mknodat(CWD, &path, kind, Mode::from_raw_mode(0o600), device);
    }
}

/// Lets the kernel ask this program when it needs a module (a filesystem at mount(2), a cipher).
///
/// # Errors
/// The system's error.
pub fn serve_module_requests() -> io::Result<()> {
    // The image has this program; otherwise the initramfs had it: /proc/self/exe works while PID 1 lives.
    if Path::new(PROGRAM).exists() {
        std::os::unix::fs::symlink(PROGRAM, run::MODPROBE)?;
    } else {
        std::fs::copy("/proc/self/exe", run::MODPROBE)?;
    }
    std::fs::write("/proc/sys/kernel/modprobe", run::MODPROBE)
}

/// Provides commands that the image lacks and this program implements. The directory comes first in PATH: a
/// `reboot` that is systemctl in disguise would look for a systemd that is not there.
pub fn provide_commands() {
    let local = Path::new("/usr/local/sbin");
    let _ = std::fs::create_dir_all(local);
    let has_modprobe = ["/usr/sbin", "/usr/bin", "/sbin"].iter().any(|path| Path::new(path).join("modprobe").exists());
    for name in crate::helper::COMMANDS.iter().filter(|name| **name != "modprobe" || !has_modprobe) {
        // Without it there is Ctrl-Alt-Del.
        let _ = std::os::unix::fs::symlink(PROGRAM, local.join(name));
    }
}

/// Small settings of the kernel that the rescue system needs.
pub fn set_kernel() {
    // Drives are polled for new discs every two seconds; a disc that is inserted then causes an event (block/disk-events.c).
    let _ = std::fs::write("/sys/module/block/parameters/events_dfl_poll_msecs", "2000");
    // A disc or disk that hangs must not fill the consoles with stack traces every two minutes.
    let _ = std::fs::write("/proc/sys/kernel/hung_task_warnings", "3");
}

/// /lib/modules/RELEASE of the running kernel.
pub fn module_directory() -> PathBuf {
    let name = rustix::system::uname();
    Path::new("/lib/modules").join(name.release().to_string_lossy().as_ref())
}

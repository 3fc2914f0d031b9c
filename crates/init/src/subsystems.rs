//! Stage 6: storage that is made of other storage.
//!
//! Logs in to iSCSI targets that the parameters name, in every mode.
//!
//! | mode | what is activated |
//! | --- | --- |
//! | expert, compare | all that needs no passphrase, read-only |
//! | nuke, interactive | nothing here: `lifeboat restore` activates what the archive is on when it looks for it |
//!
//! In the last two the disks below may be rebuilt, and whatever is assembled would be in the way.

use crate::children::ending;
use crate::handover::{self, PROGRAM};
use crate::state::Init;
use crate::sysfs;
use lifeboat_machine::Mode;
use lifeboat_storage::kinds::{LUKS, LVM_MEMBER, MD_MEMBER};
use lifeboat_sys::child::Setup;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long arrays and groups may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// udev's database (udev(7)): a file for each device, `b` and its number for block devices.
const UDEV: &str = "/run/udev/data";
/// A line of it that names what a device holds, as blkid does.
const UDEV_TYPE: &str = "E:ID_FS_TYPE=";
/// What layers are made of.
const MEMBERS: [&str; 3] = [MD_MEMBER, LVM_MEMBER, LUKS];

/// Activates what the mode asks for.
pub fn run(init: &mut Init) {
    for target in &init.parameters.iscsi {
        let mut command = Command::new(PROGRAM);
        command.args(["storage", "login", &target.to_string()]);
        match run_command(init, command) {
            // Their drivers announce the disks to udev and to whoever waits for them.
            Ok(()) => _ = init.hotplug.settle(PATIENCE),
            Err(reason) => init.reporter.warn(format!(
                "cannot USE the iSCSI target {target}: {reason}; from a shell: lifeboat storage login {target}"
            )),
        }
    }
    if !matches!(init.parameters.mode, Some(Mode::Expert | Mode::Compare))
        || !is_needed(Path::new(UDEV), Path::new("/sys"))
    {
        return;
    }
    let mut command = Command::new(PROGRAM);
    command.args(["storage", "activate", "--incomplete"]);
    if let Err(reason) = run_command(init, command) {
        init.reporter.warn(format!("cannot ACTIVATE all storage: {reason}; see 'lifeboat storage show'"));
    }
}

/// Starting a program only to find that a machine has nothing but partitions costs a tenth of a second.
fn is_needed(udev: &Path, sys: &Path) -> bool {
    let names = sysfs::names(udev);
    // Without udev nothing has been probed.
    let member = names.is_empty()
        || names.iter().filter(|name| name.starts_with('b')).any(|name| {
            let text = std::fs::read_to_string(udev.join(name)).unwrap_or_default();
            text.lines().filter_map(|line| line.strip_prefix(UDEV_TYPE)).any(|kind| MEMBERS.contains(&kind))
        });
    member || is_a_disk_seen_twice(sys)
}

fn is_a_disk_seen_twice(sys: &Path) -> bool {
    let class = sys.join("class/block");
    let mut seen: Vec<String> = sysfs::names(&class)
        .iter()
        .filter_map(|name| sysfs::attribute(&class.join(name), "device/wwid"))
        .filter(|wwid| !wwid.is_empty())
        .collect();
    seen.sort();
    seen.windows(2).any(|pair| pair[0] == pair[1])
}

/// Runs the program and passes its lines on. An error is what it reported last.
fn run_command(init: &Init, mut command: Command) -> Result<(), String> {
    handover::tell_parameters(init)?;
    let (output, words) = std::io::pipe().map_err(|error| error.to_string())?;
    let end = words.try_clone().map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(words).stderr(end);
    let setup = Setup { new_session: true, ..Setup::default() };
    let child = init.children.spawn(command, setup).map_err(|error| error.to_string())?;
    let reporter = init.reporter.clone();
    let read = move || {
        for line in BufReader::new(output).lines().map_while(Result::ok).filter(|line| !line.is_empty()) {
            match line.strip_prefix("lifeboat: ") {
                Some(warning) => reporter.warn(warning),
                None => reporter.note(line),
            }
        }
    };
    let _ = std::thread::Builder::new().name("storage".into()).spawn(read);
    match child.wait(Some(PATIENCE)) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("it {}", ending(status))),
        None => {
            // Nothing may appear later, while a recovery works on the disks.
            child.kill_session();
            Err(format!("it did not end within {} s", PATIENCE.as_secs()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_there_is_something() {
        let root = tempfile::tempdir().unwrap();
        let (udev, sys) = (root.path().join("udev"), root.path().join("sys"));
        assert!(is_needed(&udev, &sys), "nobody has looked");
        std::fs::create_dir_all(&udev).unwrap();
        std::fs::write(udev.join("b8:1"), "E:ID_FS_TYPE=ext4\n").unwrap();
        std::fs::write(udev.join("c1:3"), "E:ID_FS_TYPE=LVM2_member\n").unwrap();
        for (disk, wwid) in [("sda", "naa.1"), ("sdb", "naa.2")] {
            std::fs::create_dir_all(sys.join("class/block").join(disk).join("device")).unwrap();
            std::fs::write(sys.join("class/block").join(disk).join("device/wwid"), wwid).unwrap();
        }
        assert!(!is_needed(&udev, &sys));
        std::fs::write(sys.join("class/block/sdb/device/wwid"), "naa.1").unwrap();
        assert!(is_needed(&udev, &sys), "two paths");
        std::fs::remove_dir_all(sys.join("class/block/sdb")).unwrap();
        std::fs::write(udev.join("b8:2"), "I:1\nE:ID_FS_TYPE=crypto_LUKS\n").unwrap();
        assert!(is_needed(&udev, &sys), "LUKS");
    }
}

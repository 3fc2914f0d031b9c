//! Saves the logs of a boot and a recovery to a folder, a stick or a server, for later analysis.

use crate::failure::Failure;
use crate::network::Network;
use crate::rescue::RescueSystem;
use lifeboat_remote::{Address, upload};
use lifeboat_sys::program::MOUNT;
use lifeboat_sys::{Invocation, Runner, mount};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A log that grew beyond this is not copied completely: a stick is small, and the log's end matters most.
const LARGEST: u64 = 64 << 20;

/// Copies logs, reports and the descriptions of machine and medium into a new folder below `place`: a folder, a block device with
/// a filesystem, or an address; reports where they are. No key is among them.
///
/// # Errors
/// When the place cannot be mounted, reached or written.
pub fn save(rescue: &RescueSystem, place: &str, runner: &dyn Runner) -> Result<String, Failure> {
    if Address::is_meant(place) {
        return send(rescue, &Network::address(place)?, runner);
    }
    let path = Path::new(place);
    let metadata = std::fs::metadata(path).map_err(|source| Failure::Read { path: path.to_owned(), source })?;
    if metadata.is_dir() {
        return Ok(copy(rescue, path)?.display().to_string());
    }
    if !metadata.file_type().is_block_device() {
        return Err(Failure::Unusable {
            what: place.into(),
            reason: "it is not a folder, a block device or an address".into(),
        });
    }
    let folder = copy_mounted(rescue, |mount_point| {
        runner.run(&Invocation::new(MOUNT).args(["-o", "rw,nosuid,nodev,noexec"]).arg(path).arg(mount_point))?;
        Ok(())
    })?;
    Ok(format!("{folder} on {place}"))
}

fn send(rescue: &RescueSystem, address: &Address, runner: &dyn Runner) -> Result<String, Failure> {
    upload::check(address)?;
    rescue.network.bring_up(runner)?;
    let patience = rescue.network.patience(address);
    let folder = match address {
        Address::Nfs(_) | Address::Smb(_) => {
            copy_mounted(rescue, |point| rescue.network.mount(address, point, true, &patience))?
        }
        store => {
            // By its boot, so that no other folder has the name: listing a store is not cheap.
            let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
            let folder = format!("{}-{}", folder_name(rescue), boot.get(..8).unwrap_or("0"));
            let files: Vec<_> =
                gather(rescue)?.into_iter().map(|(name, bytes)| (format!("{folder}/{name}"), bytes)).collect();
            upload::send(store, &rescue.network.credentials, patience, &files)?;
            folder
        }
    };
    Ok(format!("{folder} at {address}"))
}

/// Copies into a new folder of what `mount` mounts; returns the folder's name there.
fn copy_mounted(rescue: &RescueSystem, mount: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<String, Failure> {
    let mount_point = rescue.directories.run.join("save");
    std::fs::create_dir_all(&mount_point).map_err(|source| Failure::Write { path: mount_point.clone(), source })?;
    mount(&mount_point)?;
    let copied = copy(rescue, &mount_point);
    let unmounted = mount::unmount(&mount_point);
    let folder = copied?;
    unmounted?;
    Ok(folder.strip_prefix(&mount_point).unwrap_or(&folder).display().to_string())
}

/// A file, or the last [`LARGEST`] bytes of a larger one.
fn end_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    // Files of /proc have no size.
    let size = file.metadata()?.len();
    if size > LARGEST {
        file.seek(SeekFrom::Start(size - LARGEST))?;
    }
    let mut bytes = vec![];
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn folder_name(rescue: &RescueSystem) -> String {
    let name = &rescue.machine.name;
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    format!("lifeboat-logs-{name}")
}

/// All that is saved, by name.
fn gather(rescue: &RescueSystem) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let run = &rescue.directories.run;
    let listed = std::fs::read_dir(run).map_err(|source| Failure::Read { path: run.clone(), source })?;
    // Credentials are in a folder of their own, and links lead to programs.
    let plain =
        |path: &PathBuf| path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && !is_program(&metadata));
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).filter(plain).collect();
    files.extend(["machine.json", "manifest.json"].map(|name| rescue.directories.embedded.join(name)));
    files.extend(["/proc/cmdline", "/proc/partitions", "/proc/mounts"].map(PathBuf::from));
    let read = |file: PathBuf| {
        let name = file.file_name()?.to_string_lossy().into_owned();
        // What cannot be read is replaced by the reason: the others are still wanted.
        let bytes = end_of(&file).unwrap_or_else(|error| format!("cannot READ {}: {error}\n", file.display()).into());
        Some((name, bytes))
    };
    Ok(files.into_iter().filter_map(read).collect())
}

fn is_program(metadata: &std::fs::Metadata) -> bool {
    metadata.mode() & 0o111 != 0
}

fn copy(rescue: &RescueSystem, folder: &Path) -> Result<PathBuf, Failure> {
    let mut number = 1;
    let target = loop {
        let path = folder.join(format!("{}-{number}", folder_name(rescue)));
        if !path.exists() {
            break path;
        }
        number += 1;
    };
    let write = |path: &Path| {
        let path = path.to_owned();
        move |source| Failure::Write { path, source }
    };
    std::fs::create_dir(&target).map_err(write(&target))?;
    for (name, bytes) in gather(rescue)? {
        let copy = target.join(name);
        // Whatever the umask is: logs reveal much about a machine.
        let file = File::options().write(true).create_new(true).mode(0o600).open(&copy);
        file.and_then(|mut file| file.write_all(&bytes)).map_err(write(&copy))?;
    }
    rustix::fs::sync();
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_log_the_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let file = File::create(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"the end", LARGEST + 1000).unwrap();
        let kept = end_of(&path).unwrap();
        assert_eq!(kept.len() as u64, LARGEST);
        assert!(kept.ends_with(b"the end"));
        assert!(!end_of(Path::new("/proc/self/mounts")).unwrap().is_empty());
    }

    fn rescue(folder: &Path) -> RescueSystem {
        let directories = crate::rescue::RescueDirectories::below(folder);
        for directory in [&directories.embedded, &directories.run] {
            std::fs::create_dir_all(directory).unwrap();
        }
        let machine = serde_json::json!({
            "format": 1, "name": "db 7", "machine_id": "", "architecture": "x86_64", "recorded_at": "",
            "os": {"id": "", "version_id": "", "pretty_name": ""},
            "hardware": {"vendor": "", "product": "", "serial": "", "modaliases": [], "memory_bytes": 0},
            "layout": {"devices": [], "mounts": [], "swap_files": []},
            "boot": {"firmware": {"type": "bios"}, "loaders": [], "efi_entries": [], "initramfs": "none", "kernel": "",
                     "command_line": ""},
            "network": {"interfaces": [], "name_servers": [], "search": []}
        })
        .to_string();
        let manifest = serde_json::json!({
            "format": 1, "lifeboat": "0", "medium_id": "00", "created_at": "", "machine_name": "db 7", "machine_id": "",
            "machine_blake3": blake3::hash(machine.as_bytes()).to_hex().to_string(), "kernel": "", "archive": null,
            "embedded_key": false, "files": {}
        });
        let write = |path: PathBuf, text: &str| std::fs::write(path, text).unwrap();
        write(directories.embedded.join("machine.json"), &machine);
        write(directories.embedded.join("manifest.json"), &manifest.to_string());
        let parameters = serde_json::to_string(&lifeboat_machine::Parameters::default()).unwrap();
        write(directories.run.join("parameters.json"), &parameters);
        write(directories.run.join("log"), "what was said");
        RescueSystem::open(directories).unwrap()
    }

    #[test]
    fn logs_are_copied_and_secrets_are_not() {
        let root = tempfile::tempdir().unwrap();
        let rescue = rescue(root.path());
        let run = &rescue.directories.run;
        std::fs::create_dir(run.join("credentials")).unwrap();
        std::fs::write(run.join("credentials/sftp-identity"), "PRIVATE KEY").unwrap();
        std::os::unix::fs::symlink(run.join("credentials/sftp-identity"), run.join("link")).unwrap();
        let place = tempfile::tempdir().unwrap();
        let runner = lifeboat_sys::FakeRunner::new();
        for number in 1..=2 {
            let reported = save(&rescue, place.path().to_str().unwrap(), &runner).unwrap();
            assert!(reported.ends_with(&format!("/lifeboat-logs-db-7-{number}")), "{reported}");
        }
        let copied = place.path().join("lifeboat-logs-db-7-1");
        assert_eq!(std::fs::read_to_string(copied.join("log")).unwrap(), "what was said");
        let names: Vec<_> = std::fs::read_dir(&copied).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        for wanted in ["log", "parameters.json", "machine.json", "manifest.json", "cmdline", "partitions", "mounts"] {
            assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
        }
        assert_eq!(names.len(), 7, "{names:?}");
        // The umask of tests lets everybody read.
        for name in names {
            let mode = std::fs::metadata(copied.join(&name)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{name:?}");
        }
    }

    #[test]
    fn a_place_that_takes_no_logs_says_which_one_does() {
        let root = tempfile::tempdir().unwrap();
        let mut rescue = rescue(root.path());
        // A place that takes no logs is refused before the network is brought up.
        rescue.network.on_demand = true;
        let runner = lifeboat_sys::FakeRunner::new();
        for (place, why) in [
            ("http://www.example.org/logs", "a plain web server cannot be written to"),
            ("rest:http://backup:8000/db7", "accepts only the files of a repository"),
            ("ftp://host/x", "'ftp' is not known"),
            ("/dev/null", "not a folder, a block device or an address"),
        ] {
            let refused = save(&rescue, place, &runner).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}

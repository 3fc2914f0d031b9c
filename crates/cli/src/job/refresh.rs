//! Whether a medium would still bring this machine back: what it was made from, beside what the machine has now.

use crate::error::{CommandError, CommandResult, Kind};
use crate::session::Session;
use crate::state::{self, State, Task};
use lifeboat_machine::{Machine, MediumManifest};
use lifeboat_plan::Change;
use lifeboat_remote::tree::Tree;
use lifeboat_rescue::kernel::Kernel;
use lifeboat_rescue::sysroot::Sysroot;
use lifeboat_restore::{Network, Source, Stick};
use lifeboat_sys::SystemRunner;
use std::path::{Path, PathBuf};

/// Where distributions keep the parts of boot loaders that go onto disks and media.
const LOADERS: [&str; 5] =
    ["/usr/lib/grub", "/usr/lib/grub2", "/usr/lib/shim", "/usr/lib/systemd/boot/efi", "/usr/share/efi"];
/// Changes that a medium must follow, by the beginning of their place. Kernel and command line are looked at by themselves; addresses
/// change with every lease.
const CONCERNED: [&str; 4] = ["layout", "boot loaders", "boot firmware", "boot initramfs"];
/// Changes that are named.
const NAMED: usize = 3;

/// zstd level of a rescue system, as `media iso` has it by default.
pub const COMPRESSION: u32 = 10;

/// A medium, as it describes itself.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its manifest.
    pub manifest: MediumManifest,
    /// The machine that it rebuilds.
    pub machine: Machine,
}

/// Reads what a medium says of itself.
///
/// # Errors
/// Why it cannot be read, for people.
pub fn read(path: &Path) -> Result<Known, String> {
    let named = path.display().to_string();
    if Stick::is_meant(&named) || Stick::at(path).is_some() {
        let source = Source::open_medium(&named, &super::scratch::scratch(), &Network::default(), &SystemRunner)
            .map_err(|failure| failure.to_string())?;
        let medium = source.medium.as_ref().ok_or("it is no medium")?;
        return Ok(Known { manifest: medium.manifest.clone(), machine: medium.machine.clone() });
    }
    let tree = Tree::open_local(path).map_err(|fault| fault.to_string())?;
    let file = |name: &str| tree.read_file(name).map_err(|fault| fault.to_string());
    let manifest = lifeboat_restore::medium::parse_manifest(&file("manifest.json")?, "the medium's manifest")
        .map_err(|failure| failure.to_string())?;
    let machine = Machine::from_json(&file("machine.json")?).map_err(|error| error.to_string())?;
    Ok(Known { manifest, machine })
}

/// The digest of the machine's boot loaders, hex; empty when there are none.
pub fn loaders(root: &Path) -> String {
    let mut files = vec![];
    let mut folders: Vec<PathBuf> = LOADERS.iter().map(|folder| root.join(folder.trim_start_matches('/'))).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for path in &files {
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(&[0]);
        // A file that cannot be read is as good as one that changed.
        if let Ok(bytes) = std::fs::read(path) {
            hasher.update(blake3::hash(&bytes).as_bytes());
        }
    }
    if files.is_empty() { String::new() } else { hasher.finalize().to_hex().to_string() }
}

/// Changes between a recorded machine and this one that a recovery would run into.
pub fn changes(recorded: &Machine, now: &Machine) -> Vec<Change> {
    let mut changes = lifeboat_plan::diff(recorded, now);
    changes.retain(|change| CONCERNED.iter().any(|place| change.place.starts_with(place)));
    changes
}

/// Changes in a few words.
pub fn in_words(changes: &[Change]) -> String {
    let named: Vec<String> = changes.iter().take(NAMED).map(ToString::to_string).collect();
    match changes.len().saturating_sub(NAMED) {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    }
}

/// Why the medium must be built again; empty when it is up to date.
pub fn reasons(session: &Session, known: &Known, now: &Machine, state: &State) -> Vec<String> {
    let mut reasons = vec![];
    let Known { manifest, machine } = known;
    if manifest.machine_id != now.machine_id {
        reasons.push(format!("it is of another machine, '{}'", manifest.machine_name));
        return reasons;
    }
    if manifest.lifeboat != env!("CARGO_PKG_VERSION") {
        let ours = env!("CARGO_PKG_VERSION");
        reasons.push(format!("it was made by lifeboat {}, this is {ours}", manifest.lifeboat));
    }
    match Kernel::find(&Sysroot::new("/"), session.config.rescue.kernel.as_deref()) {
        Ok(kernel) if kernel.release != manifest.kernel => {
            reasons.push(format!("the kernel changed: {} -> {}", manifest.kernel, kernel.release));
        }
        Ok(kernel) => {
            let digest = std::fs::read(&kernel.image).map(|bytes| blake3::hash(&bytes).to_hex().to_string());
            let recorded = manifest.files.get("kernel").map(|file| file.blake3.clone());
            if digest.ok() != recorded {
                reasons.push(format!("the kernel {} was updated", kernel.release));
            }
        }
        Err(error) => reasons.push(format!("the machine's kernel is not found: {error}")),
    }
    let made = state.runs(Task::Medium).done.and_then(|run| run.medium).filter(|made| made.id == manifest.medium_id);
    match made {
        Some(made) if made.loaders != loaders(Path::new("/")) => reasons.push("the boot loader was updated".into()),
        Some(_) => {}
        None => reasons.push("it is not recorded which boot loader it was made with".into()),
    }
    let changes = changes(machine, now);
    if !changes.is_empty() {
        reasons.push(format!("the layout changed: {}", in_words(&changes)));
    }
    reasons
}

/// Nothing was to be done.
pub fn up_to_date(session: &Session, out: &Path) -> CommandResult {
    session.reporter.value(&serde_json::json!({"medium": out, "refreshed": false, "reasons": []}));
    session.reporter.line(format!("{} is up to date", out.display()));
    // What is known of the medium stays known.
    let made = State::load(&state::folder()).0.runs(Task::Medium).done.and_then(|run| run.medium);
    session.tasks.note(Task::Medium, |run| run.medium = made);
    Ok(())
}

/// Says whether a medium is out of date.
pub fn shown(session: &Session, out: &Path, reasons: &[String]) -> CommandResult {
    session.reporter.value(&serde_json::json!({"medium": out, "up_to_date": reasons.is_empty(), "reasons": reasons}));
    for reason in reasons {
        session.reporter.line(reason);
    }
    match reasons {
        [] => {
            session.reporter.line(format!("{} is up to date", out.display()));
            Ok(())
        }
        _ => Err(CommandError::new(Kind::Differences, format!("{} is out of date", out.display()))
            .hint("lifeboat media refresh")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::testing;

    #[test]
    fn loaders_are_known_by_their_content() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(loaders(root.path()), "");
        let folder = root.path().join("usr/lib/grub/i386-pc");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("boot.img"), "1").unwrap();
        let one = loaders(root.path());
        std::fs::write(folder.join("boot.img"), "1").unwrap();
        assert_eq!(loaders(root.path()), one);
        std::fs::write(folder.join("boot.img"), "2").unwrap();
        assert_ne!(loaders(root.path()), one);
    }

    #[test]
    fn what_changes_every_day_is_no_change_of_the_layout() {
        let recorded = testing::gpt_machine();
        let mut now = recorded.clone();
        now.recorded_at = "2030-01-01T00:00:00Z".into();
        now.boot.kernel = "6.12".into();
        now.boot.command_line = "quiet".into();
        now.network.interfaces.clear();
        assert!(changes(&recorded, &now).is_empty());
        now.layout.mounts.pop();
        let changes = changes(&recorded, &now);
        assert_eq!(changes.len(), 1);
        assert!(in_words(&changes).contains("gone"), "{}", in_words(&changes));
    }
}

//! Whether a backup has what its machine starts from: somebody may have left it out, and months may have passed.

use lifeboat_archive::ArchiveError;
use lifeboat_machine::Machine;
use lifeboat_machine::boot::Loader;
use std::path::{Path, PathBuf};

/// What every machine starts from (hier(7)), whichever loader it has.
const ALWAYS: [&str; 4] = ["/etc", "/usr", "/usr/bin", "/usr/lib"];

/// What a machine starts from: directories, and the files of its boot loaders.
fn needed(machine: &Machine) -> Vec<PathBuf> {
    let loaders = machine.boot.loaders.iter().flat_map(|loader| match loader {
        Loader::GrubBios { directory, .. } => vec![directory],
        Loader::GrubEfi { directory, esp, .. } => vec![directory, esp],
        Loader::SystemdBoot { esp, .. } => vec![esp],
    });
    ALWAYS.iter().map(PathBuf::from).chain(loaders.map(|name| name.as_path().to_owned())).collect()
}

/// What of it is missing from a backup called `what`, for people; `filled` says which paths the backup has, as anything but an empty
/// directory. What cannot be read is reported elsewhere.
pub fn remark(
    what: &str,
    machine: &Machine,
    filled: impl FnOnce(&[&Path]) -> Result<Vec<bool>, ArchiveError>,
) -> Option<String> {
    let needed = needed(machine);
    let paths: Vec<&Path> = needed.iter().map(PathBuf::as_path).collect();
    let filled = filled(&paths).ok()?;
    let mut missing: Vec<&Path> = vec![];
    for (path, _) in paths.iter().zip(filled).filter(|(_, filled)| !filled) {
        if !missing.iter().any(|above| path.starts_with(above)) {
            missing.push(path);
        }
    }
    let (last, others) = missing.split_last()?;
    let list = match others {
        [] => format!("{} is", last.display()),
        _ => {
            let others: Vec<String> = others.iter().map(|path| path.display().to_string()).collect();
            format!("{} and {} are", others.join(", "), last.display())
        }
    };
    Some(format!(
        "a machine that is recovered from {what} does not start: {list} not in it, or empty; try another snapshot, or a new backup that does not \
         exclude it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(without: &[&str]) -> Option<String> {
        let mut machine = lifeboat_machine::testing::empty_machine();
        machine.boot.loaders = vec![Loader::GrubEfi {
            esp: "/boot/efi".into(),
            vendor: "debian".into(),
            shim: true,
            removable: false,
            directory: "/boot/grub".into(),
        }];
        let is_there = |path: &Path| !without.iter().any(|left_out| path.starts_with(left_out));
        remark("snapshot 1a2b", &machine, |paths| Ok(paths.iter().map(|path| is_there(path)).collect()))
    }

    #[test]
    fn what_a_machine_starts_from_is_missed() {
        assert_eq!(said(&["/srv"]), None);
        for (without, part) in [
            (&["/usr"][..], "from snapshot 1a2b does not start: /usr is not in it"),
            (&["/usr/lib"], ": /usr/lib is not"),
            (&["/boot"], ": /boot/grub and /boot/efi are not"),
            (&["/etc", "/usr", "/boot"], ": /etc, /usr, /boot/grub and /boot/efi are not"),
        ] {
            let text = said(without).unwrap();
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_cannot_be_read() {
        let machine = lifeboat_machine::testing::empty_machine();
        let failed = |_: &[&Path]| Err(ArchiveError::NotEmpty { path: PathBuf::from("/r") });
        assert_eq!(remark("set 1", &machine, failed), None);
    }
}

//! The folders above the snapshots: one for each machine, in it one for each snapshot, and `latest`, a link to the newest.

use lifeboat_archive::SnapshotInfo;
use std::collections::BTreeMap;

/// The link to the newest snapshot of a machine.
pub const LATEST: &str = "latest";

/// A snapshot and where it is shown.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Folder of its machine.
    pub machine: String,
    /// Its own folder in there.
    pub name: String,
    /// The snapshot.
    pub snapshot: SnapshotInfo,
}

/// Folders of machines, with the numbers of their snapshots, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    pub(crate) list: Vec<(String, Vec<(String, usize)>)>,
}

impl Machines {
    /// Of snapshots in the order of writing. Names that a folder cannot have are changed, and double ones numbered.
    pub(crate) fn of(folders: &[Folder]) -> Machines {
        let mut machines: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
        for (number, folder) in folders.iter().enumerate() {
            let list = machines.entry(harmless(&folder.machine)).or_default();
            let wanted = harmless(&folder.name);
            let taken = |name: &str| name == LATEST || list.iter().any(|(other, _)| other == name);
            let name = match taken(&wanted) {
                false => wanted,
                true => (2..).map(|count| format!("{wanted}-{count}")).find(|name| !taken(name)).unwrap_or_default(),
            };
            list.push((name, number));
        }
        Machines { list: machines.into_iter().collect() }
    }
}

/// A name that is one for a folder.
fn harmless(name: &str) -> String {
    let mut text: String = name.chars().map(|sign| if sign == '/' || sign.is_control() { '_' } else { sign }).collect();
    while text.len() > 200 {
        text.pop();
    }
    match text.as_str() {
        "" | "." | ".." => format!("_{text}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_folders() {
        let folder = |machine: &str, name: &str| Folder {
            machine: machine.to_owned(),
            name: name.to_owned(),
            snapshot: SnapshotInfo::default(),
        };
        let machines = Machines::of(&[
            folder("..", "a"),
            folder("web/../x\n", "a"),
            folder("..", "a"),
            folder("", "latest"),
            folder(&"ä".repeat(300), "a"),
        ]);
        let names: Vec<&str> = machines.list.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..3], ["_", "_..", "web_.._x_"]);
        assert!(names[3].len() <= 200);
        assert_eq!(machines.list[1].1, [("a".to_owned(), 0), ("a-2".to_owned(), 2)]);
        assert_eq!(machines.list[0].1, [("latest-2".to_owned(), 3)]);
    }
}

//! The programs compared with lifeboat, and their calls: as its manual says, with its defaults, encrypted where it can.

use super::measure::Call;
use std::path::{Path, PathBuf};

/// Where one program works in one round.
pub struct Place {
    /// The tree that is backed up.
    pub tree: PathBuf,
    /// An empty directory of its own: archive, cache.
    pub own: PathBuf,
    /// An empty directory that gets the restored tree.
    pub restored: PathBuf,
    /// The `lifeboat` program.
    pub lifeboat: PathBuf,
}

/// A program with its calls. Preparing is not timed.
pub struct Contestant {
    /// Its name in the report.
    pub name: &'static str,
    /// Makes an empty archive, for those that do that separately.
    pub prepare: fn(&Place) -> Option<Call>,
    /// First and second backup.
    pub backup: Option<fn(&Place) -> Call>,
    /// Restore into the empty directory.
    pub restore: fn(&Place) -> Call,
    /// Shows its archive as a folder.
    pub mount: Option<Mount>,
}

/// How a program shows its archive as a folder, through FUSE.
pub struct Mount {
    /// Mounts on the folder and stays until it is unmounted.
    pub serve: fn(&Place, &Path) -> Call,
    /// Where the latest snapshot is, in the folder: a part that is `*` stands for the only one there.
    pub latest: &'static str,
}

/// All of them.
pub const ALL: [Contestant; 7] = [
    Contestant {
        name: "lifeboat",
        prepare: |place| Some(lifeboat(place, &["key", "create"])),
        backup: Some(|place| {
            // The machine's description comes from a file: a tree in a folder has no disks to read.
            lifeboat(place, &["backup", "--init"])
                .args(["--to".as_ref(), place.own.join("repository").as_os_str()])
                .args(["--sysroot".as_ref(), place.tree.as_os_str()])
                .args(["--machine".as_ref(), place.own.with_file_name("machine.json").as_os_str()])
        }),
        restore: |place| {
            lifeboat(place, &["restore"])
                .args(["--from".as_ref(), place.own.join("repository").as_os_str()])
                .args(["--to".as_ref(), place.restored.as_os_str()])
        },
        mount: Some(Mount {
            serve: |place, folder| {
                lifeboat(place, &["mount", "--all-machines"])
                    .args([folder])
                    .args(["--from".as_ref(), place.own.join("repository").as_os_str()])
            },
            latest: "*/latest",
        }),
    },
    Contestant {
        name: "stream",
        prepare: |place| Some(lifeboat(place, &["key", "create"])),
        backup: Some(|place| {
            let line =
                "rm -f \"$2\" && \"$1\" backup --to \"stream:$2\" --key-file \"$3\" --sysroot \"$4\" --machine \"$5\"";
            Call::pipeline(line)
                .args([place.lifeboat.as_os_str(), stream(place).as_os_str(), place.own.join("key").as_os_str()])
                .args([place.tree.as_os_str(), place.own.with_file_name("machine.json").as_os_str()])
        }),
        restore: |place| {
            lifeboat(place, &["restore"])
                .args(["--from".to_owned(), format!("stream:{}", stream(place).display())])
                .args(["--to".as_ref(), place.restored.as_os_str()])
        },
        mount: None,
    },
    Contestant {
        name: "tar_zstd_t2",
        prepare: |_| None,
        backup: Some(|place| {
            Call::pipeline(
                "tar --xattrs --xattrs-include='*' --acls --numeric-owner -C \"$1\" -cf - . | zstd -q -3 -T2 -f -o \"$2\"",
            )
            .args([place.tree.as_os_str(), place.own.join("tree.tar.zst").as_os_str()])
        }),
        restore: |place| {
            Call::pipeline(
                "zstd -q -d -c \"$1\" | tar --xattrs --xattrs-include='*' --acls --numeric-owner -C \"$2\" -xpf -",
            )
            .args([place.own.join("tree.tar.zst").as_os_str(), place.restored.as_os_str()])
        },
        mount: None,
    },
    Contestant {
        name: "tar_zstd",
        prepare: |_| None,
        backup: Some(|place| {
            Call::pipeline(
                "tar --xattrs --xattrs-include='*' --acls --numeric-owner -C \"$1\" -cf - . | zstd -q -3 -f -o \"$2\"",
            )
            .args([place.tree.as_os_str(), place.own.join("tree.tar.zst").as_os_str()])
        }),
        restore: |place| {
            Call::pipeline(
                "zstd -q -d -c \"$1\" | tar --xattrs --xattrs-include='*' --acls --numeric-owner -C \"$2\" -xpf -",
            )
            .args([place.own.join("tree.tar.zst").as_os_str(), place.restored.as_os_str()])
        },
        mount: None,
    },
    Contestant {
        name: "restic",
        prepare: |place| Some(restic(place).args(["init"])),
        backup: Some(|place| restic(place).args(["backup", "."]).within(&place.tree)),
        restore: |place| restic(place).args(["restore", "latest", "--target"]).args([&place.restored]),
        mount: Some(Mount {
            serve: |place, folder| restic(place).args(["mount"]).args([folder]),
            latest: "snapshots/latest",
        }),
    },
    Contestant {
        name: "borg",
        prepare: |place| {
            Some(borg(place).args(["init", "--encryption=repokey-blake2"]).args([place.own.join("repository")]))
        },
        backup: Some(|place| {
            // {now} gives the second archive a different name.
            borg(place).args(["create"]).args([archive(place, "{now:%s.%f}")]).args(["."]).within(&place.tree)
        }),
        restore: |place| {
            Call::pipeline("borg extract --numeric-ids \"$1::$(borg list --last 1 --format '{archive}' \"$1\")\"")
                .args([place.own.join("repository")])
                .env("BORG_PASSPHRASE", PASSWORD)
                .env("BORG_BASE_DIR", place.own.join("base"))
                .within(&place.restored)
        },
        mount: None,
    },
    Contestant {
        name: "cp",
        prepare: |_| None,
        backup: None,
        restore: |place| Call::new("cp").args(["-a"]).args([place.tree.join("."), place.restored.clone()]),
        mount: None,
    },
];

/// The archives are thrown away; what matters is that they are encrypted.
const PASSWORD: &str = "benchmark";

fn stream(place: &Place) -> PathBuf {
    place.own.join("stream")
}

fn lifeboat(place: &Place, command: &[&str]) -> Call {
    Call::new(&place.lifeboat).args(command).args(["--key-file".as_ref(), place.own.join("key").as_os_str()])
}

fn restic(place: &Place) -> Call {
    Call::new("restic")
        .args(["--repo".as_ref(), place.own.join("repository").as_os_str()])
        .args(["--cache-dir".as_ref(), place.own.join("cache").as_os_str()])
        .env("RESTIC_PASSWORD", PASSWORD)
}

fn borg(place: &Place) -> Call {
    Call::new("borg").env("BORG_PASSPHRASE", PASSWORD).env("BORG_BASE_DIR", place.own.join("base"))
}

fn archive(place: &Place, name: &str) -> String {
    let repository: &Path = &place.own.join("repository");
    format!("{}::{name}", repository.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifeboat_understands_all_of_its_calls() {
        let own = |name: &str| Path::new("/work").join(name);
        let place = Place {
            tree: own("tree"),
            own: own("own"),
            restored: own("restored"),
            lifeboat: "/usr/bin/lifeboat".into(),
        };
        let mut count = 0;
        for contestant in ALL {
            let mount = contestant.mount.as_ref().map(|mount| (mount.serve)(&place, Path::new("/mnt")));
            let calls = [(contestant.prepare)(&place), contestant.backup.map(|backup| backup(&place)), mount];
            let restore = Some((contestant.restore)(&place));
            for words in calls.into_iter().chain([restore]).flatten().map(|call| call.words()) {
                if words[0] != place.lifeboat {
                    continue;
                }
                lifeboat::command().try_get_matches_from(&words).unwrap();
                count += 1;
            }
        }
        assert_eq!(count, 6);
    }
}

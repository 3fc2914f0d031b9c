//! Words that other tools use for what Lifeboat calls otherwise: whoever types one is told the command.

/// A word, and what to do.
const WORDS: [(&str, &str); 22] = [
    ("archives", "'lifeboat list' shows the snapshots of a repository or medium"),
    ("cat", "'lifeboat dump SNAPSHOT PATH' writes a file of a snapshot to standard output"),
    ("extract", "'lifeboat restore --to DIR PATH' gets files out of a snapshot"),
    ("info", "'lifeboat status' shows the age of backup, medium and rehearsal, 'lifeboat list' the snapshots"),
    ("init", "'lifeboat backup --to REPO --init' makes a repository together with its first snapshot"),
    ("create", "'lifeboat backup --to REPO' takes a snapshot"),
    ("save", "'lifeboat backup --to REPO' takes a snapshot"),
    (
        "mkbackup",
        "'lifeboat rescue --out FILE.iso' takes a backup and puts it onto a bootable medium; 'lifeboat backup' alone goes into a repository",
    ),
    ("mkbackuponly", "'lifeboat backup --to REPO' takes a snapshot without making a medium"),
    ("mkrescue", "'lifeboat media iso --rescue-only --out FILE.iso' makes a bootable medium without an archive"),
    (
        "checklayout",
        "'lifeboat media refresh --show' says whether the medium is out of date, 'lifeboat layout diff' what changed",
    ),
    (
        "recover",
        "boot the recovery medium to bring a machine back; 'lifeboat restore --to DIR PATH' gets files back on a running machine",
    ),
    ("opalchallenge", "Lifeboat does not unlock self-encrypting disks"),
    ("delete", "'lifeboat forget' removes snapshots, 'lifeboat prune' what no snapshot needs any more"),
    ("compact", "'lifeboat prune' frees the room of what no snapshot needs any more"),
    (
        "unlock",
        "'restic unlock' removes what crashed programs left locked; 'lifeboat storage unlock' opens LUKS in the rescue system",
    ),
    ("passwd", "'lifeboat key add' and 'lifeboat key remove' change the keys of a repository"),
    ("test", "'lifeboat drill FILE.iso' rehearses the recovery, 'lifeboat verify' reads the whole archive"),
    (
        "config",
        "settings are in /etc/lifeboat.toml: 'man lifeboat.toml'; 'lifeboat check' says what they make of this machine",
    ),
    ("logview", "'lifeboat status' says how the last runs ended; their logs are in /var/log/lifeboat"),
    ("cron", "'lifeboat schedule' turns on what runs by itself"),
    ("iso", "'lifeboat media iso --out FILE.iso' makes a medium, 'lifeboat rescue --out FILE.iso' a backup with it"),
];

/// What `check` is told that restic's would do.
const VERIFY: &str =
    "'lifeboat verify --from REPO' reads every byte of a repository or medium; 'check' looks at the machine";
/// How a repository is named.
const REPOSITORY: &str = "the repository is --to REPO where something is written, and --from REPO where it is read";

/// Arguments that other tools have, by the command of ours (or none, for all) and what they begin with; the first that fits counts.
const ARGUMENTS: [(&str, &str, &str); 12] = [
    (
        "backup",
        "/",
        "a backup saves the whole machine; --exclude leaves a path out, and 'lifeboat restore PATH' brings a single one back",
    ),
    (
        "backup",
        "--tag",
        "'lifeboat forget' keeps and removes snapshots by their age and machine; 'restic tag' tags them",
    ),
    ("backup", "--one-file-system", "a backup saves all local filesystems, and no others; --exclude leaves a path out"),
    ("backup", "--iexclude", "patterns of --exclude know [aA] for both cases"),
    ("check", "--read-data", VERIFY),
    ("check", "--from", VERIFY),
    ("check", "--repo", VERIFY),
    ("check", "-r", VERIFY),
    (
        "restore",
        "--verify",
        "each file is compared with its hash while it is restored; 'lifeboat compare' compares again",
    ),
    ("restore", "--delete", "a restore removes nothing; 'lifeboat compare' names what is there beside the archive"),
    ("", "--repo", REPOSITORY),
    ("", "-r", REPOSITORY),
];

/// What to do instead of an argument that a command does not have.
pub fn instead_of_argument(command: &str, argument: &str) -> Option<&'static str> {
    let is_meant = |known: &str, start: &str| (known.is_empty() || known == command) && argument.starts_with(start);
    ARGUMENTS.iter().find(|(known, start, _)| is_meant(known, start)).map(|(_, _, sentence)| *sentence)
}

/// What to do instead of a word that is no command.
pub fn instead_of(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_other_tools_lead_to_the_right_command() {
        for (command, argument, part) in [
            ("backup", "/etc", "whole machine"),
            ("check", "--read-data-subset=5%", "lifeboat verify"),
            ("check", "--from", "lifeboat verify"),
            ("list", "--repo", "--from REPO"),
        ] {
            assert!(instead_of_argument(command, argument).unwrap().contains(part), "{argument}");
        }
        assert_eq!(instead_of_argument("backup", "etc"), None);
        assert_eq!(instead_of_argument("list", "/"), None);
    }

    #[test]
    fn every_command_that_is_named_is_there() {
        let command = crate::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let arguments = ARGUMENTS.map(|(command, argument, sentence)| {
            assert!(command.is_empty() || names.contains(&command), "{command}");
            (argument, sentence)
        });
        for (word, sentence) in WORDS.into_iter().chain(arguments) {
            for (at, _) in sentence.match_indices("'lifeboat ") {
                let name = sentence[at + 10..].split([' ', '\'']).next().unwrap();
                assert!(names.contains(&name), "{word}: {name}");
            }
        }
    }
}

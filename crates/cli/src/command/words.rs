//! Words that other tools use for what Lifeboat calls otherwise: whoever types one is told the command.

/// A word, and what to do.
const WORDS: [(&str, &str); 20] = [
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
    ("cron", "'lifeboat schedule' turns on what runs by itself"),
    ("iso", "'lifeboat media iso --out FILE.iso' makes a medium, 'lifeboat rescue --out FILE.iso' a backup with it"),
];

/// What to do instead of a word that is no command.
pub fn instead_of(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_named_is_there() {
        let command = crate::command();
        let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        for (word, sentence) in WORDS {
            for (at, _) in sentence.match_indices("'lifeboat ") {
                let name = sentence[at + 10..].split([' ', '\'']).next().unwrap();
                assert!(names.contains(&name), "{word}: {name}");
            }
        }
    }
}

//! Examples of every command: whole lines that can be typed, and what they do.

use clap::Command;

/// A line and what it does.
pub type Example = (&'static str, &'static str);

/// By the names of the command, without `lifeboat`.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "check",
        &[
            ("lifeboat check", "Check this machine; refusals and what is missing are listed"),
            ("lifeboat --json check | jq .refusals", "The same for a program"),
        ],
    ),
    (
        "backup",
        &[
            ("lifeboat backup --to /mnt/nas/repository --init", "Make a repository, once, and take the first snapshot"),
            ("lifeboat backup", "Take a snapshot into the repository that /etc/lifeboat.toml names"),
            (
                "lifeboat backup --to sftp://backup@nas//srv/db7 --limit-upload 2000 --io-priority low",
                "Use 2 MB/s of the network at most, and let others use the disks first",
            ),
        ],
    ),
    (
        "list",
        &[
            ("lifeboat list --from /mnt/nas/repository", "Show the snapshots"),
            ("lifeboat list --from rescue.iso", "Show what is on a medium"),
            ("lifeboat list --long latest /etc", "Show what is in a folder of the latest snapshot"),
        ],
    ),
    (
        "ls",
        &[
            ("lifeboat ls latest /etc", "Names in a folder"),
            ("lifeboat ls -l 1a2b3c4d /etc /boot", "Like ls -l"),
            ("lifeboat ls -R latest / | less", "All paths, as 'restic ls' lists them"),
        ],
    ),
    (
        "find",
        &[
            ("lifeboat find fstab", "In all snapshots of this machine"),
            ("lifeboat find -i '*.JPG' --larger 5M", "By name and size"),
            ("lifeboat find '/etc/**/*.conf' -s latest -l", "Below a folder, in the latest snapshot"),
            ("lifeboat find '*.log' --oldest 2026-11-01 --all-machines", "By time, of every machine"),
        ],
    ),
    (
        "diff",
        &[
            ("lifeboat diff 1a2b3c4d latest", "What changed since then"),
            ("lifeboat diff 1a2b3c4d 5e6f7a8b /etc", "Below a folder"),
            ("lifeboat diff --content 1a2b latest", "Without changes of metadata"),
        ],
    ),
    (
        "dump",
        &[
            ("lifeboat dump latest /etc/fstab", "A file to standard output"),
            ("lifeboat dump latest /etc | tar -tv", "A folder as a tar archive, with extended attributes"),
            ("lifeboat dump 1a2b3c4d /var/lib/db | ssh host tar -xC /restore", "The same to another machine"),
        ],
    ),
    (
        "stats",
        &[
            ("lifeboat stats", "All snapshots of this machine"),
            ("lifeboat stats --all-machines", "Of all machines in the repository"),
            ("lifeboat stats -s latest", "One snapshot"),
        ],
    ),
    ("mount", &[("lifeboat mount /mnt", "All snapshots of this machine, until Ctrl-C or 'umount /mnt'")]),
    (
        "browse",
        &[
            ("lifeboat browse", "Choose a snapshot, search it, restore what is chosen to a folder"),
            ("lifeboat browse --from rescue.iso --to /root/restored", "The same with a medium"),
        ],
    ),
    (
        "media iso",
        &[
            (
                "lifeboat media iso --out rescue.iso --from /mnt/nas/repository --embed-key",
                "A medium with the latest snapshot and a key of its own",
            ),
            (
                "lifeboat media iso --out rescue.iso --rescue-only --source nfs://nas/backup",
                "A medium that reads the archive from a server",
            ),
        ],
    ),
    (
        "media usb",
        &[
            (
                "lifeboat media usb --to /dev/sdX",
                "A stick with a backup; its name must be typed before it is overwritten",
            ),
            ("lifeboat backup --to usb", "The next backup, onto the stick that is plugged in"),
            (
                "lifeboat media usb --to stick.img --size 8G --no-backup",
                "An image of a stick, with an empty repository",
            ),
        ],
    ),
    (
        "media netboot",
        &[
            (
                "lifeboat media netboot --out /srv/lifeboat/boot --source rest:https://nas:8000/db7 --url http://10.0.0.1/boot",
                "Start over the network, with the archive on a server",
            ),
            (
                "lifeboat media netboot --out /srv/lifeboat/boot --from /srv/backup --embed-key --mode nuke",
                "With the archive in the tree: recovered without a question at the next start, once",
            ),
            ("lifeboat media netboot --out /srv/lifeboat/boot --remove db7", "Take a machine out of the tree"),
        ],
    ),
    (
        "media tape",
        &[
            ("lifeboat media tape", "A backup onto the tape in the only drive, verified"),
            (
                "lifeboat media tape --to tape:/dev/nst0 --obdr --embed-key --mode nuke",
                "A tape that boots and recovers by itself",
            ),
        ],
    ),
    (
        "media set",
        &[
            (
                "lifeboat media set --size dvd --out /srv/discs --embed-key --mode nuke",
                "Images of DVDs, to be burned in any order; the first recovers the machine by itself and asks for the others",
            ),
            ("lifeboat media set --size bd --burn /dev/sr0", "Blu-rays, burned and read back one after the other"),
            ("lifeboat verify --from /srv/discs", "Read the archive on all images"),
        ],
    ),
    (
        "media label",
        &[
            ("lifeboat media label /srv/discs", "A page for each disc of a set"),
            ("lifeboat media label usb", "What to write on the stick that is plugged in"),
            ("lifeboat media label rescue.iso --ascii | lpr", "A page for the case of a disc"),
        ],
    ),
    (
        "media refresh",
        &[
            ("lifeboat media refresh", "Build the medium of the routine again if it is out of date"),
            ("lifeboat media refresh --show", "Only say what changed since it was built"),
            ("lifeboat media refresh --out usb", "The rescue system on the stick that is plugged in"),
        ],
    ),
    (
        "rescue",
        &[
            (
                "lifeboat rescue --out /mnt/elsewhere/rescue.iso --embed-key",
                "Backup and medium in one go; it recovers unattended",
            ),
            (
                "lifeboat rescue --out /mnt/elsewhere/rescue.iso --exclude /var/cache --force",
                "Replace an older image, without the caches",
            ),
        ],
    ),
    (
        "layout show",
        &[
            ("lifeboat layout show", "How this machine's storage is made"),
            ("lifeboat layout show --from rescue.iso", "The same of the machine on a medium"),
        ],
    ),
    (
        "layout plan",
        &[("lifeboat layout plan --from rescue.iso", "What a recovery would do to the disks here; nothing is touched")],
    ),
    (
        "layout edit",
        &[("lifeboat layout edit machine.json --out new.json", "Another layout for the machine, in an editor")],
    ),
    (
        "layout diff",
        &[(
            "lifeboat layout diff --from /mnt/nas/repository",
            "What changed since the last backup; exit code 4 if anything did",
        )],
    ),
    (
        "restore",
        &[
            ("lifeboat restore --from rescue.iso --to /tmp/old /etc/fstab", "Get one file back, into another folder"),
            ("lifeboat restore /etc/fstab --as fstab.saved", "Beside the one that is there"),
            ("lifeboat restore /etc --inside --to /root/etc", "What is in a folder, without the folder"),
            ("lifeboat restore -i '*.conf' --to /root/restored --snapshot 1a2b3c4d", "What fits a pattern"),
            ("lifeboat restore /srv/www --overwrite if-changed --dry-run", "Show what would be replaced"),
        ],
    ),
    ("compare", &[("lifeboat compare --from rescue.iso /etc", "What differs in /etc; exit code 4 if anything does")]),
    (
        "verify",
        &[
            ("lifeboat verify --from /mnt/nas/repository", "Read every byte of the archive"),
            ("lifeboat verify --from /dev/sr0", "Check a disc, and what boots from it"),
        ],
    ),
    (
        "forget",
        &[
            ("lifeboat forget --keep-daily 14 --keep-monthly 12 --dry-run", "What would go, what stays, and why"),
            ("lifeboat forget --prune", "By the rules of [retention] in /etc/lifeboat.toml; free the room as well"),
            ("lifeboat forget 1a2b3c4d", "Remove one snapshot"),
            ("lifeboat forget --all-machines --keep-within 90d --keep-monthly 24", "In a repository of many machines"),
        ],
    ),
    (
        "prune",
        &[
            ("lifeboat prune --dry-run", "What a run would mark, copy and remove"),
            ("lifeboat prune", "Mark what nobody needs, and remove what an earlier run has marked"),
            ("lifeboat prune --max-repack-size 20G --max-unused 10%", "Do less at a time"),
        ],
    ),
    (
        "copy",
        &[
            ("lifeboat copy --to /mnt/offsite/repository --init", "This machine's snapshots into a second repository"),
            (
                "lifeboat copy --from sftp://nas//srv/backup --to /mnt/usb/repo --all-machines --to-key-file usb.key",
                "All snapshots into a repository with another key",
            ),
            ("lifeboat copy --to /mnt/offsite/repository -s latest", "The latest one only"),
        ],
    ),
    (
        "drill",
        &[
            ("lifeboat drill rescue.iso", "Rehearse: recover into a virtual machine and boot the result"),
            (
                "lifeboat drill rescue.iso --expect 'web1 login:' --memory 4096",
                "Wait for this text, with 4 GiB of memory",
            ),
        ],
    ),
    (
        "status",
        &[
            ("lifeboat status", "What is how old, and what is overdue; exit code 4 if anything is"),
            ("lifeboat status --prometheus /var/lib/prometheus/node-exporter/lifeboat.prom", "The same as metrics"),
        ],
    ),
    (
        "schedule",
        &[
            ("lifeboat schedule", "Turn on what [schedule] in /etc/lifeboat.toml says"),
            ("lifeboat schedule --show", "What runs, and when next"),
            ("lifeboat schedule --off", "Turn it off"),
        ],
    ),
    (
        "serve",
        &[
            (
                "lifeboat serve /srv/lifeboat",
                "Serve the store, the boot tree and the status page over HTTPS at port 8000",
            ),
            (
                "lifeboat serve /srv/lifeboat --netboot eth1 --only-netboot",
                "Start the machines on a network link from the boot tree, beside its DHCP server",
            ),
            (
                "lifeboat serve /srv/lifeboat --add-token web1 --right append-only --path machines/web1 --quota 500G",
                "Let web1 add backups to its own repository, and remove none",
            ),
            (
                "lifeboat serve /srv/lifeboat --add-token admin --right full --path machines",
                "For forget and prune of all machines",
            ),
            (
                "lifeboat serve /srv/lifeboat --add-token me --right view",
                "For the status page, the metrics and the API",
            ),
        ],
    ),
    ("notify", &[("lifeboat notify", "Send a test message to those whom [notify] names")]),
    ("logs", &[("lifeboat logs --to /dev/sdb1", "Save the logs of the rescue system onto a stick")]),
    ("key create", &[("lifeboat key create", "Make /etc/lifeboat/repository.key and show its recovery words")]),
    ("key show", &[("lifeboat key show", "Print the recovery words again, to write them down")]),
    ("key import", &[("lifeboat key import --key-file new.key", "Type recovery words, get the key file back")]),
    ("key list", &[("lifeboat key list --from /mnt/nas/repository", "Which keys open the repository")]),
    (
        "key add",
        &[(
            "lifeboat key add --to /mnt/nas/repository --new-key-file second.key",
            "Let a second key open the repository",
        )],
    ),
    (
        "key remove",
        &[(
            "lifeboat key remove --to /mnt/nas/repository 1a2b3c4d",
            "A key that was lost no longer opens the repository",
        )],
    ),
    ("storage show", &[("lifeboat storage show", "Arrays, groups and encrypted devices, and what is active")]),
    ("storage activate", &[("lifeboat storage activate", "Assemble and activate everything, read-only")]),
    ("storage unlock", &[("lifeboat storage unlock /dev/sdb2", "Open a LUKS device; asks for its passphrase")]),
    (
        "storage login",
        &[("lifeboat storage login iqn.2026-01.net.example:store@192.0.2.7", "Use a disk of an iSCSI target")],
    ),
    ("storage release", &[("lifeboat storage release", "Stop what is not in use, before disks are rebuilt")]),
];

/// The examples of a command, by its names without `lifeboat`: `media iso`.
pub fn of(path: &str) -> &'static [Example] {
    EXAMPLES.iter().find(|(known, _)| *known == path).map_or(&[], |(_, examples)| examples)
}

/// The command with examples at the end of every help.
pub fn added(command: Command) -> Command {
    below(command, "")
}

fn below(command: Command, above: &str) -> Command {
    command.mut_subcommands(|sub| {
        let path = format!("{above} {}", sub.get_name()).trim_start().to_owned();
        let sub = match of(&path) {
            [] => sub,
            examples => {
                let lines: Vec<String> =
                    examples.iter().map(|(line, what)| format!("  {line}\n      {what}")).collect();
                let note = sub.get_after_help().map(|note| format!("\n\n{note}")).unwrap_or_default();
                sub.after_help(format!("Examples:\n{}{note}", lines.join("\n")))
            }
        };
        below(sub, &path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_examples_that_are_understood() {
        fn leaves(command: &Command, above: &str, out: &mut Vec<(String, bool)>) {
            for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
                let path = format!("{above} {}", sub.get_name()).trim_start().to_owned();
                match sub.has_subcommands() {
                    true => leaves(sub, &path, out),
                    false => {
                        let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                        out.push((path, help.contains("Examples:")));
                    }
                }
            }
        }
        let mut found = vec![];
        leaves(&crate::command(), "", &mut found);
        assert!(found.len() > 20);
        for (path, has) in &found {
            assert!(has, "'lifeboat {path}' has no example");
        }
        for (path, examples) in EXAMPLES {
            assert!(found.iter().any(|(known, _)| known == path), "{path} is no command");
            for (line, _) in *examples {
                let line = line.split(" | ").next().unwrap().replace('\'', "");
                // What is quoted has a blank in it; the words before it count.
                let words: Vec<&str> = line.split(' ').filter(|word| *word != "login:").collect();
                let parsed = crate::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            }
        }
    }
}

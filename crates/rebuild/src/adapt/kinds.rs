//! Filesystems of another kind than recorded: their lines in fstab, their options on kernel command lines. Text in, text out.

use lifeboat_plan::ChangedFilesystem;

/// Options that mount(8) and the kernel take for any filesystem; those that begin with `x-` as well.
const GENERIC: [&str; 43] = [
    "_netdev",
    "async",
    "atime",
    "auto",
    "comment",
    "context",
    "defaults",
    "defcontext",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "fscontext",
    "group",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "noauto",
    "nodev",
    "nodiratime",
    "noexec",
    "nofail",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nouser",
    "owner",
    "relatime",
    "remount",
    "ro",
    "rootcontext",
    "rw",
    "seclabel",
    "silent",
    "strictatime",
    "suid",
    "sync",
    "user",
];
/// Options that another kind may have had, too (ext4(5), xfs(5), btrfs(5)).
const EXT4: [&str; 12] = [
    "acl",
    "barrier",
    "commit",
    "dax",
    "discard",
    "grpquota",
    "noacl",
    "nobarrier",
    "nodiscard",
    "noquota",
    "prjquota",
    "usrquota",
];
const XFS: [&str; 7] = ["dax", "discard", "grpquota", "nodiscard", "noquota", "prjquota", "usrquota"];
const BTRFS: [&str; 7] = ["acl", "barrier", "commit", "discard", "noacl", "nobarrier", "nodiscard"];
/// What of ext4 an ext2 does not have; ext3 lacks the last two only.
const NOT_EXT2: [&str; 8] =
    ["barrier", "commit", "data", "journal_dev", "journal_path", "nobarrier", "delalloc", "nodelalloc"];

/// fstab with the lines of the changed filesystems made right, and what a person should know of it.
pub(super) fn fstab(text: &[u8], changes: &[ChangedFilesystem]) -> (Vec<u8>, Vec<String>) {
    let (mut out, mut notes) = (Vec::with_capacity(text.len()), vec![]);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let mut parts = parts(line);
        let fields: Vec<usize> = (0..parts.len()).filter(|index| !parts[*index][0].is_ascii_whitespace()).collect();
        let texts: Vec<String> = fields.iter().map(|at| String::from_utf8_lossy(&parts[*at]).into_owned()).collect();
        let field = |index: usize| texts.get(index).cloned();
        let comment = field(0).is_none_or(|name| name.starts_with('#'));
        let change = match (field(0), field(1), field(2)) {
            (Some(name), Some(point), Some(kind)) if !comment => concerned(changes, &name, &point, &kind),
            _ => None,
        };
        if let Some(change) = change {
            let point = field(1).unwrap_or_default();
            let mut set = |index: usize, value: String| parts[fields[index]] = value.into_bytes();
            if let (Some(name), Some(label)) = (field(0), &change.lost_label)
                && [format!("LABEL={label}"), format!("/dev/disk/by-label/{label}")].contains(&unquoted(&name))
            {
                set(0, change.name.clone());
            }
            if field(2).is_some_and(|kind| kind != "auto") {
                set(2, change.to.clone());
            }
            if let Some(old) = field(3) {
                let (kept, lost) = options(&old, change);
                set(3, if kept.is_empty() { "defaults".into() } else { kept.join(",") });
                if !lost.is_empty() {
                    notes.push(format!(
                        "/etc/fstab: {point} loses {}, which {} does not support",
                        lost.join(","),
                        change.to
                    ));
                }
            }
            if let Some(pass) = field(5) {
                set(5, pass_of(&pass, &point, &change.to));
            }
        }
        out.extend(parts.concat());
    }
    (out, notes)
}

/// A line as fields and the blanks between them.
fn parts(line: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = vec![];
    for byte in line {
        match parts.last_mut().filter(|part| part[0].is_ascii_whitespace() == byte.is_ascii_whitespace()) {
            Some(part) => part.push(*byte),
            None => parts.push(vec![*byte]),
        }
    }
    parts
}

/// The change that a line of fstab is about: by mount point or name, when its type is the recorded one or left to mount(8).
fn concerned<'c>(
    changes: &'c [ChangedFilesystem],
    name: &str,
    point: &str,
    kind: &str,
) -> Option<&'c ChangedFilesystem> {
    let (name, point) = (unquoted(name), unescaped(point));
    changes.iter().find(|change| {
        let called = change.names.iter().any(|known| same_name(known, &name));
        let there = change.mount_points.iter().any(|known| known.0 == point);
        (called || there) && (kind == "auto" || kind.split(',').any(|one| one == change.from))
    })
}

/// fstab(5): UUID="…" is allowed.
fn unquoted(name: &str) -> String {
    name.replace('"', "")
}

/// UUIDs are the same in either case, labels are not.
fn same_name(known: &str, name: &str) -> bool {
    let label = known.contains("LABEL=") || known.contains("/by-label/");
    if label { known == name } else { known.eq_ignore_ascii_case(name) }
}

/// fstab(5): a blank is \040, a tab \011, a backslash \134.
fn unescaped(field: &str) -> Vec<u8> {
    let (bytes, mut out, mut at) = (field.as_bytes(), vec![], 0);
    while at < bytes.len() {
        let octal = (bytes[at] == b'\\').then(|| field.get(at + 1..at + 4)).flatten();
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// The options that the new kind takes, and those that it does not.
fn options<'o>(old: &'o str, change: &ChangedFilesystem) -> (Vec<&'o str>, Vec<&'o str>) {
    old.split(',').filter(|option| !option.is_empty()).partition(|option| takes(change, option))
}

fn takes(change: &ChangedFilesystem, option: &str) -> bool {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    if name.starts_with("x-") || name.starts_with("X-") || GENERIC.contains(&name) || name == "users" {
        return true;
    }
    let ext = |kind: &str| kind.starts_with("ext");
    if ext(&change.from) && ext(&change.to) {
        // One driver reads all of them.
        return match change.to.as_str() {
            "ext2" => !NOT_EXT2.contains(&name) && !name.starts_with("journal"),
            "ext3" => !name.ends_with("delalloc"),
            _ => true,
        };
    }
    match change.to.as_str() {
        "xfs" => XFS.contains(&name) && value.is_empty(),
        "btrfs" => BTRFS.contains(&name),
        "ext2" => EXT4.contains(&name) && value.is_empty() && !NOT_EXT2.contains(&name),
        _ => EXT4.contains(&name) && (value.is_empty() || name != "discard"),
    }
}

/// When fsck looks at it: XFS and btrfs see to themselves (fsck.xfs(8), fsck.btrfs(8)).
fn pass_of(old: &str, point: &str, to: &str) -> String {
    match (to, old) {
        ("xfs" | "btrfs", _) => "0".into(),
        (_, "0") => if point == "/" { "1" } else { "2" }.into(),
        _ => old.to_owned(),
    }
}

/// A file with kernel command lines: `rootfstype=` and `rootflags=` of the root that changed.
pub(super) fn command_lines(text: &[u8], root: &ChangedFilesystem) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let begins = out.last().is_none_or(|byte| byte.is_ascii_whitespace() || b"\"'=".contains(byte));
        let key =
            [&b"rootfstype="[..], &b"rootflags="[..]].into_iter().find(|key| begins && text[at..].starts_with(key));
        let Some(key) = key else {
            out.push(text[at]);
            at += 1;
            continue;
        };
        let rest = &text[at + key.len()..];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"'".contains(byte);
        let value = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        at += key.len() + value.len();
        let value = String::from_utf8_lossy(value);
        let new = match key {
            b"rootfstype=" => root.to.clone(),
            _ => options(&value, root).0.join(","),
        };
        if !new.is_empty() {
            out.extend_from_slice(key);
            out.extend_from_slice(new.as_bytes());
        } else if text.get(at) == Some(&b' ') {
            // One of the two blanks around it goes, too.
            at += 1;
        } else if out.last() == Some(&b' ') {
            out.pop();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifeboat_machine::Name;

    fn change(from: &str, to: &str, points: &[&str]) -> ChangedFilesystem {
        ChangedFilesystem {
            from: from.into(),
            to: to.into(),
            mount_points: points.iter().map(|point| Name::from(*point)).collect(),
            names: vec!["UUID=aa-11".into(), "LABEL=a-long-label-16b".into(), "PARTUUID=bb".into(), "/dev/vda2".into()],
            name: "UUID=aa-11".into(),
            lost_label: (to == "xfs").then(|| Name::from("a-long-label-16b")),
        }
    }

    #[test]
    fn lines_of_fstab() {
        for (from, to, old, new) in [
            ("ext4", "xfs", "UUID=aa-11\t/  ext4  errors=remount-ro 0 1\n", "UUID=aa-11\t/  xfs  defaults 0 0\n"),
            (
                "ext4",
                "btrfs",
                "UUID=AA-11 /x ext4 noatime,data=ordered,commit=30,x-systemd.device-timeout=9 0 2",
                "UUID=AA-11 /x btrfs noatime,commit=30,x-systemd.device-timeout=9 0 0",
            ),
            (
                "xfs",
                "ext4",
                "PARTUUID=\"BB\" / xfs defaults,inode64,logbufs=8 0 0\n",
                "PARTUUID=\"BB\" / ext4 defaults 0 1\n",
            ),
            (
                "xfs",
                "ext4",
                "/dev/vda2 /srv xfs discard,nofail,usrquota 0 0\n",
                "/dev/vda2 /srv ext4 discard,nofail,usrquota 0 2\n",
            ),
            (
                "btrfs",
                "ext4",
                "UUID=aa-11 / btrfs subvol=@,compress=zstd:3,noatime,discard=async 0 0\n",
                "UUID=aa-11 / ext4 noatime 0 1\n",
            ),
            (
                "ext4",
                "ext3",
                "UUID=aa-11 / ext4 errors=remount-ro,nodelalloc 0 1\n",
                "UUID=aa-11 / ext3 errors=remount-ro 0 1\n",
            ),
            // Names that were lost, types that are found out, places that are escaped.
            ("ext4", "xfs", "LABEL=a-long-label-16b /y ext4 rw\n", "UUID=aa-11 /y xfs rw\n"),
            ("ext4", "xfs", "LABEL=a-long-label-16b /y auto acl 1 2\n", "UUID=aa-11 /y auto defaults 1 0\n"),
            (
                "ext4",
                "btrfs",
                "/dev/mapper/x /my\\040data ext4 defaults 0 2\n",
                "/dev/mapper/x /my\\040data btrfs defaults 0 0\n",
            ),
        ] {
            let (text, _) = fstab(old.as_bytes(), &[change(from, to, &["/", "/my data"])]);
            assert_eq!(String::from_utf8(text).unwrap(), new, "{from} to {to}");
        }
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        let text = b"# UUID=aa-11 / ext4 errors=remount-ro 0 1\n\n  \nUUID=cc /home ext4 errors=remount-ro 0 2\n\
                     UUID=dd none swap sw 0 0\n/dir / none bind 0 0\nUUID=aa-11\nbroken \xff line\nUUID=aa-11 / xfs x";
        let (new, notes) = fstab(text, &[change("ext4", "btrfs", &["/"])]);
        assert_eq!((new, notes), (text.to_vec(), vec![]));
    }

    #[test]
    fn losses_are_reported() {
        let (_, notes) =
            fstab(b"UUID=aa-11 / ext4 errors=remount-ro,data=journal,ro 0 1", &[change("ext4", "btrfs", &["/"])]);
        assert_eq!(notes, ["/etc/fstab: / loses errors=remount-ro,data=journal, which btrfs does not support"]);
    }

    #[test]
    fn command_lines_of_the_root() {
        for (old, new) in [
            (
                "linux /vmlinuz root=UUID=aa rootfstype=btrfs rootflags=subvol=@ ro\n",
                "linux /vmlinuz root=UUID=aa rootfstype=ext4 ro\n",
            ),
            ("GRUB_CMDLINE_LINUX=\"rootflags=subvol=@\"\n", "GRUB_CMDLINE_LINUX=\"\"\n"),
            (
                "GRUB_CMDLINE_LINUX=\"quiet rootflags=subvol=@,noatime\"",
                "GRUB_CMDLINE_LINUX=\"quiet rootflags=noatime\"",
            ),
            ("options a rootflags=subvol=@", "options a"),
            ("xrootfstype=btrfs", "xrootfstype=btrfs"),
        ] {
            assert_eq!(
                String::from_utf8(command_lines(old.as_bytes(), &change("btrfs", "ext4", &["/"]))).unwrap(),
                new
            );
        }
    }
}

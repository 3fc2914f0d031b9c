//! The judge of the scenarios, `lab/compare-disks.sh`, is itself judged: it sees every kind of difference.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk with one ext4 partition that holds the odd files of the lab; mounted by `mount` for a shell script.
const LIBRARY: &str = r#"
set -euo pipefail
lab=$1; disk=$2
. "$lab/lib.sh"
make_work
make() {
    truncate --size 256M "$disk"
    printf 'label: gpt\nlabel-id: 0F0E0D0C-0B0A-4908-8706-0504030212AA\nstart=2048, uuid=0F0E0D0C-0B0A-4908-8706-0504030212BB, name="root"\n' |
        sfdisk --quiet "$disk"
    attach "$disk" 1
    mke2fs -q -F -t ext4 -U 6a1c0b3e-5d0f-4d8a-9a43-0c12bd1200aa "$loop"
    mount_at "$work/mnt" "$loop"
    "$lab/odd-files.py" "$work/mnt/odd" 2>/dev/null
}
change() {
    attach "$disk" 1
    mount_at "$work/mnt" "$loop"
    cd "$work/mnt/odd"
}
"#;

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../lab").canonicalize().unwrap()
}

fn script(disk: &Path, text: &str) {
    let mut bash = Command::new("bash");
    let output = bash.arg("-c").arg(format!("{LIBRARY}\n{text}")).arg("test").arg(lab()).arg(disk).output().unwrap();
    assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
}

fn compare(original: &Path, restored: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(lab().join("compare-disks.sh"));
    let output = command.arg(original).arg(restored).args(more).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

/// A change, and what the difference must name.
const CHANGES: [(&str, &str); 17] = [
    // The same size and time, so that only the content shows it.
    ("printf y | dd of=labelled conv=notrunc status=none; touch -d @1 labelled", "odd/labelled -"),
    ("chown 1:1 empty", "odd/empty -"),
    ("chmod 4711 setgid", "odd/setgid -"),
    ("touch -d '2040-01-01 00:00:00.000000003 UTC' year-2040", "odd/year-2040 -"),
    ("setfattr -x user.empty xattrs", "odd/xattrs -"),
    ("setfattr -x system.posix_acl_default acl-directory", "odd/acl-directory d"),
    ("setfattr -x security.capability capable", "odd/capable -"),
    ("chattr -i immutable", "odd/immutable -"),
    ("chattr -d no-dump-directory", "odd/no-dump-directory d"),
    ("cp --preserve=all small copy; mv copy elsewhere/small-third-name", "odd/elsewhere/small-third-name -"),
    ("ln -sfn elsewhere link", "odd/link l"),
    ("fallocate --punch-hole --offset 0 --length 1048576 written-zeros", "odd/written-zeros -"),
    ("mv names/-rf names/-fr", "odd/names/-fr -"),
    ("rm char-device; mknod -m 600 char-device c 1 5", "odd/char-device c"),
    ("rm socket", "odd/socket s"),
    ("cd ../ && touch new && cd odd", "./new -"),
    ("chmod 700 ..", ". d 0700"),
];

#[test]
fn root_every_kind_of_difference_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let (original, restored) = (directory.path().join("original.img"), directory.path().join("restored.img"));
    script(&original, "make");
    std::fs::copy(&original, &restored).unwrap();
    let (code, text) = compare(&original, &restored, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("no differences"), "{text}");

    let all: Vec<&str> = CHANGES.iter().map(|(change, _)| *change).collect();
    script(&restored, &format!("change\n{}\ncd /", all.join("\n")));
    let (code, text) = compare(&original, &restored, &[]);
    assert_eq!(code, Some(1), "{text}");
    for (change, expected) in CHANGES {
        // Lines are `-./NAME TYPE …` and `+./NAME TYPE …`.
        let bare = |line: &str| line.trim_start_matches(['+', '-']).trim_start_matches("./").to_owned();
        let seen = text.lines().any(|line| bare(line).starts_with(&bare(expected)));
        assert!(seen, "`{change}` should show {expected} in\n{text}");
    }

    // Tunables and the table are part of a machine, too.
    std::fs::copy(&original, &restored).unwrap();
    script(&restored, "attach \"$disk\" 1; tune2fs -c 7 -L other \"$loop\" >/dev/null");
    script(&restored, "sfdisk --quiet --part-label \"$disk\" 1 renamed");
    let (code, text) = compare(&original, &restored, &[]);
    assert_eq!(code, Some(1), "{text}");
    for expected in ["Maximum mount count", "LABEL=other", "name=\"renamed\""] {
        assert!(text.contains(expected), "{expected} is missing in\n{text}");
    }
    let ignore = directory.path().join("ignore");
    std::fs::write(&ignore, "# for this test\nMaximum mount count|LABEL=|Filesystem volume name|name=\n").unwrap();
    let (code, text) = compare(&original, &restored, &["--ignore-file", ignore.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
}

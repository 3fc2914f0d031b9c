//! How the archive on a set of discs is restored with stock tools: the part of RECOVER-BY-HAND.txt on its first disc, and the page on the
//! others. As everywhere, lines that begin with four spaces are commands for bash, in order.

use crate::identity::Identity;
use lifeboat_archive::stream::by_hand;
use lifeboat_machine::bytes::printable;

/// The beginning of a command that prints a file of the archive.
pub(crate) const DUMP: &str = "member";

/// What the set is.
pub(crate) const ABOUT: &str = "\
The archive is on a set of discs, of which each has one volume: a piece of a tar archive in zstd frames, encrypted with age.
All discs are needed, in their order. The last one says so in its last block (`end yes`); without it the set is not whole,
and the programs below do not notice by themselves. With one drive the disc is changed for each volume; of images nothing
is changed: set `images` to what their names begin with, before -disc1.iso.";

/// Where the key is.
pub(crate) const KEY: &str = "\
The key is the text of /etc/lifeboat/repository.key of the machine, in a file that only root can read. Without the file: the
24 recovery words are the same 256 bits in BIP-39; any BIP-39 tool shows them as 64 hexadecimal digits, and these digits
are the text.";

/// What the restoring lines need.
pub(crate) const RESTORE: &str = "\
GNU tar 1.30 or later. With bsdtar: replace what follows `zstd -dc |` by
bsdtar -xpf - -C \"$target\" --numeric-owner --acls --xattrs --exclude '^.lifeboat'
(busybox tar cannot read it). All discs must show the same set.";

/// What stock tools do not restore.
pub(crate) const NOT_RESTORED: &str = "\
Only Lifeboat restores inode flags, project ids, sockets, shared blocks, and extended attributes whose names contain = or %.";

/// The lines that name drive and key, make the identity for age, and read all volumes in their order.
pub(crate) fn functions(has_key: bool) -> Vec<String> {
    let key = if has_key { "$medium/lifeboat/repository.key" } else { "/root/repository.key" };
    let mut lines =
        vec![format!(": \"${{drive:=/dev/sr0}}\" \"${{images:=}}\" \"${{disc:=/mnt/disc}}\" \"${{key:={key}}}\"")];
    lines.push("export LC_ALL=C.UTF-8 KEY=\"$key\" TARGET=\"$target\"".to_owned());
    lines.push("umask 077; mkdir -p \"$disc\" \"$target\"".to_owned());
    lines.extend(by_hand::identity().into_iter().map(str::to_owned));
    lines.push("umask 022; umount \"${medium:-/mnt/medium}\" 2>/dev/null || true".to_owned());
    lines.extend(FUNCTIONS.lines().map(str::to_owned));
    lines
}

/// `volume N` mounts a disc and names its volume; `archive` prints the whole archive, still compressed; `member` one file of it.
const FUNCTIONS: &str = r#"# Mounts disc $1; its volume is $v.
volume() {
  ! mountpoint -q "$disc" || umount "$disc"
  if [ -n "$images" ]; then mount -o ro,loop "$images-disc$1.iso" "$disc" || return
  else read -rp "Put disc $1 into $drive and press Enter: " </dev/tty && mount -o ro "$drive" "$disc" || return
  fi
  v="$disc/lifeboat/volume-$(printf %03d "$1")"
  dd if="$v" bs=65536 count=1 status=none | head -n 3 | grep -a -e '^set' -e '^volume' | paste -sd' ' >&2
}
archive() {
  n=0
  while n=$((n + 1)) && volume $n; do
    blocks=$(($(stat -Lc %s "$v") / 65536))
    dd if="$v" bs=65536 skip=1 count=$((blocks - 2)) status=none | age -d -i "$TARGET.identity" || return
    if dd if="$v" bs=65536 skip=$((blocks - 1)) status=none | head -n 6 | grep -aq '^end yes'; then
      echo "disc $n is the last: the set is whole" >&2
      umount "$disc"
      return
    fi
  done
  echo "the set is not whole" >&2
  return 1
}
member() { archive | zstd -dc | tar -xOf - --occurrence=1 "${1#/}"; }"#;

/// The lines that restore all files.
pub(crate) fn restore() -> Vec<String> {
    [
        "(set -o pipefail; archive | zstd -dc | tar -xpf - -C \"$target\" --numeric-owner --acls --xattrs --xattrs-include='*' --warning=no-unknown-keyword --anchored --exclude=.lifeboat) \\",
        "  || echo 'not everything could be restored: see above'",
        "rm \"$TARGET.identity\"",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The page on a disc behind the first.
pub fn page(identity: &Identity<'_>) -> String {
    let (machine, number) = (printable(identity.machine.as_bytes()), identity.disc.unwrap_or(1));
    let title = format!("Disc {number} of the backup {} of {machine}", identity.label());
    let mut page = format!("{title}\n{}\n\n", "=".repeat(title.chars().count()));
    page.push_str(
        "This disc does not boot: disc 1 of the set does, and asks for the others. Its RECOVER-BY-HAND.txt also says how the disks\n\
         of the machine are made. This page is for files alone, without Lifeboat. Its commands are the lines that begin with four\n\
         spaces, for bash, as root.\n\n",
    );
    page.push_str(ABOUT);
    page.push_str("\n\n");
    page.push_str(KEY);
    page.push_str("\n\n");
    let mut commands = vec!["# The folder to restore into.".to_owned(), ": \"${target:=/mnt/target}\"".to_owned()];
    commands.extend(functions(false));
    commands_of(&mut page, &commands);
    page.push('\n');
    page.push_str(RESTORE);
    page.push_str("\n\n");
    commands_of(&mut page, &restore());
    page.push('\n');
    page.push_str(NOT_RESTORED);
    page.push('\n');
    page
}

fn commands_of(page: &mut String, lines: &[String]) {
    for line in lines {
        page.push_str(format!("    {line}").trim_end());
        page.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn bash_reads_the_page() {
        let identity = Identity {
            machine: "web1\u{1b}[2J'; reboot",
            created_at: "2026-11-24T07:01:02Z",
            id: "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
            disc: Some(2),
        };
        let page = page(&identity);
        assert!(page.starts_with("Disc 2 of the backup WEB1") && !page.contains('\u{1b}'), "{page}");
        let commands: String =
            page.lines().filter_map(|line| line.strip_prefix("    ")).map(|line| format!("{line}\n")).collect();
        let checked = Command::new("bash").args(["-n", "-c", &commands]).output().unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
        assert!(commands.contains("archive | zstd -dc | tar"), "{commands}");
    }
}

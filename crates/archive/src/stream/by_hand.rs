//! What the header block of each volume says to people who have no Lifeboat.

/// Where the text begins in the block: readers of headers look no further.
pub(crate) const START: usize = 512;

/// The text. Its lines that begin with four spaces are commands for bash, in their order; a test runs them as they are.
pub const TEXT: &str = r#"
This is a volume of a Lifeboat archive: a tar archive in zstd frames, encrypted with age. It restores without Lifeboat, in bash, with
dd, age, zstd, python3, and GNU tar 1.30 or later or bsdtar (busybox tar cannot read it). Every path goes through dd with the size of the blocks.

1. The volumes in their order, the key file, and the folder to restore into. Change these lines:

    export VOLUMES="${VOLUMES:-volume.001 volume.002}" KEY="${KEY:-repository.key}" TARGET="${TARGET:-/mnt/target}"
    export LC_ALL=C.UTF-8
    set -o pipefail

2. The set is whole when the last volume says "end yes". If none does, it was cut, and the programs below do not notice. All lines must
   have the same set:

    for v in $VOLUMES; do dd if="$v" bs=65536 skip=$(($(stat -Lc %s "$v") / 65536 - 1)) status=none | head -n 6 | grep -aE '^(set|volume|end) ' | paste -sd' '; done

   The bytes of a volume, without its last block, have the BLAKE3 that its trailer names: b3sum compares them.

3. The identity for age, from the key file (64 hexadecimal digits; 'lifeboat key import' makes it from the recovery words):

    python3 - > "$TARGET.identity" <<'END'
    import hashlib, os
    key = open(os.environ["KEY"]).read().strip().lower()
    digest = hashlib.sha256(("lifeboat age identity 1:" + key).encode()).digest()
    values = [(int.from_bytes(digest, "big") << 4) >> (5 * (51 - i)) & 31 for i in range(52)]
    prefix, letters = "age-secret-key-", "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
    check = 1
    for value in [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + values + [0] * 6:
        top, check = check >> 25, (check & 0x1ffffff) << 5 ^ value
        for bit, term in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            check ^= term if top >> bit & 1 else 0
    values += [(check ^ 1) >> (5 * (5 - i)) & 31 for i in range(6)]
    print((prefix + "1" + "".join(letters[value] for value in values)).upper())
    END

4. Restore. Capabilities, ACLs and holes come back with these options:

    for v in $VOLUMES; do dd if="$v" bs=65536 skip=1 count=$(($(stat -Lc %s "$v") / 65536 - 2)) status=none | age -d -i "$TARGET.identity"; done | zstd -dc | tar -xpf - -C "$TARGET" --numeric-owner --acls --xattrs --xattrs-include='*' --warning=no-unknown-keyword --anchored --exclude=.lifeboat

   With bsdtar: replace what follows "zstd -dc |" by: bsdtar -xpf - -C "$TARGET" --numeric-owner --acls --xattrs --exclude '^.lifeboat'

5. What only Lifeboat restores: inode flags, project ids, sockets, shared blocks, and extended attributes whose names contain = or %.
   The archive's folder .lifeboat, which was left out, has machine.json, which describes the disks: "tar -xOf - .lifeboat/machine.json"
   in step 4 shows it. Delete the identity when done:

    rm "$TARGET.identity"
"#;

/// The lines of the text that make the identity `$TARGET.identity` from the key file `$KEY`.
pub fn identity() -> Vec<&'static str> {
    let lines = TEXT.lines().filter_map(|line| line.strip_prefix("    "));
    let mut lines: Vec<&str> = lines.skip_while(|line| !line.starts_with("python3 ")).collect();
    let end = lines.iter().position(|line| *line == "END").unwrap_or(lines.len());
    lines.truncate(end + 1);
    lines
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_identity_is_made_by_whole_lines() {
        let lines = super::identity();
        assert!(lines[0].starts_with("python3 - > \"$TARGET.identity\"") && lines.len() > 10);
        assert_eq!(lines.last(), Some(&"END"));
    }

    #[test]
    fn it_fits_into_the_block() {
        assert!(super::TEXT.len() + super::START < crate::stream::BLOCK_BYTES as usize);
        assert!(super::TEXT.contains(&format!("bs={}", crate::stream::BLOCK_BYTES)));
    }
}

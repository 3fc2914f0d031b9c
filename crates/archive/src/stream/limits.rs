//! What readers take: nothing else is written.

use super::catalogue::decoded;
use crate::file_table::FileTable;

/// The most bytes of a catalogue; a million entries have some 100 MB.
pub(super) const CATALOGUE_MAX: u64 = 1 << 30;
/// The most bytes of another file of our own.
pub(super) const OWN_MAX: u64 = 64 << 20;
/// What the catalogue at the end has more than the table at the beginning, at most, for each entry and for each frame.
const OFFSET_BYTES: u64 = 10;
const FRAME_BYTES: u64 = 25;

/// Whether readers take an encoded table, also when the places of so many frames are added.
///
/// # Errors
/// Why they do not, and because of which entry, if one is the reason.
pub(super) fn check(bytes: &[u8], table: &FileTable, frames: u64) -> Result<(), String> {
    let count = table.records.len() as u64;
    let more = match frames {
        0 => 0,
        frames => count.saturating_mul(OFFSET_BYTES).saturating_add(frames.saturating_mul(FRAME_BYTES)),
    };
    let most = (bytes.len() as u64).saturating_add(more);
    if most > CATALOGUE_MAX {
        return Err(format!(
            "the table of its {count} entries needs up to {most} bytes, and readers take {CATALOGUE_MAX}; try several backups of parts of \
             the tree, or a repository"
        ));
    }
    decoded(bytes).map(drop).map_err(|damage| match damage.entry {
        Some(entry) if entry < table.records.len() => format!(
            "a stream cannot hold {} with its name and attributes; try excluding it, or a repository",
            table.path(entry).display()
        ),
        _ => format!("its table could not be read back: {}", damage.what),
    })
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::encode;
    use super::*;
    use crate::file_table::tests::small;
    use crate::file_table::{More, Xattr};

    fn encoded(table: &FileTable) -> Vec<u8> {
        encode(b"{}", table, &[], &[])
    }

    #[test]
    fn what_no_reader_takes_is_named() {
        let mut table = small();
        assert_eq!(check(&encoded(&table), &table, 1), Ok(()));
        // The places of so many frames have no room.
        let error = check(&encoded(&table), &table, CATALOGUE_MAX / FRAME_BYTES).unwrap_err();
        assert!(error.contains("readers take 1073741824"), "{error}");
        let path = table.path(1).display().to_string();
        let xattrs = vec![Xattr { name: b"user.a".to_vec(), value: vec![0; 65537] }];
        table.set_more(1, More { xattrs, ..More::default() });
        let error = check(&encoded(&table), &table, 1).unwrap_err();
        assert!(error.contains(&format!("cannot hold {path} with")), "{error}");
    }

    #[test]
    fn the_longest_names_of_filesystems_fit() {
        for (length, fits) in [(255, true), (1530, true), (1531, false)] {
            let mut table = small();
            let (record, more) = (table.records[1].clone(), table.more(1).cloned().unwrap_or_default());
            let mut root = table.records[0].clone();
            (root.start, root.count) = (1, 1);
            table = FileTable::default();
            table.push(root, b"", More::default());
            table.push(record, &vec![b'n'; length], more);
            assert_eq!(check(&encoded(&table), &table, 1).is_ok(), fits, "{length}");
        }
    }
}

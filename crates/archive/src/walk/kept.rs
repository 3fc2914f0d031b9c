//! How much of a tree's metadata is kept in memory until the snapshot is written, beside names and numbers.

use crate::file_table::Xattr;
use lifeboat_sys::bounded;
use rustix::io::Errno;
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

/// Bytes of xattrs, of link targets and of holes that root's entries may have together.
const OF_ROOT: u64 = 1 << 30;
/// The same for each other owner, so that one user's entries take nothing from another's.
const OF_ANOTHER: u64 = 1 << 27;

/// Lower numbers are of people and services (login.defs(5), SUB_UID_MIN is 100000).
const LEAST: u32 = 65_536;
/// `/etc/subuid` is no larger.
const SUBUID: u64 = 1 << 20;

/// Bytes that are kept, by owner.
#[derive(Default)]
pub(super) struct Kept {
    by_owner: HashMap<u32, u64>,
    /// Ranges of subordinate numbers, each of which is one owner: a user has thousands of them (subuid(5)).
    ranges: Vec<Range<u32>>,
}

impl Kept {
    /// With the subordinate numbers of the system below `root`.
    pub(super) fn below(root: &Path) -> Kept {
        let text = bounded::read(&root.join("etc/subuid"), SUBUID).unwrap_or_default();
        Kept { ranges: ranges(&String::from_utf8_lossy(&text)), ..Kept::default() }
    }

    /// Whose a number is.
    fn owner(&self, uid: u32) -> u32 {
        self.ranges.iter().find(|range| range.contains(&uid)).map_or(uid, |range| range.start)
    }

    /// Counts xattrs of an entry.
    ///
    /// # Errors
    /// ENOMEM for what exceeds the limit of one owner.
    pub(super) fn xattrs(&mut self, uid: u32, xattrs: Vec<Xattr>) -> Result<Vec<Xattr>, Errno> {
        let bytes: usize = xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len()).sum();
        self.add(uid, bytes).map(|()| xattrs)
    }

    /// Counts bytes.
    ///
    /// # Errors
    /// As [`Kept::xattrs`].
    pub(super) fn add(&mut self, uid: u32, bytes: usize) -> Result<(), Errno> {
        if bytes == 0 {
            return Ok(());
        }
        let owner = self.owner(uid);
        let kept = self.by_owner.entry(owner).or_default();
        let sum = kept.saturating_add(bytes as u64);
        if sum > if uid == 0 { OF_ROOT } else { OF_ANOTHER } {
            return Err(Errno::NOMEM);
        }
        *kept = sum;
        Ok(())
    }
}

/// The ranges of a file of lines `NAME:START:COUNT`. Numbers of people and services are not subordinate to anybody.
fn ranges(text: &str) -> Vec<Range<u32>> {
    let range = |line: &str| {
        let mut parts = line.trim().split(':').skip(1);
        let (start, count) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
        (start >= LEAST).then(|| start..start.saturating_add(count))
    };
    text.lines().filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_takes_nothing_from_another() {
        let mut kept = Kept::default();
        let add = |kept: &mut Kept, uid, bytes: u64| kept.add(uid, bytes as usize).is_ok();
        assert!(add(&mut kept, 1000, OF_ANOTHER) && !add(&mut kept, 1000, 1));
        assert!(add(&mut kept, 1001, 1) && add(&mut kept, 1000, 0));
        assert!(add(&mut kept, 0, OF_ROOT) && !add(&mut kept, 0, 1));
        // What was refused does not count.
        assert!(!add(&mut kept, 1001, OF_ANOTHER) && add(&mut kept, 1001, OF_ANOTHER - 1));
        let xattr = Xattr { name: b"user.a".to_vec(), value: vec![0; 10] };
        assert!(kept.xattrs(1002, vec![xattr.clone()]).is_ok());
        assert!(!add(&mut kept, 1002, OF_ANOTHER - 15) && add(&mut kept, 1002, OF_ANOTHER - 16));
    }

    #[test]
    fn subordinate_numbers_are_one_owner() {
        let ranges = ranges("zoe:100000:65536\n# no\nann:165536:65536\nbad:x:1\n1000:0:5\nroot:4294967290:100\n");
        let mut kept = Kept { ranges, ..Kept::default() };
        let half = OF_ANOTHER as usize / 2;
        let taken = (100_000..165_536).filter(|uid| kept.add(*uid, half).is_ok()).count();
        assert_eq!(taken, 2);
        assert!(kept.add(165_536, half).is_ok() && kept.add(165_537, half).is_ok() && kept.add(200_000, 1).is_err());
        assert!(kept.add(1000, half).is_ok() && kept.add(1001, half).is_ok());
        // A range that claims root's number, or other users', is none.
        assert!(kept.add(0, OF_ANOTHER as usize + 1).is_ok() && kept.add(4, half).is_ok() && kept.add(3, half).is_ok());
    }
}

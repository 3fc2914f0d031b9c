//! How much of a tree's metadata is kept in memory until the snapshot is written, beside names and numbers.

use crate::file_table::Xattr;
use rustix::io::Errno;
use std::collections::HashMap;

/// Bytes of xattrs and of link targets that root's entries may have together.
const OF_ROOT: u64 = 1 << 30;
/// The same for each other owner, so that one user's entries take nothing from another's.
const OF_ANOTHER: u64 = 1 << 27;

/// Bytes that are kept, by owner.
#[derive(Default)]
pub(super) struct Kept(HashMap<u32, u64>);

impl Kept {
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
        let kept = self.0.entry(uid).or_default();
        let sum = kept.saturating_add(bytes as u64);
        if sum > if uid == 0 { OF_ROOT } else { OF_ANOTHER } {
            return Err(Errno::NOMEM);
        }
        *kept = sum;
        Ok(())
    }
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
}

//! What a backup repairs in the repository's own files, and what it reports about those that it cannot repair.

use crate::repository::Repository;
use crate::repository::snapshot::UnreadableSnapshot;
use crate::repository::stock::Stock;
use crate::{ArchiveError, Observer};

/// Repairs what can be repaired in the repository's own files, and reports what cannot.
pub(super) fn mend(
    repository: &Repository,
    stock: &mut Stock,
    unreadable: &[UnreadableSnapshot],
    observer: &dyn Observer,
) -> Result<(), ArchiveError> {
    for snapshot in unreadable {
        observer.warning(&format!("{}; this backup does not depend on it", snapshot.cause));
    }
    let unnamed = std::mem::take(&mut stock.unnamed);
    repository.store.mend_index(&stock.index, unnamed, observer)?;
    if repository.mend_config()? {
        observer.warning("the repository's config was written again, from its copy");
    }
    Ok(())
}

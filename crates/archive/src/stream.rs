//! Streams: archives for media that are written from front to back: tapes, sets of discs, pipes. Tar, zstd and age read them.
//!
//! | module | holds |
//! | --- | --- |
//! | [`age`] | encryption: the age format |
//! | `frame` | compressed pieces of the archive, and what says where they belong |
//! | `pax` | members of the tar archive |
//! | `catalogue` | the table of a set, at its beginning and at its end |
//! | [`info`] | what a set is |
//! | `limits` | what readers take |
//! | [`trailer`] | the last block of a volume, with the end of the set |
//! | [`sink`] | where volumes are written to |
//! | `volumes` | header, encrypted frames in full blocks, trailer |
//! | `pipeline` | compresses in parallel, writes in order |
//! | `backup` | walks, and writes members |
//! | [`by_hand`] | what each volume says to people without Lifeboat |
//! | [`source`] | where volumes are read from |
//! | [`tape`] | volumes on tapes |
//! | [`disc`] | volumes on discs, and in their images |
//! | `volume`, `set`, `members` | read a volume, a set, the members of its archive; damage is passed over |
//! | `archive` | an opened set, and how its contents come |
//! | `reading` | restore, verify, compare |
//!
//! A set is one tar archive: `.lifeboat/machine.json` and `.lifeboat/manifest.json`, the table of all entries as the walk found them
//! ([`HEAD_NAME`]), the entries, and the catalogue ([`CATALOGUE_NAME`]), which has the table as everything was saved. The archive is
//! cut into frames, the frames are put into volumes, and each volume is encrypted by itself:
//!
//! ```text
//! volume: header block | age file of whole blocks: (place, zstd frame)… padding | trailer block
//! ```
//!
//! The table is the truth about entries; a member only brings the content of a file. What changed between walk and reading is in the
//! member's own record, for readers that have not seen the end.

pub mod age;
mod archive;
mod backup;
pub mod by_hand;
mod catalogue;
pub mod disc;
mod frame;
pub mod info;
mod limits;
mod members;
mod pax;
mod pipeline;
mod reading;
mod recovered;
mod set;
pub mod sink;
pub mod source;
pub mod tape;
#[cfg(feature = "fuzz")]
pub(crate) mod testing;
pub mod trailer;
mod volume;
mod volumes;

pub use age::Identity;
pub use archive::Stream;
pub use disc::{Disc, DiscError, DiscSource, Discs, Images, ImagesError};
pub use info::Info;
pub use sink::{FileSink, PipeSink, Sink};
pub use source::{FileSource, Input, PipeSource, Source};
pub use tape::{NextTape, TapeSink, TapeSource};

use crate::{ArchiveError, BackupReport, BackupRequest, Observer, Secret};

/// Size of blocks. What the help says to `dd` is the same.
pub const BLOCK_BYTES: u32 = 64 << 10;
/// zstd's default level.
const LEVEL: i32 = 3;
/// In our own directory: the table at the beginning.
const HEAD_NAME: &str = "entries";
/// In our own directory: the catalogue at the end.
const CATALOGUE_NAME: &str = "catalogue";

/// What a backup into a stream did.
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// As for a repository; the snapshot is the set.
    pub report: BackupReport,
    /// Volumes written.
    pub volumes: u32,
}

/// Saves a file tree as a set of volumes, encrypted to the key, and compressed at a level of zstd or its default.
///
/// # Errors
/// [`ArchiveError`]; what concerns one entry is a problem in the report.
pub fn backup(
    request: &BackupRequest<'_>,
    sink: Box<dyn Sink>,
    secret: &Secret,
    level: Option<i32>,
    observer: &dyn Observer,
) -> Result<StreamReport, ArchiveError> {
    backup::run(request, sink, secret, level.unwrap_or(LEVEL), observer)
}

/// The path of one of our own files, as members have it.
fn own_path(name: &str) -> Vec<u8> {
    [crate::selection::OWN_DIRECTORY, b"/", name.as_bytes()].concat()
}

//! Archives: Lifeboat's own walker and extractor, comparison, and the engines for repositories and streams.
//!
//! | module | holds |
//! | --- | --- |
//! | [`file_tree`] | [`FileTree`]: what is to be backed up: a root, its mount points, exclusions |
//! | [`file_table`] | [`FileTable`]: the compact list of entries that walker, repository, extractor and comparison share |
//! | [`directories`] | directories opened one from the other, for walker and extractor |
//! | [`walk`] | reads a file tree's metadata into a table, and the content of its files |
//! | `fuzz` | entry points for fuzzing, behind the feature of that name |
//! | [`encrypted`] | what the filesystem encrypts by itself |
//! | [`extras`] | what restic's format cannot carry: root metadata, inode flags, project ids, holes, shared blocks |
//! | `links` | which entries are one inode |
//! | [`listing`] | entries as lists show them |
//! | `shared`, [`room`] | files that share blocks; the room that a restore needs |
//! | [`diff`], `differing` | what differs between two snapshots; in which respects two entries differ |
//! | [`pattern`] | patterns for paths |
//! | `pax` | records of the pax format |
//! | [`mod@tar`] | a directory of a snapshot as a tar archive |
//! | [`measure`] | inspects a file tree without reading content |
//! | [`repository`] | [`Repository`]: restic format 2; the only place that names rustic types |
//! | [`stream`] | [`Stream`](stream::Stream): volumes of tar, zstd and age for media that are written from front to back |
//! | [`extract`] | writes a table and its content into a directory |
//! | [`compare`] | what differs between a table and a file tree |
//! | [`secret`], [`words`] | keys, and their recovery words |
//! | [`seal`] | proof that the holder of a key wrote something |
//! | [`report`] | progress, problems, and the report of each operation at its end |
//! | [`warnings`] | turns log warnings of libraries into counted problems |
//!
//! A backup goes `FileTree` → walk → `FileTable` → repository; a restore goes repository → `FileTable` → extract. Holes, flags and
//! the like travel in the snapshot's `.lifeboat/extras.jsonl`, beside `machine.json` and `manifest.json`.

pub mod compare;
pub mod diff;
mod differing;
mod directories;
pub mod encrypted;
pub mod error;
pub mod extract;
pub mod extras;
pub mod file_table;
pub mod file_tree;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod links;
pub mod listing;
pub mod measure;
pub mod pattern;
mod pax;
pub mod report;
pub mod repository;
pub mod room;
pub mod seal;
pub mod secret;
pub mod selection;
mod shared;
pub mod stream;
pub mod tar;
pub mod walk;
pub mod warnings;
pub mod words;

pub use compare::{CompareReport, Difference, DifferenceKind};
pub use encrypted::Encrypted;
pub use error::ArchiveError;
pub use extract::{Keep, RestoreOptions, Survey};
pub use file_table::{Entry, FileTable, Kind, Time, Xattr};
pub use file_tree::FileTree;
pub use listing::Listing;
pub use pattern::Pattern;
pub use report::{BackupReport, Observer, Problem, Progress, Quiet, RestoreReport, VerifyReport};
pub use repository::{BackupRequest, Contents, KeyInfo, Owner, Place, Repository, RepositoryOptions, SnapshotInfo};
pub use room::{Room, RootRoom};
pub use secret::Secret;
pub use selection::{Patterns, Selection};

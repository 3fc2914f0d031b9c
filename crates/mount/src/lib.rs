//! Snapshots as a read-only filesystem of the running machine, through FUSE.
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@mount`] | [`mount()`]: mounts, and lasts until it is unmounted |
//! | [`folders`] | [`Folder`]: a snapshot and the names of its folders; the tree of these |
//! | `slots` | the snapshots that are loaded, a few at a time |
//! | `number` | inode numbers: which snapshot, which entry |
//! | `attributes` | what stat(2) answers |
//! | `pieces` | the pieces of files that are read |
//! | `cache` | decoded content, up to a limit |
//! | `decoder` | content as files have it, and what of it is damaged |
//! | `ahead` | content that will be asked for next |
//! | `neighbours` | which files these are |
//! | `filesystem` | the kernel's requests |
//!
//! The kernel's requests come in several threads. A read decodes what it needs, unless it is in the cache; of one piece only one
//! thread decodes, the others wait for it. Everything is immutable, so the kernel may keep what it was told, and is given small files
//! of a directory before it asks for them.

mod ahead;
mod attributes;
mod cache;
mod decoder;
mod filesystem;
pub mod folders;
pub mod mount;
mod neighbours;
mod number;
mod pieces;
mod slots;

pub use folders::Folder;
pub use mount::{MountError, Options, mount};

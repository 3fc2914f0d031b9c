//! The interactive mode: a recovery on a terminal, from the choice of the archive to the list of what went wrong.
//!
//! It has no logic of its own: what can be done is [`restore::Session`](lifeboat_restore::Session), what may be done is
//! decided by `plan`. One pure function changes the model and another paints it, so every screen is tested as text.
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@run`] | [`run()`]: the loop |
//! | [`facts`] | what is known before anything was chosen |
//! | [`model`], [`request`] | [`model::Model`]: all that is known and shown; inputs, messages; requests to the worker |
//! | `editor` | what the layout editor offers for a partition |
//! | `storage` | what it offers for the storage below: RAID, LVM, encryption |
//! | [`mod@update`] | how it changes |
//! | [`mod@view`] | how it looks |
//! | [`progress`], [`review`] | work from its events; a plan for reading |
//! | [`finder`] | the same screens on a running machine, for looking into an archive: its worker |
//! | [`worker`] | does what is asked for, in a thread of its own |
//! | [`terminal`] | the terminal: raw mode, keys, paint |
//! | [`blind`] | output that queries nothing |
//! | [`key`], [`field`], [`look`] | keys from bytes, lines and lists, what a terminal can show |
//!
//! It works with 80 columns and 24 rows on a vt220 behind a serial line: no colours, no mouse, ASCII only, and no
//! function key is needed.

pub mod blind;
mod editor;
pub mod facts;
mod field;
pub mod finder;
pub mod key;
pub mod look;
pub mod model;
pub mod progress;
pub mod request;
pub mod review;
pub mod run;
mod storage;
pub mod terminal;
pub mod update;
pub mod view;
pub mod worker;

pub use finder::Finder;
pub use lifeboat_restore::Disks;
pub use look::Look;
pub use model::Outcome;
pub use run::{Ending, browse, run};

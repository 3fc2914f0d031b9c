//! What the worker is asked to do.

use lifeboat_plan::{Plan, Policy};
use lifeboat_restore::session::Destination;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// What a key that is asked for opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOf {
    /// The archive.
    Archive,
    /// A disk of this computer that may hold the archive.
    Disk,
    /// An encrypted device of the machine that is recovered.
    Machine,
}

/// A key that was typed; never shown, wiped from memory when it is dropped.
pub struct Typed(pub Zeroizing<String>);

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(...)")
    }
}

/// What the worker is to do.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Request {
    Open(Option<String>),
    Unlock(Typed),
    Choose(usize),
    /// Keys of the machine's encrypted devices: those that the archive holds, and what was typed.
    Keys(Option<Typed>),
    /// The passphrase of a device that is encrypted anew, with the UUID of its header.
    Passphrase(String, Typed),
    Look,
    Search(String),
    /// With a plan, a policy, and whether what is left of a damaged archive is wanted.
    CarryOut(Box<Plan>, Policy, bool),
    RestoreFiles(Vec<PathBuf>, Destination),
    Places,
    Save(String),
    Keymap(String, PathBuf),
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        // Keys are not compared; tests compare what was asked for.
        format!("{self:?}") == format!("{other:?}")
    }
}

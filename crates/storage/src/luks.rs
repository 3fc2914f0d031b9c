//! LUKS (cryptsetup(8)).
//!
//! | module | holds |
//! | --- | --- |
//! | [`mod@examine`] | what a header says, and its backup |
//! | [`mod@make`] | the calls that put a header back and open it |
//! | [`mod@crypttab`] | what opens at boot: crypttab(5) |
//! | [`mod@unlock`] | devices of other machines, opened read-only with a passphrase |

pub mod crypttab;
pub mod examine;
pub mod make;
pub mod unlock;

pub use examine::{Examined, examine};
pub use unlock::{locked, unlock};

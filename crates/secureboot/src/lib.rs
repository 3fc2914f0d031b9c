//! What UEFI Secure Boot checks: programs with a signature, and the certificates that firmware trusts. Files and bytes only; nothing
//! here touches the machine.
//!
//! | module | holds |
//! | --- | --- |
//! | [`uki`] | [`uki::build`]: kernel, initramfs and command line become one EFI program (UAPI.5, "Unified Kernel Image") |
//! | [`pe`] | the layout of EFI programs |
//! | [`authenticode`] | their digest, and signing them |
//! | [`verify`] | verifying a signature, without the firmware |
//! | [`key`] | [`SigningKey`]: a key with its certificate |
//! | [`certificate`] | X.509, as far as it is needed |
//! | [`signature_list`] | the certificates in the firmware's `db` |
//! | [`der`], [`pem`] | the encodings of all that |
//! | [`error`] | [`SecureBootError`] |

pub mod authenticode;
pub mod certificate;
pub mod der;
pub mod error;
pub mod key;
pub mod pe;
pub mod pem;
pub mod signature_list;
pub mod uki;
pub mod verify;

pub use certificate::Certificate;
pub use error::SecureBootError;
pub use key::SigningKey;

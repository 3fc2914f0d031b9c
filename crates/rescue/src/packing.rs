//! How archives of an initramfs are packed.

/// How the first archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// gzip(1).
    Gzip,
    /// zstd(1).
    Zstd,
}

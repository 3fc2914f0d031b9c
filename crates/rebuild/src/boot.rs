//! Makes the restored system boot: loaders, EFI boot entries, initramfs.

pub mod entry;
pub mod esp;
pub mod initramfs;
mod keep;
pub mod load_option;
pub mod loader;

//! Thin Linux layer: everything that touches the running system goes through here, and the only `unsafe` code is here.
//!
//! | module | holds |
//! | --- | --- |
//! | [`program`] | the one table of external programs |
//! | [`runner`] | [`Runner`]: runs them; [`SystemRunner`] and [`UninterruptedRunner`] for real, [`FakeRunner`] for tests |
//! | [`mount`] | mount, umount, the mount table |
//! | [`beneath`] | files in a folder to which others can write as well |
//! | [`block`] | block device ioctls and sizes |
//! | [`bounded`] | files that anybody may have written, read up to a size |
//! | [`confined`] | paths of a system below a folder |
//! | [`durable`] | files that survive a power cut |
//! | [`names`] | names of files in folders that are held open |
//! | [`new_file`] | files that get their names when they are whole |
//! | [`freeze`] | frozen filesystems, and who thaws them in the last resort |
//! | [`fscrypt`] | whether the key of an encrypted directory is there |
//! | [`inode`] | inode flags and project ids |
//! | [`ending`] | what is removed before a signal ends us |
//! | [`extents`] | where content is on a disk, and files that share it |
//! | [`subvolume`] | snapshots of btrfs subvolumes |
//! | [`umask`] | the mask of modes of one thread |
//! | [`trusted`] | folders that a person names, and who could redirect them |
//! | [`usage`] | what a finished child used |
//! | [`modules`] | kernel modules: depmod's index, modprobe.d, loading by modalias |
//! | [`uevent`] | kernel device events over netlink |
//! | [`netlink`] | network links, addresses and routes |
//! | [`packet`] | whole packets on a link, before it has an address |
//! | [`datagram`] | UDP in such packets |
//! | `readable` | the next datagram of a socket, with a deadline |
//! | [`loop_device`] | loop devices |
//! | [`optical`] | optical drives: volume id, eject |
//! | [`tape`] | tape drives, and the volumes of streams on tapes |
//! | [`console`] | consoles, written to without waiting for a dead line |
//! | [`child`], [`signal`] | what PID 1 needs for its children |
//! | [`priority`] | how this process shares disks with others |
//! | [`power`] | reboot, power off, Ctrl-Alt-Del |

pub mod beneath;
pub mod block;
pub mod bounded;
pub mod child;
pub mod confined;
pub mod console;
pub mod datagram;
pub mod durable;
pub mod ending;
pub mod extents;
pub mod freeze;
pub mod fscrypt;
pub mod inode;
pub mod loop_device;
pub mod modules;
pub mod mount;
pub mod names;
pub mod netlink;
pub mod new_file;
pub mod optical;
pub mod packet;
pub mod power;
pub mod priority;
pub mod program;
mod readable;
pub mod runner;
pub mod signal;
pub mod subvolume;
pub mod tape;
pub mod trusted;
pub mod uevent;
pub mod umask;
pub mod usage;

pub use program::Program;
pub use runner::{FakeRunner, Invocation, Output, RunError, Runner, SystemRunner, UninterruptedRunner};

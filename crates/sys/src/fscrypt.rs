//! Whether the key of an encrypted directory is there (Documentation/filesystems/fscrypt.rst, linux/fscrypt.h).

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use rustix::ioctl;

/// What is known about the key of an encrypted directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is there: names and contents are as they were written.
    Present,
    /// It is not, or is being removed: names and contents that are not open already cannot be read.
    Absent,
    /// It can be in the keyring of a process (policies of version 1), or the kernel cannot report it (before Linux 5.4).
    Unknown,
}

/// `struct fscrypt_get_policy_ex_arg`.
#[repr(C)]
#[derive(Clone, Copy)]
struct PolicyEx {
    /// In: bytes that fit; out: actual bytes.
    size: u64,
    /// `struct fscrypt_policy_v1` or `struct fscrypt_policy_v2`; the first byte is the version.
    policy: [u8; POLICY_BYTES],
}

/// Size of `struct fscrypt_policy_v2`, the larger one.
const POLICY_BYTES: usize = 24;

/// `struct fscrypt_get_key_status_arg`, with `struct fscrypt_key_specifier` in it.
#[repr(C)]
#[derive(Clone, Copy)]
struct KeyStatus {
    kind: u32,
    reserved: u32,
    name: [u8; 32],
    more_reserved: [u32; 6],
    status: u32,
    flags: u32,
    users: u32,
    out_reserved: [u32; 13],
}

/// A key with which directories are encrypted, as a policy names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyName {
    /// FSCRYPT_KEY_SPEC_TYPE_DESCRIPTOR or FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER.
    kind: u32,
    name: [u8; 32],
}

const DESCRIPTOR: u32 = 1;
const IDENTIFIER: u32 = 2;
/// FSCRYPT_KEY_STATUS_ABSENT, _PRESENT, _INCOMPLETELY_REMOVED.
const ABSENT: u32 = 1;
const PRESENT: u32 = 2;
const LEAVING: u32 = 3;

/// Asks for the key of an encrypted directory or file; this needs no privilege.
pub fn key_state(file: impl AsFd) -> KeyState {
    let Ok(policy) = policy(file.as_fd()) else { return KeyState::Unknown };
    let Some(key) = key_of(&policy) else { return KeyState::Unknown };
    judge(key.kind, key_status(file.as_fd(), key))
}

/// The key that a policy names; `None` for a version that this release does not know.
fn key_of(policy: &[u8; POLICY_BYTES]) -> Option<KeyName> {
    let mut name = [0; 32];
    match policy[0] {
        // FSCRYPT_POLICY_V1 is 0: after the version three bytes of modes and flags.
        0 => {
            name[..8].copy_from_slice(&policy[4..12]);
            Some(KeyName { kind: DESCRIPTOR, name })
        }
        2 => {
            name[..16].copy_from_slice(&policy[8..24]);
            Some(KeyName { kind: IDENTIFIER, name })
        }
        _ => None,
    }
}

/// What a status says about a key.
fn judge(kind: u32, status: Result<u32, Errno>) -> KeyState {
    match status {
        Ok(PRESENT) => KeyState::Present,
        Ok(LEAVING) => KeyState::Absent,
        Ok(ABSENT) if kind == IDENTIFIER => KeyState::Absent,
        // A key of version 1 need not be the filesystem's.
        _ => KeyState::Unknown,
    }
}

fn policy(file: BorrowedFd<'_>) -> Result<[u8; POLICY_BYTES], Errno> {
    // The number counts the size and the first byte of the policy.
    const GET_POLICY_EX: ioctl::Opcode = ioctl::opcode::read_write::<[u8; 9]>(b'f', 22);
    let mut argument = PolicyEx { size: POLICY_BYTES as u64, policy: [0; POLICY_BYTES] };
    // SAFETY: FS_IOC_GET_ENCRYPTION_POLICY_EX reads and writes a `struct fscrypt_get_policy_ex_arg`, of the policy at most `size`
    // bytes; `PolicyEx` mirrors it, and every bit pattern of it is valid.
    unsafe { ioctl::ioctl(file, ioctl::Updater::<GET_POLICY_EX, PolicyEx>::new(&mut argument)) }?;
    Ok(argument.policy)
}

fn key_status(file: BorrowedFd<'_>, key: KeyName) -> Result<u32, Errno> {
    const GET_KEY_STATUS: ioctl::Opcode = ioctl::opcode::read_write::<KeyStatus>(b'f', 26);
    let mut argument = KeyStatus {
        kind: key.kind,
        reserved: 0,
        name: key.name,
        more_reserved: [0; 6],
        status: 0,
        flags: 0,
        users: 0,
        out_reserved: [0; 13],
    };
    // SAFETY: FS_IOC_GET_ENCRYPTION_KEY_STATUS reads and writes a `struct fscrypt_get_key_status_arg`, which `KeyStatus` mirrors;
    // every bit pattern of it is valid.
    unsafe { ioctl::ioctl(file, ioctl::Updater::<GET_KEY_STATUS, KeyStatus>::new(&mut argument)) }?;
    Ok(argument.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_have_the_kernels_sizes() {
        assert_eq!(std::mem::size_of::<PolicyEx>(), 32);
        assert_eq!(std::mem::size_of::<KeyStatus>(), 128);
    }

    #[test]
    fn a_policy_names_its_key() {
        let bytes = |version: u8| std::array::from_fn(|index| if index == 0 { version } else { index as u8 });
        let old = key_of(&bytes(0)).unwrap();
        assert_eq!((old.kind, &old.name[..9]), (DESCRIPTOR, &[4, 5, 6, 7, 8, 9, 10, 11, 0][..]));
        let new = key_of(&bytes(2)).unwrap();
        assert_eq!((new.kind, new.name[0], new.name[15], new.name[16]), (IDENTIFIER, 8, 23, 0));
        assert_eq!(key_of(&bytes(9)), None);
    }

    #[test]
    fn only_a_filesystems_own_key_is_surely_absent() {
        assert_eq!(judge(IDENTIFIER, Ok(ABSENT)), KeyState::Absent);
        assert_eq!(judge(DESCRIPTOR, Ok(ABSENT)), KeyState::Unknown);
        for kind in [IDENTIFIER, DESCRIPTOR] {
            assert_eq!(judge(kind, Ok(LEAVING)), KeyState::Absent);
            assert_eq!(judge(kind, Ok(PRESENT)), KeyState::Present);
            assert_eq!(judge(kind, Err(Errno::NOTTY)), KeyState::Unknown);
        }
    }

    #[test]
    fn a_directory_without_encryption_has_no_key() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(key_state(std::fs::File::open(directory.path()).unwrap()), KeyState::Unknown);
    }
}

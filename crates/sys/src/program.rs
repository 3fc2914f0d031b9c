//! The one table of external programs.
//!
//! Programs are looked up in fixed directories, never through the caller's PATH. The same table defines what the rescue image
//! carries and which package an error message names.

use std::path::{Path, PathBuf};

/// Directories searched for programs, in this order.
pub const DIRECTORIES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// An external program.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// File name.
    pub name: &'static str,
    /// Debian package that has it.
    pub package: &'static str,
    /// When the rescue image carries it.
    pub rescue: Rescue,
}

/// When a rescue image carries a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescue {
    /// Always: building the image fails without it.
    Always,
    /// When the machine has it: a convenience in expert mode, or needed only for what the machine uses.
    IfPresent,
    /// Never: used on the healthy machine only.
    Never,
}

macro_rules! programs {
    ($($constant:ident = $name:literal, $package:literal, $rescue:ident;)*) => {
        $(
            #[doc = concat!("`", $name, "` of package ", $package, ".")]
            pub const $constant: &Program = &Program { name: $name, package: $package, rescue: Rescue::$rescue };
        )*
        /// Every program that Lifeboat calls.
        pub const ALL: &[&Program] = &[$($constant),*];
    };
}

programs! {
    // Reading and writing layouts.
    SFDISK = "sfdisk", "fdisk", Always;
    BLKID = "blkid", "util-linux", Always;
    LSBLK = "lsblk", "util-linux", Always;
    FINDMNT = "findmnt", "util-linux", Always;
    WIPEFS = "wipefs", "util-linux", Always;
    PARTX = "partx", "util-linux", IfPresent;
    MKSWAP = "mkswap", "util-linux", Always;
    MOUNT = "mount", "mount", Always;
    UMOUNT = "umount", "mount", Always;
    LOADKEYS = "loadkeys", "kbd", IfPresent;
    UDEVADM = "udevadm", "udev", IfPresent;
    DUMPE2FS = "dumpe2fs", "e2fsprogs", IfPresent;
    MKE2FS = "mke2fs", "e2fsprogs", IfPresent;
    TUNE2FS = "tune2fs", "e2fsprogs", IfPresent;
    E2FSCK = "e2fsck", "e2fsprogs", IfPresent;
    DEBUGFS = "debugfs", "e2fsprogs", IfPresent;
    RESIZE2FS = "resize2fs", "e2fsprogs", IfPresent;
    E2IMAGE = "e2image", "e2fsprogs", Never;
    CHATTR = "chattr", "e2fsprogs", IfPresent;
    LSATTR = "lsattr", "e2fsprogs", IfPresent;
    MKFS_XFS = "mkfs.xfs", "xfsprogs", IfPresent;
    XFS_ADMIN = "xfs_admin", "xfsprogs", IfPresent;
    XFS_DB = "xfs_db", "xfsprogs", IfPresent;
    XFS_INFO = "xfs_info", "xfsprogs", IfPresent;
    XFS_GROWFS = "xfs_growfs", "xfsprogs", IfPresent;
    MKFS_FAT = "mkfs.fat", "dosfstools", IfPresent;
    FSCK_FAT = "fsck.fat", "dosfstools", IfPresent;
    FATLABEL = "fatlabel", "dosfstools", IfPresent;
    MKFS_BTRFS = "mkfs.btrfs", "btrfs-progs", IfPresent;
    BTRFS = "btrfs", "btrfs-progs", IfPresent;
    BTRFSTUNE = "btrfstune", "btrfs-progs", IfPresent;
    // Boot loaders. Inside the restored system they are its own.
    GRUB_INSTALL = "grub-install", "grub2-common", Never;
    GRUB2_INSTALL = "grub2-install", "grub2-tools", Never;
    GRUB_MKCONFIG = "grub-mkconfig", "grub-common", Never;
    GRUB2_MKCONFIG = "grub2-mkconfig", "grub2-tools", Never;
    GRUB_MKIMAGE = "grub-mkimage", "grub-common", Never;
    GRUB2_MKIMAGE = "grub2-mkimage", "grub2-tools", Never;
    UPDATE_GRUB = "update-grub", "grub2-common", Never;
    EFIBOOTMGR = "efibootmgr", "efibootmgr", IfPresent;
    BOOTCTL = "bootctl", "systemd-boot", Never;
    UPDATE_INITRAMFS = "update-initramfs", "initramfs-tools", Never;
    DRACUT = "dracut", "dracut", Never;
    LSINITRAMFS = "lsinitramfs", "initramfs-tools-core", Never;
    LSINITRD = "lsinitrd", "dracut-core", Never;
    LSINITCPIO = "lsinitcpio", "mkinitcpio", Never;
    MKINITCPIO = "mkinitcpio", "mkinitcpio", Never;
    // Building media.
    MKSQUASHFS = "mksquashfs", "squashfs-tools", Never;
    UNSQUASHFS = "unsquashfs", "squashfs-tools", Never;
    XORRISO = "xorriso", "xorriso", Never;
    // Rehearsal.
    QEMU_SYSTEM_X86_64 = "qemu-system-x86_64", "qemu-system-x86", Never;
    QEMU_IMG = "qemu-img", "qemu-utils", Never;
    SETPRIV = "setpriv", "util-linux", Never;
    TAR = "tar", "tar", IfPresent;
    // The routine of the healthy machine.
    SYSTEMCTL = "systemctl", "systemd", Never;
    SYSTEMD_ANALYZE = "systemd-analyze", "systemd", Never;
    SENDMAIL = "sendmail", "default-mta", Never;
    SH = "sh", "dash", Never;
    // Network in the rescue system.
    // It is init under another name.
    NETWORK_UP = "network-up", "lifeboat", Never;
    IP = "ip", "iproute2", IfPresent;
    MOUNT_NFS = "mount.nfs", "nfs-common", IfPresent;
    SSH = "ssh", "openssh-client", IfPresent;
    // Storage stacks: what an archive's disk may be made of.
    MDADM = "mdadm", "mdadm", IfPresent;
    LVM = "lvm", "lvm2", IfPresent;
    CRYPTSETUP = "cryptsetup", "cryptsetup-bin", IfPresent;
    MODPROBE = "modprobe", "kmod", IfPresent;
    MULTIPATH = "multipath", "multipath-tools", IfPresent;
    KPARTX = "kpartx", "kpartx", IfPresent;
    ISCSIADM = "iscsiadm", "open-iscsi", IfPresent;
    ISCSID = "iscsid", "open-iscsi", IfPresent;
}

impl Program {
    /// Where the program is below `root` (`/` for the running system); symbolic links that lead to an existing file count.
    pub fn find(&self, root: &Path) -> Option<PathBuf> {
        DIRECTORIES.iter().map(|directory| root.join(&directory[1..]).join(self.name)).find(|path| {
            // A link may be absolute and point outside of `root`; then the link itself is enough.
            path.is_file() || path.symlink_metadata().is_ok_and(|m| m.is_symlink())
        })
    }
}

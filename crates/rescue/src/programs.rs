//! The table of programs that travel for a person at 3 a.m., beside those that Lifeboat itself calls
//! ([`lifeboat_sys::program::ALL`]). Each is taken when the machine has it.

use lifeboat_sys::program::{ALL, Rescue};

/// Programs of one purpose.
pub struct Group {
    /// What they are for.
    pub why: &'static str,
    /// File names.
    pub names: &'static [&'static str],
}

/// Shells, in the order of preference; one must be there.
pub const SHELLS: [&str; 4] = ["bash", "dash", "sh", "busybox"];

/// Everything of comfort.
pub const GROUPS: &[Group] = &[
    Group { why: "shell", names: &["bash", "sh", "dash"] },
    Group {
        why: "files and text",
        names: &[
            "[", "b2sum", "base64", "basename", "cat", "chgrp", "chmod", "chown", "cksum", "cmp", "comm", "cp", "cut",
            "date", "dd", "df", "diff", "dirname", "du", "echo", "egrep", "env", "expr", "false", "fgrep", "find",
            "grep", "head", "id", "install", "join", "link", "ln", "ls", "mkdir", "mkfifo", "mknod", "mktemp", "mv",
            "nl", "nproc", "numfmt", "od", "paste", "printenv", "printf", "pwd", "readlink", "realpath", "rm",
            "rmdir", "sed", "seq", "sha1sum", "sha256sum", "sha512sum", "md5sum", "shred", "shuf", "sleep", "sort",
            "split", "stat", "stty", "sum", "sync", "tac", "tail", "tee", "test", "timeout", "touch", "tr", "true",
            "truncate", "tty", "uname", "uniq", "unlink", "users", "wc", "which", "who", "whoami", "xargs", "xxd",
            "hexdump", "hd", "strings", "awk", "mawk", "gawk", "file", "tree", "yes", "nohup", "nice",
        ],
    },
    Group { why: "reading and editing", names: &["less", "more", "vi", "vim", "vim.tiny", "nano", "ed", "mcedit", "mc"] },
    Group {
        why: "archives",
        names: &[
            "tar", "cpio", "gzip", "gunzip", "zcat", "bzip2", "bunzip2", "xz", "unxz", "xzcat", "zstd", "unzstd",
            "zstdcat", "lz4", "unsquashfs", "restic", "rsync", "age", "gpg",
        ],
    },
    Group {
        why: "terminal",
        names: &["clear", "reset", "tput", "tset", "infocmp", "tmux", "screen", "script", "loadkeys", "setfont", "openvt", "chvt", "setterm", "dumpkeys", "kbd_mode", "agetty"],
    },
    Group {
        why: "processes and system",
        names: &[
            "ps", "top", "htop", "free", "kill", "killall", "pgrep", "pkill", "pidof", "uptime", "vmstat", "watch",
            "dmesg", "sysctl", "lsof", "fuser", "strace", "hostname", "hwclock", "chroot", "setsid", "nsenter",
            "unshare", "ionice", "renice", "lscpu", "lsmem", "lspci", "lsusb", "dmidecode", "lshw", "sensors",
            "ipmitool", "lsns", "prlimit", "flock", "logger", "mountpoint", "reboot", "poweroff", "shutdown", "halt",
            "su", "login", "sulogin", "passwd", "getent", "ldconfig", "kexec", "efivar", "mokutil", "stdbuf",
        ],
    },
    Group { why: "kernel modules", names: &["kmod", "modprobe", "lsmod", "modinfo", "insmod", "rmmod", "depmod"] },
    Group {
        why: "partitions and disks",
        names: &[
            "fdisk", "cfdisk", "gdisk", "sgdisk", "cgdisk", "parted", "partprobe", "partx", "addpart", "delpart",
            "blockdev", "losetup", "swapon", "swapoff", "swaplabel", "hdparm", "sdparm", "smartctl", "nvme", "sg_inq",
            "sg_map", "lsscsi", "rescan-scsi-bus.sh", "badblocks", "ddrescue", "testdisk", "photorec", "eject",
            "blkdiscard", "blkzone", "fstrim", "fsfreeze", "fallocate", "findfs", "mt", "mt-st", "mtx", "tapeinfo",
            "storcli64", "perccli64", "ssacli", "hpssacli", "megacli", "arcconf", "tw_cli",
        ],
    },
    Group {
        why: "filesystems",
        names: &[
            "fsck", "mkfs", "mkfs.ext2", "mkfs.ext3", "mkfs.ext4", "fsck.ext2", "fsck.ext3", "fsck.ext4", "e2label",
            "e2freefrag", "e4defrag", "e2undo", "e2image", "logsave", "mkfs.vfat", "fsck.vfat", "mkdosfs", "fsck.xfs",
            "xfs_spaceman", "xfs_mdrestore", "xfs_metadump", "xfs_copy", "xfs_freeze", "xfs_quota", "xfs_fsr",
            "xfs_ncheck", "xfs_logprint", "xfs_scrub", "xfsdump", "xfsrestore", "btrfsck", "fsck.btrfs",
            "btrfs-image", "btrfs-find-root", "btrfs-map-logical", "btrfs-select-super", "mkfs.ntfs", "ntfs-3g",
            "mount.ntfs-3g", "ntfsclone", "ntfsfix", "ntfsresize", "mkfs.exfat", "fsck.exfat", "mkfs.f2fs",
            "fsck.f2fs", "zpool", "zfs", "quotacheck", "repquota", "getfacl", "setfacl", "getfattr", "setfattr",
            "getcap", "setcap", "chcon", "restorecon", "fusermount", "fusermount3", "mount.fuse", "mount.fuse3",
        ],
    },
    Group {
        why: "storage stacks",
        names: &[
            "dmsetup", "vgs", "pvs", "lvs", "vgscan", "pvscan", "lvscan", "vgchange", "lvchange", "vgcfgrestore",
            "vgcfgbackup", "vgdisplay", "pvdisplay", "lvdisplay", "pvcreate", "vgcreate", "lvcreate", "vgremove",
            "lvremove", "pvremove", "vgrename", "lvrename", "vgextend", "lvextend", "lvresize", "vgimportclone",
            "pvresize", "lvconvert", "thin_check", "thin_dump", "thin_repair", "cache_check", "cache_dump",
            "cache_repair", "mdmon", "dmraid", "multipath", "kpartx", "multipathd", "iscsiadm", "iscsid",
            "veritysetup", "integritysetup", "cryptsetup-reencrypt", "clevis", "tpm2_unseal", "bcache-super-show",
            "make-bcache", "vdo", "drbdadm", "drbdsetup",
        ],
    },
    Group {
        why: "network",
        names: &[
            "ping", "ping6", "ss", "bridge", "tc", "ethtool", "dhclient", "dhclient-script", "dhcpcd", "udhcpc",
            "ifup", "ifdown", "ifconfig", "route", "arp", "arping", "netstat", "traceroute", "tracepath", "mtr",
            "nslookup", "dig", "host", "nc", "ncat", "nc.openbsd", "nc.traditional", "tcpdump", "curl", "wget",
            "telnet", "ftp", "lftp", "tftp", "ssh", "scp", "sftp", "ssh-keygen", "ssh-agent", "ssh-add", "sshd",
            "sshfs", "mount.nfs4", "umount.nfs", "umount.nfs4", "showmount", "rpcbind", "rpcinfo", "rpc.statd",
            "mount.cifs", "mount.sshfs", "iw", "wpa_supplicant", "wpa_cli", "iperf3", "openssl", "teamd", "vconfig",
            "nmcli", "wg", "lldpctl", "chronyd", "ntpdate", "rclone",
        ],
    },
    // chroot into the restored system needs none of these; a look at a broken one does.
    Group {
        why: "boot loaders",
        names: &["efibootdump", "grub-install", "grub-mkconfig", "grub-probe", "grub-editenv", "sbverify", "bootctl"],
    },
];

/// Programs that travel, with the reason: first those that must, then the others, each name once.
pub fn wanted() -> Vec<(&'static str, String, Option<&'static str>)> {
    let mut wanted: Vec<(&'static str, String, Option<&'static str>)> = Vec::new();
    for program in ALL {
        match program.rescue {
            Rescue::Always => {
                wanted.push((program.name, format!("called by lifeboat ({})", program.package), Some(program.package)));
            }
            Rescue::IfPresent => {
                wanted.push((program.name, format!("called by lifeboat ({})", program.package), None));
            }
            Rescue::Never => {}
        }
    }
    for group in GROUPS {
        for name in group.names {
            if !wanted.iter().any(|(known, ..)| known == name) {
                wanted.push((name, format!("expert mode: {}", group.why), None));
            }
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_twice_and_all_plain() {
        let wanted = wanted();
        for (index, (name, why, _)) in wanted.iter().enumerate() {
            assert!(!name.contains('/') && !why.is_empty());
            assert!(!wanted[..index].iter().any(|(other, ..)| other == name), "{name}");
        }
        for name in ["sfdisk", "bash", "less", "ssh", "dmesg"] {
            assert!(wanted.iter().any(|(n, ..)| *n == name), "{name}");
        }
    }
}

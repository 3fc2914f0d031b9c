//! The table of programs that travel for a person at 3 a.m., beside those that Lifeboat itself calls
//! ([`lifeboat_sys::program::ALL`]). Each is taken when the machine has it.

use crate::modules::Place::{self, Root, Tools};
use lifeboat_sys::program::{ALL, Rescue};

/// What a convenience program may add to the initramfs, with those of its libraries that are not there yet, in bytes
/// before compression. Editors of usual size have a tenth of it, ps has two thirds with systemd's library; a
/// vi with four scripting languages has seven times as much.
pub const HEAVY_BYTES: u64 = 4 << 20;

/// Programs for one purpose.
pub struct Group {
    /// What they are for.
    pub why: &'static str,
    /// Which image carries them.
    pub place: Place,
    /// One that brings more than [`HEAVY_BYTES`] with its libraries goes into tools.img instead: it is unknown what a
    /// machine's `vi` or `top` is linked with.
    pub weighed: bool,
    /// File names, separated by spaces.
    pub names: &'static str,
}

/// Shells, in the order of preference; one must exist.
pub const SHELLS: [&str; 4] = ["bash", "dash", "sh", "busybox"];

/// All convenience programs. The initramfs has what a person needs when the medium cannot be found: looking, editing,
/// networks, disks. What is large or rare is in tools.img.
pub const GROUPS: &[Group] = &[
    Group { why: "shell", place: Root, weighed: false, names: "bash sh dash" },
    Group {
        why: "files and text",
        place: Root,
        weighed: true,
        names: "[ base64 basename cat chgrp chmod chown cmp cp cut date dd df diff dirname du echo egrep env \
                false fgrep find grep head id ln ls mkdir mkfifo mknod mktemp mv nproc od printf pwd \
                readlink realpath rm rmdir sed seq sha256sum md5sum sleep sort stat stty sync tail tee test \
                timeout touch tr true truncate tty uname uniq wc which whoami xargs hexdump hd awk mawk gawk",
    },
    Group {
        why: "files and text",
        place: Tools,
        weighed: false,
        names: "cksum comm expr install join link nl numfmt paste printenv sha1sum sha512sum shred shuf split sum \
                tac unlink users who xxd strings file tree yes nohup nice stdbuf getfacl setfacl getfattr \
                setfattr getcap setcap chcon restorecon",
    },
    Group { why: "reading and editing", place: Root, weighed: true, names: "less more vi vim.tiny nano" },
    Group { why: "reading and editing", place: Tools, weighed: false, names: "vim ed mcedit mc" },
    Group { why: "archives", place: Root, weighed: true, names: "tar cpio gzip gunzip zcat xz unxz zstd unzstd" },
    Group {
        why: "archives",
        place: Tools,
        weighed: false,
        names: "bzip2 bunzip2 xzcat zstdcat lz4 unsquashfs restic borg rsync age gpg",
    },
    Group { why: "terminal", place: Root, weighed: true, names: "clear reset tput loadkeys setfont chvt agetty" },
    Group {
        why: "terminal",
        place: Tools,
        weighed: false,
        names: "tset infocmp tmux screen script openvt setterm dumpkeys kbd_mode",
    },
    Group {
        why: "processes and system",
        place: Root,
        weighed: true,
        names: "ps top free kill pgrep pkill pidof uptime dmesg sysctl hostname hwclock chroot setsid unshare \
                lscpu lspci lsusb mountpoint flock fuser",
    },
    Group {
        why: "processes and system",
        place: Tools,
        weighed: false,
        names: "htop killall vmstat watch lsof strace nsenter ionice renice lsmem dmidecode lshw sensors \
                ipmitool lsns prlimit logger su login sulogin passwd getent ldconfig kexec efivar mokutil",
    },
    Group {
        why: "kernel modules",
        place: Root,
        weighed: false,
        names: "kmod modprobe lsmod modinfo insmod rmmod depmod",
    },
    Group {
        why: "partitions and disks",
        place: Root,
        weighed: true,
        names: "fdisk cfdisk parted partprobe partx blockdev losetup swapon swapoff swaplabel \
                hdparm smartctl nvme badblocks eject blkdiscard fstrim mt mt-gnu mt-st",
    },
    Group {
        why: "partitions and disks",
        place: Tools,
        weighed: false,
        names: "gdisk sgdisk cgdisk addpart delpart sdparm sg_inq sg_map sg_reset lsscsi rescan-scsi-bus.sh ddrescue \
                dd_rescue testdisk photorec blkzone fsfreeze fallocate findfs mtx tapeinfo storcli64 perccli64 ssacli \
                hpssacli megacli arcconf tw_cli ledctl",
    },
    Group {
        why: "filesystems",
        place: Root,
        weighed: false,
        names: "fsck mkfs mkfs.ext2 mkfs.ext3 mkfs.ext4 fsck.ext2 fsck.ext3 fsck.ext4 e2label mkfs.vfat \
                fsck.vfat fsck.xfs xfs_spaceman fsck.btrfs fusermount3",
    },
    Group {
        why: "filesystems",
        place: Tools,
        weighed: false,
        names: "e2freefrag e4defrag e2undo e2image logsave mkdosfs xfs_repair xfs_io xfs_mdrestore xfs_metadump xfs_copy \
                xfs_freeze xfs_quota xfs_fsr xfs_ncheck xfs_logprint xfsdump xfsrestore btrfsck btrfs-image \
                btrfs-find-root btrfs-map-logical btrfs-select-super mkfs.ntfs ntfs-3g mount.ntfs-3g ntfsclone \
                ntfsfix ntfsresize mkfs.exfat fsck.exfat mkfs.f2fs fsck.f2fs mkfs.jfs fsck.jfs zpool zfs zdb \
                quotacheck repquota fusermount mount.fuse mount.fuse3",
    },
    // The stacks that a machine boots from: small, and links to one program each.
    Group {
        why: "storage stacks",
        place: Root,
        weighed: false,
        names: "dmsetup vgs pvs lvs vgscan pvscan lvscan vgchange lvchange vgcfgrestore vgcfgbackup vgdisplay \
                pvdisplay lvdisplay pvcreate vgcreate lvcreate vgremove lvremove pvremove vgrename lvrename \
                vgextend lvextend lvresize vgimportclone pvresize lvconvert mdmon",
    },
    Group {
        why: "storage stacks",
        place: Tools,
        weighed: false,
        names: "thin_check thin_dump thin_repair cache_check cache_dump cache_repair dmraid multipathd \
                veritysetup integritysetup cryptsetup-reencrypt clevis tpm2_unseal bcache-super-show \
                make-bcache vdo drbdadm drbdsetup",
    },
    Group {
        why: "network",
        place: Root,
        weighed: false,
        names: "ping ethtool dhclient dhclient-script dhcpcd udhcpc ssh sshd ssh-keygen mount.nfs4 \
                umount.nfs umount.nfs4 nc nc.openbsd",
    },
    Group {
        why: "network",
        place: Tools,
        weighed: false,
        names: "ss ping6 bridge tc ifup ifdown ifconfig route arp arping netstat traceroute tracepath mtr nslookup \
                dig host ncat nc.traditional tcpdump curl wget telnet ftp lftp tftp scp sftp ssh-agent ssh-add sshfs \
                showmount rpcbind rpcinfo rpc.statd mount.sshfs mount.cifs iw wpa_supplicant wpa_cli iwctl iperf3 openssl \
                teamd vconfig wg lldpctl chronyd ntpdate rclone",
    },
    // chroot into the restored system needs none of these; a look at a broken one does.
    Group {
        why: "boot loaders",
        place: Tools,
        weighed: false,
        names: "efibootdump grub-install grub-mkconfig grub-probe grub-editenv sbverify bootctl",
    },
];

/// A program that travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// File name.
    pub name: &'static str,
    /// Why.
    pub why: String,
    /// The package that has it, if the rescue system cannot do without it.
    pub required: Option<&'static str>,
    /// It goes into tools.img when it is heavy.
    pub weighed: bool,
}

/// The programs of one image: first those that Lifeboat calls (all in the root), then the others, each name once.
pub fn wanted(place: Place) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = Vec::new();
    for program in ALL.iter().filter(|program| program.rescue != Rescue::Never && place == Root) {
        let required = (program.rescue == Rescue::Always).then_some(program.package);
        wanted.push(Wanted {
            name: program.name,
            why: format!("called by lifeboat ({})", program.package),
            required,
            weighed: false,
        });
    }
    for group in GROUPS.iter().filter(|group| group.place == place) {
        for name in group.names.split_whitespace() {
            if !wanted.iter().any(|known| known.name == name) {
                wanted.push(Wanted { name, why: why(group), required: None, weighed: group.weighed });
            }
        }
    }
    wanted
}

fn why(group: &Group) -> String {
    format!("expert mode: {}", group.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_twice_and_all_plain() {
        let all: Vec<Wanted> = [wanted(Root), wanted(Tools)].concat();
        for (index, program) in all.iter().enumerate() {
            assert!(!program.name.contains('/') && !program.why.is_empty());
            assert!(!all[..index].iter().any(|other| other.name == program.name), "{}", program.name);
        }
        for name in ["sfdisk", "bash", "less", "ssh", "dmesg", "ps", "ip", "ping", "lspci", "lsusb", "smartctl", "nano"]
        {
            assert!(wanted(Root).iter().any(|program| program.name == name), "{name}");
        }
        for name in ["lsof", "ddrescue", "dd_rescue", "testdisk", "strace", "vim"] {
            assert!(wanted(Tools).iter().any(|program| program.name == name), "{name}");
        }
        // They would call a systemd that is not running; init has its own.
        assert!(!all.iter().any(|program| ["systemctl", "reboot", "poweroff", "halt"].contains(&program.name)));
    }
}

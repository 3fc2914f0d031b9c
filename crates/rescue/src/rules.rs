//! Where each kernel module travels: a table over the kernel's own tree.
//!
//! Everything that leads to a disk, a network, a keyboard or a filesystem is in the initramfs, not what the machine has
//! now, because the medium must boot on the machine that replaces it (design, principle 8). What is useful only once the
//! medium was found is in tools.img; what a rescue system has no use for is left out.

/// Which image something travels in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// root.squashfs in the initramfs: what leads to the medium, to disks, wired networks, keyboards and filesystems.
    Root,
    /// tools.img on the medium: what is useful only afterwards. It keeps the initramfs small, which the firmware loads
    /// at a few MB a second from some media.
    Tools,
}
use Place::{Root, Tools};

/// A rule: modules below this directory of the kernel's tree travel there for this reason, or are left out (`None`).
/// The longest matching directory counts.
const RULES: &[(&str, Option<(Place, &str)>)] = &[
    ("arch", None),
    ("arch/x86/crypto", Some((Root, "crypto"))),
    ("arch/arm64/crypto", Some((Root, "crypto"))),
    ("block", Some((Root, "storage"))),
    ("crypto", Some((Root, "crypto"))),
    ("drivers/acpi", Some((Root, "platform"))),
    ("drivers/ata", Some((Root, "storage"))),
    ("drivers/base", Some((Root, "platform"))),
    // Leads only to sound, and all of it depends on the sound system.
    ("drivers/base/regmap/regmap-sdw", None),
    ("drivers/base/regmap/regmap-sdw-mbq", None),
    ("drivers/bcma", Some((Root, "network"))),
    ("drivers/block", Some((Root, "storage"))),
    ("drivers/bus", Some((Root, "platform"))),
    // Modems and wireless cards.
    ("drivers/bus/mhi", Some((Tools, "network: wireless"))),
    ("drivers/cdrom", Some((Root, "storage"))),
    // Consoles and random numbers; the rest of char/ is for programs that a rescue system does not run.
    ("drivers/char/hw_random", Some((Root, "random numbers"))),
    ("drivers/char/virtio_console", Some((Root, "console and events"))),
    ("drivers/char/tpm", Some((Root, "unlocking disks"))),
    ("drivers/char/ipmi", Some((Tools, "management"))),
    // Processors do the cryptography of disks themselves; accelerator cards can come later.
    ("drivers/crypto", Some((Tools, "crypto"))),
    ("drivers/crypto/padlock-aes", Some((Root, "crypto"))),
    ("drivers/crypto/padlock-sha", Some((Root, "crypto"))),
    ("drivers/crypto/virtio", Some((Root, "crypto"))),
    ("drivers/dax", Some((Root, "storage"))),
    ("drivers/dca", Some((Root, "network"))),
    ("drivers/firewire", Some((Root, "storage"))),
    ("drivers/hid", Some((Root, "input"))),
    // Sensors, games and pens: a keyboard is what a rescue system needs before it has its medium.
    ("drivers/hid/amd-sfh-hid", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/intel-ish-hid", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/intel-thc-hid", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-cp2112", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-ft260", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-led", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-mcp2200", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-mcp2221", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-multitouch", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-nintendo", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-ntrig", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-picolcd", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-playstation", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-prodikeys", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-rmi", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-sensor-custom", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-sensor-hub", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-sony", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-steam", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-u2fzero", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-uclogic", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/hid-wiimote", Some((Tools, "input: no keyboard"))),
    ("drivers/hid/wacom", Some((Tools, "input: no keyboard"))),
    ("drivers/hv", Some((Root, "virtual hardware"))),
    ("drivers/i2c", Some((Root, "input"))),
    // Laptop keyboards are behind DesignWare's; the others lead to sensors.
    ("drivers/i2c/busses", Some((Tools, "platform"))),
    ("drivers/i2c/busses/i2c-designware-core", Some((Root, "input"))),
    ("drivers/i2c/busses/i2c-designware-pci", Some((Root, "input"))),
    ("drivers/i2c/busses/i2c-designware-platform", Some((Root, "input"))),
    // Adapters that are also Ethernet cards have their Ethernet part in drivers/net.
    ("drivers/infiniband", Some((Tools, "network: RDMA"))),
    ("drivers/input", Some((Root, "input"))),
    // The screens of a rescue system are text: nothing points at them.
    ("drivers/input/gameport", Some((Tools, "input: no keyboard"))),
    ("drivers/input/joystick", Some((Tools, "input: no keyboard"))),
    ("drivers/input/misc", Some((Tools, "input: no keyboard"))),
    ("drivers/input/misc/xen-kbdfront", Some((Root, "input"))),
    ("drivers/input/mouse", Some((Tools, "input: no keyboard"))),
    ("drivers/input/rmi4", Some((Tools, "input: no keyboard"))),
    ("drivers/input/tablet", Some((Tools, "input: no keyboard"))),
    ("drivers/input/touchscreen", Some((Tools, "input: no keyboard"))),
    ("drivers/md", Some((Root, "storage"))),
    // A layout with them is refused, so nothing here rebuilds them.
    ("drivers/md/bcache", Some((Tools, "storage: not rebuilt"))),
    ("drivers/md/dm-vdo", Some((Tools, "storage: not rebuilt"))),
    ("drivers/md/md-cluster", Some((Tools, "storage: not rebuilt"))),
    ("drivers/memstick", Some((Root, "storage"))),
    ("drivers/message", Some((Root, "storage"))),
    ("drivers/mmc", Some((Root, "storage"))),
    ("drivers/mtd", Some((Tools, "storage: raw flash"))),
    ("drivers/net", Some((Root, "network"))),
    ("drivers/net/arcnet", None),
    ("drivers/net/can", None),
    ("drivers/net/hamradio", None),
    ("drivers/net/ieee802154", None),
    // Tunnels that nothing in a rescue system sets up.
    ("drivers/net/amt", Some((Tools, "network: tunnels"))),
    ("drivers/net/bareudp", Some((Tools, "network: tunnels"))),
    ("drivers/net/geneve", Some((Tools, "network: tunnels"))),
    ("drivers/net/gtp", Some((Tools, "network: tunnels"))),
    ("drivers/net/ovpn", Some((Tools, "network: tunnels"))),
    ("drivers/net/pfcp", Some((Tools, "network: tunnels"))),
    ("drivers/net/vxlan", Some((Tools, "network: tunnels"))),
    ("drivers/net/wireguard", Some((Tools, "network: tunnels"))),
    ("drivers/net/xen-netback", Some((Tools, "network: serving it"))),
    ("drivers/net/ppp", Some((Tools, "network: lines"))),
    ("drivers/net/slip", Some((Tools, "network: lines"))),
    ("drivers/net/wan", Some((Tools, "network: lines"))),
    // Useless without firmware and a supplicant, and both come later than the medium.
    ("drivers/net/wireless", Some((Tools, "network: wireless"))),
    ("drivers/net/wwan", Some((Tools, "network: wireless"))),
    ("drivers/nvdimm", Some((Root, "storage"))),
    ("drivers/nvme", Some((Root, "storage"))),
    ("drivers/nvme/host/nvme-rdma", Some((Tools, "network: RDMA"))),
    ("drivers/nvme/target", Some((Tools, "storage: serving it"))),
    ("drivers/nvmem", Some((Root, "platform"))),
    ("drivers/pci", Some((Root, "platform"))),
    ("drivers/phy", Some((Root, "platform"))),
    ("drivers/pinctrl", Some((Root, "platform"))),
    ("drivers/platform/surface", Some((Root, "input"))),
    // What network cards need of it is included as their dependency.
    ("drivers/ptp", Some((Tools, "clock"))),
    ("drivers/reset", Some((Root, "platform"))),
    ("drivers/rtc", Some((Root, "clock"))),
    ("drivers/scsi", Some((Root, "storage"))),
    // Simulates disks.
    ("drivers/scsi/scsi_debug", None),
    ("drivers/spi", Some((Root, "input"))),
    ("drivers/ssb", Some((Root, "network"))),
    ("drivers/target", Some((Tools, "storage: serving it"))),
    ("drivers/scsi/qla2xxx/tcm_qla2xxx", Some((Tools, "storage: serving it"))),
    ("drivers/xen/xen-scsiback", Some((Tools, "storage: serving it"))),
    ("drivers/thunderbolt", Some((Root, "storage"))),
    ("drivers/tty", Some((Root, "console and events"))),
    ("drivers/ufs", Some((Root, "storage"))),
    ("drivers/usb", Some((Root, "usb"))),
    ("drivers/usb/atm", Some((Tools, "usb"))),
    ("drivers/usb/gadget", None),
    ("drivers/usb/image", Some((Tools, "usb"))),
    ("drivers/usb/misc", Some((Tools, "usb"))),
    ("drivers/usb/serial", Some((Tools, "usb"))),
    // The four chips that nearly all serial adapters have.
    ("drivers/usb/serial/ch341", Some((Root, "console and events"))),
    ("drivers/usb/serial/cp210x", Some((Root, "console and events"))),
    ("drivers/usb/serial/ftdi_sio", Some((Root, "console and events"))),
    ("drivers/usb/serial/pl2303", Some((Root, "console and events"))),
    // Firmware handles the orientation of a plug on machines that boot from it.
    ("drivers/usb/typec", Some((Tools, "usb"))),
    ("drivers/usb/usbip", Some((Tools, "usb"))),
    ("drivers/virt", Some((Root, "virtual hardware"))),
    ("drivers/virtio", Some((Root, "virtual hardware"))),
    ("drivers/watchdog", None),
    ("drivers/xen", Some((Root, "virtual hardware"))),
    ("drivers/block/aoe", Some((Tools, "storage: not rebuilt"))),
    ("drivers/block/null_blk", None),
    ("drivers/xen/xen-pciback", Some((Tools, "storage: serving it"))),
    ("drivers/block/rbd", Some((Tools, "storage: clusters"))),
    ("drivers/block/drbd", Some((Tools, "storage: clusters"))),
    ("fs", Some((Root, "filesystem"))),
    // Machines do not boot from them, and they hold no medium.
    ("fs/9p", Some((Tools, "filesystem: shares"))),
    ("fs/adfs", Some((Tools, "filesystem: other systems"))),
    ("fs/affs", Some((Tools, "filesystem: other systems"))),
    ("fs/befs", Some((Tools, "filesystem: other systems"))),
    ("fs/bfs", Some((Tools, "filesystem: other systems"))),
    ("fs/cachefiles", Some((Tools, "filesystem: shares"))),
    ("fs/ecryptfs", Some((Tools, "filesystem: other systems"))),
    ("fs/efs", Some((Tools, "filesystem: other systems"))),
    // A machine that is built on them is refused.
    ("fs/f2fs", Some((Tools, "filesystem: other systems"))),
    ("fs/freevxfs", Some((Tools, "filesystem: other systems"))),
    ("fs/hfs", Some((Tools, "filesystem: other systems"))),
    ("fs/hfsplus", Some((Tools, "filesystem: other systems"))),
    ("fs/hpfs", Some((Tools, "filesystem: other systems"))),
    ("fs/jfs", Some((Tools, "filesystem: other systems"))),
    ("fs/minix", Some((Tools, "filesystem: other systems"))),
    ("fs/netfs", Some((Tools, "filesystem: shares"))),
    ("fs/nilfs2", Some((Tools, "filesystem: other systems"))),
    ("fs/omfs", Some((Tools, "filesystem: other systems"))),
    ("fs/qnx4", Some((Tools, "filesystem: other systems"))),
    ("fs/qnx6", Some((Tools, "filesystem: other systems"))),
    ("fs/romfs", Some((Tools, "filesystem: other systems"))),
    ("fs/sysv", Some((Tools, "filesystem: other systems"))),
    ("fs/ufs", Some((Tools, "filesystem: other systems"))),
    ("fs/zonefs", Some((Tools, "filesystem: other systems"))),
    ("fs/afs", Some((Tools, "filesystem: clusters"))),
    ("fs/ceph", Some((Tools, "filesystem: clusters"))),
    ("fs/coda", Some((Tools, "filesystem: clusters"))),
    ("fs/dlm", Some((Tools, "filesystem: clusters"))),
    ("fs/gfs2", Some((Tools, "filesystem: clusters"))),
    ("fs/jffs2", Some((Tools, "filesystem: raw flash"))),
    ("fs/ocfs2", Some((Tools, "filesystem: clusters"))),
    ("fs/orangefs", Some((Tools, "filesystem: clusters"))),
    ("fs/ubifs", Some((Tools, "filesystem: raw flash"))),
    // Shortcuts past an NFS server, which also works without them.
    ("fs/nfs/blocklayout", Some((Tools, "filesystem: clusters"))),
    ("fs/nfs/filelayout", Some((Tools, "filesystem: clusters"))),
    ("fs/nfs/flexfilelayout", Some((Tools, "filesystem: clusters"))),
    // The names of media and of EFI system partitions are in these; others are for volumes that a person mounts.
    ("fs/nls", Some((Tools, "filesystem: character sets"))),
    ("fs/nls/nls_ascii", Some((Root, "filesystem"))),
    ("fs/nls/nls_cp437", Some((Root, "filesystem"))),
    ("fs/nls/nls_cp850", Some((Root, "filesystem"))),
    ("fs/nls/nls_iso8859-1", Some((Root, "filesystem"))),
    ("fs/nls/nls_iso8859-15", Some((Root, "filesystem"))),
    ("fs/nls/nls_ucs2_utils", Some((Root, "filesystem"))),
    ("fs/nls/nls_utf8", Some((Root, "filesystem"))),
    ("fs/nfsd", Some((Tools, "filesystem: serving it"))),
    ("fs/smb/server", Some((Tools, "filesystem: serving it"))),
    // No source is a Windows share: mounted only by hand, when the medium has been found. Before 6.4 it was in fs/cifs.
    ("fs/smb/client", Some((Tools, "filesystem: shares of Windows"))),
    ("fs/cifs", Some((Tools, "filesystem: shares of Windows"))),
    ("lib", Some((Root, "library"))),
    ("net", Some((Root, "network"))),
    ("net/6lowpan", None),
    ("net/9p", Some((Tools, "filesystem: shares"))),
    ("net/atm", None),
    ("net/ax25", None),
    ("net/batman-adv", None),
    ("net/bluetooth", None),
    ("net/bridge/netfilter", Some((Tools, "network: packet filter"))),
    ("net/can", None),
    ("net/ceph", Some((Tools, "storage: clusters"))),
    ("net/dccp", Some((Tools, "network: protocol"))),
    ("net/ieee802154", None),
    // Tunnels and congestion control. What a driver needs of it is included as its dependency.
    ("net/ipv4", Some((Tools, "network: protocol"))),
    ("net/ipv6", Some((Tools, "network: protocol"))),
    ("net/ipv6/ipv6", Some((Root, "network"))),
    ("net/ipv4/netfilter", Some((Tools, "network: packet filter"))),
    ("net/ipv6/netfilter", Some((Tools, "network: packet filter"))),
    ("net/l2tp", Some((Tools, "network: protocol"))),
    ("net/mac80211", Some((Tools, "network: wireless"))),
    ("net/mac802154", None),
    ("net/mpls", Some((Tools, "network: protocol"))),
    ("net/netfilter", Some((Tools, "network: packet filter"))),
    ("net/netrom", None),
    ("net/nfc", None),
    ("net/phonet", None),
    ("net/tls", Some((Tools, "network: protocol"))),
    ("net/xfrm", Some((Tools, "network: tunnels"))),
    ("net/openvswitch", Some((Tools, "network: protocol"))),
    ("net/rds", Some((Tools, "network: protocol"))),
    ("net/rose", None),
    ("net/rxrpc", Some((Tools, "filesystem: clusters"))),
    ("net/sched", Some((Tools, "network: traffic control"))),
    ("net/sctp", Some((Tools, "network: protocol"))),
    ("net/smc", Some((Tools, "network: protocol"))),
    ("net/sunrpc/xprtrdma", Some((Tools, "network: RDMA"))),
    ("net/tipc", Some((Tools, "network: protocol"))),
    ("net/vmw_vsock", Some((Tools, "network: protocol"))),
    ("net/wireless", Some((Tools, "network: wireless"))),
    // Modules from elsewhere (DKMS: ZFS, RAID controllers of vendors) are installed because the machine needs them.
    ("updates", Some((Root, "not of the kernel's tree"))),
    ("extra", Some((Root, "not of the kernel's tree"))),
    ("weak-updates", Some((Root, "not of the kernel's tree"))),
];

/// Where the module at `path` (below /lib/modules/RELEASE) travels, and why; `None` when it is left out.
pub fn reason(path: &str) -> Option<(Place, &'static str)> {
    let inside = path.strip_prefix("kernel/").unwrap_or(path);
    let stem = inside.find(".ko").map_or(inside, |end| &inside[..end]);
    if stem.rsplit('/').next().is_some_and(|name| name.starts_with("test_") || name.ends_with("_test")) {
        return None;
    }
    RULES
        .iter()
        .filter(|(directory, _)| {
            stem.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|(directory, _)| directory.len())
        .and_then(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_tree() {
        for (path, expected) in [
            ("kernel/drivers/nvme/host/nvme.ko", Some((Root, "storage"))),
            ("kernel/drivers/net/ethernet/intel/e1000/e1000.ko.xz", Some((Root, "network"))),
            ("kernel/drivers/net/wireless/ath/ath10k/ath10k_core.ko", Some((Tools, "network: wireless"))),
            ("kernel/drivers/usb/serial/ftdi_sio.ko.zst", Some((Root, "console and events"))),
            ("kernel/drivers/usb/serial/keyspan.ko.zst", Some((Tools, "usb"))),
            ("kernel/drivers/net/can/dev/can-dev.ko", None),
            ("kernel/drivers/char/virtio_console.ko", Some((Root, "console and events"))),
            ("kernel/drivers/char/lp.ko", None),
            ("kernel/drivers/scsi/scsi_debug.ko", None),
            ("kernel/drivers/scsi/scsi_mod.ko", Some((Root, "storage"))),
            ("kernel/sound/soundcore.ko", None),
            ("kernel/lib/test_bpf.ko", None),
            ("kernel/arch/x86/kvm/kvm.ko", None),
            ("updates/dkms/zfs.ko.zst", Some((Root, "not of the kernel's tree"))),
            ("kernel/drivers/network-of-another-name/x.ko", None),
            // A directory's rule, and the one exception in it.
            ("kernel/drivers/input/misc/uinput.ko.xz", Some((Tools, "input: no keyboard"))),
            ("kernel/drivers/input/misc/xen-kbdfront.ko.xz", Some((Root, "input"))),
            ("kernel/drivers/input/keyboard/atkbd.ko.xz", Some((Root, "input"))),
            ("kernel/drivers/hid/hid-logitech-dj.ko.xz", Some((Root, "input"))),
            ("kernel/drivers/hid/intel-ish-hid/intel-ishtp.ko.xz", Some((Tools, "input: no keyboard"))),
            // Moved below their makers' names in Linux 6.5.
            ("kernel/drivers/crypto/intel/qat/qat_common/intel_qat.ko", Some((Tools, "crypto"))),
            ("kernel/drivers/crypto/qat/qat_common/intel_qat.ko", Some((Tools, "crypto"))),
            ("kernel/fs/nls/nls_cp437.ko", Some((Root, "filesystem"))),
            ("kernel/fs/nls/nls_cp949.ko", Some((Tools, "filesystem: character sets"))),
            ("kernel/drivers/base/regmap/regmap-sdw.ko", None),
            ("kernel/drivers/base/regmap/regmap-mmio.ko", Some((Root, "platform"))),
        ] {
            assert_eq!(reason(path), expected, "{path}");
        }
    }
}

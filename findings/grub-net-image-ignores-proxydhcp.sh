#!/usr/bin/env bash
# Debian 12's signed GRUB for the network, started by a proxy DHCP server, looks for its menu at the DHCP server that lent the address.
#
# Two servers answer a UEFI that starts by PXE: one lends addresses and says nothing about booting, the other is a proxy (no addresses) and
# names the file and itself. Firmware and shim take the boot file and GRUB from the proxy, as they should. GRUB then takes the next server from
# the acknowledgement of the first one (dnsmasq puts its own address there), and asks that one by TFTP for /grub/x86_64-efi/*.lst and for its
# menu: minutes for each file where nothing answers. The proxy's server, which has all of it, is never asked.
# Who sets up network boot beside somebody else's DHCP server needs that server's next-server, or another way to start (HTTP boot of an image).
#
# Seen: grub-efi-amd64-signed 1+2.06+13+deb12u2, shim-signed 1.51~1+deb12u1+16.1, ovmf 2022.11-6+deb12u2, QEMU 7.2, dnsmasq 2.90: "asked the DHCP
# server: /grub/x86_64-efi/command.lst".
# The script fails when GRUB asks the proxy for a file of its own, or asks nobody within ten minutes.
# Needs: Debian 12 with apt-get and dpkg, root, ip, unshare and python3, qemu-system-x86_64 and dnsmasq; some minutes without KVM.
set -euo pipefail
if [ -z "${WORK-}" ]; then
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    chmod 755 "$WORK"
    (cd "$WORK" && apt-get -q download grub-efi-amd64-signed=1+2.06+13+deb12u2 shim-signed=1.51~1+deb12u1+16.1-2~deb12u1 \
        ovmf=2022.11-6+deb12u2 >/dev/null 2>&1)
    # A network of its own.
    WORK=$WORK unshare --net --mount "$0"
    exit
fi
work=$WORK
running=()
finish() {
    for process in "${running[@]}"; do kill "$process" 2>/dev/null || true; done
}
trap finish EXIT
cd "$work"
for package in ./*.deb; do
    dpkg-deb --show "$package"
    dpkg -x "$package" root
done
mkdir -p tftp/grub
cp root/usr/lib/shim/shimx64.efi.signed tftp/bootx64.efi
cp root/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed tftp/grubx64.efi
echo 'echo here' >tftp/grub/grub.cfg
cp root/usr/share/OVMF/OVMF_VARS_4M.fd vars.fd

# A bridge with the machine's card, and the two servers in places of their own.
ip link set lo up
ip link add bridge0 type bridge
ip link set bridge0 up
mount -t tmpfs none /run
for name in dhcp:2 proxy:3; do
    place=${name%:*} number=${name#*:}
    ip netns add "$place"
    ip link add "to-$place" type veth peer name eth0 netns "$place"
    ip link set "to-$place" master bridge0 up
    ip -n "$place" address add "10.9.9.$number/24" dev eth0
    ip -n "$place" link set eth0 up
done
ip tuntap add tap0 mode tap
ip link set tap0 master bridge0 up
common=(--keep-in-foreground --conf-file=/dev/null --port=0 --interface=eth0 --bind-interfaces --user=root --log-dhcp --dhcp-leasefile=/dev/null)
ip netns exec dhcp dnsmasq "${common[@]}" --log-facility="$work/dhcp.log" --dhcp-range=10.9.9.100,10.9.9.150,1h &
running+=($!)
ip netns exec proxy dnsmasq "${common[@]}" --log-facility="$work/proxy.log" --dhcp-range=10.9.9.0,proxy \
    --pxe-service=X86-64_EFI,boot,bootx64.efi --enable-tftp --tftp-root="$work/tftp" &
running+=($!)
python3 - >asked <<'PYTHON' &
import socket, sys
listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
listener.bind(("tap0", 0))
while True:
    packet = listener.recv(2000)
    # IPv4, UDP, port 69, a read request.
    if packet[12:14] == b"\x08\x00" and packet[23] == 17 and packet[36:38] == b"\0E" and packet[42:44] == b"\0\1":
        server = ".".join(str(byte) for byte in packet[30:34])
        print(server, packet[44:].split(b"\0")[0].decode("ascii", "replace"), flush=True)
PYTHON
running+=($!)
qemu-system-x86_64 -machine q35 -cpu max -m 512M -nodefaults -display none -no-reboot -device virtio-rng-pci \
    -drive if=pflash,format=raw,unit=0,readonly=on,file=root/usr/share/OVMF/OVMF_CODE_4M.fd -drive if=pflash,format=raw,unit=1,file=vars.fd \
    -netdev tap,id=net0,ifname=tap0,script=no,downscript=no -device virtio-net-pci,netdev=net0,romfile=,bootindex=0 &
running+=($!)
for _ in $(seq 300); do
    sleep 2
    if grep -q ' /*grub/' asked; then break; fi
done
sort asked | uniq -c
if grep -q '^10.9.9.3 /*grubx64.efi' asked && grep -q '^10.9.9.2 /*grub/' asked && ! grep -q '^10.9.9.3 /*grub/' asked; then
    echo "as described: shim and GRUB came from the proxy; asked the DHCP server: $(grep -m 1 -o ' /*grub/.*' asked)"
else
    echo "changed: GRUB asks the server that it came from, or nobody"
    exit 1
fi

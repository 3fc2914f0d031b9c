//! `lifeboat.source=`: where to look. Sources on the network, and archives that are in a folder of a disk, are opened by
//! `lifeboat restore`; init only brings the network up for the former.

use super::device::Bus;
use lifeboat_machine::on_disk::{DiskName, OnDisk};
use lifeboat_sys::tape::TapeName;

/// Where to look for the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Wherever the medium of this rescue system is.
    Anywhere,
    /// On one kind of device.
    Bus(Bus),
    /// On a local disk.
    Disk(DiskName),
    /// The archive is on the network; the medium, which may carry tools and the key, is wherever it is.
    Network,
    /// The archive is in a filesystem of a local disk, or on a set of discs; the medium is wherever it is.
    OnDisk,
    /// The archive is on a tape; the medium is wherever it is.
    Tape(TapeName),
}

/// Schemes of addresses on the network.
const NETWORK: [&str; 8] = ["nfs", "smb", "cifs", "http", "https", "s3", "sftp", "rest"];

/// A set of discs, in whatever drives.
const DISCS: &str = "discs";

/// True for a source on the network.
pub fn is_network(source: &str) -> bool {
    source.split_once(':').is_some_and(|(scheme, _)| NETWORK.contains(&scheme))
}

impl Wanted {
    /// Parses the parameter's value.
    ///
    /// # Errors
    /// A message for a person when the value is not understood, or a source that discs and disks cannot be.
    pub fn parse(value: Option<&str>) -> Result<Wanted, String> {
        let Some(value) = value else { return Ok(Wanted::Anywhere) };
        match value {
            "disc" => return Ok(Wanted::Bus(Bus::Optical)),
            "usb" => return Ok(Wanted::Bus(Bus::Usb)),
            "disk" => return Ok(Wanted::Bus(Bus::Disk)),
            _ => {}
        }
        if value == DISCS {
            return Ok(Wanted::OnDisk);
        }
        // A stream in files, or in images of discs, is looked for where a repository on a disk is.
        let files = value.strip_prefix("stream:").or_else(|| value.strip_prefix(DISCS)?.strip_prefix(':'));
        let (stream, place) = match files {
            Some(place) => (true, place),
            None => (false, value),
        };
        if stream && place.starts_with('/') {
            return Ok(Wanted::OnDisk);
        }
        if OnDisk::is_meant(place) {
            return OnDisk::parse(place)
                .map(|_| Wanted::OnDisk)
                .map_err(|mistake| format!("lifeboat.source={mistake}"));
        }
        if let Some(disk) = value.strip_prefix("disk:").filter(|_| !stream) {
            return DiskName::parse(disk).map(Wanted::Disk).map_err(|mistake| format!("lifeboat.source={mistake}"));
        }
        if is_network(value) {
            return Ok(Wanted::Network);
        }
        if TapeName::is_meant(value) {
            return TapeName::parse(value).map(Wanted::Tape).map_err(|mistake| format!("lifeboat.source={mistake}"));
        }
        Err(format!(
            "lifeboat.source={value}: expected disc, usb, disk, disk:LABEL=…, disk:UUID=…[:/PATH], disk:/dev/…, tape, \
             tape:/dev/nst0, discs, discs:/dev/sr0, stream:disk:UUID=…:/PATH, nfs://, smb://, http://, https://, rest:, sftp:// or s3://"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let token = |key, value: &str| Ok(Wanted::Disk(DiskName::Token { key, value: value.into() }));
        for (value, expected) in [
            ("disc", Ok(Wanted::Bus(Bus::Optical))),
            ("usb", Ok(Wanted::Bus(Bus::Usb))),
            ("disk:LABEL=my backup", token("LABEL", "my backup")),
            ("disk:PARTUUID=ab", token("PARTUUID", "ab")),
            ("disk:/dev/sdb1", Ok(Wanted::Disk(DiskName::Path("/dev/sdb1".into())))),
            ("disk:UUID=ab-cd:/srv/repo", Ok(Wanted::OnDisk)),
            ("stream:disk:LABEL=BACKUP:/web1", Ok(Wanted::OnDisk)),
            ("stream:/run/lifeboat/medium/web1", Ok(Wanted::OnDisk)),
            ("discs", Ok(Wanted::OnDisk)),
            ("discs:/dev/sr1", Ok(Wanted::OnDisk)),
            ("discs:disk:LABEL=BACKUP:/set", Ok(Wanted::OnDisk)),
            ("nfs://host/path", Ok(Wanted::Network)),
            ("smb://ann@host/share", Ok(Wanted::Network)),
            ("rest:https://host/path", Ok(Wanted::Network)),
            ("s3://bucket/prefix", Ok(Wanted::Network)),
            ("tape", TapeName::parse("tape").map(Wanted::Tape)),
            ("tape:/dev/nst1", TapeName::parse("tape:/dev/nst1").map(Wanted::Tape)),
        ] {
            assert_eq!(Wanted::parse(Some(value)), expected, "{value}");
        }
        assert_eq!(Wanted::parse(None), Ok(Wanted::Anywhere));
        for (value, part) in [
            ("tape:nst0", "expected tape or tape:/dev/nst0"),
            ("nfs", "expected disc"),
            ("disk:LABEL=", "expected LABEL="),
            ("stream:disk:LABEL=x", "expected disc"),
            ("stream:-", "expected disc"),
            ("dics", "expected disc"),
            ("discs:set", "expected disc"),
        ] {
            assert!(Wanted::parse(Some(value)).unwrap_err().contains(part), "{value}");
        }
    }
}

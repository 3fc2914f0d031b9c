//! Swap areas: their header (mm/swapfile.c, union swap_header), /proc/swaps, and those in fstab.

use crate::prober::{label_field, little_endian, uuid_text};
use lifeboat_machine::Name;
use lifeboat_machine::layout::Swap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Page sizes that Linux knows.
const PAGE_SIZES: [usize; 5] = [4096, 8192, 16384, 32768, 65536];
/// How much of an area must be read.
pub(crate) const HEADER: usize = 65536;

/// What the beginning of an area is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Area {
    /// A swap area.
    Swap(Swap),
    /// One that holds the image of a suspended system.
    Suspended(Swap),
    /// The format before Linux 2.2.
    Old,
}

/// Reads a swap header. `None` when it is none.
pub(crate) fn parse_header(bytes: &[u8]) -> Option<Area> {
    for page in PAGE_SIZES {
        let Some(magic) = bytes.get(page - 10..page) else { continue };
        let suspended =
            magic.starts_with(b"S1SUSPEND") || magic.starts_with(b"S2SUSPEND") || magic.starts_with(b"ULSUSPEND");
        match magic {
            b"SWAP-SPACE" => return Some(Area::Old),
            b"SWAPSPACE2" => {}
            _ if suspended => {}
            _ => continue,
        }
        if little_endian(bytes, 1024, 4) != Some(1) {
            return None;
        }
        let uuid = bytes.get(1036..1052)?;
        let swap = Swap {
            uuid: uuid.iter().any(|b| *b != 0).then(|| uuid_text(uuid)),
            label: label_field(bytes.get(1052..1068)?),
            page_bytes: u32::try_from(page).ok()?,
        };
        return Some(if suspended { Area::Suspended(swap) } else { Area::Swap(swap) });
    }
    None
}

/// Extended attributes of a swap file; none where there are none.
pub(crate) fn xattrs(path: &Path) -> Vec<(String, Name)> {
    let mut names = vec![0; 65_536];
    let length = rustix::fs::listxattr(path, &mut names[..]).unwrap_or(0);
    names.truncate(length);
    let mut found = vec![];
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let mut value = vec![0; 65_536];
        if let Ok(length) = rustix::fs::getxattr(path, name, &mut value[..]) {
            value.truncate(length);
            found.push((name.to_owned(), Name(value)));
        }
    }
    found
}

/// A line of /proc/swaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActiveSwap {
    pub path: PathBuf,
    /// It is a file, not a device.
    pub file: bool,
}

/// Reads /proc/swaps.
pub(crate) fn parse_swaps(text: &[u8]) -> Vec<ActiveSwap> {
    let line = |line: &[u8]| {
        let mut words = line.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
        let path: OsString = lifeboat_sys::mount::unescape(words.next()?);
        let kind = words.next()?;
        (kind != b"Type").then(|| ActiveSwap { path: PathBuf::from(path), file: kind == b"file" })
    };
    text.split(|b| *b == b'\n').filter_map(line).collect()
}

/// An entry of fstab(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FstabEntry {
    /// `/dev/sda1`, `UUID=…`, `/swapfile`.
    pub source: String,
    pub mount_point: PathBuf,
    pub kind: String,
    pub options: Vec<String>,
}

/// Reads fstab.
pub(crate) fn parse_fstab(text: &[u8]) -> Vec<FstabEntry> {
    let line = |line: &[u8]| {
        let mut words = line.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
        let source = words.next().filter(|word| !word.starts_with(b"#"))?;
        let mount_point = PathBuf::from(lifeboat_sys::mount::unescape(words.next()?));
        let kind = String::from_utf8_lossy(words.next()?).into_owned();
        let options = String::from_utf8_lossy(words.next().unwrap_or(b"defaults")).into_owned();
        Some(FstabEntry {
            source: lifeboat_sys::mount::unescape(source).to_string_lossy().into_owned(),
            mount_point,
            kind,
            options: options.split(',').map(str::to_owned).collect(),
        })
    };
    text.split(|b| *b == b'\n').filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_headers() {
        let area = parse_header(include_bytes!("../fixtures/swap.header"));
        let expected = Swap {
            uuid: Some("8a2a5ac2-0c45-4d70-a9e2-6a2c4a2ab1c0".into()),
            label: Name::from("my swap"),
            page_bytes: 4096,
        };
        assert_eq!(area, Some(Area::Swap(expected)));
        assert_eq!(parse_header(&[0; HEADER]), None);
        let mut suspended = include_bytes!("../fixtures/swap.header").to_vec();
        suspended[4086..4096].copy_from_slice(b"S1SUSPEND\0");
        assert!(matches!(parse_header(&suspended), Some(Area::Suspended(_))));
        suspended[4086..4096].copy_from_slice(b"SWAP-SPACE");
        assert_eq!(parse_header(&suspended), Some(Area::Old));
    }

    #[test]
    fn large_pages() {
        let mut bytes = vec![0; HEADER];
        bytes[1024] = 1;
        bytes[65526..].copy_from_slice(b"SWAPSPACE2");
        let Some(Area::Swap(swap)) = parse_header(&bytes) else { panic!() };
        assert_eq!((swap.page_bytes, swap.uuid), (65536, None));
    }

    #[test]
    fn active_areas() {
        let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda2                               partition\t999420\t\t0\t\t-2\n/swap\\040file file 1024 0 -3\n";
        let found = parse_swaps(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], ActiveSwap { path: "/dev/sda2".into(), file: false });
        assert_eq!(found[1], ActiveSwap { path: "/swap file".into(), file: true });
    }

    #[test]
    fn fstab() {
        let text = b"# comment\n\nUUID=1234 / ext4 errors=remount-ro 0 1\n/dev/sr0 /media/cd\\040rom udf,iso9660 user,noauto 0 0\n/swapfile none swap sw\nbroken\n";
        let found = parse_fstab(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[1].mount_point, PathBuf::from("/media/cd rom"));
        assert_eq!(found[1].options, ["user", "noauto"]);
        assert_eq!(found[2].kind, "swap");
    }

    #[test]
    fn any_bytes_are_read() {
        use proptest::prelude::*;
        proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..4200))| {
            let _ = (parse_header(&bytes), parse_swaps(&bytes), parse_fstab(&bytes));
        });
    }
}

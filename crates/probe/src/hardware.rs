//! What the machine is: DMI, memory, modaliases.

use crate::prober::Prober;
use crate::sysroot::attribute;
use lifeboat_machine::machine::Hardware;
use std::path::Path;

/// Reads /sys/class/dmi/id, /proc/meminfo and all modaliases.
pub(crate) fn hardware(prober: &Prober<'_>) -> Hardware {
    let dmi = |name: &str| attribute(prober.host("/sys/class/dmi/id").join(name)).unwrap_or_default();
    Hardware {
        vendor: dmi("sys_vendor"),
        product: dmi("product_name"),
        serial: dmi("product_serial"),
        modaliases: modaliases(&prober.host("/sys")),
        memory_bytes: attribute(prober.host("/proc/meminfo")).as_deref().and_then(parse_memory).unwrap_or(0),
    }
}

/// `MemTotal:       16316412 kB`
fn parse_memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The modaliases of all devices below `sysfs` (`/sys`), sorted, each once.
pub fn modaliases(sysfs: &Path) -> Vec<String> {
    let mut found = vec![];
    let mut todo = vec![sysfs.join("devices")];
    while let Some(directory) = todo.pop() {
        found.extend(attribute(directory.join("modalias")));
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        // Symbolic links lead to the same devices again, or out.
        let real = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        todo.extend(real.map(|entry| entry.path()));
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory() {
        assert_eq!(parse_memory("MemTotal:       16316412 kB\nMemFree: 1 kB\n"), Some(16316412 * 1024));
        assert_eq!(parse_memory("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn aliases_are_sorted_and_unique() {
        let directory = tempfile::tempdir().unwrap();
        let devices = directory.path().join("devices");
        for (place, alias) in [("a/b", "virtio:d2\n"), ("a", "pci:v1\n"), ("c", "pci:v1\n"), ("d", "")] {
            std::fs::create_dir_all(devices.join(place)).unwrap();
            std::fs::write(devices.join(place).join("modalias"), alias).unwrap();
        }
        std::os::unix::fs::symlink("..", devices.join("a/loop")).unwrap();
        assert_eq!(modaliases(directory.path()), ["pci:v1", "virtio:d2"]);
    }
}

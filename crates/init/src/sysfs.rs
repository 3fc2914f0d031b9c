//! Reading /sys: attributes, modaliases, devices without a driver.

use std::path::{Path, PathBuf};

/// An attribute without its newline; `None` when it is missing, unreadable or empty.
pub fn attribute(device: &Path, name: &str) -> Option<String> {
    let bytes = std::fs::read(device.join(name)).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Names of the entries of a directory, sorted; none when it is missing.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Calls `found` with every modalias below `devices` (/sys/devices), as soon as it is met; `driverless` leaves out devices
/// that have a driver.
pub fn walk_modaliases(devices: &Path, driverless: bool, found: &mut dyn FnMut(String)) {
    let mut pending = vec![devices.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                // Links lead to other devices, which the walk reaches at their own place.
                Ok(kind) if kind.is_dir() => {
                    // These subdirectories hold no devices, and there are thousands of them.
                    let name = entry.file_name();
                    if !matches!(
                        name.as_encoded_bytes(),
                        b"power" | b"msi_irqs" | b"statistics" | b"queues" | b"trace" | b"link"
                    ) {
                        pending.push(entry.path());
                    }
                }
                Ok(kind)
                    if kind.is_file()
                        && entry.file_name() == "modalias"
                        && !(driverless && directory.join("driver").exists()) =>
                {
                    found_one(&directory, found);
                }
                _ => {}
            }
        }
    }
}

fn found_one(directory: &Path, found: &mut dyn FnMut(String)) {
    if let Some(modalias) = attribute(directory, "modalias") {
        found(modalias);
    }
}

/// A device that no driver has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driverless {
    /// Its name on its bus, `0000:00:1f.2`.
    pub name: String,
    /// What it is: `storage controller`, `network adapter`, `USB storage`.
    pub what: &'static str,
    /// What a driver would have to match.
    pub modalias: String,
}

/// Storage and network devices below `sys` (/sys) that have no driver.
pub fn driverless(sys: &Path) -> Vec<Driverless> {
    let mut found = Vec::new();
    for (bus, kinds) in [
        // PCI base classes (include/linux/pci_ids.h).
        ("pci", &[("class", "0x01", "storage controller"), ("class", "0x02", "network adapter")][..]),
        // USB interface class 8 is mass storage.
        ("usb", &[("bInterfaceClass", "08", "USB storage")][..]),
    ] {
        let devices: PathBuf = sys.join("bus").join(bus).join("devices");
        for name in names(&devices) {
            let device = devices.join(&name);
            if device.join("driver").exists() {
                continue;
            }
            for (key, prefix, what) in kinds {
                if attribute(&device, key).is_some_and(|value| value.starts_with(prefix)) {
                    let modalias = attribute(&device, "modalias").unwrap_or_default();
                    found.push(Driverless { name: name.clone(), what, modalias });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(root: &Path, path: &str, attributes: &[(&str, &str)]) {
        let directory = root.join(path);
        std::fs::create_dir_all(&directory).unwrap();
        for (name, value) in attributes {
            std::fs::write(directory.join(name), format!("{value}\n")).unwrap();
        }
    }

    #[test]
    fn modaliases_are_found_once_each() {
        let sys = tempfile::tempdir().unwrap();
        device(sys.path(), "pci0000:00/0000:00:01.0", &[("modalias", "pci:a")]);
        device(sys.path(), "pci0000:00/0000:00:01.0/usb1/1-1/1-1:1.0", &[("modalias", "usb:b"), ("empty", "")]);
        device(sys.path(), "pci0000:00/0000:00:01.0/power", &[("modalias", "not a device")]);
        device(sys.path(), "platform/x", &[("modalias", "")]);
        let mut found = Vec::new();
        walk_modaliases(sys.path(), false, &mut |modalias| found.push(modalias));
        found.sort();
        assert_eq!(found, ["pci:a", "usb:b"]);
        device(sys.path(), "pci0000:00/0000:00:01.0/driver", &[]);
        found.clear();
        walk_modaliases(sys.path(), true, &mut |modalias| found.push(modalias));
        assert_eq!(found, ["usb:b"]);
    }

    #[test]
    fn devices_without_driver_are_named() {
        let sys = tempfile::tempdir().unwrap();
        device(sys.path(), "bus/pci/devices/0000:00:02.0", &[("class", "0x010601"), ("modalias", "pci:x")]);
        device(sys.path(), "bus/pci/devices/0000:00:03.0", &[("class", "0x020000"), ("modalias", "pci:y")]);
        device(sys.path(), "bus/pci/devices/0000:00:03.0/driver", &[]);
        device(sys.path(), "bus/pci/devices/0000:00:04.0", &[("class", "0x030000"), ("modalias", "pci:z")]);
        device(sys.path(), "bus/usb/devices/1-1:1.0", &[("bInterfaceClass", "08"), ("modalias", "usb:s")]);
        let found: Vec<_> = driverless(sys.path()).into_iter().map(|d| (d.name, d.what, d.modalias)).collect();
        assert_eq!(
            found,
            [
                ("0000:00:02.0".to_owned(), "storage controller", "pci:x".to_owned()),
                ("1-1:1.0".to_owned(), "USB storage", "usb:s".to_owned()),
            ]
        );
    }
}

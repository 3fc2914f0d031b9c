//! The kernel image of a root filesystem, its release and its configuration.

use crate::error::RescueError;
use crate::packing::Packing;
use crate::squashfs::Compressor;
use crate::sysroot::Sysroot;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// A kernel with its modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The bootable image, outside.
    pub image: PathBuf,
    /// Directory of its modules inside the root, without links: `/usr/lib/modules/RELEASE`.
    pub modules: PathBuf,
    /// Its configuration, when the distribution keeps it.
    pub config: Option<String>,
}

impl Kernel {
    /// Finds the kernel: `release`, or the running one when the root is that of the running system, or the newest.
    ///
    /// # Errors
    /// [`RescueError::Kernel`] with what is missing.
    pub fn find(sysroot: &Sysroot, release: Option<&str>) -> Result<Kernel, RescueError> {
        let release = match release {
            Some(release) => release.to_owned(),
            None if sysroot.is_running_system() => running_release(),
            None => newest_release(sysroot)?,
        };
        let fail = |reason: String, remedy: &str| RescueError::Kernel {
            root: sysroot.root().to_owned(),
            reason,
            remedy: remedy.to_owned(),
        };
        // A release is a file name; one with a slash in it would lead elsewhere.
        if release.is_empty() || release.contains('/') || release.starts_with('.') {
            return Err(fail(format!("{release:?} is not a kernel release"), "one of the names in /lib/modules"));
        }
        let directory = Path::new("/lib/modules").join(&release);
        let modules = match sysroot.resolve(&directory)? {
            Some(resolved) if sysroot.outside(&resolved.path).join("modules.dep").is_file() => resolved.path,
            _ => {
                let installed = match releases(sysroot)? {
                    list if list.is_empty() => "installing a kernel package (linux-image-amd64)".to_owned(),
                    list => format!("a kernel that is installed (--kernel {})", list.join(", or ")),
                };
                return Err(fail(
                    format!("there is no {}/modules.dep", directory.display()),
                    &format!("{installed}, or a reboot when the kernel was just upgraded"),
                ));
            }
        };
        let candidates = [
            format!("/boot/vmlinuz-{release}"),
            format!("/lib/modules/{release}/vmlinuz"),
            format!("/boot/kernel-{release}"),
            format!("/boot/vmlinux-{release}"),
            format!("/boot/Image-{release}"),
        ];
        let mut image = None;
        for candidate in &candidates {
            if let Some((_, outside)) = sysroot.file(Path::new(candidate))? {
                image = Some(outside);
                break;
            }
        }
        let image = image.ok_or_else(|| {
            fail(format!("the image of {release} is in none of {}", candidates.join(", ")), "reinstalling its package")
        })?;
        let mut config = None;
        for candidate in [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")] {
            if let Some(bytes) = sysroot.read(&candidate)? {
                config = Some(String::from_utf8_lossy(&bytes).into_owned());
                break;
            }
        }
        Ok(Kernel { release, image, modules, config })
    }

    /// False when, by its configuration, it has no squashfs with a known compressor.
    pub fn has_squashfs(&self) -> bool {
        let Some(config) = &self.config else { return true };
        let lines = || config.lines().filter(|line| line.starts_with("CONFIG_SQUASHFS"));
        lines().any(|line| matches!(line, "CONFIG_SQUASHFS=y" | "CONFIG_SQUASHFS=m"))
            && ["ZSTD", "LZ4", "XZ", "ZLIB"]
                .iter()
                .any(|name| lines().any(|line| line == format!("CONFIG_SQUASHFS_{name}=y")))
    }

    /// The best compressor that its squashfs can unpack. Without a configuration file zstd, which all distributions
    /// of recent years enable.
    pub fn squashfs_compressor(&self) -> Compressor {
        let Some(config) = &self.config else { return Compressor::Zstd };
        let enabled = |option: &str| config.lines().any(|line| line.strip_prefix(option) == Some("=y"));
        if enabled("CONFIG_SQUASHFS_ZSTD") {
            Compressor::Zstd
        } else if enabled("CONFIG_SQUASHFS_LZ4") {
            Compressor::Lz4
        } else if enabled("CONFIG_SQUASHFS_XZ") {
            Compressor::Xz
        } else {
            Compressor::Gzip
        }
    }
}

impl Kernel {
    /// How the part of an initramfs that the kernel unpacks itself may be packed. Without a configuration file, not at all:
    /// a kernel that cannot unpack it does not boot.
    pub fn initramfs_packing(&self) -> Packing {
        let config = self.config.as_deref().unwrap_or_default();
        let enabled = |option: &str| config.lines().any(|line| line.strip_prefix(option) == Some("=y"));
        match () {
            () if enabled("CONFIG_RD_ZSTD") => Packing::Zstd,
            () if enabled("CONFIG_RD_GZIP") => Packing::Gzip,
            () => Packing::Plain,
        }
    }
}

impl Kernel {
    /// True when it unpacks module files with this suffix (`xz`) itself. It does so for one compressor, that of its build
    /// (kernel/module/decompress.c).
    pub fn unpacks_modules(&self, suffix: &str) -> bool {
        let option = match suffix {
            "xz" => "CONFIG_MODULE_COMPRESS_XZ",
            "zst" => "CONFIG_MODULE_COMPRESS_ZSTD",
            "gz" => "CONFIG_MODULE_COMPRESS_GZIP",
            _ => return false,
        };
        let config = self.config.as_deref().unwrap_or_default();
        let enabled = |option: &str| config.lines().any(|line| line.strip_prefix(option) == Some("=y"));
        enabled("CONFIG_MODULE_DECOMPRESS") && enabled(option)
    }
}

fn running_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The kernels whose modules exist, the newest last.
fn releases(sysroot: &Sysroot) -> Result<Vec<String>, RescueError> {
    let directory = Path::new("/lib/modules");
    let mut releases = Vec::new();
    for name in sysroot.list(directory)? {
        if sysroot.file(&directory.join(&name).join("modules.dep"))?.is_some() {
            releases.push(name.to_string_lossy().into_owned());
        }
    }
    releases.sort_by(|a, b| compare_releases(a, b));
    Ok(releases)
}

fn newest_release(sysroot: &Sysroot) -> Result<String, RescueError> {
    releases(sysroot)?.pop().ok_or_else(|| RescueError::Kernel {
        root: sysroot.root().to_owned(),
        reason: "/lib/modules holds no kernel with a modules.dep".to_owned(),
        remedy: "installing a kernel package (linux-image-amd64)".to_owned(),
    })
}

/// Orders releases as people read them: runs of digits by their value, the rest as text.
pub fn compare_releases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (text_a, text_b) = (leading(a, false), leading(b, false));
        // A suffix (`-rc1`, `-rt`) is compared as text; a shorter text comes first, as `6.1` before `6.1-rt`.
        match text_a.cmp(text_b) {
            Ordering::Equal => {}
            other => return other,
        }
        (a, b) = (&a[text_a.len()..], &b[text_b.len()..]);
        let (digits_a, digits_b) = (leading(a, true), leading(b, true));
        (a, b) = (&a[digits_a.len()..], &b[digits_b.len()..]);
        let (number_a, number_b) = (trimmed(digits_a), trimmed(digits_b));
        match number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b)) {
            Ordering::Equal if a.is_empty() && b.is_empty() => return digits_a.len().cmp(&digits_b.len()),
            Ordering::Equal => {}
            other => return other,
        }
    }
}

fn leading(bytes: &[u8], digits: bool) -> &[u8] {
    let end = bytes.iter().position(|b| b.is_ascii_digit() != digits).unwrap_or(bytes.len());
    &bytes[..end]
}

fn trimmed(digits: &[u8]) -> &[u8] {
    let start = digits.iter().position(|b| *b != b'0').unwrap_or(digits.len());
    &digits[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_number() {
        let mut releases =
            ["6.1.0-9-amd64", "6.12.1-amd64", "6.1.0-56-amd64", "5.10.0-8-amd64", "6.1.0-56-cloud-amd64", "6.1"];
        releases.sort_by(|a, b| compare_releases(a, b));
        assert_eq!(
            releases,
            ["5.10.0-8-amd64", "6.1", "6.1.0-9-amd64", "6.1.0-56-amd64", "6.1.0-56-cloud-amd64", "6.12.1-amd64"]
        );
    }

    #[test]
    fn a_kernel_that_is_not_there_is_named_with_those_that_are() {
        let root = tempfile::tempdir().unwrap();
        let find = || Kernel::find(&Sysroot::new(root.path()), Some("9.9")).unwrap_err().to_string();
        assert!(find().contains("installing a kernel package"));
        for release in ["6.12.1", "6.1.0-9", "5.10-left-by-dkms"] {
            let modules = root.path().join("lib/modules").join(release);
            std::fs::create_dir_all(&modules).unwrap();
            if !release.ends_with("dkms") {
                std::fs::write(modules.join("modules.dep"), "").unwrap();
            }
        }
        let error = find();
        assert!(
            error.contains("/lib/modules/9.9/modules.dep") && error.contains("(--kernel 6.1.0-9, or 6.12.1)"),
            "{error}"
        );
    }

    #[test]
    fn any_two_names_are_compared() {
        use proptest::prelude::*;
        proptest!(|(a in "[0-9a.-]{0,12}", b in "[0-9a.-]{0,12}")| {
            prop_assert_eq!(compare_releases(&a, &b), compare_releases(&b, &a).reverse());
            prop_assert_eq!(compare_releases(&a, &b) == Ordering::Equal, a == b);
        });
    }

    #[test]
    fn compressors_follow_the_configuration() {
        let kernel = |config: Option<&str>| Kernel {
            release: String::new(),
            image: PathBuf::new(),
            modules: PathBuf::new(),
            config: config.map(str::to_owned),
        };
        assert_eq!(kernel(None).squashfs_compressor(), Compressor::Zstd);
        let text = "CONFIG_SQUASHFS_XZ=y\n# CONFIG_SQUASHFS_ZSTD is not set\n";
        assert_eq!(kernel(Some(text)).squashfs_compressor(), Compressor::Xz);
        assert_eq!(kernel(Some("CONFIG_SQUASHFS_ZSTD=y")).squashfs_compressor(), Compressor::Zstd);
        for (config, expected) in [
            (None, Packing::Plain),
            (Some("# CONFIG_RD_ZSTD is not set\nCONFIG_RD_GZIP=y\n"), Packing::Gzip),
            (Some("CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n"), Packing::Zstd),
            (Some("CONFIG_RD_XZ=y\n"), Packing::Plain),
        ] {
            assert_eq!(kernel(config).initramfs_packing(), expected, "{config:?}");
        }
    }
}

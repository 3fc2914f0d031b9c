//! `target/bench/report.json` and the table for people.

use serde::Serialize;
use std::collections::BTreeMap;

/// Seconds by program: `lifeboat`, `tar_zstd`, `restic`, `borg`, `cp`.
pub type Seconds = BTreeMap<&'static str, f64>;

/// The report; all times are medians in seconds.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// A backup into a new archive.
    pub first_backup: Seconds,
    /// A backup of the same, unchanged tree.
    pub second_backup: Seconds,
    /// A restore into an empty folder.
    pub restore: Seconds,
    /// The most memory that lifeboat held in any of its runs.
    pub peak_memory_bytes: u64,
    /// The rescue image.
    pub image: Option<Image>,
    /// Its boot in a virtual machine.
    pub boot: Option<Boot>,
}

/// Building the rescue image.
#[derive(Debug, Serialize)]
pub struct Image {
    /// Kernel, initramfs and tools image.
    pub build_seconds: f64,
    /// Size of the initramfs.
    pub initramfs_bytes: u64,
}

/// Booting the rescue image.
#[derive(Debug, Serialize)]
pub struct Boot {
    /// From the kernel's first moment to /init.
    pub kernel_to_init: f64,
    /// From /init to the mode.
    pub init_to_mode: f64,
}

/// One line of targets: what is measured, against what, at most which ratio.
struct Target {
    contest: &'static str,
    against: &'static str,
    most: f64,
}

/// What the project promises of itself.
const TARGETS: [Target; 5] = [
    Target { contest: "first backup", against: "restic", most: 1.0 },
    Target { contest: "first backup", against: "tar_zstd", most: 1.5 },
    Target { contest: "second backup", against: "first tar_zstd", most: 0.2 },
    Target { contest: "restore", against: "tar_zstd", most: 1.25 },
    Target { contest: "restore", against: "restic", most: 1.0 },
];

/// Most memory, in bytes.
const MOST_MEMORY: u64 = 600 * 1024 * 1024;

impl Report {
    /// The table, and the targets that were missed.
    pub fn table(&self) -> (String, Vec<String>) {
        const PROGRAMS: [&str; 5] = ["lifeboat", "tar_zstd", "restic", "borg", "cp"];
        let mut out = format!("{:<14}", "seconds");
        for program in PROGRAMS {
            out.push_str(&format!("{program:>18}"));
        }
        out.push('\n');
        for (name, seconds) in self.contests() {
            out.push_str(&format!("{name:<14}"));
            let ours = seconds.get("lifeboat").copied();
            for program in PROGRAMS {
                let cell = match (seconds.get(program), ours) {
                    (Some(theirs), Some(ours)) if program != "lifeboat" => {
                        format!("{theirs:.2} (x{:.2})", ours / theirs)
                    }
                    (Some(value), _) => format!("{value:.2}"),
                    (None, _) => "-".to_owned(),
                };
                out.push_str(&format!("{cell:>18}"));
            }
            out.push('\n');
        }
        out.push_str("(xN: lifeboat takes N times as long)\n\n");
        let mut missed = Vec::new();
        let mut judge = |text: String, good: bool| {
            out.push_str(&format!("{text}  {}\n", if good { "met" } else { "MISSED" }));
            if !good {
                missed.push(text);
            }
        };
        for target in &TARGETS {
            if let Some(ratio) = self.ratio(target) {
                let text = format!(
                    "{:<14} at most {:.2} x {:<15} measured {ratio:.2}",
                    target.contest, target.most, target.against
                );
                judge(text, ratio <= target.most);
            }
        }
        let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        if self.peak_memory_bytes > 0 {
            let text = format!(
                "peak memory    at most {:.0} MiB                measured {:.0} MiB",
                mib(MOST_MEMORY),
                mib(self.peak_memory_bytes)
            );
            judge(text, self.peak_memory_bytes <= MOST_MEMORY);
        }
        if let Some(image) = &self.image {
            judge(
                format!("rescue image   at most 20 s                   measured {:.1} s", image.build_seconds),
                image.build_seconds <= 20.0,
            );
            judge(
                format!(
                    "initramfs      at most 64 MB                  measured {:.1} MB",
                    image.initramfs_bytes as f64 / 1e6
                ),
                image.initramfs_bytes <= 64_000_000,
            );
        }
        if let Some(boot) = &self.boot {
            judge(
                format!("init to mode   at most 5 s                    measured {:.2} s", boot.init_to_mode),
                boot.init_to_mode <= 5.0,
            );
            out.push_str(&format!(
                "kernel to init                                measured {:.2} s\n",
                boot.kernel_to_init
            ));
        }
        (out, missed)
    }

    fn contests(&self) -> [(&'static str, &Seconds); 3] {
        [("first backup", &self.first_backup), ("second backup", &self.second_backup), ("restore", &self.restore)]
    }

    fn ratio(&self, target: &Target) -> Option<f64> {
        let ours = self.contests().into_iter().find(|(name, _)| *name == target.contest)?.1;
        let theirs = match target.against.strip_prefix("first ") {
            Some(program) => self.first_backup.get(program),
            None => ours.get(target.against),
        };
        Some(ours.get("lifeboat")? / theirs?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_targets_are_named() {
        let report = Report {
            first_backup: Seconds::from([("lifeboat", 10.0), ("restic", 20.0), ("tar_zstd", 5.0)]),
            restore: Seconds::from([("lifeboat", 5.0), ("cp", 4.0)]),
            peak_memory_bytes: 100 << 20,
            ..Report::default()
        };
        let (table, missed) = report.table();
        assert_eq!(missed.len(), 1, "{table}");
        assert!(missed[0].contains("1.50 x tar_zstd"), "{missed:?}");
        assert!(table.contains("4.00 (x1.25)"), "{table}");
    }

    #[test]
    fn the_shape_of_the_json() {
        let report = Report {
            first_backup: Seconds::from([("lifeboat", 1.0)]),
            image: Some(Image { build_seconds: 1.0, initramfs_bytes: 2 }),
            boot: Some(Boot { kernel_to_init: 1.0, init_to_mode: 2.0 }),
            ..Report::default()
        };
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["first_backup"]["lifeboat"], 1.0);
        assert_eq!(json["image"]["initramfs_bytes"], 2);
        assert_eq!(json["boot"]["init_to_mode"], 2.0);
    }
}

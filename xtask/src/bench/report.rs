//! `target/bench/report.json` and the table for people.

use super::planning::Planning;
use serde::Serialize;
use std::collections::BTreeMap;

/// Seconds by program: `lifeboat`, `stream`, `tar_zstd_t2`, `tar_zstd`, `restic`, `borg`, `cp`.
pub type Seconds<Name = &'static str> = BTreeMap<Name, f64>;

/// The report; all times are medians in seconds.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// A backup into a new archive.
    pub first_backup: Seconds,
    /// A backup of the same, unchanged tree.
    pub second_backup: Seconds,
    /// A restore into an empty folder.
    pub restore: Seconds,
    /// `cp -a` of the same out of the archive, mounted as a folder.
    pub copy_from_mount: Seconds,
    /// The most memory that lifeboat held in any of its runs.
    pub peak_memory_bytes: u64,
    /// The rescue image.
    pub image: Option<Image>,
    /// Its boot in a virtual machine.
    pub boot: Option<Boot>,
    /// A backup of a million empty files.
    pub million_files: Option<Million>,
    /// Planning for a machine with many disks.
    pub planning: Option<Planning>,
    /// Twelve filesystems made at the same time: how many times as long as one after the other.
    pub together: Option<f64>,
    /// Compared with an earlier revision.
    pub paired: Option<Paired>,
    /// The project's promises, and whether they hold.
    pub limits: Vec<Limit>,
}

/// A backup of a million empty files.
#[derive(Debug, Serialize)]
pub struct Million {
    /// How long it took.
    pub seconds: f64,
    /// The most memory that it held.
    pub peak_memory_bytes: u64,
}

/// How many times as long as an earlier revision takes, medians of runs in turn.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Paired {
    /// A backup into a new archive.
    pub first_backup: f64,
    /// A backup of the same, unchanged tree.
    pub second_backup: f64,
    /// A restore into an empty folder.
    pub restore: f64,
    /// Nested folders, compared with tar.
    pub deep: f64,
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
    /// The stages between, by name.
    pub stages: Seconds<String>,
    /// The kernel alone, with our initramfs and with an empty one.
    pub kernel: Option<KernelToInit>,
}

/// From the kernel's first moment to /init, loaded directly, without a boot loader.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KernelToInit {
    /// With our initramfs.
    pub lifeboat: f64,
    /// With an initramfs that has nothing but an /init.
    pub empty: f64,
    /// The first divided by the second.
    pub ratio: f64,
}

/// One promise. All are upper limits; a limit with `below` must not be reached either.
#[derive(Debug, PartialEq, Serialize)]
pub struct Limit {
    /// What is measured.
    pub what: String,
    /// At most this.
    pub limit: f64,
    /// This was measured.
    pub measured: f64,
    /// Of both numbers: `x` for ratios, `s`, `MB`.
    pub unit: &'static str,
    /// The promise holds.
    pub ok: bool,
}

impl Limit {
    pub fn new(what: impl Into<String>, limit: f64, measured: f64, unit: &'static str) -> Limit {
        Limit { what: what.into(), limit, measured, unit, ok: measured <= limit }
    }

    /// Reaching the limit is too much.
    fn below(what: impl Into<String>, limit: f64, measured: f64, unit: &'static str) -> Limit {
        Limit { ok: measured < limit, ..Limit::new(what, limit, measured, unit) }
    }
}

const MB: f64 = 1e6;

impl Report {
    /// Judges what was measured; what was left out is not judged.
    pub fn judge(&mut self) {
        let ratio =
            |ours: &Seconds, theirs: &Seconds, program: &str| Some(ours.get("lifeboat")? / theirs.get(program)?);
        let (first, second, restore) = (&self.first_backup, &self.second_backup, &self.restore);
        let mut limits = Vec::new();
        let mut add = |limit: Option<Limit>| limits.extend(limit);
        add(ratio(first, first, "restic").map(|r| Limit::new("first backup / restic's", 1.0, r, "x")));
        add(ratio(first, first, "tar_zstd").map(|r| Limit::new("first backup / tar and zstd's", 1.5, r, "x")));
        add(ratio(second, first, "tar_zstd").map(|r| Limit::new("second backup / tar's first", 0.2, r, "x")));
        add(ratio(restore, restore, "tar_zstd").map(|r| Limit::new("restore / zstd and tar's", 1.25, r, "x")));
        add(ratio(restore, restore, "restic").map(|r| Limit::below("restore / restic's", 1.0, r, "x")));
        let stream = |seconds: &Seconds| Some(seconds.get("stream")? / seconds.get("tar_zstd_t2")?);
        add(stream(first).map(|r| Limit::new("stream / tar and zstd -T2's", 1.0 / 1.6, r, "x")));
        add(stream(restore).map(|r| Limit::new("stream's restore / zstd and tar's", 1.0 / 1.3, r, "x")));
        let copy = &self.copy_from_mount;
        add(ratio(copy, copy, "restic").map(|r| Limit::new("cp from mount / restic's", 1.0 / 3.0, r, "x")));
        add(ratio(copy, restore, "lifeboat").map(|r| Limit::new("cp from mount / restore", 2.0, r, "x")));
        let memory = (self.peak_memory_bytes > 0).then_some(self.peak_memory_bytes as f64 / MB);
        add(memory.map(|mb| Limit::below("peak memory", 600.0, mb, "MB")));
        let million = self.million_files.as_ref().map(|million| million.peak_memory_bytes as f64 / MB);
        add(million.map(|mb| Limit::below("peak memory, 1,000,000 files", 1000.0, mb, "MB")));
        add(self.together.map(|ratio| Limit::below("steps at the same time", 0.5, ratio, "x")));
        let planning = self.planning.as_ref();
        add(planning.map(|planning| Limit::below("planning for 200 disks", 1.0, planning.seconds, "s")));
        let memory = planning.map(|planning| planning.peak_memory_bytes as f64 / MB);
        add(memory.map(|mb| Limit::below("its memory", 200.0, mb, "MB")));
        let image = self.image.as_ref();
        add(image.map(|image| Limit::new("building the rescue image", 20.0, image.build_seconds, "s")));
        add(image.map(|image| Limit::new("initramfs", 64.0, image.initramfs_bytes as f64 / MB, "MB")));
        let kernel = self.boot.as_ref().and_then(|boot| boot.kernel);
        add(kernel.map(|kernel| Limit::new("kernel to /init / empty initramfs", 1.2, kernel.ratio, "x")));
        add(self.boot.as_ref().map(|boot| Limit::new("/init to mode", 5.0, boot.init_to_mode, "s")));
        limits.extend(self.paired.iter().flat_map(Paired::limits));
        self.limits = limits;
    }

    /// The limits that do not hold.
    pub fn missed(&self) -> usize {
        self.limits.iter().filter(|limit| !limit.ok).count()
    }

    /// The tables for people, 80 columns wide.
    pub fn table(&self) -> String {
        const PROGRAMS: [&str; 5] = ["lifeboat", "tar_zstd", "restic", "borg", "cp"];
        let mut out = String::new();
        let contests = [
            ("first backup", &self.first_backup),
            ("second backup", &self.second_backup),
            ("restore", &self.restore),
            ("cp from mount", &self.copy_from_mount),
        ];
        if contests.iter().any(|(_, seconds)| !seconds.is_empty()) {
            out.push_str(&format!("{:<14}", "seconds"));
            out.extend(PROGRAMS.map(|program| format!("{program:>13}")));
            out.push('\n');
        }
        for (name, seconds) in contests.iter().filter(|(_, seconds)| !seconds.is_empty()) {
            out.push_str(&format!("{name:<14}"));
            let ours = seconds.get("lifeboat");
            for program in PROGRAMS {
                let cell = match (seconds.get(program), ours) {
                    (Some(theirs), Some(ours)) if program != "lifeboat" => {
                        format!("{theirs:.1} (x{:.2})", ours / theirs)
                    }
                    (Some(value), _) => format!("{value:.1}"),
                    (None, _) => "-".to_owned(),
                };
                out.push_str(&format!("{cell:>13}"));
            }
            out.push('\n');
        }
        if !out.is_empty() {
            out.push_str("(xN: lifeboat takes N times as long)\n\n");
        }
        if let Some(million) = &self.million_files {
            let mb = million.peak_memory_bytes as f64 / MB;
            out.push_str(&format!("1,000,000 empty files: {:.1} s, {mb:.0} MB of memory\n\n", million.seconds));
        }
        if let Some(boot) = &self.boot {
            out.push_str(&format!("kernel to /init, from the medium  {:>8.2} s\n", boot.kernel_to_init));
            if let Some(kernel) = &boot.kernel {
                out.push_str(&format!("kernel to /init, handed over      {:>8.2} s\n", kernel.lifeboat));
                out.push_str(&format!("the same, empty initramfs         {:>8.2} s\n", kernel.empty));
            }
            for (name, seconds) in &boot.stages {
                out.push_str(&format!("stage {name:<28}{seconds:>8.2} s\n"));
            }
            out.push_str(&format!("/init to mode                     {:>8.2} s\n\n", boot.init_to_mode));
        }
        out.push_str(&format!("{:<36}{:>12}{:>14}\n", "limit", "at most", "measured"));
        for limit in &self.limits {
            let verdict = if limit.ok { "ok" } else { "MISSED" };
            let number = |value: f64| format!("{value:.2} {}", limit.unit);
            out.push_str(&format!(
                "{:<36}{:>12}{:>14}  {verdict}\n",
                limit.what,
                number(limit.limit),
                number(limit.measured)
            ));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report {
            first_backup: Seconds::from([("lifeboat", 10.0), ("restic", 20.0), ("tar_zstd", 5.0)]),
            second_backup: Seconds::from([("lifeboat", 1.0), ("restic", 2.0), ("tar_zstd", 5.0)]),
            restore: Seconds::from([("lifeboat", 5.0), ("cp", 4.0), ("restic", 5.0)]),
            copy_from_mount: Seconds::from([("lifeboat", 11.0), ("restic", 40.0)]),
            peak_memory_bytes: 100 << 20,
            image: Some(Image { build_seconds: 1.0, initramfs_bytes: 64_000_000 }),
            boot: Some(Boot {
                kernel_to_init: 1.0,
                init_to_mode: 2.0,
                stages: BTreeMap::from([("foundation".to_owned(), 0.5)]),
                kernel: Some(KernelToInit { lifeboat: 3.0, empty: 2.0, ratio: 1.5 }),
            }),
            million_files: Some(Million { seconds: 9.0, peak_memory_bytes: 1_000_000_000 }),
            ..Report::default()
        };
        report.judge();
        report
    }

    #[test]
    fn missed_limits_are_named() {
        let report = report();
        let missed: Vec<&str> =
            report.limits.iter().filter(|limit| !limit.ok).map(|limit| limit.what.as_str()).collect();
        assert_eq!(
            missed,
            [
                "first backup / tar and zstd's",
                "restore / restic's",
                "cp from mount / restore",
                "peak memory, 1,000,000 files",
                "kernel to /init / empty initramfs"
            ]
        );
        assert_eq!(report.missed(), 5);
        let table = report.table();
        assert!(table.contains("4.0 (x1.25)") && table.contains("MISSED"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    }

    #[test]
    fn the_shape_of_the_json() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["first_backup"]["lifeboat"], 10.0);
        assert_eq!(json["second_backup"]["lifeboat"], 1.0);
        assert_eq!(json["restore"]["cp"], 4.0);
        assert_eq!(json["copy_from_mount"]["lifeboat"], 11.0);
        assert_eq!(json["peak_memory_bytes"], 100 << 20);
        assert_eq!(json["image"]["build_seconds"], 1.0);
        assert_eq!(json["image"]["initramfs_bytes"], 64_000_000);
        assert_eq!(json["boot"]["kernel_to_init"], 1.0);
        assert_eq!(json["boot"]["init_to_mode"], 2.0);
        assert_eq!(json["boot"]["stages"]["foundation"], 0.5);
    }
}
